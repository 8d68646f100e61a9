// SPDX-License-Identifier: GPL-2.0-or-later

#include "netfabric/table_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int compare_ifaces(const void *a, const void *b)
{
    const struct iface *left = a, *right = b;

    return strcmp(left->ifname, right->ifname);
}

/**
 * attach() - Say what a tap is attached to
 * @tap:	Tap
 * @kind:	How
 * @to:		Name of the other tap or the bridge
 */
static void attach(struct iface *tap, enum attach_kind kind, const char to[static IFNAMSIZ])
{
    tap->attach = kind;
    memcpy(tap->to, to, IFNAMSIZ);
}

/**
 * add_named() - Add an interface whose name is another's with another letter
 * @table:	Table
 * @letter:	Its kind's
 * @other:	The other's name
 * @kind:	Its kind
 * @mtu:	Its MTU
 *
 * Return: its index (pointers move when the table grows)
 */
static size_t add_named(struct table *table, char letter, const char other[static IFNAMSIZ],
                        enum iface_kind kind, unsigned mtu)
{
    char name[IFNAMSIZ];
    struct iface *iface;

    /* @other may be in the table, which moves when it grows. */
    memcpy(name, other, IFNAMSIZ);
    name[0] = letter;
    iface = table_add(table);
    memcpy(iface->ifname, name, IFNAMSIZ);
    iface->kind = kind;
    iface->mtu = mtu;
    return table->count - 1;
}

/**
 * join() - Make two interfaces the ends of a cable
 * @table:	Table
 * @a:		One end
 * @b:		The other
 * @to_b:	Whether frames go from @a to @b
 * @to_a:	Whether they go from @b to @a
 * @redirect:	By redirect, else by a bridge that is named after @a
 */
static void join(struct table *table, size_t a, size_t b, bool to_b, bool to_a, bool redirect)
{
    if (redirect && to_b)
        attach(&table->items[a], ATTACH_REDIRECT, table->items[b].ifname);
    if (redirect && to_a)
        attach(&table->items[b], ATTACH_REDIRECT, table->items[a].ifname);
    if (!redirect && to_a && to_b) {
        size_t pair =
            add_named(table, 'p', table->items[a].ifname, IFACE_PAIR, table->items[a].mtu);

        attach(&table->items[a], ATTACH_PORT, table->items[pair].ifname);
        attach(&table->items[b], ATTACH_PORT, table->items[pair].ifname);
    }
}

/**
 * add_link() - Attach two taps to each other, or each to its tap of the wire
 * @table:	Table whose first items are the plan's taps, in its order
 * @link:	Cable
 * @redirect:	By redirect, else by bridges
 */
static void add_link(struct table *table, const struct fabric_link *link, bool redirect)
{
    size_t taps[2] = {link->taps[0], link->taps[1]}, wires[2];
    bool active = link->wire == FABRIC_WIRE_ACTIVE;

    for (unsigned end = 0; end < 2; end++)
        table->items[taps[end]].limit = link->mtu;
    if (!active)
        join(table, taps[0], taps[1], !link->dark[0], !link->dark[1], redirect);
    for (unsigned end = 0; link->wire != FABRIC_WIRE_NONE && end < 2; end++) {
        wires[end] = add_named(table, 'w', table->items[taps[end]].ifname, IFACE_WIRE,
                               table->items[taps[end]].mtu);
        if (active || redirect)
            join(table, taps[end], wires[end], active && !link->dark[end], !link->dark[!end],
                 redirect);
    }
}

/**
 * add_segment() - A bridge, its ports, and its way out
 * @table:	Table whose first items are the plan's taps, in its order
 * @segment:	Segment
 * @mtu:	The plan's MTU
 */
static void add_segment(struct table *table, const struct fabric_segment *segment, unsigned mtu)
{
    struct iface *bridge = table_add(table);

    memcpy(bridge->ifname, segment->ifname, IFNAMSIZ);
    bridge->altname = xstrdup(segment->altname);
    bridge->kind = IFACE_SEGMENT;
    bridge->mtu = segment->mtu ? segment->mtu : mtu;
    for (size_t t = 0; t < segment->tap_count; t++) {
        attach(&table->items[segment->taps[t]], ATTACH_PORT, segment->ifname);
        table->items[segment->taps[t]].limit = segment->mtu;
    }
    if (segment->uplink != FABRIC_UPLINK_NONE) {
        size_t at = add_named(table, 'u', segment->ifname, IFACE_UPLINK, mtu);
        struct iface *uplink = &table->items[at]; /* not before the table has grown */

        uplink->uplink = segment->uplink;
        uplink->interface = segment->interface ? xstrdup(segment->interface) : NULL;
        uplink->remote = segment->remote ? xstrdup(segment->remote) : NULL;
        uplink->vni = segment->vni;
        attach(uplink, ATTACH_PORT, segment->ifname);
    }
}

void table_from_plan(const struct fabric_plan *plan, bool redirect, struct table *ret_table)
{
    struct table table = {0};

    for (size_t i = 0; i < plan->tap_count; i++) {
        struct iface *tap = table_add(&table);

        memcpy(tap->ifname, plan->taps[i].ifname, IFNAMSIZ);
        tap->altname = xstrdup(plan->taps[i].altname);
        tap->kind = IFACE_TAP;
        tap->mtu = plan->mtu;
    }
    for (size_t i = 0; i < plan->link_count; i++)
        add_link(&table, &plan->links[i], redirect);
    for (size_t i = 0; i < plan->segment_count; i++)
        add_segment(&table, &plan->segments[i], plan->mtu);
    table_sort(&table);
    *ret_table = table;
}

struct iface *table_add(struct table *table)
{
    struct iface *item;

    array_grow(table->items, table->count, table->capacity);
    item = &table->items[table->count++];
    *item = (struct iface){.fd = -1};
    return item;
}

void table_sort(struct table *table)
{
    if (table->count > 1)
        qsort(table->items, table->count, sizeof(*table->items), compare_ifaces);
}

struct iface *table_find(const struct table *table, const char *ifname)
{
    struct iface key = {0};
    size_t length = strlen(ifname);

    if (table->count == 0 || length >= IFNAMSIZ)
        return NULL;
    memcpy(key.ifname, ifname, length + 1);
    return bsearch(&key, table->items, table->count, sizeof(key), compare_ifaces);
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->items[i].altname);
        free(table->items[i].interface);
        free(table->items[i].remote);
        cleanup_close(&table->items[i].fd);
    }
    free(table->items);
    *table = (struct table){0};
}
