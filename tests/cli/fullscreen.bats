#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# What people really run on consoles, in the switcher: vtysh with its completion, vi, top.

load helper

setup() {
	lab_setup
	printf 'lab: full\nnodes:\n  h1: {image: host, nics: 0}\n  r1: {image: frr, nics: 0}\n' >"$T/full.yaml"
	labctl topology up "$T/full.yaml"
	tm_start
	tm set -g status off
	tm resize-window -x 80 -y 25
	tm_type "clear; $LABCTL console; echo \"ended by \$?\""
	wait_until 20 tm_shows '^ h1 .*ready'
}

teardown() {
	tm_stop
	lab_teardown
}

@test "switcher: vtysh, vi and top are usable in Linux guests" {
	# Each node has a second console, which is in the list too.
	tm_shows '^ r1:1 .*ready'
	tm send-keys C-b j
	tm_type r1
	wait_until 10 tm_shows ' r1  ready'
	tm send-keys C-b z
	tm send-keys Enter
	wait_until 10 tm_shows '^r1# *$'
	# Completion: Tab fills in, ? lists.
	tm send-keys -l 'sho'
	tm send-keys Tab
	tm send-keys -l 'versi'
	tm send-keys Tab Enter
	wait_until 20 tm_shows 'FRRouting'
	tm send-keys -l 'show interface ?'
	wait_until 20 tm_shows 'brief'
	tm send-keys C-u
	tm send-keys C-b l
	tm send-keys Enter
	tm_type 'echo first $((40 + 2)); stty size'
	wait_until 20 tm_shows '^first 42'
	# An arrow brings the line back, whatever the mode of the keys.
	tm send-keys Up Enter
	wait_until 20 eval '[ "$(tm_screen | grep -c "^first 42")" = 2 ]'
	tm_type 'vi /tmp/text'
	wait_until 20 tm_shows '^~'
	tm send-keys -l 'ione two'
	tm send-keys Enter
	tm send-keys -l 'three'
	wait_until 20 tm_shows '^I /tmp/text'
	tm send-keys Escape
	wait_until 20 tm_shows '^- /tmp/text'
	tm send-keys Up
	tm send-keys -l '0x'
	wait_until 20 tm_shows '^ne two' || { tm_screen; false; }
	tm_shows '^three'
	tm_type ':wq'
	wait_until 20 eval '! tm_shows "^~"'
	tm_type 'cat /tmp/text; echo over'
	wait_until 20 eval '[ "$(tm_screen | grep -A 1 "^ne two" | tail -n 1)" = three ]'
	tm_type top
	wait_until 20 tm_shows 'PID.*(USER|COMMAND)'
	tm send-keys q
	# As it ends, top throws away what was typed meanwhile.
	wait_until 20 tm_shows '^h1:[^ ]*# *$'
	tm_type 'echo out $((6 * 7))'
	wait_until 20 tm_shows '^out 42'
	# A break, and h within five seconds: Linux tells what it would do for such keys.
	wait_until 60 eval 'tm send-keys C-b b && tm send-keys -l h && sleep 0.5 && tm_shows "sysrq: HELP"'
	tm send-keys C-u
	# The second serial port is a console of its own.
	[ "$(labctl node exec h1:1 tty)" = /dev/ttyS1 ]
	[ "$(labctl node exec h1 tty)" = /dev/ttyS0 ]
	tm send-keys C-b q
	wait_until 10 tm_shows 'ended by 0'
}
