#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,alone
#
# What Linux's own netem, inside a guest, makes of the same delay, jitter, loss, duplication and
# corruption, next to what our wire makes of it. What must hold however slow the machine is, is
# demanded of both: nothing comes earlier than delay - jitter, and counts are within five standard
# deviations. Distributions are shown side by side; on an idle machine they agree to a millisecond.

load helper

PINGS=300

setup_file() {
	load helper
	[ -c /dev/net/tun ] && [ -w /dev/net/tun ] || return 0
	lab_setup
	cat >"$T/netem.yaml" <<-EOT
	lab: netem
	defaults: {image: host, nics: 1}
	nodes:
	  a: {}
	  b: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: wan}
	EOT
	labctl topology up "$T/netem.yaml"
	on a "ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up; modprobe sch_netem"
	on b "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up"
	wait_until 20 pings a 10.0.0.2
}

teardown_file() {
	[ -z "${T:-}" ] || lab_teardown
}

setup() {
	needs_tun
}

# Answers, one a line: their time in ms, and DUP! behind what came twice. Pings are further apart
# than jitter is wide, since our wire lets nobody overtake by jitter and netem does.
answers() {
	on a "ping -i 0.025 -W 2 -c $PINGS 10.0.0.2" | sed -n 's/.*time=\([0-9.]*\) ms\(.*\)/\1\2/p'
}

# with_netem ARGUMENTS, with_wire ARGUMENTS: of what a sends.
with_netem() {
	on a "tc qdisc add dev eth0 root netem $1"
	answers >"$T/netem"
	on a "tc qdisc del dev eth0 root"
}

with_wire() {
	# shellcheck disable=SC2086 # several
	labctl link set wan $1 --from a:eth0
	answers >"$T/wire"
	labctl link clear wan
}

# show: quartiles and counts of both, for who reads the log.
show() {
	local who
	for who in netem wire; do
		sort -n "$T/$who" | awk -v who=$who '{v[NR] = $1; dup += /DUP/} END {
			printf "%-5s %d answers, %d twice; ms: %s %s %s %s %s\n", who, NR, dup, v[1],
				v[int(NR / 4) + 1], v[int(NR / 2) + 1], v[int(NR * 3 / 4) + 1], v[NR]}' | sed 's/^/# /' >&3
	done
}

# about COUNT SHARE: of PINGS, within five standard deviations.
about() {
	awk -v n="$PINGS" -v c="$1" -v p="$2" 'BEGIN {
		d = c - n * p
		exit d * d > 25 * n * p * (1 - p)}' || {
		echo "$1 of $PINGS is not about $2"
		return 1
	}
}

@test "delay, jitter and loss are netem's" {
	with_netem "delay 40ms 12ms loss 10%"
	with_wire "delay=40ms jitter=12ms loss=10%"
	show
	for who in netem wire; do
		about $((PINGS - $(wc -l <"$T/$who"))) 0.1
		[ "$(sort -n "$T/$who" | head -n 1 | cut -d. -f1)" -ge 28 ]
	done
}

@test "duplication is netem's" {
	with_netem "duplicate 20%"
	with_wire "duplicate=20%"
	show
	for who in netem wire; do
		about "$(grep -c DUP "$T/$who")" 0.2
		[ "$(grep -vc DUP "$T/$who")" = "$PINGS" ]
	done
}

@test "corruption is netem's: a frame whose bit is wrong is not answered" {
	with_netem "corrupt 20%"
	with_wire "corrupt=20%"
	show
	# A bit in the header's padding, or in an address that nobody looks at, may do no harm.
	for who in netem wire; do
		[ "$(wc -l <"$T/$who")" -lt "$PINGS" ]
	done
	about $((PINGS - $(wc -l <"$T/netem"))) 0.2
	about $((PINGS - $(wc -l <"$T/wire"))) 0.2
}
