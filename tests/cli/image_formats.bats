#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow,hello
#
# What other tools' descriptions may say, form by form, with files made for it: GNS3's appliances, EVE-NG's templates,
# CML's definitions. Each is imported, and what came of it is looked at.

load helper
load image_helper

setup() {
	lab_setup
	HELLO=$(images_root)/hello/hello.img
	export LABCTL_IMAGES=$T/images
}

teardown() {
	lab_teardown
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
		p+0 p+1 p+2 p+3|.port_name_format = "p{0:+d}"
		p_0 p_1 p_2 p_3|.port_name_format = "p{0:_>2}"
		p0-- p1-- p2-- p3--|.port_name_format = "p{0!s:-<3}"
		p0x00 p0x01 p0x02 p0x03|.port_name_format = "p{1:#04x}"
		e0 e1 x e3|.port_name_format = "e{0}" | .qemu.custom_adapters = [{adapter_number: 1}, {adapter_number: 1, port_name: "late"}, {adapter_number: 2, port_name: "x"}]
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
		port_name_format|.port_name_format = "e{0}{}"
		port_name_format|.port_name_format = "e{0:.2f}"
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
		-smp became|.cpus == 4|.qemu.options = "-smp maxcpus=4"
		-icount is dropped|.cpus == 1|.qemu.options = "-no-kvm -icount auto -hdachs 980,16,32"
		needs no sound|.cpus == 1|.qemu.options = "-device intel-hda -device hda-duplex"
		tablet became|.cpus == 1|.qemu.options = "-device usb-ehci,id=u -device usb-tablet,bus=u.0"
		-watchdog became|.cpus == 1|.qemu.options = "-watchdog i6300esb"
		-smbios became|.cpus == 1|.qemu.options = "-smbios type=1,manufacturer=A,,\\ B,product=C:\\ slot=A"
		imported|.nic_model == "e1000-82545em"|.qemu.adapter_type = "e1000-82545em"
	EOF
	# What stands for something is put in when a node starts; a percent sign of the file's own stays one.
	appliance "$T/w.gns3a" '.qemu.options = "-fw_cfg name=opt/x,string=%vm-name%,,%hello -smbios type=1,serial=%vm-id%"'
	labctl image import "$T/w.gns3a"
	grep -qF '"%h,%%hello"' "$T/images/w/appliance.yaml"
	grep -qF '"type=1,serial=%u"' "$T/images/w/appliance.yaml"
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
	# Old templates are PHP, of which only data is read.
	cp "$LABCTL_SOURCE/tests/fuzz/corpus/foreign_php/vsw.php" "$root/html/templates/vsw.php"
	rm "$root/html/templates/intel/vsw.yml"
	labctl image import --replace "$root/addons/qemu/vsw-1.2-x" >"$T/out"
	grep -q 'html/templates/vsw.php' "$T/out"
	labctl image show vsw-1.2-x --json | jq -e '.cpus == 2 and .memory_mb == 3072 and .nic_model == "e1000" and
		.ports[0:2] == ["Gi0/0", "Gi0/1"] and (.ports | length) == 6 and .machine == "pc"'
	labctl image import --name t2 "$root/html/templates/vsw.php" --disk "$root/addons/qemu/vsw-1.2-x/virtioa.qcow2"
	while IFS='|' read -r want change; do
		printf '<?php\n$p["type"] = "qemu";\n%b\n' "$change" >"$T/x.php"
		expect_status 2 labctl image import --name bad --template "$T/x.php" "$root/addons/qemu/vsw-1.2-x"
		output_has "$want"
	done <<-'EOF'
		line 3: .*here is 'system|system("id");
		line 3: a text or a number is expected, here is 'exec|$p["ram"] = exec("id");
		line 4: .*here is 'if|# fine\nif (1) { }
		line 3: a text without variables|$p["ram"] = "$x";
		line 3: ';' is expected, here is '. file|$p["name"] = 'x' . file_get_contents('/etc/shadow');
		line 4: nothing behind|?>\n<b>x</b>
		options|$p['qemu_options'] = '-drive file=/etc/shadow';
		the end of a text|$p["ram"] = "12
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

@test "images from EVE-NG and CML run as they were described" {
	local corpus=$LABCTL_SOURCE/tests/fuzz/corpus/foreign node
	needs_tun
	[ -e "$HELLO" ] || skip "$HELLO is not built"
	mkdir "$T/vsw-1"
	qemu-img convert -f raw -O qcow2 "$HELLO" "$T/vsw-1/virtioa.qcow2"
	labctl image import --template "$corpus/eve.yml" "$T/vsw-1"
	# Not every machine has OVMF.
	grep -v 'efi_boot' "$corpus/cml.yaml" >"$T/vrt.yaml"
	labctl image import "$T/vrt.yaml" --disk "$T/vsw-1/virtioa.qcow2"
	cat >"$T/lab.yaml" <<-'EOT'
		lab: foreign
		nodes:
		  s: {image: vsw-1, memory: 64M}
		  r: {image: vrt, memory: 64M, config: day0.txt}
		links:
		  - ["s:ge-0/0/3", "r:Eth1/1"]
	EOT
	echo 'hostname r' >"$T/day0.txt"
	labctl topology up "$T/lab.yaml" --wait started
	for node in s r; do
		wait_until 30 eval "labctl node log $node -l foreign | grep -q 'labctl hello'"
	done
	json '.links[0].ends | join(" ")' topology status foreign | grep -Eq 's:(ge-0/0/3|eth4) r:(Eth1/1|eth1)'
}
