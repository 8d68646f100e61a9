// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* A hostile telnet client of a console whose guest echoes what is typed: negotiation without end,
 * broken subnegotiations, sizes, breaks. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console/broker.h"
#include "console/telnet_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct telnet_session *session;

static void on_end(struct telnet_session *ended, void *data)
{
    (void)data;
    telnet_session_free(ended);
    session = NULL;
}

static void turn(sd_event *event, int guest, int client)
{
    static char bytes[65536];
    ssize_t n;

    for (int i = 0; i < 20 && sd_event_run(event, 0) > 0; i++) {
        n = recv(guest, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n > 0)
            (void)send(guest, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (recv(client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
            ;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct console_options options = {
        .name = "r1", .ring_bytes = 8192, .backlog_bytes = 8192};
    struct console *console;
    int guest[2], client[2];
    sd_event *event;

    if (size > 65536)
        return 0;
    if (sd_event_new(&event) < 0 || console_new(event, &options, &console, NULL) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, guest) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, client) < 0 ||
        console_open(console, guest[1], NULL) < 0 ||
        telnet_session_new(event, console, client[1], "r1", "fuzz", on_end, NULL, &session, NULL) <
            0)
        abort();
    turn(event, guest[0], client[0]);
    for (size_t at = 0, part; at < size; at += part) {
        part = size - at < 700 ? size - at : 700;
        (void)send(client[0], data + at, part, MSG_DONTWAIT | MSG_NOSIGNAL);
        turn(event, guest[0], client[0]);
    }
    telnet_session_free(session);
    session = NULL;
    console_free(console);
    sd_event_unref(event);
    close(guest[0]);
    close(client[0]);
    return 0;
}
