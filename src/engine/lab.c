// SPDX-License-Identifier: GPL-2.0-or-later

/* The lab as a whole: going up, going down, and what one node's change means for the rest.
 *
 * Calls that take time are waiters: a goal over a set of nodes. lab_changed() marks the lab as
 * changed; once per turn of the event loop, after all that happened in it was taken in,
 * on_settled() saves the state, starts what can be started and answers the waiters whose goal is
 * reached or out of reach. So no caller is ever re-entered, and a burst of changes costs one pass.
 *
 * A failed `up` is a `down` whose answer is the failure. Down is finished when no QEMU and no
 * capture worker is left: then the fabric ends, the run folder goes, the answers are sent and the
 * event loop ends. */

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/socket.h"
#include "engine/lab_priv.h"

#define SAVE_AGAIN_US  1000000
#define LOOK_TRIES     20 /* who is in the way for longer is another engine */
#define LOOK_PAUSE_MS  10
#define DEATHS_MOST    5              /* of a process that is replaced, … */
#define DEATHS_SPAN_NS 10000000000ull /* … within this time */

static const char *const node_state_names[] = {
    [NODE_STOPPED] = "stopped",   [NODE_QUEUED] = "starting", [NODE_STARTING] = "starting",
    [NODE_BOOTING] = "booting",   [NODE_READY] = "ready",     [NODE_RUNNING] = "running",
    [NODE_STOPPING] = "stopping", [NODE_CRASHED] = "crashed",
};
static_assert(ARRAY_SIZE(node_state_names) == NODE_CRASHED + 1, "a name for each state");

uint64_t now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool deaths_too_many(struct deaths *deaths)
{
    uint64_t now = now_ns();

    if (now - deaths->since_ns > DEATHS_SPAN_NS)
        *deaths = (struct deaths){.since_ns = now};
    return ++deaths->count > DEATHS_MOST;
}

const char *node_state_name(enum node_state state)
{
    return node_state_names[state];
}

void lab_event(struct lab *lab, const char *type, const char *node, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    struct timespec now = {0};
    va_list args;

    if (!lab->rpc)
        return;
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    rpc_broadcast(lab->rpc, "event",
                  json_pack("{s:f, s:s, s:s?, s:s}", "time",
                            (double)now.tv_sec + (double)now.tv_nsec / 1e9, "type", type, "node",
                            node, "text", text));
    if (strcmp(type, "capture") != 0) {
        _cleanup_free_ char *note =
            node ? xasprintf("labctl: node '%s': %s", node, text) : xasprintf("labctl: %s", text);

        captures_note(lab, note);
    }
}

/* ---- making and freeing ---- */

int lab_read_topology(struct lab *lab, const char *path, const char *text_path,
                      struct topology **ret_topology, char **ret_text, size_t *ret_size,
                      struct error *err)
{
    struct image_source source = image_library_source(lab->library);
    struct diagnostics diagnostics = {0};
    _cleanup_strbuf_ struct strbuf faults = STRBUF_INIT;
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = topology_load(text_path ? text_path : path, &text, &size, err);

    if (r < 0)
        return r;
    r = topology_parse(path, text, size, &source, ret_topology, &diagnostics, err);
    for (size_t i = 0; i < diagnostics.count; i++)
        strbuf_printf(&faults, "%s%s:%u:%u: %s", i ? "\n" : "", path, diagnostics.items[i].at.line,
                      diagnostics.items[i].at.column, diagnostics.items[i].text);
    if (r < 0 && diagnostics.count > 0)
        r = error_input(err, "%s", faults.data);
    diagnostics_done(&diagnostics);
    if (r == 0 && ret_text) {
        *ret_text = steal_ptr(text);
        *ret_size = size;
    }
    return r;
}

int lab_save_topology(struct lab *lab, const char *text, size_t size, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "topology.yaml");

    if (text != lab->text) {
        free(lab->text);
        lab->text = xstrndup(text, size);
        lab->text_size = size;
    }
    return file_write_atomic(path, text, size, 0600, err);
}

uint64_t lab_image_memory(struct lab *lab, const char *image)
{
    const struct appliance *appliance = NULL;

    return image_library_get(lab->library, image, &appliance, NULL) == 0 ? appliance->memory_bytes
                                                                         : 0;
}

/**
 * lock_run_dir() - Make the run folder and hold it
 * @lab:	Lab with a run_dir
 * @err:	Error to fill
 *
 * The lock is on the folder itself, so that nothing is left beside it. The folder may have been
 * removed between opening and locking by a lab of this name that just ended: then it is made again.
 *
 * Return: 0 or -errno
 */
static int lock_run_dir(struct lab *lab, struct error *err)
{
    for (int tries = 0; tries < 100; tries++) {
        _cleanup_close_ int fd = -1;
        struct stat held, there;
        int r = dir_make_private(lab->run_dir, err);

        if (r < 0)
            return r;
        fd = open(lab->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return error_errno(err, errno, "%s", lab->run_dir);
        /* A labctl that looks what there is holds it for a moment. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && tries < LOOK_TRIES) {
            (void)poll(NULL, 0, LOOK_PAUSE_MS);
            continue;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            r = error_set(err, EADDRINUSE, "a lab named '%s' is already running", lab->name);
            error_hint(err,
                       "look at it with 'labctl topology status %s', end it with 'labctl topology "
                       "down %s', or start this one under another name with --name",
                       lab->name, lab->name);
            return r;
        }
        if (fstat(fd, &held) < 0)
            return error_errno(err, errno, "%s", lab->run_dir);
        if (lstat(lab->run_dir, &there) < 0 || held.st_ino != there.st_ino)
            continue;
        lab->lock_fd = steal_fd(&fd);
        return 0;
    }
    return error_set(err, EBUSY, "%s: keeps vanishing", lab->run_dir);
}

void lab_mend_run_dir(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct stat held, there;
    int r;

    if (lab->state == LAB_STOPPING || lab->state == LAB_IDLE || fstat(lab->lock_fd, &held) < 0 ||
        (lstat(lab->run_dir, &there) == 0 && there.st_ino == held.st_ino))
        return;
    log_error("somebody has removed %s: it is made again", lab->run_dir);
    cleanup_close(&lab->lock_fd);
    lab->lock_fd = -1;
    r = lock_run_dir(lab, &err);
    if (r == 0)
        r = rpc_server_listen_again(lab->rpc, &err);
    if (r == 0)
        r = lab_save_topology(lab, lab->text, lab->text_size, &err);
    /* What has its socket in there is started anew; guests have theirs open. */
    network_forget(lab);
    if (r == 0)
        r = network_ensure(lab, &err);
    links_stop(lab);
    if (r == 0)
        r = links_hand_over(lab, &err);
    for (size_t i = 0; i < lab->topology->node_count; i++)
        consoles_close(lab->nodes[i]);
    if (r == 0)
        r = consoles_open(lab, &err);
    if (r < 0)
        log_error("%s: %s", lab->run_dir, error_message(&err));
    lab_event(lab, "lab", NULL, "somebody has removed the lab's run folder; %s",
              r < 0 ? error_message(&err) : "it was made again");
    lab_changed(lab);
}

/**
 * make_folders() - Run and kept folder of the lab
 * @lab:	Lab with a name
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_folders(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *run_root = paths_run_root(), *state_root = paths_state_root(err);
    _cleanup_free_ char *longest = NULL;
    int r;

    if (!state_root)
        return -ENOENT;
    lab->run_dir = path_join(run_root, lab->name);
    lab->state_dir = path_join(state_root, lab->name);
    /* The longest socket path there will be: a node's name of 63 bytes is possible, most are not.
     */
    longest = path_join(lab->run_dir, "fabric.sock");
    r = socket_path_check(longest, err);
    for (size_t i = 0; r == 0 && lab->topology && i < lab->topology->node_count; i++) {
        _cleanup_free_ char *path =
            xasprintf("%s/%s.qmp", lab->run_dir, lab->topology->nodes[i].name);

        r = socket_path_check(path, err);
    }
    if (r == 0)
        r = dir_make_private(run_root, err);
    if (r == 0)
        r = lock_run_dir(lab, err);
    if (r == 0)
        r = dir_make_private(state_root, err);
    if (r == 0)
        r = dir_make_private(lab->state_dir, err);
    return r;
}

/**
 * clear_stale() - What an earlier lab of this name has left in the run folder
 * @lab:	New lab, its run folder locked
 * @err:	Error to fill
 *
 * Return: 0 if there is nothing, or it was from before a restart of the host and is gone; -EEXIST
 */
static int clear_stale(const struct lab *lab, struct error *err)
{
    _cleanup_free_ char *boot_id = process_boot_id(), *path = path_join(lab->run_dir, "state.json");
    const char *saved;
    json_t *state = NULL;
    bool stale;
    int r;

    if (!file_exists(path))
        return 0;
    r = lab_state_load(lab->run_dir, &state, NULL);
    saved = json_string_value(json_object_get(state, "boot_id"));
    stale = r == 0 && boot_id && saved && strcmp(boot_id, saved) != 0;
    json_decref(state);
    if (!stale) {
        (void)error_set(err, EEXIST, "lab '%s' is there already: its engine has died", lab->name);
        error_hint(err,
                   "'labctl topology status %s' starts another one, 'labctl topology down %s' ends "
                   "the lab",
                   lab->name, lab->name);
        return -EEXIST;
    }
    log_info("the host was restarted since this lab ran: it starts from its disks");
    return dir_empty(lab->run_dir, err);
}

int lab_new(sd_event *event, const char *name, const char *topology_path, json_t *state,
            struct lab **ret_lab, struct error *err)
{
    struct lab *lab = xnew0(struct lab, 1);
    _cleanup_free_ char *run_root = paths_run_root(), *kept = NULL, *text = NULL;
    bool adopt = state != NULL, others = false;
    size_t size = 0;
    int r;

    if (adopt)
        kept = xasprintf("%s/%s/topology.yaml", run_root, name);

    lab->event = sd_event_ref(event);
    lab->lock_fd = -1;
    lab->next_capture = 1;
    host_probe(&lab->host);
    boot_times_load(lab);
    r = image_library_open(&lab->library, err);
    if (r == 0)
        r = lab_read_topology(lab, topology_path, kept && file_exists(kept) ? kept : NULL,
                              &lab->topology, &text, &size, err);
    if (r == 0) {
        lab->name = xstrdup(name ? name : lab->topology->lab);
        r = make_folders(lab, err);
    }
    if (r == 0)
        r = lab_user_init(lab, err);
    if (r == 0 && !adopt) {
        r = clear_stale(lab, err);
        others = r == -EEXIST;
    }
    if (r == 0)
        r = lab_save_topology(lab, text, size, err);
    if (r == 0) {
        struct fabric_plan *before = network_plan_saved(json_object_get(state, "interfaces"));

        r = fabric_plan_make(lab->topology, before, &lab->plan, err);
        fabric_plan_free(before);
    }
    if (r == 0) {
        lab->nodes = xnew0(struct node_run *, lab->topology->node_count);
        links_init(lab);
        uplinks_init(lab);
    }
    for (size_t i = 0; r == 0 && i < lab->topology->node_count; i++)
        r = node_new(lab, lab->topology, i, &lab->nodes[i], err);
    if (r < 0) {
        if (lab->lock_fd >= 0 && !adopt && !others)
            (void)dir_remove_tree(lab->run_dir, NULL);
        lab_free(lab);
        return r;
    }
    *ret_lab = lab;
    return 0;
}

void lab_free(struct lab *lab)
{
    if (!lab)
        return;
    while (lab->waiters) {
        struct waiter *waiter = lab->waiters;

        lab->waiters = waiter->next;
        if (waiter->call) {
            struct error err = ERROR_INIT;

            (void)error_set(&err, ECANCELED, "the engine ends");
            rpc_fail(waiter->call, &err);
        }
        waiter_free(waiter);
    }
    captures_free(lab);
    rpc_server_free(lab->rpc);
    lab->rpc = NULL;
    for (size_t i = 0; lab->nodes && i < lab->topology->node_count; i++)
        node_free(lab->nodes[i]);
    free(lab->nodes);
    links_free(lab);
    uplinks_free(lab);
    sd_event_source_disable_unref(lab->fabric_source);
    sd_event_source_disable_unref(lab->progress_timer);
    sd_event_source_disable_unref(lab->settle_source);
    sd_event_source_disable_unref(lab->ask_timer);
    sd_event_source_disable_unref(lab->save_timer);
    sd_event_source_disable_unref(lab->schedule_timer);
    fabric_close(lab->fabric);
    fabric_plan_free(lab->plan);
    free(lab->cgroup);
    free(lab->cgroup_fault);
    json_decref(lab->boot_times);
    image_library_free(lab->library);
    topology_free(lab->topology);
    cleanup_close(&lab->lock_fd);
    free(lab->run_dir);
    free(lab->runas_fault);
    free(lab->text);
    free(lab->state_dir);
    free(lab->name);
    sd_event_unref(lab->event);
    free(lab);
}

/**
 * finish_down() - Nothing runs any more: remove the rest, answer, end
 * @lab:	Lab
 */
static void finish_down(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct waiter *waiter;

    captures_free(lab);
    lab->fabric_source = sd_event_source_disable_unref(lab->fabric_source);
    links_stop(lab);
    uplinks_stop(lab);
    if (lab->fabric && fabric_stop(lab->fabric, &err) < 0)
        log_warning("fabric: %s", error_message(&err));
    lab->fabric = NULL;
    limits_close(lab);
    if (lab->wipe_when_down && dir_remove_tree(lab->state_dir, &err) < 0)
        log_warning("%s", error_message(&err));
    if (dir_remove_tree(lab->run_dir, &err) < 0)
        log_warning("%s", error_message(&err));
    while ((waiter = lab->waiters)) {
        lab->waiters = waiter->next;
        if (waiter->call && waiter->failure.code)
            rpc_fail(waiter->call, &waiter->failure);
        else if (waiter->call)
            rpc_reply(waiter->call, json_object());
        waiter_free(waiter);
    }
    (void)sd_event_exit(lab->event, 0);
}

/**
 * waiter_answer() - Answer a waiter that got where it wanted, or cannot
 * @lab:	Lab
 * @waiter:	Waiter, already taken off the list; freed or put on it again
 * @err:	Set if it failed
 */
static void waiter_answer(struct lab *lab, struct waiter *waiter, struct error *err)
{
    if (waiter->done && waiter->call) {
        waiter->done(waiter, err);
        waiter_free(waiter);
        return;
    }
    if (waiter->up && lab->state == LAB_STARTING) {
        if (err->code && !waiter->keep) {
            error_move(&waiter->failure, err);
            error_prefix(&waiter->failure, "lab '%s' did not come up and was taken back",
                         lab->name);
            waiter->goal = WAIT_DOWN;
            lab_wait(lab, waiter);
            lab_down(lab, NULL, false, true);
            return;
        }
        lab->state = LAB_RUNNING;
    }
    if (waiter->call && err->code)
        rpc_fail(waiter->call, err);
    else if (waiter->call) {
        json_t *answer = status_document(lab);

        if (waiter->outcomes)
            (void)json_object_set(answer, "results", waiter->outcomes);
        rpc_reply(waiter->call, answer);
    }
    waiter_free(waiter);
}

/**
 * on_save_again() - The state could not be written down a while ago
 * @source:	Timer
 * @usec:	Unused
 * @data:	Lab
 *
 * Return: 0
 */
static int on_save_again(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    lab_changed(data);
    return 0;
}

/**
 * check_waiters() - Answer those that can be answered
 * @lab:	Lab
 */
static void check_waiters(struct lab *lab)
{
    struct waiter **at = &lab->waiters;

    while (*at) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct waiter *waiter = *at;
        int r = waiter_reached(lab, waiter, &err);

        if (r == 0) {
            at = &waiter->next;
            continue;
        }
        if (waiter->goal == WAIT_DOWN) {
            finish_down(lab);
            return;
        }
        *at = waiter->next;
        waiter_answer(lab, waiter, &err);
        at = &lab->waiters;
    }
}

void lab_save(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool failed = lab_state_save(lab, &err) < 0;

    if (failed && !lab->state_unsaved) {
        log_error("state: %s", error_message(&err));
        lab_event(lab, "lab", NULL, "an engine after this one would not know what happens now: %s",
                  error_message(&err));
    }
    lab->state_unsaved = failed;
    if (!failed)
        return;
    /* A full disk may be full for long; what is wanted is written down as soon as it can be. */
    lab->save_timer = sd_event_source_disable_unref(lab->save_timer);
    if (sd_event_add_time_relative(lab->event, &lab->save_timer, CLOCK_MONOTONIC, SAVE_AGAIN_US,
                                   100000, on_save_again, lab) < 0)
        log_error("no timer could be made");
}

/**
 * on_settled() - Take in, once per turn of the loop, what has changed
 * @source:	Deferred source
 * @data:	Lab
 *
 * Return: 0
 */
static int on_settled(sd_event_source *source, void *data)
{
    struct lab *lab = data;

    (void)source;
    lab_schedule(lab);
    captures_changed(lab);
    if (lab->state != LAB_IDLE)
        lab_save(lab);
    check_waiters(lab);
    return 0;
}

void lab_changed(struct lab *lab)
{
    if (!lab->settle_source) {
        if (sd_event_add_defer(lab->event, &lab->settle_source, on_settled, lab) < 0)
            log_error("no event source could be made");
        else
            (void)sd_event_source_set_priority(lab->settle_source, SD_EVENT_PRIORITY_IDLE);
        return;
    }
    (void)sd_event_source_set_enabled(lab->settle_source, SD_EVENT_ONESHOT);
}

/* ---- up ---- */

int lab_check_links(const struct topology *topology, struct error *err)
{
    for (size_t i = 0; i < topology->link_count; i++) {
        const struct link *link = &topology->links[i];

        for (int end = 0; end < 2; end++) {
            const struct location *at = &link->impairment[end].only_at;

            if (wire_check(&link->impairment[end], err) < 0)
                return error_prefix(err, "%s:%u:%u: link '%s'", topology->path,
                                    at->line ? at->line : link->at.line,
                                    at->line ? at->column : link->at.column, link->name);
        }
    }
    return 0;
}

void lab_up(struct lab *lab, struct waiter *waiter, bool paused)
{
    struct error err = ERROR_INIT;
    int r = lab_check_links(lab->topology, &err);

    lab->state = LAB_STARTING;
    lab->up_ns = now_ns();
    if (r == 0)
        r = lab_admit(lab, &err);
    if (r == 0)
        r = consoles_open(lab, &err);
    for (size_t i = 0; r == 0 && i < lab->topology->node_count; i++)
        node_queue(lab->nodes[i], paused);
    if (r == 0) {
        links_prepare(lab);
        lab_save(lab); /* from here on the next engine can finish it */
        r = network_start(lab, &err);
    }
    if (r < 0) {
        error_move(&waiter->failure, &err);
        waiter->goal = WAIT_DOWN;
        lab_wait(lab, waiter);
        lab_down(lab, NULL, false, true);
        return;
    }
    if (waiter->call)
        rpc_notify(waiter->call, "note", json_pack("{s:o}", "text", lab_admission_text(lab)));
    for (size_t i = 0; i < lab->topology->node_count; i++)
        waiter->nodes[i] = true;
    lab_wait(lab, waiter);
}

/* ---- down ---- */

void lab_down(struct lab *lab, struct rpc_call *call, bool wipe, bool force)
{
    struct waiter *down = waiter_new(lab, call, WAIT_DOWN);

    lab->wipe_when_down |= wipe;
    if (lab->state != LAB_STOPPING)
        log_info("lab '%s' goes down", lab->name);
    lab->state = LAB_STOPPING;
    for (struct waiter *waiter = lab->waiters; waiter; waiter = waiter->next) {
        if (waiter->goal == WAIT_DOWN)
            continue;
        waiter->goal = WAIT_DOWN;
        (void)error_set(&waiter->failure, ECANCELED, "lab '%s' was taken down meanwhile",
                        lab->name);
    }
    captures_stop_all(lab);
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        lab->nodes[i]->wants_restart = false;
        node_stop(lab->nodes[i], force);
    }
    lab_wait(lab, down);
}
