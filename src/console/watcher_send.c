// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * A client's output is the ring from its cursor on, put into frames that are written straight from
 * the ring's chunks. When the socket takes only part of a frame, the rest is copied to @out and the
 * cursor moves on as if it were sent; so the cursor is always at a frame's boundary, and a client
 * that is cut off still gets whole frames and a last notice.
 *
 * A replay may begin before the ring: then it comes from the record, piece by piece, until it has
 * caught up with the ring. Such a client holds nothing in the ring and is never cut off.
 *
 * Notices and changes of state have a place in the stream, so that "stopped" comes after the last
 * output. They are few (the latest state, the latest writer, NOTICES_MAX notices), so a client that
 * does not read costs nothing more, whatever the others do. */

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "console/watcher_priv.h"

#define FLUSH_FRAMES 16 /* frames in one system call */
#define FLUSH_ROUNDS 4  /* then the others get their turn */
#define OLD_SIZE     16384

/**
 * put_frame() - Queue a control frame
 * @watcher:	Client
 * @type:	Type
 * @text:	Payload
 */
static void put_frame(struct watcher *watcher, enum console_frame type, const char *text)
{
    size_t size = strlen(text);
    uint8_t head[CONSOLE_FRAME_HEAD];

    if (watcher->raw)
        return;
    if (size > CONSOLE_FRAME_MAX)
        size = CONSOLE_FRAME_MAX;
    console_frame_head(head, type, size);
    strbuf_append(&watcher->out, head, sizeof(head));
    strbuf_append(&watcher->out, text, size);
}

void watcher_notice(struct watcher *watcher, const char *format, ...)
{
    struct watcher_notice *notice = &watcher->notices[watcher->notice_count];
    _cleanup_free_ char *text = NULL;
    va_list args;

    if (watcher->raw || watcher->dead || watcher->notice_count == NOTICES_MAX)
        return;
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    notice->at = watcher->console->ring.head;
    notice->text = text_escape(text, strlen(text) > 512 ? 512 : strlen(text));
    watcher->notice_count++;
}

/**
 * put_controls() - Queue the control frames that are due at the cursor
 * @watcher:	Client
 *
 * Return: the place up to which output may go before this is to be asked again
 */
static uint64_t put_controls(struct watcher *watcher)
{
    const struct console *console = watcher->console;
    uint64_t stop = console->ring.head;

    if (watcher->state_due && watcher->cursor >= watcher->state_at) {
        put_frame(watcher, CONSOLE_FRAME_STATE, console->guest >= 0 ? "running" : "stopped");
        watcher->state_due = false;
    }
    if (watcher->writer_due) {
        const struct watcher *writer = console->writer;

        put_frame(watcher, CONSOLE_FRAME_WRITER,
                  !writer             ? ""
                  : writer == watcher ? "you"
                                      : writer->who);
        watcher->writer_due = false;
    }
    if (!watcher->replayed && watcher->cursor >= watcher->replay_end) {
        put_frame(watcher, CONSOLE_FRAME_REPLAYED, "");
        watcher->replayed = true;
    }
    while (watcher->notice_count && watcher->notices[0].at <= watcher->cursor) {
        put_frame(watcher, CONSOLE_FRAME_NOTICE, watcher->notices[0].text);
        free(watcher->notices[0].text);
        memmove(watcher->notices, watcher->notices + 1,
                --watcher->notice_count * sizeof(watcher->notices[0]));
    }
    if (watcher->state_due && watcher->state_at < stop)
        stop = watcher->state_at;
    if (!watcher->replayed && watcher->replay_end < stop)
        stop = watcher->replay_end;
    if (watcher->notice_count && watcher->notices[0].at < stop)
        stop = watcher->notices[0].at;
    return stop;
}

/**
 * send_failed() - The system did not take what was sent
 * @watcher:	Client
 * @code:	Why
 *
 * A program that types and leaves (`socat -u FILE UNIX-CONNECT:…`) has often left before the
 * replay reaches it. What it typed still lies in the socket, and is for the guest.
 */
static void send_failed(struct watcher *watcher, int code)
{
    char byte;

    if (code == EAGAIN)
        return;
    if ((code == EPIPE || code == ECONNRESET) &&
        recv(watcher->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        watcher->deaf = true;
    else
        watcher->dead = true;
}

/**
 * send_out() - Send what goes first
 * @watcher:	Client
 *
 * Return: true once all of it is sent
 */
static bool send_out(struct watcher *watcher)
{
    struct strbuf *out = &watcher->out;

    while (out->size) {
        ssize_t sent = send(watcher->fd, out->data, out->size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            send_failed(watcher, errno);
            return false;
        }
        strbuf_consume(out, (size_t)sent);
    }
    if (out->capacity)
        strbuf_done(out);
    return true;
}

/**
 * next_span() - Output that is to be sent next
 * @watcher:	Client
 * @at:		Place, from the cursor on
 * @old:	Room for OLD_SIZE bytes of the record
 * @old_size:	How much of it is filled; from the cursor on
 * @ret_data:	The span
 *
 * Return: its size, 0: there is no more in one go
 */
static size_t next_span(const struct watcher *watcher, uint64_t at, const uint8_t *old,
                        size_t old_size, const uint8_t **ret_data)
{
    size_t from = (size_t)(at - watcher->cursor);

    if (at >= watcher->console->ring.tail)
        return old_size ? 0 : ring_span(&watcher->console->ring, at, ret_data);
    *ret_data = old + from;
    return old_size - from < CONSOLE_FRAME_MAX ? old_size - from : CONSOLE_FRAME_MAX;
}

/**
 * read_old() - Read what is older than the ring
 * @watcher:	Client
 * @bytes:	Room for OLD_SIZE bytes
 *
 * Return: how much was read; 0: the cursor is in the ring
 */
static size_t read_old(struct watcher *watcher, uint8_t *bytes)
{
    const struct console *console = watcher->console;
    uint64_t left = console->ring.tail - watcher->cursor;
    ssize_t n;

    if (watcher->cursor >= console->ring.tail)
        return 0;
    n = record_read(&console->record, watcher->cursor + console->record_shift, bytes,
                    left < OLD_SIZE ? (size_t)left : OLD_SIZE);
    if (n > 0)
        return (size_t)n;
    watcher->cursor = console->ring.tail;
    return 0;
}

/**
 * send_output() - Send output from the ring, at most FLUSH_FRAMES spans
 * @watcher:	Client; its @out is empty
 * @stop:	Place to stop at
 *
 * Return: true if all that was offered went out
 */
static bool send_output(struct watcher *watcher, uint64_t stop)
{
    uint8_t heads[FLUSH_FRAMES][CONSOLE_FRAME_HEAD];
    size_t head_size = watcher->raw ? 0 : CONSOLE_FRAME_HEAD, count = 0, total = 0, left;
    uint8_t old[OLD_SIZE];
    size_t old_size = read_old(watcher, old);
    struct iovec parts[2 * FLUSH_FRAMES];
    struct msghdr message = {.msg_iov = parts};
    uint64_t at = watcher->cursor;
    ssize_t sent;

    for (; count < FLUSH_FRAMES && at < stop; count++) {
        const uint8_t *data;
        size_t size = next_span(watcher, at, old, old_size, &data);

        if (size == 0)
            break;
        if (size > stop - at)
            size = (size_t)(stop - at);
        console_frame_head(heads[count], CONSOLE_FRAME_DATA, size);
        parts[2 * count] = (struct iovec){heads[count], head_size};
        parts[2 * count + 1] = (struct iovec){(void *)data, size};
        total += head_size + size;
        at += size;
    }
    static_assert(RING_CHUNK <= CONSOLE_FRAME_MAX, "a span is one frame's payload");
    message.msg_iovlen = 2 * count;
    do {
        sent = sendmsg(watcher->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        send_failed(watcher, errno);
        return false;
    }
    left = (size_t)sent;
    for (size_t i = 0; i < count && left > 0; i++) {
        const struct iovec *head = &parts[2 * i], *body = &parts[2 * i + 1];
        size_t from_head = left < head->iov_len ? left : head->iov_len;
        size_t from_body = left - from_head < body->iov_len ? left - from_head : body->iov_len;

        left -= from_head + from_body;
        if (watcher->raw) {
            watcher->cursor += from_body;
            continue;
        }
        watcher->cursor += body->iov_len;
        if (from_head < head->iov_len || from_body < body->iov_len) {
            strbuf_append(&watcher->out, (uint8_t *)head->iov_base + from_head,
                          head->iov_len - from_head);
            strbuf_append(&watcher->out, (uint8_t *)body->iov_base + from_body,
                          body->iov_len - from_body);
        }
    }
    return (size_t)sent == total;
}

void watcher_flush(struct watcher *watcher)
{
    bool want_out = false;

    for (int round = 0; !watcher->dead && !watcher->hung_up && !watcher->deaf; round++) {
        uint64_t stop;

        want_out = !send_out(watcher);
        if (want_out)
            break;
        if (watcher->cut_ns) {
            watcher->dead = true;
            break;
        }
        /* Only now, with @out empty: it must not grow at a client that does not read. */
        stop = put_controls(watcher);
        if (watcher->out.size)
            continue;
        if (watcher->cursor >= stop)
            break;
        want_out = round >= FLUSH_ROUNDS || !send_output(watcher, stop);
        if (want_out)
            break;
    }
    want_out = want_out && !watcher->deaf;
    if (want_out != watcher->want_out) {
        watcher->want_out = want_out;
        watcher_events(watcher);
    }
}

void watcher_cut(struct watcher *watcher)
{
    _cleanup_free_ char *text = NULL;

    if (watcher->cut_ns || watcher->dead)
        return;
    text = xasprintf("cut off: this client was %zu KiB of output behind; attach again",
                     (size_t)((watcher->console->ring.head - watcher->cursor) / 1024));
    put_frame(watcher, CONSOLE_FRAME_NOTICE, text);
    watcher->cut_ns = clock_ns();
    watcher_flush(watcher);
}
