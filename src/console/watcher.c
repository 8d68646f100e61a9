// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Clients come, type, and go. Sending is in watcher_send.c; here is who may type, and when what is
 * sent.
 *
 * When: a guest that prints a lot does so byte by byte, and fifty clients woken for each byte would
 * take the processor away from the guest. So output that follows other output closely is gathered
 * for flush_interval() (longer with more clients) or until FLUSH_BYTES wait. Output after silence,
 * and the echo of what somebody typed, goes at once. A round of flushing serves ROUND_PART clients
 * per turn of the loop, so that the guest is read in between.
 *
 * Who: shared: everyone may type. TAKE, and attaching as exclusive, gives one client the keyboard;
 * all are told (WRITER). GIVE, or leaving, makes it everyone's again. What a client may not type is
 * dropped, and it is told so once.
 *
 * Held: while exec runs, and while the guest's queue is full, clients are not read at all: what
 * they type waits in their sockets, which bounds it. A client that hangs up meanwhile is kept until
 * it can be read to its end.
 *
 * A client is freed by sweep() only, never while its functions are on the stack. */

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/text.h"
#include "console/watcher_priv.h"

#define FLUSH_BYTES 16384
#define ROUND_PART  8
#define READ_SIZE   8192
#define CUT_GRACE   (5000 * NS_PER_MS) /* to take the last notice */
#define EAGER_NS    (200 * NS_PER_MS)  /* an echo comes within this time */
#define EAGER_MAX   4

/**
 * flush_interval() - How long output is gathered
 * @console:	Console
 *
 * Return: nanoseconds
 */
static uint64_t flush_interval(const struct console *console)
{
    return 2 * NS_PER_MS + console->watcher_count * NS_PER_MS / 5;
}

void watcher_events(struct watcher *watcher)
{
    uint32_t events = 0;

    if (watcher->dead || watcher->hung_up || !watcher->io)
        return;
    if (!watcher->eof && !watcher->console->input_held && !watcher->cut_ns)
        events |= EPOLLIN;
    if (watcher->want_out)
        events |= EPOLLOUT;
    (void)sd_event_source_set_io_events(watcher->io, events);
}

/**
 * watcher_free() - Close a client
 * @watcher:	Client or NULL; not in the list any more
 */
static void watcher_free(struct watcher *watcher)
{
    if (!watcher)
        return;
    sd_event_source_disable_unref(watcher->io);
    if (watcher->fd >= 0)
        (void)close(watcher->fd);
    for (size_t i = 0; i < watcher->notice_count; i++)
        free(watcher->notices[i].text);
    strbuf_done(&watcher->out);
    strbuf_done(&watcher->in);
    free(watcher->who);
    free(watcher);
}

/**
 * set_writer() - Give the keyboard to a client, or to all, and tell everyone
 * @console:	Console
 * @writer:	Client or NULL
 */
static void set_writer(struct console *console, struct watcher *writer)
{
    if (console->writer == writer)
        return;
    console->writer = writer;
    for (size_t i = 0; i < console->watcher_count; i++) {
        console->watchers[i]->writer_due = true;
        console->watchers[i]->told = false;
    }
}

/**
 * sweep() - Free the clients that are dead
 * @console:	Console
 */
static void sweep(struct console *console)
{
    bool writer_gone = console->writer && console->writer->dead;
    size_t kept = 0;

    for (size_t i = 0; i < console->watcher_count; i++) {
        if (console->watchers[i]->dead)
            watcher_free(console->watchers[i]);
        else
            console->watchers[kept++] = console->watchers[i];
    }
    console->watcher_count = kept;
    if (writer_gone)
        set_writer(console, NULL);
}

/**
 * flush_all() - Send to everyone, and sweep until nobody else dies of it
 * @console:	Console
 */
static void flush_all(struct console *console)
{
    size_t before;

    do {
        for (size_t i = 0; i < console->watcher_count; i++)
            watcher_flush(console->watchers[i]);
        before = console->watcher_count;
        sweep(console);
    } while (console->watcher_count < before);
}

/**
 * flush_part() - Send to the next few clients of this round
 * @console:	Console
 */
static void flush_part(struct console *console);

/**
 * on_flush_next() - The round goes on
 * @source:	Deferred source
 * @data:	Console
 *
 * Return: 0
 */
static int on_flush_next(sd_event_source *source, void *data)
{
    (void)source;
    flush_part(data);
    return 0;
}

static void flush_part(struct console *console)
{
    for (size_t i = 0; i < ROUND_PART && console->flush_left > 0 && console->watcher_count; i++) {
        console->flush_left--;
        console->flush_at = (console->flush_at + 1) % console->watcher_count;
        watcher_flush(console->watchers[console->flush_at]);
    }
    sweep(console);
    if (!console->watcher_count)
        console->flush_left = 0;
    if (console->flush_left > 0)
        defer_set(console, &console->flush_next, on_flush_next, console);
    else
        watchers_fed(console);
}

/**
 * flush_round() - Begin to send to all clients
 * @console:	Console
 */
static void flush_round(struct console *console)
{
    console->flushed_ns = clock_ns();
    console->flushed_head = console->ring.head;
    console->flush_left = console->watcher_count;
    flush_part(console);
}

/**
 * on_flush_timer() - Output was gathered long enough
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_flush_timer(sd_event_source *source, uint64_t us, void *data)
{
    struct console *console = data;

    (void)source;
    (void)us;
    if (console->flush_left == 0 && console->flushed_head < console->ring.head)
        flush_round(console);
    return 0;
}

void watchers_fed(struct console *console)
{
    uint64_t waiting = console->ring.head - console->flushed_head, now, due;
    int armed = 0;

    if (waiting == 0 || console->flush_left > 0)
        return;
    if (console->watcher_count == 0) {
        console->flushed_head = console->ring.head;
        return;
    }
    now = clock_ns();
    due = console->flushed_ns + flush_interval(console);
    if (console->eager && now - console->typed_ns < EAGER_NS) {
        console->eager--;
        due = now;
    }
    if (waiting >= FLUSH_BYTES || now >= due) {
        flush_round(console);
        return;
    }
    if (console->flush_timer)
        (void)sd_event_source_get_enabled(console->flush_timer, &armed);
    if (armed == SD_EVENT_OFF)
        timer_set(console, &console->flush_timer, due, on_flush_timer, console);
}

/**
 * on_reap() - Who was cut off and did not even take the notice goes now
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_reap(sd_event_source *source, uint64_t us, void *data)
{
    struct console *console = data;
    uint64_t now = clock_ns(), next = UINT64_MAX;

    (void)us;
    for (size_t i = 0; i < console->watcher_count; i++) {
        struct watcher *watcher = console->watchers[i];

        if (!watcher->cut_ns)
            continue;
        if (watcher->cut_ns + CUT_GRACE <= now)
            watcher->dead = true;
        else if (watcher->cut_ns + CUT_GRACE < next)
            next = watcher->cut_ns + CUT_GRACE;
    }
    sweep(console);
    flush_all(console);
    if (next != UINT64_MAX)
        timer_set(console, &source, next, on_reap, console);
    return 0;
}

void watchers_make_room(struct console *console, size_t size)
{
    uint64_t limit = console->ring_bytes + console->backlog_bytes;
    uint64_t head = console->ring.head + size;
    int armed = 0;

    if (head - console->ring.tail <= limit)
        return;
    for (size_t i = 0; i < console->watcher_count; i++) {
        struct watcher *watcher = console->watchers[i];

        if (watcher->dead || watcher->cut_ns || head - watcher->cursor <= limit ||
            watcher->cursor < console->ring.tail)
            continue;
        watcher_flush(watcher);
        if (watcher->dead || head - watcher->cursor <= limit)
            continue;
        watcher_cut(watcher);
        if (watcher->dead)
            continue;
        if (console->reap_timer)
            (void)sd_event_source_get_enabled(console->reap_timer, &armed);
        if (armed == SD_EVENT_OFF)
            timer_set(console, &console->reap_timer, watcher->cut_ns + CUT_GRACE, on_reap, console);
    }
}

uint64_t watchers_lowest(const struct console *console)
{
    uint64_t lowest = console->ring.head;

    for (size_t i = 0; i < console->watcher_count; i++) {
        const struct watcher *watcher = console->watchers[i];

        if (!watcher->dead && !watcher->cut_ns && watcher->cursor >= console->ring.tail &&
            watcher->cursor < lowest)
            lowest = watcher->cursor;
    }
    return lowest;
}

void watchers_state(struct console *console, const char *why)
{
    for (size_t i = 0; i < console->watcher_count; i++) {
        struct watcher *watcher = console->watchers[i];

        watcher->state_due = true;
        watcher->state_at = console->ring.head;
        watcher->told = false;
        if (why)
            watcher_notice(watcher, "%s", why);
    }
    flush_all(console);
}

void watchers_hold(struct console *console)
{
    bool held = console->exec || console->guest_queue.size > GUEST_QUEUE_HIGH;

    if (held == console->input_held)
        return;
    console->input_held = held;
    for (size_t i = 0; i < console->watcher_count; i++) {
        struct watcher *watcher = console->watchers[i];

        if (!held && watcher->hung_up) {
            watcher->hung_up = false;
            (void)sd_event_source_set_enabled(watcher->io, SD_EVENT_ON);
        }
        watcher_events(watcher);
    }
}

void watchers_done(struct console *console)
{
    for (size_t i = 0; i < console->watcher_count; i++) {
        watcher_flush(console->watchers[i]);
        watcher_free(console->watchers[i]);
    }
    free(console->watchers);
    console->watchers = NULL;
    console->watcher_count = console->watcher_room = 0;
    console->writer = NULL;
    sd_event_source_disable_unref(console->flush_timer);
    sd_event_source_disable_unref(console->flush_next);
    sd_event_source_disable_unref(console->reap_timer);
}

/**
 * typed() - A client typed
 * @watcher:	Client
 * @data:	Bytes
 * @size:	How many
 */
static void typed(struct watcher *watcher, const uint8_t *data, size_t size)
{
    struct console *console = watcher->console;
    bool others = console->writer && console->writer != watcher;

    if (size == 0)
        return;
    if (watcher->mode == CONSOLE_READ_ONLY || others || console->guest < 0) {
        if (watcher->told)
            return;
        watcher->told = true;
        if (watcher->mode == CONSOLE_READ_ONLY)
            watcher_notice(watcher, "read-only: what you type goes nowhere");
        else if (others)
            watcher_notice(watcher, "%s has the keyboard: what you type goes nowhere",
                           console->writer->who);
        else
            watcher_notice(watcher, "%s is not running: what you type goes nowhere", console->name);
        return;
    }
    /* Clients are read only while there is room, so this never overruns the queue. */
    (void)console_write(console, data, size, NULL);
    console->half_typed = data[size - 1] != '\r' && data[size - 1] != '\n';
    console->typed_ns = clock_ns();
    console->eager = EAGER_MAX;
}

/**
 * on_break() - A client asks for a serial break
 * @watcher:	Client
 */
static void on_break(struct watcher *watcher)
{
    struct console *console = watcher->console;
    int r = -EOPNOTSUPP;

    if (watcher->mode == CONSOLE_READ_ONLY || (console->writer && console->writer != watcher)) {
        watcher_notice(watcher, "no break: you do not have the keyboard");
        return;
    }
    if (console->break_fn)
        r = console->break_fn(console, console->break_data);
    if (r < 0)
        watcher_notice(watcher, "no break: %s", strerror(-r));
}

/**
 * on_frame() - A client says something
 * @watcher:	Client
 * @frame:	Frame
 */
static void on_frame(struct watcher *watcher, const struct console_frame_view *frame)
{
    struct console *console = watcher->console;

    switch (frame->type) {
    case CONSOLE_FRAME_DATA:
        typed(watcher, frame->payload, frame->size);
        break;
    case CONSOLE_FRAME_BREAK:
        on_break(watcher);
        break;
    case CONSOLE_FRAME_TAKE:
        if (watcher->mode == CONSOLE_READ_ONLY)
            watcher_notice(watcher, "read-only: you cannot take the keyboard");
        else
            set_writer(console, watcher);
        break;
    case CONSOLE_FRAME_GIVE:
        if (console->writer == watcher)
            set_writer(console, NULL);
        break;
    case CONSOLE_FRAME_RESIZE:
        if (frame->size >= 4) {
            watcher->columns = (uint16_t)(frame->payload[0] | frame->payload[1] << 8);
            watcher->rows = (uint16_t)(frame->payload[2] | frame->payload[3] << 8);
        }
        break;
    default:
        break; /* of a later version */
    }
}

/**
 * take_frames() - Bytes came from a client that speaks frames
 * @watcher:	Client
 * @data:	Bytes
 * @size:	How many
 */
static void take_frames(struct watcher *watcher, const uint8_t *data, size_t size)
{
    struct strbuf *in = &watcher->in;
    struct console_frame_view frame;
    size_t done = 0;
    ssize_t used;

    strbuf_append(in, data, size);
    while ((used = console_frame_parse(in->data + done, in->size - done, &frame)) > 0) {
        on_frame(watcher, &frame);
        done += (size_t)used;
    }
    if (used < 0) {
        watcher->dead = true;
        return;
    }
    strbuf_consume(in, done);
    if (in->size == 0 && in->capacity > 256)
        strbuf_done(in);
}

/**
 * read_client() - Read a client once
 * @watcher:	Client
 */
static void read_client(struct watcher *watcher)
{
    uint8_t bytes[READ_SIZE];
    ssize_t size = recv(watcher->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    static_assert(GUEST_QUEUE_HIGH + READ_SIZE + CONSOLE_FRAME_MAX + CONSOLE_FRAME_HEAD <=
                      GUEST_QUEUE_MAX,
                  "what is read always finds room in the guest's queue");
    if (size > 0 && watcher->raw) {
        typed(watcher, bytes, (size_t)size);
    } else if (size > 0) {
        take_frames(watcher, bytes, (size_t)size);
    } else if (size < 0) {
        watcher->dead = errno != EAGAIN && errno != EINTR;
    } else if (watcher->raw) {
        watcher->eof = true;
        watcher_events(watcher);
    } else {
        watcher->dead = true;
    }
}

/**
 * on_client() - A client's socket has something to read or room to write
 * @source:	Its event source
 * @fd:		Socket
 * @events:	epoll events
 * @data:	Client
 *
 * Return: 0
 */
static int on_client(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct watcher *watcher = data;
    struct console *console = watcher->console;

    (void)fd;
    if (events & (EPOLLHUP | EPOLLERR)) {
        if (watcher->eof || watcher->cut_ns) {
            watcher->dead = true;
        } else if (console->input_held) {
            watcher->hung_up = true;
            (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
    }
    if (!watcher->dead && !watcher->hung_up && (events & EPOLLOUT))
        watcher_flush(watcher);
    if (!watcher->dead && !watcher->hung_up && !console->input_held && !watcher->cut_ns &&
        (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_client(watcher);
    /* It may have changed who has the keyboard, be owed a notice, or have died; and here is where
     * others are swept that died while the guest was read. */
    flush_all(console);
    return 0;
}

/**
 * replay_start() - Where a client's replay begins
 * @console:	Console
 * @most:	Bytes that it wants at most
 *
 * Return: place in the stream
 */
static uint64_t replay_start(const struct console *console, uint64_t most)
{
    const struct ring *ring = &console->ring;
    uint64_t recorded = console_recorded(console), begin;
    uint8_t bytes[4096], *line;
    ssize_t n;

    if (!console->recorded || most <= ring->head - ring->tail)
        return ring_start(ring, most);
    begin = record_begin(&console->record);
    if (recorded > most && recorded - most > begin)
        begin = recorded - most;
    if (begin >= recorded - (ring->head - ring->tail))
        return ring_start(ring, most);
    if (begin == 0)
        return begin - console->record_shift;
    /* From the middle: at a line's beginning, if there is one near. */
    n = record_read(&console->record, begin, bytes, sizeof(bytes));
    line = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
    return begin + (line ? (uint64_t)(line + 1 - bytes) : 0) - console->record_shift;
}

/**
 * attach() - A client joins
 * @console:	Console
 * @fd:		Socket, owned
 * @options:	How
 * @raw:	Without frames
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int attach(struct console *console, int fd, const struct console_attach *options, bool raw,
                  struct error *err)
{
    _cleanup_close_ int own = fd;
    const char *who = options->who && *options->who ? options->who : "somebody";
    int flags = fcntl(own, F_GETFL), r;
    struct watcher *watcher;

    if (flags < 0 || fcntl(own, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(own, F_SETFD, FD_CLOEXEC) < 0)
        return error_errno(err, errno, "console %s: client", console->name);
    watcher = xnew0(struct watcher, 1);
    *watcher = (struct watcher){
        .console = console, .fd = -1, .mode = options->mode, .raw = raw, .state_due = true};
    r = sd_event_add_io(console->event, &watcher->io, own, EPOLLIN, on_client, watcher);
    if (r < 0) {
        watcher_free(watcher);
        return error_errno(err, -r, "console %s: watch a client", console->name);
    }
    watcher->fd = steal_fd(&own);
    watcher->who = text_escape(who, strnlen(who, 64));
    watcher->replay_end = console->ring.head;
    watcher->cursor = replay_start(console, options->replay_bytes);
    watcher->writer_due = console->writer != NULL;
    /* An array of pointers is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
    array_grow(console->watchers, console->watcher_count, console->watcher_room);
    console->watchers[console->watcher_count++] = watcher;
    if (options->mode == CONSOLE_EXCLUSIVE)
        set_writer(console, watcher);
    watcher_events(watcher);
    flush_all(console);
    return 0;
}

int console_attach(struct console *console, int fd, const struct console_attach *options,
                   struct error *err)
{
    return attach(console, fd, options, false, err);
}

int console_attach_raw(struct console *console, int fd, const struct console_attach *options,
                       struct error *err)
{
    return attach(console, fd, options, true, err);
}

size_t console_clients(const struct console *console)
{
    return console->watcher_count;
}
