# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# firewall: nftables, conntrack, WireGuard and IPsec by strongSwan.

packages=(conntrack ethtool iperf3 iputils-ping iputils-tracepath less libcharon-extra-plugins
	libstrongswan-standard-plugins netbase nftables procps strongswan-charon strongswan-swanctl tcpdump
	traceroute wireguard-tools)
absent=(dbus)
# What IPsec encrypts by. All of it: what an algorithm needs in turn (ghash for GCM, a generator of random
# numbers for its IVs) is no dependency that depmod knows.
modules=('arch/x86/crypto/*' 'crypto/*')

recipe_root() {
	add_user tcpdump 102
}
