// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Unix sockets: listening without stealing a live one, connecting, passing descriptors. */

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* socket_path_check() - Refuse a path over 107 bytes (sun_path, unix(7)) with a hint that says what
 * to shorten. */
int socket_path_check(const char *path, struct error *err);

/* socket_listen() - Listening unix socket, mode 0600. A stale socket file (nobody answers) is
 * replaced, a live one is -EADDRINUSE. @type: SOCK_STREAM or SOCK_SEQPACKET, may be or-ed with
 * SOCK_NONBLOCK. Return: fd or -errno */
int socket_listen(const char *path, int type, struct error *err);

/* socket_connect() - Return: fd or -errno (-ECONNREFUSED and -ENOENT: nobody there) */
int socket_connect(const char *path, int type, struct error *err);

/* socket_connect_own() - The same, only to a process of this one's own user (else -EPERM), and with
 * a limit to how long a message may take. */
int socket_connect_own(const char *path, int type, unsigned timeout_s, struct error *err);

/* socket_send_fds() - One message with up to 64 descriptors (SCM_RIGHTS). Return: 0 or -errno */
int socket_send_fds(int sock, const void *data, size_t size, const int *fds, size_t fd_count);

/* socket_receive_fds() - One message. @fds: filled with CLOEXEC descriptors that the caller owns;
 * *@ret_fd_count in: room, out: received (surplus ones are closed). Return: bytes (0: closed) or
 * -errno; -EMSGSIZE if cut */
ssize_t socket_receive_fds(int sock, void *data, size_t size, int *fds, size_t *ret_fd_count);

/* socket_accept_own() - A connection of this process's own user; another's is closed again. Return:
 * fd (SOCK_NONBLOCK) or -errno, -EPERM: it was another user's */
int socket_accept_own(int listen_fd);

/* socket_peer_uid() - User at the other end (SO_PEERCRED). Return: 0 or -errno */
int socket_peer_uid(int sock, uid_t *ret_uid);
