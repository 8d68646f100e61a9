// SPDX-License-Identifier: GPL-2.0-or-later

/* Frames in, frames out. A frame is read into one buffer; if it is due at once and nothing waits
 * before it, it is written from there, else it is copied once and waits. Reading is bounded per
 * turn, so that a flood on one link does not keep another one waiting.
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

#define FRAME_ROOM  (sizeof(struct virtio_net_hdr) + 66000u) /* 64 KiB, addresses, tags */
#define FRAME_LEAST 60u   /* IEEE 802.3: 64 octets with the check sequence */
#define READ_TURN   64    /* frames of one direction before the others get their turn */
#define DRAIN_MOST  20000 /* frames that may wait in a tap; more is a guest that does not stop */
#define QUIET_NS    500000u
#define WHOLE       (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define TCP_LEAST   20u /* octets of its header */

/* A frame as it came from a tap. */
struct packet {
    uint8_t *data;   /* header of the tap, then the frame */
    uint32_t size;   /* of both */
    uint32_t frames; /* that it stands for on a cable, … */
    uint64_t bytes;  /* … and theirs */
};

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
 * @packet:	Frame; copied
 */
static void queue_push(struct wire_queue *queue, uint64_t due_ns, const struct packet *packet)
{
    struct wire_frame *frame = xrealloc(NULL, 1, sizeof(*frame) + packet->size);
    size_t at = queue->count;

    frame->due_ns = due_ns;
    frame->order = queue->next_order++;
    frame->size = packet->size;
    frame->frames = packet->frames;
    frame->bytes = packet->bytes;
    memcpy(frame->data, packet->data, packet->size);
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
 * weigh() - What a frame is on a cable: one, or those that a super-frame is to be taken apart into
 * @packet:	Frame with its header; frames and bytes are filled in
 */
static void weigh(struct packet *packet)
{
    struct virtio_net_hdr header;
    size_t size = packet->size - sizeof(header), head, payload;

    memcpy(&header, packet->data, sizeof(header));
    packet->frames = 1;
    packet->bytes = size;
    if (header.gso_type == VIRTIO_NET_HDR_GSO_NONE || header.gso_size == 0 ||
        (size_t)header.csum_start + TCP_LEAST > size)
        return;
    /* Each part begins with all headers, up to the end of TCP's. */
    head = header.csum_start +
           (size_t)(packet->data[sizeof(header) + header.csum_start + 12] >> 4) * 4;
    if (head >= size)
        return;
    payload = size - head;
    packet->frames = (uint32_t)((payload + header.gso_size - 1) / header.gso_size);
    packet->bytes = payload + packet->frames * head;
}

/**
 * put_frame() - Write a frame to the other side
 * @direction:	Direction
 * @packet:	Frame
 *
 * A tap takes every frame that is written to it, or none is ever taken: there is no waiting. What
 * the kernel has no memory for is lost as in an interface without buffers.
 */
static void put_frame(struct wire_direction *direction, const struct packet *packet)
{
    ssize_t n;

    do
        n = write(direction->to, packet->data, packet->size);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        direction->stats.queue_dropped += packet->frames;
        return;
    }
    direction->stats.sent_frames += packet->frames;
    direction->stats.sent_bytes += packet->bytes;
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
 * @packet:	Frame; may be changed
 * @now_ns:	Now
 */
static void handle(struct wire_direction *direction, const struct packet *packet, uint64_t now_ns)
{
    struct wire_stats *stats = &direction->stats;
    uint8_t *frame = packet->data + sizeof(struct virtio_net_hdr);
    size_t size = packet->size - sizeof(struct virtio_net_hdr);
    struct shape_verdict verdict;

    stats->frames += packet->frames;
    stats->bytes += packet->bytes;
    direction->last_ns = now_ns;
    shape_decide(&direction->shape, now_ns, frame, size, stats->queue_bytes, &verdict);
    if (verdict.fate != SHAPE_SEND) {
        *(verdict.fate == SHAPE_LOSE ? &stats->lost : &stats->queue_dropped) += packet->frames;
        return;
    }
    stats->reordered += verdict.reordered ? packet->frames : 0;
    stats->duplicated += verdict.copies > 1 ? packet->frames : 0;
    if (verdict.corrupt_bit >= 0) {
        flip_bit(frame, (size_t)verdict.corrupt_bit);
        stats->corrupted++;
    }
    for (unsigned i = 0; i < verdict.copies; i++) {
        if (verdict.due_ns <= now_ns) {
            /* Time has gone on since the queue was looked at: who is due before goes before. */
            if (direction->queue.count > 0)
                (void)wire_link_write(direction, verdict.due_ns);
            put_frame(direction, packet);
        } else {
            queue_push(&direction->queue, verdict.due_ns, packet);
            stats->queue_frames += packet->frames;
            stats->queue_bytes += packet->bytes;
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
    static uint8_t room[FRAME_ROOM];
    const uint32_t least = sizeof(struct virtio_net_hdr) + FRAME_LEAST;
    uint64_t now_ns = wire_now();
    int count = 0;

    /* What is due goes before what has just come and may be due at once. */
    (void)wire_link_write(direction, now_ns);
    for (; count < most; count++) {
        ssize_t n = read(direction->from, room, sizeof(room));
        struct packet packet = {.data = room, .size = (uint32_t)n};

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (packet.size < least) {
            memset(room + n, 0, least - packet.size);
            packet.size = least;
        }
        if (count > 0 && (count & 7) == 0)
            now_ns = wire_now();
        weigh(&packet);
        handle(direction, &packet, now_ns);
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

        direction->stats.queue_frames -= frame->frames;
        direction->stats.queue_bytes -= frame->bytes;
        put_frame(direction, &(struct packet){.data = frame->data,
                                              .size = frame->size,
                                              .frames = frame->frames,
                                              .bytes = frame->bytes});
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
                  struct error *err)
{
    struct shape tried[2] = {{.key = 1}, {.key = 1}};
    int r = 0;

    /* Both filters are tried before the first direction changes. */
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = shape_set(&tried[i], &impairment[i], i, err);
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        struct wire_direction *direction = &link->directions[i];
        bool whole = shape_is_even(&tried[i]);

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
    }
    (void)close(link->taps[0]);
    (void)close(link->taps[1]);
    free(link);
}
