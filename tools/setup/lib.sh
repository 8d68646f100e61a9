# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh: what quickstart.sh and test.sh share: progress, packages, permissions, builds, images.
#
# The caller sets `set -euo pipefail` and TOP (the source tree). Everything here can be repeated: what
# is there already is seen by a look, without root, in milliseconds.

readonly SETUP=$TOP/tools/setup
SETUP_STARTED=$SECONDS
SETUP_LOG=
# Whether there is somebody who can type a password. (sudo asks on /dev/tty, so this holds also for
# commands whose input and output are elsewhere.)
if [ -t 0 ]; then SETUP_ASKS=1; else SETUP_ASKS=; fi

# Begin the log that takes what commands print. Kept in build/, so that it can be read afterwards.
setup_log() {
	mkdir -p "$TOP/build"
	SETUP_LOG=$TOP/build/$1.log
	: >"$SETUP_LOG" 2>/dev/null || SETUP_LOG=$(mktemp "/tmp/labctl-$1.XXXXXX")
	SETUP_STARTED=$SECONDS
}

# One line of progress, with the seconds since the start.
say() {
	printf '[%4d s] %s\n' $((SECONDS - SETUP_STARTED)) "$*"
}

# The last words: what went wrong, and what to do.
die() {
	printf '%s: %s\n' "$(basename "$0")" "$1" >&2
	shift
	[ $# = 0 ] || printf '%s\n' "$@" >&2
	exit 1
}

# logged WHAT COMMAND…: run a command with its output in the log; if it fails, show the end of that.
logged() {
	local what=$1 from status=0
	shift
	printf '\n--- %s: %s\n' "$what" "$*" >>"$SETUP_LOG"
	from=$(stat -c %s "$SETUP_LOG")
	"$@" </dev/null >>"$SETUP_LOG" 2>&1 || status=$?
	[ $status -ne 0 ] || return 0
	say "$what failed (status $status); the end of $SETUP_LOG:"
	tail -c "+$((from + 1))" "$SETUP_LOG" | tail -n 30 | sed 's/^/    | /'
	return $status
}

# Run a command as root. Asks for a password only where there is somebody to ask.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		die "this needs root, and there is no sudo: $*" \
			"Run it as root, or install sudo and allow it for $(id -un)."
	elif [ -n "$SETUP_ASKS" ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# list_packages GROUP…: the packages of these groups.
list_packages() {
	local group
	for group; do
		if [ "$group" = image ]; then
			sed 's/#.*//' "$TOP/images/lib/host-packages.txt" | xargs -rn1
		else
			awk -v group="$group" '$1 == group { print $2 }' "$SETUP/packages.txt"
		fi
	done | sort -u
}

# missing_packages GROUP…: those of them that are not installed.
missing_packages() {
	local package
	while read -r package; do
		# " installed ": a package that dpkg has only heard of is "not-installed".
		case " $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null)" in
		*" installed "*) ;;
		*) echo "$package" ;;
		esac
	done < <(list_packages "$@")
}

# install_packages GROUP…: install what is missing. Needs root only if something is.
install_packages() {
	local missing=() try
	mapfile -t missing < <(missing_packages "$@")
	if [ ${#missing[@]} -eq 0 ]; then
		say "packages: all there"
		return
	fi
	command -v apt-get >/dev/null ||
		die "this is no Debian, so install by other means what stands for: ${missing[*]}"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "packages are missing, and installing them needs root, but there is no sudo." \
			"Have somebody with root run:" "    apt-get install ${missing[*]}"
	if [ "$(id -u)" != 0 ] && [ -z "$SETUP_ASKS" ] && ! sudo -n true 2>/dev/null; then
		die "packages are missing, and sudo asks for a password that nobody can type here." \
			"Run this first:" "    sudo apt-get install ${missing[*]}"
	fi
	say "packages: installing ${#missing[@]} (${missing[*]:0:6}$([ ${#missing[@]} -le 6 ] || echo ' …')) and what they need"
	for try in 1 2 3; do
		if [ "$try" -gt 1 ]; then
			say "packages: trying again ($try of 3)"
			sleep $((try * 5))
		fi
		logged "apt-get update" as_root apt-get update -q || continue
		logged "apt-get install" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
			--no-install-recommends "${missing[@]}" || continue
		return
	done
	die "installing packages did not work; see above and $SETUP_LOG." \
		"Is the Debian mirror reachable? Is /etc/apt/sources.list right?"
}

# Make /dev/net/tun usable: without it there are no taps, so no links.
ensure_tun() {
	if [ ! -e /dev/net/tun ]; then
		say "/dev/net/tun is missing: making it (as root: mknod -m 0666 /dev/net/tun c 10 200)"
		as_root mkdir -p /dev/net
		as_root modprobe tun 2>/dev/null || true
		[ -e /dev/net/tun ] || as_root mknod -m 0666 /dev/net/tun c 10 200 ||
			die "cannot make /dev/net/tun" "Make it on the host: mknod -m 0666 /dev/net/tun c 10 200"
	fi
	[ "$(id -u)" != 0 ] || return 0
	[ -r /dev/net/tun ] && [ -w /dev/net/tun ] && return
	say "/dev/net/tun is not for $(id -un): giving it the usual mode (as root: chmod 0666 /dev/net/tun)"
	as_root chmod 0666 /dev/net/tun ||
		die "cannot change the mode of /dev/net/tun" "Have root run: chmod 0666 /dev/net/tun"
}

# Whether this user can make a network namespace of his own. In a plain chroot the kernel refuses it,
# and some hosts switch it off.
namespaces_work() {
	if [ "$(id -u)" = 0 ]; then
		unshare --net true 2>/dev/null
	else
		unshare --user --map-current-user --net true 2>/dev/null
	fi
}

# Decide how labs run. Sets LAB_AS: empty, or a prefix that makes the command root's.
choose_identity() {
	LAB_AS=()
	namespaces_work && return
	if [ "$(id -u)" = 0 ]; then
		die "root cannot make a network namespace here (unshare --net fails)." \
			"In a container: give it CAP_SYS_ADMIN and CAP_NET_ADMIN (--privileged does)."
	fi
	command -v sudo >/dev/null ||
		die "$(id -un) cannot make user namespaces here, and there is no sudo to run labs as root." \
			"Allow them: sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1" \
			"(in a plain chroot the kernel refuses them whatever is set: use a container or pivot_root)."
	say "$(id -un) cannot make user namespaces here (a chroot, or switched off): labs run as root, by sudo"
	LAB_AS=(sudo)
	[ -n "$SETUP_ASKS" ] || LAB_AS=(sudo -n)
}

# build PRESET [TARGET…]: configure if need be, and compile.
build() {
	local preset=$1 dir=$TOP/build/$1
	shift
	say "building (preset $preset, in build/$preset)"
	# A cache from another place, such as a copied tree, is of no use.
	if [ -f "$dir/CMakeCache.txt" ] &&
		! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$TOP" "$dir/CMakeCache.txt"; then
		rm -rf "$dir"
	fi
	logged "cmake ($preset)" cmake -S "$TOP" --preset "$preset" || return 1
	logged "compiling ($preset)" cmake --build "$dir" ${1:+--target "$@"}
}

# build_images LABCTL NAME[:ARCH]…: build the images that are not up to date, as whoever runs the labs.
build_images() {
	local labctl=$1 item status arch recipes=()
	shift
	[ -z "${LABCTL_RECIPES:-}" ] || recipes=(env "LABCTL_RECIPES=$LABCTL_RECIPES")
	for item; do
		status=0 arch=()
		[ "$item" = "${item#*:}" ] || arch=(--arch "${item#*:}")
		"${LAB_AS[@]}" "${recipes[@]}" "$labctl" image build "${item%:*}" "${arch[@]}" </dev/null 2>&1 |
			tee -a "$SETUP_LOG" | while IFS= read -r line; do say "image $line"; done || status=$?
		[ $status = 0 ] || return $status
	done
}
