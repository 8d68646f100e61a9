// SPDX-License-Identifier: GPL-2.0-or-later

/* What no section can see by itself: NICs with two cables, names that clash, telnet ports given
 * twice, and nodes that wait for each other in a circle. Everything is found by sorting, so that a
 * large file costs little more than a small one. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "topology/read_priv.h"

/**
 * compare_at() - Order two places
 * @a:	One
 * @b:	The other
 *
 * Return: as qsort() wants it
 */
static int compare_at(struct location a, struct location b)
{
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column < b.column ? -1 : a.column > b.column;
}

/**
 * compare_uses() - Order uses of NICs by NIC, then place
 * @a:	One
 * @b:	The other
 *
 * Return: as qsort() wants it
 */
static int compare_uses(const void *a, const void *b)
{
    const struct nic_use *left = a, *right = b;

    if (left->node != right->node)
        return left->node < right->node ? -1 : 1;
    if (left->nic != right->nic)
        return left->nic < right->nic ? -1 : 1;
    return compare_at(left->at, right->at);
}

/**
 * check_uses() - Note NICs that have more than one cable
 * @reader:	Reader
 */
static void check_uses(struct topology_reader *reader)
{
    const struct nic_use *first = reader->uses;

    if (!reader->use_count)
        return;
    qsort(reader->uses, reader->use_count, sizeof(*reader->uses), compare_uses);
    for (size_t i = 1; i < reader->use_count; i++) {
        const struct nic_use *use = &reader->uses[i];
        _cleanup_free_ char *shown = NULL;

        if (use->node != first->node || use->nic != first->nic) {
            first = use;
            continue;
        }
        shown = yaml_quote(use->yaml);
        fault(reader, use->at, "%s has a cable already: line %u, column %u", shown, first->at.line,
              first->at.column);
    }
}

/* A name that commands take. */
struct name_use {
    const char *name;
    const char *kind;
    struct location at;
};

/**
 * compare_name_uses() - Order names, then places
 * @a:	One
 * @b:	The other
 *
 * Return: as qsort() wants it
 */
static int compare_name_uses(const void *a, const void *b)
{
    const struct name_use *left = a, *right = b;
    int r = strcmp(left->name, right->name);

    return r != 0 ? r : compare_at(left->at, right->at);
}

/**
 * check_names() - Note names that nodes, links, segments and uplinks share
 * @reader:	Reader
 *
 * Commands take one name for any of them ("capture start core"), so it must mean one thing.
 */
static void check_names(struct topology_reader *reader)
{
    const struct topology *topology = reader->topology;
    size_t count =
        topology->node_count + topology->link_count + topology->lan_count + topology->uplink_count;
    _cleanup_free_ struct name_use *uses = xnew0(struct name_use, count + 1);
    size_t used = 0;

    for (size_t i = 0; i < topology->node_count; i++)
        uses[used++] = (struct name_use){topology->nodes[i].name, "node", topology->nodes[i].at};
    for (size_t i = 0; i < topology->link_count; i++)
        /* Made names have a colon and clash only where the ends do, which is told there. */
        if (topology->links[i].name[0] && !strchr(topology->links[i].name, ':'))
            uses[used++] =
                (struct name_use){topology->links[i].name, "link", topology->links[i].at};
    for (size_t i = 0; i < topology->lan_count; i++)
        uses[used++] = (struct name_use){topology->lans[i].name, "LAN", topology->lans[i].at};
    for (size_t i = 0; i < topology->uplink_count; i++)
        uses[used++] =
            (struct name_use){topology->uplinks[i].name, "uplink", topology->uplinks[i].at};
    qsort(uses, used, sizeof(*uses), compare_name_uses);
    for (size_t i = 1; i < used; i++)
        if (strcmp(uses[i - 1].name, uses[i].name) == 0)
            fault(reader, uses[i].at, "%s '%s' has the name of the %s on line %u", uses[i].kind,
                  uses[i].name, uses[i - 1].kind, uses[i - 1].at.line);
}

/**
 * check_port() - Note a port that a node wants
 * @reader:	Reader
 * @owner:	Who wants each port so far: node + 1
 * @index:	Node
 * @kind:	What for
 * @port:	Port; 0 or less: none in particular
 */
static void check_port(struct topology_reader *reader, size_t *owner, size_t index,
                       const char *kind, int port)
{
    const struct topology *topology = reader->topology;
    const struct node *node = &topology->nodes[index];

    if (port <= 0)
        return;
    if (owner[port])
        fault(reader, node->at, "%s port %d of node '%s' is that of node '%s' too", kind, port,
              node->name, topology->nodes[owner[port] - 1].name);
    else
        owner[port] = index + 1;
}

/**
 * check_ports() - Note telnet and VNC ports that are wanted twice
 * @reader:	Reader
 */
static void check_ports(struct topology_reader *reader)
{
    const struct topology *topology = reader->topology;
    _cleanup_free_ size_t *owner = xnew0(size_t, 65536);

    for (size_t i = 0; i < topology->node_count; i++) {
        check_port(reader, owner, i, "telnet", topology->nodes[i].telnet_port);
        check_port(reader, owner, i, "vnc", topology->nodes[i].vnc_port);
    }
}

/* One step of the walk along `after`. */
struct step {
    size_t node;
    size_t next; /* which of its `after` comes next */
};

/**
 * cycle_fault() - Note nodes that wait for each other
 * @reader:	Reader
 * @steps:	The way that was walked
 * @depth:	Its length
 * @back:	The node on it that its last one waits for
 */
static void cycle_fault(struct topology_reader *reader, const struct step *steps, size_t depth,
                        size_t back)
{
    enum { SHOWN_MAX = 20 };
    const struct node *nodes = reader->topology->nodes;
    struct strbuf text _cleanup_(strbuf_done) = STRBUF_INIT;
    size_t from = depth;

    while (from > 0 && steps[from - 1].node != back)
        from--;
    from--;
    for (size_t i = from; i < depth && i - from < SHOWN_MAX; i++)
        strbuf_printf(&text, "%s -> ", nodes[steps[i].node].name);
    if (depth - from > SHOWN_MAX)
        strbuf_printf(&text, "(%zu more) -> ", depth - from - SHOWN_MAX);
    strbuf_puts(&text, nodes[back].name);
    fault(reader, nodes[back].at, "nodes wait for each other in a circle ('after'): %s", text.data);
}

/**
 * check_circles() - Note circles of `after`
 * @reader:	Reader
 *
 * A walk in depth along `after`: a node met again while it is still on the way closes a circle.
 */
static void check_circles(struct topology_reader *reader)
{
    enum { NEW, ON_THE_WAY, DONE };
    const struct topology *topology = reader->topology;
    _cleanup_free_ unsigned char *state = xnew0(unsigned char, topology->node_count + 1);
    _cleanup_free_ struct step *steps = xnew0(struct step, topology->node_count + 1);

    for (size_t start = 0; start < topology->node_count; start++) {
        size_t depth = 0;

        if (state[start] != NEW)
            continue;
        steps[depth++] = (struct step){start, 0};
        state[start] = ON_THE_WAY;
        while (depth > 0) {
            struct step *step = &steps[depth - 1];
            const struct node *node = &topology->nodes[step->node];
            size_t other;

            if (step->next == node->after_count) {
                state[step->node] = DONE;
                depth--;
                continue;
            }
            other = node->after[step->next++];
            if (state[other] == ON_THE_WAY) {
                cycle_fault(reader, steps, depth, other);
            } else if (state[other] == NEW) {
                state[other] = ON_THE_WAY;
                steps[depth++] = (struct step){other, 0};
            }
        }
    }
}

void check_topology(struct topology_reader *reader)
{
    check_uses(reader);
    check_names(reader);
    check_ports(reader);
    check_circles(reader);
}
