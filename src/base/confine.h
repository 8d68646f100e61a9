// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What a program that is started may do, for programs that run what nobody here has written. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/jail.h"

struct confine {
    int ruleset_fd;   /* Landlock; -1: this kernel has none */
    int abi;          /* Landlock's; 0: none */
    bool connects;    /* may connect to sockets */
    unsigned fds;     /* descriptors that it may have */
    bool change_user; /* to uid and gid, with @extra as its only other group */
    uid_t uid;
    gid_t gid, extra; /* extra: 0 for none */
    struct jail jail; /* what is allowed stands in it, if it has a mount_dir */
    struct confine_file *needs;
    size_t need_count, need_capacity;
};

/* A file that it must be able to read, or read and write. */
struct confine_file {
    char *path;
    bool write;
};

/* confine_abi() - Which Landlock this kernel has; 0: none. */
int confine_abi(void);

/* confine_init() - Nothing of the file system is allowed. Fine where the kernel has no Landlock:
 * then all of it is. @confine is to be freed with confine_done() in any case. */
int confine_init(struct confine *confine, struct error *err);
void confine_done(struct confine *confine);

enum confine_access {
    CONFINE_READ,    /* read, and list folders */
    CONFINE_EXECUTE, /* read and execute */
    CONFINE_WRITE,   /* read and write what is there */
    CONFINE_FOLDER,  /* read, write, make and remove files */
    CONFINE_SOCKETS, /* make sockets in a folder, and no more */
};

/* confine_allow() - Allow a file or folder with all below it. What is not there is no error. */
int confine_allow(struct confine *confine, const char *path, enum confine_access access,
                  struct error *err);

/* confine_need() - The same for a file without which there is no point in starting: to be read, or
 * with CONFINE_WRITE read and written. */
int confine_need(struct confine *confine, const char *path, enum confine_access access,
                 struct error *err);

/* confine_try() - Find out in a child of its own whether all of it can be had.
 * @dir:	Working folder of the program
 * Return: 0 or -errno with the reason */
int confine_try(const struct confine *confine, const char *dir, struct error *err);

/* confine_allow_port() - Allow to listen on a TCP port. */
int confine_allow_port(struct confine *confine, uint16_t port, struct error *err);

/* confine_enter() - In the child: no new privileges, the jail, another user, Landlock.
 * confine_seal() - then, as the last before exec: limits and the filter of system calls. Both make
 * nothing but system calls. With a jail the working folder is its root then.
 * Return: 0 or -errno */
int confine_enter(const struct confine *confine);
int confine_seal(const struct confine *confine);
