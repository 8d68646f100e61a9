// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* JSON-RPC 2.0, one object per line, over a unix stream socket in the lab's run folder. docs/rpc.md
 * lists the methods. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/error.h"

#define RPC_LINE_MAX (4u << 20) /* a longer line ends the connection */

/* Application error codes (JSON-RPC leaves -32000 to -32099 to servers): data carries {"hint": …}.
 */
#define RPC_ERROR_FAILED (-32000) /* ERROR_KIND_FAILED */
#define RPC_ERROR_INPUT  (-32001) /* ERROR_KIND_INPUT */

/* ---- server: in the engine's event loop, never blocks; clients of another uid (but root) are
 * refused ---- */
struct rpc_server;
struct rpc_call; /* one request until it is answered; survives its client's hang-up (answers then go
                    nowhere) */

/* @params: borrowed object (never NULL; {} if none given). The handler answers now or later,
 * exactly once. */
typedef void rpc_method_fn(struct rpc_call *call, json_t *params, void *data);
struct rpc_method {
    const char *name; /* "lab.status" */
    rpc_method_fn *fn;
};

int rpc_server_new(sd_event *event, const char *path, const struct rpc_method *methods,
                   size_t count, void *data, struct rpc_server **ret_server, struct error *err);
/* rpc_server_listen_again() - Its socket's name is gone: listen to a new one. Clients stay. */
int rpc_server_listen_again(struct rpc_server *server, struct error *err);
void rpc_server_free(
    struct rpc_server *server); /* flushes what can be written at once, closes all */

void rpc_reply(struct rpc_call *call, json_t *result);   /* steals @result; frees @call */
void rpc_fail(struct rpc_call *call, struct error *err); /* takes what @err holds; frees @call */
void rpc_notify(struct rpc_call *call, const char *method,
                json_t *params); /* steals @params; to that client, before the answer */
bool rpc_call_alive(const struct rpc_call *call); /* client still there */
/* rpc_upgrade() - Answer with @result (stolen), wait until it is written, then hand over the
 * connection: @fn gets the fd (owned, blocking mode off), or -1 if the client left. Frees @call. */
typedef void rpc_upgrade_fn(int fd, void *data);
void rpc_upgrade(struct rpc_call *call, json_t *result, rpc_upgrade_fn *fn, void *data);
/* rpc_broadcast() - A notification to every client that called events.subscribe (answered by the
 * server itself). Steals @params. */
void rpc_broadcast(struct rpc_server *server, const char *method, json_t *params);
size_t rpc_server_clients(const struct rpc_server *server);

/* ---- parameters: fetch with a clear error ---- */
/* rpc_param_string() etc. - @ret untouched and 0 if absent and not @required. Borrowed from
 * @params. */
int rpc_param_string(json_t *params, const char *key, bool required, const char **ret,
                     struct error *err);
int rpc_param_bool(json_t *params, const char *key, bool required, bool *ret, struct error *err);
int rpc_param_integer(json_t *params, const char *key, bool required, json_int_t least,
                      json_int_t most, json_int_t *ret, struct error *err);
/* rpc_param_strings() - Array of strings; @ret borrowed json array */
int rpc_param_strings(json_t *params, const char *key, bool required, json_t **ret,
                      struct error *err);

/* ---- codec, separate so that it can be fuzzed ---- */
/* rpc_parse_request() - One line. On failure @ret_error is the JSON-RPC error response to send
 * (caller owns). */
struct rpc_request {
    json_t *id;         /* owned, NULL for a notification */
    const char *method; /* borrowed from @root */
    json_t *params;     /* borrowed or owned empty object; always an object */
    json_t *root;       /* owned */
};
int rpc_parse_request(const char *line, size_t size, struct rpc_request *ret_request,
                      json_t **ret_error);
void rpc_request_done(struct rpc_request *request);

/* ---- client: blocking, for labctl ---- */
struct rpc_client;
/* rpc_connect() - -ECONNREFUSED or -ENOENT: no engine there. */
int rpc_connect(const char *path, struct rpc_client **ret_client, struct error *err);
void rpc_client_free(struct rpc_client *client);
int rpc_client_fd(const struct rpc_client *client);
typedef void rpc_notification_fn(const char *method, json_t *params, void *data);
/* rpc_call_start() - Send a request without waiting. rpc_call_wait() - Read until its answer;
 * notifications go to @fn. With @timeout_ms >= 0 returns -ETIMEDOUT when nothing came in that time
 * (call again to go on waiting); -EINTR when a signal handler ran.
 * @ret_result: caller owns. A remote error fills @err with its message, hint and kind. */
int rpc_call_start(struct rpc_client *client, const char *method, json_t *params,
                   struct error *err);
int rpc_call_wait(struct rpc_client *client, int timeout_ms, rpc_notification_fn *fn, void *data,
                  json_t **ret_result, struct error *err);
/* rpc_invoke() - Both, without notifications and time limit. Steals @params (may be NULL). */
int rpc_invoke(struct rpc_client *client, const char *method, json_t *params, json_t **ret_result,
               struct error *err);
/* rpc_client_steal() - After an upgrading call: the connection's fd, and bytes already read beyond
 * the answer (caller frees). Frees the client. */
int rpc_client_steal(struct rpc_client *client, char **ret_rest, size_t *ret_size);
