// SPDX-License-Identifier: GPL-2.0-or-later

/* capture stream: what comes by capture_source.c, to standard output, or to a program. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "labctl/capture_params.h"
#include "labctl/labctl.h"
#include "labctl/work.h"

static const struct option_spec stream_options[] = {
    {"write", 'w', "FILE", "there instead of to standard output, until ^C or a limit ends it"},
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"packets", 'c', "N", "end after so many"},
    {"bytes", 0, "SIZE", "end after so much, such as 100M"},
    {"duration", 0, "TIME", "end after so long, such as 30s"},
    {0},
};

int capture_copy(struct capture_source *source, int to, struct error *err)
{
    while (work_interrupts() == 0) {
        const void *data;
        ssize_t n = capture_source_read(source, to, &data, err);
        int r = n > 0 ? write_all(to, data, (size_t)n) : 0;

        if (n == -ENODATA || r == -EPIPE)
            break;
        if (n < 0)
            return (int)n;
        if (r < 0)
            return error_errno(err, -r, "write the capture");
    }
    return 0;
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

int capture_feed(struct capture_source *source, const char *const *argv, int stderr_fd,
                 struct error *err)
{
    int pipe_fd = -1, status = 0;
    pid_t pid;
    int r = start_reader(argv, stderr_fd, &pipe_fd, &pid, err);

    if (r < 0)
        return r;
    r = capture_copy(source, pipe_fd, err);
    (void)close(pipe_fd);
    capture_source_hang_up(source); /* a window may stay for long */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 || !WIFEXITED(status) || work_interrupts() > 0)
        return r;
    return WEXITSTATUS(status);
}

int capture_stream_run(struct invocation *invocation, struct error *err)
{
    const char *file = invocation_value(invocation, "write");
    bool to_file = file && strcmp(file, "-") != 0;
    _cleanup_source_ struct capture_source *source = NULL;
    _cleanup_close_ int output = -1;
    json_t *params = NULL;
    int r;

    if (!to_file && isatty(STDOUT_FILENO)) {
        (void)error_input(err, "a capture is no text: standard output is a terminal");
        error_hint(err, "labctl capture stream %s | tcpdump -r -",
                   invocation->word_count ? invocation->words[0] : "lab");
        return -EINVAL;
    }
    r = capture_params(invocation, &params, err);
    if (r < 0)
        return r;
    work_catch_signals();
    r = capture_source_open(invocation, params, &source, err);
    if (r < 0 || !to_file)
        return r < 0 ? r : capture_copy(source, STDOUT_FILENO, err);
    output = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (output < 0)
        return error_errno(err, errno, "%s", file);
    return capture_copy(source, output, err);
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
