# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# guests.bash: run guests straight under QEMU and talk to their consoles, for the tests of images.
#
# A guest NAME has files in $DIR: NAME.in (a fifo, its serial input), NAME.log (all it printed),
# NAME.pid, NAME.disk. `expect` looks only at what came after the last `expect` or `ask`.

declare -A seen pid

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

# seed NAME [CONFIG-FILE]: the configuration disk, as labctl makes it.
seed() {
	mkdir -p "$DIR/$1.seed"
	echo "$1" >"$DIR/$1.seed/hostname"
	echo test >"$DIR/$1.seed/lab"
	[ -z "${2:-}" ] || cp "$2" "$DIR/$1.seed/config"
	tar -c --format=ustar -f "$DIR/$1.tar" -C "$DIR/$1.seed" .
}

# start NAME ARGUMENT…: QEMU with its serial port $PORT (default 0) on our fifo and log.
start() {
	local name=$1 serial=(-serial chardev:con0)
	[ "${PORT:-0}" = 0 ] || serial=(-serial null -serial chardev:con0)
	shift
	rm -f "$DIR/$name.in"
	mkfifo "$DIR/$name.in"
	: >"$DIR/$name.log"
	seen[$name]=0
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -name "$name" \
		-chardev stdio,id=con0,signal=off "${serial[@]}" \
		-qmp "unix:$DIR/$name.qmp,server=on,wait=off" "$@" \
		<>"$DIR/$name.in" >"$DIR/$name.log" 2>"$DIR/$name.err" &
	pid[$name]=$!
}

# boot NAME IMAGE ARGUMENT…: a Linux image with its disks; the node's own disk is kept if it is there.
boot() {
	local name=$1 image=$IMAGES/$2 append model
	shift 2
	append=$(sed -n 's/^ *append: *"\(.*\)"$/\1/p' "$image/appliance.yaml")
	model=$(sed -n 's/^cpu:.*model: *"\{0,1\}\([^}"]*\).*/\1/p' "$image/appliance.yaml")
	[ -f "$DIR/$name.disk" ] || cp --sparse=always "$image/disk.raw" "$DIR/$name.disk"
	start "$name" -M q35 -accel tcg -cpu "$model" -m "${MEMORY:-256}" \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.img" -append "$append" \
		-drive "if=none,id=d0,format=raw,readonly=on,file=$image/root.squashfs" \
		-device virtio-blk-pci,drive=d0,addr=0x2 \
		-drive "if=none,id=d1,format=raw,file=$DIR/$name.disk" \
		-device virtio-blk-pci,drive=d1,addr=0x3 \
		-drive "if=none,id=d2,format=raw,readonly=on,file=$DIR/$name.tar" \
		-device virtio-blk-pci,drive=d2,addr=0x4 "$@"
}

# What a guest printed since it was last looked at, without escapes and CR.
fresh() {
	tail -c +$((seen[$1] + 1)) "$DIR/$1.log" | tr -d '\r\0' | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g'
}

# expect NAME REGEX [SECONDS]: wait until a line matches; then that output counts as seen.
expect() {
	local end=$(($(now_ms) + ${3:-30} * 1000)) size
	while :; do
		size=$(stat -c %s "$DIR/$1.log")
		if fresh "$1" | grep -Eq -- "$2"; then
			seen[$1]=$size
			return 0
		fi
		if [ "$(now_ms)" -gt $end ] || ! kill -0 "${pid[$1]}" 2>/dev/null; then
			echo "# $1: no '$2' in ${3:-30} s; the end of its console:"
			tail -n 15 "$DIR/$1.log" | cut -c1-200 | sed 's/^/#   /'
			return 1
		fi
		sleep 0.05
	done
}

send() {
	printf '%s\r' "$2" >"$DIR/$1.in"
}

# ask NAME COMMAND [PROMPT] [SECONDS]: run it on the console, print what it printed.
ask() {
	local prompt=${3:-'^[A-Za-z0-9._-]+(:[^ ]*)?# $'} from
	seen[$1]=$(stat -c %s "$DIR/$1.log")
	from=${seen[$1]}
	send "$1" "$2"
	expect "$1" "$prompt" "${4:-30}" >&2 || return 1
	tail -c +$((from + 1)) "$DIR/$1.log" | tr -d '\r' | sed '1d;$d'
}

# until_seen NAME COMMAND REGEX SECONDS: repeat a command until it prints what is wanted.
until_seen() {
	local end=$((SECONDS + $4)) out
	while :; do
		out=$(ask "$1" "$2") || return 1
		! grep -Eq -- "$3" <<<"$out" || return 0
		if [ $SECONDS -ge $end ]; then
			sed 's/^/#   /' <<<"$out"
			return 1
		fi
		sleep 0.5
	done
}

# One QMP command, after the greeting.
qmp() {
	printf '{"execute":"qmp_capabilities"}\n{"execute":"%s"}\n' "$2" |
		timeout 2 socat -t1 - "UNIX-CONNECT:$DIR/$1.qmp"
}

# Wait for QEMU to end by itself.
gone() {
	local end=$((SECONDS + ${2:-10}))
	while kill -0 "${pid[$1]}" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
	wait "${pid[$1]}" 2>/dev/null || true
	unset "pid[$1]"
}

kill_guest() {
	[ -n "${pid[$1]:-}" ] || return 0
	kill -9 "${pid[$1]}" 2>/dev/null || true
	wait "${pid[$1]}" 2>/dev/null || true
	unset "pid[$1]"
}

kill_all() {
	local name
	for name in "${!pid[@]}"; do
		kill_guest "$name"
	done
}
