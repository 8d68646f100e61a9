#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# What makes a node ready: lines, prompts, a probe, silence; and what is said when nothing does. The guests
# are boot sectors: hello, and guests/prompt.S, which has a prompt and two commands' worth of patience.

load helper

setup() {
	lab_setup
	needs_tun
	command -v as >/dev/null || skip "there is no assembler (binutils)"
	mkdir -p "$T/images"
	cp "$(json '.disks[0].file' image show hello)" "$T/hello.img"
	export LABCTL_IMAGES=$T/images
	boot_sector prompt "$T/prompt.img"
}

teardown() {
	lab_teardown
}

# image NAME BASE RULES…: an image of one of the two boot sectors.
image() {
	local name=$1 base=$2
	shift 2
	mkdir -p "$T/images/$name"
	cp "$T/$base.img" "$T/images/$name/disk.img"
	{
		printf 'name: %s\narch: x86_64\nmemory: {default: 16M}\n' "$name"
		echo 'disks: [{file: disk.img, mode: readonly}]'
		echo 'nics: {count: 0}'
		printf '%s\n' "$@"
	} >"$T/images/$name/appliance.yaml"
}

# lab NODE-LINES…: a topology with these nodes.
lab() {
	{
		printf 'lab: rd\nnodes:\n'
		printf '  %s\n' "$@"
	} >"$T/rd.yaml"
}

QUIT='stop: {method: quit}'
PROMPT="exec: {prompt: '^> \$', error: '^% '}"

@test "one of several lines, a prompt after Enter, a probe that succeeds at last, and silence" {
	image lines hello "ready: {console: ['never said', 'type and I echo', 'neither']}" "$QUIT"
	image asks prompt "$PROMPT" 'ready: {prompt: true, timeout: 60s}' "$QUIT"
	image probe prompt "$PROMPT" 'ready: {console: press, probe: show it, timeout: 60s}' "$QUIT"
	image quiet hello 'ready: {quiet: 1s, timeout: 60s}' "$QUIT"
	lab 'l: {image: lines}' 'p: {image: asks}' 'c: {image: probe}' 'q: {image: quiet, after: c}'
	expect_status 0 labctl topology up "$T/rd.yaml"
	[ "$(status_of rd '[.nodes[] | .name + ":" + .state] | join(" ")')" = 'l:ready p:ready c:ready q:ready' ]
	# Enter was pressed for the prompt; the probe ran until it succeeded.
	grep -q '^> ' "$T/state/rd/p/console-0.log"
	[ "$(grep -c 'show it' "$T/state/rd/c/console-0.log")" = 3 ]
	[ "$(grep -c 'not yet' "$T/state/rd/c/console-0.log")" = 2 ]
	status_of rd '.nodes[] | select(.name == "q").reason' | grep -q 'quiet and idle for 1s'
	# after: means ready.
	[ "$(status_of rd '[.nodes[] | select(.name == "q" or .name == "c").uptime_s] | .[0] > .[1]')" = true ]
	# The next boot's progress is measured by these.
	[ "$(status_of rd '[.nodes[].usual_s | . > 0] | all')" = true ]
	jq -e '."probe/tcg" | length == 1' "$T/labctl-boot-times.json"
	# A file that somebody spoiled is no trouble.
	echo '{"probe/tcg": ["x", -1, 1e300, {}], "lines/tcg": 7}' >"$T/labctl-boot-times.json"
	labctl node restart c l
	jq -e '."probe/tcg"[-1] | type == "number"' "$T/labctl-boot-times.json"
}

@test "what is not ready in time is told with its console's last lines" {
	image never prompt "$PROMPT" 'ready: {console: press, probe: show it}' "$QUIT"
	image echo hello "ready: {console: 'never said'}" "$QUIT"
	lab 'n: {image: never, ready_timeout: 1s}' 'e: {image: echo, ready_timeout: 1s}'
	expect_status 1 labctl topology up "$T/rd.yaml"
	output_has "node '[en]' is not ready in time .1s.*its console says: .*(press Enter|I echo|not yet|show)" 'hint: .*ready_timeout'
	[ ! -e "$T/run/rd" ]
	expect_status 0 labctl topology up "$T/rd.yaml" --wait started
	# Waiting for one of them by hand; it goes on, and its rule stays armed.
	expect_status 1 labctl node start e --timeout 1
	output_has "node 'e' is"
	wait_until 20 grep -q 'I echo' "$T/state/rd/e/console-0.log"
	printf "never said\r" >"$T/run/rd/e.0.in"
	wait_until 20 sh -c "'$LABCTL' topology status rd --json | jq -e '.nodes[] | select(.name == \"e\").state == \"ready\"'"
	expect_status 0 labctl node start e --wait ready
	expect_status 2 labctl node start e --wait soon
}

@test "an engine that was dead finds out: what was said meanwhile, and that time is over" {
	image typed prompt "ready: {console: '^done'}" "$QUIT"
	image never hello "ready: {console: 'never said', timeout: 2s}" "$QUIT"
	lab 't: {image: typed}' 'n: {image: never}' 'later: {image: never, ready_timeout: 1h}'
	labctl topology up "$T/rd.yaml" --wait started
	wait_until 20 grep -q press "$T/state/rd/t/console-0.log"
	kill_engines
	# Typed behind its back, with other lines after the one that counts.
	printf '\rone\rtwo\rthree\rx\r' >"$T/run/rd/t.0.in"
	wait_until 20 grep -q "done" "$T/state/rd/t/console-0.log"
	wait_until 20 sh -c "'$LABCTL' topology status rd --json | jq -e '.nodes[0].state == \"ready\"'"
	wait_until 20 sh -c "'$LABCTL' topology status rd --json | jq -e '.nodes[1].reason | contains(\"not ready in time (2s)\")'"
	[ "$(status_of rd '.nodes[2].state')" = booting ]
}
