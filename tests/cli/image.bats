#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=quick,hello
#
# image import and image add: what comes in, as what, and what is refused. The appliances of
# ../shared/corpora (or $LABCTL_CORPORA) are real ones; nothing in labctl knows any of them.

load helper
load image_helper

setup() {
	lab_setup
	HELLO=$(images_root)/hello/hello.img
	export LABCTL_IMAGES=$T/images
	CORPORA=${LABCTL_CORPORA:-$LABCTL_SOURCE/../shared/corpora}
}

teardown() {
	lab_teardown
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
		'--drive file=/x' '-smbios type=1,product=x,,,file=/etc/shadow' '-fw_cfg opt/x,string=a,gen_id=b' \
		'-fw_cfg opt/x,string=%guest-cid%' '-device usb-tablet,port=1,chardev=x' '-device vhost-vsock-pci,guest-cid=%guest-cid%' \
		'-nographic \\-drive file=/x' '-cpu host,x=/y' '-acpitable file=/x' 'x' "'-smp 2"; do
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

# bats test_tags=slow
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
	wait_until 20 compgen -G "$store/.import-*/.copy-*"
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

# bats test_tags=slow
@test "remove: refused with lab and node while one runs or keeps a disk on top of it" {
	[ -e "$HELLO" ] || skip "$HELLO is not built"
	cp "$HELLO" "$T/boot.img"
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
	local store=$T/images/.store pid one two three
	command -v mksquashfs >/dev/null || skip "what building images needs is not installed"
	export LABCTL_RECIPES=$T/recipes
	slow_recipe first
	labctl image build slow >"$T/one" 2>&1 3>&- &
	one=$!
	wait_until 30 compgen -G "$store/.tmp-slow.*"
	labctl image build slow >"$T/two" 2>&1 3>&- &
	two=$!
	wait_until 30 grep -q 'waiting for it' "$T/two"
	[ ! -e "$T/images/slow" ]
	touch "$T/gate"
	wait $one $two
	grep -q 'another build has just made it' "$T/two"
	labctl image verify slow | grep -qx 'slow: ok'
	# Killed in the middle of the next one.
	rm "$T/gate"
	slow_recipe second
	setsid "$LABCTL" image build slow </dev/null >"$T/three" 2>&1 3>&- &
	three=$!
	wait_until 30 compgen -G "$store/.tmp-slow.*/out/disk.img"
	pid=$(leftovers "$T" | sed -n 's/^process \([0-9]*\):.*/\1/p')
	# shellcheck disable=SC2086 # several
	kill -9 $pid
	wait $three || true
	ls -d "$store"/.tmp-slow.*
	grep -qx first "$T/images/slow/disk.img"
	labctl image verify slow | grep -qx 'slow: ok'
	touch "$T/gate"
	labctl image build slow
	grep -qx second "$T/images/slow/disk.img"
	[ -z "$(find "$store" -maxdepth 1 -name '.tmp-*')" ]
}
