#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2030,SC2031 # each test changes its own environment
#
# Wrong files and hostile surroundings: each is told in words that help, and nothing is left half done.

load helper

setup() {
	lab_setup
}

teardown() {
	lab_teardown
}

# invalid REGEX… <FILE: validate refuses it by FILE:LINE:COL: lines, and up by the same, making nothing.
invalid() {
	cat >"$T/bad.yaml"
	expect_status 2 labctl topology validate "$T/bad.yaml"
	output_has "bad.yaml:[0-9]+:[0-9]+: " "$@"
	expect_status 2 labctl topology up "$T/bad.yaml"
	output_has "bad.yaml:[0-9]+:[0-9]+: " "$@"
	nothing_was_made
}

nothing_was_made() {
	[ -z "$(leftovers "$T")" ]
	[ ! -e "$LABCTL_RUN" ] || [ -z "$(find "$LABCTL_RUN" -mindepth 1)" ]
}

# in_mounts COMMANDS LABCTL-ARGUMENTS…: labctl in a mount namespace where COMMANDS were run as root (or, for
# an ordinary user, as root of a user namespace around his own).
in_mounts() {
	local commands=$1
	shift
	if [ "$(id -u)" = 0 ]; then
		timeout -k 5 100 unshare -m bash -c "$commands"' && exec "$@"' - "$LABCTL" "$@" </dev/null
	else
		unshare -Ur true 2>/dev/null || skip "user namespaces are refused here"
		timeout -k 5 100 unshare -Urm bash -c "$commands"' && exec "$@"' - \
			unshare -U --map-user="$(id -u)" --map-group="$(id -g)" "$LABCTL" "$@" </dev/null
	fi
}

# bats test_tags=quick
@test "an unknown key, with the nearest one that is known" {
	invalid ':3:1: .*nodse' 'nodes' <<-EOT
	lab: x
	defaults: {image: hello}
	nodse: {a: {}}
	EOT
}

# bats test_tags=quick
@test "all errors of a file at once, each with its place" {
	cat >"$T/bad.yaml" <<-EOT
	lab: x
	defaults: {image: hello}
	nodes:
	  a: {memroy: 64M}
	  b: {memory: 64Q}
	  a: {}
	  -c: {}
	links:
	  - [a:eth0, b:eth0]
	  - [a:eth0, b:eth1]
	  - [a:eth1, z:eth0]
	  - [a:eth99, b:eth2]
	EOT
	expect_status 2 labctl topology validate "$T/bad.yaml"
	output_has ':4:7: .*memroy.*memory' ':5:[0-9]+: .*64Q' ':6:3: .*a' ':7:3: .*-c' ':10:6: .*a:eth0' \
		':11:[0-9]+: .*z' ':12:[0-9]+: .*eth99'
}

# bats test_tags=quick
@test "a duplicate node" {
	invalid 'a.*(twice|already|duplicate|again)' <<<$'lab: x\ndefaults: {image: hello}\nnodes:\n  a: {}\n  a: {}'
}

# bats test_tags=quick
@test "an endpoint used twice" {
	invalid 'a:eth0' <<<$'lab: x\ndefaults: {image: hello}\nnodes: {a: {}, b: {}}\nlinks:\n  - [a:eth0, b:eth0]\n  - [a:eth0, b:eth1]'
}

# bats test_tags=quick
@test "an unknown node and a NIC beyond the node's" {
	invalid 'zz' 'eth5' <<<$'lab: x\ndefaults: {image: hello}\nnodes: {a: {nics: 2}, b: {}}\nlinks:\n  - [zz:eth0, b:eth0]\n  - [a:eth5, b:eth1]'
}

# bats test_tags=quick
@test "an image that is not there, and a configuration file that is not" {
	invalid 'frx' 'nosuch.conf' <<<$'lab: x\nnodes:\n  a: {image: frx}\n  b: {image: frr, config: nosuch.conf}'
}

# bats test_tags=quick
@test "nodes that wait for each other" {
	invalid 'after|cycl|circle' <<<$'lab: x\ndefaults: {image: hello}\nnodes:\n  a: {after: [b]}\n  b: {after: [c]}\n  c: {after: [a]}'
}

# bats test_tags=quick
@test "units and names that are none" {
	invalid '12parsecs|delay' 'under_score' <<<$'lab: x\ndefaults: {image: hello}\nnodes: {a: {}, b: {}, under_score: {}}\nlinks:\n  - {ends: [a:eth0, b:eth0], delay: 12parsecs}'
}

# bats test_tags=quick
@test "malformed YAML" {
	invalid <<<$'lab: x\nnodes: {a: {}, b: [}\n'
}

# bats test_tags=quick
@test "an empty file, a list, a word" {
	invalid </dev/null
	invalid <<<'- a'
	invalid <<<'hello'
}

# bats test_tags=quick
@test "binary junk" {
	head -c 100000 "$LABCTL" >"$T/junk.yaml"
	expect_status 2 labctl topology validate "$T/junk.yaml"
	output_has 'junk.yaml'
	[ ${#output} -lt 2000 ]
	# What comes back is fit for a terminal.
	labctl topology validate "$T/junk.yaml" >"$T/out" 2>&1 || true
	run env LC_ALL=C grep -ac $'[\x01-\x08\x0e-\x1f\x7f]' "$T/out"
	[ "$output" = 0 ]
}

# bats test_tags=quick
@test "ten megabytes of YAML" {
	{ echo 'lab: x'; echo 'nodes:'; seq -f '  n%.0f: {image: hello}' 450000; } >"$T/big.yaml"
	[ "$(stat -c %s "$T/big.yaml")" -gt 10000000 ]
	LABCTL_TIMEOUT=20 expect_status 2 labctl topology validate "$T/big.yaml"
	output_has 'big.yaml'
	[ ${#output} -lt 5000 ]
}

# bats test_tags=quick
@test "nesting without end, and aliases that multiply" {
	{ printf 'lab: x\nnodes: '; head -c 200000 /dev/zero | tr '\0' '['; } >"$T/deep.yaml"
	LABCTL_TIMEOUT=20 expect_status 2 labctl topology validate "$T/deep.yaml"
	cat >"$T/laughs.yaml" <<-'EOT'
	a: &a [x, x, x, x, x, x, x, x, x]
	b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
	c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
	d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]
	e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
	f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
	g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]
	h: &h [*g, *g, *g, *g, *g, *g, *g, *g, *g]
	lab: *h
	EOT
	LABCTL_TIMEOUT=20 expect_status 2 labctl topology validate "$T/laughs.yaml"
}

# bats test_tags=quick
@test "a file that is not there, a folder, a file without permission" {
	run labctl topology validate "$T/none.yaml"
	[ "$status" -ne 0 ]
	output_has 'none.yaml' 'No such file'
	run labctl topology up "$T"
	[ "$status" -ne 0 ]
	nothing_was_made
}

# bats test_tags=quick
@test "400 nodes that do not fit in memory are refused before anything starts" {
	{
		printf 'lab: huge\ndefaults: {image: hello, memory: 64G}\nnodes:\n'
		seq -f '  n%.0f: {}' 400
	} >"$T/huge.yaml"
	expect_status 1 labctl topology up "$T/huge.yaml"
	output_has '400 nodes' 'memory' '[0-9][TG]\b'
	nothing_was_made
}

@test "an image file that vanished" {
	needs_tun
	cp -rL "$(images_root)/hello" "$T/hello-copy"
	mkdir "$T/images"
	mv "$T/hello-copy" "$T/images/hello"
	export LABCTL_IMAGES=$T/images
	rm "$T/images/hello/hello.img"
	run labctl topology up "$TOPOLOGIES/hello.yaml"
	[ "$status" -ne 0 ]
	output_has 'hello.img'
	nothing_was_made
}

@test "an image that vanishes while the lab runs is told at the next start" {
	needs_tun
	mkdir "$T/images"
	cp -rL "$(images_root)/hello" "$T/images/hello"
	export LABCTL_IMAGES=$T/images
	labctl topology up "$TOPOLOGIES/hello.yaml"
	rm -r "$T/images/hello"
	labctl node stop a
	expect_status 1 labctl node start a
	output_has 'hello'
	[ "$(status_of hello '.nodes[1].state')" = ready ]
}

@test "QEMU that is missing" {
	needs_tun
	mkdir "$T/bin"
	local tool
	for tool in bash sh env timeout tar cat; do ln -s "$(command -v $tool)" "$T/bin/"; done
	PATH=$T/bin expect_status 1 "$(command -v timeout)" -k 5 60 "$LABCTL" topology up "$TOPOLOGIES/hello.yaml"
	output_has 'qemu-system-x86_64' 'not found|No such file|missing|install'
	nothing_was_made
}

@test "QEMU that dies at once is quoted" {
	needs_tun
	mkdir "$T/bin"
	cat >"$T/bin/qemu-system-x86_64" <<-'EOT'
	#!/bin/sh
	echo "qemu-system-x86_64: the frobnicator is out of cheese" >&2
	exit 1
	EOT
	chmod +x "$T/bin/qemu-system-x86_64"
	PATH=$T/bin:$PATH expect_status 1 labctl topology up "$TOPOLOGIES/hello.yaml"
	output_has 'out of cheese'
	nothing_was_made
}

@test "QEMU that says nothing and hangs does not hang labctl" {
	needs_tun
	mkdir "$T/bin"
	printf '#!/bin/sh\nexec sleep 1000\n' >"$T/bin/qemu-system-x86_64"
	chmod +x "$T/bin/qemu-system-x86_64"
	PATH=$T/bin:$PATH LABCTL_TIMEOUT=90 expect_status 1 labctl topology up "$TOPOLOGIES/hello.yaml" --timeout 15
	! grep -q denied <<<"$output" || false
	nothing_was_made
}

@test "up that fails with --keep leaves what there is, for looking" {
	needs_tun
	cat >"$T/keep.yaml" <<-EOT
	lab: keep
	defaults: {image: hello}
	nodes:
	  a: {}
	  b: {machine: nosuchmachine}
	EOT
	expect_status 1 labctl topology up --keep "$T/keep.yaml"
	output_has 'unsupported machine'
	[ "$(status_of keep '.nodes[0].state')" != stopped ]
	labctl topology down keep
	expect_status 1 labctl topology up "$T/keep.yaml"
	nothing_was_made
}

@test "a run folder that belongs to someone else" {
	if [ "$(id -u)" = 0 ]; then
		mkdir "$T/theirs"
		chown 12345 "$T/theirs"
		export LABCTL_RUN=$T/theirs
	else
		export LABCTL_RUN=/usr
	fi
	expect_status 1 labctl topology up "$TOPOLOGIES/hello.yaml"
	output_has "$LABCTL_RUN" 'own|permission|belong'
	[ -z "$(leftovers "$T")" ]
}

# bats test_tags=quick
@test "a run folder whose path is too long for sockets" {
	needs_tun
	LABCTL_RUN=$T/$(printf 'long%.0s' {1..22})
	export LABCTL_RUN
	mkdir -p "$LABCTL_RUN"
	expect_status 2 labctl topology up "$TOPOLOGIES/hello.yaml"
	output_has 'long' '107|108|XDG_RUNTIME_DIR|shorter'
	[ -z "$(leftovers "$T")" ]
}

# bats test_tags=quick
@test "names of sixty characters" {
	needs_tun
	local name
	name=n$(printf '%059d' 1)
	cat >"$T/names.yaml" <<-EOT
	lab: names
	defaults: {image: hello}
	nodes:
	  $name: {}
	  b: {}
	links:
	  - {ends: ["$name:eth0", "b:eth0"], name: "l$(printf '%059d' 1)"}
	EOT
	# Long names may be refused, if they would not fit a socket's path, but in clear words; /tmp is
	# short enough for these to fit.
	expect_status 0 labctl topology up "$T/names.yaml"
	[ "$(status_of names '.nodes[0].name')" = "$name" ]
	labctl topology down names
	# A host name has at most 63.
	sed "s/$name/n$name$name/" "$T/names.yaml" >"$T/longer.yaml"
	expect_status 2 labctl topology validate "$T/longer.yaml"
}

# bats test_tags=quick
@test "a lab whose name is no file name" {
	local name
	for name in ../x a/b '' . .. "$(printf 'x%.0s' {1..300})" $'a\nb' -x; do
		expect_status 2 labctl topology up "$TOPOLOGIES/hello.yaml" --name="$name"
	done
	nothing_was_made
}

@test "a disk that fills up while a node starts" {
	needs_tun
	mkdir -p "$T/state"
	expect_status 1 in_mounts "mount -t tmpfs -o size=8k,mode=777 none '$T/state'" \
		topology up "$TOPOLOGIES/ospf-triangle.yaml"
	output_has 'No space left|disk is full|full'
	nothing_was_made
}

@test "no /dev/net/tun" {
	expect_status 1 in_mounts "mount -t tmpfs none /dev/net" topology up "$TOPOLOGIES/hello.yaml"
	output_has '/dev/net/tun'
	nothing_was_made
	expect_status 1 in_mounts "mount -t tmpfs none /dev/net" doctor
	output_has '/dev/net/tun' 'mknod|modprobe'
}

@test "no user namespaces" {
	unshare -Ur true 2>/dev/null || skip "user namespaces are refused here, so they cannot be refused inside one"
	local images
	images=$(images_root)
	# An ordinary user in a namespace that allows one below it, and he is in that.
	# shellcheck disable=SC2016 # for the inner shell
	denied() {
		LABCTL_IMAGES=$images HOME=$T timeout -k 5 60 unshare -Ur bash -c '
			echo 1 >/proc/sys/user/max_user_namespaces
			exec unshare -U --map-user=1000 --map-group=1000 "$@"' - "$LABCTL" "$@" </dev/null
	}
	expect_status 1 denied topology up "$TOPOLOGIES/hello.yaml"
	output_has 'user namespace'
	nothing_was_made
	expect_status 1 denied doctor
	output_has 'user namespace' 'max_user_namespaces|unprivileged_userns_clone'
}

@test "two users run labs of the same name" {
	[ "$(id -u)" = 0 ] || skip "only root can be two users"
	# Of this run alone, so that two runs of it do not meet in /tmp.
	local n ann=$((100000 + RANDOM)) bob=$((200000 + RANDOM))
	setpriv --reuid "$ann" --regid "$ann" --clear-groups unshare -Urn true 2>/dev/null ||
		skip "user namespaces are refused here"
	setpriv --reuid "$ann" --regid "$ann" --clear-groups test -x "$LABCTL" -a -r "$TOPOLOGIES/hello.yaml" ||
		skip "other users cannot read $LABCTL_SOURCE"
	mknod -m 0666 "$T/tun" c 10 200
	chmod 755 "$T"
	# shellcheck disable=SC2016 # for the inner shell
	as() {
		local uid=$1
		shift
		env -u LABCTL_RUN -u LABCTL_STATE LABCTL_IMAGES="$(images_root)" HOME="$T/home$uid" timeout -k 5 60 \
			unshare -m bash -c 'mount --bind "$1" /dev/net/tun && shift && exec "$@"' - "$T/tun" \
			setpriv --reuid "$uid" --regid "$uid" --clear-groups "$LABCTL" "$@" </dev/null
	}
	for n in $ann $bob; do
		install -d -o "$n" -g "$n" "$T/home$n"
		as "$n" topology up "$TOPOLOGIES/hello.yaml"
	done
	[ "$(as "$ann" topology status --json | jq .nodes[0].pid)" != "$(as "$bob" topology status --json | jq .nodes[0].pid)" ]
	as "$ann" topology down
	as "$bob" topology status
	as "$bob" topology down
	[ -z "$(find "/tmp/labctl-$ann" "/tmp/labctl-$bob" -mindepth 1 2>/dev/null)" ]
	rm -rf "/tmp/labctl-$ann" "/tmp/labctl-$bob"
}

@test "interrupted at any point, up takes back what it made" {
	needs_tun
	local delay pid status
	for delay in 0.02 0.05 0.1 0.2 0.3 0.5 0.8 1.2 2 3.5; do
		# Without --default-signal a background job would ignore SIGINT.
		env --default-signal=INT "$LABCTL" topology up "$TOPOLOGIES/ospf-triangle.yaml" \
			>"$T/up.out" 2>&1 </dev/null 3>&- & pid=$!
		wait_until 5 grep -qx labctl "/proc/$pid/comm"
		sleep "$delay"
		kill -INT $pid
		status=0
		wait $pid || status=$?
		echo "after $delay s: status $status"
		tail -n 3 "$T/up.out"
		[ $status = 130 ] || [ $status = 1 ] || [ $status = 0 ]
		if [ $status = 0 ]; then labctl topology down; fi
		# No machine has this lab up in so short a time.
		[ $status != 0 ] || [ "${delay%.*}" -ge 1 ]
		wait_until 10 nothing_was_made
	done
}

@test "labctl that is killed during up leaves a lab that can be taken down" {
	needs_tun
	local pid
	"$LABCTL" topology up "$TOPOLOGIES/ospf-triangle.yaml" >"$T/up.out" 2>&1 </dev/null 3>&- & pid=$!
	wait_until 10 labctl topology status ospf-triangle
	kill -9 $pid
	wait $pid || true
	labctl topology status ospf-triangle
	labctl topology down ospf-triangle
	nothing_was_made
}
