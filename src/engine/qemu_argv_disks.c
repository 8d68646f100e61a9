// SPDX-License-Identifier: GPL-2.0-or-later

/* Disks on QEMU's command line: a block node and a device for each, and the controllers that the
 * machine does not have by itself. A q35 machine has AHCI (bus ide.0 to ide.5), and there IDE means
 * the same; a pc has two IDE channels for two drives each. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/file.h"
#include "engine/qemu_argv_priv.h"

/**
 * on_bus() - How many disks hang on a bus, the configuration disk included
 * @appliance:	Appliance
 * @bus:	Bus
 *
 * Return: number
 */
static unsigned on_bus(const struct appliance *appliance, enum disk_bus bus)
{
    unsigned count = appliance_has_seed_disk(appliance) && appliance->seed_bus == bus;

    for (size_t i = 0; i < appliance->disk_count; i++)
        count += appliance->disks[i].bus == bus;
    return count;
}

unsigned argv_disk_controllers(const struct appliance *appliance, const struct qemu_board *board)
{
    unsigned ahci = !board->q35 && on_bus(appliance, DISK_SATA);
    unsigned scsi = on_bus(appliance, DISK_SCSI) > 0;

    return ahci + scsi + on_bus(appliance, DISK_NVME);
}

/**
 * seed_disk() - The configuration disk as a disk
 * @appliance:	Appliance
 *
 * Return: the disk, in the first free place of its bus
 */
static struct appliance_disk seed_disk(const struct appliance *appliance)
{
    struct appliance_disk seed = {
        .format = "raw", .bus = appliance->seed_bus, .mode = DISK_READONLY};
    bool ide = seed.bus == DISK_IDE || seed.bus == DISK_SATA;

    /* On IDE QEMU has no hard disk that cannot be written to. A FAT disk is one of the guest's own,
     * made anew at each start. */
    if (appliance->seed == SEED_FAT)
        seed.mode = DISK_COPY;
    else if (ide || (seed.bus == DISK_SCSI && appliance->seed != SEED_TAR))
        seed.kind = DISK_CDROM;
    for (size_t i = 0; i < appliance->disk_count; i++) {
        enum disk_bus bus = appliance->disks[i].bus;

        if ((bus == seed.bus || (ide && (bus == DISK_IDE || bus == DISK_SATA))) &&
            appliance->disks[i].unit == seed.unit) {
            seed.unit++;
            i = (size_t)-1;
        }
    }
    return seed;
}

/**
 * add_floppy_controller() - What floppies hang on, and their turn at booting, which is the
 * controller's to say
 * @argv:	List
 * @appliance:	Appliance
 * @board:	Machine; "pc" has a controller of its own
 */
static void add_floppy_controller(struct argv *argv, const struct appliance *appliance,
                                  const struct qemu_board *board)
{
    _cleanup_strbuf_ struct strbuf turns = STRBUF_INIT;

    for (size_t i = 0; i < appliance->disk_count; i++) {
        const struct appliance_disk *disk = &appliance->disks[i];
        _cleanup_free_ char *order = NULL;
        char drive = disk->unit ? 'B' : 'A';

        if (disk->bus != DISK_FLOPPY)
            continue;
        order = argv_boot_index(appliance, 'c', i);
        if (!*order)
            continue;
        if (board->q35) {
            strbuf_printf(&turns, ",bootindex%c%s", drive, strchr(order, '='));
        } else {
            argv_add(argv, "-global");
            argv_add(argv, "isa-fdc.bootindex%c%s", drive, strchr(order, '='));
        }
    }
    if (on_bus(appliance, DISK_FLOPPY) && board->q35) {
        argv_add(argv, "-device");
        argv_add(argv, "isa-fdc,id=fdc0%s", turns.size ? turns.data : "");
    }
}

/**
 * add_controllers() - What the disks hang on
 * @argv:	List
 * @appliance:	Appliance
 * @board:	Machine
 */
static void add_controllers(struct argv *argv, const struct appliance *appliance,
                            struct qemu_board *board)
{
    add_floppy_controller(argv, appliance, board);
    if (on_bus(appliance, DISK_SCSI)) {
        _cleanup_free_ char *place = argv_controller(board);

        argv_add(argv, "-device");
        argv_add(argv, "%s,id=scsi0%s",
                 appliance->scsi_model ? appliance->scsi_model : "virtio-scsi-pci", place);
    }
    if (on_bus(appliance, DISK_SATA) && !board->q35) {
        _cleanup_free_ char *place = argv_controller(board);

        argv_add(argv, "-device");
        argv_add(argv, "ahci,id=sata%s", place);
    }
}

char *argv_boot_index(const struct appliance *appliance, char kind, size_t index)
{
    const char *order = appliance->boot_order ? appliance->boot_order : "cd";
    bool hard_and_cd_alike = !appliance->boot_order;
    unsigned rank = 0;

    /* With a kernel of QEMU's own the firmware boots nothing. */
    if (appliance->kernel || !strchr(order, kind))
        return xstrdup("");
    if (hard_and_cd_alike)
        return xasprintf(",bootindex=%zu", index);
    for (; *order != kind; order++)
        for (size_t i = 0; i < appliance->disk_count; i++)
            rank += (appliance->disks[i].kind == DISK_CDROM) == (*order == 'd') && *order != 'n';
    /* NICs come behind everything that could stand before them, each in its order. */
    if (strchr(appliance->boot_order, 'n') && kind != 'n' &&
        strchr(appliance->boot_order, 'n') < order)
        rank += APPLIANCE_NICS_MAX;
    for (size_t i = 0; i < index && kind != 'n'; i++)
        rank += (appliance->disks[i].kind == DISK_CDROM) == (kind == 'd');
    return xasprintf(",bootindex=%u", kind == 'n' ? rank + (unsigned)index : rank);
}

/**
 * add_device() - The guest's side of a disk
 * @argv:	List
 * @appliance:	Appliance
 * @disk:	Disk
 * @index:	Which one, counting the configuration disk last
 * @board:	Machine
 * @virtio:	Which of the virtio disks it is
 */
static void add_device(struct argv *argv, const struct appliance *appliance,
                       const struct appliance_disk *disk, unsigned index, struct qemu_board *board,
                       unsigned virtio)
{
    const char *kind = disk->kind == DISK_CDROM ? "cd" : "hd";
    _cleanup_free_ char *place = NULL;
    _cleanup_free_ char *order =
        index < appliance->disk_count && disk->bus != DISK_FLOPPY
            ? argv_boot_index(appliance, disk->kind == DISK_CDROM ? 'd' : 'c', index)
            : xstrdup("");

    argv_add(argv, "-device");
    switch (disk->bus) {
    case DISK_VIRTIO:
        place = argv_pci(board, SLOT_DISK + virtio % SLOT_DISKS, virtio / SLOT_DISKS,
                         on_bus(appliance, DISK_VIRTIO) > SLOT_DISKS);
        argv_add(argv, "virtio-blk-pci,id=vd%u,drive=disk%u%s%s", index, index, place, order);
        break;
    case DISK_NVME:
        place = argv_controller(board);
        argv_add(argv, "nvme,id=vd%u,drive=disk%u,serial=disk%u%s%s", index, index, index, place,
                 order);
        break;
    case DISK_IDE:
    case DISK_SATA:
        if (board->q35)
            argv_add(argv, "ide-%s,id=vd%u,drive=disk%u,bus=ide.%u%s", kind, index, index,
                     disk->unit, order);
        else if (disk->bus == DISK_SATA)
            argv_add(argv, "ide-%s,id=vd%u,drive=disk%u,bus=sata.%u%s", kind, index, index,
                     disk->unit, order);
        else
            argv_add(argv, "ide-%s,id=vd%u,drive=disk%u,bus=ide.%u,unit=%u%s", kind, index, index,
                     disk->unit / 2, disk->unit % 2, order);
        break;
    case DISK_SCSI:
        argv_add(argv, "scsi-%s,id=vd%u,drive=disk%u,bus=scsi0.0,scsi-id=%u%s", kind, index, index,
                 disk->unit, order);
        break;
    case DISK_FLOPPY:
        argv_add(argv, "floppy,id=vd%u,drive=disk%u,unit=%u", index, index, disk->unit);
        break;
    }
}

void argv_disks(struct argv *argv, const struct qemu_request *request, struct qemu_board *board)
{
    const struct appliance *appliance = request->appliance;
    unsigned index = 0, virtio = 0;

    add_controllers(argv, appliance, board);
    for (; index < appliance->disk_count; index++) {
        const struct appliance_disk *disk = &appliance->disks[index];
        _cleanup_free_ char *path = qemu_disk_path(request->node_dir, appliance, index);
        _cleanup_free_ char *id = xasprintf("disk%u", index);
        const char *format = disk->format ? disk->format : "raw";

        argv_blockdev(argv, id, path, disk->mode == DISK_OVERLAY ? "qcow2" : format,
                      disk->mode == DISK_READONLY);
        add_device(argv, appliance, disk, index, board, virtio);
        virtio += disk->bus == DISK_VIRTIO;
    }
    if (appliance_has_seed_disk(appliance)) {
        struct appliance_disk seed = seed_disk(appliance);
        _cleanup_free_ char *path = seed_disk_path(request->node_dir, appliance);
        _cleanup_free_ char *id = xasprintf("disk%u", index);

        argv_blockdev(argv, id, path, "raw", seed.mode == DISK_READONLY);
        add_device(argv, appliance, &seed, index, board, virtio);
    }
}
