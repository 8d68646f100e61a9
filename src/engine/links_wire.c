// SPDX-License-Identifier: GPL-2.0-or-later

/* Impaired links, and the wire process that carries their frames.
 *
 * The wire is started with the first impaired link. In: the wire's taps are made (READY), the wire
 * is given them, then the guests' frames are led there (ACTIVE). Out: the wire is told to be a
 * plain cable, and is asked now and then whether the link is idle; when it is, frames are led past
 * it again. So nothing is lost or overtaken. A link that is never idle stays where it is, as a
 * plain cable.
 *
 * When the wire dies, another one is given the same taps at once: what waited in them goes on, what
 * the dead one held in its queues is lost. If it dies again and again, links become plain cables,
 * and the status says why. */

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/lab_priv.h"
#include "topology/impairment.h"

#define LEAVE_PERIOD_US 10000
/* Links that an engine can have been about to hand over when it died. */
#define WIRE_IDS_UNKNOWN 16

static const char *link_name(const struct lab *lab, size_t link)
{
    return lab->topology->links[link].name;
}

/**
 * wire_id() - The number by which the wire knows a link: it stays when others come and go
 * @lab:	Lab
 * @link:	Link
 */
static uint32_t wire_id(struct lab *lab, size_t link)
{
    if (!lab->links[link].wire_id)
        lab->links[link].wire_id = ++lab->last_wire_id;
    return lab->links[link].wire_id;
}

/* ---- the wire process ---- */

static int on_wire_gone(sd_event_source *source, int fd, uint32_t revents, void *data);

/**
 * watch_wire() - Notice when the wire dies
 * @lab:	Lab with a wire
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int watch_wire(struct lab *lab, struct error *err)
{
    struct process_id id = wire_process(lab->wire);
    int r;

    lab->wire_pidfd = process_open(&id);
    if (lab->wire_pidfd < 0)
        return error_errno(err, -lab->wire_pidfd, "the wire process");
    r = sd_event_add_io(lab->event, &lab->wire_source, lab->wire_pidfd, EPOLLIN, on_wire_gone, lab);
    return r < 0 ? error_errno(err, -r, "watch the wire process") : 0;
}

void links_forget_wire(struct lab *lab)
{
    lab->wire_source = sd_event_source_disable_unref(lab->wire_source);
    cleanup_close(&lab->wire_pidfd);
    lab->wire_pidfd = -1;
    wire_close(lab->wire);
    lab->wire = NULL;
}

/**
 * launch_wire() - Start a wire process if there is none
 * @lab:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int launch_wire(struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "wire.sock");
    int r;

    if (lab->wire)
        return 0;
    if (!lab->fabric)
        return error_set(err, ENOTCONN, "the fabric process is gone");
    r = wire_start(lab->fabric, path, STDERR_FILENO, &lab->wire, err);
    if (r == 0)
        r = watch_wire(lab, err);
    if (r < 0)
        links_forget_wire(lab);
    return r;
}

/**
 * tell_wire() - Say to the wire what to do to a link's frames
 * @lab:	Lab with a wire, its links planned
 * @link:	Link
 * @taps:	Its taps of the wire, or NULL: the wire has them
 * @impairment:	For each end
 * @err:	Error to fill
 *
 * Return: 0 or -errno; -ENOENT: the wire does not know it, and got no taps
 */
static int tell_wire(struct lab *lab, size_t link, const int *taps,
                     const struct impairment *impairment, struct error *err)
{
    struct link_run *run = &lab->links[link];
    const bool *dark = lab->plan->links[link].dark;
    int r = wire_set(lab->wire, wire_id(lab, link), taps, impairment, dark, err);

    for (int end = 0; r == 0 && end < 2; end++)
        run->told_dark[end] = dark[end];
    return r;
}

void links_tell_dark(struct lab *lab)
{
    for (size_t i = 0; lab->wire && i < lab->topology->link_count; i++) {
        const struct link_run *run = &lab->links[i];
        const bool *dark = lab->plan->links[i].dark;

        /* One that fails has died, or is about to be handed the link: either way it is told then.
         */
        if (run->carried && (run->told_dark[0] != dark[0] || run->told_dark[1] != dark[1]))
            (void)tell_wire(lab, i, NULL, run->impairment, NULL);
    }
}

/**
 * hand_over() - Give the wire a link's taps, and say what to do to its frames
 * @lab:	Lab with a wire, its taps made
 * @link:	Link
 * @impairment:	For each end
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int hand_over(struct lab *lab, size_t link, const struct impairment *impairment,
                     struct error *err)
{
    int fds[2], r;

    r = fabric_wire_taps(lab->fabric, lab->plan, link, fds, err);
    if (r < 0)
        return r;
    r = tell_wire(lab, link, fds, impairment, err);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return r;
}

/**
 * give_up_wire() - Make plain cables of impaired links, and remember why
 * @lab:	Lab
 * @why:	What happened
 */
static void give_up_wire(struct lab *lab, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    log_error("impairments are off: %s", why);
    lab_event(lab, "wire", NULL, "impairments are off: %s", why);
    free(lab->wire_fault);
    lab->wire_fault = xstrdup(why);
    for (size_t i = 0; i < lab->topology->link_count; i++)
        lab->links[i].carried = lab->links[i].leaving = false;
    if (links_apply(lab, &err) < 0)
        log_error("links: %s", error_message(&err));
}

int links_hand_over(struct lab *lab, struct error *err)
{
    bool any = false;
    int r = 0;

    for (size_t i = 0; i < lab->topology->link_count; i++)
        any |= lab->links[i].carried;
    if (!any)
        return 0;
    r = launch_wire(lab, err);
    for (size_t i = 0; r == 0 && i < lab->topology->link_count; i++)
        if (lab->links[i].carried) {
            r = hand_over(lab, i, lab->links[i].impairment, err);
            if (r < 0)
                (void)error_prefix(err, "link '%s'", link_name(lab, i));
        }
    return r;
}

/**
 * note_replaced() - A wire took over from one that died: say so, until the links are set anew
 * @lab:	Lab
 */
static void note_replaced(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->link_count; i++)
        lab->links[i].wire_replaced |= lab->links[i].carried;
    lab_event(lab, "wire", NULL, "the wire process died and was replaced");
}

/**
 * on_wire_gone() - The wire died: another one takes its taps
 * @source:	Its pidfd's event source
 * @fd:		Unused
 * @revents:	Unused
 * @data:	Lab
 *
 * Return: 0
 */
static int on_wire_gone(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct lab *lab = data;
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)source;
    (void)fd;
    (void)revents;
    links_forget_wire(lab);
    if (lab->state == LAB_STOPPING)
        return 0;
    if (deaths_too_many(&lab->wire_deaths))
        give_up_wire(lab, "the wire process died again and again");
    else if (links_hand_over(lab, &err) < 0)
        give_up_wire(lab, error_message(&err));
    else
        note_replaced(lab);
    lab_changed(lab);
    return 0;
}

void links_stop(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    lab->wire_source = sd_event_source_disable_unref(lab->wire_source);
    if (lab->wire && wire_stop(lab->wire, &err) < 0)
        log_warning("%s", error_message(&err));
    lab->wire = NULL;
    cleanup_close(&lab->wire_pidfd);
    lab->wire_pidfd = -1;
}

/* ---- impairing ---- */

/**
 * carry() - Lead a link through the wire
 * @lab:	Lab
 * @link:	Link
 * @impairment:	For each end
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int carry(struct lab *lab, size_t link, const struct impairment *impairment,
                 struct error *err)
{
    struct fabric_link *planned = &lab->plan->links[link];
    int r = launch_wire(lab, err);

    if (r < 0)
        return r;
    links_plan(lab);
    planned->wire = FABRIC_WIRE_READY;
    r = fabric_apply(lab->fabric, lab->plan, err);
    if (r == 0)
        r = hand_over(lab, link, impairment, err);
    if (r == 0) {
        planned->wire = FABRIC_WIRE_ACTIVE;
        r = fabric_apply(lab->fabric, lab->plan, err);
    }
    if (r == 0) {
        lab->links[link].carried = true;
        return 0;
    }
    planned->wire = FABRIC_WIRE_NONE;
    (void)wire_remove(lab->wire, wire_id(lab, link), NULL);
    (void)fabric_apply(lab->fabric, lab->plan, NULL);
    return r;
}

/**
 * release() - Lead a link past the wire again
 * @lab:	Lab
 * @link:	Idle link
 */
static void release(struct lab *lab, size_t link)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    links_plan(lab);
    lab->plan->links[link].wire = FABRIC_WIRE_READY;
    r = fabric_apply(lab->fabric, lab->plan, &err);
    if (r == 0)
        r = wire_remove(lab->wire, wire_id(lab, link), &err);
    lab->links[link].carried = r < 0;
    lab->links[link].leaving = false;
    if (r == 0)
        r = links_apply(lab, &err);
    if (r < 0)
        log_error("link '%s': %s", link_name(lab, link), error_message(&err));
    lab_changed(lab);
}

/**
 * on_leave() - See which of the links that are to leave the wire can
 * @source:	Timer
 * @usec:	Now
 * @data:	Lab
 *
 * Return: 0
 */
static int on_leave(sd_event_source *source, uint64_t usec, void *data)
{
    struct lab *lab = data;
    bool any = false;

    if (lab->state == LAB_STOPPING || !lab->fabric)
        return 0;
    for (size_t i = 0; i < lab->topology->link_count; i++) {
        bool idle = false;

        if (!lab->links[i].leaving || !lab->wire)
            continue;
        if (wire_idle(lab->wire, wire_id(lab, i), &idle, NULL) == 0 && idle)
            release(lab, i);
        any |= lab->links[i].leaving;
    }
    if (any) {
        (void)sd_event_source_set_time(source, usec + LEAVE_PERIOD_US);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

/**
 * leave_soon() - Ask now and then whether links can leave the wire
 * @lab:	Lab
 */
static void leave_soon(struct lab *lab)
{
    if (!lab->leave_timer) {
        if (sd_event_add_time_relative(lab->event, &lab->leave_timer, CLOCK_MONOTONIC, 0, 1000,
                                       on_leave, lab) < 0)
            log_error("no timer could be made");
        return;
    }
    (void)sd_event_source_set_time_relative(lab->leave_timer, 0);
    (void)sd_event_source_set_enabled(lab->leave_timer, SD_EVENT_ONESHOT);
}

int link_impair(struct lab *lab, size_t link, const struct impairment impairment[static 2],
                struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct link_run *run = &lab->links[link];
    bool wanted = !impairment_is_none(&impairment[0]) || !impairment_is_none(&impairment[1]);
    int r = network_ensure(lab, err);

    if (r < 0)
        ;
    else if (run->carried && lab->wire)
        r = tell_wire(lab, link, NULL, impairment, err);
    else if (wanted)
        r = carry(lab, link, impairment, err);
    if (r < 0)
        return error_prefix(err, "link '%s'", link_name(lab, link));
    for (int end = 0; end < 2; end++) {
        struct impairment copy = impairment_copy(&impairment[end]);

        impairment_done(&run->impairment[end]);
        run->impairment[end] = copy;
    }
    run->leaving = run->carried && !wanted;
    run->wire_replaced = false;
    if (run->leaving)
        leave_soon(lab);
    free(lab->wire_fault);
    lab->wire_fault = NULL;
    text = wanted ? link_impairment_text(lab, link) : NULL;
    lab_event(lab, "link", NULL, "link '%s' %s%s", link_name(lab, link),
              wanted ? "impaired: " : "is a plain cable", wanted ? text : "");
    lab_changed(lab);
    return 0;
}

void link_drop(struct lab *lab, struct link_run *link)
{
    link->flap_timer = sd_event_source_disable_unref(link->flap_timer);
    if (link->carried && lab->wire)
        (void)wire_remove(lab->wire, link->wire_id, NULL);
    for (int end = 0; end < 2; end++)
        impairment_done(&link->impairment[end]);
}

/* ---- found again ---- */

void links_find_wire(struct lab *lab)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "wire.sock");
    _cleanup_error_ struct error err = ERROR_INIT;

    if (wire_connect(path, &lab->wire, NULL) == 0 && watch_wire(lab, &err) < 0)
        log_warning("%s", error_message(&err));
}

/**
 * set_anew() - Have the wire do to every link what the state says, and to no other
 * @lab:	Lab with a wire and its network
 * @err:	Error to fill
 *
 * The engine before this one may have been killed between telling the wire and writing it down.
 *
 * Return: 0 or -errno
 */
static int set_anew(struct lab *lab, struct error *err)
{
    uint32_t last = lab->last_wire_id + WIRE_IDS_UNKNOWN;
    _cleanup_free_ bool *wanted = xnew0(bool, last + 1);
    int r = 0;

    for (size_t i = 0; r == 0 && i < lab->topology->link_count; i++) {
        const struct link_run *run = &lab->links[i];

        if (!run->carried)
            continue;
        wanted[wire_id(lab, i)] = true;
        r = tell_wire(lab, i, NULL, run->impairment, err);
        if (r == -ENOENT) {
            error_done(err);
            r = hand_over(lab, i, run->impairment, err);
        }
    }
    for (uint32_t id = 1; id <= last; id++)
        if (!wanted[id])
            (void)wire_remove(lab->wire, id, NULL);
    lab->last_wire_id = last;
    return r;
}

void links_adopt(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool any = false, leaving = false, connected = lab->wire != NULL;
    int r = 0;

    for (size_t i = 0; i < lab->topology->link_count; i++) {
        any |= lab->links[i].carried;
        leaving |= lab->links[i].leaving;
    }
    if (lab->wire && lab->fabric)
        r = set_anew(lab, &err);
    else if (any && lab->fabric)
        r = links_hand_over(lab, &err);
    if (r < 0)
        give_up_wire(lab, error_message(&err));
    else if (any && !connected && lab->wire)
        note_replaced(lab);
    if (leaving)
        leave_soon(lab);
    links_flap(lab);
}

/* ---- telling ---- */

/**
 * stats_json() - Counters of one direction
 * @stats:	Counters
 *
 * Return: new reference
 */
static json_t *stats_json(const struct wire_stats *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "frames",
                     (json_int_t)stats->frames, "bytes", (json_int_t)stats->bytes, "sent_frames",
                     (json_int_t)stats->sent_frames, "sent_bytes", (json_int_t)stats->sent_bytes,
                     "lost", (json_int_t)stats->lost, "queue_dropped",
                     (json_int_t)stats->queue_dropped, "duplicated", (json_int_t)stats->duplicated,
                     "reordered", (json_int_t)stats->reordered, "corrupted",
                     (json_int_t)stats->corrupted, "queue_frames", (json_int_t)stats->queue_frames,
                     "queue_bytes", (json_int_t)stats->queue_bytes);
}

json_t *link_wire_json(const struct lab *lab, size_t link)
{
    struct wire_stats stats[2];

    if (!lab->links[link].carried || !lab->wire ||
        wire_stats(lab->wire, lab->links[link].wire_id, stats, NULL) < 0)
        return json_null();
    return json_pack("{s:o, s:o}", "a_to_b", stats_json(&stats[0]), "b_to_a",
                     stats_json(&stats[1]));
}
