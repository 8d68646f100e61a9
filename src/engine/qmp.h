// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* QEMU Machine Protocol client in the engine's event loop: one JSON object per line (QEMU
 * docs/interop/qmp-spec.txt). QEMU is not trusted: lines are bounded, anything unexpected closes
 * the connection. */

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct qmp;

/* @data is what qmp_new() was given. None of these may free the qmp; the owner does so later. */
struct qmp_handler {
    void (*ready)(void *data);                                 /* handshake done */
    void (*event)(void *data, const char *name, json_t *args); /* @args borrowed, may be NULL */
    void (*closed)(void *data, struct error *err);             /* once; no more calls follow */
};

/* qmp_reply_fn - Answer to a command: @result borrowed, or NULL with @err. */
typedef void qmp_reply_fn(void *data, json_t *result, struct error *err);

/* qmp_new() - Speak QMP on a connected socket. @fd: ownership taken, also on failure; made
 * non-blocking.
 * @handler must live as long as the client. */
int qmp_new(sd_event *event, int fd, const struct qmp_handler *handler, void *data,
            struct qmp **ret_qmp, struct error *err);
/* qmp_free() - Close without any callback; commands under way are forgotten. NULL is fine. */
void qmp_free(struct qmp *qmp);
/* qmp_catch_up() - Take in now what QEMU has sent, and not when the event loop gets to it: the
 * callbacks are called. Does nothing inside one of them, or before the handshake is done. */
void qmp_catch_up(struct qmp *qmp);
/* qmp_execute() - Send a command; commands are executed in the order given.
 * @args:	Stolen, also on failure; NULL: none
 * @fn:		Called with the answer; may be NULL
 * Return: 0, -ENOTCONN (NULL, closed or not past its handshake), -ENOBUFS when QEMU does not read
 */
int qmp_execute(struct qmp *qmp, const char *command, json_t *args, qmp_reply_fn *fn, void *data,
                struct error *err);

/* qmp_feed() - Take in bytes as if QEMU had sent them; what the socket reader uses, and the fuzz
 * target. Return: 0, or -EPROTO when the connection must be closed */
int qmp_feed(struct qmp *qmp, const char *bytes, size_t size, struct error *err);
