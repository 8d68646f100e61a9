// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The last stretch of traffic, in memory, as packet blocks that only wait for a file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"
#include "capture/filter_priv.h"
#include "capture/output_priv.h"

struct keep;

/* keep_new() - Remember @span_ns of the past in at most @bytes. */
struct keep *keep_new(uint64_t span_ns, size_t bytes);
void keep_free(struct keep *keep);

/* keep_set_span() - Remember so much from now on. */
void keep_set_span(struct keep *keep, uint64_t span_ns);
uint64_t keep_span(const struct keep *keep);

/* keep_reserve() - Room for one block, which keep_commit() keeps. Blocks come in order of time. */
uint8_t *keep_reserve(struct keep *keep, size_t size);
void keep_commit(struct keep *keep, size_t size, uint64_t time_ns);

/* keep_bytes() - Memory that it holds. */
size_t keep_bytes(const struct keep *keep);

/* What of it is wanted. */
struct keep_choice {
    uint64_t since_ns;
    const struct filter *filter; /* or NULL */
    const int64_t *numbers;      /* by interface number: its number in the file, -1: not in it */
    const enum capture_direction *directions; /* by interface number */
    size_t interface_count;
};

struct keep_written {
    uint64_t packets, bytes;
    uint64_t from_ns; /* of the first packet, 0: none */
};

/* keep_write() - Write the packet blocks that are wanted. Stops when @output fails, which then says
 * why. */
void keep_write(const struct keep *keep, const struct keep_choice *choice, struct output *output,
                struct keep_written *ret_written);
