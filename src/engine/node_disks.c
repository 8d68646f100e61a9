// SPDX-License-Identifier: GPL-2.0-or-later

/* What a node's folder must hold before QEMU starts: private disks, the configuration disk, UEFI's
 * variables, a TPM. The format of a base image is told by its own bytes (appliance/probe.h) and
 * then said to QEMU, which so never guesses and never opens a file that an image names. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/probe.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "engine/lab_priv.h"
#include "engine/qemu_argv.h"

/**
 * make_overlay() - Make a qcow2 on top of a base image, with QEMU's help where only that can tell
 * how large it is
 * @disk:	Disk of the appliance
 * @path:	File to make
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_overlay(const struct appliance_disk *disk, const char *path, struct error *err)
{
    struct image_probe probe = {.driver = NULL, .virtual_size = disk->size};
    int r = disk->file ? image_probe_file(disk->file, &probe, err) : 0;

    if (r == 0 && disk->file && strcmp(probe.driver, disk->format) != 0)
        r = error_set(err, EINVAL, "%s: was %s when the lab came up and is %s now", disk->file,
                      disk->format, probe.driver);
    if (r < 0)
        return r;
    if (disk->file && !probe.virtual_size) {
        const char *argv[] = {"qemu-img",   "create", "-q",       "-f", "qcow2", "-F",
                              probe.driver, "-b",     disk->file, path, NULL};
        _cleanup_free_ char *said = NULL;
        int status = spawn_run(argv, &said, err);

        if (status < 0)
            error_hint(err, "install the package qemu-utils");
        return status > 0 ? error_set(err, EIO, "%s: create: %s", path, said) : status;
    }
    if (probe.virtual_size < disk->size)
        probe.virtual_size = disk->size;
    return image_overlay(path, disk->file, probe.driver, probe.virtual_size, err);
}

/**
 * prepare_overlay() - Make a node's overlay, whole or not at all
 * @disk:	Disk of the appliance
 * @path:	File to make
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare_overlay(const struct appliance_disk *disk, const char *path, struct error *err)
{
    _cleanup_free_ char *temp = xasprintf("%s.new", path);
    int r;

    (void)unlink(temp);
    r = make_overlay(disk, temp, err);
    if (r == 0 && rename(temp, path) < 0)
        r = error_errno(err, errno, "%s: rename", path);
    if (r < 0)
        (void)unlink(temp);
    return r;
}

/**
 * prepare_copy() - Make a node's private copy of a disk, whole or not at all
 * @base:	Absolute path of the base
 * @path:	File to make
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare_copy(const char *base, const char *path, struct error *err)
{
    _cleanup_free_ char *temp = xasprintf("%s.new", path);
    _cleanup_close_ int fd = open(base, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "%s", base);
    (void)unlink(temp);
    r = file_copy_sparse(fd, temp, 0600, err);
    if (r < 0)
        return r;
    if (rename(temp, path) < 0) {
        r = error_errno(err, errno, "%s: rename", path);
        (void)unlink(temp);
    }
    return r;
}

/**
 * prepare_disk() - Make a node's own disk if it lacks it
 * @node:	Node
 * @index:	Which
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare_disk(struct node_run *node, size_t index, struct error *err)
{
    const struct appliance_disk *disk = &node->appliance->disks[index];
    _cleanup_free_ char *path = qemu_disk_path(node->dir, node->appliance, index);

    if (disk->file && !file_exists(disk->file)) {
        int r = error_set(err, ENOENT, "image '%s': %s is gone", node->appliance->name, disk->file);

        error_hint(err, "labctl image build %s", node->appliance->name);
        return r;
    }
    if (disk->mode == DISK_READONLY || file_exists(path))
        return 0;
    return disk->mode == DISK_COPY ? prepare_copy(disk->file, path, err)
                                   : prepare_overlay(disk, path, err);
}

void node_end_tpm(const struct node_run *node)
{
    /* Its control channel, as QEMU speaks it: the command "shutdown", high byte first. */
    static const unsigned char shut_down[] = {0, 0, 0, 3};
    _cleanup_free_ char *path = node_socket_path(node, "tpm");
    _cleanup_close_ int fd = node->appliance->tpm ? socket_connect(path, SOCK_STREAM, NULL) : -1;

    if (fd >= 0)
        (void)send(fd, shut_down, sizeof(shut_down), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/**
 * run_tpm() - Run swtpm as far as to its background
 * @node:	Node
 * @argv:	Its command line
 * @dir:	Where its state is
 * @err:	Error to fill
 *
 * What it reads comes from the guest, so it runs as QEMU does. Where that is the lab's own user,
 * nothing more is done.
 *
 * Return: its exit status or -errno
 */
static int run_tpm(const struct node_run *node, const char *const *argv, const char *dir,
                   char **ret_said, struct error *err)
{
    struct confine confine;
    int r;

    if (!node->as_user)
        return spawn_run(argv, ret_said, err);
    r = node_confine_tpm(node, dir, &confine, err);
    if (r == 0)
        r = spawn_run_confined(argv, &confine, ret_said, err);
    confine_done(&confine);
    return r;
}

int node_start_tpm(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *dir = path_join(node->dir, "tpm"), *said = NULL;
    _cleanup_free_ char *socket = node_socket_path(node, "tpm");
    _cleanup_free_ char *state = xasprintf("dir=%s", dir);
    _cleanup_free_ char *control = xasprintf("type=unixio,path=%s", socket);
    const char *argv[] = {"swtpm",  "socket", "--tpm2",   "--tpmstate",  state,
                          "--ctrl", control,  "--daemon", "--terminate", NULL};
    int r = 0;

    if (!node->appliance->tpm)
        return 0;
    if (!node->as_user) {
        /* It may be another's from a time when it was not root's. */
        if (geteuid() == 0)
            (void)!lchown(dir, 0, 0);
        r = dir_make_private(dir, err);
    }
    if (r < 0)
        return r;
    if (strchr(dir, ',') || strchr(socket, ','))
        return error_set(err, EINVAL, "a TPM's folder may have no comma: %s", dir);
    if (!node->as_user)
        (void)unlink(socket); /* else it leads to a folder that has just been made */
    r = run_tpm(node, argv, dir, &said, err);
    if (r < 0)
        error_hint(err, "the image wants a TPM: on Debian: sudo apt install swtpm");
    return r > 0 ? error_set(err, EIO, "swtpm: %s", said) : r;
}

/**
 * prepare_uefi() - The node's own copy of the firmware's variables
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare_uefi(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *vars = qemu_uefi_vars(node->dir);
    const char *template = NULL;
    int r = host_uefi_find(node->appliance->arch, NULL, &template, err);

    return r < 0 || file_exists(vars) ? r : prepare_copy(template, vars, err);
}

int node_prepare_disks(struct node_run *node, struct error *err)
{
    const struct appliance *appliance = node->appliance;
    int r = dir_make_private(node->dir, err);

    /* A guest that starts has forgotten what was typed, unless all of it was. */
    if (r == 0)
        r = typing_forget_half(node, err);

    for (size_t i = 0; r == 0 && i < appliance->disk_count; i++)
        r = prepare_disk(node, i, err);
    if (r == 0 && appliance_firmware(appliance, node->spec) == FIRMWARE_UEFI)
        r = prepare_uefi(node, err);
    if (r == 0) {
        _cleanup_(node_seed_done) struct node_seed seed =
            node_seed(node->lab->topology, node->lab->name, node->index, appliance);

        r = seed_write(node->dir, &seed.request, err);
    }
    if (appliance->tpm)
        node_end_tpm(node); /* of a QEMU that ended while no engine was there */
    return r;
}

int node_complete(const struct node_run *node, struct error *err)
{
    const struct appliance *appliance = node->appliance;
    int r;

    for (size_t i = 0; i < appliance->file_count; i++) {
        if (!appliance->files[i].missing)
            continue;
        r = error_set(err, ENOENT, "image '%s' lacks the file '%s'", appliance->name,
                      appliance->files[i].name);
        error_hint(err, "add it by 'labctl image add %s --disk FILE'", appliance->name);
        return r;
    }
    for (size_t i = 0; i < node->spec->file_count; i++)
        if (!appliance_takes_file(appliance, node->spec->files[i].name))
            return error_input(err, "node '%s': image '%s' cannot be given a file '%s'",
                               node->spec->name, appliance->name, node->spec->files[i].name);
    r = display_check(node, err);
    if (r < 0)
        return r;
    if (appliance_firmware(appliance, node->spec) == FIRMWARE_UEFI)
        return host_uefi_find(appliance->arch, NULL, NULL, err);
    return 0;
}

enum accel node_accel_wanted(const struct node_run *node)
{
    return node->spec->accel == ACCEL_AUTO ? node->appliance->accel : node->spec->accel;
}

int node_wipe(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *vars = qemu_uefi_vars(node->dir), *tpm = path_join(node->dir, "tpm");

    if (node_has_process(node) || node->state == NODE_QUEUED)
        return error_set(err, EBUSY, "node '%s' is running", node->spec->name);
    if (typing_forget(node, err) < 0)
        return -err->code;
    for (size_t i = 0; i < node->appliance->disk_count; i++) {
        _cleanup_free_ char *path = qemu_disk_path(node->dir, node->appliance, i);

        if (node->appliance->disks[i].mode != DISK_READONLY && unlink(path) < 0 && errno != ENOENT)
            return error_errno(err, errno, "node '%s': remove %s", node->spec->name, path);
    }
    if (unlink(vars) < 0 && errno != ENOENT)
        return error_errno(err, errno, "node '%s': remove %s", node->spec->name, vars);
    return dir_remove_tree(tpm, err);
}
