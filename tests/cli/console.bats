#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# Consoles as a person at a terminal meets them; tmux is the terminal.

load helper

setup() {
	needs_tun
	lab_setup
	labctl topology up "$TOPOLOGIES/hello.yaml"
	tm_start
}

teardown() {
	tm_stop
	lab_teardown
}

# attach COMMAND…: run it in the terminal, with the terminal's settings noted before and after.
attach() {
	tm_type "clear; stty -g >$T/before; $*; echo \"ended by \$?\"; stty -g >$T/after"
}

detach() {
	tm send-keys C-]
	wait_until 5 tm_shows 'ended by'
	wait_until 5 test -s "$T/after"
	diff "$T/before" "$T/after"
}

@test "console replays, echoes, detaches, and leaves the terminal as it was" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'labctl hello: type and I echo'
	tm_type marco
	wait_until 5 tm_shows '^marco'
	detach
	tm_shows 'ended by 0'
	# Attached again, what was said is there.
	attach "$LABCTL" console a
	wait_until 5 tm_shows '^marco'
	detach
}

@test "two people at one console see the same" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'type and I echo'
	tm split-window -d "$LABCTL console a"
	wait_until 5 sh -c "'$LABCTL' topology status --json | jq -e '.nodes[0].consoles[0].clients == 2'"
	tm_type marco
	tm send-keys -t 1 -l polo
	tm send-keys -t 1 Enter
	wait_until 5 tm_shows '^polo'
	wait_until 5 sh -c "tmux -S '$T/tmux' capture-pane -p -t 1 | grep -q '^marco'"
	detach
}

@test "a watcher that may not type" {
	attach "$LABCTL" console --read-only a
	wait_until 5 tm_shows 'type and I echo'
	tm_type marco
	# It reads that before the key that ends it; and what another one types comes after.
	detach
	echo polo | timeout 30 "$LABCTL" console a >/dev/null
	wait_until 10 eval 'labctl node log a | grep -q polo'
	run labctl node log a
	output_lacks marco
}

@test "the terminal is restored when labctl is told to end" {
	local signal
	for signal in TERM HUP; do
		rm -f "$T/after"
		attach "$LABCTL" console a
		wait_until 5 tm_shows 'type and I echo'
		# Of the clients, not of the engine.
		leftovers "$T" | sed -n 's/^process \([0-9]*\): [^ ]*labctl console a.*/\1/p' | xargs kill -$signal
		wait_until 5 test -s "$T/after"
		diff "$T/before" "$T/after"
	done
}

@test "the terminal is restored when the engine dies" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'type and I echo'
	kill_engines
	wait_until 10 test -s "$T/after"
	diff "$T/before" "$T/after"
}

@test "a console outlives its node and sees it come back" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'type and I echo'
	labctl node stop a
	wait_until 5 tm_shows 'stopped|has ended|gone'
	tm_type clear
	labctl node start a
	wait_until 10 sh -c "tmux -S '$T/tmux' capture-pane -p -S -200 | grep -c 'type and I echo' | grep -qx 2"
	tm_type again
	wait_until 5 tm_shows '^again'
	detach
}

@test "a guest that prints without end does not hold up the others, nor the way out" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'type and I echo'
	tm send-keys C-a
	wait_until 5 tm_shows 'line 0000'
	[ "$(status_of hello '.nodes[1].state')" = ready ]
	detach
	# Any key ends it.
	printf 'x' | timeout 60 "$LABCTL" console a >/dev/null 2>&1 || true
}

@test "progress on a terminal is a live table" {
	tm_type "clear; $LABCTL topology up '$TOPOLOGIES/hello.yaml' --name live; echo \"ended by \$?\""
	wait_until 15 tm_shows 'ended by 0'
	tm_shows '\ba\b.*ready'
	tm_shows '\bb\b.*ready'
}

@test "what is printed elsewhere is plain text" {
	labctl topology up "$TOPOLOGIES/hello.yaml" --name plain >"$T/out" 2>&1
	run grep -c $'\033' "$T/out"
	[ "$output" = 0 ]
	[ -s "$T/out" ]
}

@test "the keyboard changes hands, and everyone is told" {
	attach "$LABCTL" console a
	wait_until 5 tm_shows 'type and I echo'
	tm split-window -d "$LABCTL console --take --detach ^A a"
	wait_until 5 tm_shows 'root.* has the keyboard|has the keyboard'
	tm_type unheard
	wait_until 5 tm_shows 'what you type goes nowhere'
	tm send-keys -t 1 -l heard
	wait_until 5 tm_shows '^heard'
	tm send-keys -t 1 C-a g
	wait_until 5 tm_shows 'everyone may type'
	tm send-keys -l again
	wait_until 5 tm_shows 'heardagain|^again'
	tm send-keys -t 1 C-a d
	wait_until 5 sh -c "'$LABCTL' topology status --json | jq -e '.nodes[0].consoles[0].clients == 1'"
	detach
	run labctl node log a
	output_lacks unheard
}

@test "how much is replayed, and what is no key" {
	run timeout 60 "$LABCTL" console --replay none a < <(sleep 0.5; printf x)
	output_lacks 'type and I echo'
	run timeout 60 "$LABCTL" console --replay lines a < <(sleep 0.5; printf y)
	output_has 'type and I echo'
	expect_status 2 labctl console --detach A a
	expect_status 2 labctl console --replay much a
}
