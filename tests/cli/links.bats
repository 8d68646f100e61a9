#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=alone
#
# shellcheck disable=SC2016 # what the guests' shells are to expand
#
# Links between two hosts that run all the time: impaired, cut one way, cut by a schedule.

load helper

setup_file() {
	load helper
	[ -c /dev/net/tun ] && [ -w /dev/net/tun ] || return 0
	lab_setup
	cat >"$T/links.yaml" <<-EOT
	lab: links
	mtu: 1450
	defaults: {image: host, nics: 3}
	nodes:
	  a: {}
	  b: {}
	links:
	  - {ends: [a:eth0, b:eth0], name: wan, delay: 30ms}
	  - {ends: [a:eth1, b:eth1], name: plain, mtu: 1400}
	  - {ends: [a:eth2, b:eth2], name: shaky, flap: {every: 2s, down: 1s}}
	EOT
	labctl topology up "$T/links.yaml"
	for n in 0 1 2; do
		on a "ip addr add 10.0.$n.1/24 dev eth$n; ip link set eth$n up"
		on b "ip addr add 10.0.$n.2/24 dev eth$n; ip link set eth$n up"
	done
	# Both know each other's addresses: what is measured later has no ARP in it.
	for n in 0 1; do
		wait_until 20 pings a 10.0.$n.2
	done
}

teardown_file() {
	[ -z "${T:-}" ] || lab_teardown
}

setup() {
	needs_tun
}

# link_now LINK FILTER: of its status.
link_now() {
	json ".links[] | select(.name == \"$1\") | $2" link list
}

# times NODE ADDRESS COUNT: round-trip times of pings in milliseconds, one a line.
times() {
	on "$1" "ping -i 0.05 -c $3 $2" | sed -n 's/.*time=\([0-9.]*\) ms/\1/p'
}

# lost NODE ADDRESS COUNT: numbers of pings that were not answered.
lost() {
	on "$1" "ping -i 0.01 -W 1 -c $3 $2" | sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' |
		sort | comm -13 - <(seq "$3" | sort) | sort -n | tr '\n' ' '
}

@test "a delay in the file holds in both directions" {
	run times a 10.0.0.2 10
	[ "${#lines[@]}" -eq 10 ]
	for t in "${lines[@]}"; do
		[ "${t%.*}" -ge 60 ]
	done
	# The best of them: what the guests themselves take is a few milliseconds.
	[ "$(sort -n <<<"$output" | head -n 1 | cut -d. -f1)" -lt 75 ]
	[ "$(link_now wan .impairment.delay)" = 30ms ]
	[ "$(link_now plain .impairment)" = null ]
	[ "$(link_now wan '.drops | tojson')" = '{"a:eth0":0,"b:eth0":0}' ]
	[ "$(link_now wan '.wire.a_to_b.overrun + .wire.a_to_b.queue_dropped')" = 0 ]
}

@test "the MTU of a cable is what the guests make of it" {
	[ "$(on a 'cat /sys/class/net/eth1/mtu')" = 1400 ]
	[ "$(on b 'cat /sys/class/net/eth1/mtu')" = 1400 ]
	# The lab's, where a cable has none of its own.
	[ "$(on a 'cat /sys/class/net/eth0/mtu')" = 1450 ]
	[ "$(on b 'cat /sys/class/net/eth2/mtu')" = 1450 ]
}

@test "a changed MTU holds for frames at once, where they are measured" {
	local enforced
	enforced=$(json '.items[] | select(.name == "padding and MTU") | .ok' doctor)
	[ "$(link_now plain '[.mtu, .mtu_enforced, .padded] | tojson')" = "[1400,$enforced,$enforced]" ]
	[ "$(link_now wan .padded)" = true ]
	sed 's/mtu: 1400/mtu: 1300/' "$T/links.yaml" >"$T/shorter.yaml"
	run labctl topology apply "$T/shorter.yaml"
	output_has 'plain.*mtu'
	[ "$(link_now plain .mtu)" = 1300 ]
	on a 'ping -c 1 -s 1272 10.0.1.2'
	# The guests go on with what they were told.
	if [ "$enforced" = true ]; then
		run on a 'ping -c 1 -W 2 -s 1372 10.0.1.2'
		output_has '100% packet loss'
	else
		on a 'ping -c 1 -s 1372 10.0.1.2'
	fi
	labctl topology apply "$T/links.yaml"
	on a 'ping -c 1 -s 1372 10.0.1.2'
}

@test "one value is changed and the others stay, one direction or both" {
	labctl link set wan delay=1ms
	labctl link set wan loss=0.5% --from b:eth0
	[ "$(link_now wan '.impairment.a_to_b.delay + .impairment.b_to_a.delay')" = 1ms1ms ]
	[ "$(link_now wan '.impairment.b_to_a.loss')" = 0.5% ]
	labctl link set wan loss=0
	[ "$(link_now wan '.impairment | tojson')" = '{"delay":"1ms"}' ]
}

@test "what is wrong is said, and changes nothing" {
	local before bad verb
	before=$(link_now wan .impairment)
	for bad in loss=101% delay=-1 delay=300y delay=5 loss=0.00001% rate=1bit colour=red burst=1k; do
		expect_status 2 labctl link set wan delay=3ms "$bad"
		output_has "${bad%%=*}"
	done
	expect_status 2 labctl link set wan delay=3ms "only=tcp prot 5"
	output_has "tcp prot 5.*no pcap filter"
	expect_status 2 labctl link set plain "only=tcp prot 5"
	expect_status 2 labctl link set wan delay
	expect_status 2 labctl link set wan delay=1ms --from c:eth0
	output_has "a:eth0 and b:eth0"
	expect_status 2 labctl link set nowhere delay=1ms
	[ "$(link_now wan .impairment)" = "$before" ]
	sed "s/delay: 30ms/delay: 30ms, only: 'tcp prot 5'/; s/^lab: .*/lab: wrong/" "$T/links.yaml" >"$T/wrong.yaml"
	for verb in up validate; do
		expect_status 2 labctl topology $verb "$T/wrong.yaml"
		output_has "wrong.yaml:8:60: only: .*tcp prot 5.*no pcap filter"
	done
}

@test "the same seed loses the same frames twice, another one others" {
	local first second third
	labctl link clear wan
	wait_until 10 test "$(link_now wan .wire)" = null
	labctl link set wan loss=20% seed=7 only="icmp[icmptype] == icmp-echo" --from a:eth0
	first=$(lost a 10.0.0.2 100)
	labctl link clear wan
	labctl link set wan loss=20% seed=7 only="icmp[icmptype] == icmp-echo" --from a:eth0
	second=$(lost a 10.0.0.2 100)
	labctl link set wan seed=8 --from a:eth0
	third=$(lost a 10.0.0.2 100)
	echo "first: $first"
	echo "second: $second"
	echo "third: $third"
	[ "$(wc -w <<<"$first")" -ge 5 ]
	[ "$first" = "$second" ]
	[ "$first" != "$third" ]
	[ "$(link_now wan .wire.a_to_b.lost)" -ge "$(wc -w <<<"$third")" ]
	labctl link clear wan
}

@test "going in and out of impairment loses nothing" {
	on a 'ping -i 0.01 -c 400 10.0.1.2 >/tmp/pings & echo started'
	for _ in 1 2 3 4 5 6; do
		labctl link set plain delay=2ms >/dev/null
		labctl link clear plain >/dev/null
	done
	wait_until 60 node_says a 'tail -n 2 /tmp/pings' ' 0% packet loss'
	wait_until 20 test "$(link_now plain .wire)" = null
	[ "$(on a 'grep -c DUP /tmp/pings || true')" = 0 ]
}

@test "a link that goes deaf one way keeps its carrier, and only one way is dark" {
	labctl link down plain --from a:eth1
	[ "$(link_now plain '.dark_from | tojson')" = '["a:eth1"]' ]
	[ "$(on b 'cat /sys/class/net/eth1/carrier')" = 1 ]
	on b 'cat /sys/class/net/eth1/statistics/rx_packets >/tmp/rx'
	on a 'cat /sys/class/net/eth1/statistics/rx_packets >/tmp/rx'
	on a 'ping -c 2 -W 1 10.0.1.2 || true'
	on b 'ping -c 2 -W 1 10.0.1.1 || true'
	on b 'test "$(cat /tmp/rx)" = "$(cat /sys/class/net/eth1/statistics/rx_packets)"'
	on a 'test "$(cat /tmp/rx)" -lt "$(cat /sys/class/net/eth1/statistics/rx_packets)"'
	labctl link up plain
	wait_until 10 pings a 10.0.1.2
	[ "$(link_now plain '.dark_from | tojson')" = '[]' ]
}

@test "a schedule cuts and heals a cable" {
	wait_until 10 test_state shaky down
	wait_until 10 test_state shaky up
	# Both by one look: a second later it is up again.
	wait_until 10 eval '[ "$(link_now shaky ".state + .reason")" = "downdown by its schedule" ]'
	# The guest counts the changes of its carrier.
	[ "$(on a 'cat /sys/class/net/eth2/carrier_changes')" -ge 3 ]
}

test_state() {
	[ "$(link_now "$1" .state)" = "$2" ]
}

@test "a wire that is killed is replaced, and its links go on" {
	local pid
	labctl link set wan delay=5ms
	pid=$(pids_of labctl-wire)
	on a 'ping -i 0.05 -c 60 10.0.0.2 >/tmp/pings & echo started'
	kill_now "$pid"
	wait_until 20 node_says a 'cat /tmp/pings' '60 packets'
	[ "$(on a 'grep -c time= /tmp/pings')" -ge 55 ]
	[ "$(link_now wan .impairment.delay)" = 5ms ]
	[ "$(link_now wan .wire.a_to_b.frames)" -ge 1 ]
	[[ "$(link_now wan .reason)" = *'was replaced'* ]]
	labctl link set wan delay=4ms
	[ "$(link_now wan .reason)" = null ]
}

# passed LINK FRAMES: so many went through the wire that carries it now.
passed() {
	[ "$(link_now "$1" '.wire.a_to_b.sent_frames + .wire.b_to_a.sent_frames')" -ge "$2" ]
}

@test "a wire that is killed under a flood is replaced, again and again, and the flood goes on" {
	local pid before node n
	labctl link set wan delay=1ms rate=200Mbit
	for n in 1 2; do
		[ $n = 1 ] && node=a || node=b
		# Nobody's job: its end is not told on the console.
		on "$node" "(ping -f -s 1400 10.0.0.$((3 - n)) >/tmp/flood 2>&1 & echo \$! >/tmp/flood.pid)"
	done
	before=$(link_now plain .reason)
	for _ in 1 2 3; do
		wait_until 60 passed wan 500
		pid=$(pids_of labctl-wire)
		kill_now "$pid"
		# The next one counts from zero: what it has passed came after.
		wait_until 60 passed wan 500
		[ "$(pids_of labctl-wire | wc -l)" = 1 ]
		[[ "$(link_now wan .reason)" = *'was replaced'* ]]
		[[ "$(status_of links '.links[] | select(.name == "wan") | .reason')" = *'was replaced'* ]]
	done
	# It is the cable it was, and the others have not noticed.
	[ "$(link_now wan '.impairment.delay + .impairment.rate + .state')" = 1ms200Mbitup ]
	[ "$(link_now plain .reason)" = "$before" ]
	for node in a b; do on $node 'kill -INT $(cat /tmp/flood.pid)'; done
	wait_until 20 pings a 10.0.0.2
	wait_until 20 pings b 10.0.0.1
	labctl link clear wan
	wait_until 20 test "$(link_now wan .wire)" = null
	labctl link set wan delay=5ms
	[ "$(link_now wan .reason)" = null ]
}

@test "an engine that is killed leaves impairments, cuts and schedules as they were" {
	labctl link set wan delay=40ms
	labctl link down plain --from b:eth1
	kill_engines
	run times a 10.0.0.2 5
	[ ${#lines[@]} = 5 ]
	for t in "${lines[@]}"; do
		[ "${t%.*}" -ge 80 ]
	done
	[ "$(link_now wan .impairment.delay)" = 40ms ]
	[ "$(link_now plain '.dark_from | tojson')" = '["b:eth1"]' ]
	labctl link clear wan
	labctl link up plain
	wait_until 10 pings a 10.0.1.2
	wait_until 10 test_state shaky down
	wait_until 10 test_state shaky up
}

# ms_until FILE LINES COMMAND…: run it, and say how long it took until FILE had so many lines of carrier.
ms_until() {
	local file=$1 wanted=$2 start end
	shift 2
	start=$(now_ms)
	"$@" >"$T/ms.log" 2>&1 &
	end=$((SECONDS + 60))
	until [ "$(grep -ac 'CARRIER' "$file")" -ge "$wanted" ]; do
		sleep 0.005
		[ $SECONDS -lt $end ] || { echo "carrier did not change within 60 s of: $*"; tail -n 5 "$file"; return 1; }
	done
	took=$(($(now_ms) - start))
	wait $! || { cat "$T/ms.log"; return 1; }
}

@test "carrier goes with a peer that crashes or is stopped, and returns with it" {
	local log pid seen
	log=$(status_of links '.nodes[] | select(.name == "b") | .consoles[0].log')
	pid=$(status_of links '.nodes[] | select(.name == "a") | .pid')
	wait_until 10 test_state plain up
	# The guest itself says when its carrier has changed: on its console, which is a file here.
	on b '{ ip -o monitor link dev eth1 | while read -r l; do case $l in *NO-CARRIER*) echo CARRIER lost ;; *LOWER_UP*) echo CARRIER there ;; esac; done >/dev/ttyS0; } 2>/dev/null & echo watching'
	seen=$(grep -ac 'CARRIER' "$log" || true)
	ms_until "$log" $((seen + 1)) kill -9 "$pid"
	echo "# killed: the other guest said so $took ms later, its console included" >&3
	[ "$(on b 'cat /sys/class/net/eth1/carrier')" = 0 ]
	[ "$(link_now plain .reason)" = "an end does not run" ]
	seen=$(grep -ac 'CARRIER' "$log")
	ms_until "$log" $((seen + 1)) labctl node start a --no-wait
	[ "$(on b 'cat /sys/class/net/eth1/carrier')" = 1 ]
	seen=$(grep -ac 'CARRIER' "$log")
	ms_until "$log" $((seen + 1)) labctl node stop a --force
	echo "# stopped: $took ms, the command's own start included" >&3
	[ "$(on b 'cat /sys/class/net/eth1/carrier')" = 0 ]
}

# Of b's end of the cable, as its guest sees it.
carrier_at_b() {
	node_says b 'cat /sys/class/net/eth1/carrier' "^$1\$"
}

@test "carrier goes with a peer that powers off or is paused, and returns with it" {
	labctl node start a
	wait_until 20 carrier_at_b 1
	labctl node stop a
	wait_until 20 carrier_at_b 0
	[ "$(link_now plain .reason)" = "an end does not run" ]
	labctl node start a
	wait_until 20 carrier_at_b 1
	# By hand, while no engine is connected: QEMU takes one client.
	kill_engines
	printf '{"execute":"qmp_capabilities"}{"execute":"stop"}' |
		timeout 60 socat -t 1 - "UNIX-CONNECT:$T/run/links/a.qmp" >/dev/null
	wait_until 20 carrier_at_b 0
	[ "$(status_of links '.nodes[] | select(.name == "a") | .state')" = crashed ]
	labctl node start a
	wait_until 20 carrier_at_b 1
	wait_until 10 test_state plain up
}
