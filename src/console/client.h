// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The person's side: a raw terminal joined to a console connection, for labctl console NODE. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define CONSOLE_DETACH_DEFAULT 0x1d /* Ctrl-] */

struct console_client {
    const char *node; /* for messages: "r1" */
    bool read_only;
    /* 0 or CONSOLE_DETACH_DEFAULT: Ctrl-] alone detaches. Any other key is a prefix: then d
     * detaches, b sends a break, t takes the keyboard, g gives it back, the key itself is sent. */
    int detach_key;
    const char *log_path; /* also append output there (mode 0600 if new), or NULL */
    const void *rest;     /* bytes of @fd that were read already (rpc_client_steal()), or NULL */
    size_t rest_size;
};

/* console_client_run() - Attach stdin/stdout to @fd (frames; ownership taken) until detach, end of
 * input or hang-up. The terminal is restored whatever happens (also on SIGTERM, SIGHUP, SIGINT,
 * crash of the engine).
 * Without a terminal on stdin bytes are passed as they come. After its end, output goes on until
 * the guest has answered and been quiet for a second, or has not answered for five: so
 * `echo 'show ip route' | labctl console r1` prints the answer and ends. If stdin gave nothing at
 * all (/dev/null), or with @read_only, output goes on until the engine closes.
 * Notices go to the terminal, or to stderr if stdout is none.
 * Return: 0 detached or input ended, -EPIPE engine gone (@err untouched), -EINTR a signal asked to
 * end (@err says which), or -errno with @err. */
int console_client_run(int fd, const struct console_client *options, struct error *err);
