// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A console with this test as its guest and its clients, all in one event loop. */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/regex.h"
#include "base/strbuf.h"
#include "console/broker.h"
#include "console/frames.h"

struct fixture {
    sd_event *event;
    struct console *console;
    int guest; /* the guest's end */
};

/* What a client that speaks frames has seen. */
struct seen {
    int fd;
    struct strbuf raw;     /* not parsed yet */
    struct strbuf output;  /* DATA */
    struct strbuf notices; /* one a line */
    struct strbuf log;     /* the order: S state, W writer, D data, R, N */
    char state[32], writer[128];
    size_t replay_size; /* of output when REPLAYED came */
    bool replayed, ended;
};

static inline uint64_t test_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static inline void nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void guest_connect(struct fixture *fixture)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fixture->guest = pair[0];
    nonblocking(pair[0]);
    assert_int_equal(console_open(fixture->console, pair[1], NULL), 0);
}

static inline void fixture_init(struct fixture *fixture, size_t ring, size_t backlog)
{
    struct console_options options = {.name = "r1", .ring_bytes = ring, .backlog_bytes = backlog};

    assert_return_code(sd_event_new(&fixture->event), 0);
    assert_int_equal(console_new(fixture->event, &options, &fixture->console, NULL), 0);
    guest_connect(fixture);
}

static inline void fixture_done(struct fixture *fixture)
{
    console_free(fixture->console);
    sd_event_unref(fixture->event);
    if (fixture->guest >= 0)
        close(fixture->guest);
}

/* Run the loop for @ms. */
static inline void run_for(struct fixture *fixture, unsigned ms)
{
    uint64_t end = test_ns() + ms * 1000000ull, now;

    while ((now = test_ns()) < end)
        assert_return_code(sd_event_run(fixture->event, (end - now) / 1000), 0);
}

/* Run the loop until it has nothing to do at once. */
static inline void run_idle(struct fixture *fixture)
{
    while (sd_event_run(fixture->event, 8000) > 0)
        ;
}

static inline void guest_say(struct fixture *fixture, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t n = send(fixture->guest, at, size, MSG_NOSIGNAL);

        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else {
            assert_return_code(sd_event_run(fixture->event, 0), 0);
        }
    }
}

static inline void guest_puts(struct fixture *fixture, const char *text)
{
    guest_say(fixture, text, strlen(text));
    run_idle(fixture);
}

/* What the guest was sent by now. */
static inline const char *guest_hears(struct fixture *fixture)
{
    static char text[200000];
    ssize_t n;
    size_t size = 0;

    run_idle(fixture);
    while ((n = recv(fixture->guest, text + size, sizeof(text) - 1 - size, 0)) > 0) {
        size += (size_t)n;
        run_idle(fixture);
    }
    text[size] = 0;
    return text;
}

static inline void seen_attach_as(struct fixture *fixture, struct seen *seen,
                                  const struct console_attach *how, bool raw)
{
    int pair[2];

    *seen = (struct seen){.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    nonblocking(pair[0]);
    seen->fd = pair[0];
    assert_int_equal(
        (raw ? console_attach_raw : console_attach)(fixture->console, pair[1], how, NULL), 0);
}

static inline void seen_attach(struct fixture *fixture, struct seen *seen, enum console_mode mode,
                               const char *who)
{
    seen_attach_as(fixture, seen,
                   &(struct console_attach){.mode = mode, .replay_bytes = SIZE_MAX, .who = who},
                   false);
}

static inline void seen_done(struct seen *seen)
{
    if (seen->fd >= 0)
        close(seen->fd);
    strbuf_done(&seen->raw);
    strbuf_done(&seen->output);
    strbuf_done(&seen->notices);
    strbuf_done(&seen->log);
}

static inline void seen_frame(struct seen *seen, const struct console_frame_view *frame)
{
    static const char letters[] = "?DNSW????R";

    assert_true(frame->type < sizeof(letters) - 1);
    strbuf_append(&seen->log, &letters[frame->type], 1);
    switch (frame->type) {
    case CONSOLE_FRAME_DATA:
        strbuf_append(&seen->output, frame->payload, frame->size);
        break;
    case CONSOLE_FRAME_NOTICE:
        strbuf_append(&seen->notices, frame->payload, frame->size);
        strbuf_puts(&seen->notices, "\n");
        break;
    case CONSOLE_FRAME_STATE:
        (void)snprintf(seen->state, sizeof(seen->state), "%.*s", (int)frame->size,
                       (const char *)frame->payload);
        break;
    case CONSOLE_FRAME_WRITER:
        (void)snprintf(seen->writer, sizeof(seen->writer), "%.*s", (int)frame->size,
                       (const char *)frame->payload);
        break;
    case CONSOLE_FRAME_REPLAYED:
        assert_false(seen->replayed);
        seen->replayed = true;
        seen->replay_size = seen->output.size;
        break;
    default:
        fail_msg("frame of type %u from the engine", frame->type);
    }
}

/* Read what there is, at most @most bytes. */
static inline void seen_read(struct seen *seen, size_t most)
{
    struct console_frame_view frame;
    char bytes[65536];
    size_t done = 0;
    ssize_t n;

    while (most > 0 &&
           (n = recv(seen->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0)) >= 0) {
        if (n == 0) {
            seen->ended = true;
            break;
        }
        strbuf_append(&seen->raw, bytes, (size_t)n);
        most -= (size_t)n;
    }
    while ((n = console_frame_parse(seen->raw.data + done, seen->raw.size - done, &frame)) > 0) {
        seen_frame(seen, &frame);
        done += (size_t)n;
    }
    assert_int_equal(n, 0);
    strbuf_consume(&seen->raw, done);
}

static inline const char *seen_output(struct fixture *fixture, struct seen *seen)
{
    run_idle(fixture);
    seen_read(seen, SIZE_MAX);
    return seen->output.size ? seen->output.data : "";
}

static inline const char *seen_notices(struct fixture *fixture, struct seen *seen)
{
    (void)seen_output(fixture, seen);
    return seen->notices.size ? seen->notices.data : "";
}

static inline void seen_send(struct seen *seen, enum console_frame type, const void *data,
                             size_t size)
{
    uint8_t frame[CONSOLE_FRAME_HEAD + CONSOLE_FRAME_MAX];

    console_frame_head(frame, type, size);
    if (size)
        memcpy(frame + CONSOLE_FRAME_HEAD, data, size);
    assert_int_equal(send(seen->fd, frame, CONSOLE_FRAME_HEAD + size, MSG_NOSIGNAL),
                     CONSOLE_FRAME_HEAD + size);
}

static inline void seen_type(struct seen *seen, const char *text)
{
    seen_send(seen, CONSOLE_FRAME_DATA, text, strlen(text));
}
