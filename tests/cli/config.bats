#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# Configurations out of appliances and in again: save-config and diff. One lab for all tests of this
# file, in their order: each goes on where the one before it ended.

load helper

setup_file() {
	[ -w /dev/net/tun ] || return 0
	lab_setup
	mkdir "$T/lab"
	printf 'echo from the topology\n' >"$T/lab/h.sh"
	cat >"$T/lab/cfg.yaml" <<-EOT
	lab: cfg
	nodes:
	  # the only router
	  r1:
	    image: frr   # of Debian
	    memory: 192M
	  h1: {image: host, nics: 1, config: h.sh}
	  x: {image: hello}
	links:
	  - [r1:eth0, h1:eth0]
	EOT
	labctl topology up "$T/lab/cfg.yaml" >"$T/up.log" 2>&1 || {
		cat "$T/up.log"
		return 1
	}
}

setup() {
	needs_tun
	CONF=$T/lab/configs/cfg/r1.conf
}

teardown_file() {
	lab_teardown
}

@test "a copy of the lab in another folder is the same lab, until a file in it says something else" {
	cp -r "$T/lab" "$T/copy"
	expect_status 0 labctl topology apply "$T/copy/cfg.yaml" --dry-run
	output_has 'Nothing to do'
	echo 'echo from the copy' >"$T/copy/h.sh"
	expect_status 0 labctl topology apply "$T/copy/cfg.yaml" --dry-run
	output_has '^~ node h1: config$' '^Restarts: h1$'
}

@test "a node without a file differs from nothing, and is saved beside the topology" {
	expect_status 1 labctl topology diff
	output_has '^--- /dev/null$' '^\+\+\+ b/configs/cfg/r1.conf$' '^\+hostname r1$'
	expect_status 0 labctl topology save-config
	output_has '^r1: saved in configs/cfg/r1.conf$' 'r1: add to its entry in .*cfg.yaml: config: configs/cfg/r1.conf' \
		'^h1: unchanged, h.sh$' '^x: skipped'
	grep -qx 'hostname r1' "$CONF"
	# Nothing in it that another save would write otherwise.
	expect_status 1 grep -Ei 'building|current configuration|[0-9]:[0-9][0-9]|^end$' "$CONF"
	[ -z "$(grep -n '[[:space:]]$' "$CONF")" ]
	[ -n "$(tail -c 1 "$CONF" | od -An -c | grep '\\n')" ]
	[ -n "$(head -n 1 "$CONF")" ]
}

@test "what has not changed is not written, and the topology can be completed" {
	local before
	before=$(stat -c '%i %y' "$CONF")
	expect_status 0 labctl node save-config --update r1
	output_has '^r1: unchanged, configs/cfg/r1.conf, which the topology names now$'
	[ "$(stat -c '%i %y' "$CONF")" = "$before" ]
	grep -A 3 '# the only router' "$T/lab/cfg.yaml" >"$T/entry"
	diff - "$T/entry" <<-EOT
	  # the only router
	  r1:
	    config: configs/cfg/r1.conf
	    image: frr   # of Debian
	EOT
	expect_status 0 labctl topology validate "$T/lab/cfg.yaml"
	[ "$(json '.results[0] | [.state, .add_to_topology, .file] | @csv' node save-config r1)" = \
		"\"unchanged\",false,\"$CONF\"" ]
	expect_status 0 labctl topology diff
	[ -z "$output" ]
}

@test "a change is seen, and saved while people watch" {
	labctl node exec r1:1 "vtysh -c 'configure terminal' -c 'router ospf' -c 'ospf router-id 192.0.2.77'"
	wait_until 20 node_says r1 'show running-config' 'router-id 192\.0\.2\.77'
	expect_status 1 labctl node diff r1
	output_has '^--- a/configs/cfg/r1.conf$' '^\+router ospf$' '^\+ ospf router-id 192.0.2.77$'
	expect_status 1 labctl node diff r1 --json
	jq -e '.different and .results[0].state == "different" and (.results[0].diff | contains("+router ospf"))' <<<"$output"
	# Somebody at the very console that it is fetched over.
	socat -u "UNIX-CONNECT:$T/run/cfg/r1.c1" "CREATE:$T/watched" 3>&- &
	local watcher=$!
	wait_until 10 test -e "$T/watched"
	expect_status 0 labctl topology save-config
	output_has '^r1: saved in configs/cfg/r1.conf$'
	kill $watcher
	grep -q 'show running-config' "$T/watched"
	grep -qx ' ospf router-id 192.0.2.77' "$CONF"
	expect_status 0 labctl topology diff
}

@test "errors name the node, and the others are saved" {
	expect_status 2 labctl node save-config nosuch
	output_has "nosuch"
	expect_status 2 labctl node save-config
	expect_status 2 labctl node save-config --all r1
	expect_status 1 labctl node save-config x
	output_has "node 'x'.*hello"
	expect_status 2 labctl node diff x
	expect_status 0 labctl topology save-config --into "$T/copies"
	cmp "$CONF" "$T/copies/r1.conf"
	labctl node stop h1
	printf '# by hand\n' >>"$CONF"
	expect_status 1 labctl node save-config --all
	output_has "node 'h1' is stopped" '^r1: saved'
	expect_status 0 labctl node diff r1
	expect_status 2 labctl topology diff
	output_has "node 'h1' is stopped"
}

@test "a file that others start from is left alone" {
	labctl node start h1
	on h1 "echo 'echo changed' >>/etc/labctl/config"
	sed -i 's/^  x: .*/  x: {image: hello, config: h.sh}/' "$T/lab/cfg.yaml"
	labctl topology apply --restart "$T/lab/cfg.yaml"
	expect_status 1 labctl node save-config h1
	output_has "h1.*other nodes start from h.sh"
	[ "$(cat "$T/lab/h.sh")" = 'echo from the topology' ]
	sed -i 's/^  x: .*/  x: {image: hello}/' "$T/lab/cfg.yaml"
	labctl topology apply --restart "$T/lab/cfg.yaml"
	expect_status 0 labctl node save-config h1
	[ "$(cat "$T/lab/h.sh")" = $'echo from the topology\necho changed' ]
}

@test "the next up starts from it, wiped or not" {
	# Not wiped: the node's own disk was told too.
	labctl node restart r1
	node_says r1 'show running-config' 'router-id 192\.0\.2\.77'
	labctl topology down --wipe
	labctl topology up "$T/lab/cfg.yaml"
	node_says r1 'show running-config' 'router-id 192\.0\.2\.77'
	expect_status 0 labctl topology diff
	expect_status 0 labctl node exec h1 'grep changed /etc/labctl/config'
}
