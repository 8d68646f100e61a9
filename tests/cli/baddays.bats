#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# Days on which the machine, or a client, does what it should not.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	if [ -n "${SMALL:-}" ]; then
		rm -f "$SMALL"/ballast
		LABCTL_RUN=$SMALL/run LABCTL_STATE=$SMALL/state timeout 60 "$LABCTL" topology down --all >/dev/null 2>&1 || true
		umount "$SMALL"
	fi
	lab_teardown
}

states() {
	status_of "$1" '[.nodes[].state] | unique | tojson'
}

# small_disk: run and kept folder on a tmpfs of 4 MiB
small_disk() {
	[ "$(id -u)" = 0 ] || skip "only root can mount a small disk"
	mkdir "$T/small"
	mount -t tmpfs -o size=4m,mode=755 tmpfs "$T/small" 2>/dev/null || skip "no tmpfs can be mounted here"
	SMALL=$T/small
	export LABCTL_RUN=$SMALL/run LABCTL_STATE=$SMALL/state
}

nothing_runs() {
	! leftovers "$T" | grep -v '^mount ' || false
}

fill() {
	cat /dev/zero >"$SMALL/ballast" 2>/dev/null || true
}

@test "a full disk: up says so and leaves nothing, a running lab runs on, and is there afterwards" {
	small_disk
	fill
	expect_status 1 labctl topology up "$(hello_file full)"
	output_has 'No space left'
	rm "$SMALL/ballast"
	nothing_runs
	labctl topology up "$T/full.yaml" >/dev/null
	fill
	labctl link down a:eth0
	labctl node stop b
	labctl node start b
	[ "$(states full)" = '["ready"]' ]
	[ "$(jq '.links[0].down' "$SMALL/run/full/state.json")" = false ]
	rm "$SMALL/ballast"
	# What could not be written down then is now.
	wait_until 20 jq -e '.links[0].down' "$SMALL/run/full/state.json"
	kill_engines
	[ "$(states full)" = '["ready"]' ]
	[ "$(status_of full '.links[0].state')" = down ]
	fill
	labctl topology down
	nothing_runs
}

@test "clients that send garbage, half a line, or never read, and very many of them, disturb nobody" {
	labctl topology up "$(hello_file busy)" >/dev/null
	/usr/bin/python3 - "$T/run/busy/engine.sock" <<-'EOT'
	import os, socket, sys
	status = b'{"jsonrpc":"2.0","id":1,"method":"lab.status"}\n'
	def client():
	    s = socket.socket(socket.AF_UNIX)
	    s.connect(sys.argv[1])
	    return s
	keep = []
	for text in (b'{"jsonrpc":', b'\x00\xff\xfe' * 1000, b'[' * 100000, b'\n' * 1000, b'{"jsonrpc":"2.0","id":1,"method":"lab.down","params":[]}\n'):
	    s = client()
	    try:
	        s.sendall(text)
	    except OSError:
	        pass
	    keep.append(s)
	deaf = client() # asks and asks, and never reads
	deaf.setblocking(False)
	try:
	    while True:
	        deaf.send(status)
	except OSError:
	    pass
	for i in range(3000):
	    s = client()
	    if i % 3 == 0:
	        try:
	            s.send(b'{"half a line')
	        except OSError:
	            pass
	    keep.append(s)
	    if len(keep) > 400:
	        keep.pop(0).close()
	s = client()
	s.settimeout(20)
	s.sendall(status)
	answer = b''
	while not answer.endswith(b'\n'):
	    answer += s.recv(65536)
	sys.exit(b'"busy"' not in answer)
	EOT
	[ "$(states busy)" = '["ready"]' ]
	labctl topology down
	[ -z "$(leftovers "$T")" ]
}

@test "two that change one lab at once: each gets an answer, and the lab is whole" {
	local i pids=()
	labctl topology up "$(hello_file twice)" >/dev/null
	for i in 1 2 3 4; do
		labctl node restart a >"$T/said.$i" 2>&1 3>&- & pids+=($!)
		labctl link set a:eth0 "delay=${i}ms" >"$T/set.$i" 2>&1 3>&- & pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || true; done
	wait_until 20 sh -c "[ \"\$('$LABCTL' topology status --json | jq -r '.nodes[0].state')\" = ready ]"
	labctl topology down >"$T/one" 2>&1 3>&- & pids=($!)
	labctl topology down >"$T/two" 2>&1 3>&- & pids+=($!)
	wait "${pids[0]}" || wait "${pids[1]}"
	wait "${pids[1]}" || true
	[ -z "$(leftovers "$T")" ]
}

@test "a state that is cut short or no state at all: a clear word, guests live, down works" {
	local pids bad
	for bad in short empty noise; do
		labctl topology up "$(hello_file torn)" >/dev/null
		pids=$(status_of torn '[.nodes[].pid] | join(" ")')
		kill_engines
		case $bad in
		short) truncate -s 50 "$T/run/torn/state.json" ;;
		empty) : >"$T/run/torn/state.json" ;;
		noise) head -c 4096 /dev/urandom >"$T/run/torn/state.json" ;;
		esac
		expect_status 1 labctl topology status torn
		output_has 'state' 'topology down torn'
		# shellcheck disable=SC2086 # several
		kill -0 $pids
		labctl topology down torn
		[ -z "$(leftovers "$T")" ]
		[ ! -e "$T/run/torn" ]
	done
}

@test "a run folder that is removed under a running lab comes back, and guests run on" {
	local pids
	sed 's/^  - \[a:eth0, b:eth0\]/  - {ends: [a:eth0, b:eth0], delay: 1ms}/' "$(hello_file gone)" >"$T/impaired.yaml"
	labctl topology up "$T/impaired.yaml" >/dev/null
	pids=$(status_of gone '[.nodes[].pid] | tojson')
	rm -r "$T/run/gone"
	wait_until 20 test -S "$T/run/gone/b.c0"
	[ "$(states gone)" = '["ready"]' ]
	[ "$(status_of gone '[.nodes[].pid] | tojson')" = "$pids" ]
	labctl link set a:eth0 delay=2ms
	labctl node restart b
	# The next engine finds all but the guest whose QMP socket was removed by its name.
	kill_engines
	[ "$(states gone)" = '["ready"]' ]
	status_of gone '.nodes[0].reason' | grep 'QMP socket is gone'
	labctl topology down
	[ -z "$(leftovers "$T")" ]
	[ ! -e "$T/run/gone" ]
}
