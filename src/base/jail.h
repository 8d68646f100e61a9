// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A file system of a program's own, in which only the paths stand that it was given. */

#include <stddef.h>

#include "base/error.h"

struct jail {
    char *mount_dir; /* an empty folder of root's, to build on; nothing is left there. NULL: none */
    struct jail_item *items;
    size_t count, capacity;
};

/* jail_done() - Free it; @jail may have been zeroed only. */
void jail_done(struct jail *jail);

/* jail_show() - Show a file or folder with all below it where it stands outside, whatever the
 * rights of the folders above it. Links on the way to it are shown too. What is not there is no
 * error. */
void jail_show(struct jail *jail, const char *path);

/* jail_show_as() - Show the folder @path in the place of the folder @as. */
void jail_show_as(struct jail *jail, const char *path, const char *as);

/* jail_link() - Show a symbolic link. */
void jail_link(struct jail *jail, const char *path, const char *target);

/* jail_enter() - In the child, as root: go into it; the working folder is its root then. Makes
 * nothing but system calls. Return: 0 or -errno */
int jail_enter(const struct jail *jail);
