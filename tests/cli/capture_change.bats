#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# Captures follow a lab that changes: nodes, ends and cables come, go and move while they run. Boot
# sectors do: the frames are made at their taps.

load helper

setup() {
	needs_tun
	command -v tshark >/dev/null || skip "tshark is not installed"
	lab_setup
	cat >"$T/one.yaml" <<-EOT
	lab: change
	capture: {keep: 10m}
	defaults: {image: hello, nics: 2}
	nodes:
	  a: {}
	  b: {}
	  c: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: ab}
	lans:
	  core: [b:eth1, c:eth0]
	EOT
	# c goes, d comes, a joins the LAN, the cable has another name.
	cat >"$T/two.yaml" <<-EOT
	lab: change
	capture: {keep: 5m}
	defaults: {image: hello, nics: 2}
	nodes:
	  d: {}
	  a: {}
	  b: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: renamed}
	lans:
	  core: [b:eth1, a:eth1, d:eth0]
	EOT
	labctl topology up "$T/one.yaml" >/dev/null
}

teardown() {
	lab_teardown
}

# inject FROM TO NODE:PORT…: a frame with each of these numbers towards each of these ends.
inject() {
	in_lab change python3 - "$@" <<-'EOT'
	import json, socket, subprocess, sys
	names = {}
	for link in json.loads(subprocess.run(["ip", "-j", "link", "show"], capture_output=True).stdout):
	    for name in link.get("altnames", []):
	        names[name] = link["ifname"]
	for end in sys.argv[3:]:
	    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	    s.bind((names[end], 0))
	    for i in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
	        s.send(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\xb5" + i.to_bytes(4, "big") + bytes(46))
	EOT
}

# seen FILE: end, its link and the numbers of its frames, in the order of the file.
seen() {
	tshark -n -r "$1" -Y 'eth.type == 0x88b5' -T fields -e frame.interface_name -e frame.interface_description \
		-e data.data 2>/dev/null | awk -F '\t' '{print $1, $2 ? $2 : "-", substr($3, 5, 4)}' |
		while read -r end link number; do echo "$end $link $((16#$number))"; done
}

# frames END LINK FROM TO: what seen() says of these.
frames() {
	seq -f "$1 $2 %.0f" "$3" "$4"
}

start() {
	ID=$(json .id capture start "$@")
}

ended() {
	[ "$(json ".captures[] | select(.id == $1) | .state" capture list)" = ended ]
}

worker() {
	jq ".captures[] | select(.id == $1) | .pid" "$T/run/change/state.json"
}

# replaced ID PIDS: its worker is none of those.
replaced() {
	local pid
	pid=$(worker "$1")
	[ -n "$pid" ] && [[ "$2" != *" $pid "* ]]
}

# older PID: it has been there for more than two seconds, of which ps counts the whole ones.
older() {
	[ "$(ps -o etimes= -p "$1")" -gt 2 ]
}

@test "whole lab, LAN and node follow topology apply: who comes is there from the first frame, who goes is not" {
	local lab lan node gone
	start -w "$T/lab.pcapng"
	lab=$ID
	start core -w "$T/lan.pcapng"
	lan=$ID
	start a -w "$T/node.pcapng"
	node=$ID
	start c -w "$T/gone.pcapng"
	gone=$ID
	inject 1 20 a:eth0 a:eth1 b:eth1 c:eth0
	labctl topology apply "$T/two.yaml"
	inject 21 40 a:eth0 a:eth1 b:eth1 d:eth0
	# What was captured of c is whole; there is no c any more.
	wait_until 10 ended "$gone"
	labctl topology apply "$T/one.yaml"
	inject 41 60 a:eth0 a:eth1 b:eth1 c:eth0
	[ "$(json '[.captures[] | .dropped] | add' capture stop "$lab" "$lan" "$node")" = 0 ]
	{
		frames a:eth0 ab 1 20 && frames a:eth1 - 1 20 && frames b:eth1 core 1 20 && frames c:eth0 core 1 20
		frames a:eth0 renamed 21 40 && frames a:eth1 core 21 40 && frames b:eth1 core 21 40
		frames d:eth0 core 21 40
		frames a:eth0 ab 41 60 && frames a:eth1 - 41 60 && frames b:eth1 core 41 60 && frames c:eth0 core 41 60
	} | sort >"$T/all"
	seen "$T/lab.pcapng" | sort | diff "$T/all" -
	{ grep ' core ' "$T/all"; } | diff - <(seen "$T/lan.pcapng" | sort)
	{ grep '^a:' "$T/all"; } | diff - <(seen "$T/node.pcapng" | sort)
	{ frames c:eth0 core 1 20 | sort; } | diff - <(seen "$T/gone.pcapng" | sort)
	local file
	for file in "$T"/{lab,lan,node,gone}.pcapng; do
		tshark -n -r "$file" -T fields -e frame.time_epoch 2>/dev/null | sort -nc
		capinfos "$file" >/dev/null
	done
}

@test "what is kept goes on through a change, and for as long as the file says" {
	inject 1 5 a:eth0 c:eth0
	run labctl topology apply "$T/two.yaml"
	output_has '^. capture keep: 300s'
	inject 6 10 a:eth0 d:eth0
	[ "$(json .keep_ms capture list)" = 300000 ]
	[ "$(json .packets capture save --filter 'ether proto 0x88b5' -w "$T/kept.pcapng")" = 20 ]
	{
		frames a:eth0 ab 1 5 && frames c:eth0 core 1 5 && frames a:eth0 renamed 6 10 && frames d:eth0 core 6 10
	} | sort | diff - <(seen "$T/kept.pcapng" | sort)
	[ "$(json .packets capture save a:eth0 --filter 'ether proto 0x88b5' -w "$T/one.pcapng")" = 10 ]
	# Off, and on again: from then on.
	sed '/^capture:/d' "$T/two.yaml" >"$T/off.yaml"
	labctl topology apply "$T/off.yaml"
	wait_until 10 eval '! labctl capture save -w "$T/no.pcapng"'
	[ "$(json .keep_ms capture list)" = 0 ]
	labctl topology apply "$T/two.yaml"
	wait_until 10 eval 'labctl capture save -w "$T/again.pcapng"'
	inject 11 12 d:eth0
	labctl capture save -w "$T/again.pcapng"
	frames d:eth0 core 11 12 | diff - <(seen "$T/again.pcapng")
}

@test "a change while no engine runs, or one that is killed at it, is caught up with" {
	start -w "$T/lab.pcapng"
	inject 1 10 a:eth0
	labctl topology apply "$T/two.yaml"
	inject 11 20 d:eth0
	kill_engines
	inject 21 30 d:eth0 a:eth0
	labctl topology apply "$T/one.yaml"
	kill_engines
	inject 31 40 a:eth0 c:eth0
	labctl capture stop "$ID"
	{
		frames a:eth0 ab 1 10 && frames d:eth0 core 11 20 && frames d:eth0 core 21 30
		frames a:eth0 renamed 21 30 && frames a:eth0 ab 31 40 && frames c:eth0 core 31 40
	} | sort | diff - <(seen "$T/lab.pcapng" | sort)
}

@test "a worker that is killed is replaced: one file, one stream, whole, with a word about it" {
	local was ring stream reader
	timeout -k 5 100 "$LABCTL" capture stream a:eth0 --packets 100 >"$T/stream.pcapng" 2>"$T/err" </dev/null &
	reader=$!
	wait_until 10 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 1 ]'
	stream=$(json '.captures[] | select(.state == "running") | .id' capture list)
	start -w "$T/lab.pcapng"
	start a:eth0 --rotate 64Kx3 -w "$T/ring.pcapng"
	ring=$ID
	ID=$((ring - 1))
	inject 1 50 a:eth0 c:eth0
	wait_until 10 eval '[ "$(json ".captures[] | select(.id == $ID) | .packets" capture list)" = 100 ]'
	# So old must a worker be to be replaced; younger ones would only die again.
	wait_until 10 older "$(worker "$ID")"
	wait_until 10 older "$(worker "$ring")"
	wait_until 10 older "$(worker "$stream")"
	wait_until 10 eval '[ "$(json ".captures[] | select(.id == $stream) | .packets" capture list)" = 50 ]'
	was=" $(worker "$ID") $(worker "$ring") $(worker "$stream") "
	# shellcheck disable=SC2086 # three
	kill -9 $was
	wait_until 10 replaced "$ID" "$was"
	wait_until 10 replaced "$ring" "$was"
	# The stream has lost its pipe: its reader asks for another one, and joins them.
	wait_until 20 eval '[ "$(json ".captures[] | select(.id != $stream and .file == null) | .state" capture list)" = running ]'
	labctl capture note 'it goes on'
	labctl topology apply "$T/two.yaml"
	inject 51 100 a:eth0 d:eth0
	wait_until 10 eval '[ "$(json ".captures[] | select(.id == $ID) | .packets" capture list)" = 200 ]'
	labctl capture stop --all
	[ "$(json ".captures[] | select(.id == $ID) | .error" capture list)" = null ]
	{
		frames a:eth0 ab 1 50 && frames c:eth0 core 1 50 && frames a:eth0 renamed 51 100 && frames d:eth0 core 51 100
	} | sort | diff - <(seen "$T/lab.pcapng" | sort)
	run tshark -n -r "$T/lab.pcapng" -Y frame.comment -T fields -e frame.comment
	output_has 'worker was killed and another one took its place' 'it goes on'
	capinfos "$T/lab.pcapng" >/dev/null
	tcpdump -nr "$T/lab.pcapng" 2>/dev/null | grep -c 0x88b5
	[ "$(seen "$T/ring.1.pcapng" | wc -l)" = 100 ]
	# It ended by its limit, which both parts count towards.
	wait $reader
	{ frames a:eth0 ab 1 50 && frames a:eth0 renamed 51 100; } | diff - <(seen "$T/stream.pcapng")
	grep -q 'broke off, as its worker was killed, and goes on' "$T/err"
	run tshark -n -r "$T/stream.pcapng" -Y frame.comment -T fields -e frame.comment
	output_has 'the stream broke off here, as its worker was killed'
	run capinfos "$T/stream.pcapng"
	output_has 'Number of packets = 50' 'Number of stat entries = 1'
	tcpdump -nr "$T/stream.pcapng" 2>/dev/null | grep -c 0x88b5
}
