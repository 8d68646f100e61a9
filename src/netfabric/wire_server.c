// SPDX-License-Identifier: GPL-2.0-or-later

/* One loop: the control socket, the taps, and the clock. It sleeps until a frame comes or one is
 * due; the time to wait is in nanoseconds (epoll_pwait2()) and the kernel is asked for no slack, so
 * a frame leaves within microseconds of its time.
 *
 * One engine at a time: a new connection of the same user takes the place of the old one. The
 * connection is non-blocking, and an engine that does not read its replies loses it: frames never
 * wait for a client. */

#include "netfabric/wire_server_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/socket.h"

#define EVENTS 64

/* What an epoll event is about, besides a direction of a link. */
static char about_listen, about_engine, about_signal;

/**
 * find_link() - Index of a link by its number
 * @server:	Server
 * @number:	Number
 *
 * Return: index or -1
 */
static ptrdiff_t find_link(const struct wire_server *server, uint32_t number)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->links[i]->number == number)
            return (ptrdiff_t)i;
    return -1;
}

/**
 * watch() - Hear of a descriptor
 * @server:	Server
 * @fd:		Descriptor
 * @about:	What to be told
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int watch(struct wire_server *server, int fd, void *about, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = about};

    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_errno(err, errno, "watch a tap");
    return 0;
}

/**
 * drop_link() - Let go of a link
 * @server:	Server
 * @index:	Which
 */
static void drop_link(struct wire_server *server, size_t index)
{
    struct wire_link *link = server->links[index];

    for (int i = 0; i < 2; i++)
        (void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, link->taps[i], NULL);
    wire_link_free(link);
    server->links[index] = server->links[--server->count];
}

/**
 * do_set() - WIRE_SET
 * @server:	Server
 * @request:	Checked request
 * @fds:	What came along; taken over ones become -1
 * @fd_count:	How many
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int do_set(struct wire_server *server, const struct wire_request *request, int *fds,
                  size_t fd_count, struct error *err)
{
    const struct impairment impairment[2] = {wire_values_get(&request->values[0]),
                                             wire_values_get(&request->values[1])};
    const bool dark[2] = {(request->dark & 1) != 0, (request->dark & 2) != 0};
    ptrdiff_t index = find_link(server, request->link);
    struct wire_link *link;
    int r;

    if (fd_count != 0 && fd_count != 2)
        return error_set(err, EPROTO, "a link has two taps");
    if (fd_count == 0)
        return index < 0 ? error_set(err, ENOENT, "no such link on the wire")
                         : wire_link_set(server->links[index], impairment, dark, err);
    link = wire_link_new(request->link, fds);
    fds[0] = fds[1] = -1;
    r = wire_link_set(link, impairment, dark, err);
    for (int i = 0; i < 2 && r == 0; i++)
        r = watch(server, link->taps[i], &link->directions[i], err);
    if (r < 0) {
        wire_link_free(link);
        return r;
    }
    if (index >= 0)
        drop_link(server, (size_t)index);
    array_grow(server->links, server->count, server->capacity);
    server->links[server->count++] = link;
    return 0;
}

void wire_handle(struct wire_server *server, const void *message, size_t size, int *fds,
                 size_t fd_count, struct wire_reply *ret_reply)
{
    static struct wire_request request;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct wire_reply reply = {.magic = WIRE_MAGIC, .version = WIRE_VERSION};
    ptrdiff_t index;
    int r;

    memcpy(&request, message, size < sizeof(request) ? size : sizeof(request));
    r = wire_request_check(&request, size, &err);
    index = r == 0 ? find_link(server, request.link) : -1;
    if (r == 0 && index < 0 && request.op != WIRE_HELLO && request.op != WIRE_SET)
        r = error_set(&err, ENOENT, "no such link on the wire");
    if (r == 0) {
        switch ((enum wire_op)request.op) {
        case WIRE_HELLO:
            reply.pid = (uint32_t)getpid();
            break;
        case WIRE_SET:
            r = do_set(server, &request, fds, fd_count, &err);
            break;
        case WIRE_REMOVE:
            drop_link(server, (size_t)index);
            break;
        case WIRE_IDLE:
            reply.idle = wire_link_idle(server->links[index]);
            break;
        case WIRE_STATS:
            for (int i = 0; i < 2; i++)
                reply.stats[i] = server->links[index]->directions[i].stats;
            break;
        case WIRE_OP_END:
            break;
        }
    }
    if (r < 0) {
        reply.code = (uint32_t)-r;
        reply.input = err.kind == ERROR_KIND_INPUT;
        (void)snprintf(reply.message, sizeof(reply.message), "%s", error_message(&err));
        (void)snprintf(reply.hint, sizeof(reply.hint), "%s", err.hint ? err.hint : "");
    }
    *ret_reply = reply;
}

/**
 * drop_engine() - Forget the connection
 * @server:	Server
 */
static void drop_engine(struct wire_server *server)
{
    cleanup_close(&server->engine_fd);
    server->engine_fd = -1;
}

/**
 * serve_engine() - Take one request and answer it
 * @server:	Server
 */
static void serve_engine(struct wire_server *server)
{
    static char message[sizeof(struct wire_request) + 1];
    static struct wire_reply reply;
    int fds[4] = {-1, -1, -1, -1};
    size_t fd_count = ARRAY_SIZE(fds);
    ssize_t n = socket_receive_fds(server->engine_fd, message, sizeof(message), fds, &fd_count);

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        drop_engine(server);
        return;
    }
    wire_handle(server, message, (size_t)n, fds, fd_count, &reply);
    for (size_t i = 0; i < fd_count; i++)
        cleanup_close(&fds[i]);
    if (socket_send_fds(server->engine_fd, &reply, sizeof(reply), NULL, 0) < 0)
        drop_engine(server);
}

/**
 * accept_engine() - An engine connects
 * @server:	Server
 */
static void accept_engine(struct wire_server *server)
{
    _cleanup_close_ int fd = socket_accept_own(server->listen_fd);

    if (fd == -EPERM)
        log_warning("a connection of another user was refused");
    if (fd < 0)
        return;
    drop_engine(server);
    if (watch(server, fd, &about_engine, NULL) == 0)
        server->engine_fd = steal_fd(&fd);
}

/**
 * take_event() - One thing that epoll had to say
 * @server:	Server
 * @about:	What it is about
 *
 * Return: true if links may have changed, so that further events of this round are stale
 */
static bool take_event(struct wire_server *server, void *about)
{
    if (about == &about_signal) {
        server->stop = true;
        return true;
    }
    if (about == &about_listen) {
        accept_engine(server);
        return true;
    }
    if (about == &about_engine) {
        serve_engine(server);
        return true;
    }
    (void)wire_link_read(about);
    return false;
}

/**
 * pass_due() - Let all leave whose time has come
 * @server:	Server
 *
 * Return: when the next one is due, UINT64_MAX: none waits
 */
static uint64_t pass_due(struct wire_server *server)
{
    uint64_t now_ns = wire_now(), next = UINT64_MAX;

    for (size_t i = 0; i < server->count; i++) {
        for (int d = 0; d < 2; d++) {
            struct wire_direction *direction = &server->links[i]->directions[d];
            uint64_t due;

            if (direction->queue.count == 0)
                continue;
            due = wire_link_write(direction, now_ns);
            next = due < next ? due : next;
        }
    }
    return next;
}

/**
 * wait_events() - Sleep until something happens or a frame is due
 * @server:	Server
 * @events:	Filled
 * @due_ns:	When, UINT64_MAX: never
 *
 * Return: number of events
 */
static int wait_events(struct wire_server *server, struct epoll_event *events, uint64_t due_ns)
{
    uint64_t now_ns = due_ns == UINT64_MAX ? 0 : wire_now();
    uint64_t left = due_ns > now_ns ? due_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(left / 1000000000),
                            .tv_nsec = (long)(left % 1000000000)};

    return epoll_pwait2(server->epoll_fd, events, EVENTS, due_ns == UINT64_MAX ? NULL : &wait,
                        NULL);
}

void wire_server_done(struct wire_server *server)
{
    while (server->count > 0)
        drop_link(server, server->count - 1);
    free(server->links);
    drop_engine(server);
    cleanup_close(&server->epoll_fd);
    cleanup_close(&server->signal_fd);
    cleanup_close(&server->listen_fd);
}

int wire_serve(int listen_fd, struct error *err)
{
    _cleanup_(wire_server_done) struct wire_server server = {
        .listen_fd = listen_fd, .engine_fd = -1, .signal_fd = -1};
    sigset_t mask;
    int r;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (server.epoll_fd < 0 || server.signal_fd < 0)
        return error_errno(err, errno, "epoll, signalfd");
    r = watch(&server, listen_fd, &about_listen, err);
    if (r == 0)
        r = watch(&server, server.signal_fd, &about_signal, err);
    while (r == 0 && !server.stop) {
        struct epoll_event events[EVENTS];
        int count = wait_events(&server, events, pass_due(&server));
        bool changed = false;

        if (count < 0 && errno != EINTR)
            r = error_errno(err, errno, "epoll");
        /* A request may free links that later events are about: those are heard of again. */
        for (int i = 0; i < count && !changed; i++)
            changed = take_event(&server, events[i].data.ptr);
    }
    return r;
}
