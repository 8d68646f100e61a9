// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Which interfaces went away. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ifwatch_open() - Non-blocking rtnetlink socket that hears of links. Return: fd or -errno */
int ifwatch_open(struct error *err);

/* ifwatch_read() - Next interface that was removed.
 * @ret_ifindex:	Its number; 0: messages were lost, look at all of them
 * Return: false if there is no more to read */
bool ifwatch_read(int fd, uint32_t *ret_ifindex);

/* ifwatch_speed() - Link speed that the driver tells. Return: bits per second, 0: unknown */
uint64_t ifwatch_speed(const char *ifname);
