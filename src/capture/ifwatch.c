// SPDX-License-Identifier: GPL-2.0-or-later

/* A packet socket says ENETDOWN for an interface that was set down as well as for one that is gone,
 * and nothing when it is bound to all of them. rtnetlink(7) tells both apart for any ring. */

#include "capture/ifwatch_priv.h"

#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int ifwatch_open(struct error *err)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    _cleanup_close_ int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_errno(err, errno, "rtnetlink");
    return steal_fd(&fd);
}

bool ifwatch_read(int fd, uint32_t *ret_ifindex)
{
    /* The kernel sends one notification a datagram; only its head is of interest. */
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
        char rest[8192];
    } message;

    for (;;) {
        ssize_t n = recv(fd, &message, sizeof(message), MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) {
            *ret_ifindex = 0;
            return true;
        }
        if (n <= 0)
            return false;
        /* AF_BRIDGE: a port left its bridge, but is still there. */
        if ((size_t)n < sizeof(message.header) + sizeof(message.link) ||
            message.header.nlmsg_type != RTM_DELLINK || message.link.ifi_family != AF_UNSPEC)
            continue;
        *ret_ifindex = (uint32_t)message.link.ifi_index;
        return true;
    }
}

uint64_t ifwatch_speed(const char *ifname)
{
    struct ethtool_cmd command = {.cmd = ETHTOOL_GSET};
    struct ifreq request = {.ifr_data = (char *)&command};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t mbit;

    strncpy(request.ifr_name, ifname, sizeof(request.ifr_name) - 1);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
        return 0;
    mbit = ethtool_cmd_speed(&command);
    return mbit == (uint32_t)SPEED_UNKNOWN ? 0 : (uint64_t)mbit * 1000000;
}
