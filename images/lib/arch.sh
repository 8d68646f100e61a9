# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# arch.sh: what differs between architectures. Packages are only unpacked, so an image for another one
# needs no emulation to be built. A recipe's appliance.yaml is that of amd64; for others it is changed
# line by line, and the image is called NAME-ARCH.

readonly ARCHES='amd64 arm64 ppc64el'

# Settings for $ARCH: the kernel's package and what guest and QEMU call things.
setup_arch() {
	case $ARCH in
	amd64) arch_kernel=linux-image-cloud-amd64 arch_consoles='ttyS0 ttyS1' ;;
	arm64)
		arch_kernel=linux-image-cloud-arm64 arch_consoles='ttyAMA0 ttyS0'
		arch_lines=('arch: aarch64' 'machine: virt' 'cpu: {count: 1, model: cortex-a57}')
		;;
	ppc64el)
		# Memory of pSeries machines comes in blocks of 256 MiB, and the kernel alone takes 60.
		arch_kernel=linux-image-powerpc64le arch_consoles='hvc0 hvc1'
		arch_lines=('arch: ppc64' 'machine: pseries' 'cpu: {count: 1, model: power9}'
			'memory: {default: 512M, least: 512M}')
		;;
	esac
	kernel=$arch_kernel
}

# The definition, for $ARCH, on standard output.
definition() {
	local line edits=()
	if [ "$ARCH" = amd64 ]; then
		cat "$RECIPE/appliance.yaml"
		return
	fi
	for line in "name: $NAME" "${arch_lines[@]}"; do
		edits+=(-e "s/^${line%%:*}:.*/$line/")
	done
	# Words for the kernel that only x86 knows; and there is no power button but by ACPI.
	sed "${edits[@]}" \
		-e "s/console=ttyS0/console=${arch_consoles%% *}/" \
		-e '/^ *append:/s/ \(noreplace-smp\|tsc=[a-z]*\|no_timer_check\)//g' \
		-e 's/^stop: {method: acpi, /stop: {method: console, console: poweroff, /' \
		"$RECIPE/appliance.yaml"
}

# The kernel in the form in which QEMU loads it.
arch_kernel_image() {
	case $ARCH in
	amd64) extract_elf "$1" "$2" ;;
	*)
		if [ "$(od -An -tx1 -N2 "$1" | tr -d ' ')" = 1f8b ]; then
			gzip -dc "$1" >"$2"
		else
			cp "$1" "$2"
		fi
		;;
	esac
}
