// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Where the pcapng goes: a file, which always ends with a whole block, or a stream (pipe, socket),
 * whose slow reader loses packets instead of holding up the capture. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct output {
    int fd;           /* not owned */
    bool stream;      /* pipe, socket or terminal: written without waiting */
    bool seekable;    /* a file that can be cut */
    bool choked;      /* the stream's reader is behind; packets are dropped until it caught up */
    int64_t moved_ms; /* CLOCK_MONOTONIC: when the reader last took something */
    int error;        /* -errno of a write that failed; nothing is written after it */
    uint8_t *buffer;
    size_t capacity;
    size_t start, end; /* what of the buffer is not yet written; @start of a file is a block's */
    off_t position;    /* file: where the next byte goes, always after a whole block */
};

/* output_init() - Write to @fd from now on; it stays the caller's. */
int output_init(struct output *output, int fd, struct error *err);

/* output_reserve() - Room for @size bytes, which output_commit() makes part of the output. NULL if
 * there is none: the reader is behind, or writing failed (@output->error). */
uint8_t *output_reserve(struct output *output, size_t size);
void output_commit(struct output *output, size_t size);

/* output_append() - Add bytes whether the reader is behind or not: headers, statistics. */
void output_append(struct output *output, const void *data, size_t size);

/* output_pending() - Bytes that are not written yet. */
size_t output_pending(const struct output *output);

/* output_flush() - Write what there is, of a stream as much as goes in without waiting. Return: 0
 * or -errno; after it a file was cut to whole blocks. */
int output_flush(struct output *output);

/* output_finish() - Write all, waiting for a stream's reader at most @timeout_ms and not once
 * @stop_fd (-1: none) is readable. Return: 0, -ETIMEDOUT or -errno */
int output_finish(struct output *output, int timeout_ms, int stop_fd);

/* output_rescue() - After a failed write, add @data (statistics) if it still fits. */
void output_rescue(struct output *output, const void *data, size_t size);

void output_done(struct output *output);
