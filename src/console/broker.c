// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Goals: no byte of the guest lost or doubled, for any number of watchers; the guest never waits
 * for a client; memory bounded whatever guest and clients do.
 *
 * All output goes into one ring (ring.c), and every client is just a place in that stream
 * (watcher.c). So replay and live output are one sequence without a seam, fifty watchers cost no
 * copies, and a slow one is a place that falls behind: the ring grows to keep its bytes, up to the
 * backlog, then it is cut off. The ring keeps ring_bytes when nobody needs more.
 *
 * Two ways lead to a guest. A socket (console_open()), or for QEMU's guests (console_follow()) the
 * file that QEMU records to and a FIFO for what is typed; follow.c says why.
 *
 * The guest's socket is read with priority over all else in the loop. QEMU sends a serial port's
 * bytes one by one, and a unix socket holds only a few hundred such writes before QEMU, and with it
 * the guest, has to wait. Waking up for each of them costs QEMU and us more than the byte is worth,
 * so once they follow each other closely they are fetched every PAUSE_NS, in which far fewer come
 * than the socket holds; a lone byte (an echo) is read at once.
 *
 * What is typed goes into a bounded queue for the guest. When it fills, clients are no longer read,
 * so a long paste waits in the client instead of being lost.
 *
 * The same bytes go through the line model (lines.c) for readiness, the last line and exec. */

#include "console/broker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "console/console_priv.h"

#define RING_DEFAULT    (64u << 10)
#define BACKLOG_DEFAULT (512u << 10)
#define READ_SIZE       16384
#define LAST_LINE_MAX   256   /* bytes of the last line that are kept for display */
#define TAIL_BYTES      16384 /* of the record, looked at for the tail */
#define TAIL_LINES_MAX  100
#define PAUSE_NS        (NS_PER_MS * 3 / 10)
#define DENSE_READS     8          /* in a row, each within PAUSE_NS of the one before */
#define SMALL_READ      512        /* what comes in larger pieces needs no gathering */
#define DRAIN_MAX       (1u << 20) /* read at most from a guest that is gone */

uint64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void timer_set(struct console *console, sd_event_source **timer, uint64_t at_ns,
               sd_event_time_handler_t fn, void *data)
{
    uint64_t at_us = (at_ns + 999) / 1000;

    /* Accuracy 1 us: 0 would mean the default of 250 ms. */
    if (!*timer) {
        (void)sd_event_add_time(console->event, timer, CLOCK_MONOTONIC, at_us, 1, fn, data);
        return;
    }
    (void)sd_event_source_set_time(*timer, at_us);
    (void)sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

void defer_set(struct console *console, sd_event_source **source, sd_event_handler_t fn, void *data)
{
    if (!*source)
        (void)sd_event_add_defer(console->event, source, fn, data);
    (void)sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

int console_new(sd_event *event, const struct console_options *options,
                struct console **ret_console, struct error *err)
{
    struct console *console;

    if (!event || !options->name)
        return error_set(err, EINVAL, "console: no event loop or no name");
    console = xnew0(struct console, 1);
    console->event = sd_event_ref(event);
    console->name = xstrdup(options->name);
    console->ring_bytes = options->ring_bytes ? options->ring_bytes : RING_DEFAULT;
    console->backlog_bytes = options->backlog_bytes ? options->backlog_bytes : BACKLOG_DEFAULT;
    console->guest = -1;
    console->record = (struct record){.fd = -1, .times_fd = -1};
    lines_init(&console->lines);
    *ret_console = console;
    return 0;
}

/**
 * drop_guest() - Close the guest's socket
 * @console:	Console
 */
static void drop_guest(struct console *console)
{
    console->guest_io = sd_event_source_disable_unref(console->guest_io);
    console->guest_timer = sd_event_source_disable_unref(console->guest_timer);
    console->guest_paused = false;
    console->dense_reads = 0;
    follow_done(console);
    if (console->guest >= 0)
        (void)close(console->guest);
    console->guest = -1;
    console->half_typed = false;
    strbuf_done(&console->guest_queue);
}

void console_free(struct console *console)
{
    if (!console)
        return;
    drop_guest(console);
    exec_done(console);
    (void)console_expect(console, NULL, NULL, NULL);
    sd_event_source_disable_unref(console->expect_timer);
    sd_event_source_disable_unref(console->expect_done);
    watchers_done(console);
    ring_done(&console->ring);
    record_done(&console->record);
    lines_done(&console->lines);
    strbuf_done(&console->last);
    free(console->last_shown);
    free(console->name);
    sd_event_unref(console->event);
    free(console);
}

/**
 * keep_last() - Remember a line for display unless it is blank
 * @console:	Console
 * @line:	Stripped text
 * @size:	Bytes
 */
static void keep_last(struct console *console, const char *line, size_t size)
{
    if (strspn(line, " \t") == size)
        return;
    console->last.size = 0;
    strbuf_append(&console->last, line, size > LAST_LINE_MAX ? LAST_LINE_MAX : size);
    free(console->last_shown);
    console->last_shown = NULL;
}

/**
 * on_line() - The guest ended a line
 * @line:	Its text
 * @size:	Bytes
 * @cut:	More of it follows
 * @data:	Console
 */
static void on_line(const char *line, size_t size, bool cut, void *data)
{
    struct console *console = data;

    keep_last(console, line, size);
    if (!cut)
        console->half_typed = false;
    expect_line(console, line);
}

/**
 * on_old_line() - The same for output from before, which wakes no rule
 * @line:	Its text
 * @size:	Bytes
 * @cut:	More of it follows
 * @data:	Console
 */
static void on_old_line(const char *line, size_t size, bool cut, void *data)
{
    (void)cut;
    keep_last(data, line, size);
}

/**
 * keep() - Add output to the ring, and drop what nobody needs any more
 * @console:	Console
 * @data:	Bytes
 * @size:	How many
 */
static void keep(struct console *console, const void *data, size_t size)
{
    struct ring *ring = &console->ring;

    watchers_make_room(console, size);
    ring_append(ring, data, size);
    if (ring->head - ring->tail >= console->ring_bytes + RING_CHUNK) {
        uint64_t from = ring->head - console->ring_bytes, needed = watchers_lowest(console);

        ring_trim(ring, from < needed ? from : needed);
    }
}

uint64_t console_recorded(const struct console *console)
{
    return console->ring.head + console->record_shift;
}

void console_feed(struct console *console, const void *data, size_t size)
{
    console->last_ns = clock_ns();
    if (console->recorded)
        record_note(&console->record, console_recorded(console), console->last_ns);
    keep(console, data, size);
    if (console->recorded)
        record_trim(&console->record, console_recorded(console));
    lines_feed(&console->lines, data, size, on_line, console);
    expect_fed(console);
    exec_fed(console, data, size);
    watchers_fed(console);
}

void console_preload(struct console *console, const void *data, size_t size)
{
    keep(console, data, size);
    console->preloaded += size;
    lines_feed(&console->lines, data, size, on_old_line, console);
    watchers_fed(console);
}

/**
 * update_guest() - Ask the loop for what the guest's socket is to be watched for
 * @console:	Console
 */
static void update_guest(struct console *console)
{
    (void)sd_event_source_set_io_events(console->guest_io,
                                        (console->guest_paused || console->follows ? 0u : EPOLLIN) |
                                            (console->guest_queue.size ? EPOLLOUT : 0u));
}

/**
 * send_queue() - Give the guest what it takes
 * @console:	Console with a guest
 */
static void send_queue(struct console *console)
{
    struct strbuf *queue = &console->guest_queue;

    while (queue->size) {
        ssize_t sent = console->follows ? write(console->guest, queue->data, queue->size)
                                        : send(console->guest, queue->data, queue->size,
                                               MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            strbuf_done(queue); /* it is gone; reading will tell */
        if (sent <= 0)
            break;
        strbuf_consume(queue, (size_t)sent);
    }
    if (!queue->size && queue->capacity > 4096)
        strbuf_done(queue);
    update_guest(console);
}

void console_set_read_handler(struct console *console, console_read_fn *fn, void *data)
{
    console->read_fn = fn;
    console->read_data = data;
}

uint64_t console_forget_line(struct console *console)
{
    keep_last(console, lines_current(&console->lines), console->lines.current.size);
    lines_reset(&console->lines);
    console->half_typed = false;
    return console_recorded(console);
}

/**
 * on_guest_timer() - The pause is over
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_guest_timer(sd_event_source *source, uint64_t us, void *data)
{
    (void)source;
    (void)us;
    guest_read(data);
    return 0;
}

/**
 * gather_guest() - Gather the next bytes for a while, or stop doing so
 * @console:	Console with a guest
 * @gather:	Which
 */
static void gather_guest(struct console *console, bool gather)
{
    if (gather) {
        timer_set(console, &console->guest_timer, console->last_ns + PAUSE_NS, on_guest_timer,
                  console);
        (void)sd_event_source_set_priority(console->guest_timer, SD_EVENT_PRIORITY_IMPORTANT);
    }
    if (gather == console->guest_paused)
        return;
    console->guest_paused = gather;
    if (console->follows)
        follow_watch(console, !gather);
    else
        update_guest(console);
}

/**
 * receive() - Read what the guest said
 * @console:	Console with a guest
 * @bytes:	Where to
 * @size:	Room
 *
 * Return: bytes, 0: the guest is gone, -1 with errno
 */
static ssize_t receive(struct console *console, void *bytes, size_t size)
{
    return console->follows ? follow_read(console, bytes, size)
                            : recv(console->guest, bytes, size, MSG_DONTWAIT);
}

void guest_read(struct console *console)
{
    uint64_t before = console->last_ns;
    uint8_t bytes[READ_SIZE];
    ssize_t size = receive(console, bytes, sizeof(bytes));

    if (size > 0) {
        if (console->read_fn)
            console->read_fn(console, console->read_data);
        console_feed(console, bytes, (size_t)size);
        if (size > SMALL_READ || console->last_ns - before > 2 * PAUSE_NS)
            console->dense_reads = 0;
        else
            console->dense_reads++;
        gather_guest(console, console->dense_reads >= DENSE_READS || size == READ_SIZE);
    } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        console->dense_reads = 0;
        gather_guest(console, false);
    } else {
        console_close(console, NULL); /* STATE says it; why is the engine's to know */
    }
}

/**
 * on_guest() - The guest's socket has something to read or room to write
 * @source:	Its event source
 * @fd:		Socket
 * @events:	epoll events
 * @data:	Console
 *
 * Return: 0
 */
static int on_guest(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct console *console = data;

    (void)source;
    (void)fd;
    if (events & EPOLLOUT) {
        send_queue(console);
        watchers_hold(console);
    }
    if ((events & ~(uint32_t)EPOLLOUT) && !console->follows)
        guest_read(console);
    return 0;
}

/**
 * open_guest() - A guest is there
 * @console:	Console
 * @fd:		Its socket, or where its keyboard is; owned
 * @follows:	Whether its output comes from the record
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int open_guest(struct console *console, int fd, bool follows, struct error *err)
{
    _cleanup_close_ int guest = fd;
    int flags = fcntl(guest, F_GETFL), r;

    if (flags < 0 || fcntl(guest, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(guest, F_SETFD, FD_CLOEXEC) < 0)
        return error_errno(err, errno, "console %s: serial socket", console->name);
    if (console->guest >= 0)
        console_close(console, NULL);
    console->follows = follows;
    r = sd_event_add_io(console->event, &console->guest_io, guest, follows ? 0 : EPOLLIN, on_guest,
                        console);
    if (r < 0)
        return error_errno(err, -r, "console %s: watch the serial socket", console->name);
    (void)sd_event_source_set_priority(console->guest_io, SD_EVENT_PRIORITY_IMPORTANT);
    console->guest = steal_fd(&guest);
    if (!follows || !console->preloaded)
        lines_reset(&console->lines);
    watchers_state(console, NULL);
    if (follows)
        follow_watch(console, true);
    return 0;
}

int console_open(struct console *console, int fd, struct error *err)
{
    return open_guest(console, fd, false, err);
}

int console_follow(struct console *console, int fd, struct error *err)
{
    return open_guest(console, fd, true, err);
}

void console_close(struct console *console, const char *why)
{
    uint8_t bytes[READ_SIZE];
    size_t total = 0;
    ssize_t size;

    if (console->guest < 0)
        return;
    /* What the guest said last, say why it panicked, was perhaps not read yet. */
    while (total < DRAIN_MAX && (size = receive(console, bytes, sizeof(bytes))) > 0) {
        console_feed(console, bytes, (size_t)size);
        total += (size_t)size;
    }
    drop_guest(console);
    keep_last(console, lines_current(&console->lines), console->lines.current.size);
    exec_abort(console, why ? why : "the guest is gone");
    watchers_state(console, why);
    watchers_hold(console);
}

void console_set_break_handler(struct console *console, console_break_fn *fn, void *data)
{
    console->break_fn = fn;
    console->break_data = data;
}

int console_write(struct console *console, const void *data, size_t size, struct error *err)
{
    if (console->guest < 0)
        return error_set(err, ENOTCONN, "console %s: the node is not running", console->name);
    if (console->guest_queue.size + size > GUEST_QUEUE_MAX)
        return error_set(err, ENOBUFS, "console %s: the guest does not read what is typed",
                         console->name);
    strbuf_append(&console->guest_queue, data, size);
    send_queue(console);
    watchers_hold(console);
    return 0;
}

size_t console_unsent(const struct console *console)
{
    return console->guest_queue.size;
}

uint64_t console_received(const struct console *console, uint64_t *ret_last_ns)
{
    if (ret_last_ns)
        *ret_last_ns = console->last_ns;
    return console->ring.head - console->ring.base - console->preloaded;
}

const char *console_last_line(const struct console *console)
{
    /* The escaped copy is made on demand; it is no part of what the console means. */
    struct console *cache = (struct console *)console;

    keep_last(cache, lines_current(&console->lines), console->lines.current.size);
    if (!console->last_shown)
        cache->last_shown =
            text_escape(console->last.size ? console->last.data : "", console->last.size);
    return console->last_shown;
}

/* The last lines of a text: a circle of strings. */
struct tail {
    char *lines[TAIL_LINES_MAX];
    size_t count; /* lines seen; line i is in slot i % most */
    size_t most;
};

/**
 * tail_line() - Take one line
 * @line:	Its text
 * @size:	Bytes
 * @cut:	More of it follows
 * @data:	struct tail
 */
static void tail_line(const char *line, size_t size, bool cut, void *data)
{
    struct tail *tail = data;
    size_t slot = tail->count % tail->most;

    (void)cut;
    if (strspn(line, " \t") == size)
        return;
    free(tail->lines[slot]);
    tail->lines[slot] = text_escape(line, size);
    tail->count++;
}

char *console_tail(const struct console *console, unsigned lines)
{
    uint64_t at = ring_start(&console->ring, TAIL_BYTES);
    struct tail tail = {.most = lines > TAIL_LINES_MAX ? TAIL_LINES_MAX : lines};
    struct strbuf out = STRBUF_INIT;
    const uint8_t *data;
    struct lines text;
    size_t size;

    if (tail.most == 0)
        return xstrdup("");
    lines_init(&text);
    for (; (size = ring_span(&console->ring, at, &data)) > 0; at += size)
        lines_feed(&text, data, size, tail_line, &tail);
    tail_line(lines_current(&text), text.current.size, false, &tail);
    lines_done(&text);
    for (size_t i = tail.count > tail.most ? tail.count - tail.most : 0; i < tail.count; i++) {
        if (out.size)
            strbuf_append(&out, "\n", 1);
        strbuf_puts(&out, tail.lines[i % tail.most]);
        free(tail.lines[i % tail.most]);
    }
    return strbuf_steal(&out);
}

char *console_last_lines(const struct console *console)
{
    _cleanup_free_ char *tail = console_tail(console, 5);
    _cleanup_free_ char *line = text_replace(tail, "\n", " | ");

    if (!*tail)
        return xstrdup("the console has shown nothing");
    return xasprintf("last on the console: %s", line);
}
