// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Processes are known by pid and start time together, never by pid alone or by name. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct process_id {
    pid_t pid;           /* 0: none */
    uint64_t start_time; /* field 22 of /proc/PID/stat, clock ticks since boot (proc(5)) */
};

/* process_identify() - Read the start time of a living process. */
int process_identify(pid_t pid, struct process_id *ret_id, struct error *err);

/* process_open() - A pidfd for exactly that process. Return: descriptor, -ESRCH if it is gone (or a
 * zombie) */
int process_open(const struct process_id *id);

/* process_alive() - True if exactly that process lives (a zombie does not). */
bool process_alive(const struct process_id *id);

/* pidfd_signal() - Send a signal through a pidfd. Return: 0 or -errno */
int pidfd_signal(int pidfd, int signal_number);

/* pidfd_end() - SIGTERM, and SIGKILL if it is still there after @grace_ms; its end is waited for as
 * long again. Return: 0; 1 if it was killed; -ETIMEDOUT if it is there even so */
int pidfd_end(int pidfd, int grace_ms);

/* process_boot_id() - The kernel's random id of this boot, 36 characters. Caller frees; NULL if
 * unreadable. */
char *process_boot_id(void);
