// SPDX-License-Identifier: GPL-2.0-or-later

/* Root's guests as another user (base/runas.h says who, base/jail.h how its files come to him).
 *
 * What a QEMU works with is made by the engine and given to that user just before the start: disks,
 * console records and FIFOs. The folders stay root's: it can open what is there and make nothing.
 * Of the run folder it sees RUN/NODE.d in its place, which holds nothing but its own: the FIFOs
 * under a second name, and where it makes its screen's socket, and its TPM the other, which have
 * links to them in the run folder. So the command line is the same whoever runs it, and so is what
 * a later engine, or somebody with a VNC viewer, finds there.
 *
 * Whether all of that is possible is tried before the node is started. Where it is not (a
 * container without the right to mount; a disk that only its owner may read) the node runs as root
 * like the labs of earlier days, confined by the rest, and its status says why. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/lab_priv.h"

char *node_view_path(const struct node_run *node)
{
    return node_socket_path(node, "d");
}

/**
 * makes_sockets() - Whether something of the node listens on a socket of its own making
 * @node:	Node
 *
 * Return: true if so
 */
static bool makes_sockets(const struct node_run *node)
{
    return appliance_display(node->appliance, node->spec) == DISPLAY_VNC || node->appliance->tpm;
}

/**
 * give_files() - Give a folder's files to the node's user
 * @path:	Folder
 * @runas:	User
 * @folder:	And the folder itself; else he may only get at what is there
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int give_files(const char *path, const struct runas *runas, bool folder, struct error *err)
{
    _cleanup_closedir_ DIR *dir = opendir(path);
    struct dirent *item;
    struct stat st;

    if (!dir)
        return error_errno(err, errno, "%s", path);
    while ((item = readdir(dir))) {
        if (fstatat(dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)))
            continue;
        if (fchownat(dirfd(dir), item->d_name, runas->uid, runas->gid, AT_SYMLINK_NOFOLLOW) < 0)
            return error_errno(err, errno, "%s/%s: give it to user %u", path, item->d_name,
                               runas->uid);
    }
    if (fchown(dirfd(dir), folder ? runas->uid : 0, runas->gid) < 0 ||
        fchmod(dirfd(dir), folder ? 0700 : 0710) < 0)
        return error_errno(err, errno, "%s: open it to user %u", path, runas->uid);
    return 0;
}

/**
 * show_file() - Give a file of the run folder a second name in the node's view of it
 * @node:	Node
 * @view:	That
 * @suffix:	Of the file
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int show_file(const struct node_run *node, const char *view, const char *suffix,
                     struct error *err)
{
    _cleanup_free_ char *from = node_socket_path(node, suffix);
    _cleanup_free_ char *to = xasprintf("%s/%s.%s", view, node->spec->name, suffix);

    return link(from, to) < 0 ? error_errno(err, errno, "%s: second name %s", from, to) : 0;
}

/**
 * show_socket() - Lead from a socket's usual place to where the node makes it
 * @node:	Node
 * @suffix:	Of the socket
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int show_socket(const struct node_run *node, const char *suffix, struct error *err)
{
    _cleanup_free_ char *path = node_socket_path(node, suffix);
    _cleanup_free_ char *target =
        xasprintf("%s.d/%s.%s", node->spec->name, node->spec->name, suffix);

    (void)unlink(path);
    return symlink(target, path) < 0 ? error_errno(err, errno, "%s", path) : 0;
}

/**
 * make_view() - Make what the node sees of the run folder
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_view(const struct node_run *node, struct error *err)
{
    _cleanup_free_ char *view = node_view_path(node);
    int r = dir_remove_tree(view, err);

    if (r == 0 && mkdir(view, 0700) < 0)
        r = error_errno(err, errno, "%s", view);
    for (unsigned i = 0; r == 0 && i < node->console_count; i++) {
        _cleanup_free_ char *in = xasprintf("%u.in", i);
        _cleanup_free_ char *out = xasprintf("%s/%s.%u.out", view, node->spec->name, i);
        _cleanup_free_ char *log = xasprintf("%s/console-%u.log", node->dir, i);

        r = show_file(node, view, in, err);
        if (r == 0 && symlink(log, out) < 0)
            r = error_errno(err, errno, "%s", out);
    }
    if (r == 0 && node->vnc_port)
        r = show_file(node, view, "vncpw", err);
    return r < 0 ? r : give_files(view, &node->lab->runas, makes_sockets(node), err);
}

/**
 * give_tpm() - Give the node's TPM its folder
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int give_tpm(const struct node_run *node, struct error *err)
{
    _cleanup_free_ char *dir = path_join(node->dir, "tpm");

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s", dir);
    return give_files(dir, &node->lab->runas, true, err);
}

int node_user_jail(const struct node_run *node, struct confine *confine, struct error *err)
{
    const struct runas *runas = &node->lab->runas;
    _cleanup_free_ char *view = node_view_path(node);
    _cleanup_free_ char *dir = path_join(node->lab->run_dir, ".jail");
    struct stat st;

    if (!node->as_user)
        return 0;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s", dir);
    confine->change_user = true;
    confine->uid = runas->uid;
    confine->gid = runas->gid;
    /* Where everybody may use KVM no group is needed. */
    if (stat("/dev/kvm", &st) == 0 && (st.st_mode & 0066) == 0060)
        confine->extra = st.st_gid;
    confine->jail.mount_dir = steal_ptr(dir);
    jail_show_as(&confine->jail, view, node->lab->run_dir);
    return confine_allow(confine, view, makes_sockets(node) ? CONFINE_SOCKETS : CONFINE_READ, err);
}

/**
 * prepare() - Make a node fit to run as its user, and try it
 * @node:	Node
 * @argv:	QEMU's command line
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare(const struct node_run *node, char **argv, struct error *err)
{
    struct confine confine;
    int r = make_view(node, err);

    if (r == 0)
        r = give_files(node->dir, &node->lab->runas, false, err);
    if (r == 0 && node->appliance->tpm)
        r = give_tpm(node, err);
    if (r == 0)
        r = node_confine(node, argv, &confine, err);
    if (r < 0)
        return r;
    r = confine_try(&confine, node->dir, err);
    confine_done(&confine);
    if (r == 0 && appliance_display(node->appliance, node->spec) == DISPLAY_VNC)
        r = show_socket(node, "vnc", err);
    if (r == 0 && node->appliance->tpm)
        r = show_socket(node, "tpm", err);
    return r;
}

void node_user_choose(struct node_run *node, char **argv)
{
    struct lab *lab = node->lab;
    _cleanup_error_ struct error err = ERROR_INIT;

    free(node->user_fault);
    node->user_fault = xstrdup(lab->runas_fault);
    node->as_user = lab->runas.change;
    if (node->as_user && prepare(node, argv, &err) < 0) {
        _cleanup_free_ char *vnc = node_socket_path(node, "vnc"), *view = node_view_path(node);

        node->as_user = false;
        node->user_fault = xasprintf("%s%s%s", error_message(&err), err.hint ? "; " : "",
                                     err.hint ? err.hint : "");
        (void)unlink(vnc);
        (void)dir_remove_tree(view, NULL);
    }
    if (node->user_fault) {
        log_warning("%s: runs as root: %s", node->spec->name, node->user_fault);
        lab_event(lab, "node", node->spec->name, "runs as root: %s", node->user_fault);
    }
}

int lab_user_init(struct lab *lab, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    int r = runas_find(lab->run_dir, &lab->runas, &why);

    if (r == -ENOENT) {
        error_move(err, &why);
        return r;
    }
    if (r < 0)
        lab->runas_fault = xasprintf("%s%s%s", error_message(&why), why.hint ? "; " : "",
                                     why.hint ? why.hint : "");
    return 0;
}

json_t *node_user_json(const struct node_run *node)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d", (int)node->process.pid);
    struct stat st;

    return node->process.pid > 0 && stat(path, &st) == 0 ? json_integer((json_int_t)st.st_uid)
                                                         : json_null();
}
