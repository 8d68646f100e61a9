// SPDX-License-Identifier: GPL-2.0-or-later

/* The codec knows nothing of sockets: a line goes in, a checked request or the error response to
 * send comes out. What it does not take from JSON-RPC 2.0, on purpose: batches (a client may send
 * several lines instead), params by position, and keys given twice. Jansson limits the depth
 * (JSON_PARSER_MAX_DEPTH) and refuses strings with zero bytes in them, so every string that leaves
 * here is a C string. */

#include "rpc/rpc.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "rpc/codec_priv.h"

/**
 * never_null() - Abort when jansson could not allocate (house rule: out of memory aborts)
 * @value:	What jansson gave
 *
 * Return: @value
 */
static json_t *never_null(json_t *value)
{
    if (!value)
        abort();
    return value;
}

json_t *rpc_text(const char *text)
{
    json_t *value = json_string(text);
    _cleanup_free_ char *escaped = NULL;

    if (value)
        return value;
    escaped = text_escape(text, strlen(text));
    return never_null(json_string(escaped));
}

/**
 * make_message() - The part that all messages share
 *
 * Return: new object
 */
static json_t *make_message(void)
{
    json_t *message = never_null(json_object());

    (void)json_object_set_new(message, "jsonrpc", never_null(json_string("2.0")));
    return message;
}

json_t *rpc_make_error(json_t *id, int code, const char *text, const char *hint, int code_errno)
{
    json_t *message = make_message(), *error = never_null(json_object()), *data;

    (void)json_object_set(message, "id", id ? id : json_null());
    (void)json_object_set_new(error, "code", never_null(json_integer(code)));
    (void)json_object_set_new(error, "message", rpc_text(text));
    if (hint || code_errno) {
        data = never_null(json_object());
        if (hint)
            (void)json_object_set_new(data, "hint", rpc_text(hint));
        if (code_errno)
            (void)json_object_set_new(data, "errno", never_null(json_integer(code_errno)));
        (void)json_object_set_new(error, "data", data);
    }
    (void)json_object_set_new(message, "error", error);
    return message;
}

json_t *rpc_make_result(json_t *id, json_t *result)
{
    json_t *message = make_message();

    (void)json_object_set(message, "id", id ? id : json_null());
    (void)json_object_set_new(message, "result", result ? result : never_null(json_object()));
    return message;
}

json_t *rpc_make_request(json_t *id, const char *method, json_t *params)
{
    json_t *message = make_message();

    if (id)
        (void)json_object_set_new(message, "id", id);
    (void)json_object_set_new(message, "method", rpc_text(method));
    (void)json_object_set_new(message, "params", params ? params : never_null(json_object()));
    return message;
}

int rpc_append_line(struct strbuf *buf, json_t *message)
{
    _cleanup_free_ char *line = json_dumps(message, JSON_COMPACT);
    size_t size;

    json_decref(message);
    if (!line)
        return -EINVAL;
    size = strlen(line);
    if (size >= RPC_LINE_MAX)
        return -EFBIG;
    line[size] = '\n';
    strbuf_append(buf, line, size + 1);
    return 0;
}

/**
 * request_check() - Is this JSON value a request?
 * @root:	Value
 * @ret_request: Filled on success, but for @root itself
 *
 * Return: NULL, or what is wrong with it
 */
static const char *request_check(json_t *root, struct rpc_request *ret_request)
{
    const char *version = json_string_value(json_object_get(root, "jsonrpc"));
    const char *method = json_string_value(json_object_get(root, "method"));
    json_t *id = json_object_get(root, "id");

    if (json_is_array(root))
        return "batches are not supported: send one request a line";
    if (!json_is_object(root))
        return "a request is an object";
    if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
        return "id must be a string, a number or null";
    ret_request->id = json_incref(id);
    if (!version || strcmp(version, "2.0") != 0)
        return "jsonrpc must be \"2.0\"";
    if (!method)
        return "method must be a string";
    ret_request->method = method;
    return NULL;
}

int rpc_parse_request(const char *line, size_t size, struct rpc_request *ret_request,
                      json_t **ret_error)
{
    struct rpc_request request = {0};
    json_error_t where;
    const char *wrong;

    request.root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &where);
    if (!request.root) {
        _cleanup_free_ char *text = xasprintf("not JSON: %s (column %d)", where.text, where.column);

        *ret_error = rpc_make_error(NULL, RPC_CODE_PARSE, text, NULL, 0);
        return -EINVAL;
    }
    wrong = request_check(request.root, &request);
    if (wrong) {
        *ret_error = rpc_make_error(request.id, RPC_CODE_INVALID_REQUEST, wrong, NULL, 0);
        rpc_request_done(&request);
        return -EINVAL;
    }
    request.params = json_object_get(request.root, "params");
    if (!request.params) {
        request.params = never_null(json_object());
        (void)json_object_set_new(request.root, "params", request.params);
    } else if (!json_is_object(request.params)) {
        *ret_error = rpc_make_error(request.id, RPC_CODE_INVALID_PARAMS, "params must be an object",
                                    NULL, 0);
        rpc_request_done(&request);
        return -EINVAL;
    }
    *ret_request = request;
    return 0;
}

void rpc_request_done(struct rpc_request *request)
{
    json_decref(request->id);
    json_decref(request->root);
    *request = (struct rpc_request){0};
}
