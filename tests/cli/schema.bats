#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick
#
# docs/topology.schema.json, which editors use, must agree with the reader.

load helper

setup() {
	lab_setup
}

teardown() {
	lab_teardown
}

@test "the topology schema and the reader agree" {
	python3 -c 'import jsonschema, yaml' 2>/dev/null || skip "python3-jsonschema or python3-yaml is not installed"
	mkdir "$T/samples"
	# The reader wants the images to be there.
	local topologies
	mapfile -t topologies < <(built_topologies)
	[ ${#topologies[@]} -ge 4 ]
	python3 "$LABCTL_SOURCE/tests/cli/schema.py" "$LABCTL" "$LABCTL_SOURCE/docs/topology.schema.json" "$T/samples" \
		"${topologies[@]}"
}

# The readers' verdict on the same files is tests/unit/test_topology_schema.c.
@test "the JSON Schemas judge tests/cli/schema/ as the readers do" {
	run python3 "$LABCTL_SOURCE/tests/cli/schema_check.py"
	[ "$status" != 77 ] || skip "$output"
	[ "$status" = 0 ] || { echo "$output"; false; }
}
