// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

int write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int read_all(int fd, size_t limit, struct strbuf *buf)
{
    char chunk[4096];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (buf->size < limit)
            strbuf_append(buf, chunk,
                          (size_t)n < limit - buf->size ? (size_t)n : limit - buf->size);
    }
}

int file_read(const char *path, size_t limit, char **ret_data, size_t *ret_size, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *data = NULL;
    struct stat st;
    size_t size = 0, capacity;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "%s", path);
    if (S_ISDIR(st.st_mode))
        return error_errno(err, EISDIR, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, EINVAL, "%s: not a regular file", path);
    if ((size_t)st.st_size > limit)
        return error_set(err, EFBIG, "%s: %lld bytes, at most %zu are accepted", path,
                         (long long)st.st_size, limit);
    /* The size is only a first guess: files under /proc say 0, others may grow while being read. */
    capacity = (size_t)st.st_size + 4096;
    data = xmalloc0(capacity + 1, 1);
    for (;;) {
        ssize_t n;

        if (size == capacity) {
            capacity *= 2;
            data = xrealloc(data, capacity + 1, 1);
        }
        n = read(fd, data + size, capacity - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "%s: read", path);
        if (n == 0)
            break;
        size += (size_t)n;
        if (size > limit)
            return error_set(err, EFBIG, "%s: more than %zu bytes", path, limit);
    }
    data[size] = 0;
    *ret_data = steal_ptr(data);
    if (ret_size)
        *ret_size = size;
    return 0;
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode,
                      struct error *err)
{
    _cleanup_free_ char *temp = xasprintf("%s.XXXXXX", path);
    _cleanup_close_ int fd = mkostemp(temp, O_CLOEXEC);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "%s: create", temp);
    r = write_all(fd, data, size);
    if (r == 0 && (fchmod(fd, mode) < 0 || fdatasync(fd) < 0))
        r = -errno;
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(temp);
        return error_errno(err, -r, "%s: write", path);
    }
    return 0;
}

/**
 * copy_extent() - Copy one range of a file to the same place in another
 * @from:	Source
 * @to:		Destination
 * @offset:	Where it starts
 * @size:	How long it is
 *
 * Return: 0 or -errno
 */
static int copy_extent(int from, int to, off_t offset, off_t size)
{
    enum { CHUNK = 1 << 18 };
    _cleanup_free_ char *buffer = xmalloc0(CHUNK, 1);

    while (size > 0) {
        ssize_t n = pread(from, buffer, size < CHUNK ? (size_t)size : CHUNK, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        for (ssize_t done = 0; done < n;) {
            ssize_t w = pwrite(to, buffer + done, (size_t)(n - done), offset + done);

            if (w < 0 && errno == EINTR)
                continue;
            if (w < 0)
                return -errno;
            done += w;
        }
        offset += n;
        size -= n;
    }
    return 0;
}

/**
 * copy_extents() - Copy the parts of a file that hold data, and its length
 * @from:	Source
 * @to:		Empty destination
 *
 * Return: 0 or -errno
 */
static int copy_extents(int from, int to)
{
    struct stat st;
    off_t at = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
        return -errno;
    while (at < st.st_size) {
        off_t start = lseek(from, at, SEEK_DATA), end;
        int r;

        if (start < 0 && errno == ENXIO)
            break; /* only a hole is left */
        if (start < 0)
            return -errno;
        end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
            return -errno;
        r = copy_extent(from, to, start, end - start);
        if (r < 0)
            return r;
        at = end;
    }
    return 0;
}

int file_copy_sparse(int from_fd, const char *to, mode_t mode, struct error *err)
{
    _cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "%s: create", to);
    r = copy_extents(from_fd, fd);
    if (r < 0) {
        (void)unlink(to);
        return error_errno(err, -r, "%s: write", to);
    }
    return 0;
}

int dir_make(const char *path, struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(path);

    for (char *at = copy + 1; at[-1]; at++) {
        char saved = *at;

        if (saved && saved != '/')
            continue;
        *at = 0;
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return error_errno(err, errno, "%s: create folder", copy);
        *at = saved;
        if (!saved)
            break;
    }
    return 0;
}

int dir_make_private(const char *path, struct error *err)
{
    _cleanup_free_ char *parent = path_dirname(path);
    struct stat st;
    int r = dir_make(parent, err);

    if (r < 0)
        return r;
    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return error_errno(err, errno, "%s: create folder", path);
    if (lstat(path, &st) < 0)
        return error_errno(err, errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ENOTDIR, "%s: is not a folder, and labctl keeps its files there",
                         path);
    if (st.st_uid != geteuid()) {
        r = error_set(err, EPERM, "%s: belongs to user %u, not to you (%u)", path, st.st_uid,
                      geteuid());
        error_hint(err, "remove it, or set XDG_RUNTIME_DIR to a folder of your own");
        return r;
    }
    if ((st.st_mode & 077) && chmod(path, 0700) < 0)
        return error_errno(err, errno, "%s: chmod 0700", path);
    return 0;
}

/**
 * remove_below() - Remove all entries of a folder
 * @fd:		The folder; ownership taken
 * @path:	Its path, for messages
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int remove_below(int fd, const char *path, struct error *err)
{
    _cleanup_closedir_ DIR *dir = fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        (void)close(fd);
        return error_errno(err, errno, "%s", path);
    }
    while ((entry = readdir(dir))) {
        _cleanup_free_ char *child = NULL;
        int sub, r;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        child = path_join(path, entry->d_name);
        if (errno != EISDIR && errno != EPERM)
            return error_errno(err, errno, "%s: remove", child);
        sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0)
            return error_errno(err, errno, "%s: remove", child);
        r = remove_below(sub, child, err);
        if (r < 0)
            return r;
        if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            return error_errno(err, errno, "%s: remove", child);
    }
    return 0;
}

int dir_remove_tree(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
    r = remove_below(fd, path, err);
    if (r < 0)
        return r;
    if (rmdir(path) < 0 && errno != ENOENT)
        return error_errno(err, errno, "%s: remove", path);
    return 0;
}

int dir_empty(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? error_errno(err, errno, "%s", path) : remove_below(fd, path, err);
}

char *path_join(const char *dir, const char *name)
{
    size_t size = strlen(dir);

    if (name[0] == '/')
        return xstrdup(name);
    return xasprintf("%s%s%s", dir, size > 0 && dir[size - 1] == '/' ? "" : "/", name);
}

char *path_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

char *dir_find_link(const char *path, const char *target)
{
    _cleanup_closedir_ DIR *dir = opendir(path);
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        char leads_to[PATH_MAX];
        ssize_t size = readlinkat(dirfd(dir), item->d_name, leads_to, sizeof(leads_to) - 1);

        if (size < 0)
            continue;
        leads_to[size] = 0;
        if (strcmp(leads_to, target) == 0)
            return xstrdup(item->d_name);
    }
    return NULL;
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}
