# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# openbgpd: a router that speaks BGP and nothing else.

packages=(openbgpd iputils-ping iputils-tracepath less procps tcpdump traceroute)
# Its users are made below, by no helper of systemd's.
absent=(systemd systemd-standalone-sysusers systemd-sysusers)

recipe_root() {
	add_user _openbgpd 100 /run/openbgpd
	add_user _bgplgd 101
	add_user tcpdump 102
	# Nothing is announced that the configuration does not say.
	rm -f "$ROOT/etc/bgpd.conf" "$ROOT/etc/openbgpd/bgpd.conf"
}
