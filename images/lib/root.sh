# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# root.sh: what postinst scripts would have made, our own init, and the two disks.

# Our init and the configuration that every guest shares. Users come from recipes by add_user.
install_guest() {
	step="installing the guest's own files"
	local applet
	cp -r "$LIB/guest/." "$ROOT/"
	mkdir -p "$ROOT"/{dev,proc,sys,run,tmp,mnt,root,home} "$ROOT"/var/{lib,log,cache,tmp,spool}
	chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
	chmod 700 "$ROOT/root"
	rm -rf "$ROOT/var/run" "$ROOT/var/lock"
	ln -s /run "$ROOT/var/run"
	ln -s /run/lock "$ROOT/var/lock"
	ln -sfn /proc/mounts "$ROOT/etc/mtab"
	# What udev would make of /proc in /dev: rc copies it there, in one go.
	mkdir -p "$ROOT/etc/labctl" "$ROOT/usr/lib/labctl/dev"
	ln -s /proc/self/fd "$ROOT/usr/lib/labctl/dev/fd"
	ln -s fd/0 "$ROOT/usr/lib/labctl/dev/stdin"
	ln -s fd/1 "$ROOT/usr/lib/labctl/dev/stdout"
	ln -s fd/2 "$ROOT/usr/lib/labctl/dev/stderr"
	echo "$NAME" >"$ROOT/etc/labctl/image"
	echo "$arch_consoles" >"$ROOT/etc/labctl/consoles"
	# Of libc-bin there stay the locale and what looks things up, not the makers of caches and tables.
	rm -f "$ROOT"/usr/sbin/{ldconfig,iconvconfig,zic} "$ROOT"/usr/bin/{iconv,localedef,pldd,tzselect,zdump}
	# busybox stands in for every command that no package brought.
	while read -r applet; do
		case $applet in dpkg* | rpm* | ar | init | poweroff | reboot | halt | httpd | telnetd) continue ;; esac
		[ -e "$ROOT/usr/bin/$applet" ] || [ -L "$ROOT/usr/bin/$applet" ] ||
			[ -e "$ROOT/usr/sbin/$applet" ] || [ -L "$ROOT/usr/sbin/$applet" ] ||
			ln -s busybox "$ROOT/usr/bin/$applet"
	done <"$LIB/busybox-applets"
	# Debian's traceroute and its kin are alternatives, which a postinst would link.
	for applet in "$ROOT"/usr/bin/*.db "$ROOT"/usr/sbin/*.db; do
		[ -e "$applet" ] || continue
		ln -sf "${applet##*/}" "${applet%.db}"
	done
	ln -sf ../bin/busybox "$ROOT/usr/sbin/init"
	ln -sf bash "$ROOT/usr/bin/sh"
	for applet in poweroff reboot halt; do
		ln -sf ../lib/labctl/halt "$ROOT/usr/sbin/$applet"
	done
}

# For recipes: a system user with a group of the same name, as a package's postinst would make it.
add_user() {
	local name=$1 id=$2 home=${3:-/nonexistent}
	echo "$name:x:$id:$id::$home:/usr/sbin/nologin" >>"$ROOT/etc/passwd"
	add_group "$name" "$id"
}

# For recipes: a group, with members after its number.
add_group() {
	echo "$1:x:$2:${3:-}" >>"$ROOT/etc/group"
}

# A recipe's files/ are laid over the root as they are.
copy_files() {
	[ -d "$RECIPE/files" ] || return 0
	cp -r "$RECIPE/files/." "$ROOT/"
	# Modes are not part of the key, and a checkout may have lost them.
	[ ! -d "$ROOT/usr/lib/labctl" ] ||
		find "$ROOT/usr/lib/labctl" "$ROOT/etc/acpi" -type f -exec chmod 755 {} +
	(cd "$RECIPE/files" && find . -path './usr/*bin/*' -type f -print0) |
		(cd "$ROOT" && xargs -0r chmod 755)
}

prune_root() {
	local path
	step="pruning"
	wants systemd || rm -rf "$ROOT/etc/systemd"
	for path in etc/init.d etc/rc?.d etc/cron.* etc/logrotate.d etc/kernel etc/X11 etc/apparmor.d \
		usr/share/apport usr/share/applications usr/share/icons usr/share/pixmaps \
		usr/share/metainfo usr/share/initramfs-tools var/cache/apt var/lib/dpkg "${remove[@]}"; do
		rm -rf "${ROOT:?}/"$path
	done
	# Perl is never there, so neither need be what wants it.
	{ grep -rlI -m1 '^#! */usr/bin/perl' "$ROOT"/usr/{bin,sbin,share} || true; } 2>>"$LOG" |
		xargs -r rm -f
	find "$ROOT" -xtype l -lname '*/init.d/*' -delete
}

# The read-only base, shared by all nodes. Everything is root's and of one time, so that the same
# packages give the same bytes.
make_squashfs() {
	step="making the root file system"
	say "packing $(du -sh "$ROOT" | cut -f1) into a squashfs"
	chmod 755 "$ROOT"
	must mksquashfs "$ROOT" "$OUT/root.squashfs" -all-root -no-xattrs -comp zstd \
		-Xcompression-level "${ZSTD_LEVEL:-15}" -b 128K -all-time 0 -mkfs-time 0 -noappend -no-progress \
		-quiet
	chmod 644 "$OUT/root.squashfs"
}

# What a node changes goes here: 1 GiB to the guest, a few KiB on the host, copied for each node.
# The inode tables are left for the first use, so that the file stays sparse.
make_disk() {
	step="making the disk"
	truncate -s 1G "$OUT/disk.raw" || fail "cannot make a sparse file of 1 GiB in $OUT"
	must mkfs.ext4 -q -F -L labctl -N 16384 -m 0 -J size=4 \
		-U 6c616263-746c-4000-8000-000000000000 \
		-E lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0,hash_seed=6c616263-746c-4000-8000-000000000000 \
		"$OUT/disk.raw"
	chmod 644 "$OUT/disk.raw"
}
