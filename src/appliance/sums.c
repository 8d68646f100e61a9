// SPDX-License-Identifier: GPL-2.0-or-later

/* What the files of an image were when they came in: the file MD5SUMS in the image's folder, in the
 * form that md5sum -c reads. Imports write it as they copy, builds when they are done. MD5, since
 * that is what an import computes anyway (it is what appliances tell), and what it is held against
 * here are bad disks and stray writes, not forgers: who can write the image can write the sums. */

#include "appliance/sums.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/appliance_priv.h"
#include "appliance/import_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { SUMS_MAX = 64 << 10, MD5_DIGITS = 32 };

/**
 * sums_read() - Read the sums of an image
 * @dir:	The image's folder
 * @ret_sums:	New object: file name → sum; empty if there are none
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int sums_read(const char *dir, json_t **ret_sums, struct error *err)
{
    _cleanup_free_ char *path = path_join(dir, IMAGE_SUMS_FILE), *text = NULL;
    json_t *sums = json_object();
    char *save = NULL;
    int r = 0;

    if (file_exists(path))
        r = file_read(path, SUMS_MAX, &text, NULL, err);
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; r == 0 && line;
         line = strtok_r(NULL, "\n", &save)) {
        if (strspn(line, "0123456789abcdef") != MD5_DIGITS || strncmp(line + MD5_DIGITS, "  ", 2) ||
            !image_file_name_ok(line + MD5_DIGITS + 2))
            r = error_set(err, EINVAL, "%s: a line is not SUM and NAME, as md5sum writes it", path);
        else
            (void)json_object_set_new(sums, line + MD5_DIGITS + 2, json_stringn(line, MD5_DIGITS));
    }
    if (r < 0)
        json_decref(sums);
    else
        *ret_sums = sums;
    return r;
}

int image_sums_put(const char *dir, const char *name, const char *md5, struct error *err)
{
    _cleanup_free_ char *path = path_join(dir, IMAGE_SUMS_FILE);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    json_t *sums = NULL, *sum;
    const char *key;
    int r = sums_read(dir, &sums, err);

    if (r < 0)
        return r;
    (void)json_object_set_new(sums, name, json_string(md5));
    json_object_foreach (sums, key, sum)
        strbuf_printf(&text, "%s  %s\n", json_string_value(sum), key);
    json_decref(sums);
    return file_write_atomic(path, text.data, text.size, 0644, err);
}

/**
 * verify_file() - Hold one file against its sum
 * @dir:	The image's folder
 * @name:	File
 * @expected:	Sum, or NULL
 *
 * Return: new object
 */
static json_t *verify_file(const char *dir, const char *name, const char *expected)
{
    _cleanup_free_ char *path = path_join(dir, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *state = "unrecorded", *why = NULL;
    char got[MD5_DIGITS + 1] = "";
    struct stat st = {0};
    int r = 0;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        state = fd < 0 && errno == ENOENT ? "missing" : "unreadable";
    } else if (expected) {
        r = file_digest_copy(fd, NULL, got, &err);
        state = r < 0 ? "unreadable" : strcmp(got, expected) == 0 ? "ok" : "changed";
        why = r < 0 ? error_message(&err) : NULL;
    }
    return json_pack("{s:s, s:s, s:I, s:s?, s:s?, s:s?}", "name", name, "state", state, "bytes",
                     (json_int_t)st.st_size, "md5", *got ? got : NULL, "expected", expected,
                     "error", why);
}

/**
 * is_content() - Files of an image but its definition and its sums
 * @entry:	Entry of the folder
 *
 * Return: non-zero if so
 */
static int is_content(const struct dirent *entry)
{
    return image_file_name_ok(entry->d_name);
}

int image_sums_verify(const char *dir, json_t **ret_files, struct error *err)
{
    json_t *sums = NULL, *files, *sum;
    struct dirent **entries = NULL;
    int count, r = sums_read(dir, &sums, err);
    const char *key;

    if (r < 0)
        return r;
    count = scandir(dir, &entries, is_content, alphasort);
    if (count < 0) {
        json_decref(sums);
        return error_errno(err, errno, "%s", dir);
    }
    files = json_array();
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        (void)json_array_append_new(
            files, verify_file(dir, name, json_string_value(json_object_get(sums, name))));
        (void)json_object_del(sums, name);
        free(entries[i]);
    }
    free(entries);
    json_object_foreach (sums, key, sum)
        (void)json_array_append_new(files, verify_file(dir, key, json_string_value(sum)));
    json_decref(sums);
    *ret_files = files;
    return 0;
}

void image_disk_usage(const char *dir, uint64_t *ret_bytes, uint64_t *ret_allocated)
{
    _cleanup_closedir_ DIR *folder = opendir(dir);
    struct dirent *item;

    *ret_bytes = *ret_allocated = 0;
    while (folder && (item = readdir(folder))) {
        struct stat st;

        if (fstatat(dirfd(folder), item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        *ret_bytes += (uint64_t)st.st_size;
        *ret_allocated += (uint64_t)st.st_blocks * 512;
    }
}
