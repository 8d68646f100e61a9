// SPDX-License-Identifier: GPL-2.0-or-later

/* The fabric process as the engine sees it: started with the lab, watched, and replaced when it
 * dies.
 *
 * Its death stops no frame. Links are the kernel's, and the namespace lives as long as any process
 * of the lab is in it or has a tap of it open. A new fabric finds the namespace by such a tap,
 * which is fetched out of a QEMU, the wire or slirp4netns by pidfd_getfd(), and takes over what it
 * finds there (netfabric/apply.c). A tap counts only if it is in the namespace that the lab was
 * started in: what a guest's QEMU has open is not to be trusted.
 *
 * When nothing was left in the namespace it is gone with the fabric, and so is whatever ran in it;
 * the lab then gets a new one. */

#include <dirent.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/lab_priv.h"

#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

/* Taps that were fetched. */
struct tap_list {
    int *fds;
    size_t count, capacity;
};

/**
 * tap_list_done() - Close and free them
 * @list:	List
 */
static void tap_list_done(struct tap_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        (void)close(list->fds[i]);
    free(list->fds);
}

/**
 * is_ours() - Whether a tap is in the lab's namespace, and not in the list yet
 * @lab:	Lab
 * @list:	What there is
 * @fd:		Descriptor of /dev/net/tun
 */
static bool is_ours(const struct lab *lab, const struct tap_list *list, int fd)
{
    _cleanup_close_ int net = ioctl(fd, TUNGETDEVNETNS);
    struct ifreq name = {0}, other;
    struct stat st;

    if (net < 0 || fstat(net, &st) < 0 || st.st_ino != lab->netns ||
        ioctl(fd, TUNGETIFF, &name) < 0)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (ioctl(list->fds[i], TUNGETIFF, &other) == 0 &&
            strncmp(other.ifr_name, name.ifr_name, IFNAMSIZ) == 0)
            return false;
    return true;
}

/**
 * fetch_taps() - Get at the taps that a process has open
 * @lab:	Lab
 * @process:	Process
 * @pidfd:	Of it, -1: there is none
 * @list:	Added to
 */
static void fetch_taps(const struct lab *lab, const struct process_id *process, int pidfd,
                       struct tap_list *list)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/fd", (int)process->pid);
    _cleanup_closedir_ DIR *dir = pidfd >= 0 ? opendir(path) : NULL;
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        char target[32];
        ssize_t size = readlinkat(dirfd(dir), item->d_name, target, sizeof(target) - 1);
        _cleanup_close_ int fd = -1;

        if (size < 0)
            continue;
        target[size] = 0;
        if (strcmp(target, "/dev/net/tun") != 0)
            continue;
        fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(item->d_name), 0);
        if (fd < 0 || !is_ours(lab, list, fd))
            continue;
        array_grow(list->fds, list->count, list->capacity);
        list->fds[list->count++] = steal_fd(&fd);
    }
}

/**
 * fetch_all() - All taps of the lab that anybody has open
 * @lab:	Lab
 * @list:	Filled
 */
static void fetch_all(const struct lab *lab, struct tap_list *list)
{
    for (size_t i = 0; i < lab->topology->node_count; i++)
        fetch_taps(lab, &lab->nodes[i]->process, lab->nodes[i]->pidfd, list);
    if (lab->wire) {
        struct process_id wire = wire_process(lab->wire);

        fetch_taps(lab, &wire, lab->wire_pidfd, list);
    }
    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        fetch_taps(lab, &lab->uplinks[i]->process, lab->uplinks[i]->pidfd, list);
}

/**
 * on_fabric_gone() - The fabric process died: another one takes its place
 * @source:	Its event source
 * @fd:		Its socket
 * @revents:	Unused
 * @data:	Lab
 *
 * Return: 0
 */
static int on_fabric_gone(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct lab *lab = data;
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)source;
    (void)fd;
    (void)revents;
    network_forget(lab);
    if (lab->state == LAB_STOPPING)
        return 0;
    if (deaths_too_many(&lab->fabric_deaths))
        (void)error_set(&err, EIO, "it died again and again");
    else
        (void)network_ensure(lab, &err);
    if (err.code)
        log_error("the fabric process died: %s", error_message(&err));
    lab_event(lab, "fabric", NULL, "the fabric process died%s%s",
              err.code ? "; links go on, but nothing can be cabled: " : " and was replaced",
              err.code ? error_message(&err) : "");
    lab_changed(lab);
    return 0;
}

int network_watch(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/net", (int)fabric_process(lab->fabric).pid);
    struct stat st;
    int r = sd_event_add_io(lab->event, &lab->fabric_source, fabric_fd(lab->fabric),
                            EPOLLHUP | EPOLLERR, on_fabric_gone, lab);

    lab->netns = stat(path, &st) == 0 ? st.st_ino : 0;
    return r < 0 ? error_errno(err, -r, "watch the fabric") : 0;
}

void network_forget(struct lab *lab)
{
    lab->fabric_source = sd_event_source_disable_unref(lab->fabric_source);
    if (lab->fabric)
        fabric_kill(lab->fabric);
    lab->fabric = NULL;
}

/**
 * begin_anew() - The namespace is gone: what ran in it serves no more
 * @lab:	Lab with a new fabric and its network made
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int begin_anew(struct lab *lab, struct error *err)
{
    int r;

    captures_stop_all(lab);
    links_stop(lab);
    uplinks_stop(lab);
    r = links_start(lab, err);
    if (r == 0)
        r = uplinks_start(lab, err);
    return r;
}

/**
 * revive() - Start a fabric where the old one was
 * @lab:	Lab without one
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int revive(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "fabric.sock");
    _cleanup_(tap_list_done) struct tap_list taps = {0};
    int r;

    fetch_all(lab, &taps);
    r = taps.count > 0
            ? fabric_start_in(path, STDERR_FILENO, taps.fds, taps.count, &lab->fabric, err)
            : fabric_start(path, STDERR_FILENO, &lab->fabric, err);
    if (r == 0)
        r = network_watch(lab, err);
    if (r < 0)
        return r;
    links_plan(lab);
    r = fabric_apply(lab->fabric, lab->plan, err);
    if (r == 0 && taps.count == 0)
        r = begin_anew(lab, err);
    log_info("a new fabric process (pid %d) has taken over, %zu taps are open",
             (int)fabric_process(lab->fabric).pid, taps.count);
    return r;
}

int network_ensure(struct lab *lab, struct error *err)
{
    struct pollfd item = {.fd = lab->fabric ? fabric_fd(lab->fabric) : -1};
    int r;

    if (lab->fabric && poll(&item, 1, 0) == 0)
        return 0;
    if (lab->state == LAB_STOPPING)
        return error_set(err, ESHUTDOWN, "lab '%s' is going down", lab->name);
    network_forget(lab);
    r = revive(lab, err);
    if (r < 0) {
        network_forget(lab);
        (void)error_prefix(err, "the lab's fabric process died and could not be replaced");
        error_hint(err, "running links go on; labctl topology down %s and up again", lab->name);
        return r;
    }
    carrier_update(lab);
    lab_changed(lab);
    return 0;
}

int network_start(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "fabric.sock");
    int r = fabric_start(path, STDERR_FILENO, &lab->fabric, err);

    if (r == 0)
        r = network_watch(lab, err);
    if (r == 0)
        r = fabric_apply(lab->fabric, lab->plan, err);
    if (r == 0)
        r = links_start(lab, err);
    if (r == 0)
        r = uplinks_start(lab, err);
    if (r == 0)
        captures_keep_start(lab);
    return r;
}

/* ---- names of interfaces, for the engine after this one ---- */

json_t *network_names(const struct lab *lab)
{
    json_t *taps = json_object(), *segments = json_object();

    for (size_t i = 0; i < lab->plan->tap_count; i++)
        if (lab->plan->taps[i].nic == 0)
            (void)json_object_set_new(taps, lab->plan->taps[i].altname,
                                      json_string(lab->plan->taps[i].ifname));
    for (size_t i = 0; i < lab->plan->segment_count; i++)
        (void)json_object_set_new(segments, lab->plan->segments[i].altname,
                                  json_string(lab->plan->segments[i].ifname));
    return json_pack("{s:o, s:o}", "taps", taps, "segments", segments);
}

/**
 * take_name() - A name of the state, if it can be one of an interface
 * @value:	String
 * @ret:	Filled
 *
 * Return: true if so
 */
static bool take_name(json_t *value, char ret[static IFNAMSIZ])
{
    const char *name = json_string_value(value);
    size_t size = name ? strlen(name) : 0;

    if (size < 2 || size >= IFNAMSIZ)
        return false;
    memcpy(ret, name, size + 1);
    return true;
}

struct fabric_plan *network_plan_saved(json_t *names)
{
    json_t *taps = json_object_get(names, "taps"), *segments = json_object_get(names, "segments"),
           *value;
    struct fabric_plan *plan = xnew0(struct fabric_plan, 1);
    const char *key;

    plan->taps = xnew0(struct fabric_tap, json_object_size(taps) + 1);
    plan->segments = xnew0(struct fabric_segment, json_object_size(segments) + 1);
    json_object_foreach (taps, key, value)
        if (take_name(value, plan->taps[plan->tap_count].ifname))
            plan->taps[plan->tap_count++].altname = xstrdup(key);
    json_object_foreach (segments, key, value)
        if (take_name(value, plan->segments[plan->segment_count].ifname))
            plan->segments[plan->segment_count++].altname = xstrdup(key);
    return plan;
}
