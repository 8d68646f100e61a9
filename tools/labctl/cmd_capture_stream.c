// SPDX-License-Identifier: GPL-2.0-or-later

/* capture stream: pcapng from the engine's connection to standard output, live. Only whole blocks
 * are passed on (draft-ietf-opsawg-pcapng, 3.1: type, total length, body, total length again), so
 * that what was written is a whole file whenever it ends: by ^C, by the reader going away, or by
 * the lab. */

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/work.h"

static const struct option_spec stream_options[] = {
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"packets", 'c', "N", "end after so many"},
    {"bytes", 0, "SIZE", "end after so much, such as 100M"},
    {"duration", 0, "TIME", "end after so long, such as 30s"},
    {0},
};

/**
 * pass_blocks() - Write the whole blocks of a buffer out, and keep the rest
 * @buffer:	Buffer
 * @to:		Where to
 * @err:	Error to fill
 *
 * Return: 0; -EPIPE without @err if nobody reads any more; other -errno
 */
static int pass_blocks(struct strbuf *buffer, int to, struct error *err)
{
    ssize_t whole = capture_blocks(buffer->data, buffer->size);
    int r;

    if (whole < 0)
        return error_set(err, EPROTO, "the engine sent what is no pcapng");
    if (whole == 0)
        return 0;
    r = write_all(to, buffer->data, (size_t)whole);
    if (r < 0)
        return r == -EPIPE ? r : error_errno(err, -r, "write the capture");
    strbuf_consume(buffer, (size_t)whole);
    return 0;
}

int capture_copy(int from, int to, struct error *err)
{
    _cleanup_strbuf_ struct strbuf buffer = STRBUF_INIT;
    char chunk[65536];
    int r = 0;

    while (r == 0 && work_interrupts() == 0) {
        /* A reader that leaves shows as an error on the pipe, also while no packet comes. */
        struct pollfd wait[] = {{.fd = from, .events = POLLIN}, {.fd = to, .events = 0}};
        ssize_t n;

        if (poll(wait, 2, 500) <= 0)
            continue;
        if (wait[1].revents & (POLLERR | POLLHUP))
            return 0;
        if (!(wait[0].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        n = recv(from, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return 0;
        strbuf_append(&buffer, chunk, (size_t)n);
        r = pass_blocks(&buffer, to, err);
    }
    return r == -EPIPE ? 0 : r;
}

/**
 * start_reader() - Start a program with a pipe to it
 * @argv:	Its command line
 * @stderr_fd:	Where what it complains of goes
 * @ret_pipe:	Where pcapng goes
 * @ret_pid:	Its pid
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int start_reader(const char *const *argv, int stderr_fd, int *ret_pipe, pid_t *ret_pid,
                        struct error *err)
{
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    r = spawn(
        &(struct spawn_options){
            .argv = argv,
            .fds = (struct spawn_fd[]){{ends[0], 0}, {STDOUT_FILENO, 1}, {stderr_fd, 2}},
            .fd_count = 3,
        },
        ret_pid, NULL, err);
    (void)close(ends[0]);
    if (r < 0)
        (void)close(ends[1]);
    else
        *ret_pipe = ends[1];
    return r;
}

int capture_feed(int fd, const char *const *argv, int stderr_fd, struct error *err)
{
    int pipe_fd = -1, status = 0;
    pid_t pid;
    int r = start_reader(argv, stderr_fd, &pipe_fd, &pid, err);

    if (r < 0)
        return r;
    r = capture_copy(fd, pipe_fd, err);
    (void)close(pipe_fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 || !WIFEXITED(status) || work_interrupts() > 0)
        return r;
    return WEXITSTATUS(status);
}

int capture_stream_open(const struct invocation *invocation, json_t *params, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *rest = NULL;
    size_t size;
    int r = lab_open(invocation, &client, NULL, err);

    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = rpc_invoke(client, "capture.stream", params, &result, err);
    if (r < 0)
        return r;
    return rpc_client_steal(steal_ptr(client), &rest, &size); /* there is no rest */
}

int capture_stream_run(struct invocation *invocation, struct error *err)
{
    _cleanup_close_ int fd = -1;
    json_t *params = NULL;
    int r;

    if (isatty(STDOUT_FILENO)) {
        (void)error_input(err, "a capture is no text: standard output is a terminal");
        error_hint(err, "labctl capture stream %s | tcpdump -r -",
                   invocation->word_count ? invocation->words[0] : "lab");
        return -EINVAL;
    }
    r = capture_params(invocation, &params, err);
    if (r < 0)
        return r;
    work_catch_signals();
    fd = capture_stream_open(invocation, params, err);
    return fd < 0 ? fd : capture_copy(fd, STDOUT_FILENO, err);
}

const struct command cmd_capture_stream = {
    .group = "capture",
    .name = "stream",
    .arguments = "[WHERE…]",
    .summary = "Packets as they pass, pcapng on standard output",
    .details = "labctl capture stream r1:eth0 | tcpdump -r -\n"
               "labctl capture stream r1:eth0 | wireshark -k -i -\n"
               "WHERE is as for 'capture start'. A reader that is too slow loses packets, and its\n"
               "stream says how many; one that does not read for 10 s is cut off.",
    .options = stream_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = capture_stream_run,
};
