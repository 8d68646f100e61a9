// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What a lab's network should look like, as pure data made from a topology. Nothing here touches
 * the kernel. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "topology/model.h"

/* One NIC of a node. Its tap exists from the lab's start to its end, cabled or not. */
struct fabric_tap {
    size_t node; /* index into topology.nodes */
    unsigned nic;
    char ifname[IFNAMSIZ]; /* generated: "t3.0" */
    char *altname;         /* "r1:eth0" as far as the kernel takes it */
};

/* A point-to-point cable between two taps. */
struct fabric_link {
    size_t taps[2]; /* indexes into plan.taps */
    bool cut;       /* cabled but dark both ways */
};

/* A LAN segment: a bridge with taps as ports. */
struct fabric_segment {
    char ifname[IFNAMSIZ]; /* "b0" */
    char *altname;
    size_t *taps;
    size_t tap_count;
};

struct fabric_plan {
    struct fabric_tap *taps; /* in order of node, then NIC: node N's are contiguous */
    size_t tap_count;
    size_t *first_tap; /* per node: index of its first tap; one more entry at the end */
    size_t node_count;
    struct fabric_link *links;
    size_t link_count; /* same order as topology.links */
    struct fabric_segment *segments;
    size_t segment_count; /* same order as topology.lans, then one per nat uplink */
    unsigned mtu;         /* of every interface, 9500 */
};

/* fabric_plan_make() - Plan a topology. */
int fabric_plan_make(const struct topology *topology, struct fabric_plan **ret_plan,
                     struct error *err);
void fabric_plan_free(struct fabric_plan *plan);
