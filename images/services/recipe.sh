# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# services: DHCP, DNS and TFTP by dnsmasq, HTTP by lighttpd, syslog by rsyslog, NTP by chrony, RADIUS by
# FreeRADIUS. None runs until the configuration says so.

packages=(chrony curl dnsmasq-base freeradius freeradius-utils iputils-ping iputils-tracepath less
	lighttpd procps rsyslog tcpdump)
absent=(dbus libperl5.36 openssl make mailcap media-types runit-helper ssl-cert systemd-sysv tzdata)
remove=(usr/share/dbus-1)

recipe_root() {
	add_user _chrony 100 /var/lib/chrony
	add_user dnsmasq 101 /var/lib/misc
	add_user freerad 102 /etc/freeradius
	add_user www-data 33 /var/www
	add_user tcpdump 103
	# A configuration of our own (files/) in place of Debian's tree of it.
	rm -rf "$ROOT/etc/freeradius" "$ROOT/etc/lighttpd" "$ROOT/etc/rsyslog.d" "$ROOT/etc/chrony"
	mkdir -p "$ROOT/etc/dnsmasq.d" "$ROOT/var/lib/misc" "$ROOT/var/lib/chrony" "$ROOT/var/www/html" \
		"$ROOT/srv/tftp"
}
