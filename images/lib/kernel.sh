# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# kernel.sh: from linux-image-cloud to what a guest boots with.
#
#  - The kernel is unpacked to the ELF file inside Debian's bzImage. QEMU enters that by the PVH
#    protocol: no BIOS, no decompression in the guest, 0.3 to 0.5 s less under TCG.
#  - The initramfs holds what mounts the root and nothing else: busybox, one script, a few modules.
#  - Modules are named by the top of what is wanted and closed over modules.dep. Those of the network
#    go into the root, where the kernel asks modprobe for them as they are needed.

# To mount the root: in the initramfs. What is built into a kernel counts as there; ext4 asks for its
# checksum by name, which is why that stands here.
readonly MODULES_BOOT=(virtio_pci virtio_blk squashfs overlay crc32c_generic ext4)

# In every root: all protocols, every virtual interface, the power button. A pattern with a slash is
# matched against the path below kernel/, else against the module's name.
readonly MODULES_ALWAYS=(virtio_net virtio_rng button evdev 'net/*' 'drivers/net/bonding/*'
	'drivers/net/ipvlan/*' 'drivers/net/team/*' 'drivers/net/vxlan/*' 'drivers/net/wireguard/*'
	dummy geneve ifb macsec macvlan macvtap netconsole nlmon tap tun veth vrf vsockmon xfrm_user)

# Trees of net/ that no lab on Ethernet uses; together they are a third of it.
readonly MODULES_NEVER='kernel/net/(9p|appletalk|atm|ax25|bluetooth|can|ceph|dccp|ieee802154|mac80211|mac802154|netrom|nfc|qrtr|rds|rose|rxrpc|smc|sunrpc|tipc|wireless|x25|6lowpan|rfkill|batman-adv|openvswitch)/'

# Take the kernel and the modules out of the root.
split_kernel() {
	step="unpacking the kernel"
	local image
	image=$(echo "$ROOT"/boot/vmlinu[xz]-*)
	[ -f "$image" ] || fail "there is no kernel, or more than one, in the packages"
	KVER=${image##*/vmlinu[xz]-}
	arch_kernel_image "$image" "$WORK/vmlinux"
	share_blob "$WORK/vmlinux" vmlinuz
	rm -rf "${ROOT:?}/boot"
	mkdir -p "$WORK/mod/lib"
	mv "$ROOT/usr/lib/modules" "$WORK/mod/lib/"
	step="resolving kernel modules"
	must depmod -b "$WORK/mod" "$KVER"
}

# The ELF file inside a bzImage. The setup header (boot protocol 2.08) says where the compressed
# payload begins and how long it is; its first bytes say by what it was compressed.
extract_elf() {
	local setup offset length magic
	setup=$(od -An -tu1 -j $((0x1f1)) -N1 "$1" | tr -d ' ')
	offset=$(od -An -tu4 -j $((0x248)) -N4 "$1" | tr -d ' ')
	length=$(od -An -tu4 -j $((0x24c)) -N4 "$1" | tr -d ' ')
	offset=$(((setup + 1) * 512 + offset))
	tail -c +$((offset + 1)) "$1" | head -c "$length" >"$WORK/payload" || true
	magic=$(od -An -tx1 -N4 "$WORK/payload" | tr -d ' ')
	# The payload ends in its uncompressed length, which decompressors call trailing garbage: what
	# counts is that an ELF file came out.
	case $magic in
	02214c18) lz4 -dcq "$WORK/payload" >"$2" 2>>"$LOG" || true ;;
	28b52ffd) zstd -dcq "$WORK/payload" >"$2" 2>>"$LOG" || true ;;
	fd377a58) xz -dcq --single-stream "$WORK/payload" >"$2" 2>>"$LOG" || true ;;
	1f8b*) gzip -dcq "$WORK/payload" >"$2" 2>>"$LOG" || true ;;
	*) fail "the kernel is compressed in an unknown way (magic $magic)" ;;
	esac
	rm "$WORK/payload"
	[ "$(od -An -tx1 -N4 "$2" | tr -d ' ')" = 7f454c46 ] || fail "no ELF file in the kernel image"
}

# Print the files (relative to lib/modules/KVER) of the modules that match the patterns and of all that
# these depend on, dependencies first. modules.dep reads "FILE: DEP DEP…", nearest first.
resolve_modules() {
	local dep=$WORK/mod/lib/modules/$KVER/modules.dep
	printf '%s\n' "$@" | awk -v never="$MODULES_NEVER" -v builtin="${dep%.dep}.builtin" -v arch="$ARCH" '
		function emit(file,   n, i, part) {
			if (file in done) return
			done[file] = 1
			n = split(deps[file], part, " ")
			for (i = n; i >= 1; i--) emit(part[i])
			print file
		}
		BEGIN { while ((getline file <builtin) > 0) inside[++insides] = file }
		NR == FNR { pattern[++patterns] = $1; next }
		{
			file = $1; sub(/:$/, "", file); order[++files] = file
			line = $0; sub(/^[^:]*: */, "", line); deps[file] = line
		}
		END {
			for (p = 1; p <= patterns; p++) {
				want = pattern[p]; any = 0
				regex = want; gsub(/[.]/, "\\.", regex); gsub(/[*]/, ".*", regex)
				gsub(/[-_]/, "[-_]", regex)
				regex = want ~ /\// ? "^kernel/" regex "$" : "/" regex "\\.ko$"
				for (f = 1; f <= files; f++)
					if (order[f] ~ regex && order[f] !~ never) { emit(order[f]); any = 1 }
				for (f = 1; f <= insides; f++)
					if (inside[f] ~ regex) any = 1
				if (!any) missing = missing " " want
			}
			# Recipes are written for amd64; not every machine has a power button.
			if (missing != "") print "no such module:" missing > "/dev/stderr"
			if (missing != "" && arch == "amd64") exit 1
		}' - "$dep" 2>>"$LOG" || fail "$(tail -n 1 "$LOG")" "correct \`modules\` in $RECIPE/recipe.sh"
}

# Put the root's modules in place, with an index of their own.
install_modules() {
	step="installing kernel modules"
	local from=$WORK/mod/lib/modules/$KVER to=$ROOT/usr/lib/modules/$KVER file
	mkdir -p "$to"
	cp "$from"/modules.builtin* "$from/modules.order" "$to/"
	resolve_modules "${MODULES_ALWAYS[@]}" "${modules[@]}" >"$WORK/modules"
	while read -r file; do
		install -D -m 644 "$from/$file" "$to/$file"
	done <"$WORK/modules"
	must depmod -b "$ROOT" "$KVER"
	say "kernel $KVER with $(wc -l <"$WORK/modules") modules"
}

# The initramfs is left uncompressed: 3 MB are read from the page cache faster than TCG unpacks them.
# Times, owners and order are fixed, so that the same files give the same bytes.
make_initramfs() {
	step="making the initramfs"
	local tree=$WORK/initramfs file applet
	mkdir -p "$tree"/{bin,dev,modules,root,disk,base}
	cp "$ROOT/usr/bin/busybox" "$tree/bin/"
	# The shell finds most applets in itself, but those that want a process of their own by
	# /proc/self/exe, and there is no /proc yet: these need a name.
	for applet in sh mount mkdir switch_root; do
		ln -s busybox "$tree/bin/$applet"
	done
	install -m 755 "$LIB/initramfs-init" "$tree/init"
	resolve_modules "${MODULES_BOOT[@]}" >"$WORK/modules.boot"
	while read -r file; do
		cp "$WORK/mod/lib/modules/$KVER/$file" "$tree/modules/"
		echo "${file##*/}"
	done <"$WORK/modules.boot" >"$tree/modules/order"
	find "$tree" -exec touch -h -d @0 {} +
	(cd "$tree" && find . | LC_ALL=C sort |
		cpio -o -H newc --quiet --reproducible -R 0:0) >"$WORK/initrd.img" 2>>"$LOG" ||
		fail "cpio failed" "is the disk full?"
	share_blob "$WORK/initrd.img" initrd.img
}
