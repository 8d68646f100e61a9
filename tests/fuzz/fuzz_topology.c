// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_topology labctl_base

/* A topology file of any bytes ends in a model that can be walked or in faults with places. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "topology/edit.h"
#include "topology/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int facts(void *data, const char *image, struct image_facts *ret_facts, struct error *err)
{
    (void)data;
    if (image[0] == 'b')
        return error_input(err, "broken");
    if (image[0] == 'm')
        return -ENOENT;
    *ret_facts = (struct image_facts){4, 8, 64 << 20, 1500};
    return 0;
}

static int port(void *data, const char *image, const char *name)
{
    (void)data;
    (void)image;
    return strncmp(name, "Gi", 2) == 0 ? (int)strlen(name) : name[0] == 'e' ? 1 : -1;
}

static char *port_name(void *data, const char *image, unsigned nic)
{
    (void)data;
    return image[0] == 'g' ? xasprintf("Gi%u", nic) : NULL;
}

static int fits(void *data, const struct node *node, const char *key, struct error *err)
{
    (void)data;
    return node->image[0] == 'g' ? error_input(err, "no %s", key) : 0;
}

static const char *const *names(void *data)
{
    static const char *const list[] = {"frr", "host", NULL};

    (void)data;
    return list;
}

static void check(const struct topology *topology, const struct diagnostics *d, int r)
{
    if ((r == 0) != (topology != NULL) || (r == 0) != (d->count == 0) || d->count > 200)
        abort();
    for (size_t i = 0; i < d->count; i++)
        if (!d->items[i].at.line || !d->items[i].at.column || strpbrk(d->items[i].text, "\n\033") ||
            (i && d->items[i].at.line < d->items[i - 1].at.line))
            abort();
    for (size_t i = 0; topology && i < topology->link_count; i++)
        for (size_t e = 0; e < 2; e++) {
            const struct endpoint *end = &topology->links[i].ends[e];

            if (end->nic >= topology->nodes[end->node].nics || !end->port ||
                topology_find_link(topology, topology->links[i].name) < 0)
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct image_source images = {
        .facts = facts, .port = port, .names = names, .fits = fits, .port_name = port_name};
    const struct image_source *const sources[] = {&images, NULL};

    for (size_t i = 0; i < 2; i++) {
        struct diagnostics d = {.items = NULL};
        struct topology *topology = NULL;
        int r = topology_parse("/nonexistent/fuzz.yaml", (const char *)data, size, sources[i],
                               &topology, &d, NULL);

        check(topology, &d, r);
        if (topology) {
            char *text = NULL;

            r = topology_add_config((const char *)data, size, topology->nodes[0].name,
                                    "configs/fuzz.conf", &text, NULL);
            if ((r == 1) != (text != NULL) ||
                (text && topology_add_config(text, strlen(text), topology->nodes[0].name,
                                             "configs/fuzz.conf", NULL, NULL) != 0))
                abort();
            free(text);
        }
        topology_free(topology);
        diagnostics_done(&d);
    }
    return 0;
}
