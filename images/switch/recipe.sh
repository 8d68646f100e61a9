# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# switch: a VLAN-aware bridge with the kernel's STP, LACP by the bonding driver, LLDP by lldpd.

packages=(lldpd iputils-ping tcpdump ethtool procps less)
modules=()
remove=()

recipe_root() {
	# As lldpd's postinst does; the number is ours.
	add_user _lldpd 103 /run/lldpd
}
