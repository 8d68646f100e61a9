// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The engine's handle on the fabric process: the only one that touches interfaces. It lives in the
 * lab's own (user and) network namespace, listens on a seqpacket unix socket in the run folder,
 * outlives a killed engine, and answers one request at a time. Calls here block until the answer
 * comes (at most 30 s). */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/process.h"
#include "netfabric/plan.h"

struct fabric;

/* fabric_start() - Start labctl-fabric (found by paths_helper()) listening on @socket_path and
 * connect to it.
 * @log_fd:	Where its stderr goes, -1: /dev/null
 * Without root it makes a user and a network namespace, as root a network namespace alone. Errors
 * carry a hint: user namespaces refused (sysctl, chroot), /dev/net/tun missing or not permitted,
 * classifier missing, … */
int fabric_start(const char *socket_path, int log_fd, struct fabric **ret_fabric,
                 struct error *err);

/* fabric_start_in() - Start a fabric process in the namespaces of a lab whose fabric has died.
 * @tap_fds:	Taps that live on (pidfd_getfd() from the QEMUs that hold them); they stay the
 *		caller's. One is enough to find the namespace; a tap that somebody has open and
 *		that is not among them cannot be given out until it is closed.
 * The next fabric_apply() takes over what else the old process left, without losing a frame,
 *removes what is not wanted and makes what is missing. */
int fabric_start_in(const char *socket_path, int log_fd, const int *tap_fds, size_t tap_count,
                    struct fabric **ret_fabric, struct error *err);

/* fabric_connect() - Connect to a fabric process that is already there. */
int fabric_connect(const char *socket_path, struct fabric **ret_fabric, struct error *err);

/* fabric_close() - Forget the handle; the process goes on. */
void fabric_close(struct fabric *fabric);

/* fabric_process() - Which process it is. */
struct process_id fabric_process(const struct fabric *fabric);

/* fabric_fd() - Hung up (EPOLLHUP) when the process died or another engine took over; for the
 * engine's event loop. */
int fabric_fd(const struct fabric *fabric);

/* fabric_has_gate() - Whether frames of guests are padded to 60 bytes, and those that exceed the
 * MTU of their link or segment dropped, as they come in. It takes the right to load a BPF program.
 */
bool fabric_has_gate(const struct fabric *fabric);

/* fabric_apply() - Bring the kernel to the plan: make what is missing, remove what is not in it,
 * change what differs. In batches of netlink messages. All or nothing: on failure the state before
 * is restored. */
int fabric_apply(struct fabric *fabric, const struct fabric_plan *plan, struct error *err);

/* fabric_taps() - Descriptors of one node's taps, in NIC order, ready for QEMU
 * (IFF_TAP|IFF_NO_PI|IFF_VNET_HDR). A tap outlives the QEMU that used it, and the fabric. @ret_fds:
 * room for all of the node's NICs; caller owns. */
int fabric_taps(struct fabric *fabric, const struct fabric_plan *plan, size_t node, int *ret_fds,
                struct error *err);

/* fabric_wire_taps() - Descriptors of a link's two taps of the wire (IFF_TAP|IFF_NO_PI|
 * IFF_VNET_HDR; unless TUNSETOFFLOAD says otherwise, frames are segmented and have their
 * checksums). ret_fds[i] yields what the guest at the link's end i sends, and what is written there
 * reaches that guest. Caller owns; the fabric keeps its own copies, so nothing is lost between a
 * wire process and its successor. */
int fabric_wire_taps(struct fabric *fabric, const struct fabric_plan *plan, size_t link,
                     int ret_fds[static 2], struct error *err);

/* What the kernel has counted of an interface since it was made. */
struct fabric_count {
    char ifname[IFNAMSIZ];
    uint64_t from_guest, to_guest; /* frames (a super-frame is one) */
    uint64_t dropped;              /* meant for its reader, who did not take them in time */
};

struct fabric_counts {
    struct fabric_count *items; /* sorted by name */
    size_t count;
};

/* fabric_counts_read() - Counters of all interfaces. */
int fabric_counts_read(const struct fabric *fabric, struct fabric_counts *ret_counts,
                       struct error *err);
/* fabric_counts_find() - By generated name, or NULL. */
const struct fabric_count *fabric_counts_find(const struct fabric_counts *counts,
                                              const char *ifname);
void fabric_counts_done(struct fabric_counts *counts);

/* fabric_spawn() - Run a helper program inside the namespaces (a capture worker, slirp4netns).
 * @argv:	NULL-terminated, argv[0] an absolute path
 * @fds:	Passed as descriptors 0, 1, 2, 3, …, @fd_count of them (at least 3)
 * @ret_pid:	Its pid as seen here; the fabric reaps it
 * @ret_pidfd:	Caller closes; readable when it ended */
int fabric_spawn(struct fabric *fabric, const char *const *argv, const int *fds, size_t fd_count,
                 pid_t *ret_pid, int *ret_pidfd, struct error *err);

/* fabric_stop() - End the process and wait for it: with it go namespace, taps and links. Frees the
 * handle, also on failure. */
int fabric_stop(struct fabric *fabric, struct error *err);

/* fabric_kill() - End a process that has died or does not answer, without its touching the network:
 * fabric_start_in() goes on from there. Frees the handle. */
void fabric_kill(struct fabric *fabric);

/* fabric_probe() - Prove in a throw-away namespace what labs need. Each item names the thing,
 * whether it works, how it is known, and what to do if not. For labctl doctor. */
struct fabric_probe {
    const char *name; /* "user namespaces", "tun", "bridge", "redirect", "group_fwd_mask", "packet
                         socket", … */
    bool works;
    bool needed;  /* no lab runs without it */
    char *detail; /* owned */
    char *mend;   /* owned, NULL if nothing to do */
};
int fabric_probe(struct fabric_probe **ret_probes, size_t *ret_count, struct error *err);
void fabric_probe_free(struct fabric_probe *probes, size_t count);
