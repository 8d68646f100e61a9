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
#include "base/strbuf.h"
#include "base/text.h"
#include "engine/qemu_argv_priv.h"

/* Translation buffer of TCG in MiB: QEMU's default grows to a gigabyte in each process. */
#define TB_SIZE_MB 64

#define PSERIES_BLOCK ((uint64_t)256 << 20)

void argv_add(struct argv *argv, const char *format, ...)
{
    va_list args;

    array_grow(argv->items, argv->count, argv->capacity);
    va_start(args, format);
    argv->items[argv->count++] = xvasprintf(format, args);
    va_end(args);
}

char *argv_comma(const char *text)
{
    return text_replace(text, ",", ",,");
}

char *argv_pci(const struct qemu_board *board, unsigned slot, unsigned function, bool many)
{
    if (!board->pci)
        return xstrdup("");
    if (function)
        return xasprintf(",bus=%s,addr=0x%x.0x%x", board->pci, slot, function);
    return xasprintf(",bus=%s,addr=0x%x%s", board->pci, slot, many ? ",multifunction=on" : "");
}

char *argv_controller(struct qemu_board *board)
{
    return argv_pci(board, SLOT_CONTROLLER, board->controllers_added++, board->controllers > 1);
}

char *qemu_disk_path(const char *node_dir, const struct appliance *appliance, size_t index)
{
    const struct appliance_disk *disk = &appliance->disks[index];

    switch (disk->mode) {
    case DISK_COPY:
        return xasprintf("%s/disk%zu.%s", node_dir, index, disk->format ? disk->format : "raw");
    case DISK_OVERLAY:
        return xasprintf("%s/disk%zu.qcow2", node_dir, index);
    case DISK_READONLY:
        break;
    }
    return xstrdup(disk->file);
}

char *qemu_uefi_vars(const char *node_dir)
{
    return path_join(node_dir, "uefi-vars.fd");
}

/**
 * look_at() - What devices must know of a machine
 * @request:	Request
 * @machine:	Machine type
 *
 * Return: board, without its controllers
 */
static struct qemu_board look_at(const struct qemu_request *request, const char *machine)
{
    const char *arch = request->appliance->arch;
    struct qemu_board board = {
        .pc = strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0,
        .arm_or_riscv = strcmp(arch, "aarch64") == 0 || strcmp(arch, "arm") == 0 ||
                        strcmp(arch, "riscv64") == 0,
    };

    board.q35 = board.pc && (strncmp(machine, "q35", 3) == 0 || strstr(machine, "-q35"));
    if (board.q35 || (board.arm_or_riscv && strncmp(machine, "virt", 4) == 0))
        board.pci = "pcie.0";
    else if ((board.pc && strncmp(machine, "pc", 2) == 0) || strncmp(machine, "pseries", 7) == 0)
        board.pci = "pci.0";
    return board;
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
    _cleanup_free_ char *safe_machine = argv_comma(machine);
    const char *cpu = node->cpu_model ? node->cpu_model : appliance->cpu_model;
    _cleanup_strbuf_ struct strbuf properties = STRBUF_INIT;

    /* pSeries machines have memory in blocks of 256 MiB. */
    if (strncmp(machine, "pseries", 7) == 0)
        memory = (memory + PSERIES_BLOCK - 1) / PSERIES_BLOCK * PSERIES_BLOCK;
    strbuf_puts(&properties, "");
    for (size_t i = 0; i < appliance->machine_properties.count; i++)
        strbuf_printf(&properties, ",%s", appliance->machine_properties.items[i]);
    argv_add(argv, "-name");
    argv_add(argv, "guest=%s,debug-threads=on", node->name);
    argv_add(argv, "-machine");
    argv_add(argv, "%s,usb=off,dump-guest-core=off%s%s", safe_machine, properties.data,
             request->uefi_code ? ",pflash0=uefi-code,pflash1=uefi-vars" : "");
    argv_add(argv, "-accel");
    if (request->accel == ACCEL_KVM) {
        argv_add(argv, "kvm");
        if (request->host_cpu && !node->cpu_model)
            cpu = appliance->cpu_kvm ? appliance->cpu_kvm : "host";
    } else {
        argv_add(argv, "tcg,tb-size=%d", TB_SIZE_MB);
    }
    if (cpu) {
        argv_add(argv, "-cpu");
        argv_add(argv, "%s", cpu);
    }
    argv_add(argv, "-smp");
    argv_add(argv, "%u", node->cpus ? node->cpus : appliance->cpus);
    argv_add(argv, "-m");
    argv_add(argv, "size=%" PRIu64 "k", memory >> 10);
}

/**
 * add_append() - The kernel's command line
 * @argv:	List
 * @request:	What is asked for
 *
 * Linux measures the rate of its TSC against the PIT. Under TCG on a busy host that goes wrong
 * ("PIT calibration deviates from HPET: 530231 2594291", and it takes the former), and a guest that
 * was told to trust its TSC then runs at five times the speed: hold timers expire, nothing stays
 * up. The TSC of such a guest is the host's, so it can be told the rate.
 */
static void add_append(struct argv *argv, const struct qemu_request *request)
{
    const struct appliance *appliance = request->appliance;
    bool pc = strcmp(appliance->arch, "x86_64") == 0 || strcmp(appliance->arch, "i386") == 0;

    argv_add(argv, "-append");
    if (request->accel == ACCEL_TCG && pc && request->tsc_khz &&
        strstr(appliance->append, "tsc=reliable"))
        argv_add(argv, "%s tsc_early_khz=%u", appliance->append, request->tsc_khz);
    else
        argv_add(argv, "%s", appliance->append);
}

/**
 * add_boot() - Kernel, or the order of the disks
 * @argv:	List
 * @request:	What is asked for
 */
static void add_boot(struct argv *argv, const struct qemu_request *request)
{
    const struct appliance *appliance = request->appliance;

    /* No boot menu, no delay, and nothing but what is named is tried. */
    argv_add(argv, "-boot");
    argv_add(argv, "strict=on,menu=off,reboot-timeout=0");
    if (appliance->firmware_file) {
        argv_add(argv, "-bios");
        argv_add(argv, "%s", appliance->firmware_file);
    }
    if (!appliance->kernel)
        return;
    argv_add(argv, "-kernel");
    argv_add(argv, "%s", appliance->kernel);
    if (appliance->initrd) {
        argv_add(argv, "-initrd");
        argv_add(argv, "%s", appliance->initrd);
    }
    if (appliance->append)
        add_append(argv, request);
}

void argv_blockdev(struct argv *argv, const char *id, const char *path, const char *driver,
                   bool readonly)
{
    json_t *spec = json_pack("{s:s, s:s, s:b, s:{s:s, s:s}}", "driver", driver, "node-name", id,
                             "read-only", readonly, "file", "driver", "file", "filename", path);
    char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);

    argv_add(argv, "-blockdev");
    argv_add(argv, "%s", text ? text : "");
    free(text);
    json_decref(spec);
}

/**
 * socket_prefix() - What the paths of a node's sockets begin with
 * @request:	Request
 *
 * Return: new text, commas doubled
 */
static char *socket_prefix(const struct qemu_request *request)
{
    const char *name = request->topology->nodes[request->node].name;
    _cleanup_free_ char *plain =
        path_join(request->run_dir ? request->run_dir : request->node_dir, name);

    return argv_comma(plain);
}

/**
 * add_firmware() - UEFI and TPM
 * @argv:	List
 * @request:	Request
 * @board:	Machine
 */
static void add_firmware(struct argv *argv, const struct qemu_request *request,
                         const struct qemu_board *board)
{
    if (request->uefi_code) {
        _cleanup_free_ char *vars = qemu_uefi_vars(request->node_dir);

        argv_blockdev(argv, "uefi-code", request->uefi_code, "raw", true);
        argv_blockdev(argv, "uefi-vars", vars, "raw", false);
    }
    if (request->appliance->tpm) {
        _cleanup_free_ char *prefix = socket_prefix(request);

        argv_add(argv, "-chardev");
        argv_add(argv, "socket,id=tpm,path=%s.tpm", prefix);
        argv_add(argv, "-tpmdev");
        argv_add(argv, "emulator,id=tpm0,chardev=tpm");
        argv_add(argv, "-device");
        argv_add(argv, "%s,tpmdev=tpm0", board->pc ? "tpm-tis" : "tpm-tis-device");
    }
}

/**
 * nic_place() - Where a NIC sits
 * @board:	Machine
 * @model:	Its device
 * @nic:	Which
 *
 * Return: further properties, caller frees
 */
static char *nic_place(const struct qemu_board *board, const char *model, unsigned nic)
{
    const unsigned single = SLOT_NIC_MULTI - SLOT_NIC;

    if (strcmp(model, "virtio-net-device") == 0)
        return xasprintf(",bus=virtio-mmio-bus.%u", nic);
    if (strcmp(model, "spapr-vlan") == 0)
        return xstrdup("");
    if (nic < single)
        return argv_pci(board, SLOT_NIC + nic, 0, false);
    return argv_pci(board, SLOT_NIC_MULTI, nic - single, true);
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
 * @board:	Machine
 */
static void add_nics(struct argv *argv, const struct qemu_request *request,
                     const struct qemu_board *board)
{
    const struct appliance *appliance = request->appliance;
    const struct node *node = &request->topology->nodes[request->node];
    bool network = appliance->boot_order && strchr(appliance->boot_order, 'n');

    for (unsigned i = 0; i < node->nics; i++) {
        const char *model = node->nic_model ? node->nic_model : appliance_nic_model(appliance, i);
        _cleanup_free_ char *place = nic_place(board, model, i);
        _cleanup_free_ char *order = network ? argv_boot_index(appliance, 'n', i) : xstrdup("");
        unsigned wanted = nic_mtu(request->topology, request->node, i);
        _cleanup_free_ char *told = NULL;
        bool rom = strcmp(model, "virtio-net-device") != 0 && strcmp(model, "spapr-vlan") != 0;
        char mac[18];

        qemu_mac(request->lab, node->name, i, mac);
        argv_add(argv, "-netdev");
        argv_add(argv, "tap,id=net%u,fd=%u,vhost=off", i, QEMU_FD_TAP + i);
        argv_add(argv, "-device");
        /* No option ROM unless it boots from the network: loading one costs time. Only virtio can
         * tell its guest an MTU, and has to be told a speed (virtio 1.1, 5.1.3: VIRTIO_NET_F_MTU,
         * VIRTIO_NET_F_SPEED_DUPLEX): ports of unknown duplex take no part in LACP. */
        if (strncmp(model, "virtio", 6) == 0)
            told = wanted ? xasprintf(",speed=1000,duplex=full,host_mtu=%u", wanted)
                          : xstrdup(",speed=1000,duplex=full");
        argv_add(argv, "%s,id=nic%u,netdev=net%u,mac=%s%s%s%s%s", model, i, i, mac, place,
                 told ? told : "", rom && !network ? ",romfile=" : "", order);
    }
}

/**
 * add_serials() - QMP and the serial ports, on sockets that the engine listens on already
 * @argv:	List
 * @request:	Request
 * @board:	Machine
 */
static void add_serials(struct argv *argv, const struct qemu_request *request,
                        struct qemu_board *board)
{
    _cleanup_free_ char *dir = argv_comma(request->run_dir ? request->run_dir : request->node_dir);
    const struct node *node = &request->topology->nodes[request->node];

    argv_add(argv, "-chardev");
    argv_add(argv, "socket,id=qmp,fd=%d,server=on,wait=off", QEMU_FD_QMP);
    argv_add(argv, "-mon");
    argv_add(argv, "chardev=qmp,mode=control");
    for (unsigned i = 0; i < appliance_serials(request->appliance, node); i++) {
        /* NODE.0.out is the record and NODE.0.in a FIFO: QEMU writes the one itself, so it is whole
         * even while no engine runs (src/console/follow.c). */
        argv_add(argv, "-chardev");
        argv_add(argv, "pipe,id=serial%u,path=%s/%s.%u", i, dir, node->name, i);
        if (i > 0 && board->arm_or_riscv) {
            /* These machines have but one port of their own for the guest. */
            _cleanup_free_ char *place = argv_controller(board);

            argv_add(argv, "-device");
            argv_add(argv, "pci-serial,id=uart%u,chardev=serial%u%s", i, i, place);
        } else {
            argv_add(argv, "-serial");
            argv_add(argv, "chardev:serial%u", i);
        }
    }
}

/**
 * uses_usb() - Whether a USB controller is needed
 * @appliance:	Appliance
 *
 * Return: true if so
 */
static bool uses_usb(const struct appliance *appliance)
{
    bool usb = appliance->tablet;

    for (size_t i = 0; i < appliance->options.count; i++)
        usb |= strncmp(appliance->options.items[i], "-device usb-", 12) == 0;
    return usb;
}

/**
 * add_display() - What stands for a screen and a mouse
 * @argv:	List
 * @request:	Request
 * @board:	Machine
 */
static void add_display(struct argv *argv, const struct qemu_request *request,
                        struct qemu_board *board)
{
    const struct appliance *appliance = request->appliance;
    const struct node *node = &request->topology->nodes[request->node];
    const char *vga = appliance_vga(appliance, node);

    if (vga) {
        _cleanup_free_ char *place = argv_pci(board, SLOT_DISPLAY, 0, false);
        const char *device = "VGA";

        if (strcmp(vga, "cirrus") == 0)
            device = "cirrus-vga";
        else if (strcmp(vga, "vmware") == 0)
            device = "vmware-svga";
        else if (strcmp(vga, "virtio") == 0)
            device = board->pc ? "virtio-vga" : "virtio-gpu-pci";
        argv_add(argv, "-device");
        argv_add(argv, "%s,id=vga0%s", device, place);
    }
    if (appliance_display(appliance, node) == DISPLAY_VNC) {
        _cleanup_free_ char *prefix = socket_prefix(request);

        argv_add(argv, "-vnc");
        argv_add(argv, "unix:%s.vnc", prefix);
        if (request->vnc_port) {
            _cleanup_free_ char *file = argv_comma(request->vnc_password);

            argv_add(argv, "-object");
            argv_add(argv, "secret,id=vnc-password,file=%s", file);
            argv_add(argv, "-vnc");
            argv_add(argv, "127.0.0.1:%u,id=tcp,password-secret=vnc-password",
                     request->vnc_port - 5900u);
        }
    }
    if (uses_usb(appliance)) {
        _cleanup_free_ char *place = argv_controller(board);

        argv_add(argv, "-device");
        argv_add(argv, "%s,id=usb%s", board->pc ? "piix3-usb-uhci" : "qemu-xhci", place);
    }
    if (appliance->tablet) {
        argv_add(argv, "-device");
        argv_add(argv, "usb-tablet,id=tablet0,bus=usb.0");
    }
}

/**
 * add_seed_fw_cfg() - The node's configuration as files of the firmware's
 * @argv:	List
 * @request:	Request
 * @seed:	What there is to put in
 */
static void add_seed_fw_cfg(struct argv *argv, const struct qemu_request *request,
                            const struct seed_request *seed)
{
    _cleanup_seed_members_ struct seed_members members = {0};

    seed_plan(seed, &members);
    for (size_t i = 0; i < members.count; i++) {
        _cleanup_free_ char *plain = seed_fw_cfg_path(request->node_dir, i);
        _cleanup_free_ char *path = argv_comma(plain);

        argv_add(argv, "-fw_cfg");
        argv_add(argv, "name=%s,file=%s", members.items[i].name, path);
    }
}

/**
 * add_extras() - Firmware variables, SMBIOS, and what else the definition may ask for
 * @argv:	List
 * @request:	Request
 */
static void add_extras(struct argv *argv, const struct qemu_request *request)
{
    const struct appliance *appliance = request->appliance;
    _cleanup_(node_seed_done) struct node_seed seed =
        node_seed(request->topology, request->lab, request->node, appliance);

    for (size_t i = 0; i < appliance->smbios.count; i++) {
        _cleanup_free_ char *text = seed_expand(&seed.request, appliance->smbios.items[i]);

        argv_add(argv, "-smbios");
        argv_add(argv, "%s", text);
    }
    for (size_t i = 0; i < appliance->fw_cfg_count; i++) {
        _cleanup_free_ char *plain = seed_expand(&seed.request, appliance->fw_cfg[i].text);
        _cleanup_free_ char *text = argv_comma(plain);

        argv_add(argv, "-fw_cfg");
        argv_add(argv, "name=%s,string=%s", appliance->fw_cfg[i].name, text);
    }
    if (appliance->seed == SEED_FW_CFG)
        add_seed_fw_cfg(argv, request, &seed.request);
    for (size_t i = 0; i < appliance->options.count; i++) {
        const char *option = appliance->options.items[i];
        size_t name = strcspn(option, " ");

        argv_add(argv, "%.*s", (int)name, option);
        if (option[name])
            argv_add(argv, "%s", option + name + 1);
    }
}

char **qemu_argv(const struct qemu_request *request)
{
    const struct node *node = &request->topology->nodes[request->node];
    const char *machine = node->machine ? node->machine : request->appliance->machine;
    const struct appliance *appliance = request->appliance;
    struct qemu_board board = look_at(request, machine);
    struct argv argv = {0};

    board.controllers = argv_disk_controllers(appliance, &board) + uses_usb(appliance) +
                        (board.arm_or_riscv ? appliance_serials(appliance, node) - 1 : 0);
    argv_add(&argv, "qemu-system-%s", appliance->arch);
    argv_add(&argv, "-nodefaults");
    argv_add(&argv, "-no-user-config");
    argv_add(&argv, "-sandbox");
    argv_add(&argv, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    /* Stopped until the engine has its consoles and has set the carriers. */
    argv_add(&argv, "-S");
    argv_add(&argv, "-display");
    argv_add(&argv, "none");
    argv_add(&argv, "-vga");
    argv_add(&argv, "none");
    argv_add(&argv, "-rtc");
    argv_add(&argv, "base=%s", appliance->rtc_localtime ? "localtime" : "utc");
    add_machine(&argv, request, machine);
    add_boot(&argv, request);
    add_firmware(&argv, request, &board);
    argv_disks(&argv, request, &board);
    add_nics(&argv, request, &board);
    add_serials(&argv, request, &board);
    add_display(&argv, request, &board);
    add_extras(&argv, request);
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
