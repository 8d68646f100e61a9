// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Filters by libpcap: in the kernel where its decision holds for what is on the wire, else here. */

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FILTER_TEXT_MAX 4096
/* What a program returns to keep the whole frame. */
#define FILTER_WHOLE 262144u

struct filter;

/* filter_compile() - Compile a filter for Ethernet. */
int filter_compile(const char *text, struct filter **ret_filter, struct error *err);
void filter_free(struct filter *filter);

/* filter_match() - Run it on a frame as it is on the wire.
 * @sent:	The node sent it (what "outbound" means) */
bool filter_match(const struct filter *filter, const uint8_t *frame, size_t size, bool sent);

/* filter_kernel() - The program for the socket.
 * @filter:	NULL: every frame
 * @ifindexes:	Sorted; frames of other interfaces are refused; none: any interface
 * @room:	Instructions that fit into @program (BPF_MAXINSNS)
 * Return: instructions, 0 if no program is needed, -E2BIG if it does not fit (then everything has
 * to be filtered here) */
int filter_kernel(const struct filter *filter, const uint32_t *ifindexes, size_t ifindex_count,
                  struct sock_filter *program, size_t room);
