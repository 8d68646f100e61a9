#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# A QEMU that its guest has taken over, and a stranger on the same machine.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

# needs_landlock: skip where the kernel cannot keep files from a process of the same user.
needs_landlock() {
	labctl doctor --json | jq -e '.items[] | select(.name == "isolation") | .ok' >/dev/null ||
		skip "$(labctl doctor --json | jq -r '.items[] | select(.name == "isolation") | .detail')"
}

@test "a hostile QEMU gets at nothing but its own" {
	local image said
	command -v cc >/dev/null || skip "no C compiler"
	needs_landlock
	image=$(json .folder image show hello)
	mkdir "$T/bin"
	cc -Wall -O1 -o "$T/bin/qemu-system-x86_64" "$LABCTL_SOURCE/tests/cli/hostile.c"
	# First a real lab, so that there is something to attack.
	labctl topology up "$(hello_file victim)" >/dev/null
	echo secret >"$T/secret"
	HOSTILE_FILES="/etc/shadow /etc/passwd $T/secret $T/run/victim/state.json $T/run/hostile/state.json $T/state/victim/a/console-0.log $T/run/victim/a.0.in $T/state/hostile/b/console-0.log $T/run/hostile/b.0.in $image/hello.img /proc/self/status" \
	HOSTILE_SOCKETS="$T/run/victim/engine.sock $T/run/victim/fabric.sock $T/run/hostile/engine.sock $T/run/hostile/fabric.sock $T/run/victim/a.qmp $T/run/victim/a.c0" \
	HOSTILE_PID=$(status_of victim '.nodes[0].pid') \
	PATH="$T/bin:$PATH" run labctl topology up "$(hello_file hostile)" --keep
	[ "$status" = 1 ]
	output_has 'exited with status 3'
	said=$(cat "$T/state/hostile/a/qemu.log")
	echo "$said"
	# What it may: read its image, write into its own folder.
	[ "$(grep -c ': yes$' <<<"$said")" = 2 ]
	grep "^read $image/hello.img: yes$" <<<"$said"
	grep '^write own folder: yes$' <<<"$said"
	[ "$(grep -c '^connect .*: Operation not permitted$' <<<"$said")" = 6 ]
	[ -e "$T/secret" ] && [ -e "$T/run/victim/state.json" ]
	[ "$(status_of victim '[.nodes[].state] | unique | tojson')" = '["ready"]' ]
}

@test "a real QEMU is confined: no new privileges, a filter, no core files" {
	local pid
	labctl topology up "$(hello_file lab)" >/dev/null
	pid=$(status_of lab '.nodes[0].pid')
	grep -E '^NoNewPrivs:\s+1$' "/proc/$pid/status"
	grep -E '^Seccomp:\s+2$' "/proc/$pid/status"
	grep -E '^Max core file size +0 +0 ' "/proc/$pid/limits"
	grep -E '^CapEff:\s+0000000000000000$' "/proc/$pid/status" || [ "$(id -u)" = 0 ]
}

@test "a stranger gets into nothing of a lab" {
	local path
	[ "$(id -u)" = 0 ] || skip "only root can play another user"
	labctl topology up "$(hello_file lab)" >/dev/null
	chmod 755 "$T"
	[ "$(stat -c %a "$T/run/lab")" = 700 ]
	for path in "$T"/run/lab/*; do
		[ -L "$path" ] || [ "$(stat -c %a "$path")" = 600 ]
		expect_status 1 setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$path"
	done
	expect_status 2 setpriv --reuid 65534 --regid 65534 --clear-groups ls "$T/run/lab"
	# Even if the folder were open: whoever connects is asked who he is.
	chmod 755 "$T/run" "$T/run/lab"
	chmod 666 "$T/run/lab"/*.sock "$T/run/lab"/*.c0
	for path in engine.sock fabric.sock a.c0; do
		setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 - "$T/run/lab/$path" <<-'EOT'
		import socket, sys
		kind = socket.SOCK_SEQPACKET if "fabric" in sys.argv[1] else socket.SOCK_STREAM
		s = socket.socket(socket.AF_UNIX, kind)
		s.settimeout(5)
		try:
		    s.connect(sys.argv[1])
		    s.send(b'{"jsonrpc":"2.0","id":1,"method":"lab.status"}\n')
		    got = s.recv(4096)
		except (ConnectionError, PermissionError):
		    got = b""
		print(sys.argv[1], got)
		sys.exit(0 if not got or b'"error"' in got and b"belongs to another user" in got else 1)
		EOT
	done
	chmod 700 "$T/run" "$T/run/lab"
	labctl node list
	grep 'refused' "$T/run/lab/engine.log"
}
