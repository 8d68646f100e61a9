#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# The switcher as a person at a terminal meets it; tmux is the terminal.

load helper

setup() {
	needs_tun
	lab_setup
	labctl topology up "$TOPOLOGIES/hello.yaml"
	tm_start
	tm_type "clear; stty -g >$T/before; $LABCTL console; echo \"ended by \$?\"; stty -g >$T/after"
	wait_until 10 tm_shows 'type and I echo'
}

teardown() {
	tm_stop
	lab_teardown
}

# prefix KEY…: keys after the prefix key.
prefix() {
	tm send-keys C-b "$@"
}

restored() {
	wait_until 10 test -s "$T/after"
	diff "$T/before" "$T/after"
	wait_until 5 tm_shows 'ended by'
	[ "$(tm display-message -p '#{alternate_on}')" = 0 ]
}

leave() {
	prefix q
	restored
	tm_shows 'ended by 0'
}

@test "switcher: list, typing, next, jump, help, zoom" {
	wait_until 5 tm_shows '^ a .*read'
	wait_until 5 tm_shows '^ b .*read'
	tm_shows ' a  ready'
	tm_type marco
	wait_until 5 tm_shows '│marco'
	prefix n
	wait_until 5 tm_shows ' b  ready'
	wait_until 5 eval '! tm_shows marco'
	prefix j
	wait_until 5 tm_shows 'jump to:'
	tm_type a
	wait_until 5 tm_shows '│marco'
	prefix z
	wait_until 5 tm_shows '^marco'
	prefix z
	wait_until 5 tm_shows '│marco'
	prefix '?'
	wait_until 5 tm_shows 'next node'
	tm send-keys x
	wait_until 5 eval '! tm_shows "next node"'
	leave
}

@test "switcher: split, typing to all, resize" {
	prefix 2
	wait_until 5 tm_shows '│ b  ready'
	prefix s
	wait_until 5 tm_shows SYNC
	tm_type both
	wait_until 5 sh -c "tmux -S '$T/tmux' capture-pane -p | grep -c '│both' | grep -qx 2"
	tm resize-window -x 90 -y 24
	wait_until 5 sh -c "tmux -S '$T/tmux' capture-pane -p | grep -c '│both' | grep -qx 2"
	tm resize-window -x 30 -y 6
	wait_until 5 tm_shows 'too small'
	tm resize-window -x 80 -y 24
	wait_until 5 tm_shows '│both'
	leave
}

@test "switcher: flood, activity, scroll and search, stop and start" {
	prefix n
	wait_until 5 tm_shows ' b  ready'
	tm send-keys C-a
	wait_until 10 tm_shows '│.*line 0'
	prefix p
	wait_until 5 tm_shows '^\+b '
	prefix n
	tm send-keys x
	prefix '['
	wait_until 5 tm_shows 'lines up'
	tm send-keys g
	wait_until 5 tm_shows '[1-9][0-9]* of [0-9]+ lines up'
	tm send-keys q
	# A bell of a node that is not looked at is a mark too.
	printf '\a' | socat -u - "UNIX-CONNECT:$(status_of hello '.nodes[0].consoles[0].socket')"
	wait_until 5 tm_shows '^!a '
	prefix p
	wait_until 5 tm_shows '^ a '
	prefix n
	prefix K
	wait_until 15 tm_shows ' b  stopped'
	prefix S
	wait_until 15 tm_shows ' b  ready'
	wait_until 5 tm_shows 'b is ready'
	wait_until 5 eval '[ "$(tm_screen | grep -c "│labctl hello: type")" = 1 ]'
	prefix R
	wait_until 15 eval '[ "$(tm_screen | grep -c "│labctl hello: type")" = 2 ]'
	wait_until 15 tm_shows ' b  ready'
	leave
}

# pids PATTERN: this test's switchers: `guardian`, `drawing` (the child) or `both`.
pids() {
	local pid all
	all=$(leftovers "$T" | sed -n 's/^process \([0-9]*\): [^ ]*labctl console.*/\1/p')
	for pid in $all; do
		if grep -qx "$(ps -o ppid= -p "$pid" | tr -d ' ')" <<<"$all"; then
			[ "$1" = guardian ] || echo "$pid"
		else
			[ "$1" = drawing ] || echo "$pid"
		fi
	done
}

# bats test_tags=slow
@test "switcher: the terminal is restored whatever kills it, in a flood too" {
	local signal who
	tm send-keys C-a
	wait_until 10 tm_shows '│.*line 0'
	for signal in 'TERM guardian' 'HUP both' 'KILL drawing' 'KILL guardian'; do
		who=${signal#* }
		[ "$(pids both | wc -l)" = 2 ]
		pids "$who" | xargs kill "-${signal% *}"
		wait_until 5 eval '[ -z "$(pids both)" ]'
		restored
		rm "$T/after"
		tm_type "clear; $LABCTL console; echo \"ended by \$?\"; stty -g >$T/after"
		wait_until 10 tm_shows '│.*line 0'
	done
	tm send-keys x
	leave
}

@test "switcher: stops and goes on as a job of the shell" {
	local pid signal
	for signal in TSTP STOP; do
		pid=$(pids drawing)
		kill -$signal "$pid"
		wait_until 10 tm_shows 'Stopped'
		[ "$(tm display-message -p '#{alternate_on}')" = 0 ]
		tm_type "clear; stty -g >$T/stopped"
		wait_until 5 cmp "$T/before" "$T/stopped"
		tm_type fg
		wait_until 10 tm_shows '│.*type and I echo'
		[ "$(tm display-message -p '#{alternate_on}')" = 1 ]
		tm_type "more$signal"
		wait_until 10 tm_shows "│more$signal"
	done
	prefix q
	wait_until 10 eval '[ -z "$(pids both)" ]'
	tm_type "clear; stty -g >$T/stopped"
	wait_until 5 cmp "$T/before" "$T/stopped"
}

@test "switcher: goes on with the next engine when one is killed" {
	kill_engines
	wait_until 20 eval 'tm send-keys m && tm_shows "│m"'
	leave
}

@test "switcher: copy mode selects, what was copied is typed to all marked nodes" {
	tm_type 'one two three'
	wait_until 5 tm_shows '│one two three'
	prefix /
	wait_until 5 tm_shows 'search up:'
	tm_type TWO
	wait_until 5 tm_shows 'lines up'
	tm send-keys Space l l y
	wait_until 5 tm_shows 'copied 3 bytes'
	prefix M
	wait_until 5 tm_shows 'all nodes are marked'
	prefix s
	wait_until 5 tm_shows 'goes to 2 nodes'
	prefix ']'
	wait_until 5 tm_shows '│two'
	prefix n
	wait_until 5 tm_shows ' b  ready'
	wait_until 5 tm_shows '│two'
	leave
}

@test "switcher: cuts and heals a cable, captures, logs" {
	wait_until 5 tm_shows '^ a +1/1 '
	prefix c
	wait_until 5 tm_shows '> up +a:eth0'
	tm send-keys x
	wait_until 5 tm_shows '> down +a:eth0'
	# The list tells of the carrier.
	wait_until 5 tm_shows '^ a +0/1 '
	[ "$(status_of hello '.links[0].state')" = down ]
	tm send-keys x
	wait_until 5 tm_shows '> up +a:eth0'
	tm send-keys c
	wait_until 5 tm_shows 'captured$|captured *$'
	[ "$(status_of hello '.captures[0].where[0]')" = a:eth0 ]
	tm send-keys c
	wait_until 5 eval 'tm_shows "> up +a:eth0" && ! tm_shows "captured *$"'
	tm send-keys q
	prefix L
	wait_until 5 tm_shows 'log to file:'
	tm_type "$T/a.log"
	wait_until 5 tm_shows ' a  ready.*LOG'
	tm_type 'to be kept'
	wait_until 5 grep -q 'to be kept' "$T/a.log"
	[ "$(stat -c %a "$T/a.log")" = 600 ]
	prefix L
	wait_until 5 tm_shows 'the log ends here'
	leave
}

@test "switcher: other terminals: the Linux console, screen, one without colours, none that can" {
	local term
	leave
	for term in linux screen vt100; do
		rm -f "$T/after"
		tm_type "clear; TERM=$term $LABCTL console; echo \"ended by \$?\"; stty -g >$T/after"
		wait_until 10 tm_shows 'type and I echo'
		wait_until 5 tm_shows '^ a .*ready'
		tm_type "at $term"
		wait_until 5 tm_shows "at $term"
		prefix q
		restored
		# The shell goes on in an empty line, where the terminal has no other screen.
		run tm_screen
		output_lacks 'q leave'
	done
	# Lines are letters of Unicode where there are any: terminals that say they are an xterm need not know its other set.
	rm -f "$T/after"
	tm pipe-pane "exec cat >$T/sent"
	tm_type "clear; TERM=xterm $LABCTL console; stty -g >$T/after"
	wait_until 10 tm_shows '│.*type and I echo'
	prefix 4
	wait_until 5 tm_shows '^ a .*│.*│ '
	prefix q
	wait_until 10 test -s "$T/after"
	tm pipe-pane
	wait_until 5 grep -aq '│' "$T/sent"
	! grep -aqE $'\033\\(0|\016' "$T/sent" || false
	rm -f "$T/after"
	tm_type "clear; TERM=nonesuch $LABCTL console; echo \"ended by \$?\"; stty -g >$T/after"
	wait_until 5 tm_shows 'cannot show the switcher'
	restored
	tm_shows 'ended by 1'
}

@test "switcher: in GNU screen it lists, types and splits, and leaves no trace" {
	command -v screen >/dev/null || skip "screen is not installed"
	getent passwd "$(id -u)" >/dev/null || skip "screen wants a user who has a name"
	leave
	mkdir -m 700 "$T/screens"
	# Killed with its terminal, should this test fail.
	printf 'startup_message off\nautodetach off\n' >"$T/screenrc"
	tm_type "clear; SCREENDIR=$T/screens SYSSCREENRC=/dev/null screen -U -c $T/screenrc bash --norc --noprofile"
	wait_until 10 eval '[ -n "$(ls "$T/screens")" ]'
	rm "$T/before" "$T/after"
	tm_type "clear; echo in \$TERM; stty -g >$T/before; $LABCTL console; echo \"ended by \$?\"; stty -g >$T/after"
	wait_until 20 tm_shows '│.*type and I echo'
	wait_until 5 tm_shows '^ a .*ready'
	tm_type marco
	wait_until 5 tm_shows '│marco'
	prefix 2
	wait_until 5 tm_shows '│ b  ready'
	prefix s
	wait_until 5 tm_shows SYNC
	tm_type both
	wait_until 5 eval '[ "$(tm_screen | grep -c "│both")" = 2 ]'
	prefix q
	wait_until 10 test -s "$T/after"
	diff "$T/before" "$T/after"
	wait_until 5 tm_shows '^ended by 0'
	run tm_screen
	output_lacks 'q leave' '│'
	tm_type 'printf "<%s>\n" "$TERM" grüße'
	wait_until 5 tm_shows '^<screen'
	tm_shows '^<grüße>'
	tm_type exit
	wait_until 10 tm_shows 'screen is terminating'
	[ -z "$(ls "$T/screens")" ]
	[ "$(tm display-message -p '#{alternate_on}')" = 0 ]
}

# same_as_tmux PAGE: the guest prints it, tmux reads it too, and both screens are the same in every cell.
same_as_tmux() {
	tm capture-pane -e -N -p -t main >"$T/switcher.screen"
	tm capture-pane -e -N -p -t "ref-$1" >"$T/tmux.screen"
	python3 "$LABCTL_SOURCE/tests/cli/pages.py" compare 24 "$T/tmux.screen" "$T/switcher.screen"
}

grown() {
	[ "$(stat -L -c %s "$1")" -ge "$2" ]
}

@test "switcher: pages in the manner of vttest look as tmux itself reads them, cell by cell" {
	local page name socket log size
	leave
	python3 "$LABCTL_SOURCE/tests/cli/pages.py" write "$T"
	tm set -g default-terminal tmux-256color
	tm set -g status off
	tm rename-session main
	tm resize-window -t main -x 80 -y 25
	rm -f "$T/after"
	tm_type "clear; TERM=tmux-256color $LABCTL console; stty -g >$T/after"
	wait_until 10 tm_shows 'type and I echo'
	tm send-keys -t main C-b z
	wait_until 5 eval '! tm_shows "│"'
	socket=$(status_of hello '.nodes[0].consoles[0].socket')
	log=$(status_of hello '.nodes[0].consoles[0].log')
	for page in "$T"/*.page; do
		name=$(basename "$page" .page)
		size=$(stat -L -c %s "$log")
		{ printf '\033c' && cat "$page"; } >"$T/page"
		tm new-session -d -s "ref-$name" -x 80 -y 24 "stty raw -echo; cat $T/page; exec sleep 1000"
		socat -u "$T/page" "UNIX-CONNECT:$socket"
		wait_until 10 grown "$log" $((size + $(stat -c %s "$T/page")))
		wait_until 10 same_as_tmux "$name" || { echo "page $name differs"; return 1; }
		tm kill-session -t "ref-$name"
	done
	tm send-keys -t main C-b q
	wait_until 10 test -s "$T/after"
}

@test "switcher: nothing hostile that guests print reaches the terminal" {
	local node socket
	python3 "$LABCTL_SOURCE/tests/cli/pages.py" hostile "$T/hostile"
	prefix 2
	wait_until 5 tm_shows ' b  ready'
	tm pipe-pane "exec cat >$T/sent"
	for node in 0 1; do
		socket=$(status_of hello ".nodes[$node].consoles[0].socket")
		socat -u "$T/hostile" "UNIX-CONNECT:$socket"
	done
	# Both panes are at the end of it.
	wait_until 30 eval '[ "$(tm_screen | grep -c "│ the end")" = 2 ]'
	tm pipe-pane
	[ "$(stat -c %s "$T/sent")" -gt 1000 ]
	python3 "$LABCTL_SOURCE/tests/cli/pages.py" harmless "$T/sent"
	[ "$(tm display-message -p '#{pane_title}')" != EVIL ]
	[ -z "$(tm list-buffers)" ]
	leave
}

@test "switcher: titles and clipboard of a guest stop there, and a bad prefix key is refused" {
	tm_type $'\033]0;evil\a\033]52;c;ZXZpbA==\a'
	tm_type marco
	wait_until 5 tm_shows marco
	[ "$(tm display-message -p '#{pane_title}')" != evil ]
	leave
	rm "$T/after"
	tm_type "clear; $LABCTL console --prefix xyz; echo \"ended by \$?\""
	wait_until 5 tm_shows 'ended by 2'
	tm_shows 'no control key'
}
