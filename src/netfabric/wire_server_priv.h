// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The wire process's main loop. */

#include "netfabric/wire_link_priv.h"
#include "netfabric/wire_proto_priv.h"

struct wire_server {
    int listen_fd, engine_fd, epoll_fd, signal_fd;
    struct wire_link **links;
    size_t count, capacity;
    bool stop;
};

/* wire_serve() - Serve until SIGTERM. @listen_fd: seqpacket, non-blocking, owned. */
int wire_serve(int listen_fd, struct error *err);
/* wire_handle() - Do one request. @fds: what came along; those that are kept are set to -1. */
void wire_handle(struct wire_server *server, const void *message, size_t size, int *fds,
                 size_t fd_count, struct wire_reply *ret_reply);
/* wire_server_done() - Let go of all links. */
void wire_server_done(struct wire_server *server);
