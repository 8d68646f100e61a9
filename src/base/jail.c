// SPDX-License-Identifier: GPL-2.0-or-later

/* A process of another user cannot be let into a file without being let into all folders above it,
 * and those of labs are closed to others. So the file is brought to the process: in a mount
 * namespace of its own the root is an empty tmpfs, into which the paths that it needs are bound at
 * their own names. Command lines, and the names of base images in disks, stay true; of the rights
 * only those of the file itself count; and whatever was not bound does not exist.
 *
 * What is to be done is worked out before the fork, as a list in which each folder comes before
 * what stands in it; the child walks it with nothing but system calls. The namespace, and with it
 * every mount, ends with the process. Nothing remains at @mount_dir either: there the tmpfs was
 * only until it became the root. */

#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define LINKS_MAX 40

enum jail_kind { JAIL_FOLDER, JAIL_BOUND_FOLDER, JAIL_BOUND_FILE, JAIL_LINK };

struct jail_item {
    enum jail_kind kind;
    char *from; /* bound: path outside; link: its target */
    char *to;   /* path inside, absolute */
};

void jail_done(struct jail *jail)
{
    for (size_t i = 0; i < jail->count; i++) {
        free(jail->items[i].from);
        free(jail->items[i].to);
    }
    free(jail->items);
    free(jail->mount_dir);
    *jail = (struct jail){0};
}

/**
 * is_below() - Whether a path is another one or below it
 * @path:	Path
 * @dir:	Path
 *
 * Return: true if so
 */
static bool is_below(const char *path, const char *dir)
{
    size_t size = strlen(dir);

    return strncmp(path, dir, size) == 0 && (path[size] == 0 || path[size] == '/');
}

/**
 * has() - Whether a path is shown already
 * @jail:	Jail
 * @path:	Path inside
 *
 * Return: true if so
 */
static bool has(const struct jail *jail, const char *path)
{
    for (size_t i = 0; i < jail->count; i++) {
        const struct jail_item *item = &jail->items[i];

        if (item->kind == JAIL_BOUND_FOLDER ? is_below(path, item->to)
                                            : strcmp(path, item->to) == 0)
            return true;
    }
    return false;
}

/**
 * add() - One more item, after the folders that it stands in
 * @jail:	Added to
 * @kind:	What
 * @from:	Path outside, target of a link, NULL for a folder
 * @to:		Path inside
 */
static void add(struct jail *jail, enum jail_kind kind, const char *from, const char *to)
{
    for (const char *at = strchr(to + 1, '/'); at; at = strchr(at + 1, '/')) {
        _cleanup_free_ char *above = xstrndup(to, (size_t)(at - to));

        if (has(jail, above))
            continue;
        array_grow(jail->items, jail->count, jail->capacity);
        jail->items[jail->count++] =
            (struct jail_item){.kind = JAIL_FOLDER, .to = steal_ptr(above)};
    }
    array_grow(jail->items, jail->count, jail->capacity);
    jail->items[jail->count++] =
        (struct jail_item){.kind = kind, .from = xstrdup(from), .to = xstrdup(to)};
}

/**
 * follow() - One step from a folder along a path
 * @at:		Folder, without links and without "/" at its end; then what the step led to
 * @step:	Name, or "." or ".."
 * @ret_link:	Where a link points to that is in the way, caller frees; @at stands still then
 * @ret_path:	That link, caller frees
 *
 * Return: true, or false: there is nothing
 */
static bool follow(char **at, const char *step, char **ret_link, char **ret_path)
{
    _cleanup_free_ char *next = NULL;
    char target[PATH_MAX];
    struct stat st;
    ssize_t size;

    if (!*step || strcmp(step, ".") == 0)
        return true;
    if (strcmp(step, "..") == 0) {
        char *slash = strrchr(*at, '/');

        if (slash)
            *slash = 0;
        return true;
    }
    next = xasprintf("%s/%s", *at, step);
    if (lstat(next, &st) < 0)
        return false;
    if (S_ISLNK(st.st_mode)) {
        size = readlink(next, target, sizeof(target));
        if (size < 0 || (size_t)size == sizeof(target))
            return false;
        *ret_link = xstrndup(target, (size_t)size);
        *ret_path = steal_ptr(next);
        return true;
    }
    free(*at);
    *at = steal_ptr(next);
    return true;
}

/**
 * resolve() - Find out what a path is without its links, and show those
 * @jail:	Links are added to
 * @path:	Absolute path
 *
 * Return: path without links, caller frees; NULL: there is nothing
 */
static char *resolve(struct jail *jail, const char *path)
{
    _cleanup_free_ char *at = xstrdup(""), *rest = xstrdup(path);
    unsigned links = 0;

    while (*rest) {
        size_t size = strcspn(rest, "/");
        _cleanup_free_ char *step = xstrndup(rest, size), *target = NULL, *link = NULL;
        char *then = xstrdup(rest + size + (rest[size] == '/'));

        free(rest);
        rest = then;
        if (!follow(&at, step, &target, &link))
            return NULL;
        if (!target)
            continue;
        if (!has(jail, link))
            add(jail, JAIL_LINK, target, link);
        if (++links > LINKS_MAX)
            return NULL;
        if (*target == '/')
            *at = 0;
        then = xasprintf("%s/%s", target, rest);
        free(rest);
        rest = then;
    }
    return *at ? steal_ptr(at) : NULL;
}

void jail_show(struct jail *jail, const char *path)
{
    _cleanup_free_ char *real = jail->mount_dir ? resolve(jail, path) : NULL;
    struct stat st;

    if (real && !has(jail, real) && stat(real, &st) == 0)
        add(jail, S_ISDIR(st.st_mode) ? JAIL_BOUND_FOLDER : JAIL_BOUND_FILE, real, real);
}

void jail_show_as(struct jail *jail, const char *path, const char *as)
{
    _cleanup_free_ char *real = jail->mount_dir ? resolve(jail, as) : NULL;

    if (real && !has(jail, real))
        add(jail, JAIL_BOUND_FOLDER, path, real);
}

void jail_link(struct jail *jail, const char *path, const char *target)
{
    if (jail->mount_dir && !has(jail, path))
        add(jail, JAIL_LINK, target, path);
}

/**
 * make() - Make one item; the working folder is the root to be
 * @item:	Item
 *
 * Return: 0 or -errno
 */
static int make(const struct jail_item *item)
{
    const char *to = item->to + 1;
    int fd;

    switch (item->kind) {
    case JAIL_LINK:
        return symlink(item->from, to) < 0 ? -errno : 0;
    case JAIL_BOUND_FILE:
        fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        (void)close(fd);
        break;
    case JAIL_FOLDER:
    case JAIL_BOUND_FOLDER:
        /* One that another path stands in is there. */
        if (mkdir(to, 0755) < 0 && errno != EEXIST)
            return -errno;
        break;
    }
    if (item->kind == JAIL_FOLDER)
        return 0;
    return mount(item->from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

int jail_enter(const struct jail *jail)
{
    const mode_t mask = umask(022);
    int r = 0;

    /* Private: nothing of this is seen outside, and no mount of theirs comes in. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("jail", jail->mount_dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=1m,nr_inodes=4096,mode=755") < 0 ||
        chdir(jail->mount_dir) < 0)
        return -errno;
    for (size_t i = 0; r == 0 && i < jail->count; i++)
        r = make(&jail->items[i]);
    (void)umask(mask);
    if (r < 0)
        return r;
    /* The old root comes to lie on the new one, and is taken off. Where labctl itself is in a
     * chroot the kernel refuses that (EINVAL: its root is not a mount); to somebody without rights,
     * and without a folder open, another chroot is as good. */
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        r = umount2(".", MNT_DETACH);
    else
        r = errno == EINVAL ? chroot(".") : -1;
    if (r < 0 || chdir("/") < 0 ||
        mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              NULL) < 0)
        return -errno;
    return 0;
}
