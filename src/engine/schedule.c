// SPDX-License-Identifier: GPL-2.0-or-later

/* Which nodes may start now.
 *
 * Before a lab is started, all that its nodes need is added up and held against what there is
 * (lab_admit()): memory, and what their disks take at once. So nothing is started that would have
 * to be taken back.
 *
 * Then nodes start in the order of the file, as soon as those named in `after` are ready and the
 * host can boot one more. A booting guest takes a core, whatever it does later: so there are as
 * many slots as cores, less what other work keeps busy (load average), and a single one while
 * processes wait for memory (PSI). Which it is, and its place in the queue, is each waiting node's
 * reason. Slots come free by events; the host's load does not tell of itself, so it is looked at
 * again each second while a node waits for it. */

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "appliance/probe.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/units.h"
#include "engine/lab_priv.h"
#include "engine/qemu_argv.h"

#define LOOK_AGAIN_US      1000000
#define MEMORY_RESERVE     (64ull << 20)
#define MEMORY_PATIENCE_NS (60ull * 1000000000)
#define DISK_RESERVE       (64ull << 20)
#define OVERLAY_INITIAL    (256ull << 10) /* an empty qcow2 and its first clusters */

/**
 * node_memory() - What a node takes of the host's memory
 * @node:	Node
 *
 * Return: bytes
 */
static uint64_t node_memory(const struct node_run *node)
{
    return host_node_memory(node->spec->memory_bytes ? node->spec->memory_bytes
                                                     : node->appliance->memory_bytes);
}

uint64_t lab_memory_needed(const struct lab *lab)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < lab->topology->node_count; i++)
        sum += node_memory(lab->nodes[i]);
    return sum;
}

uint64_t lab_memory_available(void)
{
    _cleanup_free_ char *meminfo = NULL;
    uint64_t available = 0;

    if (file_read("/proc/meminfo", 1u << 20, &meminfo, NULL, NULL) == 0)
        available = host_memory_available(meminfo);
    return available ? available : 1ull << 60;
}

/**
 * rounded() - A size as people want it
 * @bytes:	Size
 *
 * Return: text, in whole M; caller frees
 */
static char *rounded(uint64_t bytes)
{
    return units_format_size(bytes >> 20 << 20);
}

/* ---- the queue ---- */

/**
 * after_met() - Whether the nodes that must be ready first are
 * @node:	Queued node
 * @ret_waits:	The first one that is not
 *
 * Return: true if all are
 */
static bool after_met(const struct node_run *node, const struct node_run **ret_waits)
{
    for (size_t i = 0; i < node->spec->after_count; i++) {
        const struct node_run *other = node->lab->nodes[node->spec->after[i]];

        if (other->state != NODE_READY && (other->state != NODE_RUNNING || other->timed_out)) {
            *ret_waits = other;
            return false;
        }
    }
    return true;
}

/**
 * say_waiting() - Tell why a node is still queued
 * @node:	Node
 * @format:	Reason
 */
static __attribute__((format(printf, 2, 3))) void say_waiting(struct node_run *node,
                                                              const char *format, ...)
{
    va_list args;

    free(node->reason);
    va_start(args, format);
    node->reason = xvasprintf(format, args);
    va_end(args);
}

/**
 * on_look_again() - The host may have room now
 * @source:	Timer
 * @usec:	Unused
 * @data:	Lab
 *
 * Return: 0
 */
static int on_look_again(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    lab_changed(data);
    return 0;
}

/**
 * look_again() - Come back to the queue in a while
 * @lab:	Lab
 */
static void look_again(struct lab *lab)
{
    lab->schedule_timer = sd_event_source_disable_unref(lab->schedule_timer);
    (void)sd_event_add_time_relative(lab->event, &lab->schedule_timer, CLOCK_MONOTONIC,
                                     LOOK_AGAIN_US, 1000, on_look_again, lab);
}

/* What the host can carry at the moment, looked at once per pass over the queue. */
struct room {
    unsigned slots;
    const char *why; /* there are no more, or NULL */
    uint64_t memory;
    bool waits_for_host;
};

/**
 * may_boot() - Whether the host can boot one more guest
 * @node:	Queued node; is told what it waits for
 * @room:	What there is; what the node takes is taken off
 *
 * Return: true if so
 */
static bool may_boot(struct node_run *node, struct room *room)
{
    struct lab *lab = node->lab;
    uint64_t need = node_memory(node);

    if (lab->boot_slots_used >= room->slots) {
        room->waits_for_host |= room->why != NULL;
        say_waiting(node, "waits for a free core, %u nodes are booting%s%s", lab->boot_slots_used,
                    room->why ? "; " : "", room->why ? room->why : "");
        return false;
    }
    if (room->memory < need + MEMORY_RESERVE) {
        _cleanup_free_ char *need_text = units_format_size(need);
        _cleanup_free_ char *there = rounded(room->memory);

        room->waits_for_host = true;
        if (lab->boot_slots_used == 0 && now_ns() - node->queued_ns > MEMORY_PATIENCE_NS)
            node_set_state(node, NODE_CRASHED,
                           "not started: it needs %s of memory, and %s are available", need_text,
                           there);
        else
            say_waiting(node, "waits for memory: it needs %s, %s are available", need_text, there);
        return false;
    }
    room->memory -= need;
    return true;
}

/**
 * start_nodes() - Start those that were let through
 * @lab:	Lab
 */
static void start_nodes(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        struct node_run *node = lab->nodes[i];
        _cleanup_error_ struct error err = ERROR_INIT;

        if (node->state != NODE_STARTING || node_has_process(node))
            continue;
        if (node_start(node, &err) < 0) {
            node_abandon(node);
            node_set_state(node, NODE_CRASHED, "%s", error_message(&err));
            node_ended(node, true);
        }
    }
}

/**
 * look_at_host() - What it can carry
 * @lab:	Lab
 *
 * Return: what there is
 */
static struct room look_at_host(const struct lab *lab)
{
    struct room room = {.memory = lab_memory_available()};
    struct host_load load;

    host_load_read(&load);
    room.slots = host_boot_slots(lab->host.cores, &load, lab->boot_slots_used, &room.why);
    return room;
}

void lab_schedule(struct lab *lab)
{
    struct room room = {.slots = 0};
    bool any = false, looked = false;
    unsigned place = 0;

    if (lab->state == LAB_STOPPING || lab->state == LAB_IDLE)
        return;
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        struct node_run *node = lab->nodes[i];
        const struct node_run *other = NULL;

        if (node->state != NODE_QUEUED)
            continue;
        node->queue_place = place + 1;
        if (!looked)
            room = look_at_host(lab);
        looked = true;
        if (!node->paused && !after_met(node, &other)) {
            say_waiting(node, "waits until %s is ready", other->spec->name);
            place++;
            continue;
        }
        /* A paused guest burns no CPU: only those that boot count. */
        if (!node->paused && !may_boot(node, &room)) {
            place++;
            continue;
        }
        if (!node->paused) {
            node->holds_slot = true;
            lab->boot_slots_used++;
        }
        node_set_state(node, NODE_STARTING, NULL);
        any = true;
    }
    if (room.waits_for_host)
        look_again(lab);
    if (!any)
        return;
    /* Written down before it is done: see state.c. */
    lab_save(lab);
    start_nodes(lab);
}

/* ---- before the start ---- */

/**
 * add_disks() - Reckon what a node's disks take
 * @node:	Node
 * @admission:	Added to
 */
static void add_disks(const struct node_run *node, struct admission *admission)
{
    for (size_t i = 0; i < node->appliance->disk_count; i++) {
        const struct appliance_disk *disk = &node->appliance->disks[i];
        _cleanup_free_ char *path = qemu_disk_path(node->dir, node->appliance, i);
        struct image_probe probe = {.virtual_size = disk->size};
        uint64_t size, used = 0;
        struct stat st;

        if (disk->mode == DISK_READONLY)
            continue;
        if (disk->file)
            (void)image_probe_file(disk->file, &probe, NULL);
        size = probe.virtual_size > disk->size ? probe.virtual_size : disk->size;
        if (stat(path, &st) == 0) {
            used = (uint64_t)st.st_blocks * 512; /* taken already */
        } else if (disk->mode == DISK_OVERLAY) {
            admission->disk_now += OVERLAY_INITIAL;
        } else if (disk->file && stat(disk->file, &st) == 0) {
            admission->disk_now += (uint64_t)st.st_blocks * 512;
        }
        admission->disk_full += size > used ? size - used : 0;
    }
}

/**
 * admit_disks() - Refuse nodes whose disks do not fit
 * @lab:	Lab with its sums
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int admit_disks(const struct lab *lab, struct error *err)
{
    const struct admission *admission = &lab->admission;
    _cleanup_free_ char *need = NULL, *there = NULL;
    int r;

    if (admission->disk_now + DISK_RESERVE <= admission->disk_free || admission->disk_now == 0)
        return 0;
    need = rounded(admission->disk_now);
    there = rounded(admission->disk_free);
    r = error_errno(err, ENOSPC, "the nodes' disks need %s at once, and %s has %s free", need,
                    lab->state_dir, there);
    error_hint(err, "make room there, or keep labs elsewhere with LABCTL_STATE; nothing was "
                    "started");
    return r;
}

/**
 * reckon() - What the lab needs of the host, and what that has
 * @lab:	Lab
 *
 * Return: sums
 */
static struct admission reckon(const struct lab *lab)
{
    struct admission admission = {.memory = lab_memory_needed(lab),
                                  .memory_available = lab_memory_available()};
    struct statvfs fs;

    for (size_t i = 0; i < lab->topology->node_count; i++)
        add_disks(lab->nodes[i], &admission);
    if (statvfs(lab->state_dir, &fs) == 0)
        admission.disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    return admission;
}

int lab_admit(struct lab *lab, struct error *err)
{
    int r;

    for (size_t i = 0; i < lab->topology->node_count; i++) {
        const struct node_run *node = lab->nodes[i];
        enum accel accel;

        r = host_accel(&lab->host, node_accel_wanted(node), node->appliance->arch, &accel, NULL,
                       err);
        if (r == 0)
            r = limits_check(node, err);
        if (r == 0)
            r = node_complete(node, err);
        if (r == 0)
            r = host_qemu_find(node->appliance->arch, NULL, err);
        if (r < 0)
            return error_prefix(err, "node '%s'", node->spec->name);
    }
    lab->admission = reckon(lab);
    r = host_admit_memory(lab->admission.memory, lab->topology->node_count, err);
    return r < 0 ? r : admit_disks(lab, err);
}

json_t *lab_admission_text(const struct lab *lab)
{
    const struct admission *admission = &lab->admission;
    _cleanup_free_ char *memory = units_format_size(admission->memory);
    _cleanup_free_ char *available = rounded(admission->memory_available);
    _cleanup_free_ char *full = rounded(admission->disk_full);
    _cleanup_free_ char *there = rounded(admission->disk_free);
    size_t count = lab->topology->node_count;

    return json_sprintf("%zu node%s need%s %s of memory, %s are available; %s of disk when full, "
                        "%s are free",
                        count, count == 1 ? "" : "s", count == 1 ? "s" : "", memory, available,
                        full, there);
}
