// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A server in a folder of its own, with methods that answer now, later and never. Its loop is
 * turned by hand: pump(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/strbuf.h"
#include "rpc/rpc.h"

struct fixture {
    sd_event *event;
    struct rpc_server *server;
    char dir[32];
    char *path;
    struct rpc_call *kept; /* by the method "keep" */
    int upgraded;          /* descriptor that "upgrade" handed over; -2 before */
    unsigned echoes;
};

static void do_echo(struct rpc_call *call, json_t *params, void *data)
{
    struct fixture *f = data;

    f->echoes++;
    rpc_reply(call, json_incref(params));
}

static void do_keep(struct rpc_call *call, json_t *params, void *data)
{
    struct fixture *f = data;

    (void)params;
    f->kept = call;
}

static void do_fail(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;

    (void)params;
    (void)data;
    (void)error_input(&err, "node 'x': no such node, \xff and\nsuch");
    error_hint(&err, "labctl node list");
    rpc_fail(call, &err);
}

static void do_progress(struct rpc_call *call, json_t *params, void *data)
{
    (void)params;
    (void)data;
    rpc_notify(call, "progress", json_pack("{s:i}", "n", 1));
    rpc_notify(call, "progress", json_pack("{s:i}", "n", 2));
    rpc_reply(call, json_pack("{s:i}", "n", 3));
}

static void on_upgraded(int fd, void *data)
{
    struct fixture *f = data;

    f->upgraded = fd;
    if (fd >= 0)
        (void)send(fd, "first", 5, MSG_NOSIGNAL); /* right behind the answer */
}

static void do_upgrade(struct rpc_call *call, json_t *params, void *data)
{
    (void)params;
    rpc_upgrade(call, json_pack("{s:s}", "node", "r1"), on_upgraded, data);
}

/* An answer of 100 kB. */
static void do_big(struct rpc_call *call, json_t *params, void *data)
{
    char *text = xmalloc0(100001, 1);

    (void)params;
    (void)data;
    memset(text, 'x', 100000);
    rpc_reply(call, json_pack("{s:s}", "text", text));
    free(text);
}

static void do_too_big(struct rpc_call *call, json_t *params, void *data)
{
    char *text = xmalloc0(RPC_LINE_MAX + 1, 1);

    (void)params;
    (void)data;
    memset(text, 'x', RPC_LINE_MAX);
    rpc_reply(call, json_pack("{s:s}", "text", text));
    free(text);
}

static void do_quit(struct rpc_call *call, json_t *params, void *data)
{
    struct fixture *f = data;

    (void)params;
    rpc_reply(call, NULL);
    rpc_server_free(f->server);
    f->server = NULL;
}

static const struct rpc_method methods[] = {
    {"echo", do_echo},       {"keep", do_keep}, {"fail", do_fail},       {"progress", do_progress},
    {"upgrade", do_upgrade}, {"big", do_big},   {"too.big", do_too_big}, {"quit", do_quit},
};

static int setup(void **state)
{
    struct fixture *f = xnew0(struct fixture, 1);
    struct error err = ERROR_INIT;

    strcpy(f->dir, "/tmp/test-rpc-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = path_join(f->dir, "engine.sock");
    f->upgraded = -2;
    assert_true(sd_event_new(&f->event) >= 0);
    assert_int_equal(
        rpc_server_new(f->event, f->path, methods, ARRAY_SIZE(methods), f, &f->server, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_server_free(f->server);
    sd_event_unref(f->event);
    if (f->upgraded >= 0)
        (void)close(f->upgraded);
    assert_int_equal(access(f->path, F_OK), -1); /* the socket file goes with the server */
    assert_int_equal(rmdir(f->dir), 0);
    free(f->path);
    free(f);
    return 0;
}

/**
 * pump() - Turn the loop until nothing is left to do
 * @f:	Fixture
 */
static void pump(struct fixture *f)
{
    for (int i = 0; i < 100000 && sd_event_run(f->event, 0) > 0; i++)
        ;
}

/**
 * dial() - A raw connection that does not block
 * @f:	Fixture
 *
 * Return: descriptor
 */
static inline int dial(struct fixture *f)
{
    struct error err = ERROR_INIT;
    int fd = socket_connect(f->path, SOCK_STREAM | SOCK_NONBLOCK, &err);

    assert_true(fd >= 0);
    pump(f);
    return fd;
}

#define server_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
