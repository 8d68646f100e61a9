#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# What docs/architecture.md says of the source tree, held against it.

load helper

setup() {
	cd "$LABCTL_SOURCE" || return
}

# Which folders each folder may include from.
allowed() {
	case $1 in
	src/base) echo base ;;
	src/topology) echo base topology ;;
	src/appliance) echo base topology appliance ;;
	src/netfabric) echo base topology netfabric ;;
	src/console) echo base console ;;
	src/capture) echo base capture ;;
	src/rpc) echo base rpc ;;
	src/engine) echo base topology appliance netfabric console capture rpc engine ;;
	tools/labctl) echo base topology appliance console capture rpc labctl ;;
	*) return 1 ;;
	esac
}

# FOLDER INCLUDED FILE:LINE for every quoted include, of every folder with sources.
includes() {
	grep -rnE --include='*.[ch]' '^ *# *include *"' src tools |
		sed -E 's,^(src/[a-z]+|tools/[a-z]+)(/[^:]*:[0-9]+):.*"([^"]+)".*,\1 \3 \1\2,'
}

@test "includes between folders follow the DAG" {
	local folder header place from bad=0 n=0
	while read -r folder header place; do
		n=$((n + 1))
		from=${header%%/*}
		allowed "$folder" >/dev/null || { echo "$place: the folder $folder is not in the architecture"; bad=1; continue; }
		[[ $header == */* ]] || { echo "$place: \"$header\" is not relative to src/"; bad=1; }
		[[ " $(allowed "$folder") " == *" $from "* ]] || { echo "$place: $folder must not include $header"; bad=1; }
	done < <(includes)
	[ $n -gt 100 ]
	[ $bad = 0 ]
}

@test "private headers stay in their folder" {
	local folder header place bad=0
	while read -r folder header place; do
		[[ $header != *_priv.h ]] || [ "${folder##*/}" = "${header%%/*}" ] ||
			{ echo "$place: $header is private to ${header%%/*}"; bad=1; }
	done < <(includes)
	[ $bad = 0 ]
}

@test "every public header compiles alone" {
	local header flags bad=0 compiler
	flags=$(pkg-config --cflags libsystemd jansson)
	for header in src/*/*.h; do
		[[ $header != *_priv.h ]] || continue
		for compiler in gcc $(command -v clang); do
			# shellcheck disable=SC2086 # flags are words
			"$compiler" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only $flags -Isrc -x c \
				-include "$header" /dev/null || { echo "$header does not compile alone by $compiler"; bad=1; }
		done
	done
	[ $bad = 0 ]
}

@test "every source file names its licence on its first lines" {
	local file bad=0
	while IFS= read -r file; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || { echo "$file"; bad=1; }
	done < <(find src tools tests images topologies cmake -type f \
		\( -name '*.[chS]' -o -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o -name CMakeLists.txt -o -name '*.cmake' \))
	[ $bad = 0 ]
}

@test "source files are not much longer than 800 lines" {
	run bash -c "find src tools tests -name '*.[ch]' -exec wc -l {} + | awk '\$2 != \"total\" && \$1 > 820'"
	[ -z "$output" ] || { echo "$output"; false; }
}

@test "C sources have no line over 100 columns" {
	run bash -c "find src tools tests -name '*.[ch]' -exec env LC_ALL=C.UTF-8 grep -nE '^.{101,}' /dev/null {} +"
	[ -z "$output" ] || { echo "$output" | head; false; }
}

@test "no timer goes by the wall clock, which may jump" {
	run grep -rnE 'CLOCK_(REALTIME|TAI)' --include='*.[ch]' src tools
	# Times that people read, and nothing that is waited for.
	! grep -E 'sd_event|timerfd|timedwait|clock_nanosleep' <<<"$output" || false
}

@test "tests have none of the words that make a failure unseen, or wait for the test's own alarm" {
	# "! command" ends no test unless it stands last; bats' alarm is job 1 of each test, and "wait" alone
	# waits for it.
	run grep -nE '^[[:space:]]*(![[:space:]].*|wait|.*kill %.*)$' tests/cli/*.ba* tests/images/*.ba*
	output=$(grep -vE ' \|\| |sources\.bats:' <<<"$output" || true)
	[ -z "$output" ] || { echo "$output"; false; }
}
