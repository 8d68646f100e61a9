#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
ip address replace 192.0.2.20/24 dev eth0
