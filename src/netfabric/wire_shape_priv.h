// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What an impairment does to each frame: pure decisions on a clock that the caller brings. */

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "topology/model.h"

/* The most that waits in one direction, whatever delay and rate are. */
#define SHAPE_HOLD_BYTES (256u << 20)

enum shape_fate {
    SHAPE_SEND,
    SHAPE_LOSE, /* by chance */
    SHAPE_TAIL, /* the queue is full */
};

struct shape_verdict {
    enum shape_fate fate;
    uint64_t due_ns; /* when it is to leave */
    unsigned copies; /* 1, or 2 */
    bool reordered;
    ptrdiff_t corrupt_bit; /* index of the bit to flip, -1: none */
};

/* One direction of a link. */
struct shape {
    struct impairment impairment; /* owns its filter's text */
    struct bpf_program filter;    /* compiled; empty without one */
    uint64_t key;                 /* chance begins here */
    uint64_t index;               /* frames that chance has been asked about */
    bool bad;                     /* Gilbert-Elliott: in the bad state */
    uint64_t last_due_ns;         /* of a frame that kept its place */
    uint64_t served_ns;           /* when the rate has served all frames so far */
};

/* shape_set() - Take new values; chance goes on where it was unless the seed changed.
 * @direction:	0 or 1: the two do not share their luck
 * Return: 0, or -EINVAL for a filter that does not compile; then nothing has changed */
int shape_set(struct shape *shape, const struct impairment *impairment, unsigned direction,
              struct error *err);
void shape_done(struct shape *shape);
/* shape_is_even() - Whether every frame has the same fate, so that frames need not be told apart.
 */
bool shape_is_even(const struct shape *shape);
/* shape_decide() - What becomes of a frame that has come.
 * @waiting:	Bytes that wait in this direction already */
void shape_decide(struct shape *shape, uint64_t now_ns, const void *frame, size_t size,
                  size_t waiting, struct shape_verdict *ret_verdict);
