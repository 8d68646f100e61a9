#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# Consoles for other programs: telnet clients, expect, socat.

load helper

setup() {
	needs_tun
	command -v telnet >/dev/null || skip "no telnet client is installed"
	lab_setup
	LAB=telnet$BASHPID
	cat >"$T/lab.yaml" <<-EOT
	lab: $LAB
	defaults: {image: hello}
	nodes:
	  a: {console: {telnet: auto}}
	  b: {}
	EOT
}

teardown() {
	lab_teardown
}

port_of() {
	status_of "$LAB" ".nodes[] | select(.name == \"$1\").consoles[0].telnet"
}

@test "a telnet client and expect talk to a guest; the port is told and stays" {
	labctl topology up "$T/lab.yaml"
	local port
	port=$(port_of a)
	[ "$port" -ge 20000 ]
	[ "$(port_of b)" = null ]
	labctl topology status | grep -q "telnet 127.0.0.1 $port"
	# Nobody from outside: it listens on the loopback only.
	grep -qi "0100007F:$(printf %04X "$port") 00000000:0000 0A" /proc/net/tcp
	command -v expect >/dev/null || skip "expect is not installed"
	cat >"$T/session" <<-EOT
	set timeout 100
	log_user 1
	spawn telnet 127.0.0.1 $port
	expect {type and I echo} {} timeout {exit 3} eof {exit 4}
	send "marco\r"
	expect -re {marco\r+\n} {} timeout {exit 5}
	# The engine dies: the next finds the port again.
	exit 0
	EOT
	expect "$T/session"
	kill_engines
	[ "$(port_of a)" = "$port" ]
	expect "$T/session"
	labctl topology down "$LAB"
	labctl topology up "$T/lab.yaml"
	[ "$(port_of a)" = "$port" ]
}

@test "a telnet port that is taken is told before anything starts" {
	local port=$((33000 + RANDOM % 20000))
	sed -i "s/telnet: auto/telnet: $port/" "$T/lab.yaml"
	python3 -c "
import signal, socket
s = socket.socket()
s.bind(('127.0.0.1', $port))
s.listen()
print('there', flush=True)
signal.pause()" >"$T/taker" 3>&- &
	local taker=$!
	wait_until 5 grep -q there "$T/taker"
	expect_status 1 labctl topology up "$T/lab.yaml"
	kill $taker
	output_has "telnet port 127.0.0.1:$port: Address already in use" 'another program listens'
	[ ! -e "$T/state/$LAB/a/qemu.log" ]
}

@test "a console's socket is for any program" {
	labctl topology up "$T/lab.yaml"
	local socket
	socket=$(status_of "$LAB" '.nodes[1].consoles[0].socket')
	# It stays there until that has come back.
	(printf 'over the socket\r'; wait_until 20 grep -q 'over the socket' "$T/out" >/dev/null) | timeout 100 socat - "UNIX-CONNECT:$socket" >"$T/out"
	grep -q 'type and I echo' "$T/out"
	grep -q 'over the socket' "$T/out"
}
