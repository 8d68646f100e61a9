// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* QEMU's command line for a node, as a pure function of topology, appliance and a few paths. Golden
 * tests under tests/golden hold what comes out.
 *
 * PCI addresses are stable, whatever else a node has: virtio disk n (the configuration disk last)
 * in slot 0x02 + n % 4, function n / 4; the display in slot 0x06; controllers (SCSI, AHCI, USB,
 * NVMe, further serial ports) as functions of slot 0x07; NIC n in slot 0x08 + n for the first 22,
 * the further ones, at most 30, as functions of slot 0x1e, so that a guest finds them in order.
 * Device ids: diskN, vdN, nicN, netN, serialN. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/seed.h"
#include "topology/model.h"

/* Numbers of the descriptors that QEMU inherits: listening sockets and taps. */
#define QEMU_FD_QMP 3
#define QEMU_FD_TAP 10

struct qemu_request {
    const struct topology *topology;
    const char *lab;
    size_t node;
    const struct appliance *appliance;
    enum accel accel;     /* ACCEL_KVM or ACCEL_TCG */
    bool host_cpu;        /* KVM with hardware: the host's CPU instead of the model */
    const char *node_dir; /* kept folder of the node: disks, configuration disk */
    const char *run_dir;  /* where NODE.0.in and NODE.0.out are, its first console, and the sockets
                           * NODE.vnc and NODE.tpm; NULL: node_dir */
    uint16_t vnc_port;    /* of the screen on the loopback, 0: none */
    const char *vnc_password; /* file with its password */
    unsigned tsc_khz;         /* host_info.tsc_khz */
    const char *uefi_code;    /* the firmware, if the appliance wants UEFI */
};

/* qemu_argv() - NULL-terminated; free with qemu_argv_free(). */
char **qemu_argv(const struct qemu_request *request);
void qemu_argv_free(char **argv);

/* qemu_disk_path() - The file that disk @index of a node is: the shared base, or
 * NODE_DIR/diskN.FORMAT. Caller frees. */
char *qemu_disk_path(const char *node_dir, const struct appliance *appliance, size_t index);

/* qemu_uefi_vars() - Where a node keeps its UEFI variables. Caller frees. */
char *qemu_uefi_vars(const char *node_dir);

/* qemu_mac() - MAC address of a NIC: locally administered, always the same for lab, node and NIC.
 * @ret_text:	18 bytes, "02:…" */
void qemu_mac(const char *lab, const char *node, unsigned nic, char ret_text[static 18]);

/* A node's configuration, and what its templates may say. */
struct node_seed {
    struct seed_request request; /* points into the rest, the topology and the appliance */
    char *uuid;
    char (*macs)[18];
};
struct node_seed node_seed(const struct topology *topology, const char *lab, size_t index,
                           const struct appliance *appliance);
void node_seed_done(struct node_seed *seed);
