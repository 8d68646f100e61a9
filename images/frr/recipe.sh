# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# frr: a router with FRRouting, and what one wants beside it on its shell.

packages=(frr libpam-modules iputils-ping iputils-tracepath traceroute tcpdump procps less)
modules=()
# Alternatives and helpers in Python; SNMP and RPKI are packages of their own.
remove=(usr/lib/frr/frr-reload.py usr/lib/frr/ssd etc/frr/daemons etc/frr/support_bundle_commands.conf)

recipe_root() {
	# As frr's postinst does; the numbers are ours.
	add_user frr 100 /nonexistent
	add_group frrvty 101 frr,root
}
