#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# bats file_tags=slow
#
# Firmware, NICs and disks of every kind, with guests that have the drivers.

load helper
load appliance_helper

# Systems that take a minute to boot by emulation, on machines that are busy.
export BATS_TEST_TIMEOUT=900 LABCTL_TIMEOUT=600

setup() {
	lab_setup
	STORE=$(images_root)
	export LABCTL_IMAGES=$T/images
	mkdir -p "$T/images"
}

teardown() {
	lab_teardown
}

# variant NAME SED: the image "drivers" with another definition.
variant() {
	local from=$STORE/drivers
	[ -f "$from/appliance.yaml" ] || skip "image drivers is not built in $STORE"
	mkdir -p "$T/images/$1"
	ln "$(readlink -f "$from")"/* "$T/images/$1/" 2>/dev/null || cp --sparse=always "$from"/* "$T/images/$1/"
	rm "$T/images/$1/appliance.yaml"
	sed -e "s/^name:.*/name: $1/" -e "$2" "$from/appliance.yaml" >"$T/images/$1/appliance.yaml"
}

# mac NODE NIC: its address as QEMU was told.
mac() {
	tr '\0' '\n' <"/proc/$(status_of lab ".nodes[] | select(.name == \"$1\") | .pid")/cmdline" |
		sed -n "s/.*,netdev=net$2,mac=\([0-9a-f:]*\).*/\1/p"
}

@test "UEFI boots from a FAT disk, with a TPM" {
	[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip "OVMF is not installed"
	command -v swtpm >/dev/null || skip "swtpm is not installed"
	command -v mcopy >/dev/null || skip "mtools is not installed"
	image app efi <<-'END'
	memory: {default: 128M}
	END
	image uefi efi <<-'END'
	firmware: {tpm: true}
	disks: [{file: esp.img, bus: sata}]
	ready: {console: 'labctl: efi runs', timeout: 120s}
	END
	sed -i 's/default: 32M/default: 128M/' "$T/images/uefi/appliance.yaml"
	truncate -s 16M "$T/images/uefi/esp.img"
	mformat -i "$T/images/uefi/esp.img" -v ESP ::
	mmd -i "$T/images/uefi/esp.img" ::/EFI ::/EFI/BOOT
	mcopy -i "$T/images/uefi/esp.img" "$T/images/app/disk.img" ::/EFI/BOOT/BOOTX64.EFI
	# The node has it, not its image.
	lab 'nodes: {u: {image: uefi, firmware: uefi}}'
	labctl topology up "$T/lab.yaml" --wait ready
	[ "$(status_of lab '.nodes[0].state')" = ready ]
	# Variables and TPM are the node's own.
	[ -s "$T/state/lab/u/uefi-vars.fd" ]
	[ -d "$T/state/lab/u/tpm" ]
	# Its answer: a response of 20 bytes, success, 8 bytes.
	wait_until 60 eval 'labctl node log u --plain | grep -Eq "the TPM says 8001000000140{8}0008[0-9a-f]{16}"'
}

@test "every NIC model carries traffic, LLDP too, and follows its cable; 28 NICs keep their order" {
	local models=(virtio-net-pci e1000 e1000e vmxnet3 rtl8139 pcnet ne2k_pci i82559er) i n links=''
	# With a configuration and a variable in fw_cfg.
	variant a "/^seed:/c seed: {method: fw_cfg, files: [{name: opt/org.labctl/config}]}
/^stop:/a fw_cfg: [{name: opt/org.labctl/who, text: '%h of %l, 100%%'}]"
	variant b '/^seed:/c seed: {method: iso, bus: sata, files: [{name: day0.txt}]}'
	variant many '/^    - {nic/d; /^  ports:/d; s/^  count: 8/  model: e1000\n  count: 28/; /^seed:/c seed: {method: fat, bus: sata, files: [{name: some_config.txt}]}'
	echo 'hostname x' >"$T/c"
	for i in "${!models[@]}"; do
		links+="  - {ends: [a:eth$i, b:eth$i], name: l$i}"$'\n'
	done
	lab 'nodes: {a: {image: a, config: c}, b: {image: b, config: c}, many: {image: many, config: c}}' 'links:' "${links%$'\n'}"
	labctl topology up "$T/lab.yaml" --wait ready --timeout 600

	# The guests' kernels number NICs as they are declared, whatever drives them.
	for i in "${!models[@]}"; do
		[ "$(on a "cat /sys/class/net/eth$i/address")" = "$(mac a $i)" ]
		on a "ip address add 10.0.$i.1/24 dev eth$i; readlink /sys/class/net/eth$i/device/driver"
		on b "ip address add 10.0.$i.2/24 dev eth$i"
	done
	on many 'cat /sys/class/net/eth?/address /sys/class/net/eth??/address' >"$T/found"
	for ((i = 0; i < 28; i++)); do mac many $i; done >"$T/wanted"
	diff "$T/wanted" "$T/found"

	for i in "${!models[@]}"; do
		node_says a "ping -c 3 -i 0.2 -W 5 -q 10.0.$i.2" ' 0% packet loss' || { echo "${models[i]}: no traffic"; false; }
		# A frame to 01:80:C2:00:00:0E with LLDP's type.
		on b "tcpdump -l -n -e -i eth$i -c 1 ether proto 0x88cc >/tmp/lldp$i 2>/dev/null </dev/null &"
		for ((n = 0; n < 40; n++)); do
			on a "printf '\\x01\\x80\\xc2\\x00\\x00\\x0e\\x02\\x00\\x00\\x00\\x00\\x01\\x88\\xcc%046d' 0 | socat -u - INTERFACE:eth$i"
			! node_says b "cat /tmp/lldp$i" 'ethertype LLDP' || break
		done
		[ $n -lt 40 ] || { echo "${models[i]}: no LLDP"; false; }
	done

	# A cable pulled is no carrier, but for the models of which QEMU emulates no link, and for e1000e, whose
	# second change QEMU 7.2 does not tell a guest with MSI-X (the cause of the first is never cleared).
	for i in "${!models[@]}"; do labctl link down "l$i"; done
	for i in 0 1 3 4 5; do
		wait_until 30 node_says a "cat /sys/class/net/eth$i/carrier" '^0'
		wait_until 30 node_says b "cat /sys/class/net/eth$i/carrier" '^0'
	done
	for i in 2 6 7; do
		node_says a "ping -c 1 -W 1 -q 10.0.$i.2" '100% packet loss'
	done
	for i in "${!models[@]}"; do labctl link up "l$i"; done
	for i in "${!models[@]}"; do
		wait_until 30 node_says a "ping -c 1 -W 2 -q 10.0.$i.2" ' 0% packet loss'
	done

	# The configuration, as Linux sees the disk that it is on.
	node_says b 'mount -t iso9660 -o ro /dev/sr0 /mnt && cat /mnt/day0.txt' '^hostname x'
	node_says many 'mount -t vfat /dev/sda /mnt && cat /mnt/some_config.txt' '^hostname x'
	node_says a 'cat /sys/firmware/qemu_fw_cfg/by_name/opt/org.labctl/config/raw' '^hostname x'
	node_says a 'cat /sys/firmware/qemu_fw_cfg/by_name/opt/org.labctl/who/raw; echo' '^a of lab, 100%'
}

@test "three architectures: OSPF between a PC, an ARM and a POWER machine" {
	local image
	export LABCTL_IMAGES=$STORE
	for image in frr frr-arm64 frr-ppc64el; do
		[ -f "$STORE/$image/appliance.yaml" ] || skip "image $image is not built in $STORE"
	done
	command -v qemu-system-aarch64 >/dev/null || skip "qemu-system-arm is not installed"
	command -v qemu-system-ppc64 >/dev/null || skip "qemu-system-ppc is not installed"
	labctl topology up "$TOPOLOGIES/three-architectures.yaml" --wait ready --timeout 600
	[ "$(for n in r1 r2 r3; do on $n:1 'uname -m'; done | xargs)" = 'x86_64 aarch64 ppc64le' ]
	wait_until 180 node_says r3 'show ip ospf neighbor' '10.255.0.1 .*Full'
	wait_until 180 node_says r3 'show ip ospf neighbor' '10.255.0.2 .*Full'
	wait_until 180 node_says r1 'show ip route ospf' '10.0.23.0/24.*110/20'
	wait_until 180 node_says r2:1 'ping -c 1 -W 5 10.255.0.3' ' 0% packet loss'
	node_says r1:1 'ping -c 1 -W 5 10.255.0.2' ' 0% packet loss'
}

@test "debian: cloud-init makes the host name, a user and an address; a login on the serial port" {
	export LABCTL_IMAGES=$STORE
	[ -f "$STORE/debian/appliance.yaml" ] || skip "image debian is not built in $STORE"
	[ -f "$STORE/host/appliance.yaml" ] || skip "image host is not built in $STORE"
	cp -r "$TOPOLOGIES/cloud-init.yaml" "$TOPOLOGIES/configs" "$T/"
	labctl topology up "$T/cloud-init.yaml" --wait ready --timeout 290
	cat >"$T/login" <<-'END'
	timeout 120s
	send
	expect %h login: $
	send ann
	expect Password:
	send correct horse
	expect ann@%h:~\$ $
	send id -un; hostname; ip -br address show eth0; sudo id -un
	expect ^ann
	expect ^%h
	expect 192.0.2.10/24
	expect ^root
	END
	labctl node exec d1 --script "$T/login"
	wait_until 60 node_says h1 'ping -c 1 -W 5 192.0.2.10' ' 0% packet loss'
	# sshd greets first, once its keys are made.
	wait_until 120 node_says h1 'timeout 20 bash -c "head -n 1 </dev/tcp/192.0.2.10/22"' 'SSH-2.0-OpenSSH'
}
