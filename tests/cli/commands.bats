#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick
#
# The command line by itself: help, wrong use, doctor, images. No lab is started.

load helper

setup() {
	lab_setup
}

teardown() {
	lab_teardown
}

@test "help and version" {
	expect_status 0 labctl --help
	output_has topology node link console capture image doctor
	expect_status 0 labctl --version
	output_has '[0-9]+\.[0-9]+'
	local command
	for command in topology node link console capture image doctor; do
		expect_status 0 labctl "$command" --help
		output_has "$command"
	done
}

@test "a wrong command line is status 2 and says what is there" {
	expect_status 2 labctl
	expect_status 2 labctl topolgy up
	output_has 'topolgy'
	expect_status 2 labctl topology
	expect_status 2 labctl topology ascend
	expect_status 2 labctl topology up
	expect_status 2 labctl topology up --frobnicate "$TOPOLOGIES/hello.yaml"
	expect_status 2 labctl topology up --timeout soon "$TOPOLOGIES/hello.yaml"
	expect_status 2 labctl node exec
	expect_status 2 labctl capture note
	expect_status 2 labctl image build
	[ ! -e "$LABCTL_RUN" ] || [ -z "$(ls -A "$LABCTL_RUN")" ]
}

@test "doctor has a line for everything that labs need" {
	run labctl doctor
	output_has kvm 'net/tun' 'namespace' 'qemu' 'memory' 'classifier|u32|redirect'
	labctl doctor --json | jq -e 'type == "object" or type == "array"'
}

@test "doctor agrees with this machine" {
	if [ -r /dev/net/tun ] && [ -w /dev/net/tun ]; then
		expect_status 0 labctl doctor
	else
		expect_status 1 labctl doctor
		output_has 'net/tun'
	fi
}

@test "doctor starts the QEMU that it praises" {
	mkdir "$T/bin"
	cat >"$T/bin/qemu-system-x86_64" <<-'EOT'
	#!/bin/sh
	[ "$1" != --version ] || { echo 'QEMU emulator version 99'; exit; }
	echo 'a library is missing' >&2
	exit 1
	EOT
	chmod +x "$T/bin/qemu-system-x86_64"
	PATH=$T/bin:$PATH expect_status 1 labctl doctor --json
	jq -e '.items[] | select(.name == "qemu-system-x86_64") | .ok == false and (.detail | test("a library is missing"))' \
		<<<"$output"
	# What a program says before it says who it is, is passed over.
	printf '#!/bin/sh\necho Beware >&2\necho "TShark (Wireshark) 99" >&2\n' >"$T/bin/tshark"
	chmod +x "$T/bin/tshark"
	rm "$T/bin/qemu-system-x86_64"
	PATH=$T/bin:$PATH run labctl doctor --json
	jq -e '.items[] | select(.name == "tshark") | .detail == "TShark (Wireshark) 99"' <<<"$output"
}

@test "doctor's exit status survives a closed pipe" {
	labctl doctor | head -n 1
}

@test "images are listed and shown" {
	expect_status 0 labctl image list
	output_has frr host hello switch
	labctl image list --json | jq -e 'tostring | contains("hello")'
	expect_status 0 labctl image show frr
	output_has 'FRR'
	labctl image show frr --json | jq -e '.name == "frr"'
	expect_status 1 labctl image show nosuch
	output_has nosuch
}

@test "an image builds into another folder without root, and again in no time" {
	local from to
	export LABCTL_IMAGES=$T/images
	expect_status 0 labctl image build hello
	[ -f "$T/images/hello/appliance.yaml" ]
	expect_status 0 labctl image list
	output_has hello
	from=$(now_ms)
	expect_status 0 labctl image build hello
	to=$(now_ms)
	output_has 'up to date'
	[ $((to - from)) -lt 1000 ]
	expect_status 2 labctl image build nosuch
	output_has nosuch
}

@test "every topology of the project is valid" {
	local file files
	mapfile -t files < <(built_topologies)
	[ ${#files[@]} -ge 4 ]
	for file in "${files[@]}"; do
		expect_status 0 labctl topology validate "$file"
	done
	expect_status 0 labctl topology validate "${files[@]}"
}
