// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A node's share of the processors and its bound of memory: by cgroup v2 where this user may make
 * cgroups, else by what priority can do. */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* limits_write() - Put a process under limits.
 * @dir:	Its cgroup, which is there
 * @cpu_share:	1 to 10000, 0: left alone
 * @memory:	Bytes, 0: left alone */
int limits_write(const char *dir, unsigned cpu_share, uint64_t memory, pid_t pid,
                 struct error *err);
/* limits_nice() - The nice value that comes nearest to a share: a quarter more per step. */
int limits_nice(unsigned cpu_share);
