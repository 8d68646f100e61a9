// SPDX-License-Identifier: GPL-2.0-or-later

/* What a node of a topology says instead of its image: screen, firmware, serial ports. Everyone who
 * starts, watches or shows a node asks here, so that the definition alone is asked nowhere. Whether
 * the machine can do what is said is told when the topology is read, with its place in the file;
 * the rules are those of the definition (definition_finish.c). */

#include <errno.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"

unsigned appliance_serials(const struct appliance *appliance, const struct node *node)
{
    return node->serials ? node->serials : appliance->serials;
}

enum display_type appliance_display(const struct appliance *appliance, const struct node *node)
{
    if (node->display == NODE_DISPLAY_IMAGE)
        return appliance->display;
    return node->display == NODE_DISPLAY_VNC ? DISPLAY_VNC : DISPLAY_NONE;
}

enum firmware_type appliance_firmware(const struct appliance *appliance, const struct node *node)
{
    if (node->firmware == NODE_FIRMWARE_IMAGE)
        return appliance->firmware;
    return node->firmware == NODE_FIRMWARE_UEFI ? FIRMWARE_UEFI : FIRMWARE_BIOS;
}

/**
 * is_pc() - Whether an image is for PCs
 * @appliance:	Appliance
 *
 * Return: true if so
 */
static bool is_pc(const struct appliance *appliance)
{
    return strcmp(appliance->arch, "x86_64") == 0 || strcmp(appliance->arch, "i386") == 0;
}

const char *appliance_vga(const struct appliance *appliance, const struct node *node)
{
    if (appliance->vga || appliance_display(appliance, node) == DISPLAY_NONE)
        return appliance->vga;
    return is_pc(appliance) ? "std" : "virtio";
}

/**
 * has_pci() - Whether a machine has a PCI bus that we know
 * @machine:	QEMU's machine type
 *
 * Return: true if so
 */
static bool has_pci(const char *machine)
{
    static const char *const types[] = {"q35", "pc", "virt", "pseries"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strncmp(machine, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

/**
 * serials_fit() - Check a number of serial ports
 * @appliance:	Appliance
 * @node:	Node
 * @machine:	Machine type
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int serials_fit(const struct appliance *appliance, const struct node *node,
                       const char *machine, struct error *err)
{
    if (appliance->save_commands.count && node->serials <= appliance->save_serial)
        return error_input(err,
                           "image '%s' tells its configuration on serial port %u: there must be "
                           "at least %u",
                           appliance->name, appliance->save_serial, appliance->save_serial + 1);
    if (node->serials > appliance->serials && !is_pc(appliance) && !has_pci(machine))
        return error_input(err, "machine '%s' has no room for more than %u serial ports", machine,
                           appliance->serials);
    return 0;
}

/**
 * display_fits() - Check a screen
 * @appliance:	Appliance
 * @node:	Node
 * @machine:	Machine type
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int display_fits(const struct appliance *appliance, const struct node *node,
                        const char *machine, struct error *err)
{
    if (node->display == NODE_DISPLAY_VNC && !appliance->vga && !has_pci(machine))
        return error_input(err, "machine '%s' has no PCI bus for a graphics card", machine);
    return 0;
}

/**
 * bios_fits() - Check that an image can do without UEFI
 * @appliance:	Appliance
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int bios_fits(const struct appliance *appliance, struct error *err)
{
    if (appliance->firmware != FIRMWARE_UEFI)
        return 0;
    if (!is_pc(appliance) && !appliance->kernel)
        return error_input(err, "%s machines have no BIOS to boot image '%s' from its disks",
                           appliance->arch, appliance->name);
    if (appliance->tpm && appliance->initrd && is_pc(appliance))
        return error_input(err,
                           "image '%s' has a TPM and an initrd, which needs UEFI: the initrd would "
                           "lie on the BIOS's ACPI tables",
                           appliance->name);
    return 0;
}

/**
 * uefi_fits() - Check that an image can have UEFI
 * @appliance:	Appliance
 * @machine:	Machine type
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int uefi_fits(const struct appliance *appliance, const char *machine, struct error *err)
{
    bool arm = strcmp(appliance->arch, "aarch64") == 0;

    if (!arm && strcmp(appliance->arch, "x86_64") != 0)
        return error_input(err, "UEFI is for x86_64 and aarch64, image '%s' is for %s",
                           appliance->name, appliance->arch);
    if (appliance->firmware_file)
        return error_input(err, "image '%s' has a firmware of its own", appliance->name);
    if (!has_pci(machine))
        return error_input(err, "machine '%s' has no place for UEFI: take %s", machine,
                           arm ? "virt" : "q35 or pc");
    return 0;
}

int appliance_fits(const struct appliance *appliance, const struct node *node, const char *key,
                   struct error *err)
{
    const char *machine = node->machine ? node->machine : appliance->machine;

    if (strcmp(key, "serials") == 0)
        return serials_fit(appliance, node, machine, err);
    if (strcmp(key, "display") == 0)
        return display_fits(appliance, node, machine, err);
    if (strcmp(key, "firmware") == 0)
        return node->firmware == NODE_FIRMWARE_UEFI ? uefi_fits(appliance, machine, err)
                                                    : bios_fits(appliance, err);
    return 0;
}
