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
 * add_link() - Attach two taps to each other
 * @table:	Table whose first items are the plan's taps, in its order
 * @link:	Cable
 * @redirect:	By redirect, else by a bridge
 */
static void add_link(struct table *table, const struct fabric_link *link, bool redirect)
{
    size_t a = link->taps[0], b = link->taps[1];
    struct iface *pair;

    if (link->cut)
        return;
    if (redirect) {
        attach(&table->items[a], ATTACH_REDIRECT, table->items[b].ifname);
        attach(&table->items[b], ATTACH_REDIRECT, table->items[a].ifname);
        return;
    }
    pair = table_add(table);
    memcpy(pair->ifname, table->items[a].ifname, IFNAMSIZ);
    pair->ifname[0] = 'p';
    pair->kind = IFACE_PAIR;
    pair->mtu = table->items[a].mtu;
    attach(&table->items[a], ATTACH_PORT, pair->ifname);
    attach(&table->items[b], ATTACH_PORT, pair->ifname);
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
    for (size_t i = 0; i < plan->segment_count; i++) {
        const struct fabric_segment *segment = &plan->segments[i];
        struct iface *bridge = table_add(&table);

        memcpy(bridge->ifname, segment->ifname, IFNAMSIZ);
        bridge->altname = xstrdup(segment->altname);
        bridge->kind = IFACE_SEGMENT;
        bridge->mtu = plan->mtu;
        for (size_t t = 0; t < segment->tap_count; t++)
            attach(&table.items[segment->taps[t]], ATTACH_PORT, segment->ifname);
    }
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
        cleanup_close(&table->items[i].fd);
    }
    free(table->items);
    *table = (struct table){0};
}
