// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Starting other programs without surprises: signals reset, no descriptor leaked, no shell. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/confine.h"
#include "base/error.h"

struct spawn_fd {
    int from; /* descriptor here */
    int to;   /* number in the child */
};

struct spawn_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH if it has no slash */
    const struct spawn_fd *fds; /* descriptors the child gets; 0, 1, 2 not listed are /dev/null */
    size_t fd_count;
    const char *dir;               /* working folder, or NULL */
    const struct confine *confine; /* what it may do, NULL: all that the caller may */
    bool new_session;              /* setsid(): outlives the terminal and its ^C */
};

/* spawn() - Start a program. An exec failure is reported here (-ENOENT etc.), not as an exit
 * status.
 * @ret_pid:	Child; the caller reaps it
 * @ret_pidfd:	May be NULL; else a pidfd, caller closes
 * Return: 0 or -errno */
int spawn(const struct spawn_options *options, pid_t *ret_pid, int *ret_pidfd, struct error *err);

/* spawn_run() - Run a program to its end and collect what it prints.
 * @ret_output:	May be NULL; else stdout and stderr together (at most 1 MiB kept), caller frees; set
 *on success and on a non-zero exit Return: exit status (128 + signal if killed), or -errno if it
 *could not run */
int spawn_run(const char *const *argv, char **ret_output, struct error *err);

/* spawn_run_confined() - The same for a program that may do no more than @confine says. */
int spawn_run_confined(const char *const *argv, const struct confine *confine, char **ret_output,
                       struct error *err);
