#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# The command line: what is understood, what is answered to slips, what a document looks like. No lab is
# started, and none of this makes or changes a file.

load helper

setup() {
	lab_setup
	GOOD=$T/good.yaml
	cat >"$GOOD" <<-EOT
	lab: good
	defaults: {image: hello}
	nodes: {a: {}, b: {}, c: {}}
	links:
	  - [a:eth0, b:eth0]
	EOT
	BAD=$T/bad.yaml
	sed 's/b:eth0/x:eth0/; s/links/linsk/' "$GOOD" >"$BAD"
}

teardown() {
	[ ! -e "$LABCTL_RUN" ]
	[ ! -e "$LABCTL_STATE" ]
	lab_teardown
}

# line NUMBER REGEX
line() {
	[[ ${lines[$1]} =~ $2 ]] || {
		echo "line $1 is not like '$2':"
		echo "$output"
		return 1
	}
}

@test "every command has help, by --help and by help COMMAND" {
	local words
	while read -r words; do
		# shellcheck disable=SC2086 # one or two words
		expect_status 0 labctl $words --help
		output_has "Usage: labctl $words" '--json' '-l, --lab LAB'
		# shellcheck disable=SC2086
		expect_status 0 labctl help $words
		output_has "Usage: labctl $words"
	done < <(labctl help --json | jq -r '.commands[].command')
	expect_status 0 labctl help node
	output_has 'node exec'
	output_lacks 'link up'
	expect_status 2 labctl help nothing
}

@test "the contract's commands are all there" {
	local have words
	have=$(labctl help --json | jq -r '.commands[].command')
	for words in doctor topology\ {validate,up,down,status,list,apply,wipe,graph} \
		node\ {list,start,stop,restart,wipe,log,exec} link\ {list,up,down,set,clear} console \
		capture\ {start,stop,list,stream} image\ {list,show,build,add,import,remove}; do
		grep -qx "$words" <<<"$have" || { echo "no $words"; return 1; }
	done
}

@test "a slip is answered with what was meant" {
	expect_status 2 labctl topolgy up
	output_has "unknown command 'topolgy'" "did you mean 'labctl topology'"
	expect_status 2 labctl topology statsu
	output_has "unknown command 'topology statsu'" "did you mean 'labctl topology status'"
	expect_status 2 labctl topology up --tiemout 3 "$GOOD"
	output_has "unknown option '--tiemout'" 'did you mean --timeout'
	expect_status 2 labctl --hlep
	output_has "^labctl: unknown option '--hlep'" 'did you mean --help'
	expect_status 2 labctl topology
	output_has 'which command' 'labctl help topology'
	expect_status 2 labctl quux
	output_has "unknown command 'quux'" 'labctl help'
}

@test "words too many, too few, and options without their value" {
	expect_status 2 labctl topology up
	output_has 'FILE is missing' 'usage: labctl topology up FILE'
	expect_status 2 labctl topology up "$GOOD" "$BAD"
	output_has 'is too much'
	expect_status 2 labctl topology up "$GOOD" --timeout
	output_has 'needs a value: SECONDS'
	expect_status 2 labctl topology up "$GOOD" --paused=yes
	output_has 'takes no value'
	expect_status 2 labctl topology up "$GOOD" --timeout=-1
	output_has 'out of range'
	expect_status 2 labctl topology up "$GOOD" --wait soon
	output_has "neither 'ready' nor 'started'"
	expect_status 2 labctl topology up "$GOOD" --name ../x
	output_has "a lab's name"
	expect_status 2 labctl link set a:eth0 delay
	output_has 'not KEY=VALUE'
	expect_status 2 labctl node start
	output_has '--all'
	expect_status 2 labctl node start a --all
	expect_status 2 labctl capture stop
	expect_status 2 labctl console --read-only --exclusive
	expect_status 2 labctl topology graph --format svg "$GOOD"
	expect_status 2 labctl completion csh
}

@test "options may stand anywhere, and -- ends them" {
	expect_status 0 labctl --json topology validate "$GOOD"
	expect_status 0 labctl topology --json validate "$GOOD"
	expect_status 1 labctl -l nolab node list
	output_has "lab 'nolab' is not running"
	expect_status 1 labctl node -lnolab list
	expect_status 1 labctl node list --lab=nolab
	expect_status 1 labctl topology status nolab
	expect_status 2 labctl topology status nolab -l other
	output_has 'two labs are named'
	expect_status 2 labctl topology validate -- --json
	output_has 'json'
	expect_status 2 labctl -l '../..' node list
	expect_status 2 labctl -l "$(printf 'a\033[31m')" node list
	output_lacks "$(printf '\033')"
}

@test "without a lab every command says how to get one" {
	local words
	for words in 'node list' 'node start a' 'node exec a x' 'link list' 'link up a:eth0' 'capture list' \
		'capture start a' 'console' 'console a' 'topology status' 'topology graph' 'node log a'; do
		# shellcheck disable=SC2086
		expect_status 1 labctl $words
		output_has 'no lab is running' 'hint: .*labctl topology up'
	done
	expect_status 0 labctl topology list
	output_has 'no lab is running'
	expect_status 0 labctl topology down
	output_has 'no lab is running'
	expect_status 0 labctl topology down --all
	expect_status 1 labctl topology down nolab
	[ "$(json '.labs | length' topology list)" = 0 ]
	[ "$(json '.down | length' topology down)" = 0 ]
}

@test "validate tells every fault on a line of its own" {
	expect_status 0 labctl topology validate "$GOOD"
	[ "$output" = "$GOOD: ok (3 nodes, 1 link)" ]
	expect_status 2 labctl topology validate "$GOOD" "$BAD"
	line 0 "^$GOOD: ok"
	line 1 "^$BAD:4:1: .*linsk"
	labctl topology validate "$GOOD" 2>&1 >/dev/null | { run cat; [ -z "$output" ]; }
	expect_status 2 labctl topology validate "$T/none.yaml"
	output_has 'none.yaml' 'No such file'
	expect_status 2 labctl topology up "$BAD"
	output_has "$BAD:4:1: " 'nothing was started'
}

@test "validate --json is a document, also of what is wrong" {
	local document
	document=$(labctl topology validate --json "$GOOD" "$BAD" "$T/none.yaml" 2>"$T/err") && return 1
	[ ! -s "$T/err" ]
	jq -e '.ok == false and (.files | length) == 3
		and .files[0].ok and .files[0].nodes == 3 and .files[0].lab == "good"
		and (.files[1].ok | not) and .files[1].errors[0].line == 4 and .files[1].errors[0].column == 1
		and (.files[2].errors[0].text | test("No such file"))' <<<"$document"
	rm "$T/err"
}

@test "a file is drawn as text, for Graphviz and for Mermaid" {
	expect_status 0 labctl topology graph "$GOOD"
	[ "$output" = $'a:eth0 -- b:eth0\nc' ]
	expect_status 0 labctl topology graph -f dot "$GOOD"
	output_has '^graph "good" \{' '"a" -- "b" \[taillabel="eth0", headlabel="eth0"\];'
	expect_status 0 labctl topology graph --format=mermaid "$GOOD"
	output_has '^graph LR' 'n0 ---\|"eth0 - eth0"\| n1'
	[ "$(json '.links[0].ends[1]' topology graph "$GOOD")" = b:eth0 ]
	expect_status 2 labctl topology graph "$BAD"
}

@test "a capture is not written to a terminal" {
	tm_start "env TERM=xterm LABCTL_RUN=$LABCTL_RUN $LABCTL capture stream a:eth0; sleep 60"
	wait_until 5 tm_shows 'hint: labctl capture stream a:eth0 \| tcpdump -r -'
	tm_stop
}

@test "colours are for terminals, and not against NO_COLOR" {
	run labctl image list
	output_lacks "$(printf '\033')"
	script -qec "env TERM=xterm $LABCTL image list" /dev/null </dev/null >"$T/screen"
	grep -q "$(printf '\033')\[1m" "$T/screen"
	script -qec "env TERM=xterm NO_COLOR=1 $LABCTL image list" /dev/null </dev/null >"$T/screen"
	[ "$(grep -c "$(printf '\033')" "$T/screen")" = 0 ]
	rm "$T/screen"
}

@test "completion offers commands, options and names" {
	[ "$(labctl __complete topo)" = topology ]
	[ "$(labctl __complete topology va)" = validate ]
	[ "$(labctl __complete -l x topology st)" = status ]
	labctl __complete topology up -- | grep -qx -- --timeout
	labctl __complete image show h | grep -qx hello
	[ -z "$(labctl __complete topology up '')" ]
	[ -z "$(labctl __complete node exec '')" ]
	# shellcheck disable=SC2016 # for the other bash
	PATH=$(dirname "$LABCTL"):$PATH bash -c 'source <(labctl completion bash)
		COMP_WORDS=(labctl node re) COMP_CWORD=2; _labctl; [ "${COMPREPLY[*]}" = restart ]'
	expect_status 0 labctl completion zsh
	output_has compdef
	expect_status 0 labctl completion fish
	output_has 'complete -c labctl'
}

@test "a full disk under standard output is an error" {
	run bash -c "'$LABCTL' help >/dev/full"
	[ "$status" = 1 ]
	output_has 'standard output: No space left'
	run bash -c "'$LABCTL' help | head -n 0"
	[ "$status" = 0 ]
}

@test "image remove takes built images only by name" {
	local images=$T/images
	mkdir -p "$images/.store/mine-0"
	touch "$images/.store/mine-0/appliance.yaml"
	ln -s .store/mine-0 "$images/mine"
	ln -s "$T/elsewhere" "$images/other"
	mkdir "$T/elsewhere"
	export LABCTL_IMAGES=$images
	expect_status 2 labctl image remove ../images
	expect_status 1 labctl image remove nosuch
	expect_status 0 labctl image remove mine other
	[ ! -e "$images/mine" ] && [ ! -e "$images/.store/mine-0" ]
	[ -d "$T/elsewhere" ]
	rm -rf "$images" "$T/elsewhere"
}

@test "a console's record is read without an engine, and is harmless on a terminal" {
	local log=$LABCTL_STATE/gone/r1/console-0.log
	mkdir -p "$(dirname "$log")"
	printf 'one\r\ntwo \033[31mred\033[0m\033]0;title\a\r\nthree\233\r\nr1# ' >"$log"
	expect_status 0 labctl -l gone node log r1
	labctl -l gone node log r1 | cmp - "$log"
	labctl node log r1 | cmp - "$log" # the only lab that has one
	[ "$(labctl node log r1 -n 2 | tr -d '\r' | od -An -c | tr -s ' \n' ' ')" = ' t h r e e 233 \n r 1 # ' ]
	script -qec "$LABCTL -l gone node log r1" /dev/null </dev/null | tr -d '\r' >"$T/screen"
	printf 'one\ntwo red\nthree\\x9b\nr1# \n' | cmp - "$T/screen"
	script -qec "$LABCTL -l gone node log r1 --raw" /dev/null </dev/null >"$T/screen"
	grep -q "$(printf '\033')\[31m" "$T/screen"
	[ "$(json .path -l gone node log r1)" = "$log" ]
	expect_status 1 labctl -l gone node log r2
	expect_status 2 labctl -l gone node log r1:x
	expect_status 2 labctl -l gone node log ../r1
	rm -r "$LABCTL_STATE" "$T/screen"
}

@test "a console's record is followed while it grows" {
	local log=$LABCTL_STATE/gone/r1/console-0.log pid
	mkdir -p "$(dirname "$log")"
	printf 'first\n' >"$log"
	timeout 200 "$LABCTL" -l gone node log r1 --follow >"$T/seen" 3>&- & pid=$!
	wait_until 5 grep -q first "$T/seen"
	printf 'sec' >>"$log"
	wait_until 5 grep -q sec "$T/seen"
	printf 'ond\n' >>"$log"
	wait_until 5 grep -q second "$T/seen"
	kill -INT $pid
	wait $pid
	cmp "$T/seen" "$log"
	rm -r "$LABCTL_STATE" "$T/seen"
}

@test "a run folder that belongs to somebody else is not trusted" {
	[ "$(id -u)" = 0 ] || skip "needs root to make a folder of another user's"
	mkdir "$T/foreign"
	chown 65534 "$T/foreign"
	LABCTL_RUN=$T/foreign expect_status 1 labctl topology list
	output_has 'belongs to user 65534'
	rmdir "$T/foreign"
}
