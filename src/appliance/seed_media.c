// SPDX-License-Identifier: GPL-2.0-or-later

/* Configuration disks that libarchive writes.
 *
 * A plain ustar archive as the whole disk can be unpacked by the smallest guest straight from the
 * block device. The same input gives the same bytes (no times, no users).
 *
 * ISO images have three sets of names: Rock Ridge (Linux, Junos), Joliet, and the plain ones, in
 * capitals, of up to 31 characters (level 2): readers that know nothing else find
 * IOSXE_CONFIG.TXT. libarchive turns a label into capitals and underscores, but cloud-init looks
 * for "config-2" in small letters with its hyphen, so the label is put into the finished image; so
 * are the volume's times, which would be now. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/seed_priv.h"
#include "base/alloc.h"

enum { TAR_BLOCK = 512, TAR_RECORD = 20 * TAR_BLOCK };

/* ECMA-119, 8.4: volume descriptors. */
enum {
    ISO_SECTOR = 2048,
    ISO_FIRST_DESCRIPTOR = 16,
    ISO_LABEL = 40,
    ISO_LABEL_SIZE = 32,
    ISO_TIMES = 813,
    ISO_TIME_SIZE = 17,
    ISO_TIME_COUNT = 2, /* made and changed; what follows is when it expires */
};

/**
 * on_write() - libarchive has bytes
 * @archive:	Archive
 * @data:	Buffer
 * @bytes:	Bytes
 * @size:	How many
 *
 * Return: how many were taken: all
 */
static la_ssize_t on_write(struct archive *archive, void *data, const void *bytes, size_t size)
{
    (void)archive;
    strbuf_append(data, bytes, size);
    return (la_ssize_t)size;
}

/**
 * pack() - Write members into an archive
 * @archive:	Open archive
 * @members:	Members
 *
 * Return: ARCHIVE_OK or the archive's own failure
 */
static int pack(struct archive *archive, const struct seed_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct seed_member *member = &members->items[i];
        struct archive_entry *entry = archive_entry_new();
        la_ssize_t written = 0;
        int r;

        if (!entry)
            abort();
        archive_entry_set_pathname(entry, member->name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, 0, 0);
        archive_entry_set_size(entry, (la_int64_t)member->size);
        r = archive_write_header(archive, entry);
        archive_entry_free(entry);
        if (r == ARCHIVE_OK && member->size)
            written = archive_write_data(archive, member->data, member->size);
        if (r != ARCHIVE_OK || written != (la_ssize_t)member->size)
            return ARCHIVE_FATAL;
    }
    return archive_write_close(archive);
}

/**
 * make() - Write an archive of whatever format
 * @archive:	With its format set, freed here
 * @block:	Its length is a multiple of this
 * @members:	Members
 * @out:	Gets the bytes
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make(struct archive *archive, int block, const struct seed_members *members,
                struct strbuf *out, struct error *err)
{
    int r = archive_write_set_bytes_per_block(archive, block);

    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_in_last_block(archive, block);
    if (r == ARCHIVE_OK)
        r = archive_write_open(archive, out, NULL, on_write, NULL);
    if (r == ARCHIVE_OK)
        r = pack(archive, members);
    r = r == ARCHIVE_OK ? 0 : error_set(err, EIO, "%s", archive_error_string(archive));
    archive_write_free(archive);
    return r;
}

int seed_make_tar(const struct seed_members *members, struct strbuf *out, struct error *err)
{
    struct archive *archive = archive_write_new();

    if (!archive || archive_write_set_format_ustar(archive) != ARCHIVE_OK)
        abort();
    return make(archive, TAR_RECORD, members, out, err);
}

/**
 * set_label() - Put label and times into the volume descriptors
 * @image:	Whole image
 * @label:	Label
 */
static void set_label(struct strbuf *image, const char *label)
{
    size_t length = strlen(label);

    for (size_t at = (size_t)ISO_FIRST_DESCRIPTOR * ISO_SECTOR; at + ISO_SECTOR <= image->size;
         at += ISO_SECTOR) {
        char *descriptor = image->data + at;
        bool joliet = descriptor[0] == 2;

        if (memcmp(descriptor + 1, "CD001", 5) != 0 || (descriptor[0] != 1 && !joliet))
            break;
        /* UCS-2 with the high byte first, so blanks are two bytes each. */
        for (size_t i = 0; i < ISO_LABEL_SIZE; i++) {
            size_t letter = joliet ? i / 2 : i;
            char value = letter < length ? label[letter] : ' ';

            descriptor[ISO_LABEL + i] = joliet && i % 2 == 0 ? '\0' : value;
        }
        for (size_t i = 0; i < ISO_TIME_COUNT; i++) {
            char *time = descriptor + ISO_TIMES + i * ISO_TIME_SIZE;

            /* 1980-01-01 00:00:00.00 UTC */
            memcpy(time, "1980010100000000", ISO_TIME_SIZE - 1);
            time[ISO_TIME_SIZE - 1] = 0;
        }
    }
}

int seed_make_iso(const struct seed_members *members, const char *label, struct strbuf *out,
                  struct error *err)
{
    static const char options[] = "iso9660:iso-level=2,iso9660:joliet,iso9660:rockridge=useful,"
                                  "iso9660:!zisofs,iso9660:!pad,iso9660:volume-id=SEED";
    struct archive *archive = archive_write_new();
    int r;

    if (!archive || archive_write_set_format_iso9660(archive) != ARCHIVE_OK ||
        archive_write_set_options(archive, options) != ARCHIVE_OK)
        abort();
    r = make(archive, ISO_SECTOR, members, out, err);
    if (r == 0)
        set_label(out, label);
    return r;
}
