// SPDX-License-Identifier: GPL-2.0-or-later

/* What a capture listens to: endpoints, made of the names that people use.
 *
 * A link is captured at its first end, where both directions pass. With a side it is captured at
 * both: what leaves a node has not met the link's impairment yet ("before"), what arrives at one
 * has ("after"), so each frame is there once. */

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "engine/captures_priv.h"

void capture_where_done(struct capture_where *where)
{
    for (size_t i = 0; i < where->count; i++)
        free(where->labels[i]);
    free(where->labels);
    free(where->items);
    *where = (struct capture_where){.count = 0};
}

/**
 * link_of() - Name of the link or segment a NIC is cabled to
 * @topology:	Topology
 * @node:	Node
 * @nic:	NIC
 *
 * Return: borrowed name or NULL
 */
static const char *link_of(const struct topology *topology, size_t node, unsigned nic)
{
    for (size_t i = 0; i < topology->link_count; i++)
        for (unsigned end = 0; end < 2; end++)
            if (topology->links[i].ends[end].node == node &&
                topology->links[i].ends[end].nic == nic)
                return topology->links[i].name;
    for (size_t i = 0; i < topology->lan_count; i++)
        for (size_t j = 0; j < topology->lans[i].end_count; j++)
            if (topology->lans[i].ends[j].node == node && topology->lans[i].ends[j].nic == nic)
                return topology->lans[i].name;
    return NULL;
}

/**
 * add_nic() - Add one NIC, once
 * @lab:	Lab
 * @where:	Where to
 * @node:	Node
 * @nic:	NIC
 * @direction:	Which of its frames
 */
static void add_nic(const struct lab *lab, struct capture_where *where, size_t node, unsigned nic,
                    enum capture_direction direction)
{
    const struct fabric_tap *tap = &lab->plan->taps[lab->plan->first_tap[node] + nic];
    _cleanup_free_ char *port = appliance_port_name(lab->nodes[node]->appliance, nic);
    size_t capacity = where->capacity;

    for (size_t i = 0; i < where->count; i++) {
        if (strcmp(where->items[i].ifname, tap->ifname) != 0)
            continue;
        if (where->items[i].direction != direction)
            where->items[i].direction = CAPTURE_BOTH;
        return;
    }
    array_grow(where->items, where->count, where->capacity);
    if (capacity != where->capacity)
        where->labels = xrealloc(where->labels, where->capacity, sizeof(char *));
    where->labels[where->count] = xasprintf("%s:%s", lab->topology->nodes[node].name, port);
    where->items[where->count] = (struct capture_endpoint){
        .ifname = tap->ifname,
        .label = where->labels[where->count],
        .link = link_of(lab->topology, node, nic),
        .direction = direction,
    };
    where->count++;
}

/**
 * add_node() - Add all NICs of a node
 * @lab:	Lab
 * @where:	Where to
 * @node:	Node
 */
static void add_node(const struct lab *lab, struct capture_where *where, size_t node)
{
    for (unsigned i = 0; i < lab->topology->nodes[node].nics; i++)
        add_nic(lab, where, node, i, CAPTURE_BOTH);
}

/**
 * add_node_port() - Resolve "r1:eth0" or "r1"
 * @lab:	Lab
 * @where:	Where to
 * @name:	What was asked for
 *
 * Return: true if it is one of those
 */
static bool add_node_port(const struct lab *lab, struct capture_where *where, const char *name)
{
    const char *colon = strchr(name, ':');
    _cleanup_free_ char *node_name = xstrndup(name, colon ? (size_t)(colon - name) : strlen(name));
    ptrdiff_t node = topology_find_node(lab->topology, node_name);
    int nic;

    if (node < 0)
        return false;
    if (!colon) {
        add_node(lab, where, (size_t)node);
        return lab->topology->nodes[node].nics > 0;
    }
    nic = appliance_port_index(lab->nodes[node]->appliance, colon + 1);
    if (nic < 0 || (unsigned)nic >= lab->topology->nodes[node].nics)
        return false;
    add_nic(lab, where, (size_t)node, (unsigned)nic, CAPTURE_BOTH);
    return true;
}

/**
 * add_link() - Resolve the name of a link
 * @lab:	Lab
 * @where:	Where to
 * @name:	What was asked for
 * @side:	"before", "after" or NULL
 *
 * Return: true if it is one
 */
static bool add_link(const struct lab *lab, struct capture_where *where, const char *name,
                     const char *side)
{
    const struct topology *topology = lab->topology;

    for (size_t i = 0; i < topology->link_count; i++) {
        const struct link *spec = &topology->links[i];

        if (strcmp(spec->name, name) != 0)
            continue;
        for (unsigned end = 0; end < (side ? 2u : 1u); end++)
            add_nic(lab, where, spec->ends[end].node, spec->ends[end].nic,
                    !side                         ? CAPTURE_BOTH
                    : strcmp(side, "before") == 0 ? CAPTURE_SENT
                                                  : CAPTURE_RECEIVED);
        return true;
    }
    return false;
}

/**
 * add_lan() - Resolve the name of a LAN segment
 * @lab:	Lab
 * @where:	Where to
 * @name:	What was asked for
 *
 * Return: true if it is one
 */
static bool add_lan(const struct lab *lab, struct capture_where *where, const char *name)
{
    const struct topology *topology = lab->topology;

    for (size_t i = 0; i < topology->lan_count; i++) {
        if (strcmp(topology->lans[i].name, name) != 0)
            continue;
        for (size_t j = 0; j < topology->lans[i].end_count; j++)
            add_nic(lab, where, topology->lans[i].ends[j].node, topology->lans[i].ends[j].nic,
                    CAPTURE_BOTH);
        return true;
    }
    return false;
}

/**
 * add_name() - Resolve one place
 * @lab:	Lab
 * @where:	Where to
 * @name:	What was asked for
 * @side:	"before", "after" or NULL
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_name(const struct lab *lab, struct capture_where *where, const char *name,
                    const char *side, struct error *err)
{
    _cleanup_free_ char *shown = NULL;

    if (add_link(lab, where, name, side))
        return 0;
    if (side) {
        shown = text_escape(name, strnlen(name, 100));
        (void)error_input(err, "'%s' is no link: only a link has a side before and one after",
                          shown);
        error_hint(err, "'labctl link list' shows the links");
        return -EINVAL;
    }
    if (add_lan(lab, where, name) || add_node_port(lab, where, name))
        return 0;
    if (strcmp(name, "lab") == 0 || strcmp(name, "all") == 0) {
        for (size_t i = 0; i < lab->topology->node_count; i++)
            add_node(lab, where, i);
        return 0;
    }
    shown = text_escape(name, strnlen(name, 100));
    (void)error_input(err, "'%s' is neither an endpoint, a link, a segment nor a node of this lab",
                      shown);
    error_hint(err, "'labctl link list' shows them all; an endpoint is written r1:eth0; 'lab' is "
                    "all of it");
    return -EINVAL;
}

int capture_where_resolve(const struct lab *lab, json_t *names, const char *side,
                          struct capture_where *ret_where, struct error *err)
{
    struct capture_where where = {.count = 0};
    json_t *name;
    size_t i;
    int r = 0;

    if (side && strcmp(side, "before") != 0 && strcmp(side, "after") != 0)
        return error_input(err, "a side is 'before' or 'after' a link's impairment");
    if (side && json_array_size(names) == 0)
        return error_input(err, "a side belongs to a link: name one");
    json_array_foreach (names, i, name) {
        r = add_name(lab, &where, json_string_value(name), side, err);
        if (r < 0)
            break;
    }
    if (r == 0 && json_array_size(names) == 0)
        r = add_name(lab, &where, "lab", NULL, err);
    if (r == 0 && where.count == 0)
        r = error_input(err, "the lab has no interface to capture at");
    if (r < 0)
        capture_where_done(&where);
    else
        *ret_where = where;
    return r;
}

void capture_where_left(const struct lab *lab, json_t *names, const char *side,
                        struct capture_where *ret_where)
{
    struct capture_where where = {.count = 0};
    json_t *name;
    size_t i;

    json_array_foreach (names, i, name)
        (void)add_name(lab, &where, json_string_value(name), side, NULL);
    if (json_array_size(names) == 0)
        (void)add_name(lab, &where, "lab", NULL, NULL);
    *ret_where = where;
}

char *capture_where_text(const struct capture_where *where)
{
    static const char *const directions[] = {
        [CAPTURE_BOTH] = "both", [CAPTURE_SENT] = "sent", [CAPTURE_RECEIVED] = "received"};
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < where->count; i++) {
        const struct capture_endpoint *item = &where->items[i];
        _cleanup_free_ char *label = text_escape(item->label, strlen(item->label));

        strbuf_printf(&text, "%s\t%s\t%s\t%s\n", item->ifname, directions[item->direction], label,
                      item->link ? item->link : "");
    }
    return strbuf_steal(&text);
}

/**
 * endpoint_of() - The endpoint of a NIC
 * @lab:	Lab
 * @where:	Endpoints
 * @end:	NIC
 *
 * Return: endpoint, NULL if it is not among them
 */
static struct capture_endpoint *endpoint_of(const struct lab *lab, struct capture_where *where,
                                            const struct endpoint *end)
{
    const struct fabric_tap *tap = &lab->plan->taps[lab->plan->first_tap[end->node] + end->nic];

    for (size_t i = 0; i < where->count; i++)
        if (strcmp(where->items[i].ifname, tap->ifname) == 0)
            return &where->items[i];
    return NULL;
}

/**
 * ends_once() - Take frames where they are sent, if all ends are captured
 * @lab:	Lab
 * @where:	Endpoints
 * @ends:	Of a link or segment
 * @count:	How many
 */
static void ends_once(const struct lab *lab, struct capture_where *where,
                      const struct endpoint *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!endpoint_of(lab, where, &ends[i]))
            return;
    for (size_t i = 0; i < count; i++)
        endpoint_of(lab, where, &ends[i])->direction = CAPTURE_SENT;
}

void capture_where_once(const struct lab *lab, struct capture_where *where)
{
    const struct topology *topology = lab->topology;

    for (size_t i = 0; i < topology->link_count; i++)
        ends_once(lab, where, topology->links[i].ends, 2);
    for (size_t i = 0; i < topology->lan_count; i++)
        ends_once(lab, where, topology->lans[i].ends, topology->lans[i].end_count);
}
