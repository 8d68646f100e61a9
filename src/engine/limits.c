// SPDX-License-Identifier: GPL-2.0-or-later

/* In cgroup v2 a folder may hold either processes or controllers for the folders below it, but for
 * the hierarchy's root. So a lab's cgroup cannot be made in the one that labctl was started in; it
 * is made in the nearest one above that this user may write to and whose controllers reach down: in
 * a delegated scope or user session, as root anywhere. What is found out is found out by doing it:
 * the folder is made, and is good if the kernel put the controllers' files into it.
 *
 * A lab has a cgroup only if a node asks for limits. QEMU is moved into its own one below that
 * while its guest is still held; the folders go when the lab does (a cgroup's folder can be removed
 * once nothing runs in it). The state file tells the next engine where they are: it may have been
 * started from another session, whose own place in the hierarchy leads elsewhere. */

#include "engine/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/lab_priv.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

char *limits_own_path(const char *text)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "") {
        if (strncmp(at, "0::/", 4) == 0)
            return xstrndup(at + 3, strcspn(at + 3, "\n"));
    }
    return NULL;
}

/**
 * write_value() - Write into a file of a cgroup
 * @dir:	Cgroup
 * @file:	File
 * @value:	What
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int write_value(const char *dir, const char *file, const char *value, struct error *err)
{
    _cleanup_free_ char *path = path_join(dir, file);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, value, strlen(value));

    return r < 0 ? error_errno(err, -r, "%s: write %s", path, value) : 0;
}

/**
 * has_controllers() - Whether limits can be set in a cgroup
 * @dir:	Cgroup
 *
 * Return: true if so
 */
static bool has_controllers(const char *dir)
{
    _cleanup_free_ char *cpu = path_join(dir, "cpu.weight"), *memory = path_join(dir, "memory.max");

    return access(cpu, W_OK) == 0 && access(memory, W_OK) == 0;
}

/**
 * make_in() - Make a cgroup in another
 * @parent:	That
 * @name:	Of the new one
 * @ret_path:	Caller frees
 *
 * Return: 0, or -errno: limits cannot be set there
 */
static int make_in(const char *parent, const char *name, char **ret_path)
{
    _cleanup_free_ char *path = path_join(parent, name);
    bool there = mkdir(path, 0755) == 0 || errno == EEXIST;

    if (!there)
        return -errno;
    if (!has_controllers(path))
        (void)write_value(parent, "cgroup.subtree_control", "+cpu +memory", NULL);
    if (!has_controllers(path)) {
        (void)rmdir(path);
        return -EOPNOTSUPP;
    }
    /* For those below it. */
    if (write_value(path, "cgroup.subtree_control", "+cpu +memory", NULL) < 0) {
        (void)rmdir(path);
        return -EOPNOTSUPP;
    }
    *ret_path = steal_ptr(path);
    return 0;
}

int limits_make(const char *name, char **ret_path, struct error *err)
{
    _cleanup_free_ char *text = NULL, *own = NULL, *dir = NULL;
    struct statfs fs;
    int r = -EOPNOTSUPP;

    if (statfs(CGROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC ||
        file_read("/proc/self/cgroup", 1u << 16, &text, NULL, NULL) < 0 ||
        !(own = limits_own_path(text))) {
        (void)error_set(err, EOPNOTSUPP, "this machine does not have cgroup v2 at " CGROUP_ROOT);
        error_hint(err, "boot it with systemd.unified_cgroup_hierarchy=1, or do without cpu_share "
                        "and memory_limit");
        return -EOPNOTSUPP;
    }
    dir = xasprintf(CGROUP_ROOT "%s", own);
    while (strlen(dir) > strlen(CGROUP_ROOT)) {
        char *slash = strrchr(dir, '/');

        *slash = 0;
        r = make_in(dir, name, ret_path);
        if (r == 0)
            return 0;
    }
    r = error_errno(err, -r, "no cgroup can be made above %s in which limits can be set", own);
    error_hint(err, "start the lab in a scope that is yours: systemd-run --user --scope -p "
                    "Delegate=yes sh -c 'labctl topology up FILE'");
    return r;
}

int limits_write(const char *dir, unsigned cpu_share, uint64_t memory, pid_t pid, struct error *err)
{
    _cleanup_free_ char *share = xasprintf("%u", cpu_share), *process = xasprintf("%d", (int)pid);
    _cleanup_free_ char *bytes = xasprintf("%llu", (unsigned long long)memory);
    int r = 0;

    if (cpu_share)
        r = write_value(dir, "cpu.weight", share, err);
    if (r == 0 && memory)
        r = write_value(dir, "memory.max", bytes, err);
    return r < 0 ? r : write_value(dir, "cgroup.procs", process, err);
}

int limits_nice(unsigned cpu_share)
{
    double weight = 100;
    int nice = 0;

    /* Half way between two steps, by ratio. */
    for (; cpu_share < weight * 0.894 && nice < 19; nice++)
        weight *= 0.8;
    for (; cpu_share > weight * 1.118 && nice > -20; nice--)
        weight *= 1.25;
    return nice;
}

/* ---- the lab's ---- */

/**
 * lab_wants() - Whether a node of the lab asks for limits
 * @lab:	Lab
 *
 * Return: true if so
 */
static bool lab_wants(const struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->node_count; i++)
        if (lab->topology->nodes[i].cpu_share || lab->topology->nodes[i].memory_limit)
            return true;
    return false;
}

/**
 * give_priority() - Without a cgroup: priority in place of a share
 * @node:	Node with a process
 */
static void give_priority(struct node_run *node)
{
    int nice = limits_nice(node->spec->cpu_share);

    if (setpriority(PRIO_PROCESS, (id_t)node->process.pid, nice) < 0)
        log_warning("%s: nice value %d: %s", node->spec->name, nice, strerror(errno));
}

void limits_apply(struct node_run *node)
{
    struct lab *lab = node->lab;
    const struct node *spec = node->spec;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *dir = NULL;

    free(node->limits_fault);
    node->limits_fault = NULL;
    if (!spec->cpu_share && !spec->memory_limit)
        return;
    limits_open(lab);
    dir = lab->cgroup ? path_join(lab->cgroup, spec->name) : NULL;
    if (dir && (mkdir(dir, 0755) == 0 || errno == EEXIST) &&
        limits_write(dir, spec->cpu_share, spec->memory_limit, node->process.pid, &err) == 0)
        return;
    node->limits_fault = xstrdup(lab->cgroup ? error_message(&err) : lab->cgroup_fault);
    log_warning("%s: limits: %s", spec->name, node->limits_fault);
    if (spec->cpu_share)
        give_priority(node);
    lab_event(lab, "node", spec->name, "%s: %s",
              spec->memory_limit ? "no memory_limit" : "no cgroup", node->limits_fault);
}

/**
 * cgroup_name() - What the folder of a lab's cgroup is called
 * @lab:	Lab
 *
 * Return: name; caller frees
 */
static char *cgroup_name(const struct lab *lab)
{
    return xasprintf("labctl-%u-%s", (unsigned)geteuid(), lab->name);
}

void limits_open(struct lab *lab)
{
    _cleanup_free_ char *name = cgroup_name(lab);
    _cleanup_error_ struct error err = ERROR_INIT;

    if (lab->cgroup || lab->cgroup_fault || !lab_wants(lab))
        return;
    if (limits_make(name, &lab->cgroup, &err) < 0)
        lab->cgroup_fault = xstrdup(error_message(&err));
    else
        lab_save(lab);
}

void limits_adopt(struct lab *lab, const char *path)
{
    _cleanup_free_ char *name = cgroup_name(lab);
    const char *last = path ? strrchr(path, '/') : NULL;

    /* The folder is to be emptied and removed one day: it has to be one of ours. */
    if (last && strncmp(path, CGROUP_ROOT "/", strlen(CGROUP_ROOT) + 1) == 0 &&
        strcmp(last + 1, name) == 0 && !strstr(path, "/../") && has_controllers(path))
        lab->cgroup = xstrdup(path);
}

void limits_close(struct lab *lab)
{
    _cleanup_closedir_ DIR *dir = NULL;
    struct dirent *item;

    limits_open(lab); /* an earlier engine may have made it, and not lived to say so */
    dir = lab->cgroup ? opendir(lab->cgroup) : NULL;
    /* The kernel's files in it cannot be removed, and go with it. */
    while (dir && (item = readdir(dir)))
        if (item->d_type == DT_DIR && item->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), item->d_name, AT_REMOVEDIR);
    if (lab->cgroup && rmdir(lab->cgroup) < 0)
        log_warning("%s: %s", lab->cgroup, strerror(errno));
}

int limits_check(const struct node_run *node, struct error *err)
{
    uint64_t guest =
        node->spec->memory_bytes ? node->spec->memory_bytes : node->appliance->memory_bytes;

    if (!node->spec->memory_limit || node->spec->memory_limit >= guest)
        return 0;
    return error_input(err, "memory_limit is less than the memory of its guest, %llu MiB",
                       (unsigned long long)(guest >> 20));
}

json_t *limits_json(const struct node_run *node)
{
    const struct node *spec = node->spec;
    const char *by = node->limits_fault ? (spec->cpu_share ? "nice" : NULL) : "cgroup";

    if (!spec->cpu_share && !spec->memory_limit)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:s?, s:s?}", "cpu_share",
        spec->cpu_share ? json_integer(spec->cpu_share) : json_null(), "memory_limit_mb",
        spec->memory_limit ? json_integer((json_int_t)(spec->memory_limit >> 20)) : json_null(),
        "by", node_has_process(node) ? by : NULL, "fault", node->limits_fault);
}
