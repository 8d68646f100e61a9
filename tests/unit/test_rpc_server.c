// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_rpc labctl_base

/* The server over real sockets; the test plays a raw client. */

#include "unit/test_rpc_fixture.h"

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void request(int fd, int id, const char *method)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\"}\n", id,
                   method);
    put(fd, line);
}

/**
 * drain() - Read all that is there, pumping in between
 * @f:	Fixture
 * @fd:	Connection
 * @ret_closed: May be NULL; true if the other side closed
 *
 * Return: what came; caller frees
 */
static char *drain(struct fixture *f, int fd, bool *ret_closed)
{
    struct strbuf got = STRBUF_INIT;
    char chunk[65536];
    bool closed = false;
    ssize_t n;

    for (;;) {
        pump(f);
        n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n <= 0)
            break;
        strbuf_append(&got, chunk, (size_t)n);
    }
    closed = n == 0 || errno == ECONNRESET;
    if (ret_closed)
        *ret_closed = closed;
    return strbuf_steal(&got);
}

static void expect(struct fixture *f, int fd, const char *what)
{
    char *got = drain(f, fd, NULL);

    if (!strstr(got, what))
        fail_msg("'%s' is not in '%.300s'", what, got);
    free(got);
}

static unsigned count_lines(const char *text)
{
    unsigned count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void test_socket_mode(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    const char *line =
        "\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":2}}\r\n";
    int fd = dial(f);

    for (; *line; line++) {
        assert_int_equal(send(fd, line, 1, MSG_NOSIGNAL), 1);
        pump(f);
    }
    expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":2}}\n");
    (void)close(fd);
    pump(f);
    assert_int_equal(rpc_server_clients(f->server), 0);
}

static void test_garbage_gets_errors(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    put(fd, "garbage\xff\n");
    expect(f, fd, "-32700");
    put(fd, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"nope\"}\n");
    expect(f, fd, "\"id\":5,\"error\":{\"code\":-32601");
    put(fd,
        "{\"jsonrpc\":\"2.0\",\"method\":\"nope\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n");
    request(fd, 6, "fail"); /* notifications before it got no answer */
    expect(f, fd,
           "{\"jsonrpc\":\"2.0\",\"id\":6,\"error\":{\"code\":-32001,\"message\":\"node 'x': "
           "no such node, \\\\xff");
    assert_int_equal(f->echoes, 1);
    (void)close(fd);
}

static void test_half_close_still_gets_answers(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    bool closed;
    char *got;

    request(fd, 1, "echo");
    request(fd, 2, "keep");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    got = drain(f, fd, &closed);
    assert_non_null(strstr(got, "\"id\":1"));
    assert_false(closed);
    free(got);
    assert_true(rpc_call_alive(f->kept));
    rpc_reply(f->kept, NULL);
    got = drain(f, fd, &closed);
    assert_non_null(strstr(got, "\"id\":2"));
    assert_true(closed);
    free(got);
    (void)close(fd);
}

static void test_hang_up_in_mid_call(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    int fd = dial(f);

    request(fd, 1, "keep");
    pump(f);
    (void)close(fd);
    pump(f);
    assert_false(rpc_call_alive(f->kept));
    assert_int_equal(rpc_server_clients(f->server), 0);
    rpc_notify(f->kept, "progress", NULL);
    (void)error_set(&err, EIO, "too late");
    rpc_fail(f->kept, &err);
    fd = dial(f);
    request(fd, 1, "keep");
    pump(f);
    (void)close(fd);
    pump(f);
    rpc_upgrade(f->kept, NULL, on_upgraded, f);
    assert_int_equal(f->upgraded, -1);
}

static void test_call_outlives_server(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    request(fd, 1, "keep");
    pump(f);
    rpc_server_free(f->server);
    f->server = NULL;
    assert_false(rpc_call_alive(f->kept));
    rpc_reply(f->kept, NULL);
    (void)close(fd);
}

static void test_handler_ends_the_server(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    bool closed;
    char *got;

    request(fd, 1, "quit");
    request(fd, 2, "echo");
    got = drain(f, fd, &closed);
    assert_non_null(strstr(got, "\"id\":1"));
    assert_null(strstr(got, "\"id\":2"));
    assert_true(closed);
    free(got);
    (void)close(fd);
}

static void test_upgrade(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char *got;

    request(fd, 1, "upgrade");
    got = drain(f, fd, NULL);
    assert_string_equal(got, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"node\":\"r1\"}}\nfirst");
    free(got);
    assert_true(f->upgraded >= 0);
    assert_int_equal(rpc_server_clients(f->server), 0);
    put(fd, "raw\n");
    char raw[8] = "";
    assert_int_equal(recv(f->upgraded, raw, sizeof(raw), 0), 4);
    assert_string_equal(raw, "raw\n");
    (void)close(fd);
}

static void test_upgrade_waits_until_written(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char *got;

    request(fd, 1, "keep");
    for (int i = 2; i < 10; i++) /* more than the socket takes */
        request(fd, i, "big");
    pump(f);
    rpc_upgrade(f->kept, NULL, on_upgraded, f);
    pump(f);
    assert_int_equal(f->upgraded, -2);
    got = drain(f, fd, NULL);
    assert_true(f->upgraded >= 0);
    assert_non_null(strstr(got, "\"id\":1,"));
    free(got);
    (void)close(fd);
}

static void test_line_too_long(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f), other = dial(f);
    char *junk = xmalloc0(65536, 1), *got;
    size_t sent = 0;
    bool closed;

    memset(junk, '[', 65536);
    while (sent < 2 * (size_t)RPC_LINE_MAX) {
        ssize_t n = send(fd, junk, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);

        pump(f);
        if (n < 0 && errno != EAGAIN)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    assert_true(sent < 2 * (size_t)RPC_LINE_MAX);
    got = drain(f, fd, &closed);
    assert_non_null(strstr(got, "too long"));
    assert_true(closed);
    free(got);
    free(junk);
    (void)close(fd);
    request(other, 1, "echo");
    expect(f, other, "\"id\":1");
    (void)close(other);
}

static void test_answer_too_long(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    request(fd, 1, "too.big");
    expect(f, fd, "\"id\":1,\"error\":{\"code\":-32603");
    (void)close(fd);
}

/* A client that asks and never reads is held back by backpressure, costs nobody else anything, and
 * gets every answer when it reads at last. */
static void test_never_reading_client(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f), other = dial(f), asked = 0;
    char *got;

    for (; asked < 2000; asked++) {
        char line[64];
        int n = snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"big\"}\n",
                         asked);

        if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
            break;
        if (asked % 50 == 0)
            pump(f);
    }
    pump(f);
    request(other, 1, "echo");
    expect(f, other, "\"id\":1");
    got = drain(f, fd, NULL);
    assert_int_equal(count_lines(got), asked);
    free(got);
    (void)close(fd);
    (void)close(other);
}

/* Answers given while the client does not read: the queue grows to its limit, then the client goes.
 */
static void test_slow_client_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct rpc_call *calls[64];
    char *text = xmalloc0(100001, 1);
    int fd = dial(f);
    size_t answered = 0;

    memset(text, 'x', 100000);
    for (int i = 0; i < 60; i++) {
        request(fd, i, "keep");
        pump(f);
        calls[i] = f->kept;
    }
    for (int i = 0; i < 60; i++) {
        answered += rpc_call_alive(calls[i]);
        rpc_reply(calls[i], json_pack("{s:s}", "text", text));
    }
    assert_in_range(answered, 10, 20); /* 1 MiB and what the socket took */
    assert_int_equal(rpc_server_clients(f->server), 0);
    free(text);
    (void)close(fd);
}

/* Notifications to one that does not read are dropped, its answer is not. */
static void test_notifications_are_dropped_first(void **state)
{
    struct fixture *f = *state;
    char *text = xmalloc0(1001, 1), *got;
    int fd = dial(f);
    bool closed;

    memset(text, 'x', 1000);
    request(fd, 1, "keep");
    pump(f);
    for (int i = 0; i < 5000; i++)
        rpc_notify(f->kept, "progress", json_pack("{s:s}", "text", text));
    assert_true(rpc_call_alive(f->kept));
    rpc_reply(f->kept, NULL);
    got = drain(f, fd, &closed);
    assert_false(closed);
    assert_in_range(count_lines(got), 50, 1000);
    assert_non_null(strstr(got, "\"id\":1,\"result\""));
    free(got);
    free(text);
    (void)close(fd);
}

static void test_pipelining_is_bounded(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char *got;

    request(fd, 1, "keep");
    for (int i = 0; i < 1000; i++) {
        request(fd, i + 2, "echo");
        if (i % 100 == 0)
            pump(f);
    }
    got = drain(f, fd, NULL);
    assert_int_equal(count_lines(got), 1000);
    free(got);
    rpc_reply(f->kept, NULL);
    expect(f, fd, "\"id\":1,");
    (void)close(fd);
}

static void test_many_connections(void **state)
{
    struct fixture *f = *state;
    int fds[600], busy = dial(f);

    request(busy, 1, "keep");
    pump(f);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = dial(f);
        put(fds[i], "{\"half\":");
    }
    pump(f);
    assert_int_equal(rpc_server_clients(f->server), 256);
    assert_true(rpc_call_alive(f->kept)); /* the one with a call was not displaced */
    put(fds[599], "1}\n");
    expect(f, fds[599], "-32600");
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
    rpc_reply(f->kept, NULL);
    expect(f, busy, "\"id\":1,");
    (void)close(busy);
    pump(f);
    assert_int_equal(rpc_server_clients(f->server), 0);
}

static void test_broadcast(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f), other = dial(f);
    char *got;

    request(fd, 1, "events.subscribe");
    expect(f, fd, "\"result\":{}");
    rpc_broadcast(f->server, "event", json_pack("{s:s}", "type", "node"));
    expect(f, fd, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"type\":\"node\"}}\n");
    got = drain(f, other, NULL);
    assert_string_equal(got, "");
    free(got);
    (void)close(fd);
    (void)close(other);
}

static void test_second_server_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *server = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(rpc_server_new(f->event, f->path, methods, 1, f, &server, &err), -EADDRINUSE);
    assert_null(server);
    error_done(&err);
    assert_int_equal(access(f->path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        server_test(test_socket_mode),
        server_test(test_byte_by_byte),
        server_test(test_garbage_gets_errors),
        server_test(test_half_close_still_gets_answers),
        server_test(test_hang_up_in_mid_call),
        server_test(test_call_outlives_server),
        server_test(test_handler_ends_the_server),
        server_test(test_upgrade),
        server_test(test_upgrade_waits_until_written),
        server_test(test_line_too_long),
        server_test(test_answer_too_long),
        server_test(test_never_reading_client),
        server_test(test_slow_client_is_dropped),
        server_test(test_notifications_are_dropped_first),
        server_test(test_pipelining_is_bounded),
        server_test(test_many_connections),
        server_test(test_broadcast),
        server_test(test_second_server_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
