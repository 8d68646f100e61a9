#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# Processes of a lab die at bad moments. Boot sectors do: what matters is what becomes of the rest.

load helper

setup() {
	needs_tun
	lab_setup
	cat >"$T/lab.yaml" <<-EOT
	lab: survive
	defaults: {image: hello, nics: 2}
	nodes:
	  a: {}
	  b: {}
	  c: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: ab}
	lans:
	  core: [a:eth1, b:eth1, c:eth0]
	EOT
}

teardown() {
	lab_teardown
}

up() {
	labctl topology up "$T/lab.yaml" >/dev/null
}

# pid_of_program NAME: of this test's labs
pid_of_program() {
	leftovers "$T" | sed -n "s/^process \([0-9]*\): [^ ]*$1\( .*\|$\)/\1/p"
}

kill_program() {
	local pids pid
	pids=$(pid_of_program "$1")
	[ -n "$pids" ]
	# shellcheck disable=SC2086 # several
	kill -9 $pids
	for pid in $pids; do wait_until 5 sh -c "! grep -qv ') Z ' /proc/$pid/stat"; done
}

pids() {
	status_of survive '[.nodes[].pid] | tojson'
}

state_is() {
	[ "$(status_of survive ".nodes[] | select(.name == \"$1\") | .state")" = "$2" ]
}

nothing_is_left() {
	[ -z "$(leftovers "$T")" ] && [ ! -e "$T/run/survive" ]
}

# interfaces: what is cabled to what, as the kernel has it
interfaces() {
	local pid user=(--user --preserve-credentials)
	[ "$(id -u)" != 0 ] || user=()
	pid=$(pid_of_program labctl-fabric)
	nsenter --target "$pid" "${user[@]}" --net ip -o link | sed 's/^[0-9]*: //; s/ state [A-Z]* / /; s/<[^>]*>//' | sort
}

@test "a fabric that is killed is replaced, and all that needs it works again" {
	local before
	up
	before=$(pids)
	interfaces >"$T/interfaces.before"
	kill_program labctl-fabric
	wait_until 10 pid_of_program labctl-fabric
	[ "$(pids)" = "$before" ]
	wait_until 10 sh -c "grep -q 'has taken over, 6 taps are open' '$T/run/survive/engine.log'"
	interfaces >"$T/interfaces.after"
	diff "$T/interfaces.before" "$T/interfaces.after"
	labctl link down ab
	labctl link up ab
	labctl link set ab delay=1ms
	labctl node restart c
	wait_until 20 state_is c ready
	labctl capture start ab -w "$T/ab.pcapng"
	labctl capture stop --all
	sed 's/core: .*/core: [a:eth1, c:eth0]/' "$T/lab.yaml" >"$T/other.yaml"
	labctl topology apply "$T/other.yaml"
	labctl topology down
	nothing_is_left
}

@test "fabric and engine are killed, and the wire: the next command puts all of them back" {
	local before
	sed -i 's/name: ab/name: ab, delay: 1ms/' "$T/lab.yaml"
	up
	labctl node stop c
	before=$(pids)
	kill_engines
	kill_program labctl-fabric
	kill_program labctl-wire
	[ "$(pids)" = "$before" ]
	[ "$(status_of survive '.links[0].wire.a_to_b.frames')" = 0 ]
	labctl node start c
	wait_until 20 state_is c ready
	labctl link set ab delay=2ms
	labctl topology down
	nothing_is_left
}

@test "a fabric that is killed with no guest left begins with a new namespace" {
	up
	labctl node stop a b c
	kill_program labctl-fabric
	labctl node start a b c
	wait_until 20 state_is a ready
	labctl link down ab
	[ "$(status_of survive '.links[0].state')" = down ]
}

@test "an engine that is killed after an apply that moved nodes knows their interfaces" {
	up
	sed 's/^  a: {}/  new: {}\n  a: {}/; s/core: .*/core: [new:eth0, c:eth0]/' "$T/lab.yaml" >"$T/other.yaml"
	labctl topology apply "$T/other.yaml"
	interfaces >"$T/interfaces.before"
	kill_engines
	labctl link down ab
	labctl link up ab
	interfaces >"$T/interfaces.after"
	diff "$T/interfaces.before" "$T/interfaces.after"
}
