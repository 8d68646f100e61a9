// SPDX-License-Identifier: GPL-2.0-or-later

/* The engine that started a capture may die, and another one takes the lab over: so the worker does
 * not hold a connection to an engine, it listens. The socket lies in the lab's run folder, where
 * only the lab's owner can go. Nobody is waited for: a listener whose queue is full misses a
 * report, and the next one says the same with newer figures. */

#include "capture/control_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "capture/capture.h"

#define PATIENCE_MS 100

void control_init(struct control *control, int report_fd, int listen_fd)
{
    *control = (struct control){.report_fd = report_fd, .listen_fd = listen_fd};
    if (listen_fd >= 0) {
        (void)fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
        (void)fcntl(listen_fd, F_SETFD, FD_CLOEXEC);
        (void)control_accept(control);
    }
}

void control_done(struct control *control)
{
    for (size_t i = 0; i < control->client_count; i++)
        (void)close(control->clients[i]);
    control->client_count = 0;
}

/**
 * forget() - A client left
 * @control:	Control
 * @client:	Which
 */
static void forget(struct control *control, size_t client)
{
    (void)close(control->clients[client]);
    memmove(&control->clients[client], &control->clients[client + 1],
            (control->client_count - client - 1) * sizeof(control->clients[0]));
    control->client_count--;
}

bool control_accept(struct control *control)
{
    bool came = false;
    int fd;

    while (control->listen_fd >= 0 &&
           (fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        uid_t uid = 0;

        if (socket_peer_uid(fd, &uid) < 0 || uid != geteuid()) {
            (void)close(fd);
            continue;
        }
        if (control->client_count == CONTROL_CLIENTS)
            forget(control, 0); /* an engine that died without our noticing, or a leak of its */
        control->clients[control->client_count++] = fd;
        came = true;
    }
    return came;
}

void control_send(const struct control *control, const char *line, size_t size)
{
    struct pollfd poll_fd = {.fd = control->report_fd, .events = POLLOUT};

    if (control->report_fd >= 0 && poll(&poll_fd, 1, PATIENCE_MS) == 1 &&
        !(poll_fd.revents & (POLLERR | POLLNVAL)))
        (void)write_all(control->report_fd, line, size);
    for (size_t i = 0; i < control->client_count; i++) {
        poll_fd = (struct pollfd){.fd = control->clients[i], .events = POLLOUT};
        if (poll(&poll_fd, 1, PATIENCE_MS) == 1)
            (void)send(control->clients[i], line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

bool control_receive(struct control *control, size_t client, char **ret_text, int *ret_fd)
{
    _cleanup_free_ char *text = xmalloc0(CAPTURE_MESSAGE_MAX + 1, 1);
    size_t fd_count = 1;
    int fd = -1;
    ssize_t n =
        socket_receive_fds(control->clients[client], text, CAPTURE_MESSAGE_MAX, &fd, &fd_count);

    if (n <= 0) {
        if (n != -EAGAIN && n != -EINTR && n != -EMSGSIZE)
            forget(control, client);
        return false;
    }
    *ret_text = steal_ptr(text);
    *ret_fd = fd_count ? fd : -1;
    return true;
}
