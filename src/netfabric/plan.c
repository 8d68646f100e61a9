// SPDX-License-Identifier: GPL-2.0-or-later

/* From a topology to a plan. Nothing here asks the kernel anything.
 *
 * Interfaces are named by number, because a node's name may have 63 characters and an interface's
 * has 15: tNODE.NIC for a tap, bN for a segment. The two kinds begin with different letters and
 * never hold a ':', while the names for people, kept beside them as altnames, always hold one and
 * end in ":ethN", ":lan" or ":nat": no name of one kind can be a name of another, whatever nodes
 * and segments are called. */

#include "netfabric/plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define PLAN_MTU 9500

/* Who uses a tap while a plan is made. */
struct usage {
    bool *used; /* per tap */
};

/**
 * cleanup_plan() - Free a plan at the end of a scope
 * @plan:	Address of the plan
 */
static void cleanup_plan(struct fabric_plan **plan)
{
    fabric_plan_free(*plan);
}

void fabric_plan_free(struct fabric_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->tap_count; i++)
        free(plan->taps[i].altname);
    for (size_t i = 0; i < plan->segment_count; i++) {
        free(plan->segments[i].altname);
        free(plan->segments[i].taps);
    }
    free(plan->taps);
    free(plan->first_tap);
    free(plan->links);
    free(plan->segments);
    free(plan);
}

/**
 * make_name() - Generated interface name, refused if it does not fit
 * @name:	Filled
 * @err:	Error
 * @format:	Name
 *
 * Return: 0 or -EINVAL
 */
static int __attribute__((format(printf, 3, 4)))
make_name(char name[static IFNAMSIZ], struct error *err, const char *format, ...)
{
    char text[64];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0 || length >= IFNAMSIZ)
        return error_input(err, "interface name %s is too long", text);
    memcpy(name, text, (size_t)length + 1);
    return 0;
}

/**
 * plan_taps() - One tap for every NIC of every node
 * @plan:	Plan to fill
 * @topology:	What is wanted
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_taps(struct fabric_plan *plan, const struct topology *topology, struct error *err)
{
    size_t total = 0;

    plan->node_count = topology->node_count;
    plan->first_tap = xnew0(size_t, topology->node_count + 1);
    for (size_t n = 0; n < topology->node_count; n++) {
        plan->first_tap[n] = total;
        total += topology->nodes[n].nics;
    }
    plan->first_tap[topology->node_count] = total;
    plan->taps = xnew0(struct fabric_tap, total);
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct node *node = &topology->nodes[n];

        for (unsigned nic = 0; nic < node->nics; nic++) {
            struct fabric_tap *tap = &plan->taps[plan->tap_count++];
            int r;

            tap->node = n;
            tap->nic = nic;
            tap->altname = xasprintf("%s:eth%u", node->name, nic);
            r = make_name(tap->ifname, err, "t%zu.%u", n, nic);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/**
 * claim_tap() - The tap of an endpoint, once only
 * @plan:	Plan with its taps
 * @topology:	For names in messages
 * @usage:	Who is taken
 * @end:	Endpoint
 * @ret_tap:	Index into plan.taps
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int claim_tap(const struct fabric_plan *plan, const struct topology *topology,
                     struct usage *usage, const struct endpoint *end, size_t *ret_tap,
                     struct error *err)
{
    size_t tap;

    if (end->node >= topology->node_count)
        return error_input(err, "an end of a cable names a node that is not there");
    if (end->nic >= topology->nodes[end->node].nics)
        return error_input(err, "%s has no NIC %u", topology->nodes[end->node].name, end->nic);
    tap = plan->first_tap[end->node] + end->nic;
    if (usage->used[tap])
        return error_input(err, "%s is cabled twice", plan->taps[tap].altname);
    usage->used[tap] = true;
    *ret_tap = tap;
    return 0;
}

/**
 * plan_segment() - Add one bridge with its ports
 * @plan:	Plan with room for it
 * @topology:	For names in messages
 * @usage:	Who is taken
 * @ends:	Its @end_count ports
 * @end_count:	Number of ports
 * @name:	The segment's name
 * @kind:	"lan" or "nat"
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_segment(struct fabric_plan *plan, const struct topology *topology,
                        struct usage *usage, const struct endpoint *ends, size_t end_count,
                        const char *name, const char *kind, struct error *err)
{
    size_t index = plan->segment_count++;
    struct fabric_segment *segment = &plan->segments[index];
    int r = make_name(segment->ifname, err, "b%zu", index);

    segment->altname = xasprintf("%s:%s", name, kind);
    segment->taps = xnew0(size_t, end_count);
    for (size_t i = 0; r == 0 && i < end_count; i++, segment->tap_count += r == 0)
        r = claim_tap(plan, topology, usage, &ends[i], &segment->taps[i], err);
    return r < 0 ? error_prefix(err, "%s '%s'", kind, name) : 0;
}

/**
 * plan_cables() - Links and segments
 * @plan:	Plan with its taps
 * @topology:	What is wanted
 * @usage:	Who is taken
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_cables(struct fabric_plan *plan, const struct topology *topology,
                       struct usage *usage, struct error *err)
{
    plan->links = xnew0(struct fabric_link, topology->link_count);
    for (size_t i = 0; i < topology->link_count; i++) {
        const struct link *link = &topology->links[i];

        for (int end = 0; end < 2; end++)
            if (claim_tap(plan, topology, usage, &link->ends[end], &plan->links[i].taps[end], err) <
                0)
                return error_prefix(err, "link '%s'", link->name);
        plan->links[i].cut = link->down;
        plan->link_count++;
    }
    plan->segments = xnew0(struct fabric_segment, topology->lan_count + topology->uplink_count);
    for (size_t i = 0; i < topology->lan_count; i++) {
        const struct lan *lan = &topology->lans[i];
        int r =
            plan_segment(plan, topology, usage, lan->ends, lan->end_count, lan->name, "lan", err);

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < topology->uplink_count; i++) {
        const struct uplink *uplink = &topology->uplinks[i];
        int r = 0;

        if (uplink->type == UPLINK_NAT)
            r = plan_segment(plan, topology, usage, uplink->ends, uplink->end_count, uplink->name,
                             "nat", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int fabric_plan_make(const struct topology *topology, struct fabric_plan **ret_plan,
                     struct error *err)
{
    _cleanup_(cleanup_plan) struct fabric_plan *plan = xnew0(struct fabric_plan, 1);
    _cleanup_free_ bool *used = NULL;
    int r;

    plan->mtu = PLAN_MTU;
    r = plan_taps(plan, topology, err);
    if (r < 0)
        return r;
    used = xnew0(bool, plan->tap_count);
    r = plan_cables(plan, topology, &(struct usage){.used = used}, err);
    if (r < 0)
        return r;
    *ret_plan = steal_ptr(plan);
    return 0;
}
