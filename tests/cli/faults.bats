#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# Guests and QEMUs that fail while a lab runs.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

node() {
	status_of faults ".nodes[] | select(.name == \"$1\") | .$2"
}

node_is() {
	[ "$(node "$1" "$2")" = "$3" ]
}

# up_with NODES: nodes a and b with a cable
up_with() {
	cat >"$T/faults.yaml" <<-EOT
	lab: faults
	defaults: {image: hello}
	nodes:
	  a: {$1}
	  b: {}
	links:
	  - [a:eth0, b:eth0]
	EOT
	labctl topology up "$T/faults.yaml" >/dev/null
}

# power_off NODE: what the boot sector does for ^D
power_off() {
	printf '\004' | timeout 60 socat -t 1 - "UNIX-CONNECT:$T/run/faults/$1.c0" >/dev/null
}

# qmp NODE COMMAND: by hand, while no engine is connected
qmp() {
	printf '{"execute":"qmp_capabilities"}{"execute":"%s"}' "$2" |
		timeout 60 socat -t 1 - "UNIX-CONNECT:$T/run/faults/$1.qmp" >/dev/null
}

@test "restart: on-failure starts a killed QEMU again, after a pause, and not a guest that powered off" {
	local pid
	up_with 'restart: on-failure'
	pid=$(node a pid)
	kill -9 "$pid"
	wait_until 20 node_is a restarts 1
	grep 'a: crashed: .*killed by signal 9' "$T/run/faults/engine.log"
	wait_until 20 node_is a state ready
	[ "$(node a pid)" != "$pid" ]
	[ "$(node a restarts)" = 1 ]
	wait_until 20 node_is b 'ports[0].carrier' true
	kill -9 "$(node a pid)"
	wait_until 20 node_is a restarts 2
	# The engine that comes next starts it, too.
	kill_engines
	wait_until 20 node_is a state ready
	node_is a restarts 2 || node_is a restarts 3
	power_off a
	wait_until 20 node_is a state stopped
	[ "$(node a reason)" = "the guest powered itself off" ]
}

@test "restart: always starts a guest that powered off; node stop ends that" {
	up_with 'restart: always'
	power_off a
	wait_until 20 node_is a restarts 1
	wait_until 20 node_is a state ready
	power_off a
	wait_until 20 node_is a restarts 2
	labctl node stop a
	sleep 3
	[ "$(node a state)" = stopped ]
	[ "$(node b state)" = ready ]
}

@test "a QEMU that hangs is shown, holds up nobody, and goes" {
	local pid
	up_with ''
	pid=$(node a pid)
	kill -STOP "$pid"
	wait_until 30 node_is a answers false
	[[ $(node a reason) == "its QEMU (pid $pid) does not answer" ]]
	# It has neither stopped nor crashed, and may answer yet: its cables stay in.
	[ "$(node b 'ports[0].carrier')" = true ]
	kill -CONT "$pid"
	wait_until 20 node_is a answers true
	[ "$(node a reason)" = null ]
	kill -STOP "$pid"
	wait_until 30 node_is a answers false
	labctl node restart b
	labctl topology down
	[ -z "$(leftovers "$T")" ]
}

@test "a guest that QEMU holds is crashed, without carrier, and can be let go on" {
	local pid
	up_with ''
	pid=$(node a pid)
	kill_engines
	qmp a stop
	wait_until 20 node_is a state crashed
	[[ $(node a reason) == *"paused"* ]]
	[ "$(node b 'ports[0].carrier')" = false ]
	[ "$(node a pid)" = "$pid" ]
	labctl node start a
	wait_until 20 node_is a state ready
	[ "$(node a pid)" = "$pid" ]
	wait_until 20 node_is b 'ports[0].carrier' true
	kill_engines
	qmp a stop
	wait_until 20 node_is a state crashed
	labctl node stop a
	[ "$(node a state)" = stopped ]
}

# press NODE KEY: into the FIFO that QEMU reads
press() {
	printf '%s' "$2" >"$T/run/faults/$1.0.in"
}

# boots NODE NUMBER: so often it has, or more
boots() {
	[ "$(grep -c '^fault: ' "$T/state/faults/$1/console-0.log")" -ge "$2" ]
}

# rests NODE: told to end its loop, it has, and is ready as after any boot
rests() {
	press "$1" .
	node_is "$1" state ready
}

@test "a triple fault: the guest boots again and is told so; one that does nothing else is told from it; what its image says of restarts" {
	local folder pid
	command -v as >/dev/null || skip "no assembler"
	folder=$(json .folder image show hello)
	mkdir -p "$T/images/hello" "$T/images/fault"
	cp "$folder"/* "$T/images/hello"
	as --32 -o "$T/fault.o" "$LABCTL_SOURCE/tests/cli/guests/fault.S"
	ld -m elf_i386 -Ttext=0x7c00 -e _start --oformat=binary -o "$T/images/fault/hello.img" "$T/fault.o"
	truncate -s 1M "$T/images/fault/hello.img"
	sed 's/^name: hello/name: fault/; s/labctl hello: /fault: /' "$folder/appliance.yaml" >"$T/images/fault/appliance.yaml"
	echo 'restart: always' | tee -a "$T"/images/{fault,hello}/appliance.yaml
	export LABCTL_IMAGES=$T/images
	up_with 'image: fault, restart: never'
	pid=$(node a pid)
	# The engine is held up meanwhile: it finds the reset and the new boot's words at once.
	kill -STOP "$(pids_of labctl-engine)"
	press a 1
	wait_until 60 boots a 2
	kill -CONT "$(pids_of labctl-engine)"
	wait_until 60 grep 'a: .*the guest rebooted' "$T/run/faults/engine.log"
	wait_until 60 node_is a state ready
	press a '*'
	wait_until 90 eval "node a reason | grep -q 'resets itself again and again: a triple fault'"
	wait_until 120 rests a
	[ "$(node a reason)" = null ]
	press a '*'
	wait_until 90 eval "node a reason | grep -q 'resets itself again and again: a triple fault'"
	[ "$(node a state)" != ready ]
	# It is the same QEMU, its cable is in, and its peer has not noticed: as with a real machine.
	[ "$(node a pid)" = "$pid" ] && [ "$(node a restarts)" = 0 ]
	[ "$(status_of faults '.links[0].state')" = up ]
	run labctl topology status faults
	output_has 'a .*resets itself again and again'
	# Out of it, it is started anew.
	labctl node restart -l faults a >/dev/null
	node_is a state ready
	[ "$(node a pid)" != "$pid" ] && [ "$(node a reason)" = null ]
	# What the image says of restarts, and the node before it.
	kill -9 "$(node a pid)" "$(node b pid)"
	wait_until 20 node_is b restarts 1
	wait_until 20 node_is b state ready
	wait_until 20 node_is a state crashed
	[[ $(node a reason) != *"starts again"* ]]
}
