#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# The machine's clock is set while a lab runs: the engine sees it go on and back by a day.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

node() {
	status_of clock ".nodes[] | select(.name == \"$1\") | .$2"
}

link_is() {
	[ "$(status_of clock '.links[0].state')" = "$1" ]
}

# boots NUMBER: so often a has
boots() {
	[ "$(labctl node log -l clock a --plain | grep -c 'labctl hello: ')" = "$1" ]
}

@test "the clock is set by a day: starts, restarts, flaps, times and a new engine go on" {
	local bin jump number=1
	command -v cc >/dev/null || skip "no compiler"
	bin=$(dirname "$(readlink -f "$LABCTL")")
	cc -Wall -O1 -shared -fPIC -o "$T/clock.so" "$LABCTL_SOURCE/tests/cli/clock.c"
	# labctl starts the engine that lies beside it; the others are found beside the engine.
	mkdir "$T/bin"
	cp "$bin/labctl" "$T/bin"
	cat >"$T/bin/labctl-engine" <<-EOT
		#!/bin/sh
		export LD_PRELOAD=$T/clock.so CLOCK_FILE=$T/offset ASAN_OPTIONS="\$ASAN_OPTIONS:verify_asan_link_order=0"
		exec $bin/labctl-engine "\$@"
	EOT
	chmod +x "$T/bin/labctl-engine"
	LABCTL=$T/bin/labctl
	cat >"$T/clock.yaml" <<-EOT
		lab: clock
		defaults: {image: hello}
		nodes: {a: {}, b: {}}
		links:
		- {ends: [a:eth0, b:eth0], flap: {every: 2s, down: 1s}}
	EOT
	echo 0 >"$T/offset"
	labctl topology up "$T/clock.yaml"
	for jump in 86400 -86400 0; do
		echo "$jump" >"$T/offset"
		labctl node restart -l clock a
		number=$((number + 1))
		[ "$(node a state)" = ready ]
		[ "$(node a reason)" = null ]
		node b uptime_s | jq -e '. > 0 and . < 3600'
		node a uptime_s | jq -e '. >= 0 and . < 3600'
		wait_until 30 link_is down
		wait_until 30 link_is up
		boots "$number"
		kill_engines
		[ "$(node a state)" = ready ]
		[ "$(node b state)" = ready ]
		node a uptime_s | jq -e '. >= 0 and . < 3600'
		boots "$number"
	done
	# It was set indeed; and the console's times go up all the same.
	[ "$(cut -d ' ' -f 1 "$T/run/clock/engine.log" | sort -u | wc -l)" -ge 3 ]
	labctl node log -l clock a --plain -t >"$T/times"
	cut -d ' ' -f 1,2 "$T/times" | sort -c
}
