#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The lab of the quickstart, topologies/ospf-triangle.yaml: one lab for all tests of this file, in their
# order. What one test changes it puts back.

load helper

setup_file() {
	[ -w /dev/net/tun ] || return 0
	lab_setup
	labctl topology up "$TOPOLOGIES/ospf-triangle.yaml" >"$T/up.log" 2>&1 || {
		cat "$T/up.log"
		return 1
	}
}

setup() {
	needs_tun
}

teardown_file() {
	lab_teardown
}

ospf_full() {
	node_counts r1 'show ip ospf neighbor' 'Full/' 2 &&
		node_counts r2 'show ip ospf neighbor' 'Full/' 2 &&
		node_counts r3 'show ip ospf neighbor' 'Full/' 2
}

@test "every node is ready" {
	cat "$T/up.log"
	[ "$(status_of ospf-triangle '[.nodes[] | select(.state == "ready")] | length')" = 5 ]
	[ "$(status_of ospf-triangle '[.links[] | select(.state == "up")] | length')" = 5 ]
}

@test "OSPF is full on every router" {
	wait_until 60 ospf_full
	wait_until 10 node_says r3 'show ip route ospf' '10\.1\.0\.0/24'
}

@test "the hosts reach each other" {
	wait_until 20 pings h1 10.2.0.10
	run labctl node exec h1 'ping -c 3 -i 0.2 10.2.0.10'
	output_has ' 0% packet loss'
}

@test "a node knows its name, and its interfaces are in the declared order" {
	[ "$(on h1 hostname)" = h1 ]
	node_says r1:1 hostname '^r1$'
	node_says r1 'show interface brief' 'eth1 +up .*10\.0\.13\.1/24'
	node_says r1 'show interface brief' 'eth2 +up .*10\.1\.0\.1/24'
}

@test "node exec returns what was printed, and a status" {
	[ "$(on h1 'echo one; echo two')" = $'one\ntwo' ]
	[ "$(on h1 'echo out; echo err >&2')" = $'out\nerr' ]
	expect_status 0 labctl node exec h1 true
	expect_status 1 labctl node exec h1 false
	[ "$(json .status node exec h1 'sh -c "exit 7"' || true)" = 7 ]
	expect_status 1 labctl node exec r1 'show nonsense'
	output_has 'Unknown command'
	expect_status 0 labctl node exec r1 'show version'
	output_has 'FRRouting 8'
	# Long output is whole.
	[ "$(on h1 'seq 1 3000' | wc -l)" = 3000 ]
	[ "$(on h1 'seq 1 3000' | tail -n 1)" = 3000 ]
}

@test "node exec on several nodes at once" {
	local n pids=()
	for n in r1 r2 r3 h1 h2; do
		labctl node exec $n "$([[ $n == h* ]] && echo 'sleep 1; hostname' || echo 'show version')" \
			>"$T/exec.$n" 2>&1 3>&- & pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	grep -qx h1 "$T/exec.h1"
	grep -qx h2 "$T/exec.h2"
	grep -q 'FRRouting.*r3' "$T/exec.r3"
}

@test "a command that does not end is ended" {
	expect_status 1 labctl node exec h1 --timeout 2 'sleep 1000'
	output_has 'sleep|time|2 s'
	[ "$(on h1 'echo still here')" = 'still here' ]
}

@test "node log has the console from the first byte" {
	labctl node log r1 >"$T/r1.log"
	grep -q 'r1# ' "$T/r1.log"
	cmp "$T/r1.log" "$LABCTL_STATE/ospf-triangle/r1/console-0.log" || [ -s "$T/r1.log" ]
	expect_status 0 labctl node log r1:1
}

@test "a capture has the hellos, and tshark and tcpdump read it" {
	labctl capture start r1:eth0 --filter 'ip proto 89' -w "$T/hello.pcapng"
	run labctl capture list
	output_has 'r1:eth0'
	[ "$(status_of ospf-triangle '.captures | length')" = 1 ]
	wait_until 20 eval '[ "$(tcpdump -nr "$T/hello.pcapng" 2>/dev/null | grep Hello | cut -d " " -f 3 | sort -u | wc -l)" = 2 ]'
	labctl capture stop r1:eth0
	tcpdump -nr "$T/hello.pcapng" 2>/dev/null | grep -q 'OSPFv2, Hello'
	tshark -r "$T/hello.pcapng" -Y 'ospf.hello' 2>/dev/null | grep -q Hello
	# Both sides of the link, and nothing but OSPF.
	tshark -r "$T/hello.pcapng" -T fields -e ip.src 2>/dev/null | sort -u | xargs | grep -q '10.0.12.1 10.0.12.2'
	[ "$(tshark -r "$T/hello.pcapng" -Y 'not ospf' 2>/dev/null | wc -l)" = 0 ]
	# The file says which interface that was.
	tshark -r "$T/hello.pcapng" -T fields -e frame.interface_name 2>/dev/null | grep -q 'r1:eth0'
}

@test "a live stream goes into tcpdump" {
	timeout -k 5 30 "$LABCTL" capture stream r1:eth0 --filter 'ip proto 89' 2>"$T/err" </dev/null |
		timeout 30 tcpdump -l -c 2 -nr - 2>/dev/null >"$T/out" || true
	cat "$T/err"
	[ "$(grep -c Hello "$T/out")" = 2 ]
	wait_until 5 sh -c "[ \$('$LABCTL' capture list --json | jq '[.. | objects | select(.state? == \"running\")] | length') = 0 ]"
}

@test "captures by link and by node, several at once, counted" {
	labctl capture start r2:eth1 -w "$T/link.pcapng"
	labctl capture start r3 -w "$T/node.pcapng"
	labctl capture start h1:eth0 --filter icmp -w "$T/icmp.pcapng"
	on h1 'ping -c 5 -i 0.2 10.2.0.10'
	# A hello of the other routers, at both places.
	wait_until 20 eval 'json ".captures[] | select(.state == \"running\") | .packets > 0" capture list | grep -c true | grep -qx 3'
	labctl capture stop --all
	# Each of five requests and replies once: a link is captured at one place.
	[ "$(tshark -r "$T/icmp.pcapng" -Y icmp 2>/dev/null | wc -l)" = 10 ]
	tshark -r "$T/node.pcapng" -T fields -e frame.interface_name 2>/dev/null | sort -u | grep -q 'r3:eth1'
	tshark -r "$T/link.pcapng" 2>/dev/null | grep -q OSPF
}

@test "a wrong filter and a wrong place are refused" {
	expect_status 2 labctl capture start r1:eth0 --filter 'not a filter at all' -w "$T/x.pcapng"
	output_has 'filter|syntax'
	expect_status 2 labctl capture start r9:eth0 -w "$T/x.pcapng"
	output_has 'r9'
	expect_status 1 labctl capture start r1:eth0 -w /nonexistent/x.pcapng
	output_has '/nonexistent'
}

@test "a cut cable: the guests see it, OSPF goes round, and back" {
	labctl link down r1:eth0
	wait_until 5 node_says r1:1 'ip -br link show eth0' 'NO-CARRIER|DOWN'
	wait_until 5 node_says r2:1 'ip -br link show eth0' 'NO-CARRIER|DOWN'
	wait_until 30 node_says r1 'show ip route 10.2.0.0/24' '10\.0\.13\.3'
	wait_until 20 pings h1 10.2.0.10
	node_counts r1 'show ip ospf neighbor' 'Full/' 1
	labctl link up r1:eth0
	wait_until 60 ospf_full
}

# received NODE:PORT: how many frames came from that node so far, by the machine's count.
received() {
	in_lab ospf-triangle ip -j -s link show dev "$1" | jq '.[0].stats64.rx.packets'
}

# changes ROUTER: how often the states of its OSPF neighbours have changed, and which boot of its kernel this is.
changes() {
	on "$1" 'show ip ospf neighbor detail' | grep -Eo '[0-9]+ state changes'
	on "$1:1" 'cat /proc/sys/kernel/random/boot_id'
}

@test "apply adds a node and a cable, and the routers' neighbours and uptimes are what they were" {
	local before pids n
	wait_until 60 ospf_full
	before=$(for n in r1 r2 r3; do changes $n; done)
	[ "$(grep -c 'state changes' <<<"$before")" = 6 ]
	pids=$(status_of ospf-triangle '.nodes[].pid')
	# The same files with the configuration, named from another folder.
	sed "s,configs/,$TOPOLOGIES/configs/,"';s/^links:/  h3: {image: hello}\nlinks:\n  - [r3:eth2, h3:eth0]/' "$TOPOLOGIES/ospf-triangle.yaml" >"$T/ospf-triangle.yaml"
	labctl topology apply "$T/ospf-triangle.yaml"
	[ "$(status_of ospf-triangle '[.links[] | select(.state == "up")] | length')" = 6 ]
	labctl topology apply "$TOPOLOGIES/ospf-triangle.yaml"
	[ "$(status_of ospf-triangle '.nodes[].pid')" = "$pids" ]
	[ "$(for n in r1 r2 r3; do changes $n; done)" = "$before" ]
	ospf_full
}

@test "write memory survives a restart, and wipe forgets it" {
	local r2
	r2=$(status_of ospf-triangle '.nodes[] | select(.name == "r2") | .pid')
	on r3:1 "vtysh -c 'configure terminal' -c 'ip route 192.0.2.0/24 blackhole' -c 'end' -c 'write memory'"
	labctl node restart r3
	wait_until 60 node_says r3 'show running-config' 'ip route 192\.0\.2\.0/24'
	wait_until 60 ospf_full
	labctl node stop r3
	labctl node wipe r3
	labctl node start r3
	wait_until 60 node_says r3 'show running-config' 'ip ospf area 0'
	run labctl node exec r3 'show running-config'
	output_lacks '192\.0\.2\.0'
	wait_until 60 ospf_full
	# The others have not noticed but for OSPF.
	[ "$(status_of ospf-triangle '.nodes[] | select(.name == "r2") | .pid')" = "$r2" ]
}

@test "what is written without write memory is gone after a restart" {
	on r3:1 "vtysh -c 'configure terminal' -c 'ip route 198.51.100.0/24 blackhole'"
	node_says r3 'show running-config' '198\.51\.100\.0'
	labctl node restart r3
	wait_until 60 node_says r3 'show running-config' 'ip ospf area 0'
	run labctl node exec r3 'show running-config'
	output_lacks '198\.51\.100\.0'
	wait_until 60 ospf_full
}

@test "a killed engine: traffic flows on, and the next command finds everything" {
	local pids from
	pids=$(status_of ospf-triangle '.nodes[].pid')
	# A ping that runs while there is no engine; nobody's job, so that its end is not told on the console.
	on h1 '(ping -c 3000 -i 0.1 10.2.0.10 >/tmp/ping.out 2>&1 &)'
	kill_engines
	from=$(received h2:eth0)
	wait_until 10 eval "[ \$(received h2:eth0) -ge $((from + 10)) ]"
	[ "$(status_of ospf-triangle '.nodes[].pid')" = "$pids" ]
	on h1 'kill -INT $(pidof ping)'
	wait_until 20 node_says h1 'cat /tmp/ping.out' 'packets transmitted'
	# One may have been under way in the end.
	on h1 'cat /tmp/ping.out' | awk '/transmitted/ { print; exit !($4 > 0 && $1 - $4 <= 1) }'
	ospf_full
	labctl capture start r1:eth0 -w "$T/after.pcapng"
	labctl link down r1:eth1
	labctl link up r1:eth1
	labctl capture stop r1:eth0
	wait_until 60 ospf_full
}

@test "down leaves nothing" {
	labctl topology down
	[ -z "$(leftovers "$T")" ]
	[ -z "$(find "$LABCTL_RUN" -mindepth 1)" ]
	lab_teardown
}
