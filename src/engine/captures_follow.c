// SPDX-License-Identifier: GPL-2.0-or-later

/* Captures follow their lab. What a capture is of was named by its user: a node, a LAN, all of the
 * lab. When the lab is changed while it runs, those names mean other endpoints. The workers are
 * then told (capture/worker_ends.c): before the change what will come, so that they hear it from
 * its first frame on, and afterwards how things are and since when. A worker is waited for, but not
 * for long: one that is held up by a slow disk must not hold up the lab.
 *
 * What an engine that died had told is not certain, so the next one tells all workers again. */

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "engine/captures_priv.h"

#define PATIENCE_NS 500000000u /* for all workers together */

/**
 * ends_text() - What a capture is of by now
 * @run:	Capture
 *
 * Return: list for its worker; caller frees
 */
static char *ends_text(const struct capture_run *run)
{
    struct capture_where where;
    char *text;

    capture_where_left(run->lab, run->where, run->side, &where);
    if (run->once)
        capture_where_once(run->lab, &where);
    text = capture_where_text(&where);
    capture_where_done(&where);
    return text;
}

/**
 * tell() - Send a worker the list if it is another one than before
 * @run:	Capture
 * @from_ns:	Since when it is true, 0: not yet
 * @always:	Also if it is the same: interfaces may have been made anew
 */
static void tell(struct capture_run *run, uint64_t from_ns, bool always)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL, *message = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    if (!run || run->ended || run->finished || run->control_fd < 0)
        return;
    text = ends_text(run);
    if (!always && run->told && strcmp(text, run->told) == 0)
        return;
    fd = memfd_create("ends", MFD_CLOEXEC);
    message = xasprintf("ends %llu %llu", (unsigned long long)run->orders + 1,
                        (unsigned long long)from_ns);
    r = fd < 0 ? error_errno(&err, errno, "memfd") : 0;
    if (r == 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        r = error_errno(&err, errno, "memfd");
    if (r == 0)
        r = capture_run_tell(run, message, fd, &err);
    if (r < 0) {
        log_warning("capture %u does not follow the lab: %s", run->id, error_message(&err));
        return;
    }
    run->orders++;
    if (!from_ns)
        return;
    free(run->told);
    run->told = steal_ptr(text);
}

/**
 * wait_for() - Wait until a worker has carried out what it was told
 * @run:	Capture or NULL
 * @until_ns:	Not longer
 */
static void wait_for(struct capture_run *run, uint64_t until_ns)
{
    while (run && !run->ended && run->control_fd >= 0 && run->answered < run->orders) {
        struct pollfd answer = {.fd = run->control_fd, .events = POLLIN};
        uint64_t now = now_ns();

        if (now >= until_ns || poll(&answer, 1, (int)((until_ns - now) / 1000000) + 1) <= 0)
            return;
        if (!capture_run_read(run))
            return; /* its end is an event of its own */
    }
}

/**
 * tell_all() - Tell all workers
 * @lab:	Lab
 * @from_ns:	As for tell()
 * @always:	As for tell()
 */
static void tell_all(struct lab *lab, uint64_t from_ns, bool always)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        tell(lab->captures[i], from_ns, always);
    tell(lab->keeper, from_ns, always);
}

/**
 * wait_for_all() - Wait for all workers
 * @lab:	Lab
 */
static void wait_for_all(struct lab *lab)
{
    uint64_t until_ns = now_ns() + PATIENCE_NS;

    for (size_t i = 0; i < lab->capture_count; i++)
        wait_for(lab->captures[i], until_ns);
    wait_for(lab->keeper, until_ns);
}

void captures_coming(struct lab *lab)
{
    tell_all(lab, 0, false);
    wait_for_all(lab);
}

void captures_follow(struct lab *lab, uint64_t from_ns)
{
    lab->captures_plan = lab->plan;
    if (lab->state == LAB_STOPPING)
        return;
    tell_all(lab, from_ns, true);
    wait_for_all(lab);
    capture_keep_follow(lab);
}

void captures_changed(struct lab *lab)
{
    struct timespec now = {0};

    if (lab->captures_plan == lab->plan || lab->state == LAB_STOPPING)
        return;
    lab->captures_plan = lab->plan;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    tell_all(lab, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, false);
}
