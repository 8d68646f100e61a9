// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Console output as lines of text: escapes and CR gone, corrections (backspace, overwriting,
 * erasing to the end of the line) applied. Fed in pieces of any size; the unfinished last line can
 * be looked at in between. */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "console/vt.h"

#define LINES_MAX 4096 /* longer lines are handed out in pieces */

struct lines {
    struct vt vt;
    struct strbuf current; /* the unfinished last line; no zero byte inside */
    size_t column;         /* where the next byte goes */
    bool continued;        /* current is the rest of a line whose start was handed out */
};

/* lines_fn() - A line without its end. @cut: its rest follows in another call */
typedef void lines_fn(const char *line, size_t size, bool cut, void *data);

void lines_init(struct lines *lines);
void lines_done(struct lines *lines);
/* lines_reset() - Forget the unfinished line and any unfinished sequence. */
void lines_reset(struct lines *lines);
/* lines_feed() - Take output; @fn (may be NULL) gets each line that it ends. */
void lines_feed(struct lines *lines, const void *bytes, size_t size, lines_fn *fn, void *data);
/* lines_current() - The unfinished line, "" if empty; valid until the next call. */
const char *lines_current(const struct lines *lines);
