// SPDX-License-Identifier: GPL-2.0-or-later

/* Which endpoint is heard by which ring.
 *
 * Up to RINGS_MOST endpoints have a ring each: the rest of the lab does not feel the capture.
 * Beyond that one ring listens to all of the namespace with a search tree of interface numbers in
 * its filter, since each ring costs memory and, while idle, a timer. RING_BYTES is what all of them
 * take together, whatever their number.
 *
 * Endpoints that come while the capture runs are always heard by the shared ring: it takes a new
 * program without losing a frame. Its socket is made at the start if the capture can be told of
 * changes, as the worker gives its privileges up; everything else is allowed without them. */

#include "capture/worker_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

#define RING_BYTES      (32u << 20)
#define RING_BYTES_EACH (8u << 20)
/* A stream's reader is a person or a tool that prints; ten of them must not cost a machine. */
#define RING_BYTES_LIVE (8u << 20)

/* A program for a ring. */
struct program {
    struct sock_filter insns[BPF_MAXINSNS];
    size_t size;
    bool filters; /* it decides all that can be decided on a frame */
};

/**
 * make_program() - What a ring lets through
 * @worker:	The worker
 * @ifindexes:	Sorted; of the shared ring
 * @count:	How many, 0: a ring of one interface
 *
 * Return: program, caller frees
 */
static struct program *make_program(const struct worker *worker, const uint32_t *ifindexes,
                                    size_t count)
{
    struct program *program = xnew0(struct program, 1);
    int size = filter_kernel(worker->filter, ifindexes, count, program->insns, BPF_MAXINSNS);

    program->filters = size >= 0;
    if (size < 0 && count > 0) /* let the kernel choose the interfaces at least */
        size = filter_kernel(NULL, ifindexes, count, program->insns, BPF_MAXINSNS);
    program->size = size < 0 ? 0 : (size_t)size;
    return program;
}

/**
 * open_one() - Make one ring
 * @worker:	The worker; its ring_count grows
 * @ifindex:	Interface, 0: all
 * @bytes:	Of the ring
 * @fd:		Socket to use, -1: a new one
 * @program:	What it lets through
 * @err:	What went wrong
 *
 * Return: 0 or -errno
 */
static int open_one(struct worker *worker, uint32_t ifindex, size_t bytes, int fd,
                    const struct program *program, struct error *err)
{
    const struct ring_options options = {
        .fd = fd,
        .ifindex = ifindex,
        .bytes = worker->options->buffer ? worker->options->buffer : bytes,
        .retire_ms = worker->retire_ms,
        .program = program->insns,
        .program_size = program->size,
    };
    bool filtered;
    int r = ring_open(&options, &worker->rings[worker->ring_count], &filtered, err);

    if (r < 0)
        return r;
    worker->ring_count++;
    worker->kernel_filters &= filtered && program->filters;
    worker->hold_ns =
        worker->ring_count > 1 ? (uint64_t)(worker->retire_ms + SLACK_MS) * NS_PER_MS : 0;
    return 0;
}

int worker_rings_open(struct worker *worker, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;
    size_t count = worker->now.count;
    bool shared = count > RINGS_MOST, live = capture->live || capture->keep_ns;
    size_t rings = shared ? 1 : count, bytes = (live ? RING_BYTES_LIVE : RING_BYTES) / rings;
    _cleanup_free_ uint32_t *ifindexes = xnew0(uint32_t, count);
    _cleanup_free_ struct program *program = NULL;
    int r = 0;

    for (size_t i = 0; i < count; i++)
        ifindexes[i] = worker->now.items[i].ifindex;
    program = make_program(worker, ifindexes, shared ? count : 0);
    if (bytes > RING_BYTES_EACH && !shared)
        bytes = RING_BYTES_EACH;
    worker->retire_ms = live || rings > 1 ? RETIRE_LIVE_MS : RETIRE_FILE_MS;
    worker->kernel_filters = true;
    for (size_t i = 0; i < rings && r == 0; i++) {
        r = open_one(worker, shared ? 0 : ifindexes[i], bytes, -1, program, err);
        if (r < 0)
            return error_prefix(err, "capture of %s",
                                shared ? "many interfaces" : worker->now.items[i].label);
    }
    if (!shared && worker->options->control->listen_fd >= 0) {
        worker->spare_fd = ring_socket(err);
        if (worker->spare_fd < 0)
            return worker->spare_fd;
    }
    return 0;
}

/**
 * has_ring() - Is there a ring for an interface alone?
 * @worker:	The worker
 * @ifindex:	Interface
 *
 * Return: true if so
 */
static bool has_ring(const struct worker *worker, uint32_t ifindex)
{
    for (size_t i = 0; i < worker->ring_count; i++)
        if (ring_ifindex(worker->rings[i]) == ifindex)
            return true;
    return false;
}

/**
 * shared_ring() - The ring that listens to many
 * @worker:	The worker
 *
 * Return: ring, NULL if there is none
 */
static struct ring *shared_ring(const struct worker *worker)
{
    for (size_t i = 0; i < worker->ring_count; i++)
        if (ring_ifindex(worker->rings[i]) == 0)
            return worker->rings[i];
    return NULL;
}

/**
 * compare_numbers() - Order interface numbers for qsort()
 * @a:	Number
 * @b:	Number
 *
 * Return: below, at or above 0
 */
static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/**
 * shared_ifindexes() - Interfaces that the shared ring must hear
 * @worker:	The worker
 * @ret_count:	How many
 *
 * Return: sorted numbers, each once; caller frees
 */
static uint32_t *shared_ifindexes(const struct worker *worker, size_t *ret_count)
{
    const struct endpoints *lists[] = {&worker->now, &worker->next};
    uint32_t *ifindexes = xnew0(uint32_t, worker->now.count + worker->next.count + 1);
    size_t count = 0, kept = 0;

    for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
        for (size_t i = 0; i < lists[list]->count; i++)
            if (!has_ring(worker, lists[list]->items[i].ifindex))
                ifindexes[count++] = lists[list]->items[i].ifindex;
    qsort(ifindexes, count, sizeof(*ifindexes), compare_numbers);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || ifindexes[i] != ifindexes[i - 1])
            ifindexes[kept++] = ifindexes[i];
    *ret_count = kept;
    return ifindexes;
}

int worker_rings_follow(struct worker *worker, struct error *err)
{
    struct ring *shared = shared_ring(worker);
    size_t count;
    _cleanup_free_ uint32_t *ifindexes = shared_ifindexes(worker, &count);
    _cleanup_free_ struct program *program = NULL;
    int fd = worker->spare_fd, r;

    if (!shared && count == 0)
        return 0;
    if (count == 0) {
        ring_stop(shared);
        return 0;
    }
    program = make_program(worker, ifindexes, count);
    if (shared) {
        bool filtered = ring_filter(shared, program->insns, program->size);

        worker->kernel_filters &= filtered && program->filters;
        return 0;
    }
    if (fd < 0)
        return error_set(err, EPERM, "endpoints that came cannot be captured: no socket is left");
    worker->spare_fd = -1;
    r = open_one(worker, 0, RING_BYTES_LIVE, fd, program, err);
    return r < 0 ? error_prefix(err, "endpoints that came")
                 : ring_start(worker->rings[worker->ring_count - 1], err);
}

void worker_rings_tidy(struct worker *worker)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t kept = 0;

    for (size_t i = 0; i < worker->ring_count; i++) {
        uint32_t ifindex = ring_ifindex(worker->rings[i]);

        if (ifindex == 0 || endpoints_find(&worker->now, ifindex) ||
            endpoints_find(&worker->next, ifindex))
            worker->rings[kept++] = worker->rings[i];
        else
            ring_free(worker->rings[i]);
    }
    worker->ring_count = kept;
    if (worker_rings_follow(worker, &err) < 0)
        log_warning("%s", error_message(&err));
}
