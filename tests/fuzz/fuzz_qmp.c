// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* What a hostile QEMU may say: bytes straight into the QMP client, in two portions. */

#include <sys/socket.h>
#include <unistd.h>

#include "engine/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ready(void *data)
{
    *(int *)data = 1;
}

static void on_event(void *data, const char *name, json_t *args)
{
    (void)data;
    (void)name;
    (void)args;
}

static void on_closed(void *data, struct error *err)
{
    (void)data;
    (void)err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct qmp_handler handler = {on_ready, on_event, on_closed};
    static sd_event *event;
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t half = size ? data[0] % size : 0;
    struct qmp *qmp = NULL;
    int pair[2], ready = 0;

    if (!event && sd_event_new(&event) < 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 0;
    if (qmp_new(event, pair[0], &handler, &ready, &qmp, NULL) == 0 &&
        qmp_feed(qmp, (const char *)data, half, &err) == 0) {
        (void)qmp_execute(qmp, "cont", NULL, NULL, NULL, NULL);
        (void)qmp_feed(qmp, (const char *)data + half, size - half, &err);
    }
    qmp_free(qmp);
    (void)close(pair[1]);
    return 0;
}
