// SPDX-License-Identifier: GPL-2.0-or-later

/* What a later engine needs to find the lab again: RUN/state.json, replaced as a whole after each
 * change. Processes are named by pid and start time. Times are CLOCK_MONOTONIC, good within one
 * boot, which the boot id tells.
 *
 * It says what is wanted before it is done, so an engine may be killed at any instant. The next one
 * finishes what was under way: nodes that were queued or being started are started (a QEMU that was
 * spawned and not yet written down answers on its QMP socket, and goes), those being stopped are
 * stopped, a lab going down goes down. Only `apply` is undone if its change was not yet made: what
 * it had stopped starts again. The network is made to be as the state says.
 *
 * A guest is never ended for what the engine lacks: without its QMP socket or a console's FIFO it
 * runs on, and the status says what cannot be done with it. */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "engine/lab_priv.h"

#define STATE_VERSION  1
#define STRAY_GRACE_MS 5000

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
            json_pack("{s:s, s:i, s:s?, s:i, s:I, s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b, "
                      "s:b, s:b, s:I, s:o, s:i, s:s?, s:I, s:b, s:b}",
                      "name", node->spec->name, "state", (int)node->state, "reason", node->reason,
                      "pid", (int)node->process.pid, "start_time",
                      (json_int_t)node->process.start_time, "accel",
                      node->accel == ACCEL_KVM ? "kvm" : "tcg", "started_ns",
                      (json_int_t)node->started_ns, "booted_ns", (json_int_t)node->booted_ns,
                      "ready_ns", (json_int_t)node->ready_ns, "said", (json_int_t)node->said,
                      "paused", node->paused, "timed_out", node->timed_out, "wants_restart",
                      node->wants_restart, "comes_back", node->comes_back, "restarting",
                      node->restart_timer != NULL, "restarts", (json_int_t)node->restarts, "telnet",
                      consoles_ports(node), "vnc", (int)node->vnc_port, "user_fault",
                      node->user_fault, "awaited_ns", (json_int_t)node->awaited_ns, "rebooted",
                      node->rebooted, "resets_on", node->resets_on));
    }
    state = json_pack("{s:i, s:s, s:s?, s:s, s:s, s:{s:i, s:I}, s:I, s:b, s:b, s:b, s:o, s:o, s:o, "
                      "s:o, s:o, s:I, s:s?}",
                      "version", STATE_VERSION, "lab", lab->name, "boot_id", boot_id, "topology",
                      lab->topology->path, "state_dir", lab->state_dir, "fabric", "pid",
                      (int)fabric.pid, "start_time", (json_int_t)fabric.start_time, "up_ns",
                      (json_int_t)lab->up_ns, "running", lab->state == LAB_RUNNING, "stopping",
                      lab->state == LAB_STOPPING, "wipe", lab->wipe_when_down, "nodes", nodes,
                      "links", links, "captures", captures_state(lab), "uplinks", uplinks_save(lab),
                      "interfaces", network_names(lab), "netns", (json_int_t)lab->netns, "cgroup",
                      lab->cgroup);
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
 * end_stray() - End a QEMU that was started just before the engine was killed
 * @fd:		Connection to its QMP socket
 *
 * Its pid is not known, and its guest has not run. It takes the connection when it gets to it.
 */
static void end_stray(int fd)
{
    static const char words[] = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n";
    char bytes[4096];
    struct pollfd item = {.fd = fd, .events = POLLIN};

    if (write_all(fd, words, sizeof(words) - 1) < 0)
        return;
    while (poll(&item, 1, STRAY_GRACE_MS) > 0)
        if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
            return;
    log_warning("a QEMU that was being started does not end");
}

/**
 * adopt_gone() - A node whose QEMU is not there: what was to become of it
 * @node:	Node
 * @state:	Its state as it was saved
 * @saved:	All that the state file says of it, or NULL
 */
static void adopt_gone(struct node_run *node, enum node_state state, json_t *saved)
{
    const char *reason = json_string_value(json_object_get(saved, "reason"));
    bool known = json_integer_value(json_object_get(saved, "pid")) > 0;
    bool again = json_is_true(json_object_get(saved, "wants_restart")) ||
                 json_is_true(json_object_get(saved, "comes_back"));

    /* It is in the topology and not in the state: an apply brought it, and had to start it. */
    if (!saved)
        again = true;
    else if (state == NODE_QUEUED || (state == NODE_STARTING && !known))
        again = true;
    else if (state == NODE_CRASHED)
        node_set_state(node, NODE_CRASHED, "%s", reason ? reason : "unknown");
    else if (state == NODE_STOPPED && reason)
        node_set_state(node, NODE_STOPPED, "%s", reason);
    else if (state != NODE_STOPPED && state != NODE_STOPPING)
        node_lost(node, "it ended while no engine was watching");
    if (again && node->lab->state != LAB_STOPPING)
        node_queue(node, json_is_true(json_object_get(saved, "paused")));
    else if (node->state == NODE_CRASHED || json_is_true(json_object_get(saved, "restarting")))
        node_ended(node, node->state == NODE_CRASHED);
}

/**
 * adopt_consoles() - Find the records and keyboards of a living QEMU again
 * @node:	Node
 * @ret_fault:	Set if one is lost; owned
 */
static void adopt_consoles(struct node_run *node, char **ret_fault)
{
    for (unsigned i = 0; i < node->console_count; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        int r = node_record(node, i, true, &err);

        if (r == 0)
            r = node_console_fifo(node, i, &err);
        if (r == 0)
            continue;
        free(*ret_fault);
        *ret_fault = xasprintf("its console %u is lost: %s", i, error_message(&err));
    }
}

/**
 * adopt_node() - Take one node over
 * @node:	Node
 * @saved:	What the state file says of it, or NULL
 * @err:	Error to fill
 *
 * Return: 0, also when there is nothing to take over; or -errno
 */
static int adopt_node(struct node_run *node, json_t *saved, struct error *err)
{
    _cleanup_free_ char *path = node_socket_path(node, "qmp"), *fault = NULL;
    _cleanup_close_ int qmp_fd = socket_connect(path, SOCK_STREAM, NULL);
    json_int_t state = json_integer_value(json_object_get(saved, "state"));
    const char *reason = json_string_value(json_object_get(saved, "reason"));
    int r;

    if (state < 0 || state > NODE_CRASHED)
        state = NODE_STOPPED;
    node->said = (uint64_t)json_integer_value(json_object_get(saved, "said"));
    node->restarts = (unsigned)json_integer_value(json_object_get(saved, "restarts"));
    r = adopt_process(node, saved);
    if (r < 0) {
        if (qmp_fd >= 0)
            end_stray(qmp_fd);
        node_end_tpm(node);
        adopt_gone(node, (enum node_state)state, saved);
        return 0;
    }
    node->pidfd = r;
    node->accel = strcmp(json_string_value(json_object_get(saved, "accel")) ?: "", "kvm") == 0
                      ? ACCEL_KVM
                      : ACCEL_TCG;
    node->started_ns = (uint64_t)json_integer_value(json_object_get(saved, "started_ns"));
    node->booted_ns = (uint64_t)json_integer_value(json_object_get(saved, "booted_ns"));
    node->ready_ns = (uint64_t)json_integer_value(json_object_get(saved, "ready_ns"));
    node->awaited_ns = (uint64_t)json_integer_value(json_object_get(saved, "awaited_ns"));
    node->rebooted = json_is_true(json_object_get(saved, "rebooted"));
    node->resets_on = json_is_true(json_object_get(saved, "resets_on"));
    node->paused = json_is_true(json_object_get(saved, "paused"));
    node->timed_out = json_is_true(json_object_get(saved, "timed_out"));
    node->vnc_port = (uint16_t)json_integer_value(json_object_get(saved, "vnc"));
    node->wants_restart =
        json_is_true(json_object_get(saved, "wants_restart")) ||
        (state == NODE_STOPPING && json_is_true(json_object_get(saved, "comes_back")));
    node->user_fault = xstrdup(json_string_value(json_object_get(saved, "user_fault")));
    adopt_consoles(node, &fault);
    if (qmp_fd < 0) {
        free(fault);
        fault =
            xstrdup("its QMP socket is gone: links to it cannot lose carrier, and it can only be "
                    "ended hard");
    }
    r = node_watch(node, node->pidfd, steal_fd(&qmp_fd), err);
    if (r < 0)
        return r;
    node->reason = fault ? steal_ptr(fault) : xstrdup(reason);
    node_resume(node, (enum node_state)state);
    return 0;
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
    lab->state = json_is_true(json_object_get(state, "stopping")) ? LAB_STOPPING : LAB_RUNNING;
    if (!boot_id || !saved_boot || strcmp(boot_id, saved_boot) != 0)
        return error_set(err, ESTALE,
                         "the host was restarted since the lab ran: nothing of it runs any more");
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
    links_find_wire(lab);
    uplinks_find(lab, json_object_get(state, "uplinks"));
    limits_adopt(lab, json_string_value(json_object_get(state, "cgroup")));
    adopt_network(lab, state);
    links_adopt(lab);
    uplinks_adopt(lab);
    captures_adopt(lab, json_object_get(state, "captures"));
    if (lab->state == LAB_STOPPING) {
        lab_down(lab, NULL, json_is_true(json_object_get(state, "wipe")), false);
        return 0;
    }
    captures_keep_start(lab);
    lab_changed(lab);
    return 0;
}
