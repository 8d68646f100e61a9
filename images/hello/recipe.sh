# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# hello: one boot sector, assembled here; no packages.

recipe_build() {
	step="assembling the boot sector"
	must as --32 -o "$WORK/hello.o" "$RECIPE/hello.S"
	must ld -m elf_i386 -Ttext=0x7c00 -e _start --oformat=binary -o "$OUT/hello.img" "$WORK/hello.o"
	[ "$(stat -c %s "$OUT/hello.img")" = 512 ] || fail "the boot sector is not 512 bytes"
	# The BIOS finds no geometry for a disk of less than a cylinder, and cannot read it then.
	truncate -s 1M "$OUT/hello.img"
	chmod 644 "$OUT/hello.img"
}
