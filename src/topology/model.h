// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The immutable model of a topology file. Everything in it is owned by the struct topology and
 * lives as long; strings are never NULL unless said. Arrays keep the order of the file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "topology/diagnostics.h"

/* The largest configuration file that a node is given. */
#define TOPOLOGY_CONFIG_MAX ((size_t)16 << 20)

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };
enum jitter_shape { JITTER_UNIFORM, JITTER_NORMAL };
enum uplink_type { UPLINK_NAT, UPLINK_BRIDGE, UPLINK_PHYSICAL, UPLINK_VXLAN };
/* What a node says of its screen and its firmware. */
enum node_display { NODE_DISPLAY_IMAGE, NODE_DISPLAY_NONE, NODE_DISPLAY_VNC };
enum node_firmware { NODE_FIRMWARE_IMAGE, NODE_FIRMWARE_BIOS, NODE_FIRMWARE_UEFI };
/* RESTART_UNSAID: what the appliance says, else never. */
enum restart_policy { RESTART_UNSAID, RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

/* What a link does to frames besides passing them. All zero: a plain cable. */
struct impairment {
    uint64_t delay_ns;
    uint64_t jitter_ns;
    enum jitter_shape jitter_shape;
    uint32_t loss_ppm;
    /* Gilbert-Elliott: chance to enter and leave the bad state, loss in the bad state. p == 0: not
     * in use. */
    uint32_t burst_enter_ppm, burst_leave_ppm, burst_loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm;
    uint32_t corrupt_ppm;
    uint64_t rate_bits_per_s;   /* 0: unlimited */
    uint64_t burst_bytes;       /* 0: the default */
    uint64_t queue_limit_bytes; /* 0: the default */
    uint64_t queue_limit_ns;    /* 0: none */
    uint64_t seed;              /* valid if has_seed */
    bool has_seed;
    char *only;              /* pcap filter, NULL: every frame */
    struct location only_at; /* where it stands in its file */
};

/* One NIC of a node as a cable end names it: "r1:eth0". */
struct endpoint {
    size_t node;  /* index into topology.nodes */
    unsigned nic; /* index of the NIC, in declared order from 0 */
    char *port;   /* its name as the appliance calls it ("eth0", "Gi0/1") */
    struct location at;
};

/* One of a node's configuration files that has a name of its own on the guest's side. */
struct config_file {
    char *name; /* as config_file_name_ok() wants it */
    char *path; /* absolute */
};

struct node {
    char *name;
    char *image;
    uint64_t memory_bytes; /* 0: the appliance's default */
    unsigned cpus;         /* 0: the appliance's default */
    unsigned cpu_share;    /* 1 to 10000 of a CPU when others want it too; 0: as everybody, 100 */
    uint64_t memory_limit; /* bytes that its QEMU may take, 0: no limit */
    unsigned nics;         /* NICs that exist from boot: given here, else the appliance's count */
    enum accel accel;
    char *machine;               /* NULL: the appliance's */
    char *cpu_model;             /* NULL: the appliance's */
    const char *nic_model;       /* of topology_nic_models; NULL: what the appliance has */
    enum node_display display;   /* …_IMAGE: what the appliance has */
    enum node_firmware firmware; /* the same */
    unsigned serials;            /* serial ports, 0: as many as the appliance has */
    char *config;                /* absolute path of its configuration file, NULL: none */
    struct config_file *files;   /* config: {NAME: FILE} */
    size_t file_count;
    size_t *after; /* nodes that must be ready first */
    size_t after_count;
    int telnet_port;       /* console: {telnet: …}; 0 off (the default), -1 auto, else the port */
    int vnc_port;          /* console: {vnc: …}; the same, of its screen; 5900 or more */
    uint64_t record_bytes; /* console: {record: …}: what is kept of each console at least */
    enum restart_policy restart;
    uint64_t ready_timeout_ns; /* 0: the appliance's */
    struct location at;
};

struct link {
    char *name; /* given, else made from its ends: "r1:eth0--r2:eth0" */
    struct endpoint ends[2];
    struct impairment impairment[2]; /* [0]: frames sent by ends[0], [1]: by ends[1] */
    bool down;                       /* state: down in the file: cabled, but cut from the start */
    unsigned mtu;                    /* 0: the default (9500 is always passed) */
    uint64_t flap_every_ns, flap_down_ns; /* 0: no schedule */
    struct location at;
};

struct lan {
    char *name;
    struct endpoint *ends;
    size_t end_count;
    unsigned mtu;
    struct location at;
};

/* A port of this host that leads to a port of a guest: "127.0.0.1:2201 -> r1:22". */
struct forward {
    char *text; /* as given */
    bool udp;
    char *address; /* of this host */
    uint16_t port;
    size_t end; /* index into the uplink's ends */
    uint16_t guest_port;
};

struct uplink {
    char *name;
    enum uplink_type type;
    struct endpoint *ends;
    size_t end_count;
    char *interface;          /* bridge, physical: host interface; else NULL */
    struct forward *forwards; /* nat */
    size_t forward_count;
    char *remote; /* vxlan: peer address; else NULL */
    uint32_t vni;
    struct location at;
};

struct topology {
    char *path;               /* of the file, absolute */
    char *lab;                /* the lab's name */
    char *description;        /* may be empty */
    uint64_t capture_keep_ns; /* capture: {keep: …}; 0: off */
    struct node *nodes;
    size_t node_count;
    struct link *links;
    size_t link_count;
    struct lan *lans;
    size_t lan_count;
    struct uplink *uplinks;
    size_t uplink_count;
};

void topology_free(struct topology *topology);

static inline void cleanup_topology(struct topology **topology)
{
    topology_free(*topology);
}
#define _cleanup_topology_ _cleanup_(cleanup_topology)

/* NIC models by their QEMU devices, NULL-terminated. */
extern const char *const topology_nic_models[];
/* Words for restart policies, from RESTART_NEVER on, NULL-terminated. */
extern const char *const topology_restart_words[];
/* topology_nic_mtu() - Largest MTU that a model can do. */
unsigned topology_nic_mtu(const char *model);

/* config_file_name_ok() - Whether a guest can be given a file of that name: a relative path of at
 * most 128 bytes whose parts have 1 to 64 letters, digits and "._+-" and begin with none of ".+-".
 */
bool config_file_name_ok(const char *name);

/* topology_find_node() - Index of a node by name, or -1. */
ptrdiff_t topology_find_node(const struct topology *topology, const char *name);
/* topology_find_link() - Index of a link by its name, or by one of its ends "r1:eth0", or -1. */
ptrdiff_t topology_find_link(const struct topology *topology, const char *name);
