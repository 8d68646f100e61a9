# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# leftovers DIR: print what of labs that run below the folder DIR is there, one thing a line: processes
# that name DIR in their arguments or environment, sockets, mounts. Looks at nothing else, so that labs
# of other people, or other tests, do not matter.
leftovers() {
	local pid line sid comm session found
	session=$(ps -o sid= -p $$ | tr -d ' ')
	# grep itself must not match: its environment is empty, and the pattern comes by a pipe.
	found=$(printf '%s/\n' "$1" | env -i grep -slzaFf - /proc/[0-9]*/cmdline /proc/[0-9]*/environ || true)
	for pid in $(sed 's,^/proc/,,; s,/.*,,' <<<"$found" | sort -un); do
		line=$(ps -o sid=,comm=,args= -ww -p "$pid") || continue
		read -r sid comm line <<<"$line"
		# What the caller himself runs now (sed, sleep, …) is not left over; a labctl would be.
		case $sid:$comm in
		"$session":labctl* | "$session":qemu* | "$session":slirp4netns) ;;
		"$session":*) continue ;;
		esac
		echo "process $pid: ${line:0:160}"
	done
	grep -F "$1/" /proc/net/unix | sed 's/.* /socket /' || true
	grep -F "$1/" /proc/self/mountinfo | cut -d ' ' -f 5 | sed 's/^/mount /' || true
}

# traces TOP: what programs of the source tree TOP, their tests and labs of this user leave where it would stay, by
# the names that they use, one thing a line: processes, files in temporary folders, folders of labs, unfinished
# images, mounts. To be compared with what was there before.
traces() (
	# Of what it looks for, most is not there.
	set +e
	local exe owners=(-user "$(id -u)") stores=/var/lib/labctl run=/run/labctl
	if [ "$(id -u)" != 0 ]; then
		stores=${XDG_DATA_HOME:-$HOME/.local/share}/labctl
		run=${XDG_RUNTIME_DIR:-/nonexistent}/labctl
		[ -z "${LAB_AS[*]:-}" ] || owners=('(' -user "$(id -u)" -o -user 0 ')')
	fi
	"${LAB_AS[@]}" find /proc/[0-9]*/exe -maxdepth 0 -lname "$1/build/*" | while IFS=/ read -r _ _ exe _; do
		echo "process $exe: $(tr '\0' ' ' <"/proc/$exe/cmdline" | cut -c 1-160)"
	done
	"${LAB_AS[@]}" find /tmp /var/tmp /dev/shm -mindepth 1 -maxdepth 1 "${owners[@]}" \
		'(' -name 'lt.*' -o -name 'labctl*' -o -name 'bats-*' -o -name 'capture-*' -o -name 'decode-test-*' \
		-o -name 'test-rpc-*' -o -name 'fuzz-*' ')'
	"${LAB_AS[@]}" find "$run" "/tmp/labctl-$(id -u)" "${XDG_STATE_HOME:-$HOME/.local/state}/labctl" \
		"${XDG_CONFIG_HOME:-$HOME/.config}/labctl" "${XDG_CACHE_HOME:-$HOME/.cache}/labctl" -maxdepth 1
	"${LAB_AS[@]}" find "$stores" -maxdepth 3 '(' -name '.tmp-*' -o -name '.import-*' ')'
	"${LAB_AS[@]}" find "$stores" -mindepth 1 -maxdepth 1 ! -name images
	find "$HOME" -maxdepth 1 -name '*labctl*'
	cut -d ' ' -f 5 /proc/self/mountinfo | grep -E '^/tmp/(lt\.|labctl)' | sed 's/^/mount /'
	return 0
) 2>/dev/null
