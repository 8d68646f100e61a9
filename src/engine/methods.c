// SPDX-License-Identifier: GPL-2.0-or-later

/* The methods that labctl calls (docs/rpc.md). Each reads its parameters, refuses what is wrong
 * before anything is changed, and then either answers or leaves the call with a waiter. */

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/lab_priv.h"

#define EXEC_TIMEOUT_DEFAULT_S 30

struct node_run *lab_find_node(struct lab *lab, const char *name, unsigned *ret_serial,
                               struct error *err)
{
    const char *colon = ret_serial ? strchr(name, ':') : NULL;
    _cleanup_free_ char *base = xstrndup(name, colon ? (size_t)(colon - name) : strlen(name));
    ptrdiff_t index = topology_find_node(lab->topology, base);
    int64_t serial = 0;

    if (index < 0) {
        _cleanup_free_ char *shown = text_escape(base, strnlen(base, 100));
        size_t count = lab->topology->node_count;
        _cleanup_free_ const char **names = xnew0(const char *, count);
        const char *nearest;

        for (size_t i = 0; i < count; i++)
            names[i] = lab->topology->nodes[i].name;
        nearest = text_nearest(base, names, count);
        (void)error_input(err, "lab '%s' has no node '%s'%s%s%s", lab->name, shown,
                          nearest ? "; did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?" : "");
        error_hint(err, "'labctl node list' shows them");
        return NULL;
    }
    if (colon) {
        unsigned most = lab->nodes[index]->console_count - 1;

        if (colon[1] < '0' || colon[1] > '9' || colon[2] || (unsigned)(colon[1] - '0') > most) {
            (void)error_input(err, "node '%s' has no serial port '%s': 0 to %u there are", base,
                              colon[1] ? "of that number" : "", most);
            return NULL;
        }
        serial = colon[1] - '0';
    }
    if (ret_serial)
        *ret_serial = (unsigned)serial;
    return lab->nodes[index];
}

/* ---- the lab ---- */

/**
 * method_up() - lab.up
 * @call:	Call
 * @params:	paused, wait, timeout_s, keep
 * @data:	Lab
 */
static void method_up(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct waiter *waiter;
    bool paused = false, keep = false;
    const char *wait = "ready";
    json_int_t timeout_s = 0;
    int r = rpc_param_bool(params, "paused", false, &paused, &err);

    if (r == 0)
        r = rpc_param_bool(params, "keep", false, &keep, &err);
    if (r == 0)
        r = rpc_param_string(params, "wait", false, &wait, &err);
    if (r == 0)
        r = rpc_param_integer(params, "timeout_s", false, 0, 86400, &timeout_s, &err);
    if (r == 0 && strcmp(wait, "ready") != 0 && strcmp(wait, "started") != 0)
        r = error_input(&err, "wait must be 'ready' or 'started'");
    if (r == 0 && lab->state != LAB_IDLE)
        r = error_set(&err, EALREADY, "lab '%s' is up already", lab->name);
    if (r < 0) {
        rpc_fail(call, &err);
        return;
    }
    waiter = waiter_new(lab, call, strcmp(wait, "ready") == 0 ? WAIT_READY : WAIT_STARTED);
    waiter->up = true;
    waiter->keep = keep;
    if (timeout_s)
        waiter->deadline_ns = now_ns() + (uint64_t)timeout_s * 1000000000;
    lab_up(lab, waiter, paused);
}

/**
 * method_down() - lab.down
 * @call:	Call
 * @params:	wipe, force
 * @data:	Lab
 */
static void method_down(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    bool wipe = false, force = false;

    if (rpc_param_bool(params, "wipe", false, &wipe, &err) < 0 ||
        rpc_param_bool(params, "force", false, &force, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    lab_down(data, call, wipe, force);
}

/**
 * method_status() - lab.status
 * @call:	Call
 * @params:	None
 * @data:	Lab
 */
static void method_status(struct rpc_call *call, json_t *params, void *data)
{
    (void)params;
    rpc_reply(call, status_document(data));
}

/**
 * method_info() - engine.info
 * @call:	Call
 * @params:	None
 * @data:	Lab
 */
static void method_info(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    _cleanup_free_ char *statm = NULL;
    long pages = 0;

    (void)params;
    if (file_read("/proc/self/statm", 4096, &statm, NULL, NULL) == 0)
        (void)sscanf(statm, "%*d %ld", &pages);
    rpc_reply(call, json_pack("{s:s, s:i, s:s, s:I}", "lab", lab->name, "pid", (int)getpid(),
                              "version", LABCTL_VERSION, "rss_kb",
                              (json_int_t)(pages * (sysconf(_SC_PAGESIZE) / 1024))));
}

/* ---- nodes ---- */

/**
 * params_nodes() - The nodes that a call is about
 * @lab:	Lab
 * @params:	nodes or all
 * @waiter:	Its node set is filled
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int params_nodes(struct lab *lab, json_t *params, struct waiter *waiter, struct error *err)
{
    json_t *names = NULL, *name;
    bool all = false;
    size_t i;
    int r = rpc_param_bool(params, "all", false, &all, err);

    if (r == 0)
        r = rpc_param_strings(params, "nodes", false, &names, err);
    if (r < 0)
        return r;
    if (lab->state == LAB_STOPPING)
        return error_set(err, ESHUTDOWN, "lab '%s' is going down", lab->name);
    if (!all && json_array_size(names) == 0)
        return error_input(err, "no node was named");
    if (all)
        memset(waiter->nodes, true, lab->topology->node_count);
    json_array_foreach (names, i, name) {
        struct node_run *node = lab_find_node(lab, json_string_value(name), NULL, err);

        if (!node)
            return -EINVAL;
        waiter->nodes[node->index] = true;
    }
    return 0;
}

enum node_action { ACTION_START, ACTION_STOP, ACTION_RESTART };

/**
 * act_on_node() - Do one thing to one node
 * @node:	Node
 * @action:	What
 * @force:	Without asking the guest
 */
static void act_on_node(struct node_run *node, enum node_action action, bool force)
{
    switch (action) {
    case ACTION_START:
        if (node->state == NODE_STARTING && node->paused)
            node_go(node);
        else if (node->state == NODE_STOPPING)
            node->wants_restart = true;
        else if (node->halted)
            node_release(node);
        else
            node_queue(node, false);
        break;
    case ACTION_STOP:
        node->wants_restart = false;
        node_stop(node, force);
        break;
    case ACTION_RESTART:
        if (node_has_process(node)) {
            node->wants_restart = true;
            node_stop(node, force);
        } else {
            node_queue(node, false);
        }
        break;
    }
}

/**
 * method_nodes() - node.start, node.stop, node.restart
 * @call:	Call
 * @params:	nodes, all, wait, force, timeout_s
 * @lab:	Lab
 * @action:	Which of them
 */
static void method_nodes(struct rpc_call *call, json_t *params, struct lab *lab,
                         enum node_action action)
{
    struct error err = ERROR_INIT;
    bool wait = true, force = false;
    json_int_t timeout_s = 0;
    struct waiter *waiter =
        waiter_new(lab, call, action == ACTION_STOP ? WAIT_STOPPED : WAIT_READY);
    int r = params_nodes(lab, params, waiter, &err);

    if (r == 0)
        r = rpc_param_bool(params, "wait", false, &wait, &err);
    if (r == 0)
        r = rpc_param_bool(params, "force", false, &force, &err);
    if (r == 0)
        r = rpc_param_integer(params, "timeout_s", false, 0, 86400, &timeout_s, &err);
    if (r == 0 && action != ACTION_STOP)
        r = network_ensure(lab, &err);
    if (r < 0) {
        rpc_fail(call, &err);
        waiter->call = NULL;
        waiter_free(waiter);
        return;
    }
    if (!wait && action != ACTION_STOP)
        waiter->goal = WAIT_STARTED;
    if (timeout_s)
        waiter->deadline_ns = now_ns() + (uint64_t)timeout_s * 1000000000;
    waiter->outcomes = json_array();
    for (size_t i = 0; i < lab->topology->node_count; i++)
        if (waiter->nodes[i])
            act_on_node(lab->nodes[i], action, force);
    if (!wait && action == ACTION_STOP) {
        rpc_reply(call, status_document(lab));
        waiter->call = NULL;
        waiter_free(waiter);
        return;
    }
    lab_wait(lab, waiter);
}

/**
 * method_start() - node.start
 * @call:	Call
 * @params:	See method_nodes()
 * @data:	Lab
 */
static void method_start(struct rpc_call *call, json_t *params, void *data)
{
    method_nodes(call, params, data, ACTION_START);
}

/**
 * method_stop() - node.stop
 * @call:	Call
 * @params:	See method_nodes()
 * @data:	Lab
 */
static void method_stop(struct rpc_call *call, json_t *params, void *data)
{
    method_nodes(call, params, data, ACTION_STOP);
}

/**
 * method_restart() - node.restart
 * @call:	Call
 * @params:	See method_nodes()
 * @data:	Lab
 */
static void method_restart(struct rpc_call *call, json_t *params, void *data)
{
    method_nodes(call, params, data, ACTION_RESTART);
}

/**
 * wipe_nodes() - Forget the disks of some nodes, all or none of them
 * @lab:	Lab
 * @waiter:	Which ones
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int wipe_nodes(struct lab *lab, const struct waiter *waiter, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < lab->topology->node_count; i++) {
        if (waiter->nodes[i] &&
            (node_has_process(lab->nodes[i]) || lab->nodes[i]->state == NODE_QUEUED)) {
            r = error_set(err, EBUSY, "node '%s' is running", lab->nodes[i]->spec->name);
            error_hint(err, "stop it first: labctl node stop %s", lab->nodes[i]->spec->name);
            return r;
        }
    }
    for (size_t i = 0; r == 0 && i < lab->topology->node_count; i++)
        if (waiter->nodes[i])
            r = node_wipe(lab->nodes[i], err);
    return r;
}

/**
 * method_wipe() - node.wipe, and lab.wipe with all nodes
 * @call:	Call
 * @params:	nodes or all
 * @data:	Lab
 */
static void method_wipe(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct waiter *waiter = waiter_new(lab, call, WAIT_STOPPED);
    json_t *results = json_array();
    int r = params_nodes(lab, params, waiter, &err);

    if (r == 0)
        r = wipe_nodes(lab, waiter, &err);
    for (size_t i = 0; r == 0 && i < lab->topology->node_count; i++)
        if (waiter->nodes[i])
            (void)json_array_append_new(
                results, json_pack("{s:s, s:b}", "node", lab->nodes[i]->spec->name, "ok", 1));
    waiter->call = NULL;
    waiter_free(waiter);
    if (r < 0)
        rpc_fail(call, &err);
    else
        rpc_reply(call, json_pack("{s:O}", "results", results));
    json_decref(results);
}

/**
 * method_lab_wipe() - lab.wipe
 * @call:	Call
 * @params:	None
 * @data:	Lab
 */
static void method_lab_wipe(struct rpc_call *call, json_t *params, void *data)
{
    json_t *all = json_pack("{s:b}", "all", 1);

    (void)params;
    method_wipe(call, all, data);
    json_decref(all);
}

/**
 * method_log() - node.log
 * @call:	Call
 * @params:	node
 * @data:	Lab
 */
static void method_log(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    struct node_run *node;
    const char *name = NULL;
    unsigned serial;

    if (rpc_param_string(params, "node", true, &name, &err) < 0 ||
        !(node = lab_find_node(data, name, &serial, &err))) {
        rpc_fail(call, &err);
        return;
    }
    rpc_reply(call,
              json_pack("{s:o}", "path", json_sprintf("%s/console-%u.log", node->dir, serial)));
}

/* ---- consoles ---- */

/**
 * on_exec_done() - A command has printed what it had to
 * @console:	Where
 * @output:	What it printed
 * @size:	How much
 * @status:	Its status, -1: @err says why there is none
 * @err:	Error
 * @data:	The call
 */
static void on_exec_done(struct console *console, const char *output, size_t size, int status,
                         struct error *err, void *data)
{
    struct rpc_call *call = data;
    json_t *text;

    (void)console;
    if (status < 0) {
        rpc_fail(call, err);
        return;
    }
    text = json_stringn(output, size);
    if (!text) {
        /* Not UTF-8: JSON cannot carry it as it is. */
        _cleanup_strbuf_ struct strbuf shown = STRBUF_INIT;

        for (size_t at = 0; at < size;) {
            const char *end = memchr(output + at, '\n', size - at);
            size_t line = end ? (size_t)(end - output) - at : size - at;
            _cleanup_free_ char *escaped = text_escape(output + at, line);

            strbuf_printf(&shown, "%s%s", escaped, end ? "\n" : "");
            at += line + (end ? 1 : 0);
        }
        text = json_string(shown.data);
    }
    rpc_reply(call, json_pack("{s:o, s:i}", "output", text, "status", status));
}

/**
 * method_exec() - node.exec
 * @call:	Call
 * @params:	node, command, timeout_s
 * @data:	Lab
 */
static void method_exec(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    struct node_run *node = NULL;
    const char *name = NULL, *command = NULL;
    json_int_t timeout_s = EXEC_TIMEOUT_DEFAULT_S;
    unsigned serial = 0;
    int r = rpc_param_string(params, "node", true, &name, &err);

    if (r == 0)
        r = rpc_param_string(params, "command", true, &command, &err);
    if (r == 0)
        r = rpc_param_integer(params, "timeout_s", false, 1, 86400, &timeout_s, &err);
    if (r == 0 && !(node = lab_find_node(data, name, &serial, &err)))
        r = -EINVAL;
    if (r == 0 && command[strcspn(command, "\r\n")]) {
        r = error_input(&err, "the command must be a single line");
        error_hint(&err,
                   "several go into a file for labctl node exec --script, each as 'run LINE'");
    }
    if (r == 0 && serial == 0 && !node->has_prompt) {
        r = error_set(&err, ENOTSUP,
                      "image '%s' has no prompt rule, so the end of a command cannot "
                      "be told",
                      node->appliance->name);
        error_hint(&err, "add exec: {prompt: …} to its appliance.yaml");
    }
    if (r == 0 && node->state != NODE_READY && node->state != NODE_RUNNING) {
        r = error_set(&err, EAGAIN, "node '%s' is %s, not ready", node->spec->name,
                      node_state_name(node->state));
        error_hint(&err, "see 'labctl topology status', or start it: labctl node start %s",
                   node->spec->name);
    }
    if (r == 0) {
        struct console_exec exec = {
            .command = command,
            .prompt = serial == 0 ? &node->prompt_rule : &node->shell_rule,
            .error = serial == 0 && node->has_error ? &node->error_rule : NULL,
            .pager = serial == 0 && node->has_pager ? &node->pager_rule : NULL,
            .status = serial == 0 ? node->appliance->exec_status : "echo $?",
            .timeout_ns = (uint64_t)timeout_s * 1000000000,
        };

        r = console_exec(node->consoles[serial], &exec, on_exec_done, call, &err);
        if (r == 0)
            return;
        (void)error_prefix(&err, "node '%s'", name);
    }
    rpc_fail(call, &err);
}

/* An attach between its answer and its console. */
struct pending_attach {
    struct console *console;
    enum console_mode mode;
    size_t replay;
    char *who;
};

/**
 * on_attach_fd() - The client's connection is free for console frames
 * @fd:		Connection, or -1
 * @data:	Its pending attach
 */
static void on_attach_fd(int fd, void *data)
{
    struct pending_attach *pending = data;

    if (fd >= 0)
        (void)console_attach(pending->console, fd,
                             &(struct console_attach){.mode = pending->mode,
                                                      .replay_bytes = pending->replay,
                                                      .who = pending->who},
                             NULL);
    free(pending->who);
    free(pending);
}

/**
 * method_attach() - console.attach
 * @call:	Call
 * @params:	node, mode, replay, who
 * @data:	Lab
 */
static void method_attach(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    struct pending_attach *pending;
    struct node_run *node = NULL;
    const char *name = NULL, *mode = "shared", *who = "somebody";
    json_int_t replay = 16384;
    unsigned serial = 0;
    int r = rpc_param_string(params, "node", true, &name, &err);

    if (r == 0)
        r = rpc_param_string(params, "mode", false, &mode, &err);
    if (r == 0)
        r = rpc_param_string(params, "who", false, &who, &err);
    if (r == 0)
        r = rpc_param_integer(params, "replay", false, -1, INT64_MAX, &replay, &err);
    if (r == 0 && strcmp(mode, "shared") != 0 && strcmp(mode, "read-only") != 0 &&
        strcmp(mode, "exclusive") != 0)
        r = error_input(&err, "mode must be 'shared', 'read-only' or 'exclusive'");
    if (r == 0 && !(node = lab_find_node(data, name, &serial, &err)))
        r = -EINVAL;
    if (r < 0) {
        rpc_fail(call, &err);
        return;
    }
    pending = xnew0(struct pending_attach, 1);
    pending->console = node->consoles[serial];
    pending->mode = mode[0] == 's'   ? CONSOLE_SHARED
                    : mode[0] == 'r' ? CONSOLE_READ_ONLY
                                     : CONSOLE_EXCLUSIVE;
    pending->replay = replay < 0 ? SIZE_MAX : (size_t)replay;
    pending->who = text_escape(who, strnlen(who, 64));
    rpc_upgrade(
        call,
        json_pack("{s:s, s:s}", "node", node->spec->name, "state", node_state_name(node->state)),
        on_attach_fd, pending);
}

const struct rpc_method lab_methods[] = {
    {"lab.up", method_up},
    {"lab.down", method_down},
    {"lab.status", method_status},
    {"lab.apply", apply_method},
    {"lab.wipe", method_lab_wipe},
    {"node.start", method_start},
    {"node.stop", method_stop},
    {"node.restart", method_restart},
    {"node.wipe", method_wipe},
    {"node.log", method_log},
    {"node.exec", method_exec},
    {"node.config", config_method},
    {"link.up", links_method_up},
    {"link.down", links_method_down},
    {"link.set", links_method_set},
    {"link.clear", links_method_clear},
    {"console.attach", method_attach},
    {"capture.start", captures_method_start},
    {"capture.stop", captures_method_stop},
    {"capture.list", captures_method_list},
    {"capture.stream", captures_method_stream},
    {"capture.note", captures_method_note},
    {"capture.save", captures_method_save},
    {"engine.info", method_info},
};
const size_t lab_method_count = ARRAY_SIZE(lab_methods);
