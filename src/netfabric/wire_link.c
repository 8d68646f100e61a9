// SPDX-License-Identifier: GPL-2.0-or-later

/* Frames in, frames out. A frame is read into one buffer; if it is due at once and nothing waits
 * before it, it is written from there, else it is copied once and waits. Reading is bounded per
 * turn, so that a flood on one link does not keep another one waiting. */

#include "netfabric/wire_link_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define FRAME_ROOM  65550u
#define FRAME_LEAST 60u   /* IEEE 802.3: 64 octets with the check sequence */
#define READ_TURN   64    /* frames of one direction before the others get their turn */
#define DRAIN_MOST  20000 /* frames that may wait in a tap; more is a guest that does not stop */
#define QUIET_NS    500000u

uint64_t wire_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/**
 * before() - Whether a frame leaves before another
 * @a:		Frame
 * @b:		Frame
 */
static bool before(const struct wire_frame *a, const struct wire_frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/**
 * queue_push() - Let a frame wait
 * @queue:	Queue
 * @due_ns:	Until when
 * @data:	Its bytes; copied
 * @size:	How many
 */
static void queue_push(struct wire_queue *queue, uint64_t due_ns, const void *data, size_t size)
{
    struct wire_frame *frame = xmalloc0(1, sizeof(*frame) + size);
    size_t at = queue->count;

    frame->due_ns = due_ns;
    frame->order = queue->next_order++;
    frame->size = (uint32_t)size;
    memcpy(frame->data, data, size);
    array_grow(queue->items, queue->count, queue->capacity);
    queue->count++;
    while (at > 0 && before(frame, queue->items[(at - 1) / 2])) {
        queue->items[at] = queue->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->items[at] = frame;
}

/**
 * queue_pop() - Take the first frame out
 * @queue:	Queue that is not empty
 *
 * Return: frame, owned
 */
static struct wire_frame *queue_pop(struct wire_queue *queue)
{
    struct wire_frame *first = queue->items[0], *last = queue->items[--queue->count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && before(queue->items[child + 1], queue->items[child]))
            child++;
        if (before(last, queue->items[child]))
            break;
        queue->items[at] = queue->items[child];
        at = child;
    }
    if (queue->count > 0)
        queue->items[at] = last;
    return first;
}

/**
 * put_frame() - Write a frame to the other side
 * @direction:	Direction
 * @data:	Its bytes
 * @size:	How many
 *
 * A tap takes every frame that is written to it, or none is ever taken: there is no waiting. What
 * the kernel has no memory for is lost as in an interface without buffers.
 */
static void put_frame(struct wire_direction *direction, const void *data, size_t size)
{
    ssize_t n;

    do
        n = write(direction->to, data, size);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        direction->stats.queue_dropped++;
        return;
    }
    direction->stats.sent_frames++;
    direction->stats.sent_bytes += size;
}

/**
 * flip_bit() - Corrupt a frame
 * @frame:	Its bytes
 * @bit:	Which one, counted from the first byte's highest
 */
static void flip_bit(uint8_t *frame, size_t bit)
{
    frame[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
}

/**
 * handle() - One frame has come
 * @direction:	Direction
 * @frame:	Its bytes; may be changed
 * @size:	How many
 * @now_ns:	Now
 */
static void handle(struct wire_direction *direction, uint8_t *frame, size_t size, uint64_t now_ns)
{
    struct wire_stats *stats = &direction->stats;
    struct shape_verdict verdict;

    stats->frames++;
    stats->bytes += size;
    direction->last_ns = now_ns;
    shape_decide(&direction->shape, now_ns, frame, size, stats->queue_bytes, &verdict);
    if (verdict.fate != SHAPE_SEND) {
        *(verdict.fate == SHAPE_LOSE ? &stats->lost : &stats->queue_dropped) += 1;
        return;
    }
    stats->reordered += verdict.reordered;
    stats->duplicated += verdict.copies > 1;
    if (verdict.corrupt_bit >= 0) {
        flip_bit(frame, (size_t)verdict.corrupt_bit);
        stats->corrupted++;
    }
    for (unsigned i = 0; i < verdict.copies; i++) {
        if (verdict.due_ns <= now_ns) {
            /* Time has gone on since the queue was looked at: who is due before goes before. */
            if (direction->queue.count > 0)
                (void)wire_link_write(direction, verdict.due_ns);
            put_frame(direction, frame, size);
        } else {
            queue_push(&direction->queue, verdict.due_ns, frame, size);
            stats->queue_frames++;
            stats->queue_bytes += size;
        }
    }
}

/**
 * read_frames() - Take what has come
 * @direction:	Direction
 * @most:	Most frames
 *
 * Return: frames taken
 */
static int read_frames(struct wire_direction *direction, int most)
{
    static uint8_t frame[FRAME_ROOM];
    uint64_t now_ns = wire_now();
    int count = 0;

    /* What is due goes before what has just come and may be due at once. */
    (void)wire_link_write(direction, now_ns);
    for (; count < most; count++) {
        ssize_t n = read(direction->from, frame, sizeof(frame));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (n < FRAME_LEAST) {
            memset(frame + n, 0, FRAME_LEAST - (size_t)n);
            n = FRAME_LEAST;
        }
        if (count > 0 && (count & 7) == 0)
            now_ns = wire_now();
        handle(direction, frame, (size_t)n, now_ns);
    }
    return count;
}

bool wire_link_read(struct wire_direction *direction)
{
    return read_frames(direction, READ_TURN) == READ_TURN;
}

uint64_t wire_link_write(struct wire_direction *direction, uint64_t now_ns)
{
    struct wire_queue *queue = &direction->queue;

    while (queue->count > 0 && queue->items[0]->due_ns <= now_ns) {
        struct wire_frame *frame = queue_pop(queue);

        direction->stats.queue_frames--;
        direction->stats.queue_bytes -= frame->size;
        put_frame(direction, frame->data, frame->size);
        free(frame);
    }
    return queue->count > 0 ? queue->items[0]->due_ns : UINT64_MAX;
}

bool wire_link_idle(const struct wire_link *link)
{
    uint64_t now_ns = wire_now();

    for (int i = 0; i < 2; i++) {
        const struct wire_direction *direction = &link->directions[i];
        struct pollfd item = {.fd = direction->from, .events = POLLIN};

        if (direction->queue.count > 0 || now_ns - direction->last_ns < QUIET_NS ||
            poll(&item, 1, 0) != 0)
            return false;
    }
    return true;
}

struct wire_link *wire_link_new(uint32_t number, const int taps[static 2])
{
    struct wire_link *link = xnew0(struct wire_link, 1);

    link->number = number;
    for (int i = 0; i < 2; i++) {
        link->taps[i] = taps[i];
        link->directions[i].from = taps[i];
        link->directions[i].to = taps[!i];
    }
    return link;
}

int wire_link_set(struct wire_link *link, const struct impairment impairment[static 2],
                  struct error *err)
{
    struct shape tried = {.key = 1};
    int r;

    /* Both filters are tried before the first direction changes. */
    r = shape_set(&tried, &impairment[1], 1, err);
    shape_done(&tried);
    if (r == 0)
        r = shape_set(&link->directions[0].shape, &impairment[0], 0, err);
    if (r == 0)
        r = shape_set(&link->directions[1].shape, &impairment[1], 1, err);
    return r;
}

void wire_link_free(struct wire_link *link)
{
    const struct impairment plain[2] = {0};

    (void)wire_link_set(link, plain, NULL);
    for (int i = 0; i < 2; i++) {
        struct wire_direction *direction = &link->directions[i];

        (void)wire_link_write(direction, UINT64_MAX);
        direction->shape.last_due_ns = 0;
        (void)read_frames(direction, DRAIN_MOST);
        free(direction->queue.items);
        shape_done(&direction->shape);
    }
    (void)close(link->taps[0]);
    (void)close(link->taps[1]);
    free(link);
}
