# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # T is the test's folder
#
# appliance_helper.bash: images of a test's own, defined by the test, and labs of them.

# image NAME GUEST: an image whose definition is standard input, and a disk that boots tests/cli/guests/GUEST.S.
image() {
	local disk=$T/images/$1/disk.img
	mkdir -p "$T/images/$1"
	{
		printf 'name: %s\narch: x86_64\nmemory: {default: 32M}\nnics: {count: 0}\nstop: {method: quit}\n' "$1"
		cat
	} >"$T/images/$1/appliance.yaml"
	if [ "$2" = efi ]; then
		as --64 -o "$disk.o" "$LABCTL_SOURCE/tests/cli/guests/efi.S"
		ld -m elf_x86_64 -Ttext=0 -e _start --oformat=binary -o "$disk" "$disk.o"
		rm "$disk.o"
	else
		boot_sector "$2" "$disk"
	fi
}

# lab TEXT: write it as a topology.
lab() {
	printf '%s\n' "$@" >"$T/lab.yaml"
}
