#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after eth0 is there.
ip address replace 10.2.0.10/24 dev eth0
ip route replace default via 10.2.0.1
