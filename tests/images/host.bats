#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The host image: h1 serves, h2 asks, on one cable. The tests build on each other, in their order.

load guests

setup_file() {
	guests_setup
	needs_image host
	local args from
	seed h1 '#!/bin/sh
ip address replace 10.0.0.1/24 dev eth0
echo run >>/root/runs'
	# Its configuration does not end; the node must be ready all the same.
	seed h2 'echo h2 configures; sleep 100000'
	readarray -t args < <(nic 0 cable:server)
	from=$(now_ms)
	boot h1 host "${args[@]}"
	expect h1 "$SHELL_PROMPT" 60
	echo "# host: ready after $(($(now_ms) - from)) ms" >&3
	readarray -t args < <(nic 0 cable)
	boot h2 host "${args[@]}"
	expect h2 'configuration|config is still running' 60
	expect h2 "$SHELL_PROMPT" 60
}

teardown_file() {
	guests_teardown
}

setup() {
	needs_image host
}

@test "prompts carry the node's name, exec gets its status, no escapes" {
	[ "$(ask h1 hostname)" = h1 ]
	tail -c 6 "$DIR/h1.log" | grep -qx 'h1:~# '
	ask h1 false
	[ "$(ask h1 'echo $?')" = 1 ]
	! grep -aq $'\x1b' "$DIR/h1.log" || false
}

@test "what a shell reads by descriptor is there" {
	[ "$(ask h1 'cat <(echo one) <(echo two) | tr "\n" " "; echo three | cat /dev/stdin')" = 'one two three' ]
	[ "$(ask h1 'stat -c %a /dev')" = 755 ]
}

@test "typed UTF-8 is letters, to the shell and to the terminal" {
	# The shell's echo, not only what the command prints; rubbed out, a letter goes whole.
	[ "$(ask h1 'echo grüße €')" = 'grüße €' ]
	cat -v "$DIR/h1.log" | tail -n 4
	[ "$(grep -ac '# echo grüße €' "$DIR/h1.log")" = 1 ]
	[ "$(ask h1 $'x=üä\x7fß; echo ${#x} $x')" = '2 üß' ]
	# Without the shell's line editor it is the terminal that rubs out.
	ask h1 'read -r -p "which? " y' 'which\? $'
	ask h1 $'üä\x7fß'
	[ "$(ask h1 'echo ${#y} $y')" = '2 üß' ]
}

@test "the configuration ran, once, and what it printed is on the console" {
	[ "$(ask h1 'wc -l </root/runs')" = 1 ]
	ask h1 'ip -br address show eth0' | grep '10.0.0.1/24'
	grep -aq '^h2 configures' "$DIR/h2.log"
	grep -aq 'still running' "$DIR/h2.log"
}

@test "every tool is there and starts" {
	local tool
	# A script by here-document: no line is longer than the console.
	send h1 'cat >/tmp/tools <<END'
	for tool in 'ping -V' 'traceroute --version' 'curl -V' 'iperf3 -v' 'tcpdump --version' \
		'dhclient --version' 'ssh -V' 'nft -v' 'ethtool --version' 'mtr -v' 'socat -V' 'dnsmasq -v' \
		'arping -V' 'ss -V' 'ip -V' 'bridge -V' 'sshd -t' 'less -V' 'which vi' 'which nc' 'tc -V'; do
		send h1 "$tool"
	done
	ask h1 END >/dev/null
	[ "$(ask h1 'while read t; do $t </dev/null >/tmp/out 2>&1 || echo bad: $t; done </tmp/tools')" = '' ]
}

@test "dhclient gets an address and a name server from dnsmasq" {
	# Any of the range, by the MAC address, which is another each time.
	ask h1 'dnsmasq -i eth0 --dhcp-range=10.0.0.50,10.0.0.59,1h --address=/www.lab/10.0.0.1'
	[ "$(ask h2 'dhclient -1 eth0' "$SHELL_PROMPT" 60)" = '' ]
	ask h2 'ip -br address show eth0' | grep '10\.0\.0\.5[0-9]/24'
	ask h2 'cat /etc/resolv.conf' | grep 'nameserver 10.0.0.1'
	ask h2 'ping -c 1 www.lab' | grep ' 0% packet loss'
}

@test "curl, iperf3, traceroute and tcpdump do their work" {
	ask h1 'echo hello from h1 >/tmp/index.html; busybox httpd -p 80 -h /tmp; iperf3 -s -D'
	[ "$(ask h2 'curl -s http://www.lab/')" = 'hello from h1' ]
	ask h2 'iperf3 -c 10.0.0.1 -t 1' | grep receiver
	ask h2 'traceroute -n 10.0.0.1' | grep ' 1  10.0.0.1 '
	ask h2 '(sleep 1; ping -c 2 10.0.0.1 >/dev/null) & tcpdump -c 1 -n -i eth0 icmp 2>/dev/null' |
		grep 'ICMP echo request'
}

@test "ssh logs in" {
	# Its key is made in the background of the first boot.
	until_it ask h2 'ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR 10.0.0.1 hostname' '^h1' 40
}

@test "the kernel has nothing to complain of" {
	[ -z "$(complaints h1)" ]
}

@test "an edited configuration sticks and runs at the next boot" {
	local args
	ask h1 'echo "echo edited >>/root/runs" >>/etc/labctl/config'
	press_power h1
	gone h1 10
	kill_guest h2
	rm -f "$DIR"/*.cable
	readarray -t args < <(nic 0 cable:server)
	boot h1 host "${args[@]}"
	expect h1 "$SHELL_PROMPT" 60
	[ "$(ask h1 'cat /root/runs' | xargs)" = 'run run edited' ]
	ask h1 'ip -br address show eth0' | grep '10.0.0.1/24'
}

@test "reboot boots again, poweroff on the console ends the node" {
	# QEMU runs with -no-reboot here: a reset ends it.
	send h1 reboot
	gone h1 10
	PORT=1 boot h1 host
	expect h1 "$SHELL_PROMPT" 60
	send h1 poweroff
	gone h1 10
}
