// SPDX-License-Identifier: GPL-2.0-or-later

/* capture open: a stream straight into a Wireshark window. As with every stream, what the window
 * does not take in time is lost and said to be. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "labctl/capture_params.h"
#include "labctl/labctl.h"
#include "labctl/work.h"

static const struct option_spec open_options[] = {
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"with", 0, "PROGRAM", "another one that understands 'PROGRAM -k -i -' (default: wireshark)"},
    {0},
};

/**
 * start_program() - Start Wireshark with a pipe to it
 * @program:	Its name
 * @ret_pipe:	Where pcapng goes
 * @ret_pid:	Its pid
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int start_program(const char *program, int *ret_pipe, pid_t *ret_pid, struct error *err)
{
    const char *const argv[] = {program, "-k", "-i", "-", NULL};
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    r = spawn(
        &(struct spawn_options){
            .argv = argv,
            .fds = (struct spawn_fd[]){{ends[0], 0}, {STDOUT_FILENO, 1}, {STDERR_FILENO, 2}},
            .fd_count = 3,
        },
        ret_pid, NULL, err);
    (void)close(ends[0]);
    if (r < 0) {
        (void)close(ends[1]);
        if (r == -ENOENT)
            error_hint(err, "install wireshark, or see packets here: labctl capture watch");
        return r;
    }
    *ret_pipe = ends[1];
    return 0;
}

static int run_open(struct invocation *invocation, struct error *err)
{
    const char *program = invocation_value(invocation, "with");
    _cleanup_close_ int fd = -1;
    json_t *params = NULL;
    int pipe_fd = -1, status = 0;
    pid_t pid;
    int r = capture_params(invocation, &params, err);

    if (r < 0)
        return r;
    work_catch_signals();
    fd = capture_stream_open(invocation, params, err);
    if (fd < 0)
        return fd;
    r = start_program(program ? program : "wireshark", &pipe_fd, &pid, err);
    if (r < 0)
        return r;
    r = capture_copy(fd, pipe_fd, err);
    (void)close(pipe_fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0 && work_interrupts() == 0) {
        r = error_set(err, EIO, "%s failed", program ? program : "wireshark");
        if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY"))
            error_hint(err,
                       "there is no screen here (DISPLAY is not set); from another machine: ssh "
                       "HOST labctl capture stream %s | wireshark -k -i -",
                       invocation->word_count ? invocation->words[0] : "lab");
    }
    return r;
}

const struct command cmd_capture_open = {
    .group = "capture",
    .name = "open",
    .arguments = "[WHERE…]",
    .summary = "Packets as they pass, in a Wireshark window",
    .details = "Ends when the window is closed. WHERE is as for 'capture start'.",
    .options = open_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_open,
};
