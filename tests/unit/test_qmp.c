// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* The QMP client against a peer that this test plays, and against a real QEMU. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "engine/qmp.h"

struct seen {
    unsigned ready, closed, answers, failures;
    char last_event[64], last_error[256];
    struct qmp **free_on_event;
};

static void on_ready(void *data)
{
    ((struct seen *)data)->ready++;
}

static void on_event(void *data, const char *name, json_t *args)
{
    struct seen *seen = data;

    (void)args;
    (void)snprintf(seen->last_event, sizeof(seen->last_event), "%s", name);
    if (seen->free_on_event) {
        qmp_free(*seen->free_on_event);
        *seen->free_on_event = NULL;
    }
}

static void on_closed(void *data, struct error *err)
{
    struct seen *seen = data;

    seen->closed++;
    (void)snprintf(seen->last_error, sizeof(seen->last_error), "%s", error_message(err));
}

static void on_answer(void *data, json_t *result, struct error *err)
{
    struct seen *seen = data;

    if (result)
        seen->answers++;
    else {
        seen->failures++;
        (void)snprintf(seen->last_error, sizeof(seen->last_error), "%s", error_message(err));
    }
}

static const struct qmp_handler handler = {on_ready, on_event, on_closed};

struct fixture {
    sd_event *event;
    struct qmp *qmp;
    struct seen seen;
    int peer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(sd_event_new(&f->event) >= 0);
    assert_int_equal(qmp_new(f->event, pair[0], &handler, &f->seen, &f->qmp, NULL), 0);
    f->peer = pair[1];
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    qmp_free(f->qmp);
    if (f->peer >= 0)
        close(f->peer);
    sd_event_unref(f->event);
    free(f);
    return 0;
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(write_all(f->peer, text, strlen(text)), 0);
    while (sd_event_run(f->event, 100000) > 0)
        if (f->seen.closed)
            break;
}

static void hear(struct fixture *f, char *buffer, size_t size)
{
    ssize_t n = recv(f->peer, buffer, size - 1, 0);

    assert_true(n > 0);
    buffer[n] = 0;
}

static void greet(struct fixture *f)
{
    char line[256];

    say(f, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    hear(f, line, sizeof(line));
    assert_non_null(strstr(line, "qmp_capabilities"));
    say(f, "{\"return\": {}, \"id\": 1}\r\n");
    assert_int_equal(f->seen.ready, 1);
}

static void test_handshake_and_answers(void **state)
{
    struct fixture *f = *state;
    char line[512];

    assert_int_equal(qmp_execute(f->qmp, "cont", NULL, NULL, NULL, NULL), -ENOTCONN);
    greet(f);
    assert_int_equal(qmp_execute(f->qmp, "a", NULL, on_answer, &f->seen, NULL), 0);
    assert_int_equal(
        qmp_execute(f->qmp, "b", json_pack("{s:s}", "k", "v"), on_answer, &f->seen, NULL), 0);
    hear(f, line, sizeof(line));
    assert_non_null(strstr(line, "\"arguments\":{\"k\":\"v\"}"));
    /* Answers in another order, with an event in between. */
    say(f, "{\"return\": {}, \"id\": 3}\n{\"event\": \"STOP\"}\n"
           "{\"error\": {\"class\": \"x\", \"desc\": \"no \\u001b[31m\"}, \"id\": 2}\n");
    assert_int_equal(f->seen.answers, 1);
    assert_int_equal(f->seen.failures, 1);
    assert_string_equal(f->seen.last_event, "STOP");
    assert_null(strchr(f->seen.last_error, 033));
}

static void test_pending_commands_fail_on_close(void **state)
{
    struct fixture *f = *state;

    greet(f);
    assert_int_equal(qmp_execute(f->qmp, "a", NULL, on_answer, &f->seen, NULL), 0);
    close(f->peer);
    f->peer = -1;
    while (!f->seen.closed)
        assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(f->seen.failures, 1);
    assert_int_equal(qmp_execute(f->qmp, "a", NULL, NULL, NULL, NULL), -ENOTCONN);
}

static void test_garbage_closes(void **state)
{
    struct fixture *f = *state;

    say(f, "\033]0;hello\007 not json\n");
    assert_int_equal(f->seen.closed, 1);
    assert_null(strchr(f->seen.last_error, 033));
}

static void test_unasked_answer_closes(void **state)
{
    struct fixture *f = *state;

    greet(f);
    say(f, "{\"return\": {}, \"id\": 77}\n");
    assert_int_equal(f->seen.closed, 1);
}

static void test_endless_line_closes(void **state)
{
    struct fixture *f = *state;
    char *chunk = malloc(65536);

    memset(chunk, 'x', 65536);
    for (int i = 0; i < 40 && !f->seen.closed; i++) {
        (void)send(f->peer, chunk, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sd_event_run(f->event, 100000);
        (void)sd_event_run(f->event, 0);
    }
    for (int i = 0; i < 200 && !f->seen.closed; i++)
        (void)sd_event_run(f->event, 10000);
    free(chunk);
    assert_int_equal(f->seen.closed, 1);
}

static void test_free_inside_callback(void **state)
{
    struct fixture *f = *state;

    greet(f);
    f->seen.free_on_event = &f->qmp;
    say(f, "{\"event\": \"SHUTDOWN\"}\n{\"event\": \"STOP\"}\n");
    assert_string_equal(f->seen.last_event, "SHUTDOWN");
    assert_null(f->qmp);
}

static void test_real_qemu(void **state)
{
    const char *argv[] = {"qemu-system-x86_64",
                          "-nodefaults",
                          "-machine",
                          "none",
                          "-display",
                          "none",
                          "-S",
                          "-chardev",
                          "socket,id=q,fd=3",
                          "-mon",
                          "chardev=q,mode=control",
                          NULL};
    struct fixture f = {.peer = -1};
    int pair[2];
    pid_t pid;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (spawn(&(struct spawn_options){.argv = argv,
                                      .fds = &(struct spawn_fd){pair[1], 3},
                                      .fd_count = 1},
              &pid, NULL, NULL) < 0) {
        print_message("SKIP: qemu-system-x86_64 is not installed\n");
        close(pair[0]);
        close(pair[1]);
        skip();
    }
    close(pair[1]);
    assert_true(sd_event_new(&f.event) >= 0);
    assert_int_equal(qmp_new(f.event, pair[0], &handler, &f.seen, &f.qmp, NULL), 0);
    while (!f.seen.ready)
        assert_true(sd_event_run(f.event, 20000000) > 0);
    assert_int_equal(qmp_execute(f.qmp, "query-status", NULL, on_answer, &f.seen, NULL), 0);
    assert_int_equal(qmp_execute(f.qmp, "no-such-command", NULL, on_answer, &f.seen, NULL), 0);
    assert_int_equal(qmp_execute(f.qmp, "quit", NULL, on_answer, &f.seen, NULL), 0);
    while (!f.seen.closed)
        assert_true(sd_event_run(f.event, 20000000) > 0);
    assert_int_equal(f.seen.answers, 2);
    assert_int_equal(f.seen.failures, 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    qmp_free(f.qmp);
    sd_event_unref(f.event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshake_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending_commands_fail_on_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unasked_answer_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_line_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_inside_callback, setup, teardown),
        cmocka_unit_test(test_real_qemu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
