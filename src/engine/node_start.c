// SPDX-License-Identifier: GPL-2.0-or-later

/* From a queued node to a QEMU process: taps, sockets, spawn (disks: node_disks.c).
 *
 * The engine makes the listening socket of QMP itself, connects to it and hands the listening end
 * to QEMU. So there is nothing to wait for or to poll: the connection stands before QEMU runs, and
 * the path stays for a later engine to connect to. A serial port is a file and a FIFO, which wait
 * for nobody (src/console/follow.c). QEMU opens the file without O_APPEND and would write over what
 * earlier runs said: node_append_records() sets the flag on QEMU's own descriptor, before the guest
 * runs. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "engine/lab_priv.h"
#include "engine/qemu_argv.h"

int node_record(struct node_run *node, unsigned serial, bool old, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/console-%u.log", node->dir, serial);

    return console_record(
        node->consoles[serial], path,
        node->spec->record_bytes ? node->spec->record_bytes : CONSOLE_RECORD_DEFAULT, old, err);
}

char *node_socket_path(const struct node_run *node, const char *suffix)
{
    return xasprintf("%s/%s.%s", node->lab->run_dir, node->spec->name, suffix);
}

/**
 * make_socket_pair() - A listening socket for QEMU and a connection to it
 * @path:	Where it listens
 * @ret_listen:	For QEMU; caller owns
 * @ret_fd:	For the engine; caller owns
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_socket_pair(const char *path, int *ret_listen, int *ret_fd, struct error *err)
{
    _cleanup_close_ int listen_fd = -1, fd = -1;

    listen_fd = socket_listen(path, SOCK_STREAM, err);
    if (listen_fd < 0)
        return listen_fd;
    fd = socket_connect(path, SOCK_STREAM, err);
    if (fd < 0)
        return fd;
    *ret_listen = steal_fd(&listen_fd);
    *ret_fd = steal_fd(&fd);
    return 0;
}

/**
 * open_removed() - Open a file that a process has open, though its name is gone
 * @pid:	Process
 * @path:	Name that it had
 *
 * Return: descriptor or -1
 */
static int open_removed(pid_t pid, const char *path)
{
    _cleanup_free_ char *dir = xasprintf("/proc/%d/fd", (int)pid);
    _cleanup_free_ char *removed = xasprintf("%s (deleted)", path);
    _cleanup_free_ char *name = dir_find_link(dir, removed);
    _cleanup_free_ char *entry = name ? path_join(dir, name) : NULL;

    return entry ? open(entry, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
}

int node_console_fifo(struct node_run *node, unsigned serial, struct error *err)
{
    _cleanup_free_ char *suffix = xasprintf("%u.in", serial),
                        *path = node_socket_path(node, suffix);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT && node->process.pid > 0) {
        fd = open_removed(node->process.pid, path);
        errno = ENOENT;
    }
    node->serial_fds[serial] = fd;
    return fd < 0 ? error_errno(err, errno, "%s", path) : 0;
}

/**
 * make_console_files() - What QEMU opens for a serial port: a FIFO, and the name of the record
 * @node:	Node
 * @serial:	Which port
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_console_files(struct node_run *node, unsigned serial, struct error *err)
{
    _cleanup_free_ char *in =
        xasprintf("%s/%s.%u.in", node->lab->run_dir, node->spec->name, serial);
    _cleanup_free_ char *out =
        xasprintf("%s/%s.%u.out", node->lab->run_dir, node->spec->name, serial);
    _cleanup_free_ char *log = xasprintf("%s/console-%u.log", node->dir, serial);
    struct stat st;
    int r = node_record(node, serial, false, err);

    if (r < 0)
        return r;
    if (serial == 0)
        node->said = stat(log, &st) == 0 ? (uint64_t)st.st_size : 0;
    /* New ones: what was typed before and never read is not for this guest. */
    (void)unlink(in);
    (void)unlink(out);
    if (mkfifo(in, 0600) < 0)
        return error_errno(err, errno, "%s", in);
    if (symlink(log, out) < 0)
        return error_errno(err, errno, "%s", out);
    return node_console_fifo(node, serial, err);
}

/* Descriptors on their way to QEMU; all closed here once it has them. */
struct handover {
    struct spawn_fd *fds;
    size_t count;
};

/**
 * handover_done() - Close and free them
 * @handover:	What to free
 */
static void handover_done(struct handover *handover)
{
    for (size_t i = 0; i < handover->count; i++)
        (void)close(handover->fds[i].from);
    free(handover->fds);
}

/**
 * handover_add() - One more
 * @handover:	List with room for it
 * @from:	Descriptor, ownership taken
 * @to:		Its number in QEMU
 */
static void handover_add(struct handover *handover, int from, int to)
{
    handover->fds[handover->count++] = (struct spawn_fd){.from = from, .to = to};
}

/**
 * gather_fds() - Sockets, taps and the log for QEMU
 * @node:	Node
 * @handover:	Where to put them
 * @ret_qmp:	The engine's end of QMP; caller owns
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int gather_fds(struct node_run *node, struct handover *handover, int *ret_qmp,
                      struct error *err)
{
    _cleanup_free_ char *path = node_socket_path(node, "qmp"),
                        *log = path_join(node->dir, "qemu.log");
    unsigned nics = node->spec->nics;
    _cleanup_free_ int *taps = xnew0(int, nics);
    int listen_fd, log_fd, r;

    handover->fds = xnew0(struct spawn_fd, nics + 3);
    log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return error_errno(err, errno, "%s", log);
    handover_add(handover, log_fd, 2);
    r = make_socket_pair(path, &listen_fd, ret_qmp, err);
    if (r < 0)
        return r;
    handover_add(handover, listen_fd, QEMU_FD_QMP);
    for (unsigned i = 0; i < node->console_count; i++) {
        r = make_console_files(node, i, err);
        if (r < 0)
            return r;
    }
    if (nics == 0)
        return 0;
    r = network_ensure(node->lab, err);
    if (r == 0)
        r = fabric_taps(node->lab->fabric, node->lab->plan, node->index, taps, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < nics; i++)
        handover_add(handover, taps[i], QEMU_FD_TAP + (int)i);
    return 0;
}

/**
 * spawn_qemu() - Start the process and watch it
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int spawn_qemu(struct node_run *node, struct error *err)
{
    _cleanup_(handover_done) struct handover handover = {0};
    _cleanup_close_ int qmp_fd = -1, pidfd = -1;
    _cleanup_free_ char *vnc_password = display_password_path(node);
    const char *uefi = NULL;
    struct confine confine;
    char **argv;
    pid_t pid = 0;
    int r;

    r = gather_fds(node, &handover, &qmp_fd, err);
    if (r == 0 && appliance_firmware(node->appliance, node->spec) == FIRMWARE_UEFI)
        r = host_uefi_find(node->appliance->arch, &uefi, NULL, err);
    if (r == 0)
        r = display_prepare(node, err);
    if (r < 0)
        return r;
    argv = qemu_argv(&(struct qemu_request){
        .topology = node->lab->topology,
        .lab = node->lab->name,
        .node = node->index,
        .appliance = node->appliance,
        .accel = node->accel,
        /* An emulated KVM has registers of the host's CPU that it cannot set. */
        .host_cpu = node->lab->host.kvm_hardware,
        .tsc_khz = node->lab->host.tsc_khz,
        .node_dir = node->dir,
        .run_dir = node->lab->run_dir,
        .uefi_code = uefi,
        .vnc_port = node->vnc_port,
        .vnc_password = vnc_password,
    });
    node_user_choose(node, argv);
    r = node_start_tpm(node, err);
    if (r == 0)
        r = node_confine(node, argv, &confine, err);
    if (r == 0) {
        r = spawn(&(struct spawn_options){.argv = (const char *const *)argv,
                                          .fds = handover.fds,
                                          .fd_count = handover.count,
                                          .dir = node->dir,
                                          .confine = &confine,
                                          .new_session = true},
                  &pid, &pidfd, err);
        confine_done(&confine);
    }
    qemu_argv_free(argv);
    if (r < 0) {
        if (r == -ENOENT)
            host_qemu_hint(node->appliance->arch, err);
        return r;
    }
    node->is_child = true;
    node->started_ns = now_ns();
    r = process_identify(pid, &node->process, err);
    if (r == 0)
        limits_apply(node);
    if (r == 0)
        r = node_watch(node, steal_fd(&pidfd), steal_fd(&qmp_fd), err);
    return r;
}

int node_start(struct node_run *node, struct error *err)
{
    int r = host_accel(&node->lab->host, node_accel_wanted(node), node->appliance->arch,
                       &node->accel, NULL, err);

    if (r == 0)
        r = node_prepare_disks(node, err);
    if (r == 0)
        r = spawn_qemu(node, err);
    return r < 0 ? error_prefix(err, "node '%s'", node->spec->name) : 0;
}

/**
 * append_one() - Make QEMU append to a file that it has open
 * @node:	Node
 * @path:	File
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int append_one(const struct node_run *node, const char *path, struct error *err)
{
    _cleanup_free_ char *dir_path = xasprintf("/proc/%d/fd", node->process.pid);
    _cleanup_closedir_ DIR *dir = opendir(dir_path);
    struct stat wanted, there;
    struct dirent *item;

    if (!dir || stat(path, &wanted) < 0)
        return error_errno(err, errno, "%s", dir ? path : dir_path);
    while ((item = readdir(dir))) {
        _cleanup_close_ int fd = -1;
        int flags;

        if (fstatat(dirfd(dir), item->d_name, &there, 0) < 0 || there.st_ino != wanted.st_ino ||
            there.st_dev != wanted.st_dev)
            continue;
        fd = (int)syscall(SYS_pidfd_getfd, node->pidfd, atoi(item->d_name), 0);
        /* The flag belongs to the open file, which both descriptors share. */
        if (fd < 0 || (flags = fcntl(fd, F_GETFL)) < 0 || fcntl(fd, F_SETFL, flags | O_APPEND) < 0)
            return error_errno(err, errno, "make QEMU append to %s", path);
        return 0;
    }
    return error_set(err, ENOENT, "QEMU has not opened %s", path);
}

int node_append_records(struct node_run *node, struct error *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < node->console_count; i++) {
        _cleanup_free_ char *log = xasprintf("%s/console-%u.log", node->dir, i);
        struct stat st;

        r = append_one(node, log, err);
        /* A new record needs no help: QEMU is the only one to write. */
        if (r < 0 && stat(log, &st) == 0 && st.st_size == 0) {
            error_done(err);
            r = 0;
        }
    }
    if (r < 0)
        error_hint(err, "a process may not look into its own children here (see "
                        "/proc/sys/kernel/yama/ptrace_scope); run as root, or remove the old "
                        "console records before each start");
    return r;
}
