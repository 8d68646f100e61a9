#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# Processes of a lab die at bad moments. Boot sectors do: what matters is what becomes of the rest.

load helper

# shellcheck disable=SC2119,SC2120 # up may have options
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

# up [OPTION…]
up() {
	labctl topology up "$T/lab.yaml" "$@" >/dev/null
}

pids() {
	status_of survive '[.nodes[].pid] | tojson'
}

state_is() {
	[ "$(status_of survive ".nodes[] | select(.name == \"$1\") | .state")" = "$2" ]
}

all_ready() {
	[ "$(status_of survive '[.nodes[].state] | unique | tojson')" = '["ready"]' ]
}

no_tpm() {
	[ -z "$(pids_of swtpm)" ]
}

nothing_is_left() {
	[ -z "$(leftovers "$T")" ] && [ ! -e "$T/run/survive" ]
}

# interfaces: what is cabled to what, as the kernel has it
interfaces() {
	local pid user=(--user --preserve-credentials)
	[ "$(id -u)" != 0 ] || user=()
	pid=$(pids_of labctl-fabric)
	nsenter --target "$pid" "${user[@]}" --net ip -o link | sed 's/^[0-9]*: //; s/ state [A-Z]* / /; s/<[^>]*>//' | sort
}

@test "a fabric that is killed is replaced, and all that needs it works again" {
	local before
	up
	before=$(pids)
	interfaces >"$T/interfaces.before"
	kill_now "$(pids_of labctl-fabric)"
	wait_until 10 runs labctl-fabric
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
	kill_now "$(pids_of labctl-fabric)"
	kill_now "$(pids_of labctl-wire)"
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
	kill_now "$(pids_of labctl-fabric)"
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

# never_ready IMAGE TIMEOUT: images of this test's own, with a hello that is never ready
never_ready() {
	mkdir -p "$T/images"
	cp -a "$(json .folder image show hello)" "$T/images/hello"
	sed "s/^ready:.*/ready: {console: 'this is never said', timeout: $1}/" "$T/images/hello/appliance.yaml" >"$T/new.yaml"
	rm "$T/images/hello/appliance.yaml"
	mv "$T/new.yaml" "$T/images/hello/appliance.yaml"
	export LABCTL_IMAGES=$T/images
}

@test "a guest is not ended because its QMP socket is gone" {
	local before
	up
	before=$(pids)
	kill_engines
	rm "$T/run/survive/a.qmp"
	[ "$(pids)" = "$before" ]
	state_is a ready
	status_of survive '.nodes[] | select(.name == "a") | .reason' | grep 'QMP socket is gone'
	labctl node stop a
	labctl node start a
	wait_until 20 state_is a ready
	[ "$(status_of survive '.nodes[] | select(.name == "a") | .reason')" = null ]
}

@test "the time to become ready goes on when the engine is replaced" {
	never_ready 15s
	sed -i 's/^  b: {}//; s/, b:eth1//; s/^  - .*/  - [a:eth0, c:eth1]/' "$T/lab.yaml"
	up --wait started
	kill_engines
	state_is c booting
	wait_until 60 state_is c running
	status_of survive '.nodes[] | select(.name == "c") | .reason' | grep 'not ready in time'
}

@test "an engine killed in the middle of an up: the next one finishes it" {
	local n up
	for n in 1 2 3 4 5 6 7 8 9; do sed -i "s/^links:/  n$n: {}\n&/" "$T/lab.yaml"; done
	labctl topology up "$T/lab.yaml" >"$T/up" 2>&1 3>&- & up=$!
	wait_until 20 runs qemu-system-x86_64
	kill_engines
	wait $up || cat "$T/up"
	wait_until 60 all_ready || {
		labctl topology status
		cat "$T/run/survive/engine.log"
		false
	}
	labctl topology down
	nothing_is_left
}

@test "what has crashed or stopped says why, also to the next engine" {
	local reason
	up
	labctl node stop b
	kill -9 "$(status_of survive '.nodes[0].pid')"
	wait_until 20 state_is a crashed
	reason=$(status_of survive '.nodes[0].reason')
	kill_engines
	[ "$(status_of survive '.nodes[0].reason')" = "$reason" ]
	state_is b stopped
	kill_engines
	kill -9 "$(jq '.nodes[2].pid' "$T/run/survive/state.json")"
	wait_until 20 state_is c crashed
	status_of survive '.nodes[2].reason' | grep 'no engine was watching'
}

@test "a lab going down goes down, whichever engine does it" {
	up
	kill_engines
	jq '.stopping = true' "$T/run/survive/state.json" >"$T/saved" && cat "$T/saved" >"$T/run/survive/state.json"
	labctl topology status survive || true
	wait_until 20 nothing_is_left
}

@test "a lab that is there is not started again, though its engine is dead" {
	local before
	up
	before=$(pids)
	kill_engines
	expect_status 1 labctl topology up "$T/lab.yaml"
	output_has 'its engine is not running' 'topology status survive' 'topology down survive'
	[ "$(pids)" = "$before" ]
}

@test "after a restart of the host the lab starts from its disks, and the old state is explained" {
	up
	cp "$T/run/survive/state.json" "$T/saved"
	labctl topology down
	mkdir -m 700 "$T/run/survive"
	jq '.boot_id = "00000000-0000-0000-0000-000000000000"' "$T/saved" >"$T/run/survive/state.json"
	expect_status 1 labctl topology status survive
	output_has 'host was restarted' 'topology up'
	run labctl topology up "$T/lab.yaml"
	[ "$status" = 0 ]
	output_has 'host was restarted'
	state_is a ready
	# shellcheck disable=SC2046 # several
	kill_now $(pids_of)
	jq '.boot_id = "00000000-0000-0000-0000-000000000000"' "$T/run/survive/state.json" >"$T/saved"
	cat "$T/saved" >"$T/run/survive/state.json"
	labctl topology down
	nothing_is_left
}

@test "without its images a lab cannot be taken over, and its guests live on" {
	local before
	never_ready 600s
	up --wait started
	before=$(pids)
	mv "$T/images" "$T/elsewhere"
	kill_engines
	expect_status 2 labctl topology status
	output_has "image 'hello' is not there"
	mv "$T/elsewhere" "$T/images"
	[ "$(pids)" = "$before" ]
}

@test "doctor --leftovers finds what labs have left, and nothing else; --clear takes it away" {
	local stranger
	expect_status 0 labctl doctor --leftovers
	up
	sed 's/^lab: .*/lab: lives/' "$T/lab.yaml" >"$T/lives.yaml"
	labctl topology up "$T/lives.yaml" >/dev/null
	expect_status 0 labctl doctor --leftovers
	# Its folder is held until it has really gone.
	kill_engines survive
	# A process of the same name, and a lab in another run folder, are somebody else's.
	(exec -a qemu-system-x86_64 sleep 60) 3>&- & stranger=$!
	expect_status 1 labctl doctor --leftovers
	output_has 'run/survive: its engine has died' 'labctl topology down survive'
	output_lacks 'run/lives'
	rm -r "$T/run/survive"
	expect_status 1 labctl doctor --leftovers
	output_has 'process [0-9]+: qemu-system-x86_64, of lab survive' 'kill [0-9]+'
	[ "$(labctl doctor --leftovers --json | jq '[.leftovers[] | select(.lab != "survive")] | length')" = 0 ]
	expect_status 0 labctl doctor --leftovers --clear
	expect_status 0 labctl doctor --leftovers
	kill -0 $stranger
	kill $stranger
	[ "$(status_of lives '[.nodes[].state] | unique | tojson')" = '["ready"]' ]
	labctl topology down --all
	wait_until 20 nothing_is_left
}

@test "the remains of a lab without a state can be taken down" {
	up
	kill_engines
	rm "$T/run/survive/state.json"
	expect_status 0 labctl topology down survive
	nothing_is_left
}

@test "a TPM that is left behind is found, and goes" {
	local folder
	command -v swtpm >/dev/null || skip "swtpm is not installed"
	folder=$(json .folder image show hello)
	mkdir -p "$T/images/tpm" "$T/tpm"
	cp "$folder/hello.img" "$T/images/tpm"
	{ sed 's/^name: hello/name: tpm/' "$folder/appliance.yaml"; echo 'firmware: {tpm: true}'; } >"$T/images/tpm/appliance.yaml"
	export LABCTL_IMAGES=$T/images
	printf 'lab: survive\nnodes: {a: {image: tpm}}\n' >"$T/tpm.yaml"
	labctl topology up "$T/tpm.yaml" >/dev/null
	[ -n "$(pids_of swtpm)" ]
	# Engine and QEMU die, and a TPM is there that nobody has spoken to.
	kill_engines
	kill_now "$(pids_of qemu-system-x86_64)"
	wait_until 10 no_tpm
	rm -f "$T/run/survive/a.tpm"
	swtpm socket --tpm2 --tpmstate "dir=$T/tpm" --ctrl "type=unixio,path=$T/run/survive/a.tpm" --daemon
	[ -n "$(pids_of swtpm)" ]
	[ "$(status_of survive '.nodes[0].state')" = crashed ]
	wait_until 10 no_tpm
	# Once more, and the run folder is gone with the engine.
	kill_engines
	rm -f "$T/run/survive/a.tpm"
	swtpm socket --tpm2 --tpmstate "dir=$T/tpm" --ctrl "type=unixio,path=$T/run/survive/a.tpm" --daemon
	rm -r "$T/run/survive"
	run labctl doctor --leftovers
	output_has 'process [0-9]+: swtpm, of lab survive'
	labctl doctor --leftovers --clear
	nothing_is_left
}

@test "the fault matrix, a few instants of a fixed seed" {
	command -v cc >/dev/null || skip "no C compiler"
	run timeout 110 "$LABCTL_SOURCE/tests/bench/faults" --seed 7 --instants 6
	echo "$output"
	[ "$status" = 0 ]
	output_has '6 instants, 0 failures, [1-9][0-9]+ frames and [1-9][0-9]+ lines of a console counted'
}
