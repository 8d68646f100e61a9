// SPDX-License-Identifier: GPL-2.0-or-later

/* The nodes of a topology. A node starts as a copy of the defaults, its own keys replace what they
 * name, then its image is asked for and the whole is checked. `after` waits until all nodes are
 * known. */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/read_priv.h"

enum { NODES_MAX = 4096, CPUS_MAX = 255, CPU_SHARE_MAX = 10000, NICS_MAX = 256, SERIALS_MAX = 4 };

#define MEMORY_MIN   ((uint64_t)1 << 20)
#define MEMORY_MAX   ((uint64_t)16 << 40)
#define RECORD_MIN   ((uint64_t)64 << 10)
#define RECORD_MAX   ((uint64_t)1 << 40)
#define READY_MIN_NS 1000000000ull
#define READY_MAX_NS (24 * 3600 * 1000000000ull)

static const char *const accel_words[] = {
    [ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg", NULL};
static_assert(ARRAY_SIZE(accel_words) == ACCEL_TCG + 2, "one word for each accelerator");

const char *const topology_restart_words[] = {[RESTART_NEVER - 1] = "never",
                                              [RESTART_ON_FAILURE - 1] = "on-failure",
                                              [RESTART_ALWAYS - 1] = "always",
                                              NULL};
static_assert(ARRAY_SIZE(topology_restart_words) == RESTART_ALWAYS + 1, "one word for each policy");

/* Their places are those of enum node_display and enum node_firmware, less the first. */
static const char *const display_words[] = {"none", "vnc", NULL};
static const char *const firmware_words[] = {"bios", "uefi", NULL};
static_assert(ARRAY_SIZE(display_words) == NODE_DISPLAY_VNC + 1 &&
                  ARRAY_SIZE(firmware_words) == NODE_FIRMWARE_UEFI + 1,
              "one word for each display and firmware");

/* What a node may say of its machine instead of its image, if the machine can do it. */
static const char *const machine_keys[] = {"display", "firmware", "serials"};

static YAML_READER(read_port);
static YAML_READER(read_later);
static YAML_READER(read_nic_model);

static const struct yaml_key console_keys[] = {
    {.name = "telnet",
     .read = read_port,
     .offset = offsetof(struct node, telnet_port),
     .least = 1,
     .most = 65535},
    {.name = "vnc",
     .read = read_port,
     .offset = offsetof(struct node, vnc_port),
     .least = 5900,
     .most = 65535},
    {.name = "record",
     .read = yaml_read_size,
     .offset = offsetof(struct node, record_bytes),
     .least = RECORD_MIN,
     .most = RECORD_MAX},
};

const struct yaml_keys topology_console_keys = {"console", console_keys, ARRAY_SIZE(console_keys)};

#define NODE(field) .offset = offsetof(struct node, field)
/* What the defaults may hold is also what a node may. */
#define COMMON_KEYS                                                                                \
    {.name = "image", .read = yaml_read_name, NODE(image)},                                        \
        {.name = "memory",                                                                         \
         .read = yaml_read_size,                                                                   \
         NODE(memory_bytes),                                                                       \
         .least = MEMORY_MIN,                                                                      \
         .most = MEMORY_MAX},                                                                      \
        {.name = "cpus", .read = yaml_read_unsigned, NODE(cpus), .least = 1, .most = CPUS_MAX},    \
        {.name = "cpu_share",                                                                      \
         .read = yaml_read_unsigned,                                                               \
         NODE(cpu_share),                                                                          \
         .least = 1,                                                                               \
         .most = CPU_SHARE_MAX},                                                                   \
        {.name = "memory_limit",                                                                   \
         .read = yaml_read_size,                                                                   \
         NODE(memory_limit),                                                                       \
         .least = MEMORY_MIN,                                                                      \
         .most = MEMORY_MAX},                                                                      \
        {.name = "nics", .read = yaml_read_unsigned, NODE(nics), .least = 0, .most = NICS_MAX},    \
        {.name = "nic_model", .read = read_nic_model, .words = topology_nic_models},               \
        {.name = "accel", .read = yaml_read_word, NODE(accel), .words = accel_words},              \
        {.name = "machine", .read = yaml_read_qemu_name, NODE(machine)},                           \
        {.name = "cpu", .read = yaml_read_qemu_name, NODE(cpu_model)},                             \
        {.name = "display", .read = yaml_read_choice, NODE(display), .words = display_words},      \
        {.name = "firmware", .read = yaml_read_choice, NODE(firmware), .words = firmware_words},   \
        {.name = "serials",                                                                        \
         .read = yaml_read_unsigned,                                                               \
         NODE(serials),                                                                            \
         .least = 1,                                                                               \
         .most = SERIALS_MAX},                                                                     \
    {                                                                                              \
        .name = "restart", .read = yaml_read_choice, NODE(restart),                                \
        .words = topology_restart_words                                                            \
    }

static const struct yaml_key defaults_keys[] = {COMMON_KEYS};

static const struct yaml_key node_keys[] = {
    COMMON_KEYS,
    {.name = "config", .read = topology_read_config},
    {.name = "after", .read = read_later},
    {.name = "console",
     .read = yaml_read_keys,
     .keys = &topology_console_keys,
     .form = "{telnet: auto}"},
    {.name = "ready_timeout",
     .read = yaml_read_duration,
     NODE(ready_timeout_ns),
     .least = READY_MIN_NS,
     .most = READY_MAX_NS},
};

const struct yaml_keys topology_defaults_keys = {"defaults", defaults_keys,
                                                 ARRAY_SIZE(defaults_keys)};
const struct yaml_keys topology_node_keys = {"node", node_keys, ARRAY_SIZE(node_keys)};

/**
 * read_later() - Pass over a value that is read once all nodes are known
 * @reader:	Reader
 * @key:	Key
 * @target:	Node
 * @value:	Value
 */
static YAML_READER(read_later)
{
    (void)reader;
    (void)key;
    (void)target;
    (void)value;
}

/**
 * read_nic_model() - Read what its NICs are
 * @reader:	Reader
 * @key:	Key
 * @target:	Node
 * @value:	One of the models
 */
static YAML_READER(read_nic_model)
{
    struct yaml_key word = *key;
    unsigned index = UINT_MAX;

    word.offset = 0;
    yaml_read_word(reader, &word, &index, value);
    if (index != UINT_MAX)
        ((struct node *)target)->nic_model = topology_nic_models[index];
}

/**
 * read_port() - Read the port of a console or a screen
 * @reader:	Reader
 * @key:	Key
 * @target:	Node
 * @value:	"auto", "off" or a port
 */
static YAML_READER(read_port)
{
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);
    const char *text = yaml_text(reader, value, what, false);
    _cleanup_error_ struct error err = ERROR_INIT;
    int *field = (int *)((char *)target + key->offset);
    int64_t port = 0;

    if (!text)
        return;
    if (strcmp(text, "auto") == 0) {
        *field = -1;
    } else if (strcmp(text, "off") == 0) {
        *field = 0;
    } else if (units_parse_integer(text, (int64_t)key->least, (int64_t)key->most, &port, &err) <
               0) {
        diagnostics_add(reader->diagnostics, value->at, "%s: %s (or write auto or off)", key->name,
                        error_message(&err));
    } else {
        *field = (int)port;
    }
}

/**
 * value_of() - Where a node's value of some key comes from
 * @reader:	Reader
 * @index:	Node
 * @key:	Key
 *
 * Return: the value in the node or in the defaults, NULL if neither says anything
 */
static const struct yaml_node *value_of(const struct topology_reader *reader, size_t index,
                                        const char *key)
{
    const struct yaml_node *value = yaml_map_get(reader->sources[index].yaml, key);

    return value ? value : yaml_map_get(reader->defaults, key);
}

/**
 * no_image() - Note that an image is missing
 * @reader:	Reader
 * @at:		Where it is named
 * @image:	Its name
 * @hint:	What the images' owner says, or NULL
 */
static void no_image(struct topology_reader *reader, struct location at, const char *image,
                     const char *hint)
{
    const char *const *names =
        reader->images->names ? reader->images->names(reader->images->data) : NULL;
    const char *nearest;
    size_t count = 0;

    while (names && names[count])
        count++;
    if (hint) {
        fault(reader, at, "image '%s' is not there: %s", image, hint);
        return;
    }
    nearest = read_nearest(reader, image, names, count);
    if (nearest)
        fault(reader, at, "image '%s' is not there: did you mean '%s'?", image, nearest);
    else
        fault(reader, at,
              "image '%s' is not there: see 'labctl image list', or make it by 'labctl image build "
              "%s'",
              image, image);
}

/**
 * check_machine() - Check that the image's machine can do what the node says
 * @reader:	Reader
 * @index:	Node
 */
static void check_machine(struct topology_reader *reader, size_t index)
{
    const struct image_source *images = reader->images;
    const struct node *node = &reader->topology->nodes[index];

    for (size_t i = 0; images->fits && i < ARRAY_SIZE(machine_keys); i++) {
        const struct yaml_node *value = value_of(reader, index, machine_keys[i]);
        _cleanup_error_ struct error err = ERROR_INIT;

        if (value && images->fits(images->data, node, machine_keys[i], &err) < 0)
            fault(reader, value->at, "node '%s': %s: %s", node->name, machine_keys[i],
                  error_message(&err));
    }
}

/**
 * check_image() - Ask about a node's image and check what the node wants of it
 * @reader:	Reader
 * @index:	Node
 */
static void check_image(struct topology_reader *reader, size_t index)
{
    const struct yaml_node *image = value_of(reader, index, "image");
    const struct yaml_node *memory = value_of(reader, index, "memory");
    const struct yaml_node *nics = value_of(reader, index, "nics");
    struct node_source *source = &reader->sources[index];
    struct node *node = &reader->topology->nodes[index];
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    if (!image)
        fault(reader, node->at, "node '%s' has no image: give 'image' here or under 'defaults'",
              node->name);
    if (!image || !node->image || !reader->images)
        return;
    r = reader->images->facts(reader->images->data, node->image, &source->facts, &err);
    if (r == -ENOENT) {
        no_image(reader, image->at, node->image, err.hint);
        return;
    }
    if (r < 0) {
        /* A definition's faults come as lines; a diagnostic is one. */
        _cleanup_free_ char *text = text_replace(error_message(&err), "\n", "; ");

        fault(reader, image->at, "image '%s' cannot be used: %s", node->image, text);
        return;
    }
    source->facts_known = true;
    if (node->nic_model)
        source->facts.mtu_max = topology_nic_mtu(node->nic_model);
    if (memory && node->memory_bytes && node->memory_bytes < source->facts.memory_least) {
        _cleanup_free_ char *least = units_format_size(source->facts.memory_least);

        fault(reader, memory->at,
              "node '%s': memory %s is too little: image '%s' needs at least %s", node->name,
              memory->text, node->image, least);
    }
    check_machine(reader, index);
    if (!nics) {
        node->nics = source->facts.nic_count;
    } else if (node->nics > source->facts.nic_max) {
        fault(reader, nics->at, "node '%s': %u NICs are too many: image '%s' can have at most %u",
              node->name, node->nics, node->image, source->facts.nic_max);
        node->nics = source->facts.nic_max;
    }
}

/**
 * after_add() - Read one name of an `after` list
 * @reader:	Reader
 * @index:	The node that waits
 * @value:	Name of the node that it waits for
 */
static void after_add(struct topology_reader *reader, size_t index, const struct yaml_node *value)
{
    struct node *node = &reader->topology->nodes[index];
    const char *name = yaml_text(&reader->yaml, value, "a node in 'after'", false);
    ptrdiff_t other;

    if (!name)
        return;
    other = read_find_node(reader, name);
    if (other < 0)
        read_unknown_node(reader, value->at, name);
    else if ((size_t)other == index)
        fault(reader, value->at, "node '%s' cannot wait for itself", name);
    else
        node->after[node->after_count++] = (size_t)other;
}

/**
 * read_after() - Read what a node waits for
 * @reader:	Reader
 * @index:	Node
 */
static void read_after(struct topology_reader *reader, size_t index)
{
    const struct yaml_node *after = yaml_map_get(reader->sources[index].yaml, "after");
    struct node *node = &reader->topology->nodes[index];

    if (!after)
        return;
    if (after->kind == YAML_SCALAR) {
        node->after = xnew0(size_t, 1);
        after_add(reader, index, after);
    } else if (yaml_expect(&reader->yaml, after, YAML_LIST, "'after'",
                           "after: r1, or after: [r1, r2]")) {
        node->after = xnew0(size_t, after->count + 1);
        for (size_t i = 0; i < after->count; i++)
            after_add(reader, index, after->items[i]);
    }
}

/**
 * node_name() - Check a node's name
 * @reader:	Reader
 * @pair:	The name and the node
 *
 * Return: true if the node can be taken in
 */
static bool node_name(struct topology_reader *reader, const struct yaml_pair *pair)
{
    _cleanup_free_ char *shown = yaml_quote(pair->key);

    if (!text_is_hostname(pair->key->text)) {
        fault(reader, pair->key->at,
              "%s is no host name, which a node's name must be: 1 to 63 letters, digits and inner "
              "hyphens",
              shown);
        return false;
    }
    if (pair->first) {
        fault(reader, pair->key->at, "node %s is given twice, first on line %u", shown,
              pair->first->at.line);
        return false;
    }
    return true;
}

/**
 * add_node() - Read one node, except what it says of other nodes
 * @reader:	Reader
 * @defaults:	What it has when it says nothing
 * @pair:	Its name and mapping
 */
static void add_node(struct topology_reader *reader, const struct node *defaults,
                     const struct yaml_pair *pair)
{
    size_t index = reader->topology->node_count;
    struct node *node = &reader->topology->nodes[index];
    _cleanup_free_ char *what = NULL, *form = NULL;

    if (!node_name(reader, pair))
        return;
    reader->topology->node_count++;
    reader->sources[index].yaml = pair->value;
    *node = *defaults;
    node->name = xstrdup(pair->key->text);
    node->image = xstrdup(defaults->image);
    node->machine = xstrdup(defaults->machine);
    node->cpu_model = xstrdup(defaults->cpu_model);
    node->at = pair->key->at;
    what = xasprintf("node '%s'", node->name);
    form = xasprintf("%s: {image: %s}", node->name,
                     pair->value->kind == YAML_SCALAR && text_is_name(pair->value->text)
                         ? pair->value->text
                         : "frr");
    /* "h1:" with nothing after it is a node that has nothing to say. */
    if (!yaml_is_null(pair->value)) {
        if (yaml_expect(&reader->yaml, pair->value, YAML_MAP, what, form))
            yaml_read_map(&reader->yaml, &topology_node_keys, node, pair->value);
        else if (!defaults->image)
            return; /* that it has no image need not be told, too */
    }
    check_image(reader, index);
}

/**
 * compare_names() - Order nodes by name, case ignored
 * @a:		Address of a node's index
 * @b:		Address of another's
 * @data:	The nodes
 *
 * Return: as qsort_r() wants it
 */
static int compare_names(const void *a, const void *b, void *data)
{
    const struct node *nodes = data;
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    int r = strcasecmp(nodes[left].name, nodes[right].name);

    if (r != 0)
        return r;
    return left < right ? -1 : left > right;
}

/**
 * sort_names() - Sort the nodes by name and note names that differ in case only
 * @reader:	Reader
 */
static void sort_names(struct topology_reader *reader)
{
    struct node *nodes = reader->topology->nodes;
    size_t count = reader->topology->node_count;

    reader->by_name = xnew0(size_t, count + 1);
    for (size_t i = 0; i < count; i++)
        reader->by_name[i] = i;
    qsort_r(reader->by_name, count, sizeof(size_t), compare_names, nodes);
    for (size_t i = 1; i < count; i++) {
        const struct node *first = &nodes[reader->by_name[i - 1]];
        const struct node *second = &nodes[reader->by_name[i]];

        if (strcasecmp(first->name, second->name) == 0)
            fault(reader, second->at,
                  "nodes '%s' and '%s' (line %u) differ in case only; host names do not",
                  second->name, first->name, first->at.line);
    }
}

/**
 * first_like() - Find where a name would stand among the sorted ones, case ignored
 * @reader:	Reader
 * @name:	Name
 *
 * Return: place in by_name of the first that is not before it; those that differ in case only
 * stand side by side from there
 */
static size_t first_like(const struct topology_reader *reader, const char *name)
{
    size_t low = 0, high = reader->topology->node_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcasecmp(reader->topology->nodes[reader->by_name[middle]].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ptrdiff_t read_find_node(const struct topology_reader *reader, const char *name)
{
    for (size_t i = first_like(reader, name); i < reader->topology->node_count; i++) {
        const char *found = reader->topology->nodes[reader->by_name[i]].name;

        if (strcasecmp(found, name) != 0)
            break;
        if (strcmp(found, name) == 0)
            return (ptrdiff_t)reader->by_name[i];
    }
    return -1;
}

/**
 * nearest_node() - Find the node that a wrong name may have meant
 * @reader:	Reader
 * @name:	Name
 *
 * Return: its name, or NULL
 */
static const char *nearest_node(struct topology_reader *reader, const char *name)
{
    const struct node *nodes = reader->topology->nodes;
    size_t count = reader->topology->node_count, like = first_like(reader, name);
    _cleanup_free_ const char **names = NULL;

    if (like < count && strcasecmp(nodes[reader->by_name[like]].name, name) == 0)
        return nodes[reader->by_name[like]].name;
    if (count > reader->suggestions)
        return NULL;
    names = xnew0(const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = nodes[i].name;
    return read_nearest(reader, name, names, count);
}

void read_unknown_node(struct topology_reader *reader, struct location at, const char *name)
{
    _cleanup_free_ char *shown = text_escape(name, strnlen(name, 64));
    const char *nearest = nearest_node(reader, name);

    if (nearest)
        fault(reader, at, "there is no node '%s': did you mean '%s'?", shown, nearest);
    else
        fault(reader, at, "there is no node '%s'", shown);
}

void read_nodes(struct topology_reader *reader)
{
    const struct yaml_node *map = reader->nodes;
    struct node defaults = {.image = NULL};
    size_t count;

    if (reader->defaults && yaml_is_null(reader->defaults))
        reader->defaults = NULL;
    if (reader->defaults && yaml_expect(&reader->yaml, reader->defaults, YAML_MAP, "'defaults'",
                                        "{image: frr, memory: 256M}"))
        yaml_read_map(&reader->yaml, &topology_defaults_keys, &defaults, reader->defaults);
    if (map->kind == YAML_MAP && map->count == 0)
        fault(reader, map->at, "'nodes' is empty: a topology has at least one node");
    else if (yaml_expect(&reader->yaml, map, YAML_MAP, "'nodes'",
                         yaml_is_null(map) ? "each node on a line of its own, indented"
                                           : "'r1: {image: frr}' for each") &&
             map->count > NODES_MAX)
        fault(reader, map->at, "%zu nodes are too many: a lab has at most %d", map->count,
              NODES_MAX);
    count = map->kind == YAML_MAP && map->count <= NODES_MAX ? map->count : 0;
    reader->topology->nodes = xnew0(struct node, count + 1);
    reader->sources = xnew0(struct node_source, count + 1);
    for (size_t i = 0; i < count; i++)
        add_node(reader, &defaults, &map->pairs[i]);
    sort_names(reader);
    for (size_t i = 0; i < reader->topology->node_count; i++)
        read_after(reader, i);
    free(defaults.image);
    free(defaults.machine);
    free(defaults.cpu_model);
}
