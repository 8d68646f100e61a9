#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The frr image: two routers on a cable, r1 with its FRR console, r2 with its shell. The tests build on
# each other, in their order.

load guests

config() {
	cat <<-EOF
	frr defaults traditional
	service integrated-vtysh-config
	interface lo
	 ip address 1.1.1.$1/32
	 ip ospf area 0
	exit
	interface eth0
	 ip address 10.0.0.$1/24
	 ip ospf area 0
	 ip ospf hello-interval 1
	 ip ospf dead-interval 4
	exit
	router ospf
	 ospf router-id 1.1.1.$1
	exit
	mpls ldp
	 router-id 1.1.1.$1
	 address-family ipv4
	  discovery transport-address 1.1.1.$1
	  interface eth0
	  exit
	 exit-address-family
	exit
	EOF
}

# Eight NICs, given to QEMU in the wrong order: their addresses on the bus must decide.
boot_r1() {
	local order n args=()
	for n in 7 3 0 5 1 6 2 4; do
		if [ $n = 0 ]; then order="$n cable:server"; else order=$n; fi
		# shellcheck disable=SC2086 # two words
		readarray -t -O ${#args[@]} args < <(nic $order)
	done
	boot r1 frr "${args[@]}"
}

setup_file() {
	guests_setup
	needs_image frr
	local args from
	seed r1 "$(config 1)"
	seed r2 "$(config 2)"
	from=$(now_ms)
	boot_r1
	expect r1 "$VTYSH_PROMPT" 60
	echo "# frr: ready after $(($(now_ms) - from)) ms" >&3
	readarray -t args < <(nic 0 cable)
	PORT=1 boot r2 frr "${args[@]}"
	expect r2 "$SHELL_PROMPT" 60
}

teardown_file() {
	guests_teardown
}

setup() {
	needs_image frr
}

@test "prompts carry the node's name" {
	vty r1 '' >/dev/null
	tail -c 4 "$DIR/r1.log" | grep -qx 'r1# '
	tail -c 6 "$DIR/r2.log" | grep -qx 'r2:~# '
	[ "$(ask r2 hostname)" = r2 ]
	[ "$(ask r2 'cat /run/labctl/seed/lab')" = test ]
}

@test "the console prints no escape sequences" {
	run grep -aq $'\x1b' "$DIR/r1.log"
	[ "$status" -eq 1 ]
	run grep -aq $'\x1b' "$DIR/r2.log"
	[ "$status" -eq 1 ]
}

@test "OSPF comes to Full, and the other's loopback answers" {
	until_it vty r1 'show ip ospf neighbor' 'Full/' 60
	until_it ask r2 'ip route get 1.1.1.1' '10.0.0.1 dev eth0' 60
	ask r2 'ping -c 2 -W 2 1.1.1.1' | grep ' 0% packet loss'
}

@test "eight NICs are eth0 to eth7 in the order of their PCI addresses" {
	local n
	for n in 0 1 2 3 4 5 6 7; do
		vty r1 "show interface eth$n" | grep -E "HWaddr: 52:54:00:..:..:0$n"
	done
}

@test "forwarding and MPLS are on" {
	[ "$(ask r2 'sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding' | xargs)" = '1 1' ]
	[ "$(ask r2 'sysctl -n net.mpls.platform_labels net.mpls.conf.eth0.input' | xargs)" = '1048575 1' ]
	[ "$(ask r2 'sysctl -n net.mpls.conf.lo.input')" = 1 ]
}

@test "LDP comes up, and labels are in the kernel" {
	until_it vty r1 'show mpls ldp neighbor' '1.1.1.2 *OPERATIONAL' 120
	ask r2 'modprobe -a vxlan vrf 8021q bonding dummy sch_netem && ip link add type dummy && ip -br link show dummy0' |
		grep ^dummy0
}

@test "daemons that were not configured are there for whoever wants them" {
	vty r1 'show daemons' | grep 'zebra ospfd ospf6d ldpd bgpd isisd staticd bfdd'
	vty r1 'configure terminal'
	vty r1 'router bgp 65000'
	vty r1 'end'
	vty r1 'show running-config' | grep '^router bgp 65000'
	vty r1 'configure terminal'
	vty r1 'no router bgp 65000'
	vty r1 'end'
	ask r2 'frr-start ripd; pidof ripd && echo started' | grep '^started'
}

@test "leaving vtysh brings a fresh one" {
	local from
	from=$(stat -c %s "$DIR/r1.log")
	vty r1 exit
	tail -c +"$from" "$DIR/r1.log" | grep -a 'Hello, this is FRRouting'
}

@test "the kernel has nothing to complain of" {
	[ -z "$(complaints r2)" ]
}

@test "what is written to memory survives, the power button ends a node" {
	local from
	vty r1 'configure terminal'
	vty r1 'interface eth7'
	vty r1 'description kept'
	vty r1 'end'
	vty r1 'write memory' | grep -i 'saved'
	from=$(now_ms)
	press_power r1
	gone r1 10
	echo "# frr: off after $(($(now_ms) - from)) ms" >&3
	kill_guest r2
	# What the topology says now is not asked any more.
	seed r1 "interface eth7
 description overwritten"
	rm -f "$DIR"/*.cable
	boot_r1
	expect r1 "$VTYSH_PROMPT" 60
	vty r1 'show running-config' | grep '^ description kept'
	vty r1 'show running-config' | grep '^router ospf'
}

@test "what was written last survives a power cut a second later" {
	vty r1 'configure terminal'
	vty r1 'interface eth6'
	vty r1 'description late'
	vty r1 'end'
	vty r1 'write memory' | grep -i 'saved'
	# A second of the guest's: on a busy host its kernel may take longer to get to it.
	local end=$((SECONDS + 60))
	until grep -aq '^ description late' "$DIR/r1.disk" || [ $SECONDS -ge $end ]; do sleep 0.2; done
	sleep 3
	kill_guest r1
	rm -f "$DIR"/*.cable
	boot_r1
	expect r1 "$VTYSH_PROMPT" 60
	vty r1 'show running-config' | grep '^ description late'
}

@test "a fresh disk has forgotten it" {
	kill_guest r1
	rm -f "$DIR"/*.cable "$DIR/r1.disk"
	seed r1 "$(config 1)"
	boot_r1
	expect r1 "$VTYSH_PROMPT" 60
	! vty r1 'show running-config' | grep -E '^ description (kept|late)' || false
}
