// SPDX-License-Identifier: GPL-2.0-or-later

/* What joins more than two NICs or leads out of the lab: segments (`lans`) and uplinks. */

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/read_priv.h"

enum { VNI_MAX = (1 << 24) - 1 };

struct lan_draft {
    unsigned mtu;
    const struct yaml_node *ends, *mtu_at;
};

struct uplink_draft {
    struct uplink uplink;
    unsigned type; /* index into type_words */
    const struct yaml_node *ends, *type_at, *forward;
};

static const char *const type_words[] = {[UPLINK_NAT] = "nat",
                                         [UPLINK_BRIDGE] = "bridge",
                                         [UPLINK_PHYSICAL] = "physical",
                                         [UPLINK_VXLAN] = "vxlan",
                                         NULL};
static_assert(ARRAY_SIZE(type_words) == UPLINK_VXLAN + 2, "one word for each type");

static YAML_READER(read_lan_mtu);
static YAML_READER(read_type);
static YAML_READER(read_interface);
static YAML_READER(read_remote);

static const struct yaml_key lan_keys[] = {
    {.name = "ends", .read = read_keep, .offset = offsetof(struct lan_draft, ends)},
    {.name = "mtu",
     .read = read_lan_mtu,
     .offset = offsetof(struct lan_draft, mtu),
     .least = MTU_MIN,
     .most = MTU_MAX},
};
const struct yaml_keys topology_lan_keys = {"lan", lan_keys, ARRAY_SIZE(lan_keys)};

#define UPLINK(field) .offset = offsetof(struct uplink_draft, field)

static const struct yaml_key uplink_keys[] = {
    {.name = "type", .read = read_type, UPLINK(type), .words = type_words},
    {.name = "ends", .read = read_keep, UPLINK(ends)},
    {.name = "interface", .read = read_interface, UPLINK(uplink.interface)},
    {.name = "forward", .read = read_keep, UPLINK(forward)},
    {.name = "remote", .read = read_remote, UPLINK(uplink.remote)},
    {.name = "vni", .read = yaml_read_unsigned, UPLINK(uplink.vni), .least = 1, .most = VNI_MAX},
};
const struct yaml_keys topology_uplink_keys = {"uplink", uplink_keys, ARRAY_SIZE(uplink_keys)};

/* Which keys belong to which types of uplink. */
static const struct {
    const char *key;
    unsigned types; /* bits by enum uplink_type */
    bool required;
} type_rules[] = {
    {"interface", 1u << UPLINK_BRIDGE | 1u << UPLINK_PHYSICAL, true},
    {"forward", 1u << UPLINK_NAT, false},
    {"remote", 1u << UPLINK_VXLAN, true},
    {"vni", 1u << UPLINK_VXLAN, true},
};

/**
 * read_lan_mtu() - Read an MTU and keep where it stands
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of a segment
 * @value:	Value
 */
static YAML_READER(read_lan_mtu)
{
    struct lan_draft *draft = target;

    draft->mtu_at = value;
    yaml_read_unsigned(reader, key, target, value);
}

/**
 * read_type() - Read an uplink's type and keep that it is known
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of an uplink
 * @value:	Value
 */
static YAML_READER(read_type)
{
    struct uplink_draft *draft = target;
    size_t faults = reader->diagnostics->count + reader->diagnostics->dropped;

    yaml_read_word(reader, key, target, value);
    if (faults == reader->diagnostics->count + reader->diagnostics->dropped)
        draft->type_at = value;
}

/**
 * read_interface() - Read the name of an interface of the host
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of an uplink
 * @value:	Value
 */
static YAML_READER(read_interface)
{
    struct uplink_draft *draft = target;
    const char *text = yaml_text(reader, value, "'interface'", false);
    _cleanup_free_ char *shown = NULL;

    (void)key;
    if (!text)
        return;
    if (strlen(text) < IFNAMSIZ && !strpbrk(text, "/: \t") && strcmp(text, ".") != 0 &&
        strcmp(text, "..") != 0) {
        free(draft->uplink.interface);
        draft->uplink.interface = xstrdup(text);
        return;
    }
    shown = yaml_quote(value);
    diagnostics_add(reader->diagnostics, value->at,
                    "interface: %s is no name of an interface: 1 to %d characters, no '/', ':' or "
                    "space",
                    shown, IFNAMSIZ - 1);
}

/**
 * read_remote() - Read the address of a VXLAN peer
 * @reader:	Reader
 * @key:	Key
 * @target:	Draft of an uplink
 * @value:	Value
 */
static YAML_READER(read_remote)
{
    struct uplink_draft *draft = target;
    const char *text = yaml_text(reader, value, "'remote'", false);
    _cleanup_free_ char *shown = NULL;
    struct in6_addr address;

    (void)key;
    if (!text)
        return;
    if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1) {
        free(draft->uplink.remote);
        draft->uplink.remote = xstrdup(text);
        return;
    }
    shown = yaml_quote(value);
    diagnostics_add(reader->diagnostics, value->at, "remote: %s is no IPv4 or IPv6 address", shown);
}

void read_endpoints(struct topology_reader *reader, const struct yaml_node *list, const char *what,
                    struct endpoint **ret_ends, size_t *ret_count)
{
    struct endpoint *ends;
    size_t count = 0;

    if (!yaml_expect(&reader->yaml, list, YAML_LIST, what, "[r1:eth0, r2:eth0]"))
        return;
    if (!list->count)
        fault(reader, list->at, "%s has no ends: give at least one, such as [r1:eth0]", what);
    ends = xnew0(struct endpoint, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        count += read_endpoint(reader, list->items[i], &ends[count]);
    *ret_ends = ends;
    *ret_count = count;
}

/**
 * entry_name() - Check the name of a segment or uplink
 * @reader:	Reader
 * @pair:	Name and value
 * @kind:	"LAN" or "uplink"
 *
 * Return: true if the entry can be taken in
 */
static bool entry_name(struct topology_reader *reader, const struct yaml_pair *pair,
                       const char *kind)
{
    _cleanup_free_ char *shown = yaml_quote(pair->key);

    if (!text_is_name(pair->key->text)) {
        fault(reader, pair->key->at,
              "%s is no name for a %s: 1 to 63 letters, digits, '.', '_' and '-', the first one a "
              "letter or digit",
              shown, kind);
        return false;
    }
    if (pair->first) {
        fault(reader, pair->key->at, "%s %s is given twice, first on line %u", kind, shown,
              pair->first->at.line);
        return false;
    }
    return true;
}

/**
 * add_lan() - Read one segment
 * @reader:	Reader
 * @pair:	Its name and its ends, or a mapping with `ends`
 */
static void add_lan(struct topology_reader *reader, const struct yaml_pair *pair)
{
    struct lan *lan = &reader->topology->lans[reader->topology->lan_count];
    const struct yaml_node *ends = pair->value;
    struct lan_draft draft = {.mtu = 0};
    _cleanup_free_ char *what = NULL;

    if (!entry_name(reader, pair, "LAN"))
        return;
    reader->topology->lan_count++;
    lan->name = xstrdup(pair->key->text);
    lan->at = pair->key->at;
    what = xasprintf("LAN '%s'", lan->name);
    if (ends->kind == YAML_MAP) {
        yaml_read_map(&reader->yaml, &topology_lan_keys, &draft, ends);
        ends = draft.ends;
        if (!ends)
            fault(reader, pair->value->at,
                  "%s has no ends: give at least one, such as 'ends: "
                  "[r1:eth0]'",
                  what);
    }
    if (ends)
        read_endpoints(reader, ends, what, &lan->ends, &lan->end_count);
    lan->mtu = draft.mtu;
    read_settle_mtu(reader, draft.mtu_at, lan->at, &lan->mtu, lan->ends, lan->end_count);
}

void read_lans(struct topology_reader *reader)
{
    const struct yaml_node *map = reader->lans;

    if (!map || yaml_is_null(map) ||
        !yaml_expect(&reader->yaml, map, YAML_MAP, "'lans'", "'NAME: [r1:eth0, r2:eth0]' for each"))
        return;
    reader->topology->lans = xnew0(struct lan, map->count + 1);
    for (size_t i = 0; i < map->count; i++)
        add_lan(reader, &map->pairs[i]);
}

/**
 * parse_host_port() - Check "ADDRESS:PORT" or "NAME:PORT"
 * @text:	Text
 * @size:	How much of it
 * @ret_host:	What stands before the last colon, without brackets
 * @ret_port:	The port
 *
 * Return: true if the port is one
 */
static bool parse_host_port(const char *text, size_t size, char **ret_host, uint16_t *ret_port)
{
    _cleanup_free_ char *copy = xstrndup(text, size);
    char *colon = strrchr(copy, ':');
    int64_t port = 0;

    if (!colon || units_parse_integer(colon + 1, 1, 65535, &port, NULL) < 0)
        return false;
    *colon = 0;
    *ret_port = (uint16_t)port;
    if (copy[0] == '[' && colon > copy + 1 && colon[-1] == ']') {
        colon[-1] = 0;
        *ret_host = xstrdup(copy + 1);
    } else {
        *ret_host = steal_ptr(copy);
    }
    return true;
}

/**
 * find_uplink_end() - Which end of an uplink is at this node
 * @uplink:	Uplink
 * @node:	Index of the node
 *
 * Return: index of the first such end, -1: none is
 */
static ptrdiff_t find_uplink_end(const struct uplink *uplink, size_t node)
{
    for (size_t i = 0; i < uplink->end_count; i++)
        if (uplink->ends[i].node == node)
            return (ptrdiff_t)i;
    return -1;
}

/**
 * read_forward() - Read one port forward: "[tcp:|udp:]ADDRESS:PORT -> NODE:PORT"
 * @reader:	Reader
 * @uplink:	Its uplink
 * @value:	Value
 */
static void read_forward(struct topology_reader *reader, struct uplink *uplink,
                         const struct yaml_node *value)
{
    const char *text = yaml_text(&reader->yaml, value, "a forward", false), *arrow, *from;
    _cleanup_free_ char *shown = NULL, *listen = NULL, *name = NULL;
    size_t from_size;
    struct in6_addr address;
    uint16_t port = 0, guest_port = 0;
    ptrdiff_t node;

    if (!text)
        return;
    shown = yaml_quote(value);
    from = strncmp(text, "tcp:", 4) == 0 || strncmp(text, "udp:", 4) == 0 ? text + 4 : text;
    arrow = strstr(from, " -> ");
    from_size = arrow ? (size_t)(arrow - from) : 0;
    if (!arrow || !parse_host_port(from, from_size, &listen, &port) ||
        !parse_host_port(arrow + 4, strlen(arrow + 4), &name, &guest_port)) {
        fault(reader, value->at,
              "forward: %s is not of the form 'ADDRESS:PORT -> NODE:PORT', such as "
              "'127.0.0.1:2201 -> r1:22' (udp: before it for UDP)",
              shown);
        return;
    }
    if (inet_pton(AF_INET, listen, &address) != 1 && inet_pton(AF_INET6, listen, &address) != 1) {
        fault(reader, value->at, "forward: %s: before '->' stands an address of this host", shown);
        return;
    }
    node = read_find_node(reader, name);
    if (node < 0) {
        read_unknown_node(reader, value->at, name);
    } else if (find_uplink_end(uplink, (size_t)node) < 0) {
        fault(reader, value->at, "forward: %s: node '%s' is no end of uplink '%s'", shown, name,
              uplink->name);
    } else {
        uplink->forwards[uplink->forward_count++] =
            (struct forward){.text = xstrdup(text),
                             .udp = text[0] == 'u',
                             .address = steal_ptr(listen),
                             .port = port,
                             .end = (size_t)find_uplink_end(uplink, (size_t)node),
                             .guest_port = guest_port};
    }
}

/**
 * check_type() - Check that an uplink has the keys of its type and no others
 * @reader:	Reader
 * @draft:	Uplink
 * @map:	Its mapping
 */
static void check_type(struct topology_reader *reader, const struct uplink_draft *draft,
                       const struct yaml_node *map)
{
    if (!yaml_map_get(map, "type"))
        fault(reader, draft->uplink.at,
              "uplink '%s' has no type: give 'type: nat', bridge, physical or vxlan",
              draft->uplink.name);
    if (!draft->type_at)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(type_rules); i++) {
        const struct yaml_node *value = yaml_map_get(map, type_rules[i].key);
        bool fits = type_rules[i].types & 1u << draft->type;

        if (value && !fits)
            fault(reader, value->at, "'%s' does not belong to an uplink of type %s",
                  type_rules[i].key, type_words[draft->type]);
        else if (!value && fits && type_rules[i].required)
            fault(reader, draft->uplink.at, "uplink '%s' of type %s needs '%s'", draft->uplink.name,
                  type_words[draft->type], type_rules[i].key);
    }
}

/**
 * read_forwards() - Read the port forwards of an uplink
 * @reader:	Reader
 * @uplink:	Uplink, whose ends are known
 * @list:	List
 */
static void read_forwards(struct topology_reader *reader, struct uplink *uplink,
                          const struct yaml_node *list)
{
    if (!yaml_expect(&reader->yaml, list, YAML_LIST, "'forward'", NULL))
        return;
    uplink->forwards = xnew0(struct forward, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        read_forward(reader, uplink, list->items[i]);
}

/**
 * add_uplink() - Read one uplink
 * @reader:	Reader
 * @pair:	Its name and mapping
 */
static void add_uplink(struct topology_reader *reader, const struct yaml_pair *pair)
{
    struct uplink_draft draft = {.ends = NULL};
    struct uplink *uplink = &draft.uplink;
    _cleanup_free_ char *what = NULL;

    if (!entry_name(reader, pair, "uplink"))
        return;
    what = xasprintf("uplink '%s'", pair->key->text);
    if (!yaml_expect(&reader->yaml, pair->value, YAML_MAP, what, "{type: nat, ends: [r1:eth0]}"))
        return;
    uplink->name = xstrdup(pair->key->text);
    uplink->at = pair->key->at;
    yaml_read_map(&reader->yaml, &topology_uplink_keys, &draft, pair->value);
    uplink->type = (enum uplink_type)draft.type;
    check_type(reader, &draft, pair->value);
    if (draft.ends)
        read_endpoints(reader, draft.ends, what, &uplink->ends, &uplink->end_count);
    else
        fault(reader, pair->key->at, "%s has no ends: give at least one, such as 'ends: [r1:eth0]'",
              what);
    if (draft.forward)
        read_forwards(reader, uplink, draft.forward);
    reader->topology->uplinks[reader->topology->uplink_count++] = *uplink;
}

void read_uplinks(struct topology_reader *reader)
{
    const struct yaml_node *map = reader->uplinks;

    if (!map || yaml_is_null(map) ||
        !yaml_expect(&reader->yaml, map, YAML_MAP, "'uplinks'",
                     "'NAME: {type: nat, ends: [r1:eth0]}' for each"))
        return;
    reader->topology->uplinks = xnew0(struct uplink, map->count + 1);
    for (size_t i = 0; i < map->count; i++)
        add_uplink(reader, &map->pairs[i]);
}
