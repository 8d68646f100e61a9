// SPDX-License-Identifier: GPL-2.0-or-later

/* In cgroup v2 a folder may hold either processes or controllers for the folders below it, but for
 * the hierarchy's root. So a lab's cgroup cannot be made in the one that labctl was started in; it
 * is made in the nearest one above that this user may write to and whose controllers reach down: in
 * a delegated scope or user session, as root anywhere. What is found out is found out by doing it:
 * the folder is made, and is good if the kernel put the controllers' files into it. */

#include "base/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

char *cgroup_own_path(const char *text)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "") {
        if (strncmp(at, "0::/", 4) == 0)
            return xstrndup(at + 3, strcspn(at + 3, "\n"));
    }
    return NULL;
}

/**
 * has_controllers() - Whether limits can be set in a cgroup
 * @dir:	Cgroup
 *
 * Return: true if so
 */
static bool has_controllers(const char *dir)
{
    _cleanup_free_ char *cpu = path_join(dir, "cpu.weight"), *memory = path_join(dir, "memory.max");

    return access(cpu, W_OK) == 0 && access(memory, W_OK) == 0;
}

int cgroup_write(const char *dir, const char *file, const char *value, struct error *err)
{
    _cleanup_free_ char *path = path_join(dir, file);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, value, strlen(value));

    return r < 0 ? error_errno(err, -r, "%s: write %s", path, value) : 0;
}

/**
 * give_controllers() - Let a cgroup's controllers reach those below it
 * @dir:	Cgroup
 *
 * Return: 0 or -errno
 */
static int give_controllers(const char *dir)
{
    return cgroup_write(dir, "cgroup.subtree_control", "+cpu +memory", NULL);
}

/**
 * make_in() - Make a cgroup in another
 * @parent:	That
 * @name:	Of the new one
 * @ret_path:	Caller frees
 *
 * Return: 0, or -errno: limits cannot be set there
 */
static int make_in(const char *parent, const char *name, char **ret_path)
{
    _cleanup_free_ char *path = path_join(parent, name);
    bool there = mkdir(path, 0755) == 0 || errno == EEXIST;

    if (!there)
        return -errno;
    if (!has_controllers(path))
        (void)give_controllers(parent);
    if (!has_controllers(path)) {
        (void)rmdir(path);
        return -EOPNOTSUPP;
    }
    /* For those below it. */
    if (give_controllers(path) < 0) {
        (void)rmdir(path);
        return -EOPNOTSUPP;
    }
    *ret_path = steal_ptr(path);
    return 0;
}

int cgroup_make(const char *name, char **ret_path, struct error *err)
{
    _cleanup_free_ char *text = NULL, *own = NULL, *dir = NULL;
    struct statfs fs;
    int r = -EOPNOTSUPP;

    if (statfs(CGROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC ||
        file_read("/proc/self/cgroup", 1u << 16, &text, NULL, NULL) < 0 ||
        !(own = cgroup_own_path(text))) {
        (void)error_set(err, EOPNOTSUPP, "this machine does not have cgroup v2 at " CGROUP_ROOT);
        error_hint(err, "boot it with systemd.unified_cgroup_hierarchy=1, or do without cpu_share "
                        "and memory_limit");
        return -EOPNOTSUPP;
    }
    dir = xasprintf(CGROUP_ROOT "%s", own);
    while (strlen(dir) > strlen(CGROUP_ROOT)) {
        char *slash = strrchr(dir, '/');

        *slash = 0;
        r = make_in(dir, name, ret_path);
        if (r == 0)
            return 0;
    }
    r = error_errno(err, -r, "no cgroup can be made above %s in which limits can be set", own);
    error_hint(err, "start the lab in a scope that is yours: systemd-run --user --scope -p "
                    "Delegate=yes sh -c 'labctl topology up FILE'");
    return r;
}

char *cgroup_lab_name(const char *lab)
{
    return xasprintf("labctl-%u-%s", (unsigned)geteuid(), lab);
}

bool cgroup_is(const char *path, const char *name)
{
    const char *last = path ? strrchr(path, '/') : NULL;

    return last && strncmp(path, CGROUP_ROOT "/", strlen(CGROUP_ROOT) + 1) == 0 &&
           strcmp(last + 1, name) == 0 && !strstr(path, "/../");
}

int cgroup_remove(const char *path)
{
    _cleanup_closedir_ DIR *dir = opendir(path);
    struct dirent *item;

    /* The kernel's files in it cannot be removed, and go with it. */
    while (dir && (item = readdir(dir)))
        if (item->d_type == DT_DIR && item->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), item->d_name, AT_REMOVEDIR);
    return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}
