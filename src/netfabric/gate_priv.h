// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The gate at a tap: what a NIC would do to each frame that its guest sends. */

/* gate_load() - Hand the gate's program to the kernel. The limit is not part of it: each filter
 * that uses the program tells it its own (kernel_gate()).
 * Return: descriptor; -EPERM where only root of the machine may (in a user namespace, without
 * CAP_BPF), -ENOSYS where the kernel has no BPF */
int gate_load(void);
