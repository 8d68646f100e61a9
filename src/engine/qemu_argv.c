// SPDX-License-Identifier: GPL-2.0-or-later

/* Why each thing is on the command line stands where it is added. Block devices are given as JSON,
 * so that no character of a path needs escaping; in the other options a comma in a value is
 * doubled. */

#include "engine/qemu_argv.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#define SLOT_DISK      0x02
#define SLOT_NIC       0x08
#define SLOT_NIC_MULTI 0x1e /* its functions hold the NICs that find no slot */

/* Translation buffer of TCG in MiB: QEMU's default grows to a gigabyte in each process. */
#define TB_SIZE_MB 64

struct argv {
    char **items;
    size_t count, capacity;
};

/**
 * add() - Append one word
 * @argv:	List
 * @format:	printf()
 */
static __attribute__((format(printf, 2, 3))) void add(struct argv *argv, const char *format, ...)
{
    va_list args;

    array_grow(argv->items, argv->count, argv->capacity);
    va_start(args, format);
    argv->items[argv->count++] = xvasprintf(format, args);
    va_end(args);
}

/**
 * comma() - A value for QEMU's key=value,… syntax
 * @text:	Value
 *
 * Return: copy with commas doubled, caller frees
 */
static char *comma(const char *text)
{
    return text_replace(text, ",", ",,");
}

void qemu_mac(const char *lab, const char *node, unsigned nic, char ret_text[static 18])
{
    _cleanup_free_ char *key = xasprintf("%s/%s", lab, node);
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, 64 bit */

    for (const char *at = key; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
    hash ^= hash >> 32;
    /* Four bytes tell lab and node, the last one the NIC: neighbours in a capture are easy to tell
     * apart. */
    (void)snprintf(ret_text, 18, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(hash >> 24) & 0xff,
                   (unsigned)(hash >> 16) & 0xff, (unsigned)(hash >> 8) & 0xff,
                   (unsigned)hash & 0xff, nic & 0xff);
}

char *qemu_disk_path(const char *node_dir, const struct appliance *appliance, size_t index)
{
    const struct appliance_disk *disk = &appliance->disks[index];

    switch (disk->mode) {
    case DISK_COPY:
        return xasprintf("%s/disk%zu.raw", node_dir, index);
    case DISK_OVERLAY:
        return xasprintf("%s/disk%zu.qcow2", node_dir, index);
    case DISK_READONLY:
        break;
    }
    return xstrdup(disk->file);
}

/**
 * root_bus() - Name of the PCI bus that a machine type starts with
 * @machine:	Machine type
 *
 * Return: static text
 */
static const char *root_bus(const char *machine)
{
    return strncmp(machine, "pc", 2) == 0 && strncmp(machine, "pc-q35", 6) != 0 ? "pci.0"
                                                                                : "pcie.0";
}

/**
 * add_machine() - Machine, processor, memory
 * @argv:	List
 * @request:	Request
 * @machine:	Machine type
 */
static void add_machine(struct argv *argv, const struct qemu_request *request, const char *machine)
{
    const struct node *node = &request->topology->nodes[request->node];
    const struct appliance *appliance = request->appliance;
    uint64_t memory = node->memory_bytes ? node->memory_bytes : appliance->memory_bytes;
    /* From a file: a comma must not start an option of its own. */
    _cleanup_free_ char *safe_machine = comma(machine);
    const char *cpu = node->cpu_model ? node->cpu_model : appliance->cpu_model;

    add(argv, "-name");
    add(argv, "guest=%s,debug-threads=on", node->name);
    add(argv, "-machine");
    add(argv, "%s,usb=off,dump-guest-core=off", safe_machine);
    add(argv, "-accel");
    if (request->accel == ACCEL_KVM) {
        add(argv, "kvm");
        if (request->host_cpu && !node->cpu_model)
            cpu = "host";
    } else {
        add(argv, "tcg,tb-size=%d", TB_SIZE_MB);
    }
    if (cpu) {
        add(argv, "-cpu");
        add(argv, "%s", cpu);
    }
    add(argv, "-smp");
    add(argv, "%u", node->cpus ? node->cpus : appliance->cpus);
    add(argv, "-m");
    add(argv, "size=%" PRIu64 "k", memory >> 10);
}

/**
 * add_boot() - Kernel, or the order of the disks
 * @argv:	List
 * @appliance:	Appliance
 */
static void add_boot(struct argv *argv, const struct appliance *appliance)
{
    /* No boot menu, no delay, and nothing but what is named is tried. */
    add(argv, "-boot");
    add(argv, "strict=on,menu=off,reboot-timeout=0");
    if (!appliance->kernel)
        return;
    add(argv, "-kernel");
    add(argv, "%s", appliance->kernel);
    if (appliance->initrd) {
        add(argv, "-initrd");
        add(argv, "%s", appliance->initrd);
    }
    if (appliance->append) {
        add(argv, "-append");
        add(argv, "%s", appliance->append);
    }
}

/**
 * add_blockdev() - A file as a block node
 * @argv:	List
 * @id:		Node name
 * @path:	File
 * @driver:	"raw" or "qcow2"
 * @readonly:	Not to be written
 */
static void add_blockdev(struct argv *argv, const char *id, const char *path, const char *driver,
                         bool readonly)
{
    json_t *spec = json_pack("{s:s, s:s, s:b, s:{s:s, s:s}}", "driver", driver, "node-name", id,
                             "read-only", readonly, "file", "driver", "file", "filename", path);
    char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);

    add(argv, "-blockdev");
    add(argv, "%s", text ? text : "");
    free(text);
    json_decref(spec);
}

/**
 * add_disk_device() - The guest's side of a disk
 * @argv:	List
 * @bus:	How it is attached
 * @pci:	PCI root bus
 * @index:	Which disk, counting the configuration disk last
 * @boots:	The firmware may boot from it
 */
static void add_disk_device(struct argv *argv, enum disk_bus bus, const char *pci, unsigned index,
                            bool boots)
{
    _cleanup_free_ char *order = boots ? xasprintf(",bootindex=%u", index) : xstrdup("");

    if (bus == DISK_FLOPPY) {
        add(argv, "-device");
        add(argv, "isa-fdc,id=fdc0");
    }
    if (bus == DISK_SCSI && index == 0) {
        add(argv, "-device");
        add(argv, "virtio-scsi-pci,id=scsi0,bus=%s,addr=0x%x", pci, SLOT_DISK + 5);
    }
    add(argv, "-device");
    switch (bus) {
    case DISK_VIRTIO:
        add(argv, "virtio-blk-pci,id=vd%u,drive=disk%u,bus=%s,addr=0x%x%s", index, index, pci,
            SLOT_DISK + index, order);
        break;
    case DISK_IDE:
    case DISK_SATA:
        add(argv, "ide-hd,id=vd%u,drive=disk%u,bus=ide.%u%s", index, index, index, order);
        break;
    case DISK_SCSI:
        add(argv, "scsi-hd,id=vd%u,drive=disk%u,bus=scsi0.0,scsi-id=%u%s", index, index, index,
            order);
        break;
    case DISK_FLOPPY:
        add(argv, "floppy,id=vd%u,drive=disk%u,bus=fdc0.0%s", index, index, order);
        break;
    }
}

/**
 * add_disks() - All disks and the configuration disk
 * @argv:	List
 * @request:	Request
 * @pci:	PCI root bus
 */
static void add_disks(struct argv *argv, const struct qemu_request *request, const char *pci)
{
    const struct appliance *appliance = request->appliance;
    unsigned index = 0;

    for (; index < appliance->disk_count; index++) {
        const struct appliance_disk *disk = &appliance->disks[index];
        _cleanup_free_ char *path = qemu_disk_path(request->node_dir, appliance, index);
        _cleanup_free_ char *id = xasprintf("disk%u", index);

        add_blockdev(argv, id, path, disk->mode == DISK_OVERLAY ? "qcow2" : "raw",
                     disk->mode == DISK_READONLY);
        add_disk_device(argv, disk->bus, pci, index, !appliance->kernel);
    }
    if (appliance->seed != SEED_NONE) {
        _cleanup_free_ char *path = path_join(request->node_dir, "seed.tar");
        _cleanup_free_ char *id = xasprintf("disk%u", index);

        add_blockdev(argv, id, path, "raw", true);
        add_disk_device(argv, appliance->seed_bus, pci, index, false);
    }
}

/**
 * nic_mtu() - What the cable at a NIC lets pass
 * @topology:	Topology
 * @node:	Index of the node
 * @nic:	Index of its NIC
 *
 * Return: MTU that was asked for, 0: none was
 */
static unsigned nic_mtu(const struct topology *topology, size_t node, unsigned nic)
{
    for (size_t i = 0; i < topology->link_count; i++)
        for (int end = 0; end < 2; end++)
            if (topology->links[i].ends[end].node == node &&
                topology->links[i].ends[end].nic == nic)
                return topology->links[i].mtu;
    for (size_t i = 0; i < topology->lan_count; i++)
        for (size_t end = 0; end < topology->lans[i].end_count; end++)
            if (topology->lans[i].ends[end].node == node && topology->lans[i].ends[end].nic == nic)
                return topology->lans[i].mtu;
    return 0;
}

/**
 * add_nics() - One tap and one device per NIC
 * @argv:	List
 * @request:	Request
 * @pci:	PCI root bus
 */
static void add_nics(struct argv *argv, const struct qemu_request *request, const char *pci)
{
    const struct node *node = &request->topology->nodes[request->node];
    const unsigned single = SLOT_NIC_MULTI - SLOT_NIC;

    for (unsigned i = 0; i < node->nics; i++) {
        _cleanup_free_ char *address = NULL, *mtu = NULL;
        unsigned wanted = nic_mtu(request->topology, request->node, i);
        char mac[18];

        qemu_mac(request->lab, node->name, i, mac);
        if (i < single)
            address = xasprintf("0x%x", SLOT_NIC + i);
        else
            address = xasprintf("0x%x.0x%x%s", SLOT_NIC_MULTI, i - single,
                                i == single ? ",multifunction=on" : "");
        add(argv, "-netdev");
        add(argv, "tap,id=net%u,fd=%u,vhost=off", i, QEMU_FD_TAP + i);
        add(argv, "-device");
        /* No option ROM: nothing boots from the network, and loading one costs time. */
        /* Only virtio can tell its guest an MTU (virtio 1.1, 5.1.3: VIRTIO_NET_F_MTU). */
        if (wanted && strncmp(request->appliance->nic_model, "virtio", 6) == 0)
            mtu = xasprintf(",host_mtu=%u", wanted);
        add(argv, "%s,id=nic%u,netdev=net%u,mac=%s,bus=%s,addr=%s%s,romfile=",
            request->appliance->nic_model, i, i, mac, pci, address, mtu ? mtu : "");
    }
}

/**
 * add_serials() - QMP and the serial ports, on sockets that the engine listens on already
 * @argv:	List
 * @request:	Request
 */
static void add_serials(struct argv *argv, const struct qemu_request *request)
{
    _cleanup_free_ char *dir = comma(request->run_dir ? request->run_dir : request->node_dir);
    const char *name = request->topology->nodes[request->node].name;

    add(argv, "-chardev");
    add(argv, "socket,id=qmp,fd=%d,server=on,wait=off", QEMU_FD_QMP);
    add(argv, "-mon");
    add(argv, "chardev=qmp,mode=control");
    for (unsigned i = 0; i < request->appliance->serials; i++) {
        /* NODE.0.out is the record and NODE.0.in a FIFO: QEMU writes the one itself, so it is whole
         * even while no engine runs (src/console/follow.c). */
        add(argv, "-chardev");
        add(argv, "pipe,id=serial%u,path=%s/%s.%u", i, dir, name, i);
        add(argv, "-serial");
        add(argv, "chardev:serial%u", i);
    }
}

char **qemu_argv(const struct qemu_request *request)
{
    const struct node *node = &request->topology->nodes[request->node];
    const char *machine = node->machine ? node->machine : request->appliance->machine;
    const char *pci = root_bus(machine);
    struct argv argv = {0};

    add(&argv, "qemu-system-%s", request->appliance->arch);
    add(&argv, "-nodefaults");
    add(&argv, "-no-user-config");
    add(&argv, "-sandbox");
    add(&argv, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    /* Stopped until the engine has its consoles and has set the carriers. */
    add(&argv, "-S");
    add(&argv, "-display");
    add(&argv, "none");
    add(&argv, "-vga");
    add(&argv, "none");
    add(&argv, "-rtc");
    add(&argv, "base=utc");
    add_machine(&argv, request, machine);
    add_boot(&argv, request->appliance);
    add_disks(&argv, request, pci);
    add_nics(&argv, request, pci);
    add_serials(&argv, request);
    array_grow(argv.items, argv.count, argv.capacity);
    argv.items[argv.count] = NULL;
    return argv.items;
}

void qemu_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}
