// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Files and folders, done so that a crash or a stranger in /tmp cannot hurt. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* file_read() - Whole file, refused above @limit bytes (-EFBIG) or if not a regular file.
 * @ret_data: caller frees; a zero byte follows the @ret_size bytes. */
int file_read(const char *path, size_t limit, char **ret_data, size_t *ret_size, struct error *err);

/* file_write_atomic() - Write beside, fsync, rename: readers see the old or the new file, never a
 * part. */
int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode,
                      struct error *err);

/* file_copy_sparse() - New file @to from the open file @from_fd: by reflink where the file system
 * can, else data extents only. Fails if @to exists. On failure nothing is left. */
int file_copy_sparse(int from_fd, const char *to, mode_t mode, struct error *err);

/* write_all() - Write every byte to a blocking descriptor. Return: 0 or -errno */
int write_all(int fd, const void *data, size_t size);

/* read_all() - Read a pipe to its end. What goes beyond @limit is read and dropped.
 * Return: 0 or -errno, with what had come by then in @buf */
int read_all(int fd, size_t limit, struct strbuf *buf);

/* dir_make() - Make a folder and its parents (0755); fine if there. */
int dir_make(const char *path, struct error *err);

/* dir_make_private() - Make a folder with mode 0700 (parents as dir_make()); if it is there it must
 * be a real folder of the caller's own with no access for others, else an error that says whose it
 * is. */
int dir_make_private(const char *path, struct error *err);

/* dir_remove_tree() - Remove a folder and all below it, never following links. Fine if it is not
 * there. */
int dir_remove_tree(const char *path, struct error *err);

/* dir_empty() - Remove all below a folder, and keep the folder itself. */
int dir_empty(const char *path, struct error *err);

/* dir_find_link() - Name of a symbolic link in @path that leads to exactly @target. Caller frees;
 * NULL: there is none. */
char *dir_find_link(const char *path, const char *target);

/* path_join() - "a" + "b" → "a/b"; an absolute @name wins. Caller frees. */
char *path_join(const char *dir, const char *name);
/* path_dirname() - Folder part, "." if none. Caller frees. */
char *path_dirname(const char *path);
/* file_exists() - True if stat() succeeds. */
bool file_exists(const char *path);
