#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Captures as a teacher uses them: two hosts that talk over a cable and two boot sectors beside them, one
# lab for all tests of this file. What one test changes it puts back.

load helper

setup_file() {
	[ -w /dev/net/tun ] || return 0
	lab_setup
	local n
	for n in 1 2; do
		echo "ip address replace 10.0.0.$n/24 dev eth0" >"$T/h$n.sh"
	done
	cat >"$T/cap.yaml" <<-EOT
	lab: cap
	capture: {keep: 10m}
	nodes:
	  h1: {image: host, config: h1.sh}
	  h2: {image: host, config: h2.sh}
	  a: {image: hello}
	  b: {image: hello}
	links:
	  - {ends: [h1:eth0, h2:eth0], name: wire}
	  - {ends: [a:eth0, b:eth0], name: side}
	EOT
	labctl topology up "$T/cap.yaml" >"$T/up.log" 2>&1 || {
		cat "$T/up.log"
		return 1
	}
}

setup() {
	needs_tun
}

teardown_file() {
	! mountpoint -q "$T/small" || umount "$T/small"
	lab_teardown
}

teardown() {
	labctl capture stop --all >/dev/null || true
}

needs_tshark() {
	command -v tshark >/dev/null || skip "tshark is not installed"
}

# fields FILE ARGUMENTS…: what tshark reads, without what it says about its user.
fields() {
	local file=$1
	shift
	tshark -n -r "$file" -T fields "$@" 2>/dev/null
}

# inject IFNAME COUNT SIZE: numbered frames towards the node at a tap, from within the namespace. The
# boot sectors never take one, so no more than the tap's queue holds, in all tests together.
inject() {
	in_lab cap python3 - "$@" <<-'EOT'
	import socket, sys
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind((sys.argv[1], 0))
	for i in range(int(sys.argv[2])):
	    s.send(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\xb5" + i.to_bytes(4, "big") + bytes(int(sys.argv[3]) - 18))
	EOT
}

# tap NODE:PORT: what its interface is called in the namespace.
tap() {
	in_lab cap ip -j link show dev "$1" | jq -r '.[0].ifname'
}

counted() {
	[ "$(json ".captures[] | select(.id == $1) | .packets" capture list)" -ge "$2" ]
}

ended() {
	[ "$(json ".captures[] | select(.id == $1) | .state" capture list)" = ended ]
}

# start ARGUMENTS…: start a capture and set ID.
start() {
	ID=$(json .id capture start "$@")
}

@test "a download with offload looks as on a cable: sizes, checksums, every byte" {
	needs_tshark
	on h1 'seq 1 150000 >/tmp/file; socat TCP-LISTEN:8000,reuseaddr OPEN:/tmp/file,rdonly &'
	seq 1 150000 >"$T/file"
	start h2:eth0 -w "$T/tcp.pcapng"
	local sum
	sum=$(sha256sum <"$T/file" | cut -d' ' -f1)
	wait_until 10 listens h1 8000
	[[ $(on h2 'socat -u TCP:10.0.0.1:8000 - | sha256sum') == *"$sum"* ]]
	labctl capture stop "$ID"
	[ "$(json ".captures[] | select(.id == $ID) | .dropped" capture list)" = 0 ]
	# 1500 bytes and their Ethernet header.
	[ "$(fields "$T/tcp.pcapng" -e frame.len | sort -n | tail -1)" -le 1514 ]
	[ "$(fields "$T/tcp.pcapng" -e tcp.len | sort -n | tail -1)" -gt 1000 ]
	# 1 is good.
	[ "$(tshark -n -r "$T/tcp.pcapng" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y tcp -T fields \
		-e tcp.checksum.status -e ip.checksum.status 2>/dev/null | sort -u)" = "1	1" ]
	tshark -n -r "$T/tcp.pcapng" -q -z follow,tcp,raw,0 2>/dev/null | grep -E '^\s*[0-9a-f]+$' | tr -d '\t\n' |
		python3 -c "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))" | cmp - "$T/file"
}

@test "the whole lab, through restarts, recabling and the engine's death" {
	needs_tshark
	start -w "$T/lab.pcapng"
	timeout -k 5 60 "$LABCTL" capture stream h1:eth0 --filter icmp >"$T/stream.pcapng" 2>"$T/err" </dev/null &
	local reader=$!
	wait_until 10 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 2 ]'
	on h1 'ping -q -i 0.02 -c 300 10.0.0.2 >/tmp/ping.log 2>&1 &'
	labctl node restart a
	labctl link down side
	labctl link up side
	# b goes, c comes, and the cable between a and b has another end and another name.
	sed 's/^  b: .*/  c: {image: hello}/; s/b:eth0\], name: side/c:eth0], name: other/' "$T/cap.yaml" >"$T/other.yaml"
	labctl topology apply "$T/other.yaml"
	labctl node stop a
	labctl node start a
	inject "$(tap c:eth0)" 3 60
	kill_engines cap
	labctl capture note 'the engine is another one'
	inject "$(tap a:eth0)" 1 60
	wait_until 60 eval 'on h1 "cat /tmp/ping.log" | grep -q "300 packets transmitted, 300 received"'
	labctl topology apply "$T/cap.yaml"
	inject "$(tap b:eth0)" 2 60
	labctl capture stop --all
	wait $reader
	# Requests and replies: sent at one end, arrived at the other, each once. 1: inbound, 2: outbound.
	local end direction type
	for end in h1:eth0 h2:eth0; do
		for type in 8 0; do
			direction=2
			[ $end$type != h1:eth00 ] && [ $end$type != h2:eth08 ] || direction=1
			fields "$T/lab.pcapng" -Y "icmp.type == $type && frame.interface_name == \"$end\" &&
				frame.packet_flags_direction == $direction" -e icmp.seq >"$T/seqs"
			seq 1 300 | cmp - "$T/seqs"
		done
	done
	[ "$(fields "$T/lab.pcapng" -Y icmp -e frame.number | wc -l)" = 1200 ]
	fields "$T/lab.pcapng" -e frame.time_epoch | sort -nc
	[ "$(fields "$T/stream.pcapng" -Y icmp -e frame.number | wc -l)" = 600 ]
	for end in 'c:eth0 other 3' 'b:eth0 side 2' 'a:eth0 other 1'; do
		set -- $end
		[ "$(fields "$T/lab.pcapng" -Y "eth.type == 0x88b5 && frame.interface_name == \"$1\" &&
			frame.interface_description == \"$2\"" -e frame.number | wc -l)" = "$3" ]
	done
	# What happened meanwhile stands on the next packet.
	run fields "$T/lab.pcapng" -Y frame.comment -e frame.comment
	output_has "labctl: link 'side' down" "labctl: node 'a': ready" 'the engine is another one'
}

@test "tshark, capinfos and tcpdump read it without complaint" {
	needs_tshark
	start wire --filter icmp -w "$T/read.pcapng" --snaplen 80
	labctl capture note 'here the DR fails'
	pings h1 10.0.0.2
	labctl capture note 'nothing comes after this'
	labctl capture stop wire
	[ "$(fields "$T/read.pcapng" -Y frame.comment -e frame.comment)" = 'here the DR fails' ]
	run capinfos "$T/read.pcapng"
	output_has 'Name = h1:eth0' 'Description = wire' 'Filter string = icmp' 'Number of packets = 2' 'lab cap' \
		'Capture application: *labctl' 'Capture length = 80' 'Number of stat entries = 1'
	# Its speed, which no tool shows: option 8 of the interface block, 1 Gb/s as the guest is told.
	[ "$(od -An -v -tx1 "$T/read.pcapng" | tr -d ' \n' | grep -c '0800080000ca9a3b00000000')" = 1 ]
	tcpdump -nr "$T/read.pcapng" 2>"$T/err" | grep -q 'ICMP echo request'
	[ "$(grep -cv "reading from file" "$T/err")" = 0 ]
}

@test "limits, and files in turn" {
	local tap
	tap=$(tap a:eth0)
	start a:eth0 --packets 5 -w "$T/five.pcapng"
	local five=$ID
	start a:eth0 --bytes 1000 -w "$T/bytes.pcapng"
	local bytes=$ID
	start a:eth0 --duration 200ms -w "$T/time.pcapng"
	local time=$ID
	start a:eth0 --rotate '100KB x 3' -w "$T/ring.pcapng"
	local ring=$ID
	wait_until 10 ended "$time"
	inject "$tap" 400 1000
	wait_until 10 ended "$five"
	wait_until 10 ended "$bytes"
	wait_until 10 counted "$ring" 400
	labctl capture stop --all
	labctl capture stream a:eth0 --duration 100ms -w "$T/stream.pcapng"
	command -v capinfos >/dev/null || skip "capinfos is not installed"
	[ "$(capinfos -TrMc "$T/stream.pcapng" | cut -f2)" = 0 ]
	[ "$(capinfos -TrMc "$T/five.pcapng" | cut -f2)" = 5 ]
	[ "$(capinfos -TrMc "$T/bytes.pcapng" | cut -f2)" = 1 ]
	[ "$(capinfos -TrMc "$T/time.pcapng" | cut -f2)" = 0 ]
	# Each takes about 95 of them; the fifth is the second again.
	local file n sum=0
	for file in "$T"/ring.[1-3].pcapng; do
		[ "$(stat -c %s "$file")" -lt 110000 ]
		n=$(capinfos -TrMc "$file" | cut -f2)
		sum=$((sum + n))
	done
	[ $sum -gt 200 ] && [ $sum -lt 300 ]
	[ ! -e "$T/ring.pcapng" ] && [ ! -e "$T/ring.4.pcapng" ]
	# Files that were not needed do not stay.
	start a:eth0 --rotate 1Mx4 -w "$T/few.pcapng"
	labctl capture stop --all
	[ -e "$T/few.1.pcapng" ] && [ ! -e "$T/few.2.pcapng" ]
	expect_status 2 labctl capture start a --rotate 100MB
	expect_status 2 labctl capture start a --rotate 1Kx2
	expect_status 2 labctl capture start a --rotate 1Mx1
	expect_status 2 labctl capture start a --duration 0
	expect_status 2 labctl capture start a --bytes 0
}

@test "before and after a link's impairment" {
	needs_tshark
	start wire --side before -w "$T/before.pcapng"
	start wire --side after -w "$T/after.pcapng"
	pings h1 10.0.0.2
	labctl capture stop --all
	run fields "$T/before.pcapng" -Y icmp -e frame.interface_name -e icmp.type -e frame.packet_flags_direction
	[ "$output" = "h1:eth0	8	0x00000002"$'\n'"h2:eth0	0	0x00000002" ]
	run fields "$T/after.pcapng" -Y icmp -e frame.interface_name -e icmp.type -e frame.packet_flags_direction
	[ "$output" = "h2:eth0	8	0x00000001"$'\n'"h1:eth0	0	0x00000001" ]
	expect_status 2 labctl capture start h1 --side before
	output_has 'is no link'
	expect_status 2 labctl capture start wire --side left
	expect_status 2 labctl capture start --side before
}

@test "a link that corrupts: what is broken is shown broken, and nothing else" {
	needs_tshark
	local sum corrupted bad
	sum=$(seq 1 250000 | sha256sum | cut -d' ' -f1)
	start wire --side before --filter tcp -w "$T/whole.pcapng"
	labctl link set wire corrupt=1%
	start wire --side after --filter tcp -w "$T/broken.pcapng"
	on h1 'seq 1 250000 >/tmp/file; socat TCP-LISTEN:8001,reuseaddr OPEN:/tmp/file,rdonly &'
	wait_until 10 listens h1 8001
	[[ $(on h2 'socat -u TCP:10.0.0.1:8001 - | sha256sum') == *"$sum"* ]]
	labctl capture stop --all
	corrupted=$(json '[.links[] | select(.name == "wire") | .wire[].corrupted] | add' link list)
	labctl link clear wire
	# Each frame's hash, and whether its checksums are good (1).
	local file
	for file in whole broken; do
		fields "$T/$file.pcapng" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
			-o frame.generate_md5_hash:TRUE -e frame.md5_hash -e tcp.checksum.status -e ip.checksum.status |
			LC_ALL=C sort -u >"$T/$file.sums"
		cut -f1 "$T/$file.sums" | LC_ALL=C sort -u >"$T/$file.hashes"
	done
	[ "$(cut -f2,3 "$T/whole.sums" | sort -u)" = "1	1" ]
	[ "$(fields "$T/whole.pcapng" -Y frame.comment -e frame.comment)" = "labctl: link 'wire' impaired: corrupt 1%" ]
	bad=$(grep -cv '	1	1$' "$T/broken.sums")
	echo "corrupted $corrupted, seen $bad"
	[ "$bad" -gt 0 ] && [ "$bad" -le "$corrupted" ]
	# No frame is shown broken that arrived as it was sent, and none is shown mended.
	[ "$(grep -v '	1	1$' "$T/broken.sums" | cut -f1 | LC_ALL=C sort -u | LC_ALL=C comm -12 - "$T/whole.hashes" | wc -l)" = 0 ]
	[ "$(LC_ALL=C comm -13 "$T/whole.hashes" "$T/broken.hashes" | wc -l)" -ge "$bad" ]
}

@test "ten readers with ten filters, each its own" {
	local tap i pids=()
	tap=$(tap a:eth0)
	for i in {0..9}; do
		timeout -k 5 60 "$LABCTL" capture stream a:eth0 --filter "ether[17] = $i" --packets 3 >"$T/r$i.pcapng" \
			2>"$T/r$i.err" </dev/null &
		pids+=($!)
	done
	wait_until 20 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 10 ]'
	for i in {1..3}; do inject "$tap" 12 100; done
	for i in "${pids[@]}"; do wait "$i"; done
	command -v capinfos >/dev/null || skip "capinfos is not installed"
	for i in {0..9}; do
		[ ! -s "$T/r$i.err" ]
		[ "$(capinfos -TrMc "$T/r$i.pcapng" | cut -f2)" = 3 ]
		[ "$(tcpdump -xr "$T/r$i.pcapng" 2>/dev/null | sed -n 's/.*0x0000:  0000 000\(.\) .*/\1/p' | sort -u)" = "$i" ]
	done
}

@test "a full disk ends the capture with a clear word and a valid file, and nothing else" {
	[ "$(id -u)" = 0 ] || skip "only root can mount a small file system"
	mkdir -p "$T/small"
	mount -t tmpfs -o size=100k tmpfs "$T/small" || skip "no tmpfs can be mounted here"
	start h1:eth0 -w "$T/small/full.pcapng"
	on h1 'ping -q -f -c 300 -s 1000 10.0.0.2'
	wait_until 10 ended "$ID"
	run labctl capture list
	output_has "Capture $ID ended: write the capture: No space left on device"
	tcpdump -r "$T/small/full.pcapng" >"$T/full.txt" 2>"$T/err"
	[ "$(grep -ci truncated "$T/err")" = 0 ]
	[ "$(grep -c 'length 1008' "$T/full.txt")" -gt 50 ]
	expect_status 1 labctl capture save -w "$T/small/saved.pcapng"
	output_has 'No space left on device'
	umount "$T/small"
	pings h1 10.0.0.2
}

@test "what has just passed can be saved" {
	local tap
	tap=$(tap b:eth0)
	inject "$tap" 7 200
	expect_status 0 labctl capture save b:eth0 --filter 'len == 200' -w "$T/saved.pcapng"
	output_has '^7 packets in .*/saved.pcapng'
	expect_status 0 labctl capture save side --side before --last 1ms
	output_has '^0 packets in .*/state/cap/captures/side-'
	pings h1 10.0.0.2
	[ "$(json .packets capture save lab --filter icmp)" -ge 4 ] # two frames at two ends
	command -v capinfos >/dev/null || skip "capinfos is not installed"
	run capinfos "$T/saved.pcapng"
	output_has 'Number of interfaces in file: 1' 'Name = b:eth0' 'Number of packets = 7'
}

@test "a line per packet, and who talks to whom" {
	local tap watcher talker
	tap=$(tap a:eth0)
	timeout -k 5 60 "$LABCTL" capture watch a:eth0 h1:eth0 --plain --packets 3 \
		--filter 'icmp or ether proto 0x88b5' >"$T/watch" 2>&1 </dev/null &
	watcher=$!
	"$LABCTL" capture talk --for 2m --json >"$T/talk" 2>&1 </dev/null &
	talker=$!
	wait_until 20 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 2 ]'
	labctl capture note 'look here'
	inject "$tap" 1 100
	pings h1 10.0.0.2
	wait $watcher
	cat "$T/watch"
	[ "$(sed -n 1p "$T/watch")" = '-- look here' ]
	grep -Eq '^[0-9:.]{15} a:eth0 02:00:00:00:00:02 > 02:00:00:00:00:01 0x88b5 \(100\)$' "$T/watch"
	grep -Eq 'h1:eth0 10.0.0.1 > 10.0.0.2 ICMP echo request id [0-9]+ seq 1 \(98\)$' "$T/watch"
	kill $talker # as ^C would
	wait $talker
	# Once, though both ends of the cable are looked at.
	[ "$(jq -c '.talk[] | select(.protocol == "ICMP") | [.a, .b, .packets_ab, .packets_ba]' "$T/talk")" = \
		'["10.0.0.1","10.0.0.2",1,1]' ]
	run labctl capture talk a --for 100ms
	output_has '^A +B +PROTOCOL'
	command -v tshark >/dev/null || skip "tshark is not installed"
	timeout -k 5 60 "$LABCTL" capture watch a:eth0 --packets 2 >"$T/watch" 2>&1 </dev/null &
	watcher=$!
	wait_until 20 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 1 ]'
	inject "$tap" 2 100
	wait $watcher
	[ "$(grep -c 'a:eth0 .*0x88b5' "$T/watch")" = 2 ]
}

@test "a stream into a window, and how much passes" {
	local tap
	tap=$(tap a:eth0)
	mkdir -p "$T/bin"
	printf '#!/bin/sh\necho "$@" >"%s/args"\nexec head -c 2000 >"%s/window.pcapng"\n' "$T" "$T" >"$T/bin/wireshark"
	chmod +x "$T/bin/wireshark"
	PATH=$T/bin:$PATH timeout -k 5 60 "$LABCTL" capture open a:eth0 --filter 'ether proto 0x88b5' >"$T/log" 2>&1 </dev/null &
	local reader=$!
	wait_until 20 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 1 ]'
	inject "$tap" 40 100
	wait $reader # its window was closed
	[ "$(cat "$T/args")" = '-k -i -' ]
	[ ! -s "$T/log" ]
	tcpdump -nr "$T/window.pcapng" 2>/dev/null | grep -q 0x88b5
	expect_status 1 labctl capture open a:eth0 --with no-such-program
	output_has 'no-such-program' 'hint: .*capture watch'
	expect_status 1 labctl capture open a:eth0 --with false
	start a:eth0 -w "$T/rate.pcapng"
	inject "$tap" 10 100
	wait_until 10 counted "$ID" 10
	[ "$(json ".captures[] | select(.id == $ID) | .packets_per_s >= 0 and .packets_per_s <= 1000" capture list)" = true ]
	run labctl capture list
	output_has '^ID +STATE +WHERE +PACKETS +PER_SECOND'
}

@test "Wireshark's plugin: the protocol, and by tshark" {
	local tap
	tap=$(tap a:eth0)
	run labctl extcap --extcap-interfaces --extcap-version=4.0
	output_has '^extcap \{version=' '^interface \{value=labctl:cap\}\{display=labctl cap: all of it\}$' \
		'^interface \{value=labctl:cap:wire\}' '^interface \{value=labctl:cap:h1:eth0\}'
	[ "$(labctl extcap --extcap-interface labctl:cap:a --extcap-dlts)" = \
		'dlt {number=1}{name=EN10MB}{display=Ethernet}' ]
	expect_status 0 labctl extcap --extcap-interface labctl:cap:a --extcap-config
	expect_status 2 labctl extcap
	mkfifo "$T/fifo"
	timeout -k 5 60 "$LABCTL" extcap --capture --extcap-interface labctl:cap:a:eth0 --fifo "$T/fifo" \
		--extcap-capture-filter 'ether[17] > 1' >"$T/log" 2>&1 </dev/null &
	local plugin=$!
	timeout -k 5 60 head -c 700 <"$T/fifo" >"$T/extcap.pcapng" &
	local reader=$!
	wait_until 20 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 1 ]'
	inject "$tap" 40 100
	wait $reader
	wait $plugin # its reader left
	[ ! -s "$T/log" ]
	command -v tshark >/dev/null || skip "tshark is not installed"
	HOME=$T XDG_CONFIG_HOME='' labctl extcap --install
	HOME=$T XDG_CONFIG_HOME='' tshark -D 2>/dev/null | grep -F 'labctl:cap:a:eth0 (labctl cap: end a:eth0)'
	HOME=$T XDG_CONFIG_HOME='' timeout -k 5 60 tshark -n -i labctl:cap:a:eth0 -c 2 >"$T/shark" 2>"$T/log" </dev/null &
	reader=$!
	wait_until 30 eval '[ "$(json ".captures | map(select(.state == \"running\")) | length" capture list)" = 1 ]'
	inject "$tap" 2 100
	wait $reader
	[ "$(grep -c 0x88b5 "$T/shark")" = 2 ]
}

@test "filters that do not compile are refused at once, names are not looked up" {
	local words
	for words in 'not a filter' 'port banana' 'host www.example.org' 'ether host nobody' 'net nowhere'; do
		expect_status 2 labctl capture start a --filter "$words" -w "$T/no.pcapng"
		output_has "filter '$words'"
		expect_status 2 labctl capture stream a --filter "$words"
	done
	expect_status 2 labctl capture start a --filter 'host www.example.org'
	output_has 'hint: .*write the address'
	[ ! -e "$T/no.pcapng" ]
	[ "$(json '.captures | map(select(.state == "running")) | length' capture list)" = 0 ]
}
