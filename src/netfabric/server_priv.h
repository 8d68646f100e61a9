// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The fabric process's main loop. */

#include "netfabric/apply_priv.h"

/* server_run() - Serve until told to stop, or SIGTERM; then remove all and end the helpers.
 * @listen_fd:	Listening seqpacket socket, owned
 * Return: 0 or -errno */
int server_run(struct fabric_state *state, int listen_fd, struct error *err);
