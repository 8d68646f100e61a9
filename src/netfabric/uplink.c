// SPDX-License-Identifier: GPL-2.0-or-later

/* Ways out of the lab's namespace. Each is a port of a segment like any tap; what differs is where
 * the other end is:
 *
 *   nat       a persistent tap, which slirp4netns opens by its name. It stays when slirp4netns
 *             dies, so another one takes up where it left.
 *   bridge    a veth pair whose other end is a port of a bridge of the host
 *   vxlan     an interface in here whose outer packets are sent and received by the host: the
 *             kernel remembers the namespace in which the request for it was made
 *   physical  an interface of the host. It keeps its name, and is put into none of the groups by
 *             which interfaces are removed: a physical interface cannot be, and the kernel gives it
 *             back to the host when this namespace ends, however it ends.
 *
 * All but nat want CAP_NET_ADMIN over the host's own interfaces: fabrics in a user namespace do not
 * have it. The netlink socket for that is opened before the host's namespace is left; a socket
 * stays in the namespace where it was made. */

#include "netfabric/uplink_priv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"

#define VXLAN_PORT 4789 /* RFC 7348, section 5 */

void uplink_host_open(struct fabric_state *state)
{
    state->has_host = geteuid() == 0 && batch_init(&state->host, NULL) == 0;
    state->host_ns = state->has_host ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

void uplink_host_close(struct fabric_state *state)
{
    if (!state->has_host)
        return;
    batch_done(&state->host);
    cleanup_close(&state->host_ns);
    state->has_host = false;
}

const char *uplink_kernel_name(const struct iface *iface)
{
    return uplink_is_borrowed(iface) ? iface->interface : iface->ifname;
}

bool uplink_is_borrowed(const struct iface *iface)
{
    return iface->kind == IFACE_UPLINK && iface->uplink == FABRIC_UPLINK_PHYSICAL;
}

/**
 * same_word() - Compare texts that may be missing
 * @a:		Text or NULL
 * @b:		Text or NULL
 */
static bool same_word(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

bool uplink_same(const struct iface *a, const struct iface *b)
{
    return a->uplink == b->uplink && a->vni == b->vni && same_word(a->interface, b->interface) &&
           same_word(a->remote, b->remote);
}

/**
 * make_nat() - A tap that lives without anybody having it open
 * @uplink:	Uplink
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int make_nat(const struct iface *uplink, struct error *err)
{
    _cleanup_close_ int fd = kernel_tap_open(uplink->ifname, false, err);

    return fd < 0 ? fd : 0;
}

/**
 * host_index() - Find an interface of the host
 * @state:	State
 * @name:	Its name
 * @err:	Error
 *
 * Return: index or -errno
 */
static int host_index(struct fabric_state *state, const char *name, struct error *err)
{
    int index = kernel_index(&state->host, name);

    if (index >= 0)
        return index;
    (void)error_set(err, -index, "this machine has no interface '%s'", name);
    error_hint(err, "'ip link' lists what there is");
    return index;
}

/**
 * make_bridge() - Join a bridge of the host
 * @state:	State
 * @uplink:	Uplink
 * @own_ns:	This namespace
 * @err:	Error
 *
 * The host's end is named after this process, which no other living fabric can be.
 *
 * Return: 0 or -errno
 */
static int make_bridge(struct fabric_state *state, const struct iface *uplink, int own_ns,
                       struct error *err)
{
    int bridge = host_index(state, uplink->interface, err), r;
    char name[IFNAMSIZ];
    struct kernel_ref ref = {.name = name};

    if (bridge < 0)
        return bridge;
    if ((size_t)snprintf(name, sizeof(name), "lc%d%s", (int)getpid(), uplink->ifname) >=
        sizeof(name))
        return error_set(err, ENAMETOOLONG, "name of the host's end of %s", uplink->ifname);
    kernel_veth_add(&state->host, &ref, uplink->ifname, own_ns, uplink->mtu);
    r = batch_flush(&state->host, err);
    if (r < 0)
        return r;
    ref.index = kernel_index(&state->host, name);
    kernel_join_host(&state->host, &ref, bridge);
    r = batch_flush(&state->host, err);
    if (r == 0)
        return 0;
    error_hint(err, "'%s' has to be a bridge: ip link add %s type bridge", uplink->interface,
               uplink->interface);
    kernel_remove(&state->host, &ref);
    (void)batch_flush(&state->host, NULL);
    return r;
}

/**
 * fetch_physical() - Take an interface of the host in here
 * @state:	State
 * @uplink:	Uplink
 * @own_ns:	This namespace
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int fetch_physical(struct fabric_state *state, const struct iface *uplink, int own_ns,
                          struct error *err)
{
    struct kernel_ref ref = {.name = uplink->interface};

    if (kernel_index(&state->batch, uplink->interface) > 0)
        return 0; /* an earlier fabric of this lab has fetched it */
    ref.index = host_index(state, uplink->interface, err);
    if (ref.index < 0)
        return ref.index;
    kernel_move(&state->host, &ref, own_ns);
    return batch_flush(&state->host, err);
}

int uplink_make(struct fabric_state *state, const struct iface *uplink, struct error *err)
{
    _cleanup_close_ int own_ns = -1;
    int r = 0;

    if (uplink->uplink == FABRIC_UPLINK_NAT)
        return make_nat(uplink, err);
    if (!state->has_host || state->host_ns < 0) {
        (void)error_set(err, EPERM, "uplinks to a bridge, an interface or a VXLAN need root");
        error_hint(err, "run labctl as root, or use an uplink of type nat");
        return -EPERM;
    }
    own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own_ns < 0)
        return error_errno(err, errno, "open /proc/self/ns/net");
    switch (uplink->uplink) {
    case FABRIC_UPLINK_BRIDGE:
        r = make_bridge(state, uplink, own_ns, err);
        break;
    case FABRIC_UPLINK_PHYSICAL:
        r = fetch_physical(state, uplink, own_ns, err);
        break;
    case FABRIC_UPLINK_VXLAN:
        r = kernel_vxlan_add(&state->host, uplink->ifname, own_ns, uplink->vni, uplink->remote,
                             VXLAN_PORT, err);
        if (r == 0)
            r = batch_flush(&state->host, err);
        break;
    case FABRIC_UPLINK_NONE:
    case FABRIC_UPLINK_NAT:
        break;
    }
    return r;
}

void uplink_return(struct fabric_state *state, const struct iface *uplink)
{
    struct kernel_ref ref = {.index = uplink->index, .name = uplink->interface, .forgive = true};

    kernel_port_clear(&state->batch, &ref);
    kernel_down(&state->batch, &ref);
    kernel_move(&state->batch, &ref, state->host_ns);
}
