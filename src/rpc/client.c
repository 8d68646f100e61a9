// SPDX-License-Identifier: GPL-2.0-or-later

/* The person's side: blocking, one connection, any number of requests under way, of which the last
 * one started is the one waited for. Answers to earlier ones are read and forgotten: that is how an
 * interrupted lab.up is followed by lab.down on the same connection. What the engine sends is
 * trusted no more than what a client sends: bounded and checked. */

#include "rpc/rpc.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/socket.h"
#include "base/strbuf.h"
#include "rpc/codec_priv.h"

/* An answer's line is at most RPC_LINE_MAX; there is room for what came with it. */
#define INPUT_MAX (RPC_LINE_MAX + (64u << 10))

struct rpc_client {
    int fd;
    json_int_t id; /* of the last request; 0: none yet */
    struct strbuf in;
    size_t scanned; /* bytes of @in known to hold no newline */
};

int rpc_connect(const char *path, struct rpc_client **ret_client, struct error *err)
{
    int fd = socket_connect(path, SOCK_STREAM, err);
    struct rpc_client *client;

    if (fd < 0)
        return fd;
    client = xnew0(struct rpc_client, 1);
    client->fd = fd;
    *ret_client = client;
    return 0;
}

void rpc_client_free(struct rpc_client *client)
{
    if (!client)
        return;
    (void)close(client->fd);
    strbuf_done(&client->in);
    free(client);
}

int rpc_client_fd(const struct rpc_client *client)
{
    return client->fd;
}

/**
 * hung_up() - The connection is gone
 * @err:	Error to fill
 * @code:	Positive errno
 *
 * Return: -@code
 */
static int hung_up(struct error *err, int code)
{
    (void)error_errno(err, code, "the engine hung up");
    error_hint(err, "its engine.log in the lab's run folder may say why");
    return -code;
}

int rpc_call_start(struct rpc_client *client, const char *method, json_t *params, struct error *err)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    size_t done = 0;
    int r = rpc_append_line(&line, rpc_make_request(json_integer(++client->id), method, params));

    if (r < 0)
        return error_errno(err, -r, "%s: request", method);
    while (done < line.size) {
        ssize_t n = send(client->fd, line.data + done, line.size - done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hung_up(err, errno);
        done += (size_t)n;
    }
    return 0;
}

/**
 * remote_error() - Make an error of an error response
 * @error:	Value of its "error"
 * @err:	Error to fill
 *
 * Return: -errno
 */
static int remote_error(json_t *error, struct error *err)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    json_int_t code = json_integer_value(json_object_get(error, "code"));
    json_t *data = json_object_get(error, "data");
    const char *hint = json_string_value(json_object_get(data, "hint"));
    json_int_t number = json_integer_value(json_object_get(data, "errno"));
    int r = number > 0 && number < 4096 ? (int)number : EIO;

    /* These two say of rpc_call_wait() that there is no answer yet. */
    if (r == ETIMEDOUT || r == EINTR)
        r = EIO;
    if (code == RPC_CODE_NO_METHOD) {
        (void)error_set(err, ENOSYS, "the engine of this lab does not know this command");
        error_hint(err, "it was started by another version of labctl: take the lab down and up");
        return -ENOSYS;
    }
    (void)error_set(err, r, "%s", message ? message : "the engine reports an error without text");
    if (err && (code == RPC_ERROR_INPUT || code == RPC_CODE_INVALID_PARAMS))
        err->kind = ERROR_KIND_INPUT;
    if (hint)
        error_hint(err, "%s", hint);
    return -r;
}

/**
 * handle_line() - One line from the engine
 * @client:	Client
 * @line:	Line
 * @size:	Its length
 * @fn:		Where notifications go, or NULL
 * @data:	For @fn
 * @ret_result:	Set when it is the answer
 * @err:	Error to fill
 *
 * Return: 1 if it is the answer; 0 if not; -errno if it is an error, or no message at all
 */
static int handle_line(struct rpc_client *client, const char *line, size_t size,
                       rpc_notification_fn *fn, void *data, json_t **ret_result, struct error *err)
{
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL), *id, *result, *error;
    const char *method = json_string_value(json_object_get(root, "method"));
    int r = 0;

    id = json_object_get(root, "id");
    result = json_object_get(root, "result");
    error = json_object_get(root, "error");
    if (!json_is_object(root)) {
        r = error_set(err, EPROTO, "the engine sent what is no JSON-RPC");
    } else if (method) {
        if (fn)
            fn(method, json_object_get(root, "params"), data);
    } else if (json_is_integer(id) && json_integer_value(id) != client->id) {
        r = 0; /* of a call nobody waits for any more */
    } else if (error) {
        r = remote_error(error, err); /* without an id it is about the connection: turned away */
    } else if (result) {
        *ret_result = json_incref(result);
        r = 1;
    } else {
        r = error_set(err, EPROTO, "the engine sent an answer without a result");
    }
    json_decref(root);
    return r;
}

/**
 * now_ms() - Monotonic clock
 *
 * Return: milliseconds
 */
static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * receive() - Wait for bytes and read them, at most to the end of a line
 * @client:	Client
 * @deadline:	By now_ms(), negative for none
 * @err:	Error to fill
 *
 * Return: 0, -ETIMEDOUT, -EINTR, or -errno with @err
 */
static int receive(struct rpc_client *client, int64_t deadline, struct error *err)
{
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    int64_t left = deadline < 0 ? -1 : deadline - now_ms();
    char chunk[16384], *newline;
    ssize_t n;
    int r = poll(&wait, 1, deadline < 0 ? -1 : left > 0 ? (int)left : 0);

    if (r < 0)
        return errno == EINTR ? -EINTR : hung_up(err, errno);
    if (r == 0)
        return -ETIMEDOUT;
    /* Never beyond the line: what follows an upgrading answer is not ours to read. */
    n = recv(client->fd, chunk, sizeof(chunk), MSG_PEEK);
    if (n > 0) {
        newline = memchr(chunk, '\n', (size_t)n);
        n = recv(client->fd, chunk, newline ? (size_t)(newline - chunk) + 1 : (size_t)n, 0);
    }
    if (n < 0)
        return errno == EINTR ? -EINTR : hung_up(err, errno);
    if (n == 0)
        return hung_up(err, EPIPE);
    if (client->in.size + (size_t)n > INPUT_MAX)
        return error_set(err, EPROTO, "the engine sent a line that is too long");
    strbuf_append(&client->in, chunk, (size_t)n);
    return 0;
}

int rpc_call_wait(struct rpc_client *client, int timeout_ms, rpc_notification_fn *fn, void *data,
                  json_t **ret_result, struct error *err)
{
    int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;

    for (;;) {
        char *end =
            client->in.size > client->scanned
                ? memchr(client->in.data + client->scanned, '\n', client->in.size - client->scanned)
                : NULL;
        int r;

        if (end) {
            size_t size = (size_t)(end - client->in.data);

            r = handle_line(client, client->in.data, size, fn, data, ret_result, err);
            strbuf_consume(&client->in, size + 1);
            client->scanned = 0;
            if (r != 0)
                return r < 0 ? r : 0;
            if (deadline >= 0 && now_ms() >= deadline)
                return -ETIMEDOUT;
            continue;
        }
        client->scanned = client->in.size;
        r = receive(client, deadline, err);
        if (r < 0)
            return r;
    }
}

int rpc_invoke(struct rpc_client *client, const char *method, json_t *params, json_t **ret_result,
               struct error *err)
{
    int r = rpc_call_start(client, method, params, err);

    if (r < 0)
        return r;
    do
        r = rpc_call_wait(client, -1, NULL, NULL, ret_result, err);
    while (r == -EINTR);
    return r;
}

int rpc_client_steal(struct rpc_client *client, char **ret_rest, size_t *ret_size)
{
    int fd = client->fd;

    *ret_size = client->in.size;
    *ret_rest = strbuf_steal(&client->in);
    free(client);
    return fd;
}
