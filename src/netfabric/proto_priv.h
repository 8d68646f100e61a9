// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The language between engine and fabric: one request, one reply, each a seqpacket message. Both
 * ends are of one build on one machine, so numbers are in host order; a version in each header
 * catches an engine that meets an older fabric. */

#include <stdint.h>

#include "base/strbuf.h"
#include "netfabric/plan.h"

#define PROTO_MESSAGE_MAX 65536u
#define PROTO_FDS_MAX     64u
#define PROTO_PLAN_MAX    (32u << 20)
#define PROTO_TAPS_MAX    65536u

enum proto_op {
    PROTO_HELLO = 1, /* - */
    PROTO_APPLY,     /* one descriptor: a sealed memfd that holds the plan */
    PROTO_TAPS,      /* words: interface names, at most 64; the reply carries their descriptors */
    PROTO_SPAWN,     /* words: argv; descriptors: the program's 0, 1, 2, …; reply: pid, pidfd */
    PROTO_STOP,      /* no reply: the process ends */
    PROTO_ADOPT,     /* descriptors of taps that are already in this namespace */
    PROTO_ABILITIES, /* reply: PROTO_CAN_…; a fabric of before there were any refuses it */
    PROTO_OP_END,
};

enum proto_ability {
    PROTO_CAN_LIMIT = 1, /* a plan may tell the MTU of links */
    PROTO_CAN_GATE = 2,  /* frames are padded, and those above the MTU dropped */
};

struct proto_request {
    enum proto_op op;
    char **words; /* owned */
    size_t word_count;
};

struct proto_reply {
    struct error error; /* code 0: done */
    uint32_t value;     /* pid, or abilities */
};

/* proto_encode_request() - Append a request. */
void proto_encode_request(struct strbuf *buf, enum proto_op op, const char *const *words,
                          size_t word_count);
/* proto_decode_request() - @ret_request is the caller's to proto_request_done(). */
int proto_decode_request(const void *data, size_t size, struct proto_request *ret_request,
                         struct error *err);
void proto_request_done(struct proto_request *request);

/* proto_encode_reply() - Append a reply: @error if its code is set, else @value. */
void proto_encode_reply(struct strbuf *buf, const struct error *error, uint32_t value);
/* proto_decode_reply() - @ret_reply->error is the caller's to error_done(). */
int proto_decode_reply(const void *data, size_t size, struct proto_reply *ret_reply,
                       struct error *err);

/* proto_encode_plan() - Append a plan.
 * @limits:	With the MTU of its links, which an older fabric cannot read */
void proto_encode_plan(struct strbuf *buf, const struct fabric_plan *plan, bool limits);
/* proto_decode_plan() - Decode and check a plan: names are of their kind and unique, indexes are in
 * range, no tap is cabled twice. first_tap and node_count are not carried. */
int proto_decode_plan(const void *data, size_t size, struct fabric_plan **ret_plan,
                      struct error *err);
