// SPDX-License-Identifier: GPL-2.0-or-later

/* From what is there to what is wanted, or back.
 *
 * Both are tables sorted by name; one walk pairs them. An interface only in the wanted table is
 * fresh, only in the other doomed, in both kept; a kept one may have to change. The order of work
 * makes sure that everything up to the last step can be taken back:
 *
 *   1. open fresh taps, add fresh bridges       (taken back by removing them)
 *   2. detach kept taps that change             (taken back by attaching them as before);
 *      one that is redirected elsewhere keeps its redirect until it has the new one
 *   3. bring fresh ones up, rename, set MTU
 *   4. attach fresh and changed taps, each with its gate
 *   5. remove the doomed                        (cannot fail but by their being gone already)
 *
 * A guest's tap is never removed and made again to be cabled differently: the descriptor that QEMU
 * holds stays good.
 *
 * @have is a model, not read back from the kernel. Nobody else works in this namespace (tests prove
 * model and kernel equal after hundreds of random changes). Where it cannot be sure, after a failed
 * rollback or in a namespace that was taken over, the state is unsure: the next apply attaches
 * every tap anew, and sets all that the old process may have left half done.
 *
 * A namespace is taken over when its fabric was killed: state_adopt() finds the interfaces by their
 * names. Taps persist, so those that nobody had open are opened again; those that a guest has come
 * as descriptors, or stay without one until the guest ends. Frames pass all the while, so the anew
 * attaching must not lose one: a filter is changed in place, and a port stays on its bridge. */

#include "netfabric/apply_priv.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "netfabric/gate_priv.h"
#include "netfabric/uplink_priv.h"

/* Frames that wait for the wire process while it is busy, or dead and not yet replaced; and for a
 * guest: at the end of a delay, what a sender had sent while the wire waited for a processor falls
 * due at one moment, and may be a TCP window of megabytes. (By default a tap has room for 1000.) A
 * tap's queue cannot be made longer later: the kernel stops the interface meanwhile, and drops. */
#define WIRE_QUEUE 8192u
#define TAP_QUEUE  4096u

/* One walk over two sorted tables. */
struct walk {
    const struct table *have, *want;
    size_t have_at, want_at;
    struct iface *before, *after; /* the pair; one of them may be NULL */
};

/**
 * walk_next() - Go to the next name that is in either table
 * @walk:	Walk
 *
 * Return: false at the end
 */
static bool walk_next(struct walk *walk)
{
    bool have_left = walk->have_at < walk->have->count;
    bool want_left = walk->want_at < walk->want->count;
    struct iface *before = have_left ? &walk->have->items[walk->have_at] : NULL;
    struct iface *after = want_left ? &walk->want->items[walk->want_at] : NULL;
    int order;

    if (!before && !after)
        return false;
    order = !before ? 1 : !after ? -1 : strcmp(before->ifname, after->ifname);
    walk->before = order <= 0 ? before : NULL;
    walk->after = order >= 0 ? after : NULL;
    walk->have_at += walk->before != NULL;
    walk->want_at += walk->after != NULL;
    return true;
}

static struct kernel_ref ref_of(const struct iface *iface)
{
    return (struct kernel_ref){
        .index = iface->index, .name = iface->ifname, .altname = iface->altname};
}

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/**
 * has_gate() - Whether what comes in at an interface passes a gate, where there are any
 * @iface:	Interface
 *
 * Frames from the wire are padded already. A borrowed interface is not ours to change, and has
 * hardware that pads.
 */
static bool has_gate(const struct iface *iface)
{
    return iface->kind == IFACE_TAP || (iface->kind == IFACE_UPLINK && !uplink_is_borrowed(iface));
}

/**
 * same_attachment() - True if a tap is attached as wanted, to the very same interface
 * @before:	What is
 * @after:	What should be
 * @have:	Where @before's other end is looked up
 */
static bool same_attachment(const struct iface *before, const struct iface *after,
                            const struct table *have)
{
    if (before->attach != after->attach)
        return false;
    if (before->attach == ATTACH_NONE)
        return true;
    return strcmp(before->to, after->to) == 0 && table_find(have, before->to);
}

/**
 * probe_redirect() - See whether this kernel has what a cable is made of, by making one on lo
 * @state:	State with its batch
 */
static void probe_redirect(struct fabric_state *state)
{
    struct kernel_ref lo = {.index = 1, .name = "lo"};
    const char *forced = getenv("LABCTL_FABRIC_NO_REDIRECT");

    lo.index = kernel_index(&state->batch, "lo");
    if (lo.index < 0 || (forced && *forced && strcmp(forced, "0") != 0))
        return;
    lo.forgive = state->unsure; /* in a namespace that was taken over it is there */
    kernel_ingress(&state->batch, &lo);
    state->ingress = batch_flush(&state->batch, NULL) == 0;
    if (!state->ingress)
        return;
    lo.forgive = false;
    kernel_redirect(&state->batch, &lo, lo.index);
    kernel_redirect_clear(&state->batch, &lo);
    state->redirect = batch_flush(&state->batch, NULL) == 0;
}

/**
 * probe_gate() - See whether frames can be padded and measured, by placing the gate on lo
 * @state:	State with its batch
 *
 * That takes the right to load a program into the kernel, which the fabric has only as root of the
 * machine, and only now: it gives it up before it serves anybody.
 */
static void probe_gate(struct fabric_state *state)
{
    struct kernel_ref lo = {.index = kernel_index(&state->batch, "lo"), .name = "lo"};
    const char *forced = getenv("LABCTL_FABRIC_NO_GATE");
    int program;

    if (!state->ingress || (forced && *forced && strcmp(forced, "0") != 0))
        return;
    program = gate_load();
    if (program < 0)
        return;
    kernel_gate(&state->batch, &lo, program, 0);
    kernel_gate_clear(&state->batch, &lo);
    state->gate = batch_flush(&state->batch, NULL) == 0;
    if (state->gate)
        state->gate_program = program;
    else
        (void)close(program);
}

int state_init(struct fabric_state *state, struct error *err)
{
    int r = batch_init(&state->batch, err);

    if (r < 0)
        return r;
    probe_redirect(state);
    probe_gate(state);
    return 0;
}

void state_done(struct fabric_state *state)
{
    table_done(&state->have);
    uplink_host_close(state);
    batch_done(&state->batch);
    if (state->gate)
        (void)close(state->gate_program);
    state->gate = false;
}

void state_remove_all(struct fabric_state *state)
{
    for (size_t i = 0; i < state->have.count; i++)
        if (uplink_is_borrowed(&state->have.items[i]))
            uplink_return(state, &state->have.items[i]);
    kernel_remove_group(&state->batch, KERNEL_GROUP_LAB);
    kernel_remove_group(&state->batch, KERNEL_GROUP_DOOM);
    (void)batch_flush(&state->batch, NULL);
    table_done(&state->have);
}

/**
 * changes_target() - Whether a tap is redirected before and after, but elsewhere
 * @before:	What is
 * @after:	What should be, or NULL
 */
static bool changes_target(const struct iface *before, const struct iface *after)
{
    return after && before->attach == ATTACH_REDIRECT && after->attach == ATTACH_REDIRECT;
}

/**
 * make_fresh() - Make what is wanted and not there; kept ones hand over what they are
 * @state:	State
 * @want:	Wanted; descriptors and indexes are filled in. Descriptors of kept taps stay in
 *		@state->have until all went well.
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int make_fresh(struct fabric_state *state, struct table *want, struct error *err)
{
    struct walk walk = {.have = &state->have, .want = want};
    int r;

    while (walk_next(&walk)) {
        struct iface *after = walk.after;

        if (!after)
            continue;
        if (walk.before) {
            if (walk.before->kind != after->kind)
                return error_set(err, EPROTO, "%s cannot become another kind", after->ifname);
            if (after->kind == IFACE_UPLINK && !state->unsure && !uplink_same(walk.before, after))
                return error_set(err, EBUSY, "uplink %s cannot lead elsewhere while it is in use",
                                 after->ifname);
            after->index = walk.before->index;
        } else if (after->kind == IFACE_UPLINK) {
            r = uplink_make(state, after, err);

            if (r < 0)
                return r;
        } else if (iface_is_port(after)) {
            after->fd = kernel_tap_open(after->ifname, true, err);
            if (after->fd < 0)
                return after->altname ? error_prefix(err, "%s", after->altname) : after->fd;
        } else {
            kernel_bridge_add(&state->batch, after->ifname, after->altname, after->mtu,
                              after->kind == IFACE_PAIR);
        }
    }
    r = batch_flush(&state->batch, err);
    for (size_t i = 0; i < want->count && r == 0; i++) {
        struct iface *after = &want->items[i];

        if (after->index > 0)
            continue;
        after->index = kernel_index(&state->batch, uplink_kernel_name(after));
        if (after->index < 0)
            r = error_errno(err, -after->index, "index of %s", after->ifname);
    }
    return r;
}

/**
 * detach() - Take a tap off whatever it is on
 * @state:	State
 * @tap:	Tap as it is
 * @unsure:	Whatever that may be
 */
static void detach(struct fabric_state *state, const struct iface *tap, bool unsure)
{
    struct kernel_ref ref = ref_of(tap);

    ref.forgive = unsure;
    if (tap->attach == ATTACH_REDIRECT || (state->ingress && unsure))
        kernel_redirect_clear(&state->batch, &ref);
    if (unsure || tap->attach == ATTACH_PORT)
        kernel_port_clear(&state->batch, &ref);
}

/**
 * attach() - Put a tap on what it belongs to
 * @state:	State
 * @table:	Where the other end is looked up
 * @tap:	Tap as it should be
 */
static void attach(struct fabric_state *state, const struct table *table, const struct iface *tap)
{
    const struct iface *to = table_find(table, tap->to);
    struct kernel_ref ref = ref_of(tap);

    if (tap->attach == ATTACH_REDIRECT && to)
        kernel_redirect(&state->batch, &ref, to->index);
    else if (tap->attach == ATTACH_PORT && to)
        kernel_port(&state->batch, &ref, to->index, to->kind == IFACE_PAIR);
}

/**
 * attach_anew() - Put a tap on what it belongs to, whatever it is on, without losing a frame
 * @state:	State
 * @table:	Where the other end is looked up
 * @tap:	Tap as it should be
 */
static void attach_anew(struct fabric_state *state, const struct table *table,
                        const struct iface *tap)
{
    const struct iface *to = table_find(table, tap->to);
    struct kernel_ref ref = ref_of(tap), lenient = ref;
    bool redirect = tap->attach == ATTACH_REDIRECT && to;

    lenient.forgive = true;
    /* First: while it is there, the kernel takes the new one for it, as handles of u32 are those of
     * all priorities. What comes between the two messages is lost, when a fabric of the time
     * without gates has died and this one replaces it. */
    if (state->ingress)
        kernel_redirect_clear_old(&state->batch, &lenient);
    if (redirect)
        kernel_redirect(&state->batch, &ref, to->index);
    else if (state->ingress)
        kernel_redirect_clear(&state->batch, &lenient);
    if (tap->attach == ATTACH_PORT && to)
        kernel_port(&state->batch, &ref, to->index, to->kind == IFACE_PAIR);
    else
        kernel_port_clear(&state->batch, &lenient);
}

/**
 * detach_changed() - Step 2
 * @state:	State
 * @want:	Wanted
 */
static void detach_changed(struct fabric_state *state, const struct table *want)
{
    struct walk walk = {.have = &state->have, .want = want};

    while (walk_next(&walk))
        if (walk.before && iface_is_port(walk.before) && !state->unsure &&
            !changes_target(walk.before, walk.after) &&
            (!walk.after || !same_attachment(walk.before, walk.after, want)))
            detach(state, walk.before, false);
}

/**
 * configure() - Step 3
 * @state:	State
 * @want:	Wanted
 *
 * All old names go before new ones come, so that names can be exchanged.
 */
static void configure(struct fabric_state *state, const struct table *want)
{
    struct walk walk = {.have = &state->have, .want = want};

    while (walk_next(&walk)) {
        struct kernel_ref ref;

        if (!walk.before || (walk.after && same_text(walk.before->altname, walk.after->altname)))
            continue;
        ref = ref_of(walk.before);
        ref.forgive = state->unsure;
        kernel_altname(&state->batch, &ref, walk.before->altname, false);
    }
    walk = (struct walk){.have = &state->have, .want = want};
    while (walk_next(&walk)) {
        struct kernel_ref ref;

        if (!walk.after)
            continue;
        ref = ref_of(walk.after);
        ref.forgive = state->unsure && walk.before; /* it may have it already */
        if (!walk.before || !same_text(walk.before->altname, walk.after->altname))
            kernel_altname(&state->batch, &ref, walk.after->altname, true);
        ref.forgive = false;
        if (walk.before && !state->unsure) {
            if (walk.before->mtu != walk.after->mtu)
                kernel_mtu(&state->batch, &ref, walk.after->mtu);
            continue;
        }
        if (uplink_is_borrowed(walk.after)) {
            kernel_up_borrowed(&state->batch, &ref);
            continue;
        }
        if (iface_is_port(walk.after)) {
            struct kernel_ref lenient = ref;

            lenient.forgive = true;
            if (!walk.before) { /* else it would stand still for a moment, and drop what comes */
                kernel_noqueue(&state->batch, &lenient);
                if (walk.after->kind != IFACE_UPLINK)
                    kernel_queue_length(&state->batch, &ref,
                                        walk.after->kind == IFACE_WIRE ? WIRE_QUEUE : TAP_QUEUE);
            }
            if (state->ingress)
                kernel_ingress(&state->batch, walk.before ? &lenient : &ref);
        }
        kernel_up(&state->batch, &ref, walk.after->mtu, state->no_addresses);
    }
}

/**
 * attach_changed() - Step 4
 * @state:	State
 * @want:	Wanted
 */
static void attach_changed(struct fabric_state *state, const struct table *want)
{
    struct walk walk = {.have = &state->have, .want = want};

    while (walk_next(&walk))
        if (walk.after && iface_is_port(walk.after) &&
            (state->unsure || !walk.before ||
             !same_attachment(walk.before, walk.after, &state->have))) {
            if (state->unsure && walk.before)
                attach_anew(state, want, walk.after);
            else
                attach(state, want, walk.after);
        }
}

/**
 * gate_changed() - Step 4, its second half
 * @state:	State
 * @want:	Wanted
 *
 * A gate that is there already is exchanged, never taken away: no frame goes past it. It comes
 * after the redirect because a lab of the time without gates has the redirect in its place.
 */
static void gate_changed(struct fabric_state *state, const struct table *want)
{
    struct walk walk = {.have = &state->have, .want = want};

    while (walk_next(&walk)) {
        struct kernel_ref ref;

        if (!walk.after || !has_gate(walk.after) ||
            (walk.before && !state->unsure && walk.before->limit == walk.after->limit))
            continue;
        ref = ref_of(walk.after);
        ref.forgive = !state->gate;
        if (state->gate)
            kernel_gate(&state->batch, &ref, state->gate_program, walk.after->limit);
        else if (state->ingress && state->unsure && walk.before)
            kernel_gate_clear(&state->batch, &ref);
    }
}

/**
 * remove_doomed() - Step 5: what is in one table and not in the other goes
 * @state:	State
 * @doomed:	Table that has them
 * @others:	Table that has not
 */
static void remove_doomed(struct fabric_state *state, const struct table *doomed,
                          const struct table *others)
{
    struct walk walk = {.have = doomed, .want = others};
    bool any = false;

    while (walk_next(&walk)) {
        struct kernel_ref ref;

        if (walk.after || walk.before->index <= 0)
            continue;
        if (uplink_is_borrowed(walk.before)) {
            uplink_return(state, walk.before);
            continue;
        }
        ref = ref_of(walk.before);
        ref.forgive = true;
        kernel_doom(&state->batch, &ref);
        any = true;
    }
    if (any)
        kernel_remove_group(&state->batch, KERNEL_GROUP_DOOM);
}

/**
 * roll_back() - Make things as they were
 * @state:	State; @state->have is how they were
 * @want:	What was tried; fresh interfaces in it are removed
 * @err:	The failure; told if the way back failed too
 */
static void roll_back(struct fabric_state *state, struct table *want, struct error *err)
{
    struct walk walk = {.have = &state->have, .want = want};
    _cleanup_error_ struct error worse = ERROR_INIT;

    while (walk_next(&walk)) {
        struct iface *before = walk.before, *after = walk.after;
        struct kernel_ref ref;

        if (after && !before && after->index <= 0)
            after->index = kernel_index(&state->batch, uplink_kernel_name(after));
        if (!before)
            continue;
        ref = ref_of(before);
        if (iface_is_port(before) && !state->unsure &&
            (!after || !same_attachment(before, after, want)))
            detach(state, before, true);
        if (state->unsure)
            continue; /* how it was is not known */
        if (after && !same_text(before->altname, after->altname)) {
            ref.forgive = true;
            kernel_altname(&state->batch, &ref, after->altname, false);
            kernel_altname(&state->batch, &ref, before->altname, true);
            ref.forgive = false;
        }
        if (after && before->mtu != after->mtu)
            kernel_mtu(&state->batch, &ref, before->mtu);
        if (after && state->gate && has_gate(before) && before->limit != after->limit)
            kernel_gate(&state->batch, &ref, state->gate_program, before->limit);
    }
    (void)batch_flush(&state->batch, NULL);
    remove_doomed(state, want, &state->have);
    (void)batch_flush(&state->batch, NULL);
    for (size_t i = 0; i < state->have.count; i++) {
        const struct iface *before = &state->have.items[i],
                           *after = table_find(want, before->ifname);

        if (iface_is_port(before) && !state->unsure &&
            (!after || !same_attachment(before, after, want)))
            attach(state, &state->have, before);
    }
    if (batch_flush(&state->batch, &worse) < 0) {
        state->unsure = true;
        state->found = false;
        (void)error_prefix(err, "network left incomplete (%s)", error_message(&worse));
    }
}

/**
 * change() - Steps 1 to 4
 * @state:	State
 * @want:	Wanted
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int change(struct fabric_state *state, struct table *want, struct error *err)
{
    int r = make_fresh(state, want, err);

    if (r < 0)
        return r;
    detach_changed(state, want);
    configure(state, want);
    attach_changed(state, want);
    gate_changed(state, want);
    return batch_flush(&state->batch, err);
}

int state_apply(struct fabric_state *state, const struct fabric_plan *plan, struct error *err)
{
    _cleanup_table_ struct table want = {0};
    _cleanup_error_ struct error failure = ERROR_INIT;
    struct table replaced;
    int r;

    r = state->found ? 0 : state_find(state, err);
    if (r < 0)
        return r;
    state->found = true;
    table_from_plan(plan, state->redirect, &want);
    r = change(state, &want, &failure);
    if (r < 0) {
        (void)batch_flush(&state->batch, NULL);
        roll_back(state, &want, &failure);
        error_move(err, &failure);
        return r;
    }
    remove_doomed(state, &state->have, &want);
    (void)batch_flush(&state->batch, NULL);
    for (size_t i = 0; i < want.count; i++) {
        struct iface *before = table_find(&state->have, want.items[i].ifname);

        if (before && want.items[i].fd < 0)
            want.items[i].fd = steal_fd(&before->fd);
    }
    replaced = state->have;
    state->have = want;
    want = replaced;
    state->unsure = false;
    return 0;
}

/**
 * adopt_tap() - Take over a tap that came as a descriptor
 * @state:	State
 * @fd:		Descriptor; taken
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int adopt_tap(struct fabric_state *state, int fd, struct error *err)
{
    _cleanup_close_ int own = fd;
    char name[IFNAMSIZ];
    struct iface *tap;
    int r = kernel_tap_name(own, name), index;

    if (r < 0)
        return error_errno(err, -r, "a tap that a guest has open");
    index = kernel_index(&state->batch, name);
    if (index < 0 || table_find(&state->have, name))
        return error_errno(err, index < 0 ? -index : EEXIST, "tap %s", name);
    tap = table_add(&state->have);
    memcpy(tap->ifname, name, IFNAMSIZ);
    tap->kind = name[0] == 'w' ? IFACE_WIRE : name[0] == 'u' ? IFACE_UPLINK : IFACE_TAP;
    tap->index = index;
    if (tap->kind != IFACE_UPLINK)
        tap->fd = steal_fd(&own);
    table_sort(&state->have);
    return 0;
}

int state_find(struct fabric_state *state, struct error *err)
{
    static const enum iface_kind kinds[128] = {['t'] = IFACE_TAP,
                                               ['w'] = IFACE_WIRE,
                                               ['b'] = IFACE_SEGMENT,
                                               ['p'] = IFACE_PAIR,
                                               ['u'] = IFACE_UPLINK};
    struct if_nameindex *all = if_nameindex();

    if (!all)
        return error_errno(err, errno, "list interfaces");
    for (const struct if_nameindex *i = all; i->if_index != 0; i++) {
        const char *digits = i->if_name + 1;
        struct iface *iface;

        /* Interfaces with other names than ours (a physical uplink) are found when wanted. */
        if (!strchr("tbpwu", i->if_name[0]) || !*digits ||
            strspn(digits, "0123456789.") != strlen(digits) || table_find(&state->have, i->if_name))
            continue;
        iface = table_add(&state->have);
        memcpy(iface->ifname, i->if_name, strlen(i->if_name) + 1);
        iface->kind = kinds[(unsigned char)i->if_name[0]];
        iface->index = (int)i->if_index;
        if (iface->kind == IFACE_TAP || iface->kind == IFACE_WIRE)
            iface->fd = kernel_tap_reopen(iface->ifname, iface->kind == IFACE_TAP);
        if (iface->fd < 0)
            iface->fd = -1; /* somebody has it open: it is got when it is asked for */
        table_sort(&state->have);
    }
    if_freenameindex(all);
    return 0;
}

int state_adopt(struct fabric_state *state, const int *fds, size_t count, struct error *err)
{
    int failed = 0;

    state->unsure = true;
    for (size_t i = 0; i < count; i++) {
        int r = adopt_tap(state, fds[i], err);

        failed = r < 0 ? r : failed;
    }
    return failed;
}
