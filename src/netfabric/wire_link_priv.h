// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A link that the wire carries: two taps, and in each direction a shape and the frames that wait.
 */

#include "netfabric/wire.h"
#include "netfabric/wire_shape_priv.h"

/* A frame that waits. */
struct wire_frame {
    uint64_t due_ns;
    uint64_t order;  /* of coming: frames due at one moment leave in it */
    uint64_t bytes;  /* on a cable */
    uint32_t frames; /* on a cable: more than one for a super-frame */
    uint32_t size;
    uint8_t data[]; /* with the tap's header */
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
    int from, to;     /* borrowed from the link */
    bool whole;       /* super-frames come as they are */
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
/* wire_link_set() - New impairments for both directions, or none changed. */
int wire_link_set(struct wire_link *link, const struct impairment impairment[static 2],
                  struct error *err);
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
