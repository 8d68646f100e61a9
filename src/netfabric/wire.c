// SPDX-License-Identifier: GPL-2.0-or-later

/* The engine's end of the wire process. */

#include "netfabric/wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/paths.h"
#include "base/socket.h"
#include "netfabric/wire_proto_priv.h"

#define CALL_TIMEOUT_S  5
#define STOP_TIMEOUT_MS 5000

struct wire {
    int fd;
    struct process_id process;
};

/**
 * call() - One request and its reply
 * @wire:	Handle
 * @request:	Request; its head is filled in here
 * @fds:	Descriptors that go along, or NULL
 * @fd_count:	How many
 * @ret_reply:	Filled
 * @err:	Error
 *
 * A reply that comes too late would be taken for that of the next request: after a timeout the
 * connection is shut.
 *
 * Return: 0 or -errno
 */
static int call(struct wire *wire, struct wire_request *request, const int *fds, size_t fd_count,
                struct wire_reply *ret_reply, struct error *err)
{
    ssize_t n;
    int r;

    request->magic = WIRE_MAGIC;
    request->version = WIRE_VERSION;
    r = socket_send_fds(wire->fd, request, sizeof(*request), fds, fd_count);
    if (r < 0)
        return error_errno(err, -r, "the wire process");
    n = socket_receive_fds(wire->fd, ret_reply, sizeof(*ret_reply), NULL, NULL);
    if (n == -EAGAIN) {
        (void)shutdown(wire->fd, SHUT_RDWR);
        return error_set(err, ETIMEDOUT, "the wire process does not answer");
    }
    if (n < 0)
        return error_errno(err, (int)-n, "the wire process");
    if (n == 0)
        return error_set(err, EPIPE, "the wire process is gone");
    if ((size_t)n != sizeof(*ret_reply) || ret_reply->magic != WIRE_MAGIC || ret_reply->code > 4095)
        return error_set(err, EPROTO, "the wire's reply is malformed");
    if (ret_reply->code == 0)
        return 0;
    ret_reply->message[sizeof(ret_reply->message) - 1] = 0;
    ret_reply->hint[sizeof(ret_reply->hint) - 1] = 0;
    if (ret_reply->input)
        (void)error_input(err, "%s", ret_reply->message);
    else
        (void)error_set(err, (int)ret_reply->code, "%s", ret_reply->message);
    if (ret_reply->hint[0])
        error_hint(err, "%s", ret_reply->hint);
    return -(int)ret_reply->code;
}

int wire_connect(const char *socket_path, struct wire **ret_wire, struct error *err)
{
    _cleanup_free_ struct wire_request *request = xnew0(struct wire_request, 1);
    _cleanup_free_ struct wire_reply *reply = xnew0(struct wire_reply, 1);
    struct wire *wire;
    int fd = socket_connect_own(socket_path, SOCK_SEQPACKET, CALL_TIMEOUT_S, err), r;

    if (fd < 0)
        return fd;
    wire = xnew0(struct wire, 1);
    wire->fd = fd;
    request->op = WIRE_HELLO;
    r = call(wire, request, NULL, 0, reply, err);
    if (r == 0)
        r = process_identify((pid_t)reply->pid, &wire->process, err);
    if (r < 0) {
        wire_close(wire);
        return r;
    }
    *ret_wire = wire;
    return 0;
}

int wire_start(struct fabric *fabric, const char *socket_path, int log_fd, struct wire **ret_wire,
               struct error *err)
{
    _cleanup_free_ char *program = paths_helper("labctl-wire");
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), listen_fd = -1, pidfd = -1;
    pid_t pid;
    int r;

    listen_fd = socket_listen(socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
    if (listen_fd < 0)
        return listen_fd;
    r = fabric_spawn(
        fabric, (const char *[]){program, NULL},
        (int[]){null, log_fd >= 0 ? log_fd : null, log_fd >= 0 ? log_fd : null, listen_fd}, 4, &pid,
        &pidfd, err);
    if (r == 0)
        r = wire_connect(socket_path, ret_wire, err);
    if (r == 0)
        return 0;
    if (pidfd >= 0)
        (void)pidfd_signal(pidfd, SIGKILL);
    (void)unlink(socket_path);
    return error_prefix(err, "start the wire process");
}

void wire_close(struct wire *wire)
{
    if (!wire)
        return;
    (void)close(wire->fd);
    free(wire);
}

struct process_id wire_process(const struct wire *wire)
{
    return wire->process;
}

int wire_fd(const struct wire *wire)
{
    return wire->fd;
}

int wire_set(struct wire *wire, uint32_t link, const int *tap_fds,
             const struct impairment impairment[static 2], const bool *dark, struct error *err)
{
    _cleanup_free_ struct wire_request *request = xnew0(struct wire_request, 1);
    _cleanup_free_ struct wire_reply *reply = xnew0(struct wire_reply, 1);
    int r = 0;

    request->op = WIRE_SET;
    request->link = link;
    request->dark = dark ? (uint32_t)dark[0] | (uint32_t)dark[1] << 1 : 0;
    for (int i = 0; i < 2 && r == 0; i++)
        r = wire_values_put(&request->values[i], &impairment[i], err);
    return r < 0 ? r : call(wire, request, tap_fds, tap_fds ? 2 : 0, reply, err);
}

/**
 * ask() - A request that has nothing but a link's number
 * @wire:	Handle
 * @op:		What
 * @link:	Number
 * @ret_reply:	Reply, owned by the caller
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int ask(struct wire *wire, enum wire_op op, uint32_t link, struct wire_reply *ret_reply,
               struct error *err)
{
    _cleanup_free_ struct wire_request *request = xnew0(struct wire_request, 1);

    request->op = op;
    request->link = link;
    return call(wire, request, NULL, 0, ret_reply, err);
}

int wire_remove(struct wire *wire, uint32_t link, struct error *err)
{
    _cleanup_free_ struct wire_reply *reply = xnew0(struct wire_reply, 1);

    return ask(wire, WIRE_REMOVE, link, reply, err);
}

int wire_idle(struct wire *wire, uint32_t link, bool *ret_idle, struct error *err)
{
    _cleanup_free_ struct wire_reply *reply = xnew0(struct wire_reply, 1);
    int r = ask(wire, WIRE_IDLE, link, reply, err);

    if (r == 0)
        *ret_idle = reply->idle != 0;
    return r;
}

int wire_stats(struct wire *wire, uint32_t link, struct wire_stats ret_stats[static 2],
               struct error *err)
{
    _cleanup_free_ struct wire_reply *reply = xnew0(struct wire_reply, 1);
    int r = ask(wire, WIRE_STATS, link, reply, err);

    if (r == 0)
        memcpy(ret_stats, reply->stats, sizeof(reply->stats));
    return r;
}

int wire_stop(struct wire *wire, struct error *err)
{
    _cleanup_close_ int pidfd = process_open(&wire->process);
    int r = 0;

    if (pidfd >= 0 && pidfd_end(pidfd, STOP_TIMEOUT_MS) != 0)
        r = error_set(err, ETIMEDOUT, "the wire process did not end and was killed");
    wire_close(wire);
    return r;
}
