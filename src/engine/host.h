// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the host can do: acceleration, cores, memory, QEMU programs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "topology/model.h"

struct host_info {
    unsigned cores;
    bool kvm_opens;        /* /dev/kvm opens and makes a machine */
    bool kvm_hardware;     /* the CPU shows vmx or svm */
    char arch[16];         /* "x86_64" */
    unsigned tsc_khz;      /* rate of the counter that an x86 guest reads under TCG; 0: not known */
    char kvm_reason[160];  /* why auto chooses what it chooses */
    char kvm_problem[160]; /* why /dev/kvm is of no use; empty if it is */
};

/* host_probe() - Look at the host. Never fails: what cannot be seen is not there. */
void host_probe(struct host_info *ret_info);

/* host_cpu_virtualizes() - Whether /proc/cpuinfo's text shows vmx or svm among the flags. */
bool host_cpu_virtualizes(const char *cpuinfo);

/* host_accel() - Acceleration for a node.
 * @wanted:	ACCEL_AUTO: KVM where it is real and the guest is of the host's architecture, else
 * TCG
 * @arch:	Of the guest; NULL: the host's
 * @ret_accel:	ACCEL_KVM or ACCEL_TCG
 * @ret_reason:	May be NULL; borrowed from @host or static
 * Return: 0, or -ENODEV when KVM is demanded and cannot be had */
int host_accel(const struct host_info *host, enum accel wanted, const char *arch,
               enum accel *ret_accel, const char **ret_reason, struct error *err);

/* host_qemu_find() - Path of qemu-system-ARCH. @ret_path: may be NULL; caller frees. -ENOENT with a
 * hint. */
int host_qemu_find(const char *arch, char **ret_path, struct error *err);
/* host_qemu_hint() - Put "install package …" into an error. */
void host_qemu_hint(const char *arch, struct error *err);

/* host_uefi_find() - The firmware of OVMF or AAVMF: code and template of the variables, both static
 * and either may be NULL. -ENOENT with a hint. */
int host_uefi_find(const char *arch, const char **ret_code, const char **ret_vars,
                   struct error *err);

/* host_node_memory() - What a guest of @bytes memory costs the host: its memory and QEMU's own. */
uint64_t host_node_memory(uint64_t bytes);
/* host_admit_memory() - Refuse (-ENOMEM) when @need bytes for @nodes nodes are more than
 * MemAvailable. */
int host_admit_memory(uint64_t need, size_t nodes, struct error *err);
/* host_memory_available() - MemAvailable in bytes from the text of /proc/meminfo; 0 if it is not
 * there. */
uint64_t host_memory_available(const char *meminfo);
