// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* What a node may say instead of its image, and what its machine cannot do. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"

static void test_values(void **state)
{
    struct appliance a = {.arch = (char *)"x86_64",
                          .serials = 2,
                          .display = DISPLAY_VNC,
                          .vga = (char *)"cirrus",
                          .firmware = FIRMWARE_UEFI};
    struct node node = {.serials = 0};

    (void)state;
    assert_int_equal(appliance_serials(&a, &node), 2);
    assert_int_equal(appliance_display(&a, &node), DISPLAY_VNC);
    assert_int_equal(appliance_firmware(&a, &node), FIRMWARE_UEFI);
    node =
        (struct node){.serials = 4, .display = NODE_DISPLAY_NONE, .firmware = NODE_FIRMWARE_BIOS};
    assert_int_equal(appliance_serials(&a, &node), 4);
    assert_int_equal(appliance_display(&a, &node), DISPLAY_NONE);
    assert_int_equal(appliance_firmware(&a, &node), FIRMWARE_BIOS);
    assert_string_equal(appliance_vga(&a, &node), "cirrus");
    a.vga = NULL;
    assert_null(appliance_vga(&a, &node));
    node.display = NODE_DISPLAY_VNC;
    assert_string_equal(appliance_vga(&a, &node), "std");
    a.arch = (char *)"aarch64";
    assert_string_equal(appliance_vga(&a, &node), "virtio");
}

static void test_what_fits(void **state)
{
    static const struct {
        const char *arch, *machine, *key;
        struct node node;
        struct appliance more;
        const char *why; /* NULL: it fits */
    } cases[] = {
        {"x86_64", "q35", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {.tpm = true}, NULL},
        {"x86_64", "pc", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {.tpm = false}, NULL},
        {"aarch64", "virt", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {.tpm = false}, NULL},
        {"i386", "pc", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {.tpm = false}, "UEFI is for"},
        {"ppc64", "pseries", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {0}, "UEFI is for"},
        {"x86_64", "microvm", "firmware", {.firmware = NODE_FIRMWARE_UEFI}, {0}, "no place for"},
        {"x86_64",
         "q35",
         "firmware",
         {.firmware = NODE_FIRMWARE_UEFI, .machine = (char *)"isapc"},
         {0},
         "machine 'isapc' has no place for UEFI: take q35 or pc"},
        {"x86_64",
         "q35",
         "firmware",
         {.firmware = NODE_FIRMWARE_UEFI},
         {.firmware_file = (char *)"/x"},
         "a firmware of its own"},
        {"x86_64",
         "q35",
         "firmware",
         {.firmware = NODE_FIRMWARE_BIOS},
         {.firmware = FIRMWARE_UEFI},
         NULL},
        {"aarch64",
         "virt",
         "firmware",
         {.firmware = NODE_FIRMWARE_BIOS},
         {.firmware = FIRMWARE_UEFI},
         "no BIOS to boot image 'x' from its disks"},
        {"x86_64",
         "q35",
         "firmware",
         {.firmware = NODE_FIRMWARE_BIOS},
         {.firmware = FIRMWARE_UEFI, .tpm = true, .initrd = (char *)"/i", .kernel = (char *)"/k"},
         "a TPM and an initrd"},
        {"x86_64", "q35", "display", {.display = NODE_DISPLAY_VNC}, {0}, NULL},
        {"ppc64", "pseries", "display", {.display = NODE_DISPLAY_VNC}, {0}, NULL},
        {"x86_64", "microvm", "display", {.display = NODE_DISPLAY_VNC}, {0}, "no PCI bus for a"},
        {"x86_64", "microvm", "display", {.display = NODE_DISPLAY_NONE}, {0}, NULL},
        {"x86_64", "isapc", "serials", {.serials = 4}, {.serials = 1}, NULL},
        {"arm", "realview-eb", "serials", {.serials = 1}, {.serials = 1}, NULL},
        {"arm",
         "realview-eb",
         "serials",
         {.serials = 2},
         {.serials = 1},
         "no room for more than 1"},
        {"riscv64", "virt", "serials", {.serials = 4}, {.serials = 1}, NULL},
        {"x86_64",
         "q35",
         "serials",
         {.serials = 1},
         {.serials = 2, .save_serial = 1, .save_commands = {.count = 1}},
         "on serial port 1: there must be at least 2"},
        {"x86_64", "q35", "nics", {.nics = 99}, {0}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct appliance a = cases[i].more;
        _cleanup_error_ struct error err = ERROR_INIT;
        int r;

        a.name = (char *)"x";
        a.arch = (char *)cases[i].arch;
        a.machine = (char *)cases[i].machine;
        r = appliance_fits(&a, &cases[i].node, cases[i].key, &err);
        if ((r == 0) != !cases[i].why ||
            (cases[i].why && !strstr(error_message(&err), cases[i].why)))
            fail_msg("case %zu: %d %s", i, r, error_message(&err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
