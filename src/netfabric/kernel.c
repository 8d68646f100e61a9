// SPDX-License-Identifier: GPL-2.0-or-later

/* Each function builds one message, or one per step where the kernel wants several. What each is
 * for, and which alternatives were found not to do:
 *
 * A cable is `ingress` with one `u32` filter that matches everything (it has no key: one that is
 * masked away still wants its four bytes, and a frame of 17 has but three) and one `mirred` action
 * that sends the frame out of the other tap. It works below every protocol, so nothing is kept
 * back: neither reserved addresses, nor PAUSE, nor frames longer than the MTU. The filter is at the
 * ingress of the tap, which is where frames come in that the guest has sent. (`clsact` would do,
 * but has a place for filters at the other side too, where each frame then looks for them: a
 * twentieth of all that a frame costs.)
 *
 * To lead a cable elsewhere the filter is changed in place: it always has the same handle (the
 * first key of the first hash table), and the kernel exchanges a key by one pointer. To add a
 * second filter and remove the first would not do: a frame that is just looking at the first finds
 * it empty, and the second is behind it only if it was not put before it.
 *
 * Before it, where the fabric may load a program, is the gate (gate.c): a filter of its own, whose
 * verdict is to go on to the next, or to drop.
 *
 * A segment is a bridge. A bridge keeps 01:80:C2:00:00:0X to itself unless told otherwise; the mask
 * of a port may name all of them but 01 (PAUSE), the mask of the bridge only some. Therefore the
 * mask is set port by port.
 *
 * A two-port bridge stands for a cable where the kernel lacks classifier or action. It learns
 * nothing and ages at once: a cable does not care at which end an address was seen last. */

#include "netfabric/kernel_priv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATE_PRIORITY           (1u << 16)
#define GATE_HANDLE             1u
#define FILTER_PRIORITY         (2u << 16)
#define FILTER_HANDLE           0x80000800u
#define GROUP_FWD_ALL_BUT_PAUSE 0xFFFDu
#define DRAIN_MOST              4096
#define ADDR_GEN_NONE           1 /* IN6_ADDR_GEN_MODE_NONE, linux/if_link.h */

/**
 * must() - Attributes always fit their message; if one does not, that is a bug
 * @result:	What nla_put() returned
 */
static void must(int result)
{
    if (result < 0)
        abort();
}

static void put_u32(struct nl_msg *message, int type, uint32_t value)
{
    must(nla_put_u32(message, type, value));
}

static struct nlattr *nest(struct nl_msg *message, int type)
{
    struct nlattr *attr = nla_nest_start(message, type);

    if (!attr)
        abort();
    return attr;
}

/**
 * queue() - Add a message about an interface to a batch
 * @batch:	Batch
 * @message:	Message, taken over
 * @ref:	Interface
 * @verb:	What it does to it
 */
static void queue(struct batch *batch, struct nl_msg *message, const struct kernel_ref *ref,
                  const char *verb)
{
    batch_add(
        batch, message,
        &(struct batch_subject){
            .verb = verb, .name = ref->name, .altname = ref->altname, .forgive = ref->forgive});
}

/**
 * link_message() - Message about one interface
 * @type:	RTM_…
 * @ref:	Interface
 * @family:	AF_UNSPEC or AF_BRIDGE
 * @flags:	Interface flags to set
 *
 * Return: message
 */
static struct nl_msg *link_message(int type, const struct kernel_ref *ref, unsigned char family,
                                   unsigned flags)
{
    struct ifinfomsg info = {
        .ifi_family = family, .ifi_index = ref->index, .ifi_flags = flags, .ifi_change = flags};

    return batch_message(type, 0, &info, sizeof(info));
}

static struct nl_msg *tc_message(int type, int flags, const struct kernel_ref *ref, uint32_t parent,
                                 uint32_t info)
{
    struct tcmsg tc = {
        .tcm_family = AF_UNSPEC, .tcm_ifindex = ref->index, .tcm_parent = parent, .tcm_info = info};

    return batch_message(type, flags, &tc, sizeof(tc));
}

int kernel_tun_open(struct error *err)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), code = errno;

    if (fd >= 0)
        return fd;
    (void)error_errno(err, code, "open /dev/net/tun");
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        error_hint(err, "sudo modprobe tun; if there is still none: sudo mkdir -p /dev/net && sudo "
                        "mknod -m 0666 /dev/net/tun c 10 200");
        break;
    case EACCES:
        error_hint(err, "sudo chmod 0666 /dev/net/tun (usual distributions ship it that way)");
        break;
    case ENODEV:
    case ENXIO:
        error_hint(err, "sudo modprobe tun");
        break;
    case EPERM:
        error_hint(err, "the device is forbidden here (a container?): allow character device "
                        "10:200, or mount without nodev");
        break;
    case EMFILE:
        error_hint(err, "raise the limit of open files: ulimit -n");
        break;
    default:
        break;
    }
    return -code;
}

/**
 * tap_open() - Attach a descriptor to a tap
 * @name:	Its name
 * @flags:	IFF_…
 * @err:	Error
 *
 * Return: descriptor or -errno
 */
static int tap_open(const char *name, int flags, struct error *err)
{
    struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
    int fd = kernel_tun_open(err), code;

    if (fd < 0)
        return fd;
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1) + 1);
    if (ioctl(fd, TUNSETIFF, &request) == 0)
        return fd;
    code = errno;
    (void)close(fd);
    return error_errno(err, code, "make tap %s", name);
}

/**
 * tap_speed() - Give a tap the speed that guests are told of their NICs
 * @name:	Tap
 *
 * Left alone, a tap says 10 Mb/s or 10 Gb/s, as the kernel's version has it, and captures say so.
 * Nothing else depends on it, so failure is none.
 */
static void tap_speed(const char *name)
{
    struct ethtool_cmd command = {.cmd = ETHTOOL_GSET};
    struct ifreq request = {.ifr_data = (char *)&command};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1) + 1);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
        return;
    command.cmd = ETHTOOL_SSET;
    command.duplex = DUPLEX_FULL;
    ethtool_cmd_speed_set(&command, SPEED_1000);
    (void)ioctl(fd, SIOCETHTOOL, &request);
}

int kernel_tap_open(const char *name, bool vnet_hdr, struct error *err)
{
    int fd = tap_open(name, IFF_TUN_EXCL | (vnet_hdr ? IFF_VNET_HDR : 0), err);

    /* It stays when this process is killed, for the next one; it cannot outlive its namespace. */
    if (fd >= 0 && ioctl(fd, TUNSETPERSIST, 1) < 0) {
        int code = errno;

        (void)close(fd);
        return error_errno(err, code, "keep tap %s", name);
    }
    if (fd >= 0)
        tap_speed(name);
    return fd;
}

int kernel_tap_reopen(const char *name, bool vnet_hdr)
{
    return tap_open(name, vnet_hdr ? IFF_VNET_HDR : 0, NULL);
}

int kernel_tap_name(int fd, char ret_name[static IFNAMSIZ])
{
    struct ifreq request = {0};

    if (ioctl(fd, TUNGETIFF, &request) < 0)
        return -errno;
    request.ifr_name[IFNAMSIZ - 1] = 0;
    memcpy(ret_name, request.ifr_name, IFNAMSIZ);
    return 0;
}

void kernel_tap_drain(int fd)
{
    char start[64];

    for (int i = 0; i < DRAIN_MOST; i++)
        if (read(fd, start, sizeof(start)) < 0)
            return;
}

int kernel_index(const struct batch *batch, const char *name)
{
    struct ifreq request = {0};

    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1) + 1);
    if (ioctl(batch_fd(batch), SIOCGIFINDEX, &request) < 0)
        return -errno;
    return request.ifr_ifindex;
}

void kernel_bridge_add(struct batch *batch, const char *name, const char *altname, unsigned mtu,
                       bool pair)
{
    struct kernel_ref ref = {.name = name, .altname = altname};
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct nl_msg *message =
        batch_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    struct nlattr *link_info, *data;

    must(nla_put_string(message, IFLA_IFNAME, name));
    put_u32(message, IFLA_MTU, mtu + KERNEL_TAG_ROOM);
    put_u32(message, IFLA_GROUP, KERNEL_GROUP_LAB);
    link_info = nest(message, IFLA_LINKINFO);
    must(nla_put_string(message, IFLA_INFO_KIND, "bridge"));
    data = nest(message, IFLA_INFO_DATA);
    put_u32(message, IFLA_BR_STP_STATE, 0);
    must(nla_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0));
    if (pair)
        put_u32(message, IFLA_BR_AGEING_TIME, 0);
    (void)nla_nest_end(message, data);
    (void)nla_nest_end(message, link_info);
    queue(batch, message, &ref, "add bridge");
}

/**
 * put_no_addresses() - Tell IPv6 to make an interface no address
 * @message:	Message about it
 */
static void put_no_addresses(struct nl_msg *message)
{
    struct nlattr *families = nest(message, IFLA_AF_SPEC);
    struct nlattr *inet6 = nest(message, AF_INET6);

    must(nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE));
    (void)nla_nest_end(message, inet6);
    (void)nla_nest_end(message, families);
}

void kernel_up(struct batch *batch, const struct kernel_ref *ref, unsigned mtu, bool no_addresses)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, IFF_UP);

    put_u32(message, IFLA_MTU, mtu + KERNEL_TAG_ROOM);
    put_u32(message, IFLA_GROUP, KERNEL_GROUP_LAB);
    if (no_addresses)
        put_no_addresses(message);
    queue(batch, message, ref, "bring up");
}

void kernel_up_borrowed(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, IFF_UP);

    put_no_addresses(message);
    queue(batch, message, ref, "bring up");
}

void kernel_mtu(struct batch *batch, const struct kernel_ref *ref, unsigned mtu)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_MTU, mtu + KERNEL_TAG_ROOM);
    queue(batch, message, ref, "set MTU of");
}

void kernel_altname(struct batch *batch, const struct kernel_ref *ref, const char *altname,
                    bool add)
{
    struct nl_msg *message;
    struct nlattr *list;

    if (!altname)
        return;
    message = link_message(add ? RTM_NEWLINKPROP : RTM_DELLINKPROP, ref, AF_UNSPEC, 0);
    if (add)
        nlmsg_hdr(message)->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND;
    list = nest(message, IFLA_PROP_LIST | NLA_F_NESTED);
    must(nla_put_string(message, IFLA_ALT_IFNAME, altname));
    (void)nla_nest_end(message, list);
    queue(batch, message, ref, add ? "name" : "unname");
}

void kernel_ingress(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message =
        tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ref, TC_H_INGRESS, 0);

    ((struct tcmsg *)nlmsg_data(nlmsg_hdr(message)))->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
    must(nla_put_string(message, TCA_KIND, "ingress"));
    queue(batch, message, ref, "add ingress to");
}

void kernel_noqueue(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message =
        tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, ref, TC_H_ROOT, 0);

    must(nla_put_string(message, TCA_KIND, "noqueue"));
    queue(batch, message, ref, "take the queue from");
}

void kernel_queue_length(struct batch *batch, const struct kernel_ref *ref, unsigned frames)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_TXQLEN, frames);
    queue(batch, message, ref, "set queue of");
}

void kernel_redirect(struct batch *batch, const struct kernel_ref *ref, int to)
{
    const struct tc_u32_sel everything = {.flags = TC_U32_TERMINAL};
    const struct tc_mirred redirect = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to};
    struct nl_msg *message = tc_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, ref,
                                        TC_H_MAKE(TC_H_INGRESS, TC_H_MIN_INGRESS),
                                        TC_H_MAKE(FILTER_PRIORITY, htons(ETH_P_ALL)));
    struct nlattr *options, *actions, *action, *parameters;

    ((struct tcmsg *)nlmsg_data(nlmsg_hdr(message)))->tcm_handle = FILTER_HANDLE;
    must(nla_put_string(message, TCA_KIND, "u32"));
    options = nest(message, TCA_OPTIONS);
    must(nla_put(message, TCA_U32_SEL, (int)sizeof(everything), &everything));
    actions = nest(message, TCA_U32_ACT);
    action = nest(message, 1);
    must(nla_put_string(message, TCA_ACT_KIND, "mirred"));
    parameters = nest(message, TCA_ACT_OPTIONS);
    must(nla_put(message, TCA_MIRRED_PARMS, (int)sizeof(redirect), &redirect));
    (void)nla_nest_end(message, parameters);
    (void)nla_nest_end(message, action);
    (void)nla_nest_end(message, actions);
    (void)nla_nest_end(message, options);
    queue(batch, message, ref, "add redirect to");
}

/**
 * clear_filter() - Remove a filter
 * @batch:	Batch
 * @ref:	From what
 * @priority:	Its place
 * @kind:	Its kind; one of another kind is left alone, and that is an error
 * @verb:	For messages
 */
static void clear_filter(struct batch *batch, const struct kernel_ref *ref, uint32_t priority,
                         const char *kind, const char *verb)
{
    struct nl_msg *message =
        tc_message(RTM_DELTFILTER, 0, ref, TC_H_MAKE(TC_H_INGRESS, TC_H_MIN_INGRESS),
                   TC_H_MAKE(priority, htons(ETH_P_ALL)));

    must(nla_put_string(message, TCA_KIND, kind));
    queue(batch, message, ref, verb);
}

void kernel_redirect_clear(struct batch *batch, const struct kernel_ref *ref)
{
    clear_filter(batch, ref, FILTER_PRIORITY, "u32", "remove redirect from");
}

void kernel_redirect_clear_old(struct batch *batch, const struct kernel_ref *ref)
{
    clear_filter(batch, ref, GATE_PRIORITY, "u32", "remove old redirect from");
}

void kernel_gate(struct batch *batch, const struct kernel_ref *ref, int program, unsigned limit)
{
    struct nl_msg *message = tc_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, ref,
                                        TC_H_MAKE(TC_H_INGRESS, TC_H_MIN_INGRESS),
                                        TC_H_MAKE(GATE_PRIORITY, htons(ETH_P_ALL)));
    struct nlattr *options;

    ((struct tcmsg *)nlmsg_data(nlmsg_hdr(message)))->tcm_handle = GATE_HANDLE;
    must(nla_put_string(message, TCA_KIND, "bpf"));
    options = nest(message, TCA_OPTIONS);
    put_u32(message, TCA_BPF_FD, (uint32_t)program);
    must(nla_put_string(message, TCA_BPF_NAME, "labctl_gate"));
    put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    put_u32(message, TCA_BPF_CLASSID, limit);
    (void)nla_nest_end(message, options);
    queue(batch, message, ref, "add gate to");
}

void kernel_gate_clear(struct batch *batch, const struct kernel_ref *ref)
{
    clear_filter(batch, ref, GATE_PRIORITY, "bpf", "remove gate from");
}

void kernel_port(struct batch *batch, const struct kernel_ref *ref, int bridge, bool pair)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);
    struct nlattr *port;

    put_u32(message, IFLA_MASTER, (uint32_t)bridge);
    queue(batch, message, ref, "join to its segment");

    message = link_message(RTM_SETLINK, ref, AF_BRIDGE, 0);
    port = nest(message, IFLA_PROTINFO | NLA_F_NESTED);
    must(nla_put_u16(message, IFLA_BRPORT_GROUP_FWD_MASK, GROUP_FWD_ALL_BUT_PAUSE));
    if (pair)
        must(nla_put_u8(message, IFLA_BRPORT_LEARNING, 0));
    (void)nla_nest_end(message, port);
    queue(batch, message, ref, "set group_fwd_mask of");
}

void kernel_port_clear(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_MASTER, 0);
    queue(batch, message, ref, "take from its segment");
}

void kernel_doom(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_GROUP, KERNEL_GROUP_DOOM);
    queue(batch, message, ref, "mark for removal");
}

void kernel_remove_group(struct batch *batch, enum kernel_group group)
{
    struct kernel_ref ref = {.name = "group", .forgive = true};
    struct nl_msg *message = link_message(RTM_DELLINK, &ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_GROUP, (uint32_t)group);
    queue(batch, message, &ref, "remove");
}

void kernel_remove(struct batch *batch, const struct kernel_ref *ref)
{
    queue(batch, link_message(RTM_DELLINK, ref, AF_UNSPEC, 0), ref, "remove");
}

void kernel_down(struct batch *batch, const struct kernel_ref *ref)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    ((struct ifinfomsg *)nlmsg_data(nlmsg_hdr(message)))->ifi_change = IFF_UP;
    queue(batch, message, ref, "take down");
}

void kernel_move(struct batch *batch, const struct kernel_ref *ref, int ns)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, 0);

    put_u32(message, IFLA_NET_NS_FD, (uint32_t)ns);
    queue(batch, message, ref, "move");
}

void kernel_join_host(struct batch *batch, const struct kernel_ref *ref, int bridge)
{
    struct nl_msg *message = link_message(RTM_SETLINK, ref, AF_UNSPEC, IFF_UP);

    put_u32(message, IFLA_MASTER, (uint32_t)bridge);
    put_no_addresses(message);
    queue(batch, message, ref, "join to the host's bridge");
}

void kernel_veth_add(struct batch *batch, const struct kernel_ref *ref, const char *peer,
                     int peer_ns, unsigned mtu)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct nl_msg *message =
        batch_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    struct nlattr *link_info, *data, *other;

    must(nla_put_string(message, IFLA_IFNAME, ref->name));
    put_u32(message, IFLA_MTU, mtu + KERNEL_TAG_ROOM);
    link_info = nest(message, IFLA_LINKINFO);
    must(nla_put_string(message, IFLA_INFO_KIND, "veth"));
    data = nest(message, IFLA_INFO_DATA);
    other = nest(message, VETH_INFO_PEER);
    if (nlmsg_append(message, (void *)(uintptr_t)&info, sizeof(info), NLMSG_ALIGNTO) < 0)
        abort();
    must(nla_put_string(message, IFLA_IFNAME, peer));
    put_u32(message, IFLA_NET_NS_FD, (uint32_t)peer_ns);
    (void)nla_nest_end(message, other);
    (void)nla_nest_end(message, data);
    (void)nla_nest_end(message, link_info);
    queue(batch, message, ref, "add veth");
}

int kernel_vxlan_add(struct batch *batch, const char *name, int ns, uint32_t vni,
                     const char *remote, uint16_t port, struct error *err)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct kernel_ref ref = {.name = name};
    struct nl_msg *message;
    struct nlattr *link_info, *data;
    struct in6_addr address;
    bool is_v4 = inet_pton(AF_INET, remote, &address) == 1;

    if (!is_v4 && inet_pton(AF_INET6, remote, &address) != 1)
        return error_input(err, "'%s' is no IP address", remote);
    message = batch_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    must(nla_put_string(message, IFLA_IFNAME, name));
    put_u32(message, IFLA_NET_NS_FD, (uint32_t)ns);
    link_info = nest(message, IFLA_LINKINFO);
    must(nla_put_string(message, IFLA_INFO_KIND, "vxlan"));
    data = nest(message, IFLA_INFO_DATA);
    put_u32(message, IFLA_VXLAN_ID, vni);
    must(nla_put(message, is_v4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, is_v4 ? 4 : 16, &address));
    must(nla_put_u16(message, IFLA_VXLAN_PORT, htons(port)));
    (void)nla_nest_end(message, data);
    (void)nla_nest_end(message, link_info);
    queue(batch, message, &ref, "add VXLAN");
    return 0;
}
