// SPDX-License-Identifier: GPL-2.0-or-later

/* The engine's side of the socket, inside its event loop; nothing here ever blocks.
 *
 * A client is a connection with an input buffer (at most one line, RPC_LINE_MAX) and an output
 * queue. It is reference-counted: the server's list holds one reference, each call that is not yet
 * answered another, and the input loop one while it runs. client_close() ends the connection at
 * once; what is left of the struct goes with its last reference, so a call can be answered long
 * after its client, or even the server, has gone.
 *
 * What bounds a hostile or broken client:
 *  - paused(): with CALLS_MAX calls unanswered or OUT_PAUSE bytes unread its requests stay in the
 *    socket; the input goes on from resume() once it has caught up.
 *  - Notifications are dropped while more than OUT_NOTIFY bytes wait. Answers never are: they are
 *    queued, and a client with more than OUT_MAX waiting is dropped.
 *  - While all buffers together hold more than TOTAL_MAX, a client that grows beyond SMALL is
 *    dropped.
 *  - At most CLIENTS_MAX connections: a new one displaces the one longest idle (no call, no
 *    subscription); if all are busy it is turned away.
 *
 * An end of input (a client that shut down only its sending side) lets answers still out be
 * delivered; a full hang-up shows as EPOLLHUP and closes at once. */

#include "rpc/rpc.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/socket.h"
#include "base/strbuf.h"
#include "rpc/codec_priv.h"

#define CLIENTS_MAX     256u
#define CALLS_MAX       64u
#define OUT_NOTIFY      (64u << 10)
#define OUT_PAUSE       (256u << 10)
#define OUT_MAX         (1u << 20)
#define SMALL           (64u << 10)
#define TOTAL_MAX       (32u << 20)
#define READ_SIZE       (64u << 10)
#define ACCEPT_RETRY_US 100000u

struct client {
    TAILQ_ENTRY(client) entry; /* least recently active first */
    unsigned references;
    struct rpc_server *server; /* NULL once closed */
    int fd;
    sd_event_source *io;
    sd_event_source *again; /* goes on with input that was left when the client was paused */
    struct strbuf in, out;
    size_t out_done; /* bytes of @out already sent */
    size_t scanned;  /* bytes of @in known to hold no newline */
    unsigned calls;  /* not yet answered */
    bool left_input; /* @in may hold whole lines */
    bool ended;      /* nothing more is to be read */
    bool subscribed;
    rpc_upgrade_fn *upgrade; /* set: hand the connection over as soon as @out is sent */
    void *upgrade_data;
};

struct rpc_call {
    struct client *client;
    json_t *id; /* NULL: a notification, the answer goes nowhere */
};

struct rpc_server {
    sd_event *event;
    int fd;
    char *path;
    sd_event_source *io;
    sd_event_source *retry; /* accept again after descriptors ran out */
    const struct rpc_method *methods;
    size_t method_count;
    void *data;
    TAILQ_HEAD(, client) clients;
    size_t client_count;
    size_t total; /* bytes in all buffers */
};

/**
 * client_unref() - Give a reference back
 * @client:	Client; freed with the last one
 */
static void client_unref(struct client *client)
{
    if (--client->references > 0)
        return;
    strbuf_done(&client->in);
    strbuf_done(&client->out);
#ifndef __clang_analyzer__ /* which cannot count references */
    free(client);
#endif
}

/**
 * client_detach() - Take a client out of the server; what it had queued is forgotten
 * @client:	Client, still in a server
 *
 * Return: its descriptor, which the caller owns
 */
static int client_detach(struct client *client)
{
    struct rpc_server *server = client->server;
    int fd = client->fd;

    client->io = sd_event_source_disable_unref(client->io);
    client->again = sd_event_source_disable_unref(client->again);
    server->total -= client->in.size + client->out.size;
    strbuf_done(&client->in);
    strbuf_done(&client->out);
    TAILQ_REMOVE(&server->clients, client, entry);
    server->client_count--;
    client->server = NULL;
    client->fd = -1;
    client_unref(client);
    return fd;
}

/**
 * client_close() - End a connection now
 * @client:	Client; nothing happens if it is closed already
 */
static void client_close(struct client *client)
{
    rpc_upgrade_fn *upgrade = client->upgrade;
    void *data = client->upgrade_data;

    if (!client->server)
        return;
    client->upgrade = NULL;
    (void)close(client_detach(client)); /* may free the client */
    if (upgrade)
        upgrade(-1, data);
}

/**
 * paused() - Must this client's requests wait?
 * @client:	Client
 *
 * Return: true if no more input is to be taken for now
 */
static bool paused(const struct client *client)
{
    return client->upgrade || client->calls >= CALLS_MAX ||
           client->out.size - client->out_done > OUT_PAUSE;
}

/**
 * client_watch() - Wait for what the client's state asks for; close it if it is through
 * @client:	Client
 *
 * Hang-ups are reported whatever the mask is.
 */
static void client_watch(struct client *client)
{
    uint32_t mask = 0;

    if (!client->server)
        return;
    if (client->ended && client->calls == 0 && client->out.size == 0 && !client->subscribed &&
        !client->left_input) {
        client_close(client);
        return;
    }
    if (!paused(client) && !client->left_input && !client->ended)
        mask |= EPOLLIN;
    if (client->out.size > 0)
        mask |= EPOLLOUT;
    if (sd_event_source_set_io_events(client->io, mask) < 0)
        client_close(client);
}

/**
 * client_flush() - Send what the socket takes; hand the connection over if that was awaited
 * @client:	Client; may be closed afterwards
 */
static void client_flush(struct client *client)
{
    struct rpc_server *server = client->server;

    while (server && client->out_done < client->out.size) {
        ssize_t n = send(client->fd, client->out.data + client->out_done,
                         client->out.size - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            client_close(client);
            return;
        }
        client->out_done += (size_t)n;
    }
    if (!server)
        return;
    if (client->out_done == client->out.size || client->out_done > OUT_NOTIFY) {
        server->total -= client->out_done;
        if (client->out_done == client->out.size)
            strbuf_done(&client->out); /* a burst must not keep its memory */
        else
            strbuf_consume(&client->out, client->out_done);
        client->out_done = 0;
    }
    if (client->upgrade && client->out.size == 0) {
        rpc_upgrade_fn *upgrade = client->upgrade;
        void *data = client->upgrade_data;

        client->upgrade = NULL;
        upgrade(client_detach(client), data);
    }
}

/**
 * resume() - Go on with a client's input in the next turn of the loop, if it may
 * @client:	Client
 */
static void resume(struct client *client)
{
    if (client->server && client->left_input && !paused(client))
        (void)sd_event_source_set_enabled(client->again, SD_EVENT_ONESHOT);
    client_watch(client);
}

/**
 * client_send() - Queue a message and send what can be sent
 * @client:	Client; may be closed afterwards
 * @message:	Stolen
 * @id:		Id for the error that replaces a message which cannot be written
 */
static void client_send(struct client *client, json_t *message, json_t *id)
{
    struct rpc_server *server = client->server;
    size_t before = client->out.size, waiting = before - client->out_done;
    int r;

    if (!server || client->upgrade) { /* after an upgrade the stream is no longer ours */
        json_decref(message);
        return;
    }
    r = rpc_append_line(&client->out, message);
    if (r < 0)
        (void)rpc_append_line(&client->out,
                              rpc_make_error(id, RPC_CODE_INTERNAL,
                                             r == -EFBIG ? "the answer is too long for one line"
                                                         : "the answer cannot be written as JSON",
                                             NULL, -r));
    server->total += client->out.size - before;
    client_flush(client);
    if (client->server && client->out.size - client->out_done > SMALL &&
        (waiting > OUT_MAX || server->total > TOTAL_MAX))
        client_close(client);
}

/**
 * call_free() - A call was answered
 * @call:	Call
 */
static void call_free(struct rpc_call *call)
{
    struct client *client = call->client;

    client->calls--;
    resume(client);
    client_unref(client);
    json_decref(call->id);
    free(call);
}

/**
 * server_find() - Look a method up
 * @server:	Server
 * @name:	Name
 *
 * Return: the method, NULL if there is none
 */
static const struct rpc_method *server_find(const struct rpc_server *server, const char *name)
{
    for (size_t i = 0; i < server->method_count; i++)
        if (strcmp(server->methods[i].name, name) == 0)
            return &server->methods[i];
    return NULL;
}

/**
 * client_line() - Take one line
 * @client:	Client
 * @line:	Line without its newline
 * @size:	Its length
 */
static void client_line(struct client *client, const char *line, size_t size)
{
    struct rpc_server *server = client->server;
    const struct rpc_method *method;
    struct rpc_request request = {0};
    struct rpc_call *call;
    json_t *error = NULL;

    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size == 0)
        return;
    if (rpc_parse_request(line, size, &request, &error) < 0) {
        client_send(client, error, NULL);
        return;
    }
    TAILQ_REMOVE(&server->clients, client, entry);
    TAILQ_INSERT_TAIL(&server->clients, client, entry);
    call = xnew0(struct rpc_call, 1);
    call->client = client;
    call->id = json_incref(request.id);
    client->references++;
    client->calls++;
    method = server_find(server, request.method);
    if (strcmp(request.method, "events.subscribe") == 0) {
        client->subscribed = true;
        rpc_reply(call, NULL);
    } else if (method) {
        method->fn(call, request.params, server->data);
    } else {
        if (call->id)
            client_send(client,
                        rpc_make_error(call->id, RPC_CODE_NO_METHOD, "no such method", NULL, 0),
                        call->id);
        call_free(call);
    }
    rpc_request_done(&request);
}

/**
 * client_line_too_long() - Say so, take nothing more, and close once that is sent
 * @client:	Client
 */
static void client_line_too_long(struct client *client)
{
    client->ended = true;
    client->left_input = false;
    client->scanned = 0;
    client->server->total -= client->in.size;
    strbuf_done(&client->in);
    client_send(client,
                rpc_make_error(NULL, RPC_CODE_INVALID_REQUEST, "the line is too long", NULL, 0),
                NULL);
}

/**
 * client_process() - Take all lines that may be taken from the input buffer
 * @client:	Client, of which the caller holds a reference
 */
static void client_process(struct client *client)
{
    size_t start = 0, scanned = client->scanned;
    bool left = false;

    while (client->server && !left) {
        char *line = client->in.data + start, *end;

        if (start + scanned >= client->in.size)
            break;
        end = memchr(line + scanned, '\n', client->in.size - start - scanned);
        if ((end ? (size_t)(end - line) : client->in.size - start) >= RPC_LINE_MAX) {
            client_line_too_long(client);
            return;
        }
        scanned = end ? (size_t)(end - line) : client->in.size - start;
        if (!end)
            break;
        left = paused(client);
        if (!left) {
            start += scanned + 1;
            client_line(client, line, scanned);
            scanned = 0;
        }
    }
    if (!client->server)
        return;
    client->left_input = left;
    client->scanned = scanned;
    client->server->total -= start;
    if (start == client->in.size)
        strbuf_done(&client->in);
    else
        strbuf_consume(&client->in, start);
    if (client->server->total > TOTAL_MAX && client->in.size > SMALL)
        client_close(client);
}

/**
 * client_read() - Read what has come, at most READ_SIZE bytes, and take its lines
 * @client:	Client, of which the caller holds a reference
 */
static void client_read(struct client *client)
{
    char chunk[READ_SIZE];
    ssize_t n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        client_close(client);
        return;
    }
    if (n == 0) {
        client->ended = true;
        return;
    }
    strbuf_append(&client->in, chunk, (size_t)n);
    client->server->total += (size_t)n;
    client_process(client);
}

/**
 * on_client_io() - A client's socket can be read or written, or was hung up
 * @source:	Unused
 * @fd:		Unused
 * @events:	What happened
 * @data:	The client
 *
 * Return: 0
 */
static int on_client_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct client *client = data;

    (void)source;
    (void)fd;
    client->references++;
    if (events & EPOLLOUT)
        client_flush(client);
    if (client->server && (events & EPOLLIN))
        client_read(client);
    /* On a hang-up requests sent before it still count; they are read first, turn by turn. */
    if (client->server && (events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
        client_close(client);
    resume(client);
    client_unref(client);
    return 0;
}

/**
 * on_client_again() - Go on with input that was left over
 * @source:	Unused
 * @data:	The client
 *
 * Return: 0
 */
static int on_client_again(sd_event_source *source, void *data)
{
    struct client *client = data;

    (void)source;
    client->references++;
    client_process(client);
    resume(client);
    client_unref(client);
    return 0;
}

/**
 * server_make_room() - Displace the connection that was idle longest
 * @server:	Server with CLIENTS_MAX clients
 *
 * Return: true if there is room now
 */
static bool server_make_room(struct rpc_server *server)
{
    struct client *client;

    TAILQ_FOREACH(client, &server->clients, entry)
    {
        if (client->calls > 0 || client->subscribed || client->upgrade)
            continue;
        client_close(client);
        return true;
    }
    return false;
}

/**
 * turn_away() - Tell a connection why it is closed
 * @fd:		Connection
 * @why:	Reason
 *
 * Only what the socket takes at once is sent.
 */
static void turn_away(int fd, const char *why)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    if (rpc_append_line(&line, rpc_make_error(NULL, RPC_ERROR_FAILED, why, NULL, EPERM)) == 0)
        (void)send(fd, line.data, line.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/**
 * server_admit() - Make a client of a new connection, if it may be one
 * @server:	Server
 * @connection:	Descriptor, ownership taken
 */
static void server_admit(struct rpc_server *server, int connection)
{
    _cleanup_close_ int fd = connection;
    struct client *client;
    uid_t uid;

    if (socket_peer_uid(fd, &uid) < 0 || (uid != geteuid() && uid != 0)) {
        turn_away(fd, "this lab belongs to another user");
        return;
    }
    if (server->client_count >= CLIENTS_MAX && !server_make_room(server)) {
        turn_away(fd, "too many connections");
        return;
    }
    client = xnew0(struct client, 1);
    client->references = 1;
    if (sd_event_add_io(server->event, &client->io, fd, EPOLLIN, on_client_io, client) < 0 ||
        sd_event_add_defer(server->event, &client->again, on_client_again, client) < 0 ||
        sd_event_source_set_enabled(client->again, SD_EVENT_OFF) < 0) {
        client->io = sd_event_source_disable_unref(client->io);
        client->again = sd_event_source_disable_unref(client->again);
        free(client);
        return;
    }
    client->server = server;
    client->fd = steal_fd(&fd);
    TAILQ_INSERT_TAIL(&server->clients, client, entry);
    server->client_count++;
}

/**
 * on_accept_retry() - Listen again after descriptors had run out
 * @source:	The timer
 * @usec:	Unused
 * @data:	The server
 *
 * Return: 0
 */
static int on_accept_retry(sd_event_source *source, uint64_t usec, void *data)
{
    struct rpc_server *server = data;

    (void)source;
    (void)usec;
    (void)sd_event_source_set_enabled(server->io, SD_EVENT_ON);
    return 0;
}

/**
 * on_accept() - Connections wait
 * @source:	The listening socket's source
 * @fd:		The listening socket
 * @events:	Unused
 * @data:	The server
 *
 * Return: 0
 */
static int on_accept(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct rpc_server *server = data;
    int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (connection >= 0) {
        server_admit(server, connection);
        return 0;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return 0;
    /* The connection stays in the queue and would wake the loop at once again: give it a pause. */
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    server->retry = sd_event_source_disable_unref(server->retry);
    if (sd_event_add_time_relative(server->event, &server->retry, CLOCK_MONOTONIC, ACCEPT_RETRY_US,
                                   0, on_accept_retry, server) < 0)
        (void)sd_event_source_set_enabled(source, SD_EVENT_ON);
    return 0;
}

int rpc_server_new(sd_event *event, const char *path, const struct rpc_method *methods,
                   size_t count, void *data, struct rpc_server **ret_server, struct error *err)
{
    struct rpc_server *server = xnew0(struct rpc_server, 1);
    int r;

    TAILQ_INIT(&server->clients);
    server->methods = methods;
    server->method_count = count;
    server->data = data;
    server->event = sd_event_ref(event);
    server->fd = socket_listen(path, SOCK_STREAM | SOCK_NONBLOCK, err);
    if (server->fd < 0) {
        r = server->fd;
        rpc_server_free(server);
        return r;
    }
    server->path = xstrdup(path);
    r = sd_event_add_io(event, &server->io, server->fd, EPOLLIN, on_accept, server);
    if (r < 0) {
        rpc_server_free(server);
        return error_errno(err, -r, "%s: watch", path);
    }
    *ret_server = server;
    return 0;
}

int rpc_server_listen_again(struct rpc_server *server, struct error *err)
{
    int fd = socket_listen(server->path, SOCK_STREAM | SOCK_NONBLOCK, err), r;

    if (fd < 0)
        return fd;
    server->io = sd_event_source_disable_unref(server->io);
    (void)close(server->fd);
    server->fd = fd;
    r = sd_event_add_io(server->event, &server->io, fd, EPOLLIN, on_accept, server);
    return r < 0 ? error_errno(err, -r, "%s: watch", server->path) : 0;
}

void rpc_server_free(struct rpc_server *server)
{
    struct client *client;

    if (!server)
        return;
    server->io = sd_event_source_disable_unref(server->io);
    server->retry = sd_event_source_disable_unref(server->retry);
    if (server->path)
        (void)unlink(server->path);
    if (server->fd >= 0)
        (void)close(server->fd);
    while ((client = TAILQ_FIRST(&server->clients))) {
        client->references++;
        client_flush(client);
        client_close(client);
        client_unref(client);
    }
    sd_event_unref(server->event);
    free(server->path);
    free(server);
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
    if (call->id)
        client_send(call->client, rpc_make_result(call->id, result), call->id);
    else
        json_decref(result);
    call_free(call);
}

void rpc_fail(struct rpc_call *call, struct error *err)
{
    int code = err->kind == ERROR_KIND_INPUT ? RPC_ERROR_INPUT : RPC_ERROR_FAILED;

    if (call->id)
        client_send(call->client,
                    rpc_make_error(call->id, code, error_message(err), err->hint, err->code),
                    call->id);
    error_done(err);
    call_free(call);
}

/**
 * client_notify() - Send a notification, unless the client lags behind
 * @client:	Client; may be closed afterwards
 * @message:	Borrowed
 */
static void client_notify(struct client *client, json_t *message)
{
    if (!client->server || client->upgrade || client->out.size - client->out_done > OUT_NOTIFY)
        return;
    client->references++;
    client_send(client, json_incref(message), NULL);
    client_watch(client);
    client_unref(client);
}

void rpc_notify(struct rpc_call *call, const char *method, json_t *params)
{
    json_t *message = rpc_make_request(NULL, method, params);

    client_notify(call->client, message);
    json_decref(message);
}

bool rpc_call_alive(const struct rpc_call *call)
{
    return call->client->server != NULL;
}

void rpc_upgrade(struct rpc_call *call, json_t *result, rpc_upgrade_fn *fn, void *data)
{
    struct client *client = call->client;

    if (!client->server || !call->id || client->upgrade) {
        json_decref(result);
        call_free(call);
        fn(-1, data);
        return;
    }
    client_send(client, rpc_make_result(call->id, result), call->id);
    if (client->server) {
        client->upgrade = fn;
        client->upgrade_data = data;
        client_flush(client);
    } else {
        fn(-1, data);
    }
    call_free(call);
}

void rpc_broadcast(struct rpc_server *server, const char *method, json_t *params)
{
    json_t *message = rpc_make_request(NULL, method, params);
    struct client *client = TAILQ_FIRST(&server->clients);

    while (client) {
        struct client *next = TAILQ_NEXT(client, entry);

        if (client->subscribed)
            client_notify(client, message);
        client = next;
    }
    json_decref(message);
}

size_t rpc_server_clients(const struct rpc_server *server)
{
    return server->client_count;
}
