// SPDX-License-Identifier: GPL-2.0-or-later

/* IPv4, IPv6 and what is directly above: ICMP, TCP, UDP, and tunnels. */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "capture/decode_priv.h"

enum ip_protocol {
    IP_HOP_OPTIONS = 0,
    IP_ICMP = 1,
    IP_IGMP = 2,
    IP_IPV4 = 4,
    IP_TCP = 6,
    IP_UDP = 17,
    IP_IPV6 = 41,
    IP_ROUTING = 43,
    IP_FRAGMENT = 44,
    IP_RSVP = 46,
    IP_GRE = 47,
    IP_ESP = 50,
    IP_AH = 51,
    IP_ICMPV6 = 58,
    IP_NO_NEXT = 59,
    IP_DESTINATION = 60,
    IP_EIGRP = 88,
    IP_OSPF = 89,
    IP_PIM = 103,
    IP_VRRP = 112,
    IP_L2TP = 115,
    IP_SCTP = 132,
};

enum port {
    PORT_DNS = 53,
    PORT_DHCP_SERVER = 67,
    PORT_DHCP_CLIENT = 68,
    PORT_BGP = 179,
    PORT_BFD = 3784,
    PORT_BFD_ECHO = 3785,
    PORT_BFD_MULTIHOP = 4784,
    PORT_VXLAN = 4789,
};

/* Names of ports that nothing more is said of. */
static const struct {
    uint32_t port;
    const char *name;
} port_names[] = {
    {22, "SSH"},    {23, "TELNET"}, {53, "DNS"},     {69, "TFTP"},    {80, "HTTP"},
    {123, "NTP"},   {161, "SNMP"},  {162, "SNMP"},   {443, "HTTPS"},  {514, "SYSLOG"},
    {520, "RIP"},   {521, "RIPng"}, {546, "DHCPv6"}, {547, "DHCPv6"}, {646, "LDP"},
    {1985, "HSRP"}, {3785, "BFD"},  {5201, "IPERF"}, {5353, "MDNS"},
};

/**
 * port_name() - What is usually spoken at one of two ports
 * @a:		Port
 * @b:		Port
 *
 * Return: name or NULL
 */
static const char *port_name(uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < ARRAY_SIZE(port_names); i++)
        if (port_names[i].port == a || port_names[i].port == b)
            return port_names[i].name;
    return NULL;
}

/**
 * decode_icmp() - ICMP
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_icmp(struct view view, struct decode *decode)
{
    static const char *const names[] = {
        [0] = "echo reply",     [3] = "unreachable",          [5] = "redirect",
        [8] = "echo request",   [9] = "router advertisement", [10] = "router solicitation",
        [11] = "time exceeded", [12] = "parameter problem",
    };
    static const char *const why[] = {"network", "host", "protocol", "port",
                                      "needs to be fragmented"};
    uint32_t type = view_get(&view, 0, 1), code = view_get(&view, 1, 1);
    char room[16];

    decode_name(decode, "ICMP");
    decode_say(decode, "%s", decode_pick(names, ARRAY_SIZE(names), type, room, sizeof(room)));
    if (type == 0 || type == 8)
        decode_say(decode, " id %u seq %u", view_get(&view, 4, 2), view_get(&view, 6, 2));
    else if (type == 3 && code < ARRAY_SIZE(why))
        decode_say(decode, " (%s)", why[code]);
}

/**
 * decode_icmpv6() - ICMPv6, neighbour discovery and multicast listeners
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_icmpv6(struct view view, struct decode *decode)
{
    static const char *const low[] = {[1] = "unreachable",
                                      [2] = "packet too big",
                                      [3] = "time exceeded",
                                      [4] = "parameter problem"};
    static const char *const high[] = {"echo request",
                                       "echo reply",
                                       "listener query",
                                       "listener report",
                                       "listener done",
                                       "router solicitation",
                                       "router advertisement",
                                       "neighbour solicitation",
                                       "neighbour advertisement",
                                       "redirect"};
    uint32_t type = view_get(&view, 0, 1);
    char room[INET6_ADDRSTRLEN];

    decode_name(decode, "ICMPv6");
    if (type == 143)
        decode_say(decode, "listener report v2");
    else if (type >= 128)
        decode_say(decode, "%s",
                   decode_pick(high, ARRAY_SIZE(high), type - 128, room, sizeof(room)));
    else
        decode_say(decode, "%s", decode_pick(low, ARRAY_SIZE(low), type, room, sizeof(room)));
    if (type == 128 || type == 129)
        decode_say(decode, " id %u seq %u", view_get(&view, 4, 2), view_get(&view, 6, 2));
    if ((type == 135 || type == 136) && view_has(&view, 8, 16) &&
        inet_ntop(AF_INET6, view.data + 8, room, sizeof(room)))
        decode_say(decode, " %s", room);
}

/**
 * decode_tcp() - TCP, and BGP in it
 * @view:	Bytes of the segment, no more
 * @decode:	Filled
 */
static void decode_tcp(struct view view, struct decode *decode)
{
    uint32_t source = view_get(&view, 0, 2), destination = view_get(&view, 2, 2);
    uint32_t header = (view_get(&view, 12, 1) >> 4) * 4u, flags = view_get(&view, 13, 1);
    struct view payload = view_from(&view, header < 20 ? view.size : header);

    if ((source == PORT_BGP || destination == PORT_BGP) && payload.size > 0) {
        decode_bgp(payload, decode);
        return;
    }
    decode_name(decode, "TCP");
    decode_say(decode, "%u > %u [", source, destination);
    for (unsigned i = 0; i < 8; i++)
        if (flags & 1u << i)
            decode_say(decode, "%c", "FSRPAUEC"[i]);
    decode_say(decode, "] seq %u", view_get(&view, 4, 4));
    if (flags & 0x10)
        decode_say(decode, " ack %u", view_get(&view, 8, 4));
    decode_say(decode, " win %u len %zu", view_get(&view, 14, 2), payload.size);
    if (payload.size > 0 && port_name(source, destination))
        decode_say(decode, " %s", port_name(source, destination));
}

/**
 * decode_dns() - The question of a DNS message
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_dns(struct view view, struct decode *decode)
{
    size_t at = 12;

    decode_name(decode, "DNS");
    decode_say(decode, "%s ", view_get(&view, 2, 1) & 0x80 ? "answer" : "question");
    for (unsigned labels = 0; labels < 16; labels++) {
        uint32_t size = view_get(&view, at, 1);

        if (size == 0 || size > 63)
            break;
        decode_say_text(decode, &view, at + 1, size);
        decode_say(decode, ".");
        at += 1 + size;
    }
}

/**
 * decode_udp() - UDP and what is in it
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_udp(struct view view, struct decode *decode)
{
    uint32_t source = view_get(&view, 0, 2), destination = view_get(&view, 2, 2);
    struct view payload = view_from(&view, 8);
    const char *name = port_name(source, destination);

    if (destination == PORT_DHCP_SERVER || destination == PORT_DHCP_CLIENT) {
        decode_dhcp(payload, decode);
    } else if (destination == PORT_BFD || destination == PORT_BFD_MULTIHOP) {
        decode_bfd(payload, decode);
    } else if (destination == PORT_VXLAN) {
        decode_vxlan(payload, decode);
    } else if (source == PORT_DNS || destination == PORT_DNS) {
        decode_dns(payload, decode);
    } else {
        decode_name(decode, name ? name : "UDP");
        decode_say(decode, "%u > %u len %zu", source, destination, payload.size);
    }
}

/**
 * decode_gre() - GRE and what is in it
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_gre(struct view view, struct decode *decode)
{
    uint32_t flags = view_get(&view, 0, 2), type = view_get(&view, 2, 2);
    size_t at =
        4 + (flags & 0x8000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) + (flags & 0x1000 ? 4u : 0);
    struct view inner = view_from(&view, at);
    struct decode nested = {.info = ""};

    if (inner.depth++ < DECODE_DEPTH_MAX && (type == 0x0800 || type == 0x86dd)) {
        if (type == 0x0800)
            decode_ipv4(inner, &nested);
        else
            decode_ipv6(inner, &nested);
        decode_say(decode, "%s > %s %s %s", nested.source, nested.destination, nested.protocol,
                   nested.info);
    } else {
        decode_say(decode, "0x%04x", type);
    }
    decode_name(decode, "GRE");
}

/**
 * decode_tunnel() - IP in IP
 * @protocol:	IP_IPV4 or IP_IPV6
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_tunnel(uint32_t protocol, struct view view, struct decode *decode)
{
    struct decode nested = {.info = ""};

    if (view.depth++ < DECODE_DEPTH_MAX) {
        if (protocol == IP_IPV4)
            decode_ipv4(view, &nested);
        else
            decode_ipv6(view, &nested);
        decode_say(decode, "%s > %s %s %s", nested.source, nested.destination, nested.protocol,
                   nested.info);
    }
    decode_name(decode, protocol == IP_IPV4 ? "IP-in-IP" : "6in4");
}

/**
 * decode_above_ip() - What an IP packet holds
 * @protocol:	Which
 * @view:	Bytes
 * @decode:	Filled
 */
static void decode_above_ip(uint32_t protocol, struct view view, struct decode *decode)
{
    static const struct {
        uint32_t protocol;
        const char *name;
    } others[] = {{IP_IGMP, "IGMP"}, {IP_RSVP, "RSVP"},   {IP_ESP, "ESP"},   {IP_AH, "AH"},
                  {IP_PIM, "PIM"},   {IP_EIGRP, "EIGRP"}, {IP_VRRP, "VRRP"}, {IP_L2TP, "L2TP"},
                  {IP_SCTP, "SCTP"}, {IP_NO_NEXT, "IPv6"}};

    switch (protocol) {
    case IP_ICMP:
        decode_icmp(view, decode);
        return;
    case IP_ICMPV6:
        decode_icmpv6(view, decode);
        return;
    case IP_TCP:
        decode_tcp(view, decode);
        return;
    case IP_UDP:
        decode_udp(view, decode);
        return;
    case IP_OSPF:
        decode_ospf(view, decode);
        return;
    case IP_GRE:
        decode_gre(view, decode);
        return;
    case IP_IPV4:
    case IP_IPV6:
        decode_tunnel(protocol, view, decode);
        return;
    default:
        break;
    }
    (void)snprintf(decode->protocol, sizeof(decode->protocol), "IP-%u", protocol);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (others[i].protocol == protocol)
            decode_name(decode, others[i].name);
}

/**
 * set_address() - Put an address into its place
 * @family:	AF_INET or AF_INET6
 * @view:	Bytes
 * @at:		Where it begins
 * @room:	Place
 * @size:	Of @room
 */
static void set_address(int family, const struct view *view, size_t at, char *room, size_t size)
{
    if (view_has(view, at, family == AF_INET ? 4 : 16))
        (void)inet_ntop(family, view->data + at, room, (socklen_t)size);
}

void decode_ipv4(struct view view, struct decode *decode)
{
    uint32_t header = (view_get(&view, 0, 1) & 15) * 4u, length = view_get(&view, 2, 2);
    uint32_t fragment = view_get(&view, 6, 2);

    decode_name(decode, "IPv4");
    set_address(AF_INET, &view, 12, decode->source, sizeof(decode->source));
    set_address(AF_INET, &view, 16, decode->destination, sizeof(decode->destination));
    if (header < 20 || length < header || !view_has(&view, 0, header)) {
        decode_say(decode, "malformed");
        return;
    }
    if (fragment & 0x1fff) {
        decode_say(decode, "fragment of protocol %u at %u", view_get(&view, 9, 1),
                   (fragment & 0x1fff) * 8);
        return;
    }
    decode_above_ip(view_get(&view, 9, 1), view_part(&view, header, length - header), decode);
}

void decode_ipv6(struct view view, struct decode *decode)
{
    uint32_t next = view_get(&view, 6, 1), length = view_get(&view, 4, 2);
    struct view rest = view_part(&view, 40, length);

    decode_name(decode, "IPv6");
    set_address(AF_INET6, &view, 8, decode->source, sizeof(decode->source));
    set_address(AF_INET6, &view, 24, decode->destination, sizeof(decode->destination));
    if (!view_has(&view, 0, 40)) {
        decode_say(decode, "malformed");
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        size_t size;

        if (next == IP_FRAGMENT) {
            if (view_get(&rest, 2, 2) & 0xfff8) {
                decode_say(decode, "fragment of protocol %u at %u", view_get(&rest, 0, 1),
                           view_get(&rest, 2, 2) & 0xfff8);
                return;
            }
            size = 8;
        } else if (next == IP_HOP_OPTIONS || next == IP_ROUTING || next == IP_DESTINATION) {
            size = (view_get(&rest, 1, 1) + 1) * 8;
        } else {
            break;
        }
        next = view_get(&rest, 0, 1);
        rest = view_from(&rest, size);
    }
    decode_above_ip(next, rest, decode);
}
