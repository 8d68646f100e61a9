#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each lab of topologies/ is brought up, and what it teaches is looked at.
# (ospf-triangle has frr.bats, hello has hello.bats.)

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=1800
}

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

@test "ospf-triangle comes up ten times in a row and leaves nothing" {
	local from n
	for n in 1 2 3 4 5 6 7 8 9 10; do
		from=$(now_ms)
		labctl topology up "$TOPOLOGIES/ospf-triangle.yaml" >"$T/up.log" 2>&1 || { cat "$T/up.log"; false; }
		echo "# round $n: up in $(($(now_ms) - from)) ms" >&3
		local router
		for router in r1 r2 r3; do
			wait_until 60 node_counts $router 'show ip ospf neighbor' 'Full/' 2
		done
		labctl topology down --wipe
		[ -z "$(leftovers "$T")" ]
		[ -z "$(find "$LABCTL_RUN" "$LABCTL_STATE" -mindepth 1)" ]
	done
}

@test "bgp-two-as: eBGP and iBGP are established, routes go from end to end" {
	labctl topology up "$TOPOLOGIES/bgp-two-as.yaml"
	wait_until 60 node_says a1 'show bgp ipv4 unicast' '10\.2\.0\.0/24 .* 65002 i'
	wait_until 30 node_says b2 'show bgp ipv4 unicast' '10\.1\.0\.0/24 .* 65001 i'
	node_says a1 'show bgp ipv4 unicast 10.2.0.0/24' 'internal'
	node_says a2 'show bgp ipv4 unicast 10.2.0.0/24' 'external'
	# Two sessions on each border, one inside; a number of prefixes stands where a state would.
	node_counts a2 'show bgp ipv4 unicast summary' '^10\.0\.[01]\.[12] .* [0-9]+ +[0-9]+ +N/A *$' 2
	node_counts b1 'show bgp ipv4 unicast summary' '^10\.0\.[02]\.[12] .* [0-9]+ +[0-9]+ +N/A *$' 2
	wait_until 20 pings ha 10.2.0.10
}

@test "lan-switch: VLANs are kept apart and the trunk carries both, tagged" {
	labctl topology up "$TOPOLOGIES/lan-switch.yaml"
	# VLAN 10: across the trunk and over the LAN segment; VLAN 20 across the trunk.
	wait_until 60 pings a1 10.0.0.12
	wait_until 20 pings a1 10.0.0.13
	wait_until 20 pings a2 10.0.0.13
	wait_until 20 pings b1 10.0.0.22
	# Same subnet, other VLAN.
	expect_status 1 labctl node exec a1 'ping -c 2 -W 1 10.0.0.22'
	expect_status 1 labctl node exec b1 'ping -c 2 -W 1 10.0.0.11'
	expect_status 1 labctl node exec b2 'ping -c 2 -W 1 10.0.0.13'
	# Spanning tree's own frames, sent to a reserved address, pass as well.
	labctl capture start trunk --filter stp --packets 1 -w "$T/stp.pcapng"
	labctl capture start trunk -w "$T/trunk.pcapng"
	labctl capture start floor -w "$T/floor.pcapng"
	on a1 'ping -c 3 -i 0.2 10.0.0.12'
	on b1 'ping -c 3 -i 0.2 10.0.0.22'
	wait_until 20 eval '[ "$(json ".captures[0].state" capture list)" = ended ]'
	labctl capture stop --all
	tcpdump -enr "$T/trunk.pcapng" 2>/dev/null | grep -Eq 'vlan 10,.*ICMP echo reply'
	tcpdump -enr "$T/trunk.pcapng" 2>/dev/null | grep -Eq 'vlan 20,.*ICMP echo reply'
	tcpdump -enr "$T/stp.pcapng" 2>/dev/null | grep -Eq '01:80:c2:00:00:00.*STP'
	tcpdump -enr "$T/floor.pcapng" 2>/dev/null | grep -Eq 'ICMP echo request'
	run tcpdump -enr "$T/floor.pcapng"
	output_lacks 'vlan'
	[ "$(status_of lan-switch '.links[] | select(.name == "floor") | .ends | length')" = 3 ]
}

@test "dual-stack-isis: one adjacency, routes of both protocols" {
	labctl topology up "$TOPOLOGIES/dual-stack-isis.yaml"
	wait_until 60 node_counts r2 'show isis neighbor' ' Up ' 2
	wait_until 30 node_says r1 'show ip route isis' '10\.2\.0\.0/24'
	wait_until 30 node_says r1 'show ipv6 route isis' '2001:db8:2::/64'
	wait_until 20 pings h1 10.2.0.10
	wait_until 20 pings h1 2001:db8:2::10
	node_says r1 'show isis database' 'r3\.00-00|0000\.0000\.0003'
}

@test "mpls-ldp: sessions are up, and the core's frames carry labels" {
	labctl topology up "$TOPOLOGIES/mpls-ldp.yaml"
	wait_until 90 node_counts p 'show mpls ldp neighbor' 'OPERATIONAL' 2
	wait_until 30 node_says pe1 'show mpls table' 'LDP'
	wait_until 30 node_says pe1 'show ip route 10.2.0.0/24' 'label [0-9]+'
	wait_until 30 pings h1 10.2.0.10
	labctl capture start core1 -w "$T/core1.pcapng"
	on h1 'ping -c 3 -i 0.2 10.2.0.10'
	labctl capture stop core1
	tcpdump -nr "$T/core1.pcapng" 2>/dev/null | grep -Eq 'MPLS \(label [0-9]+.*(ICMP echo request|10\.1\.0\.10 > 10\.2\.0\.10)'
	tshark -r "$T/core1.pcapng" -Y 'mpls && icmp.type == 8' -T fields -e mpls.label 2>/dev/null | grep -Eq '^[0-9]+$'
}
