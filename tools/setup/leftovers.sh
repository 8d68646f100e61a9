# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# leftovers DIR: print what of labs that run below the folder DIR is there, one thing a line: processes
# that name DIR in their arguments or environment, sockets, mounts, namespaces pinned by processes.
# Looks at nothing else, so that labs of other people, or other tests, do not matter.
leftovers() {
	local file pid
	# grep itself must not match: its environment is empty, and the pattern comes by a pipe.
	while IFS= read -r file; do
		pid=${file#/proc/}
		pid=${pid%%/*}
		echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-160)"
	done < <(printf '%s/\n' "$1" |
		env -i grep -lzaFf - /proc/[0-9]*/cmdline /proc/[0-9]*/environ | sort -u -t / -k 3,3) 2>/dev/null
	grep -F "$1/" /proc/net/unix | sed 's/.* /socket /' || true
	grep -F "$1/" /proc/self/mountinfo | cut -d ' ' -f 5 | sed 's/^/mount /' || true
}
