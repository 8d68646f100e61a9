#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quickstart.sh: from a fresh clone to a running lab: three routers that speak OSPF and two hosts.
#
#   ./quickstart.sh           install what is needed, build, make the images, bring the lab up, show it
#   ./quickstart.sh --check   the same, prove that it works, take it down, and exit by the outcome
#
# Each step looks first whether it was done before, so the second run takes seconds.
set -euo pipefail
TOP=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=tools/setup/lib.sh
. "$TOP/tools/setup/lib.sh"
# shellcheck source=tools/setup/leftovers.sh
. "$TOP/tools/setup/leftovers.sh"

LAB=ospf-triangle
BIN=build/release/bin
TOPOLOGY=topologies/$LAB.yaml
CHECK=
FAULTS=()
CAPTURING=

usage() {
	cat <<-EOT
	Usage: ./quickstart.sh [--check]

	Installs what labctl needs, builds it, makes the images and brings up $TOPOLOGY.

	  --check   prove that the lab works (OSPF full on every router, ping from host to host, hellos in
	            a capture), take it down again, and exit 0 only if all of that went well
	EOT
}

# labctl, as whoever runs labs here.
lab() {
	"${LAB_AS[@]}" env "${LAB_ENV[@]}" "$TOP/$BIN/labctl" "$@"
}

# What to type to get the same.
shown() {
	printf '\n$ %s%s/labctl %s\n' "${LAB_AS[*]:+sudo }" "$BIN" "$*"
}

fault() {
	FAULTS+=("$*")
	say "NOT AS IT SHOULD BE: $*"
}

# neighbours ROUTER: how many adjacencies it has that are full.
neighbours() {
	lab node exec -l "$LAB" "$1" 'show ip ospf neighbor' </dev/null 2>>"$SETUP_LOG" | grep -c 'Full/' || true
}

# OSPF is done when each router is full with both others and h1's network has gone round.
wait_for_ospf() {
	local end=$((SECONDS + 90)) router count
	for router in r1 r2 r3; do
		while count=$(neighbours "$router"); [ "$count" -lt 2 ]; do
			if [ $SECONDS -ge $end ]; then
				fault "$router has $count full OSPF neighbours, not 2"
				break
			fi
			sleep 0.5
		done
	done
	while ! lab node exec -l "$LAB" h1 'ping -c 1 -W 1 10.2.0.10' </dev/null >>"$SETUP_LOG" 2>&1; do
		if [ $SECONDS -ge $end ]; then
			fault "no route from h1 to h2 in time"
			break
		fi
		sleep 0.5
	done
}

bring_up() {
	if lab topology status "$LAB" </dev/null >>"$SETUP_LOG" 2>&1; then
		say "the lab $LAB is up already; here it is"
		return
	fi
	say "bringing up $TOPOLOGY"
	lab topology up "$TOP/$TOPOLOGY" || die "the lab did not come up; the reason stands above." \
		"'${LAB_AS[*]:+sudo }$BIN/labctl doctor' tells what labs need and what is amiss here."
}

show_neighbours() {
	say "waiting for the routers to find each other"
	wait_for_ospf
	[ ${#FAULTS[@]} -gt 0 ] || say "OSPF is full on every router"
	shown "node exec r1 'show ip ospf neighbor'"
	lab node exec -l "$LAB" r1 'show ip ospf neighbor' </dev/null || fault "node exec r1 failed"
}

show_ping() {
	local output
	shown "node exec h1 'ping -c 3 10.2.0.10'"
	output=$(lab node exec -l "$LAB" h1 'ping -c 3 10.2.0.10' </dev/null) || fault "h1 cannot ping h2"
	printf '%s\n' "$output"
	grep -q ' 0% packet loss' <<<"$output" || fault "h1 loses pings to h2"
}

show_capture() {
	local file=$WORK/hellos.pcapng output=
	shown "capture start r1:eth0 --filter 'ip proto 89' -w hellos.pcapng"
	CAPTURING=1
	lab capture start -l "$LAB" r1:eth0 --filter 'ip proto 89' -w "$file" </dev/null ||
		fault "capture start failed"
	# There is a hello each second, from each side.
	sleep 3
	shown "capture stop r1:eth0"
	lab capture stop -l "$LAB" r1:eth0 </dev/null || fault "capture stop failed"
	CAPTURING=
	printf '\n$ tcpdump -nr hellos.pcapng\n'
	output=$("${LAB_AS[@]}" tcpdump -nr "$file" 2>>"$SETUP_LOG") || fault "tcpdump cannot read the capture"
	printf '%s\n' "$output" | head -n 4
	grep -q 'OSPFv2, Hello' <<<"$output" || fault "no OSPF hello in the capture"
	"${LAB_AS[@]}" rm -f "$file"
}

what_next() {
	local labctl="${LAB_AS[*]:+sudo }$BIN/labctl"
	cat <<-EOT

	The lab is yours. Some things to type:

	  $labctl console r1                          the console of r1; Ctrl-] leaves it
	  $labctl node exec r2 'show ip route'        one command on a node
	  $labctl capture stream r1:eth0 | tcpdump -nr -    what is on the wire, live
	  $labctl link down r1:eth0                   pull a cable; then see where the routes go
	  $labctl topology status                     what runs
	  $labctl topology down                       the end of it; nothing is left behind

	More labs are in topologies/, and README.md says where to read on.
	EOT
}

take_down() {
	local left end=$((SECONDS + 5))
	say "taking the lab down"
	lab topology down "$LAB" --wipe </dev/null || fault "topology down failed"
	# A process that was told to end may be a moment in ending.
	while left=$(leftovers "$WORK"); [ -n "$left" ] && [ $SECONDS -lt $end ]; do sleep 0.2; done
	left+=$("${LAB_AS[@]}" find "$WORK/run" -mindepth 1 2>/dev/null || true)
	[ -z "$left" ] || fault "left behind: $left"
	[ "$(ls /sys/class/net)" = "$INTERFACES" ] || fault "the interfaces of this machine changed"
}

# However this ends, nothing stays but a lab that was meant to stay.
finish() {
	local status=$?
	trap - EXIT
	# The lab may stay, a capture into a file that goes may not.
	[ -z "$CAPTURING" ] || lab capture stop -l "$LAB" r1:eth0 </dev/null >>"$SETUP_LOG" 2>&1 || true
	if [ -n "$CHECK" ] && [ -n "${WORK:-}" ] && [ -x "$TOP/$BIN/labctl" ]; then
		lab topology down "$LAB" --wipe </dev/null >>"$SETUP_LOG" 2>&1 || true
	fi
	[ -z "${WORK:-}" ] || "${LAB_AS[@]}" rm -rf "$WORK"
	exit $status
}

main() {
	case ${1:-} in
	'') ;;
	--check) CHECK=1 ;;
	-h | --help) usage; exit ;;
	*) usage >&2; exit 2 ;;
	esac
	cd "$TOP"
	setup_log quickstart
	LAB_AS=() LAB_ENV=()

	install_packages build run image
	ensure_tun
	choose_identity
	build release || die "the build failed; the reason stands above."

	WORK=$(mktemp -d /tmp/labctl-qs.XXXXXX)
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	INTERFACES=$(ls /sys/class/net)
	# A check must not meet a lab of the same name that somebody works in.
	[ -z "$CHECK" ] || LAB_ENV=("LABCTL_RUN=$WORK/run" "LABCTL_STATE=$WORK/state")

	say "looking at what this machine can do"
	shown doctor
	lab doctor </dev/null || die "labs cannot run here; the lines above say what to mend."
	say "images"
	build_images "$TOP/$BIN/labctl" frr host || die "the images could not be built; the reason stands above."

	bring_up
	shown topology status
	lab topology status "$LAB" </dev/null
	show_neighbours
	show_ping
	show_capture
	if [ -z "$CHECK" ]; then
		what_next
	else
		take_down
	fi
	if [ ${#FAULTS[@]} -gt 0 ]; then
		say "not all is well:"
		printf '  %s\n' "${FAULTS[@]}"
		exit 1
	fi
	[ -z "$CHECK" ] || say "all is well: OSPF was full on every router, the hosts reached each other, nothing is left"
}

main "$@"
