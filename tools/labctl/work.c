// SPDX-License-Identifier: GPL-2.0-or-later

#include "labctl/work.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "labctl/lab.h"

#define TICK_MS 200
#define GONE_MS 5000

static volatile sig_atomic_t interrupts_seen;

/**
 * on_interrupt() - Signal handler
 * @number:	Signal
 */
static void on_interrupt(int number)
{
    (void)number;
    interrupts_seen++;
}

void work_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: waits end */

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int work_interrupts(void)
{
    return interrupts_seen;
}

int work_wait(struct rpc_client *client, struct progress *progress, int interrupts,
              json_t **ret_result, struct error *err)
{
    for (;;) {
        int r = rpc_call_wait(client, TICK_MS, progress ? progress_notification : NULL, progress,
                              ret_result, err);

        if (r != -ETIMEDOUT && r != -EINTR)
            return r;
        if (interrupts_seen > interrupts)
            return -EINTR;
        if (progress)
            progress_tick(progress);
    }
}

/**
 * now_ms() - Monotonic clock
 *
 * Return: milliseconds
 */
static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * engine_pidfd() - The engine's process, from its connection
 * @client:	Connection
 *
 * Return: pidfd, -1 if it is gone
 */
static int engine_pidfd(const struct rpc_client *client)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (getsockopt(rpc_client_fd(client), SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, cred.pid, 0);
}

bool work_wait_gone(struct rpc_client *client, const char *lab)
{
    _cleanup_free_ char *dir = lab_run_dir(lab);
    _cleanup_close_ int engine = engine_pidfd(client);
    int64_t end = now_ms() + GONE_MS;
    bool hung_up = false;
    char drop[4096];

    while (now_ms() < end && (!hung_up || engine >= 0 || file_exists(dir))) {
        struct pollfd wait[] = {{.fd = hung_up ? -1 : rpc_client_fd(client), .events = POLLIN},
                                {.fd = engine, .events = POLLIN}};

        (void)poll(wait, 2, hung_up && engine < 0 ? 10 : 200);
        if (wait[0].revents && recv(wait[0].fd, drop, sizeof(drop), MSG_DONTWAIT) <= 0)
            hung_up = true;
        if (wait[1].revents)
            (void)close(steal_fd(&engine));
    }
    return !file_exists(dir);
}
