<?php
/* A virtual switch, as an old version
 * would have described it. */
// its kind
$p['type'] = 'qemu';
$p["name"] = "vsw"; # of ours
$p['description'] = 'It\'s a switch';
$p['cpulimit'] = 1;
$p['cpu'] = 2;
$p [ 'ram' ] = 3072 ;
$p['ethernet'] = 6;
$p['eth_format'] = 'Gi0/{0}';
$p['console'] = 'telnet';
$p['qemu_arch'] = 'x86_64';
$p['qemu_nic'] = 'e1000';
$p['qemu_options'] = '-machine type=pc-1.0,accel=kvm -serial mon:stdio -nographic';
?>
