// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_rpc labctl_base pthread

/* The blocking client, in a thread of its own while the server's loop is pumped. */

#include "unit/test_rpc_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

struct client_run {
    const char *path;
    void (*fn)(struct rpc_client *client);
    atomic_bool done;
};

static void *client_thread(void *data)
{
    struct client_run *run = data;
    struct rpc_client *client = NULL;
    struct error err = ERROR_INIT;

    if (rpc_connect(run->path, &client, &err) == 0)
        run->fn(client);
    error_done(&err);
    atomic_store(&run->done, true);
    return NULL;
}

static void with_client(struct fixture *f, void (*fn)(struct rpc_client *client))
{
    struct client_run run = {.path = f->path, .fn = fn};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, client_thread, &run), 0);
    while (!atomic_load(&run.done))
        assert_true(sd_event_run(f->event, 1000) >= 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pump(f);
}

/* Asserts of a thread would jump through the wrong stack: what went wrong is counted instead. */
static atomic_int faults;
#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
            atomic_fetch_add(&faults, 1);                                                          \
        }                                                                                          \
    } while (0)

static void count_progress(const char *method, json_t *params, void *data)
{
    int *count = data;

    check(strcmp(method, "progress") == 0);
    check(json_integer_value(json_object_get(params, "n")) == ++*count);
}

static void client_calls(struct rpc_client *client)
{
    struct error err = ERROR_INIT;
    json_t *result = NULL;
    int count = 0;

    check(rpc_invoke(client, "echo", json_pack("{s:s}", "a", "b"), &result, &err) == 0);
    check(strcmp(json_string_value(json_object_get(result, "a")), "b") == 0);
    json_decref(result);
    result = NULL;
    check(rpc_invoke(client, "fail", NULL, &result, &err) == -EINVAL);
    check(err.kind == ERROR_KIND_INPUT);
    check(strcmp(err.hint, "labctl node list") == 0);
    check(!result);
    error_done(&err);
    check(rpc_invoke(client, "nope", NULL, &result, &err) == -ENOSYS);
    error_done(&err);
    check(rpc_call_start(client, "progress", NULL, &err) == 0);
    check(rpc_call_wait(client, -1, count_progress, &count, &result, &err) == 0);
    check(count == 2);
    json_decref(result);
    result = NULL;
    /* an unanswered call is left behind by the next one */
    check(rpc_call_start(client, "keep", NULL, &err) == 0);
    check(rpc_call_wait(client, 20, NULL, NULL, &result, &err) == -ETIMEDOUT);
    check(err.code == 0);
    check(rpc_invoke(client, "big", NULL, &result, &err) == 0);
    json_decref(result);
    rpc_client_free(client);
}

static void test_client(void **state)
{
    struct fixture *f = *state;

    with_client(f, client_calls);
    assert_int_equal(atomic_load(&faults), 0);
    rpc_reply(f->kept, NULL);
}

static void client_upgrades(struct rpc_client *client)
{
    struct error err = ERROR_INIT;
    json_t *result = NULL;
    char *rest = NULL, raw[8];
    size_t size;
    int fd;

    check(rpc_invoke(client, "upgrade", NULL, &result, &err) == 0);
    json_decref(result);
    fd = rpc_client_steal(client, &rest, &size);
    check(size == 0);
    check(recv(fd, raw, 5, MSG_WAITALL) == 5 && memcmp(raw, "first", 5) == 0);
    check(send(fd, "hello", 5, 0) == 5);
    check(recv(fd, raw, 1, 0) == 0 || errno == ECONNRESET); /* the test's end closes it */
    free(rest);
    (void)close(fd);
}

static int on_upgraded_data(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct fixture *f = data;
    char raw[8];

    (void)source;
    (void)events;
    assert_int_equal(recv(fd, raw, sizeof(raw), 0), 5);
    (void)close(f->upgraded);
    f->upgraded = -1;
    return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
    struct fixture *f = data;

    (void)usec;
    if (f->upgraded == -2) {
        (void)sd_event_source_set_time_relative(source, 1000);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    } else {
        assert_true(sd_event_add_io(f->event, NULL, f->upgraded, POLLIN, on_upgraded_data, f) >= 0);
    }
    return 0;
}

static void test_client_upgrade(void **state)
{
    struct fixture *f = *state;

    assert_true(sd_event_add_time_relative(f->event, NULL, CLOCK_MONOTONIC, 1000, 1, on_tick, f) >=
                0);
    with_client(f, client_upgrades);
    assert_int_equal(atomic_load(&faults), 0);
}

static void client_is_left(struct rpc_client *client)
{
    struct error err = ERROR_INIT;
    json_t *result = NULL;

    check(rpc_invoke(client, "quit", NULL, &result, &err) == 0);
    json_decref(result);
    result = NULL;
    check(rpc_invoke(client, "echo", NULL, &result, &err) < 0);
    check(strstr(error_message(&err), "hung up"));
    error_done(&err);
    rpc_client_free(client);
}

static void test_client_engine_gone(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    struct rpc_client *client = NULL;
    struct rpc_server *server = NULL;

    with_client(f, client_is_left);
    assert_int_equal(atomic_load(&faults), 0);
    assert_null(f->server);
    assert_int_equal(rpc_connect(f->path, &client, &err), -ENOENT);
    error_done(&err);
    /* a socket file nobody answers is told from a live one, and replaced */
    int stale = socket_listen(f->path, SOCK_STREAM, &err);

    assert_true(stale >= 0);
    (void)close(stale);
    assert_int_equal(rpc_connect(f->path, &client, &err), -ECONNREFUSED);
    error_done(&err);
    assert_int_equal(rpc_server_new(f->event, f->path, methods, 1, f, &server, &err), 0);
    rpc_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        server_test(test_client),
        server_test(test_client_upgrade),
        server_test(test_client_engine_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
