// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the capture commands share. */

#include <jansson.h>
#include <stdint.h>

#include "capture/reader.h"
#include "labctl/capture_source.h"
#include "labctl/labctl.h"

#define CAPTURE_RING_MAX       50
#define CAPTURE_RING_BYTES_MIN (64u << 10)

/* capture_params() - where, filter, side and the limits. Return: 0 or -EINVAL */
int capture_params(const struct invocation *invocation, json_t **ret_params, struct error *err);

/* capture_file_param() - Add -w's file as the engine, which has another working folder, needs it.
 * @file:	NULL: nothing is added */
int capture_file_param(const char *file, json_t *params, struct error *err);

/* capture_duration() - Understand --OPTION's time. */
int capture_duration(const char *option, const char *text, uint64_t *ret_ms, struct error *err);

/* capture_copy() - Pass packets on as pcapng, until one side ends or a signal comes. Return: 0 or
 * -errno */
int capture_copy(struct capture_source *source, int to, struct error *err);

/* capture_feed() - Start a program that reads pcapng from its standard input, and pass packets
 * on to it until one of them ends or a signal comes.
 * @stderr_fd:	Where what it complains of goes
 * Return: its exit status (0 after a signal), -ENOENT if it is not installed, or another -errno */
int capture_feed(struct capture_source *source, const char *const *argv, int stderr_fd,
                 struct error *err);

/* capture_read() - Hand every packet to @fn, until the stream ends, a signal comes or nobody reads
 * standard output any more. Return: 0 or -errno */
typedef void capture_packet_fn(const struct capture_packet *packet, void *data);
int capture_read(struct capture_source *source, capture_packet_fn *fn, void *data,
                 struct error *err);
