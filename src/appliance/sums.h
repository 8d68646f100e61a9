// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Checksums and sizes of an image's files. */

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

#define IMAGE_SUMS_FILE "MD5SUMS"

/* image_sums_put() - Note the sum of a file of the image in @dir, in place of an older one. */
int image_sums_put(const char *dir, const char *name, const char *md5, struct error *err);
/* image_sums_verify() - Hold an image's files against their sums.
 * @ret_files:	New array of objects: "name", "state" (ok, changed, missing, unreadable,
 *unrecorded), "bytes", "md5", "expected", "error" Return: 0 or -errno when the sums themselves
 *cannot be read */
int image_sums_verify(const char *dir, json_t **ret_files, struct error *err);
/* image_disk_usage() - Sizes of all files of a folder: as they seem, and on the disk. */
void image_disk_usage(const char *dir, uint64_t *ret_bytes, uint64_t *ret_allocated);
