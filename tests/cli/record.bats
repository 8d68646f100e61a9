#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# The record of a console: whole whatever happens to the engine, bounded, and with times.

load helper

setup() {
	needs_tun
	lab_setup
	# Those who watch end with the test.
	WATCHERS=()
}

teardown() {
	local pid
	for pid in "${WATCHERS[@]}"; do kill "$pid" 2>/dev/null || true; done
	lab_teardown
}

log_of() {
	labctl node log --path "$1"
}

# log_beyond NODE BYTES: its record is longer than that.
log_beyond() {
	[ "$(stat -c %s "$(log_of "$1")")" -gt "$2" ]
}

# flood NODE: it prints numbered lines until hush NODE.
flood() {
	printf '\001' | timeout -s KILL 1 "$LABCTL" console "$1" >/dev/null 2>&1 || true
	wait_until 10 log_beyond "$1" 1000
}

hush() {
	printf x | timeout 30 "$LABCTL" console "$1" >/dev/null 2>&1
}

# Banner and lines that count from 1 on without a gap, and nothing else.
assert_counted() {
	python3 - "$1" <<-'EOT'
	import sys
	said = open(sys.argv[1], "rb").read()
	banner = b"\r\nlabctl hello: type and I echo\r\n"
	start = said.index(banner)
	lines = said[start + len(banner):]
	assert len(lines) > 100000, len(lines)
	sent = b"".join(b"line %08d\r\n" % n for n in range(1, len(lines) // 15 + 2))
	if lines != sent[:len(lines)]:
	    at = next(i for i in range(len(lines)) if lines[i] != sent[i])
	    sys.exit("from byte %d on: %r, not %r" % (at, lines[at:at + 40], sent[at:at + 40]))
	EOT
}

@test "engines killed in mid-flood: nothing of what the guest said is lost or doubled" {
	labctl topology up "$TOPOLOGIES/hello.yaml"
	flood a
	local log round size
	log=$(log_of a)
	for round in 1 2 3; do
		kill_engines
		size=$(stat -c %s "$log")
		wait_until 20 log_beyond a $((size + 60000))
		# Another engine adopts it. Who attaches sees everything, whoever was there.
		labctl topology status >/dev/null
		timeout 120 "$LABCTL" console --read-only --replay all a </dev/null >"$T/seen$round" 2>/dev/null &
		WATCHERS+=($!)
		size=$(stat -c %s "$log")
		wait_until 20 log_beyond a $((size + 60000))
	done
	hush a
	assert_counted "$log"
	size=$(stat -c %s "$log")
	wait_until 10 sh -c "[ \$(stat -c %s '$T/seen3') -ge $size ]"
	cmp "$log" "$T/seen3"
	# Those before saw a whole beginning of it.
	for round in 1 2; do
		[ "$(stat -c %s "$T/seen$round")" -gt 60000 ]
		cmp -n "$(stat -c %s "$T/seen$round")" "$log" "$T/seen$round"
	done
	labctl topology down
}

@test "a record keeps what its bound says, and its offsets" {
	cat >"$T/bound.yaml" <<-EOT
	lab: bound
	nodes: {a: {image: hello, console: {record: 64K}}}
	EOT
	labctl topology up "$T/bound.yaml"
	flood a
	wait_until 30 log_beyond a 400000
	hush a
	local log
	log=$(log_of a)
	if [ "$(($(stat -c '%b * %B' "$log")))" -gt 300000 ]; then
		skip "this file system cannot punch holes"
	fi
	[ "$(($(stat -c '%b * %B' "$log")))" -ge 65536 ]
	# What is left is shown from a line's beginning, and no zero bytes of the hole.
	labctl node log --raw a >"$T/shown"
	[ "$(stat -c %s "$T/shown")" -ge 60000 ]
	run head -n 1 "$T/shown"
	[[ $output == "line "* ]]
	cmp <(tail -c 50000 "$log") <(tail -c 50000 "$T/shown")
}

@test "the text of record: times, since when, plain text, and a cast for players" {
	labctl topology up "$TOPOLOGIES/hello.yaml"
	echo early | timeout 30 "$LABCTL" console a >/dev/null
	# Of times, --since knows the second: of one that was not there yet.
	local between from
	from=$(date +%s)
	wait_until 5 eval "[ \$(date +%s) -gt $((from + 1)) ]"
	between=$(date '+%F %T')
	printf 'lat\b\b\bnow \033[1mbold\033[0m\r' | timeout 30 "$LABCTL" console a >/dev/null
	labctl node log --timestamps a >"$T/stamped"
	grep -Eq '^20[0-9-]{8} [0-9:]{8}\.[0-9]{3} early' "$T/stamped"
	# The stamps are those of the lines, in order.
	cut -c 1-23 "$T/stamped" | sort -c
	run labctl node log --since "$between" a
	output_lacks early
	output_has bold
	run labctl node log --since 1h a
	output_has early bold
	run labctl node log --since 1ms a
	[ -z "$output" ]
	expect_status 2 labctl node log --since yesterdayish a
	# Rendered: what was overwritten is gone, and no escape is left.
	labctl node log --plain a >"$T/plain"
	grep -qx 'now bold' "$T/plain"
	run grep -c $'\033' "$T/plain"
	[ "$output" = 0 ]
	labctl node log --format asciicast a >"$T/cast"
	python3 - "$T/cast" "$(log_of a)" <<-'EOT'
	import json, sys
	lines = [json.loads(line) for line in open(sys.argv[1])]
	assert lines[0]["version"] == 2 and lines[0]["width"] > 0, lines[0]
	times = [event[0] for event in lines[1:]]
	assert times == sorted(times) and times[-1] > 1, times
	assert all(event[1] == "o" for event in lines[1:])
	assert "".join(event[2] for event in lines[1:]).encode() == open(sys.argv[2], "rb").read()
	EOT
	expect_status 2 labctl node log --format gif a
}
