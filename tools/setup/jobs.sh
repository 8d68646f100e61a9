# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# jobs.sh: a small runner of jobs, two at a time, or as many as JOBS_AT_ONCE says.
#
# A job is a function of the caller, run in a process group of its own, with its output in a file. Most of
# what is tested here waits, for guests that boot or timers that expire, and leaves a core to others:
#
#   heavy   boots operating systems: one at a time, next to a light one, while there are both
#   light   everything else
#   alone   measures time: after all others, with nothing beside it
#
# What was started first is shown first, as it comes; the others' output is kept until it is their turn.
# A job gives its verdicts by result(), which the caller has, into $JOB_RESULTS; a test of its that has none
# when it has ended counts as failed. When all must end, each job's group is interrupted as by ^C, and
# has a minute to put away what it made.
#
# The caller has `result VERDICT NAME [REASON]`, which writes "VERDICT<tab>NAME" to $JOB_RESULTS where that
# is set, `count VERDICT NAME`, and LAB_AS, a prefix for commands on what labs' owner runs.

readonly JOBS_GRACE=60
JOBS_AT_ONCE=2
JOBS_DIR='' JOB_RESULTS='' JOBS_TICKER=''
JOB_NAMES=() JOB_KINDS=() JOB_NEEDS=() JOB_COMMANDS=() JOB_STATES=() JOB_OUT=()
JOBS_STARTED=()			# in their order, those that were not wholly shown
declare -A JOBS_RUNNING=()	# the job of each process

# job KIND NEEDS NAME FUNCTION [ARGUMENT…]: put one in the queue; what it has to give verdicts on is read
# from standard input, a name a line. It starts when the job called NEEDS, if there is one, has ended.
job() {
	local id=${#JOB_NAMES[@]}
	JOB_KINDS+=("$1") JOB_NEEDS+=("$2") JOB_NAMES+=("$3") JOB_STATES+=(waiting)
	shift 3
	JOB_COMMANDS+=("${*@Q}")
	cat >"$JOBS_DIR/$id.names"
}

# Whether the job, or all jobs, of a name have ended.
job_over() {
	local id
	[ -n "$1" ] || return 0
	for id in "${!JOB_NAMES[@]}"; do
		[ "${JOB_NAMES[id]}" != "$1" ] || [ "${JOB_STATES[id]}" = ended ] || return 1
	done
}

# Sets NEXT to the job that may start now, if there is one.
next_job() {
	local id busy=''
	local -A first=()
	NEXT=
	[ ${#JOBS_RUNNING[@]} -lt $JOBS_AT_ONCE ] || return 0
	for id in "${JOBS_RUNNING[@]}"; do
		case $busy in
		heavy | alone) ;;
		*) busy=${JOB_KINDS[id]} ;;
		esac
	done
	for id in "${!JOB_NAMES[@]}"; do
		[ "${JOB_STATES[id]}" = waiting ] && job_over "${JOB_NEEDS[id]}" || continue
		[ -n "${first[${JOB_KINDS[id]}]:-}" ] || first[${JOB_KINDS[id]}]=$id
	done
	case $busy in
	alone) ;;
	heavy) NEXT=${first[light]:-${first[heavy]:-}} ;;
	light) NEXT=${first[heavy]:-${first[light]:-}} ;;
	*) NEXT=${first[heavy]:-${first[light]:-${first[alone]:-}}} ;;
	esac
}

# The job's own process. ^C must reach what it runs (a handler is not inherited, ignoring would be), and
# must not end itself before that has ended.
job_body() {
	trap - EXIT TERM HUP
	trap : INT
	JOB_RESULTS=$JOBS_DIR/$1.results
	eval "${JOB_COMMANDS[$1]}"
}

job_start() {
	local out=$JOBS_DIR/$1.out fd
	: >"$JOBS_DIR/$1.results"
	: >"$out"
	exec {fd}<"$out"
	# With job control a process group, and no ignoring of ^C.
	set -m
	job_body "$1" >"$out" 2>&1 </dev/null {fd}<&- &
	set +m
	JOB_OUT[$1]=$fd JOB_STATES[$1]=running JOBS_RUNNING[$!]=$1
	JOBS_STARTED+=("$1")
}

# job_end ID STATUS: what it did not say counts as failed.
job_end() {
	local verdict name
	local -A seen=()
	JOB_STATES[$1]=ended
	while IFS=$'\t' read -r verdict name; do
		seen[$name]=1
		count "$verdict" "$name"
	done <"$JOBS_DIR/$1.results"
	while IFS= read -r name; do
		[ -z "${seen[$name]:-}" ] || continue
		result failed "$name" "it has no result (its runner ended with status $2)" >>"$JOBS_DIR/$1.out"
	done <"$JOBS_DIR/$1.names"
}

# Print what may be shown now.
jobs_show() {
	local id fd
	while [ ${#JOBS_STARTED[@]} -gt 0 ]; do
		id=${JOBS_STARTED[0]}
		# The place up to which it was read is that of the open file.
		cat <&"${JOB_OUT[id]}"
		[ "${JOB_STATES[id]}" = ended ] || return 0
		fd=${JOB_OUT[id]}
		exec {fd}<&-
		JOBS_STARTED=("${JOBS_STARTED[@]:1}")
	done
}

# Wait until a job ends, a second at most.
jobs_wait() {
	local ended='' status=0
	if [ -z "$JOBS_TICKER" ]; then
		sleep 1 &
		JOBS_TICKER=$!
	fi
	wait -n -p ended "${!JOBS_RUNNING[@]}" "$JOBS_TICKER" || status=$?
	if [ "$ended" = "$JOBS_TICKER" ]; then
		JOBS_TICKER=
	elif [ -n "$ended" ]; then
		job_end "${JOBS_RUNNING[$ended]}" $status
		unset "JOBS_RUNNING[$ended]"
	fi
}

# Run what is in the queue.
jobs_run() {
	while :; do
		while next_job; [ -n "$NEXT" ]; do job_start "$NEXT"; done
		[ ${#JOBS_RUNNING[@]} -gt 0 ] || break
		jobs_wait
		jobs_show
	done
	jobs_end_ticker
}

jobs_end_ticker() {
	[ -z "$JOBS_TICKER" ] || kill "$JOBS_TICKER" 2>/dev/null || true
	JOBS_TICKER=
}

# End what runs, and show what it said.
jobs_stop() {
	local pid end=$((SECONDS + JOBS_GRACE))
	jobs_end_ticker
	for pid in "${!JOBS_RUNNING[@]}"; do
		"${LAB_AS[@]}" kill -INT -- "-$pid" 2>/dev/null || true
	done
	for pid in "${!JOBS_RUNNING[@]}"; do
		while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.1; done
		"${LAB_AS[@]}" kill -KILL -- "-$pid" 2>/dev/null || true
		: >"$JOBS_DIR/${JOBS_RUNNING[$pid]}.names"
		job_end "${JOBS_RUNNING[$pid]}" 130
	done
	JOBS_RUNNING=()
	jobs_show
}
