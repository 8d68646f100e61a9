// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Long calls: progress shown, ^C understood. */

#include "labctl/progress.h"
#include "rpc/rpc.h"

/* work_catch_signals() - From now on SIGINT and SIGTERM are counted instead of deadly. */
void work_catch_signals(void);
/* work_interrupts() - How many came. */
int work_interrupts(void);

/* work_wait() - Wait for the answer to the last call started, drawing @progress (may be NULL).
 * Return: 0; -EINTR when one more signal than @interrupts has come; -errno with @err */
int work_wait(struct rpc_client *client, struct progress *progress, int interrupts,
              json_t **ret_result, struct error *err);
/* work_wait_gone() - Wait until the engine's process has ended and the lab's run folder is gone, a
 * few seconds at most. Return: true if so */
bool work_wait_gone(struct rpc_client *client, const char *lab);
