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

#define RINGS_MOST     8
#define RETIRE_LIVE_MS 10u
#define RETIRE_FILE_MS 50u
#define SLACK_MS       10u /* a timer tick or two, and a busy machine */
#define NS_PER_MS      UINT64_C(1000000)
#define CLOCK_SET_BACK (1000 * NS_PER_MS)

#define STALL_MS   10000u
#define KEEP_BYTES (64u << 20)

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

struct endpoint {
    const struct capture_endpoint *config;
    uint32_t ifindex;
    bool gone;
    uint64_t packets;                     /* in the file */
    uint64_t lost;                        /* dropped here, the reader was behind */
    uint64_t gap;                         /* of these, since the last packet in the file */
    uint64_t packets_before, lost_before; /* @packets and @lost when the present file began */
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
    unsigned file;      /* number of the present one in the ring of files */
    struct keep *keep;  /* instead of an output */
    struct note *notes; /* in order of time */
    size_t note_count, note_capacity;
    struct strbuf note_text; /* those that go with the packet being written */
    int watch_fd, signal_fd;
    uint64_t start_ns, last_ns;
    uint64_t packets, bytes, lost, drops;
    uint64_t drops_before[RINGS_MOST];  /* @ring_drops when the present file began */
    uint64_t reported;                  /* packets and losses at the last report */
    int64_t stats_due_ms, flush_due_ms; /* 0: nothing is due */
    int64_t end_ms;                     /* when the wanted time is over, 0: never */
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

/* worker_take_all() - Write every frame that the rings show. */
void worker_take_all(struct worker *worker);

/* worker_update_drops() - Ask the kernel what it dropped. */
void worker_update_drops(struct worker *worker);

/* worker_send_stats() - Report the counts if they changed. */
void worker_send_stats(struct worker *worker);

/* worker_clock_ns() - Read a clock in nanoseconds. */
uint64_t worker_clock_ns(clockid_t id);

/* worker_now_ms() - Monotonic time. */
int64_t worker_now_ms(void);

/* ---- worker_file.c ---- */
/* worker_file_begin() - Section and interfaces into @worker->output, which is set up for @fd. */
int worker_file_begin(struct worker *worker, int fd, struct error *err);
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
