// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Ways to a console for other programs: a unix socket that carries plain bytes, and a port for
 * telnet on the loopback. */

#include <stdint.h>

#include "base/error.h"
#include "console/broker.h"

struct console_door;

/* console_door_unix() - Listen at @path: who connects shares the console, output out, typing in. */
int console_door_unix(sd_event *event, struct console *console, const char *path,
                      struct console_door **ret_door, struct error *err);
/* console_door_telnet() - Listen at 127.0.0.1:@port for telnet clients. Every user of this machine
 * can connect there. -EADDRINUSE: somebody else listens. */
int console_door_telnet(sd_event *event, struct console *console, uint16_t port,
                        struct console_door **ret_door, struct error *err);
/* console_door_port() - The port of a telnet door. */
uint16_t console_door_port(const struct console_door *door);
/* console_door_port_for() - The port that a name gets when none is given: always the same one for
 * the same name and @attempt, and not one that the system gives out by itself. */
uint16_t console_door_port_for(const char *name, unsigned attempt);
/* console_door_free() - Stop listening and hang up on telnet clients. Before console_free(). */
void console_door_free(struct console_door *door);

static inline void cleanup_console_door(struct console_door **door)
{
    console_door_free(*door);
}
