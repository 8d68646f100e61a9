// SPDX-License-Identifier: GPL-2.0-or-later

/* Life of a node, from queued to stopped (the states are drawn in lab_priv.h). Everything is driven
 * by events: QMP's greeting, its answers and events, the console's rule, the pidfd of QEMU, timers.
 * State changes go through node_set_state(), which tells the lab; the lab decides what that means
 * for others (slots, `after`, carrier, waiting calls). */

#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/lab_priv.h"

#define SLOT_HELD_MAX_NS (30ull * 1000000000) /* a guest that idles in its boot holds up nobody */
/* An appliance's exec rules are those of its first console; the further ones are shells. */
#define SHELL_PROMPT "^[^ ]*[#$] $"

void node_set_timer(struct node_run *node, sd_event_source **source, uint64_t ns,
                    sd_event_time_handler_t fn)
{
    *source = sd_event_source_disable_unref(*source);
    if (sd_event_add_time_relative(node->lab->event, source, CLOCK_MONOTONIC, ns / 1000, 1000, fn,
                                   node) < 0)
        log_error("%s: no timer could be made", node->spec->name);
}

/**
 * compile_rule() - Compile one of the appliance's patterns for this node
 * @node:	Node
 * @rule:	Pattern or NULL
 * @regex:	Result
 * @has:	Set when there is one
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int compile_rule(struct node_run *node, const char *rule, regex_t *regex, bool *has,
                        struct error *err)
{
    int r;

    if (!rule)
        return 0;
    r = appliance_pattern(rule, node->spec->name, regex, err);
    if (r < 0)
        return error_prefix(err, "image '%s'", node->appliance->name);
    *has = true;
    return 0;
}

/**
 * on_break() - Somebody at a console sent a break
 * @console:	Which one
 * @data:	Its node
 *
 * Return: 0 or -errno
 */
static int on_break(struct console *console, void *data)
{
    struct node_run *node = data;

    for (unsigned i = 0; i < node->console_count; i++)
        if (node->consoles[i] == console)
            return qmp_execute(node->qmp, "chardev-send-break",
                               json_pack("{s:o}", "id", json_sprintf("serial%u", i)), NULL, NULL,
                               NULL);
    return -ENOTCONN;
}

/**
 * on_console_read() - The first console has said something that nobody has looked at yet
 * @console:	Which one
 * @data:	Its node
 *
 * QEMU tells of a reset before the guest that began anew can say anything. So if QMP is read first,
 * what its event comes before is known, however late the engine is with both.
 */
static void on_console_read(struct console *console, void *data)
{
    struct node_run *node = data;

    (void)console;
    qmp_catch_up(node->qmp);
}

/**
 * node_init() - Fill in a node
 * @node:	Zeroed
 * @lab:	Lab
 * @spec:	What the topology says of it
 * @index:	Its index there
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int node_init(struct node_run *node, struct lab *lab, const struct node *spec, size_t index,
                     struct error *err)
{
    int r;

    node->lab = lab;
    node->index = index;
    node->spec = spec;
    node->pidfd = -1;
    node->state = NODE_STOPPED;
    node->dir = path_join(lab->state_dir, spec->name);
    for (size_t i = 0; i < ARRAY_SIZE(node->serial_fds); i++)
        node->serial_fds[i] = -1;
    node->carrier = xnew0(bool, spec->nics);
    if (regcomp(&node->shell_rule, SHELL_PROMPT, REG_EXTENDED | REG_NOSUB) != 0)
        return error_set(err, EINVAL, "the shell prompt's rule does not compile");
    r = image_library_get(lab->library, spec->image, &node->appliance, err);
    if (r < 0)
        return error_prefix(err, "node '%s'", spec->name);
    r = readiness_init(node, err);
    if (r == 0)
        r = compile_rule(node, node->appliance->exec_prompt, &node->prompt_rule, &node->has_prompt,
                         err);
    if (r == 0)
        r = compile_rule(node, node->appliance->exec_error, &node->error_rule, &node->has_error,
                         err);
    if (r == 0)
        r = compile_rule(node, node->appliance->exec_pager, &node->pager_rule, &node->has_pager,
                         err);
    if (r == 0)
        r = compile_rule(node, node->appliance->seed_prompt, &node->typing_rule, &node->has_typing,
                         err);
    for (unsigned i = 0; r == 0 && i < appliance_serials(node->appliance, spec); i++) {
        _cleanup_free_ char *name = i ? xasprintf("%s:%u", spec->name, i) : xstrdup(spec->name);

        r = console_new(lab->event, &(struct console_options){.name = name}, &node->consoles[i],
                        err);
        if (r == 0) {
            console_set_break_handler(node->consoles[i], on_break, node);
            if (i == 0)
                console_set_read_handler(node->consoles[i], on_console_read, node);
            node->console_count++;
        }
    }
    return r < 0 ? error_prefix(err, "node '%s'", spec->name) : 0;
}

int node_new(struct lab *lab, const struct topology *topology, size_t index,
             struct node_run **ret_node, struct error *err)
{
    struct node_run *node = xnew0(struct node_run, 1);
    int r = node_init(node, lab, &topology->nodes[index], index, err);

    if (r < 0) {
        node_free(node);
        return r;
    }
    *ret_node = node;
    return 0;
}

void node_respecify(struct node_run *node, size_t index)
{
    node->index = index;
    node->spec = &node->lab->topology->nodes[index];
}

void node_free(struct node_run *node)
{
    if (!node)
        return;
    node_forget_process(node);
    node_restart_cancel(node);
    readiness_done(node);
    consoles_close(node);
    for (unsigned i = 0; i < node->console_count; i++)
        console_free(node->consoles[i]);
    if (node->has_prompt)
        regfree(&node->prompt_rule);
    if (node->has_error)
        regfree(&node->error_rule);
    if (node->has_pager)
        regfree(&node->pager_rule);
    if (node->has_typing)
        regfree(&node->typing_rule);
    regfree(&node->shell_rule);
    free(node->limits_fault);
    free(node->user_fault);
    free(node->carrier);
    free(node->dir);
    free(node->reason);
    free(node);
}

bool node_has_process(const struct node_run *node)
{
    return node->pidfd >= 0;
}

bool node_is_running(const struct node_run *node)
{
    return node->state == NODE_BOOTING || node->state == NODE_READY ||
           node->state == NODE_RUNNING || (node->state == NODE_STOPPING && node->booted_ns);
}

/**
 * release_slot() - Give back the boot slot, if the node holds one
 * @node:	Node
 */
static void release_slot(struct node_run *node)
{
    node->slot_timer = sd_event_source_disable_unref(node->slot_timer);
    if (!node->holds_slot)
        return;
    node->holds_slot = false;
    node->lab->boot_slots_used--;
}

void node_set_state(struct node_run *node, enum node_state state, const char *format, ...)
{
    _cleanup_free_ char *reason = NULL;

    if (format) {
        va_list args;

        va_start(args, format);
        reason = xvasprintf(format, args);
        va_end(args);
    }
    free(node->reason);
    node->reason = steal_ptr(reason);
    if (state != NODE_STARTING && state != NODE_BOOTING)
        release_slot(node);
    if (node->state != state) {
        node->state = state;
        log_info("%s: %s%s%s", node->spec->name, node_state_name(state), node->reason ? ": " : "",
                 node->reason ? node->reason : "");
        lab_event(node->lab, "node", node->spec->name, "%s%s%s", node_state_name(state),
                  node->reason ? ": " : "", node->reason ? node->reason : "");
    }
    lab_changed(node->lab);
}

void node_queue(struct node_run *node, bool paused)
{
    if ((node->state != NODE_STOPPED && node->state != NODE_CRASHED) || node_has_process(node))
        return;
    node_restart_cancel(node);
    node->paused = paused;
    node->wants_restart = false;
    node->queued_ns = now_ns();
    node->started_ns = node->booted_ns = node->ready_ns = 0;
    node_set_state(node, NODE_QUEUED, NULL);
}

/**
 * ready_limit() - How long a node may take to be ready
 * @node:	Node
 *
 * Return: nanoseconds
 */
static uint64_t ready_limit(const struct node_run *node)
{
    return node->spec->ready_timeout_ns ? node->spec->ready_timeout_ns
                                        : node->appliance->ready_timeout_ns;
}

/**
 * say_late() - Its time to become ready is over
 * @node:	Node
 *
 * The rule stays armed: a late guest still becomes ready.
 */
static void say_late(struct node_run *node)
{
    _cleanup_free_ char *tail = console_tail(node->consoles[0], 3), *one_line = NULL;
    _cleanup_free_ char *limit = units_format_duration(ready_limit(node));

    one_line = text_replace(tail, "\n", " | ");
    node->timed_out = true;
    node_set_state(node, NODE_RUNNING, "not ready in time (%s%s); its console says: %s", limit,
                   node->resets_on           ? ", it resets itself again and again"
                   : node->readiness.matched ? ", its probe does not succeed"
                                             : "",
                   one_line[0] ? one_line : "nothing");
}

/**
 * on_ready_timeout() - It should be ready by now
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_ready_timeout(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    say_late(data);
    return 0;
}

void node_await_ready(struct node_run *node)
{
    node->awaited_ns = now_ns();
    node->timed_out = false;
    node_set_timer(node, &node->ready_timer, ready_limit(node), on_ready_timeout);
}

/**
 * on_slot_timeout() - It has held its boot slot for long enough
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_slot_timeout(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;

    (void)source;
    (void)usec;
    release_slot(node);
    lab_changed(node->lab);
    return 0;
}

/**
 * guest_runs() - QEMU has let the guest go
 * @node:	Node that was starting
 */
static void guest_runs(struct node_run *node)
{
    node->booted_ns = now_ns();
    if (!node->has_ready) {
        node_set_state(node, NODE_RUNNING, NULL);
    } else {
        node_set_state(node, NODE_BOOTING, NULL);
        node_await_ready(node);
        if (node->holds_slot)
            node_set_timer(node, &node->slot_timer, SLOT_HELD_MAX_NS, on_slot_timeout);
    }
    carrier_update(node->lab);
}

void node_configured(struct node_run *node, const char *why)
{
    if (node->state != NODE_BOOTING && node->state != NODE_RUNNING)
        return;
    if (why) {
        node->timed_out = true;
        node_set_state(node, NODE_RUNNING, "up, but its configuration was not typed: %s", why);
        return;
    }
    node->ready_ns = now_ns();
    node->timed_out = false;
    node_set_state(node, NODE_READY, NULL);
}

void node_became_ready(struct node_run *node, const char *why)
{
    /* A guest that speaks runs, though the answer to `cont` has not been read yet. */
    if (node->state == NODE_STARTING && node->launched && !node->paused)
        guest_runs(node);
    node->ready_timer = sd_event_source_disable_unref(node->ready_timer);
    if (node->state != NODE_BOOTING && node->state != NODE_RUNNING)
        return;
    if (!node->rebooted && !node->timed_out && node->started_ns)
        boot_times_add(node->lab, node, now_ns() - node->started_ns);
    if (typing_due(node)) {
        node_set_state(node, NODE_BOOTING, "its configuration is being typed");
        typing_start(node);
        return;
    }
    node_configured(node, NULL);
    if (why)
        node_set_state(node, NODE_READY, "%s", why);
}

/**
 * on_cont() - QEMU answered `cont`
 * @data:	Its node
 * @result:	Unused
 * @err:	Why not, or NULL
 */
static void on_cont(void *data, json_t *result, struct error *err)
{
    struct node_run *node = data;

    (void)result;
    if (node->state != NODE_STARTING)
        return;
    if (err) {
        /* The exit handler tells more if QEMU is dying; else it is of no use like this. */
        log_error("%s: cont: %s", node->spec->name, error_message(err));
        (void)pidfd_signal(node->pidfd, SIGKILL);
        return;
    }
    guest_runs(node);
    /* The engine before this one may have let it run already. */
    if (!node->is_child && node->state == NODE_BOOTING)
        readiness_arm(node, true);
}

void node_go(struct node_run *node)
{
    if (node->state != NODE_STARTING || !node->launched)
        return;
    node->paused = false;
    /* Carrier first: the guest must find its NICs as they are, and the rule must see the first
     * line. */
    carrier_update(node->lab);
    node->rebooted = false;
    readiness_arm(node, false);
    (void)qmp_execute(node->qmp, "cont", NULL, on_cont, node, NULL);
}

/**
 * on_qmp_ready() - QMP is past its handshake
 * @data:	Its node
 */
static void on_qmp_ready(void *data)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct node_run *node = data;

    node->launched = true;
    if (node->state == NODE_STOPPING) {
        node_stop_harder(node);
        return;
    }
    if (node->state != NODE_STARTING) {
        carrier_update(node->lab); /* found again after the engine had died */
        node_ask_status(node);
        return;
    }
    if (node_append_records(node, &err) < 0) {
        log_error("%s: %s", node->spec->name, error_message(&err));
        lab_event(node->lab, "node", node->spec->name, "%s", error_message(&err));
        (void)pidfd_signal(node->pidfd, SIGKILL); /* rather than write over its record */
        return;
    }
    if (node->paused) {
        release_slot(node);
        node_set_state(node, NODE_STARTING, "paused");
        return;
    }
    node_go(node);
}

/**
 * on_reboot() - The guest has reset itself, and boots
 * @node:	Node
 */
static void on_reboot(struct node_run *node)
{
    lab_event(node->lab, "node", node->spec->name, "the guest rebooted");
    if (!node->has_ready || node->typing)
        return;
    if (node->state == NODE_READY || node->state == NODE_RUNNING) {
        node->rebooted = true;
        node_await_ready(node);
        node_set_state(node, NODE_BOOTING, "the guest rebooted");
    }
    /* Also in its first boot: what the one before has shown says nothing of this one. */
    if (node->state == NODE_BOOTING)
        readiness_arm(node, false);
}

/**
 * on_qmp_event() - QEMU tells something
 * @name:	Event
 * @args:	Its data, may be NULL
 * @data:	Its node
 */
static void on_qmp_event(void *data, const char *name, json_t *args)
{
    struct node_run *node = data;

    if (node_fault_event(node, name, args))
        return;
    if (strcmp(name, "SHUTDOWN") == 0) {
        node->guest_shutdown = json_is_true(json_object_get(args, "guest"));
    } else if (strcmp(name, "RESET") == 0 && json_is_true(json_object_get(args, "guest"))) {
        on_reboot(node);
    } else if (strcmp(name, "GUEST_PANICKED") == 0) {
        node_set_state(node, node->state, "the guest's kernel panicked");
    }
}

/**
 * on_qmp_closed() - QMP is gone; the pidfd will say more
 * @data:	Its node
 * @err:	Why
 */
static void on_qmp_closed(void *data, struct error *err)
{
    struct node_run *node = data;

    log_debug("%s: QMP closed: %s", node->spec->name, error_message(err));
}

int node_watch(struct node_run *node, int pidfd, int qmp_fd, struct error *err)
{
    static const struct qmp_handler handler = {
        .ready = on_qmp_ready, .event = on_qmp_event, .closed = on_qmp_closed};
    int r;

    nodes_watch_hangs(node->lab);
    node->pidfd = pidfd;
    node->guest_shutdown = false;
    node->stop_step = 0;
    r = qmp_fd < 0 ? 0 : qmp_new(node->lab->event, qmp_fd, &handler, node, &node->qmp, err);
    if (r < 0)
        return r;
    r = node_await_end(node, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < node->console_count; i++) {
        if (node->serial_fds[i] < 0)
            continue; /* lost while no engine was there */
        r = console_follow(node->consoles[i], steal_fd(&node->serial_fds[i]), err);
        if (r < 0)
            return r;
    }
    /* QEMU starts with every link up. */
    for (unsigned i = 0; i < node->spec->nics; i++)
        node->carrier[i] = true;
    return 0;
}

void node_resume(struct node_run *node, enum node_state state)
{
    uint64_t limit = ready_limit(node), passed = now_ns() - node->awaited_ns;

    node->state = state;
    if (state == NODE_STOPPED || state == NODE_QUEUED || state == NODE_CRASHED)
        node->state = NODE_RUNNING; /* the state was written too early to know better */
    if ((state == NODE_STARTING || state == NODE_BOOTING) && !node->paused) {
        node->holds_slot = true;
        node->lab->boot_slots_used++;
        node_set_timer(node, &node->slot_timer, SLOT_HELD_MAX_NS, on_slot_timeout);
    }
    if (node->state == NODE_STOPPING && !node->qmp)
        (void)pidfd_signal(node->pidfd, SIGKILL);
    if (node->state == NODE_STARTING && !node->qmp)
        node->state = NODE_RUNNING;
    if ((node->state != NODE_BOOTING && node->state != NODE_RUNNING) || !node->has_ready)
        return;
    if (state == NODE_BOOTING && typing_broken_off(node)) {
        typing_resume(node);
        return;
    }
    if (!node->timed_out)
        node_set_timer(node, &node->ready_timer, passed < limit ? limit - passed : 0,
                       on_ready_timeout);
    /* One that did nothing but reset itself is looked at when it has come to rest. */
    node->last_reset_ns = now_ns();
    if (!node->resets_on)
        readiness_arm(node, true);
}
