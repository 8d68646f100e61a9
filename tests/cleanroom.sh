#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cleanroom.sh: what a person with a bare Debian 12 meets. Makes a minimal Debian root, enters it, clones
# this project's last commit and runs quickstart.sh --check (twice: the second run must be fast) and
# test.sh. Removes everything again. Needs root and mmdebstrap; is not part of test.sh, which it runs.
set -euo pipefail
TOP=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)

usage() {
	cat <<-EOT
	Usage: tests/cleanroom.sh [--user] [--chroot] [--only quickstart|test] [-- ARGUMENT of test.sh…]

	  --user    as an ordinary user with sudo, instead of as root
	  --chroot  enter by chroot instead of pivot_root: there the kernel refuses user namespaces
	  --only    one of the two scripts
	EOT
}

say() {
	printf -- '--- %s\n' "$*"
}

# In the new namespaces: mounts as on a real machine, but nothing of this one besides its network.
enter() {
	local root=$1 how=$2 node
	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sys "$root/sys"
	mount -t tmpfs -o mode=755 dev "$root/dev"
	mkdir "$root"/dev/{pts,shm,net}
	mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
	for node in null zero full random urandom tty net/tun kvm; do
		[ -e "/dev/$node" ] || continue
		cp -a "/dev/$node" "$root/dev/$node"
	done
	chmod 666 "$root"/dev/{null,zero,full,random,urandom,tty}
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	mount -t tmpfs -o mode=755 run "$root/run"
	hostname cleanroom 2>/dev/null || true
	cd "$root"
	if [ "$how" = chroot ]; then
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb HOME=/root \
			chroot . /bin/bash /root/inside.sh
	fi
	mkdir -p old
	pivot_root . old
	umount -l /old
	rmdir /old
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb HOME=/root /bin/bash /root/inside.sh
}

# The script that runs inside, as its root. $1: user, $2: which scripts, then the arguments of test.sh.
inside() {
	cat <<-EOT
	set -euo pipefail
	who=$1 only=$2
	EOT
	shift 2
	printf 'arguments=(%s)\n' "${*@Q}"
	cat <<-'EOT'
	cd /root
	if [ "$who" = user ]; then
		useradd --create-home --shell /bin/bash ann
		echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann
		chown -R ann /srv/labctl.git
		as() { (cd /home/ann && exec setpriv --reuid ann --regid ann --init-groups env HOME=/home/ann USER=ann "$@"); }
	else
		as() { "$@"; }
	fi
	# Nothing but this script may run.
	alone() {
		local pid left=
		for pid in /proc/[0-9]*; do
			[ "$(readlink "$pid/exe")" = "$(readlink /proc/self/exe)" ] && continue
			case $(tr '\0' ' ' <"$pid/cmdline" 2>/dev/null) in
			'' | *inside.sh*) ;;
			*) left+="$(tr '\0' ' ' <"$pid/cmdline" | cut -c1-100)"$'\n' ;;
			esac
		done 2>/dev/null
		[ -z "$left" ] || { echo "--- still running: $left"; return 1; }
	}
	failed=
	step() {
		local from=$SECONDS
		echo "--- $*"
		if as bash -c 'cd labctl && "$@"' - "$@" </dev/null; then
			echo "--- $* took $((SECONDS - from)) s"
		else
			failed+="$*; "
			echo "--- $* FAILED after $((SECONDS - from)) s"
		fi
		alone || failed+="left processes: $*; "
	}
	as git clone -q /srv/labctl.git labctl
	if [ "$only" != test ]; then
		step ./quickstart.sh --check
		step ./quickstart.sh --check
	fi
	if [ "$only" != quickstart ]; then
		step ./test.sh "${arguments[@]}"
	fi
	[ -z "$failed" ] || { echo "--- FAILED: $failed"; exit 1; }
	echo "--- all passed"
	EOT
}

main() {
	local who=root how=pivot only=both
	if [ "${1:-}" = --enter ]; then
		enter "$2" "$3"
	fi
	while [ $# -gt 0 ]; do
		case $1 in
		--user) who=user ;;
		--chroot) how=chroot ;;
		--only)
			[ $# -gt 1 ] || { usage >&2; exit 2; }
			only=$2
			shift
			;;
		--)
			shift
			break
			;;
		-h | --help) usage; exit ;;
		*) usage >&2; exit 2 ;;
		esac
		shift
	done
	[ "$(id -u)" = 0 ] || { echo "cleanroom.sh: making a Debian root needs root" >&2; exit 1; }
	command -v mmdebstrap >/dev/null || { echo "cleanroom.sh: install mmdebstrap first" >&2; exit 1; }

	ROOT=$(mktemp -d /var/tmp/labctl-clean.XXXXXX)
	trap 'rm -rf --one-file-system "$ROOT"' EXIT
	trap 'exit 130' INT TERM HUP
	say "making a minimal Debian in $ROOT"
	mmdebstrap --quiet --variant=minbase --include=git,ca-certificates,sudo bookworm "$ROOT"
	cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
	echo '127.0.1.1 cleanroom' >>"$ROOT/etc/hosts"
	git clone -q --bare --no-local "$TOP" "$ROOT/srv/labctl.git"
	inside "$who" "$only" "$@" >"$ROOT/root/inside.sh"
	say "inside, as $who, by $how"
	# Everything that is started inside ends with it.
	unshare --mount --pid --uts --ipc --fork --kill-child "$0" --enter "$ROOT" "$how"
}

main "$@"
