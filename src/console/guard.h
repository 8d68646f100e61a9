// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What stands between a guest's output and the person's terminal: takes out of old output what a
 * terminal would answer to, and knows how to set right what a guest has changed. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "console/vt.h"

struct guard {
    struct vt vt;
    struct strbuf held; /* a sequence of old output that has not ended yet */
    bool dropping;      /* the sequence is too long to keep and will not be passed on */
    bool alternate;     /* the guest uses the alternate screen */
    bool origin;        /* the guest set origin mode */
};

void guard_done(struct guard *guard);
/* guard_feed() - Pass output on to @out. @old: it is a replay: queries that the terminal would
 * answer into the guest, and strings (titles, clipboard), are taken out. */
void guard_feed(struct guard *guard, const void *data, size_t size, bool old, struct strbuf *out);
/* guard_reset() - Add to @out what brings a terminal back to its usual state. */
void guard_reset(const struct guard *guard, struct strbuf *out);
