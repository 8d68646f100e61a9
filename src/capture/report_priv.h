// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the worker tells the engine, one JSON object a line (capture.h, CAPTURE_FD_REPORT). A report
 * that finds the engine gone or its pipe full is lost, and the capture goes on. */

#include <stdbool.h>
#include <stdint.h>

void report_started(int fd);
void report_stats(int fd, uint64_t packets, uint64_t bytes, uint64_t dropped);
/* report_gone() - An endpoint's interface does not exist any more. */
void report_gone(int fd, const char *label);
void report_ended(int fd, bool failed, const char *why);
