// SPDX-License-Identifier: GPL-2.0-or-later

#include "work.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "lab.h"

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

bool work_wait_gone(struct rpc_client *client, const char *lab)
{
    _cleanup_free_ char *dir = lab_run_dir(lab);
    int waited = 0;
    char drop[4096];

    while (waited < GONE_MS) {
        struct pollfd wait = {.fd = rpc_client_fd(client), .events = POLLIN};

        if (poll(&wait, 1, TICK_MS) == 0) {
            waited += TICK_MS;
            continue;
        }
        if (recv(wait.fd, drop, sizeof(drop), MSG_DONTWAIT) <= 0)
            break;
    }
    /* The engine hangs up just before or after it removes its folder. */
    for (; waited < GONE_MS && file_exists(dir); waited += 20)
        (void)usleep(20000);
    return !file_exists(dir);
}
