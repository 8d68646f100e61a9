// SPDX-License-Identifier: GPL-2.0-or-later

/* The capture worker's loop: rings → time order → wire frames → pcapng.
 *
 * Direction. A tap has two sides, and the labels in the file are NODE:PORT, so the file speaks for
 * the node's: a frame that comes in by the tap was sent by the node and is "outbound", one that
 * the kernel sends to the tap is "inbound". Links redirect at the tap's ingress hook. Packet
 * sockets see a frame before that hook at the one end and again when it leaves by the tap at the
 * other, so each endpoint shows each frame once, in both directions. The unit test shows it.
 *
 * Rings. Up to RINGS_MOST endpoints have a ring each: the rest of the lab does not feel the
 * capture. Beyond that one ring listens to all of the namespace with a search tree of interface
 * numbers in its filter, since rings cost memory and a timer each while idle. RING_BYTES is what
 * all of them take together, whatever their number.
 *
 * Order. Frames leave by time. With one ring that is the order within its blocks. With several, a
 * ring that has nothing to show may still hold an older frame in a block that is not handed over
 * yet; so a frame waits until every other ring has shown a later one or until the kernel must have
 * handed over (retire time and slack). When a ring is half full nobody waits. A frame that comes
 * too late (by microseconds, between two blocks) takes the time of the one before it, so that time
 * never runs backwards; but when the clock itself was set back by a second or more, so does the
 * file.
 *
 * Loss. The kernel counts what did not fit into a ring, output.c says when a stream's reader is
 * behind; both are in the reports and in the statistics at the file's end, and the first packet
 * after a gap of the second kind says so in a comment.
 *
 * End. SIGTERM closes the rings to new frames, waits for what they hold, and ends the file. A file
 * that cannot grow ends with its last whole packet. A reader that leaves ends the capture. */

#include "capture/worker_priv.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "capture/filter_priv.h"
#include "capture/ifwatch_priv.h"
#include "capture/output_priv.h"
#include "capture/pcapng_priv.h"
#include "capture/report_priv.h"
#include "capture/ring_priv.h"

#define RINGS_MOST      8
#define RING_BYTES      (32u << 20)
#define RING_BYTES_EACH (8u << 20)
#define RETIRE_LIVE_MS  10u
#define RETIRE_FILE_MS  50u
#define SLACK_MS        10u /* a timer tick or two, and a busy machine */
#define RECHECK_MS      2   /* how often rings are looked at while frames wait for their turn */
#define FLUSH_FILE_MS   1000
#define STATS_MS        1000
#define READER_PATIENCE 2000
#define FRAMES_PER_TURN 4096u
#define NS_PER_MS       1000000u
#define CLOCK_SET_BACK  (1000u * NS_PER_MS)

struct endpoint {
    const struct capture_endpoint *config;
    uint32_t ifindex;
    bool gone;
    uint64_t packets; /* in the file */
    uint64_t lost;    /* dropped here, the reader was behind */
    uint64_t gap;     /* of these, since the last packet in the file */
};

struct worker {
    const struct worker_options *options;
    uint32_t snaplen;
    struct filter *filter;
    bool kernel_filters;        /* the kernel runs the filter, else all is filtered here */
    struct endpoint *endpoints; /* by ifindex */
    uint32_t *numbers;          /* by ifindex: number of the interface block in the file */
    struct ring *rings[RINGS_MOST];
    size_t ring_count;
    uint64_t hold_ns; /* how long a frame waits for the other rings */
    uint64_t ring_drops[RINGS_MOST];
    struct segmenter *segmenter;
    struct output output;
    int watch_fd, signal_fd;
    uint64_t start_ns, last_ns;
    uint64_t packets, bytes, lost, drops;
    uint64_t reported;                  /* packets and losses at the last report */
    int64_t stats_due_ms, flush_due_ms; /* 0: nothing is due */
    const char *why;                    /* the capture ends, and this is why */
    bool failed;                        /* … and it should not have */
    bool rest;                          /* … but what is in the rings belongs into the file */
    char *why_owned;
};

/**
 * clock_ns() - Read a clock
 * @id:	Which
 *
 * Return: nanoseconds
 */
static uint64_t clock_ns(clockid_t id)
{
    struct timespec now = {0};

    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/**
 * now_ms() - Monotonic time
 *
 * Return: milliseconds
 */
static int64_t now_ms(void)
{
    return (int64_t)(clock_ns(CLOCK_MONOTONIC) / NS_PER_MS);
}

/**
 * finish() - Note why the capture ends; the first reason counts
 * @worker:	The worker
 * @failed:	It should not have
 * @why:	Reason; static, or owned by the worker
 */
static void finish(struct worker *worker, bool failed, const char *why)
{
    if (worker->why)
        return;
    worker->why = why;
    worker->failed = failed;
}

/**
 * finish_with_rest() - Note why the capture ends, once what has passed by now is in the file
 * @worker:	The worker
 * @why:	Reason; static
 */
static void finish_with_rest(struct worker *worker, const char *why)
{
    if (!worker->why)
        worker->rest = true;
    finish(worker, false, why);
}

/**
 * output_failed() - Note why writing failed
 * @worker:	The worker
 */
static void output_failed(struct worker *worker)
{
    int code = -worker->output.error;

    if (code == EPIPE || code == ECONNRESET) {
        finish(worker, false, "the reader left");
        return;
    }
    free(worker->why_owned);
    worker->why_owned = xasprintf("write the capture: %s", strerror(code));
    finish(worker, true, worker->why_owned);
}

/**
 * find_endpoint() - Which endpoint an interface is
 * @worker:	The worker
 * @ifindex:	Interface
 *
 * Return: its place in @endpoints, or -1
 */
static ssize_t find_endpoint(const struct worker *worker, uint32_t ifindex)
{
    size_t low = 0, high = worker->options->capture.endpoint_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (worker->endpoints[middle].ifindex == ifindex)
            return (ssize_t)middle;
        if (worker->endpoints[middle].ifindex < ifindex)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
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
 * write_frame() - Write one wire frame
 * @worker:	The worker
 * @place:	Its endpoint, place in @endpoints
 * @ring_frame:	Where it comes from
 * @frame:	The frame
 */
static void write_frame(struct worker *worker, size_t place, const struct ring_frame *ring_frame,
                        const struct segment_frame *frame)
{
    struct endpoint *endpoint = &worker->endpoints[place];
    bool ask = worker->filter && (frame->changed || !worker->kernel_filters);
    size_t have = frame->head_size + frame->body_size + frame->padding, need;
    char notice[96];
    struct pcapng_packet packet = {
        .interface = worker->numbers[place],
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
    need = pcapng_packet_size(&packet);
    if (ask && need < PCAPNG_PACKET_DATA + have)
        need = PCAPNG_PACKET_DATA + have; /* the filter sees all of it */
    at = output_reserve(&worker->output, need);
    if (!at) {
        if (worker->output.error)
            output_failed(worker);
        endpoint->lost++;
        endpoint->gap++;
        worker->lost++;
        return;
    }
    copy_frame(at + PCAPNG_PACKET_DATA, frame, ask ? have : packet.captured);
    if (ask && !filter_match(worker->filter, at + PCAPNG_PACKET_DATA, have, ring_frame->sent))
        return;
    pcapng_packet_put(at, &packet);
    output_commit(&worker->output, pcapng_packet_size(&packet));
    worker->last_ns = packet.time_ns;
    endpoint->gap = 0;
    endpoint->packets++;
    worker->packets++;
    worker->bytes += packet.original;
    if (worker->packets == worker->options->capture.max_packets)
        finish(worker, false, "the wanted number of packets was captured");
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
    ssize_t place;

    ring_front(ring, &ring_frame);
    place = find_endpoint(worker, ring_frame.ifindex);
    if (place >= 0) {
        segmenter_begin(worker->segmenter, &ring_frame.input);
        while (!worker->why && segmenter_next(worker->segmenter, &frame))
            write_frame(worker, (size_t)place, &ring_frame, &frame);
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
    uint64_t now = clock_ns(CLOCK_REALTIME);

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
 * update_drops() - Ask the kernel what it dropped
 * @worker:	The worker
 */
static void update_drops(struct worker *worker)
{
    worker->drops = 0;
    for (size_t i = 0; i < worker->ring_count; i++) {
        worker->ring_drops[i] = ring_drops(worker->rings[i]);
        worker->drops += worker->ring_drops[i];
    }
}

/**
 * send_stats() - Report the counts if they changed
 * @worker:	The worker
 */
static void send_stats(struct worker *worker)
{
    uint64_t sum;

    update_drops(worker);
    sum = worker->packets + worker->lost + worker->drops;
    if (sum == worker->reported)
        return;
    worker->reported = sum;
    report_stats(worker->options->report_fd, worker->packets, worker->bytes,
                 worker->lost + worker->drops);
}

/**
 * do_what_is_due() - Flush and report when it is time to
 * @worker:	The worker
 *
 * Return: milliseconds until the next time, -1 if nothing is outstanding
 */
static int do_what_is_due(struct worker *worker)
{
    int64_t now = now_ms(), next = -1;

    if (output_pending(&worker->output) && !worker->output.choked) {
        if (!worker->flush_due_ms)
            worker->flush_due_ms = now + FLUSH_FILE_MS;
        if (worker->options->capture.live || worker->output.stream || now >= worker->flush_due_ms) {
            if (output_flush(&worker->output) < 0)
                output_failed(worker);
            worker->flush_due_ms = 0;
        }
    } else {
        worker->flush_due_ms = 0;
    }
    if (worker->packets + worker->lost + worker->drops != worker->reported) {
        if (!worker->stats_due_ms)
            worker->stats_due_ms = now + STATS_MS;
        if (now >= worker->stats_due_ms) {
            send_stats(worker);
            worker->stats_due_ms = 0;
        }
    }
    if (worker->flush_due_ms)
        next = worker->flush_due_ms - now;
    if (worker->stats_due_ms && (next < 0 || worker->stats_due_ms - now < next))
        next = worker->stats_due_ms - now;
    return (int)(next < -1 ? 0 : next);
}

/**
 * check_interfaces() - Hear of interfaces that are gone
 * @worker:	The worker
 */
static void check_interfaces(struct worker *worker)
{
    size_t left = 0;
    uint32_t ifindex;

    while (ifwatch_read(worker->watch_fd, &ifindex)) {
        for (size_t i = 0; i < worker->options->capture.endpoint_count; i++) {
            struct endpoint *endpoint = &worker->endpoints[i];
            char name[IF_NAMESIZE];

            if (endpoint->gone || (ifindex && endpoint->ifindex != ifindex) ||
                (!ifindex && if_indextoname(endpoint->ifindex, name)))
                continue;
            endpoint->gone = true;
            report_gone(worker->options->report_fd, endpoint->config->label);
        }
    }
    for (size_t i = 0; i < worker->options->capture.endpoint_count; i++)
        left += !worker->endpoints[i].gone;
    if (left == 0)
        finish_with_rest(worker, "no interface is left");
}

/**
 * wait_for_events() - Sleep until there is something to do, and see to signals and interfaces
 * @worker:	The worker
 * @timeout_ms:	At most this long, -1: any time
 * @waiting:	Frames wait for their turn: rings that show a frame must not end the sleep
 */
static void wait_for_events(struct worker *worker, int timeout_ms, bool waiting)
{
    enum { SIGNAL, WATCH, OUTPUT, RING };
    struct pollfd fds[RING + RINGS_MOST] = {
        [SIGNAL] = {.fd = worker->signal_fd, .events = POLLIN},
        [WATCH] = {.fd = worker->watch_fd, .events = POLLIN},
        [OUTPUT] = {.fd = worker->output.stream ? worker->output.fd : -1},
    };

    if (output_pending(&worker->output))
        fds[OUTPUT].events = POLLOUT;
    for (size_t i = 0; i < worker->ring_count; i++) {
        uint64_t time_ns;
        bool skip = waiting && ring_peek(worker->rings[i], &time_ns);

        fds[RING + i] =
            (struct pollfd){.fd = skip ? -1 : ring_fd(worker->rings[i]), .events = POLLIN};
    }
    if (poll(fds, RING + worker->ring_count, timeout_ms) <= 0)
        return;
    if (fds[SIGNAL].revents)
        finish_with_rest(worker, "stopped");
    if (fds[WATCH].revents)
        check_interfaces(worker);
    if (fds[OUTPUT].revents) {
        if (output_pending(&worker->output) && output_flush(&worker->output) < 0)
            output_failed(worker);
        else if (fds[OUTPUT].revents & (POLLERR | POLLHUP))
            finish(worker, false, "the reader left");
    }
    for (size_t i = 0; i < worker->ring_count; i++)
        if (fds[RING + i].revents & POLLERR)
            ring_clear_error(worker->rings[i]);
}

/**
 * drain() - After the end was asked for: take what passed before
 * @worker:	The worker
 */
static void drain(struct worker *worker)
{
    int64_t deadline = now_ms() + (int64_t)RETIRE_FILE_MS + SLACK_MS;
    const char *why = worker->why;

    for (size_t i = 0; i < worker->ring_count; i++)
        ring_stop(worker->rings[i]);
    worker->why = NULL; /* the limit and a full disk still count */
    for (;;) {
        bool unfinished = false;

        while (take_frames(worker, true) == 0 && !worker->why)
            ;
        for (size_t i = 0; i < worker->ring_count; i++)
            unfinished |= ring_unfinished(worker->rings[i]);
        if (!unfinished || worker->why || now_ms() >= deadline)
            break;
        (void)poll(NULL, 0, RECHECK_MS);
    }
    if (!worker->why)
        worker->why = why;
}

/**
 * append_statistics() - Make the statistics blocks
 * @worker:	The worker
 * @out:	Where
 */
static void append_statistics(struct worker *worker, struct strbuf *out)
{
    const struct capture_options *capture = &worker->options->capture;
    uint64_t end_ns = clock_ns(CLOCK_REALTIME);
    bool shared = worker->ring_count < capture->endpoint_count;

    update_drops(worker);
    for (uint32_t number = 0; number < capture->endpoint_count; number++) {
        size_t place = 0;
        const struct endpoint *endpoint;
        uint64_t os;

        while (worker->numbers[place] != number)
            place++;
        endpoint = &worker->endpoints[place];
        os = !shared ? worker->ring_drops[place] : number == 0 ? worker->drops : 0;
        pcapng_statistics(
            out, &(struct pcapng_statistics){
                     .interface = number,
                     .start_ns = worker->start_ns,
                     .end_ns = end_ns,
                     .received = endpoint->packets + endpoint->lost + os,
                     .dropped = endpoint->lost + os,
                     .os_dropped = os,
                     .delivered = endpoint->packets,
                     .comment = shared && os ? "drops of all interfaces of this capture" : NULL});
    }
}

/**
 * end_file() - Write the statistics and what is left, and report the end
 * @worker:	The worker
 */
static void end_file(struct worker *worker)
{
    _cleanup_strbuf_ struct strbuf statistics = STRBUF_INIT;

    append_statistics(worker, &statistics);
    if (!worker->output.error) {
        output_append(&worker->output, statistics.data, statistics.size);
        switch (output_finish(&worker->output, READER_PATIENCE)) {
        case 0:
            break;
        case -ETIMEDOUT:
            worker->why = "the reader did not take all of it";
            break;
        default:
            worker->why = NULL;
            output_failed(worker);
        }
    }
    if (worker->output.error)
        output_rescue(&worker->output, statistics.data, statistics.size);
    send_stats(worker);
    report_ended(worker->options->report_fd, worker->why);
}

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
    size_t rings = shared ? 1 : count, bytes = RING_BYTES / rings;
    bool fast = options->capture.live || rings > 1;
    _cleanup_free_ struct sock_filter *program = xnew0(struct sock_filter, BPF_MAXINSNS);
    _cleanup_free_ uint32_t *ifindexes = xnew0(uint32_t, count);
    struct ring_options ring = {.retire_ms = fast ? RETIRE_LIVE_MS : RETIRE_FILE_MS,
                                .program = program};
    int size;

    for (size_t i = 0; i < count; i++)
        ifindexes[i] = worker->endpoints[i].ifindex;
    size = filter_kernel(worker->filter, ifindexes, shared ? count : 0, program, BPF_MAXINSNS);
    if (size == -E2BIG && shared) /* without the user's filter, then; that can be run here */
        size = filter_kernel(NULL, ifindexes, count, program, BPF_MAXINSNS);
    worker->kernel_filters = true;
    if (size < 0 || (size == 0 && worker->filter))
        worker->kernel_filters = false;
    ring.program_size = size < 0 ? 0 : (size_t)size;
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
        worker->hold_ns = (RETIRE_LIVE_MS + SLACK_MS) * (uint64_t)NS_PER_MS;
    return 0;
}

/**
 * write_headers() - Begin the file
 * @worker:	The worker
 * @err:	Why it cannot be written
 *
 * Return: 0 or -errno
 */
static int write_headers(struct worker *worker, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;
    _cleanup_strbuf_ struct strbuf headers = STRBUF_INIT;
    int r;

    r = output_init(&worker->output, worker->options->output_fd, err);
    if (r < 0)
        return error_prefix(err, "the capture's output");
    pcapng_section(&headers, capture->lab);
    for (size_t i = 0; i < capture->endpoint_count; i++)
        pcapng_interface(&headers, &(struct pcapng_interface){
                                       .name = capture->endpoints[i].label,
                                       .description = capture->endpoints[i].link,
                                       .filter = capture->filter,
                                       .bits_per_s = ifwatch_speed(capture->endpoints[i].ifname),
                                       .snaplen = worker->snaplen,
                                   });
    output_append(&worker->output, headers.data, headers.size);
    r = output_flush(&worker->output);
    if (r < 0 && r != -EPIPE)
        return error_errno(err, -r, "write the capture");
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
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? error_errno(err, errno, "signalfd") : fd;
}

/**
 * set_up() - Everything before the first frame
 * @worker:	The worker
 * @err:	What went wrong
 *
 * Return: 0 or -errno
 */
static int set_up(struct worker *worker, struct error *err)
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
    if (r == 0)
        r = write_headers(worker, err);
    worker->start_ns = clock_ns(CLOCK_REALTIME);
    for (size_t i = 0; i < worker->ring_count && r == 0; i++)
        r = ring_start(worker->rings[i], err);
    return r;
}

/**
 * worker_done() - Free what a worker holds
 * @worker:	The worker
 */
static void worker_done(struct worker *worker)
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
}

int worker_run(const struct worker_options *options, struct error *err)
{
    struct worker worker = {.options = options, .watch_fd = -1, .signal_fd = -1};
    int r = set_up(&worker, err);

    if (r < 0) {
        worker_done(&worker);
        return r;
    }
    drop_privileges();
    report_started(options->report_fd);
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
    end_file(&worker);
    r = worker.failed ? 1 : 0;
    worker_done(&worker);
    return r;
}
