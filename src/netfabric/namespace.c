// SPDX-License-Identifier: GPL-2.0-or-later

/* As root a network namespace is enough. Everybody else needs a user namespace around it, in which
 * the user is mapped to root (0): so capabilities survive the exec of helpers that are started
 * inside. That root owns nothing outside but what the user owns.
 *
 * Root in a container without CAP_SYS_ADMIN is treated as everybody else. */

#include "netfabric/namespace_priv.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

/**
 * read_setting() - First character of a small file under /proc
 * @path:	File
 *
 * Return: the character, 0 if there is no such file
 */
static char read_setting(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char c = 0;

    if (fd < 0 || read(fd, &c, 1) != 1)
        return 0;
    return c;
}

/**
 * write_setting() - Write a small file under /proc
 * @path:	File
 * @text:	Content
 *
 * Return: 0 or -errno
 */
static int write_setting(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return write_all(fd, text, strlen(text));
}

void namespace_hint(struct error *err)
{
    if (read_setting("/proc/sys/kernel/unprivileged_userns_clone") == '0')
        error_hint(err, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    else if (read_setting("/proc/sys/user/max_user_namespaces") == '0')
        error_hint(err, "sudo sysctl -w user.max_user_namespaces=10000");
    else if (read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == '1')
        error_hint(err, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    else if (access("/proc/self/uid_map", F_OK) < 0)
        error_hint(err, "/proc is not mounted, or the kernel has no user namespaces: mount -t proc "
                        "proc /proc");
    else
        error_hint(err, "the kernel refuses user namespaces in a chroot, and container runtimes "
                        "forbid them: run labctl outside of it, or as root");
}

/**
 * map_identity() - Map the user and group that were to root in the new user namespace
 * @uid:	User outside
 * @gid:	Group outside
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int map_identity(uid_t uid, gid_t gid, struct error *err)
{
    char text[64];
    int r = write_setting("/proc/self/setgroups", "deny");

    if (r < 0 && r != -ENOENT) {
        (void)error_errno(err, -r, "write /proc/self/setgroups");
        namespace_hint(err);
        return r;
    }
    (void)snprintf(text, sizeof(text), "0 %u 1\n", uid);
    r = write_setting("/proc/self/uid_map", text);
    if (r == 0) {
        (void)snprintf(text, sizeof(text), "0 %u 1\n", gid);
        r = write_setting("/proc/self/gid_map", text);
    }
    if (r < 0) {
        (void)error_errno(err, -r, "map user %u in the lab's user namespace", uid);
        namespace_hint(err);
    }
    return r;
}

int namespace_enter_new(struct error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (uid == 0) {
        if (unshare(CLONE_NEWNET) == 0)
            return 0;
        if (errno != EPERM)
            return error_errno(err, errno, "make a network namespace");
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        int code = errno;

        (void)error_errno(err, code, "make a user namespace for the lab's network");
        if (code == EINVAL)
            error_hint(err, "the kernel lacks CONFIG_USER_NS or CONFIG_NET_NS: run labctl as root, "
                            "or use a distribution's kernel");
        else if (code == ENOSPC || code == EUSERS)
            error_hint(err,
                       "their number is limited: sudo sysctl -w user.max_user_namespaces=10000, "
                       "also user.max_net_namespaces");
        else
            namespace_hint(err);
        return -code;
    }
    return map_identity(uid, gid, err);
}

int namespace_enter_of_tap(int tap_fd, struct error *err)
{
    _cleanup_close_ int net = -1, user = -1;

    net = ioctl(tap_fd, TUNGETDEVNETNS);
    if (net < 0)
        return error_errno(err, errno, "find the tap's network namespace");
    if (geteuid() == 0 && setns(net, CLONE_NEWNET) == 0)
        return 0;
    user = ioctl(net, NS_GET_USERNS);
    if (user < 0)
        return error_errno(err, errno, "find the owner of the lab's network namespace");
    if (setns(user, CLONE_NEWUSER) < 0 || setns(net, CLONE_NEWNET) < 0)
        return error_errno(err, errno, "enter the lab's namespaces");
    return 0;
}

void namespace_silence(bool *ret_ipv6_speaks)
{
    /* What a new namespace inherits from the host (forwarding, br_netfilter's hooks) goes too. */
    static const struct {
        const char *path, *value;
    } settings[] = {
        {"/proc/sys/net/ipv4/ip_forward", "0"},
        {"/proc/sys/net/ipv4/conf/all/forwarding", "0"},
        {"/proc/sys/net/ipv4/conf/default/forwarding", "0"},
        {"/proc/sys/net/ipv4/conf/all/arp_ignore", "8"},
        {"/proc/sys/net/ipv4/conf/all/arp_notify", "0"},
        {"/proc/sys/net/ipv4/conf/default/arp_notify", "0"},
        {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"},
        {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
        {"/proc/sys/net/bridge/bridge-nf-call-iptables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-arptables", "0"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        (void)write_setting(settings[i].path, settings[i].value);
    *ret_ipv6_speaks = access("/proc/net/if_inet6", F_OK) == 0 &&
                       read_setting("/proc/sys/net/ipv6/conf/default/disable_ipv6") != '1';
}

int namespace_drop_rights(struct error *err)
{
    /* What taps, links, filters and packet rings want. And root reaches the programs it starts and
     * the run folder through other people's folders (built in a home, say): that wants to search
     * them, not to write. In a user namespace it means nothing for files that are not the user's.
     */
    const uint64_t kept = 1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW | 1ULL << CAP_DAC_READ_SEARCH;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    /* Programs that root starts get all that is in the bounding set. It shrinks only while there
     * is CAP_SETPCAP, so it goes first. It ends where the kernel knows no further capability. */
    for (unsigned long number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
        if (!(number < 64 && kept >> number & 1) && prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 &&
            prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EPERM)
            return error_errno(err, errno, "drop capability %lu", number);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0, 0, 0) < 0)
        return error_errno(err, errno, "forbid new privileges");
    if (syscall(SYS_capget, &header, sets) < 0)
        return error_errno(err, errno, "read capabilities");
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        sets[i].permitted &= (uint32_t)(kept >> (32 * i));
        sets[i].effective &= sets[i].permitted;
        sets[i].inheritable &= sets[i].permitted;
    }
    if (syscall(SYS_capset, &header, sets) < 0)
        return error_errno(err, errno, "drop capabilities");
    return 0;
}
