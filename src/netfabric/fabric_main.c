// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl-fabric: owns the lab's namespace and everything in it. Started by the engine as
 *
 *     labctl-fabric SOCKET READY_FD [TAP_FD]
 *
 * It listens on SOCKET and then writes its outcome to READY_FD as a protocol reply. With TAP_FD it
 * enters the namespaces that this tap is in, in place of making new ones. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "netfabric/namespace_priv.h"
#include "netfabric/proto_priv.h"
#include "netfabric/server_priv.h"
#include "netfabric/uplink_priv.h"

/**
 * prepare() - Socket, namespaces, netlink
 * @path:	Where to listen
 * @tap_fd:	Tap whose namespaces to enter, or -1
 * @state:	Filled
 * @err:	Error to fill
 *
 * The socket is made first: its path is the outside's.
 *
 * Return: listening socket or -errno
 */
static int prepare(const char *path, int tap_fd, struct fabric_state *state, struct error *err)
{
    _cleanup_close_ int listen_fd = socket_listen(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
    _cleanup_close_ int tun = -1;
    bool speaks = false;
    int r;

    if (listen_fd < 0)
        return listen_fd;
    uplink_host_open(state);
    r = tap_fd >= 0 ? namespace_enter_of_tap(tap_fd, err) : namespace_enter_new(err);
    if (r < 0)
        return r;
    namespace_silence(&speaks);
    /* Without taps there is no lab: better said now than at the first plan. */
    tun = kernel_tun_open(err);
    if (tun < 0)
        return tun;
    state->unsure = tap_fd >= 0;
    state->found = !state->unsure;
    r = state_init(state, err);
    if (r == -EPERM)
        namespace_hint(err);
    if (r < 0)
        return r;
    state->no_addresses = speaks;
    r = namespace_drop_rights(err);
    if (r < 0)
        return r;
    return steal_fd(&listen_fd);
}

/**
 * raise_limits() - Every tap is an open file: allow as many as the machine does
 */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/**
 * report() - Tell the engine how it went
 * @fd:		Ready descriptor; closed
 * @err:	Outcome
 */
static void report(int fd, const struct error *err)
{
    _cleanup_strbuf_ struct strbuf reply = STRBUF_INIT;

    proto_encode_reply(&reply, err, (uint32_t)getpid());
    (void)write_all(fd, reply.data, reply.size);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct fabric_state state = {0};
    int listen_fd;

    if (argc < 3) {
        (void)fprintf(stderr, "usage: labctl-fabric SOCKET READY_FD [TAP_FD]\n"
                              "labctl-engine starts it by itself.\n");
        return 2;
    }
    (void)umask(0077);
    raise_limits();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    listen_fd = prepare(argv[1], argc > 3 ? atoi(argv[3]) : -1, &state, &err);
    report(atoi(argv[2]), &err);
    if (listen_fd < 0)
        return 1;
    if (server_run(&state, listen_fd, &err) < 0)
        log_error("fabric: %s", error_message(&err));
    state_done(&state);
    (void)unlink(argv[1]);
    return err.code ? 1 : 0;
}
