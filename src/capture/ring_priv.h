// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A kernel ring that receives the frames of one interface, or of all of the namespace. */

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "capture/segment_priv.h"

struct ring_options {
    int fd;             /* packet socket, the ring's from now on even if it fails; -1: make one */
    uint32_t ifindex;   /* 0: every interface, the program chooses */
    size_t bytes;       /* of the ring */
    unsigned retire_ms; /* a block that is not full is handed over after at most this long */
    const struct sock_filter *program;
    size_t program_size; /* instructions, 0: no program */
};

struct ring_frame {
    uint64_t time_ns; /* since 1970 */
    uint32_t ifindex;
    bool sent; /* by the node: it came in by the tap */
    struct segment_input input;
};

struct ring;

/* ring_open() - Make a ring; it receives nothing yet.
 * @ret_filtered:	False if the kernel took no program and frames must be filtered here */
int ring_open(const struct ring_options *options, struct ring **ret_ring, bool *ret_filtered,
              struct error *err);

/* ring_socket() - A packet socket for ring_options.fd: making one takes a privilege, using it does
 * not. Return: fd or -errno */
int ring_socket(struct error *err);

/* ring_filter() - Exchange the program; frames before and after it follow one another without a
 * gap. Return: false if the kernel did not take it and lets everything through now */
bool ring_filter(struct ring *ring, const struct sock_filter *program, size_t size);

/* ring_ifindex() - What it listens to, 0: every interface. */
uint32_t ring_ifindex(const struct ring *ring);

/* ring_start() - Receive from now on: a frame that passes after this returned is in the ring. */
int ring_start(struct ring *ring, struct error *err);

/* ring_stop() - Receive nothing more; what was received can still be read. */
void ring_stop(struct ring *ring);

void ring_free(struct ring *ring);

int ring_fd(const struct ring *ring);

/* ring_peek() - Time of the oldest frame that was not popped. Return: false if there is none */
bool ring_peek(struct ring *ring, uint64_t *ret_time_ns);

/* ring_front() - That frame; valid until ring_pop(). Only after ring_peek() said true. */
void ring_front(const struct ring *ring, struct ring_frame *ret_frame);

void ring_pop(struct ring *ring);

/* ring_pressed() - More than half of the ring waits to be read. */
bool ring_pressed(const struct ring *ring);

/* ring_unfinished() - Frames are in a block that was not handed over yet. */
bool ring_unfinished(const struct ring *ring);

/* ring_drops() - Frames that the kernel has dropped for want of room, since the last call. */
uint64_t ring_drops(struct ring *ring);

/* ring_clear_error() - Forget a pending socket error (interface went down). */
void ring_clear_error(struct ring *ring);
