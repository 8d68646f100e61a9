#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# Screens of graphical guests: a viewer sees what the BIOS and the boot sector leave there.

load helper

setup() {
	lab_setup
	hello=$(json .folder image show hello)
	export LABCTL_IMAGES=$T/images
	mkdir -p "$LABCTL_IMAGES/screen" "$LABCTL_IMAGES/plain"
	for name in screen plain; do
		cp "$hello/hello.img" "$LABCTL_IMAGES/$name/"
		sed "s/^name: .*/name: $name/" "$hello/appliance.yaml" >"$LABCTL_IMAGES/$name/appliance.yaml"
	done
	echo 'display: {type: vnc}' >>"$LABCTL_IMAGES/screen/appliance.yaml"
}

teardown() {
	lab_teardown
}

rfb() {
	timeout 60 python3 "$LABCTL_SOURCE/tests/cli/rfb.py" "$@"
}

# node FILTER
node() {
	status_of vnc ".nodes[0].$1"
}

@test "vnc: a socket for the lab's user, a port with a password for viewers that want one" {
	local address password socket
	printf 'lab: vnc\ndefaults: {image: screen}\nnodes:\n  a: {nics: 0, console: {vnc: auto}}\n  b: {nics: 0}\n' >"$T/vnc.yaml"
	labctl topology up "$T/vnc.yaml"
	socket=$(node display.socket) address=$(node display.address) password=$(node display.password)
	[ "$socket" = "$LABCTL_RUN/vnc/a.vnc" ]
	[ ${#password} = 8 ]
	[ "$(stat -c %a "$LABCTL_RUN/vnc/a.vncpw")" = 600 ]
	expect_status 0 labctl topology status
	output_has "a: vnc ${address//./\\.}, password $password" "b: vnc $LABCTL_RUN/vnc/b.vnc"
	[ "$(status_of vnc '.nodes[1].display.address')" = null ]
	expect_status 0 rfb "$socket"
	# A text screen in two colours at least.
	output_has '^[0-9]{3,4}x[0-9]{3,4} [0-9]+$'
	[ "${output#* }" -ge 2 ]
	expect_status 0 rfb "$address" "$password"
	output_has '^[0-9]{3,4}x[0-9]{3,4} [0-9]+ by password$'
	expect_status 1 rfb "$address" wrong
	output_has refused
	# A restart and another engine leave address and password as they are.
	labctl node restart a
	kill_engines
	[ "$(node display.address) $(node display.password)" = "$address $password" ]
	expect_status 0 rfb "$address" "$password"
}

@test "vnc: a port for a guest without a screen is refused, and so is one that is taken" {
	local port listener
	printf 'lab: vnc\nnodes:\n  a: {image: plain, nics: 0, console: {vnc: auto}}\n' >"$T/vnc.yaml"
	expect_status 2 labctl topology up "$T/vnc.yaml"
	output_has "image 'plain' has no screen" 'hint: .*display'
	printf 'lab: vnc\nnodes:\n  a: {image: screen, nics: 0, display: none, console: {vnc: auto}}\n' >"$T/vnc.yaml"
	expect_status 2 labctl topology up "$T/vnc.yaml"
	output_has "node 'a': it has no screen \(display: none\)"
	# A node's own.
	printf 'lab: vnc\nnodes:\n  a: {image: plain, nics: 0, display: vnc}\n  b: {image: screen, nics: 0, display: none}\n' >"$T/vnc.yaml"
	labctl topology up "$T/vnc.yaml"
	[ -S "$T/run/vnc/a.vnc" ]
	[ ! -e "$T/run/vnc/b.vnc" ]
	labctl topology status --json | jq -e '[.nodes[].display.type] == ["vnc", null]'
	labctl topology down
	timeout 60 python3 -c 'import signal, socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); signal.pause()' \
		>"$T/port" 3>&- &
	listener=$!
	wait_until 10 test -s "$T/port"
	port=$(cat "$T/port")
	printf 'lab: vnc\nnodes:\n  a: {image: screen, nics: 0, console: {vnc: %s}}\n' "$port" >"$T/vnc.yaml"
	expect_status 1 labctl topology up "$T/vnc.yaml"
	output_has "vnc port 127\.0\.0\.1:$port: .*give another"
	kill $listener
}
