#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# node exec: scripts, and several nodes at once.

load helper

setup() {
	needs_tun
	lab_setup
}

teardown() {
	lab_teardown
}

@test "a script types and expects" {
	labctl topology up "$TOPOLOGIES/hello.yaml"
	cat >"$T/good" <<-'EOT'
	# What is typed comes back.
	timeout 20s
	send marco
	expect ^marco$
	type po
	type lo\r
	expect ^po?lo within 10s
	refuse no such thing
	key ^M
	send last
	expect last
	wait 10ms
	EOT
	labctl node exec --script "$T/good" a >"$T/out"
	grep -qx marco "$T/out"
	grep -qx polo "$T/out"
	# Several nodes, one after the other.
	labctl node exec --script "$T/good" a,b >"$T/out"
	[ "$(grep -cx marco "$T/out")" = 2 ]
	[ "$(json '.results | length' node exec --script "$T/good" a,b)" = 2 ]
	# A line is looked at once: the second expect waits for another.
	printf 'send once\nexpect once\nexpect once within 300ms\n' >"$T/twice"
	expect_status 1 labctl node exec --script "$T/twice" a
	output_has "node 'a': .*twice:3: expect once: nothing matched within 300ms"
	printf 'refuse bad\nsend it is bad\nexpect never\n' >"$T/refused"
	expect_status 1 labctl node exec --script "$T/refused" a
	output_has 'refused by line 1: it is bad'
	printf 'send x\nexpct y\n' >"$T/wrong"
	expect_status 2 labctl node exec --script "$T/wrong" a
	output_has "wrong:2: not a step .*'expct'"
	expect_status 2 labctl node exec a
	expect_status 2 labctl node exec --script "$T/good" nobody
}

@test "a command on several nodes at once" {
	[ -e "$(images_root)/host/appliance.yaml" ] || skip "the image host is not built"
	cat >"$T/hosts.yaml" <<-EOT
	lab: hosts
	defaults: {image: host}
	nodes: {h1: {}, h2: {}}
	EOT
	labctl topology up "$T/hosts.yaml"
	labctl node exec h1,h2 hostname >"$T/out"
	diff "$T/out" - <<-EOT
	h1:
	h1
	h2:
	h2
	EOT
	# shellcheck disable=SC2016 # the guest expands it
	[ "$(json '[.results[].status] | join(",")' node exec h1,h2 'test "$(hostname)" = h2' || true)" = 1,0 ]
	expect_status 1 labctl node exec h1,h2 false
	# shellcheck disable=SC2016
	printf 'run cd /tmp\nrun test $PWD = /tmp\nsend cat\nsend through\nexpect ^through$\nkey ^D\nrun true\n' >"$T/steps"
	labctl node exec --script "$T/steps" h1
	printf 'run false\n' >"$T/fails"
	expect_status 1 labctl node exec --script "$T/fails" h1
	output_has 'fails:1: run false: status 1'
	# Output that is just the prompt, and more after a pause.
	[ "$(on h1 "printf '%s\n' one; sleep 0.3; echo two")" = $'one\ntwo' ]
	# The node's own prompt, without the end of the line, and a pause: what comes then, and the status, are its own.
	expect_status 1 labctl node exec h1 "printf 'h1:~# '; sleep 1; echo two; false"
	[ "$output" = 'h1:~# two' ]
	# A message of the kernel's in between does no harm.
	[ "$(on h1 "(sleep 0.2; echo '<1>a message' >/dev/kmsg) & sleep 0.1")" ]
	# The shell tells the end of its job before some later prompt: here.
	on h1 wait >/dev/null
	[ "$(on h1 'echo as ever')" = 'as ever' ]
	expect_status 2 labctl node exec h1 $'one\ntwo'
	output_has 'single line' '--script'
}
