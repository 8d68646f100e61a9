// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* From a YAML file to a struct topology, with every fault of the file reported at once. */

#include "base/error.h"
#include "topology/diagnostics.h"
#include "topology/model.h"

struct yaml_keys;

/* What the reader must know of an image; asked of the caller so that this folder needs no
 * appliances. */
struct image_facts {
    unsigned nic_count;    /* NICs of a node that says nothing */
    unsigned nic_max;      /* most that a node may ask for */
    uint64_t memory_least; /* bytes; less is refused */
    unsigned mtu_max;      /* largest frame payload of its NIC model */
};

struct image_source {
    void *data;
    /* facts() - Return: 0, -ENOENT no such image (@err may hold a hint), or -errno with @err filled
     * (image broken). */
    int (*facts)(void *data, const char *image, struct image_facts *ret_facts, struct error *err);
    /* port() - Index of the NIC that @port names for that image (ethN is always understood), or -1.
     */
    int (*port)(void *data, const char *image, const char *port);
    /* names() - NULL-terminated names of the images there are, for suggestions; owned by the
     * source. */
    const char *const *(*names)(void *data);
    /* fits() - Whether a node's image can be what the node says of it under @key ("display",
     * "firmware", "serials"). Return: 0, or -EINVAL with @err saying why not. NULL: not asked. */
    int (*fits)(void *data, const struct node *node, const char *key, struct error *err);
    /* port_name() - What that image calls a NIC; caller frees. NULL, or a NULL result: ethN. */
    char *(*port_name)(void *data, const char *image, unsigned nic);
};

/* topology_map_types() - All kinds of mappings in a topology file with their keys; the JSON Schema
 * is tested against them. The first is that of the file itself. */
const struct yaml_keys *const *topology_map_types(size_t *ret_count);

/* topology_read() - Read and check a topology file.
 * @path:	File, at most 4 MiB; config paths in it are relative to its folder
 * @images:	Where to ask about images; NULL skips what depends on them (endpoints must then be
 * ethN)
 * @ret_topology: Set only on success
 * @diagnostics: Initialised by the caller to zero; every fault found, at most 200
 * Return: 0; -EINVAL with at least one diagnostic; other -errno with @err filled when the file
 * cannot be read at all */
int topology_read(const char *path, const struct image_source *images,
                  struct topology **ret_topology, struct diagnostics *diagnostics,
                  struct error *err);

/* topology_load() - The bytes of a topology file, for topology_parse().
 * Return: 0, or -errno with @err filled when it cannot be read at all */
int topology_load(const char *path, char **ret_data, size_t *ret_size, struct error *err);

/* topology_parse() - The same from memory (@data of @size bytes); @path only names it. */
int topology_parse(const char *path, const char *data, size_t size,
                   const struct image_source *images, struct topology **ret_topology,
                   struct diagnostics *diagnostics, struct error *err);
