// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The file that QEMU writes a console to, seen from the engine: where in it the stream is, when
 * what came (times.h), and how much of it is kept. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct record {
    char *path, *times_path; /* owned */
    int fd, times_fd;        /* -1: there is none */
    uint64_t limit;          /* bytes that are kept at least */
    uint64_t trimmed;        /* what lies before is given back to the disk */
    uint64_t noted_ns;       /* CLOCK_MONOTONIC of the last entry of the index */
    uint64_t entries;        /* in the index */
    bool no_holes;           /* this file system cannot give back a part of a file */
};

/* record_open() - Open, or make, the file at @path and its index. */
int record_open(struct record *record, const char *path, uint64_t limit, struct error *err);
void record_done(struct record *record);
/* record_size() - Bytes written so far. */
uint64_t record_size(const struct record *record);
/* record_begin() - The first byte that is still kept. */
uint64_t record_begin(const struct record *record);
/* record_read() - Bytes from @offset on. Return: how many, 0 at the end, or -errno */
ssize_t record_read(const struct record *record, uint64_t offset, void *data, size_t size);
/* record_note() - What lies from @offset on came just now. */
void record_note(struct record *record, uint64_t offset, uint64_t now_ns);
/* record_trim() - The guest has said all up to @offset: give back what is too old. */
void record_trim(struct record *record, uint64_t offset);
