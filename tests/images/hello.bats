#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=hello
#
# The boot-sector guest, under TCG and, where /dev/kvm opens, under KVM.

load guests

setup() {
	needs_image hello
	guests_setup
}

teardown() {
	guests_teardown
}

# hello ACCEL SECONDS: banner, echo, stream, idle, power off.
hello() {
	local from ticks try image=$LABCTL_IMAGES/hello/hello.img
	start h -M q35 -accel "$1" -m 16 -drive "if=none,id=d,format=raw,readonly=on,file=$image" \
		-device virtio-blk-pci,drive=d
	from=$(now_ms)
	expect h '^labctl hello: ' "$2"
	echo "# $1: banner after $(($(now_ms) - from)) ms" >&3
	send h 'Hello 123 ~'
	expect h '^Hello 123 ~$' 5

	# ^A: numbered lines without end, none missing, until a key; then it echoes again.
	printf '\001' >"$DIR/h.in"
	expect h '^line 00000099' 30
	printf ' ' >"$DIR/h.in"
	send h 'again'
	expect h 'again$' 10
	tr -d '\r' <"$DIR/h.log" | grep -aoE 'line [0-9]{8}$' |
		awk '{ if ($2 + 0 != ++n) { print "line", n, "is", $2; exit 1 } }'

	# Idle costs nothing: at most 5 clock ticks of 10 ms in a second. On a busy machine a second may be needed
	# to come to rest, or the seconds be longer; a guest that spins does so in each.
	for ((try = 0; try < 20; try++)); do
		ticks=$(cut -d' ' -f14,15 "/proc/$(cat "$DIR/h.pid")/stat" | tr ' ' +)
		sleep 1
		ticks=$(($(cut -d' ' -f14,15 "/proc/$(cat "$DIR/h.pid")/stat" | tr ' ' +) - (ticks)))
		[ $ticks -gt 5 ] || break
	done
	[ $ticks -le 5 ]

	printf '\004' >"$DIR/h.in"
	gone h 5
}

# bats test_tags=quick
@test "hello under TCG: banner, echo, stream, idle, power off" {
	hello tcg 20
}

# bats test_tags=quick
@test "hello under KVM: banner, echo, stream, idle, power off" {
	[ -w /dev/kvm ] || skip "/dev/kvm cannot be opened"
	hello kvm 60
}

@test "hello has a boot sector and nothing behind it" {
	local image=$LABCTL_IMAGES/hello/hello.img
	[ "$(od -An -tx1 -j510 -N2 "$image" | tr -d ' ')" = 55aa ]
	[ "$(tail -c +513 "$image" | tr -d '\0' | wc -c)" = 0 ]
}
