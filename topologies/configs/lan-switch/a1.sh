#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after eth0 is there.
ip address replace 10.0.0.11/24 dev eth0
