// SPDX-License-Identifier: GPL-2.0-or-later

/* What a later engine needs to find the lab again: RUN/state.json, replaced as a whole after each
 * change. Processes are named by pid and start time. Times are CLOCK_MONOTONIC, good within one
 * boot, which the boot id tells.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "engine/lab_priv.h"

#define STATE_VERSION 1

int lab_state_save(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "state.json"), *text = NULL;
    _cleanup_free_ char *boot_id = process_boot_id();
    struct process_id fabric = lab->fabric ? fabric_process(lab->fabric) : (struct process_id){0};
    json_t *nodes = json_array(), *links = links_save(lab), *state;
    int r;

    for (size_t i = 0; i < lab->topology->node_count; i++) {
        const struct node_run *node = lab->nodes[i];

        (void)json_array_append_new(
            nodes,
            json_pack("{s:s, s:i, s:i, s:I, s:s, s:I, s:I, s:I, s:b, s:o}", "name",
                      node->spec->name, "state", (int)node->state, "pid", (int)node->process.pid,
                      "start_time", (json_int_t)node->process.start_time, "accel",
                      node->accel == ACCEL_KVM ? "kvm" : "tcg", "started_ns",
                      (json_int_t)node->started_ns, "booted_ns", (json_int_t)node->booted_ns,
                      "ready_ns", (json_int_t)node->ready_ns, "paused", node->paused, "telnet",
                      consoles_ports(node)));
    }
    state = json_pack(
        "{s:i, s:s, s:s?, s:s, s:s, s:{s:i, s:I}, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:I}",
        "version", STATE_VERSION, "lab", lab->name, "boot_id", boot_id, "topology",
        lab->topology->path, "state_dir", lab->state_dir, "fabric", "pid", (int)fabric.pid,
        "start_time", (json_int_t)fabric.start_time, "up_ns", (json_int_t)lab->up_ns, "running",
        lab->state == LAB_RUNNING, "nodes", nodes, "links", links, "captures", captures_state(lab),
        "uplinks", uplinks_save(lab), "interfaces", network_names(lab), "netns",
        (json_int_t)lab->netns);
    if (lab->wire)
        (void)json_object_set_new(state, "wire",
                                  json_pack("{s:i, s:I}", "pid", (int)wire_process(lab->wire).pid,
                                            "start_time",
                                            (json_int_t)wire_process(lab->wire).start_time));
    text = json_dumps(state, JSON_INDENT(1));
    json_decref(state);
    if (!text)
        return error_set(err, EINVAL, "the state cannot be written as JSON");
    r = file_write_atomic(path, text, strlen(text), 0600, err);
    return r;
}

int lab_state_load(const char *run_dir, json_t **ret_state, struct error *err)
{
    _cleanup_free_ char *path = path_join(run_dir, "state.json"), *data = NULL;
    json_error_t why;
    json_t *state;
    size_t size;
    int r = file_read(path, 16u << 20, &data, &size, err);

    if (r < 0)
        return r;
    state = json_loadb(data, size, 0, &why);
    if (!json_is_object(state) ||
        json_integer_value(json_object_get(state, "version")) != STATE_VERSION) {
        json_decref(state);
        return error_set(err, EINVAL, "%s: not a state file of this version: %s", path, why.text);
    }
    *ret_state = state;
    return 0;
}

/**
 * adopt_process() - Find a node's QEMU
 * @node:	Node
 * @saved:	What the state file says of it, or NULL
 *
 * Return: pidfd or -errno
 */
static int adopt_process(struct node_run *node, json_t *saved)
{
    struct process_id id = {
        .pid = (pid_t)json_integer_value(json_object_get(saved, "pid")),
        .start_time = (uint64_t)json_integer_value(json_object_get(saved, "start_time")),
    };
    int pidfd = process_open(&id);

    if (pidfd >= 0)
        node->process = id;
    return pidfd;
}

/**
 * adopt_node() - Take one node over
 * @node:	Node
 * @saved:	What the state file says of it
 * @err:	Error to fill
 *
 * Return: 0, also when there is nothing to take over; or -errno
 */
static int adopt_node(struct node_run *node, json_t *saved, struct error *err)
{
    _cleanup_free_ char *path = node_socket_path(node, "qmp");
    _cleanup_close_ int qmp_fd = socket_connect(path, SOCK_STREAM, NULL);
    enum node_state state = (enum node_state)json_integer_value(json_object_get(saved, "state"));
    int pidfd = adopt_process(node, saved), r;

    if (pidfd < 0) {
        if (state != NODE_STOPPED && state != NODE_QUEUED)
            node_set_state(node, NODE_CRASHED, "it ended while no engine was watching");
        return 0;
    }
    if (qmp_fd < 0) {
        (void)pidfd_signal(pidfd, SIGKILL);
        cleanup_close(&pidfd);
        node_set_state(node, NODE_CRASHED, "its QMP socket was gone, so it was ended");
        return 0;
    }
    for (unsigned i = 0; i < node->console_count; i++) {
        r = node_record(node, i, true, err);
        if (r == 0)
            r = node_console_fifo(node, i, err);
        if (r < 0) {
            cleanup_close(&pidfd);
            return r;
        }
    }
    node->accel = strcmp(json_string_value(json_object_get(saved, "accel")) ?: "", "kvm") == 0
                      ? ACCEL_KVM
                      : ACCEL_TCG;
    node->started_ns = (uint64_t)json_integer_value(json_object_get(saved, "started_ns"));
    node->booted_ns = (uint64_t)json_integer_value(json_object_get(saved, "booted_ns"));
    node->ready_ns = (uint64_t)json_integer_value(json_object_get(saved, "ready_ns"));
    node->paused = json_is_true(json_object_get(saved, "paused"));
    r = node_watch(node, pidfd, steal_fd(&qmp_fd), err);
    if (r == 0)
        node_resume(node, state);
    return r;
}

/**
 * saved_item() - Entry of that name in a list of the state file
 * @list:	Array of objects
 * @name:	Value of its "name"
 *
 * Return: borrowed object or NULL
 */
static json_t *saved_item(json_t *list, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        const char *there = json_string_value(json_object_get(item, "name"));

        if (there && strcmp(there, name) == 0)
            return item;
    }
    return NULL;
}

/**
 * adopt_network() - Find the fabric again, or start another one in the namespace
 * @lab:	Lab whose nodes are found
 * @state:	State
 *
 * Without it guests and links go on, so the lab is not given up for it.
 */
static void adopt_network(struct lab *lab, json_t *state)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "fabric.sock");
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    lab->netns = (ino_t)json_integer_value(json_object_get(state, "netns"));
    r = fabric_connect(path, &lab->fabric, &err);
    if (r == 0)
        r = network_watch(lab, &err);
    if (r == 0) {
        /* Whatever was under way: the network is as the state says, and it is so at once. */
        links_plan(lab);
        r = fabric_apply(lab->fabric, lab->plan, &err);
    }
    if (r == 0)
        return;
    log_warning("fabric: %s", error_message(&err));
    error_done(&err);
    err = (struct error)ERROR_INIT;
    network_forget(lab);
    if (network_ensure(lab, &err) < 0)
        log_error("%s", error_message(&err));
}

int lab_state_adopt(struct lab *lab, json_t *state, struct error *err)
{
    _cleanup_free_ char *boot_id = process_boot_id();
    const char *saved_boot = json_string_value(json_object_get(state, "boot_id"));

    lab->up_ns = (uint64_t)json_integer_value(json_object_get(state, "up_ns"));
    lab->state = json_is_true(json_object_get(state, "running")) ? LAB_RUNNING : LAB_STARTING;
    if (!boot_id || !saved_boot || strcmp(boot_id, saved_boot) != 0) {
        log_warning("the host was restarted since: nothing of the lab runs any more");
        return 0;
    }
    links_restore(lab, json_object_get(state, "links"));
    for (size_t i = 0; i < lab->topology->node_count; i++)
        consoles_adopt(lab->nodes[i],
                       saved_item(json_object_get(state, "nodes"), lab->topology->nodes[i].name));
    /* A port that was taken meanwhile is no reason to give the lab up. */
    if (consoles_open(lab, err) < 0) {
        log_warning("%s", error_message(err));
        error_done(err);
    }
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        json_t *saved = saved_item(json_object_get(state, "nodes"), lab->topology->nodes[i].name);
        int r = adopt_node(lab->nodes[i], saved, err);

        if (r < 0)
            return error_prefix(err, "node '%s'", lab->topology->nodes[i].name);
    }
    adopt_network(lab, state);
    links_adopt(lab);
    uplinks_adopt(lab, json_object_get(state, "uplinks"));
    captures_adopt(lab, json_object_get(state, "captures"));
    captures_keep_start(lab);
    if (lab->state == LAB_STARTING)
        lab->state = LAB_RUNNING;
    lab_changed(lab);
    return 0;
}
