// SPDX-License-Identifier: GPL-2.0-or-later

/* A definition for disks of which nothing else is known: what a disk is tells where it comes from,
 * and so what its system has drivers for. A qcow2 or raw disk was made for QEMU (virtio); VMDK, VDI
 * and VHD come from machines with SATA and an Intel card; a CD-ROM boots beside an empty disk.
 * Every guess is told, and is one line of appliance.yaml to change. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "appliance/appliance_priv.h"
#include "appliance/import_priv.h"
#include "appliance/probe.h"
#include "base/alloc.h"

/**
 * wants_uefi() - Whether a raw disk can only be started by UEFI
 * @path:	File
 *
 * Return: true for a GPT whose first sector holds no program
 */
static bool wants_uefi(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char sector[1024];
    bool code = false;

    if (fd < 0 || pread(fd, sector, sizeof(sector), 0) != (ssize_t)sizeof(sector))
        return false;
    for (size_t i = 0; i < 440; i++)
        code |= sector[i] != 0;
    return !code && memcmp(sector + 512, "EFI PART", 8) == 0;
}

/**
 * stored_name() - What a file is called in the image
 * @path:	File
 * @packed:	It is compressed: that ending goes
 *
 * Return: new name
 */
static char *stored_name(const char *path, bool packed)
{
    static const char *const endings[] = {".gz", ".bz2", ".xz", ".zip", ".7z", ".zst", ".lzma"};
    char *name = xstrdup(strrchr(path, '/') ? strrchr(path, '/') + 1 : path);

    for (size_t i = 0; packed && i < ARRAY_SIZE(endings); i++) {
        size_t size = strlen(name), ending = strlen(endings[i]);

        if (size > ending && strcmp(name + size - ending, endings[i]) == 0) {
            name[size - ending] = 0;
            break;
        }
    }
    return name;
}

/**
 * add_disk() - One disk
 * @definition:	So far
 * @path:	File
 * @notes:	Gets the guesses
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_disk(json_t *definition, const char *path, json_t *notes, struct error *err)
{
    json_t *disks = json_object_get(definition, "disks");
    json_t *files = json_object_get(definition, "files");
    struct image_probe probe;
    _cleanup_free_ char *name = NULL;
    const char *bus = "virtio", *nic = "virtio-net-pci";
    int r = image_probe_file(path, &probe, err);

    if (r < 0)
        return r;
    name = stored_name(path, probe.compression != NULL);
    if (!image_file_name_ok(name))
        return error_input(err, "%s: a file of that name cannot be taken", path);
    if (probe.iso) {
        (void)json_array_append_new(
            disks, json_pack("{s:s, s:s, s:s}", "file", name, "bus", "sata", "kind", "cdrom"));
        (void)json_array_append_new(disks, json_pack("{s:s, s:s}", "size", "16G", "bus", bus));
        (void)json_object_set_new(definition, "boot", json_pack("{s:s}", "order", "cd"));
        (void)json_array_append_new(
            notes, json_sprintf("'%s' is a CD-ROM: an empty disk of 16G is beside it", name));
    } else {
        if (strcmp(probe.driver, "raw") != 0 && strcmp(probe.driver, "qcow2") != 0) {
            bus = "sata";
            nic = "e1000";
        }
        (void)json_array_append_new(disks, json_pack("{s:s, s:s}", "file", name, "bus", bus));
        (void)json_array_append_new(notes,
                                    json_sprintf("'%s' is %s%s: on %s", name, probe.driver,
                                                 probe.compression ? ", compressed" : "", bus));
        if (json_array_size(disks) == 1) {
            (void)json_object_set_new(definition, "nics",
                                      json_pack("{s:s, s:i}", "model", nic, "count", 4));
            (void)json_array_append_new(notes, json_sprintf("guessed: 4 NICs of %s, 1G of memory, "
                                                            "a screen over VNC",
                                                            nic));
        }
        if (strcmp(probe.driver, "raw") == 0 && wants_uefi(path)) {
            (void)json_object_set_new(definition, "firmware", json_pack("{s:s}", "type", "uefi"));
            (void)json_array_append_new(notes, json_string("its disk has no boot sector: UEFI"));
        }
    }
    (void)json_array_append_new(files, json_pack("{s:s}", "name", name));
    return 0;
}

int guess_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                     json_t *notes, struct error *err)
{
    json_t *definition =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:i}, s:{s:s}, s:[], s:[], s:{s:s}}", "name", name,
                  "description", "", "arch", "x86_64", "machine", "q35", "cpu", "count", 1,
                  "memory", "default", "1G", "disks", "files", "display", "type", "vnc");
    int r = 0;

    (void)json_object_del(definition, "description");
    for (size_t i = 0; r == 0 && i < request->disk_count; i++)
        r = add_disk(definition, request->disks[i], notes, err);
    if (r < 0) {
        json_decref(definition);
        return r;
    }
    *ret_definition = definition;
    return 0;
}
