// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_rpc labctl_base

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rpc/rpc.h"

/**
 * parse_code() - Parse a line that is wrong
 * @line:	Line
 * @size:	Its length
 *
 * Return: the error code of the response
 */
static json_int_t parse_code(const char *line, size_t size)
{
    struct rpc_request request = {0};
    json_t *error = NULL;
    json_int_t code;

    assert_int_equal(rpc_parse_request(line, size, &request, &error), -EINVAL);
    assert_non_null(error);
    assert_null(request.root);
    code = json_integer_value(json_object_get(json_object_get(error, "error"), "code"));
    json_decref(error);
    return code;
}

static void test_request(void **state)
{
    static const char line[] =
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a.b\",\"params\":{\"x\":1}}";
    struct rpc_request request;
    json_t *error = NULL;

    (void)state;
    assert_int_equal(rpc_parse_request(line, strlen(line), &request, &error), 0);
    assert_string_equal(request.method, "a.b");
    assert_int_equal(json_integer_value(request.id), 7);
    assert_int_equal(json_integer_value(json_object_get(request.params, "x")), 1);
    rpc_request_done(&request);
}

static void test_request_without_params_or_id(void **state)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}";
    struct rpc_request request;
    json_t *error = NULL;

    (void)state;
    assert_int_equal(rpc_parse_request(line, strlen(line), &request, &error), 0);
    assert_null(request.id);
    assert_true(json_is_object(request.params));
    rpc_request_done(&request);
}

static void test_wrong_requests(void **state)
{
    static const struct {
        const char *line;
        int code;
    } cases[] = {
        {"", -32700},
        {"{", -32700},
        {"\xff\xfe", -32700},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"method\":\"b\"}", -32700},
        {"[]", -32600},
        {"7", -32700}, /* jansson takes only arrays and objects at the top */
        {"{}", -32600},
        {"{\"jsonrpc\":\"1.0\",\"method\":\"a\"}", -32600},
        {"{\"jsonrpc\":\"2.0\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":7}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":{}}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[1]}", -32602},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\\u0000b\"}", -32700},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(parse_code(cases[i].line, strlen(cases[i].line)), cases[i].code);
}

static void test_depth_is_limited(void **state)
{
    size_t depth = 100000;
    char *line = xmalloc0(depth, 1);

    (void)state;
    memset(line, '[', depth);
    assert_int_equal(parse_code(line, depth), -32700);
    free(line);
}

static void test_error_keeps_the_id(void **state)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"a\",\"params\":3}";
    struct rpc_request request;
    json_t *error = NULL;

    (void)state;
    assert_int_equal(rpc_parse_request(line, strlen(line), &request, &error), -EINVAL);
    assert_string_equal(json_string_value(json_object_get(error, "id")), "x");
    json_decref(error);
}

static void test_params(void **state)
{
    json_t *params = json_pack("{s:s, s:b, s:i, s:[s,s], s:[s,i], s:n}", "s", "text", "b", 1, "i",
                               7, "l", "a", "b", "m", "a", 1, "n");
    struct error err = ERROR_INIT;
    const char *text = "before";
    bool flag = false;
    json_int_t number = 3;
    json_t *list = NULL;

    (void)state;
    assert_int_equal(rpc_param_string(params, "s", true, &text, &err), 0);
    assert_string_equal(text, "text");
    assert_int_equal(rpc_param_string(params, "absent", false, &text, &err), 0);
    assert_int_equal(rpc_param_string(params, "n", false, &text, &err), 0);
    assert_string_equal(text, "text");
    assert_int_equal(rpc_param_string(params, "absent", true, &text, &err), -EINVAL);
    assert_string_equal(err.message, "parameter 'absent' is missing");
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    assert_int_equal(rpc_param_string(params, "i", false, &text, &err), -EINVAL);
    assert_int_equal(rpc_param_bool(params, "b", true, &flag, &err), 0);
    assert_true(flag);
    assert_int_equal(rpc_param_bool(params, "s", true, &flag, &err), -EINVAL);
    assert_int_equal(rpc_param_integer(params, "i", true, 0, 7, &number, &err), 0);
    assert_int_equal(number, 7);
    assert_int_equal(rpc_param_integer(params, "i", true, 0, 6, &number, &err), -EINVAL);
    assert_string_equal(err.message, "parameter 'i' must be a whole number from 0 to 6");
    assert_int_equal(rpc_param_strings(params, "l", true, &list, &err), 0);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(rpc_param_strings(params, "m", true, &list, &err), -EINVAL);
    assert_string_equal(err.message, "parameter 'm' must be an array of strings, item 1 is none");
    assert_int_equal(rpc_param_strings(params, "s", true, &list, &err), -EINVAL);
    error_done(&err);
    json_decref(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_without_params_or_id),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_error_keeps_the_id),
        cmocka_unit_test(test_params),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
