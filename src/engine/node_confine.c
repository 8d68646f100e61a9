// SPDX-License-Identifier: GPL-2.0-or-later

/* What a node's QEMU may do (base/confine.h): open the node's own folder and console, read its
 * image and what QEMU itself consists of, use a few devices. Of the run folder it sees nothing but
 * its own FIFOs, so neither sockets nor the state of the lab.
 *
 * Files elsewhere that the command line names (firmware, an image's file that is a link) are added
 * as they stand there. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/host.h"
#include "engine/lab_priv.h"

/**
 * is_script() - Whether a program is one for an interpreter
 * @path:	Program
 *
 * Return: true if so
 */
static bool is_script(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char begin[2];

    return fd >= 0 && read(fd, begin, sizeof(begin)) == sizeof(begin) && begin[0] == '#' &&
           begin[1] == '!';
}

/**
 * allow_program() - QEMU itself, its libraries, modules and firmware
 * @confine:	Added to
 * @arch:	Guest's architecture
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int allow_program(struct confine *confine, const char *arch, struct error *err)
{
    static const struct {
        const char *path;
        enum confine_access access;
    } places[] = {
        {"/usr", CONFINE_READ},
        {"/lib", CONFINE_READ},
        {"/lib64", CONFINE_READ},
        {"/lib64/ld-linux-x86-64.so.2", CONFINE_EXECUTE},
        {"/lib/ld-linux-aarch64.so.1", CONFINE_EXECUTE},
        {"/lib64/ld64.so.2", CONFINE_EXECUTE},
        {"/lib/ld-linux-riscv64-lp64d.so.1", CONFINE_EXECUTE},
        {"/etc/ld.so.cache", CONFINE_READ},
        {"/etc/localtime", CONFINE_READ},
        {"/sys/devices/system", CONFINE_READ},
        {"/dev/null", CONFINE_WRITE},
        {"/dev/zero", CONFINE_READ},
        {"/dev/urandom", CONFINE_READ},
        {"/dev/random", CONFINE_READ},
        {"/dev/kvm", CONFINE_WRITE},
        {"/dev/vhost-net", CONFINE_WRITE},
    };
    static const char *const parts[] = {"lib", "lib64", "libexec", "share"};
    _cleanup_free_ char *found = NULL, *program = NULL, *bin = NULL, *prefix = NULL;
    int r = host_qemu_find(arch, &found, err);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
        r = confine_allow(confine, places[i].path, places[i].access, err);
    program = realpath(found, NULL);
    if (r < 0 || !program)
        return r < 0 ? r : error_errno(err, errno, "%s", found);
    jail_show(&confine->jail, found);
    /* By which it finds its parts. */
    jail_link(&confine->jail, "/proc/self/exe", program);
    bin = path_dirname(program);
    prefix = path_dirname(bin);
    r = confine_allow(confine, program, CONFINE_EXECUTE, err);
    /* Somebody's own way to start QEMU: with an interpreter, and what the script calls. */
    if (r == 0 && is_script(program))
        r = confine_allow(confine, "/usr", CONFINE_EXECUTE, err);
    if (r == 0 && is_script(program))
        jail_show(&confine->jail, "/bin");
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
        _cleanup_free_ char *path = path_join(prefix, parts[i]);

        r = confine_allow(confine, path, CONFINE_READ, err);
    }
    return r;
}

/**
 * allow_argument() - Files that stand in one word of the command line
 * @confine:	Added to
 * @word:	"virtio-blk,file=/a/b,c=d", "/a/b", …
 * @own:	The lab's folders are not looked at: NULL-terminated list
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int allow_argument(struct confine *confine, const char *word, const char *const *own,
                          struct error *err)
{
    int r = 0;

    for (const char *at = word; r == 0 && (at = strchr(at, '/')); at += strcspn(at, ",\"")) {
        _cleanup_free_ char *path = NULL;
        bool inside = false;
        struct stat st;

        if (at > word && !strchr("=:\"", at[-1]))
            continue;
        path = xstrndup(at, strcspn(at, ",\""));
        for (size_t i = 0; own[i]; i++)
            inside |= strncmp(path, own[i], strlen(own[i])) == 0 && path[strlen(own[i])] == '/';
        if (!inside && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            r = confine_need(confine, path, CONFINE_READ, err);
    }
    return r;
}

/**
 * allow_bases() - What the node's own disks stand on, which their own headers name
 * @node:	Node
 * @confine:	Added to
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int allow_bases(const struct node_run *node, struct confine *confine, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < node->appliance->disk_count; i++)
        if (node->appliance->disks[i].file && node->appliance->disks[i].mode == DISK_OVERLAY)
            r = confine_need(confine, node->appliance->disks[i].file, CONFINE_READ, err);
    return r;
}

/**
 * allow_console() - The node's FIFOs and sockets in the run folder
 * @node:	Node
 * @confine:	Added to
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int allow_console(const struct node_run *node, struct confine *confine, struct error *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < node->console_count; i++) {
        _cleanup_free_ char *suffix = xasprintf("%u.in", i);
        _cleanup_free_ char *path = node_socket_path(node, suffix);

        r = confine_allow(confine, path, CONFINE_WRITE, err);
    }
    if (r == 0 && appliance_display(node->appliance, node->spec) == DISPLAY_VNC && !node->as_user)
        r = confine_allow(confine, node->lab->run_dir, CONFINE_SOCKETS, err);
    if (r == 0 && node->vnc_port) {
        _cleanup_free_ char *path = display_password_path(node);

        r = confine_allow(confine, path, CONFINE_READ, err);
        if (r == 0)
            r = confine_allow_port(confine, node->vnc_port, err);
    }
    return r;
}

int node_confine(const struct node_run *node, char **argv, struct confine *ret_confine,
                 struct error *err)
{
    const char *const own[] = {node->lab->run_dir, node->lab->state_dir, NULL};
    _cleanup_free_ char *store = path_dirname(node->appliance->dir);
    struct confine confine;
    int r = confine_init(&confine, err);

    confine.fds += node->spec->nics;
    confine.connects = node->appliance->tpm; /* to the socket of its TPM */
    if (r == 0)
        r = node_user_jail(node, &confine, err);
    if (r == 0)
        r = allow_program(&confine, node->appliance->arch, err);
    if (r == 0 && node->accel == ACCEL_KVM)
        r = confine_need(&confine, "/dev/kvm", CONFINE_WRITE, err);
    if (r == 0)
        r = confine_allow(&confine, node->dir, CONFINE_FOLDER, err);
    /* The image, and builds of it that came before: an older disk may stand on one of them. */
    if (r == 0)
        r = confine_allow(&confine, strstr(store, "/.store") ? store : node->appliance->dir,
                          CONFINE_READ, err);
    if (r == 0)
        r = allow_bases(node, &confine, err);
    if (r == 0)
        r = allow_console(node, &confine, err);
    for (char **word = argv + 1; r == 0 && *word; word++)
        r = allow_argument(&confine, *word, own, err);
    if (r < 0) {
        confine_done(&confine);
        return error_prefix(err, "isolation");
    }
    *ret_confine = confine;
    return 0;
}

int node_confine_tpm(const struct node_run *node, const char *dir, struct confine *ret_confine,
                     struct error *err)
{
    static const char *const devices[] = {"/dev/null", "/dev/urandom", "/dev/random"};
    static const char *const readable[] = {
        "/usr", "/lib", "/lib64", "/etc/ssl", "/etc/passwd", "/etc/ld.so.cache", "/etc/localtime"};
    struct confine confine;
    int r = confine_init(&confine, err);

    if (r == 0)
        r = node_user_jail(node, &confine, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(readable); i++)
        r = confine_allow(&confine, readable[i], CONFINE_READ, err);
    if (r == 0)
        r = confine_allow(&confine, "/usr", CONFINE_EXECUTE, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(devices); i++)
        r = confine_allow(&confine, devices[i], CONFINE_WRITE, err);
    if (r == 0)
        r = confine_allow(&confine, dir, CONFINE_FOLDER, err);
    *ret_confine = confine;
    return r < 0 ? error_prefix(err, "isolation of the TPM") : 0;
}
