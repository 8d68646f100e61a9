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
