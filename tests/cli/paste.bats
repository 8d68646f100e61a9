#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=alone
#
# Pasting in the switcher into a guest that loses what comes while it works (guests/slow.S).

load helper

setup() {
	lab_setup
	export LABCTL_IMAGES=$T/images
	mkdir -p "$LABCTL_IMAGES/slow"
	boot_sector slow "$LABCTL_IMAGES/slow/slow.img"
	cat >"$LABCTL_IMAGES/slow/appliance.yaml" <<-EOT
	name: slow
	arch: x86_64
	machine: q35
	cpu: {count: 1, model: qemu64}
	memory: {default: 16M, least: 8M}
	disks:
	  - {file: slow.img, bus: virtio, mode: readonly}
	nics: {model: virtio-net-pci, count: 0, max: 4, name: "eth{0}"}
	serials: 1
	ready: {console: '^slow# ', timeout: 60s}
	stop: {method: quit, timeout: 5s}
	EOT
	printf 'lab: paste\nnodes:\n  a: {image: slow}\n  b: {image: slow}\n' >"$T/paste.yaml"
	seq -f 'interface eth%g description a line of a configuration that has to arrive whole' 500 >"$T/config"
	labctl topology up "$T/paste.yaml"
}

teardown() {
	tm_stop
	lab_teardown
}

# arrived NODE: the lines of the configuration that the guest echoed.
arrived() {
	labctl node log "$1" --plain | sed -n 's/^slow# interface/interface/p'
}

@test "paste: 500 lines arrive complete, from the terminal and from a file, where typing loses them" {
	socat -u "$T/config" "UNIX-CONNECT:$(status_of paste '.nodes[1].consoles[0].socket')"
	tm_start
	tm_type "$LABCTL console"
	wait_until 20 tm_shows '│slow#'
	tm load-buffer "$T/config"
	tm paste-buffer -p
	wait_until 5 tm_shows 'line [0-9]+ of 500'
	wait_until 180 tm_shows 'a: 500 lines pasted'
	wait_until 10 eval 'arrived a | cmp - "$T/config"'
	[ "$(arrived b | wc -l)" -lt 400 ]
	tm send-keys C-b n
	wait_until 5 tm_shows ' b  ready'
	head -n 30 "$T/config" >"$T/part"
	tm send-keys C-b '<'
	wait_until 5 tm_shows 'type what is in file:'
	tm_type "$T/part"
	wait_until 60 tm_shows 'b: 30 lines pasted'
	wait_until 10 eval 'arrived b | tail -n 30 | cmp - "$T/part"'
	tm send-keys C-b q
	wait_until 5 eval '! tm_shows "│"'
}
