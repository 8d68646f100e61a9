// SPDX-License-Identifier: GPL-2.0-or-later

/* From a topology file to its model.
 *
 * The bytes become a tree (yaml.c). The top level is read by topology_keys, which only keeps the
 * sections, because a link may stand before the nodes that it joins. Then the sections are read in
 * the order in which they depend on each other: nodes (with the defaults, read_node.c), links
 * (read_link.c), segments and uplinks (read_segment.c), and at the end check_topology() (check.c)
 * looks at what no single section can see: a NIC with two cables, names that clash, circles of
 * `after`. Every part notes its faults and goes on with what it has; a model with any fault is
 * thrown away, so half-read fields never reach anyone.
 *
 * A fault is told once, where it can be mended: what depends on a value that is wrong itself (the
 * ports of a node whose image is missing) is not checked. */

#include "topology/read.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "topology/read_priv.h"

enum { FILE_MAX = 4 << 20, SUGGESTIONS_MAX = 20000 };

#define KEEP_MAX_NS (3600ull * 1000000000)

/* What the top level is read into. */
struct top {
    char *lab;
    char *description;
    uint64_t capture_keep_ns;
    unsigned mtu;
    const struct yaml_node *defaults, *nodes, *links, *lans, *uplinks;
};

static const struct yaml_key capture_keys[] = {
    {.name = "keep",
     .read = yaml_read_duration,
     .offset = offsetof(struct top, capture_keep_ns),
     .most = KEEP_MAX_NS},
};

static const struct yaml_keys topology_capture_keys = {"capture", capture_keys,
                                                       ARRAY_SIZE(capture_keys)};

#define TOP(field) .offset = offsetof(struct top, field)

static const struct yaml_key top_keys[] = {
    {.name = "lab", .read = yaml_read_name, TOP(lab)},
    {.name = "description", .read = yaml_read_paragraph, TOP(description)},
    {.name = "defaults", .read = read_keep, TOP(defaults)},
    {.name = "nodes", .read = read_keep, TOP(nodes)},
    {.name = "links", .read = read_keep, TOP(links)},
    {.name = "lans", .read = read_keep, TOP(lans)},
    {.name = "uplinks", .read = read_keep, TOP(uplinks)},
    {.name = "mtu", .read = yaml_read_unsigned, TOP(mtu), .least = MTU_MIN, .most = MTU_MAX},
    {.name = "capture",
     .read = yaml_read_keys,
     .keys = &topology_capture_keys,
     .form = "{keep: 60s}"},
};

static const struct yaml_keys topology_keys = {"topology", top_keys, ARRAY_SIZE(top_keys)};

const struct yaml_keys *const *topology_map_types(size_t *ret_count)
{
    static const struct yaml_keys *const types[] = {
        &topology_keys,           &topology_defaults_keys, &topology_node_keys,
        &topology_console_keys,   &topology_link_keys,     &topology_flap_keys,
        &topology_direction_keys, &topology_loss_keys,     &topology_loss_burst_keys,
        &topology_lan_keys,       &topology_uplink_keys,   &topology_capture_keys,
    };

    *ret_count = ARRAY_SIZE(types);
    return types;
}

YAML_READER(read_keep)
{
    (void)reader;
    *(const struct yaml_node **)((char *)target + key->offset) = value;
}

const char *read_nearest(struct topology_reader *reader, const char *word,
                         const char *const *candidates, size_t count)
{
    if (count > reader->suggestions)
        return NULL;
    reader->suggestions -= (unsigned)count;
    return text_nearest(word, candidates, count);
}

/**
 * absolute_path() - A path that holds wherever the process goes
 * @path:	Path, whose last part need not exist
 *
 * Return: new absolute path
 */
static char *absolute_path(const char *path)
{
    char *resolved = realpath(path, NULL);
    _cleanup_free_ char *cwd = NULL;

    if (resolved)
        return resolved;
    cwd = getcwd(NULL, 0);
    return path_join(cwd ? cwd : "/", path);
}

/**
 * name_of_file() - The lab's name when the file does not say one
 * @reader:	Reader
 *
 * Return: new name, NULL after a fault
 */
static char *name_of_file(struct topology_reader *reader)
{
    const char *path = reader->topology->path, *slash = strrchr(path, '/'), *dot;
    _cleanup_free_ char *name = NULL, *shown = NULL;

    path = slash ? slash + 1 : path;
    dot = strrchr(path, '.');
    name = xstrndup(path, dot && dot > path ? (size_t)(dot - path) : strlen(path));
    if (text_is_name(name))
        return steal_ptr(name);
    shown = text_escape(name, strnlen(name, 80));
    fault(reader, ((struct location){1, 1}),
          "the lab has no name: the file's own ('%s') does not serve as one, so begin with a line "
          "'lab: NAME'",
          shown);
    return NULL;
}

/**
 * read_top() - Read the top level
 * @reader:	Reader
 * @root:	The file's value
 */
static void read_top(struct topology_reader *reader, const struct yaml_node *root)
{
    struct top top = {.lab = NULL};

    if (!yaml_expect(&reader->yaml, root, YAML_MAP, "a topology file", "'nodes:' and what follows"))
        return;
    yaml_read_map(&reader->yaml, &topology_keys, &top, root);
    reader->topology->lab = top.lab;
    reader->topology->description = top.description ? top.description : xstrdup("");
    reader->topology->capture_keep_ns = top.capture_keep_ns;
    reader->mtu = top.mtu;
    reader->defaults = top.defaults;
    reader->nodes = top.nodes;
    reader->links = top.links;
    reader->lans = top.lans;
    reader->uplinks = top.uplinks;
    if (!yaml_map_get(root, "lab"))
        reader->topology->lab = name_of_file(reader);
    if (!reader->nodes) {
        fault(reader, root->at, "the topology has no nodes: give at least one under 'nodes'");
        return;
    }
    read_nodes(reader);
    read_links(reader);
    read_lans(reader);
    read_uplinks(reader);
    check_topology(reader);
}

int topology_parse(const char *path, const char *data, size_t size,
                   const struct image_source *images, struct topology **ret_topology,
                   struct diagnostics *diagnostics, struct error *err)
{
    _cleanup_topology_ struct topology *topology = xnew0(struct topology, 1);
    struct topology_reader reader = {
        .yaml = {.diagnostics = diagnostics},
        .topology = topology,
        .images = images,
        .suggestions = SUGGESTIONS_MAX,
    };
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;

    (void)err;
    reader.yaml.context = &reader;
    topology->path = absolute_path(path);
    if (size > FILE_MAX) {
        diagnostics_add(diagnostics, (struct location){1, 1},
                        "the file has %zu bytes; at most %d are accepted", size, FILE_MAX);
        return -EINVAL;
    }
    if (yaml_tree_parse(data, size, &tree, diagnostics) == 0) {
        reader.dir = path_dirname(topology->path);
        read_top(&reader, yaml_tree_root(tree));
        free(reader.dir);
        free(reader.sources);
        free(reader.by_name);
        free(reader.uses);
    }
    diagnostics_finish(diagnostics);
    if (diagnostics->count)
        return -EINVAL;
    *ret_topology = steal_ptr(topology);
    return 0;
}

int topology_load(const char *path, char **ret_data, size_t *ret_size, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    int r = file_read(path, FILE_MAX, ret_data, ret_size, &why);

    if (r == 0)
        return 0;
    /* -EINVAL promises a diagnostic; "not a regular file" has no place to go with it. */
    if (r == -EINVAL)
        why.code = ENOTSUP;
    why.kind = ERROR_KIND_INPUT;
    r = -why.code;
    error_move(err, &why);
    return r;
}

int topology_read(const char *path, const struct image_source *images,
                  struct topology **ret_topology, struct diagnostics *diagnostics,
                  struct error *err)
{
    _cleanup_free_ char *data = NULL;
    size_t size = 0;
    int r = topology_load(path, &data, &size, err);

    return r < 0 ? r : topology_parse(path, data, size, images, ret_topology, diagnostics, err);
}
