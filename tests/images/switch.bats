#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The switch image: h1 on an access port of VLAN 10, h2 behind a trunk, and two ports for a bond.

load guests

setup_file() {
	guests_setup
	needs_image switch
	needs_image host
	local args n
	seed sw1 'ip link add br0 type bridge vlan_filtering 1 stp_state 1 forward_delay 200 hello_time 100
for port in eth0 eth1; do
	ip link set $port master br0
	bridge vlan del dev $port vid 1
done
bridge vlan add dev eth0 vid 10 pvid untagged
bridge vlan add dev eth1 vid 10
bridge vlan add dev eth1 vid 20
ip link set br0 up'
	seed h1 'ip address add 10.0.0.1/24 dev eth0'
	seed h2 'ip link add link eth0 name eth0.10 type vlan id 10
ip link set eth0.10 up
ip address add 10.0.0.2/24 dev eth0.10'
	args=()
	for n in '0 one:server' '1 two:server' 2 3; do
		# shellcheck disable=SC2086 # two words
		readarray -t -O ${#args[@]} args < <(nic $n)
	done
	boot sw1 switch "${args[@]}"
	expect sw1 "$SHELL_PROMPT" 60
	readarray -t args < <(nic 0 one)
	boot h1 host "${args[@]}"
	readarray -t args < <(nic 0 two)
	boot h2 host "${args[@]}"
	expect h1 "$SHELL_PROMPT" 60
	expect h2 "$SHELL_PROMPT" 60
}

teardown_file() {
	guests_teardown
}

setup() {
	needs_image switch
	needs_image host
}

@test "a VLAN passes from its access port to the trunk, tagged there" {
	# A guest that this starts without labctl may have a clock that runs too fast: -W 5.
	until_it ask h1 'ping -c 1 -W 5 10.0.0.2' ' 0% packet loss' 90
	# -e: with the link header, where the tag is.
	ask h2 '(sleep 1; ping -c 2 10.0.0.1 >/dev/null) & tcpdump -c 1 -en -i eth0 icmp 2>/dev/null' |
		grep 'vlan 10,'
}

@test "another VLAN on the trunk does not reach the access port" {
	ask h2 'ip link add link eth0 name eth0.20 type vlan id 20; ip link set eth0.20 up; ip address flush dev eth0.10; ip address add 10.0.0.2/24 dev eth0.20'
	ask h1 'ip neigh flush all; ping -c 2 -W 1 10.0.0.2' | grep '100% packet loss'
}

@test "STP is on and the ports forward" {
	[ "$(ask sw1 'cat /sys/class/net/br0/bridge/stp_state')" = 1 ]
	until_it ask sw1 'bridge link show dev eth0' 'state forwarding' 30
	ask h1 'tcpdump -c 1 -n -i eth0 stp 2>/dev/null' | grep 'STP 802.1'
}

@test "LACP: an 802.3ad bond takes two ports" {
	ask sw1 'ip link add bond0 type bond mode 802.3ad miimon 100; for p in eth2 eth3; do ip link set $p down; ip link set $p master bond0; done; ip link set bond0 up'
	ask sw1 'cat /proc/net/bonding/bond0' | grep '802.3ad'
	[ "$(ask sw1 'grep -c "Slave Interface" /proc/net/bonding/bond0')" = 2 ]
}

@test "LLDP: lldpd runs and announces the switch" {
	until_it ask sw1 'lldpcli show chassis' 'SysName: *sw1' 30
	ask h1 'tcpdump -c 1 -v -n -i eth0 ether proto 0x88cc 2>/dev/null' "$SHELL_PROMPT" 60 | grep sw1
}

@test "the kernel has nothing to complain of" {
	[ -z "$(complaints sw1)" ]
}

@test "without a configuration all ports are bridged, with STP and VLANs" {
	local args
	kill_guest sw1
	rm -f "$DIR"/*.cable
	seed sw2
	readarray -t args < <(nic 0; nic 1)
	boot sw2 switch "${args[@]}"
	expect sw2 "$SHELL_PROMPT" 60
	[ "$(ask sw2 'bridge link | wc -l')" = 2 ]
	[ "$(ask sw2 'cat /sys/class/net/br0/bridge/stp_state /sys/class/net/br0/bridge/vlan_filtering' | xargs)" = '1 1' ]
}
