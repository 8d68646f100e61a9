// SPDX-License-Identifier: GPL-2.0-or-later

/* Packet blocks in a row of chunks, oldest first. A block never crosses chunks. A chunk goes when
 * its last packet is older than the span, or when all of them together are more than the limit: so
 * both bounds hold to within a chunk, and nothing is ever moved. */

#include "capture/keep_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "capture/pcapng_priv.h"

#define CHUNK_BYTES (1u << 20) /* a block has at most 256 KiB, its comments a few KiB */

struct chunk {
    struct chunk *next;
    uint64_t last_ns;
    size_t used, room;
    uint8_t data[];
};

struct keep {
    struct chunk *first, *last;
    uint64_t span_ns;
    size_t bytes, limit;
};

struct keep *keep_new(uint64_t span_ns, size_t bytes)
{
    struct keep *keep = xnew0(struct keep, 1);

    keep->span_ns = span_ns;
    keep->limit = bytes;
    return keep;
}

void keep_set_span(struct keep *keep, uint64_t span_ns)
{
    keep->span_ns = span_ns;
}

uint64_t keep_span(const struct keep *keep)
{
    return keep->span_ns;
}

/**
 * drop_first() - Forget the oldest chunk
 * @keep:	Which has one
 */
static void drop_first(struct keep *keep)
{
    struct chunk *chunk = keep->first;

    keep->first = chunk->next;
    if (!keep->first)
        keep->last = NULL;
    keep->bytes -= chunk->room;
    free(chunk);
}

void keep_free(struct keep *keep)
{
    while (keep && keep->first)
        drop_first(keep);
    free(keep);
}

uint8_t *keep_reserve(struct keep *keep, size_t size)
{
    struct chunk *chunk = keep->last;
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

    if (chunk && chunk->room - chunk->used >= size)
        return chunk->data + chunk->used;
    while (keep->first && keep->bytes + room > keep->limit)
        drop_first(keep);
    chunk = xmalloc0(sizeof(*chunk) + room, 1);
    chunk->room = room;
    if (keep->last)
        keep->last->next = chunk;
    else
        keep->first = chunk;
    keep->last = chunk;
    keep->bytes += room;
    return chunk->data;
}

void keep_commit(struct keep *keep, size_t size, uint64_t time_ns)
{
    keep->last->used += size;
    keep->last->last_ns = time_ns;
    while (keep->first != keep->last && time_ns > keep->span_ns &&
           keep->first->last_ns < time_ns - keep->span_ns)
        drop_first(keep);
}

size_t keep_bytes(const struct keep *keep)
{
    return keep->bytes;
}

/**
 * wanted() - Is a packet part of the choice?
 * @choice:	What is wanted
 * @block:	Its block, which keep_commit() got whole
 * @packet:	The same, read
 *
 * Return: true if so
 */
static bool wanted(const struct keep_choice *choice, const uint8_t *block,
                   const struct pcapng_packet *packet)
{
    bool sent = packet->direction == PCAPNG_DIRECTION_OUTBOUND;
    enum capture_direction direction;

    if (packet->time_ns < choice->since_ns || packet->interface >= choice->interface_count ||
        choice->numbers[packet->interface] < 0)
        return false;
    direction = choice->directions[packet->interface];
    if (direction != CAPTURE_BOTH && (direction == CAPTURE_SENT) != sent)
        return false;
    return !choice->filter ||
           filter_match(choice->filter, block + PCAPNG_PACKET_DATA, packet->captured, sent);
}

void keep_write(const struct keep *keep, const struct keep_choice *choice, struct output *output,
                struct keep_written *ret_written)
{
    *ret_written = (struct keep_written){.packets = 0};
    for (const struct chunk *chunk = keep->first; chunk; chunk = chunk->next) {
        size_t size;

        for (size_t at = 0; at < chunk->used; at += size) {
            struct pcapng_packet packet;
            uint32_t number;
            uint8_t *room;

            size = pcapng_packet_get(chunk->data + at, &packet);
            if (!wanted(choice, chunk->data + at, &packet))
                continue;
            room = output_reserve(output, size);
            if (!room)
                return;
            memcpy(room, chunk->data + at, size);
            number = (uint32_t)choice->numbers[packet.interface];
            memcpy(room + PCAPNG_PACKET_INTERFACE, &number, sizeof(number));
            output_commit(output, size);
            if (!ret_written->packets++)
                ret_written->from_ns = packet.time_ns;
            ret_written->bytes += packet.original;
        }
    }
}
