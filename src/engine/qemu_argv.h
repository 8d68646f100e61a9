// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The QEMU command line of a node, as a pure function of topology and appliance.
 * What is where in the guest and on the command line is told in qemu_argv.c. */

#include <stdint.h>

#include "appliance/appliance.h"
#include "topology/model.h"

/* Descriptors that QEMU finds open. Sockets are listening ones: made, and connected to, before. */
enum {
    QEMU_FD_QMP = 3,
    QEMU_FD_SERIAL = 4, /* and the next three */
    QEMU_FD_TAP = 10,   /* one per NIC, in order */
};

#define QEMU_SERIALS_MAX 4
#define QEMU_NICS_MAX    77

struct qemu_request {
    const struct topology *topology;
    const char *lab; /* the lab's name as it runs; NULL: the topology's */
    size_t node;     /* index into topology.nodes */
    const struct appliance *appliance;
    enum accel accel;         /* resolved: ACCEL_KVM or ACCEL_TCG */
    const char *node_dir;     /* the node's kept folder: disks, seed, console logs */
    const char *const *bases; /* format of each disk's base ("raw", "qcow2"); NULL: all raw */
};

/* qemu_argv() - The command line. The guest starts paused, always; QMP "cont" lets it run.
 * Return: NULL-terminated, argv[0] is "qemu-system-ARCH"; qemu_argv_free() it */
char **qemu_argv(const struct qemu_request *request);
void qemu_argv_free(char **argv);

/* qemu_disk_path() - The file behind disk @index: the base itself if read-only, else one of the
 * node's own in @node_dir ("disk1.raw": a copy, whatever its format; "disk1.qcow2": an overlay).
 * Caller frees. */
char *qemu_disk_path(const char *node_dir, const struct appliance *appliance, size_t index);

/* qemu_mac() - MAC address of a NIC: made from the three, locally administered, always the same. */
void qemu_mac(const char *lab, const char *node, unsigned nic, uint8_t ret_mac[6]);

/* qemu_nic_address() - Where NIC @nic sits: "pcie.0/0x10" (bus id / slot). Caller frees. */
char *qemu_nic_address(const struct appliance *appliance, const char *machine, unsigned nic);
