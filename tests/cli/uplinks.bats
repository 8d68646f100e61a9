#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Uplinks: nat by slirp4netns, a bridge of the machine. Nothing here leaves the machine: what guests
# reach outside are listeners in a network namespace of the test's own.

load helper

setup() {
	needs_tun
	command -v slirp4netns >/dev/null || skip "slirp4netns is not installed"
	lab_setup
	PORT=$((20000 + RANDOM % 12000 * 2))
}

teardown() {
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true
	lab_teardown
}

nat_file() {
	cat >"$T/nat.yaml" <<-EOT
	lab: nat
	defaults: {image: host, nics: 1}
	nodes:
	  a: {}
	  b: {}
	uplinks:
	  internet:
	    type: nat
	    ends: [a:eth0, b:eth0]
	    forward: ["127.0.0.1:$PORT -> b:22", "127.0.0.1:$((PORT + 1)) -> a:22"]
	EOT
}

# greets PORT: sshd's first line, through a forward.
greets() {
	timeout 30 socat -T 20 - "TCP:127.0.0.1:$1,connect-timeout=20" </dev/null | grep -q '^SSH-2.0'
}

slirp_pid() {
	pids_of slirp4netns
}

@test "nat: DHCP gives every end its address, forwards lead to their node, whoever asks first" {
	nat_file
	labctl topology up "$T/nat.yaml"
	for node in b a; do
		on "$node" 'ip link set eth0 up; dhclient eth0'
	done
	[ "$(json '.links[0].addresses["b:eth0"]' link list)" = 10.0.2.16 ]
	node_says a 'ip -4 -o addr show eth0' '10\.0\.2\.15/'
	node_says b 'ip -4 -o addr show eth0' '10\.0\.2\.16/'
	wait_until 20 greets "$PORT"
	wait_until 20 greets $((PORT + 1))
	# Another one takes over when slirp4netns is killed.
	kill_now "$(slirp_pid)"
	wait_until 20 greets "$PORT"
	# The engine is killed: what serves goes on, and is still known afterwards.
	kill_engines
	wait_until 20 greets "$PORT"
	[ "$(json '.links[0].state' link list)" = up ]
	# Of two labs that want the same port, the second is told.
	sed 's/^lab: .*/lab: second/' "$T/nat.yaml" >"$T/second.yaml"
	expect_status 1 labctl topology up "$T/second.yaml"
	output_has "uplink 'internet': forward '127.0.0.1:$PORT -> b:22'" "ss -ltnup"
	labctl topology down nat
	[ -z "$(slirp_pid)" ]
}

@test "nat: guests reach what the machine reaches, but not its loopback" {
	[ "$(id -u)" = 0 ] || skip "needs root for a network namespace that stands for the machine"
	nat_file
	cat >"$T/outside.sh" <<-EOT
	ip link set lo up
	ip addr add 192.0.2.1/32 dev lo
	socat TCP-LISTEN:8000,bind=192.0.2.1,fork,reuseaddr 'SYSTEM:echo outside' &
	socat TCP-LISTEN:8001,bind=127.0.0.1,fork,reuseaddr 'SYSTEM:echo loopback' &
	echo \$! >"$T/ready"
	wait \$!
	EOT
	unshare -n bash "$T/outside.sh" &
	SERVER=$!
	wait_until 5 test -s "$T/ready"
	LABCTL_TIMEOUT=100 timeout 100 nsenter --net="/proc/$SERVER/ns/net" "$LABCTL" topology up "$T/nat.yaml"
	on a 'ip link set eth0 up; dhclient eth0'
	node_says a 'nc -w 3 192.0.2.1 8000 </dev/null' outside
	run on a 'nc -w 3 10.0.2.2 8001 </dev/null'
	output_lacks loopback
	labctl topology down nat
	pkill -P "$SERVER"
}

@test "bridge: a guest on a bridge of the machine, and no trace of it afterwards" {
	[ "$(id -u)" = 0 ] || skip "uplinks to a bridge need root"
	local before after
	cat >"$T/bridge.yaml" <<-EOT
	lab: bridged
	defaults: {image: host, nics: 1}
	nodes:
	  a: {}
	uplinks:
	  office: {type: bridge, interface: office0, ends: [a:eth0]}
	EOT
	unshare -n bash -c "ip link add office0 type bridge; ip addr add 192.0.2.1/24 dev office0
		ip link set office0 up; echo >$T/ready; exec sleep 600" &
	SERVER=$!
	wait_until 5 test -s "$T/ready"
	before=$(nsenter --net="/proc/$SERVER/ns/net" ls /proc/self/net/dev_snmp6 2>/dev/null || true)
	nsenter --net="/proc/$SERVER/ns/net" "$LABCTL" topology up "$T/bridge.yaml"
	on a 'ip link set eth0 up; ip addr add 192.0.2.7/24 dev eth0'
	wait_until 10 pings a 192.0.2.1
	labctl topology down bridged
	after=$(nsenter --net="/proc/$SERVER/ns/net" ls /proc/self/net/dev_snmp6 2>/dev/null || true)
	[ "$before" = "$after" ]
}

@test "physical: an interface of the machine moves in, passes traffic, and goes back" {
	[ "$(id -u)" = 0 ] || skip "taking an interface of the machine needs root"
	cat >"$T/physical.yaml" <<-EOT
	lab: physical
	defaults: {image: host, nics: 1}
	nodes:
	  a: {}
	uplinks:
	  office: {type: physical, interface: nic0, ends: [a:eth0]}
	EOT
	# What stands for the machine: a NIC, and what is at the other end of its cable.
	unshare -n bash -c "ip link add nic0 type veth peer name outside; ip addr add 192.0.2.1/24 dev outside
		ip link set outside up; ip link set nic0 up; echo \$\$ >$T/ready; exec sleep 600" &
	SERVER=$!
	wait_until 5 test -s "$T/ready"
	# Whatever starts an engine here starts it there.
	printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %s "$@"\n' "$SERVER" "$LABCTL" >"$T/labctl"
	chmod +x "$T/labctl"
	local LABCTL=$T/labctl
	labctl topology up "$T/physical.yaml"
	run machine ip link show nic0
	[ "$status" -ne 0 ]
	on a 'ip link set eth0 up; ip addr add 192.0.2.7/24 dev eth0'
	wait_until 10 pings a 192.0.2.1
	[ "$(json '.links[0].state' link list)" = up ]
	# Neither the engine nor the fabric lives, and it is given back all the same.
	kill_engines
	kill_now "$(pids_of labctl-fabric)"
	wait_until 20 pings a 192.0.2.1
	labctl topology down physical
	machine ip link show nic0
	# Nothing is left on it.
	run machine tc filter show dev nic0 ingress
	[ -z "$output" ]
	run machine ip -d link show nic0
	output_lacks ' master '
	# Everything dies at once. The kernel gives interfaces of hardware back when the namespace ends, and removes
	# those of software, as this one is: that it and its other end are gone says that nothing holds the namespace.
	labctl topology up "$T/physical.yaml"
	# shellcheck disable=SC2046 # several
	kill -9 $(leftovers "$T" | sed -n "/^process $SERVER:/d; s/^process \([0-9]*\):.*/\1/p")
	wait_until 20 no_outside
}

# machine COMMAND…: in the namespace that stands for the machine.
machine() {
	timeout -k 5 100 nsenter --net="/proc/$(<"$T/ready")/ns/net" "$@" </dev/null
}

no_outside() {
	! machine ip link show outside || false
}

@test "an uplink that cannot be made says why, and nothing is left" {
	cat >"$T/wrong.yaml" <<-EOT
	lab: wrong
	defaults: {image: hello, nics: 1}
	nodes:
	  a: {}
	uplinks:
	  office: {type: bridge, interface: nosuch0, ends: [a:eth0]}
	EOT
	expect_status 1 labctl topology up "$T/wrong.yaml"
	if [ "$(id -u)" = 0 ]; then
		output_has "no interface 'nosuch0'"
	else
		output_has 'need root' 'type nat'
	fi
}
