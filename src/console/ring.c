// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Chunks start at multiples of RING_CHUNK of the stream, so the chunk of an offset is found by
 * division and a span never crosses a chunk: one span is one frame's payload. The list of chunks is
 * an array that is moved to its front when its end is reached. */

#include "console/ring_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void ring_init(struct ring *ring, uint64_t base)
{
    ring_done(ring);
    ring->base = ring->tail = ring->head = base;
}

void ring_done(struct ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        free(ring->chunks[ring->first + i]);
    free(ring->chunks);
    free(ring->spare);
    *ring = (struct ring){.count = 0};
}

/**
 * add_chunk() - Put an empty chunk at the end
 * @ring:	Ring
 */
static void add_chunk(struct ring *ring)
{
    uint8_t *chunk = ring->spare;

    ring->spare = NULL;
    if (!chunk)
        chunk = xmalloc0(RING_CHUNK, 1);
    if (ring->first + ring->count == ring->room) {
        if (ring->first > ring->room / 2) {
            memmove(ring->chunks, ring->chunks + ring->first, ring->count * sizeof(*ring->chunks));
            ring->first = 0;
        } else {
            ring->room = ring->room ? ring->room * 2 : 16;
            ring->chunks = xrealloc(ring->chunks, ring->room, sizeof(*ring->chunks));
        }
    }
    ring->chunks[ring->first + ring->count++] = chunk;
}

void ring_append(struct ring *ring, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size > 0) {
        size_t at = (size_t)(ring->head % RING_CHUNK), part = RING_CHUNK - at;

        if (at == 0 || ring->count == 0)
            add_chunk(ring);
        if (part > size)
            part = size;
        memcpy(ring->chunks[ring->first + ring->count - 1] + at, from, part);
        ring->head += part;
        from += part;
        size -= part;
    }
}

void ring_trim(struct ring *ring, uint64_t offset)
{
    while (ring->count > 0) {
        uint64_t end = ring->tail / RING_CHUNK * RING_CHUNK + RING_CHUNK;

        if (end > offset || end > ring->head)
            return;
        if (ring->spare)
            free(ring->chunks[ring->first]);
        else
            ring->spare = ring->chunks[ring->first];
        ring->first++;
        ring->count--;
        ring->tail = end;
    }
}

size_t ring_span(const struct ring *ring, uint64_t offset, const uint8_t **ret_data)
{
    uint64_t base = ring->tail / RING_CHUNK, end;

    assert(offset >= ring->tail && offset <= ring->head);
    if (offset == ring->head)
        return 0;
    end = offset / RING_CHUNK * RING_CHUNK + RING_CHUNK;
    if (end > ring->head)
        end = ring->head;
    *ret_data =
        ring->chunks[ring->first + (size_t)(offset / RING_CHUNK - base)] + offset % RING_CHUNK;
    return (size_t)(end - offset);
}

uint64_t ring_start(const struct ring *ring, uint64_t most)
{
    uint64_t start = ring->tail, escape = UINT64_MAX, letter = UINT64_MAX;

    if (most == 0)
        return ring->head;
    if (ring->head - ring->tail > most)
        start = ring->head - most;
    if (start == ring->base)
        return start; /* the stream's own beginning */
    for (uint64_t at = start; at < ring->head;) {
        const uint8_t *data;
        size_t size = ring_span(ring, at, &data);

        for (size_t i = 0; i < size; i++) {
            if (data[i] == '\n' && at + i + 1 < ring->head)
                return at + i + 1;
            if (data[i] == 0x1b && escape == UINT64_MAX)
                escape = at + i;
            if ((data[i] & 0xc0) != 0x80 && letter == UINT64_MAX)
                letter = at + i;
        }
        at += size;
    }
    if (escape != UINT64_MAX)
        return escape;
    return letter != UINT64_MAX ? letter : ring->head;
}
