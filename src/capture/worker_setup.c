// SPDX-License-Identifier: GPL-2.0-or-later

/* How a capture begins, in an order that loses nothing: signals and interface watch first, then the
 * interfaces' numbers, rings that receive nothing yet, the file's head, and the rings' start.
 *
 * Up to RINGS_MOST endpoints have a ring each: the rest of the lab does not feel the capture.
 * Beyond that one ring listens to all of the namespace with a search tree of interface numbers in
 * its filter, since each ring costs memory and, while idle, a timer. RING_BYTES is what all of them
 * take together, whatever their number. */

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

#define RING_BYTES      (32u << 20)
#define RING_BYTES_EACH (8u << 20)
/* A stream's reader is a person or a tool that prints; ten of them must not cost a machine. */
#define RING_BYTES_LIVE (8u << 20)

/**
 * compare_ifindexes() - Order endpoints for qsort()
 * @a:	struct endpoint
 * @b:	struct endpoint
 *
 * Return: below, at or above 0
 */
static int compare_ifindexes(const void *a, const void *b)
{
    uint32_t x = ((const struct endpoint *)a)->ifindex, y = ((const struct endpoint *)b)->ifindex;

    return x < y ? -1 : x > y;
}

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

    worker->endpoints = xnew0(struct endpoint, capture->endpoint_count);
    worker->numbers = xnew0(uint32_t, capture->endpoint_count);
    for (size_t i = 0; i < capture->endpoint_count; i++) {
        struct endpoint *endpoint = &worker->endpoints[i];

        endpoint->config = &capture->endpoints[i];
        endpoint->ifindex = if_nametoindex(endpoint->config->ifname);
        if (!endpoint->ifindex)
            return error_errno(err, errno, "interface '%s' of %s", endpoint->config->ifname,
                               endpoint->config->label);
    }
    qsort(worker->endpoints, capture->endpoint_count, sizeof(*worker->endpoints),
          compare_ifindexes);
    for (size_t i = 0; i < capture->endpoint_count; i++) {
        if (i > 0 && worker->endpoints[i].ifindex == worker->endpoints[i - 1].ifindex)
            return error_input(err, "interface '%s' is named twice",
                               worker->endpoints[i].config->ifname);
        worker->numbers[i] = (uint32_t)(worker->endpoints[i].config - capture->endpoints);
    }
    return 0;
}

/**
 * open_rings() - Make the rings; they do not run yet
 * @worker:	The worker
 * @err:	What went wrong
 *
 * Return: 0 or -errno
 */
static int open_rings(struct worker *worker, struct error *err)
{
    const struct worker_options *options = worker->options;
    size_t count = options->capture.endpoint_count;
    bool shared = count > RINGS_MOST;
    size_t rings = shared ? 1 : count, bytes;
    bool live = options->capture.live || options->capture.keep_ns;
    bool fast = live || rings > 1;
    _cleanup_free_ struct sock_filter *program = xnew0(struct sock_filter, BPF_MAXINSNS);
    _cleanup_free_ uint32_t *ifindexes = xnew0(uint32_t, count);
    struct ring_options ring = {.retire_ms = fast ? RETIRE_LIVE_MS : RETIRE_FILE_MS,
                                .program = program};
    int size;

    for (size_t i = 0; i < count; i++)
        ifindexes[i] = worker->endpoints[i].ifindex;
    size = filter_kernel(worker->filter, ifindexes, shared ? count : 0, program, BPF_MAXINSNS);
    worker->kernel_filters = size >= 0;
    if (size < 0 && shared) /* let the kernel choose the interfaces at least */
        size = filter_kernel(NULL, ifindexes, count, program, BPF_MAXINSNS);
    ring.program_size = size < 0 ? 0 : (size_t)size;
    bytes = (live ? RING_BYTES_LIVE : RING_BYTES) / rings;
    if (bytes > RING_BYTES_EACH && !shared)
        bytes = RING_BYTES_EACH;
    ring.bytes = options->buffer ? options->buffer : bytes;
    for (size_t i = 0; i < rings; i++) {
        bool filtered;
        int r;

        ring.ifindex = shared ? 0 : worker->endpoints[i].ifindex;
        r = ring_open(&ring, &worker->rings[i], &filtered, err);
        if (r < 0)
            return error_prefix(err, "capture of %s",
                                shared ? "many interfaces" : worker->endpoints[i].config->label);
        worker->ring_count++;
        worker->kernel_filters &= filtered;
    }
    if (rings > 1)
        worker->hold_ns = (RETIRE_LIVE_MS + SLACK_MS) * NS_PER_MS;
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
        r = open_rings(worker, err);
    worker->start_ns = worker_clock_ns(CLOCK_REALTIME);
    if (capture->keep_ns)
        worker->keep = keep_new(capture->keep_ns, KEEP_BYTES);
    else if (r == 0)
        r = worker_file_begin(worker, worker->options->output_fd, err);
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
    free(worker->endpoints);
    free(worker->numbers);
    free(worker->why_owned);
    keep_free(worker->keep);
    for (size_t i = 0; i < worker->note_count; i++)
        free(worker->notes[i].text);
    free(worker->notes);
    strbuf_done(&worker->note_text);
}
