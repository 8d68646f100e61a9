// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The switcher: all consoles of a lab on one screen. */

#include <jansson.h>

#include "base/error.h"

#define SWITCHER_PREFIX_DEFAULT 2 /* Ctrl-B */

struct switcher_options {
    const char *lab; /* its name */
    const char *who; /* how others see this person */
    int prefix;      /* code of the key that begins commands */
    json_t *status;  /* borrowed: the status document */
};

/* switcher_run() - Until the person leaves it; stdin and stdout are a terminal.
 * Return: 0, or -errno with @err; the terminal is as it was in any case */
int switcher_run(const struct switcher_options *options, struct error *err);
