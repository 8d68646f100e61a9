// SPDX-License-Identifier: GPL-2.0-or-later

/* The plan of lab.apply: what comes, goes, moves or changes between the topology that runs and
 * another one, and which nodes must stop for it. Nothing is changed here.
 *
 * A node stays if nothing changed that QEMU must be started anew for; it keeps its struct, and with
 * it process, consoles and uptime. A link stays if it has the same name and ends; what was done to
 * it by command (cuts, impairments) stays too, unless the file has changed in that. An uplink can
 * come and go, but not lead elsewhere.
 *
 * Each thing of the new topology gets its index in the old one, or NONE; for people, every
 * difference gets a line in changes. */

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "engine/apply_priv.h"
#include "topology/impairment.h"

void application_free(void *data)
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

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/**
 * same_content() - Whether two files say the same, so that a guest would start the same from either
 * @a:		Path or NULL
 * @b:		Path or NULL
 *
 * Return: true if so
 */
static bool same_content(const char *a, const char *b)
{
    _cleanup_free_ char *first = NULL, *second = NULL;
    size_t size = 0, other = 0;

    if (!a || !b || strcmp(a, b) == 0)
        return same_text(a, b);
    return file_read(a, TOPOLOGY_CONFIG_MAX, &first, &size, NULL) == 0 &&
           file_read(b, TOPOLOGY_CONFIG_MAX, &second, &other, NULL) == 0 && size == other &&
           memcmp(first, second, size) == 0;
}

/**
 * same_config() - Whether two nodes start from the same configuration
 * @a:		Node before
 * @b:		Node after
 *
 * A copy of the lab in another folder has other paths and the same files.
 *
 * Return: true if so
 */
static bool same_config(const struct node *a, const struct node *b)
{
    bool same = same_content(a->config, b->config) && a->file_count == b->file_count;

    for (size_t i = 0; same && i < a->file_count; i++)
        same = strcmp(a->files[i].name, b->files[i].name) == 0 &&
               same_content(a->files[i].path, b->files[i].path);
    return same;
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
        {"display", a->display == b->display},
        {"firmware", a->firmware == b->firmware},
        {"serials", a->serials == b->serials},
        {"vnc", a->vnc_port == b->vnc_port},
        {"config", same_config(a, b)},
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

bool link_impaired_anew(const struct link *before, const struct link *after)
{
    bool same = true;

    for (unsigned way = 0; way < ARRAY_SIZE(after->impairment); way++)
        same &= before ? same_impairment(&before->impairment[way], &after->impairment[way])
                       : impairment_is_none(&after->impairment[way]);
    return !same;
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

    if (link_impaired_anew(a, b))
        strbuf_printf(&text, "impairment");
    if (a->down != b->down)
        strbuf_printf(&text, "%sstate %s", text.size ? ", " : "", b->down ? "down" : "up");
    if (a->flap_every_ns != b->flap_every_ns || a->flap_down_ns != b->flap_down_ns)
        strbuf_printf(&text, "%sschedule", text.size ? ", " : "");
    if (a->mtu != b->mtu)
        strbuf_printf(&text, "%smtu, told to guests when the nodes at its ends are restarted",
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

int application_new(struct lab *lab, const char *path, struct application **ret_apply,
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
