// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* Definitions of appliances: what they say, what they may not, their ports and rules. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"

static char dir[] = "/tmp/labctl-appliance.XXXXXX";
static char *definition; /* DIR/img/appliance.yaml */

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = path_join(dir, name);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

static int setup(void **state)
{
    _cleanup_free_ char *img = NULL, *sub = NULL, *link = NULL, *inner = NULL;

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    img = path_join(dir, "img");
    sub = path_join(dir, "img/sub");
    link = path_join(dir, "img/out");
    inner = path_join(dir, "img/in");
    definition = path_join(dir, "img/appliance.yaml");
    if (mkdir(img, 0755) < 0 || mkdir(sub, 0755) < 0 || symlink("../secret", link) < 0 ||
        symlink("sub/disk", inner) < 0)
        return -1;
    put("secret", "x");
    put("img/vmlinuz", "k");
    put("img/initrd", "i");
    put("img/sub/disk", "d");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(definition);
    return dir_remove_tree(dir, NULL);
}

static struct appliance *parse(const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance *appliance = NULL;

    if (appliance_parse(definition, text, strlen(text), &appliance, &err) < 0)
        fail_msg("%s", error_message(&err));
    return appliance;
}

/* Must be refused, with a message that has @part and, in front, the place. */
static void refused(const char *text, const char *place, const char *part)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *whole = xasprintf("%s:%s: ", definition, place);
    struct appliance *appliance = NULL;

    assert_int_equal(appliance_parse(definition, text, strlen(text), &appliance, &err), -EINVAL);
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    assert_null(appliance);
    if (!strstr(error_message(&err), part) || !strstr(error_message(&err), whole))
        fail_msg("'%s' does not say '%s%s'", error_message(&err), whole, part);
}

static void test_whole(void **state)
{
    struct appliance *a = parse(
        "name: x1\ndescription: an appliance\narch: aarch64\nmachine: virt\n"
        "cpu: {count: 2, model: cortex-a72}\nmemory: {default: 1G, least: 512M}\n"
        "boot: {kernel: vmlinuz, initrd: initrd, append: 'console=ttyAMA0 a=b,c'}\n"
        "disks:\n  - {file: sub/disk, bus: scsi, mode: readonly}\n  - {file: in, mode: copy}\n"
        "seed: {method: tar, bus: sata}\n"
        "nics: {model: e1000, count: 2, max: 8, name: 'ge-0/0/{0}'}\n"
        "serials: 3\nready: {console: '^%h login: $', timeout: 5m}\n"
        "exec: {prompt: '^%h> $', error: '^%', status: 'echo $?', pager: '^Press'}\n"
        "stop: {console: poweroff, timeout: 20s}\n"
        "restart: always\n");
    _cleanup_free_ char *kernel = path_join(dir, "img/vmlinuz");
    _cleanup_free_ char *disk = path_join(dir, "img/sub/disk");

    (void)state;
    assert_string_equal(a->name, "x1");
    assert_string_equal(a->description, "an appliance");
    assert_string_equal(a->arch, "aarch64");
    assert_string_equal(a->machine, "virt");
    assert_string_equal(a->cpu_model, "cortex-a72");
    assert_int_equal(a->cpus, 2);
    assert_int_equal(a->memory_bytes, 1 << 30);
    assert_int_equal(a->memory_least, 512 << 20);
    assert_string_equal(a->kernel, kernel);
    assert_string_equal(a->append, "console=ttyAMA0 a=b,c");
    assert_int_equal(a->disk_count, 2);
    assert_string_equal(a->disks[0].file, disk);
    assert_int_equal(a->disks[0].bus, DISK_SCSI);
    assert_int_equal(a->disks[0].mode, DISK_READONLY);
    assert_string_equal(a->disks[1].file, disk); /* a link within the folder is fine */
    assert_int_equal(a->disks[1].bus, DISK_VIRTIO);
    assert_int_equal(a->disks[1].mode, DISK_COPY);
    assert_int_equal(a->seed, SEED_TAR);
    assert_int_equal(a->seed_bus, DISK_SATA);
    assert_string_equal(a->nic_model, "e1000");
    assert_int_equal(a->nic_count, 2);
    assert_int_equal(a->nic_max, 8);
    assert_int_equal(a->serials, 3);
    assert_int_equal(a->ready_timeout_ns, 300000000000);
    assert_string_equal(a->exec_status, "echo $?");
    assert_string_equal(a->exec_pager, "^Press");
    assert_int_equal(a->stop, STOP_CONSOLE);
    assert_string_equal(a->stop_command, "poweroff");
    assert_int_equal(a->stop_timeout_ns, 20000000000);
    assert_int_equal(a->restart, RESTART_ALWAYS);
    appliance_free(a);
}

#define LEAST "name: x\narch: x86_64\nmemory: {default: 64M}\nboot: {kernel: vmlinuz}\n"

static void test_defaults(void **state)
{
    struct appliance *a = parse(LEAST);

    (void)state;
    assert_string_equal(a->machine, "q35");
    assert_string_equal(a->cpu_model, "qemu64");
    assert_string_equal(a->description, "");
    assert_string_equal(a->nic_model, "virtio-net-pci");
    assert_string_equal(a->nic_name, "eth{0}");
    assert_int_equal(a->nic_count, 1);
    assert_int_equal(a->nic_max, 28);
    assert_int_equal(a->serials, 1);
    assert_int_equal(a->seed, SEED_NONE);
    assert_int_equal(a->stop, STOP_ACPI);
    assert_int_equal(a->restart, RESTART_UNSAID);
    assert_null(a->ready);
    assert_null(a->exec_prompt);
    assert_null(a->initrd);
    assert_null(a->append);
    appliance_free(a);
    a = parse(LEAST "nics: {count: 30}\n");
    assert_int_equal(a->nic_max, 30);
    appliance_free(a);
    a = parse("name: x\narch: ppc64\nmemory: {default: 64M}\ndisks: [{file: in}]\n");
    assert_string_equal(a->machine, "pseries");
    assert_int_equal(a->disks[0].mode, DISK_OVERLAY);
    assert_null(a->kernel);
    appliance_free(a);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "1:1", "empty");
    refused("[]", "1:1", "must be a mapping");
    refused("nmae: x\n", "1:1", "did you mean 'name'?");
    refused("name: x\n", "1:1", "no 'arch'");
    refused("name: x\n", "1:1", "no 'memory'");
    refused("name: x\n", "1:1", "neither 'boot' nor 'disks'");
    refused(LEAST "arch: arm\n", "5:1", "given twice");
    refused(LEAST "nics: {model: vfio-pci}\n", "5:15", "is unknown");
    refused(LEAST "nics: {model: virtio-net-pc}\n", "5:15", "did you mean 'virtio-net-pci'?");
    refused(LEAST "nics: {count: 9, max: 8}\n", "5:7", "'count' is more than 'max'");
    refused(LEAST "nics: {name: eth}\n", "5:14", "has no {0}");
    refused(LEAST "nics: {name: 'e{9}'}\n", "5:14", "'{9}' is no placeholder");
    refused(LEAST "nics: {name: 'e{0} '}\n", "5:14", "no space");
    refused(LEAST "machine: 'q35,dumpdtb=/etc/x'\n", "5:10", "only letters");
    refused(LEAST "serials: 5\n", "5:10", "1 to 4");
    refused(LEAST "stop: {method: console}\n", "5:7", "belong together");
    refused(LEAST "stop: {method: quit, console: x}\n", "5:7", "belong together");
    refused(LEAST "ready: {console: '('}\n", "5:18", "regular expression");
    refused(LEAST "boot2: x\n", "5:1", "did you mean 'boot'?");
    refused("name: x\narch: x86_64\nmemory: {least: 1M}\nboot: {}\n", "3:9", "needs 'default'");
    refused("name: x\narch: x86_64\nmemory: {default: 1M}\nboot: {}\n", "4:7", "needs 'kernel'");
    refused(
        "name: x\narch: x86_64\nmemory: {default: 1M}\nboot: {kernel: vmlinuz, initrd: initrd}\n"
        "firmware: {tpm: true}\n",
        "1:1", "ACPI tables");
    refused("name: x\narch: x86_64\nmemory: {default: 1M, least: 2M}\n", "3:9", "less than");
    refused("name: x\narch: ../../evil\n", "2:7", "is unknown");
}

static void test_files(void **state)
{
    (void)state;
    refused(LEAST "disks: [{file: ../secret}]\n", "5:16", "own folder");
    refused(LEAST "disks: [{file: sub/../../secret}]\n", "5:16", "own folder");
    refused(LEAST "disks: [{file: /etc/passwd}]\n", "5:16", "own folder");
    refused(LEAST "disks: [{file: out}]\n", "5:16", "leads out");
    refused(LEAST "disks: [{file: sub}]\n", "5:16", "not a regular file");
    refused(LEAST "disks: [{file: gone}]\n", "5:16", "gone from the image");
    refused(LEAST "disks: [{bus: ide}]\n", "5:9", "no 'file'");
    refused(LEAST "disks: [x]\n", "5:9", "must be a mapping");
    refused(LEAST "disks: {file: in}\n", "5:8", "must be a list");
    refused(LEAST "disks: [~,~,~,~,~,~,~,~,~,~,~,~,~,~,~,~,~]\n", "5:8", "at most 16");
}

static void test_read(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance *a = NULL;
    _cleanup_free_ char *img = path_join(dir, "img");

    (void)state;
    put("img/appliance.yaml", LEAST);
    assert_int_equal(appliance_read(definition, &a, &err), 0);
    assert_string_equal(a->dir, img);
    appliance_free(a);
    assert_int_equal(truncate(definition, 300 << 10), 0);
    assert_int_equal(appliance_read(definition, &a, &err), -EFBIG);
    assert_int_equal(appliance_read("/nope/appliance.yaml", &a, &err), -ENOENT);
}

static void test_ports(void **state)
{
    struct appliance *a = parse(LEAST "nics: {max: 4, name: 'Gi{{x}}/{0}', model: rtl8139}\n");
    char *name = appliance_port_name(a, 3);

    (void)state;
    assert_string_equal(name, "Gi{x}/3");
    free(name);
    assert_int_equal(appliance_port_index(a, "Gi{x}/0"), 0);
    assert_int_equal(appliance_port_index(a, "Gi{x}/3"), 3);
    assert_int_equal(appliance_port_index(a, "Gi{x}/4"), -1);
    assert_int_equal(appliance_port_index(a, "eth2"), 2);
    assert_int_equal(appliance_port_index(a, "eth30"), 30); /* the caller knows how many */
    assert_int_equal(appliance_port_index(a, "eth02"), -1);
    assert_int_equal(appliance_port_index(a, "eth"), -1);
    assert_int_equal(appliance_port_index(a, "eth-1"), -1);
    assert_int_equal(appliance_port_index(a, "eth99999999999999999999"), -1);
    assert_int_equal(appliance_port_index(a, ""), -1);
    assert_int_equal(appliance_mtu_max(a), 1500);
    appliance_free(a);
}

static bool matches(const char *rule, const char *node, const char *line)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    regex_t regex;
    bool yes;

    if (appliance_pattern(rule, node, &regex, &err) < 0)
        fail_msg("%s", error_message(&err));
    yes = regexec(&regex, line, 0, NULL, 0) == 0;
    regfree(&regex);
    return yes;
}

static void test_patterns(void **state)
{
    static const char *const bad[] = {
        "(",
        "[a",
        "a{2,1}",
        "(a{9000}){9000}",
        "a{99999999999999999999}",
        " *+++++++++++",
        "[[:nothing:]]",
    };
    _cleanup_free_ char *nested = xmalloc0(1001, 1), *lengthy = xmalloc0(1100, 1);
    _cleanup_error_ struct error err = ERROR_INIT;
    regex_t regex;

    (void)state;
    assert_true(matches("^%h# $", "r1", "r1# "));
    assert_false(matches("^%h# $", "r1", "r2# "));
    assert_true(matches("^%h$", "a.b*", "a.b*"));
    assert_false(matches("^%h$", "a.b*", "axbb"));
    assert_true(matches("^[][^{1001}[:alpha:]]+\\{9999$", "x", "ab{9999"));
    assert_true(matches("^a+b+c+d+e+f+g+h+i+j+(k+|l{3}){2,4}$", "x", "abcdefghijkkklll"));
    assert_true(matches("login( on %h)?: $", "r1", "login on r1: "));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(appliance_pattern(bad[i], "x", &regex, &err), -EINVAL);
    /* What would take forever is given up. */
    assert_false(matches("^(((((a+)+)+)+)+)+$", "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    assert_false(
        matches("(*LIMIT_MATCH=4000000000)^(a+)+$", "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    memset(nested, '(', 1000);
    assert_int_equal(appliance_pattern(nested, "x", &regex, &err), -EINVAL);
    memset(lengthy, 'a', 1099);
    assert_int_equal(appliance_pattern(lengthy, "x", &regex, &err), -EINVAL);
}

/* The definitions of this project's own images, with empty files in place of what is built. */
static void test_own_images(void **state)
{
    static const char *const own[] = {"frr",      "host",     "switch",   "hello", "bird",
                                      "openbgpd", "firewall", "services", "debian"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        _cleanup_free_ char *path =
            xasprintf("%s/images/%s/appliance.yaml", LABCTL_SOURCE_DIR, own[i]);
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *data = NULL;
        struct appliance *a = NULL;
        size_t size = 0;

        if (!file_exists(path)) {
            print_message("SKIP: there is no %s\n", path);
            continue;
        }
        put("img/initrd.img", "");
        put("img/root.squashfs", "");
        put("img/disk.raw", "");
        put("img/hello.img", "");
        assert_int_equal(file_read(path, 1 << 20, &data, &size, NULL), 0);
        if (appliance_parse(definition, data, size, &a, &err) < 0)
            fail_msg("%s", error_message(&err));
        assert_string_equal(a->name, own[i]);
        appliance_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_files),
        cmocka_unit_test(test_read),     cmocka_unit_test(test_ports),
        cmocka_unit_test(test_patterns), cmocka_unit_test(test_own_images),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
