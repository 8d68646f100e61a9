#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ring.sh N DIR [IMAGE]: write DIR/ring-N.yaml, a ring of N nodes r1 … rN: eth0 of each leads to eth1 of the
# next. With the image frr (the default) each gets a configuration that speaks OSPF.
set -euo pipefail

if [ $# -lt 2 ] || ! [[ $1 =~ ^[0-9]+$ ]] || [ "$1" -lt 2 ] || [ "$1" -gt 250 ]; then
	echo "Usage: ring.sh N DIR [IMAGE]   (N from 2 to 250)" >&2
	exit 2
fi
n=$1 dir=$2 image=${3:-frr}
mkdir -p "$dir"
file=$dir/ring-$n.yaml

# ospf_interface NAME ADDRESS
ospf_interface() {
	printf 'interface %s\n ip address %s\n ip ospf area 0\n' "$1" "$2"
	printf ' ip ospf network point-to-point\n ip ospf hello-interval 5\n ip ospf dead-interval 30\nexit\n!\n'
}

{
	printf 'lab: ring-%d\ndescription: A ring of %d\ndefaults: {image: %s, nics: 2}\nnodes:\n' "$n" "$n" "$image"
	for ((i = 1; i <= n; i++)); do
		if [ "$image" = frr ]; then
			echo "  r$i: {config: r$i.conf}"
			before=$(((i + n - 2) % n + 1))
			{
				printf 'frr version 8.4.4\nfrr defaults traditional\nservice integrated-vtysh-config\n!\n'
				printf 'interface lo\n ip address 10.255.0.%d/32\n ip ospf area 0\nexit\n!\n' "$i"
				ospf_interface eth0 "10.0.$i.1/24"
				ospf_interface eth1 "10.0.$before.2/24"
				printf 'router ospf\n ospf router-id 10.255.0.%d\nexit\n!\n' "$i"
			} >"$dir/r$i.conf"
		else
			echo "  r$i: {}"
		fi
	done
	echo "links:"
	for ((i = 1; i <= n; i++)); do
		echo "  - [r$i:eth0, r$((i % n + 1)):eth1]"
	done
} >"$file"
echo "$file"
