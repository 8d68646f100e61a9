// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What a lab's network should look like, as pure data made from a topology. Nothing here touches
 * the kernel. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "topology/model.h"

/* One NIC of a node. Its tap exists from the lab's start to its end, cabled or not. */
struct fabric_tap {
    size_t node; /* index into topology.nodes */
    unsigned nic;
    char ifname[IFNAMSIZ]; /* generated: "t3.0" */
    char *altname;         /* "r1:eth0" as far as the kernel takes it */
};

/* How far the wire process is in a cable's way. Its taps are made before frames go into them and
 * removed after the last frame has left, so that a cable changes over without losing one. */
enum fabric_wire {
    FABRIC_WIRE_NONE,   /* frames go from tap to tap */
    FABRIC_WIRE_READY,  /* so they do; but the wire's taps are there, and what it writes arrives */
    FABRIC_WIRE_ACTIVE, /* frames go into the wire's taps */
};

/* A point-to-point cable between two taps. */
struct fabric_link {
    size_t taps[2]; /* indexes into plan.taps */
    bool dark[2];   /* dark[i]: what the guest at taps[i] sends does not arrive; both: cut */
    unsigned mtu;   /* payload of the longest frame that passes; 0: all do */
    enum fabric_wire wire;
};

/* What a segment has besides its nodes' taps. */
enum fabric_uplink {
    FABRIC_UPLINK_NONE,
    FABRIC_UPLINK_NAT,      /* a tap that slirp4netns opens by its name */
    FABRIC_UPLINK_BRIDGE,   /* a veth pair to a bridge of the host */
    FABRIC_UPLINK_PHYSICAL, /* an interface of the host, moved here and back at the end */
    FABRIC_UPLINK_VXLAN,    /* a VXLAN interface whose outer packets are the host's */
};

/* A LAN segment: a bridge with taps as ports. */
struct fabric_segment {
    char ifname[IFNAMSIZ]; /* "b0" */
    char *altname;
    size_t *taps;
    size_t tap_count;
    unsigned mtu; /* payload of the longest frame of a guest that is passed on; 0: all are */
    enum fabric_uplink uplink;
    char *interface; /* bridge, physical: of the host; else NULL */
    char *remote;    /* vxlan: the other end's address; else NULL */
    uint32_t vni;    /* vxlan */
};

struct fabric_plan {
    struct fabric_tap *taps; /* in order of node, then NIC: node N's are contiguous */
    size_t tap_count;
    size_t *first_tap; /* per node: index of its first tap; one more entry at the end */
    size_t node_count;
    struct fabric_link *links;
    size_t link_count; /* same order as topology.links */
    struct fabric_segment *segments;
    size_t segment_count; /* same order as topology.lans, then topology.uplinks */
    unsigned mtu;         /* of every interface, 9500 */
};

/* fabric_plan_make() - Plan a topology.
 * @before:	Plan of what runs, NULL: nothing does. A node or segment that has the same name in
 *it keeps the names of its interfaces, whatever comes or goes besides: a tap that QEMU holds cannot
 *be renamed into another one. */
int fabric_plan_make(const struct topology *topology, const struct fabric_plan *before,
                     struct fabric_plan **ret_plan, struct error *err);
/* fabric_wire_ifname() - Name of the wire's tap at one end of a link: what the guest there sends
 * comes out of it, and what is written into it reaches that guest. */
void fabric_wire_ifname(const struct fabric_plan *plan, size_t link, unsigned end,
                        char ret_name[static IFNAMSIZ]);
/* fabric_uplink_ifname() - Name of a segment's interface to the outside. */
void fabric_uplink_ifname(const struct fabric_plan *plan, size_t segment,
                          char ret_name[static IFNAMSIZ]);
void fabric_plan_free(struct fabric_plan *plan);
