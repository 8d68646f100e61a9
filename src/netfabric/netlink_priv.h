// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Many netlink messages in one system call, and what the kernel said about each. */

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/error.h"
#include "base/strbuf.h"

/* What a message was for, in case the kernel refuses it. The strings must live until the flush. */
struct batch_subject {
    const char *verb;    /* "add filter to" */
    const char *name;    /* "t0.1" */
    const char *altname; /* "r1:eth1" or NULL */
    bool forgive;        /* the kernel's refusal does not matter */
};

struct batch {
    struct nl_sock *sock;
    struct strbuf messages;
    struct batch_subject *subjects; /* of each message not yet sent */
    size_t count, capacity;
    uint32_t sequence;   /* of the next message */
    struct error *error; /* the first refusal; points to &error_space */
    struct error error_space;
};

/* batch_init() - Open a route netlink socket in the namespace of the calling thread. */
int batch_init(struct batch *batch, struct error *err);
void batch_done(struct batch *batch);
/* batch_fd() - The socket, for ioctls on interfaces of its namespace. */
int batch_fd(const struct batch *batch);

/* batch_message() - A new message of @type with @size bytes of @header at its front. */
struct nl_msg *batch_message(int type, int flags, const void *header, size_t size);
/* batch_add() - Take over @message and queue it; sends when enough have come together. */
void batch_add(struct batch *batch, struct nl_msg *message, const struct batch_subject *subject);
/* batch_flush() - Send what is queued and wait for the kernel's word on all of it.
 * Return: 0, or -errno with the first refusal since the last flush; after a refusal the rest of
 * that system call's messages were carried out, later ones were not sent. */
int batch_flush(struct batch *batch, struct error *err);

#define _cleanup_batch_ _cleanup_(batch_done)
