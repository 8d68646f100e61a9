// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Where live packets come from: capture.stream, gone on with where its worker was killed. */

#include <jansson.h>
#include <sys/types.h>

#include "labctl/labctl.h"

struct capture_source;

/* capture_source_open() - Begin a capture.stream. Steals @params. Return: 0 or -errno */
int capture_source_open(const struct invocation *invocation, json_t *params,
                        struct capture_source **ret_source, struct error *err);
void capture_source_free(struct capture_source *source);
/* capture_source_hang_up() - Nothing more is wanted: its worker ends. */
void capture_source_hang_up(struct capture_source *source);

static inline void cleanup_capture_source(struct capture_source **source)
{
    capture_source_free(*source);
}
#define _cleanup_source_ _cleanup_(cleanup_capture_source)

/* capture_source_read() - Wait for packets, but not for long.
 * @output:	Where they are written to; that nobody reads there ends the stream, too
 * @ret_data:	Whole pcapng blocks, valid until the next call
 * Return: how many bytes, 0 if none came, -ENODATA at the end, else -errno with @err */
ssize_t capture_source_read(struct capture_source *source, int output, const void **ret_data,
                            struct error *err);
