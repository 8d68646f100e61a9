// SPDX-License-Identifier: GPL-2.0-or-later

/* What a taken over QEMU would try. Stands in QEMU's place in PATH and says on stderr (the node's
 * qemu.log) what it got: "open /etc/shadow: yes" or the error. Words of its environment name what
 * to try: HOSTILE_FILES, HOSTILE_SOCKETS (separated by spaces), HOSTILE_PID. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, const char *on, int got)
{
    (void)fprintf(stderr, "%s %s: %s\n", what, on, got ? "yes" : strerror(errno));
}

static void try_files(void)
{
    char *list = getenv("HOSTILE_FILES"), *saved = NULL;

    for (char *path = strtok_r(list, " ", &saved); path; path = strtok_r(NULL, " ", &saved)) {
        say("read", path, open(path, O_RDONLY) >= 0);
        say("write", path, open(path, O_WRONLY) >= 0);
        say("unlink", path, unlink(path) == 0);
    }
}

static void try_sockets(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    char *list = getenv("HOSTILE_SOCKETS"), *saved = NULL;

    for (char *path = strtok_r(list, " ", &saved); path; path = strtok_r(NULL, " ", &saved)) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        int got = 0, code = 0;

        (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
        for (int i = 0; i < 2; i++) {
            got |= connect(socket(AF_UNIX, types[i], 0), (struct sockaddr *)&to, sizeof(to)) == 0;
            code = errno;
        }
        errno = code;
        say("connect", path, got);
    }
}

static void try_programs(void)
{
    static const char *const shells[] = {"/bin/sh", "/usr/bin/env", "/lib64/ld-linux-x86-64.so.2"};

    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
            (void)execl(shells[i], shells[i], "-c", "exit 0", NULL);
            _exit(errno);
        }
        (void)waitpid(pid, &status, 0);
        errno = WEXITSTATUS(status);
        say("execute", shells[i], WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void try_processes(void)
{
    const char *name = getenv("HOSTILE_PID");
    pid_t pid = name ? atoi(name) : getppid();
    char path[64];
    int fd;

    say("ptrace", "another", ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
    say("kill", "another", kill(pid, SIGCONT) == 0);
    say("tgkill", "another", syscall(SYS_tgkill, pid, pid, SIGCONT) == 0);
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    say("pidfd_getfd", "another", syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    say("read", "memory", open(path, O_RDONLY) >= 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    say("read", "environment", open(path, O_RDONLY) >= 0);
    say("unshare", "namespace", unshare(CLONE_NEWUSER) == 0);
    say("io_uring", "setup", syscall(SYS_io_uring_setup, 1, NULL) >= 0);
}

int main(void)
{
    struct rlimit limit = {0};
    FILE *own;

    try_files();
    try_sockets();
    try_programs();
    try_processes();
    (void)getrlimit(RLIMIT_CORE, &limit);
    errno = 0;
    say("core", "file", limit.rlim_max != 0);
    own = fopen("mine", "w");
    say("write", "own folder", own != NULL);
    if (own)
        (void)fclose(own);
    (void)fprintf(stderr, "uid %u\n", getuid());
    return 3;
}
