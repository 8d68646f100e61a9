// SPDX-License-Identifier: GPL-2.0-or-later

/* From a topology to a plan. Nothing here asks the kernel anything.
 *
 * Interfaces are named by number, because a node's name may have 63 characters and an interface's
 * has 15: tNODE.NIC for a tap, bN for a segment, and wNODE.NIC and uN for what belongs to the two.
 * The kinds begin with different letters and never hold a ':', while the names for people, kept
 * beside them as altnames, always hold one and end in ":ethN", ":lan" or ":uplink": no name of one
 * kind can be a name of another, whatever nodes and segments are called.
 *
 * The number is a node's place in the file, unless a plan before gave it another: then it keeps
 * that one, and who is new takes the lowest that was not in use. */

#include "netfabric/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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
        free(plan->segments[i].interface);
        free(plan->segments[i].remote);
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
 * number_of() - The number in a generated name
 * @ifname:	"t12.0", "b3"
 */
static size_t number_of(const char *ifname)
{
    return strtoul(ifname + 1, NULL, 10);
}

/**
 * number_nodes() - Which number each node has in the names of its taps
 * @topology:	What is wanted
 * @before:	What is, or NULL
 *
 * Return: owned array, one per node
 */
static size_t *number_nodes(const struct topology *topology, const struct fabric_plan *before)
{
    size_t *numbers = xnew0(size_t, topology->node_count + 1);
    size_t most = topology->node_count + (before ? before->tap_count : 0), next = 0;
    _cleanup_free_ bool *known = xnew0(bool, topology->node_count + 1);
    _cleanup_free_ bool *taken = xnew0(bool, most + 1);

    for (size_t t = 0; before && t < before->tap_count; t++) {
        const struct fabric_tap *tap = &before->taps[t];
        const char *colon = tap->nic == 0 && tap->altname ? strrchr(tap->altname, ':') : NULL;
        size_t number = number_of(tap->ifname);

        if (number < most)
            taken[number] = true;
        for (size_t n = 0; colon && n < topology->node_count; n++) {
            const char *name = topology->nodes[n].name;

            if (strlen(name) == (size_t)(colon - tap->altname) &&
                strncmp(name, tap->altname, strlen(name)) == 0) {
                numbers[n] = number;
                known[n] = true;
            }
        }
    }
    for (size_t n = 0; n < topology->node_count; n++) {
        if (known[n])
            continue;
        while (taken[next])
            next++;
        numbers[n] = next;
        taken[next] = true;
    }
    return numbers;
}

/**
 * plan_taps() - One tap for every NIC of every node
 * @plan:	Plan to fill
 * @topology:	What is wanted
 * @before:	What is, or NULL
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_taps(struct fabric_plan *plan, const struct topology *topology,
                     const struct fabric_plan *before, struct error *err)
{
    _cleanup_free_ size_t *numbers = number_nodes(topology, before);
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
            r = make_name(tap->ifname, err, "t%zu.%u", numbers[n], nic);
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
 * name_segment() - Give a segment its generated name: the one that it had, or a free one
 * @plan:	Plan; its last segment is the one, with its altname
 * @before:	What is, or NULL
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int name_segment(struct fabric_plan *plan, const struct fabric_plan *before,
                        struct error *err)
{
    struct fabric_segment *segment = &plan->segments[plan->segment_count - 1];
    _cleanup_free_ bool *taken = NULL;
    size_t most, number = 0;

    for (size_t i = 0; before && i < before->segment_count; i++) {
        if (strcmp(before->segments[i].altname, segment->altname) == 0) {
            memcpy(segment->ifname, before->segments[i].ifname, IFNAMSIZ);
            return 0;
        }
    }
    most = plan->segment_count + (before ? before->segment_count : 0);
    taken = xnew0(bool, most);
    for (size_t i = 0; before && i < before->segment_count; i++)
        if (number_of(before->segments[i].ifname) < most)
            taken[number_of(before->segments[i].ifname)] = true;
    for (size_t i = 0; i + 1 < plan->segment_count; i++)
        if (number_of(plan->segments[i].ifname) < most)
            taken[number_of(plan->segments[i].ifname)] = true;
    while (taken[number])
        number++;
    return make_name(segment->ifname, err, "b%zu", number);
}

/* What plan_segment() makes a bridge of. */
struct segment_spec {
    const char *name, *kind; /* kind: "lan" or "uplink" */
    const struct endpoint *ends;
    size_t end_count;
    unsigned mtu;
};

/**
 * plan_segment() - Add one bridge with its ports
 * @plan:	Plan with room for it
 * @topology:	For names in messages
 * @before:	What is, or NULL
 * @usage:	Who is taken
 * @spec:	What it is
 * @ret_segment: The new segment; may be NULL
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_segment(struct fabric_plan *plan, const struct topology *topology,
                        const struct fabric_plan *before, struct usage *usage,
                        const struct segment_spec *spec, struct fabric_segment **ret_segment,
                        struct error *err)
{
    struct fabric_segment *segment = &plan->segments[plan->segment_count++];
    int r;

    segment->altname = xasprintf("%s:%s", spec->name, spec->kind);
    segment->mtu = spec->mtu;
    segment->taps = xnew0(size_t, spec->end_count);
    r = name_segment(plan, before, err);
    for (size_t i = 0; r == 0 && i < spec->end_count; i++, segment->tap_count += r == 0)
        r = claim_tap(plan, topology, usage, &spec->ends[i], &segment->taps[i], err);
    if (ret_segment)
        *ret_segment = segment;
    return r < 0 ? error_prefix(err, "%s '%s'", spec->kind, spec->name) : 0;
}

/**
 * plan_uplink() - A segment and its way out
 * @plan:	Plan with room for it
 * @topology:	For names in messages
 * @before:	What is, or NULL
 * @usage:	Who is taken
 * @uplink:	Uplink
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_uplink(struct fabric_plan *plan, const struct topology *topology,
                       const struct fabric_plan *before, struct usage *usage,
                       const struct uplink *uplink, struct error *err)
{
    static const enum fabric_uplink types[] = {[UPLINK_NAT] = FABRIC_UPLINK_NAT,
                                               [UPLINK_BRIDGE] = FABRIC_UPLINK_BRIDGE,
                                               [UPLINK_PHYSICAL] = FABRIC_UPLINK_PHYSICAL,
                                               [UPLINK_VXLAN] = FABRIC_UPLINK_VXLAN};
    struct fabric_segment *segment;
    int r = plan_segment(plan, topology, before, usage,
                         &(struct segment_spec){.name = uplink->name,
                                                .kind = "uplink",
                                                .ends = uplink->ends,
                                                .end_count = uplink->end_count},
                         &segment, err);

    segment->uplink = types[uplink->type];
    segment->interface = uplink->interface ? xstrdup(uplink->interface) : NULL;
    segment->remote = uplink->remote ? xstrdup(uplink->remote) : NULL;
    segment->vni = uplink->vni;
    return r;
}

/**
 * plan_cables() - Links and segments
 * @plan:	Plan with its taps
 * @topology:	What is wanted
 * @before:	What is, or NULL
 * @usage:	Who is taken
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int plan_cables(struct fabric_plan *plan, const struct topology *topology,
                       const struct fabric_plan *before, struct usage *usage, struct error *err)
{
    int r = 0;

    plan->links = xnew0(struct fabric_link, topology->link_count);
    for (size_t i = 0; i < topology->link_count; i++) {
        const struct link *link = &topology->links[i];

        for (int end = 0; end < 2; end++)
            if (claim_tap(plan, topology, usage, &link->ends[end], &plan->links[i].taps[end], err) <
                0)
                return error_prefix(err, "link '%s'", link->name);
        plan->links[i].dark[0] = plan->links[i].dark[1] = link->down;
        plan->links[i].mtu = link->mtu;
        plan->link_count++;
    }
    plan->segments = xnew0(struct fabric_segment, topology->lan_count + topology->uplink_count);
    for (size_t i = 0; r == 0 && i < topology->lan_count; i++) {
        const struct lan *lan = &topology->lans[i];

        r = plan_segment(plan, topology, before, usage,
                         &(struct segment_spec){.name = lan->name,
                                                .kind = "lan",
                                                .ends = lan->ends,
                                                .end_count = lan->end_count,
                                                .mtu = lan->mtu},
                         NULL, err);
    }
    for (size_t i = 0; r == 0 && i < topology->uplink_count; i++)
        r = plan_uplink(plan, topology, before, usage, &topology->uplinks[i], err);
    return r;
}

int fabric_plan_make(const struct topology *topology, const struct fabric_plan *before,
                     struct fabric_plan **ret_plan, struct error *err)
{
    _cleanup_(cleanup_plan) struct fabric_plan *plan = xnew0(struct fabric_plan, 1);
    _cleanup_free_ bool *used = NULL;
    int r;

    plan->mtu = PLAN_MTU;
    r = plan_taps(plan, topology, before, err);
    if (r < 0)
        return r;
    used = xnew0(bool, plan->tap_count);
    r = plan_cables(plan, topology, before, &(struct usage){.used = used}, err);
    if (r < 0)
        return r;
    *ret_plan = steal_ptr(plan);
    return 0;
}

void fabric_wire_ifname(const struct fabric_plan *plan, size_t link, unsigned end,
                        char ret_name[static IFNAMSIZ])
{
    memcpy(ret_name, plan->taps[plan->links[link].taps[end]].ifname, IFNAMSIZ);
    ret_name[0] = 'w';
}

void fabric_uplink_ifname(const struct fabric_plan *plan, size_t segment,
                          char ret_name[static IFNAMSIZ])
{
    memcpy(ret_name, plan->segments[segment].ifname, IFNAMSIZ);
    ret_name[0] = 'u';
}
