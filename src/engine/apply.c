// SPDX-License-Identifier: GPL-2.0-or-later

/* lab.apply: from the topology that runs to another one, while it runs.
 *
 * First the difference is worked out (apply_plan.c). With dry_run that is all. Then nodes that go
 * or must be restarted are stopped as `node stop` does; when they have, commit() puts everything
 * over in one turn of the event loop: a plan for the new topology that keeps the interface names of
 * all that stays, the new tables of nodes, links and uplinks, and the fabric's change of the
 * kernel, all or nothing. If the fabric refuses, the old tables are back and the lab is as before,
 * but for the nodes that were stopped. At last what is new starts. */

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "engine/apply_priv.h"

/* The tables of a lab that are made anew. */
struct tables {
    struct topology *topology;
    struct fabric_plan *plan;
    struct node_run **nodes;
    struct link_run *links;
    struct uplink_run **uplinks;
};

/**
 * exchange() - Put other tables in a lab's place
 * @lab:	Lab
 * @tables:	Those to put in; afterwards those that were in
 */
static void exchange(struct lab *lab, struct tables *tables)
{
    struct tables before = {lab->topology, lab->plan, lab->nodes, lab->links, lab->uplinks};

    lab->topology = tables->topology;
    lab->plan = tables->plan;
    lab->nodes = tables->nodes;
    lab->links = tables->links;
    lab->uplinks = tables->uplinks;
    *tables = before;
}

/**
 * make_tables() - Tables for the new topology, sharing what stays with the old ones
 * @apply:	Application
 * @tables:	Filled as far as it went
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_tables(struct application *apply, struct tables *tables, struct error *err)
{
    struct lab *lab = apply->lab;
    const struct topology *after = apply->topology;
    int r;

    tables->topology = apply->topology;
    tables->nodes = xnew0(struct node_run *, after->node_count);
    tables->links = xnew0(struct link_run, after->link_count);
    tables->uplinks = xnew0(struct uplink_run *, after->uplink_count);
    r = fabric_plan_make(after, lab->plan, &tables->plan, err);
    for (size_t i = 0; r == 0 && i < after->node_count; i++) {
        if (apply->node_was[i] != NONE && !apply->node_anew[i])
            tables->nodes[i] = lab->nodes[apply->node_was[i]];
        else
            r = node_new(lab, after, i, &tables->nodes[i], err);
    }
    for (size_t i = 0; i < after->link_count; i++) {
        /* Impairments of new links come when their taps are there. */
        if (apply->link_was[i] != NONE)
            tables->links[i] = lab->links[apply->link_was[i]];
        if (apply->link_was[i] == NONE ||
            lab->topology->links[apply->link_was[i]].down != after->links[i].down)
            tables->links[i].down = after->links[i].down;
    }
    for (size_t i = 0; i < after->uplink_count; i++)
        tables->uplinks[i] =
            apply->uplink_was[i] == NONE ? uplink_new(lab, i) : lab->uplinks[apply->uplink_was[i]];
    return r;
}

/**
 * free_tables() - Free tables that are not a lab's, but not what they share with it
 * @lab:	Lab
 * @tables:	Tables, complete or not; their topology stays
 */
static void free_tables(struct lab *lab, struct tables *tables)
{
    for (size_t i = 0; tables->nodes && i < tables->topology->node_count; i++) {
        bool shared = false;

        for (size_t j = 0; j < lab->topology->node_count; j++)
            shared |= lab->nodes[j] == tables->nodes[i];
        if (!shared)
            node_free(tables->nodes[i]);
    }
    for (size_t i = 0; tables->uplinks && i < tables->topology->uplink_count; i++) {
        bool shared = false;

        for (size_t j = 0; j < lab->topology->uplink_count; j++)
            shared |= lab->uplinks[j] == tables->uplinks[i];
        if (!shared)
            uplink_free(tables->uplinks[i]);
    }
    free(tables->nodes);
    free(tables->links);
    free(tables->uplinks);
    fabric_plan_free(tables->plan);
}

/**
 * drop_links() - Let go of links that are no longer there
 * @apply:	Application
 * @old:	Tables before
 */
static void drop_links(struct application *apply, struct tables *old)
{
    struct lab *lab = apply->lab;

    for (size_t i = 0; i < old->topology->link_count; i++) {
        bool stays = false;

        for (size_t j = 0; j < lab->topology->link_count; j++)
            stays |= apply->link_was[j] == i;
        if (!stays)
            link_drop(lab, &old->links[i]);
    }
}

/**
 * set_links() - What the new file says of links, where it says something new
 * @apply:	Application
 * @before:	The old topology
 *
 * Impairments that fail are told and leave a plain cable: the rest is done already.
 */
static void set_links(struct application *apply, const struct topology *before)
{
    struct lab *lab = apply->lab;

    for (size_t i = 0; i < lab->topology->link_count; i++) {
        const struct link *spec = &lab->topology->links[i];
        const struct link *was =
            apply->link_was[i] == NONE ? NULL : &before->links[apply->link_was[i]];
        _cleanup_error_ struct error err = ERROR_INIT;

        if (link_impaired_anew(was, spec) && link_impair(lab, i, spec->impairment, &err) < 0)
            log_error("%s", error_message(&err));
        if (was &&
            (was->flap_every_ns != spec->flap_every_ns || was->flap_down_ns != spec->flap_down_ns))
            link_flap_anew(lab, i);
    }
    links_flap(lab);
}

/**
 * log_failure() - Tell in the log what failed once there was no way back, and forget it
 * @r:		What the function returned
 * @err:	Its error, empty afterwards
 */
static void log_failure(int r, struct error *err)
{
    if (r < 0)
        log_error("%s", error_message(err));
    error_done(err);
}

/**
 * take_effect() - The network is the new one: make all else follow it
 * @apply:	Application
 * @old:	Tables before, which are freed
 * @begin_ns:	When the network began to change, CLOCK_REALTIME
 */
static void take_effect(struct application *apply, struct tables *old, uint64_t begin_ns)
{
    struct lab *lab = apply->lab;
    struct error err = ERROR_INIT;

    apply->topology = NULL; /* it is the lab's now */
    for (size_t i = 0; i < lab->topology->node_count; i++)
        node_respecify(lab->nodes[i], i);
    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        lab->uplinks[i]->index = i;
    captures_follow(lab, begin_ns);
    drop_links(apply, old);
    set_links(apply, old->topology);
    log_failure(uplinks_start(lab, &err), &err);
    free_tables(lab, old);
    topology_free(old->topology);
    log_failure(consoles_open(lab, &err), &err); /* the old ones had to close theirs first */
    /* For an engine that comes after this one. */
    log_failure(lab_save_topology(lab, apply->text, apply->text_size, &err), &err);
    carrier_update(lab);
    lab_event(lab, "lab", NULL, "the topology of %s was applied", lab->topology->path);
    lab_changed(lab);
}

/**
 * commit() - Everything that had to stop has: change over
 * @apply:	Application
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int commit(struct application *apply, struct error *err)
{
    struct lab *lab = apply->lab;
    struct tables tables = {0};
    struct timespec begin = {0};
    int r = make_tables(apply, &tables, err);

    if (r == 0) {
        exchange(lab, &tables);
        links_plan(lab);
        r = network_ensure(lab, err); /* while nodes stopped */
        if (r == 0) {
            captures_coming(lab);
            (void)clock_gettime(CLOCK_REALTIME, &begin);
            r = fabric_apply(lab->fabric, lab->plan, err);
        }
        if (r == 0)
            links_tell_dark(lab);
        else
            exchange(lab, &tables);
    }
    if (r < 0) {
        free_tables(lab, &tables);
        return error_prefix(err, "the lab is as it was");
    }
    take_effect(apply, &tables, (uint64_t)begin.tv_sec * 1000000000u + (uint64_t)begin.tv_nsec);
    return 0;
}

/**
 * result_json() - The answer of lab.apply
 * @apply:	Application
 * @applied:	Whether it was carried out
 *
 * Return: new reference
 */
static json_t *result_json(const struct application *apply, bool applied)
{
    return json_pack("{s:O, s:O, s:b}", "changes", apply->changes, "restarts", apply->restarts,
                     "applied", applied);
}

/**
 * on_started() - What is new runs, or does not
 * @waiter:	Whose data is the application
 * @err:	Set if a node did not become ready
 */
static void on_started(struct waiter *waiter, struct error *err)
{
    if (err->code)
        rpc_fail(waiter->call, err);
    else
        rpc_reply(waiter->call, result_json(waiter->data, true));
}

/**
 * bring_back() - Nothing comes of it: what was stopped for it starts again
 * @lab:	Lab as it was
 */
static void bring_back(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        if (!lab->nodes[i]->comes_back)
            continue;
        lab->nodes[i]->comes_back = false;
        if (lab->state != LAB_STOPPING)
            node_queue(lab->nodes[i], false);
    }
}

/**
 * on_stopped() - All that had to stop has
 * @waiter:	Whose data is the application
 * @err:	Set if it failed
 */
static void on_stopped(struct waiter *waiter, struct error *err)
{
    struct application *apply = waiter->data;
    struct lab *lab = apply->lab;
    struct waiter *next;
    bool any = false;

    if (err->code || commit(apply, err) < 0) {
        bring_back(lab);
        rpc_fail(waiter->call, err);
        return;
    }
    next = waiter_new(lab, waiter->call, WAIT_READY);
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        bool was_running = false;
        size_t j;
        json_t *name;

        json_array_foreach (apply->restarts, j, name)
            was_running |= strcmp(json_string_value(name), lab->topology->nodes[i].name) == 0;
        if (apply->node_was[i] != NONE && !was_running)
            continue;
        next->nodes[i] = true;
        any = true;
        node_queue(lab->nodes[i], false);
    }
    if (!any) {
        rpc_reply(waiter->call, result_json(apply, true));
        next->call = NULL;
        waiter_free(next);
        return;
    }
    next->done = on_started;
    next->data = steal_ptr(waiter->data);
    next->free_data = application_free;
    lab_wait(lab, next);
}

/**
 * may_apply() - Whether the lab is in a state to be changed, and the change is allowed
 * @apply:	Application
 * @restart:	Nodes may be restarted
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int may_apply(const struct application *apply, bool restart, struct error *err)
{
    struct lab *lab = apply->lab;
    uint64_t memory = 0;
    size_t fresh = 0;

    if (lab->state != LAB_RUNNING)
        return error_set(err, EAGAIN, "lab '%s' is not running", lab->name);
    if (network_ensure(lab, err) < 0)
        return -EIO;
    if (lab->waiters) {
        error_set(err, EBUSY, "nodes of lab '%s' are being started or stopped", lab->name);
        error_hint(err, "try again when that is done: labctl topology status");
        return -EBUSY;
    }
    if (json_array_size(apply->restarts) > 0 && !restart) {
        _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
        json_t *name;
        size_t i;

        json_array_foreach (apply->restarts, i, name)
            strbuf_printf(&names, "%s%s", i ? ", " : "", json_string_value(name));
        (void)error_input(err, "for this %s would be restarted", names.data);
        error_hint(err, "allow it with --restart; --dry-run shows why");
        return -EINVAL;
    }
    for (size_t i = 0; i < apply->topology->node_count; i++) {
        const struct node *node = &apply->topology->nodes[i];

        if (apply->node_was[i] != NONE)
            continue;
        fresh++;
        memory += host_node_memory(node->memory_bytes ? node->memory_bytes
                                                      : lab_image_memory(lab, node->image));
    }
    return fresh ? host_admit_memory(memory, fresh, err) : 0;
}

void apply_method(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct application *apply = NULL;
    const char *path = NULL;
    bool dry_run = false, restart = false;
    struct waiter *waiter;
    int r = rpc_param_string(params, "topology", true, &path, &err);

    if (r == 0)
        r = rpc_param_bool(params, "dry_run", false, &dry_run, &err);
    if (r == 0)
        r = rpc_param_bool(params, "restart", false, &restart, &err);
    if (r == 0 && path[0] != '/')
        r = error_input(&err, "topology must be an absolute path");
    if (r == 0)
        r = application_new(lab, path, &apply, &err);
    if (r == 0 && !dry_run)
        r = may_apply(apply, restart, &err);
    if (r < 0 || dry_run) {
        if (r < 0)
            rpc_fail(call, &err);
        else
            rpc_reply(call, result_json(apply, false));
        if (apply)
            application_free(apply);
        return;
    }
    waiter = waiter_new(lab, call, WAIT_STOPPED);
    waiter->done = on_stopped;
    waiter->data = apply;
    waiter->free_data = application_free;
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        if (!apply->node_goes[i])
            continue;
        waiter->nodes[i] = true;
        lab->nodes[i]->wants_restart = false;
        lab->nodes[i]->comes_back = node_has_process(lab->nodes[i]);
        node_stop(lab->nodes[i], false);
    }
    lab_wait(lab, waiter);
}
