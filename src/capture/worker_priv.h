// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The capture worker: everything of the program but its command line. */

#include <time.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "capture/capture.h"
#include "capture/control_priv.h"
#include "capture/filter_priv.h"
#include "capture/keep_priv.h"
#include "capture/output_priv.h"
#include "capture/ring_priv.h"
#include "capture/segment_priv.h"

#define RINGS_MOST     8 /* of endpoints of their own; one that is shared may come in addition */
#define RETIRE_LIVE_MS 10u
#define RETIRE_FILE_MS 50u
#define SLACK_MS       10u /* a timer tick or two, and a busy machine */
#define NS_PER_MS      UINT64_C(1000000)
#define CLOCK_SET_BACK (1000 * NS_PER_MS)

#define STALL_MS   10000u
#define KEEP_BYTES (64u << 20)
/* Every interface can be gone while the lab is being changed; so long it may take until the engine
 * says what comes in their place. */
#define GONE_PATIENCE_MS 5000

struct worker_options {
    struct capture_options capture;
    size_t buffer;     /* bytes of kernel ring, 0: as many as suit */
    unsigned stall_ms; /* a reader that takes nothing for so long is cut off, 0: STALL_MS */
    struct control *control;
    int output_fd;
};

/* A comment on the next packet that passes after @time_ns. */
struct note {
    uint64_t time_ns;
    char *text;
};

/* What is captured now (worker_ends.c). */
struct endpoint {
    char *ifname, *label, *link; /* owned; @link may be NULL */
    enum capture_direction direction;
    uint32_t ifindex;
    uint32_t number;   /* of its interface block; NO_NUMBER: it has none yet */
    uint64_t until_ns; /* later frames are not wanted, and it is forgotten soon; 0: it stays */
    uint64_t gap;      /* packets dropped since its last one in the file: the reader was behind */
    bool gone;         /* its interface is */
};
#define NO_NUMBER UINT32_MAX
#define NOT_YET   UINT64_MAX

struct endpoints {
    struct endpoint *items; /* by ifindex */
    size_t count, capacity;
};

/* An interface block of the present file. An endpoint that was cabled anew gets another one. */
struct interface_block {
    char *ifname, *label, *link; /* owned; @link may be NULL */
    uint64_t packets;            /* in this file */
    uint64_t lost;               /* … and dropped here, the reader was behind */
    uint64_t os_dropped;         /* … and dropped by the kernel, if it has a ring of its own */
    uint64_t last_ns;            /* of its last packet */
};

struct worker {
    const struct worker_options *options;
    uint32_t snaplen;
    struct filter *filter;
    bool kernel_filters;   /* the kernel runs the filter, else all is filtered here */
    struct endpoints now;  /* what is captured */
    struct endpoints next; /* … and what shall be from @next_ns on; 0: no change is due */
    uint64_t next_ns;      /* NOT_YET: only their rings are wanted so far */
    uint64_t order_ns;     /* when @next was ordered */
    int64_t tidy_due_ms;   /* when the change must have come into force, 0: all is tidy */
    struct interface_block *interfaces;
    size_t interface_count, interface_capacity;
    bool continued;           /* the present file has a section already, of another worker */
    uint32_t interface_first; /* number of our first interface in it */
    struct ring *rings[RINGS_MOST + 1];
    size_t ring_count;
    int spare_fd;       /* packet socket for a shared ring, made while that was allowed; or -1 */
    unsigned retire_ms; /* of the rings */
    uint64_t hold_ns;   /* how long a frame waits for the other rings */
    uint64_t shared_os_dropped; /* by the kernel, of the shared ring, in the present file */
    struct segmenter *segmenter;
    struct output output;
    unsigned file;      /* number of the present one in the ring of files */
    struct keep *keep;  /* instead of an output */
    struct note *notes; /* in order of time */
    size_t note_count, note_capacity;
    struct strbuf note_text; /* those that go with the packet being written */
    int watch_fd, signal_fd;
    uint64_t start_ns, last_ns;
    uint64_t packets, bytes, lost, drops;
    uint64_t reported;                  /* packets and losses at the last report */
    int64_t stats_due_ms, flush_due_ms; /* 0: nothing is due */
    int64_t end_ms;                     /* when the wanted time is over, 0: never */
    int64_t gone_due_ms;                /* every interface is gone: the end is near, 0: not so */
    bool cut_off;                       /* the reader did not read */
    const char *why;                    /* the capture ends, and this is why */
    bool failed;                        /* … and it should not have */
    bool rest;                          /* … but what is in the rings belongs into the file */
    char *why_owned;
};

/* worker_run() - Capture until SIGTERM, the limit, the reader's leaving or the last interface's
 * end.
 * Return: 0, 1 if it had to end (reported, with why), or -errno if it could not begin (@err, not
 * reported) */
int worker_run(const struct worker_options *options, struct error *err);

/* worker_set_up() - Everything before the first frame; the rings run afterwards. Return: 0 or
 * -errno */
int worker_set_up(struct worker *worker, struct error *err);

/* worker_done() - Free what a worker holds, also one that was set up in part. */
void worker_done(struct worker *worker);

/* worker_finish() - Note why the capture ends; the first reason counts. @why: static, or owned by
 * the worker */
void worker_finish(struct worker *worker, bool failed, const char *why);

/* worker_output_failed() - Note why writing failed. */
void worker_output_failed(struct worker *worker);

/* worker_take_ready() - Write every frame whose turn it is: all that passed longer ago than the
 * rings' retire time and SLACK_MS. */
void worker_take_ready(struct worker *worker);

/* worker_update_drops() - Ask the kernel what it dropped. */
void worker_update_drops(struct worker *worker);

/* worker_send_stats() - Report the counts if they changed. */
void worker_send_stats(struct worker *worker);

/* worker_check_left() - If every interface is gone, the end is near. */
void worker_check_left(struct worker *worker);

/* worker_clock_ns() - Read a clock in nanoseconds. */
uint64_t worker_clock_ns(clockid_t id);

/* worker_now_ms() - Monotonic time. */
int64_t worker_now_ms(void);

/* worker_finish_with_rest() - Note why the capture ends, once what has passed by now is in the
 * file. */
void worker_finish_with_rest(struct worker *worker, const char *why);

/* ---- worker_ends.c ---- */
/* endpoints_add() - Add one that has no block and no interface number yet. */
void endpoints_add(struct endpoints *endpoints, const struct capture_endpoint *config);
/* endpoints_sort() - By ifindex, as endpoints_find() needs it. */
void endpoints_sort(struct endpoints *endpoints);
/* endpoints_find() - NULL if there is none of that interface. */
struct endpoint *endpoints_find(const struct endpoints *endpoints, uint32_t ifindex);
void endpoints_done(struct endpoints *endpoints);
/* worker_ends_number() - Give blocks to those that have none, in their order. */
void worker_ends_number(struct worker *worker, struct endpoints *endpoints);
/* worker_ends_renumber() - Forget the blocks that nobody has any more: a new file begins. */
void worker_ends_renumber(struct worker *worker);
/* worker_ends_order() - Understand "ends ID FROM-NS".
 * @text:	What follows the word
 * @fd:		The list, -1: none came */
void worker_ends_order(struct worker *worker, const char *text, int fd);
/* worker_ends_switch() - What was ordered comes into force. */
void worker_ends_switch(struct worker *worker);
/* worker_ends_tidy() - Time has come to forget who left. */
void worker_ends_tidy(struct worker *worker);
void interface_block_done(struct interface_block *interface);

/* ---- worker_rings.c ---- */
/* worker_rings_open() - Rings for @worker->now; they do not run yet. */
int worker_rings_open(struct worker *worker, struct error *err);
/* worker_rings_follow() - Have rings for the endpoints of @worker->now and @worker->next. */
int worker_rings_follow(struct worker *worker, struct error *err);
/* worker_rings_tidy() - Free those whose endpoints are no more. */
void worker_rings_tidy(struct worker *worker);

/* ---- worker_file.c ---- */
/* worker_file_interfaces() - Describe the interface blocks from number @first on. */
void worker_file_interfaces(const struct worker *worker, size_t first, struct strbuf *out);

/* worker_file_begin() - Section and interfaces into @worker->output, which is set up for @fd. */
int worker_file_begin(struct worker *worker, int fd, struct error *err);
/* worker_file_resume() - Find where a worker that was killed had come to, and cut what it began to
 * write: @worker->file is that file, which stands at its end. Return: its descriptor */
int worker_file_resume(struct worker *worker);
/* worker_file_rotate() - The present file is full: end it and begin the next. */
void worker_file_rotate(struct worker *worker);
/* worker_file_end() - Write the statistics and what is left, and report the end. */
void worker_file_end(struct worker *worker);

/* ---- worker_orders.c ---- */
/* worker_orders_read() - See to what clients of the control socket sent. */
void worker_orders_read(struct worker *worker, size_t client);
/* worker_orders_notes() - What stands on a packet of that time, in @worker->note_text. */
void worker_orders_notes(struct worker *worker, uint64_t time_ns);
/* worker_orders_noted() - That packet is written. */
void worker_orders_noted(struct worker *worker, uint64_t time_ns);
