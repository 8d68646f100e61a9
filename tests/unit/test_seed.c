// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* Configuration disks, read back by programs that have nothing to do with how they were made: tar,
 * isoinfo, mtools, fsck.fat. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/seed.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"

static char dir[] = "/tmp/labctl-seed.XXXXXX";
static const char macs[2][18] = {"02:00:00:00:00:00", "02:00:00:00:00:01"};

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return dir_remove_tree(dir, NULL);
}

static char *put(const char *name, const char *text)
{
    char *path = path_join(dir, name);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    return path;
}

static bool installed(const char *program)
{
    const char *argv[] = {"sh", "-c", "command -v \"$0\" >/dev/null", program, NULL};
    _cleanup_free_ char *said = NULL;

    if (spawn_run(argv, &said, NULL) == 0)
        return true;
    print_message("SKIP: %s is not installed\n", program);
    return false;
}

/* What a program prints; a failure of its fails the test. */
#define said(...) said_by((const char *const[]){__VA_ARGS__, NULL})

static char *said_by(const char *const *argv)
{
    char *output = NULL;
    int status = spawn_run(argv, &output, NULL);

    if (status != 0)
        fail_msg("%s %s: status %d: %s", argv[0], argv[1], status, output ? output : "");
    return output;
}

static void says(char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("no '%s' in: %s", text, output);
    free(output);
}

static void is(char *output, const char *text)
{
    assert_string_equal(output, text);
    free(output);
}

/* An appliance with that seed. */
static struct appliance *parse(const char *seed)
{
    _cleanup_free_ char *path = path_join(dir, "appliance.yaml");
    _cleanup_free_ char *text = xasprintf(
        "name: x\narch: x86_64\nmemory: {default: 64M}\ndisks: [{size: 1M}]\nseed: %s\n", seed);
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance *appliance = NULL;

    if (appliance_parse(path, text, strlen(text), &appliance, &err) < 0)
        fail_msg("%s", error_message(&err));
    return appliance;
}

static struct seed_request request_of(const struct appliance *appliance, const char *config)
{
    return (struct seed_request){.appliance = appliance,
                                 .node = "r1",
                                 .lab = "lab-a",
                                 .uuid = "01234567-89ab-8def-8123-456789abcdef",
                                 .config = config,
                                 .macs = macs,
                                 .mac_count = 2};
}

static void make(const char *seed, const char *config, const struct config_file *files,
                 size_t count)
{
    _cleanup_appliance_ struct appliance *appliance = parse(seed);
    struct seed_request request = request_of(appliance, config);
    _cleanup_error_ struct error err = ERROR_INIT;

    request.files = files;
    request.file_count = count;
    if (seed_write(dir, &request, &err) < 0)
        fail_msg("%s", error_message(&err));
}

static void test_tar(void **state)
{
    _cleanup_free_ char *disk = path_join(dir, "seed.tar"), *a = NULL, *b = NULL;
    _cleanup_free_ char *config = put("r1.conf", "hostname x\nline vty\n");
    _cleanup_free_ char *gone = path_join(dir, "gone");
    _cleanup_appliance_ struct appliance *appliance = parse("{method: tar}");
    struct seed_request request = request_of(appliance, gone);
    const struct config_file files[] = {{(char *)"etc/extra", config}};
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t size_a = 0, size_b = 0;
    struct stat st;

    (void)state;
    make("{method: tar}", config, NULL, 0);
    assert_int_equal(stat(disk, &st), 0);
    assert_int_equal(st.st_size % 512, 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    is(said("tar", "-xOf", disk, "hostname"), "r1\n");
    is(said("tar", "-xOf", disk, "lab"), "lab-a\n");
    is(said("tar", "-xOf", disk, "config"), "hostname x\nline vty\n");

    /* The same again, later, is the same. */
    assert_int_equal(file_read(disk, 1 << 20, &a, &size_a, NULL), 0);
    make("{method: tar}", config, NULL, 0);
    assert_int_equal(file_read(disk, 1 << 20, &b, &size_b, NULL), 0);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);

    /* Without a configuration, over an old one; with further files. */
    make("{method: tar}", NULL, NULL, 0);
    is(said("tar", "-tf", disk), "hostname\nlab\n");
    make("{method: tar, files: [{name: motd, text: 'at %h 100%%'}]}", NULL, files, 1);
    is(said("tar", "-tf", disk), "motd\nhostname\nlab\netc/extra\n");
    is(said("tar", "-xOf", disk, "motd"), "at r1 100%");

    assert_int_equal(seed_write(dir, &request, &err), -ENOENT);
    assert_non_null(strstr(error_message(&err), "node 'r1': configuration: "));
    error_done(&err);
    request.config = NULL;
    assert_int_equal(seed_write("/nope", &request, &err), -ENOENT);
    assert_non_null(strstr(error_message(&err), "node 'r1': configuration disk: /nope/seed.tar"));
}

/* A large configuration, of a size that is no multiple of a block. */
static void test_tar_large(void **state)
{
    _cleanup_free_ char *disk = path_join(dir, "seed.tar"), *data = xmalloc0(700001, 1);
    _cleanup_appliance_ struct appliance *appliance = parse("{method: tar}");
    _cleanup_free_ char *config = NULL;
    struct seed_request request;

    (void)state;
    memset(data, 'x', 700000);
    config = put("large", data);
    make("{method: tar}", config, NULL, 0);
    is(said("tar", "-xOf", disk, "config"), data);
    assert_int_equal(truncate(config, (off_t)TOPOLOGY_CONFIG_MAX + 1), 0);
    request = request_of(appliance, config);
    assert_int_equal(seed_write(dir, &request, NULL), -EFBIG);
}

static void test_iso(void **state)
{
    _cleanup_free_ char *disk = path_join(dir, "seed.iso");
    _cleanup_free_ char *config = put("r1.conf", "hostname x\n");
    const struct config_file files[] = {{(char *)"keys/id.pub", config}};

    (void)state;
    if (!installed("isoinfo"))
        return;
    make("{method: iso, label: day0, files: [{name: iosxe_config.txt}, "
         "{name: a/b/day0-config, text: \"%h %l %u %{mac1} %{mac2} %x %\\n\"}]}",
         config, files, 1);
    says(said("isoinfo", "-d", "-i", disk), "Volume id: day0\n");
    is(said("isoinfo", "-R", "-x", "/iosxe_config.txt", "-i", disk), "hostname x\n");
    is(said("isoinfo", "-J", "-x", "/iosxe_config.txt", "-i", disk), "hostname x\n");
    /* Readers that know no more than the standard. */
    is(said("isoinfo", "-x", "/IOSXE_CONFIG.TXT;1", "-i", disk), "hostname x\n");
    is(said("isoinfo", "-R", "-x", "/keys/id.pub", "-i", disk), "hostname x\n");
    is(said("isoinfo", "-R", "-x", "/a/b/day0-config", "-i", disk),
       "r1 lab-a 01234567-89ab-8def-8123-456789abcdef 02:00:00:00:00:01 %{mac2} %x %\n");
}

static void test_cloud_init(void **state)
{
    _cleanup_free_ char *disk = path_join(dir, "seed.iso");
    _cleanup_free_ char *config = put("user", "#cloud-config\nusers: []\n");
    _cleanup_free_ char *network = put("network", "version: 2\n");
    const struct config_file files[] = {{(char *)"network-config", network}};

    (void)state;
    if (!installed("isoinfo"))
        return;
    make("{method: cloud-init}", config, files, 1);
    says(said("isoinfo", "-d", "-i", disk), "Volume id: cidata\n");
    is(said("isoinfo", "-R", "-x", "/user-data", "-i", disk), "#cloud-config\nusers: []\n");
    is(said("isoinfo", "-R", "-x", "/network-config", "-i", disk), "version: 2\n");
    is(said("isoinfo", "-R", "-x", "/meta-data", "-i", disk),
       "instance-id: 01234567-89ab-8def-8123-456789abcdef\nlocal-hostname: r1\n");
    make("{method: cloud-init}", NULL, NULL, 0);
    is(said("isoinfo", "-R", "-x", "/user-data", "-i", disk), "#cloud-config\n{}\n");

    make("{method: config-drive}", config, NULL, 0);
    says(said("isoinfo", "-d", "-i", disk), "Volume id: config-2\n");
    is(said("isoinfo", "-R", "-x", "/openstack/latest/user_data", "-i", disk),
       "#cloud-config\nusers: []\n");
    says(said("isoinfo", "-R", "-x", "/openstack/latest/meta_data.json", "-i", disk),
         "\"hostname\": \"r1\"");
}

/* Every file of a FAT disk, whatever its name; the file system is sound. */
static void check_fat(const char *where, const char *config)
{
    says(said("mdir", "-b", "-i", where, "-/", "::"), "::/ios_config.txt");
    is(said("mtype", "-i", where, "::ios_config.txt"), config);
    is(said("mtype", "-i", where, "::A/b/c.d.e"), "deep r1");
    is(said("mtype", "-i", where, "::ios_config.other"), "other");
    is(said("mtype", "-i", where, "::A/NAME.TXT"), "short");
    is(said("mtype", "-i", where, "::empty"), "");
    says(said("mlabel", "-s", "-i", where, "::"), "DAY0");
}

static void test_fat(void **state)
{
    static const char seed[] =
        "{method: fat, label: DAY0, %s, files: [{name: ios_config.txt}, {name: ios_config.other, "
        "text: other}, {name: A/b/c.d.e, text: 'deep %%h'}, {name: A/NAME.TXT, text: short}, "
        "{name: x.y, text: z}]}";
    static const struct {
        const char *options;
        off_t size;
        bool partition;
    } disks[] = {
        {"size: 16M", 16 << 20, false},      {"size: 4M", 4 << 20, false},
        {"size: 64M", 64 << 20, false},      {"size: 1G", 1 << 30, false},
        {"partition: true", 16 << 20, true}, {"size: 4M, partition: true", 4 << 20, true},
    };
    _cleanup_free_ char *disk = path_join(dir, "seed.img"), *data = xmalloc0(700001, 1);
    _cleanup_free_ char *config = NULL, *empty = put("empty", "");
    const struct config_file files[] = {{(char *)"empty", empty}};
    struct stat st;

    (void)state;
    if (!installed("mdir") || !installed("fsck.fat"))
        return;
    memset(data, 'y', 700000);
    config = put("large", data);
    for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
        _cleanup_free_ char *text = xasprintf(seed, disks[i].options);
        _cleanup_free_ char *where = xasprintf("%s%s", disk, disks[i].partition ? "@@1M" : "");
        _cleanup_free_ char *plain = path_join(dir, "plain");

        make(text, config, files, 1);
        assert_int_equal(stat(disk, &st), 0);
        assert_int_equal(st.st_size, disks[i].size);
        assert_true(st.st_blocks * 512 < 6 << 20);
        check_fat(where, data);
        if (disks[i].partition) {
            _cleanup_free_ char *from = xasprintf("if=%s", disk), *to = xasprintf("of=%s", plain);

            /* Type, begin and length; fsck takes a file system alone. */
            says(said("od", "-An", "-tx1", "-j450", "-N1", disk), "0e");
            says(said("od", "-An", "-tu4", "-j454", "-N4", disk), "2048");
            free(said("dd", "status=none", "bs=1M", "skip=1", "conv=sparse", from, to));
        }
        says(said("fsck.fat", "-n", "-v", disks[i].partition ? plain : disk),
             "FATs, 16 bit entries");
    }
}

/* Disks that cannot be made. */
static void test_fat_faults(void **state)
{
    _cleanup_free_ char *data = xmalloc0(5000001, 1), *config = NULL;
    _cleanup_appliance_ struct appliance *small =
        parse("{method: fat, size: 4M, files: [{name: a}]}");
    _cleanup_appliance_ struct appliance *twice =
        parse("{method: fat, files: [{name: a/b, text: x}, {name: A, text: y}]}");
    struct seed_request request;
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)state;
    memset(data, 'y', 5000000);
    config = put("large", data);
    request = request_of(small, config);
    assert_int_equal(seed_write(dir, &request, &err), -ENOSPC);
    error_done(&err);
    request = request_of(twice, config);
    assert_int_equal(seed_write(dir, &request, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), "does not tell case"));
}

static void test_fw_cfg(void **state)
{
    _cleanup_free_ char *config = put("ignition", "{}");
    _cleanup_appliance_ struct appliance *appliance = parse(
        "{method: fw_cfg, files: [{name: opt/com.coreos/config}, {name: opt/x, text: '%h'}]}");
    struct seed_request request = request_of(appliance, config);
    _cleanup_free_ char *first = seed_fw_cfg_path(dir, 0), *second = seed_fw_cfg_path(dir, 1);
    _cleanup_seed_members_ struct seed_members members = {0};
    _cleanup_free_ char *a = NULL, *b = NULL;

    (void)state;
    assert_null(seed_disk_path(dir, appliance));
    assert_int_equal(seed_write(dir, &request, NULL), 0);
    assert_int_equal(file_read(first, 100, &a, NULL, NULL), 0);
    assert_string_equal(a, "{}");
    assert_int_equal(file_read(second, 100, &b, NULL, NULL), 0);
    assert_string_equal(b, "r1");
    seed_plan(&request, &members);
    assert_int_equal(members.count, 2);
    assert_string_equal(members.items[0].name, "opt/com.coreos/config");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tar),    cmocka_unit_test(test_tar_large),
        cmocka_unit_test(test_iso),    cmocka_unit_test(test_cloud_init),
        cmocka_unit_test(test_fat),    cmocka_unit_test(test_fat_faults),
        cmocka_unit_test(test_fw_cfg),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
