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
	chmod 666 "$T/secret"
	HOSTILE_FILES="/etc/shadow /etc/passwd $T/secret $T/run/victim/state.json $T/run/hostile/state.json $T/state/victim/a/console-0.log $T/run/victim/a.0.in $T/state/hostile/b/console-0.log $T/run/hostile/b.0.in $image/hello.img /proc/self/status" \
	HOSTILE_SOCKETS="$T/run/victim/engine.sock $T/run/victim/fabric.sock $T/run/hostile/engine.sock $T/run/hostile/fabric.sock $T/run/victim/a.qmp $T/run/victim/a.c0" \
	HOSTILE_PID=$(status_of victim '.nodes[0].pid') \
	PATH="$T/bin:$PATH" run labctl topology up "$(hello_file hostile)" --keep
	[ "$status" = 1 ]
	output_has 'exited with status 3'
	said=$(cat "$T/state/hostile/a/qemu.log")
	echo "$said"
	# What it may: read its image, write into its own folder. Root's is another user, who cannot make
	# files there either, and for whom other paths do not exist.
	grep "^read $image/hello.img: yes$" <<<"$said"
	if [ "$(id -u)" = 0 ]; then
		[ "$(grep -c ': yes$' <<<"$said")" = 1 ]
		! grep -x 'uid 0' <<<"$said" || false
		[ "$(grep -c '^read .*: No such file or directory$' <<<"$said")" -ge 8 ]
	else
		[ "$(grep -c ': yes$' <<<"$said")" = 2 ]
		grep '^write own folder: yes$' <<<"$said"
	fi
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
	grep -E '^CapEff:\s+0000000000000000$' "/proc/$pid/status"
}

# as_user UID COMMAND…: as a QEMU's user, so without the rest of its isolation.
as_user() {
	setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# node_user LAB NODE KEY
node_user() {
	status_of "$1" ".nodes[] | select(.name == \"$2\").$3"
}

@test "root's guests are nobody's: each lab has a user of its own" {
	local pid uid other
	[ "$(id -u)" = 0 ] || skip "only root has other users to give"
	labctl doctor --json | jq -e '.items[] | select(.name == "guests run as") | .ok'
	labctl topology up "$(hello_file lab)" >/dev/null
	labctl topology up "$(hello_file other)" >/dev/null
	pid=$(status_of lab '.nodes[0].pid')
	uid=$(node_user lab a user) other=$(node_user other a user)
	[ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ]
	[ "$(node_user lab b user)" = "$uid" ]
	[ "$(node_user lab a user_fault)" = null ]
	grep -E "^Uid:(\s+$uid){4}$" "/proc/$pid/status"
	grep -E "^Gid:(\s+$uid){4}$" "/proc/$pid/status"
	grep -E '^Groups:\s*$' "/proc/$pid/status" || [ -c /dev/kvm ]
	# Of the file system it has what it needs.
	[ "$(cd "/proc/$pid/root$T" && find . -mindepth 1 -maxdepth 3 | sort | tr '\n' ' ')" = "./run ./run/lab ./run/lab/a.0.in ./run/lab/a.0.out ./state ./state/lab ./state/lab/a " ]
	[ ! -e "/proc/$pid/root/etc/shadow" ] && [ ! -e "/proc/$pid/root/home" ] && [ ! -e "/proc/$pid/root/bin/sh" ]
	# And that user, were it anywhere else, has no more rights than a stranger. (Two labs rarely share one.)
	chmod 755 "$T" "$T/run" "$T/run/lab"
	expect_status 1 as_user "$uid" test -r "$T/run/lab/state.json"
	expect_status 1 as_user "$uid" test -r "$T/run/lab/a.qmp"
	expect_status 1 as_user "$uid" test -w "$T/state/lab/a"
	expect_status 1 as_user "$uid" kill -0 "$(json .pid topology status lab)"
	[ "$uid" = "$other" ] || expect_status 1 as_user "$uid" kill -0 "$(status_of other '.nodes[0].pid')"
	chmod 700 "$T/run/lab"
}

@test "as root a disk goes on however its guest runs, and what cannot be read is no obstacle" {
	local image=$T/way/private/hello copy=$T/deep/private/hello/hello.img uid
	[ "$(id -u)" = 0 ] || skip "only root has other users to give"
	# Behind links, and below folders that are nobody else's business.
	mkdir -p "$T/deep/private"
	chmod 700 "$T/deep" "$T/deep/private"
	ln -s "$T/deep" "$T/way"
	mkdir "$image"
	cp "$(json .folder image show hello)/hello.img" "$image"
	export LABCTL_STATE=$T/way/state LABCTL_RUN=$T/way/run
	sed 's/mode: readonly/mode: overlay/' "$(json .folder image show hello)/appliance.yaml" >"$image/appliance.yaml"
	export LABCTL_IMAGES=$T/way/private
	# As labs of before: root's.
	LABCTL_QEMU_USER=root labctl topology up "$(hello_file lab)" >/dev/null
	[ "$(node_user lab a user)" = 0 ] && [ "$(node_user lab a user_fault)" = null ]
	labctl topology down lab >/dev/null
	[ "$(stat -c %u "$T/way/state/lab/a/disk0.qcow2")" = 0 ]
	# Then as a user, and back, with an engine that takes over in between.
	labctl topology up "$T/lab.yaml" >/dev/null
	uid=$(node_user lab a user)
	[ "$uid" != 0 ] && [ "$(stat -c %u "$T/way/state/lab/a/disk0.qcow2")" = "$uid" ]
	kill_engines lab
	[ "$(node_user lab a user)" = "$uid" ]
	labctl node restart -l lab a >/dev/null
	[ "$(node_user lab a user)" = "$uid" ]
	# A disk that only its owner may read.
	chmod 600 "$copy"
	labctl node restart -l lab a >/dev/null
	[ "$(node_user lab a user)" = 0 ] && [ "$(node_user lab b user)" = "$uid" ]
	run labctl topology status lab
	output_has "^Run as root: a: user $uid may not read $copy: Permission denied; let others read it: chmod o\+r $copy"
	kill_engines lab
	[ "$(node_user lab a user)" = 0 ]
	[[ "$(node_user lab a user_fault)" == *"$copy"* ]]
	chmod 644 "$copy"
	labctl node restart -l lab a >/dev/null
	[ "$(node_user lab a user)" = "$uid" ] && [ "$(node_user lab a user_fault)" = null ]
	labctl node stop -l lab a >/dev/null
	labctl node wipe -l lab a >/dev/null
	labctl node start -l lab a >/dev/null
	[ "$(node_user lab a user)" = "$uid" ]
	labctl topology down lab >/dev/null
	LABCTL_QEMU_USER=nobody-of-that-name expect_status 1 labctl topology up "$T/lab.yaml"
	output_has "there is no user 'nobody-of-that-name'"
	LABCTL_QEMU_USER=root labctl topology up "$T/lab.yaml" >/dev/null
	[ "$(status_of lab '[.nodes[].user] | unique | tojson')" = '[0]' ]
	labctl topology down lab >/dev/null
	[ ! -e "$T/way/run/lab" ]
}

@test "a stranger gets into nothing of a lab" {
	local path
	[ "$(id -u)" = 0 ] || skip "only root can play another user"
	labctl topology up "$(hello_file lab)" >/dev/null
	chmod 755 "$T"
	[ "$(stat -c %a "$T/run/lab")" = 700 ]
	for path in "$T"/run/lab/*; do
		[ -L "$path" ] || [ "$(stat -c %a "$path")" = 600 ] || [ -d "$path" ]
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
