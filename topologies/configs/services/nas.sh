#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after eth0 is there. To ask by hand:
#   radtest alice wonderland srv.lab 0 testing123
ip address replace 10.0.0.2/24 dev eth0
printf 'search lab\nnameserver 10.0.0.1\n' >/etc/resolv.conf

# Time from srv: a chronyd that is a client.
cat >/etc/chrony/chrony.conf <<'END'
server 10.0.0.1 iburst minpoll 0 maxpoll 4
makestep 1 -1
driftfile /var/lib/chrony/chrony.drift
bindcmdaddress /run/chrony/chronyd.sock
END
serve ntp
