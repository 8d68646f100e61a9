# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# host: an end system, with the tools that one tests a network with.

packages=(ca-certificates curl debianutils dnsmasq-base ethtool iperf3 iputils-arping iputils-ping
	iputils-tracepath isc-dhcp-client less mtr-tiny nftables openssh-client openssh-server procps
	socat tcpdump traceroute)
absent=(openssl runit-helper libsnmp-base dbus)
remove=(usr/share/dbus-1 usr/share/gcc usr/share/gdb usr/lib/valgrind)

recipe_root() {
	add_user sshd 100 /run/sshd
	add_group _ssh 101
	add_user tcpdump 102
	add_user dnsmasq 103 /var/lib/misc
	mkdir -p "$ROOT/var/lib/dhcp" "$ROOT/var/lib/misc"
	# What update-ca-certificates would have made, so that curl trusts https behind a nat uplink.
	mkdir -p "$ROOT/etc/ssl/certs"
	cat "$ROOT"/usr/share/ca-certificates/mozilla/*.crt >"$ROOT/etc/ssl/certs/ca-certificates.crt"
	rm -rf "$ROOT/usr/share/ca-certificates"
}
