# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# drivers: Debian's general kernel instead of that for clouds.

kernel=linux-image-amd64
ZSTD_LEVEL=3
packages=(ethtool iputils-ping socat tcpdump)
modules=(e1000 e1000e vmxnet3 8139cp pcnet32 ne2k-pci e100 ahci ata_piix sd_mod sr_mod virtio_scsi
	nvme sym53c8xx megaraid_sas mptsas vmw_pvscsi qemu_fw_cfg isofs vfat nls_iso8859-1 nls_cp437 nls_ascii)

recipe_root() {
	add_user tcpdump 102
}
