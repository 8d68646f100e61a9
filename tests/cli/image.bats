#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick
#
# image import and image add: what comes in, as what, and what is refused. The appliances of
# ../shared/corpora (or $LABCTL_CORPORA) are real ones; nothing in labctl knows any of them.

load helper

setup() {
	lab_setup
	export LABCTL_IMAGES=$T/images
	CORPORA=${LABCTL_CORPORA:-$LABCTL_SOURCE/../shared/corpora}
}

teardown() {
	lab_teardown
}

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

@test "every appliance of the corpus imports, with the port names that it must have" {
	[ -d "$CORPORA/gns3a" ] || skip "there is no $CORPORA/gns3a (set LABCTL_CORPORA)"
	local file name
	for file in "$CORPORA"/gns3a/*.gns3a; do
		labctl image import --definition-only "$file" >"$T/out" 2>&1 || { cat "$T/out"; echo "$file"; false; }
		name=$(sed -n 's/^Image \(.*\) is imported.$/\1/p' "$T/out")
		jq -n --arg f "$(basename "$file")" --arg n "$name" '{($n): $f}'
	done | jq -s add >"$T/names"
	labctl image list --json >"$T/list"
	jq -e -n --slurpfile names "$T/names" --slurpfile list "$T/list" \
		--slurpfile want "$CORPORA/gns3a-expected-ports.json" '
		[$list[0].images[] | select(.state != "not built") |
			select(.ports != $want[0][$names[0][.name]].ports) | .name] as $bad |
		if $bad == [] and ($names[0] | length) == ($want[0] | length) then true else $bad | error end'
}

@test "an appliance with its disk: checked, complete, and what was dropped is said" {
	make_disk
	appliance "$T/test.gns3a" '.qemu.options = "-nographic -smp 2 -cpu host -serial mon:stdio
		-fw_cfg name=opt/name,string=%vm-name% -smbios type=1,product=A\\ B"'
	mkdir "$T/other"
	mv "$T/disk.img" "$T/other/my-disk.bin"
	expect_status 2 labctl image import "$T/test.gns3a"
	grep -q "needs the file 'disk.img'" <<<"$output"
	labctl image import "$T/test.gns3a" --disk "$T/other/my-disk.bin" >"$T/out"
	grep -q 'nographic is dropped' "$T/out"
	labctl image show test --json >"$T/show"
	jq -e '.cpus == 2 and .memory_mb == 64 and .nic_model == "e1000" and .missing == [] and
		.ports == ["mgmt 0", "Gi0/0", "Gi0/1", "Gi1/0"] and .disks[0].bus == "virtio" and
		.disks[0].format == "raw"' "$T/show"
	grep -q 'opt/name.*%h' "$T/images/test/appliance.yaml"
	grep -q 'product=A B' "$T/images/test/appliance.yaml"
	expect_status 1 labctl image import "$T/test.gns3a" --disk "$T/other/my-disk.bin"
	grep -q 'already' <<<"$output"
}

@test "a definition first, its disk later, packed; a wrong one is refused" {
	make_disk
	appliance "$T/test.gns3a"
	gzip -c "$T/disk.img" >"$T/packed.bin"
	rm "$T/disk.img"
	labctl image import --definition-only --name later "$T/test.gns3a"
	labctl image show later --json | jq -e '.missing[0].name == "disk.img" and .disks[0].missing'
	printf 'lab: l\nnodes: {a: {image: later}}\n' >"$T/lab.yaml"
	expect_status 1 labctl topology up "$T/lab.yaml"
	grep -q "lacks the file 'disk.img'" <<<"$output"
	truncate -s 1M "$T/wrong.img"
	expect_status 1 labctl image add later --disk "$T/wrong.img"
	grep -q 'MD5' <<<"$output"
	labctl image add later --disk "$T/packed.bin"
	labctl image show later --json | jq -e '.missing == []'
	[ "$(find "$T/images/later/" -name '.*' -type f | wc -l)" = 0 ]
}

@test "archives: the right member is taken, a bomb and a way out are not" {
	make_disk
	appliance "$T/test.gns3a"
	python3 - "$T" <<-'EOF'
		import sys, zipfile
		t = sys.argv[1]
		with zipfile.ZipFile(t + "/good.zip", "w", zipfile.ZIP_DEFLATED) as z:
		    z.writestr("readme", "x")
		    z.write(t + "/disk.img", "folder/disk.img")
		with zipfile.ZipFile(t + "/out.zip", "w") as z:
		    z.write(t + "/disk.img", "../../disk.img")
		with zipfile.ZipFile(t + "/bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
		    z.writestr("disk.img", bytes(64 << 20))
	EOF
	rm "$T/disk.img"
	expect_status 1 labctl image import "$T/test.gns3a" --disk "$T/bomb.zip"
	grep -q 'more than the 1048576 bytes' <<<"$output"
	expect_status 2 labctl image import "$T/test.gns3a" --disk "$T/out.zip"
	grep -q 'leads out' <<<"$output"
	[ ! -e "$T/images/test" ]
	[ -z "$(find "$T/images/.store" -mindepth 1)" ]
	labctl image import "$T/test.gns3a" --disk "$T/good.zip"
}

@test "disks that name other files are refused, whatever their format" {
	command -v qemu-img >/dev/null || skip "qemu-img is not installed"
	# -u: not even qemu-img reads it, which an ordinary user may not.
	qemu-img create -q -u -f qcow2 -F raw -b /etc/shadow "$T/shadow.qcow2" 1M
	expect_status 2 labctl image add bad --disk "$T/shadow.qcow2"
	grep -q 'backing file' <<<"$output"
	qemu-img create -q -f qcow2 -o data_file="$T/data.raw" "$T/data.qcow2" 1M
	expect_status 2 labctl image add bad --disk "$T/data.qcow2"
	grep -q 'another file' <<<"$output"
	qemu-img create -q -f vmdk -o subformat=monolithicFlat "$T/flat.vmdk" 1M
	expect_status 2 labctl image add bad --disk "$T/flat.vmdk"
	qemu-img create -q -f vmdk "$T/base.vmdk" 1M
	qemu-img create -q -f vmdk -F vmdk -b "$T/base.vmdk" "$T/child.vmdk"
	expect_status 2 labctl image add bad --disk "$T/child.vmdk"
	qemu-img create -q -f qcow2 "$T/base.qcow2" 1M
	qemu-img create -q -f qed -F qcow2 -b "$T/base.qcow2" "$T/child.qed"
	expect_status 2 labctl image add bad --disk "$T/child.qed"
	# Also one that comes packed.
	gzip -c "$T/shadow.qcow2" >"$T/shadow.qcow2.gz"
	expect_status 2 labctl image add bad --disk "$T/shadow.qcow2.gz"
	[ ! -e "$T/images/bad" ]
	[ -z "$(find "$T/images/.store" -mindepth 1)" ]
	# And one that is put where an image's disk was.
	labctl image add good --disk "$T/base.qcow2"
	cp "$T/shadow.qcow2" "$T/images/good/base.qcow2"
	expect_status 2 labctl image show good
	grep -q 'backing file' <<<"$output"
}

@test "options that could reach into the host are refused" {
	make_disk
	local option
	for option in '-drive file=/etc/shadow' '-hda /etc/shadow' '-blockdev x' '-chardev file,path=/x,id=x' \
		'-monitor tcp:0:1' '-monitor unix:/x' '-qmp stdio' '-netdev tap,script=/x' '-nic user' '-fsdev local' \
		'-virtfs local' '-incoming exec:id' '-loadvm x' '-serial file:/x' '-serial pipe:/x' '-serial tcp:h:1' \
		'-device virtio-9p-pci' '-device e1000,romfile=/etc/shadow' '-global VGA.romfile=/etc/shadow' \
		'-fw_cfg name=opt/x,file=/etc/shadow' '-smbios file=/etc/shadow' '-smbios type=11,path=/etc/shadow' \
		'-machine pc,dumpdtb=/x' '-readconfig /x' '-D /x' '-object x' '-bios /x' '-net user' '-pidfile /x' \
		'--drive file=/x' '-nographic \\-drive file=/x' '-cpu host,x=/y' '-acpitable file=/x' 'x' "'-smp 2"; do
		jq -n --arg o "$option" '$o' >"$T/option"
		appliance "$T/test.gns3a" ".qemu.options = $(cat "$T/option")"
		expect_status 2 labctl image import --definition-only "$T/test.gns3a"
		grep -q options <<<"$output"
	done
	[ ! -e "$T/images/test" ]
}

@test "appliances that cannot run are refused with the reason" {
	make_disk
	local change reason
	while IFS='|' read -r reason change; do
		appliance "$T/test.gns3a" "$change"
		expect_status 2 labctl image import --definition-only "$T/test.gns3a"
		grep -q -- "$reason" <<<"$output"
	done <<-'EOF'
		lead out|.versions[0].images.hda_disk_image = "../../etc/passwd"
		lead out|.versions[0].images.hda_disk_image = "/etc/passwd"
		registry_version|.registry_version = 9
		Docker|.docker = .qemu | del(.qemu)
		exclude each other|.versions[0].images += {cdrom_image: "a", hdc_disk_image: "b"}
		architecture|.qemu.arch = "sparc"
		no version|.versions = []
		room for 30|.qemu.adapters = 31
		placeholder|.port_name_format = "x{foo}"
		is unknown|.qemu.adapter_type = "vfio-pci"
		cannot be attached|.qemu.hda_disk_interface = "mtd"
		is no number|.qemu.ram = "lots"
		MD5|.images[0].md5sum = "xyz"
	EOF
	echo '{"a": ' >"$T/broken.gns3a"
	expect_status 2 labctl image import --definition-only "$T/broken.gns3a"
	appliance "$T/test.gns3a"
	expect_status 2 labctl image import --definition-only --version 7 "$T/test.gns3a"
	grep -q "there are: '1'" <<<"$output"
}

@test "version 8: sets of settings, and what they inherit" {
	make_disk
	appliance "$T/v8.gns3a" '.registry_version = 8 | .settings = [
		{default: true, name: "a", template_type: "qemu", template_properties:
			(.qemu + {platform: "x86_64", port_name_format: "p{port1}", adapters: 2} | del(.arch, .kvm))},
		{name: "b", template_properties: {adapters: 3, first_port_name: "m"}},
		{name: "c", inherit_default_properties: false, template_type: "qemu",
			template_properties: {platform: "i386", ram: 32, adapters: 1}}] |
		.versions = [{name: "1", images: .versions[0].images}, {name: "2", settings: "b", images: .versions[0].images},
			{name: "3", settings: "c", images: .versions[0].images}] |
		del(.qemu, .port_name_format, .first_port_name)'
	for n in 1 2 3; do
		labctl image import --definition-only --version $n --name v$n "$T/v8.gns3a"
		labctl image show v$n --json >"$T/v$n"
	done
	jq -e '.ports == ["p1", "p2"] and .arch == "x86_64"' "$T/v1"
	jq -e '.ports == ["m", "p1", "p2"] and .nic_model == "e1000"' "$T/v2"
	jq -e '.ports == ["Ethernet0"] and .arch == "i386" and .memory_mb == 32 and .disks[0].bus == "ide"' "$T/v3"
}

@test "port names: every form of a format, first ports, segments, adapters with names of their own" {
	make_disk
	local want change
	while IFS='|' read -r want change; do
		appliance "$T/p.gns3a" "del(.first_port_name, .port_segment_size, .port_name_format) | .qemu.adapters = 4 | $change"
		labctl image import --replace --definition-only "$T/p.gns3a" >/dev/null
		labctl image show p --json | jq -e --arg want "$want" '(.ports | join(" ")) == $want' ||
			{ echo "$want: $change"; labctl image show p --json | jq -c .ports; false; }
	done <<-'EOF'
		Ethernet0 Ethernet1 Ethernet2 Ethernet3|.
		e0 e1 e2 e3|.port_name_format = "e{}"
		e0/0 e1/1 e2/2 e3/3|.port_name_format = "e{}/{}"
		Gi0/0 Gi0/1 Gi1/0 Gi1/1|.port_name_format = "Gi{1}/{0}" | .port_segment_size = 2
		Gi1/1 Gi1/2 Gi1/3 Gi2/1|.port_name_format = "Gi{segment1}/{port1}" | .port_segment_size = 3
		p8-8 p9-9 p10-10 p11-11|.port_name_format = "p{port8}-{segment8}"
		a0 a1 a2 a3|.port_name_format = "a{adapter}" | .port_segment_size = 2
		m p01 p02 p03|.first_port_name = "m" | .port_name_format = "p{port1:02}"
		m a1 a2 a3|.first_port_name = "m" | .port_name_format = "a{adapter}"
		x0a x0b x0c x0d|.port_name_format = "x{port8:02x}" | .port_name_format = "x{0:02x}" | .qemu.custom_adapters = [range(4) | {adapter_number: ., port_name: "x0\("abcd"[.:.+1])"}]
		0x8 0x9 0xA 0xB|.port_name_format = "0x{port8:X}"
		{0} {1} {2} {3}|.port_name_format = "{{{0}}}"
		mgmt e0 e1 sfp|.port_name_format = "e{0}" | .qemu.custom_adapters = [{adapter_number: 0, port_name: "mgmt"}, {adapter_number: 3, port_name: "sfp"}, {adapter_number: 3, port_name: "second"}]
		e0 x e2 e3|.port_name_format = "e{0}" | .qemu.custom_adapters = [{adapter_number: 1, port_name: "x", mac_address: "00:00:00:00:00:01"}, {adapter_number: 9, port_name: "y"}]
		lan lan lan lan|.port_name_format = "lan"
		wan lan lan lan|.port_name_format = "lan" | .first_port_name = "wan"
		Ethernet0 Ethernet1|.qemu.adapters = "2"
		Ethernet0 Ethernet1|.qemu.adapters = 2.0
	EOF
	while IFS='|' read -r want change; do
		appliance "$T/q.gns3a" "$change"
		expect_status 2 labctl image import --definition-only "$T/q.gns3a"
		output_has "$want"
	done <<-'EOF'
		port_name_format|.port_name_format = "e{2}"
		port_name_format|.port_name_format = "e{port9}"
		port_name_format|.port_name_format = "e{0"
		port_name_format|.port_name_format = "{}{}{}"
		port_name_format|.port_name_format = "e{0:99}"
		is no number|.qemu.adapters = 2.5
		is no number|.qemu.adapters = 1e300
		out of all range|.port_segment_size = -1
	EOF
}

@test "properties: each is taken over, or it is said that it is not" {
	make_disk
	local say filter change
	while IFS='|' read -r say filter change; do
		appliance "$T/p.gns3a" "$change"
		labctl image import --replace --definition-only "$T/p.gns3a" >"$T/out"
		grep -Eq -- "$say" "$T/out" || { echo "no '$say' for $change:"; cat "$T/out"; false; }
		labctl image show p --json >"$T/show"
		jq -e "$filter" "$T/show" >/dev/null || { echo "not $filter for $change:"; cat "$T/show"; false; }
	done <<-'EOF'
		cpu_throttling is dropped|.cpus == 1|.qemu.cpu_throttling = 40
		process_priority is dropped|.cpus == 1|.qemu.process_priority = "low"
		save_vm_state is passed over|.cpus == 1|.qemu.on_close = "save_vm_state"
		igb became e1000e|.nic_model == "e1000e"|.qemu.adapter_type = "igb"
		imported|.nic_model == "virtio-net-pci"|.qemu.adapter_type = "virtio"
		makers say: log in as .admin.|.user == null|.usage = "log in as\n\"admin\""
		experimental|.cpus == 1|.status = "experimental"
		imported|.user == "admin" and .password == "pw"|.default_username = "admin" | .default_password = "pw"
		ask for KVM|.cpus == 1|.qemu.kvm = "require"
		became a screen|.display == "vnc"|.qemu.console_type = "spice+agent"
		imported|.uefi|.qemu.uefi = true
		suggested|.ready == "login: *$"|.product_name = "vSRX"
		kernel_command_line is dropped|.cpus == 1|.qemu.kernel_command_line = "quiet"
		imported|.disks[0].bus == "ide"|.qemu.hda_disk_interface = "none"
		imported|.disks[0].bus == "nvme"|.qemu.hda_disk_interface = "nvme"
		on SCSI|.disks[0].bus == "scsi"|.qemu.arch = "aarch64" | .qemu.hda_disk_interface = "ide"
		gives no checksum|.missing == []|del(.images[0].md5sum)
		of a kind|.missing == []|.images[0] |= (del(.md5sum) + {checksum: "00", checksum_type: "sha256"})
		imported|.missing == []|.images[0] |= (. + {checksum: .md5sum, checksum_type: "md5"} | del(.md5sum))
		-smp became|.cpus == 6|.qemu.options = "-smp cores=3,threads=2"
		-m became|.memory_mb == 2048|.qemu.options = "-m 2G"
	EOF
	# A kernel of its own, with its command line and an initrd.
	cp "$T/disk.img" "$T/vmlinuz"
	cp "$T/disk.img" "$T/initrd.img"
	appliance "$T/k.gns3a" '.qemu.kernel_command_line = "console=ttyS0" |
		.versions[0].images += {kernel_image: "vmlinuz", initrd: "initrd.img"}'
	labctl image import "$T/k.gns3a"
	grep -q 'boot: .*vmlinuz.*console=ttyS0\|boot: .*console=ttyS0.*vmlinuz' "$T/images/k/appliance.yaml"
}

@test "the version is that whose files are there; its report says which" {
	make_disk
	appliance "$T/v.gns3a" '.versions = [{name: "9", images: {hda_disk_image: "nine.img"}},
		{name: "8", images: {hda_disk_image: "disk.img", hdb_disk_image: "other.img"}},
		{name: "7", images: {hda_disk_image: "disk.img"}}]'
	labctl image import --json --name beside "$T/v.gns3a" | jq -e '.version == "7"'
	mv "$T/disk.img" "$T/images/"
	labctl image import --json --name given "$T/v.gns3a" --disk "$T/images/disk.img" | jq -e '.version == "7"'
	labctl image import --json --name first --definition-only "$T/v.gns3a" | jq -e '.version == "9" and .missing == ["nine.img"]'
	labctl image import --json --name some --definition-only --version 8 "$T/v.gns3a" --disk "$T/images/disk.img" |
		jq -e '.version == "8" and .missing == ["other.img"]'
	# A byte order mark in front is none of JSON's.
	{ printf '\357\273\277'; cat "$T/v.gns3a"; } >"$T/bom.gns3a"
	labctl image import --definition-only "$T/bom.gns3a"
}

@test "version 8: what a version says of itself, and parts for other emulators" {
	make_disk
	appliance "$T/v8.gns3a" '.registry_version = 8 | .default_username = "top" | .settings = [
		{default: true, name: "d", template_type: "docker", template_properties: {image: "x", adapters: 9}},
		{name: "q", template_type: "qemu", template_properties: {platform: "x86_64", ram: 512, usage: "of the set"}}] |
		.versions = [{name: "1", settings: "q", default_username: "own", images: .versions[0].images},
			{name: "2", images: {}}, {name: "3", settings: "none", images: {}}] | del(.qemu)'
	labctl image import --definition-only "$T/v8.gns3a" >"$T/out"
	grep -q 'of the set' "$T/out"
	labctl image show v8 --json | jq -e '.user == "own" and (.ports | length) == 1 and .memory_mb == 512'
	expect_status 2 labctl image import --definition-only --name b --version 2 "$T/v8.gns3a"
	output_has 'not for QEMU'
	expect_status 2 labctl image import --definition-only --name b --version 3 "$T/v8.gns3a"
	output_has 'not in the file'
	jq 'del(.settings[1]) | del(.versions)' "$T/v8.gns3a" >"$T/docker.gns3a"
	expect_status 2 labctl image import --definition-only "$T/docker.gns3a"
	output_has 'it is for Docker'
	appliance "$T/iou.gns3a" '.iou = {} | del(.qemu, .versions)'
	expect_status 2 labctl image import --definition-only "$T/iou.gns3a"
	output_has 'it is for IOU'
	for v in 3 5 7; do
		appliance "$T/r$v.gns3a" ".registry_version = $v"
		labctl image import "$T/r$v.gns3a"
	done
}

@test "compressed disks: every kind, found beside the appliance, by name or by size" {
	make_disk
	appliance "$T/test.gns3a"
	mkdir "$T/keep"
	mv "$T/disk.img" "$T/keep/"
	local n=0 command
	for command in 'gzip -c:gz' 'bzip2 -c:bz2' 'xz -c:xz' 'zstd -qc:zst' 'xz --format=lzma -c:lzma'; do
		n=$((n + 1))
		${command%:*} "$T/keep/disk.img" >"$T/disk.img.${command##*:}"
		labctl image import --name "c$n" "$T/test.gns3a"
		(cd "$T/images/c$n" && md5sum --quiet -c MD5SUMS && cmp disk.img "$T/keep/disk.img")
		rm "$T/disk.img.${command##*:}"
	done
	python3 - "$T" <<-'EOF'
		import sys, zipfile
		t = sys.argv[1]
		with zipfile.ZipFile(t + "/vendor.zip", "w", zipfile.ZIP_DEFLATED) as z:
		    z.writestr("readme", "x")
		    z.write(t + "/keep/disk.img", "folder/of-another-name.bin")
	EOF
	labctl image import --name sized "$T/test.gns3a" --disk "$T/vendor.zip"
	printf 'Rar!\032\007\001\000rest of it' >"$T/disk.img.rar"
	expect_status 2 labctl image import --name rar "$T/test.gns3a" --disk "$T/disk.img.rar"
	output_has 'RAR'
	if command -v 7z >/dev/null || command -v bsdtar >/dev/null; then
		(cd "$T/keep" && if command -v bsdtar >/dev/null; then bsdtar --format 7zip -cf "$T/disk.img.7z" disk.img
			else 7z a -bd "$T/disk.img.7z" disk.img; fi >/dev/null)
		labctl image import --name seven "$T/test.gns3a"
	fi
}

@test "a disk alone: told by what it is, and it runs" {
	local built
	built=$(unset LABCTL_IMAGES && images_root)/hello/hello.img
	[ -e "$built" ] || skip "there is no $built"
	cp "$built" "$T/boot.img"
	labctl image add boot --disk "$T/boot.img" >"$T/out"
	grep -q 'raw: on virtio' "$T/out"
	qemu-img create -q -f vmdk "$T/other.vmdk" 1M
	labctl image add other --disk "$T/other.vmdk"
	labctl image show other --json | jq -e '.disks[0].bus == "sata" and .disks[0].format == "vmdk" and .nic_model == "e1000"'
	printf 'lab: l\nnodes: {a: {image: boot, memory: 32M}}\n' >"$T/lab.yaml"
	labctl topology up "$T/lab.yaml"
	for _ in $(seq 100); do
		! labctl node log a -l l | grep -q 'labctl hello' || break
		sleep 0.2
	done
	labctl node log a -l l | grep -q 'labctl hello'
	qemu-img info -U "$T/state/l/a/disk0.qcow2" | grep -q "backing file format: raw"
	expect_status 1 labctl image remove boot
	grep -q 'in use' <<<"$output"
}

@test "a folder of EVE-NG: names of files say the bus" {
	mkdir "$T/vios-15.9"
	for file in hda.qcow2 virtiob.qcow2 megasasa.qcow2; do qemu-img create -q -f qcow2 "$T/vios-15.9/$file" 1M; done
	truncate -s 1M "$T/vios-15.9/cdrom.iso" "$T/vios-15.9/readme.txt"
	labctl image import "$T/vios-15.9" >"$T/out"
	grep -q "'readme.txt' is left out" "$T/out"
	labctl image show vios-15.9 --json >"$T/show"
	jq -e '[.disks[] | [.bus, .kind, .format, .unit]] == [["ide", "cdrom", "raw", 2], ["ide", "disk", "qcow2", 0],
		["scsi", "disk", "qcow2", 0], ["virtio", "disk", "qcow2", 0]] and .missing == []' "$T/show"
	grep -q megasas "$T/images/vios-15.9/appliance.yaml"
	qemu-img create -q -f qcow2 "$T/vios-15.9/lsia.qcow2" 1M
	expect_status 2 labctl image import --name two "$T/vios-15.9"
	mkdir "$T/empty"
	expect_status 2 labctl image import "$T/empty"
}

@test "EVE-NG: a folder with its template, beside it, where EVE-NG has it, or given" {
	local root=$T/unetlab want change template=$LABCTL_SOURCE/tests/fuzz/corpus/foreign/eve.yml
	mkdir -p "$root/addons/qemu/vsw-1.2-x" "$root/html/templates/intel"
	qemu-img create -q -f qcow2 "$root/addons/qemu/vsw-1.2-x/virtioa.qcow2" 1M
	qemu-img create -q -f qcow2 "$root/addons/qemu/vsw-1.2-x/nvmea.qcow2" 1M
	# Without a template.
	labctl image import "$root/addons/qemu/vsw-1.2-x" >"$T/out"
	grep -q 'none was found' "$T/out"
	labctl image show vsw-1.2-x --json | jq -e '.ports == ["e0", "e1", "e2", "e3"] and .memory_mb == 2048'
	cp "$template" "$root/html/templates/intel/vsw.yml"
	labctl image import --replace "$root/addons/qemu/vsw-1.2-x" >"$T/out"
	grep -q 'pc-1.0 became pc' "$T/out"
	grep -q 'qemu_version 4.1.0 is passed over' "$T/out"
	labctl image show vsw-1.2-x --json | jq -e '.cpus == 2 and .memory_mb == 3072 and .nic_model == "virtio-net-pci" and
		(.ports | length) == 12 and .ports[0:3] == ["fxp0", "ge-0/0/0", "ge-0/0/1"] and .ports[10:] == ["ge-0/0/9", "ge-0/1/0"] and
		[.disks[].bus] == ["nvme", "virtio"] and .machine == "pc" and .missing == []'
	# A template as the source, with disks.
	labctl image import --name t "$template" --disk "$root/addons/qemu/vsw-1.2-x/virtioa.qcow2"
	expect_status 2 labctl image import --name none "$template"
	output_has 'names no disks'
	# Formats of names, and what a template may not say.
	while IFS='|' read -r want change; do
		printf 'type: qemu\nethernet: 4\n%b\n' "$change" >"$T/x.yml"
		labctl image import --replace --name f --template "$T/x.yml" "$root/addons/qemu/vsw-1.2-x" >/dev/null
		labctl image show f --json | jq -e --arg want "$want" '(.ports | join(" ")) == $want' ||
			{ echo "$want: $change"; labctl image show f --json | jq -c .ports; false; }
	done <<-'EOF'
		e0 e1 e2 e3|ram: 64
		Gi1 Gi2 Gi3 Gi4|eth_format: Gi{1}
		eth0 swp1 swp2 swp3|eth_name: [eth0]\neth_format: swp{1}
		fxp0 ge-0/0/0 ge-0/0/1 ge-0/0/2|eth_name: [fxp0]\neth_format: ge-0/0/{0-9}
		p1 p2 p3 p4|eth_format: p{1-48}
		Gi0/0 Gi0/1 Gi1/0 Gi1/1|eth_format: Gi{0}/{0-2}
		Et1/1 Et1/2 Et2/1 Et2/2|eth_format: Et{1}/{1-2}
		a b c e0|eth_name: [a, b, c]
		a b e0 e1|eth_name: [a, b]
		lan0 lan1 lan2 lan3|eth_format: lan
	EOF
	while IFS='|' read -r want change; do
		printf '%b\n' "$change" >"$T/x.yml"
		expect_status 2 labctl image import --name bad --template "$T/x.yml" "$root/addons/qemu/vsw-1.2-x"
		output_has "$want"
	done <<-'EOF'
		not for QEMU|type: docker
		options|type: qemu\nqemu_options: -drive file=/etc/shadow
		is no number|type: qemu\nram: [1]
		room for 30|type: qemu\nethernet: 31
		architecture|type: qemu\nqemu_arch: sparc
		is no text|type: qemu\neth_format: {1}
		no YAML|type: [
		is unknown|type: qemu\nqemu_nic: vfio-pci
	EOF
	[ ! -e "$T/images/bad" ]
}

@test "CML: node definitions, image definitions and folders of them" {
	local base=$T/images-of-cml corpus=$LABCTL_SOURCE/tests/fuzz/corpus/foreign want change
	mkdir -p "$base/virl-base-images/vrt-1" "$base/node-definitions"
	qemu-img create -q -f qcow2 "$base/virl-base-images/vrt-1/vrt.qcow2" 1M
	qemu-img create -q -f qcow2 "$base/virl-base-images/vrt-1/second.qcow2" 1M
	grep -v '^sim\|^device' "$corpus/image.yaml" >"$base/virl-base-images/vrt-1/vrt-1.yaml"
	expect_status 2 labctl image import "$base/virl-base-images/vrt-1"
	output_has "node definition 'vrt' is not beside" 'template FILE'
	cp "$corpus/cml.yaml" "$base/node-definitions/vrt.yaml"
	labctl image import "$base/virl-base-images/vrt-1" >"$T/out"
	grep -q 'cpu_limit is dropped' "$T/out"
	labctl image show vrt-1 --json >"$T/show"
	jq -e '.memory_mb == 4096 and .cpus == 2 and .nic_model == "vmxnet3" and .machine == "q35" and .uefi and .serials == 2 and
		.ports == ["Mgmt0", "Eth1/1", "Eth1/2"] and .nic_max == 4 and .ready_timeout_s == 120 and
		.ready == "Press RETURN to get started!|\\(ready\\) 100[%]h" and .description == "vRT 1" and
		[.disks[].bus] == ["virtio", "virtio", "virtio"] and .disks[0].size == 21474836480 and .disks[2].file == null' "$T/show"
	grep -q 'seed: .*"iso".*config-1.*day0.txt.*license.txt.*100%% free' "$T/images/vrt-1/appliance.yaml"
	# The node definition alone, with a disk or with one to come.
	labctl image import --name node "$corpus/cml.yaml" --disk "$base/virl-base-images/vrt-1/vrt.qcow2"
	labctl image show node --json | jq -e '.memory_mb == 3072 and .description == "vRT" and .missing == []'
	labctl image import --name later --definition-only "$corpus/cml.yaml"
	labctl image show later --json | jq -e '.missing[0].name == "vrt.qcow2"'
	labctl image add later --disk "$base/virl-base-images/vrt-1/second.qcow2"
	labctl image verify later
	# The image definition as the source, the node definition given.
	mv "$base/node-definitions/vrt.yaml" "$T/elsewhere.yaml"
	labctl image import --name given --template "$T/elsewhere.yaml" "$base/virl-base-images/vrt-1/vrt-1.yaml"
	while IFS='|' read -r want change; do
		sed "$change" "$corpus/cml.yaml" >"$T/x.yaml"
		expect_status 2 labctl image import --name bad --definition-only "$T/x.yaml"
		output_has "$want"
	done <<-'EOF'
		not for QEMU|s/domain_driver: kvm/domain_driver: docker/
		linux_native|s/linux_native/other/
		is not known|s/disk_driver: virtio/disk_driver: mtd/
		is unknown|s/nic_driver: vmxnet3/nic_driver: vfio-pci/
		ram|s/ram: 3072/ram: lots/
		it is a lab|s/.*/nodes: []/
		lead out|s,^id: vrt,id: ../vrt,
	EOF
	[ ! -e "$T/images/bad" ]
}

@test "many imports of one name at once: one gets it, nothing half done is seen" {
	make_disk
	appliance "$T/test.gns3a"
	local pids=() won=0
	for i in 1 2 3 4; do
		labctl image import "$T/test.gns3a" >"$T/out.$i" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		if wait "$pid"; then won=$((won + 1)); fi
	done
	[ $won = 1 ]
	labctl image show test --json | jq -e '.missing == []'
	[ "$(find "$T/images/.store" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
}

@test "many changes of one image at once: adding files, one after the other" {
	make_disk
	cp "$T/disk.img" "$T/second.img"
	printf x >>"$T/second.img"
	appliance "$T/test.gns3a" '.versions[0].images += {hdb_disk_image: "second.img"} |
		.images += [{filename: "second.img", version: "1", md5sum: "'"$(md5sum <"$T/second.img" | cut -c 1-32)"'",
			filesize: 1048577}]'
	mkdir "$T/given"
	mv "$T"/*.img "$T/given"
	labctl image import --definition-only "$T/test.gns3a"
	# What a killed one left is swept up.
	touch "$T/images/test/.copy-1-1"
	labctl image add test --disk "$T/given/disk.img" >"$T/one" 2>&1 &
	labctl image add test --disk "$T/given/second.img"
	wait $!
	labctl image show test --json | jq -e '.missing == []'
	[ ! -e "$T/images/test/.copy-1-1" ]
	labctl image verify test --json | jq -e '.images[0].state == "ok" and ([.images[0].files[].state] == ["ok", "ok"])'
}

@test "verify: what changed is found, by labctl and by md5sum" {
	make_disk
	appliance "$T/test.gns3a"
	labctl image import "$T/test.gns3a"
	rm "$T/disk.img"
	labctl image import --name bare --definition-only "$T/test.gns3a"
	labctl image verify >"$T/out"
	grep -qx 'test: ok' "$T/out"
	grep -qx 'bare: incomplete' "$T/out"
	(cd "$T/images/test" && md5sum --quiet -c MD5SUMS)
	printf y | dd of="$T/images/test/disk.img" conv=notrunc bs=1 seek=5000 status=none
	expect_status 1 labctl image verify test
	output_has '^test: damaged' 'disk.img: changed' 'not what it was'
	run labctl image verify --json test
	[ "$status" = 1 ]
	rm "$T/images/test/disk.img"
	expect_status 1 labctl image verify test
	output_has 'disk.img: missing'
	# Files that nothing is known of are told, and are no fault.
	echo >"$T/images/bare/disk.img"
	rm -f "$T/images/bare/MD5SUMS"
	expect_status 0 labctl image verify bare
	output_has 'unrecorded'
	expect_status 1 labctl image verify nothing
}

@test "an import that is killed is seen by nobody, and swept up later" {
	make_disk
	truncate -s 2G "$T/big.img"
	local store=$T/images/.store pid
	appliance "$T/test.gns3a"
	labctl image import --definition-only --name whole "$T/test.gns3a"
	timeout 100 "$LABCTL" image add big --disk "$T/big.img" </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	wait_until 20 eval 'ls -d "$store"/.import-*/.copy-*'
	kill -9 $(pgrep -P $pid) 2>/dev/null || true
	kill -9 $pid 2>/dev/null || true
	wait $pid || true
	ls -d "$store"/.import-*
	[ ! -e "$T/images/big" ]
	labctl image list --json | jq -e '[.images[] | select(.state != "not built") | .name] == ["whole"]'
	# Young ones are left alone: their process may be about to lock them.
	labctl image import --definition-only --name second "$T/test.gns3a"
	ls -d "$store"/.import-*
	touch -d '1 hour ago' "$store"/.import-*
	# One that was killed between getting its folder and its name, and one between the name and the mark.
	cp -r "$(readlink -f "$T/images/second")" "$store/lost-0123456789abcdef"
	touch -d '1 hour ago' "$store/lost-0123456789abcdef/.leaving" "$(readlink -f "$T/images/second")/.leaving"
	labctl image import --definition-only --name third "$T/test.gns3a"
	[ -z "$(find "$store" -name '.import-*')" ]
	[ ! -e "$store/lost-0123456789abcdef" ]
	labctl image show second --json | jq -e '.name == "second"'
	[ ! -e "$T/images/second/.leaving" ]
}

@test "remove: refused with lab and node while one runs or keeps a disk on top of it" {
	[ -e /var/lib/labctl/images/hello/hello.img ] || skip "image hello is not built in /var/lib/labctl/images"
	cp /var/lib/labctl/images/hello/hello.img "$T/boot.img"
	labctl image add boot --disk "$T/boot.img"
	printf 'lab: l\nnodes: {a: {image: boot, memory: 32M}}\n' >"$T/lab.yaml"
	labctl topology up "$T/lab.yaml"
	labctl image list --json | jq -e '.images[] | select(.name == "boot") |
		.used_by[0].lab == "l" and .used_by[0].node == "a" and .bytes > 0'
	labctl image list | grep -Eq '^boot +ok .* l '
	expect_status 1 labctl image remove boot
	output_has "in use by node 'a' of lab 'l'" 'topology down l'
	expect_status 1 labctl image add boot --replace --disk "$T/boot.img"
	labctl topology down
	labctl image show boot --json | jq -e '.used_by == [{lab: "l", node: "a", state: "kept",
		disk_bytes: .used_by[0].disk_bytes}] and .used_by[0].disk_bytes > 0'
	expect_status 1 labctl image remove boot
	output_has "node 'a' of lab 'l', which is down" 'topology wipe l'
	labctl topology wipe l
	labctl image remove boot
	[ ! -e "$T/images/boot" ]
	[ -z "$(find "$T/images/.store" -mindepth 1 -maxdepth 1 -type d)" ]
}

@test "readiness: a rule is suggested for systems that are known" {
	make_disk
	local system line
	# What each system's console says last, and what it says on the way.
	while IFS='|' read -r system line; do
		appliance "$T/s.gns3a" ".name = \"Appliance\" | .product_name = \"$system\""
		labctl image import --replace --definition-only "$T/s.gns3a" | grep -q suggested
		grep -Eq -- "$(labctl image show s --json | jq -r .ready)" <<<"$line" || { echo "$system: $line"; false; }
		! grep -Eq -- "$(labctl image show s --json | jq -r .ready)" <<<"Booting the kernel" || { echo "$system: too soon"; false; }
	done <<-'EOF'
		MikroTik Cloud Hosted Router (RouterOS)|MikroTik Login: 
		vJunos-router|FreeBSD/amd64 (Amnesiac) (ttyu0) login: 
		vSRX|login: 
		Catalyst 8000V|*Jan 1 00:00:00: %CVAC-4-CONFIG_DONE: Configuration generated
		CSR 1000v|Press RETURN to get started!
		NX-OSv 9000|Abort Power On Auto Provisioning [yes - continue/skip/no](yes/skip/no)[no]: 
		Cisco IOSv|Press RETURN to get started!
		IOS XRv 9000|Press RETURN to get started
		Arista vEOS|localhost login: 
		FortiGate|FortiGate-VM64-KVM login: 
		PA-VM|PA-VM login: 
	EOF
	appliance "$T/unknown.gns3a" '.name = "Something" | .product_name = "New"'
	labctl image import --definition-only "$T/unknown.gns3a"
	labctl image show unknown --json | jq -e '.ready == null'
}

# slow_recipe WORD: a recipe whose build waits for the file $T/gate.
slow_recipe() {
	mkdir -p "$T/recipes/slow"
	cat >"$T/recipes/slow/appliance.yaml" <<-'EOF'
		name: slow
		arch: x86_64
		memory: {default: 16M}
		disks: [{file: disk.img}]
	EOF
	cat >"$T/recipes/slow/recipe.sh" <<-EOF
		recipe_build() {
			echo "$1" >"\$OUT/disk.img"
			while [ ! -e "$T/gate" ]; do must sleep 0.1; done
		}
	EOF
}

@test "builds: two at once wait for each other, a killed one is seen by nobody and swept up" {
	local store=$T/images/.store pid
	command -v mksquashfs >/dev/null || skip "what building images needs is not installed"
	export LABCTL_RECIPES=$T/recipes
	slow_recipe first
	labctl image build slow >"$T/one" 2>&1 3>&- &
	wait_until 30 eval 'ls -d "$store"/.tmp-slow.*'
	labctl image build slow >"$T/two" 2>&1 3>&- &
	wait_until 30 grep -q 'waiting for it' "$T/two"
	[ ! -e "$T/images/slow" ]
	touch "$T/gate"
	wait
	grep -q 'another build has just made it' "$T/two"
	labctl image verify slow | grep -qx 'slow: ok'
	# Killed in the middle of the next one.
	rm "$T/gate"
	slow_recipe second
	setsid "$LABCTL" image build slow </dev/null >"$T/three" 2>&1 3>&- &
	wait_until 30 eval 'ls "$store"/.tmp-slow.*/out/disk.img'
	pid=$(leftovers "$T" | sed -n 's/^process \([0-9]*\):.*/\1/p')
	# shellcheck disable=SC2086 # several
	kill -9 $pid
	wait
	ls -d "$store"/.tmp-slow.*
	grep -qx first "$T/images/slow/disk.img"
	labctl image verify slow | grep -qx 'slow: ok'
	touch "$T/gate"
	labctl image build slow
	grep -qx second "$T/images/slow/disk.img"
	[ -z "$(find "$store" -maxdepth 1 -name '.tmp-*')" ]
}
