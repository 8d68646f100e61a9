# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # some is set here and used in tests, or by bats
#
# helper.bash: labs of a test's own. lab_setup makes a folder $T with run and kept folders in it, so that
# tests disturb neither the labs of this machine nor each other; lab_teardown takes everything down
# and fails the test if anything is left or a sanitizer had something to say.

LABCTL_SOURCE=${LABCTL_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
LABCTL=${LABCTL:-$LABCTL_SOURCE/build/dev/bin/labctl}
TOPOLOGIES=$LABCTL_SOURCE/topologies
# The terminals of tests speak UTF-8, whatever the caller's does; every Debian has this one.
export LC_ALL=C.UTF-8
# shellcheck source=tools/setup/leftovers.sh
. "$LABCTL_SOURCE/tools/setup/leftovers.sh"

# Where labctl looks for images.
images_root() {
	if [ -n "${LABCTL_IMAGES:-}" ]; then
		echo "$LABCTL_IMAGES"
	elif [ "$(id -u)" = 0 ]; then
		echo /var/lib/labctl/images
	else
		echo "${XDG_DATA_HOME:-$HOME/.local/share}/labctl/images"
	fi
}

# Short, since the paths of sockets are below it.
lab_setup() {
	T=$(mktemp -d /tmp/lt.XXXXXX)
	mkdir -m 1777 "$T/san"
	NETDEVS=$(ls /sys/class/net)
	# What is started from here on carries $T in its environment.
	export T NETDEVS LABCTL_RUN=$T/run LABCTL_STATE=$T/state
	export ASAN_OPTIONS="log_path=$T/san/report:detect_leaks=${LEAKS:-1}"
	export UBSAN_OPTIONS="log_path=$T/san/report:print_stacktrace=1"
	# The shells of terminals here keep no history in somebody's home.
	export HISTFILE=
	unset XDG_RUNTIME_DIR
}

lab_teardown() {
	local lab end left devices bad=0
	[ -n "${T:-}" ] && [ -d "$T" ] || return 0
	end_helpers
	for lab in "$T"/run*/*/; do
		[ -d "$lab" ] || continue
		LABCTL_RUN=$(dirname "$lab") timeout -k 5 120 "$LABCTL" topology down "$(basename "$lab")" --wipe \
			>"$T/down.log" 2>&1 </dev/null || { echo "topology down:"; cat "$T/down.log"; bad=1; }
	done
	# What ends may take its time on a busy machine, leak check included.
	end=$((SECONDS + 60))
	while left=$(leftovers "$T") devices=$(changed_devices); [ -n "$left$devices" ] && [ $SECONDS -lt $end ]; do sleep 0.1; done
	for lab in "$T"/run*/*/; do
		[ ! -d "$lab" ] || left+=$'\n'"run folder $lab with: $(find "$lab" -mindepth 1 -printf '%f ')"
	done
	[ -z "$devices" ] || left+=$'\n'"interfaces of the machine came or went: $devices"
	if [ -n "$left" ]; then
		echo "left behind:"
		echo "$left"
		sed -n 's/^process \([0-9]*\):.*/\1/p' <<<"$left" | xargs -r kill -9 2>/dev/null || true
		bad=1
	fi
	sanitizer_reports || bad=1
	if [ $bad != 0 ]; then
		for lab in "$T"/run*/*/engine.log; do
			[ ! -f "$lab" ] || { echo "end of $lab:"; tail -n 20 "$lab"; }
		done
	fi
	rm -rf "$T"
	return $bad
}

# Interfaces of the machine that came or went since lab_setup.
changed_devices() {
	comm -3 <(echo "$NETDEVS") <(ls /sys/class/net)
}

# End what a test that failed half-way has left running in the background (readers, servers): bats waits for
# all who hold its pipe. What was started since lab_setup has $T in its environment.
end_helpers() {
	local pid session
	session=$(ps -o sid= -p $$)
	for pid in $(printf '%s/\n' "$T" | env -i grep -slzaFf - /proc/[0-9]*/environ | cut -d / -f 3); do
		# Engines, and what they started, have sessions of their own.
		[ "$(ps -o sid= -p "$pid")" = "$session" ] || continue
		# bats itself and its alarm have it, too, where setup_file called lab_setup.
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*bats-exec-* | "sleep ${BATS_TEST_TIMEOUT:-none} ") ;;
		*) kill -9 "$pid" || true ;;
		esac
	done 2>/dev/null
}

# Show what AddressSanitizer, LeakSanitizer and UBSan reported, and fail if they did.
sanitizer_reports() {
	local file found=0
	for file in "$T"/san/report*; do
		[ -s "$file" ] || continue
		found=1
		echo "sanitizer report of process ${file##*.}:"
		head -n 40 "$file"
	done
	return $found
}

# built_topologies: the project's topologies whose images are there. Those of other architectures, say, are not
# built for every run.
built_topologies() {
	local file image built
	built=$(labctl image list --json | jq -r '.images[] | select(.folder) | .name')
	for file in "$TOPOLOGIES"/*.yaml; do
		for image in $(grep -o 'image: [a-z0-9-]*' "$file" | cut -d ' ' -f 2); do
			grep -qx "$image" <<<"$built" || continue 2
		done
		echo "$file"
	done
}

# labctl, never forever, never with the test's input.
labctl() {
	timeout --foreground -k 5 "${LABCTL_TIMEOUT:-200}" "$LABCTL" "$@" </dev/null
}

# expect_status STATUS COMMAND…: run it; its output is in $output.
expect_status() {
	local want=$1
	shift
	run "$@"
	[ "$status" -eq "$want" ] || {
		echo "status $status, not $want, of: $*"
		echo "$output"
		return 1
	}
}

# output_has REGEX…: $output matches each.
output_has() {
	local regex
	for regex; do
		grep -Eiq -- "$regex" <<<"$output" || {
			echo "no '$regex' in:"
			echo "$output"
			return 1
		}
	done
}

output_lacks() {
	! grep -Ei -- "$1" <<<"$output" || {
		echo "'$1' should not be in:"
		echo "$output"
		return 1
	}
}

# json FILTER COMMAND…: a labctl command's --json document through jq -r.
json() {
	local filter=$1
	shift
	labctl "$@" --json | jq -r "$filter"
}

# status_of LAB FILTER
status_of() {
	json "$2" topology status "$1"
}

# wait_until SECONDS COMMAND…: look again until it is true. For what the outside has no event for. A machine
# that is busy has three times as long, and half a minute at least: a limit proves nothing, it ends a test.
wait_until() {
	local end=$((SECONDS + ($1 > 10 ? $1 * 3 : 30)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || {
			echo "not within time: $*"
			"$@" || true
			return 1
		}
		sleep 0.2
	done
}

# on NODE COMMAND: what a command on a node printed.
on() {
	labctl node exec "$1" "$2"
}

# node_says NODE COMMAND REGEX
node_says() {
	on "$1" "$2" | grep -Eq -- "$3"
}

# node_counts NODE COMMAND REGEX NUMBER: exactly so many lines match.
node_counts() {
	[ "$(on "$1" "$2" | grep -Ec -- "$3")" = "$4" ]
}

pings() {
	on "$1" "ping -c 1 -W 1 $2"
}

# hello_file NAME [EXTRA-NODES]: a topology of boot sectors in $T; prints its path.
hello_file() {
	local name=$1 extra=${2:-}
	cat >"$T/$name.yaml" <<-EOT
	lab: $name
	defaults: {image: hello}
	nodes:
	  a: {}
	  b: {}
	$extra
	links:
	  - [a:eth0, b:eth0]
	EOT
	echo "$T/$name.yaml"
}

# boot_sector GUEST FILE: a disk that boots tests/cli/guests/GUEST.S.
boot_sector() {
	as --32 -I "$LABCTL_SOURCE/tests/cli/guests" -o "$2.o" "$LABCTL_SOURCE/tests/cli/guests/$1.S"
	ld -m elf_i386 -Ttext=0x7c00 -e _start --oformat=binary -o "$2" "$2.o"
	rm "$2.o"
	truncate -s 1M "$2"
}

# pids_of [PROGRAM [ARGUMENTS]]: this test's processes, or those of that name and first arguments.
pids_of() {
	leftovers "$T" | sed -nE "s/^process ([0-9]+): ${1:+([^ ]*\/)?$1( |\$)${2:+$2( |\$)}}.*/\1/p"
}

# runs PROGRAM: this test has one.
runs() {
	[ -n "$(pids_of "$1")" ]
}

# kill_now PID…: end them without a warning, and wait until they are gone: until then they hold locks and sockets.
kill_now() {
	local pid
	kill -9 "$@"
	for pid; do wait_until 10 is_gone "$pid"; done
}

# is_gone PID: it is no more, or waits for its parent to look.
is_gone() {
	[ ! -e "/proc/$1" ] || grep -qs '^State:.Z' "/proc/$1/status"
}

# kill_engines [LAB]: end this test's engines without a warning.
kill_engines() {
	# shellcheck disable=SC2046 # several
	kill_now $(pids_of labctl-engine ${1:+"--lab $1"})
}

# in_lab LAB COMMAND…: run it in the network namespace of a lab.
in_lab() {
	local fabric enter
	fabric=$(jq .fabric.pid "$T/run/$1/state.json")
	shift
	enter=(nsenter -t "$fabric" -n)
	[ "$(id -u)" = 0 ] || enter=(nsenter -t "$fabric" -U --preserve-credentials -n)
	"${enter[@]}" "$@"
}

# listens NODE PORT: somebody on it takes TCP connections there.
listens() {
	node_says "$1" 'cat /proc/net/tcp' ":$(printf %04X "$2") 00000000:0000 0A"
}

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

# A terminal of a test's own: a tmux server with its socket in $T.
tm() {
	tmux -S "$T/tmux" "$@"
}

# tm_start [COMMAND]: a detached 100x30 terminal with a plain shell.
tm_start() {
	env -u TMUX PS1='$ ' TERM=xterm tmux -S "$T/tmux" -f /dev/null new-session -d -x 100 -y 30 \
		"${1:-bash --norc --noprofile}" </dev/null >/dev/null 2>&1 3>&-
}

tm_type() {
	tm send-keys -l "$1"
	tm send-keys Enter
}

tm_screen() {
	tm capture-pane -p -S -200
}

tm_shows() {
	tm_screen | grep -Eq -- "$1"
}

tm_stop() {
	tm kill-server 2>/dev/null || true
}

# needs_tun: skip where no links can be made.
needs_tun() {
	if ! [ -r /dev/net/tun ] || ! [ -w /dev/net/tun ]; then
		skip "/dev/net/tun is not usable by $(id -un)"
	fi
}
