// SPDX-License-Identifier: GPL-2.0-or-later

#include "topology/model.h"

#include <stdlib.h>
#include <string.h>

#include "topology/impairment.h"

/**
 * free_ends() - Free the ends of a segment or an uplink
 * @ends:	Array
 * @count:	How many
 */
static void free_ends(struct endpoint *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ends[i].port);
    free(ends);
}

/**
 * free_nodes() - Free the nodes
 * @topology:	Topology
 */
static void free_nodes(struct topology *topology)
{
    for (size_t i = 0; i < topology->node_count; i++) {
        struct node *node = &topology->nodes[i];

        free(node->name);
        free(node->image);
        free(node->machine);
        free(node->cpu_model);
        free(node->config);
        for (size_t f = 0; f < node->file_count; f++) {
            free(node->files[f].name);
            free(node->files[f].path);
        }
        free(node->files);
        free(node->after);
    }
    free(topology->nodes);
}

/**
 * free_links() - Free the links
 * @topology:	Topology
 */
static void free_links(struct topology *topology)
{
    for (size_t i = 0; i < topology->link_count; i++) {
        struct link *link = &topology->links[i];

        free(link->name);
        for (size_t e = 0; e < 2; e++) {
            free(link->ends[e].port);
            impairment_done(&link->impairment[e]);
        }
    }
    free(topology->links);
}

static void forward_done(struct forward *forward)
{
    free(forward->text);
    free(forward->address);
}

void topology_free(struct topology *topology)
{
    if (!topology)
        return;
    free_nodes(topology);
    free_links(topology);
    for (size_t i = 0; i < topology->lan_count; i++) {
        free(topology->lans[i].name);
        free_ends(topology->lans[i].ends, topology->lans[i].end_count);
    }
    free(topology->lans);
    for (size_t i = 0; i < topology->uplink_count; i++) {
        struct uplink *uplink = &topology->uplinks[i];

        free(uplink->name);
        free_ends(uplink->ends, uplink->end_count);
        free(uplink->interface);
        for (size_t f = 0; f < uplink->forward_count; f++)
            forward_done(&uplink->forwards[f]);
        free(uplink->forwards);
        free(uplink->remote);
    }
    free(topology->uplinks);
    free(topology->path);
    free(topology->lab);
    free(topology->description);
    free(topology);
}

ptrdiff_t topology_find_node(const struct topology *topology, const char *name)
{
    for (size_t i = 0; i < topology->node_count; i++)
        if (strcmp(topology->nodes[i].name, name) == 0)
            return (ptrdiff_t)i;
    return -1;
}

/**
 * is_end() - Is an endpoint the one that a text names?
 * @topology:	Topology
 * @end:	Endpoint
 * @text:	"r1:eth0" or the port's own name, "r1:Gi0/0"
 *
 * Return: true if so
 */
static bool is_end(const struct topology *topology, const struct endpoint *end, const char *text)
{
    const char *node = topology->nodes[end->node].name, *port;
    size_t size = strlen(node);
    char number[32];

    if (strncmp(text, node, size) != 0 || text[size] != ':')
        return false;
    port = text + size + 1;
    (void)snprintf(number, sizeof(number), "eth%u", end->nic);
    return strcmp(port, end->port) == 0 || strcmp(port, number) == 0;
}

ptrdiff_t topology_find_link(const struct topology *topology, const char *name)
{
    for (size_t i = 0; i < topology->link_count; i++)
        if (strcmp(topology->links[i].name, name) == 0)
            return (ptrdiff_t)i;
    for (size_t i = 0; i < topology->link_count; i++)
        for (size_t e = 0; e < 2; e++)
            if (is_end(topology, &topology->links[i].ends[e], name))
                return (ptrdiff_t)i;
    return -1;
}
