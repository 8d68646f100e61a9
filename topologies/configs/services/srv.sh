#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after eth0 is there.
ip address replace 10.0.0.1/24 dev eth0

cat >/etc/dnsmasq.d/lab.conf <<'END'
domain=lab
dhcp-range=10.0.0.100,10.0.0.199,1h
dhcp-option=option:ntp-server,10.0.0.1
dhcp-option=option:domain-search,lab
address=/srv.lab/10.0.0.1
address=/www.lab/10.0.0.1
address=/nas.lab/10.0.0.2
END
echo "hostname booted-by-tftp" >/srv/tftp/boot.cfg
echo "welcome to the lab" >/var/www/html/index.html

cat >/etc/freeradius/users <<'END'
alice  Cleartext-Password := "wonderland"
       Service-Type = Administrative-User,
       Reply-Message = "Hello alice"
END

serve dhcp dns tftp http syslog ntp radius
