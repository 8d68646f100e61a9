// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The words the kernel understands: taps, bridges, redirects. Functions without a struct error
 * queue messages on a batch; what the kernel thinks of them is known at the next flush. */

#include <net/if.h>

#include "netfabric/netlink_priv.h"

/* Groups that interfaces are in, so that many can be removed at once. */
enum kernel_group {
    KERNEL_GROUP_LAB = 1,  /* all that is in use */
    KERNEL_GROUP_DOOM = 2, /* about to be removed */
};

/* Room above a link's MTU for tags: the bridge drops by length, tags included. */
#define KERNEL_TAG_ROOM 16u

/* An interface as messages name it. */
struct kernel_ref {
    int index;
    const char *name;
    const char *altname; /* NULL: none */
    bool forgive;        /* see struct batch_subject */
};

/* kernel_tun_open() - Open /dev/net/tun; the error's hint says how to mend. Return: fd or -errno */
int kernel_tun_open(struct error *err);
/* kernel_tap_open() - Make a tap in the caller's namespace.
 * @vnet_hdr:	Frames begin with a struct virtio_net_hdr, and may be segmented and checksummed
 *		later; else the kernel has done both before a frame is read
 * Return: descriptor (non-blocking); the tap lives until it is deleted or the namespace ends */
int kernel_tap_open(const char *name, bool vnet_hdr, struct error *err);
/* kernel_tap_reopen() - Open a tap that nobody has open. Return: descriptor or -errno (-EBUSY) */
int kernel_tap_reopen(const char *name, bool vnet_hdr);
/* kernel_tap_name() - Name of the tap behind a descriptor. Return: 0 or -errno */
int kernel_tap_name(int fd, char ret_name[static IFNAMSIZ]);
/* kernel_tap_drain() - Throw away frames that wait in a tap. */
void kernel_tap_drain(int fd);
/* kernel_index() - Interface index by name. Return: index or -errno */
int kernel_index(const struct batch *batch, const char *name);

/* kernel_bridge_add() - A LAN segment, or (@pair) a two-port bridge that stands for a cable. */
void kernel_bridge_add(struct batch *batch, const char *name, const char *altname, unsigned mtu,
                       bool pair);
/* kernel_up() - Set MTU (of the payload; KERNEL_TAG_ROOM is added), group, up.
 * @no_addresses: also tell IPv6 to make itself no address (where its sysctl cannot be written) */
void kernel_up(struct batch *batch, const struct kernel_ref *ref, unsigned mtu, bool no_addresses);
/* kernel_up_borrowed() - Bring up an interface that is not ours to change. */
void kernel_up_borrowed(struct batch *batch, const struct kernel_ref *ref);
/* kernel_mtu() - Change the MTU. */
void kernel_mtu(struct batch *batch, const struct kernel_ref *ref, unsigned mtu);
/* kernel_altname() - Add or remove an altname. */
void kernel_altname(struct batch *batch, const struct kernel_ref *ref, const char *altname,
                    bool add);
/* kernel_ingress() - Give an interface the place where filters hang. */
void kernel_ingress(struct batch *batch, const struct kernel_ref *ref);
/* kernel_noqueue() - Take the queueing discipline away: a cable has none. */
void kernel_noqueue(struct batch *batch, const struct kernel_ref *ref);
/* kernel_queue_length() - How many frames wait in an interface for its reader. */
void kernel_queue_length(struct batch *batch, const struct kernel_ref *ref, unsigned frames);
/* kernel_redirect() - Every frame that comes from @ref's guest goes out of @to, from one frame to
 * the next: if it went elsewhere before, none is lost by the change. */
void kernel_redirect(struct batch *batch, const struct kernel_ref *ref, int to);
/* kernel_redirect_clear() - No more. */
void kernel_redirect_clear(struct batch *batch, const struct kernel_ref *ref);
/* kernel_redirect_clear_old() - Remove a redirect of the time when there was no gate before it. */
void kernel_redirect_clear_old(struct batch *batch, const struct kernel_ref *ref);
/* kernel_gate() - What @ref's guest sends passes the gate first; one that is there is exchanged,
 * from one frame to the next.
 * @program:	From gate_load()
 * @limit:	Longest payload that passes, at most 65535; 0: any */
void kernel_gate(struct batch *batch, const struct kernel_ref *ref, int program, unsigned limit);
/* kernel_gate_clear() - No more. */
void kernel_gate_clear(struct batch *batch, const struct kernel_ref *ref);
/* kernel_veth_add() - A pair: @ref->name here, @peer in another namespace. */
void kernel_veth_add(struct batch *batch, const struct kernel_ref *ref, const char *peer,
                     int peer_ns, unsigned mtu);
/* kernel_vxlan_add() - A VXLAN interface in namespace @ns, its underlay where @batch is.
 * @remote:	IPv4 or IPv6 address of the other end
 * Return: 0 or -EINVAL */
int kernel_vxlan_add(struct batch *batch, const char *name, int ns, uint32_t vni,
                     const char *remote, uint16_t port, struct error *err);
/* kernel_join_host() - Make @ref a port of a bridge that is not ours, and silent besides. */
void kernel_join_host(struct batch *batch, const struct kernel_ref *ref, int bridge);
/* kernel_move() - Move an interface into another namespace. */
void kernel_move(struct batch *batch, const struct kernel_ref *ref, int ns);
/* kernel_down() - Take it down. */
void kernel_down(struct batch *batch, const struct kernel_ref *ref);
/* kernel_remove() - Remove it. */
void kernel_remove(struct batch *batch, const struct kernel_ref *ref);
/* kernel_port() - Make @ref a port of a bridge that passes all reserved addresses but PAUSE.
 * @pair: as in kernel_bridge_add() */
void kernel_port(struct batch *batch, const struct kernel_ref *ref, int bridge, bool pair);
/* kernel_port_clear() - Take it out of its bridge. */
void kernel_port_clear(struct batch *batch, const struct kernel_ref *ref);
/* kernel_doom() - Put an interface in the group that kernel_remove_doomed() removes. */
void kernel_doom(struct batch *batch, const struct kernel_ref *ref);
/* kernel_remove_group() - Remove all interfaces of a group, in one go. */
void kernel_remove_group(struct batch *batch, enum kernel_group group);
