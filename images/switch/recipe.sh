# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# switch: a VLAN-aware bridge, STP and LACP are the kernel's (bridge, bonding); LLDP is lldpd's.

packages=(ethtool iputils-ping less lldpd procps tcpdump)
absent=(libsnmp-base pci.ids libsensors-config)
remove=(usr/share/zsh usr/share/snmp)

recipe_root() {
	add_user _lldpd 100 /run/lldpd
	add_user tcpdump 102
}
