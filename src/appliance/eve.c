// SPDX-License-Identifier: GPL-2.0-or-later

/* EVE-NG's image folders, TEMPLATE-VERSION: a file's name says how it is attached (hda.qcow2 is the
 * first IDE disk, virtiob.qcow2 the second virtio one). How much memory and which NICs it wants
 * stands in a template elsewhere, so those are EVE-NG's defaults here, and that is told. */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/import_priv.h"
#include "base/alloc.h"
#include "base/text.h"

/* What a file's name begins with, before the letter that counts. */
static const struct {
    const char *prefix, *bus, *scsi;
} kinds[] = {
    {"hd", "ide", NULL},           {"virtio", "virtio", NULL}, {"virtide", "virtio", NULL},
    {"scsi", "scsi", NULL},        {"sata", "sata", NULL},     {"megasas", "scsi", "megasas"},
    {"lsi", "scsi", "lsi53c895a"},
};

/**
 * add_disk() - A file whose name is that of a disk
 * @definition:	So far
 * @name:	Its name
 * @err:	Error to fill
 *
 * Return: 1 if it is one, 0 if not, or -EINVAL
 */
static int add_disk(json_t *definition, const char *name, struct error *err)
{
    json_t *disks = json_object_get(definition, "disks"), *disk;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t size = strlen(kinds[i].prefix);
        const char *scsi = json_string_value(json_object_get(definition, "scsi"));
        unsigned unit = (unsigned)(name[size < strlen(name) ? size : 0] - 'a');

        if (strncmp(name, kinds[i].prefix, size) != 0 || unit > 15 || name[size + 1] != '.')
            continue;
        if (strcmp(kinds[i].bus, "scsi") == 0) {
            const char *wanted = kinds[i].scsi ? kinds[i].scsi : "virtio-scsi-pci";

            if (scsi && strcmp(scsi, wanted) != 0)
                return error_input(err, "'%s': disks on two kinds of SCSI controllers", name);
            (void)json_object_set_new(definition, "scsi", json_string(wanted));
        }
        disk = json_pack("{s:s, s:s}", "file", name, "bus", kinds[i].bus);
        if (strcmp(kinds[i].bus, "virtio") != 0)
            (void)json_object_set_new(disk, "unit", json_integer((json_int_t)unit));
        (void)json_array_append_new(disks, disk);
        return 1;
    }
    return 0;
}

/**
 * add_file() - One file of the folder
 * @definition:	So far
 * @name:	Its name
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int add_file(json_t *definition, const char *name, json_t *notes, struct error *err)
{
    int r = 1;

    if (strcmp(name, "cdrom.iso") == 0)
        (void)json_array_append_new(json_object_get(definition, "disks"),
                                    json_pack("{s:s, s:s, s:s, s:i}", "file", name, "bus", "ide",
                                              "kind", "cdrom", "unit", 2));
    else if (strcmp(name, "kernel.img") == 0)
        (void)json_object_set_new(definition, "boot", json_pack("{s:s}", "kernel", name));
    else
        r = add_disk(definition, name, err);
    if (r > 0)
        (void)json_array_append_new(json_object_get(definition, "files"),
                                    json_pack("{s:s}", "name", name));
    if (r == 0) {
        _cleanup_free_ char *shown = text_escape(name, strlen(name));

        (void)json_array_append_new(
            notes, json_sprintf("'%s' is left out: its name says no place of a disk", shown));
    }
    return r < 0 ? r : 0;
}

/**
 * is_file() - Files that are not hidden
 * @entry:	Entry
 *
 * Return: non-zero if so
 */
static int is_file(const struct dirent *entry)
{
    return image_file_name_ok(entry->d_name);
}

int eve_definition(const char *folder, const char *name, json_t **ret_definition, json_t *notes,
                   struct error *err)
{
    json_t *definition =
        json_pack("{s:s, s:s, s:s, s:{s:i}, s:{s:s}, s:[], s:[], s:{s:s, s:i}}", "name", name,
                  "arch", "x86_64", "machine", "pc", "cpu", "count", 1, "memory", "default", "2G",
                  "disks", "files", "nics", "model", "e1000", "count", 4);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_file, alphasort), r = 0;

    if (count < 0)
        r = error_errno(err, errno, "%s", folder);
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = add_file(definition, entries[i]->d_name, notes, err);
        free(entries[i]);
    }
    free(entries);
    if (r == 0 && !json_array_size(json_object_get(definition, "files")))
        r = error_input(err, "%s: no file in it has a name such as hda.qcow2 or virtioa.qcow2",
                        folder);
    if (r < 0) {
        json_decref(definition);
        return r;
    }
    (void)json_object_set_new(definition, "display", json_pack("{s:s}", "vga", "std"));
    (void)json_array_append_new(
        notes, json_string("EVE-NG keeps memory, CPUs and NICs in its templates: 2G, 1 and 4 of "
                           "e1000 are taken, to be changed in the image's appliance.yaml"));
    *ret_definition = definition;
    return 0;
}
