// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Which labs and nodes need an image. */

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* image_uses_read() - All uses of images.
 * @strict:	A lab that cannot be asked is an error, not passed over
 * @ret_uses:	New array, for image_uses_of() */
int image_uses_read(bool strict, json_t **ret_uses, struct error *err);
/* image_uses_of() - Those of one image.
 * @folder:	Its real folder, or NULL
 * Return: new array of "lab", "node", "state" (that of the node, or "kept": the lab is down, and
 * the node's disk is on top of the image), "disk_bytes" (what the node's own disks take) */
json_t *image_uses_of(const json_t *uses, const char *name, const char *folder);
/* image_in_use() - Refuse to remove or replace what is needed. Return: 0, -EBUSY, or -errno */
int image_in_use(const char *name, struct error *err);
