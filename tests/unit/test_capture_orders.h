// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A worker that is told something while it runs, on real taps in a namespace. */

#include "test_capture_lab.h"

#include "base/socket.h"
#include "base/strbuf.h"
#include "capture/capture.h"

static uint8_t frame[70000];

/* numbered() - An Ethernet frame that carries a number. */
static inline void numbered(size_t size, uint32_t number)
{
    memset(frame, 0, size);
    memcpy(frame, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\xb5", 14);
    memcpy(frame + 14, &number, sizeof(number));
}

/* start() - Run the worker with a control socket, and more files after its first one. Return: a
 * connection to it */
static inline int start(struct lab_worker *worker, const char *arguments, size_t files)
{
    _cleanup_free_ char *line = xasprintf(LABCTL_BIN_DIR "/labctl-capture --control %s", arguments);
    _cleanup_free_ char *path = NULL;
    struct spawn_fd fds[16] = {{-1, 1}, {2, 2}};
    const char *argv[64];
    char *save = NULL;
    size_t n = 0, count = 2;
    int report[2], listener, connection;

    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    argv[n] = NULL;
    (void)snprintf(worker->folder, sizeof(worker->folder), "/tmp/capture-test-XXXXXX");
    assert_non_null(mkdtemp(worker->folder));
    (void)snprintf(worker->path, sizeof(worker->path), "%s/out.pcapng", worker->folder);
    path = path_join(worker->folder, "sock");
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    fds[0].from = report[1];
    listener = socket_listen(path, SOCK_SEQPACKET, NULL);
    assert_true(listener >= 0);
    connection = socket_connect(path, SOCK_SEQPACKET, NULL);
    assert_true(connection >= 0);
    fds[count++] = (struct spawn_fd){listener, CAPTURE_FD_CONTROL};
    for (size_t i = 0; i < files; i++) {
        _cleanup_free_ char *name = xasprintf("%s.%zu", worker->path, i);

        fds[count].from = open(i ? name : worker->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        fds[count++].to = i ? CAPTURE_FD_FILES + (int)i - 1 : CAPTURE_FD_OUTPUT;
    }
    assert_int_equal(spawn(&(struct spawn_options){.argv = argv, .fds = fds, .fd_count = count},
                           &worker->pid, NULL, NULL),
                     0);
    for (size_t i = 0; i < count; i++)
        if (fds[i].from > 2)
            (void)close(fds[i].from);
    worker->report_fd = connection; /* what is reported there is the same */
    (void)close(report[0]);
    return connection;
}

/* hear() - Wait for a message that contains a text. */
static inline void hear(int connection, const char *text, char *ret_line, size_t room)
{
    char line[4096];
    ssize_t n;

    do {
        struct pollfd poll_fd = {.fd = connection, .events = POLLIN};

        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        n = recv(connection, line, sizeof(line) - 1, 0);
        assert_true(n > 0);
        line[n] = 0;
    } while (!strstr(line, text));
    if (ret_line)
        (void)snprintf(ret_line, room, "%s", line);
}

/* tell() - Send a message, with a descriptor if it is one. */
static inline void tell(int connection, const char *text, int fd)
{
    assert_int_equal(socket_send_fds(connection, text, strlen(text), &fd, fd >= 0), 0);
}
