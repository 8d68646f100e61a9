#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick
#
# The JSON Schemas agree with the readers: both are held against tests/cli/schema/.

load helper

@test "the JSON Schemas agree with the readers" {
	run python3 "$LABCTL_SOURCE/tests/cli/schema_check.py"
	[ $status != 77 ] || skip "$output"
	[ $status = 0 ] || { echo "$output"; false; }
}
