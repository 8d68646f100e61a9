#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick
#
# What the pages say, held against what there is (docs.py).

load helper

setup() {
	cd "$LABCTL_SOURCE" || return
}

@test "labctl(1) has every command with every option of its --help, and no others" {
	python3 tests/cli/docs.py man "$LABCTL"
}

@test "docs/rpc.md describes the methods of the engine with their parameters, and no others" {
	python3 tests/cli/docs.py methods
}

@test "every key of the schemas stands in the pages about topologies and images" {
	python3 tests/cli/docs.py keys
}

@test "files that pages and comments name are there" {
	python3 tests/cli/docs.py files
}

@test "commands that pages show are commands" {
	python3 tests/cli/docs.py commands "$LABCTL"
}

@test "images, topologies and folders stand in the lists of them" {
	python3 tests/cli/docs.py lists
}

@test "the manual pages are read without complaint" {
	command -v groff >/dev/null || skip 'no groff here'
	run groff -man -Tutf8 -ww -z docs/man/*.[15]
	[ -z "$output" ] || { echo "$output"; false; }
}
