// SPDX-License-Identifier: GPL-2.0-or-later

/* The child is made with all signals blocked, so that no handler of the parent runs in it. Between
 * fork and exec only async-signal-safe calls are made. Its descriptors are first copied above all
 * target numbers, then dup2()ed down, so that a mapping like 3→4, 4→3 works; everything else is
 * closed by close_range(). Failure travels back through a CLOEXEC pipe as an errno. */

#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"

#define SPAWN_OUTPUT_MAX (1u << 20)

/**
 * child_fds() - Put the descriptors where the program expects them
 * @options:	What was asked for
 * @status_fd:	Pipe to the parent; moved above the others
 *
 * Return: 0 or -errno
 */
static int child_fds(const struct spawn_options *options, int *status_fd)
{
    int above = 3, null_fd, moved;

    for (size_t i = 0; i < options->fd_count; i++)
        if (options->fds[i].to >= above)
            above = options->fds[i].to + 1;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -errno;
    moved = fcntl(*status_fd, F_DUPFD_CLOEXEC, above);
    if (moved < 0)
        return -errno;
    *status_fd = moved;
    /* @copies lives on the child's own stack; 512 covers a node with every NIC a machine can have.
     */
    int copies[512];

    if (options->fd_count > ARRAY_SIZE(copies))
        return -E2BIG;
    for (size_t i = 0; i < options->fd_count; i++) {
        copies[i] = fcntl(options->fds[i].from, F_DUPFD_CLOEXEC, above);
        if (copies[i] < 0)
            return -errno;
    }
    moved = fcntl(null_fd, F_DUPFD_CLOEXEC, above);
    if (moved < 0)
        return -errno;
    for (int fd = 0; fd < 3; fd++)
        if (dup2(moved, fd) < 0)
            return -errno;
    for (size_t i = 0; i < options->fd_count; i++)
        if (dup2(copies[i], options->fds[i].to) < 0)
            return -errno;
    /* Close what is neither wanted nor the status pipe; numbers below @above that are not targets
     * too. */
    for (int fd = 3; fd < above; fd++) {
        bool wanted = false;

        for (size_t i = 0; i < options->fd_count; i++)
            wanted |= options->fds[i].to == fd;
        if (!wanted)
            (void)close(fd);
    }
    if (*status_fd > above)
        (void)close_range((unsigned)above, (unsigned)*status_fd - 1, 0);
    (void)close_range((unsigned)*status_fd + 1, UINT32_MAX, 0);
    return 0;
}

/**
 * child_main() - What the child does until it is another program
 * @options:	What was asked for
 * @status_fd:	Where to write an errno
 */
static __attribute__((noreturn)) void child_main(const struct spawn_options *options, int status_fd)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    int r = 0;

    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (options->new_session)
        (void)setsid();
    /* Folder first, since another user may not be let into it; descriptors of rules are gone after
     * child_fds(). */
    if (options->dir && chdir(options->dir) < 0)
        r = -errno;
    if (r == 0 && options->confine)
        r = confine_enter(options->confine);
    if (r == 0 && options->confine && options->confine->jail.mount_dir && options->dir &&
        chdir(options->dir) < 0)
        r = -errno;
    if (r == 0)
        r = child_fds(options, &status_fd);
    if (r == 0 && options->confine)
        r = confine_seal(options->confine);
    if (r == 0) {
        (void)execvp(options->argv[0], (char *const *)(uintptr_t)options->argv);
        r = -errno;
    }
    (void)!write(status_fd, &r, sizeof(r));
    _exit(127);
}

int spawn(const struct spawn_options *options, pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
    _cleanup_close_ int read_fd = -1, write_fd = -1, pidfd = -1;
    sigset_t all, saved;
    int pipe_fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    read_fd = pipe_fds[0];
    write_fd = pipe_fds[1];
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &saved);
    pid = fork();
    if (pid == 0)
        child_main(options, write_fd);
    status = errno;
    (void)sigprocmask(SIG_SETMASK, &saved, NULL);
    if (pid < 0)
        return error_errno(err, status, "fork for %s", options->argv[0]);
    (void)close(steal_fd(&write_fd));

    status = 0;
    do
        n = read(read_fd, &status, sizeof(status));
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(status)) {
        (void)waitpid(pid, NULL, 0);
        return error_errno(err, -status, "start %s", options->argv[0]);
    }
    if (ret_pidfd) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
            int code = errno;

            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
            return error_errno(err, code, "pidfd_open for %s", options->argv[0]);
        }
        *ret_pidfd = steal_fd(&pidfd);
    }
    *ret_pid = pid;
    return 0;
}

int spawn_run(const char *const *argv, char **ret_output, struct error *err)
{
    return spawn_run_confined(argv, NULL, ret_output, err);
}

int spawn_run_confined(const char *const *argv, const struct confine *confine, char **ret_output,
                       struct error *err)
{
    _cleanup_close_ int read_fd = -1, write_fd = -1;
    _cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
    int pipe_fds[2], status = 0, r;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    read_fd = pipe_fds[0];
    write_fd = pipe_fds[1];
    r = spawn(&(struct spawn_options){.argv = argv,
                                      .fds = (struct spawn_fd[]){{write_fd, 1}, {write_fd, 2}},
                                      .fd_count = 2,
                                      .confine = confine},
              &pid, NULL, err);
    if (r < 0)
        return r;
    (void)close(steal_fd(&write_fd));
    (void)read_all(read_fd, SPAWN_OUTPUT_MAX, &output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ret_output)
        *ret_output = strbuf_steal(&output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
