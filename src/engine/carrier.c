// SPDX-License-Identifier: GPL-2.0-or-later

/* Carrier is true: a NIC of a running guest is up only if a cable is in, the cable is not cut and
 * the node at its other end runs. On a LAN segment the segment is the other end, and it always
 * runs. QEMU is told by set_link, and only of changes. */

#include "base/alloc.h"
#include "base/log.h"
#include "engine/lab_priv.h"

bool carrier_wanted(const struct lab *lab, size_t node, unsigned nic)
{
    const struct topology *topology = lab->topology;

    for (size_t i = 0; i < topology->link_count; i++) {
        const struct link *link = &topology->links[i];

        for (unsigned end = 0; end < 2; end++)
            if (link->ends[end].node == node && link->ends[end].nic == nic)
                return !link_is_cut(lab, i) && node_is_running(lab->nodes[link->ends[!end].node]);
    }
    for (size_t i = 0; i < topology->lan_count; i++)
        for (size_t j = 0; j < topology->lans[i].end_count; j++)
            if (topology->lans[i].ends[j].node == node && topology->lans[i].ends[j].nic == nic)
                return true;
    for (size_t i = 0; i < topology->uplink_count; i++)
        for (size_t j = 0; j < topology->uplinks[i].end_count; j++)
            if (topology->uplinks[i].ends[j].node == node &&
                topology->uplinks[i].ends[j].nic == nic)
                return uplink_is_up(lab, i);
    return false;
}

void carrier_update(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        struct node_run *node = lab->nodes[i];

        /* A node about to run is told before its guest can look. */
        if (!node->launched || (!node_is_running(node) && node->state != NODE_STARTING))
            continue;
        for (unsigned nic = 0; nic < node->spec->nics; nic++) {
            bool wanted = carrier_wanted(lab, i, nic);
            json_t *args;

            if (node->carrier[nic] == wanted)
                continue;
            node->carrier[nic] = wanted;
            args = json_pack("{s:o, s:b}", "name", json_sprintf("nic%u", nic), "up", wanted);
            if (qmp_execute(node->qmp, "set_link", args, NULL, NULL, NULL) < 0)
                log_warning("%s: carrier of NIC %u could not be set", node->spec->name, nic);
        }
    }
}
