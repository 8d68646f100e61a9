// SPDX-License-Identifier: GPL-2.0-or-later

/* Control protocols: of each message, its kind and the few values by which people follow it. */

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "capture/decode_priv.h"

void decode_ospf(struct view view, struct decode *decode)
{
    static const char *const types[] = {[1] = "hello",
                                        [2] = "database description",
                                        [3] = "link-state request",
                                        [4] = "link-state update",
                                        [5] = "link-state acknowledgement"};
    uint32_t version = view_get(&view, 0, 1), type = view_get(&view, 1, 1);
    size_t header = version == 3 ? 16 : 24;
    char room[16];

    decode_name(decode, version == 3 ? "OSPFv3" : "OSPF");
    decode_say(decode, "%s router ",
               decode_pick(types, ARRAY_SIZE(types), type, room, sizeof(room)));
    decode_say_ipv4(decode, &view, 4);
    decode_say(decode, " area ");
    decode_say_ipv4(decode, &view, 8);
    if (type == 1) {
        decode_say(decode, " dr ");
        decode_say_ipv4(decode, &view, header + 12);
        decode_say(decode, " bdr ");
        decode_say_ipv4(decode, &view, header + 16);
    } else if (type == 4) {
        decode_say(decode, " %u LSAs", view_get(&view, header, 4));
    } else if (type == 5 && view.size > header) {
        decode_say(decode, " %zu LSAs", (view.size - header) / 20);
    }
}

/**
 * say_octets() - Add an identifier of IS-IS, in groups of two bytes
 * @decode:	Filled
 * @view:	Bytes
 * @at:		Where it begins
 * @count:	Bytes
 */
static void say_octets(struct decode *decode, const struct view *view, size_t at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        decode_say(decode, "%s%02x", i && i % 2 == 0 ? "." : "", view_get(view, at + i, 1));
}

void decode_isis(struct view view, struct decode *decode)
{
    uint32_t type = view_get(&view, 4, 1) & 31;

    if (view_get(&view, 0, 1) != 0x83) {
        decode_name(decode, view_get(&view, 0, 1) == 0x82 ? "ES-IS" : "CLNP");
        return;
    }
    decode_name(decode, "IS-IS");
    switch (type) {
    case 15:
    case 16:
    case 17:
        decode_say(decode, "%s hello ", type == 15 ? "L1" : type == 16 ? "L2" : "p2p");
        say_octets(decode, &view, 9, 6);
        break;
    case 18:
    case 20:
        decode_say(decode, "L%u LSP ", type == 18 ? 1u : 2u);
        say_octets(decode, &view, 12, 6);
        decode_say(decode, ".%02x-%02x seq 0x%08x lifetime %u", view_get(&view, 18, 1),
                   view_get(&view, 19, 1), view_get(&view, 20, 4), view_get(&view, 10, 2));
        break;
    case 24:
    case 25:
        decode_say(decode, "L%u CSNP ", type - 23);
        say_octets(decode, &view, 10, 6);
        break;
    case 26:
    case 27:
        decode_say(decode, "L%u PSNP ", type - 25);
        say_octets(decode, &view, 10, 6);
        break;
    default:
        decode_say(decode, "type %u", type);
    }
}

void decode_stp(struct view view, struct decode *decode)
{
    static const char *const roles[] = {"unknown", "alternate", "root", "designated"};
    uint32_t version = view_get(&view, 2, 1), type = view_get(&view, 3, 1);
    uint32_t flags = view_get(&view, 4, 1);

    decode_name(decode, version >= 3 ? "MSTP" : version == 2 ? "RSTP" : "STP");
    if (type == 0x80) {
        decode_say(decode, "topology change notification");
        return;
    }
    decode_say(decode, "root %u/", view_get(&view, 5, 2));
    decode_say_mac(decode, &view, 7);
    decode_say(decode, " cost %u bridge %u/", view_get(&view, 13, 4), view_get(&view, 17, 2));
    decode_say_mac(decode, &view, 19);
    decode_say(decode, " port 0x%04x", view_get(&view, 25, 2));
    if (version >= 2)
        decode_say(decode, " %s%s%s", roles[flags >> 2 & 3], flags & 0x10 ? " learning" : "",
                   flags & 0x20 ? " forwarding" : "");
    if (flags & 1)
        decode_say(decode, " topology change");
}

void decode_lldp(struct view view, struct decode *decode)
{
    size_t at = 0;

    decode_name(decode, "LLDP");
    for (unsigned i = 0; i < 32; i++) {
        uint32_t head = view_get(&view, at, 2), type = head >> 9;
        struct view value = view_part(&view, at + 2, head & 511);

        if (type == 0)
            break;
        if (type == 1 || type == 2) {
            uint32_t subtype = view_get(&value, 0, 1);

            decode_say(decode, "%s ", type == 1 ? "chassis" : "port");
            if (subtype == (type == 1 ? 4 : 3))
                decode_say_mac(decode, &value, 1);
            else
                decode_say_text(decode, &value, 1, value.size);
            decode_say(decode, " ");
        } else if (type == 3) {
            decode_say(decode, "ttl %u ", view_get(&value, 0, 2));
        } else if (type == 5) {
            decode_say(decode, "name ");
            decode_say_text(decode, &value, 0, value.size);
            decode_say(decode, " ");
        }
        at += 2 + (head & 511);
    }
}

/**
 * say_lacp_side() - Add one side of a LACP message
 * @decode:	Filled
 * @name:	Which side
 * @view:	Its record, from the system's priority on
 */
static void say_lacp_side(struct decode *decode, const char *name, struct view view)
{
    uint32_t state = view_get(&view, 14, 1);

    decode_say(decode, "%s ", name);
    decode_say_mac(decode, &view, 2);
    decode_say(decode, " key %u port %u ", view_get(&view, 8, 2), view_get(&view, 12, 2));
    for (unsigned i = 0; i < 8; i++)
        if (state & 1u << i)
            decode_say(decode, "%c", "ATGSCDFE"[i]);
    decode_say(decode, " ");
}

void decode_lacp(struct view view, struct decode *decode)
{
    uint32_t subtype = view_get(&view, 0, 1);

    if (subtype != 1) {
        decode_name(decode, subtype == 2 ? "MARKER" : subtype == 3 ? "OAM" : "SLOW");
        return;
    }
    decode_name(decode, "LACP");
    say_lacp_side(decode, "actor", view_from(&view, 4));
    say_lacp_side(decode, "partner", view_from(&view, 24));
}

void decode_bgp(struct view view, struct decode *decode)
{
    static const char *const types[] = {[1] = "OPEN",
                                        [2] = "UPDATE",
                                        [3] = "NOTIFICATION",
                                        [4] = "KEEPALIVE",
                                        [5] = "ROUTE-REFRESH"};
    size_t at = 0;
    char room[16];

    decode_name(decode, "BGP");
    for (unsigned i = 0; i < 6 && view_has(&view, at, 19); i++) {
        uint32_t length = view_get(&view, at + 16, 2), type = view_get(&view, at + 18, 1);

        if (view_get(&view, at, 4) != 0xffffffff || length < 19) {
            decode_say(decode, "%scontinued", i ? ", " : "");
            return;
        }
        decode_say(decode, "%s%s", i ? ", " : "",
                   decode_pick(types, ARRAY_SIZE(types), type, room, sizeof(room)));
        if (type == 1) {
            decode_say(decode, " as %u hold %u id ", view_get(&view, at + 20, 2),
                       view_get(&view, at + 22, 2));
            decode_say_ipv4(decode, &view, at + 24);
        } else if (type == 3) {
            decode_say(decode, " %u/%u", view_get(&view, at + 19, 1), view_get(&view, at + 20, 1));
        }
        at += length;
    }
    if (at == 0)
        decode_say(decode, "continued");
}

void decode_dhcp(struct view view, struct decode *decode)
{
    static const char *const types[] = {
        [1] = "discover", [2] = "offer", [3] = "request", [4] = "decline",
        [5] = "ack",      [6] = "nak",   [7] = "release", [8] = "inform"};
    uint32_t type = 0;
    size_t at = 240;
    char room[16];

    decode_name(decode, "DHCP");
    if (view_get(&view, 236, 4) != 0x63825363) {
        decode_name(decode, "BOOTP");
        return;
    }
    for (unsigned i = 0; i < 64 && view_has(&view, at, 2); i++) {
        uint32_t option = view_get(&view, at, 1), size = view_get(&view, at + 1, 1);

        if (option == 255)
            break;
        if (option == 53)
            type = view_get(&view, at + 2, 1);
        at += option ? 2 + size : 1;
    }
    decode_say(decode, "%s ", decode_pick(types, ARRAY_SIZE(types), type, room, sizeof(room)));
    if (view_get(&view, 16, 4)) {
        decode_say_ipv4(decode, &view, 16);
        decode_say(decode, " to ");
    } else if (view_get(&view, 12, 4)) {
        decode_say_ipv4(decode, &view, 12);
        decode_say(decode, " of ");
    }
    decode_say_mac(decode, &view, 28);
}

void decode_bfd(struct view view, struct decode *decode)
{
    static const char *const states[] = {"admin down", "down", "init", "up"};
    uint32_t bits = view_get(&view, 1, 1);

    decode_name(decode, "BFD");
    decode_say(decode, "%s%s%s mine 0x%08x yours 0x%08x x%u tx %u us", states[bits >> 6],
               bits & 0x20 ? " poll" : "", bits & 0x10 ? " final" : "", view_get(&view, 4, 4),
               view_get(&view, 8, 4), view_get(&view, 2, 1), view_get(&view, 12, 4));
}

void decode_vxlan(struct view view, struct decode *decode)
{
    struct view inner = view_from(&view, 8);
    struct decode nested = {.info = ""};

    decode_name(decode, "VXLAN");
    decode_say(decode, "vni %u", view_get(&view, 4, 3));
    if (inner.size == 0 || inner.depth++ >= DECODE_DEPTH_MAX)
        return;
    decode_ethernet(inner, &nested);
    decode_say(decode, ": %s > %s %s %s", nested.source, nested.destination, nested.protocol,
               nested.info);
}
