// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* As whom root lets guests run. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define RUNAS_ENV  "LABCTL_QEMU_USER"
#define RUNAS_USER "labctl-qemu" /* used where it exists */

struct runas {
    bool change; /* false: as the caller is */
    uid_t uid;
    gid_t gid;
    bool asked; /* not to change was asked for */
};

/* runas_find() - As whom the guests of a lab run.
 * @key:	Tells this lab from others
 * Return: 0 or -errno: root's guests can run as root only, and why */
int runas_find(const char *key, struct runas *ret_runas, struct error *err);

/* runas_is_ours() - Whether a process of this user may be a guest of the caller's. */
bool runas_is_ours(uid_t uid);
