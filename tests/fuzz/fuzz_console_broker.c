// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* A whole console with a hostile guest and hostile clients: the input is a script of who says what.
 * Each step is a byte that names the step and a length, then that many bytes. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/regex.h"
#include "console/broker.h"
#include "console/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 4

static regex_t prompt, error_rule;

static int say(int fd, const uint8_t *data, size_t size)
{
    return (int)send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void drain(int fd, bool frames)
{
    struct console_frame_view frame;
    static uint8_t bytes[1 << 20];
    size_t at = 0;
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), used;

    /* What the engine sends is always whole frames, as far as it goes. */
    while (frames && n > 0 && (used = console_frame_parse(bytes + at, (size_t)n - at, &frame)) > 0)
        at += (size_t)used;
}

static int pair(int *ret_ours)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    *ret_ours = fds[0];
    return fds[1];
}

static void on_expect(struct console *console, void *data)
{
    (void)console;
    (void)data;
}

static void on_exec(struct console *console, const char *output, size_t size, int status,
                    struct error *err, void *data)
{
    (void)console;
    (void)data;
    if (output[size] || (status < 0) != (err != NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct console_options options = {
        .name = "r1", .ring_bytes = 8192, .backlog_bytes = 8192};
    struct console *console;
    int guest, clients[CLIENTS] = {-1, -1, -1, -1};
    sd_event *event;

    if (!prompt.re_pcre2_code) {
        (void)regcomp(&prompt, "^r1# $", REG_EXTENDED | REG_NOSUB);
        (void)regcomp(&error_rule, "^% ", REG_EXTENDED | REG_NOSUB);
    }
    if (sd_event_new(&event) < 0 || console_new(event, &options, &console, NULL) < 0)
        abort();
    (void)console_open(console, pair(&guest), NULL);
    while (size >= 2) {
        uint8_t what = data[0];
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        const uint8_t *bytes = data + 2;
        int *client = &clients[what >> 4 & 3];
        struct console_attach how = {.mode = length % 3,
                                     .replay_bytes = length * 100,
                                     .who = length ? (const char[]){(char)bytes[0], 0} : NULL};
        struct console_exec exec = {.command = "show",
                                    .prompt = &prompt,
                                    .error = &error_rule,
                                    .status = length & 1 ? "echo $?" : NULL,
                                    .timeout_ns = length * 1000};

        data += 2 + length;
        size -= 2 + length;
        switch (what & 15) {
        case 0:
        case 1:
        case 2:
            (void)say(guest, bytes, length);
            break;
        case 3:
            for (int i = 0; i < 60; i++)
                (void)say(guest, bytes, length);
            break;
        case 4:
        case 5:
            if (*client >= 0)
                (void)say(*client, bytes, length);
            break;
        case 6:
        case 7:
            if (*client >= 0)
                close(*client);
            (void)((what & 1) ? console_attach_raw : console_attach)(console, pair(client), &how,
                                                                     NULL);
            break;
        case 8:
            if (*client >= 0)
                close(*client);
            *client = -1;
            break;
        case 9:
            if (*client >= 0)
                drain(*client, false);
            drain(guest, false);
            break;
        case 10:
            (void)console_exec(console, &exec, on_exec, NULL, NULL);
            break;
        case 11:
            (void)console_expect(console, length & 1 ? NULL : &prompt, on_expect, NULL);
            break;
        case 12:
            console_close(console, length & 1 ? NULL : "why");
            close(guest);
            (void)console_open(console, pair(&guest), NULL);
            break;
        case 13:
            free(console_tail(console, (unsigned)length));
            (void)console_last_line(console);
            break;
        case 14:
            if (*client >= 0)
                (void)shutdown(*client, SHUT_WR);
            break;
        default:
            /* Time for the quiet that exec waits for, but not often: it is 30 ms. */
            (void)sd_event_run(event, length == 255 ? 35000 : length);
        }
        for (int i = 0; i < 8 && sd_event_run(event, 0) > 0; i++)
            ;
    }
    console_free(console);
    sd_event_unref(event);
    close(guest);
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i] >= 0)
            close(clients[i]);
    return 0;
}
