# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# host: what sits at the edge of a lab and tries it out.

packages=(iputils-ping iputils-tracepath iputils-arping traceroute curl iperf3 tcpdump isc-dhcp-client
	openssh-client openssh-server procps less netcat-openbsd ethtool)
modules=()
remove=(usr/share/ssh)

recipe_root() {
	# As openssh-server's postinst does; the number is ours.
	add_user sshd 102 /run/sshd
	mkdir -p "$ROOT/root/.ssh" "$ROOT/var/lib/dhcp"
	chmod 700 "$ROOT/root/.ssh"
}
