// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_topology labctl_base

/* What any client of the wire process may send: requests one after the other against the same
 * process, and frames with the impairments that they leave behind. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netfabric/wire_server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One message: its length, whether taps come along, then its bytes laid over a valid head. */
static size_t one(struct wire_server *server, const uint8_t *data, size_t size)
{
    static struct wire_request request;
    struct wire_reply reply;
    size_t length, count = 0;
    int fds[2] = {-1, -1};

    if (size < 4)
        return size;
    length = data[0] | (size_t)data[1] << 8;
    length = length > size - 4 ? size - 4 : length;
    memset(&request, 0, sizeof(request));
    request.magic = WIRE_MAGIC;
    request.version = WIRE_VERSION;
    request.op = data[2] % (WIRE_OP_END + 1);
    if (length < sizeof(request) - 8)
        memcpy((char *)&request + 8, data + 4, length);
    if ((data[3] & 1) != 0 && server->count < 8 &&
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)
        count = 2;
    if ((data[3] & 2) != 0)
        wire_handle(server, data + 4, length, fds, count, &reply);
    else
        wire_handle(server, &request, sizeof(request), fds, count, &reply);
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    for (size_t i = 0; i < server->count; i++) {
        struct shape_verdict verdict;

        for (int d = 0; d < 2; d++)
            shape_decide(&server->links[i]->directions[d].shape, 1u << 30, data, size, length,
                         &verdict);
        (void)wire_link_idle(server->links[i]);
    }
    return length + 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_server server = {.listen_fd = -1, .engine_fd = -1, .signal_fd = -1};

    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    while (size > 0) {
        size_t used = one(&server, data, size);

        data += used;
        size -= used;
    }
    wire_server_done(&server);
    return 0;
}
