// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_rpc labctl_base

/* Bytes of a client, twice: each line through the codec alone, then all of it through a server over
 * a real socket, cut into pieces, with methods that fetch parameters, answer now, later and never,
 * and upgrade. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "rpc/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    sd_event *event;
    struct rpc_server *server;
    char dir[32];
    char *path;
    struct rpc_call *kept[8];
    size_t kept_count;
} fuzz;

static void do_params(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    const char *text = NULL;
    bool flag = false;
    json_int_t number = 0;
    json_t *list = NULL;

    (void)data;
    if (rpc_param_string(params, "s", true, &text, &err) < 0 ||
        rpc_param_bool(params, "b", false, &flag, &err) < 0 ||
        rpc_param_integer(params, "i", false, -5, 5, &number, &err) < 0 ||
        rpc_param_strings(params, "l", false, &list, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    rpc_notify(call, "progress", json_incref(params));
    rpc_reply(call, json_incref(params));
}

static void do_keep(struct rpc_call *call, json_t *params, void *data)
{
    (void)params;
    (void)data;
    if (fuzz.kept_count < ARRAY_SIZE(fuzz.kept))
        fuzz.kept[fuzz.kept_count++] = call;
    else
        rpc_reply(call, NULL);
}

static void on_upgrade(int fd, void *data)
{
    (void)data;
    if (fd >= 0)
        (void)close(fd);
}

static void do_upgrade(struct rpc_call *call, json_t *params, void *data)
{
    (void)params;
    rpc_upgrade(call, NULL, on_upgrade, data);
}

static const struct rpc_method methods[] = {
    {"p", do_params},
    {"keep", do_keep},
    {"up", do_upgrade},
};

static void fuzz_stop(void)
{
    rpc_server_free(fuzz.server);
    sd_event_unref(fuzz.event);
    (void)rmdir(fuzz.dir);
    free(fuzz.path);
}

static void fuzz_start(void)
{
    struct error err = ERROR_INIT;

    strcpy(fuzz.dir, "/tmp/fuzz-rpc-XXXXXX");
    if (!mkdtemp(fuzz.dir))
        abort();
    fuzz.path = path_join(fuzz.dir, "s");
    if (sd_event_new(&fuzz.event) < 0 ||
        rpc_server_new(fuzz.event, fuzz.path, methods, ARRAY_SIZE(methods), NULL, &fuzz.server,
                       &err) < 0)
        abort();
    (void)atexit(fuzz_stop);
}

static void fuzz_codec(const char *data, size_t size)
{
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        struct rpc_request request;
        json_t *error = NULL;

        if (rpc_parse_request(data, length, &request, &error) == 0) {
            if (!request.method || !json_is_object(request.params))
                abort();
            rpc_request_done(&request);
        } else {
            if (!json_object_get(error, "error"))
                abort();
            json_decref(error);
        }
        data += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
}

static void fuzz_server(const char *data, size_t size)
{
    int fd = socket_connect(fuzz.path, SOCK_STREAM | SOCK_NONBLOCK, NULL);
    size_t piece = size > 0 ? (size_t)(unsigned char)data[0] + 1 : 1;
    char answers[4096];

    if (fd < 0)
        abort();
    while (size > 0) {
        size_t part = piece < size ? piece : size;

        if (send(fd, data, part, MSG_NOSIGNAL) < 0)
            break;
        data += part;
        size -= part;
        while (sd_event_run(fuzz.event, 0) > 0)
            ;
        while (recv(fd, answers, sizeof(answers), 0) > 0)
            ;
        if (fuzz.kept_count > 4)
            rpc_reply(fuzz.kept[--fuzz.kept_count], NULL);
    }
    (void)close(fd);
    while (sd_event_run(fuzz.event, 0) > 0)
        ;
    while (fuzz.kept_count > 0)
        rpc_reply(fuzz.kept[--fuzz.kept_count], NULL);
    if (rpc_server_clients(fuzz.server) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fuzz.server)
        fuzz_start();
    fuzz_codec((const char *)data, size);
    fuzz_server((const char *)data, size);
    return 0;
}
