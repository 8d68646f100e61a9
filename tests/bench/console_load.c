// SPDX-License-Identifier: GPL-2.0-or-later

/* One measurement of a guest's console; tests/bench/console builds and runs it.
 *
 *	console_load echo direct SOCKET KEYS		median and 99th percentile, in microseconds
 *	console_load echo broker FILES KEYS		the same through the broker
 *	console_load rate WATCHERS STALLED FILES BYTES	guest's output in bytes a second
 *
 * FILES.in is the FIFO and FILES.out the record of a guest as the engine starts it.
 *
 * The guest is the boot sector of images/hello: it echoes, and prints without end after ^A. Broker
 * and watchers are processes of their own, as in life. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/socket.h"
#include "console/broker.h"
#include "console/frames.h"

#define WATCHERS_MAX 200

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "console_load: %s\n", what);
    exit(1);
}

static pid_t forked(void)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork");
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Join a guest as the engine does. */
static void follow(struct console *console, const char *path)
{
    char in[200], out[200];
    int fd;

    (void)snprintf(in, sizeof(in), "%s.in", path);
    (void)snprintf(out, sizeof(out), "%s.log", path);
    fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || console_record(console, out, CONSOLE_RECORD_DEFAULT, true, NULL) < 0 ||
        console_follow(console, fd, NULL) < 0)
        fail("follow the guest");
}

/* The broker, for ever. */
static void serve(const char *path, const int *clients, size_t count)
{
    struct console_attach how = {.mode = CONSOLE_SHARED, .who = "bench"};
    struct console_options options = {.name = "bench"};
    struct console *console;
    sd_event *event;

    if (sd_event_new(&event) < 0 || console_new(event, &options, &console, NULL) < 0)
        fail("broker");
    follow(console, path);
    for (size_t i = 0; i < count; i++)
        if (console_attach(console, clients[i], &how, NULL) < 0)
            fail("attach");
    (void)sd_event_loop(event);
    exit(0);
}

/* Wait for one byte of output; frames are taken apart as far as that needs. */
static void wait_byte(int fd, char byte, bool frames)
{
    static uint8_t buffer[65536];
    static size_t size;

    for (;;) {
        struct console_frame_view frame;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        ssize_t n, used;

        if (poll(&poll_fd, 1, 5000) <= 0)
            fail("no echo within 5 s");
        n = recv(fd, buffer + size, sizeof(buffer) - size, 0);
        if (n <= 0)
            fail("connection closed");
        if (!frames) {
            if (memchr(buffer, byte, (size_t)n))
                return;
            continue;
        }
        size += (size_t)n;
        while ((used = console_frame_parse(buffer, size, &frame)) > 0) {
            bool found =
                frame.type == CONSOLE_FRAME_DATA && memchr(frame.payload, byte, frame.size) != NULL;

            size -= (size_t)used;
            memmove(buffer, buffer + used, size);
            if (found)
                return;
        }
    }
}

static int measure_echo(bool broker, const char *path, size_t keys)
{
    uint64_t *times = calloc(keys, sizeof(*times));
    int pair[2], fd = broker ? -1 : socket_connect(path, SOCK_STREAM, NULL);
    pid_t pid = 0;

    if ((!broker && fd < 0) || !times)
        fail("connect to the guest");
    if (broker) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            fail("socketpair");
        pid = forked();
        if (pid == 0)
            serve(path, &pair[1], 1);
        fd = pair[0];
    }
    for (size_t i = 0; i < keys; i++) {
        uint8_t typed[CONSOLE_FRAME_HEAD + 1];
        char key = (char)('a' + i % 26);
        size_t head = broker ? CONSOLE_FRAME_HEAD : 0;
        uint64_t start;

        /* As a person types, only faster: not in step with anything. */
        (void)usleep(2000 + (useconds_t)(i * 7919 % 3000));
        console_frame_head(typed, CONSOLE_FRAME_DATA, 1);
        typed[head] = (uint8_t)key;
        start = now_ns();
        if (send(fd, typed, head + 1, MSG_NOSIGNAL) < 0)
            fail("type");
        wait_byte(fd, key, broker);
        times[i] = now_ns() - start;
    }
    qsort(times, keys, sizeof(*times), by_size);
    (void)printf("%.0f %.0f\n", (double)times[keys / 2] / 1e3,
                 (double)times[keys * 99 / 100] / 1e3);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    free(times);
    return 0;
}

/* Read everything; the first @count of @fds, the rest are stalled. */
static void watch(const int *fds, size_t count)
{
    struct pollfd polls[WATCHERS_MAX];
    static char bytes[65536];

    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    while (poll(polls, count, -1) > 0)
        for (size_t i = 0; i < count; i++)
            if (polls[i].revents && recv(fds[i], bytes, sizeof(bytes), 0) <= 0)
                exit(1);
    exit(0);
}

static int measure_rate(size_t watchers, size_t stalled, const char *path, uint64_t bytes)
{
    struct console_attach how = {.mode = CONSOLE_SHARED, .who = "bench"};
    struct console_options options = {.name = "bench"};
    int ours[WATCHERS_MAX], theirs[WATCHERS_MAX], status;
    size_t count = watchers + stalled;
    uint64_t start, begun, end;
    struct console *console;
    struct rusage usage;
    sd_event *event;
    pid_t pid = 0;

    if (count > WATCHERS_MAX)
        fail("too many");
    for (size_t i = 0; i < count; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            fail("socketpair");
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    if (watchers) {
        pid = forked();
        if (pid == 0)
            watch(theirs, watchers);
    }
    if (sd_event_new(&event) < 0 || console_new(event, &options, &console, NULL) < 0)
        fail("broker");
    follow(console, path);
    for (size_t i = 0; i < count; i++)
        if (console_attach(console, ours[i], &how, NULL) < 0)
            fail("attach");
    if (console_write(console, "\001", 1, NULL) < 0)
        fail("type");
    /* The first part warms up: translation, the processor's clock. */
    while (console_received(console, NULL) < bytes / 4)
        (void)sd_event_run(event, 1000000);
    start = now_ns();
    begun = console_received(console, NULL);
    while (console_received(console, NULL) < bytes)
        (void)sd_event_run(event, 1000000);
    end = now_ns();
    if (pid > 0 && waitpid(pid, &status, WNOHANG) != 0)
        fail("a live watcher was cut off");
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("%.0f %.0f\n",
                 (double)(console_received(console, NULL) - begun) * 1e9 / (double)(end - start),
                 (double)usage.ru_utime.tv_sec * 1e3 + (double)usage.ru_utime.tv_usec / 1e3 +
                     (double)usage.ru_stime.tv_sec * 1e3 + (double)usage.ru_stime.tv_usec / 1e3);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "echo") == 0)
        return measure_echo(strcmp(argv[2], "broker") == 0, argv[3], strtoul(argv[4], NULL, 10));
    if (argc == 6 && strcmp(argv[1], "rate") == 0)
        return measure_rate(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argv[4],
                            strtoull(argv[5], NULL, 10));
    fail("see the head of console_load.c");
}
