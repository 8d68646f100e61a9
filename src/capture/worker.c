// SPDX-License-Identifier: GPL-2.0-or-later

/* The capture worker's loop: rings → time order → wire frames → pcapng.
 *
 * Direction. A tap has two sides, and the labels in the file are NODE:PORT, so the file speaks for
 * the node's: a frame that comes in by the tap was sent by the node and is "outbound", one that
 * the kernel sends to the tap is "inbound". Links redirect at the tap's ingress hook. Packet
 * sockets see a frame before that hook at the one end and again when it leaves by the tap at the
 * other, so each endpoint shows each frame once, in both directions. The unit test shows it.
 *
 * Order. Frames leave by time. With one ring that is the order within its blocks. With several, a
 * ring that has nothing to show may still hold an older frame in a block that is not handed over
 * yet; so a frame waits until every other ring has shown a later one or until the kernel must have
 * handed over (retire time and slack). When a ring is half full nobody waits. A frame that comes
 * too late (by microseconds, between two blocks) takes the time of the one before it, so that time
 * never runs backwards; but when the clock itself was set back by a second or more, so does the
 * file.
 *
 * Comments. What happens in the lab comes by the control socket as notes (worker_orders.c), and
 * stands on the first packet that passed afterwards.
 *
 * Loss. The kernel counts what did not fit into a ring, output.c says when a stream's reader is
 * behind; both are in the reports and in the statistics at the file's end, and the first packet
 * after a gap of the second kind says so in a comment. A reader that takes nothing at all is cut
 * off: its capture ends, and the last thing in its stream says so.
 *
 * End. SIGTERM closes the rings to new frames, waits for what they hold, and ends the file. A file
 * that cannot grow ends with its last whole packet. A reader that leaves ends the capture. */

#include "capture/worker_priv.h"

#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "capture/ifwatch_priv.h"
#include "capture/pcapng_priv.h"
#include "capture/report_priv.h"

#define RECHECK_MS      2 /* how often rings are looked at while frames wait for their turn */
#define FLUSH_FILE_MS   1000
#define STATS_MS        1000
#define FRAMES_PER_TURN 4096u

uint64_t worker_clock_ns(clockid_t id)
{
    struct timespec now = {0};

    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t worker_now_ms(void)
{
    return (int64_t)(worker_clock_ns(CLOCK_MONOTONIC) / NS_PER_MS);
}

void worker_finish(struct worker *worker, bool failed, const char *why)
{
    if (worker->why)
        return;
    worker->why = why;
    worker->failed = failed;
}

void worker_finish_with_rest(struct worker *worker, const char *why)
{
    if (!worker->why)
        worker->rest = true;
    worker_finish(worker, false, why);
}

void worker_output_failed(struct worker *worker)
{
    int code = -worker->output.error;

    if (code == EPIPE || code == ECONNRESET) {
        worker_finish(worker, false, "the reader left");
        return;
    }
    free(worker->why_owned);
    worker->why_owned = xasprintf("write the capture: %s", strerror(code));
    worker_finish(worker, true, worker->why_owned);
}

/**
 * copy_frame() - Put a wire frame's bytes in a row
 * @at:		Where to
 * @frame:	The frame
 * @size:	Bytes wanted, at most what the frame has
 */
static void copy_frame(uint8_t *at, const struct segment_frame *frame, size_t size)
{
    size_t part = frame->head_size < size ? frame->head_size : size;

    memcpy(at, frame->head, part);
    at += part;
    size -= part;
    part = frame->body_size < size ? frame->body_size : size;
    memcpy(at, frame->body, part);
    memset(at + part, 0, size - part);
}

/**
 * count_packet() - A packet is in the file
 * @worker:	The worker
 * @endpoint:	Its endpoint
 * @packet:	The packet
 */
static void count_packet(struct worker *worker, struct endpoint *endpoint,
                         const struct pcapng_packet *packet)
{
    const struct capture_options *capture = &worker->options->capture;
    struct interface_block *interface = &worker->interfaces[endpoint->number];

    worker->last_ns = interface->last_ns = packet->time_ns;
    endpoint->gap = 0;
    interface->packets++;
    worker->packets++;
    worker->bytes += packet->original;
    if (worker->packets == capture->max_packets)
        worker_finish(worker, false, "the wanted number of packets was captured");
    else if (capture->max_bytes && worker->bytes >= capture->max_bytes)
        worker_finish(worker, false, "the wanted number of bytes was captured");
    else if (capture->files &&
             (uint64_t)worker->output.position + output_pending(&worker->output) >=
                 capture->file_bytes)
        worker_file_rotate(worker);
}

/**
 * write_frame() - Write one wire frame
 * @worker:	The worker
 * @endpoint:	Its endpoint
 * @ring_frame:	Where it comes from
 * @frame:	The frame
 */
static void write_frame(struct worker *worker, struct endpoint *endpoint,
                        const struct ring_frame *ring_frame, const struct segment_frame *frame)
{
    bool ask = worker->filter && (frame->changed || !worker->kernel_filters);
    size_t have = frame->head_size + frame->body_size + frame->padding, need;
    char notice[96];
    struct pcapng_packet packet = {
        .interface = worker->interface_first + endpoint->number,
        .time_ns = ring_frame->time_ns,
        .captured = have < worker->snaplen ? have : worker->snaplen,
        .original = have + frame->missing,
        .direction = ring_frame->sent ? PCAPNG_DIRECTION_OUTBOUND : PCAPNG_DIRECTION_INBOUND,
        .dropped = endpoint->gap,
        .comment = frame->comment,
    };
    uint8_t *at;

    if (endpoint->gap) {
        (void)snprintf(notice, sizeof(notice),
                       "labctl: %" PRIu64 " packets before this one are missing: "
                       "the reader was too slow",
                       endpoint->gap);
        packet.comment = notice;
    }
    if (packet.time_ns < worker->last_ns && worker->last_ns - packet.time_ns < CLOCK_SET_BACK)
        packet.time_ns = worker->last_ns;
    if (worker->note_count && worker->notes[0].time_ns <= packet.time_ns) {
        worker_orders_notes(worker, packet.time_ns);
        packet.notes = worker->note_text.data;
        packet.notes_size = worker->note_text.size;
    }
    need = pcapng_packet_size(&packet);
    if (ask && need < PCAPNG_PACKET_DATA + have)
        need = PCAPNG_PACKET_DATA + have; /* the filter sees all of it */
    at = worker->keep ? keep_reserve(worker->keep, need) : output_reserve(&worker->output, need);
    if (!at) {
        if (worker->output.error)
            worker_output_failed(worker);
        worker->interfaces[endpoint->number].lost++;
        endpoint->gap++;
        worker->lost++;
        return;
    }
    copy_frame(at + PCAPNG_PACKET_DATA, frame, ask ? have : packet.captured);
    if (ask && !filter_match(worker->filter, at + PCAPNG_PACKET_DATA, have, ring_frame->sent))
        return;
    pcapng_packet_put(at, &packet);
    if (worker->keep)
        keep_commit(worker->keep, pcapng_packet_size(&packet), packet.time_ns);
    else
        output_commit(&worker->output, pcapng_packet_size(&packet));
    if (packet.notes_size)
        worker_orders_noted(worker, packet.time_ns);
    count_packet(worker, endpoint, &packet);
}

/**
 * is_wanted() - Does a capture take this frame?
 * @endpoint:	Where it passed
 * @frame:	The frame
 *
 * Return: true if so
 */
static bool is_wanted(const struct endpoint *endpoint, const struct ring_frame *frame)
{
    if (endpoint->until_ns && frame->time_ns > endpoint->until_ns)
        return false;
    return endpoint->direction == CAPTURE_BOTH ||
           (endpoint->direction == CAPTURE_SENT) == frame->sent;
}

/**
 * take_frame() - Write the wire frames of a ring's oldest frame
 * @worker:	The worker
 * @ring:	The ring
 */
static void take_frame(struct worker *worker, struct ring *ring)
{
    struct ring_frame ring_frame;
    struct segment_frame frame;
    struct endpoint *endpoint;

    ring_front(ring, &ring_frame);
    if (worker->next_ns && ring_frame.time_ns >= worker->next_ns)
        worker_ends_switch(worker);
    endpoint = endpoints_find(&worker->now, ring_frame.ifindex);
    if (endpoint && is_wanted(endpoint, &ring_frame)) {
        segmenter_begin(worker->segmenter, &ring_frame.input);
        while (!worker->why && segmenter_next(worker->segmenter, &frame))
            write_frame(worker, endpoint, &ring_frame, &frame);
    }
    ring_pop(ring);
}

/**
 * oldest() - Find the ring whose frame is next
 * @worker:	The worker
 * @ret_time_ns:	Time of that frame
 * @ret_empty:	Some ring has nothing to show
 * @ret_pressed:	Some ring is half full
 *
 * Return: the ring, or NULL if none has a frame
 */
static struct ring *oldest(struct worker *worker, uint64_t *ret_time_ns, bool *ret_empty,
                           bool *ret_pressed)
{
    struct ring *found = NULL;

    *ret_empty = *ret_pressed = false;
    for (size_t i = 0; i < worker->ring_count; i++) {
        uint64_t time_ns;

        if (!ring_peek(worker->rings[i], &time_ns)) {
            *ret_empty = true;
            continue;
        }
        if (ring_pressed(worker->rings[i]))
            *ret_pressed = true;
        if (!found || time_ns < *ret_time_ns) {
            found = worker->rings[i];
            *ret_time_ns = time_ns;
        }
    }
    return found;
}

/**
 * take_frames() - Write what is ready, but not for so long that nothing else is heard
 * @worker:	The worker
 * @all:	Do not wait for rings that show nothing
 *
 * Return: milliseconds to wait: 0 more is ready, -1 until a ring speaks, else frames wait for their
 * turn
 */
static int take_frames(struct worker *worker, bool all)
{
    uint64_t now = worker_clock_ns(CLOCK_REALTIME);

    for (unsigned i = 0; i < FRAMES_PER_TURN; i++) {
        bool empty, pressed;
        uint64_t time_ns;
        struct ring *ring = oldest(worker, &time_ns, &empty, &pressed);

        if (!ring || worker->why)
            return -1;
        if (empty && !all && !pressed && worker->hold_ns && time_ns + worker->hold_ns > now &&
            time_ns < now + CLOCK_SET_BACK)
            return RECHECK_MS;
        take_frame(worker, ring);
    }
    return 0;
}

/**
 * take_all() - Write every frame that the rings show, also before its turn
 * @worker:	The worker
 */
static void take_all(struct worker *worker)
{
    while (take_frames(worker, true) == 0 && !worker->why)
        ;
}

void worker_take_ready(struct worker *worker)
{
    while (take_frames(worker, false) == 0 && !worker->why)
        ;
}

void worker_update_drops(struct worker *worker)
{
    for (size_t i = 0; i < worker->ring_count; i++) {
        uint64_t drops = ring_drops(worker->rings[i]);
        const struct endpoint *endpoint =
            drops ? endpoints_find(&worker->now, ring_ifindex(worker->rings[i])) : NULL;

        worker->drops += drops;
        if (endpoint)
            worker->interfaces[endpoint->number].os_dropped += drops;
        else
            worker->shared_os_dropped += drops;
    }
}

void worker_send_stats(struct worker *worker)
{
    uint64_t sum;

    worker_update_drops(worker);
    sum = worker->packets + worker->lost + worker->drops;
    if (sum == worker->reported)
        return;
    worker->reported = sum;
    report_stats(worker->options->control, worker->packets, worker->bytes,
                 worker->lost + worker->drops);
}

/**
 * sooner() - The earlier of two times to wait
 * @a:		Milliseconds, -1: none
 * @b:		Milliseconds; below 0 is now
 *
 * Return: milliseconds
 */
static int64_t sooner(int64_t a, int64_t b)
{
    if (b < 0)
        b = 0;
    return a < 0 || b < a ? b : a;
}

/**
 * do_what_is_due() - Flush and report when it is time to
 * @worker:	The worker
 *
 * Return: milliseconds until the next time, -1 if nothing is outstanding
 */
static int do_what_is_due(struct worker *worker)
{
    int64_t now = worker_now_ms(), next = -1;

    if (output_pending(&worker->output) && !worker->output.choked) {
        if (!worker->flush_due_ms)
            worker->flush_due_ms = now + FLUSH_FILE_MS;
        if (worker->options->capture.live || worker->output.stream || now >= worker->flush_due_ms) {
            if (output_flush(&worker->output) < 0)
                worker_output_failed(worker);
            worker->flush_due_ms = 0;
        }
    } else {
        worker->flush_due_ms = 0;
    }
    if (worker->packets + worker->lost + worker->drops != worker->reported) {
        if (!worker->stats_due_ms)
            worker->stats_due_ms = now + STATS_MS;
        if (now >= worker->stats_due_ms) {
            worker_send_stats(worker);
            worker->stats_due_ms = 0;
        }
    }
    if (worker->flush_due_ms)
        next = worker->flush_due_ms - now;
    if (worker->stats_due_ms)
        next = sooner(next, worker->stats_due_ms - now);
    if (worker->tidy_due_ms) {
        if (now >= worker->tidy_due_ms)
            worker_ends_tidy(worker);
        else
            next = sooner(next, worker->tidy_due_ms - now);
    }
    if (worker->gone_due_ms) {
        if (now >= worker->gone_due_ms)
            worker_finish_with_rest(worker, "no interface is left");
        next = sooner(next, worker->gone_due_ms - now);
    }
    if (worker->end_ms) {
        if (now >= worker->end_ms)
            worker_finish_with_rest(worker, "the wanted time is over");
        next = sooner(next, worker->end_ms - now);
    }
    if (worker->output.choked) {
        int64_t stall_ms =
            worker->options->stall_ms ? worker->options->stall_ms : (int64_t)STALL_MS;

        if (now - worker->output.moved_ms >= stall_ms) {
            worker->cut_off = true;
            worker_finish(worker, false, "the reader was cut off: it did not read");
        }
        next = sooner(next, worker->output.moved_ms + stall_ms - now);
    }
    return next > INT_MAX ? INT_MAX : (int)next;
}

/**
 * mark_gone() - Note that an interface is gone
 * @worker:	The worker
 * @endpoints:	What is captured, or will be
 * @ifindex:	Interface, 0: look at all of them
 */
static void mark_gone(const struct worker *worker, struct endpoints *endpoints, uint32_t ifindex)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        struct endpoint *endpoint = &endpoints->items[i];
        char name[IF_NAMESIZE];

        if (endpoint->gone || (ifindex && endpoint->ifindex != ifindex) ||
            (!ifindex && if_indextoname(endpoint->ifindex, name)))
            continue;
        endpoint->gone = true;
        report_gone(worker->options->control, endpoint->label);
    }
}

void worker_check_left(struct worker *worker)
{
    for (size_t i = 0; i < worker->now.count; i++) {
        if (worker->now.items[i].gone)
            continue;
        worker->gone_due_ms = 0;
        return;
    }
    if (worker->options->control->listen_fd < 0)
        worker_finish_with_rest(worker, "no interface is left");
    else if (!worker->gone_due_ms)
        worker->gone_due_ms = worker_now_ms() + GONE_PATIENCE_MS;
}

/**
 * check_interfaces() - Hear of interfaces that are gone
 * @worker:	The worker
 */
static void check_interfaces(struct worker *worker)
{
    uint32_t ifindex;

    while (ifwatch_read(worker->watch_fd, &ifindex)) {
        mark_gone(worker, &worker->now, ifindex);
        mark_gone(worker, &worker->next, ifindex);
    }
    worker_check_left(worker);
}

/**
 * take_signals() - See to the signals that came
 * @worker:	The worker
 */
static void take_signals(struct worker *worker)
{
    struct signalfd_siginfo info;

    while (read(worker->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGCHLD)
            worker_finish_with_rest(worker, "stopped");
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ; /* who wrote a file has told of it itself */
    }
}

/**
 * report_state() - Tell a new listener how things are
 * @worker:	The worker
 */
static void report_state(struct worker *worker)
{
    const struct control *control = worker->options->control;

    report_started(control);
    report_stats(control, worker->packets, worker->bytes, worker->lost + worker->drops);
}

/**
 * wait_for_events() - Sleep until there is something to do, and see to signals and interfaces
 * @worker:	The worker
 * @timeout_ms:	At most this long, -1: any time
 * @waiting:	Frames wait for their turn: rings that show a frame must not end the sleep
 */
static void wait_for_events(struct worker *worker, int timeout_ms, bool waiting)
{
    enum {
        SIGNAL,
        WATCH,
        OUTPUT,
        LISTEN,
        CLIENT,
        RING = CLIENT + CONTROL_CLIENTS,
        ALL = RING + RINGS_MOST + 1
    };
    struct control *control = worker->options->control;
    struct pollfd fds[ALL] = {
        [LISTEN] = {.fd = control->listen_fd, .events = POLLIN},
        [SIGNAL] = {.fd = worker->signal_fd, .events = POLLIN},
        [WATCH] = {.fd = worker->watch_fd, .events = POLLIN},
        [OUTPUT] = {.fd = worker->output.stream ? worker->output.fd : -1},
    };

    if (output_pending(&worker->output))
        fds[OUTPUT].events = POLLOUT;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        fds[CLIENT + i] = (struct pollfd){
            .fd = i < control->client_count ? control->clients[i] : -1, .events = POLLIN};
    for (size_t i = 0; i < worker->ring_count; i++) {
        uint64_t time_ns;
        bool skip = waiting && ring_peek(worker->rings[i], &time_ns);

        fds[RING + i] =
            (struct pollfd){.fd = skip ? -1 : ring_fd(worker->rings[i]), .events = POLLIN};
    }
    if (poll(fds, RING + worker->ring_count, timeout_ms) <= 0)
        return;
    if (fds[SIGNAL].revents)
        take_signals(worker);
    if (fds[WATCH].revents)
        check_interfaces(worker);
    if (fds[OUTPUT].revents) {
        if (output_pending(&worker->output) && output_flush(&worker->output) < 0)
            worker_output_failed(worker);
        else if (fds[OUTPUT].revents & (POLLERR | POLLHUP))
            worker_finish(worker, false, "the reader left");
    }
    for (size_t i = 0; i < worker->ring_count; i++)
        if (fds[RING + i].revents & POLLERR)
            ring_clear_error(worker->rings[i]);
    /* From the last one, as who leaves is taken off the list. */
    for (size_t i = CONTROL_CLIENTS; i-- > 0;)
        if (fds[CLIENT + i].revents)
            worker_orders_read(worker, i);
    if (fds[LISTEN].revents && control_accept(control))
        report_state(worker);
}

/**
 * drain() - After the end was asked for: take what passed before
 * @worker:	The worker
 */
static void drain(struct worker *worker)
{
    int64_t deadline = worker_now_ms() + worker->retire_ms + SLACK_MS;
    const char *why = worker->why;

    for (size_t i = 0; i < worker->ring_count; i++)
        ring_stop(worker->rings[i]);
    worker->why = NULL; /* the limit and a full disk still count */
    for (;;) {
        bool unfinished = false;

        worker_take_ready(worker);
        for (size_t i = 0; i < worker->ring_count; i++)
            unfinished |= ring_unfinished(worker->rings[i]);
        if (!unfinished || worker->why || worker_now_ms() >= deadline)
            break;
        (void)poll(NULL, 0, RECHECK_MS);
    }
    take_all(worker);
    if (!worker->why)
        worker->why = why;
}

int worker_run(const struct worker_options *options, struct error *err)
{
    struct worker worker = {.options = options, .watch_fd = -1, .signal_fd = -1, .spare_fd = -1};
    int r = worker_set_up(&worker, err);

    if (r < 0) {
        worker_done(&worker);
        return r;
    }
    report_started(options->control);
    while (!worker.why) {
        int wait_ms = take_frames(&worker, false), due_ms = do_what_is_due(&worker);
        bool waiting = wait_ms > 0;

        if (due_ms >= 0 && (wait_ms < 0 || due_ms < wait_ms))
            wait_ms = due_ms;
        if (!worker.why)
            wait_for_events(&worker, wait_ms, waiting);
    }
    if (worker.rest)
        drain(&worker);
    worker_file_end(&worker);
    r = worker.failed ? 1 : 0;
    worker_done(&worker);
    return r;
}
