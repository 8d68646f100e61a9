// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What an image file is, told by its bytes alone: neither by its name nor by opening anything that
 * it names. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct image_probe {
    const char *driver;      /* QEMU's block driver: "raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc" */
    const char *compression; /* "gzip", "bzip2", "xz", "zip", "7z", "zstd", "lzma"; NULL: none
                              */
    uint64_t virtual_size;   /* bytes that a guest sees; 0: only QEMU can tell */
    uint64_t file_size;
    bool iso; /* a CD-ROM's file system */
};

/* image_probe_fd() - Look at an open regular file. Return: 0, or -errno: -EINVAL for one that would
 * make QEMU open a further file (a backing file, an extent, external data) or that QEMU is not
 * asked to read. */
int image_probe_fd(int fd, struct image_probe *ret_probe, struct error *err);
/* image_probe_file() - The same by path, with the path in the message. */
int image_probe_file(const char *path, struct image_probe *ret_probe, struct error *err);

/* image_overlay() - New qcow2 @path on top of @base, or an empty disk if @base is NULL.
 * @base:	Absolute path, written into the overlay with @driver
 * @size:	Bytes that the guest sees
 * Return: 0 or -errno; -EEXIST if @path is there; nothing is left on failure */
int image_overlay(const char *path, const char *base, const char *driver, uint64_t size,
                  struct error *err);
/* image_overlay_base() - The file that a qcow2 was made on top of, as its header says. Return: new
 * path, or NULL if there is none or the file cannot be read */
char *image_overlay_base(const char *path);
