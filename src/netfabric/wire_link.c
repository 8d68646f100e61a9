// SPDX-License-Identifier: GPL-2.0-or-later

/* Frames in, frames out. A frame is read into a room; if it is due at once and nothing waits before
 * it, it goes on from there (wire_output.c). Else it waits: a small one as a copy, a large one in
 * the room itself, and the next is read into another one. (A gigabyte of delayed TCP took 0.83 s of
 * a processor when each was copied, and the heap grew and shrank with the queue; it takes 0.50 s
 * now, most of it in the kernel's two copies. See also wire_room.c.) Reading is bounded per turn,
 * so that a flood on one link does not keep another one waiting.
 *
 * Frames are as on a cable wherever something is decided about each of them: the tap that they come
 * out of then claims to be able to nothing (TUNSETOFFLOAD), and the kernel segments guests'
 * super-frames and fills in checksums before they are read. Where all of them have the same fate
 * (plain, or a delay and nothing else) they need not be taken apart: the tap takes super-frames,
 * and one is carried whole, with the header that tells the other end's guest or kernel what is
 * still to be done. That is four times the TCP throughput between two guests, and as many frames
 * fewer that can fall due at one moment. They are counted as the frames that they stand for.
 *
 * When frames begin to be decided about, the tap is told first, and the super-frames that are in it
 * already pass under the old values. One that another processor is just sending comes later and is
 * then one frame, with one fate. */

#include "netfabric/wire_link_priv.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define FRAME_LEAST 60u        /* IEEE 802.3: 64 octets with the check sequence */
#define READ_TURN   WIRE_BATCH /* frames of one direction before the others get their turn */
#define KEEP_WHOLE  32000      /* bytes: larger ones are not copied to wait */
#define DRAIN_MOST  20000 /* frames that may wait in a tap; more is a guest that does not stop */
#define QUIET_NS    500000u
#define WHOLE       (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define TCP_LEAST   20u /* octets of its header */

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
 * @frame:	Frame; owned by the queue from here on
 */
static void queue_push(struct wire_queue *queue, uint64_t due_ns, struct wire_frame *frame)
{
    size_t at = queue->count;

    frame->due_ns = due_ns;
    frame->order = queue->next_order++;
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
 * take() - A frame that was read is to go on
 * @room:	Where it was read to; NULL if it is kept as it is
 * @copy:	It shall be read from there again, or a whole room is too much for it
 *
 * Return: the frame, owned
 */
static struct wire_frame *take(struct wire_frame **room, bool copy)
{
    struct wire_frame *frame = *room;

    if (!copy) {
        *room = NULL;
        return frame;
    }
    frame = xrealloc(NULL, 1, sizeof(*frame) + (*room)->size);
    memcpy(frame, *room, sizeof(*frame) + (*room)->size);
    frame->is_room = false;
    return frame;
}

/**
 * weigh() - What a frame is on a cable: one, or those that a super-frame is to be taken apart into
 * @frame:	Frame with its header; frames and bytes are filled in
 */
static void weigh(struct wire_frame *frame)
{
    struct virtio_net_hdr header;
    size_t size = frame->size - sizeof(header), head, payload;

    memcpy(&header, frame->data, sizeof(header));
    frame->frames = 1;
    frame->bytes = size;
    if (header.gso_type == VIRTIO_NET_HDR_GSO_NONE || header.gso_size == 0 ||
        (size_t)header.csum_start + TCP_LEAST > size)
        return;
    /* Each part begins with all headers, up to the end of TCP's. */
    head =
        header.csum_start + (size_t)(frame->data[sizeof(header) + header.csum_start + 12] >> 4) * 4;
    if (head >= size)
        return;
    payload = size - head;
    frame->frames = (uint32_t)((payload + header.gso_size - 1) / header.gso_size);
    frame->bytes = payload + frame->frames * head;
}

/**
 * let_due_go() - Let all go whose time has come
 * @direction:	Direction; to be flushed
 * @now_ns:	Now
 */
static void let_due_go(struct wire_direction *direction, uint64_t now_ns)
{
    struct wire_queue *queue = &direction->queue;

    while (queue->count > 0 && queue->items[0]->due_ns <= now_ns) {
        struct wire_frame *frame = queue_pop(queue);

        direction->stats.queue_frames -= frame->frames;
        direction->stats.queue_bytes -= frame->bytes;
        wire_output_put(&direction->output, frame, &direction->stats);
    }
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
 * @room:	Frame; may be changed; NULL if it went on from there
 * @now_ns:	Now
 */
static void handle(struct wire_direction *direction, struct wire_frame **room, uint64_t now_ns)
{
    struct wire_stats *stats = &direction->stats;
    struct wire_frame *frame = *room;
    uint8_t *bytes = frame->data + sizeof(struct virtio_net_hdr);
    size_t size = frame->size - sizeof(struct virtio_net_hdr);
    struct shape_verdict verdict;

    stats->frames += frame->frames;
    stats->bytes += frame->bytes;
    direction->last_ns = now_ns;
    shape_decide(&direction->shape, now_ns, bytes, size, stats->queue_bytes, &verdict);
    if (verdict.fate != SHAPE_SEND) {
        *(verdict.fate == SHAPE_LOSE ? &stats->lost : &stats->queue_dropped) += frame->frames;
        return;
    }
    stats->reordered += verdict.reordered ? frame->frames : 0;
    stats->duplicated += verdict.copies > 1 ? frame->frames : 0;
    if (verdict.corrupt_bit >= 0) {
        flip_bit(bytes, (size_t)verdict.corrupt_bit);
        stats->corrupted++;
    }
    for (unsigned i = 0; i < verdict.copies; i++) {
        bool last = i + 1 == verdict.copies;

        if (verdict.due_ns <= now_ns) {
            /* Time has gone on since the queue was looked at: who is due before goes before. */
            let_due_go(direction, verdict.due_ns);
            wire_output_put(&direction->output, take(room, !last), stats);
        } else {
            stats->queue_frames += frame->frames;
            stats->queue_bytes += frame->bytes;
            queue_push(&direction->queue, verdict.due_ns,
                       take(room, !last || frame->size < KEEP_WHOLE));
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
    const uint32_t least = sizeof(struct virtio_net_hdr) + FRAME_LEAST;
    struct wire_frame *room = NULL;
    uint64_t now_ns = wire_now();
    size_t size = 0;
    int count = 0;

    /* What is due goes before what has just come and may be due at once. */
    let_due_go(direction, now_ns);
    for (; count < most; count++) {
        ssize_t n;

        if (!room)
            room = wire_room(&size);
        do
            n = read(direction->from, room->data, size);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            break;
        room->size = (uint32_t)n;
        if (room->size < least) {
            memset(room->data + n, 0, least - room->size);
            room->size = least;
        }
        if (count > 0 && (count & 7) == 0)
            now_ns = wire_now();
        weigh(room);
        handle(direction, &room, now_ns);
    }
    if (room)
        wire_frame_free(room);
    wire_output_flush(&direction->output, &direction->stats);
    return count;
}

bool wire_link_read(struct wire_direction *direction)
{
    return read_frames(direction, READ_TURN) == READ_TURN;
}

uint64_t wire_link_write(struct wire_direction *direction, uint64_t now_ns)
{
    let_due_go(direction, now_ns);
    wire_output_flush(&direction->output, &direction->stats);
    return direction->queue.count > 0 ? direction->queue.items[0]->due_ns : UINT64_MAX;
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
        wire_output_init(&link->directions[i].output, taps[!i]);
        (void)ioctl(taps[i], TUNSETOFFLOAD, 0); /* a wire before this one may have changed it */
    }
    return link;
}

/**
 * take_whole() - Whether super-frames are to come out of a tap
 * @direction:	Direction
 * @whole:	Else the kernel takes them apart, and fills in checksums, before they are read
 *
 * A kernel that refuses goes on taking them apart.
 */
static void take_whole(struct wire_direction *direction, bool whole)
{
    if (whole == direction->whole)
        return;
    direction->whole = ioctl(direction->from, TUNSETOFFLOAD, whole ? WHOLE : 0) == 0 && whole;
    if (!whole)
        (void)read_frames(direction, DRAIN_MOST);
}

int wire_link_set(struct wire_link *link, const struct impairment impairment[static 2],
                  const bool dark[static 2], struct error *err)
{
    struct shape tried[2] = {{.key = 1}, {.key = 1}};
    int r = 0;

    /* Both filters are tried before the first direction changes. */
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = shape_set(&tried[i], &impairment[i], i, err);
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        struct wire_direction *direction = &link->directions[i];
        bool whole = shape_is_even(&tried[i]);

        direction->output.dark = dark[i];
        if (!whole)
            take_whole(direction, false);
        r = shape_set(&direction->shape, &impairment[i], i, err);
        if (whole)
            take_whole(direction, true);
    }
    shape_done(&tried[0]);
    shape_done(&tried[1]);
    return r;
}

void wire_link_free(struct wire_link *link)
{
    const struct impairment plain = {0};

    for (unsigned i = 0; i < 2; i++) {
        struct wire_direction *direction = &link->directions[i];

        (void)shape_set(&direction->shape, &plain, i, NULL);
        (void)wire_link_write(direction, UINT64_MAX);
        direction->shape.last_due_ns = 0;
        (void)read_frames(direction, DRAIN_MOST);
        free(direction->queue.items);
        shape_done(&direction->shape);
        wire_output_done(&direction->output);
    }
    (void)close(link->taps[0]);
    (void)close(link->taps[1]);
    free(link);
}
