#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# Size: a ring of twenty routers.

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=900
}

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

@test "a ring of twenty routers comes up, and OSPF goes all the way round" {
	local from free
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$free" -gt 6500 ] || skip "20 routers need 6.5 GB of memory, $free MB are free"
	"$LABCTL_SOURCE/tests/bench/ring.sh" 20 "$T/ring"
	labctl topology validate "$T/ring/ring-20.yaml"
	from=$SECONDS
	LABCTL_TIMEOUT=500 labctl topology up "$T/ring/ring-20.yaml" --timeout 480
	echo "# ready after $((SECONDS - from)) s" >&3
	[ "$(status_of ring-20 '[.nodes[] | select(.state == "ready")] | length')" = 20 ]
	wait_until 120 node_counts r11 'show ip ospf neighbor' 'Full/' 2
	# The address of each of the others is known on the other side of the ring (its own, directly
	# connected, is listed too, but not selected).
	wait_until 200 node_counts r11 'show ip route ospf' '^O>\* 10\.255\.0\.[0-9]+/32' 19
	echo "# converged after $((SECONDS - from)) s" >&3
}
