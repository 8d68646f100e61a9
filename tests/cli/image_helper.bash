# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # T is the test's folder
#
# image_helper.bash: what the tests of imports share.

# appliance FILE [JQ]: an appliance of one disk, changed by a jq program.
appliance() {
	jq -n '{appliance_id: "x", name: "Test", registry_version: 4, port_name_format: "Gi{1}/{0}",
		port_segment_size: 2, first_port_name: "mgmt 0",
		qemu: {adapter_type: "e1000", adapters: 4, ram: 64, arch: "x86_64", console_type: "telnet", kvm: "allow",
			hda_disk_interface: "virtio"},
		images: [{filename: "disk.img", version: "1", md5sum: $md5, filesize: $size}],
		versions: [{name: "1", images: {hda_disk_image: "disk.img"}}]} '"| ${2:-.}" \
		--arg md5 "$(md5sum <"$T/disk.img" | cut -c 1-32)" --argjson size "$(stat -c %s "$T/disk.img")" >"$1"
}

make_disk() {
	printf 'a disk of a test' >"$T/disk.img"
	truncate -s 1M "$T/disk.img"
}
