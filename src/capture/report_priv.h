// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the worker tells the engine, one JSON object a line (capture.h, CAPTURE_FD_REPORT). A report
 * that finds the engine gone or its pipe full is lost, and the capture goes on. */

#include <stdbool.h>
#include <stdint.h>

#include "capture/control_priv.h"

struct report_save {
    uint64_t id; /* what the asker called it */
    bool failed;
    const char *why; /* or NULL */
    uint64_t packets, bytes;
    uint64_t from_ns; /* time of the first packet, 0: there is none */
};

void report_started(const struct control *control);
void report_stats(const struct control *control, uint64_t packets, uint64_t bytes,
                  uint64_t dropped);
/* report_gone() - An endpoint's interface does not exist any more. */
void report_gone(const struct control *control, const char *label);
/* report_ends() - The rings follow an order of that number ("ends", capture.h). */
void report_ends(const struct control *control, uint64_t id);
/* report_cut_off() - The reader did not read: nothing more is captured for it. */
void report_cut_off(const struct control *control);
void report_ended(const struct control *control, bool failed, const char *why);
/* report_saved() - A "save" is done, or is not. */
void report_saved(const struct control *control, const struct report_save *save);
