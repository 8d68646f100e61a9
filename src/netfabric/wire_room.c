// SPDX-License-Identifier: GPL-2.0-or-later

/* Rooms that frames are read into, and in which large ones wait.
 *
 * A TCP flow of 5 Gbit/s over a link of 10 ms has 6 MB under way in a hundred frames of 64 KiB, and
 * the kernel copies each byte in and out. So rooms are cut out of blocks of the size of a huge
 * page, which the kernel is asked for: a gigabit of that flow took 58 to 65 ms of the wire's
 * processor time, where it took 67 to 84 with rooms from the heap (2 cores, kernel 6.18). What was
 * used last is used next, while it is in the cache. Blocks that nothing waits in are kept up to a
 * limit; given back and asked for again with each wave of a flow they cost a third of the wire's
 * time in page faults. */

#include <stdlib.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "netfabric/wire_link_priv.h"

/* A huge page, and aligned as one: a room's address tells its block. */
#define BLOCK_BYTES (2u << 20)
#define FRAME_BYTES (sizeof(struct virtio_net_hdr) + 66000u) /* 64 KiB, addresses, tags */
#define ROOM_BYTES  ((sizeof(struct wire_frame) + FRAME_BYTES + 63u) & ~63u)
#define KEEP_EMPTY  32u /* blocks: the frames of 100 ms at 5 Gbit/s */

/* At the beginning of each block; one that has a free room is in a list. */
struct block {
    struct block *previous, *next;
    struct wire_frame *free; /* chained by next_free */
    unsigned used;
    uint8_t rooms[] __attribute__((aligned(64)));
};

static struct block *open_blocks; /* the one used last first */
static unsigned empty_blocks;

/**
 * list_block() - A block has a free room
 * @block:	Block that had none
 */
static void list_block(struct block *block)
{
    block->previous = NULL;
    block->next = open_blocks;
    if (open_blocks)
        open_blocks->previous = block;
    open_blocks = block;
}

/**
 * unlist_block() - A block has no free room any more, or goes
 * @block:	Block in the list
 */
static void unlist_block(struct block *block)
{
    if (block->previous)
        block->previous->next = block->next;
    else
        open_blocks = block->next;
    if (block->next)
        block->next->previous = block->previous;
}

/**
 * add_block() - Ask for another block
 */
static void add_block(void)
{
    struct block *block = xaligned(BLOCK_BYTES, BLOCK_BYTES);

    (void)madvise(block, BLOCK_BYTES, MADV_HUGEPAGE); /* a wish */
    *block = (struct block){0};
    for (size_t i = (BLOCK_BYTES - sizeof(*block)) / ROOM_BYTES; i-- > 0;) {
        struct wire_frame *room = (void *)(block->rooms + i * ROOM_BYTES);

        room->next_free = block->free;
        block->free = room;
    }
    empty_blocks++;
    list_block(block);
}

struct wire_frame *wire_room(size_t *ret_size)
{
    struct wire_frame *room;
    struct block *block;

    if (!open_blocks)
        add_block();
    block = open_blocks;
    room = block->free;
    block->free = room->next_free;
    if (!block->free)
        unlist_block(block);
    if (block->used++ == 0)
        empty_blocks--;
    room->is_room = true;
    *ret_size = FRAME_BYTES;
    return room;
}

void wire_frame_free(struct wire_frame *frame)
{
    struct block *block = (void *)((uintptr_t)frame & ~(uintptr_t)(BLOCK_BYTES - 1));

    if (!frame->is_room) {
        free(frame);
        return;
    }
    if (!block->free)
        list_block(block);
    frame->next_free = block->free;
    block->free = frame;
    if (--block->used > 0)
        return;
    if (empty_blocks < KEEP_EMPTY) {
        empty_blocks++;
        return;
    }
    unlist_block(block);
    free(block);
}
