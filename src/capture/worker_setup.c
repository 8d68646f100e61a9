// SPDX-License-Identifier: GPL-2.0-or-later

/* How a capture begins, in an order that loses nothing: signals and interface watch first, then the
 * interfaces' numbers, rings that receive nothing yet, the file's head, and the rings' start. */

#include "capture/worker_priv.h"

#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "capture/ifwatch_priv.h"

/**
 * find_interfaces() - Look the interfaces up
 * @worker:	The worker
 * @err:	Which one is missing
 *
 * Return: 0 or -errno
 */
static int find_interfaces(struct worker *worker, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;

    for (size_t i = 0; i < capture->endpoint_count; i++) {
        const struct capture_endpoint *config = &capture->endpoints[i];
        uint32_t ifindex = if_nametoindex(config->ifname);

        if (!ifindex)
            return error_errno(err, errno, "interface '%s' of %s", config->ifname, config->label);
        endpoints_add(&worker->now, config);
        worker->now.items[i].ifindex = ifindex;
    }
    worker_ends_number(worker, &worker->now);
    endpoints_sort(&worker->now);
    for (size_t i = 1; i < worker->now.count; i++)
        if (worker->now.items[i].ifindex == worker->now.items[i - 1].ifindex)
            return error_input(err, "interface '%s' is named twice", worker->now.items[i].ifname);
    return 0;
}

/**
 * drop_privileges() - Whatever hostile frames may do to this process, it can do no harm with it
 */
static void drop_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{.effective = 0}};

    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)syscall(SYS_capset, &header, none);
}

/**
 * open_signals() - Take SIGTERM and SIGINT by descriptor, and a lost reader or full disk by errno
 * @err:	What went wrong
 *
 * Return: descriptor or -errno
 */
static int open_signals(struct error *err)
{
    sigset_t set;
    int fd;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD); /* a save is done */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? error_errno(err, errno, "signalfd") : fd;
}

int worker_set_up(struct worker *worker, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;
    int r = 0;

    worker->signal_fd = open_signals(err);
    if (worker->signal_fd < 0)
        return worker->signal_fd;
    worker->watch_fd = ifwatch_open(err); /* before the look-up, so that no end is missed */
    if (worker->watch_fd < 0)
        return worker->watch_fd;
    worker->snaplen =
        capture->snaplen && capture->snaplen < FILTER_WHOLE ? capture->snaplen : FILTER_WHOLE;
    worker->segmenter = segmenter_new();
    if (capture->filter && *capture->filter)
        r = filter_compile(capture->filter, &worker->filter, err);
    if (r == 0)
        r = find_interfaces(worker, err);
    if (r == 0)
        r = worker_rings_open(worker, err);
    worker->start_ns = worker_clock_ns(CLOCK_REALTIME);
    if (capture->keep_ns)
        worker->keep = keep_new(capture->keep_ns, KEEP_BYTES);
    else if (r == 0)
        r = worker_file_begin(
            worker, capture->resume ? worker_file_resume(worker) : worker->options->output_fd, err);
    if (capture->duration_ns)
        worker->end_ms = worker_now_ms() + (int64_t)(capture->duration_ns / NS_PER_MS) + 1;
    for (size_t i = 0; i < worker->ring_count && r == 0; i++)
        r = ring_start(worker->rings[i], err);
    drop_privileges();
    return r;
}

void worker_done(struct worker *worker)
{
    for (size_t i = 0; i < worker->ring_count; i++)
        ring_free(worker->rings[i]);
    cleanup_close(&worker->watch_fd);
    cleanup_close(&worker->signal_fd);
    output_done(&worker->output);
    segmenter_free(worker->segmenter);
    filter_free(worker->filter);
    cleanup_close(&worker->spare_fd);
    endpoints_done(&worker->now);
    endpoints_done(&worker->next);
    for (size_t i = 0; i < worker->interface_count; i++)
        interface_block_done(&worker->interfaces[i]);
    free(worker->interfaces);
    free(worker->why_owned);
    keep_free(worker->keep);
    for (size_t i = 0; i < worker->note_count; i++)
        free(worker->notes[i].text);
    free(worker->notes);
    strbuf_done(&worker->note_text);
}
