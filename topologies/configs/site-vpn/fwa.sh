#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run as root at every boot, after the interfaces are there. The keys are this lab's only.
ip address replace 198.51.100.1/24 dev eth0
ip address replace 10.1.0.1/24 dev eth1
# The second network has no hosts here; the firewall's own address stands for them.
ip link add lan1 type dummy
ip address replace 10.1.1.1/24 dev lan1
ip link set lan1 up

# WireGuard: what goes to the other site's first network goes through wg0.
mkdir -p /etc/wireguard
chmod 700 /etc/wireguard
echo UHejdDsEykxnh2rm4/SmFBlLdNf5/t1acO1E57XgfFQ= >/etc/wireguard/wg0.key
ip link add wg0 type wireguard
wg set wg0 listen-port 51820 private-key /etc/wireguard/wg0.key \
	peer RXzMm9tw7xRgmE1kT+duu2D9LpQDx964R1rHVkBOqhk= endpoint 198.51.100.2:51820 \
	allowed-ips 10.255.0.2/32,10.2.0.0/24
ip address replace 10.255.0.1/30 dev wg0
ip link set wg0 up mtu 1420
ip route replace 10.2.0.0/24 dev wg0

# What is let in and through, and what hosts look like from outside.
nft -f - <<'END'
flush ruleset
table inet filter {
	counter refused {}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname { "lo", "eth1", "lan1" } accept
		meta l4proto { icmp, ipv6-icmp, esp } accept
		iifname "eth0" udp dport { 500, 4500, 51820 } accept
		# What comes out of the IPsec tunnel.
		meta ipsec exists accept
		counter name refused
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname "eth1" accept
		iifname "wg0" oifname "eth1" ip protocol icmp accept
		iifname "wg0" oifname "eth1" tcp dport 80 accept
		counter name refused
	}
}
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "eth0" ip saddr 10.1.0.0/24 masquerade
	}
}
END

# IPsec: the second networks, by a secret that both know. ike-start (after this script) loads it; the first
# packet brings the tunnel up.
mkdir -p /etc/swanctl/conf.d
cat >/etc/swanctl/conf.d/site.conf <<'END'
connections {
	site {
		version = 2
		local_addrs = 198.51.100.1
		remote_addrs = 198.51.100.2
		proposals = aes128gcm16-prfsha256-x25519
		local {
			auth = psk
			id = fwa
		}
		remote {
			auth = psk
			id = fwb
		}
		children {
			second {
				local_ts = 10.1.1.0/24
				remote_ts = 10.2.1.0/24
				esp_proposals = aes128gcm16-x25519
				start_action = trap
			}
		}
	}
}
secrets {
	ike-site {
		secret = "a secret of this lab"
	}
}
END
