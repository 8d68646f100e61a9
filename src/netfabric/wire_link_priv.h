// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A link that the wire carries: two taps, and in each direction a shape and the frames that wait.
 */

#include <linux/virtio_net.h>

#include "netfabric/wire.h"
#include "netfabric/wire_shape_priv.h"

#define WIRE_BATCH 64 /* frames that are read, and passed on, in one go */

/* A frame in the wire's hands. */
struct wire_frame {
    union {
        uint64_t due_ns;
        struct wire_frame *next_free; /* a room that nobody uses */
    };
    uint64_t order;  /* of coming: frames due at one moment leave in it */
    uint64_t bytes;  /* on a cable */
    uint32_t frames; /* on a cable: more than one for a super-frame */
    uint32_t size;
    bool is_room;   /* made by wire_room() */
    uint8_t data[]; /* with the tap's header */
};

/* The way to one guest, and what is about to take it. */
struct wire_output {
    int tap;    /* the wire's, borrowed */
    int socket; /* packet socket on the guest's tap, -1: none */
    bool dark;  /* nothing arrives: the fabric sees to it */
    struct wire_frame *frames[WIRE_BATCH];
    unsigned count;
    size_t bytes;
};

/* Frames sorted by due time: a binary heap. */
struct wire_queue {
    struct wire_frame **items;
    size_t count, capacity;
    uint64_t next_order;
};

struct wire_direction {
    struct shape shape;
    struct wire_queue queue;
    struct wire_stats stats;
    uint64_t last_ns; /* when the last frame came */
    int from;         /* borrowed from the link */
    bool whole;       /* super-frames come as they are */
    struct wire_output output;
};

struct wire_link {
    uint32_t number;
    int taps[2]; /* owned */
    struct wire_direction directions[2];
};

/* wire_link_new() - Carry frames between two taps, as a plain cable. Takes ownership of @taps. */
struct wire_link *wire_link_new(uint32_t number, const int taps[static 2]);
/* wire_link_free() - Pass on what waits, in order, and close the taps. */
void wire_link_free(struct wire_link *link);
/* wire_link_set() - New impairments for both directions, or none changed.
 * @dark:	See wire_set() */
int wire_link_set(struct wire_link *link, const struct impairment impairment[static 2],
                  const bool dark[static 2], struct error *err);
/* wire_link_read() - Take what has come in one direction, a bounded number of frames.
 * Return: true if there may be more */
bool wire_link_read(struct wire_direction *direction);
/* wire_link_write() - Pass on what is due.
 * Return: when the next frame is due, UINT64_MAX: none waits */
uint64_t wire_link_write(struct wire_direction *direction, uint64_t now_ns);
/* wire_link_idle() - See wire_idle(). */
bool wire_link_idle(const struct wire_link *link);
/* wire_now() - CLOCK_MONOTONIC in nanoseconds. */
uint64_t wire_now(void);

/* wire_room() - Something to read a frame into.
 * @ret_size:	Bytes of data that fit
 * Return: frame, owned, nothing filled in */
struct wire_frame *wire_room(size_t *ret_size);
/* wire_frame_free() - Forget a frame; its room, if it has one, is for another. */
void wire_frame_free(struct wire_frame *frame);

/* wire_output_init() - The way to the guest behind a tap of the wire. */
void wire_output_init(struct wire_output *output, int tap);
/* wire_output_put() - Let a frame go, at the next flush at the latest. Takes it over. */
void wire_output_put(struct wire_output *output, struct wire_frame *frame,
                     struct wire_stats *stats);
/* wire_output_flush() - Pass on what was let go, in order, and count it. */
void wire_output_flush(struct wire_output *output, struct wire_stats *stats);
/* wire_output_done() - Nothing more goes this way. */
void wire_output_done(struct wire_output *output);
