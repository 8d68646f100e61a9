// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The last bytes of an endless stream, addressed by their offset in it. Memory comes in chunks as
 * it fills and goes as it is trimmed. */

#include <stddef.h>
#include <stdint.h>

#define RING_CHUNK 4096

struct ring {
    uint8_t **chunks; /* chunks[first..first + count - 1], each RING_CHUNK bytes, owned */
    size_t first, count, room;
    uint64_t base;  /* offset of the first byte there ever was */
    uint64_t tail;  /* offset of the oldest byte kept; in the first chunk */
    uint64_t head;  /* offset after the newest byte */
    uint8_t *spare; /* one chunk kept for the next need, or NULL */
};

/* ring_init() - An empty ring whose first byte will have the offset @base. */
void ring_init(struct ring *ring, uint64_t base);
void ring_done(struct ring *ring);
/* ring_append() - Add bytes; nothing is dropped. */
void ring_append(struct ring *ring, const void *data, size_t size);
/* ring_trim() - Drop whole chunks that end at or before @offset. */
void ring_trim(struct ring *ring, uint64_t offset);
/* ring_span() - Bytes from @offset on that lie together. Return: how many (0 at the head) */
size_t ring_span(const struct ring *ring, uint64_t offset, const uint8_t **ret_data);
/* ring_start() - Where to begin a replay of at most @most bytes: after a line's end if there is
 * one, else at an escape, else at a whole character. */
uint64_t ring_start(const struct ring *ring, uint64_t most);
