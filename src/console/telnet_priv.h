// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* One telnet client of a console. */

#include "console/broker.h"

struct telnet_session;

/* telnet_session_new() - A client is connected. @fd: ownership taken. @fn is called when it has
 * gone, and has to free the session. */
typedef void telnet_session_fn(struct telnet_session *session, void *data);
int telnet_session_new(sd_event *event, struct console *console, int fd, const char *name,
                       const char *who, telnet_session_fn *fn, void *data,
                       struct telnet_session **ret_session, struct error *err);
void telnet_session_free(struct telnet_session *session);
