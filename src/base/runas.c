// SPDX-License-Identifier: GPL-2.0-or-later

/* Root's guests run as somebody who is nobody else: as the user that LABCTL_QEMU_USER names; as
 * labctl-qemu, where the administrator has made that user; else with a number out of those that
 * systemd keeps for users that exist only while their program runs (61184 to 65519). Which one
 * follows from the lab's folder, so a lab has the same each time and two labs hardly ever share
 * one. (Where they do, the rest of the isolation still stands between them.) */

#include "base/runas.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define UID_FIRST 61184u
#define UID_COUNT 4336u
#define ATTEMPTS  16

/* Linux's capabilities that root may lack (in a container), and what they are needed for. */
static const struct {
    unsigned number;
    const char *name;
} needed[] = {
    {CAP_CHOWN, "CAP_CHOWN"},
    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, /* files that are QEMU's stay the engine's to use */
    {CAP_FOWNER, "CAP_FOWNER"},
    {CAP_KILL, "CAP_KILL"},
    {CAP_SETGID, "CAP_SETGID"},
    {CAP_SETUID, "CAP_SETUID"},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},   /* mounts */
    {CAP_SYS_CHROOT, "CAP_SYS_CHROOT"}, /* where labctl is in a chroot itself */
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}, /* pidfd_getfd() from a QEMU */
};

/**
 * missing() - What this process may not do
 *
 * Return: name of a capability, NULL: all is well
 */
static const char *missing(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data) < 0)
        return "capget()";
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!(data[needed[i].number / 32].effective & (1u << needed[i].number % 32)))
            return needed[i].name;
    return NULL;
}

/**
 * derive() - A number for a lab
 * @key:	What tells it from others
 *
 * Return: uid, and gid
 */
static uid_t derive(const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    for (uint32_t i = 0; i < ATTEMPTS; i++) {
        uid_t uid = UID_FIRST + (hash + i) % UID_COUNT;

        if (!getpwuid(uid))
            return uid;
    }
    return UID_FIRST + hash % UID_COUNT;
}

int runas_find(const char *key, struct runas *ret_runas, struct error *err)
{
    const char *name = getenv(RUNAS_ENV), *lacks;
    const struct passwd *entry;
    bool given = name && *name;

    *ret_runas = (struct runas){.change = false};
    if (geteuid() != 0)
        return 0;
    entry = getpwnam(given ? name : RUNAS_USER);
    if (given && !entry) {
        error_set(err, ENOENT, RUNAS_ENV ": there is no user '%s'", name);
        error_hint(err, "name one that exists, or unset it");
        return -ENOENT;
    }
    if (entry && entry->pw_uid == 0) {
        ret_runas->asked = true;
        return 0;
    }
    lacks = missing();
    if (lacks) {
        error_set(err, EPERM, "root lacks %s here", lacks);
        error_hint(err, "give it to the container or service that labctl runs in, or run labctl "
                        "as an ordinary user");
        return -EPERM;
    }
    ret_runas->change = true;
    ret_runas->uid = entry ? entry->pw_uid : derive(key);
    ret_runas->gid = entry ? entry->pw_gid : (gid_t)ret_runas->uid;
    return 0;
}

bool runas_is_ours(uid_t uid)
{
    const struct passwd *entry;
    const char *name = getenv(RUNAS_ENV);

    if (uid == geteuid())
        return true;
    if (geteuid() != 0)
        return false;
    if (uid >= UID_FIRST && uid < UID_FIRST + UID_COUNT)
        return true;
    entry = getpwnam(RUNAS_USER);
    if (entry && entry->pw_uid == uid)
        return true;
    entry = name && *name ? getpwnam(name) : NULL;
    return entry && entry->pw_uid == uid;
}
