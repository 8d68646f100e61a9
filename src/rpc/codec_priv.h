// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Messages to and from lines, shared by server and client. */

#include <jansson.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Codes that the JSON-RPC 2.0 specification sets. */
#define RPC_CODE_PARSE           (-32700)
#define RPC_CODE_INVALID_REQUEST (-32600)
#define RPC_CODE_NO_METHOD       (-32601)
#define RPC_CODE_INVALID_PARAMS  (-32602)
#define RPC_CODE_INTERNAL        (-32603)

/* rpc_text() - A JSON string of any bytes: those that are not UTF-8 are escaped. Never NULL. */
json_t *rpc_text(const char *text);

/* rpc_make_error() - Error response. @id: borrowed, NULL gives null; @hint may be NULL; @code_errno
 * 0 leaves it out. */
json_t *rpc_make_error(json_t *id, int code, const char *message, const char *hint, int code_errno);

/* rpc_make_result() - Response. @id: borrowed; @result: stolen, NULL gives {}. */
json_t *rpc_make_result(json_t *id, json_t *result);

/* rpc_make_request() - Request, or notification if @id is NULL. @id and @params: stolen, NULL
 * params give {}. */
json_t *rpc_make_request(json_t *id, const char *method, json_t *params);

/* rpc_append_line() - @message (stolen) as one line at the end of @buf. Return: 0, or -EINVAL if it
 * is no JSON that can be written, -EFBIG if the line would be over RPC_LINE_MAX (then @buf is as it
 * was) */
int rpc_append_line(struct strbuf *buf, json_t *message);
