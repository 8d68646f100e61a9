// SPDX-License-Identifier: GPL-2.0-or-later

/* The files of captures. The engine opens them, as the lab's owner: the worker has no rights left
 * when the first frame comes. So a ring of files is made at once, NAME.1.pcapng to NAME.N.pcapng,
 * and those that were never needed are removed at the end. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/captures_priv.h"

char *capture_files_default(struct lab *lab, const char *what, struct error *err)
{
    _cleanup_free_ char *dir = path_join(lab->state_dir, "captures");
    _cleanup_free_ char *safe = xstrdup(what ? what : "lab");
    char stamp[32] = "";
    struct tm tm = {0};
    time_t now = time(NULL);

    if (dir_make_private(dir, err) < 0)
        return NULL;
    for (char *at = safe; *at; at++)
        if (*at == '/' || *at == ':')
            *at = '-';
    (void)localtime_r(&now, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    return xasprintf("%s/%s-%s-%u.pcapng", dir, safe, stamp, lab->next_capture);
}

int capture_files_create(const char *path, struct error *err)
{
    int fd;

    if (path[0] != '/')
        return error_input(err, "the file must be an absolute path: %s", path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

/**
 * numbered() - Name of one file of a ring
 * @file:	The ring's
 * @number:	From 1
 *
 * Return: "NAME.1.pcapng" of "NAME.pcapng"; caller frees
 */
static char *numbered(const char *file, unsigned number)
{
    const char *slash = strrchr(file, '/'), *dot = strrchr(slash ? slash : file, '.');
    size_t stem = dot && dot != slash + 1 ? (size_t)(dot - file) : strlen(file);

    return xasprintf("%.*s.%u%s", (int)stem, file, number, file + stem);
}

int capture_files_open(struct capture_run *run, const char *file, unsigned ring, int *ret_fds,
                       size_t *ret_count, struct error *err)
{
    const char *first = json_string_value(json_array_get(run->where, 0));

    run->file = file ? xstrdup(file) : capture_files_default(run->lab, first, err);
    if (!run->file)
        return -EIO;
    *ret_count = 0;
    if (ring == 0) {
        ret_fds[0] = capture_files_create(run->file, err);
        *ret_count = ret_fds[0] >= 0;
        return ret_fds[0] < 0 ? ret_fds[0] : 0;
    }
    run->files = json_array();
    for (unsigned i = 1; i <= ring; i++) {
        _cleanup_free_ char *path = numbered(run->file, i);
        int fd = capture_files_create(path, err);

        if (fd < 0)
            return fd;
        ret_fds[(*ret_count)++] = fd;
        if (json_array_append_new(run->files, json_string(path)) < 0)
            return error_input(err, "the file's name is not UTF-8 text");
    }
    return 0;
}

/**
 * ends_properly() - Is the last block of a file one of statistics?
 * @path:	File
 * @ret_time:	When it was written last
 *
 * Return: true if so
 */
static bool ends_properly(const char *path, struct timespec *ret_time)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const uint32_t statistics = 5; /* draft-ietf-opsawg-pcapng, 4.6 */
    uint32_t size, type;
    struct stat status;

    *ret_time = (struct timespec){0};
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return false;
    *ret_time = status.st_mtim;
    return pread(fd, &size, sizeof(size), status.st_size - 4) == sizeof(size) &&
           (off_t)size <= status.st_size &&
           pread(fd, &type, sizeof(type), status.st_size - (off_t)size) == sizeof(type) &&
           type == statistics;
}

bool capture_files_ended(const struct capture_run *run)
{
    struct timespec newest = {0}, time;
    bool ended = false;
    json_t *item;
    size_t i;

    if (run->file && !run->files)
        return ends_properly(run->file, &newest);
    /* Of a ring the one that was written last; the others end properly anyway. */
    json_array_foreach (run->files, i, item) {
        bool this_one = ends_properly(json_string_value(item), &time);

        if (time.tv_sec < newest.tv_sec ||
            (time.tv_sec == newest.tv_sec && time.tv_nsec < newest.tv_nsec))
            continue;
        newest = time;
        ended = this_one;
    }
    return ended;
}

int capture_files_again(const struct capture_run *run, int *ret_fds, size_t *ret_count,
                        struct error *err)
{
    size_t count = run->files ? json_array_size(run->files) : 1;

    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *path =
            run->files ? json_string_value(json_array_get(run->files, i)) : run->file;
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
            return error_errno(err, errno, "%s", path);
        ret_fds[(*ret_count)++] = fd;
    }
    return 0;
}

void capture_files_clean(struct capture_run *run, bool all)
{
    json_t *item;
    size_t i;

    if (all && run->file && !run->files)
        (void)unlink(run->file);
    json_array_foreach (run->files, i, item) {
        const char *path = json_string_value(item);
        struct stat status;

        if (all || (lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0))
            (void)unlink(path);
    }
    for (i = json_array_size(run->files); !all && i-- > 0;)
        if (!file_exists(json_string_value(json_array_get(run->files, i))))
            (void)json_array_remove(run->files, i);
}
