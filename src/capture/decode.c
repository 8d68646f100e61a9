// SPDX-License-Identifier: GPL-2.0-or-later

/* Frames for people: link layer here, IP and transport in decode_ip.c, what runs above or beside
 * them in decode_protocols.c. Formats are from the standards: IEEE 802.1Q, 802.1D, 802.1AB,
 * 802.1AX, RFC 826, 791, 8200, 792, 4443, 9293, 768, 2328, 5340, 4271, 1195, 2131, 5880, 3032,
 * 7348.
 *
 * Frames are hostile. Everything is read through struct view, which gives zeros beyond the end; all
 * that is said goes through decode_say(), which stops at the end of its room; text from a frame is
 * reduced to printable ASCII. Encapsulation is followed a few levels deep only. */

#include "capture/decode_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum ether_type {
    TYPE_IPV4 = 0x0800,
    TYPE_ARP = 0x0806,
    TYPE_VLAN = 0x8100,
    TYPE_IPV6 = 0x86dd,
    TYPE_SLOW = 0x8809,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_MULTICAST = 0x8848,
    TYPE_PPPOE_DISCOVERY = 0x8863,
    TYPE_PPPOE = 0x8864,
    TYPE_EAPOL = 0x888e,
    TYPE_SERVICE_VLAN = 0x88a8,
    TYPE_LLDP = 0x88cc,
};

#define LENGTH_MOST 1500 /* a larger number there is a type */

uint32_t view_get(const struct view *view, size_t at, size_t count)
{
    uint32_t value = 0;

    if (!view_has(view, at, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | view->data[at + i];
    return value;
}

bool view_has(const struct view *view, size_t at, size_t count)
{
    return at <= view->size && count <= view->size - at;
}

struct view view_from(const struct view *view, size_t at)
{
    if (at > view->size)
        at = view->size;
    return (struct view){view->data + at, view->size - at, view->depth};
}

struct view view_part(const struct view *view, size_t at, size_t count)
{
    struct view part = view_from(view, at);

    if (part.size > count)
        part.size = count;
    return part;
}

void decode_say(struct decode *decode, const char *format, ...)
{
    size_t used = strlen(decode->info);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(decode->info + used, sizeof(decode->info) - used, format, args);
    va_end(args);
}

void decode_say_text(struct decode *decode, const struct view *view, size_t at, size_t count)
{
    for (size_t i = 0; i < count && view_has(view, at + i, 1); i++) {
        uint8_t c = view->data[at + i];

        decode_say(decode, "%c", c >= 0x20 && c < 0x7f ? c : '.');
    }
}

/**
 * format_mac() - A hardware address as text
 * @view:	Bytes
 * @at:		Where it begins
 * @room:	At least 18 bytes
 * @size:	Of @room
 */
static void format_mac(const struct view *view, size_t at, char *room, size_t size)
{
    (void)snprintf(room, size, "%02x:%02x:%02x:%02x:%02x:%02x", view_get(view, at, 1),
                   view_get(view, at + 1, 1), view_get(view, at + 2, 1), view_get(view, at + 3, 1),
                   view_get(view, at + 4, 1), view_get(view, at + 5, 1));
}

void decode_say_mac(struct decode *decode, const struct view *view, size_t at)
{
    char text[18];

    format_mac(view, at, text, sizeof(text));
    decode_say(decode, "%s", text);
}

void decode_say_ipv4(struct decode *decode, const struct view *view, size_t at)
{
    decode_say(decode, "%u.%u.%u.%u", view_get(view, at, 1), view_get(view, at + 1, 1),
               view_get(view, at + 2, 1), view_get(view, at + 3, 1));
}

void decode_name(struct decode *decode, const char *protocol)
{
    (void)snprintf(decode->protocol, sizeof(decode->protocol), "%s", protocol);
}

const char *decode_pick(const char *const *names, size_t count, uint32_t value, char *room,
                        size_t size)
{
    if (value < count && names[value])
        return names[value];
    (void)snprintf(room, size, "type %u", value);
    return room;
}

/**
 * decode_arp() - ARP and its relatives
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_arp(struct view view, struct decode *decode)
{
    uint32_t operation = view_get(&view, 6, 2);

    decode_name(decode, "ARP");
    if (view_get(&view, 2, 2) != TYPE_IPV4 || !view_has(&view, 0, 28)) {
        decode_say(decode, "operation %u", operation);
        return;
    }
    if (operation == 1 && view_get(&view, 14, 4) == view_get(&view, 24, 4)) {
        decode_say(decode, "announces ");
        decode_say_ipv4(decode, &view, 14);
    } else if (operation == 1) {
        decode_say(decode, "who has ");
        decode_say_ipv4(decode, &view, 24);
        decode_say(decode, "? asks ");
        decode_say_ipv4(decode, &view, 14);
    } else if (operation == 2) {
        decode_say_ipv4(decode, &view, 14);
        decode_say(decode, " is at ");
        decode_say_mac(decode, &view, 8);
    } else {
        decode_say(decode, "operation %u", operation);
    }
}

/**
 * decode_llc() - Frames with a length instead of a type
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_llc(struct view view, struct decode *decode)
{
    uint32_t saps = view_get(&view, 0, 2);

    if (saps == 0x4242) {
        decode_stp(view_from(&view, 3), decode);
    } else if (saps == 0xfefe) {
        decode_isis(view_from(&view, 3), decode);
    } else if (saps == 0xaaaa && view_get(&view, 3, 3) == 0x00000c) {
        uint32_t type = view_get(&view, 6, 2);

        if (type == 0x010b) {
            decode_stp(view_from(&view, 8), decode);
            decode_name(decode, "PVST+");
        } else {
            decode_name(decode, type == 0x2000 ? "CDP" : "SNAP");
        }
    } else {
        decode_name(decode, "LLC");
        decode_say(decode, "dsap 0x%02x ssap 0x%02x", saps >> 8, saps & 0xff);
    }
}

void decode_mpls(struct view view, struct decode *decode)
{
    size_t at = 0;
    bool bottom = false;
    struct view inner;

    decode_name(decode, "MPLS");
    for (unsigned i = 0; i < 8 && !bottom && view_has(&view, at, 4); i++, at += 4) {
        uint32_t entry = view_get(&view, at, 4);

        decode_say(decode, "%s%u", i ? "/" : "label ", entry >> 12);
        bottom = entry & 0x100;
    }
    decode_say(decode, ": ");
    inner = view_from(&view, at);
    if (!bottom || inner.size == 0 || inner.depth >= DECODE_DEPTH_MAX)
        return;
    inner.depth++;
    switch (view_get(&inner, 0, 1) >> 4) {
    case 4:
        decode_ipv4(inner, decode);
        break;
    case 6:
        decode_ipv6(inner, decode);
        break;
    default: /* a pseudo-wire, with its control word or without */
        if (view_get(&inner, 0, 4) == 0 && view_has(&inner, 0, 18))
            inner = view_from(&inner, 4);
        decode_ethernet(inner, decode);
    }
    decode_name(decode, "MPLS");
}

/**
 * decode_type() - What a frame's type says that it holds
 * @type:	Type
 * @view:	Bytes after it
 * @decode:	Filled
 */
static void decode_type(uint32_t type, struct view view, struct decode *decode)
{
    switch (type) {
    case TYPE_IPV4:
        decode_ipv4(view, decode);
        break;
    case TYPE_IPV6:
        decode_ipv6(view, decode);
        break;
    case TYPE_ARP:
        decode_arp(view, decode);
        break;
    case TYPE_MPLS:
    case TYPE_MPLS_MULTICAST:
        decode_mpls(view, decode);
        break;
    case TYPE_LLDP:
        decode_lldp(view, decode);
        break;
    case TYPE_SLOW:
        decode_lacp(view, decode);
        break;
    case TYPE_EAPOL:
        decode_name(decode, "EAPOL");
        break;
    case TYPE_PPPOE_DISCOVERY:
    case TYPE_PPPOE:
        decode_name(decode, "PPPoE");
        break;
    default:
        if (type <= LENGTH_MOST) {
            decode_llc(view_part(&view, 0, type), decode);
            break;
        }
        (void)snprintf(decode->protocol, sizeof(decode->protocol), "0x%04x", type);
    }
}

void decode_ethernet(struct view view, struct decode *decode)
{
    size_t at = 12;
    uint32_t type = view_get(&view, at, 2);

    if (!view_has(&view, 0, 14)) {
        decode_name(decode, "short");
        (void)snprintf(decode->source, sizeof(decode->source), "-");
        (void)snprintf(decode->destination, sizeof(decode->destination), "-");
        return;
    }
    format_mac(&view, 0, decode->destination, sizeof(decode->destination));
    format_mac(&view, 6, decode->source, sizeof(decode->source));
    while ((type == TYPE_VLAN || type == TYPE_SERVICE_VLAN) && at < 12 + 4 * 4) {
        decode_say(decode, "vlan %u ", view_get(&view, at + 2, 2) & 0xfff);
        at += 4;
        type = view_get(&view, at, 2);
    }
    decode_type(type, view_from(&view, at + 2), decode);
}

void decode_frame(const uint8_t *frame, size_t size, struct decode *ret_decode)
{
    size_t end;

    memset(ret_decode, 0, sizeof(*ret_decode));
    decode_ethernet((struct view){frame, size, 0}, ret_decode);
    for (end = strlen(ret_decode->info); end > 0 && ret_decode->info[end - 1] == ' '; end--)
        ret_decode->info[end - 1] = 0;
}
