// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The capture worker: everything of the program but its command line. */

#include <time.h>

#include "base/error.h"
#include "capture/capture.h"
#include "capture/filter_priv.h"
#include "capture/output_priv.h"
#include "capture/ring_priv.h"
#include "capture/segment_priv.h"

#define RINGS_MOST     8
#define RETIRE_LIVE_MS 10u
#define RETIRE_FILE_MS 50u
#define SLACK_MS       10u /* a timer tick or two, and a busy machine */
#define NS_PER_MS      UINT64_C(1000000)
#define CLOCK_SET_BACK (1000 * NS_PER_MS)

struct worker_options {
    struct capture_options capture;
    size_t buffer; /* bytes of kernel ring, 0: as many as suit */
    int report_fd, output_fd;
};

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

/* worker_clock_ns() - Read a clock in nanoseconds. */
uint64_t worker_clock_ns(clockid_t id);
