# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# guests.bash: run guests straight under QEMU and talk to their consoles, to test images without the
# rest of labctl.
#
# All that is known of a guest NAME lies in files in $DIR, since bats runs each test in a process of its
# own: NAME.in (a fifo, its serial input), NAME.log (all it printed), NAME.seen (how much of that was
# looked at), NAME.pid, NAME.disk, NAME.tar (its seed), NAME.qmp. PORT=1 takes the second serial port.

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${LABCTL_IMAGES:-}" ]; then
	LABCTL_IMAGES=/var/lib/labctl/images
	[ "$(id -u)" = 0 ] || LABCTL_IMAGES=${XDG_DATA_HOME:-$HOME/.local/share}/labctl/images
fi
export SOURCE LABCTL_IMAGES
SHELL_PROMPT='^[A-Za-z0-9._-]+:.*# $'
VTYSH_PROMPT='^[A-Za-z0-9._-]+(\([a-z0-9-]+\))?# $'

guests_setup() {
	DIR=$(mktemp -d /tmp/labctl-images.XXXXXX)
	export DIR
}

guests_teardown() {
	local file
	for file in "${DIR:-/nonexistent}"/*.pid; do
		[ ! -f "$file" ] || kill -9 "$(cat "$file")" 2>/dev/null || true
	done
	[ -z "${DIR:-}" ] || rm -rf "$DIR"
}

# Skip a test whose image was not built; test.sh builds them all first.
needs_image() {
	[ -f "$LABCTL_IMAGES/$1/appliance.yaml" ] || skip "image $1 is not built in $LABCTL_IMAGES"
}

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

# seed NAME [CONFIG]: the configuration disk, as labctl makes it; CONFIG is the text.
seed() {
	mkdir -p "$DIR/$1.seed"
	echo "$1" >"$DIR/$1.seed/hostname"
	echo test >"$DIR/$1.seed/lab"
	[ $# -lt 2 ] || printf '%s\n' "$2" >"$DIR/$1.seed/config"
	tar -c --format=ustar -f "$DIR/$1.tar" -C "$DIR/$1.seed" .
}

# start NAME ARGUMENT…: QEMU with one serial port on our fifo and log.
start() {
	local name=$1 serial=(-serial chardev:con)
	shift
	[ "${PORT:-0}" = 0 ] || serial=(-serial null -serial chardev:con)
	rm -f "$DIR/$name.in" "$DIR/$name.qmp"
	mkfifo "$DIR/$name.in"
	: >"$DIR/$name.log"
	echo 0 >"$DIR/$name.seen"
	# fd 3 is bats' own, and it waits for all who hold it.
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -name "$name" \
		-chardev stdio,id=con,signal=off "${serial[@]}" \
		-qmp "unix:$DIR/$name.qmp,server=on,wait=off" "$@" \
		<>"$DIR/$name.in" >"$DIR/$name.log" 2>"$DIR/$name.err" 3>&- &
	echo $! >"$DIR/$name.pid"
}

# boot NAME IMAGE ARGUMENT…: a Linux image with its disks; the node's own disk is kept if it is there.
boot() {
	local name=$1 image=$LABCTL_IMAGES/$2 append model memory
	shift 2
	append=$(sed -n 's/^ *append: *"\(.*\)"$/\1/p' "$image/appliance.yaml")
	model=$(sed -n 's/^cpu:.*model: *"\{0,1\}\([^}"]*\).*/\1/p' "$image/appliance.yaml")
	memory=$(sed -n 's/^memory:.*default: *\([0-9]*M\).*/\1/p' "$image/appliance.yaml")
	# A guest that is left to measure its time stamp counter on a busy host is far off, and its timers
	# with it: what labctl tells its guests (src/engine/host.c). In a virtual machine "cpu MHz" is that
	# counter's rate; elsewhere it is the processor's of this moment.
	append+=$(awk '/^cpu MHz/ { mhz = $4 } /^flags.* hypervisor/ { printf " tsc_early_khz=%.0f", mhz * 1000; exit }' /proc/cpuinfo)
	[ -f "$DIR/$name.disk" ] || cp --sparse=always "$image/disk.raw" "$DIR/$name.disk"
	start "$name" -M q35 -accel tcg,tb-size=128 -cpu "$model" -m "${MEMORY:-$memory}" \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.img" -append "$append" \
		-drive "if=none,id=d0,format=raw,readonly=on,file=$image/root.squashfs" \
		-device virtio-blk-pci,drive=d0,addr=0x2 \
		-drive "if=none,id=d1,format=raw,file=$DIR/$name.disk" \
		-device virtio-blk-pci,drive=d1,addr=0x3 \
		-drive "if=none,id=d2,format=raw,readonly=on,file=$DIR/$name.tar" \
		-device virtio-blk-pci,drive=d2,addr=0x4 "$@"
}

# nic N CABLE[:server]: prints the arguments of NIC N, plugged into a cable, which is a unix socket
# whose one end must be the server and start first. Without a cable its port is open.
nic() {
	local slot
	printf -v slot '0x%x' $((16 + $1))
	case ${2:-} in
	'') printf '%s\n' -netdev "hubport,id=n$1,hubid=$1" ;;
	*:server) printf '%s\n' -netdev \
		"stream,id=n$1,server=on,addr.type=unix,addr.path=$DIR/${2%:server}.cable" ;;
	*) printf '%s\n' -netdev "stream,id=n$1,server=off,addr.type=unix,addr.path=$DIR/$2.cable" ;;
	esac
	printf '%s\n' -device \
		"virtio-net-pci,netdev=n$1,addr=$slot,romfile=,mac=52:54:00:$(printf '%02x:%02x' $((RANDOM % 256)) $((RANDOM % 256))):0$1"
}

is_running() {
	local stat
	stat=$(cat "/proc/$(cat "$DIR/$1.pid")/stat" 2>/dev/null) || return 1
	[[ ${stat##*) } != Z* ]]
}

# What a guest printed since it was last looked at, without escapes and CR.
fresh() {
	tail -c +$(($(cat "$DIR/$1.seen") + 1)) "$DIR/$1.log" | tr -d '\r\0' |
		sed 's/\x1b\[[0-9;?]*[A-Za-z]//g'
}

# expect NAME REGEX [SECONDS]: wait until a line matches; then all that came so far counts as seen. A machine that is
# busy has three times as long.
expect() {
	local end=$(($(now_ms) + ${3:-30} * 3000)) size
	while :; do
		size=$(stat -c %s "$DIR/$1.log")
		if fresh "$1" | grep -Eq -- "$2"; then
			echo "$size" >"$DIR/$1.seen"
			return 0
		fi
		if [ "$(now_ms)" -gt $end ] || ! is_running "$1"; then
			echo "$1: no '$2' in time; the end of its console:"
			tail -n 15 "$DIR/$1.log" | cut -c1-200
			cat "$DIR/$1.err"
			return 1
		fi
		sleep 0.05
	done >&2
}

send() {
	printf '%s\r' "$2" >"$DIR/$1.in"
}

# ask NAME COMMAND [PROMPT] [SECONDS]: run it on the console and print what it printed.
ask() {
	local from
	from=$(stat -c %s "$DIR/$1.log")
	echo "$from" >"$DIR/$1.seen"
	send "$1" "$2"
	expect "$1" "${3:-$SHELL_PROMPT}" "${4:-30}" || return 1
	tail -c +$((from + 1)) "$DIR/$1.log" | tr -d '\r' | sed '1d;$d'
}

vty() {
	ask "$1" "$2" "$VTYSH_PROMPT"
}

# until_it HOW NAME COMMAND REGEX SECONDS: repeat a command (HOW: ask or vty) until it prints REGEX.
until_it() {
	local end=$((SECONDS + $5 * 3)) out
	while :; do
		out=$("$1" "$2" "$3") || return 1
		! grep -Eq -- "$4" <<<"$out" || return 0
		if [ $SECONDS -ge $end ]; then
			printf '%s: %s: no %s in time, but:\n%s\n' "$2" "$3" "$4" "$out"
			return 1
		fi
		sleep 0.3
	done
}

# press_power NAME: the ACPI power button, by QMP.
press_power() {
	python3 - "$DIR/$1.qmp" <<-'EOF'
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	f = s.makefile("rw")
	f.readline()
	for command in ("qmp_capabilities", "system_powerdown"):
	    f.write(json.dumps({"execute": command}) + "\n")
	    f.flush()
	    f.readline()
	EOF
}

# gone NAME [SECONDS]: wait for the guest to end by itself.
gone() {
	local end=$(($(now_ms) + ${2:-10} * 3000))
	while is_running "$1"; do
		if [ "$(now_ms)" -gt $end ]; then
			echo "$1 is still running"
			return 1
		fi
		sleep 0.05
	done
}

kill_guest() {
	kill -9 "$(cat "$DIR/$1.pid")" 2>/dev/null || true
	gone "$1" 5
}

# What the kernel complained of: errors and worse, and what tells of faults whatever its level. (On a busy
# machine it warns of clocks that do not agree; that is no fault of the image.)
complaints() {
	ask "$1" 'dmesg -r | grep -E "^<[0-3]>|Oops|BUG:|WARNING:|segfault|taint|I/O error|EXT4-fs (error|warning)"'
}
