// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A process that puts the terminal back when the one that draws on it is killed. */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "base/error.h"

#define GUARDIAN_CHILD (-1000000) /* no -errno */

/* Pastes are told from keys where the terminal can do that; others ignore this. */
#define GUARDIAN_PASTE_ON  "\033[?2004h"
#define GUARDIAN_PASTE_OFF "\033[?2004l"

struct guardian {
    pid_t parent;
    struct termios before; /* the terminal's settings */
    sigset_t mask;         /* signals that were blocked before */
    struct guardian_shared {
        volatile bool screen; /* the terminal shows the switcher */
    } * shared;
};

/* guardian_start() - Go on in a child process; the caller's becomes its guardian. Signals that end
 * a program, SIGTSTP and SIGTTOU are blocked in the child.
 * Return: GUARDIAN_CHILD in the child; in the guardian after the child's end, with the terminal as
 * it was: the child's exit status, or -errno with @err */
int guardian_start(struct guardian *guardian, struct error *err);
/* guardian_lost() - In the child: has the guardian been killed? */
bool guardian_lost(const struct guardian *guardian);
/* guardian_restore() - Put the terminal back, without curses. @ours: only if it still has these
 * settings; NULL: anyway */
void guardian_restore(const struct guardian *guardian, const struct termios *ours);
/* guardian_done() - In the child: let go of what it holds. */
void guardian_done(struct guardian *guardian);
