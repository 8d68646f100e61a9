// SPDX-License-Identifier: GPL-2.0-or-later

/* The reader of appliance.yaml.
 *
 * The file is read as a topology is: a tree with places, then tables of keys straight into struct
 * appliance, every fault noted, and at the end finish() fills in what was left out and checks the
 * whole. An image may come from a stranger, so a definition can name no file outside its own folder
 * (not by "..", not by an absolute path, not by a symbolic link), no QEMU option beyond a list of
 * words, and no regular expression that would take the engine's memory or time (pattern.c). */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/definition_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/units.h"

enum {
    DEFINITION_MAX = 256 << 10,
    SERIALS_MAX = 4,
    NICS_DEFAULT_MAX = 28,
    CPUS_MAX = 255,
    UNITS_MAX = 15,
};

#define SECOND_NS     ((uint64_t)1000000000)
#define MEMORY_MIN    ((uint64_t)1 << 20)
#define MEMORY_MAX    ((uint64_t)16 << 40)
#define SIZE_MAX_DISK ((uint64_t)64 << 40)

const char *const definition_arch_words[] = {"x86_64", "i386",    "aarch64", "arm",
                                             "ppc64",  "riscv64", NULL};

const char *const definition_bus_words[] = {[DISK_VIRTIO] = "virtio",
                                            [DISK_IDE] = "ide",
                                            [DISK_SATA] = "sata",
                                            [DISK_SCSI] = "scsi",
                                            [DISK_NVME] = "nvme",
                                            [DISK_FLOPPY] = "floppy",
                                            NULL};
static_assert(ARRAY_SIZE(definition_bus_words) == DISK_FLOPPY + 2, "one word for each bus");

const char *const definition_mode_words[] = {
    [DISK_READONLY] = "readonly", [DISK_COPY] = "copy", [DISK_OVERLAY] = "overlay", NULL};
static_assert(ARRAY_SIZE(definition_mode_words) == DISK_OVERLAY + 2, "one word for each mode");

static const char *const kind_words[] = {[DISK_HARD] = "disk", [DISK_CDROM] = "cdrom", NULL};
static_assert(ARRAY_SIZE(kind_words) == DISK_CDROM + 2, "one word for each kind");

static const char *const scsi_words[] = {"virtio-scsi-pci", "lsi53c895a", "megasas",
                                         "mptsas1068",      "pvscsi",     NULL};

static const char *const firmware_words[] = {
    [FIRMWARE_BIOS] = "bios", [FIRMWARE_UEFI] = "uefi", NULL};
static_assert(ARRAY_SIZE(firmware_words) == FIRMWARE_UEFI + 2, "one word for each type");

static const char *const display_words[] = {[DISPLAY_NONE] = "none", [DISPLAY_VNC] = "vnc", NULL};
static_assert(ARRAY_SIZE(display_words) == DISPLAY_VNC + 2, "one word for each type");

static const char *const vga_words[] = {"std", "cirrus", "vmware", "virtio", NULL};
static const char *const rtc_words[] = {"utc", "localtime", NULL};

static const char *const accel_words[] = {
    [ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg", NULL};
static_assert(ARRAY_SIZE(accel_words) == ACCEL_TCG + 2, "one word for each accelerator");

static const char *const stop_words[] = {
    [STOP_ACPI] = "acpi", [STOP_QUIT] = "quit", [STOP_CONSOLE] = "console", NULL};
static_assert(ARRAY_SIZE(stop_words) == STOP_CONSOLE + 2, "one word for each method");

static YAML_READER(read_rtc);

#define FIELD(name) .offset = offsetof(struct appliance, name)

static const struct yaml_key cpu_keys[] = {
    {.name = "count", .read = yaml_read_unsigned, FIELD(cpus), .least = 1, .most = CPUS_MAX},
    {.name = "model", .read = yaml_read_qemu_name, FIELD(cpu_model)},
    {.name = "kvm", .read = yaml_read_qemu_name, FIELD(cpu_kvm)},
};
static const struct yaml_keys cpu_map = {"cpu", cpu_keys, ARRAY_SIZE(cpu_keys)};

static const struct yaml_key memory_keys[] = {
    {.name = "default",
     .read = yaml_read_size,
     FIELD(memory_bytes),
     .least = MEMORY_MIN,
     .most = MEMORY_MAX},
    {.name = "least",
     .read = yaml_read_size,
     FIELD(memory_least),
     .least = MEMORY_MIN,
     .most = MEMORY_MAX},
};
static const struct yaml_keys memory_map = {"memory", memory_keys, ARRAY_SIZE(memory_keys)};

static const struct yaml_key boot_keys[] = {
    {.name = "kernel", .read = definition_read_file, FIELD(kernel)},
    {.name = "initrd", .read = definition_read_file, FIELD(initrd)},
    {.name = "append", .read = yaml_read_text, FIELD(append)},
    {.name = "order", .read = yaml_read_text, FIELD(boot_order)},
};
static const struct yaml_keys boot_map = {"boot", boot_keys, ARRAY_SIZE(boot_keys)};

#define DISK(name) .offset = offsetof(struct appliance_disk, name)

static const struct yaml_key disk_keys[] = {
    {.name = "file", .read = definition_read_file, DISK(file)},
    {.name = "bus", .read = yaml_read_word, DISK(bus), .words = definition_bus_words},
    {.name = "mode", .read = yaml_read_word, DISK(mode), .words = definition_mode_words},
    {.name = "kind", .read = yaml_read_word, DISK(kind), .words = kind_words},
    {.name = "size",
     .read = yaml_read_size,
     DISK(size),
     .least = MEMORY_MIN,
     .most = SIZE_MAX_DISK},
    {.name = "unit", .read = yaml_read_unsigned, DISK(unit), .most = UNITS_MAX},
};
const struct yaml_keys definition_disk_map = {"disk", disk_keys, ARRAY_SIZE(disk_keys)};

#define FILE_FIELD(name) .offset = offsetof(struct appliance_file, name)

static const struct yaml_key file_keys[] = {
    {.name = "name", .read = definition_read_file_name, FILE_FIELD(name)},
    {.name = "md5", .read = definition_read_md5, FILE_FIELD(md5)},
    {.name = "bytes", .read = yaml_read_size, FILE_FIELD(bytes), .least = 1, .most = SIZE_MAX_DISK},
    {.name = "url", .read = yaml_read_text, FILE_FIELD(url)},
};
const struct yaml_keys definition_file_map = {"image_file", file_keys, ARRAY_SIZE(file_keys)};

#define PORT(name) .offset = offsetof(struct appliance_port, name)

static const struct yaml_key port_keys[] = {
    {.name = "nic", .read = yaml_read_unsigned, PORT(nic), .most = APPLIANCE_NICS_MAX - 1},
    {.name = "name", .read = definition_read_port_name, PORT(name)},
    {.name = "model", .read = definition_read_word, PORT(model), .words = topology_nic_models},
};
const struct yaml_keys definition_port_map = {"port", port_keys, ARRAY_SIZE(port_keys)};

static const struct yaml_key fw_cfg_keys[] = {
    {.name = "name", .read = yaml_read_text, .offset = offsetof(struct fw_cfg_item, name)},
    {.name = "text", .read = yaml_read_text, .offset = offsetof(struct fw_cfg_item, text)},
};
const struct yaml_keys definition_fw_cfg_map = {"fw_cfg", fw_cfg_keys, ARRAY_SIZE(fw_cfg_keys)};

static const struct yaml_key firmware_keys[] = {
    {.name = "type", .read = yaml_read_word, FIELD(firmware), .words = firmware_words},
    {.name = "file", .read = definition_read_file, FIELD(firmware_file)},
    {.name = "tpm", .read = definition_read_flag, FIELD(tpm)},
};
static const struct yaml_keys firmware_map = {"firmware", firmware_keys, ARRAY_SIZE(firmware_keys)};

static const struct yaml_key display_keys[] = {
    {.name = "type", .read = yaml_read_word, FIELD(display), .words = display_words},
    {.name = "vga", .read = definition_read_word, FIELD(vga), .words = vga_words},
    {.name = "tablet", .read = definition_read_flag, FIELD(tablet)},
};
static const struct yaml_keys display_map = {"display", display_keys, ARRAY_SIZE(display_keys)};

static const struct yaml_key login_keys[] = {
    {.name = "user", .read = yaml_read_text, FIELD(user)},
    {.name = "password", .read = yaml_read_text, FIELD(password)},
};
static const struct yaml_keys login_map = {"login", login_keys, ARRAY_SIZE(login_keys)};

static const struct yaml_key nics_keys[] = {
    {.name = "model", .read = definition_read_word, FIELD(nic_model), .words = topology_nic_models},
    {.name = "count", .read = yaml_read_unsigned, FIELD(nic_count), .most = APPLIANCE_NICS_MAX},
    {.name = "max", .read = yaml_read_unsigned, FIELD(nic_max), .most = APPLIANCE_NICS_MAX},
    {.name = "name", .read = definition_read_port_format, FIELD(nic_name)},
    {.name = "first", .read = definition_read_port_name, FIELD(nic_first)},
    {.name = "segment", .read = yaml_read_unsigned, FIELD(nic_segment), .most = 1024},
    {.name = "ports", .read = definition_read_ports},
};
static const struct yaml_keys nics_map = {"nics", nics_keys, ARRAY_SIZE(nics_keys)};

static const struct yaml_key ready_keys[] = {
    {.name = "console", .read = definition_read_any_rule, FIELD(ready)},
    {.name = "prompt", .read = definition_read_flag, FIELD(ready_prompt)},
    {.name = "probe", .read = yaml_read_text, FIELD(ready_probe)},
    {.name = "quiet",
     .read = yaml_read_duration,
     FIELD(ready_quiet_ns),
     .least = SECOND_NS,
     .most = 3600 * SECOND_NS},
    {.name = "timeout",
     .read = yaml_read_duration,
     FIELD(ready_timeout_ns),
     .least = SECOND_NS,
     .most = 24 * 3600 * SECOND_NS},
};
static const struct yaml_keys ready_map = {"ready", ready_keys, ARRAY_SIZE(ready_keys)};

static const struct yaml_key exec_keys[] = {
    {.name = "prompt", .read = definition_read_rule, FIELD(exec_prompt)},
    {.name = "error", .read = definition_read_rule, FIELD(exec_error)},
    {.name = "status", .read = yaml_read_text, FIELD(exec_status)},
    {.name = "pager", .read = definition_read_rule, FIELD(exec_pager)},
};
static const struct yaml_keys exec_map = {"exec", exec_keys, ARRAY_SIZE(exec_keys)};

static const struct yaml_key save_keys[] = {
    {.name = "before", .read = definition_read_commands, FIELD(save_before)},
    {.name = "commands", .read = definition_read_commands, FIELD(save_commands)},
    {.name = "serial", .read = yaml_read_unsigned, FIELD(save_serial), .most = SERIALS_MAX - 1},
    {.name = "from", .read = definition_read_rule, FIELD(save_from)},
    {.name = "to", .read = definition_read_rule, FIELD(save_to)},
    {.name = "strip", .read = definition_read_rules, FIELD(save_strip)},
};
static const struct yaml_keys save_map = {"save", save_keys, ARRAY_SIZE(save_keys)};

static const struct yaml_key stop_keys[] = {
    {.name = "method", .read = yaml_read_word, FIELD(stop), .words = stop_words},
    {.name = "console", .read = yaml_read_text, FIELD(stop_command)},
    {.name = "timeout",
     .read = yaml_read_duration,
     FIELD(stop_timeout_ns),
     .least = 0,
     .most = 3600 * SECOND_NS},
};
static const struct yaml_keys stop_map = {"stop", stop_keys, ARRAY_SIZE(stop_keys)};

static const struct yaml_key appliance_keys[] = {
    {.name = "name", .read = yaml_read_name, FIELD(name)},
    {.name = "description", .read = yaml_read_paragraph, FIELD(description)},
    {.name = "license", .read = yaml_read_paragraph, FIELD(license)},
    {.name = "arch", .read = definition_read_word, FIELD(arch), .words = definition_arch_words},
    {.name = "machine", .read = yaml_read_qemu_name, FIELD(machine)},
    {.name = "machine_properties", .read = definition_read_list, FIELD(machine_properties)},
    {.name = "accel", .read = yaml_read_word, FIELD(accel), .words = accel_words},
    {.name = "cpu", .read = yaml_read_keys, .keys = &cpu_map},
    {.name = "memory", .read = yaml_read_keys, .keys = &memory_map},
    {.name = "boot", .read = yaml_read_keys, .keys = &boot_map},
    {.name = "firmware", .read = yaml_read_keys, .keys = &firmware_map},
    {.name = "disks", .read = definition_read_disks},
    {.name = "scsi", .read = definition_read_word, FIELD(scsi_model), .words = scsi_words},
    {.name = "files", .read = definition_read_files},
    {.name = "seed", .read = yaml_read_keys, .keys = &definition_seed_map},
    {.name = "nics", .read = yaml_read_keys, .keys = &nics_map},
    {.name = "serials",
     .read = yaml_read_unsigned,
     FIELD(serials),
     .least = 1,
     .most = SERIALS_MAX},
    {.name = "display", .read = yaml_read_keys, .keys = &display_map},
    {.name = "rtc", .read = read_rtc, FIELD(rtc_localtime), .words = rtc_words},
    {.name = "smbios", .read = definition_read_list, FIELD(smbios)},
    {.name = "fw_cfg", .read = definition_read_fw_cfg},
    {.name = "options", .read = definition_read_options, FIELD(options)},
    {.name = "login", .read = yaml_read_keys, .keys = &login_map},
    {.name = "ready", .read = yaml_read_keys, .keys = &ready_map},
    {.name = "exec", .read = yaml_read_keys, .keys = &exec_map},
    {.name = "save", .read = yaml_read_keys, .keys = &save_map},
    {.name = "stop", .read = yaml_read_keys, .keys = &stop_map},
    {.name = "restart", .read = yaml_read_choice, FIELD(restart), .words = topology_restart_words},
};
static const struct yaml_keys appliance_map = {"appliance", appliance_keys,
                                               ARRAY_SIZE(appliance_keys)};

const struct yaml_keys *const *appliance_map_types(size_t *ret_count)
{
    static const struct yaml_keys *const types[] = {
        &appliance_map,
        &cpu_map,
        &memory_map,
        &boot_map,
        &firmware_map,
        &definition_disk_map,
        &definition_file_map,
        &definition_seed_map,
        &definition_seed_file_map,
        &nics_map,
        &definition_port_map,
        &display_map,
        &definition_fw_cfg_map,
        &login_map,
        &ready_map,
        &exec_map,
        &save_map,
        &stop_map,
    };

    *ret_count = ARRAY_SIZE(types);
    return types;
}

/**
 * read_rtc() - Read what the clock shows
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_rtc)
{
    struct yaml_key word = *key;
    unsigned index = 0;

    word.offset = 0;
    yaml_read_word(reader, &word, &index, value);
    ((struct appliance *)target)->rtc_localtime = index == 1;
}

/**
 * faults_error() - All faults as one error
 * @path:	The file
 * @d:		Faults
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int faults_error(const char *path, const struct diagnostics *d, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < d->count; i++)
        strbuf_printf(&text, "%s%s:%u:%u: %s", i ? "\n" : "", path, d->items[i].at.line,
                      d->items[i].at.column, d->items[i].text);
    return error_input(err, "%s", text.data);
}

int appliance_parse(const char *path, const char *data, size_t size,
                    struct appliance **ret_appliance, struct error *err)
{
    _cleanup_appliance_ struct appliance *appliance = xnew0(struct appliance, 1);
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_free_ char *dir = path_dirname(path);
    struct definition definition = {.appliance = appliance};
    struct yaml_reader reader = {.diagnostics = &d, .context = &definition};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;

    appliance->dir = realpath(dir, NULL);
    if (!appliance->dir)
        return error_errno(err, errno, "%s", dir);
    appliance->cpus = 1;
    appliance->serials = 1;
    appliance->nic_count = 1;
    appliance->nic_max = NICS_DEFAULT_MAX;
    appliance->ready_timeout_ns = 120 * SECOND_NS;
    appliance->stop_timeout_ns = 10 * SECOND_NS;
    appliance->seed_timeout_ns = 30 * SECOND_NS;
    definition.dir = appliance->dir;
    if (size > DEFINITION_MAX)
        return error_input(err, "%s: %zu bytes; at most %d are accepted", path, size,
                           DEFINITION_MAX);
    if (yaml_tree_parse(data, size, &tree, &d) == 0 &&
        yaml_expect(&reader, yaml_tree_root(tree), YAML_MAP, "an appliance's definition", NULL)) {
        definition_files(&reader, yaml_tree_root(tree));
        yaml_read_map(&reader, &appliance_map, appliance, yaml_tree_root(tree));
        definition_finish(appliance, yaml_tree_root(tree), &d);
    }
    diagnostics_finish(&d);
    if (d.count)
        return faults_error(path, &d, err);
    *ret_appliance = steal_ptr(appliance);
    return 0;
}

int appliance_read(const char *path, struct appliance **ret_appliance, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    size_t size = 0;
    int r = file_read(path, DEFINITION_MAX, &data, &size, err);

    if (r < 0)
        return r;
    return appliance_parse(path, data, size, ret_appliance, err);
}
