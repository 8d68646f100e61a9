// SPDX-License-Identifier: GPL-2.0-or-later

/* A guest with offload hands over TCP or UDP "super-frames" of up to 64 KiB and leaves checksums to
 * the card; tap and redirect carry both to the next guest as they are. struct virtio_net_hdr says
 * which frames these are (virtio 1.2, 5.1.6). What a cable would carry is made here:
 *
 * - A super-frame becomes segments of gso_size bytes of payload, as the kernel or a card would cut
 *   it: IPv4 identification counts up, lengths and checksums are computed, TCP sequence numbers go
 *   on, FIN and PSH stay with the last segment, CWR with the first.
 * - A checksum marked VIRTIO_NET_HDR_F_NEEDS_CSUM is completed. The field holds the sum of the
 *   pseudo-header then, so that summing from csum_start to the end is all there is to do.
 * - A VLAN tag that the kernel took out goes back behind the addresses.
 * - A frame below 60 bytes (64 with the frame check sequence, which no capture has) is padded with
 *   zeros, as every Ethernet card does.
 *
 * Everything else stays as it is, byte for byte: a frame whose checksum is wrong and which does not
 * ask for one was broken by its sender or by an impairment, and that is what shall be seen.
 *
 * Headers come from guests. Each length is checked against the frame before use; a super-frame that
 * does not add up is passed on whole with a comment. Headers are rewritten in a buffer of our own
 * (@head), payload is never copied here. Offsets from the vnet header count without the tag, those
 * in the buffer with it. */

#include "capture/segment_priv.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FRAME_LEAST    60
#define TAG_OFFSET     12
#define TAG_SIZE       4
#define TAGS_MOST      4
#define IPV4_LEAST     20
#define IPV6_HEADER    40
#define TCP_LEAST      20
#define UDP_HEADER     8
#define TCP_SUM_OFFSET 16
#define UDP_SUM_OFFSET 6
#define TCP_FIN_PSH    0x09
#define TCP_CWR        0x80
/* Headers that are rewritten end at most here: csum_start and csum_offset have 16 bits each. */
#define HEAD_MOST (2 * 65536 + 64 + TAG_SIZE)
/* VIRTIO_NET_HDR_GSO_UDP_L4 and _GSO_ACCECN, which older headers do not name. */
#define GSO_UDP_SEGMENT 5
#define GSO_ACCECN      0x10

struct segmenter {
    struct segment_input input;
    bool whole; /* one frame goes out, not segments */
    bool done;
    const char *comment;
    size_t header_size;        /* of the input's headers, without the tag */
    size_t network, transport; /* offsets of IP and TCP or UDP header in @head */
    bool ipv6, udp;
    size_t offset;           /* payload that went out already */
    uint16_t first_id;       /* IPv4 identification of the first segment */
    uint32_t first_sequence; /* TCP sequence number of the first segment */
    uint8_t first_flags;     /* TCP flags of the super-frame */
    uint32_t number;         /* of the next segment */
    uint8_t head[HEAD_MOST];
};

struct segmenter *segmenter_new(void)
{
    return xnew0(struct segmenter, 1);
}

void segmenter_free(struct segmenter *segmenter)
{
    free(segmenter);
}

/**
 * get_u16() - Read two bytes in network order
 * @at:		Where
 *
 * Return: the value
 */
static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/**
 * put_u16() - Write two bytes in network order
 * @at:		Where
 * @value:	The value
 */
static void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/**
 * sum_bytes() - Add bytes to an Internet checksum (RFC 1071)
 * @sum:	So far; in the machine's byte order, which the sum does not mind
 * @data:	Bytes; they begin at an even place of what is summed
 * @size:	How many
 *
 * Return: the sum, not folded
 */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *data, size_t size)
{
    uint16_t last = 0;

    for (; size >= 4; data += 4, size -= 4) {
        uint32_t word;

        memcpy(&word, data, sizeof(word));
        sum += word; /* 64 KiB of these cannot overflow 64 bits */
    }
    if (size >= 2) {
        memcpy(&last, data, sizeof(last));
        sum += last;
        data += 2;
        size -= 2;
    }
    if (size) {
        last = 0;
        memcpy(&last, data, 1);
        sum += last;
    }
    return sum;
}

/**
 * sum_finish() - Fold and complement a checksum
 * @sum:	From sum_bytes()
 *
 * Return: the checksum in memory order, to be stored by memcpy()
 */
static uint16_t sum_finish(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/**
 * find_network() - Find the IP header behind Ethernet and VLAN tags
 * @input:	The frame
 * @ret_offset:	Where it begins
 *
 * Return: its EtherType, 0 if there is none
 */
static uint16_t find_network(const struct segment_input *input, size_t *ret_offset)
{
    size_t at = TAG_OFFSET;

    for (int tags = 0; tags <= TAGS_MOST && at + 2 <= input->size; tags++) {
        uint16_t type = get_u16(input->data + at);

        if (type != ETH_P_8021Q && type != ETH_P_8021AD) {
            *ret_offset = at + 2;
            return type;
        }
        at += TAG_SIZE;
    }
    return 0;
}

/**
 * ipv6_transport() - Walk the extension headers
 * @input:	The frame
 * @network:	Where its IPv6 header begins; whole
 * @end:	Where the transport header should begin
 *
 * Return: the transport protocol, -1 if the headers do not end at @end
 */
static int ipv6_transport(const struct segment_input *input, size_t network, size_t end)
{
    size_t at = network + IPV6_HEADER;
    uint8_t next = input->data[network + 6];

    while (at < end && at + 8 <= input->size) {
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
            return -1;
        next = input->data[at];
        at += ((size_t)input->data[at + 1] + 1) * 8;
    }
    return at == end ? next : -1;
}

/**
 * parse() - Find the headers of a super-frame
 * @segmenter:	Holds the input; header_size, network, transport, ipv6 and udp are set, without tag
 * @type:	VIRTIO_NET_HDR_GSO_…, without flags
 *
 * Return: NULL, or what is wrong
 */
static const char *parse(struct segmenter *segmenter, uint8_t type)
{
    const struct segment_input *input = &segmenter->input;
    size_t start = input->vnet.csum_start, network = 0;
    uint16_t ether_type = find_network(input, &network);
    const uint8_t *ip = input->data + network;
    int protocol;

    if (!(input->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || input->vnet.gso_size == 0)
        return "it says neither where to cut nor where to sum";
    if (ether_type == ETH_P_IP && network + IPV4_LEAST <= input->size && ip[0] >> 4 == 4 &&
        (ip[0] & 15) * 4 >= IPV4_LEAST && network + (size_t)(ip[0] & 15) * 4 == start)
        protocol = ip[9];
    else if (ether_type == ETH_P_IPV6 && network + IPV6_HEADER <= input->size && ip[0] >> 4 == 6)
        protocol = ipv6_transport(input, network, start);
    else
        return "no IP header leads to where its sum begins";
    segmenter->ipv6 = ether_type == ETH_P_IPV6;
    segmenter->udp = type == GSO_UDP_SEGMENT;
    if (protocol != (segmenter->udp ? IPPROTO_UDP : IPPROTO_TCP))
        return "its IP header names another protocol";
    segmenter->network = network;
    segmenter->transport = start;
    if (segmenter->udp) {
        segmenter->header_size = start + UDP_HEADER;
        if (input->vnet.csum_offset != UDP_SUM_OFFSET)
            return "its sum is not UDP's";
    } else {
        if (input->vnet.csum_offset != TCP_SUM_OFFSET)
            return "its sum is not TCP's";
        if (start + TCP_LEAST > input->size || input->data[start + 12] >> 4 < TCP_LEAST / 4)
            return "its TCP header is cut";
        segmenter->header_size = start + (size_t)(input->data[start + 12] >> 4) * 4;
    }
    if (segmenter->header_size >= input->size)
        return "it has no payload";
    return NULL;
}

/**
 * copy_head() - Copy the frame's first bytes, with the tag in its place
 * @segmenter:	Holds the input
 * @size:	Bytes of the input, at least the addresses if there is a tag
 *
 * Return: bytes in @head
 */
static size_t copy_head(struct segmenter *segmenter, size_t size)
{
    const struct segment_input *input = &segmenter->input;
    uint8_t *head = segmenter->head;

    if (!input->tagged) {
        memcpy(head, input->data, size);
        return size;
    }
    memcpy(head, input->data, TAG_OFFSET);
    put_u16(head + TAG_OFFSET, input->tpid);
    put_u16(head + TAG_OFFSET + 2, input->tci);
    memcpy(head + TAG_OFFSET + TAG_SIZE, input->data + TAG_OFFSET, size - TAG_OFFSET);
    return size + TAG_SIZE;
}

/**
 * begin_segments() - Prepare the headers that all segments begin with
 * @segmenter:	parse() was content
 */
static void begin_segments(struct segmenter *segmenter)
{
    size_t tag = segmenter->input.tagged ? TAG_SIZE : 0;
    const uint8_t *tcp;
    uint32_t sequence;

    (void)copy_head(segmenter, segmenter->header_size);
    segmenter->network += tag;
    segmenter->transport += tag;
    segmenter->offset = 0;
    segmenter->number = 0;
    segmenter->first_id = get_u16(segmenter->head + segmenter->network + 4);
    if (segmenter->udp)
        return;
    tcp = segmenter->head + segmenter->transport;
    memcpy(&sequence, tcp + 4, sizeof(sequence));
    segmenter->first_sequence = ntohl(sequence);
    segmenter->first_flags = tcp[13];
}

void segmenter_begin(struct segmenter *segmenter, const struct segment_input *input)
{
    uint8_t type = input->vnet.gso_type & (uint8_t) ~(VIRTIO_NET_HDR_GSO_ECN | GSO_ACCECN);

    segmenter->input = *input;
    segmenter->done = false;
    segmenter->whole = true;
    segmenter->comment = NULL;
    /* A tag has its place behind the addresses only. */
    if (input->size < TAG_OFFSET)
        segmenter->input.tagged = false;
    if (type == VIRTIO_NET_HDR_GSO_NONE)
        return;
    if (input->size < input->original)
        segmenter->comment = "a super-frame too long to be captured whole";
    else if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6 &&
             type != GSO_UDP_SEGMENT)
        segmenter->comment = "a super-frame of an unknown kind";
    else
        segmenter->comment = parse(segmenter, type);
    if (segmenter->comment)
        return;
    segmenter->whole = false;
    begin_segments(segmenter);
}

/**
 * pad() - Fill a frame up to the least length
 * @frame:	The frame
 */
static void pad(struct segment_frame *frame)
{
    size_t size = frame->head_size + frame->body_size + frame->missing;

    if (size < FRAME_LEAST) {
        frame->padding = FRAME_LEAST - size;
        frame->changed = true;
    }
}

/**
 * next_whole() - The one frame that is not cut
 * @segmenter:	Holds the input
 * @frame:	Filled
 */
static void next_whole(struct segmenter *segmenter, struct segment_frame *frame)
{
    const struct segment_input *input = &segmenter->input;
    size_t start = input->vnet.csum_start, field = start + input->vnet.csum_offset;
    bool sum = input->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && !segmenter->comment &&
               input->size == input->original && field + 2 <= input->size;
    size_t kept = 0;

    segmenter->done = true;
    if (sum)
        kept = field + 2;
    else if (input->tagged)
        kept = TAG_OFFSET;
    /* The sum's field may lie within the addresses if a guest wants that. */
    if (kept && input->tagged && kept < TAG_OFFSET)
        kept = TAG_OFFSET;
    *frame = (struct segment_frame){
        .head = segmenter->head,
        .head_size = kept ? copy_head(segmenter, kept) : 0,
        .body = input->data + kept,
        .body_size = input->size - kept,
        .missing = input->original - input->size,
        .changed = kept > 0,
        .comment = segmenter->comment,
    };
    if (sum) {
        uint16_t value = sum_finish(sum_bytes(0, input->data + start, input->size - start));
        size_t at = field + (input->tagged && field >= TAG_OFFSET ? TAG_SIZE : 0);

        /* Zero would mean "no checksum" in UDP; its complement is the same number. */
        if (value == 0)
            value = 0xffff;
        memcpy(segmenter->head + at, &value, sizeof(value));
    }
    pad(frame);
}

/**
 * fill_network() - Length, identification and checksum of a segment's IP header
 * @segmenter:	Holds the headers
 * @size:	Bytes from the IP header to the segment's end
 */
static void fill_network(struct segmenter *segmenter, size_t size)
{
    uint8_t *ip = segmenter->head + segmenter->network;
    uint16_t sum;

    if (segmenter->ipv6) {
        put_u16(ip + 4, (uint16_t)(size - IPV6_HEADER));
        return;
    }
    put_u16(ip + 2, (uint16_t)size);
    put_u16(ip + 4, (uint16_t)(segmenter->first_id + segmenter->number));
    memset(ip + 10, 0, 2);
    sum = sum_finish(sum_bytes(0, ip, segmenter->transport - segmenter->network));
    memcpy(ip + 10, &sum, sizeof(sum));
}

/**
 * fill_transport() - Sequence, flags and checksum of a segment's TCP or UDP header
 * @segmenter:	Holds the headers
 * @header_size:	Bytes of headers, with tag
 * @body:	The segment's payload
 * @body_size:	Bytes of it
 * @last:	No segment follows
 */
static void fill_transport(struct segmenter *segmenter, size_t header_size, const uint8_t *body,
                           size_t body_size, bool last)
{
    uint8_t *ip = segmenter->head + segmenter->network;
    uint8_t *transport = segmenter->head + segmenter->transport;
    size_t size = header_size - segmenter->transport + body_size;
    uint8_t *field = transport + (segmenter->udp ? UDP_SUM_OFFSET : TCP_SUM_OFFSET);
    uint32_t length = htonl((uint32_t)size);
    uint16_t protocol = htons(segmenter->udp ? IPPROTO_UDP : IPPROTO_TCP), value;
    uint64_t sum;

    if (segmenter->udp) {
        put_u16(transport + 4, (uint16_t)size);
    } else {
        uint32_t sequence = htonl(segmenter->first_sequence + (uint32_t)segmenter->offset);

        memcpy(transport + 4, &sequence, sizeof(sequence));
        transport[13] = segmenter->first_flags;
        if (!last)
            transport[13] &= (uint8_t)~TCP_FIN_PSH;
        if (segmenter->number > 0 && !(segmenter->input.vnet.gso_type & GSO_ACCECN))
            transport[13] &= (uint8_t)~TCP_CWR;
    }
    memset(field, 0, 2);
    sum = segmenter->ipv6 ? sum_bytes(0, ip + 8, 32) : sum_bytes(0, ip + 12, 8);
    sum = sum_bytes(sum, (const uint8_t *)&length, sizeof(length));
    sum = sum_bytes(sum, (const uint8_t *)&protocol, sizeof(protocol));
    sum = sum_bytes(sum, transport, header_size - segmenter->transport);
    sum = sum_bytes(sum, body, body_size);
    value = sum_finish(sum);
    if (value == 0 && segmenter->udp)
        value = 0xffff;
    memcpy(field, &value, sizeof(value));
}

bool segmenter_next(struct segmenter *segmenter, struct segment_frame *ret_frame)
{
    const struct segment_input *input = &segmenter->input;
    size_t tag = input->tagged ? TAG_SIZE : 0, header_size, left, size;

    if (segmenter->done)
        return false;
    if (segmenter->whole) {
        next_whole(segmenter, ret_frame);
        return true;
    }
    header_size = segmenter->header_size + tag;
    left = input->size - segmenter->header_size - segmenter->offset;
    size = left < input->vnet.gso_size ? left : input->vnet.gso_size;
    *ret_frame = (struct segment_frame){
        .head = segmenter->head,
        .head_size = header_size,
        .body = input->data + segmenter->header_size + segmenter->offset,
        .body_size = size,
        .changed = true,
    };
    fill_network(segmenter, header_size - segmenter->network + size);
    fill_transport(segmenter, header_size, ret_frame->body, size, size == left);
    pad(ret_frame);
    segmenter->offset += size;
    segmenter->number++;
    segmenter->done = size == left;
    return true;
}
