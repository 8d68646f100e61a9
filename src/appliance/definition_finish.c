// SPDX-License-Identifier: GPL-2.0-or-later

/* What a definition leaves out, and what must hold of it as a whole. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/definition_priv.h"
#include "appliance/probe.h"
#include "base/alloc.h"

/* What each architecture is when a definition does not say more. */
static const struct {
    const char *arch, *machine, *cpu_model;
    bool pc; /* has IDE and floppy disks, ACPI, VGA */
} arch_defaults[] = {
    {"x86_64", "q35", "qemu64", true},        {"i386", "pc", "qemu32", true},
    {"aarch64", "virt", "cortex-a57", false}, {"arm", "virt", "cortex-a15", false},
    {"ppc64", "pseries", "power9", false},    {"riscv64", "virt", "rv64", false},
};

/**
 * set_default() - Give a string field a value if it has none
 * @text:	Field
 * @value:	Value
 */
static void set_default(char **text, const char *value)
{
    if (!*text)
        *text = xstrdup(value);
}

bool definition_is_pc(const char *arch)
{
    for (size_t i = 0; arch && i < ARRAY_SIZE(arch_defaults); i++)
        if (strcmp(arch_defaults[i].arch, arch) == 0)
            return arch_defaults[i].pc;
    return true;
}

unsigned definition_bus_units(const struct appliance *appliance, enum disk_bus bus)
{
    bool q35 = appliance->machine && strstr(appliance->machine, "q35");

    switch (bus) {
    case DISK_IDE:
        return q35 ? 6 : 4;
    case DISK_SATA:
        return 6;
    case DISK_FLOPPY:
        return 2;
    case DISK_NVME:
        return 4;
    case DISK_SCSI:
    case DISK_VIRTIO:
        break;
    }
    return APPLIANCE_DISKS_MAX;
}

/**
 * place_disk() - Give a disk its place on its bus
 * @appliance:	Appliance
 * @index:	Disk; those before it have theirs
 * @at:		Where it stands
 * @d:		Gets the faults
 */
static void place_disk(struct appliance *appliance, size_t index, struct location at,
                       struct diagnostics *d)
{
    struct appliance_disk *disk = &appliance->disks[index];
    bool wanted = disk->unit != DISK_UNIT_NEXT, taken = true;
    unsigned unit = wanted ? disk->unit : 0;
    /* On q35 what is called IDE hangs on the same AHCI ports as SATA. */
    bool shared = appliance->machine && strstr(appliance->machine, "q35");

    for (; taken; unit++) {
        taken = false;
        for (size_t i = 0; i < index; i++) {
            enum disk_bus bus = appliance->disks[i].bus;
            bool same = bus == disk->bus || (shared && (bus == DISK_IDE || bus == DISK_SATA) &&
                                             (disk->bus == DISK_IDE || disk->bus == DISK_SATA));

            taken |= same && appliance->disks[i].unit == unit;
        }
        if (!taken)
            break;
        if (wanted) {
            diagnostics_add(d, at, "unit: another disk has place %u of that bus", unit);
            return;
        }
    }
    disk->unit = unit;
    if (unit >= definition_bus_units(appliance, disk->bus))
        diagnostics_add(d, at, "the bus '%s' has room for %u disks",
                        definition_bus_words[disk->bus],
                        definition_bus_units(appliance, disk->bus));
}

/**
 * finish_disks() - Place the disks, look at their files, check them
 * @appliance:	Appliance
 * @list:	The list, or NULL
 * @d:		Gets the faults
 */
static void finish_disks(struct appliance *appliance, const struct yaml_node *list,
                         struct diagnostics *d)
{
    bool pc = definition_is_pc(appliance->arch);

    for (size_t i = 0; i < appliance->disk_count; i++) {
        struct appliance_disk *disk = &appliance->disks[i];
        struct location at = list->items[i]->at;
        _cleanup_error_ struct error err = ERROR_INIT;
        struct image_probe probe;

        if (!pc && (disk->bus == DISK_IDE || disk->bus == DISK_FLOPPY))
            diagnostics_add(d, at, "%s machines have no %s bus: virtio, scsi, sata or nvme",
                            appliance->arch, definition_bus_words[disk->bus]);
        if (disk->kind == DISK_CDROM &&
            (disk->bus == DISK_VIRTIO || disk->bus == DISK_NVME || disk->bus == DISK_FLOPPY))
            diagnostics_add(d, at, "a CD-ROM drive hangs on ide, sata or scsi");
        if (disk->kind == DISK_HARD && disk->mode == DISK_READONLY &&
            (disk->bus == DISK_IDE || disk->bus == DISK_SATA))
            diagnostics_add(d, at,
                            "an %s disk cannot be read-only: use mode overlay or "
                            "kind cdrom",
                            definition_bus_words[disk->bus]);
        if (!disk->file && disk->mode != DISK_OVERLAY)
            diagnostics_add(d, at, "an empty disk is each node's own: leave 'mode' and 'kind' out");
        place_disk(appliance, i, at, d);
        if (!disk->file || access(disk->file, F_OK) < 0)
            continue;
        if (image_probe_file(disk->file, &probe, &err) < 0)
            diagnostics_add(d, at, "%s", error_message(&err));
        else
            disk->format = probe.driver;
        if (disk->size && disk->mode != DISK_OVERLAY)
            diagnostics_add(d, at, "'size' is for overlays and for empty disks");
    }
}

/**
 * finish_nics() - Check the NICs
 * @appliance:	Appliance
 * @nics:	Their mapping, or NULL
 * @d:		Gets the faults
 */
static void finish_nics(struct appliance *appliance, const struct yaml_node *nics,
                        struct diagnostics *d)
{
    set_default(&appliance->nic_model, "virtio-net-pci");
    set_default(&appliance->nic_name, "eth{0}");
    if (!yaml_map_get(nics, "max") && appliance->nic_max < appliance->nic_count)
        appliance->nic_max = appliance->nic_count;
    if (nics && appliance->nic_count > appliance->nic_max)
        diagnostics_add(d, nics->at, "nics: 'count' is more than 'max'");
    for (size_t i = 0; i < appliance->port_count; i++)
        for (size_t j = 0; j < i; j++)
            if (appliance->ports[i].nic == appliance->ports[j].nic)
                diagnostics_add(d, nics->at, "nics: ports: NIC %u is there twice",
                                appliance->ports[i].nic);
}

/**
 * finish_boot() - Check what it boots from
 * @appliance:	Appliance
 * @root:	The file's mapping
 * @d:		Gets the faults
 */
static void finish_boot(struct appliance *appliance, const struct yaml_node *root,
                        struct diagnostics *d)
{
    const struct yaml_node *boot = yaml_map_get(root, "boot");
    bool kernel = boot && yaml_map_get(boot, "kernel"), order = boot && yaml_map_get(boot, "order");
    bool network = appliance->boot_order && strchr(appliance->boot_order, 'n');
    const char *letters = appliance->boot_order ? appliance->boot_order : "";

    if (boot && boot->kind == YAML_MAP && !kernel &&
        (!order || yaml_map_get(boot, "initrd") || yaml_map_get(boot, "append")))
        diagnostics_add(d, boot->at, "boot: needs 'kernel'; to boot from a disk, leave boot out");
    for (size_t i = 0; letters[i]; i++)
        if (!strchr("cdn", letters[i]) || strchr(letters + i + 1, letters[i])) {
            diagnostics_add(d, boot->at,
                            "boot: 'order' is made of c (disks), d (CD-ROMs) and n (network), each "
                            "once");
            break;
        }
    if (!kernel && !network && !appliance->disk_count)
        diagnostics_add(d, root->at, "the definition has neither 'boot' nor 'disks'");
    if (appliance->tpm && !definition_is_pc(appliance->arch) &&
        strcmp(appliance->arch, "aarch64") != 0)
        diagnostics_add(d, root->at, "firmware: no TPM on %s", appliance->arch);
    /* QEMU (7.2) puts the initrd at the end of memory, less room for the BIOS's tables that does
     * not count the TPM's log of 64 KiB: the guest finds no ACPI then, and no TPM ("Invalid table
     * length 0x2 in RSDT"). Without an initrd the same Linux finds both. */
    if (appliance->tpm && definition_is_pc(appliance->arch) && kernel &&
        yaml_map_get(boot, "initrd") && appliance->firmware != FIRMWARE_UEFI)
        diagnostics_add(d, root->at,
                        "firmware: the initrd would lie on the BIOS's ACPI tables if there were a "
                        "TPM; say 'type: uefi', or boot from a disk");
    if (appliance->firmware == FIRMWARE_UEFI && appliance->firmware_file)
        diagnostics_add(d, root->at, "firmware: either 'type: uefi' or a 'file' of its own");
    if (appliance->firmware == FIRMWARE_UEFI && appliance->arch &&
        strcmp(appliance->arch, "x86_64") != 0 && strcmp(appliance->arch, "aarch64") != 0)
        diagnostics_add(d, root->at, "firmware: UEFI is for x86_64 and aarch64");
}

/**
 * finish_save() - Check how the configuration is fetched
 * @appliance:	Appliance
 * @save:	Its mapping, or NULL
 * @d:		Gets the faults
 */
static void finish_save(const struct appliance *appliance, const struct yaml_node *save,
                        struct diagnostics *d)
{
    if (!save || save->kind != YAML_MAP)
        return;
    if (!yaml_map_get(save, "commands"))
        diagnostics_add(d, save->at, "save: needs 'commands'");
    if (appliance->save_serial >= appliance->serials)
        diagnostics_add(d, save->at, "save: 'serial' is %u, and there are %u serial ports",
                        appliance->save_serial, appliance->serials);
    if (appliance->save_serial == 0 && !appliance->exec_prompt)
        diagnostics_add(d, save->at,
                        "save: without exec: {prompt: …} the end of a command cannot be told");
}

/**
 * finish_ready() - Check what shows that the guest is up
 * @appliance:	Appliance
 * @ready:	Its mapping, or NULL
 * @d:		Gets the faults
 */
static void finish_ready(const struct appliance *appliance, const struct yaml_node *ready,
                         struct diagnostics *d)
{
    if (ready && ready->kind == YAML_MAP && !appliance->exec_prompt &&
        (appliance->ready_prompt || appliance->ready_probe))
        diagnostics_add(d, ready->at, "ready: '%s' needs exec: {prompt: …}",
                        appliance->ready_prompt ? "prompt" : "probe");
}

void definition_finish(struct appliance *appliance, const struct yaml_node *root,
                       struct diagnostics *d)
{
    static const char *const required[] = {"name", "arch", "memory"};
    const struct yaml_node *memory = yaml_map_get(root, "memory");

    for (size_t i = 0; i < ARRAY_SIZE(required); i++)
        if (!yaml_map_get(root, required[i]))
            diagnostics_add(d, root->at, "the definition has no '%s'", required[i]);
    if (memory && memory->kind == YAML_MAP && !yaml_map_get(memory, "default"))
        diagnostics_add(d, memory->at, "memory: needs 'default'");
    else if (memory && appliance->memory_bytes < appliance->memory_least)
        diagnostics_add(d, memory->at, "memory: 'default' is less than 'least'");
    for (size_t i = 0; appliance->arch && i < ARRAY_SIZE(arch_defaults); i++) {
        if (strcmp(arch_defaults[i].arch, appliance->arch) == 0) {
            set_default(&appliance->machine, arch_defaults[i].machine);
            set_default(&appliance->cpu_model, arch_defaults[i].cpu_model);
        }
    }
    set_default(&appliance->description, "");
    set_default(&appliance->scsi_model, "virtio-scsi-pci");
    if (appliance->display != DISPLAY_NONE)
        set_default(&appliance->vga, definition_is_pc(appliance->arch) ? "std" : "virtio");
    finish_boot(appliance, root, d);
    finish_disks(appliance, yaml_map_get(root, "disks"), d);
    finish_nics(appliance, yaml_map_get(root, "nics"), d);
    finish_ready(appliance, yaml_map_get(root, "ready"), d);
    finish_save(appliance, yaml_map_get(root, "save"), d);
    definition_finish_seed(appliance, root, d);
    if (appliance->stop_command && !yaml_map_get(yaml_map_get(root, "stop"), "method"))
        appliance->stop = STOP_CONSOLE;
    if ((appliance->stop == STOP_CONSOLE) != (appliance->stop_command != NULL))
        diagnostics_add(d, yaml_map_get(root, "stop")->at,
                        "stop: 'method: console' and 'console: COMMAND' belong together");
}

size_t appliance_missing(const struct appliance *appliance)
{
    size_t missing = 0;

    for (size_t i = 0; i < appliance->file_count; i++)
        missing += appliance->files[i].missing;
    return missing;
}

const char *appliance_disk_bus_word(enum disk_bus bus)
{
    return definition_bus_words[bus];
}

const char *appliance_disk_mode_word(enum disk_mode mode)
{
    return definition_mode_words[mode];
}

/**
 * text_list_done() - Free a list's items
 * @list:	List
 */
static void text_list_done(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

void appliance_free(struct appliance *appliance)
{
    if (!appliance)
        return;
    for (size_t i = 0; i < appliance->disk_count; i++)
        free(appliance->disks[i].file);
    for (size_t i = 0; i < appliance->file_count; i++) {
        free(appliance->files[i].name);
        free(appliance->files[i].md5);
        free(appliance->files[i].url);
    }
    for (size_t i = 0; i < appliance->port_count; i++) {
        free(appliance->ports[i].name);
        free(appliance->ports[i].model);
    }
    for (size_t i = 0; i < appliance->fw_cfg_count; i++) {
        free(appliance->fw_cfg[i].name);
        free(appliance->fw_cfg[i].text);
    }
    for (size_t i = 0; i < appliance->seed_file_count; i++) {
        free(appliance->seed_files[i].name);
        free(appliance->seed_files[i].text);
    }
    text_list_done(&appliance->machine_properties);
    text_list_done(&appliance->smbios);
    text_list_done(&appliance->options);
    text_list_done(&appliance->save_before);
    text_list_done(&appliance->save_commands);
    text_list_done(&appliance->save_strip);
    text_list_done(&appliance->seed_before);
    text_list_done(&appliance->seed_after);
    char *const owned[] = {
        appliance->name,         appliance->description, appliance->license,
        appliance->dir,          appliance->arch,        appliance->machine,
        appliance->cpu_model,    appliance->cpu_kvm,     appliance->firmware_file,
        appliance->kernel,       appliance->initrd,      appliance->append,
        appliance->boot_order,   appliance->scsi_model,  appliance->nic_model,
        appliance->nic_name,     appliance->nic_first,   appliance->vga,
        appliance->user,         appliance->password,    appliance->ready,
        appliance->exec_prompt,  appliance->exec_error,  appliance->exec_status,
        appliance->stop_command, appliance->save_from,   appliance->save_to,
        appliance->seed_label,   appliance->seed_prompt, appliance->ready_probe,
        appliance->exec_pager,
    };
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    free(appliance->disks);
    free(appliance->files);
    free(appliance->ports);
    free(appliance->fw_cfg);
    free(appliance->seed_files);
    free(appliance);
}
