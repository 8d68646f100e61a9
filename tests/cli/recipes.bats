#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# The images bird, openbgpd, firewall and services, each in the lab of topologies/ that uses it: it comes up, and
# does what the lab is there to show.

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=900
}

setup() {
	needs_tun
	needs_images bird openbgpd firewall services frr host
	lab_setup
}

teardown() {
	lab_teardown
}

# needs_images NAME…: skip if one is not built; test.sh builds them all first.
needs_images() {
	local have name
	have=$(labctl image list --json | jq -r '.images[] | select(.state == "ok") | .name')
	for name; do
		grep -qx "$name" <<<"$have" || skip "image $name is not built"
	done
}

@test "ix-route-server: OpenBGPD passes on what FRR and BIRD may announce, and OSPF carries it inside" {
	cp -r "$TOPOLOGIES/ix-route-server.yaml" "$TOPOLOGIES/configs" "$T/"
	labctl topology up "$T/ix-route-server.yaml"
	wait_until 60 node_says rs 'bgpctl show rib' '10\.1\.0\.0/24 +192\.0\.2\.11 .* 64501 i'
	# From c2 by OSPF to BIRD, by BGP to the route server, and on to FRR: without the server in the path.
	wait_until 60 node_says m1 'show bgp ipv4 unicast' '10\.2\.0\.0/24 +192\.0\.2\.12 .* 64502 i'
	wait_until 30 node_says c2 'show ip route ospf' '10\.1\.0\.0/24'
	node_says m2 'birdc show protocols' '^inside +OSPF +master4 +up .*Running'
	node_says m2 'birdc show protocols' '^exchange +BGP +--- +up .*Established'
	# What a member may not announce stays with the server.
	node_says rs 'bgpctl show rib in' '10\.66\.0\.0/24'
	run on m2 'birdc show route'
	output_lacks '10\.66\.0\.0/24'
	# The traffic goes from member to member.
	wait_until 20 pings m2 10.1.0.1
	wait_until 20 pings m2 10.2.0.1
	# What was changed in a node is saved, and what was not is what it was given, byte for byte.
	on m2 'echo "protocol static kept { ipv4; route 10.99.0.0/24 blackhole; }" >>/etc/bird/bird.conf; birdc configure'
	node_says m2 'birdc show route protocol kept' '10\.99\.0\.0/24'
	labctl node save-config rs m2
	cmp "$T/configs/ix-route-server/rs.conf" "$TOPOLOGIES/configs/ix-route-server/rs.conf"
	{ cat "$TOPOLOGIES/configs/ix-route-server/m2.conf" && on m2 'tail -n 1 /etc/bird/bird.conf'; } | cmp - "$T/configs/ix-route-server/m2.conf"
	labctl node diff rs m2
}

@test "site-vpn: nftables keeps out what it should, WireGuard and IPsec carry the rest" {
	labctl topology up "$TOPOLOGIES/site-vpn.yaml"
	labctl capture start wan -w "$T/wan.pcapng"
	wait_until 60 pings ha 10.2.0.10
	[ "$(on ha 'curl -s -m 10 http://10.2.0.10/')" = 'a page of hb' ]
	# Open on hb, closed by its firewall, which counts it.
	expect_status 1 labctl node exec ha 'curl -s -m 2 http://10.2.0.10:8080/'
	node_says fwb 'nft list counter inet filter refused' 'packets [1-9]'
	# The firewall knows the connection, and what comes back belongs to it.
	node_says fwa 'conntrack -L' 'tcp .*dst=10\.2\.0\.10 .*dport=80'
	# From inside to the outside: as the firewall itself. Nothing comes in by itself.
	wait_until 20 pings ha 198.51.100.2
	on fwb 'ip route replace 10.1.0.0/24 via 198.51.100.1'
	expect_status 1 labctl node exec fwb 'ping -c 1 -W 2 10.1.0.10'
	node_says fwa 'wg show wg0 transfer' '[1-9]'
	# The first packets wait for IKE.
	wait_until 60 on fwa 'ping -c 1 -W 2 -I 10.1.1.1 10.2.1.1'
	node_says fwa 'swanctl --list-sas' 'second: .*INSTALLED, TUNNEL, ESP'
	wait_until 20 on fwb 'ping -c 1 -W 2 -I 10.2.1.1 10.1.1.1'
	labctl capture stop --all
	tcpdump -nr "$T/wan.pcapng" 'udp port 51820' 2>/dev/null | grep -q .
	tcpdump -nr "$T/wan.pcapng" esp 2>/dev/null | grep -q .
	# What the tunnels carry is not to be read on the wire.
	run tcpdump -nr "$T/wan.pcapng" 'tcp or (icmp and (net 10.1.1.0/24 or host 10.2.0.10))'
	output_lacks 'IP 10\.'
}

@test "services: an address and names, files, time, logs and logins from one server" {
	cp -r "$TOPOLOGIES/services.yaml" "$TOPOLOGIES/configs" "$T/"
	labctl topology up "$T/services.yaml"
	wait_until 60 node_says h1 'ip -br address show eth0' '10\.0\.0\.1[0-9][0-9]/24'
	node_says srv 'cat /var/lib/misc/dnsmasq.leases' ' h1 '
	wait_until 20 pings h1 srv.lab
	[ "$(on h1 'curl -s -m 10 http://www.lab/')" = 'welcome to the lab' ]
	on h1 'tftp -g -r boot.cfg -l /tmp/boot.cfg srv.lab'
	node_says h1 'cat /tmp/boot.cfg' 'booted-by-tftp'
	on h1 'logger hello from h1'
	wait_until 20 node_says srv 'cat /var/log/remote/*' 'hello from h1'
	wait_until 60 node_says nas 'chronyc -n sources' '^\^\* 10\.0\.0\.1 '
	node_says srv 'chronyc -n clients' '^10\.0\.0\.2 '
	node_says nas 'radtest alice wonderland 10.0.0.1 0 testing123' 'Reply-Message = "Hello alice"'
	run on nas 'radtest alice wrong 10.0.0.1 0 testing123'
	output_has 'Access-Reject'
	# A service is started anew by its name, with what its file says now.
	on srv 'echo "address=/new.lab/10.0.0.9" >>/etc/dnsmasq.d/lab.conf; serve dns'
	wait_until 20 node_says h1 'nslookup new.lab' '10\.0\.0\.9'
	# The script that makes it what it is, with what was added in the node.
	on srv 'echo "# kept" >>/etc/labctl/config'
	labctl node save-config srv nas
	{ cat "$TOPOLOGIES/configs/services/srv.sh" && echo '# kept'; } | cmp - "$T/configs/services/srv.sh"
	cmp "$T/configs/services/nas.sh" "$TOPOLOGIES/configs/services/nas.sh"
}
