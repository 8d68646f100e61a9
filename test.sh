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
#
# Two jobs run at a time (tools/setup/jobs.sh), three in a quick run, which waits more than it computes: a
# file of end-to-end tests each, the unit tests, a fuzz target, the images. What a file needs for that stands
# in its tags: with "hello" it wants no other image than that boot sector, so it can run while the others are
# built; with "alone" it measures time and runs by itself in the end.
set -euo pipefail
TOP=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=tools/setup/lib.sh
. "$TOP/tools/setup/lib.sh"
# shellcheck source=tools/setup/jobs.sh
. "$TOP/tools/setup/jobs.sh"
# shellcheck source=tools/setup/leftovers.sh
. "$TOP/tools/setup/leftovers.sh"

IMAGES_NEEDED=(frr host switch bird openbgpd firewall services)
# What only tests/cli/devices.bats uses: NAME or NAME:ARCH, from images/ or tests/images/recipes/.
IMAGES_OF_DEVICES=(debian drivers frr:arm64 frr:ppc64el)
# Those that keep both cores longest.
TAKE_LONG=(cli/topologies.bats cli/devices.bats cli/ring.bats cli/protocols.bats cli/recipes.bats)
# The same of a quick run.
TAKE_LONG_QUICK=(cli/hello.bats cli/switcher.bats cli/image.bats cli/console.bats)
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
	ok) say "ok $2" ;;
	skipped) say "skipped $2: ${3:-no reason given}" ;;
	*) say "FAILED $2${3:+: $3}" ;;
	esac
	if [ -n "$JOB_RESULTS" ]; then
		printf '%s\t%s\n' "$1" "$2" >>"$JOB_RESULTS"
	else
		count "$1" "$2"
	fi
}

# count VERDICT NAME
count() {
	case $1 in
	ok) PASSED=$((PASSED + 1)) ;;
	skipped) SKIPPED=$((SKIPPED + 1)) ;;
	*)
		FAILED=$((FAILED + 1))
		FAILURES+=("$2")
		;;
	esac
}

# ---- names -------------------------------------------------------------------------------------

list_checks() {
	printf '%s\n' check/shellcheck check/clang-format check/build-dev
	[ -n "$QUICK" ] || printf '%s\n' check/build-clang check/build-release
	echo check/images
	echo check/leftovers
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

# list_bats FILE: its tests, as DIR/FILE: NAME. In a quick run only those that carry the tag "quick", and of a
# file that does, not those that are "slow".
list_bats() {
	local short=${1#"$TOP"/tests/}
	awk -v file="${short%.bats}" -v quick="$QUICK" '
		/^# bats file_tags=/ { all = /[=,]quick(,|$)/ }
		/^# bats test_tags=/ { one = /[=,]quick(,|$)/; slow = /[=,]slow(,|$)/ }
		/^@test / {
			name = $0
			sub(/^@test ["\x27]/, "", name)
			sub(/["\x27] *\{ *$/, "", name)
			if (quick == "" || one || (all && !slow))
				print file ": " name
			one = slow = 0
		}' "$1"
}

# tagged FILE TAG
tagged() {
	grep -Eq "^# bats file_tags=(.*,)?$2(,|\$)" "$1"
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
	local name=$1 status=0 out
	shift
	out=$WORK/$name.out
	# In a shell of its own, so that the first failing command of a check ends it.
	set +e
	(set -e; "$@") >"$out" 2>&1
	status=$?
	set -e
	case $status in
	0) result ok "$name" ;;
	77) result skipped "$name" "$(tail -n 1 "$out")" ;;
	*)
		sed 's/^/    | /' "$out"
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
	# It takes one core and half a second a file.
	printf '%s\0' "${programs[@]}" | xargs -0 -n 12 -P 2 shellcheck -x -S warning
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

# Nothing of all that may be left. While others test here, too, theirs cannot be told from ours.
check_leftovers() {
	local left end=$((SECONDS + 60))
	wanted check/leftovers || return 0
	while left=$(traces "$TOP" | sort | comm -13 "$WORK/before" -); [ -n "$left" ] && [ $SECONDS -lt $end ]; do
		sleep 0.5
	done
	if [ -z "$left" ]; then
		result ok check/leftovers
	elif pgrep -f bats-exec-test >/dev/null || pgrep -f '/test_[a-z_]*$' >/dev/null; then
		result skipped check/leftovers "other tests run here at the same time"
	else
		printf '    | %s\n' "$left"
		result failed check/leftovers
	fi
}

# ---- unit tests --------------------------------------------------------------------------------

# run_unit NAME…
run_unit() {
	local regex status=0
	say "unit tests"
	regex=$(printf '|%s' "${@#unit/}")
	ctest --test-dir "$TOP/build/dev" -R "^(${regex#|})\$" -j 2 --output-on-failure 2>&1 | unit_results || status=$?
	unit_skips
	return $status
}

# The results in what ctest says.
unit_results() {
	local line name
	trap '' INT
	while IFS= read -r line; do
		if [[ $line =~ ^\ *[0-9]+/[0-9]+\ Test\ +\#[0-9]+:\ ([^\ ]+)\ \.*(.*)$ ]]; then
			name=unit/${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
			case $line in
			*Passed*) result ok "$name" ;;
			*Skipped*) result skipped "$name" "see build/dev/Testing/Temporary/LastTest.log" ;;
			*) result failed "$name" "$(sed 's/^[ *]*//; s/  .*//' <<<"$line")" ;;
			esac
		elif [[ -n $line && ! $line =~ ^(Internal|Test\ project|\ *Start|Total|The\ following|Errors|[0-9]+%|.*[0-9]+\ -\ ) ]]; then
			printf '    | %s\n' "$line"
		fi
	done
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

# run_bats FILE NAME…: these tests of it.
run_bats() {
	local file=$1 short=${1#"$TOP"/tests/} regex
	shift
	short=${short%.bats}
	say "$short"
	# shellcheck disable=SC2016 # these are the characters to escape
	regex=$(printf '%s\n' "${@#"$short: "}" | sed 's/[][\.*^$+?(){}|/]/\\&/g' | paste -sd '|')
	"${LAB_AS[@]}" env "${TEST_ENV[@]}" bats --tap --filter "^(${regex})\$" "$file" 2>&1 | bats_results "$short"
}

# bats_results SHORT: the results in what bats says.
bats_results() {
	local short=$1 line name reason verdict
	trap '' INT
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			name=${line#not }
			name=${name#ok * }
			reason='' verdict=ok
			[ "${line%% *}" = ok ] || verdict=failed
			if [[ $name =~ ^(.*)\ \#\ skip\ ?(.*)$ ]]; then
				name=${BASH_REMATCH[1]} reason=${BASH_REMATCH[2]} verdict=skipped
			elif [[ $name =~ ^(.*)\ \#\ (timeout.*)$ ]]; then
				name=${BASH_REMATCH[1]} reason=${BASH_REMATCH[2]}
			fi
			result "$verdict" "$short: $name" "$reason"
			;;
		[0-9]*..* | "# bats warning"*) ;;
		"#"*) printf '    | %s\n' "${line#\# }" ;;
		*) [ -z "$line" ] || printf '    | %s\n' "$line" ;;
		esac
	done
}

# ---- fuzz targets ------------------------------------------------------------------------------

# run_fuzz NAME
run_fuzz() {
	local target=${1#fuzz/} corpus seed=1 status=0 out=$WORK/$1.out
	if [ ! -x "$TOP/build/fuzz/bin/$target" ]; then
		result failed "$1" "it was not built"
		return
	fi
	# The short run of every day looks at what is known, in the same order each time; whoever asks for
	# a time of his own explores, from a seed of its own each time.
	[ -z "$FUZZ_EXPLORES" ] || seed=0
	mkdir -p "$WORK/fuzz/$target"
	corpus=$TOP/tests/fuzz/corpus/${target#fuzz_}
	[ -d "$corpus" ] || corpus=
	(cd "$WORK/fuzz" && timeout --foreground $((FUZZ_SECONDS + 120)) "$TOP/build/fuzz/bin/$target" \
		-max_total_time="$FUZZ_SECONDS" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
		-artifact_prefix="$TOP/build/$target-" "$target" ${corpus:+"$corpus"}) >"$out" 2>&1 || status=$?
	if [ $status -eq 0 ]; then
		result ok "$1"
	else
		tail -n 40 "$out" | sed 's/^/    | /'
		result failed "$1" "status $status$(ls "$TOP/build/$target-"* >/dev/null 2>&1 &&
			echo "; the input that did it is in build/$target-*")"
	fi
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

build_needed_images() {
	if build_images "$TOP/build/dev/bin/labctl" "${IMAGES_NEEDED[@]}"; then
		! wanted check/images || result ok check/images
	else
		result failed check/images
	fi
}

# Build the images of one file of tests. A mirror that has no packages for some architecture today costs
# those tests, which skip and say so, and not the whole run.
build_more_images() {
	local item name recipes
	for item in "${IMAGES_OF_DEVICES[@]}"; do
		name=${item%:*}
		recipes=$TOP/images
		[ -d "$recipes/$name" ] || recipes=$TOP/tests/images/recipes
		LABCTL_RECIPES=$recipes build_images "$TOP/build/dev/bin/labctl" "$item" ||
			result skipped "check/images ($item)" "it could not be built, see above"
	done
}

# build_as PRESET NAME: one more build, as a test of that name. Other compilers and other optimizations
# find other faults.
build_as() {
	# Others write to the log meanwhile.
	SETUP_LOG=$TOP/build/test-$1.log
	: >"$SETUP_LOG"
	if build "$1"; then
		! wanted "$2" || result ok "$2"
	else
		result failed "$2"
	fi
}

# The last lines, whatever happened before.
summary() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	jobs_stop
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
	JOBS_DIR=$WORK/jobs
	mkdir "$JOBS_DIR" "$WORK/fuzz" "$WORK/check"
	trap summary EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	install_packages build run image test
	ensure_tun
	choose_identity

	TEST_ENV=("LABCTL=$TOP/build/dev/bin/labctl" "LABCTL_SOURCE=$TOP" BATS_TEST_TIMEOUT=600
		"PATH=$PATH" "HOME=$HOME" "LABCTL_TEST_USER=$(id -un)")
	if [ -n "$QUICK" ]; then
		JOBS_AT_ONCE=3
		TAKE_LONG=("${TAKE_LONG_QUICK[@]}")
	fi
	traces "$TOP" | sort >"$WORK/before"
	queue_checks
	queue_tests
	jobs_run
	check_leftovers
	COMPLETE=1
}

# one NAME COMMAND…: queue a job for one verdict, if that is asked for.
one() {
	! wanted "$1" || job light '' "$1" check "$@" <<<"$1"
}

queue_checks() {
	one check/shellcheck check_shellcheck
	one check/clang-format check_clang_format
}

# Queue what needs a build. The images come first, and what can be done meanwhile; then whatever takes long, so
# that nothing is left for the end that keeps one core only.
queue_tests() {
	local file names=() bats=() fuzz=()
	mapfile -t names < <(list_unit | matching)
	mapfile -t fuzz < <(list_fuzz | matching)
	while IFS= read -r file; do
		[ -z "$(list_bats "$file" | matching)" ] || bats+=("$file")
	done < <(bats_files)
	if [ ${#names[@]} -gt 0 ] || [ ${#bats[@]} -gt 0 ] || wanted check/build-dev || wanted check/images; then
		if build dev; then
			! wanted check/build-dev || result ok check/build-dev
			queue_images "${bats[@]}"
		else
			result failed check/build-dev "without it neither unit nor end-to-end tests can run"
			names=() bats=()
		fi
	fi
	if [ ${#fuzz[@]} -gt 0 ] || { [ -z "$QUICK" ] && wanted check/build-clang; }; then
		job light '' fuzz-build build_as fuzz check/build-clang < <(echo check/build-clang | matching)
	fi
	if [ -z "$QUICK" ] && wanted check/build-release; then
		job light '' release-build build_as release check/build-release <<<check/build-release
	fi
	[ ${#names[@]} -eq 0 ] || job light '' unit run_unit "${names[@]}" < <(printf '%s\n' "${names[@]}")
	for file in "${TAKE_LONG[@]/#/$TOP/tests/}"; do
		case " ${bats[*]} " in *" $file "*) queue_bats "$file" ;; esac
	done
	for file in "${bats[@]}"; do
		case " ${TAKE_LONG[*]/#/$TOP/tests/} " in *" $file "*) ;; *) queue_bats "$file" ;; esac
	done
	for file in "${fuzz[@]}"; do
		job light fuzz-build "$file" run_fuzz "$file" <<<"$file"
	done
}

# queue_images FILE…: what these files of tests need. Most of them, and the boot sector, are there at once.
queue_images() {
	[ $# -gt 0 ] || wanted check/images || return 0
	build_images "$TOP/build/dev/bin/labctl" hello || result failed "check/images (hello)"
	job heavy '' images build_needed_images < <(echo check/images | matching)
	case " $* " in
	*/cli/devices.bats\ *) job heavy '' more-images build_more_images </dev/null ;;
	esac
}

# queue_bats FILE
queue_bats() {
	local kind=heavy needs=images short=${1#"$TOP"/tests/} names
	tagged "$1" hello && kind=light needs=''
	tagged "$1" alone && kind=alone
	[ "$1" != "$TOP/tests/cli/devices.bats" ] || needs=more-images
	mapfile -t names < <(list_bats "$1" | matching)
	job "$kind" "$needs" "${short%.bats}" run_bats "$1" "${names[@]}" < <(printf '%s\n' "${names[@]}")
}

main "$@"
