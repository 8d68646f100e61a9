// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Faults of a file, each with its place. A reader collects all it finds and goes on, so that one
 * run shows everything there is to mend. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Where a value stands in its file; line and column count from 1, 0 when it has no place. */
struct location {
    uint32_t line;
    uint32_t column;
};

struct diagnostic {
    struct location at;
    char *text; /* one line, ready to print after FILE:LINE:COL: */
};

struct diagnostics {
    struct diagnostic *items; /* sorted by place once reading has ended */
    size_t count;
    size_t capacity; /* of items; for diagnostics_add() only */
    size_t dropped;  /* faults found beyond what is kept */
};

/* diagnostics_add() - Note a fault. Bytes from the file must already be escaped. */
void diagnostics_add(struct diagnostics *diagnostics, struct location at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* diagnostics_finish() - Sort by place, drop doubles, and cut to 200; a last item says how many
 * more there were. */
void diagnostics_finish(struct diagnostics *diagnostics);

/* diagnostics_done() - Free what it holds; it may be used again. */
void diagnostics_done(struct diagnostics *diagnostics);

#define _cleanup_diagnostics_ _cleanup_(diagnostics_done)
