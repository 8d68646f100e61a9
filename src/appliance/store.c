// SPDX-License-Identifier: GPL-2.0-or-later

/* The folder that images lie in, while they come and go.
 *
 * An image is the symbolic link IMAGES/NAME to .store/NAME-KEY. It is made in
 * .store/.import-XXXXXX, which no name leads to; when it is whole that folder gets its name and the
 * link is put in place by one rename: nobody meets half an image, two imports of one name cannot
 * mix, and of two only one gets it. It goes in the other order.
 *
 * Between the steps a process may be killed. A folder that is on its way in or out therefore has
 * the file .leaving in it, and is locked by its process. A later import or removal sweeps up
 * folders with that mark, or with a temporary name, whose process is gone and that no link leads
 * to. */

#include "appliance/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/text.h"

/* A folder is locked a moment after it is made: younger ones are left alone. */
enum { SWEEP_SECONDS = 600 };

#define MARK ".leaving"

/**
 * lock_folder() - Lock a folder for as long as this process has it open
 * @dir:	Folder
 *
 * Return: descriptor, or -1 if it is not there or someone else has it
 */
static int lock_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/**
 * set_mark() - Mark a folder, or take the mark away
 * @dir:	Folder
 * @on:		Which
 */
static void set_mark(const char *dir, bool on)
{
    _cleanup_free_ char *path = path_join(dir, MARK);
    int fd = on ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : unlink(path);

    if (on && fd >= 0)
        (void)close(fd);
}

/**
 * is_linked() - Whether an image's name leads to a folder of the store
 * @root:	IMAGES
 * @folder:	NAME-KEY
 *
 * Return: true if so
 */
static bool is_linked(const char *root, const char *folder)
{
    _cleanup_free_ char *wanted = xasprintf(".store/%s", folder);
    _cleanup_free_ char *name = dir_find_link(root, wanted);

    return name != NULL;
}

/**
 * sweep_one() - Remove a folder of the store if nobody wants it any more
 * @root:	IMAGES
 * @store:	IMAGES/.store
 * @name:	Folder
 */
static void sweep_one(const char *root, const char *store, const char *name)
{
    _cleanup_free_ char *path = path_join(store, name), *mark = path_join(path, MARK);
    bool temporary = strncmp(name, ".import-", 8) == 0;
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (!temporary && (*name == '.' || !file_exists(mark)))
        return;
    if (stat(temporary ? path : mark, &st) < 0 || st.st_mtime > time(NULL) - SWEEP_SECONDS)
        return;
    fd = lock_folder(path);
    if (fd < 0)
        return;
    if (!temporary && is_linked(root, name))
        set_mark(path, false);
    else
        (void)dir_remove_tree(path, NULL);
}

/**
 * sweep() - Remove what those left that were killed
 * @root:	IMAGES
 * @store:	IMAGES/.store
 */
static void sweep(const char *root, const char *store)
{
    _cleanup_closedir_ DIR *dir = opendir(store);
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        _cleanup_free_ char *path = path_join(store, item->d_name);
        struct stat st;

        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
            lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            sweep_one(root, store, item->d_name);
        else if (strncmp(item->d_name, ".link-", 6) == 0 &&
                 st.st_mtime < time(NULL) - SWEEP_SECONDS)
            (void)unlink(path);
    }
}

void image_making_done(struct image_making *making)
{
    if (making->dir)
        (void)dir_remove_tree(making->dir, NULL);
    if (making->lock >= 0)
        (void)close(making->lock);
    free(making->root);
    free(making->store);
    free(making->dir);
}

int image_making_begin(struct image_making *making, struct error *err)
{
    int r;

    making->root = paths_images_root(err);
    if (!making->root)
        return -ENOENT;
    making->store = path_join(making->root, ".store");
    r = dir_make(making->store, err);
    if (r < 0)
        return r;
    sweep(making->root, making->store);
    making->dir = path_join(making->store, ".import-XXXXXX");
    if (!mkdtemp(making->dir)) {
        r = error_errno(err, errno, "%s", making->dir);
        free(making->dir);
        making->dir = NULL;
        return r;
    }
    (void)chmod(making->dir, 0755);
    making->lock = lock_folder(making->dir);
    return 0;
}

/**
 * remove_folder() - Remove the folder that an image's name led to
 * @root:	IMAGES
 * @target:	What the link said
 * @err:	Error to fill
 *
 * Only what lies in the store is ours to remove, not a folder that somebody linked to.
 *
 * Return: 0 or -errno
 */
static int remove_folder(const char *root, const char *target, struct error *err)
{
    _cleanup_free_ char *path = path_join(root, target);

    if (strncmp(target, ".store/", 7) != 0 || strchr(target + 7, '/') || target[7] == '.')
        return 0;
    return dir_remove_tree(path, err);
}

/**
 * mark_target() - Mark the folder that an image's name leads to
 * @root:	IMAGES
 * @name:	Image
 * @ret_target:	What its link says; empty if it is none
 */
static void mark_target(const char *root, const char *name, char ret_target[static PATH_MAX])
{
    _cleanup_free_ char *link = path_join(root, name), *folder = NULL;
    ssize_t size = readlink(link, ret_target, PATH_MAX - 1);

    ret_target[size > 0 ? size : 0] = 0;
    if (size > 0 && strncmp(ret_target, ".store/", 7) == 0) {
        folder = path_join(root, ret_target);
        set_mark(folder, true);
    }
}

int image_making_publish(struct image_making *making, const char *name, bool replace,
                         struct error *err)
{
    _cleanup_free_ char *link = path_join(making->root, name), *final = NULL, *temp = NULL;
    _cleanup_free_ char *target = NULL;
    char old[PATH_MAX] = "";
    uint64_t key = 0;
    int r = 0;

    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
        return error_errno(err, errno, "random number");
    final = xasprintf("%s/%s-%016" PRIx64, making->store, name, key);
    target = xasprintf(".store/%s-%016" PRIx64, name, key);
    temp = xasprintf("%s/.link-%016" PRIx64, making->store, key);
    set_mark(making->dir, true);
    if (replace)
        mark_target(making->root, name, old);
    if (rename(making->dir, final) < 0)
        return error_errno(err, errno, "%s", final);
    free(making->dir);
    making->dir = xstrdup(final);
    if (symlink(target, temp) < 0)
        return error_errno(err, errno, "%s", temp);
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, link, replace ? 0 : RENAME_NOREPLACE) < 0) {
        r = errno == EEXIST ? error_set(err, EEXIST, "there is an image '%s' already", name)
                            : error_errno(err, errno, "%s", link);
        error_hint(err, "give another one by --name, or --replace it");
        (void)unlink(temp);
        return r;
    }
    set_mark(making->dir, false);
    free(making->dir);
    making->dir = NULL;
    if (*old)
        (void)remove_folder(making->root, old, NULL);
    return 0;
}

int image_remove(const char *name, struct error *err)
{
    _cleanup_free_ char *root = paths_images_root(err), *path = NULL, *store = NULL;
    char target[PATH_MAX] = "";
    struct stat st;

    if (!root)
        return -ENOENT;
    path = path_join(root, name);
    if (lstat(path, &st) < 0)
        return error_set(err, ENOENT, "there is no image '%s' in %s", name, root);
    if (!S_ISLNK(st.st_mode))
        return dir_remove_tree(path, err);
    mark_target(root, name, target);
    if (unlink(path) < 0)
        return error_errno(err, errno, "%s", path);
    store = path_join(root, ".store");
    sweep(root, store);
    return remove_folder(root, target, err);
}
