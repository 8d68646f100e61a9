// SPDX-License-Identifier: GPL-2.0-or-later

/* Calls that take time: each is a waiter, a goal over a set of nodes. While one waits its client
 * hears how far it is; once per turn of the event loop the lab asks whether its goal is reached, or
 * out of reach (lab.c). A call may want to hear of each node that it named, also when one failed:
 * then every node has an outcome, and a failure ends nothing. */

#include "base/alloc.h"
#include "engine/lab_priv.h"

#define PROGRESS_PERIOD_US 200000

struct waiter *waiter_new(struct lab *lab, struct rpc_call *call, enum waiter_goal goal)
{
    struct waiter *waiter = xnew0(struct waiter, 1);

    waiter->call = call;
    waiter->goal = goal;
    waiter->nodes = xnew0(bool, lab->topology->node_count);
    return waiter;
}

void waiter_free(struct waiter *waiter)
{
    error_done(&waiter->failure);
    json_decref(waiter->outcomes);
    if (waiter->data && waiter->free_data)
        waiter->free_data(waiter->data);
    free(waiter->nodes);
    free(waiter);
}

/**
 * on_progress() - Tell those who wait how far it is
 * @source:	Timer
 * @usec:	Now
 * @data:	Lab
 *
 * Return: 0
 */
static int on_progress(sd_event_source *source, uint64_t usec, void *data)
{
    struct lab *lab = data;
    json_t *progress = NULL;

    for (struct waiter *waiter = lab->waiters; waiter; waiter = waiter->next) {
        if (!waiter->call)
            continue;
        if (!progress)
            progress = status_progress(lab);
        rpc_notify(waiter->call, "progress", json_incref(progress));
        if (waiter->deadline_ns && now_ns() > waiter->deadline_ns)
            lab_changed(lab);
    }
    json_decref(progress);
    if (lab->waiters) {
        (void)sd_event_source_set_time(source, usec + PROGRESS_PERIOD_US);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

void lab_wait(struct lab *lab, struct waiter *waiter)
{
    waiter->next = lab->waiters;
    lab->waiters = waiter;
    if (waiter->call) {
        rpc_notify(waiter->call, "progress", status_progress(lab));
        if (!lab->progress_timer)
            (void)sd_event_add_time_relative(lab->event, &lab->progress_timer, CLOCK_MONOTONIC,
                                             PROGRESS_PERIOD_US, 10000, on_progress, lab);
        else if (sd_event_source_set_time_relative(lab->progress_timer, PROGRESS_PERIOD_US) >= 0)
            (void)sd_event_source_set_enabled(lab->progress_timer, SD_EVENT_ONESHOT);
    }
    lab_changed(lab);
}

/**
 * node_reached() - Whether a node is where a waiter wants it
 * @node:	Node
 * @waiter:	Waiter
 * @err:	Filled when it cannot get there any more
 *
 * Return: 1 there, 0 on its way, -errno out of reach
 */
static int node_reached(const struct node_run *node, const struct waiter *waiter, struct error *err)
{
    const char *name = node->spec->name;
    int r;

    if (waiter->goal == WAIT_STOPPED)
        return node->state == NODE_STOPPED || node->state == NODE_CRASHED;
    if (node->state == NODE_CRASHED || node->state == NODE_STOPPED ||
        node->state == NODE_STOPPING) {
        if (node_comes_again(node))
            return 0;
        r = error_set(err, ECANCELED, "node '%s' %s%s%s", name, node_state_name(node->state),
                      node->reason ? ": " : "", node->reason ? node->reason : "");
        error_hint(err, "its console: labctl node log %s", name);
        return r;
    }
    if (node->paused)
        return node->launched;
    if (waiter->goal == WAIT_STARTED)
        return node_is_running(node);
    if (node->timed_out) {
        r = error_set(err, ETIMEDOUT, "node '%s' is %s", name, node->reason);
        error_hint(err,
                   "its console: labctl node log %s; give it longer with ready_timeout: in "
                   "the topology, or do not wait with --wait started",
                   name);
        return r;
    }
    return node->state == NODE_READY || node->state == NODE_RUNNING;
}

/**
 * waiter_outcome() - Keep what became of one node, which is then waited for no longer
 * @waiter:	Waiter that wants to hear of all of them
 * @node:	Node
 * @err:	Why it failed; no error: it got there
 */
static void waiter_outcome(struct waiter *waiter, const struct node_run *node,
                           const struct error *err)
{
    waiter->nodes[node->index] = false;
    (void)json_array_append_new(
        waiter->outcomes,
        json_pack("{s:s, s:b, s:s, s:s?, s:s?, s:s?}", "node", node->spec->name, "ok", !err->code,
                  "state", node_state_name(node->state), "reason", node->reason, "error",
                  err->code ? error_message(err) : NULL, "hint", err->hint));
}

/**
 * waiter_time_over() - Those that are still on their way have failed
 * @lab:	Lab
 * @waiter:	Waiter
 */
static void waiter_time_over(const struct lab *lab, struct waiter *waiter)
{
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct node_run *node = lab->nodes[i];

        if (!waiter->nodes[i])
            continue;
        (void)error_set(&err, ETIMEDOUT, "node '%s' is still %s; its console says: %s",
                        node->spec->name, node_state_name(node->state),
                        *console_last_line(node->consoles[0]) ? console_last_line(node->consoles[0])
                                                              : "nothing");
        error_hint(&err, "give it longer with --timeout; it goes on");
        waiter_outcome(waiter, node, &err);
    }
}

int waiter_reached(const struct lab *lab, struct waiter *waiter, struct error *err)
{
    bool all = true;

    if (waiter->goal == WAIT_DOWN) {
        for (size_t i = 0; i < lab->topology->node_count; i++)
            all &= !node_has_process(lab->nodes[i]);
        return all && captures_all_ended(lab);
    }
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        int r;

        if (!waiter->nodes[i])
            continue;
        r = node_reached(lab->nodes[i], waiter, err);
        if (r != 0 && waiter->outcomes) {
            waiter_outcome(waiter, lab->nodes[i], err);
            error_done(err);
            continue;
        }
        if (r < 0)
            return r;
        all &= r > 0;
    }
    if (all)
        return 1;
    if (waiter->outcomes && waiter->deadline_ns && now_ns() > waiter->deadline_ns) {
        waiter_time_over(lab, waiter);
        return 1;
    }
    if (waiter->deadline_ns && now_ns() > waiter->deadline_ns) {
        error_hint(err,
                   "give it longer with --timeout, or look at what it does with 'labctl node log'");
        return error_set(err, ETIMEDOUT, "time is over before every node was there");
    }
    return 0;
}
