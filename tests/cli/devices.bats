#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# Firmware, NICs and disks of every kind, with guests that have the drivers.

load helper

setup() {
	lab_setup
	export LABCTL_IMAGES=$T/images
	mkdir -p "$T/images"
}

teardown() {
	lab_teardown
}

# image NAME GUEST: an image whose definition is standard input, and a disk that boots tests/cli/guests/GUEST.S.
image() {
	local bits=--32 format=elf_i386 at=0x7c00
	mkdir -p "$T/images/$1"
	{
		printf 'name: %s\narch: x86_64\nmemory: {default: 32M}\nnics: {count: 0}\nstop: {method: quit}\n' "$1"
		cat
	} >"$T/images/$1/appliance.yaml"
	[ "$2" != efi ] || bits=--64 format=elf_x86_64 at=0
	as $bits -o "$T/$1.o" "$LABCTL_SOURCE/tests/cli/guests/$2.S"
	ld -m $format -Ttext=$at -e _start --oformat=binary -o "$T/images/$1/disk.img" "$T/$1.o"
	[ "$2" = efi ] || truncate -s 1M "$T/images/$1/disk.img"
}

# lab TEXT: write it as a topology.
lab() {
	printf '%s\n' "$@" >"$T/lab.yaml"
}

# typed NODE: what its console said, on plain lines.
said() {
	labctl node log "$1" | tr -d '\r'
}

@test "UEFI boots from a FAT disk, with a TPM" {
	[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip "OVMF is not installed"
	command -v swtpm >/dev/null || skip "swtpm is not installed"
	command -v mcopy >/dev/null || skip "mtools is not installed"
	image app efi <<-'END'
	memory: {default: 128M}
	END
	image uefi efi <<-'END'
	firmware: {type: uefi, tpm: true}
	disks: [{file: esp.img, bus: sata}]
	ready: {console: 'labctl: efi runs', timeout: 120s}
	END
	sed -i 's/default: 32M/default: 128M/' "$T/images/uefi/appliance.yaml"
	truncate -s 16M "$T/images/uefi/esp.img"
	mformat -i "$T/images/uefi/esp.img" -v ESP ::
	mmd -i "$T/images/uefi/esp.img" ::/EFI ::/EFI/BOOT
	mcopy -i "$T/images/uefi/esp.img" "$T/images/app/disk.img" ::/EFI/BOOT/BOOTX64.EFI
	lab 'nodes: {u: {image: uefi}}'
	labctl topology up "$T/lab.yaml" --wait ready
	[ "$(status_of lab '.nodes[0].state')" = ready ]
	# Variables and TPM are the node's own.
	[ -s "$T/state/lab/u/uefi-vars.fd" ]
	[ -d "$T/state/lab/u/tpm" ]
}
