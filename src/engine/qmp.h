// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* An asynchronous QMP client in an sd-event loop. It may be freed from within its own callbacks. */

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct qmp;

/* Any of them may be NULL. */
struct qmp_handler {
    /* ready() - Past the handshake: QEMU runs its main loop and takes commands. */
    void (*ready)(void *data);
    /* event() - @args: the event's data, borrowed, NULL if it has none. */
    void (*event)(void *data, const char *name, json_t *args);
    /* closed() - The connection ended or was ended for what came over it; called once, after every
     * waiting command failed. @err says why; its contents may be moved away. */
    void (*closed)(void *data, struct error *err);
};

/* qmp_reply_fn() - The end of a command. Exactly one of @result (borrowed) and @err is not NULL;
 * @err's contents may be moved away. Not called for commands that wait when qmp_free() comes. */
typedef void qmp_reply_fn(void *data, json_t *result, struct error *err);

/* qmp_new() - Start to speak over a connected stream socket.
 * @fd:		Taken, also on failure; made non-blocking
 * @handler:	Must live as long */
int qmp_new(sd_event *event, int fd, const struct qmp_handler *handler, void *data,
            struct qmp **ret_qmp, struct error *err);

/* qmp_free() - Close; what waits is forgotten. NULL is fine. */
void qmp_free(struct qmp *qmp);

/* qmp_execute() - Send a command (kept until the handshake is over).
 * @args:	Stolen, also on failure; NULL: none
 * @reply:	May be NULL; called from the event loop, never from within qmp_execute()
 * Return: 0, -ENOTCONN when the connection has ended */
int qmp_execute(struct qmp *qmp, const char *command, json_t *args, qmp_reply_fn *reply, void *data,
                struct error *err);

/* qmp_set_timeout() - How long a command may take (10 s at first) and the handshake too (60 s at
 * first: a loaded host starts slowly). A command over its time fails with ETIMEDOUT, a handshake
 * ends the connection. 0: for ever. For commands and handshakes that begin later. */
void qmp_set_timeout(struct qmp *qmp, uint64_t command_ns, uint64_t handshake_ns);
