// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the broker share: broker.c (guest, record), watcher.c (clients), expect.c,
 * exec.c. */

#include "base/strbuf.h"
#include "console/broker.h"
#include "console/lines.h"
#include "console/record_priv.h"
#include "console/ring_priv.h"

#define GUEST_QUEUE_MAX  65536 /* bytes that wait for the guest */
#define GUEST_QUEUE_HIGH 32768 /* above it nothing more is read from clients */
#define NS_PER_MS        1000000ull

struct watcher;
struct exec_run;

struct console {
    sd_event *event;
    char *name;
    size_t ring_bytes, backlog_bytes;

    /* the record */
    struct ring ring;   /* its offsets are those of the record, but for record_shift */
    uint64_t preloaded; /* bytes in the stream that did not come from the guest */
    struct record record;
    bool recorded;         /* there is a record */
    uint64_t record_shift; /* offset in the record less offset in the stream, modulo 2^64 */
    sd_event_source *record_source, *record_look; /* follow.c: tell when it grows */
    uint64_t last_ns;                             /* when the guest last sent something */
    struct lines lines;
    struct strbuf last; /* last line that was not blank, stripped, cut for display */
    char *last_shown;   /* the same escaped; made when asked for */

    /* the guest */
    int guest;            /* serial socket, or FIFO to type into; -1 while there is none */
    bool follows;         /* what it says is read from the record */
    unsigned dense_reads; /* small reads in a row that followed each other closely */
    sd_event_source *guest_io, *guest_timer;
    struct strbuf guest_queue;
    bool guest_paused; /* its socket is looked at by the timer only */
    bool half_typed;   /* a client typed something and the guest has not ended the line yet */
    bool input_held;   /* clients are not read: exec runs, or the queue is full */
    bool expect_hit;   /* expect.c: the rule matched, the callback is due */
    unsigned eager;    /* watcher.c: flushes that may go at once because someone typed */
    console_break_fn *break_fn;
    void *break_data;
    console_read_fn *read_fn;
    void *read_data;

    /* watcher.c */
    struct watcher **watchers;
    size_t watcher_count, watcher_room;
    struct watcher *writer; /* who has the keyboard, or NULL: everyone */
    sd_event_source *flush_timer, *flush_next, *reap_timer;
    size_t flush_at, flush_left; /* round of flushing: next watcher, how many are left */
    uint64_t flushed_ns, flushed_head;
    uint64_t typed_ns; /* when a client last typed */

    /* expect.c */
    const regex_t *rule;
    console_expect_fn *expect_fn;
    void *expect_data;
    uint64_t expect_looked_ns;
    sd_event_source *expect_timer, *expect_done;

    struct exec_run *exec; /* exec.c */
};

/* clock_ns() - CLOCK_MONOTONIC. */
uint64_t clock_ns(void);
/* timer_set() - Make or move a one-shot timer to an absolute time. */
void timer_set(struct console *console, sd_event_source **timer, uint64_t at_ns,
               sd_event_time_handler_t fn, void *data);
/* defer_set() - Make or arm a source that is dispatched once, in the next turn of the loop. */
void defer_set(struct console *console, sd_event_source **source, sd_event_handler_t fn,
               void *data);

/* broker.c */
/* console_feed() - The guest said something. */
void console_feed(struct console *console, const void *data, size_t size);
/* console_recorded() - How much of the record is in the stream: offset in the record. */
uint64_t console_recorded(const struct console *console);
/* guest_read() - Take what the guest said. */
void guest_read(struct console *console);
/* console_last_lines() - The tail in one line, for an error message. Caller frees. */
char *console_last_lines(const struct console *console);

/* follow.c */
/* follow_watch() - Be told when the record grows, or do not. */
void follow_watch(struct console *console, bool watch);
/* follow_read() - What is new in the record. Return: bytes, or -1 with errno EAGAIN */
ssize_t follow_read(struct console *console, void *bytes, size_t size);
void follow_done(struct console *console);

/* watcher.c */
/* watchers_make_room() - @size bytes are about to be added: cut off who is too far behind. */
void watchers_make_room(struct console *console, size_t size);
/* watchers_lowest() - The oldest byte that a client still needs. */
uint64_t watchers_lowest(const struct console *console);
/* watchers_fed() - There is new output: send it now or soon. */
void watchers_fed(struct console *console);
/* watchers_state() - The guest came or went; @why may be NULL. */
void watchers_state(struct console *console, const char *why);
/* watchers_hold() - Look again whether clients may be read. */
void watchers_hold(struct console *console);
void watchers_done(struct console *console);

/* expect.c */
void expect_line(struct console *console, const char *line);
void expect_fed(struct console *console);

/* exec.c */
void exec_fed(struct console *console, const void *data, size_t size);
/* exec_abort() - The guest is gone. */
void exec_abort(struct console *console, const char *why);
/* exec_done() - Call back now (the console goes away). */
void exec_done(struct console *console);
