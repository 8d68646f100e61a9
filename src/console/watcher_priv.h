// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* One attached client: shared by watcher.c (who may what) and watcher_send.c (bytes to it). */

#include "console/console_priv.h"
#include "console/frames.h"

#define NOTICES_MAX 16

/* A line for the person, shown when the client has got the output up to a place. */
struct watcher_notice {
    uint64_t at;
    char *text; /* owned */
};

struct watcher {
    struct console *console;
    sd_event_source *io;
    char *who; /* owned, escaped */
    int fd;
    enum console_mode mode;
    uint16_t columns, rows; /* of its terminal; 0: unknown */
    bool raw;               /* no frames */
    bool dead;              /* to be swept */

    /* from the client */
    bool eof;         /* it types no more, but listens (raw clients) */
    bool deaf;        /* it takes nothing any more, but what it typed is still to be read */
    bool hung_up;     /* it is gone, but what it typed is still to be read */
    bool told;        /* knows why its typing is dropped */
    struct strbuf in; /* a frame that is not complete */

    /* to the client */
    bool replayed;              /* REPLAYED was sent */
    bool state_due, writer_due; /* frames that it is owed */
    bool want_out;              /* the socket is full */
    uint64_t cursor;            /* next byte of the stream that it gets */
    uint64_t replay_end;        /* where live output begins */
    uint64_t state_at;          /* place at which STATE is due */
    uint64_t cut_ns;            /* cut off then; only @out is still sent. 0: not */
    struct strbuf out; /* goes before anything else: control frames, the rest of a torn frame */
    struct watcher_notice notices[NOTICES_MAX];
    size_t notice_count;
};

/* watcher_flush() - Send what the socket takes. */
void watcher_flush(struct watcher *watcher);
/* watcher_cut() - It is too far behind: stop sending output, say so, and let it go. */
void watcher_cut(struct watcher *watcher);
/* watcher_notice() - Queue a line for the person; dropped if too many wait already. */
void watcher_notice(struct watcher *watcher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* watcher_events() - Ask the loop for what the socket is to be watched for. */
void watcher_events(struct watcher *watcher);
