// SPDX-License-Identifier: GPL-2.0-or-later

/* The configuration disk: a plain ustar archive as the whole disk, which the smallest guest can
 * unpack straight from the block device. The same input gives the same bytes (no times, no users),
 * so that a disk can be told from another by comparing. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"

enum { TAR_BLOCK = 512, TAR_RECORD = 20 * TAR_BLOCK, MEMBERS = 3 };

struct member {
    const char *name;
    const char *data;
    size_t size;
};

/**
 * pack() - Write members into an archive
 * @archive:	Open archive
 * @members:	Members; those without a name are left out
 * @count:	How many
 *
 * Return: ARCHIVE_OK or the archive's own failure
 */
static int pack(struct archive *archive, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry;
        la_ssize_t written = 0;
        int r;

        if (!members[i].name)
            continue;
        entry = archive_entry_new();
        if (!entry)
            abort();
        archive_entry_set_pathname(entry, members[i].name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, 0, 0);
        archive_entry_set_size(entry, (la_int64_t)members[i].size);
        r = archive_write_header(archive, entry);
        archive_entry_free(entry);
        if (r == ARCHIVE_OK && members[i].size)
            written = archive_write_data(archive, members[i].data, members[i].size);
        if (r != ARCHIVE_OK || written != (la_ssize_t)members[i].size)
            return ARCHIVE_FATAL;
    }
    return archive_write_close(archive);
}

/**
 * make_tar() - An archive in memory
 * @members:	Members
 * @count:	How many
 * @ret_data:	New bytes
 * @ret_size:	How many
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_tar(const struct member *members, size_t count, char **ret_data, size_t *ret_size,
                    struct error *err)
{
    struct archive *archive = archive_write_new();
    _cleanup_free_ char *data = NULL;
    size_t room = TAR_RECORD, used = 0;
    int r;

    if (!archive)
        abort();
    for (size_t i = 0; i < count; i++)
        room += TAR_BLOCK + members[i].size + TAR_BLOCK;
    room = (room + TAR_RECORD - 1) / TAR_RECORD * TAR_RECORD;
    data = xmalloc0(room, 1);
    r = archive_write_set_format_ustar(archive);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_per_block(archive, TAR_RECORD);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_in_last_block(archive, TAR_RECORD);
    if (r == ARCHIVE_OK)
        r = archive_write_open_memory(archive, data, room, &used);
    if (r == ARCHIVE_OK)
        r = pack(archive, members, count);
    r = r == ARCHIVE_OK ? 0 : error_set(err, EIO, "tar: %s", archive_error_string(archive));
    archive_write_free(archive);
    if (r < 0)
        return r;
    *ret_data = steal_ptr(data);
    *ret_size = used;
    return 0;
}

int seed_write(const char *path, const char *node, const char *lab, const char *config,
               struct error *err)
{
    _cleanup_free_ char *hostname = xasprintf("%s\n", node), *lab_line = xasprintf("%s\n", lab);
    _cleanup_free_ char *config_data = NULL, *data = NULL;
    size_t size = 0;
    struct member members[MEMBERS] = {
        {"hostname", hostname, strlen(hostname)},
        {"lab", lab_line, strlen(lab_line)},
    };
    int r;

    if (config) {
        r = file_read(config, TOPOLOGY_CONFIG_MAX, &config_data, &members[2].size, err);
        if (r < 0) {
            (void)error_prefix(err, "node '%s': configuration", node);
            return r;
        }
        members[2].name = "config";
        members[2].data = config_data;
    }
    r = make_tar(members, MEMBERS, &data, &size, err);
    if (r == 0)
        r = file_write_atomic(path, data, size, 0600, err);
    if (r < 0)
        (void)error_prefix(err, "node '%s': configuration disk", node);
    return r;
}
