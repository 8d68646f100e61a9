#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# The life of labs and nodes, with boot sectors: what can be shown without an operating system.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	tm_stop
	lab_teardown
}

up_hello() {
	labctl topology up "$TOPOLOGIES/hello.yaml" "$@"
}

# echoes NODE TEXT [OPTION…]: what is typed on its console comes back.
echoes() {
	local node=$1 text=$2 line found=1
	shift 2
	coproc CONSOLE { exec timeout 100 "$LABCTL" console "$@" "$node" 2>&1 3>&-; }
	# bash forgets the array once the process has ended.
	# shellcheck disable=SC2154 # coproc sets CONSOLE_PID
	local in=${CONSOLE[1]} out=${CONSOLE[0]} pid=$CONSOLE_PID
	printf '%s\r' "$text" >&"$in"
	while IFS= read -r -t 60 -u "$out" line; do
		[[ $line != *"$text"* ]] || { found=0; break; }
	done
	exec {in}>&-
	wait "$pid" || true
	return $found
}

state_is() {
	[ "$(status_of "$1" ".nodes[] | select(.name == \"$2\") | .state")" = "$3" ]
}

node_field() {
	status_of "$1" ".nodes[] | select(.name == \"$2\") | .$3"
}

nothing_is_left() {
	leftovers "$T"
	[ -z "$(leftovers "$T")" ]
}

@test "the lab hello is up at once, and down without a trace" {
	local from to
	from=$(now_ms)
	up_hello
	to=$(now_ms)
	echo "# up in $((to - from)) ms" >&3
	labctl topology down
	[ -z "$(leftovers "$T")" ]
	[ -z "$(find "$LABCTL_RUN" -mindepth 1)" ]
}

# bats test_tags=slow
@test "ten labs in a row leave nothing" {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		up_hello >/dev/null
		labctl topology down --wipe >/dev/null
		[ -z "$(leftovers "$T")" ]
		[ -z "$(find "$LABCTL_RUN" "$LABCTL_STATE" -mindepth 1)" ]
	done
}

@test "status tells what the contract promises" {
	up_hello
	labctl topology status
	labctl topology status --json | jq -e '
		.lab == "hello" and .state == "running"
		and ([.nodes[].name] == ["a", "b"])
		and all(.nodes[]; .image == "hello" and .state == "ready"
			and (.accel == "kvm" or .accel == "tcg")
			and (.pid | type) == "number" and (.uptime_s | type) == "number"
			and (.ready_s | type) == "number")
		and (.links | length) == 1
		and .links[0].ends == ["a:eth0", "b:eth0"] and .links[0].state == "up"
		and .links[0].impairment == null and (.links[0].name | type) == "string"
		and .captures == []'
}

@test "every node is a QEMU process of its own, and nobody else can enter its folder" {
	local pid
	up_hello
	for pid in $(status_of hello '.nodes[].pid'); do
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *qemu-system-x86_64*-sandbox\ on,* ]]
	done
	[ "$(status_of hello '[.nodes[].pid] | unique | length')" = 2 ]
	[ "$(stat -c %a "$LABCTL_RUN/hello")" = 700 ]
}

@test "list shows the labs that run" {
	labctl topology list
	[ "$(labctl topology list --json | jq 'if type == "array" then . else .labs end | length')" = 0 ]
	up_hello
	run labctl topology list
	output_has '\bhello\b'
	[ "$(labctl topology list --json | jq 'if type == "array" then . else .labs end | length')" = 1 ]
}

@test "a lab of that name already running is left alone" {
	up_hello
	local pids
	pids=$(status_of hello '.nodes[].pid')
	expect_status 1 up_hello
	output_has 'hello' 'already|runs|running'
	[ "$(status_of hello '.nodes[].pid')" = "$pids" ]
}

@test "of two that start the same lab at once, one wins" {
	local one two first=0 second=0
	up_hello >"$T/one" 2>&1 3>&- & one=$!
	up_hello >"$T/two" 2>&1 3>&- & two=$!
	wait $one || first=$?
	wait $two || second=$?
	cat "$T/one" "$T/two"
	[ $((first + second)) = 1 ]
	[ "$(status_of hello '[.nodes[] | select(.state == "ready")] | length')" = 2 ]
}

@test "labs side by side need a name, and -l gives it" {
	up_hello
	up_hello --name other
	[ "$(json '.lab' topology status other)" = other ]
	expect_status 2 labctl node list
	output_has 'hello' 'other' '-l'
	labctl node list -l other
	echoes a marco -l hello
	labctl topology down other
	labctl topology status hello
	expect_status 1 labctl topology status other
}

@test "a console echoes, and the log has it from the first byte" {
	up_hello
	echoes a marco
	run labctl node log a
	output_has 'labctl hello: type and I echo' 'marco'
	# Nobody typed on b.
	run labctl node log b
	output_has 'labctl hello: type and I echo'
	output_lacks 'marco'
}

@test "accel: auto says why" {
	up_hello
	local accel reason
	accel=$(node_field hello a accel)
	reason=$(node_field hello a accel_reason)
	echo "# $accel: $reason" >&3
	[ -n "$reason" ] && [ "$reason" != null ]
	if [ "$accel" = tcg ] && [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
		[[ $reason == *vmx* || $reason == *svm* ]]
		! grep -Eqw 'vmx|svm' /proc/cpuinfo || false
	elif [ "$accel" = tcg ]; then
		[[ $reason == */dev/kvm* ]]
	else
		grep -Eqw 'vmx|svm' /proc/cpuinfo
	fi
}

@test "accel: kvm runs under KVM and echoes" {
	if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
		skip "/dev/kvm is not usable by $(id -un)"
	fi
	# A KVM that is itself emulated takes twenty seconds on a busy machine.
	sed 's/^  a: {}/  a: {accel: kvm, ready_timeout: 180s}/' "$TOPOLOGIES/hello.yaml" >"$T/kvm.yaml"
	labctl topology up "$T/kvm.yaml"
	[ "$(node_field hello a accel)" = kvm ]
	echoes a polo
	# QEMU's own word for it: its QMP socket takes one client at a time, so the engine goes first.
	local pid
	pid=$(node_field hello a pid)
	[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *kvm* ]]
	find "/proc/$pid/fd" -lname '*kvm-vm*' | grep -q .
}

@test "nodes stop, start and restart by themselves" {
	up_hello
	local b
	b=$(node_field hello b pid)
	labctl node stop a
	state_is hello a stopped
	[ "$(status_of hello '.links[0].state')" = down ]
	# A console waits for its node.
	LABCTL_TIMEOUT=2 expect_status 124 labctl console a
	output_has 'not running|stopped'
	labctl node start a
	wait_until 10 state_is hello a ready
	[ "$(status_of hello '.links[0].state')" = up ]
	local a
	a=$(node_field hello a pid)
	labctl node restart a
	wait_until 10 state_is hello a ready
	[ "$(node_field hello a pid)" != "$a" ]
	[ "$(node_field hello b pid)" = "$b" ]
	echoes a again
}

@test "a cable is cut and mended" {
	up_hello
	labctl link list
	labctl link down a:eth0
	[ "$(status_of hello '.links[0].state')" = down ]
	labctl link up b:eth0
	[ "$(status_of hello '.links[0].state')" = up ]
	expect_status 2 labctl link down a:eth7
}

@test "a QEMU that is killed is a crashed node, and can be started again" {
	up_hello
	kill -9 "$(node_field hello a pid)"
	wait_until 5 state_is hello a crashed
	output=$(labctl topology status)
	output_has 'crashed' 'signal|kill'
	[ "$(status_of hello '.links[0].state')" = down ]
	state_is hello b ready
	labctl node start a
	wait_until 10 state_is hello a ready
	echoes a alive
}

@test "a guest that powers itself off is stopped, not crashed" {
	up_hello
	echoes a x
	coproc CONSOLE { exec timeout 100 "$LABCTL" console a 2>&1 3>&-; }
	local in=${CONSOLE[1]} pid=$CONSOLE_PID
	printf '\004' >&"$in"
	wait_until 5 state_is hello a stopped
	exec {in}>&-
	wait "$pid" || true
}

@test "an engine that is killed is replaced, and the guests run on" {
	up_hello
	local pids
	pids=$(status_of hello '.nodes[].pid')
	echoes a before
	kill_engines
	[ "$(status_of hello '.nodes[].pid')" = "$pids" ]
	[ "$(status_of hello '[.nodes[] | select(.state == "ready" or .state == "running")] | length')" = 2 ]
	echoes a after
	run labctl node log a
	output_has before after
	labctl node restart b
	labctl topology down
	[ -z "$(leftovers "$T")" ]
}

@test "down works when the engine was killed" {
	up_hello
	kill_engines
	labctl topology down
	[ -z "$(leftovers "$T")" ]
}

@test "down works when everything was killed" {
	up_hello
	# shellcheck disable=SC2046 # several
	kill_now $(pids_of)
	labctl topology down
	nothing_is_left
	up_hello
}

@test "down works when the engine is dead and its state is damaged" {
	sed 's/^  - \[a:eth0, b:eth0\]/  - {ends: [a:eth0, b:eth0], delay: 1ms}/' "$(hello_file hello)" >"$T/impaired.yaml"
	labctl topology up "$T/impaired.yaml"
	kill_engines
	truncate -s 100 "$T/run/hello/state.json"
	expect_status 1 labctl topology status
	output_has 'cannot be replaced' 'labctl topology down hello'
	labctl topology down
	wait_until 5 nothing_is_left
	[ ! -e "$T/run/hello" ]
}

@test "down works when the engine and the fabric are dead, and the image is gone" {
	mkdir "$T/images"
	cp -a "$(json .folder image show hello)" "$T/images/hello"
	LABCTL_IMAGES=$T/images up_hello
	rm -r "$T/images"
	LABCTL_IMAGES=$T/images kill_engines
	kill_now "$(pids_of labctl-fabric)"
	LABCTL_IMAGES=$T/images labctl topology down
	wait_until 5 nothing_is_left
}

@test "a fabric that dies is replaced, and down still works" {
	up_hello
	kill_now "$(pids_of labctl-fabric)"
	wait_until 10 grep 'a new fabric process .* has taken over' "$T/run/hello/engine.log"
	[ "$(status_of hello '.links[0].state')" = up ]
	labctl topology down
	[ -z "$(leftovers "$T")" ]
}

@test "up --paused leaves every guest at its first instruction" {
	up_hello --paused
	[ -z "$(labctl node log a)" ]
	labctl node start a b
	wait_until 10 state_is hello a ready
	wait_until 10 state_is hello b ready
}

@test "up --wait started comes back before the guests are ready" {
	up_hello --wait started
	wait_until 10 state_is hello a ready
}

@test "down without a lab, and commands without one, say so" {
	# What is wanted is so already.
	expect_status 0 labctl topology down
	output_has 'no lab'
	expect_status 1 labctl topology down nosuch
	output_has 'nosuch'
	expect_status 1 labctl node list
	expect_status 1 labctl console a
}

@test "a node that is not there is the command line's fault" {
	up_hello
	expect_status 2 labctl node stop zebra
	output_has 'zebra'
	expect_status 2 labctl console zebra
	expect_status 2 labctl node exec zebra true
	state_is hello a ready
}

@test "an image without a command prompt says so to node exec" {
	up_hello
	expect_status 1 labctl node exec a true
	output_has 'hello|exec|prompt'
}

@test "wipe is refused while a lab runs, and forgets what it kept" {
	up_hello
	expect_status 1 labctl topology wipe hello
	labctl topology down
	[ -d "$LABCTL_STATE/hello" ]
	labctl topology wipe hello
	[ ! -d "$LABCTL_STATE/hello" ]
}

# bats test_tags=slow
@test "twenty labs at once do not disturb each other" {
	local n pids=()
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		up_hello --name "lab$n" >"$T/up.$n" 2>&1 3>&- & pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	[ "$(labctl topology list --json | jq 'if type == "array" then . else .labs end | length')" = 20 ]
}

@test "graph draws the lab" {
	local format
	for format in dot mermaid text; do
		expect_status 0 labctl topology graph "$TOPOLOGIES/hello.yaml" --format "$format"
		output_has '\ba\b' '\bb\b'
	done
}
