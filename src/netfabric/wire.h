// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The engine's handle on the wire process, which carries the frames of impaired links. It runs
 * inside the lab's namespaces (fabric_spawn()), listens on a seqpacket socket in the run folder and
 * outlives a killed engine. It holds copies of the wire's taps only: kill it, start another, give
 * it the same taps, and what waits in them goes on. Calls block for the answer, at most 5 s. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/process.h"
#include "netfabric/fabric.h"
#include "topology/model.h"

#define WIRE_ONLY_MAX 4104u /* bytes of a filter, with the zero byte */

struct wire;

/* What became of the frames of one direction. Frames that the filter spared count as sent. */
struct wire_stats {
    uint64_t frames, bytes;           /* came from the guest */
    uint64_t sent_frames, sent_bytes; /* went on to the other, duplicates included */
    uint64_t lost;                    /* by chance */
    uint64_t queue_dropped;           /* did not fit into the queue */
    uint64_t duplicated, reordered, corrupted;
    uint64_t queue_frames, queue_bytes; /* waiting now */
};

/* wire_start() - Start labctl-wire in the fabric's namespaces, listening on @socket_path. A wire
 * before it must have ended (wire_process()), or it still listens there.
 * @log_fd:	Where its stderr goes, -1: /dev/null */
int wire_start(struct fabric *fabric, const char *socket_path, int log_fd, struct wire **ret_wire,
               struct error *err);
/* wire_connect() - Connect to a wire process that is there already. */
int wire_connect(const char *socket_path, struct wire **ret_wire, struct error *err);
/* wire_close() - Forget the handle; the process goes on. */
void wire_close(struct wire *wire);
/* wire_process() - Which process it is. */
struct process_id wire_process(const struct wire *wire);
/* wire_fd() - Hung up (EPOLLHUP) when the process died or another engine took over. */
int wire_fd(const struct wire *wire);

/* wire_check() - Whether the wire would take an impairment: its filter compiles.
 * Return: 0 or -EINVAL */
int wire_check(const struct impairment *impairment, struct error *err);

/* wire_set() - Carry a link, or change what is done to it.
 * @link:	Number of the caller's choice
 * @tap_fds:	fabric_wire_taps(); stay the caller's. NULL: those it has.
 * @impairment:	For frames from end 0, from end 1. Frames that wait keep the moment they are due.
 * @dark:	dark[i]: nothing that end i sends arrives, by the fabric's plan; NULL: neither is
 * Return: 0, -EINVAL for a filter that does not compile, -ENOENT for an unknown link without taps
 */
int wire_set(struct wire *wire, uint32_t link, const int *tap_fds,
             const struct impairment impairment[static 2], const bool *dark, struct error *err);
/* wire_remove() - Pass on at once what waits, and let go of the taps. */
int wire_remove(struct wire *wire, uint32_t link, struct error *err);
/* wire_idle() - Whether nothing waits and nothing has come for a moment, so that the frames to come
 * can be led another way without overtaking. */
int wire_idle(struct wire *wire, uint32_t link, bool *ret_idle, struct error *err);
/* wire_stats() - Counters of both directions, from the first wire_set() on. */
int wire_stats(struct wire *wire, uint32_t link, struct wire_stats ret_stats[static 2],
               struct error *err);
/* wire_stop() - End the process and wait for it. Frees the handle. */
int wire_stop(struct wire *wire, struct error *err);
