// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Cgroups of labs, in cgroup v2 (Documentation/admin-guide/cgroup-v2.rst of the kernel): made where
 * limits can be set, and removed. */

#include <stdbool.h>

#include "base/error.h"

/* cgroup_own_path() - Path of a process's cgroup v2 from the text of /proc/PID/cgroup, NULL if it
 * has none. Caller frees. */
char *cgroup_own_path(const char *text);
/* cgroup_make() - Make a cgroup in which limits can be set, or find it, as near above this
 * process's own as may be.
 * @name:	Of the folder
 * @ret_path:	Caller frees
 * Return: 0 or -errno with the reason, and what to do */
int cgroup_make(const char *name, char **ret_path, struct error *err);
/* cgroup_write() - Write into a file of a cgroup.
 * Return: 0 or -errno */
int cgroup_write(const char *dir, const char *file, const char *value, struct error *err);
/* cgroup_lab_name() - What the folder of a lab's cgroup is called. Caller frees. */
char *cgroup_lab_name(const char *lab);
/* cgroup_is() - Whether a path, from a file, is that of a cgroup of this name. */
bool cgroup_is(const char *path, const char *name);
/* cgroup_remove() - Remove a cgroup, and those below it, in which nothing runs any more.
 * Return: 0 (it may not have been there) or -errno */
int cgroup_remove(const char *path);
