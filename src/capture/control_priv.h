// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Who hears the worker's reports, and who may tell it something (capture.h, CAPTURE_FD_CONTROL). */

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_CLIENTS 8u

struct control {
    int report_fd; /* not owned */
    int listen_fd; /* not owned, -1: none */
    int clients[CONTROL_CLIENTS];
    size_t client_count;
};

/* control_init() - Begin with who has connected already. */
void control_init(struct control *control, int report_fd, int listen_fd);
void control_done(struct control *control);

/* control_accept() - Take who waits. Return: true if somebody came */
bool control_accept(struct control *control);

/* control_send() - To everybody who listens; whoever is not ready to hear misses it. */
void control_send(const struct control *control, const char *line, size_t size);

/* control_receive() - One message of a client.
 * @ret_text:	Zero-terminated, caller frees
 * @ret_fd:	Descriptor that came along, -1: none; caller closes
 * Return: true; false if there is none, and the client is forgotten if it left */
bool control_receive(struct control *control, size_t client, char **ret_text, int *ret_fd);
