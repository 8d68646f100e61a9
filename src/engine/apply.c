// SPDX-License-Identifier: GPL-2.0-or-later

/* lab.apply: from the topology that runs to another one, while it runs.
 *
 * First the difference is worked out (compare()): what comes, goes, moves or changes, and which
 * nodes must stop for it. With dry_run that is all. Then nodes that go or must be restarted are
 * stopped as `node stop` does; when they have, commit() puts everything over in one turn of the
 * event loop: a plan for the new topology that keeps the interface names of all that stays, the new
 * tables of nodes, links and uplinks, and the fabric's change of the kernel, all or nothing. If the
 * fabric refuses, the old tables are back and the lab is as before, but for the nodes that were
 * stopped. At last what is new starts.
 *
 * A node stays if nothing changed that QEMU must be started anew for. It keeps its struct, and with
 * it process, consoles and uptime. A link stays if it has the same name and ends; what was done to
 * it by command (cuts, impairments) stays too, unless the file has changed in that. */

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "engine/lab_priv.h"
#include "topology/impairment.h"

#define NONE SIZE_MAX

/* What happens to one thing of the new topology: where it was in the old one. */
struct application {
    struct lab *lab;
    struct topology *topology; /* the new one */
    char *text;                /* of its file */
    size_t text_size;
    size_t *node_was, *link_was, *uplink_was; /* index in the old one, NONE: new */
    bool *node_anew;                          /* new node: its QEMU is to be started anew */
    bool *node_goes;  /* old node: it is not there any more, or starts anew */
    json_t *changes;  /* array of {action, kind, name, text} */
    json_t *restarts; /* array of names */
};

/**
 * application_free() - Free an application, and the topology if it was not taken over
 * @data:	Application
 */
static void application_free(void *data)
{
    struct application *apply = data;

    topology_free(apply->topology);
    free(apply->text);
    free(apply->node_was);
    free(apply->link_was);
    free(apply->uplink_was);
    free(apply->node_anew);
    free(apply->node_goes);
    json_decref(apply->changes);
    json_decref(apply->restarts);
    free(apply);
}

/**
 * note() - One line of the plan
 * @apply:	Application
 * @action:	"add", "remove", "move", "change"
 * @kind:	"node", "link", "lan", "uplink"
 * @name:	Its name
 * @format:	What about it
 */
static __attribute__((format(printf, 5, 6))) void note(struct application *apply,
                                                       const char *action, const char *kind,
                                                       const char *name, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    (void)json_array_append_new(apply->changes,
                                json_pack("{s:s, s:s, s:s, s:s}", "action", action, "kind", kind,
                                          "name", name, "text", text));
}

/* ---- the difference ---- */

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/**
 * node_difference() - What of a node cannot change while its QEMU runs
 * @a:		Node before
 * @b:		Node after
 * @ret_text:	Names of what differs; owned
 *
 * Return: true if something does
 */
static bool node_difference(const struct node *a, const struct node *b, char **ret_text)
{
    const struct {
        const char *key;
        bool same;
    } keys[] = {
        {"image", same_text(a->image, b->image)},
        {"memory", a->memory_bytes == b->memory_bytes},
        {"cpus", a->cpus == b->cpus},
        {"limits", a->cpu_share == b->cpu_share && a->memory_limit == b->memory_limit},
        {"nics", a->nics == b->nics},
        {"nic_model", same_text(a->nic_model, b->nic_model)},
        {"accel", a->accel == b->accel},
        {"machine", same_text(a->machine, b->machine)},
        {"cpu", same_text(a->cpu_model, b->cpu_model)},
        {"vnc", a->vnc_port == b->vnc_port},
        {"config", same_text(a->config, b->config) && config_files_same(a, b)},
    };
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!keys[i].same)
            strbuf_printf(&text, "%s%s", text.size ? ", " : "", keys[i].key);
    *ret_text = strbuf_steal(&text);
    return **ret_text != 0;
}

/**
 * same_end() - Whether two endpoints are the same NIC of the same node
 * @apply:	Application
 * @old:	In the old topology
 * @new:	In the new one
 */
static bool same_end(const struct application *apply, const struct endpoint *before,
                     const struct endpoint *after)
{
    return before->nic == after->nic && strcmp(apply->lab->topology->nodes[before->node].name,
                                               apply->topology->nodes[after->node].name) == 0;
}

static bool same_ends(const struct application *apply, const struct endpoint *before, size_t count,
                      const struct endpoint *after, size_t after_count)
{
    for (size_t i = 0; i < count && i < after_count; i++)
        if (!same_end(apply, &before[i], &after[i]))
            return false;
    return count == after_count;
}

static bool same_impairment(const struct impairment *a, const struct impairment *b)
{
    json_t *left = impairment_json(a), *right = impairment_json(b);
    bool same = json_equal(left, right);

    json_decref(left);
    json_decref(right);
    return same;
}

/**
 * ends_text() - "r1:eth0 r2:eth0"
 * @topology:	Topology
 * @ends:	Ends
 * @count:	How many
 *
 * Return: new text
 */
static char *ends_text(const struct topology *topology, const struct endpoint *ends, size_t count)
{
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < count; i++)
        strbuf_printf(&text, "%s%s:%s", i ? " " : "", topology->nodes[ends[i].node].name,
                      ends[i].port);
    return strbuf_steal(&text);
}

/**
 * compare_nodes() - Nodes that come, go, or must start anew
 * @apply:	Application
 */
static void compare_nodes(struct application *apply)
{
    const struct topology *before = apply->lab->topology, *after = apply->topology;

    for (size_t i = 0; i < after->node_count; i++) {
        const struct node *node = &after->nodes[i];
        ptrdiff_t was = topology_find_node(before, node->name);
        _cleanup_free_ char *difference = NULL;

        apply->node_was[i] = was < 0 ? NONE : (size_t)was;
        if (was < 0) {
            note(apply, "add", "node", node->name, "image %s", node->image);
        } else if (node_difference(&before->nodes[was], node, &difference)) {
            apply->node_anew[i] = true;
            apply->node_goes[was] = true;
            note(apply, "change", "node", node->name, "%s", difference);
            if (node_has_process(apply->lab->nodes[was]))
                (void)json_array_append_new(apply->restarts, json_string(node->name));
        }
    }
    for (size_t i = 0; i < before->node_count; i++)
        if (topology_find_node(after, before->nodes[i].name) < 0) {
            apply->node_goes[i] = true;
            note(apply, "remove", "node", before->nodes[i].name, "its files are kept");
        }
}

/**
 * link_by_name() - Link of exactly that name
 * @topology:	Topology
 * @name:	Name
 *
 * Return: index or NONE
 */
static size_t link_by_name(const struct topology *topology, const char *name)
{
    for (size_t i = 0; i < topology->link_count; i++)
        if (strcmp(topology->links[i].name, name) == 0)
            return i;
    return NONE;
}

/**
 * note_link_changes() - What the file says else about a link that stays
 * @apply:	Application
 * @a:		Before
 * @b:		After
 */
static void note_link_changes(struct application *apply, const struct link *a, const struct link *b)
{
    struct strbuf text = STRBUF_INIT;

    if (!same_impairment(&a->impairment[0], &b->impairment[0]) ||
        !same_impairment(&a->impairment[1], &b->impairment[1]))
        strbuf_printf(&text, "impairment");
    if (a->down != b->down)
        strbuf_printf(&text, "%sstate %s", text.size ? ", " : "", b->down ? "down" : "up");
    if (a->flap_every_ns != b->flap_every_ns || a->flap_down_ns != b->flap_down_ns)
        strbuf_printf(&text, "%sschedule", text.size ? ", " : "");
    if (a->mtu != b->mtu)
        strbuf_printf(&text, "%smtu, when the nodes at its ends are restarted",
                      text.size ? ", " : "");
    if (text.size)
        note(apply, "change", "link", b->name, "%s", text.data);
    strbuf_done(&text);
}

/**
 * compare_links() - Links that come, go, move or change
 * @apply:	Application
 */
static void compare_links(struct application *apply)
{
    const struct topology *before = apply->lab->topology, *after = apply->topology;

    for (size_t i = 0; i < after->link_count; i++) {
        const struct link *link = &after->links[i];
        size_t was = link_by_name(before, link->name);
        _cleanup_free_ char *ends = ends_text(after, link->ends, 2);

        apply->link_was[i] = NONE;
        if (was == NONE) {
            note(apply, "add", "link", link->name, "%s", ends);
        } else if (!same_ends(apply, before->links[was].ends, 2, link->ends, 2)) {
            _cleanup_free_ char *were = ends_text(before, before->links[was].ends, 2);

            note(apply, "move", "link", link->name, "%s becomes %s", were, ends);
        } else {
            apply->link_was[i] = was;
            note_link_changes(apply, &before->links[was], link);
        }
    }
    for (size_t i = 0; i < before->link_count; i++)
        if (link_by_name(after, before->links[i].name) == NONE) {
            _cleanup_free_ char *ends = ends_text(before, before->links[i].ends, 2);

            note(apply, "remove", "link", before->links[i].name, "%s", ends);
        }
}

/**
 * compare_lans() - Segments that come, go or change
 * @apply:	Application
 */
static void compare_lans(struct application *apply)
{
    const struct topology *before = apply->lab->topology, *after = apply->topology;

    for (size_t i = 0; i < after->lan_count; i++) {
        const struct lan *lan = &after->lans[i], *was = NULL;
        _cleanup_free_ char *ends = ends_text(after, lan->ends, lan->end_count);

        for (size_t j = 0; j < before->lan_count && !was; j++)
            if (strcmp(before->lans[j].name, lan->name) == 0)
                was = &before->lans[j];
        if (!was)
            note(apply, "add", "lan", lan->name, "%s", ends);
        else if (!same_ends(apply, was->ends, was->end_count, lan->ends, lan->end_count) ||
                 was->mtu != lan->mtu)
            note(apply, "change", "lan", lan->name, "now %s", ends);
    }
    for (size_t i = 0; i < before->lan_count; i++) {
        bool stays = false;

        for (size_t j = 0; j < after->lan_count; j++)
            stays |= strcmp(before->lans[i].name, after->lans[j].name) == 0;
        if (!stays)
            note(apply, "remove", "lan", before->lans[i].name, "its ends are unplugged");
    }
}

/**
 * same_uplink() - Whether an uplink leads to the same place, with the same ends
 * @apply:	Application
 * @a:		Before
 * @b:		After
 */
static bool same_uplink(const struct application *apply, const struct uplink *a,
                        const struct uplink *b)
{
    if (a->type != b->type || a->vni != b->vni || !same_text(a->interface, b->interface) ||
        !same_text(a->remote, b->remote) || a->forward_count != b->forward_count ||
        !same_ends(apply, a->ends, a->end_count, b->ends, b->end_count))
        return false;
    for (size_t i = 0; i < a->forward_count; i++)
        if (strcmp(a->forwards[i].text, b->forwards[i].text) != 0)
            return false;
    return true;
}

/**
 * compare_uplinks() - Uplinks that come or go
 * @apply:	Application
 * @err:	Error to fill
 *
 * Return: 0, or -EINVAL for one that is to lead elsewhere
 */
static int compare_uplinks(struct application *apply, struct error *err)
{
    const struct topology *before = apply->lab->topology, *after = apply->topology;

    for (size_t i = 0; i < after->uplink_count; i++) {
        const struct uplink *uplink = &after->uplinks[i];

        apply->uplink_was[i] = NONE;
        for (size_t j = 0; j < before->uplink_count; j++)
            if (strcmp(before->uplinks[j].name, uplink->name) == 0)
                apply->uplink_was[i] = j;
        if (apply->uplink_was[i] == NONE) {
            note(apply, "add", "uplink", uplink->name, "new");
        } else if (!same_uplink(apply, &before->uplinks[apply->uplink_was[i]], uplink)) {
            int r = error_input(err, "%s:%u:%u: uplink '%s' cannot change while the lab runs",
                                after->path, uplink->at.line, uplink->at.column, uplink->name);

            error_hint(err, "give the changed one another name: then the old one goes and the new "
                            "one comes");
            return r;
        }
    }
    for (size_t i = 0; i < before->uplink_count; i++) {
        bool stays = false;

        for (size_t j = 0; j < after->uplink_count; j++)
            stays |= apply->uplink_was[j] == i;
        if (!stays)
            note(apply, "remove", "uplink", before->uplinks[i].name, "its ends are unplugged");
    }
    return 0;
}

/**
 * application_new() - Read the new topology and compare
 * @lab:	Lab
 * @path:	File
 * @ret_apply:	Owned by the caller
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int application_new(struct lab *lab, const char *path, struct application **ret_apply,
                           struct error *err)
{
    struct application *apply = xnew0(struct application, 1);
    _cleanup_free_ char *keep = NULL;
    int r;

    apply->lab = lab;
    apply->changes = json_array();
    apply->restarts = json_array();
    r = lab_read_topology(lab, path, NULL, &apply->topology, &apply->text, &apply->text_size, err);
    if (r == 0)
        r = lab_check_links(apply->topology, err);
    if (r == 0) {
        apply->node_was = xnew0(size_t, apply->topology->node_count + 1);
        apply->link_was = xnew0(size_t, apply->topology->link_count + 1);
        apply->uplink_was = xnew0(size_t, apply->topology->uplink_count + 1);
        apply->node_anew = xnew0(bool, apply->topology->node_count + 1);
        apply->node_goes = xnew0(bool, lab->topology->node_count + 1);
        compare_nodes(apply);
        compare_links(apply);
        compare_lans(apply);
        keep = captures_keep_difference(lab, apply->topology);
        if (keep)
            note(apply, "change", "capture", "keep", "%s", keep);
        r = compare_uplinks(apply, err);
    }
    if (r < 0) {
        application_free(apply);
        return r;
    }
    *ret_apply = apply;
    return 0;
}

/* ---- carrying it out ---- */

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
        bool same = was ? same_impairment(&was->impairment[0], &spec->impairment[0]) &&
                              same_impairment(&was->impairment[1], &spec->impairment[1])
                        : impairment_is_none(&spec->impairment[0]) &&
                              impairment_is_none(&spec->impairment[1]);

        if (!same && link_impair(lab, i, spec->impairment, &err) < 0)
            log_error("%s", error_message(&err));
        if (was &&
            (was->flap_every_ns != spec->flap_every_ns || was->flap_down_ns != spec->flap_down_ns))
            link_flap_anew(lab, i);
    }
    links_flap(lab);
}

/**
 * save_text() - Keep what the file said, for an engine that comes after this one
 * @lab:	Lab
 * @text:	Its bytes
 * @size:	How many
 */
static void save_text(struct lab *lab, const char *text, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (lab_save_topology(lab, text, size, &err) < 0)
        log_error("%s", error_message(&err));
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
        if (r < 0)
            exchange(lab, &tables);
    }
    if (r < 0) {
        free_tables(lab, &tables);
        return error_prefix(err, "the lab is as it was");
    }
    apply->topology = NULL; /* it is the lab's now */
    for (size_t i = 0; i < lab->topology->node_count; i++)
        node_respecify(lab->nodes[i], i);
    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        lab->uplinks[i]->index = i;
    captures_follow(lab, (uint64_t)begin.tv_sec * 1000000000u + (uint64_t)begin.tv_nsec);
    drop_links(apply, &tables);
    set_links(apply, tables.topology);
    if (uplinks_start(lab, err) < 0) {
        log_error("%s", error_message(err));
        error_done(err);
        *err = (struct error)ERROR_INIT;
    }
    free_tables(lab, &tables);
    topology_free(tables.topology);
    if (consoles_open(lab, err) < 0) { /* the old ones had to close theirs first */
        log_error("%s", error_message(err));
        error_done(err);
        *err = (struct error)ERROR_INIT;
    }
    save_text(lab, apply->text, apply->text_size);
    carrier_update(lab);
    lab_event(lab, "lab", NULL, "the topology of %s was applied", lab->topology->path);
    lab_changed(lab);
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
