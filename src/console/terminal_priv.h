// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The person's terminal in raw mode, and the signals that would end or stop the program, so that it
 * is always put back first. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/error.h"

struct terminal {
    bool tty_in, tty_out; /* stdin, stdout are terminals */
    bool raw;             /* stdin is in raw mode now */
    struct termios saved;
    int out;       /* where output goes: a terminal opened anew without blocking, or stdout */
    bool own_out;  /* @out is to be closed */
    int signal_fd; /* non-blocking */
    sigset_t old_mask;
};

/* terminal_init() - Catch signals and go raw. */
int terminal_init(struct terminal *terminal, struct error *err);
/* terminal_done() - Put everything back; pending signals that were caught are dropped. */
void terminal_done(struct terminal *terminal);
int terminal_raw(struct terminal *terminal, struct error *err);
void terminal_cooked(struct terminal *terminal);
/* terminal_signal() - Next caught signal, or 0. */
int terminal_signal(const struct terminal *terminal);
/* terminal_size() - False if unknown. */
bool terminal_size(const struct terminal *terminal, uint16_t *ret_columns, uint16_t *ret_rows);
