# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# debian: a small Debian as one meets it in a cloud: systemd, cloud-init, sshd, a login on the serial port.
# Maintainers' scripts do not run here, so what they would have left behind is made in recipe_root.

packages=(base-files base-passwd bash libc-bin ca-certificates cloud-init coreutils dash dbus
	debianutils diffutils findutils grep gzip hostname iproute2 iputils-ping isc-dhcp-client less
	libpam-modules libpam-systemd login mount nano netbase openssh-client openssh-server passwd procps
	sed sudo systemd systemd-sysv sysvinit-utils tar tcpdump udev util-linux vim-tiny)
absent=(ifupdown lsb-release openssl eatmydata libeatmydata1 gdisk fdisk cloud-guest-utils
	python3-apport software-properties-common runit-helper dmsetup)
modules=(isofs vfat nls_iso8859-1 nls_cp437 nls_ascii autofs4)
remove=(usr/share/gcc usr/share/gdb usr/lib/valgrind usr/share/vim/vim*/doc usr/share/python-wheels)
# What the other images leave out because they have no systemd.
keep=(systemd zoneinfo)
# It is large, and few boot it: packed within a reasonable time.
ZSTD_LEVEL=6

recipe_build() {
	fetch_packages
	unpack_packages
	split_kernel
	step="applying the recipe"
	recipe_root
	copy_files
	compile_python
	prune_root
	install_modules
	make_initramfs
	make_squashfs
	make_disk
}

# enable TARGET UNIT…: as systemctl enable would.
enable() {
	local wants=$ROOT/etc/systemd/system/$1.wants unit
	shift
	mkdir -p "$wants"
	for unit; do
		ln -sf "/lib/systemd/system/$unit" "$wants/$unit"
	done
}

recipe_root() {
	local file
	mkdir -p "$ROOT"/{dev,proc,sys,run,tmp,mnt,root,home,media} \
		"$ROOT"/var/{lib,log,cache,tmp,spool,mail,lib/systemd,lib/dbus,lib/dhcp}
	chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
	chmod 700 "$ROOT/root"
	rm -rf "$ROOT/var/run" "$ROOT/var/lock"
	ln -s /run "$ROOT/var/run"
	ln -s /run/lock "$ROOT/var/lock"
	ln -sfn /proc/mounts "$ROOT/etc/mtab"
	ln -sf dash "$ROOT/usr/bin/sh"
	[ -e "$ROOT/usr/bin/python3" ] || ln -s python3.11 "$ROOT/usr/bin/python3"
	[ -e "$ROOT/usr/bin/vi" ] || ln -s vim.tiny "$ROOT/usr/bin/vi"

	# base-passwd, base-files, and the system users of the others.
	cp "$ROOT/usr/share/base-passwd/passwd.master" "$ROOT/etc/passwd"
	cp "$ROOT/usr/share/base-passwd/group.master" "$ROOT/etc/group"
	# Root cannot log in until cloud-init says so; accounts have no password.
	sed -i 's/^\([^:]*\):\*:/\1:x:/' "$ROOT/etc/passwd"
	add_user messagebus 100
	add_user systemd-network 998
	add_user systemd-timesync 997
	add_user sshd 101 /run/sshd
	add_user tcpdump 102
	add_group _ssh 103
	add_group systemd-journal 999
	add_group input 104
	add_group sgx 105
	add_group kvm 106
	add_group render 107
	add_group netdev 108
	sed 's/^\([^:]*\):.*/\1:*:19700:0:99999:7:::/' "$ROOT/etc/passwd" >"$ROOT/etc/shadow"
	sed 's/^\([^:]*\):.*/\1:*::/' "$ROOT/etc/group" >"$ROOT/etc/gshadow"
	chmod 640 "$ROOT/etc/shadow" "$ROOT/etc/gshadow"
	cp "$LIB/guest/etc/nsswitch.conf" "$ROOT/etc/nsswitch.conf"
	cp "$ROOT/usr/share/base-files/profile" "$ROOT/etc/profile"
	cp "$ROOT/usr/share/base-files/dot.bashrc" "$ROOT/root/.bashrc"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$ROOT/etc/hosts"
	: >"$ROOT/etc/fstab"
	# Empty: made at the first boot, which yet is no "first boot" that asks questions.
	: >"$ROOT/etc/machine-id"
	mkdir -p "$ROOT/etc/ssl/certs"
	cat "$ROOT"/usr/share/ca-certificates/mozilla/*.crt >"$ROOT/etc/ssl/certs/ca-certificates.crt"
	rm -rf "$ROOT/usr/share/ca-certificates"
	cp "$ROOT/usr/share/openssh/sshd_config" "$ROOT/etc/ssh/sshd_config"
	pam_common

	ln -sf /lib/systemd/system/multi-user.target "$ROOT/etc/systemd/system/default.target"
	enable multi-user.target ssh.service systemd-networkd.service
	enable sockets.target systemd-networkd.socket
	enable cloud-init.target cloud-init-local.service cloud-init.service cloud-config.service cloud-final.service
	# What a guest for labs has no use for, and what would only cost time.
	for file in systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-pstore.service \
		getty@tty1.service proc-sys-fs-binfmt_misc.automount \
		proc-sys-fs-binfmt_misc.mount systemd-binfmt.service cloud-init-hotplugd.socket systemd-networkd-wait-online.service; do
		ln -sf /dev/null "$ROOT/etc/systemd/system/$file"
	done
}

# pam-auth-update's work.
pam_common() {
	local dir=$ROOT/etc/pam.d
	mkdir -p "$dir"
	echo 'auth required pam_unix.so nullok' >"$dir/common-auth"
	echo 'account required pam_unix.so' >"$dir/common-account"
	echo 'password required pam_unix.so obscure yescrypt' >"$dir/common-password"
	printf 'session required pam_unix.so\nsession optional pam_systemd.so\n' >"$dir/common-session"
	echo 'session required pam_unix.so' >"$dir/common-session-noninteractive"
}

# Python's modules as bytecode, as py3compile would; it must not be told from the sources' times, since these
# are all 0 in the image. A host without this Python leaves it to the guest, whose boots are slower then.
compile_python() {
	step="compiling Python modules"
	if ! command -v python3.11 >/dev/null || ! python3.11 -c '' 2>/dev/null; then
		say "there is no python3.11 here: the guest will start more slowly"
		return 0
	fi
	run python3.11 -E -s -m compileall -q -s "$ROOT" -p / --invalidation-mode unchecked-hash \
		"$ROOT/usr/lib/python3" "$ROOT/usr/lib/python3.11" || true
}
