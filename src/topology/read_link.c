// SPDX-License-Identifier: GPL-2.0-or-later

/* Endpoints and links. What a link says of impairments holds for both directions; a_to_b (frames
 * sent by the first end) and b_to_a then change single keys of one. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/impairment.h"
#include "topology/read_priv.h"

enum { ETH_MAX = 4096 };

#define FLAP_MIN_NS 100000000ull
#define FLAP_MAX_NS (24 * 3600 * 1000000000ull)

/* What one entry of `links` is read into. */
struct link_draft {
    struct link link;
    struct impairment both;
    unsigned state; /* index into state_words */
    const struct yaml_node *ends, *a_to_b, *b_to_a, *mtu, *flap;
};

static const char *const state_words[] = {"up", "down", NULL};

static YAML_READER(read_impairment);
static YAML_READER(read_loss);
static YAML_READER(read_percent);
static YAML_READER(read_mtu);
static YAML_READER(read_flap);

#define LOSS(field) .offset = offsetof(struct impairment, field)

static const struct yaml_key burst_keys[] = {
    {.name = "enter", .read = read_percent, LOSS(burst_enter_ppm)},
    {.name = "leave", .read = read_percent, LOSS(burst_leave_ppm), .least = 1},
    {.name = "loss", .read = read_percent, LOSS(burst_loss_ppm)},
};
const struct yaml_keys topology_loss_burst_keys = {"loss_burst", burst_keys,
                                                   ARRAY_SIZE(burst_keys)};

static const struct yaml_key loss_keys[] = {
    {.name = "random", .read = read_percent, LOSS(loss_ppm)},
    {.name = "burst", .read = yaml_read_keys, .keys = &topology_loss_burst_keys},
};
const struct yaml_keys topology_loss_keys = {"loss", loss_keys, ARRAY_SIZE(loss_keys)};

/* The impairment's keys, for an impairment @place bytes into the target. */
#define IMPAIRMENT_KEYS(place)                                                                     \
    {.name = "delay", .read = read_impairment, .offset = (place)},                                 \
        {.name = "jitter", .read = read_impairment, .offset = (place)},                            \
        {.name = "jitter_shape", .read = read_impairment, .offset = (place)},                      \
        {.name = "loss", .read = read_loss, .offset = (place)},                                    \
        {.name = "duplicate", .read = read_impairment, .offset = (place)},                         \
        {.name = "reorder", .read = read_impairment, .offset = (place)},                           \
        {.name = "corrupt", .read = read_impairment, .offset = (place)},                           \
        {.name = "rate", .read = read_impairment, .offset = (place)},                              \
        {.name = "burst", .read = read_impairment, .offset = (place)},                             \
        {.name = "queue", .read = read_impairment, .offset = (place)},                             \
        {.name = "only", .read = read_impairment, .offset = (place)},                              \
    {                                                                                              \
        .name = "seed", .read = read_impairment, .offset = (place)                                 \
    }

static const struct yaml_key direction_keys[] = {IMPAIRMENT_KEYS(0)};
const struct yaml_keys topology_direction_keys = {"direction", direction_keys,
                                                  ARRAY_SIZE(direction_keys)};

#define DRAFT(field) .offset = offsetof(struct link_draft, field)

static const struct yaml_key flap_keys[] = {
    {.name = "every",
     .read = yaml_read_duration,
     .offset = offsetof(struct link, flap_every_ns),
     .least = FLAP_MIN_NS,
     .most = FLAP_MAX_NS},
    {.name = "down",
     .read = yaml_read_duration,
     .offset = offsetof(struct link, flap_down_ns),
     .least = 1000000,
     .most = FLAP_MAX_NS},
};
const struct yaml_keys topology_flap_keys = {"flap", flap_keys, ARRAY_SIZE(flap_keys)};

static const struct yaml_key link_keys[] = {
    {.name = "ends", .read = read_keep, DRAFT(ends)},
    {.name = "name", .read = yaml_read_name, DRAFT(link.name)},
    IMPAIRMENT_KEYS(offsetof(struct link_draft, both)),
    {.name = "a_to_b", .read = read_keep, DRAFT(a_to_b)},
    {.name = "b_to_a", .read = read_keep, DRAFT(b_to_a)},
    {.name = "mtu", .read = read_mtu, DRAFT(link.mtu), .least = MTU_MIN, .most = MTU_MAX},
    {.name = "state", .read = yaml_read_word, DRAFT(state), .words = state_words},
    {.name = "flap", .read = read_flap, DRAFT(link), .keys = &topology_flap_keys},
};
const struct yaml_keys topology_link_keys = {"link", link_keys, ARRAY_SIZE(link_keys)};

/**
 * set_impairment() - Set one key of an impairment, and note what is wrong with it
 * @reader:	Reader
 * @impairment:	Impairment
 * @key:	Key
 * @value:	Its value
 */
static void set_impairment(struct yaml_reader *reader, struct impairment *impairment,
                           const char *key, const struct yaml_node *value)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *what = xasprintf("'%s'", key);
    const char *text = yaml_text(reader, value, what, strcmp(key, "only") == 0);

    if (text && impairment_set(impairment, key, text, &err) < 0)
        diagnostics_add(reader->diagnostics, value->at, "%s", error_message(&err));
    if (strcmp(key, "only") == 0)
        impairment->only_at = value->at;
}

/**
 * read_impairment() - Read a key of an impairment
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds the impairment, at the key's offset
 * @value:	Value
 */
static YAML_READER(read_impairment)
{
    set_impairment(reader, (struct impairment *)((char *)target + key->offset), key->name, value);
}

/**
 * read_loss() - Read loss: a percentage, or a mapping for loss in bursts
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds the impairment, at the key's offset
 * @value:	Value
 */
static YAML_READER(read_loss)
{
    struct impairment *impairment = (struct impairment *)((char *)target + key->offset);
    const struct yaml_node *burst = yaml_map_get(value, "burst");
    struct impairment draft = {.burst_loss_ppm = 1000000};

    if (value->kind != YAML_MAP) {
        set_impairment(reader, impairment, key->name, value);
        /* A single number says all there is of loss: a direction's own ends the link's bursts. */
        impairment->burst_enter_ppm = impairment->burst_leave_ppm = 0;
        impairment->burst_loss_ppm = 0;
        return;
    }
    yaml_read_map(reader, &topology_loss_keys, &draft, value);
    if (value->count == 0)
        diagnostics_add(reader->diagnostics, value->at,
                        "loss: the mapping is empty: give 'random' or 'burst'");
    if (burst && burst->kind == YAML_MAP &&
        (!yaml_map_get(burst, "enter") || !yaml_map_get(burst, "leave")))
        diagnostics_add(reader->diagnostics, burst->at,
                        "burst: needs 'enter' and 'leave', the chances per frame that a burst "
                        "begins and ends");
    impairment->loss_ppm = draft.loss_ppm;
    impairment->burst_enter_ppm = draft.burst_enter_ppm;
    impairment->burst_leave_ppm = draft.burst_leave_ppm;
    impairment->burst_loss_ppm = draft.burst_enter_ppm ? draft.burst_loss_ppm : 0;
}

/**
 * read_percent() - Read a chance
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a uint32_t of parts per million at the key's offset
 * @value:	Value
 */
static YAML_READER(read_percent)
{
    struct impairment draft = {.loss_ppm = 0};
    size_t faults = reader->diagnostics->count + reader->diagnostics->dropped;

    set_impairment(reader, &draft, "loss", value);
    if (faults != reader->diagnostics->count + reader->diagnostics->dropped)
        return;
    if (draft.loss_ppm < key->least)
        diagnostics_add(reader->diagnostics, value->at, "%s: must be more than 0", key->name);
    else
        *(uint32_t *)((char *)target + key->offset) = draft.loss_ppm;
}

/**
 * read_mtu() - Read an MTU and keep where it stands
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of a link
 * @value:	Value
 */
static YAML_READER(read_mtu)
{
    struct link_draft *draft = target;

    draft->mtu = value;
    yaml_read_unsigned(reader, key, target, value);
}

/**
 * read_flap() - Read a link's schedule
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of a link
 * @value:	Value
 */
static YAML_READER(read_flap)
{
    struct link_draft *draft = target;
    const struct link *link = &draft->link;

    yaml_read_keys(reader, key, target, value);
    if (value->kind != YAML_MAP)
        return;
    if (!yaml_map_get(value, "every") || !yaml_map_get(value, "down"))
        diagnostics_add(
            reader->diagnostics, value->at,
            "flap: needs 'every' and 'down', how often the link fails and for how long");
    else if (link->flap_every_ns && link->flap_down_ns >= link->flap_every_ns)
        diagnostics_add(reader->diagnostics, value->at, "flap: 'down' must be less than 'every'");
}

/**
 * port_name() - What a NIC is called
 * @reader:	Reader
 * @node:	Node
 * @nic:	Its NIC
 *
 * Return: new string
 */
static char *port_name(const struct topology_reader *reader, size_t node, unsigned nic)
{
    const struct image_source *images = reader->images;
    char *name = NULL;

    if (images && images->port_name && reader->sources[node].facts_known)
        name = images->port_name(images->data, reader->topology->nodes[node].image, nic);
    return name ? name : xasprintf("eth%u", nic);
}

/**
 * eth_index() - The N of ethN
 * @port:	Name
 *
 * Return: N, or -1
 */
static int eth_index(const char *port)
{
    int64_t number = 0;

    if (strncmp(port, "eth", 3) != 0 || (port[3] == '0' && port[4]) ||
        units_parse_integer(port + 3, 0, ETH_MAX - 1, &number, NULL) < 0)
        return -1;
    return (int)number;
}

/**
 * no_port() - Note that a node has no such port
 * @reader:	Reader
 * @value:	The endpoint
 * @index:	The node
 * @nic:	The NIC it would be, or -1 if the name means nothing
 */
static void no_port(struct topology_reader *reader, const struct yaml_node *value, size_t index,
                    int nic)
{
    const struct node *node = &reader->topology->nodes[index];
    const struct node_source *source = &reader->sources[index];
    _cleanup_free_ char *shown = yaml_quote(value), *ports = NULL;

    if (node->nics) {
        _cleanup_free_ char *first = port_name(reader, index, 0);
        _cleanup_free_ char *last = port_name(reader, index, node->nics - 1);

        ports = node->nics == 1 ? xasprintf("one NIC (%s)", first)
                                : xasprintf("%u NICs (%s to %s)", node->nics, first, last);
    } else {
        ports = xstrdup("no NICs");
    }
    if (nic < 0)
        fault(reader, value->at, "%s: node '%s' has no port of that name; it has %s", shown,
              node->name, ports);
    else if (source->facts_known && (unsigned)nic >= source->facts.nic_max)
        fault(reader, value->at, "%s: node '%s' has %s, and image '%s' can have at most %u", shown,
              node->name, ports, node->image, source->facts.nic_max);
    else
        fault(reader, value->at, "%s: node '%s' has %s; give it more with 'nics: %d'", shown,
              node->name, ports, nic + 1);
}

/**
 * find_nic() - Find the NIC that a port's name means
 * @reader:	Reader
 * @value:	The endpoint
 * @index:	The node
 * @port:	The port's name
 *
 * Return: the NIC; -1 after a fault, or if the node's own faults leave that open
 */
static int find_nic(struct topology_reader *reader, const struct yaml_node *value, size_t index,
                    const char *port)
{
    struct node *node = &reader->topology->nodes[index];
    const struct node_source *source = &reader->sources[index];
    const struct image_source *images = reader->images;
    const struct yaml_node *nics = yaml_map_get(source->yaml, "nics");
    int nic;

    if (images && !source->facts_known)
        return -1;
    nic = images ? images->port(images->data, node->image, port) : eth_index(port);
    if (!images && !nics && !yaml_map_get(reader->defaults, "nics") && nic >= 0 &&
        (unsigned)nic >= node->nics)
        node->nics = (unsigned)nic + 1; /* nobody can say how many there are: as many as are used */
    if (nic >= 0 && (unsigned)nic < node->nics)
        return nic;
    no_port(reader, value, index, nic);
    return -1;
}

/**
 * end_text() - The text of an end
 * @reader:	Reader
 * @value:	Value
 *
 * Return: the text, NULL after a fault
 */
static const char *end_text(struct topology_reader *reader, const struct yaml_node *value)
{
    const struct yaml_pair *pair =
        value->kind == YAML_MAP && value->count == 1 ? value->pairs : NULL;

    if (pair && pair->value->kind == YAML_SCALAR) {
        _cleanup_free_ char *node = text_escape(pair->key->text, strnlen(pair->key->text, 64));
        _cleanup_free_ char *port = text_escape(pair->value->text, strnlen(pair->value->text, 64));

        fault(reader, value->at, "an end has no space after its colon: write %s:%s", node,
              *port ? port : "eth0");
        return NULL;
    }
    return yaml_text(&reader->yaml, value, "an end, such as r1:eth0,", false);
}

bool read_endpoint(struct topology_reader *reader, const struct yaml_node *value,
                   struct endpoint *ret_end)
{
    const char *text = end_text(reader, value), *colon;
    _cleanup_free_ char *shown = NULL, *name = NULL;
    ptrdiff_t node;
    int nic;

    if (!text)
        return false;
    shown = yaml_quote(value);
    colon = strchr(text, ':');
    if (!colon || colon == text || !colon[1]) {
        fault(reader, value->at, "%s is no end of a cable: write NODE:PORT, such as r1:eth0",
              shown);
        return false;
    }
    name = xstrndup(text, (size_t)(colon - text));
    node = read_find_node(reader, name);
    if (node < 0) {
        read_unknown_node(reader, value->at, name);
        return false;
    }
    nic = find_nic(reader, value, (size_t)node, colon + 1);
    if (nic < 0)
        return false;
    ret_end->node = (size_t)node;
    ret_end->nic = (unsigned)nic;
    ret_end->port = port_name(reader, (size_t)node, (unsigned)nic);
    ret_end->at = value->at;
    array_grow(reader->uses, reader->use_count, reader->use_capacity);
    reader->uses[reader->use_count++] =
        (struct nic_use){(size_t)node, (unsigned)nic, value->at, value};
    return true;
}

void read_settle_mtu(struct topology_reader *reader, const struct yaml_node *own,
                     struct location at, unsigned *mtu, const struct endpoint *ends, size_t count)
{
    if (!own)
        *mtu = reader->mtu;
    for (size_t i = 0; *mtu && i < count; i++) {
        const struct node_source *source = &reader->sources[ends[i].node];
        const struct node *node = &reader->topology->nodes[ends[i].node];

        if (!ends[i].port || !source->facts_known || *mtu <= source->facts.mtu_max)
            continue;
        if (own)
            fault(reader, own->at, "mtu: %u is more than the NIC of '%s' (image '%s') can do: %u",
                  *mtu, node->name, node->image, source->facts.mtu_max);
        else
            fault(reader, at,
                  "the lab's mtu: %u is more than the NIC of '%s' (image '%s') can do: %u; give "
                  "an 'mtu' of its own here",
                  *mtu, node->name, node->image, source->facts.mtu_max);
    }
}

/**
 * read_direction() - Read what holds for one direction only
 * @reader:	Reader
 * @key:	Its key
 * @value:	Mapping, or NULL
 * @impairment:	The direction
 */
static void read_direction(struct topology_reader *reader, const char *key,
                           const struct yaml_node *value, struct impairment *impairment)
{
    _cleanup_free_ char *what = xasprintf("'%s'", key);

    if (value && yaml_expect(&reader->yaml, value, YAML_MAP, what, NULL))
        yaml_read_map(&reader->yaml, &topology_direction_keys, impairment, value);
}

/**
 * finish_link() - Name a link and check it as a whole
 * @reader:	Reader
 * @draft:	Link
 * @known:	Both ends are
 */
static void finish_link(struct topology_reader *reader, struct link_draft *draft, bool known)
{
    const struct node *nodes = reader->topology->nodes;
    struct link *link = &draft->link;
    const struct endpoint *ends = link->ends;

    if (known && !link->name)
        link->name = xasprintf("%s:%s--%s:%s", nodes[ends[0].node].name, ends[0].port,
                               nodes[ends[1].node].name, ends[1].port);
    if (!link->name)
        link->name = xstrdup("");
    if (known)
        read_settle_mtu(reader, draft->mtu, link->at, &link->mtu, ends, 2);
    for (size_t i = 0; i < 2; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        if (impairment_check(&link->impairment[i], &err) < 0)
            fault(reader, link->at, "%s", error_message(&err));
    }
}

/**
 * read_link() - Read one entry of `links`
 * @reader:	Reader
 * @value:	[a, b] or a mapping with `ends`
 * @ret_link:	Link
 */
static void read_link(struct topology_reader *reader, const struct yaml_node *value,
                      struct link *ret_link)
{
    struct link_draft draft = {.link = {.at = value->at}};
    const struct yaml_node *ends = value;
    bool known = true;

    if (value->kind == YAML_MAP) {
        yaml_read_map(&reader->yaml, &topology_link_keys, &draft, value);
        ends = draft.ends;
        if (!ends)
            fault(reader, value->at, "the link has no ends: give 'ends: [r1:eth0, r2:eth0]'");
    }
    draft.link.down = draft.state != 0;
    draft.link.impairment[0] = draft.both;
    draft.link.impairment[1] = impairment_copy(&draft.both);
    read_direction(reader, "a_to_b", draft.a_to_b, &draft.link.impairment[0]);
    read_direction(reader, "b_to_a", draft.b_to_a, &draft.link.impairment[1]);
    if (ends &&
        yaml_expect(&reader->yaml, ends, YAML_LIST, "a link", "'- [r1:eth0, r2:eth0]' for each") &&
        ends->count == 2) {
        for (size_t i = 0; i < 2; i++)
            known &= read_endpoint(reader, ends->items[i], &draft.link.ends[i]);
    } else {
        known = false;
        if (ends && ends->kind == YAML_LIST)
            fault(reader, ends->at, "a link has two ends, here %s %zu%s",
                  ends->count == 1 ? "is" : "are", ends->count,
                  ends->count > 2 ? "; more than two are a segment, under 'lans'" : "");
    }
    finish_link(reader, &draft, known);
    *ret_link = draft.link;
}

void read_links(struct topology_reader *reader)
{
    const struct yaml_node *list = reader->links;
    struct topology *topology = reader->topology;

    if (!list || yaml_is_null(list) ||
        !yaml_expect(&reader->yaml, list, YAML_LIST, "'links'", "'- [r1:eth0, r2:eth0]' for each"))
        return;
    topology->links = xnew0(struct link, list->count + 1);
    topology->link_count = list->count;
    for (size_t i = 0; i < list->count; i++)
        read_link(reader, list->items[i], &topology->links[i]);
}
