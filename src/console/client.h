// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The person's side: a raw terminal joined to a console connection, for labctl console NODE. */

#include <stdbool.h>

#include "base/error.h"

struct console_client {
    const char *node; /* for messages: "r1" */
    bool read_only;
    int detach_key; /* first byte; the second is 'd'; default 0x1d is Ctrl-]: alone it detaches */
    const char *log_path; /* also write output there, or NULL */
};

/* console_client_run() - Attach stdin/stdout to @fd (frames; ownership taken) until detach, end of
 * input or hang-up. The terminal is restored whatever happens (also on SIGTERM, SIGHUP, SIGINT,
 * crash of the engine). Without a terminal on stdin bytes are passed as they come. Return: 0
 * detached, -EPIPE engine gone, or -errno with @err. */
int console_client_run(int fd, const struct console_client *options, struct error *err);
