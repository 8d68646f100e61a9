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

/* How busy the host is, in hundredths. */
struct host_load {
    unsigned load;        /* load average of the last minute: 250 are two and a half processes */
    unsigned memory_some; /* percent of the last 10 s in which a process waited for memory */
    unsigned memory_full; /* percent in which all did */
};

/* host_load_parse() - From the texts of /proc/loadavg and /proc/pressure/memory; either may be
 * NULL. */
void host_load_parse(const char *loadavg, const char *pressure, struct host_load *ret_load);
/* host_load_read() - As it is now. What cannot be read counts as idle. */
void host_load_read(struct host_load *ret_load);
/* host_boot_slots() - How many guests may boot at a time: as many as there are cores that others
 * leave free, at least two; one alone while memory is short.
 * @booting:	How many do now, which are part of the load
 * @ret_why:	What keeps it below the cores, static; NULL: nothing */
unsigned host_boot_slots(unsigned cores, const struct host_load *load, unsigned booting,
                         const char **ret_why);

/* host_node_memory() - What a guest of @bytes memory costs the host: its memory and QEMU's own. */
uint64_t host_node_memory(uint64_t bytes);
/* host_admit_memory() - Refuse (-ENOMEM) when @need bytes for @nodes nodes are more than
 * MemAvailable. */
int host_admit_memory(uint64_t need, size_t nodes, struct error *err);
/* host_memory_available() - MemAvailable in bytes from the text of /proc/meminfo; 0 if it is not
 * there. */
uint64_t host_memory_available(const char *meminfo);
