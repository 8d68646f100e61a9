#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test.sh: every test of labctl, and what they need. Its last line counts: N passed, N failed, N skipped.
#
# What is run: checks of the sources (check/…), unit tests (unit/…, cmocka by ctest), end-to-end tests
# with real guests (cli/…, images/…, bats), fuzz targets for a few seconds each (fuzz/…). The programs
# under test are the dev build: a report of AddressSanitizer, LeakSanitizer or UBSan fails the test.
# Every result is a line "ok NAME", "FAILED NAME" or "skipped NAME: reason"; a runner that dies early
# leaves tests without a result, and each of those counts as failed.
set -euo pipefail
TOP=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=tools/setup/lib.sh
. "$TOP/tools/setup/lib.sh"

IMAGES_NEEDED=(frr host hello switch bird openbgpd firewall services)
# What only tests/cli/devices.bats uses: NAME or NAME:ARCH, from images/ or tests/images/recipes/.
IMAGES_OF_DEVICES=(debian drivers frr:arm64 frr:ppc64el)
PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()
QUICK='' FILTER=. FUZZ_SECONDS=5 FUZZ_EXPLORES='' LIST=

usage() {
	cat <<-EOT
	Usage: ./test.sh [--quick] [--filter PATTERN] [--fuzz SECONDS] [--list]

	  --quick           leave out what takes long: less than two minutes once everything is built
	  --filter PATTERN  only tests whose name, as --list prints it, matches this regular expression
	  --fuzz SECONDS    run each fuzz target this long (default: $FUZZ_SECONDS; 0: not at all)
	  --list            print the names of the tests and do nothing else
	EOT
}

# result ok|failed|skipped NAME [REASON]
result() {
	case $1 in
	ok)
		PASSED=$((PASSED + 1))
		say "ok $2"
		;;
	skipped)
		SKIPPED=$((SKIPPED + 1))
		say "skipped $2: ${3:-no reason given}"
		;;
	*)
		FAILED=$((FAILED + 1))
		FAILURES+=("$2")
		say "FAILED $2${3:+: $3}"
		;;
	esac
}

# ---- names -------------------------------------------------------------------------------------

list_checks() {
	printf '%s\n' check/shellcheck check/clang-format check/build-dev
	[ -n "$QUICK" ] || echo check/build-clang
	echo check/images
}

list_unit() {
	local file
	for file in "$TOP"/tests/unit/test_*.c; do
		[ ! -e "$file" ] || echo "unit/$(basename "$file" .c)"
	done
}

list_fuzz() {
	local file
	[ -z "$QUICK" ] && [ "$FUZZ_SECONDS" -gt 0 ] || return 0
	for file in "$TOP"/tests/fuzz/fuzz_*.c; do
		[ ! -e "$file" ] || echo "fuzz/$(basename "$file" .c)"
	done
}

# list_bats FILE: its tests, as DIR/FILE: NAME. In a quick run only those that carry the tag "quick".
list_bats() {
	local short=${1#"$TOP"/tests/}
	awk -v file="${short%.bats}" -v quick="$QUICK" '
		/^# bats file_tags=/ { all = /[=,]quick(,|$)/ }
		/^# bats test_tags=/ { one = /[=,]quick(,|$)/ }
		/^@test / {
			name = $0
			sub(/^@test ["\x27]/, "", name)
			sub(/["\x27] *\{ *$/, "", name)
			if (quick == "" || all || one)
				print file ": " name
			one = 0
		}' "$1"
}

bats_files() {
	local file
	for file in "$TOP"/tests/images/*.bats "$TOP"/tests/cli/*.bats; do
		[ ! -e "$file" ] || echo "$file"
	done
}

list_all() {
	local file
	list_checks
	list_unit
	while read -r file; do list_bats "$file"; done < <(bats_files)
	list_fuzz
}

# Whether a name is asked for.
wanted() {
	grep -Eq -- "$FILTER" <<<"$1"
}

matching() {
	grep -E -- "$FILTER" || true
}

# ---- checks ------------------------------------------------------------------------------------

# check NAME COMMAND…: one result by a command's status; 77 means that it had to be skipped.
check() {
	local name=$1 status=0
	shift
	wanted "$name" || return 0
	# In a shell of its own, so that the first failing command of a check ends it.
	set +e
	(set -e; "$@") >"$WORK/check.out" 2>&1
	status=$?
	set -e
	case $status in
	0) result ok "$name" ;;
	77) result skipped "$name" "$(tail -n 1 "$WORK/check.out")" ;;
	*)
		sed 's/^/    | /' "$WORK/check.out"
		result failed "$name"
		;;
	esac
}

# The project's files of some kind, by git or, in an unpacked archive, by find.
sources() {
	if git -C "$TOP" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		(cd "$TOP" && git ls-files --cached --others --exclude-standard -- "$@" |
			while IFS= read -r file; do [ ! -f "$file" ] || printf '%s\n' "$file"; done)
	else
		(cd "$TOP" && find . -name build -prune -o -type f -print | sed 's,^\./,,' |
			while IFS= read -r file; do
				# shellcheck disable=SC2254 # these are patterns
				for pattern; do case $file in $pattern) echo "$file" ;; esac; done
			done)
	fi
}

check_shellcheck() {
	local programs=() fragments=() guests=() file first shell='^#!.*[/ ](ba)?sh$'
	while IFS= read -r file; do
		first=$(head -c 64 "$TOP/$file" | tr -d '\0' | head -n 1)
		if [[ $first == '#!'*busybox* ]]; then
			guests+=("$file")
		elif [[ $first =~ $shell ]]; then
			programs+=("$file")
		else
			case $file in
			*.bats) programs+=("$file") ;;
			*.sh | *.bash) fragments+=("$file") ;;
			esac
		fi
	done < <(sources '*')
	cd "$TOP"
	shellcheck -x -S warning "${programs[@]}"
	# What is sourced uses and sets variables of others.
	shellcheck -x -S warning -e SC2034,SC2154 "${fragments[@]}"
	# busybox's shell is a dash that can replace in strings.
	[ ${#guests[@]} -eq 0 ] || shellcheck -s dash -S warning -e SC3060 "${guests[@]}"
}

check_clang_format() {
	local tool files=()
	tool=$(command -v clang-format-14 || command -v clang-format) || {
		echo "there is no clang-format"
		return 77
	}
	# Other versions lay out other things in other ways.
	"$tool" --version | grep -q 'version 14\.' || {
		echo "$("$tool" --version) is not version 14, which decides the layout"
		return 77
	}
	mapfile -t files < <(sources '*.c' '*.h')
	cd "$TOP"
	"$tool" --dry-run --Werror "${files[@]}" >"$WORK/format" 2>&1 && return
	grep ': error:' "$WORK/format" | cut -d : -f 1 | sort | uniq -c | sed 's/$/: places that clang-format -i would change/'
	return 1
}

# ---- unit tests --------------------------------------------------------------------------------

run_unit() {
	local name line status=0 names=() regex
	local -A seen=()
	mapfile -t names < <(list_unit | matching)
	[ ${#names[@]} -gt 0 ] || return 0
	say "unit tests"
	regex=$(printf '|%s' "${names[@]#unit/}")
	while IFS= read -r line; do
		if [[ $line =~ ^\ *[0-9]+/[0-9]+\ Test\ +\#[0-9]+:\ ([^\ ]+)\ \.*(.*)$ ]]; then
			name=unit/${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
			seen[$name]=1
			case $line in
			*Passed*) result ok "$name" ;;
			*Skipped*) result skipped "$name" "see build/dev/Testing/Temporary/LastTest.log" ;;
			*) result failed "$name" "$(sed 's/^[ *]*//; s/  .*//' <<<"$line")" ;;
			esac
		elif [[ $line == status=* ]]; then
			status=${line#status=}
		elif [[ -n $line && ! $line =~ ^(Internal|Test\ project|\ *Start|Total|The\ following|Errors|[0-9]+%|.*[0-9]+\ -\ ) ]]; then
			printf '    | %s\n' "$line"
		fi
	done < <(ctest --test-dir "$TOP/build/dev" -R "^(${regex#|})\$" -j 2 --output-on-failure 2>&1 </dev/null ||
		echo "status=$?")
	for name in "${names[@]}"; do
		[ -n "${seen[$name]:-}" ] || result failed "$name" "it was not run (ctest ended with status $status)"
	done
	unit_skips
}

# A cmocka program can skip some of its tests and pass: those are counted by their "SKIP: why" lines.
unit_skips() {
	local name reason
	while IFS=$'\t' read -r name reason; do
		result skipped "unit/$name (one of its tests)" "$reason"
	done < <(awk '
		/^[0-9]+\/[0-9]+ Test: / { name = $NF }
		/^SKIP: / { sub(/^SKIP: /, ""); print name "\t" $0 }
	' "$TOP/build/dev/Testing/Temporary/LastTest.log" 2>/dev/null)
}

# ---- end-to-end tests --------------------------------------------------------------------------

# run_bats FILE: its tests that are wanted.
run_bats() {
	local file=$1 short name line regex status=0 names=() planned
	local -A seen=()
	short=${file#"$TOP"/tests/}
	short=${short%.bats}
	mapfile -t names < <(list_bats "$file" | matching)
	[ ${#names[@]} -gt 0 ] || return 0
	say "$short"
	# shellcheck disable=SC2016 # these are the characters to escape
	regex=$(printf '%s\n' "${names[@]#"$short: "}" | sed 's/[][\.*^$+?(){}|/]/\\&/g' | paste -sd '|')
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			name=${line#not }
			name=${name#ok * }
			local reason='' verdict=ok
			[ "${line%% *}" = ok ] || verdict=failed
			if [[ $name =~ ^(.*)\ \#\ skip\ ?(.*)$ ]]; then
				name=${BASH_REMATCH[1]} reason=${BASH_REMATCH[2]} verdict=skipped
			elif [[ $name =~ ^(.*)\ \#\ (timeout.*)$ ]]; then
				name=${BASH_REMATCH[1]} reason=${BASH_REMATCH[2]}
			fi
			seen["$short: $name"]=1
			result "$verdict" "$short: $name" "$reason"
			;;
		"status="*) status=${line#status=} ;;
		[0-9]*..*) planned=${line#*..} ;;
		"# bats warning"*) ;;
		"#"*) printf '    | %s\n' "${line#\# }" ;;
		*) [ -z "$line" ] || printf '    | %s\n' "$line" ;;
		esac
	done < <("${LAB_AS[@]}" env "${TEST_ENV[@]}" bats --tap --filter "^(${regex})\$" "$file" 2>&1 </dev/null ||
		echo "status=$?")
	for name in "${names[@]}"; do
		[ -n "${seen[$name]:-}" ] ||
			result failed "$name" "it has no result (bats ended with status $status, planned ${planned:-none})"
	done
}

# ---- fuzz targets ------------------------------------------------------------------------------

run_fuzz() {
	local name target corpus seed status names=()
	mapfile -t names < <(list_fuzz | matching)
	[ ${#names[@]} -gt 0 ] || return 0
	# The short run of every day looks at what is known, in the same order each time; whoever asks for
	# a time of his own explores, from a seed of its own each time.
	seed=1
	[ -z "$FUZZ_EXPLORES" ] || seed=0
	say "fuzz targets, $FUZZ_SECONDS s each"
	for name in "${names[@]}"; do
		target=${name#fuzz/}
		if [ ! -x "$TOP/build/fuzz/bin/$target" ]; then
			result failed "$name" "it was not built"
			continue
		fi
		mkdir -p "$WORK/corpus-$target"
		corpus=$TOP/tests/fuzz/corpus/${target#fuzz_}
		[ -d "$corpus" ] || corpus=
		status=0
		(cd "$WORK" && timeout $((FUZZ_SECONDS + 120)) "$TOP/build/fuzz/bin/$target" \
			-max_total_time="$FUZZ_SECONDS" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
			-artifact_prefix="$TOP/build/$target-" "$WORK/corpus-$target" ${corpus:+"$corpus"}) \
			>"$WORK/fuzz.out" 2>&1 </dev/null || status=$?
		rm -rf "$WORK/corpus-$target"
		if [ $status -eq 0 ]; then
			result ok "$name"
		else
			tail -n 40 "$WORK/fuzz.out" | sed 's/^/    | /'
			result failed "$name" "status $status$(ls "$TOP/build/$target-"* >/dev/null 2>&1 &&
				echo "; the input that did it is in build/$target-*")"
		fi
	done
}

# ---- all of it ---------------------------------------------------------------------------------

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--quick) QUICK=1 ;;
		--list) LIST=1 ;;
		--filter | --fuzz)
			[ $# -gt 1 ] || { usage >&2; exit 2; }
			if [ "$1" = --filter ]; then FILTER=$2; else FUZZ_SECONDS=$2 FUZZ_EXPLORES=1; fi
			shift
			;;
		--filter=*) FILTER=${1#*=} ;;
		--fuzz=*) FUZZ_SECONDS=${1#*=} FUZZ_EXPLORES=1 ;;
		-h | --help) usage; exit ;;
		*) usage >&2; exit 2 ;;
		esac
		shift
	done
	[[ $FUZZ_SECONDS =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }
	# grep's status 2: the pattern itself is wrong.
	local status=0
	grep -Eq -- "$FILTER" </dev/null || status=$?
	[ $status -lt 2 ] || exit 2
}

# Build the images of one file of tests. A mirror that has no packages for some architecture today costs
# those tests, which skip and say so, and not the whole run.
build_more_images() {
	local labctl=$1 item name recipes
	shift
	for item; do
		name=${item%:*}
		recipes=$TOP/images
		[ -d "$recipes/$name" ] || recipes=$TOP/tests/images/recipes
		LABCTL_RECIPES=$recipes build_images "$labctl" "$item" ||
			result skipped "check/images ($item)" "it could not be built, see above"
	done
}

# The last lines, whatever happened before.
summary() {
	local status=$?
	trap - EXIT
	[ -z "${WORK:-}" ] || "${LAB_AS[@]}" rm -rf "$WORK"
	if [ -n "${STARTED:-}" ]; then
		if [ -z "${COMPLETE:-}" ]; then
			result failed test.sh "it ended early (status $status)"
		elif [ $((PASSED + FAILED + SKIPPED)) = 0 ]; then
			result failed test.sh "no test matches $FILTER"
		fi
		if [ ${#FAILURES[@]} -gt 0 ]; then
			say "failed:"
			printf '  %s\n' "${FAILURES[@]}"
		fi
		say "done"
		echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
		status=$((FAILED > 0))
	fi
	exit "$status"
}

main() {
	parse_arguments "$@"
	cd "$TOP"
	if [ -n "$LIST" ]; then
		list_all | matching
		exit
	fi
	setup_log test
	LAB_AS=() TEST_ENV=() STARTED=1
	WORK=$(mktemp -d /tmp/labctl-test.XXXXXX)
	trap summary EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	install_packages build run image test
	ensure_tun
	choose_identity

	local bats=() file unit fuzz
	while IFS= read -r file; do
		[ -z "$(list_bats "$file" | matching)" ] || bats+=("$file")
	done < <(bats_files)
	unit=$(list_unit | matching)
	fuzz=$(list_fuzz | matching)

	check check/shellcheck check_shellcheck
	check check/clang-format check_clang_format

	local built=1
	if [ -n "$unit" ] || [ ${#bats[@]} -gt 0 ] || wanted check/build-dev || wanted check/images; then
		if build dev; then
			! wanted check/build-dev || result ok check/build-dev
		else
			built=
			result failed check/build-dev "without it neither unit nor end-to-end tests can run"
			bats=()
		fi
	fi
	[ -z "$built" ] || run_unit

	if [ -n "$built" ] && { [ ${#bats[@]} -gt 0 ] || wanted check/images; }; then
		if build_images "$TOP/build/dev/bin/labctl" "${IMAGES_NEEDED[@]}"; then
			! wanted check/images || result ok check/images
		else
			result failed check/images
		fi
		case " ${bats[*]} " in
		*/cli/devices.bats\ *) build_more_images "$TOP/build/dev/bin/labctl" "${IMAGES_OF_DEVICES[@]}" ;;
		esac
	fi
	TEST_ENV=("LABCTL=$TOP/build/dev/bin/labctl" "LABCTL_SOURCE=$TOP" BATS_TEST_TIMEOUT=300
		"PATH=$PATH" "HOME=$HOME" "LABCTL_TEST_USER=$(id -un)")
	for file in "${bats[@]}"; do
		run_bats "$file"
	done

	if [ -n "$fuzz" ] || { [ -z "$QUICK" ] && wanted check/build-clang; }; then
		if build fuzz; then
			! wanted check/build-clang || result ok check/build-clang
		else
			result failed check/build-clang
		fi
		run_fuzz
	fi
	COMPLETE=1
}

main "$@"
