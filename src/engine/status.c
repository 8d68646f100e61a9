// SPDX-License-Identifier: GPL-2.0-or-later

/* What the engine tells about itself, as JSON (docs/rpc.md has the shapes). Values of guests are
 * already escaped where they come from. */

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/lab_priv.h"

#define SECOND_NS 1000000000ull

static const char *const lab_state_names[] = {
    [LAB_IDLE] = "starting",
    [LAB_STARTING] = "starting",
    [LAB_RUNNING] = "running",
    [LAB_STOPPING] = "stopping",
};

/**
 * seconds() - Nanoseconds as JSON seconds, to the millisecond
 * @ns:		Time span
 *
 * Return: new reference
 */
static json_t *seconds(uint64_t ns)
{
    return json_real((double)(ns / 1000000) / 1000.0);
}

/**
 * node_memory_mb() - Memory of a node's guest
 * @node:	Node
 *
 * Return: MiB
 */
static json_int_t node_memory_mb(const struct node_run *node)
{
    uint64_t bytes =
        node->spec->memory_bytes ? node->spec->memory_bytes : node->appliance->memory_bytes;

    return (json_int_t)(bytes >> 20);
}

/**
 * node_elapsed() - How long a node has been on its way, or was until it was ready
 * @node:	Node
 *
 * Return: new reference
 */
static json_t *node_elapsed(const struct node_run *node)
{
    uint64_t from = node->started_ns ? node->started_ns : node->queued_ns;
    uint64_t to = node->ready_ns ? node->ready_ns : now_ns();

    return from ? seconds(to - from) : json_null();
}

json_t *status_node(const struct node_run *node)
{
    json_t *ports = json_array(), *consoles = json_array(), *object;
    const char *reason = NULL;
    enum accel accel = node->accel;

    for (unsigned i = 0; i < node->spec->nics; i++) {
        _cleanup_free_ char *name = appliance_port_name(node->appliance, i);

        (void)json_array_append_new(ports, json_pack("{s:s, s:b}", "name", name, "carrier",
                                                     node_is_running(node) && node->carrier[i]));
    }
    for (unsigned i = 0; i < node->console_count; i++) {
        _cleanup_free_ char *log = xasprintf("%s/console-%u.log", node->dir, i);
        _cleanup_free_ char *socket = consoles_socket_path(node, i);
        uint16_t telnet = node->telnet[i] ? console_door_port(node->telnet[i]) : 0;

        (void)json_array_append_new(
            consoles, json_pack("{s:i, s:s, s:s, s:o, s:i}", "serial", (int)i, "log", log, "socket",
                                socket, "telnet", telnet ? json_integer(telnet) : json_null(),
                                "clients", (int)console_clients(node->consoles[i])));
    }
    (void)host_accel(&node->lab->host, node_accel_wanted(node), node->appliance->arch, &accel,
                     &reason, NULL);
    object = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b}", "name", node->spec->name, "image",
                       node->spec->image, "state", node_state_name(node->state), "accel",
                       accel == ACCEL_KVM ? "kvm" : "tcg", "accel_reason", reason, "paused",
                       node->paused && node_has_process(node));
    (void)json_object_set_new(object, "pid",
                              node->process.pid ? json_integer(node->process.pid) : json_null());
    (void)json_object_set_new(object, "uptime_s",
                              node->booted_ns ? seconds(now_ns() - node->booted_ns) : json_null());
    (void)json_object_set_new(object, "ready_s",
                              node->ready_ns ? seconds(node->ready_ns - node->started_ns)
                                             : json_null());
    (void)json_object_set_new(object, "memory_mb", json_integer(node_memory_mb(node)));
    (void)json_object_set_new(
        object, "cpus", json_integer(node->spec->cpus ? node->spec->cpus : node->appliance->cpus));
    (void)json_object_set_new(object, "config",
                              node->spec->config ? json_string(node->spec->config) : json_null());
    (void)json_object_set_new(object, "saves",
                              json_boolean(node->appliance->save_commands.count > 0));
    (void)json_object_set_new(object, "reason",
                              node->reason ? json_string(node->reason) : json_null());
    (void)json_object_set_new(object, "limits", limits_json(node));
    (void)json_object_set_new(object, "user", node_user_json(node));
    (void)json_object_set_new(
        object, "user_fault",
        node->user_fault && node_has_process(node) ? json_string(node->user_fault) : json_null());
    (void)json_object_set_new(object, "queued",
                              node->state == NODE_QUEUED ? json_integer(node->queue_place)
                                                         : json_null());
    (void)json_object_set_new(
        object, "usual_s", boot_times_usual(node) ? seconds(boot_times_usual(node)) : json_null());
    (void)json_object_set_new(object, "line", json_string(console_last_line(node->consoles[0])));
    (void)json_object_set_new(object, "restarts", json_integer(node->restarts));
    (void)json_object_set_new(object, "answers", json_boolean(!node->hangs));
    (void)json_object_set_new(object, "ports", ports);
    (void)json_object_set_new(object, "consoles", consoles);
    (void)json_object_set_new(object, "display", display_json(node));
    return object;
}

/**
 * end_label() - "r1:eth0"
 * @lab:	Lab
 * @end:	Endpoint
 *
 * Return: new reference
 */
static json_t *end_label(const struct lab *lab, const struct endpoint *end)
{
    return json_sprintf("%s:%s", lab->topology->nodes[end->node].name, end->port);
}

/**
 * link_reason() - Why a link is as it is, where there is something to say
 * @lab:	Lab
 * @index:	Link
 * @runs:	Both ends run
 */
static const char *link_reason(const struct lab *lab, size_t index, bool runs)
{
    const struct link_run *run = &lab->links[index];

    if (run->down)
        return "cut";
    if (run->flapped)
        return "down by its schedule";
    if (!runs)
        return "an end does not run";
    if (run->dark[0] || run->dark[1])
        return run->dark[0] && run->dark[1] ? "dark both ways, carrier stays"
                                            : "dark one way, carrier stays";
    if (run->leaving)
        return "frames still wait in the wire";
    if (run->wire_replaced)
        return "the wire process died and was replaced: what waited in it is lost";
    if (!run->carried && lab->wire_fault)
        return lab->wire_fault;
    return lab->fabric ? NULL : "the fabric process is gone: the link works, but cannot be changed";
}

/**
 * dropped_at() - What the kernel counted of the tap at an end, or of the wire's tap there
 * @lab:	Lab
 * @counts:	Counters
 * @end:	Endpoint
 * @kind:	First letter of the interface's name: 't', or 'w' for the wire's
 *
 * Return: frames that were dropped, because who was to read them did not in time
 */
static json_int_t dropped_at(const struct lab *lab, const struct fabric_counts *counts,
                             const struct endpoint *end, char kind)
{
    const struct fabric_plan *plan = lab->plan;
    const struct fabric_count *count;
    char ifname[IFNAMSIZ];

    memcpy(ifname, plan->taps[plan->first_tap[end->node] + end->nic].ifname, IFNAMSIZ);
    ifname[0] = kind;
    count = fabric_counts_find(counts, ifname);
    return count ? (json_int_t)count->dropped : 0;
}

/**
 * add_drops() - Say how many frames the ends of a link, LAN or uplink have missed
 * @lab:	Lab
 * @counts:	Counters; empty: they could not be read
 * @link:	As in the status document; "drops" is added
 * @ends:	Its ends
 * @count:	How many
 */
static void add_drops(const struct lab *lab, const struct fabric_counts *counts, json_t *link,
                      const struct endpoint *ends, size_t count)
{
    json_t *drops = json_object(), *wire = json_object_get(link, "wire");

    for (size_t i = 0; i < count && counts->count > 0; i++) {
        json_t *label = end_label(lab, &ends[i]);

        (void)json_object_set_new(drops, json_string_value(label),
                                  json_integer(dropped_at(lab, counts, &ends[i], 't')));
        json_decref(label);
    }
    (void)json_object_set_new(link, "drops", counts->count > 0 ? drops : json_null());
    if (counts->count == 0)
        json_decref(drops);
    for (size_t i = 0; i < 2 && json_is_object(wire); i++)
        (void)json_object_set_new(json_object_get(wire, i ? "b_to_a" : "a_to_b"), "overrun",
                                  json_integer(dropped_at(lab, counts, &ends[i], 'w')));
}

/**
 * add_hardware() - Say what is done to frames that hardware would pad, or not take
 * @lab:	Lab
 * @link:	As in the status document; "mtu", "mtu_enforced" and "padded" are added
 * @mtu:	Of the topology, 0: none was given
 * @in_wire:	Frames go through the wire, which pads them
 */
static void add_hardware(const struct lab *lab, json_t *link, unsigned mtu, bool in_wire)
{
    bool gate = lab->fabric && fabric_has_gate(lab->fabric);

    (void)json_object_set_new(link, "mtu", mtu ? json_integer(mtu) : json_null());
    (void)json_object_set_new(link, "mtu_enforced", json_boolean(gate && mtu));
    (void)json_object_set_new(link, "padded", json_boolean(gate || in_wire));
}

json_t *status_link(const struct lab *lab, size_t index)
{
    const struct link *link = &lab->topology->links[index];
    bool runs = node_is_running(lab->nodes[link->ends[0].node]) &&
                node_is_running(lab->nodes[link->ends[1].node]);
    json_t *dark = json_array(), *object;

    for (int end = 0; end < 2; end++)
        if (lab->links[index].dark[end])
            (void)json_array_append_new(dark, end_label(lab, &link->ends[end]));
    object =
        json_pack("{s:s, s:s, s:[o, o], s:s, s:s?, s:o, s:o, s:o}", "name", link->name, "kind",
                  "link", "ends", end_label(lab, &link->ends[0]), end_label(lab, &link->ends[1]),
                  "state", runs && !link_is_cut(lab, index) ? "up" : "down", "reason",
                  link_reason(lab, index, runs), "impairment", link_impairment_json(lab, index),
                  "dark_from", dark, "wire", link_wire_json(lab, index));
    add_hardware(lab, object, link->mtu, lab->links[index].carried);
    return object;
}

/**
 * status_lan() - A segment as a link of many ends
 * @lab:	Lab
 * @lan:	Segment
 *
 * Return: new reference
 */
static json_t *status_lan(const struct lab *lab, const struct lan *lan)
{
    json_t *ends = json_array(), *object;

    for (size_t i = 0; i < lan->end_count; i++)
        (void)json_array_append_new(ends, end_label(lab, &lan->ends[i]));
    object =
        json_pack("{s:s, s:s, s:o, s:s, s:n, s:n}", "name", lan->name, "kind", "lan", "ends", ends,
                  "state", lab->state == LAB_STOPPING ? "down" : "up", "reason", "impairment");
    add_hardware(lab, object, lan->mtu, false);
    return object;
}

/**
 * status_links() - Links, LANs and uplinks
 * @lab:	Lab
 *
 * Return: new reference
 */
static json_t *status_links(const struct lab *lab)
{
    const struct topology *topology = lab->topology;
    struct fabric_counts counts = {0};
    json_t *links = json_array();

    if (lab->fabric)
        (void)fabric_counts_read(lab->fabric, &counts, NULL);
    for (size_t i = 0; i < topology->link_count; i++) {
        json_t *link = status_link(lab, i);

        add_drops(lab, &counts, link, topology->links[i].ends, 2);
        (void)json_array_append_new(links, link);
    }
    for (size_t i = 0; i < topology->lan_count; i++) {
        json_t *lan = status_lan(lab, &topology->lans[i]);

        add_drops(lab, &counts, lan, topology->lans[i].ends, topology->lans[i].end_count);
        (void)json_array_append_new(links, lan);
    }
    for (size_t i = 0; i < topology->uplink_count; i++) {
        json_t *uplink = status_uplink(lab, i);

        add_drops(lab, &counts, uplink, topology->uplinks[i].ends, topology->uplinks[i].end_count);
        (void)json_array_append_new(links, uplink);
    }
    fabric_counts_done(&counts);
    return links;
}

json_t *status_document(const struct lab *lab)
{
    json_t *nodes = json_array(), *links = status_links(lab), *captures = json_array();
    uint64_t memory = 0;
    enum accel accel = ACCEL_TCG;
    const char *reason = NULL;

    for (size_t i = 0; i < lab->topology->node_count; i++) {
        (void)json_array_append_new(nodes, status_node(lab->nodes[i]));
        memory += (uint64_t)node_memory_mb(lab->nodes[i]);
    }
    for (size_t i = 0; i < lab->capture_count; i++)
        (void)json_array_append_new(captures, captures_json(lab->captures[i]));
    (void)host_accel(&lab->host, ACCEL_AUTO, NULL, &accel, &reason, NULL);
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s?}, s:{s:I, s:I, s:I}, s:o, s:o, s:o}",
                     "lab", lab->name, "state", lab_state_names[lab->state], "topology",
                     lab->topology->path, "description", lab->topology->description, "uptime_s",
                     lab->up_ns ? seconds(now_ns() - lab->up_ns) : json_null(), "accel", "kind",
                     accel == ACCEL_KVM ? "kvm" : "tcg", "reason", reason, "memory", "total_mb",
                     (json_int_t)memory, "needed_mb", (json_int_t)(lab_memory_needed(lab) >> 20),
                     "available_mb", (json_int_t)(lab_memory_available() >> 20), "nodes", nodes,
                     "links", links, "captures", captures);
}

/**
 * time_left() - How long a node is likely to take until it is ready
 * @node:	Node
 * @usual:	What it usually takes, 0: not known
 *
 * Return: nanoseconds; 0: it is not on its way, or nobody knows
 */
static uint64_t time_left(const struct node_run *node, uint64_t usual)
{
    uint64_t passed = node->started_ns ? now_ns() - node->started_ns : 0;

    if (node->state != NODE_QUEUED && node->state != NODE_STARTING && node->state != NODE_BOOTING)
        return 0;
    if (node->state == NODE_QUEUED || node->timed_out)
        passed = 0;
    return passed < usual ? usual - passed : 0;
}

json_t *status_progress(const struct lab *lab)
{
    json_t *nodes = json_array();
    uint64_t left = 0;
    size_t done = 0;

    for (size_t i = 0; i < lab->topology->node_count; i++) {
        const struct node_run *node = lab->nodes[i];

        uint64_t usual = boot_times_usual(node), node_left = time_left(node, usual);

        done += node->state == NODE_READY || node->state == NODE_RUNNING;
        left = node_left > left ? node_left : left;
        (void)json_array_append_new(
            nodes,
            json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:s?}", "name", node->spec->name, "state",
                      node_state_name(node->state), "queued",
                      node->state == NODE_QUEUED ? json_integer(node->queue_place) : json_null(),
                      "elapsed_s", node_elapsed(node), "usual_s",
                      usual ? seconds(usual) : json_null(), "line",
                      console_last_line(node->consoles[0]), "reason", node->reason));
    }
    return json_pack(
        "{s:o, s:o, s:o}", "nodes", nodes, "left_s", left ? seconds(left) : json_null(), "text",
        left >= SECOND_NS
            ? json_sprintf("%zu of %zu nodes are ready, about %u s to go", done,
                           lab->topology->node_count, (unsigned)(left / SECOND_NS))
            : json_sprintf("%zu of %zu nodes are ready", done, lab->topology->node_count));
}
