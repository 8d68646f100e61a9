// SPDX-License-Identifier: GPL-2.0-or-later

/* One engine at a time: a new connection of the same user takes the place of the old one, because
 * an engine that died and came back must not wait for its predecessor's socket to time out.
 * Requests are answered in order, each by one reply; the connection is non-blocking, and an engine
 * that does not read its replies loses it: nothing here ever waits for a client.
 *
 * Helpers (capture workers and the like) are children of this process; it reaps them, and whoever
 * holds their pidfd sees them end. */

#include "netfabric/server_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "netfabric/proto_priv.h"

#define HELPER_GRACE_MS 2000

struct server {
    struct fabric_state *state;
    int listen_fd, engine_fd, signal_fd;
    pid_t *helpers;
    size_t helper_count, helper_capacity;
    bool stop;
};

/* What came with a request, and what goes with its reply. */
struct exchange {
    int fds[PROTO_FDS_MAX];
    size_t fd_count;
    int reply_fds[PROTO_FDS_MAX];
    size_t reply_fd_count;
    bool reply_fds_owned;
    uint32_t value;
};

/**
 * exchange_done() - Close what came and what was made for the reply
 * @exchange:	Exchange
 */
static void exchange_done(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->fd_count; i++)
        cleanup_close(&exchange->fds[i]);
    for (size_t i = 0; exchange->reply_fds_owned && i < exchange->reply_fd_count; i++)
        cleanup_close(&exchange->reply_fds[i]);
}

/**
 * do_apply() - PROTO_APPLY
 * @server:	Server
 * @exchange:	Its memfd
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int do_apply(struct server *server, struct exchange *exchange, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    struct fabric_plan *plan = NULL;
    struct stat st;
    const int sealed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    size_t size = 0;
    int r;

    /* Only memory can be sealed: reading anything else (a file on a FUSE mount) might never end. */
    if (exchange->fd_count != 1 || (fcntl(exchange->fds[0], F_GET_SEALS) & sealed) != sealed ||
        fcntl(exchange->fds[0], F_GET_SEALS) < 0 || fstat(exchange->fds[0], &st) < 0)
        return error_set(err, EPROTO, "a plan comes as one sealed memfd");
    if (st.st_size < 0 || (size_t)st.st_size > PROTO_PLAN_MAX)
        return error_set(err, EFBIG, "the plan has %lld bytes, %u are possible",
                         (long long)st.st_size, PROTO_PLAN_MAX);
    data = xmalloc0((size_t)st.st_size, 1);
    while (size < (size_t)st.st_size) {
        ssize_t n = pread(exchange->fds[0], data + size, (size_t)st.st_size - size, (off_t)size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, EPROTO, "the plan cannot be read");
        size += (size_t)n;
    }
    r = proto_decode_plan(data, size, &plan, err);
    if (r == 0)
        r = state_apply(server->state, plan, err);
    fabric_plan_free(plan);
    return r;
}

/**
 * do_taps() - PROTO_TAPS
 * @server:	Server
 * @request:	Names
 * @exchange:	Filled with borrowed descriptors
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int do_taps(struct server *server, const struct proto_request *request,
                   struct exchange *exchange, struct error *err)
{
    if (request->word_count > PROTO_FDS_MAX)
        return error_set(err, E2BIG, "at most %u taps at a time", PROTO_FDS_MAX);
    for (size_t i = 0; i < request->word_count; i++) {
        struct iface *iface = table_find(&server->state->have, request->words[i]);

        /* A guest had it open when the fabric before this one died. */
        if (iface && iface->fd < 0 && (iface->kind == IFACE_TAP || iface->kind == IFACE_WIRE))
            iface->fd = kernel_tap_reopen(iface->ifname, iface->kind == IFACE_TAP);
        if (!iface || !iface_is_port(iface) || iface->fd < 0)
            return error_set(err, ENODEV, "no tap '%s'", request->words[i]);
        /* What reached the tap while nobody read it is not for the guest that starts now. But what
         * is on its way through the wire is to arrive, though one wire died and another comes. */
        if (iface->kind == IFACE_TAP)
            kernel_tap_drain(iface->fd);
        exchange->reply_fds[exchange->reply_fd_count++] = iface->fd;
    }
    return 0;
}

/**
 * do_spawn() - PROTO_SPAWN
 * @server:	Server
 * @request:	argv
 * @exchange:	Descriptors for the program; filled with its pidfd
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int do_spawn(struct server *server, const struct proto_request *request,
                    struct exchange *exchange, struct error *err)
{
    struct spawn_fd fds[PROTO_FDS_MAX];
    pid_t pid;
    int r;

    if (request->word_count == 0 || request->words[0][0] != '/')
        return error_set(err, EINVAL, "a helper is named by its absolute path");
    const char **argv = xnew0(const char *, request->word_count + 1);

    for (size_t i = 0; i < request->word_count; i++)
        argv[i] = request->words[i];
    for (size_t i = 0; i < exchange->fd_count; i++)
        fds[i] = (struct spawn_fd){.from = exchange->fds[i], .to = (int)i};
    r = spawn(&(struct spawn_options){.argv = argv, .fds = fds, .fd_count = exchange->fd_count},
              &pid, &exchange->reply_fds[0], err);
    free(argv);
    if (r < 0)
        return r;
    array_grow(server->helpers, server->helper_count, server->helper_capacity);
    server->helpers[server->helper_count++] = pid;
    exchange->reply_fd_count = 1;
    exchange->reply_fds_owned = true;
    exchange->value = (uint32_t)pid;
    return 0;
}

/**
 * do_request() - Do what is asked
 * @server:	Server
 * @request:	Request
 * @exchange:	Its descriptors
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int do_request(struct server *server, const struct proto_request *request,
                      struct exchange *exchange, struct error *err)
{
    switch (request->op) {
    case PROTO_HELLO:
        exchange->value = (uint32_t)getpid();
        return 0;
    case PROTO_APPLY:
        return do_apply(server, exchange, err);
    case PROTO_TAPS:
        return do_taps(server, request, exchange, err);
    case PROTO_SPAWN:
        return do_spawn(server, request, exchange, err);
    case PROTO_STOP:
        server->stop = true;
        return 0;
    case PROTO_ADOPT: {
        size_t count = exchange->fd_count;

        exchange->fd_count = 0; /* state_adopt() owns them */
        return state_adopt(server->state, exchange->fds, count, err);
    }
    case PROTO_ABILITIES:
        exchange->value = PROTO_CAN_LIMIT | (server->state->gate ? PROTO_CAN_GATE : 0);
        return 0;
    case PROTO_OP_END:
        break;
    }
    return error_set(err, EPROTO, "unknown request");
}

/**
 * drop_engine() - Forget the connection
 * @server:	Server
 */
static void drop_engine(struct server *server)
{
    cleanup_close(&server->engine_fd);
    server->engine_fd = -1;
}

/**
 * serve_engine() - Take one request and answer it
 * @server:	Server
 */
static void serve_engine(struct server *server)
{
    static char message[PROTO_MESSAGE_MAX];
    _cleanup_(exchange_done) struct exchange exchange = {.fd_count = PROTO_FDS_MAX};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strbuf_ struct strbuf reply = STRBUF_INIT;
    struct proto_request request = {0};
    ssize_t n = socket_receive_fds(server->engine_fd, message, sizeof(message), exchange.fds,
                                   &exchange.fd_count);

    if (n < 0)
        exchange.fd_count = 0; /* nothing was handed over */
    if (n == -EAGAIN)
        return;
    if (n == 0 || (n < 0 && n != -EMSGSIZE)) {
        drop_engine(server);
        return;
    }
    if (n < 0)
        (void)error_set(&err, EMSGSIZE, "the request is too long");
    else if (proto_decode_request(message, (size_t)n, &request, &err) == 0)
        (void)do_request(server, &request, &exchange, &err);
    proto_request_done(&request);
    if (server->stop)
        return;
    proto_encode_reply(&reply, &err, exchange.value);
    if (socket_send_fds(server->engine_fd, reply.data, reply.size, exchange.reply_fds,
                        err.code ? 0 : exchange.reply_fd_count) < 0)
        drop_engine(server);
}

/**
 * accept_engine() - An engine connects
 * @server:	Server
 */
static void accept_engine(struct server *server)
{
    _cleanup_close_ int fd = socket_accept_own(server->listen_fd);

    if (fd == -EPERM)
        log_warning("a connection of another user was refused");
    if (fd < 0)
        return;
    drop_engine(server);
    server->engine_fd = steal_fd(&fd);
}

/**
 * reap_helpers() - Take the ends of helpers in
 * @server:	Server
 */
static void reap_helpers(struct server *server)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < server->helper_count; i++) {
            if (server->helpers[i] == pid) {
                server->helpers[i] = server->helpers[--server->helper_count];
                break;
            }
        }
    }
}

/**
 * take_signal() - SIGTERM or SIGCHLD
 * @server:	Server
 */
static void take_signal(struct server *server)
{
    struct signalfd_siginfo info;

    if (read(server->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGTERM)
        server->stop = true;
    else
        reap_helpers(server);
}

/**
 * end_helpers() - SIGTERM to all, SIGKILL to those that do not listen
 * @server:	Server
 */
static void end_helpers(struct server *server)
{
    struct timespec start, now;

    for (size_t i = 0; i < server->helper_count; i++)
        (void)kill(server->helpers[i], SIGTERM);
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    while (server->helper_count > 0) {
        struct pollfd item = {.fd = server->signal_fd, .events = POLLIN};
        int left;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        left = HELPER_GRACE_MS -
               (int)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
        if (left <= 0 || poll(&item, 1, left) <= 0)
            break;
        take_signal(server);
        reap_helpers(server);
    }
    for (size_t i = 0; i < server->helper_count; i++) {
        (void)kill(server->helpers[i], SIGKILL);
        (void)waitpid(server->helpers[i], NULL, 0);
    }
    free(server->helpers);
}

int server_run(struct fabric_state *state, int listen_fd, struct error *err)
{
    struct server server = {.state = state, .listen_fd = listen_fd, .engine_fd = -1};
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    server.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (server.signal_fd < 0) {
        int r = error_errno(err, errno, "signalfd");

        (void)close(listen_fd);
        return r;
    }
    while (!server.stop) {
        struct pollfd items[3] = {{.fd = server.listen_fd, .events = POLLIN},
                                  {.fd = server.signal_fd, .events = POLLIN},
                                  {.fd = server.engine_fd, .events = POLLIN}};

        if (poll(items, ARRAY_SIZE(items), -1) < 0 && errno != EINTR)
            break;
        if (items[1].revents)
            take_signal(&server);
        if (items[2].revents)
            serve_engine(&server);
        if (items[0].revents && !server.stop)
            accept_engine(&server);
    }
    end_helpers(&server);
    state_remove_all(state);
    drop_engine(&server);
    (void)close(server.signal_fd);
    (void)close(listen_fd);
    return 0;
}
