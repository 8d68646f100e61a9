// SPDX-License-Identifier: GPL-2.0-or-later

/* A lab has a cgroup (base/cgroup.h) only if a node asks for limits. QEMU is moved into its own one
 * below that while its guest is still held; the folders go when the lab does (a cgroup's folder can
 * be removed once nothing runs in it). The state file tells the next engine where they are: it may
 * have been started from another session, whose own place in the hierarchy leads elsewhere. */

#include "engine/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/lab_priv.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

int limits_write(const char *dir, unsigned cpu_share, uint64_t memory, pid_t pid, struct error *err)
{
    _cleanup_free_ char *share = xasprintf("%u", cpu_share), *process = xasprintf("%d", (int)pid);
    _cleanup_free_ char *bytes = xasprintf("%llu", (unsigned long long)memory);
    int r = 0;

    if (cpu_share)
        r = cgroup_write(dir, "cpu.weight", share, err);
    if (r == 0 && memory)
        r = cgroup_write(dir, "memory.max", bytes, err);
    return r < 0 ? r : cgroup_write(dir, "cgroup.procs", process, err);
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

void limits_open(struct lab *lab)
{
    _cleanup_free_ char *name = cgroup_lab_name(lab->name);
    _cleanup_error_ struct error err = ERROR_INIT;

    if (lab->cgroup || lab->cgroup_fault || !lab_wants(lab))
        return;
    if (cgroup_make(name, &lab->cgroup, &err) < 0)
        lab->cgroup_fault = xstrdup(error_message(&err));
    else
        lab_save(lab);
}

void limits_adopt(struct lab *lab, const char *path)
{
    _cleanup_free_ char *name = cgroup_lab_name(lab->name);

    if (cgroup_is(path, name) && file_exists(path))
        lab->cgroup = xstrdup(path);
}

void limits_close(struct lab *lab)
{
    int r;

    limits_open(lab); /* an earlier engine may have made it, and not lived to say so */
    r = lab->cgroup ? cgroup_remove(lab->cgroup) : 0;
    if (r < 0)
        log_warning("%s: %s", lab->cgroup, strerror(-r));
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
