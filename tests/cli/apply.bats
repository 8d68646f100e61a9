#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# Changing a lab that runs. Boot sectors do for most of it: what matters is who is touched and who not.

load helper

setup() {
	needs_tun
	lab_setup
	cat >"$T/one.yaml" <<-EOT
	lab: change
	defaults: {image: hello, nics: 2}
	nodes:
	  a: {}
	  b: {}
	  c: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: ab}
	  - {ends: [b:eth1, c:eth0], name: bc}
	EOT
	labctl topology up "$T/one.yaml" >/dev/null
}

teardown() {
	lab_teardown
}

pid_of() {
	status_of change ".nodes[] | select(.name == \"$1\") | .pid"
}

carrier_of() {
	status_of change ".nodes[] | select(.name == \"$1\") | .ports[$2].carrier"
}

@test "a dry run says what would be done, and does nothing" {
	local before
	sed 's/^  c: {}/  d: {}/; s/c:eth0/d:eth0/' "$T/one.yaml" >"$T/two.yaml"
	before=$(status_of change '[.nodes[] | .name, .pid] + [.links[].name] | tojson')
	run labctl topology apply "$T/two.yaml" --dry-run
	[ "$status" -eq 0 ]
	output_has '^\+ node d: image hello' '^- node c:' '^> link bc: b:eth1 c:eth0 becomes b:eth1 d:eth0'
	[ "$before" = "$(status_of change '[.nodes[] | .name, .pid] + [.links[].name] | tojson')" ]
	[ "$(json .applied topology apply "$T/two.yaml" --dry-run)" = false ]
	run labctl topology apply "$T/one.yaml"
	output_has 'Nothing to do'
}

@test "nodes come and go, cables move, and who is not named is not touched" {
	local a b
	a=$(pid_of a)
	b=$(pid_of b)
	cat >"$T/two.yaml" <<-EOT
	lab: change
	defaults: {image: hello, nics: 2}
	nodes:
	  new: {}
	  b: {}
	  a: {}
	links:
	  - {ends: [a:eth1, new:eth0], name: an}
	  - {ends: [a:eth0, b:eth0], name: ab}
	lans:
	  core: [b:eth1, new:eth1]
	EOT
	labctl topology apply "$T/two.yaml"
	[ "$(status_of change '[.nodes[].name] | tojson')" = '["new","b","a"]' ]
	[ "$(status_of change '[.nodes[].state] | unique | tojson')" = '["ready"]' ]
	[ "$(status_of change '[.links[].name] | tojson')" = '["an","ab","core"]' ]
	[ "$(pid_of a)" = "$a" ]
	[ "$(pid_of b)" = "$b" ]
	for port in "a 0" "a 1" "b 0" "b 1" "new 0" "new 1"; do
		# shellcheck disable=SC2086 # two words
		[ "$(carrier_of $port)" = true ]
	done
	# Consoles are those of their nodes, although everybody has another place now.
	run labctl node log a
	output_has 'hello'
	# Who is new has all that the others have: a socket for other programs, too.
	[ -S "$(status_of change '.nodes[0].consoles[0].socket')" ]
	labctl node stop a
	[ "$(status_of change '.nodes[] | select(.state == "stopped") | .name')" = a ]
	[ "$(carrier_of new 0)" = false ]
	labctl node start a
	# And back.
	labctl topology apply "$T/one.yaml"
	[ "$(pid_of b)" = "$b" ]
	[ "$(status_of change '[.nodes[].name] | tojson')" = '["a","b","c"]' ]
	[ "$(carrier_of c 0)" = true ]
}

@test "an engine that is killed afterwards knows what was applied, whatever the file says by then" {
	local b
	b=$(pid_of b)
	sed 's/^  c: {}/  d: {}/; s/c:eth0/d:eth0/' "$T/one.yaml" >"$T/two.yaml"
	labctl topology apply "$T/two.yaml"
	echo 'no longer YAML: [' >"$T/two.yaml"
	kill_engines
	[ "$(pid_of b)" = "$b" ]
	[ "$(status_of change '[.nodes[] | .name + " " + .state] | tojson')" = '["a ready","b ready","d ready"]' ]
}

@test "what would restart a node is refused, and done when it is allowed" {
	local a b
	a=$(pid_of a)
	b=$(pid_of b)
	sed 's/^  a: {}/  a: {memory: 16M}/' "$T/one.yaml" >"$T/two.yaml"
	expect_status 2 labctl topology apply "$T/two.yaml"
	output_has 'a would be restarted' '--restart'
	[ "$(pid_of a)" = "$a" ]
	labctl topology apply "$T/two.yaml" --restart
	[ "$(pid_of a)" != "$a" ]
	[ "$(pid_of b)" = "$b" ]
	[ "$(status_of change '.nodes[0].memory_mb')" = 16 ]
	[ "$(status_of change '[.nodes[].state] | unique | tojson')" = '["ready"]' ]
}

@test "impairments change by file; what was set by command stays unless the file speaks of it" {
	labctl link set ab delay=7ms
	labctl link down bc
	sed 's/name: bc}/name: bc, loss: 5%}/' "$T/one.yaml" >"$T/two.yaml"
	run labctl topology apply "$T/two.yaml"
	output_has '^~ link bc: impairment$'
	[ "$(json '.links[] | select(.name == "ab") | .impairment.delay' link list)" = 7ms ]
	[ "$(json '.links[] | select(.name == "bc") | .impairment.loss + .state + .reason' link list)" = '5%downcut' ]
	labctl topology apply "$T/one.yaml"
	[ "$(json '.links[] | select(.name == "bc") | .impairment' link list)" = null ]
	[ "$(json '.links[] | select(.name == "ab") | .impairment.delay' link list)" = 7ms ]
}

@test "a file that is wrong changes nothing" {
	local before
	before=$(status_of change '[.nodes[] | .name, .pid] | tojson')
	sed 's/c:eth0/nobody:eth0/' "$T/one.yaml" >"$T/two.yaml"
	expect_status 2 labctl topology apply "$T/two.yaml"
	output_has 'two.yaml:9:.*nobody'
	expect_status 2 labctl topology apply "$T/nowhere.yaml"
	sed 's/^  c: {}/  c: {}\n  huge: {memory: 900G}/' "$T/one.yaml" >"$T/two.yaml"
	expect_status 1 labctl topology apply "$T/two.yaml"
	output_has 'memory'
	[ "$before" = "$(status_of change '[.nodes[] | .name, .pid] | tojson')" ]
}
