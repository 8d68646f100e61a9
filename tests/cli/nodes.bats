#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# Several nodes stopped, started, restarted and wiped at once: what each of them came to, and what stays.

load helper

setup() {
	lab_setup
	needs_tun
}

teardown() {
	lab_teardown
}

@test "several nodes and --all, with an outcome for each" {
	labctl topology up "$(hello_file many '  c: {}')" >/dev/null
	expect_status 0 labctl node stop a b
	output_has '^a: stopped' '^b: stopped'
	[ "$(status_of many '[.nodes[].state] | join(" ")')" = 'stopped stopped ready' ]
	expect_status 0 labctl node start --all
	output_has '^a: ready' '^b: ready'
	expect_status 0 labctl node restart --all --json
	[ "$(jq -r '[.results[] | .node + ":" + .state + ":" + (.ok | tostring)] | sort | join(" ")' <<<"$(grep -v '^[a-c]: ' <<<"$output")")" = \
		'a:ready:true b:ready:true c:ready:true' ]
	expect_status 2 labctl node stop a nosuch
	[ "$(status_of many '.nodes[0].state')" = ready ]
	# Wiping is for stopped nodes, all that are named or none.
	labctl node stop a
	expect_status 1 labctl node wipe a b
	output_has "node 'b' is running" 'labctl node stop b'
	expect_status 0 labctl node wipe a
	output_has '^a: wiped$'
	labctl node stop --all
	expect_status 0 labctl node wipe --all
	output_has '^a: wiped$' '^b: wiped$' '^c: wiped$'
}

@test "one node's failure does not keep the others from their outcome" {
	labctl topology up "$(hello_file some '  c: {}')" >/dev/null
	labctl node stop a b
	# QEMU cannot write this node's console: the folder is a file.
	rm -rf "$T/state/some/b"
	: >"$T/state/some/b"
	expect_status 1 labctl node start b a
	output_has "labctl: node 'b' crashed: .*" '^a: ready'
	[ "$(status_of some '.nodes[0].state + .nodes[1].state')" = readycrashed ]
	rm "$T/state/some/b"
	expect_status 0 labctl node start b
}

@test "a guest that does not shut down is ended in time, and that is told" {
	mkdir -p "$T/images/deaf"
	cp "$(json '.disks[0].file' image show hello)" "$T/images/deaf/hello.img"
	cat >"$T/images/deaf/appliance.yaml" <<-EOT
	name: deaf
	arch: x86_64
	memory: {default: 16M}
	disks: [{file: hello.img, mode: readonly}]
	ready: {console: '^labctl hello'}
	stop: {method: acpi, timeout: 1s}
	EOT
	printf 'lab: deaf\nnodes: {d: {image: deaf}}\n' >"$T/deaf.yaml"
	LABCTL_IMAGES=$T/images labctl topology up "$T/deaf.yaml"
	expect_status 0 labctl node stop d
	output_has '^d: stopped: it did not shut down within 1s, so it was ended'
	labctl node start d
	expect_status 0 labctl node stop --force d
	output_lacks 'did not shut down'
	labctl node start d
	expect_status 0 labctl node stop --no-wait d
	expect_status 2 labctl node stop d --timeout 1000000
}

@test "a restart keeps the cabling, the console's history and captures" {
	labctl topology up "$(hello_file keep)" >/dev/null
	labctl capture start a:eth0 -w "$T/keep.pcapng"
	labctl link set a:eth0 delay=3ms
	local before
	before=$(grep -c 'labctl hello' "$T/state/keep/a/console-0.log")
	labctl node restart a
	[ "$(grep -c 'labctl hello' "$T/state/keep/a/console-0.log")" = $((before + 1)) ]
	[ "$(status_of keep '.links[0] | .state + " " + .impairment.delay')" = 'up 3ms' ]
	[ "$(status_of keep '.captures[0].state')" = running ]
	[ "$(status_of keep '[.nodes[].ports[0].carrier] | all')" = true ]
}
