#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# What a definition can say of disks, consoles, firmware and configuration, with guests of one sector.

load helper
load appliance_helper

setup() {
	lab_setup
	export LABCTL_IMAGES=$T/images
	mkdir -p "$T/images"
}

teardown() {
	lab_teardown
}

# said NODE: what its console said, on plain lines.
said() {
	labctl node log "$1" | tr -d '\r'
}

@test "a configuration is typed: dialog, prompts, complaints, and only once" {
	image router dialog <<-'END'
	disks: [{file: disk.img}]
	ready: {console: 'configuration dialog', timeout: 60s}
	exec: {prompt: '^Router#$', error: '^% '}
	seed:
	  method: console
	  before: ["send no", "expect Press RETURN", "send", "expect ^Router#"]
	  after: ["run write memory"]
	  pace: 1ms
	  timeout: 60s
	END
	printf 'hostname x\n\nbad line\r\n interface a\tb\n' >"$T/r.cfg"
	lab 'nodes: {r: {image: router, config: r.cfg}, bare: {image: router}}'
	labctl topology up "$T/lab.yaml" --wait ready
	[ "$(status_of lab '.nodes[] | .state' | sort -u)" = ready ]
	said r | grep -x 'Enter the configuration dialog? \[yes/no\]: no'
	[ "$(said r | grep '^Router#.')" = $'Router#hostname x\nRouter#bad line\nRouter# interface a b\nRouter#write memory' ]
	said bare | { ! grep -q 'hostname'; }
	grep 'configuration, line 3: .bad line. was refused: % Invalid input' "$T"/run/lab/engine.log ||
		{ cat "$T"/run/lab/engine.log; false; }
	# Once is enough, until its disk is forgotten.
	labctl node restart r
	wait_until 60 test "$(status_of lab '.nodes[0].state')" = ready
	[ "$(said r | grep -c 'hostname x')" = 1 ]
	labctl node stop r
	labctl node wipe r
	labctl node start r
	wait_until 60 eval '[ "$(status_of lab ".nodes[0].state")" = ready ]'
	[ "$(said r | grep -c 'hostname x')" = 2 ]
}

@test "a configuration that cannot be typed leaves the node running, and says why" {
	image router dialog <<-'END'
	disks: [{file: disk.img}]
	ready: {console: 'configuration dialog', timeout: 60s}
	seed: {method: console, before: ["send no", "expect What never comes"], timeout: 1s}
	END
	echo 'hostname x' >"$T/r.cfg"
	lab 'nodes: {r: {image: router, config: r.cfg}}'
	labctl topology up "$T/lab.yaml" --wait started
	wait_until 60 eval '[ "$(status_of lab ".nodes[0].state")" = running ]'
	status_of lab '.nodes[0].reason' | grep "not typed: step 2 before: 'What never comes'.*Press RETURN"
}

# typed_lines: the lines of its configuration that the router was given, as it echoed them.
typed_lines() {
	said r | sed -n 's/^Router#\(interface.\)/\1/p'
}

@test "an engine that is killed while it types: its successor finishes it, or says why not" {
	image router dialog <<-'END'
	disks: [{file: disk.img}]
	ready: {console: 'configuration dialog', timeout: 60s}
	exec: {prompt: '^Router#$'}
	seed:
	  method: console
	  before: ["send no", "expect Press RETURN", "send", "expect ^Router#"]
	  after: ["expect Invalid input"]
	  timeout: 300s
	END
	printf 'interface eth%d\n' 1 2 3 4 5 >"$T/r.cfg"
	lab 'nodes: {r: {image: router, config: r.cfg}}'
	labctl topology up "$T/lab.yaml" --wait started
	# In the middle of a line, which the guest echoes slowly.
	wait_until 60 eval 'said r | grep "^Router#interface eth2"'
	kill_engines lab
	status_of lab '.nodes[0].reason' | grep 'being typed'
	# All lines are typed, and then something awaited that nobody types.
	wait_until 60 eval '[ "$(typed_lines | tail -n 1)" = "interface eth5" ]'
	kill_engines lab
	[ "$(status_of lab '.nodes[0].state')" = booting ]
	wait_until 60 eval 'printf "bad\r" | socat -u - "UNIX-CONNECT:$T/run/lab/r.c0"; [ "$(status_of lab ".nodes[0].state")" = ready ]'
	typed_lines | cmp - "$T/r.cfg"
	# Who knows what is to be typed, if the file is another one by then?
	labctl node stop r
	labctl node wipe r
	labctl node start r --wait started
	wait_until 60 eval '[ "$(typed_lines | grep -c eth1)" = 2 ]'
	kill_engines lab
	echo 'interface eth6' >>"$T/r.cfg"
	[ "$(status_of lab '.nodes[0].state')" = running ]
	status_of lab '.nodes[0].reason' |
		grep 'not typed: the engine ended half way .*, and the configuration has changed since; .labctl node restart r. types it'
	labctl node restart r --wait started
	wait_until 60 eval 'typed_lines | grep eth6'
	typed_lines | tail -n 6 | cmp - "$T/r.cfg"
}

# heard PORT
heard() {
	labctl node log "r1:$1" | grep -q "hello $1"
}

@test "four serial ports are four consoles" {
	image quad ports <<-'END'
	disks: [{file: disk.img}]
	serials: 4
	ready: {console: 'port 0 echoes', timeout: 60s}
	END
	image one ports <<-'END'
	disks: [{file: disk.img}]
	exec: {prompt: x}
	save: {serial: 1, commands: x}
	serials: 2
	END
	# What a node cannot have is told where it stands.
	lab 'nodes:' '  r1: {image: quad}' '  r2: {image: one, serials: 1}'
	expect_status 2 labctl topology validate "$T/lab.yaml"
	output_has "lab.yaml:3:29: node 'r2': serials: image 'one' tells its configuration on serial port 1: there must be at least 2"
	lab 'nodes:' '  r1: {image: quad}' '  r2: {image: quad, serials: 2}'
	labctl topology up "$T/lab.yaml"
	[ "$(cd "$T/run/lab" && echo r2.c*)" = 'r2.c0 r2.c1' ]
	for port in 0 1 2 3; do
		wait_until 30 eval 'labctl node log r1:'$port' | grep "port '$port' echoes"'
		# It stays there until that has come back.
		(echo "hello $port"; wait_until 30 heard "$port" >/dev/null) |
			timeout 100 socat - "UNIX-CONNECT:$T/run/lab/r1.c$port" >/dev/null
	done
	for port in 0 1 2 3; do
		heard "$port"
		[ "$(labctl node log r1:$port | grep -c hello)" = 1 ]
	done
}

@test "guests boot from every bus" {
	local bus nodes=''
	for bus in virtio ide sata scsi nvme; do
		for machine in pc q35; do
			image "$bus-$machine" ports <<-END
			machine: $machine
			disks: [{file: disk.img, bus: $bus}]
			ready: {console: 'port 0 echoes', timeout: 120s}
			END
			nodes+=" $bus-$machine: {image: $bus-$machine},"
		done
	done
	image floppy ports <<-END
	disks: [{size: 1M}, {file: disk.img, bus: floppy}]
	ready: {console: 'port 0 echoes', timeout: 120s}
	END
	nodes+=" floppy: {image: floppy},"
	# The machine, processor and disk of a PC with 32 bits.
	image i386 ports <<-END
	disks: [{file: disk.img, bus: ide}]
	ready: {console: 'port 0 echoes', timeout: 120s}
	END
	sed -i 's/x86_64/i386/' "$T/images/i386/appliance.yaml"
	nodes+=" i386: {image: i386, nics: 1},"
	lab "nodes: {${nodes%,}}"
	labctl topology up "$T/lab.yaml" --wait ready
	[ "$(status_of lab '.nodes[] | .state' | sort | uniq -c | xargs)" = "12 ready" ]
}

@test "configuration disks of every kind, made at the start, in their place" {
	command -v isoinfo >/dev/null || skip "isoinfo (package genisoimage) is not installed"
	command -v mtype >/dev/null || skip "mtools is not installed"
	local disks='disks: [{file: disk.img}]'
	image day0 ports <<<"$disks"$'\nseed: {method: iso, label: day0, files: [{name: iosxe_config.txt}, {name: id, text: "%h@%l %{mac0}"}]}\n'
	image fat ports <<<"$disks"$'\nseed: {method: fat, files: [{name: ios_config.txt}]}\n'
	image cloud ports <<<"$disks"$'\nseed: {method: cloud-init}\n'
	image stack ports <<<"$disks"$'\nseed: {method: config-drive, bus: scsi}\n'
	image ignition ports <<<"$disks"$'\nseed: {method: fw_cfg, files: [{name: opt/com.coreos/config}]}\n'
	sed -i 's/nics: {count: 0}/nics: {count: 1}/' "$T/images/day0/appliance.yaml"
	echo 'hostname x' >"$T/c"
	echo 'version: 2' >"$T/net"
	lab 'nodes:' '  a: {image: day0, config: c}' '  b: {image: fat, config: c}' \
		'  d: {image: cloud, config: {user-data: c, network-config: net}}' '  e: {image: stack, config: c}' \
		'  f: {image: ignition, config: c}' '  g: {image: stack, config: {user-data: c}}'
	labctl topology up "$T/lab.yaml" --paused
	local state=$T/state/lab
	[ "$(isoinfo -R -x /iosxe_config.txt -i "$state/a/seed.iso")" = 'hostname x' ]
	isoinfo -R -x /id -i "$state/a/seed.iso" | grep -Ex 'a@lab 02(:[0-9a-f]{2}){5}'
	[ "$(mtype -i "$state/b/seed.img" ::ios_config.txt)" = 'hostname x' ]
	isoinfo -d -i "$state/d/seed.iso" | grep -x 'Volume id: cidata'
	[ "$(isoinfo -R -x /user-data -i "$state/d/seed.iso")" = 'hostname x' ]
	[ "$(isoinfo -R -x /network-config -i "$state/d/seed.iso")" = 'version: 2' ]
	isoinfo -R -x /meta-data -i "$state/d/seed.iso" | grep -x 'local-hostname: d'
	isoinfo -d -i "$state/e/seed.iso" | grep -x 'Volume id: config-2'
	[ "$(isoinfo -R -x /openstack/latest/user_data -i "$state/e/seed.iso")" = 'hostname x' ]
	[ "$(isoinfo -R -x /openstack/latest/user_data -i "$state/g/seed.iso")" = 'hostname x' ]
	tr '\0' ' ' <"/proc/$(status_of lab '.nodes[4].pid')/cmdline" | grep -q "name=opt/com.coreos/config,file=$state/f/seed-0.fw_cfg"
	[ "$(cat "$state/f/seed-0.fw_cfg")" = 'hostname x' ]
	labctl topology down lab
	# What an image has no place for is refused before anything runs.
	lab 'nodes: {f: {image: ignition, config: {user-data: c}}}'
	expect_status 2 labctl topology up "$T/lab.yaml"
	output_has "image 'ignition' cannot be given a file 'user-data'"
}
