#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after the interfaces are there.
ip link show br0 >/dev/null 2>&1 || ip link add br0 type bridge
ip link set br0 type bridge vlan_filtering 1 stp_state 1 forward_delay 200 hello_time 100
for port in eth0 eth1 eth2; do
	ip link set "$port" master br0 up
	bridge vlan del dev "$port" vid 1
done
# eth0 is the trunk: both VLANs, tagged.
bridge vlan add dev eth0 vid 10
bridge vlan add dev eth0 vid 20
# Access ports: untagged outside, in one VLAN inside.
bridge vlan add dev eth1 vid 10 pvid untagged
bridge vlan add dev eth2 vid 20 pvid untagged
ip link set br0 up
