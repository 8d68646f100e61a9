#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after eth0 is there.
ip address replace 10.2.0.10/24 dev eth0
ip route replace default via 10.2.0.1
mkdir -p /srv/www
echo "a page of hb" >/srv/www/index.html
busybox httpd -p 80 -h /srv/www
busybox httpd -p 8080 -h /srv/www
