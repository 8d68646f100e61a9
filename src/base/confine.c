// SPDX-License-Identifier: GPL-2.0-or-later

/* A QEMU runs what its guest gives it to do, so it is to be able to do little else. Three things
 * together, none of which needs a privilege, and one that root can do:
 *
 *   Landlock     which files it may open, and with newer kernels: no TCP, no abstract sockets, no
 *                signals to processes outside. It also hides other processes' memory and /proc.
 *   seccomp      no way to other processes (ptrace and its kin, kill, connect), none around the
 *                filter (io_uring), none to more of the kernel (namespaces, mounts, keys, bpf).
 *                QEMU's own -sandbox comes on top of it and forbids more.
 *   rlimits      no core files with a guest's memory in them, and few descriptors.
 *   as root      another user, in a file system in which only what is allowed exists (base/jail.h).
 *
 * Nor may it make links: root's engine works in the same folders.
 *
 * connect() is there because sockets in the file system are not Landlock's business: a QEMU of an
 * ordinary user would have the user's right to speak to engine and fabric. The descriptors that it
 * inherits do all that it needs.
 *
 * There is no limit of file size: a console's record grows for ever, with holes at its beginning.
 *
 * The numbers of Landlock's newer rights are given here because headers of Debian 12 lack them. */

#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* linux/landlock.h */
#define FS_EXECUTE     (1ull << 0)
#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG    (1ull << 8)
#define FS_MAKE_SOCK   (1ull << 9)
#define FS_TRUNCATE    (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (1ull << 15) /* ABI 5 */
#define NET_ALL        3ull         /* ABI 4: bind and connect TCP */
#define SCOPE_ALL      3ull         /* ABI 6: abstract sockets, signals */
#define NET_BIND       1ull
#define RULE_PATH      1
#define RULE_PORT      2 /* ABI 4 */

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t access;
    int32_t parent_fd;
} __attribute__((packed));

struct port_rule {
    uint64_t access, port;
};

int confine_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

    return abi > 0 ? (int)abi : 0;
}

/**
 * known_rights() - Rights over files that a kernel's Landlock knows
 * @abi:	Its version
 */
static uint64_t known_rights(int abi)
{
    unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;

    return (1ull << bits) - 1;
}

int confine_init(struct confine *confine, struct error *err)
{
    struct ruleset rules = {0};
    size_t size = sizeof(rules.fs);
    long fd;

    *confine = (struct confine){.ruleset_fd = -1, .abi = confine_abi(), .fds = 1024};
    if (confine->abi == 0)
        return 0;
    rules.fs = known_rights(confine->abi);
    if (confine->abi >= 4) {
        rules.net = NET_ALL;
        size = offsetof(struct ruleset, scoped);
    }
    if (confine->abi >= 6) {
        rules.scoped = SCOPE_ALL;
        size = sizeof(rules);
    }
    fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0)
        return error_errno(err, errno, "make a Landlock ruleset");
    confine->ruleset_fd = (int)fd;
    return 0;
}

void confine_done(struct confine *confine)
{
    cleanup_close(&confine->ruleset_fd);
    confine->ruleset_fd = -1;
    jail_done(&confine->jail);
    for (size_t i = 0; i < confine->need_count; i++)
        free(confine->needs[i].path);
    free(confine->needs);
    confine->needs = NULL;
    confine->need_count = confine->need_capacity = 0;
}

int confine_allow(struct confine *confine, const char *path, enum confine_access access,
                  struct error *err)
{
    static const uint64_t rights[] = {
        [CONFINE_READ] = FS_READ_FILE | FS_READ_DIR,
        [CONFINE_EXECUTE] = FS_READ_FILE | FS_READ_DIR | FS_EXECUTE,
        [CONFINE_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
        [CONFINE_FOLDER] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE |
                           FS_REMOVE_FILE | FS_MAKE_REG | FS_MAKE_SOCK,
        [CONFINE_SOCKETS] = FS_MAKE_SOCK,
    };
    struct path_rule rule = {.access = rights[access] & known_rights(confine->abi)};
    _cleanup_close_ int fd = -1;
    struct stat st;

    jail_show(&confine->jail, path);
    if (confine->ruleset_fd < 0)
        return 0;
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        rule.access &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    rule.parent_fd = fd;
    if (syscall(SYS_landlock_add_rule, confine->ruleset_fd, RULE_PATH, &rule, 0) < 0)
        return error_errno(err, errno, "Landlock: %s", path);
    return 0;
}

int confine_allow_port(struct confine *confine, uint16_t port, struct error *err)
{
    struct port_rule rule = {.access = NET_BIND, .port = port};

    if (confine->abi < 4)
        return 0;
    if (syscall(SYS_landlock_add_rule, confine->ruleset_fd, RULE_PORT, &rule, 0) < 0)
        return error_errno(err, errno, "Landlock: port %u", port);
    return 0;
}

int confine_need(struct confine *confine, const char *path, enum confine_access access,
                 struct error *err)
{
    array_grow(confine->needs, confine->need_count, confine->need_capacity);
    confine->needs[confine->need_count++] =
        (struct confine_file){.path = xstrdup(path), .write = access == CONFINE_WRITE};
    return confine_allow(confine, path, access, err);
}

int confine_enter(const struct confine *confine)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
        return -errno;
    if (confine->jail.mount_dir) {
        int r = jail_enter(&confine->jail);

        if (r < 0)
            return r;
    }
    if (confine->change_user &&
        (syscall(SYS_setgroups, confine->extra ? 1UL : 0UL, &confine->extra) < 0 ||
         syscall(SYS_setresgid, confine->gid, confine->gid, confine->gid) < 0 ||
         syscall(SYS_setresuid, confine->uid, confine->uid, confine->uid) < 0))
        return -errno;
    if (confine->ruleset_fd >= 0 && syscall(SYS_landlock_restrict_self, confine->ruleset_fd, 0) < 0)
        return -errno;
    return 0;
}

/* What the child of confine_try() found. */
struct finding {
    int code;    /* -errno */
    size_t need; /* which of the files; their number: none of them */
};

/**
 * try_it() - In the child: do it, and look at the files
 * @confine:	What to do
 * @dir:	Working folder
 *
 * Return: what came of it
 */
static struct finding try_it(const struct confine *confine, const char *dir)
{
    struct finding found = {.need = confine->need_count};

    found.code = confine_enter(confine);
    if (found.code == 0 && chdir(dir) < 0)
        found.code = -errno;
    if (found.code < 0)
        return found;
    for (size_t i = 0; i < confine->need_count; i++) {
        if (access(confine->needs[i].path, confine->needs[i].write ? R_OK | W_OK : R_OK) == 0)
            continue;
        found.code = -errno;
        found.need = i;
        break;
    }
    return found;
}

int confine_try(const struct confine *confine, const char *dir, struct error *err)
{
    _cleanup_close_ int read_fd = -1, write_fd = -1;
    struct finding found = {.code = -EIO, .need = confine->need_count};
    int pipe_fds[2];
    ssize_t size;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    read_fd = pipe_fds[0];
    write_fd = pipe_fds[1];
    pid = fork();
    if (pid == 0) {
        found = try_it(confine, dir);
        (void)!write(write_fd, &found, sizeof(found));
        _exit(0);
    }
    if (pid < 0)
        return error_errno(err, errno, "fork");
    (void)close(steal_fd(&write_fd));
    do
        size = read(read_fd, &found, sizeof(found));
    while (size < 0 && errno == EINTR);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (size != (ssize_t)sizeof(found))
        return error_set(err, EIO, "the attempt ended without a word");
    if (found.code == 0)
        return 0;
    if (found.need >= confine->need_count)
        return error_errno(err, -found.code, "change to user %u in a file system of its own",
                           confine->uid);
    if (confine->needs[found.need].write) {
        error_errno(err, -found.code, "user %u may not use %s", confine->uid,
                    confine->needs[found.need].path);
        error_hint(err, "let a group use it: chgrp kvm %s && chmod g+rw %s",
                   confine->needs[found.need].path, confine->needs[found.need].path);
    } else {
        error_errno(err, -found.code, "user %u may not read %s", confine->uid,
                    confine->needs[found.need].path);
        error_hint(err, "let others read it: chmod o+r %s", confine->needs[found.need].path);
    }
    return found.code;
}

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OWN_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCH AUDIT_ARCH_RISCV64
#endif

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* One system call less: two instructions. */
#define REFUSE(number)                                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

#ifdef OWN_ARCH
/* The filter, in three parts: a confined program may be allowed to connect. */
static const struct sock_filter own_calls_only[] = {
    /* System calls of another architecture (32 bits) would have other numbers. */
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), /* x32 */
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
};

static const struct sock_filter no_connect[] = {REFUSE(SYS_connect)};

static const struct sock_filter refusals[] = {
    REFUSE(SYS_ptrace),
    REFUSE(SYS_process_vm_readv),
    REFUSE(SYS_process_vm_writev),
    REFUSE(SYS_pidfd_getfd),
    REFUSE(SYS_pidfd_send_signal),
    REFUSE(SYS_kill),
    REFUSE(SYS_tkill),
    REFUSE(SYS_rt_sigqueueinfo),
    REFUSE(SYS_rt_tgsigqueueinfo),
    REFUSE(SYS_io_uring_setup),
    REFUSE(SYS_bpf),
    REFUSE(SYS_perf_event_open),
    REFUSE(SYS_userfaultfd),
    REFUSE(SYS_add_key),
    REFUSE(SYS_request_key),
    REFUSE(SYS_keyctl),
    REFUSE(SYS_mount),
    REFUSE(SYS_umount2),
    REFUSE(SYS_move_mount),
    REFUSE(SYS_open_tree),
    REFUSE(SYS_fsopen),
    REFUSE(SYS_fsmount),
    REFUSE(SYS_pivot_root),
    REFUSE(SYS_chroot),
    REFUSE(SYS_setns),
    REFUSE(SYS_unshare),
    REFUSE(SYS_open_by_handle_at),
    REFUSE(SYS_symlinkat),
    REFUSE(SYS_linkat),
#ifdef SYS_symlink
    REFUSE(SYS_symlink),
    REFUSE(SYS_link),
#endif
    /* clone3() hides its flags in memory; who gets ENOSYS uses clone(). */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    LOAD(args[0]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
#endif

int confine_seal(const struct confine *confine)
{
    const struct rlimit none = {0}, fds = {.rlim_cur = confine->fds, .rlim_max = confine->fds};

    if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_MSGQUEUE, &none) < 0 ||
        setrlimit(RLIMIT_NOFILE, &fds) < 0)
        return -errno;
#ifdef OWN_ARCH
    struct sock_filter
        filter[ARRAY_SIZE(own_calls_only) + ARRAY_SIZE(no_connect) + ARRAY_SIZE(refusals)];
    struct sock_filter *end = filter;

    end = mempcpy(end, own_calls_only, sizeof(own_calls_only));
    if (!confine->connects)
        end = mempcpy(end, no_connect, sizeof(no_connect));
    end = mempcpy(end, refusals, sizeof(refusals));
    const struct sock_fprog program = {.len = (unsigned short)(end - filter), .filter = filter};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return -errno;
#endif
    return 0;
}
