// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The makers of media, in memory. Members have their data; names were checked by
 * config_file_name_ok(). */

#include "appliance/seed.h"
#include "base/strbuf.h"

/* seed_make_tar() - A ustar archive, padded. */
int seed_make_tar(const struct seed_members *members, struct strbuf *out, struct error *err);
/* seed_make_iso() - ISO 9660 of level 2 with Joliet and Rock Ridge. @label: at most 32 bytes */
int seed_make_iso(const struct seed_members *members, const char *label, struct strbuf *out,
                  struct error *err);
/* seed_make_fat() - FAT16 with long names.
 * @size:	Of the disk, 0: as large as it takes, at least 16 MiB
 * @partition:	Behind a partition table, as the first partition
 * @out:	The disk's beginning; what follows is zero
 * @ret_size:	Of the disk */
int seed_make_fat(const struct seed_members *members, const char *label, uint64_t size,
                  bool partition, struct strbuf *out, uint64_t *ret_size, struct error *err);
