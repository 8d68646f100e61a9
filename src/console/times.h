// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* When which part of a console's record came: the index beside it. A file of a head and entries of
 * 16 bytes, (offset, time) as 64 bits little endian each: what lies from that offset on came at
 * that time (nanoseconds since 1970) or, up to the next entry, at most TIMES_STEP_NS later. Entries
 * go up in both; what does not is passed over, and so is a torn end. Pure but for times_load(). */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TIMES_HEAD        16
#define TIMES_ENTRY       16
#define TIMES_STEP_NS     10000000ull
#define TIMES_ENTRIES_MAX 65536u /* about 1 MiB; then it is thinned out */

struct times_entry {
    uint64_t offset, ns;
};

struct times {
    struct times_entry *entries; /* owned */
    size_t count, capacity;
};

/* times_head(), times_pack() - As they stand in the file. */
void times_head(uint8_t head[TIMES_HEAD]);
void times_pack(const struct times_entry *entry, uint8_t packed[TIMES_ENTRY]);
/* times_parse() - A whole index, as far as it makes sense. Return: 0, or -EINVAL if it is none */
int times_parse(const void *data, size_t size, struct times *ret_times);
/* times_load() - The index of the record at @log_path. -ENOENT: it has none. */
int times_load(const char *log_path, struct times *ret_times, struct error *err);
/* times_path() - Where the index of the record at @log_path is. Caller frees. */
char *times_path(const char *log_path);
void times_done(struct times *times);
/* times_at() - When the byte at @offset came, 0 if that is not known. */
uint64_t times_at(const struct times *times, uint64_t offset);
/* times_next() - The first entry beyond @offset, UINT64_MAX if there is none. */
uint64_t times_next(const struct times *times, uint64_t offset);
/* times_since() - Where what came at @ns or later begins, UINT64_MAX if nothing did. */
uint64_t times_since(const struct times *times, uint64_t ns);
/* times_thin() - Forget what lies before @begin, and then every second entry until at most @most
 * are left. */
void times_thin(struct times *times, uint64_t begin, size_t most);
