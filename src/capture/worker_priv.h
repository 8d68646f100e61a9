// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The capture worker: everything of the program but its command line. */

#include "base/error.h"
#include "capture/capture.h"

struct worker_options {
    struct capture_options capture;
    size_t buffer; /* bytes of kernel ring, 0: as many as suit */
    int report_fd, output_fd;
};

/* worker_run() - Capture until SIGTERM, the limit, the reader's leaving or the last interface's
 * end.
 * Return: 0, 1 if it had to end (reported, with why), or -errno if it could not begin (@err, not
 * reported) */
int worker_run(const struct worker_options *options, struct error *err);
