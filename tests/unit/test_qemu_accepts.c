// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_netfabric labctl_console labctl_capture labctl_rpc labctl_appliance
// labctl_topology labctl_base jansson

/* A real QEMU must take the whole command line, and have the NICs, in order and at their addresses,
 * and the disks, each on the bus and at the place that was asked for. Run for boards of our own
 * and, where $LABCTL_CORPORA or
 * ../shared/corpora is, for every GNS3 appliance there, with empty disks in place of its own. QEMU
 * stays paused, so this takes a fraction of a second each. The NICs' taps are made in a network
 * namespace of the test's own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/import.h"
#include "appliance/probe.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "engine/host.h"
#include "engine/qemu_argv.h"

static char dir[] = "/tmp/labctl-accepts.XXXXXX";
static bool namespace_made;

static int setup(void **state)
{
    int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;

    (void)state;
    /* A user namespace without a map leaves no right to the taps' device: then they are skipped. */
    namespace_made = unshare(flags) == 0;
    /* A QEMU that has ended is to be seen, not to end the test. */
    (void)signal(SIGPIPE, SIG_IGN);
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return dir_remove_tree(dir, NULL);
}

static int open_tap(unsigned nic)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "t%d-%u", (int)getpid() % 100000,
                   nic);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* The answer to one QMP command (its arguments are consumed), a new reference; NULL if it failed.
 */
static json_t *ask_with(FILE *qmp, const char *command, json_t *arguments)
{
    json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    char *line = json_dumps(request, JSON_COMPACT);
    size_t room = line ? strlen(line) + 1 : 0;
    json_t *answer = NULL;
    bool sent = line && fprintf(qmp, "%s\n", line) > 0 && fflush(qmp) == 0;

    json_decref(request);
    if (!sent) {
        free(line);
        return NULL;
    }
    while (!answer && getline(&line, &room, qmp) > 0) {
        json_t *message = json_loads(line, 0, NULL);
        json_t *got = json_object_get(message, "return");

        if (got)
            answer = json_incref(got);
        else if (json_object_get(message, "error"))
            room = 0;
        json_decref(message);
        if (!room)
            break;
    }
    free(line);
    return answer;
}

static json_t *ask(FILE *qmp, const char *command)
{
    return ask_with(qmp, command, NULL);
}

/* A property of a device as text, or NULL. */
static char *property(FILE *qmp, const char *id, const char *name)
{
    json_t *value =
        ask_with(qmp, "qom-get",
                 json_pack("{s:o, s:s}", "path", json_sprintf("/machine/peripheral/%s", id),
                           "property", name));
    char *text = NULL;

    if (json_is_string(value))
        text = xstrdup(json_string_value(value));
    else if (json_is_integer(value))
        text = xasprintf("%lld", (long long)json_integer_value(value));
    json_decref(value);
    return text;
}

/* Where a PCI device is, as slot * 8 + function; -1: it is not on the bus. */
static int pci_place(json_t *buses, const char *id)
{
    json_t *bus, *device;
    size_t i, j;

    json_array_foreach (buses, i, bus) {
        json_array_foreach (json_object_get(bus, "devices"), j, device) {
            const char *there = json_string_value(json_object_get(device, "qdev_id"));

            if (there && strcmp(there, id) == 0)
                return (int)json_integer_value(json_object_get(device, "slot")) * 8 +
                       (int)json_integer_value(json_object_get(device, "function"));
        }
    }
    return -1;
}

/* What is wrong with the place of a disk, or NULL. @virtio: which of the virtio disks it is. */
static char *disk_place(FILE *qmp, json_t *buses, const struct appliance *appliance, size_t index,
                        unsigned virtio)
{
    const struct appliance_disk *disk = &appliance->disks[index];
    _cleanup_free_ char *id = xasprintf("vd%zu", index), *drive = property(qmp, id, "drive");
    _cleanup_free_ char *wanted = xasprintf("disk%zu", index);
    _cleanup_free_ char *bus = property(qmp, id, "parent_bus");
    _cleanup_free_ char *unit = property(qmp, id, disk->bus == DISK_SCSI ? "scsi-id" : "unit");
    bool q35 = strstr(appliance->machine, "q35") != NULL, right = true;
    _cleanup_free_ char *name = NULL, *number = NULL;

    if (!drive || strcmp(drive, wanted) != 0)
        return xasprintf("%s is not the drive %s but %s", id, wanted, drive ? drive : "none");
    switch (disk->bus) {
    case DISK_VIRTIO:
        right = pci_place(buses, id) == (int)((2 + virtio % 4) * 8 + virtio / 4) ||
                pci_place(buses, id) < 0;
        break;
    case DISK_NVME:
        right = pci_place(buses, id) / 8 == 7;
        break;
    case DISK_IDE:
    case DISK_SATA:
        if (q35)
            name = xasprintf("/ide.%u", disk->unit);
        else if (disk->bus == DISK_SATA)
            name = xasprintf("/sata.%u", disk->unit);
        else
            name = xasprintf("/ide.%u", disk->unit / 2);
        number = xasprintf("%u", disk->bus == DISK_IDE && !q35 ? disk->unit % 2 : 0);
        break;
    case DISK_SCSI:
        name = xstrdup("/scsi0.0");
        number = xasprintf("%u", disk->unit);
        break;
    case DISK_FLOPPY:
        number = xasprintf("%u", disk->unit);
        break;
    }
    if (name)
        right = bus && strlen(bus) > strlen(name) &&
                strcmp(bus + strlen(bus) - strlen(name), name) == 0;
    if (number)
        right = right && unit && strcmp(unit, number) == 0;
    return right
               ? NULL
               : xasprintf("%s is at %s, unit %s", id, bus ? bus : "no bus", unit ? unit : "none");
}

/* Whether the NIC has the address that qemu_argv.h promises. */
static bool address_is(const json_t *device, unsigned nic)
{
    json_int_t slot = json_integer_value(json_object_get(device, "slot"));
    json_int_t function = json_integer_value(json_object_get(device, "function"));

    return nic < 22 ? slot == 8 + nic && function == 0 : slot == 0x1e && function == nic - 22;
}

/* Hold QEMU's devices against what was asked for; what is wrong comes back, or NULL. */
static char *compare(FILE *qmp, const struct appliance *appliance, unsigned nics)
{
    json_t *buses = ask(qmp, "query-pci"), *blocks = ask(qmp, "query-named-block-nodes"), *bus;
    size_t i, j, wanted = appliance->disk_count + appliance_has_seed_disk(appliance);
    unsigned found = 0, disks = 0;
    bool pci = strcmp(appliance->nic_model, "virtio-net-device") != 0 &&
               strcmp(appliance->nic_model, "spapr-vlan") != 0;
    char *wrong = NULL;
    json_t *device, *block;

    json_array_foreach (buses, i, bus) {
        json_array_foreach (json_object_get(bus, "devices"), j, device) {
            const char *id = json_string_value(json_object_get(device, "qdev_id"));
            unsigned nic;

            if (!id || sscanf(id, "nic%u", &nic) != 1)
                continue;
            if (nic != found || !address_is(device, nic))
                wrong = wrong ? wrong : xasprintf("NIC %u is not where it should be", nic);
            found++;
        }
    }
    for (size_t d = 0, virtio = 0; !wrong && d < appliance->disk_count; d++) {
        wrong = disk_place(qmp, buses, appliance, d, (unsigned)virtio);
        virtio += appliance->disks[d].bus == DISK_VIRTIO;
    }
    json_array_foreach (blocks, i, block) {
        const char *name = json_string_value(json_object_get(block, "node-name"));

        disks += name && strncmp(name, "disk", 4) == 0;
    }
    if (!wrong && pci && found != nics)
        wrong = xasprintf("%u NICs, not %u", found, nics);
    if (!wrong && disks != wanted)
        wrong = xasprintf("%u disks, not %zu", disks, wanted);
    json_decref(buses);
    json_decref(blocks);
    return wrong;
}

/* Files and disks that the command line names. */
static void make_disks(const struct appliance *appliance, const char *node_dir)
{
    for (size_t i = 0; i < appliance->disk_count; i++) {
        const struct appliance_disk *disk = &appliance->disks[i];
        _cleanup_free_ char *path = qemu_disk_path(node_dir, appliance, i);

        if (disk->mode == DISK_OVERLAY) {
            (void)unlink(path);
            assert_int_equal(image_overlay(path, NULL, NULL, 16 << 20, NULL), 0);
        }
    }
    assert_int_equal(seed_write(node_dir,
                                &(struct seed_request){
                                    .appliance = appliance, .node = "n", .lab = "l", .uuid = "u"},
                                NULL),
                     0);
}

/* Start QEMU for an appliance with so many NICs; what is wrong comes back, or NULL. */
static char *accepts(const struct appliance *appliance, unsigned nics)
{
    struct node node = {.name = (char *)"n", .nics = nics};
    struct topology topology = {.lab = (char *)"l", .nodes = &node, .node_count = 1};
    _cleanup_free_ char *node_dir = path_join(dir, "node"), *prefix = path_join(dir, "n");
    _cleanup_free_ char *path = path_join(dir, "n.qmp"), *log = path_join(dir, "log"), *said = NULL;
    struct spawn_fd fds[64];
    size_t count = 0;
    int client, status;
    char *wrong = NULL, **argv, *line = NULL;
    json_t *answer;
    size_t room = 0;
    FILE *qmp;
    pid_t pid;

    (void)mkdir(node_dir, 0700);
    make_disks(appliance, node_dir);
    argv = qemu_argv(&(struct qemu_request){.topology = &topology,
                                            .lab = "l",
                                            .appliance = appliance,
                                            .accel = ACCEL_TCG,
                                            .node_dir = node_dir,
                                            .run_dir = dir});
    fds[count++] = (struct spawn_fd){open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2};
    fds[count++] = (struct spawn_fd){socket_listen(path, SOCK_STREAM, NULL), QEMU_FD_QMP};
    client = socket_connect(path, SOCK_STREAM, NULL);
    assert_true(client >= 0);
    for (unsigned i = 0; i < appliance->serials; i++) {
        _cleanup_free_ char *in = xasprintf("%s.%u.in", prefix, i);
        _cleanup_free_ char *out = xasprintf("%s.%u.out", prefix, i);

        (void)unlink(in);
        assert_int_equal(mkfifo(in, 0600), 0);
        assert_int_equal(file_write_atomic(out, "", 0, 0600, NULL), 0);
    }
    for (unsigned i = 0; i < nics; i++)
        fds[count++] = (struct spawn_fd){open_tap(i), QEMU_FD_TAP + (int)i};
    assert_int_equal(spawn(&(struct spawn_options){.argv = (const char *const *)argv,
                                                   .fds = fds,
                                                   .fd_count = count,
                                                   .dir = node_dir},
                           &pid, NULL, NULL),
                     0);
    qemu_argv_free(argv);
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i].from);
    qmp = fdopen(client, "r+");
    assert_non_null(qmp);
    if (getline(&line, &room, qmp) > 0 && (answer = ask(qmp, "qmp_capabilities"))) {
        json_decref(answer);
        wrong = compare(qmp, appliance, nics);
        json_decref(ask(qmp, "quit"));
    } else if (file_read(log, 1 << 16, &said, NULL, NULL) == 0) {
        wrong = xasprintf("QEMU refuses it: %s", said);
    }
    free(line);
    (void)fclose(qmp);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!wrong && status != 0)
        wrong = xasprintf("QEMU ended with status %d", status);
    return wrong;
}

/* Whether this can be tried at all; if not, why. */
static const char *obstacle(const char *arch)
{
    int tap;

    if (host_qemu_find(arch, NULL, NULL) < 0)
        return "no QEMU for it";
    tap = namespace_made ? open_tap(99) : -1;
    if (tap < 0)
        return "no taps for this user";
    (void)close(tap);
    return NULL;
}

static struct appliance *parse(const char *text)
{
    _cleanup_free_ char *path = path_join(dir, "appliance.yaml");
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance *appliance = NULL;

    if (appliance_parse(path, text, strlen(text), &appliance, &err) < 0)
        fail_msg("%s", error_message(&err));
    return appliance;
}

static void check(const char *arch, unsigned nics, const char *text)
{
    const char *why = obstacle(arch);
    _cleanup_free_ char *whole =
        xasprintf("name: x\narch: %s\nmemory: {default: 128M}\n%s", arch, text);
    _cleanup_appliance_ struct appliance *appliance = parse(whole);
    char *wrong;

    if (why) {
        print_message("SKIP: %s: %s\n", arch, why);
        return;
    }
    wrong = accepts(appliance, nics);
    if (wrong && strstr(wrong, "Unable to load the RISC-V firmware"))
        print_message("SKIP: %s: its firmware is not installed (opensbi)\n", arch);
    else if (wrong)
        fail_msg("%s: %s", text, wrong);
    free(wrong);
}

#define DISK "{size: 16M, bus: "

static void test_pc(void **state)
{
    static const char *const machines[] = {"q35", "pc"};
    static const char *const models[] = {"virtio-net-pci", "e1000", "e1000e",   "vmxnet3",
                                         "rtl8139",        "pcnet", "ne2k_pci", "tulip",
                                         "i82559er",       "i82801"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        _cleanup_free_ char *all =
            xasprintf("machine: %s\nserials: 4\nseed: {method: tar, bus: sata}\n"
                      "display: {type: vnc, tablet: true}\nnics: {max: 30}\noptions: [-device "
                      "virtio-rng-pci]\n"
                      "smbios: ['type=1,product=a b']\nfw_cfg: [{name: opt/x, text: 'a,%%h'}]\n"
                      "disks: [" DISK "virtio}, " DISK "virtio}, " DISK "virtio}, " DISK
                      "virtio}, " DISK "virtio}, " DISK "virtio}, " DISK "ide}, " DISK "ide}, " DISK
                      "sata}, " DISK "scsi}, " DISK "scsi}, " DISK "nvme}, " DISK "nvme}, " DISK
                      "floppy}, " DISK "floppy}]\n",
                      machines[i]);

        check("x86_64", 30, all);
    }
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        _cleanup_free_ char *one = xasprintf("machine: %s\nboot: {order: ncd}\nnics: {model: %s}\n",
                                             machines[i % 2], models[i]);

        check("x86_64", strcmp(models[i], "i82801") == 0 ? 2 : 28, one);
    }
    check("i386", 8, "seed: {method: tar, bus: ide}\ndisks: [" DISK "ide}, " DISK "ide}]\n");
    check("x86_64", 1, "scsi: lsi53c895a\ndisks: [" DISK "scsi}]\ndisplay: {vga: cirrus}\n");
    check("x86_64", 1,
          "scsi: megasas\nmachine: pc\ndisks: [" DISK "scsi}]\ndisplay: {vga: vmware}\n");
}

static void test_other_architectures(void **state)
{
    static const char *const archs[] = {"aarch64", "arm", "riscv64"};
    const char *disks = "disks: [" DISK "virtio}, " DISK "scsi}, " DISK "sata}, " DISK
                        "nvme}]\nseed: {method: tar, bus: virtio}\n";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
        _cleanup_free_ char *many = xasprintf("%sserials: 3\ndisplay: {tablet: true}\n", disks);

        check(archs[i], 28, many);
    }
    check("aarch64", 4, "nics: {model: virtio-net-device}\ndisks: [" DISK "virtio}]\n");
    check("ppc64", 28, "serials: 2\ndisks: [" DISK "virtio}, " DISK "scsi}]\n");
    check("ppc64", 4, "nics: {model: spapr-vlan}\ndisks: [" DISK "virtio}]\n");
}

/* One appliance of the corpus, with an empty file for each that it needs. */
static char *try_appliance(const char *path)
{
    _cleanup_free_ char *data = NULL, *text = NULL, *images = path_join(dir, "image");
    _cleanup_free_ char *where = path_join(images, "appliance.yaml");
    _cleanup_appliance_ struct appliance *appliance = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    json_t *definition = NULL, *notes = json_array(), *file;
    char *wrong = NULL;
    size_t size = 0, i;

    (void)dir_remove_tree(images, NULL);
    (void)mkdir(images, 0700);
    assert_int_equal(file_read(path, 4 << 20, &data, &size, NULL), 0);
    if (gns3_definition(&(struct gns3_source){.data = data, .size = size}, "x", &definition, NULL,
                        notes, &err) < 0) {
        json_decref(notes);
        return xstrdup(error_message(&err));
    }
    json_array_foreach (json_object_get(definition, "files"), i, file) {
        _cleanup_free_ char *name =
            path_join(images, json_string_value(json_object_get(file, "name")));
        int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        bool bios = strncmp(json_string_value(json_object_get(file, "name")), "OVMF", 4) == 0;

        /* A firmware of any bytes has to have a size that is one. */
        assert_int_equal(ftruncate(fd, bios ? 256 << 10 : 1 << 20), 0);
        (void)close(fd);
    }
    text = definition_text(definition, "test");
    if (appliance_parse(where, text, strlen(text), &appliance, &err) < 0) {
        wrong = xstrdup(error_message(&err));
    } else {
        /* Enough for every firmware, and a laden machine has it. */
        appliance->memory_bytes = 64 << 20;
        wrong = accepts(appliance, appliance->nic_count);
    }
    json_decref(definition);
    json_decref(notes);
    return wrong;
}

static void test_corpus(void **state)
{
    const char *root = getenv("LABCTL_CORPORA");
    _cleanup_free_ char *folder =
        path_join(root ? root : LABCTL_SOURCE_DIR "/../shared/corpora", "gns3a");
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort), tried = 0, bad = 0;

    (void)state;
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *path = path_join(folder, entries[i]->d_name), *wrong = NULL;
        const char *dot = strrchr(entries[i]->d_name, '.');

        if (dot && strcmp(dot, ".gns3a") == 0 && !obstacle("x86_64") && !obstacle("i386")) {
            wrong = try_appliance(path);
            tried++;
        }
        if (wrong) {
            print_message("%s: %s\n", entries[i]->d_name, wrong);
            bad++;
        }
        free(entries[i]);
    }
    free(entries);
    if (!tried)
        print_message("SKIP: no corpus in %s, or no taps for this user\n", folder);
    else
        print_message("%d appliances, %d bad\n", tried, bad);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pc),
        cmocka_unit_test(test_other_architectures),
        cmocka_unit_test(test_corpus),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
