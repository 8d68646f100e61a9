#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
# shellcheck disable=SC2016 # what the guests' shells are to expand
#
# What the protocols that watch over links make of ours: LACP, STP, BFD, OSPF. Three switches in a
# triangle, two of them joined by two more cables; two routers on a cable.

load helper

setup_file() {
	load helper
	[ -c /dev/net/tun ] && [ -w /dev/net/tun ] || return 0
	lab_setup
	local n
	for n in 1 2 3; do
		cat >"$T/s$n.sh" <<-EOT
		#!/bin/sh
		ip link add br0 type bridge
		ip link set br0 type bridge stp_state 1 forward_delay 200 hello_time 100 priority $((n * 4096))
		for port in eth0 eth1; do ip link set \$port master br0 up; done
		ip addr add 10.1.0.$n/24 dev br0
		ip link set br0 up
		EOT
	done
	for n in 1 2; do
		cat >"$T/r$n.conf" <<-EOT
		frr version 8.4.4
		frr defaults traditional
		service integrated-vtysh-config
		!
		interface eth0
		 ip address 10.2.0.$n/24
		 ip ospf area 0
		 ip ospf network point-to-point
		 ip ospf hello-interval 1
		 ip ospf dead-interval 4
		exit
		!
		interface eth1
		 ip address 10.3.0.$n/24
		exit
		!
		router ospf
		 ospf router-id 10.255.0.$n
		exit
		!
		bfd
		 peer 10.3.0.$((3 - n)) interface eth1
		  receive-interval 300
		  transmit-interval 300
		  detect-multiplier 4
		 exit
		exit
		!
		EOT
	done
	cat >"$T/protocols.yaml" <<-EOT
	lab: protocols
	defaults: {image: switch, nics: 4}
	nodes:
	  s1: {config: s1.sh}
	  s2: {config: s2.sh}
	  s3: {config: s3.sh}
	  r1: {image: frr, nics: 2, config: r1.conf}
	  r2: {image: frr, nics: 2, config: r2.conf}
	links:
	  - {ends: [s1:eth0, s2:eth0], name: s12}
	  - {ends: [s2:eth1, s3:eth0], name: s23}
	  - {ends: [s3:eth1, s1:eth1], name: s31}
	  - {ends: [s1:eth2, s2:eth2], name: bond-a}
	  - {ends: [s1:eth3, s2:eth3], name: bond-b}
	  - {ends: [r1:eth0, r2:eth0], name: ospf}
	  - {ends: [r1:eth1, r2:eth1], name: bfd}
	EOT
	labctl topology up "$T/protocols.yaml"
}

teardown_file() {
	[ -z "${T:-}" ] || lab_teardown
}

setup() {
	needs_tun
}

# port_state SWITCH PORT STATE
port_state() {
	node_says "$1" "bridge link show dev $2" "state $3"
}

@test "LACP between two switches comes up over two cables, and survives the loss of one" {
	local n
	for n in 1 2; do
		on s$n 'ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast'
		on s$n 'for p in eth2 eth3; do ip link set $p down; ip link set $p master bond0; done'
		on s$n "ip addr add 10.4.0.$n/24 dev bond0; ip link set bond0 up"
	done
	for n in 1 2; do
		wait_until 40 node_counts s$n 'cat /proc/net/bonding/bond0' 'MII Status: up' 3
		# Both ports are in one aggregator, whose partner is the other switch.
		wait_until 40 node_says s$n 'cat /proc/net/bonding/bond0' 'Number of ports: 2'
		run on s$n "sed -n 's/.*Partner Mac Address: //p' /proc/net/bonding/bond0"
		output_lacks '00:00:00:00:00:00'
	done
	wait_until 20 pings s1 10.4.0.2
	labctl link down bond-a
	wait_until 20 node_says s1 'cat /proc/net/bonding/bond0' 'Number of ports: 1'
	wait_until 20 pings s1 10.4.0.2
	labctl link up bond-a
	wait_until 40 node_says s1 'cat /proc/net/bonding/bond0' 'Number of ports: 2'
}

@test "STP in a triangle blocks one port, and opens it when a cable is cut" {
	# s1 is the root; of the cable between the others, the end at s3 is closed.
	wait_until 60 port_state s3 eth0 blocking
	wait_until 60 port_state s3 eth1 forwarding
	wait_until 60 port_state s2 eth0 forwarding
	wait_until 20 pings s3 10.1.0.2
	labctl link down s31
	wait_until 60 port_state s3 eth0 forwarding
	wait_until 20 pings s3 10.1.0.1
	labctl link up s31
	wait_until 60 port_state s3 eth0 blocking
	wait_until 20 pings s3 10.1.0.1
}

@test "BFD notices a cable that is dark one way, although carrier stays" {
	wait_until 60 node_says r1 'show bfd peers brief' '10\.3\.0\.2 .*up'
	wait_until 60 node_says r2 'show bfd peers brief' '10\.3\.0\.1 .*up'
	labctl link down bfd --from r1:eth1
	wait_until 20 node_says r2 'show bfd peers brief' '10\.3\.0\.1 .*down'
	node_says r2 'show interface eth1' 'line protocol is up'
	labctl link up bfd
	wait_until 30 node_says r2 'show bfd peers brief' '10\.3\.0\.1 .*up'
}

@test "OSPF drops its neighbour when nothing but hellos is lost" {
	wait_until 60 node_says r1 'show ip ospf neighbor' 'Full/'
	labctl link set ospf loss=100% only='ip proto 89 and ip[21] == 1' --from r2:eth0
	wait_until 20 node_counts r1 'show ip ospf neighbor' 'Full/' 0
	# All else passes.
	on r1 'ping 10.2.0.2' >/dev/null 2>&1 || true
	node_says r2 'show interface eth0' 'line protocol is up'
	[ "$(json '.links[] | select(.name == "ospf") | .wire.b_to_a.lost > 0 and .wire.b_to_a.sent_frames > 0' link list)" = true ]
	labctl link clear ospf
	wait_until 40 node_says r1 'show ip ospf neighbor' 'Full/'
}
