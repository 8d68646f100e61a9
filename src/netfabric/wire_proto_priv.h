// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The language between engine and wire: one request, one reply, each a seqpacket message of one
 * size. Both ends are of one build on one machine, so these are their structures as they lie in
 * memory; a magic number and a version at the front catch an engine that meets an older wire. */

#include "netfabric/wire.h"

#define WIRE_MAGIC   0x4c57u
#define WIRE_VERSION 2u

enum wire_op { WIRE_HELLO = 1, WIRE_SET, WIRE_REMOVE, WIRE_IDLE, WIRE_STATS, WIRE_OP_END };

/* struct impairment without its pointer. */
struct wire_values {
    uint64_t delay_ns, jitter_ns, rate_bits_per_s, burst_bytes, queue_limit_bytes, queue_limit_ns;
    uint64_t seed;
    uint32_t jitter_normal, has_seed;
    uint32_t loss_ppm, burst_enter_ppm, burst_leave_ppm, burst_loss_ppm;
    uint32_t duplicate_ppm, reorder_ppm, corrupt_ppm;
    uint32_t zero;
    char only[WIRE_ONLY_MAX]; /* ends in a zero byte */
};

struct wire_request {
    uint16_t magic, version;
    uint32_t op;
    uint32_t link;
    uint32_t dark; /* WIRE_SET: bit 0, what end 0 sends does not arrive; bit 1, end 1 */
    struct wire_values values[2]; /* WIRE_SET */
};

struct wire_reply {
    uint16_t magic, version;
    uint32_t code;  /* positive errno, 0: done */
    uint32_t input; /* the fault is the caller's */
    uint32_t idle;
    uint32_t pid;
    uint32_t zero;
    struct wire_stats stats[2];
    char message[1500], hint[500]; /* end in a zero byte */
};

/* wire_request_check() - Whether @size bytes are a request that can be acted on.
 * Return: 0, -EPROTO, -EPROTONOSUPPORT, or -EINVAL for values out of range */
int wire_request_check(const struct wire_request *request, size_t size, struct error *err);
/* wire_values_put() - Return: 0, or -EINVAL if the filter is too long */
int wire_values_put(struct wire_values *values, const struct impairment *impairment,
                    struct error *err);
/* wire_values_get() - The impairment; its filter is borrowed from @values. */
struct impairment wire_values_get(const struct wire_values *values);
