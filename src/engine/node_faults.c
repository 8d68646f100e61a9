// SPDX-License-Identifier: GPL-2.0-or-later

/* What goes wrong with a guest or its QEMU while it runs, besides QEMU's end (node.c).
 *
 *   A guest stops: QEMU holds its vCPUs and says STOP. query-status tells why: an error of KVM or
 *   of the disk, a panic. Such a node is crashed though its QEMU is there: it has no carrier, and
 *   `node start` either lets it go on (after an error of the disk) or starts it anew.
 *   A guest resets itself again and again: a triple fault, or a boot that fails. It is told once,
 *   and such a node is not ready, whatever its console says each time, until it has come to rest:
 *   until it has gone on for much longer than it ever did before.
 *   QEMU does not answer: every node is asked for its status now and then. One that says nothing
 *   for HANG_NS is shown as such, until it answers; it is ended without being asked.
 *
 * restart: a node whose QEMU has ended starts again after a pause that doubles from
 * RESTART_FIRST_NS to RESTART_MOST_NS, and is the first again when it has run for RESTART_CALM_NS.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/lab_priv.h"

#define SECOND_NS        1000000000ull
#define ASK_PERIOD_US    2000000
#define HANG_NS          (5 * SECOND_NS)
#define RESTART_FIRST_NS (1 * SECOND_NS)
#define RESTART_MOST_NS  (60 * SECOND_NS)
#define RESTART_CALM_NS  (60 * SECOND_NS)
#define RESETS_MOST      5 /* of a guest by itself, … */
#define RESETS_SPAN_NS   (30 * SECOND_NS)
#define SAME_RESET_NS    (10 * SECOND_NS)
#define SAME_RESETS      2               /* of the firmware, silent, after the guest's */
#define REST_LEAST_NS    (5 * SECOND_NS) /* without a reset: it has come to rest */
#define REST_GAPS        4               /* times as long as it ever lived before */

const char *node_halt_text(const char *status)
{
    static const struct {
        const char *status, *text;
    } texts[] = {
        {"internal-error",
         "the accelerator met what it cannot do (KVM internal error), and QEMU holds the guest: "
         "'accel: tcg' runs it by emulation"},
        {"io-error",
         "its disk could not be written, and QEMU holds the guest: make room, then start "
         "it to let it go on"},
        {"guest-panicked", "the guest's kernel panicked, and QEMU holds it"},
        {"watchdog", "the guest's watchdog ran out, and QEMU holds it"},
        {"shutdown", "the guest has shut down, and QEMU holds it"},
        {"paused", "somebody has paused the guest: start it to let it go on"},
        {"suspended", NULL}, /* the guest sleeps, and wakes by itself */
        {"debug", "a debugger holds the guest"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (strcmp(texts[i].status, status) == 0)
            return texts[i].text;
    return NULL;
}

/**
 * halted() - Its guest does not run any more, though QEMU does
 * @node:	Node
 * @status:	QEMU's word for it
 */
static void halted(struct node_run *node, const char *status)
{
    const char *text = node_halt_text(status);

    if (!text || node->halted ||
        (node->state != NODE_BOOTING && node->state != NODE_READY && node->state != NODE_RUNNING))
        return;
    node->halted = true;
    node->resumes = false;
    node->resumable = strcmp(status, "io-error") == 0 || strcmp(status, "paused") == 0;
    node->halted_in = node->state;
    node_set_state(node, NODE_CRASHED, "%s%s%s", text, node->disk_error ? ": " : "",
                   node->disk_error ? node->disk_error : "");
    carrier_update(node->lab);
    if (!node->resumable)
        node_ended(node, true);
}

/**
 * on_status() - What QEMU says of its guest
 * @data:	Node
 * @result:	{running, status}
 * @err:	Why there is none
 */
static void on_status(void *data, json_t *result, struct error *err)
{
    struct node_run *node = data;
    const char *status = json_string_value(json_object_get(result, "status"));

    (void)err;
    node->asked_ns = 0;
    if (node->hangs) {
        node->hangs = false;
        node_set_state(node, node->state, NULL);
    }
    if (status && json_is_false(json_object_get(result, "running")))
        halted(node, status);
}

void node_ask_status(struct node_run *node)
{
    if (node->asked_ns)
        return;
    if (qmp_execute(node->qmp, "query-status", NULL, on_status, node, NULL) == 0)
        node->asked_ns = now_ns();
}

/**
 * look_at_resets() - See whether a guest that reset itself again and again has come to rest
 * @node:	Node
 * @now:	CLOCK_MONOTONIC
 */
static void look_at_resets(struct node_run *node, uint64_t now)
{
    uint64_t rest = REST_GAPS * node->reset_gap_ns;

    if (rest < REST_LEAST_NS || rest > RESETS_SPAN_NS)
        rest = rest < REST_LEAST_NS ? REST_LEAST_NS : RESETS_SPAN_NS;
    if (!node->resets_on)
        return;
    qmp_catch_up(node->qmp); /* it may have reset itself while the engine was kept from reading */
    if (now < node->last_reset_ns + rest)
        return;
    node->resets_on = false;
    node->resets = 0;
    if (node->state != NODE_BOOTING && node->state != NODE_RUNNING)
        return;
    if (!node->has_ready || node->typing) {
        node_set_state(node, node->state, NULL);
        return;
    }
    node_await_ready(node);
    node_set_state(node, NODE_BOOTING, "the guest rebooted");
    readiness_arm(node, true);
}

/**
 * on_ask() - Ask every QEMU whether it lives
 * @source:	Timer
 * @usec:	Now
 * @data:	Lab
 *
 * Return: 0
 */
static int on_ask(sd_event_source *source, uint64_t usec, void *data)
{
    struct lab *lab = data;
    uint64_t now = now_ns();

    lab_mend_run_dir(lab);
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        struct node_run *node = lab->nodes[i];

        if (!node_has_process(node) || !node->launched)
            continue;
        look_at_resets(node, now);
        if (!node->asked_ns) {
            node_ask_status(node);
        } else if (now - node->asked_ns > HANG_NS && !node->hangs) {
            node->hangs = true;
            node_set_state(node, node->state, "its QEMU (pid %d) does not answer",
                           node->process.pid);
        }
    }
    (void)sd_event_source_set_time(source, usec + ASK_PERIOD_US);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

void nodes_watch_hangs(struct lab *lab)
{
    if (lab->ask_timer)
        return;
    if (sd_event_add_time_relative(lab->event, &lab->ask_timer, CLOCK_MONOTONIC, ASK_PERIOD_US,
                                   100000, on_ask, lab) < 0)
        log_error("no timer could be made");
}

/**
 * guest_reset() - The guest has reset itself
 * @node:	Node
 *
 * After a triple fault the firmware resets the machine again, once or twice (seen with SeaBIOS
 * 1.16): a reset that follows soon, with nothing said between, is a part of the one before. In a
 * guest that never says anything the first ones of a loop are not counted for that.
 *
 * Return: false if it is nothing new, or was said often enough
 */
static bool guest_reset(struct node_run *node)
{
    uint64_t now = now_ns(), gap = now - node->last_reset_ns;
    uint64_t said = console_forget_line(node->consoles[0]);
    bool silent = said == node->said && node->resets > 0 && gap < SAME_RESET_NS;

    node->said = said;
    node->last_reset_ns = now;
    node->silent_resets = silent ? node->silent_resets + 1 : 0;
    if (silent && node->silent_resets <= SAME_RESETS)
        return false;
    if (node->resets > 0 && gap > node->reset_gap_ns)
        node->reset_gap_ns = gap;
    if (node->resets_on)
        return false;
    if (node->resets == 0 || now - node->reset_ns > RESETS_SPAN_NS) {
        node->reset_ns = now;
        node->reset_gap_ns = 0;
        node->resets = 0;
    }
    if (++node->resets < RESETS_MOST)
        return true;
    node->resets_on = true;
    node->rebooted = true;
    readiness_disarm(node);
    node_set_state(node, node->state == NODE_READY ? NODE_BOOTING : node->state,
                   "the guest resets itself again and again: a triple fault, or a boot that "
                   "fails; its console says: %s",
                   console_last_line(node->consoles[0]));
    log_warning("%s: %s", node->spec->name, node->reason);
    lab_event(node->lab, "node", node->spec->name, "%s", node->reason);
    return false;
}

bool node_fault_event(struct node_run *node, const char *name, json_t *args)
{
    const char *reason = json_string_value(json_object_get(args, "reason"));

    if (strcmp(name, "RESET") == 0 && json_is_true(json_object_get(args, "guest")))
        return !guest_reset(node);
    if (strcmp(name, "BLOCK_IO_ERROR") == 0) {
        free(node->disk_error);
        node->disk_error = reason ? text_escape(reason, strnlen(reason, 200)) : NULL;
    } else if (strcmp(name, "STOP") == 0) {
        node->asked_ns = 0; /* ask now, whatever was asked before */
        node_ask_status(node);
    } else if (strcmp(name, "RESUME") == 0 && node->halted) {
        node->halted = node->resumes = false;
        free(node->disk_error);
        node->disk_error = NULL;
        node_set_state(node, node->halted_in, NULL);
        carrier_update(node->lab);
    } else {
        return false;
    }
    return true;
}

void node_release(struct node_run *node)
{
    if (node->resumable && qmp_execute(node->qmp, "cont", NULL, NULL, NULL, NULL) == 0) {
        node->resumes = true;
        return;
    }
    node->wants_restart = true;
    node_stop(node, true);
}

void node_faults_forget(struct node_run *node)
{
    node->halted = node->resumes = node->hangs = false;
    node->asked_ns = node->reset_ns = node->last_reset_ns = node->reset_gap_ns = 0;
    node->resets = node->silent_resets = 0;
    node->resets_on = false;
    free(node->disk_error);
    node->disk_error = NULL;
}

/* ---- restart: ---- */

/**
 * on_restart() - It has paused long enough
 * @source:	Timer
 * @usec:	Unused
 * @data:	Node
 *
 * Return: 0
 */
static int on_restart(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;

    (void)source;
    (void)usec;
    node->restart_timer = sd_event_source_disable_unref(node->restart_timer);
    if (node->lab->state == LAB_STOPPING)
        return 0;
    if (node_has_process(node)) { /* it is held by QEMU */
        node->wants_restart = true;
        node_stop(node, true);
    } else {
        node_queue(node, false);
    }
    return 0;
}

void node_ended(struct node_run *node, bool failed)
{
    enum restart_policy policy =
        node->spec->restart != RESTART_UNSAID ? node->spec->restart : node->appliance->restart;
    uint64_t pause = RESTART_FIRST_NS, now = now_ns();
    _cleanup_free_ char *was = node->reason ? xstrdup(node->reason) : xstrdup("");

    if (policy == RESTART_UNSAID || policy == RESTART_NEVER || node->lab->state == LAB_STOPPING ||
        (policy == RESTART_ON_FAILURE && !failed) || node->restart_timer)
        return;
    if (node->started_ns && now - node->started_ns > RESTART_CALM_NS)
        node->restarts_in_a_row = 0;
    for (unsigned i = 0; i < node->restarts_in_a_row && pause < RESTART_MOST_NS; i++)
        pause *= 2;
    pause = pause < RESTART_MOST_NS ? pause : RESTART_MOST_NS;
    node->restarts_in_a_row++;
    node->restarts++;
    if (sd_event_add_time_relative(node->lab->event, &node->restart_timer, CLOCK_MONOTONIC,
                                   pause / 1000, 1000, on_restart, node) < 0) {
        log_error("%s: no timer could be made", node->spec->name);
        return;
    }
    node_set_state(node, node->state, "%s%sstarts again in %u s", was, *was ? "; " : "",
                   (unsigned)(pause / SECOND_NS));
}

bool node_comes_again(const struct node_run *node)
{
    return node->wants_restart || node->resumes ||
           (node->restart_timer && node->restarts_in_a_row <= 3);
}

void node_restart_cancel(struct node_run *node)
{
    node->restart_timer = sd_event_source_disable_unref(node->restart_timer);
}
