// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The lab's interfaces as the kernel should have them: what a plan means once it is decided how
 * cables are made. Pure data, sorted by name, so that two tables can be compared in one walk. */

#include "netfabric/plan.h"

enum iface_kind {
    IFACE_TAP,     /* of a guest */
    IFACE_WIRE,    /* tap of the wire process */
    IFACE_SEGMENT, /* bridge of a LAN */
    IFACE_PAIR,    /* two-port bridge in a cable's stead */
    IFACE_UPLINK,  /* to the outside of the namespace */
};

enum attach_kind {
    ATTACH_NONE,     /* not cabled, or the cable is cut */
    ATTACH_REDIRECT, /* to another tap */
    ATTACH_PORT,     /* of a bridge */
};

struct iface {
    char ifname[IFNAMSIZ];
    char *altname; /* owned, or NULL */
    enum iface_kind kind;
    enum attach_kind attach;
    char to[IFNAMSIZ]; /* the other tap or the bridge */
    unsigned mtu;
    unsigned limit; /* of a guest's tap: payload of the longest frame that passes; 0: any */
    enum fabric_uplink uplink;
    char *interface, *remote; /* of an uplink, owned, or NULL */
    uint32_t vni;
    int fd;    /* of a tap, owned; -1 if there is none (yet) */
    int index; /* the kernel's; 0 if it is not there (yet) */
};

/* iface_is_port() - Whether frames come in from it that are to be sent somewhere. */
static inline bool iface_is_port(const struct iface *iface)
{
    return iface->kind != IFACE_SEGMENT && iface->kind != IFACE_PAIR;
}

struct table {
    struct iface *items;
    size_t count, capacity;
};

/* table_from_plan() - @redirect: whether the kernel can make cables by redirect; without, a cable
 * that is dark one way only is dark both ways. */
void table_from_plan(const struct fabric_plan *plan, bool redirect, struct table *ret_table);
/* table_add() - Room for one more item; call table_sort() before looking anything up. */
struct iface *table_add(struct table *table);
void table_sort(struct table *table);
/* table_find() - Interface by its generated name, or NULL. */
struct iface *table_find(const struct table *table, const char *ifname);
/* table_done() - Free it, closing the taps that are still in it. */
void table_done(struct table *table);

#define _cleanup_table_ _cleanup_(table_done)
