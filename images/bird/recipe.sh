# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# bird: a router with BIRD 2.

packages=(bird2 iputils-ping iputils-tracepath less procps tcpdump traceroute)

recipe_root() {
	add_user bird 100 /run/bird
	add_user tcpdump 101
	mkdir -p "$ROOT/etc/bird"
}
