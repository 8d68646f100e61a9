#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# As many guests boot as the host can carry, the rest wait where it can be seen; and what a lab needs is known
# before it starts.

load helper

setup() {
	lab_setup
	needs_tun
}

teardown() {
	[ ! -e "$T/mounted" ] || umount "$T/small" || true
	lab_teardown
}

# image NAME LINE…: an image of hello's boot sector with these lines in its definition.
image() {
	local name=$1
	shift
	mkdir -p "$T/images/$name"
	cp "$(json '.disks[0].file' image show hello)" "$T/images/$name/disk.img"
	{
		printf 'name: %s\narch: x86_64\nmemory: {default: 16M}\n' "$name"
		echo 'nics: {count: 0}'
		printf '%s\n' 'stop: {method: quit}' "$@"
	} >"$T/images/$name/appliance.yaml"
}

# states LAB: "n1:booting n2:starting(1)", with the places in the queue.
states() {
	status_of "$1" '[.nodes[] | .name + ":" + .state + (if .queued then "(\(.queued))" else "" end)] | join(" ")'
}

@test "two boot on one core, the others queue visibly" {
	command -v taskset >/dev/null || skip "there is no taskset (util-linux)"
	local core
	core=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	image never 'disks: [{file: disk.img, mode: readonly}]' 'ready: {console: never said, timeout: 1h}'
	export LABCTL_IMAGES=$T/images
	printf 'lab: qu\ndefaults: {image: never}\nnodes: {n1: , n2: , n3: , n4: , n5: {after: n4}}\n' >"$T/qu.yaml"
	timeout 100 taskset -c "$core" "$LABCTL" topology up --keep "$T/qu.yaml" </dev/null >"$T/up.log" 2>&1 3>&- &
	local up=$!
	wait_until 20 grep -q 'n2: booting' "$T/up.log"
	[ "$(states qu)" = 'n1:booting n2:booting n3:starting(1) n4:starting(2) n5:starting(3)' ]
	[ "$(status_of qu '[.nodes[] | select(.pid)] | length')" = 2 ]
	run labctl topology status qu
	output_has 'n3 +never +queued .*waits for a free core, 2 nodes are booting' 'n5 .*waits until n4 is ready'
	grep -q '^n3: queued' "$T/up.log"
	# One leaves the queue by hand, one because a slot comes free.
	labctl node stop n3
	[ "$(states qu)" = 'n1:booting n2:booting n3:stopped n4:starting(1) n5:starting(2)' ]
	labctl node stop n1
	wait_until 20 sh -c "'$LABCTL' topology status qu --json | jq -e '.nodes[3].state == \"booting\"'"
	[ "$(states qu)" = 'n1:stopped n2:booting n3:stopped n4:booting n5:starting(1)' ]
	wait $up || true
}

@test "what a lab needs is summed up before it starts" {
	image disk 'disks: [{size: 10G}]' 'boot: {order: n}'
	export LABCTL_IMAGES=$T/images
	printf 'lab: sum\ndefaults: {image: disk}\nnodes: {a: , b: {memory: 32M}}\n' >"$T/sum.yaml"
	expect_status 0 labctl topology up "$T/sum.yaml"
	# 16M and 32M, and what each QEMU takes besides.
	output_has '^2 nodes need 176M of memory, [0-9.]+[MGT] are available; 20G of disk when full, [0-9.]+[MGT] are free$'
	[ "$(status_of sum .memory.needed_mb)" = 176 ]
	[ "$(status_of sum '.memory.available_mb > 0')" = true ]
}

@test "disks that do not fit are refused before anything starts" {
	[ "$(id -u)" = 0 ] || skip "only root can mount a small file system"
	mkdir "$T/small"
	mount -t tmpfs -o size=80m none "$T/small" 2>/dev/null || skip "tmpfs cannot be mounted here"
	: >"$T/mounted"
	image fat 'disks: [{file: disk.img, mode: copy}]'
	head -c 30M /dev/zero | tr '\0' x >>"$T/images/fat/disk.img"
	printf 'lab: fat\nnodes: {a: {image: fat}}\n' >"$T/fat.yaml"
	export LABCTL_IMAGES=$T/images LABCTL_STATE=$T/small
	expect_status 1 labctl topology up "$T/fat.yaml"
	output_has "disks need 3[0-9.]+M at once, and .* has [0-9]+M free" 'hint: .*nothing was started'
	[ ! -e "$T/run/fat" ]
	[ ! -e "$T/small/fat/a" ]
}

@test "a node's share and limit are set, or it is told why not" {
	image plain 'disks: [{file: disk.img, mode: readonly}]'
	export LABCTL_IMAGES=$T/images
	printf 'lab: lim\ndefaults: {image: plain}\nnodes: {a: {cpu_share: 25, memory_limit: 256M}, b: }\n' >"$T/lim.yaml"
	expect_status 0 labctl topology up "$T/lim.yaml"
	[ "$(status_of lim '.nodes[1].limits')" = null ]
	[ "$(status_of lim '.nodes[0].limits | "\(.cpu_share) \(.memory_limit_mb)"')" = '25 256' ]
	local pid cgroup home elsewhere
	pid=$(status_of lim '.nodes[0].pid')
	case $(status_of lim '.nodes[0].limits.by') in
	cgroup)
		cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
		[ "$(cat "$cgroup/cpu.weight") $(cat "$cgroup/memory.max")" = "25 $((256 << 20))" ]
		# The next engine is started from elsewhere in the hierarchy.
		home=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$BASHPID/cgroup)
		elsewhere=/sys/fs/cgroup/labctl-test-$$
		kill_engines
		if mkdir "$elsewhere" 2>/dev/null && echo $BASHPID >"$elsewhere/cgroup.procs"; then
			labctl node restart a
			grep -q "${cgroup#/sys/fs/cgroup}\$" "/proc/$(status_of lim '.nodes[0].pid')/cgroup"
		fi
		labctl topology down lim
		if [ -d "$elsewhere" ]; then
			echo $BASHPID >"$home/cgroup.procs"
			wait_until 10 rmdir "$elsewhere" # what served the lab may be about to end
		fi
		[ ! -e "$cgroup" ]
		[ ! -e "$(dirname "$cgroup")" ]
		;;
	nice)
		status_of lim '.nodes[0].limits.fault' | grep cgroup
		[ "$(awk '{ print $19 }' "/proc/$pid/stat")" = 6 ]
		run labctl doctor
		output_has 'limits \(cgroup v2\)'
		;;
	*) false ;;
	esac
	printf 'lab: low\nnodes: {a: {image: plain, memory_limit: 8M}}\n' >"$T/low.yaml"
	expect_status 2 labctl topology up "$T/low.yaml"
	output_has "node 'a': memory_limit is less than"
}
