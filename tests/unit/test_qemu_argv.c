// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* QEMU's command line against tests/golden (NAME.argv), one word a line. UPDATE_GOLDEN=1 rewrites
 * them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "engine/qemu_argv.h"

static struct appliance_disk disks[] = {
    {.file = (char *)"/img/a,b/root.squashfs", .bus = DISK_VIRTIO, .mode = DISK_READONLY},
    {.file = (char *)"/img/disk.raw", .bus = DISK_VIRTIO, .mode = DISK_COPY},
};
static struct appliance_disk hello_disk[] = {
    {.file = (char *)"/img/hello.img", .bus = DISK_IDE, .mode = DISK_OVERLAY},
};

static const struct appliance linux_appliance = {
    .name = (char *)"frr",
    .arch = (char *)"x86_64",
    .machine = (char *)"q35",
    .cpu_model = (char *)"qemu64",
    .cpus = 1,
    .memory_bytes = 256 << 20,
    .kernel = (char *)"/img/vmlinuz",
    .initrd = (char *)"/img/initrd.img",
    .append = (char *)"console=ttyS0 a,b",
    .disks = disks,
    .disk_count = 2,
    .seed = SEED_TAR,
    .seed_bus = DISK_VIRTIO,
    .nic_model = (char *)"virtio-net-pci",
    .serials = 2,
};
static const struct appliance disk_appliance = {
    .name = (char *)"hello",
    .arch = (char *)"x86_64",
    .machine = (char *)"pc",
    .cpus = 1,
    .memory_bytes = 16 << 20,
    .disks = hello_disk,
    .disk_count = 1,
    .nic_model = (char *)"e1000",
    .serials = 1,
};

static struct node nodes[] = {
    {.name = (char *)"r1", .nics = 2},
    {.name = (char *)"r2", .nics = 28, .memory_bytes = 512 << 20, .cpus = 2},
    {.name = (char *)"h1", .nics = 1},
};
static const struct topology topology = {.lab = (char *)"golden", .nodes = nodes, .node_count = 3};

static char *joined(const struct qemu_request *request)
{
    struct strbuf text = STRBUF_INIT;
    char **argv = qemu_argv(request);

    for (size_t i = 0; argv[i]; i++)
        strbuf_printf(&text, "%s\n", argv[i]);
    qemu_argv_free(argv);
    return strbuf_steal(&text);
}

static void check(const char *name, const struct qemu_request *request)
{
    _cleanup_free_ char *got = joined(request), *again = joined(request), *want = NULL;
    char path[512];

    assert_string_equal(got, again);
    (void)snprintf(path, sizeof(path), LABCTL_SOURCE_DIR "/tests/golden/%s.argv", name);
    if (getenv("UPDATE_GOLDEN"))
        assert_int_equal(file_write_atomic(path, got, strlen(got), 0644, NULL), 0);
    assert_int_equal(file_read(path, 1 << 20, &want, NULL, NULL), 0);
    assert_string_equal(got, want);
}

static void test_linux(void **state)
{
    (void)state;
    check("linux", &(struct qemu_request){.topology = &topology,
                                          .lab = "golden",
                                          .node = 0,
                                          .appliance = &linux_appliance,
                                          .accel = ACCEL_TCG,
                                          .node_dir = "/state/golden/r1"});
}

/* A kernel that trusts its TSC is told the TSC's rate where it is the host's. */
static void test_tsc_rate(void **state)
{
    struct appliance appliance = linux_appliance;
    struct qemu_request request = {.topology = &topology,
                                   .lab = "golden",
                                   .node = 0,
                                   .appliance = &appliance,
                                   .accel = ACCEL_TCG,
                                   .tsc_khz = 2596100,
                                   .node_dir = "/state/golden/r1"};
    _cleanup_free_ char *silent = joined(&request), *told = NULL, *kvm = NULL, *arm = NULL;

    (void)state;
    assert_null(strstr(silent, "tsc_early_khz"));
    appliance.append = (char *)"quiet tsc=reliable";
    told = joined(&request);
    assert_non_null(strstr(told, "\nquiet tsc=reliable tsc_early_khz=2596100\n"));
    request.accel = ACCEL_KVM;
    kvm = joined(&request);
    assert_null(strstr(kvm, "tsc_early_khz"));
    request.accel = ACCEL_TCG;
    appliance.arch = (char *)"aarch64";
    arm = joined(&request);
    assert_null(strstr(arm, "tsc_early_khz"));
}

static void test_many_nics(void **state)
{
    (void)state;
    check("many-nics", &(struct qemu_request){.topology = &topology,
                                              .lab = "golden",
                                              .node = 1,
                                              .appliance = &linux_appliance,
                                              .accel = ACCEL_KVM,
                                              .host_cpu = true,
                                              .node_dir = "/state/with,comma/r2"});
}

/* A node may have other NICs than its image. */
static void test_nic_model(void **state)
{
    struct node other[] = {{.name = (char *)"r1", .nics = 2, .nic_model = "rtl8139"}};
    struct topology lab = {.lab = (char *)"l", .nodes = other, .node_count = 1};
    char **argv = qemu_argv(&(struct qemu_request){.topology = &lab,
                                                   .lab = "l",
                                                   .appliance = &linux_appliance,
                                                   .accel = ACCEL_TCG,
                                                   .node_dir = "/n"});
    unsigned found = 0;

    (void)state;
    for (size_t i = 0; argv[i]; i++)
        found += strncmp(argv[i], "rtl8139,id=nic", 14) == 0;
    assert_int_equal(found, 2);
    qemu_argv_free(argv);
}

/* A node may have a screen, UEFI and serial ports that its image has not, and none of the screen
 * that it has; what else it has stays where it was. */
static void test_overrides(void **state)
{
    struct node mine[] = {{.name = (char *)"r1",
                           .nics = 1,
                           .display = NODE_DISPLAY_VNC,
                           .firmware = NODE_FIRMWARE_UEFI,
                           .serials = 3}};
    struct topology lab = {.lab = (char *)"golden", .nodes = mine, .node_count = 1};
    struct appliance appliance = disk_appliance;
    struct qemu_request request = {.topology = &lab,
                                   .lab = "golden",
                                   .appliance = &appliance,
                                   .accel = ACCEL_TCG,
                                   .node_dir = "/state/golden/r1",
                                   .uefi_code = "/fw/code.fd"};
    _cleanup_free_ char *arm = NULL, *blind = NULL;

    (void)state;
    check("overrides", &request);
    appliance = linux_appliance;
    appliance.arch = (char *)"aarch64";
    appliance.machine = (char *)"virt";
    arm = joined(&request);
    assert_non_null(strstr(arm, "\nvirtio-gpu-pci,id=vga0,bus=pcie.0,addr=0x6\n"));
    assert_non_null(strstr(arm, "\npci-serial,id=uart2,chardev=serial2,bus=pcie.0,addr=0x7.0x1\n"));
    appliance = disk_appliance;
    appliance.display = DISPLAY_VNC;
    appliance.vga = (char *)"cirrus";
    mine[0].display = NODE_DISPLAY_NONE;
    blind = joined(&request);
    assert_null(strstr(blind, "\n-vnc\n"));
    assert_non_null(strstr(blind, "\ncirrus-vga,id=vga0,bus=pci.0,addr=0x6\n"));
}

static void test_disk_boot(void **state)
{
    (void)state;
    check("disk-boot", &(struct qemu_request){.topology = &topology,
                                              .lab = "golden",
                                              .node = 2,
                                              .appliance = &disk_appliance,
                                              .accel = ACCEL_TCG,
                                              .node_dir = "/state/golden/h1"});
}

static void test_macs_are_distinct_and_stable(void **state)
{
    char a[18], b[18];

    (void)state;
    qemu_mac("lab", "r1", 0, a);
    qemu_mac("lab", "r1", 0, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 17);
    /* Locally administered, not a group address. */
    assert_true(strncmp(a, "02:", 3) == 0);
    qemu_mac("lab", "r1", 1, b);
    assert_string_not_equal(a, b);
    qemu_mac("lab", "r2", 0, b);
    assert_string_not_equal(a, b);
    qemu_mac("other", "r1", 0, b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linux),
        cmocka_unit_test(test_tsc_rate),
        cmocka_unit_test(test_many_nics),
        cmocka_unit_test(test_nic_model),
        cmocka_unit_test(test_disk_boot),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_macs_are_distinct_and_stable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
