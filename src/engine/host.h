// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the host can carry: accelerator, cores, memory, QEMU programs. Looks, never changes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "topology/model.h"

struct host_info {
    unsigned cores;            /* that this process may run on */
    char arch[16];             /* uname's machine: "x86_64" */
    bool kvm_opens;            /* /dev/kvm could be opened for reading and writing */
    bool kvm_works;            /* and KVM_CREATE_VM made a VM */
    bool cpu_virtualises;      /* /proc/cpuinfo has vmx or svm; on other than x86: kvm_works */
    char kvm_reason[160];      /* one line: why KVM is, or is not, what auto chooses */
    char kvm_error[160];       /* why it cannot be forced; empty if it can */
    char kvm_hint[160];        /* what to do about either; may be empty */
    uint64_t memory_total;     /* bytes */
    uint64_t memory_available; /* bytes, the least of the kernel's word and cgroup limits */
};

/* Where to look; any NULL member means the real thing. For tests. */
struct host_sources {
    const char *kvm;     /* /dev/kvm */
    const char *cpuinfo; /* /proc/cpuinfo */
    const char *meminfo; /* /proc/meminfo */
    const char *cgroup;  /* /proc/self/cgroup */
    const char *cgroups; /* /sys/fs/cgroup */
    const char *arch;    /* uname -m */
};

/* host_probe() - Look at everything. Never fails: what cannot be known is zero or false. */
void host_probe(struct host_info *ret_info);
void host_probe_from(const struct host_sources *sources, struct host_info *ret_info);

/* host_accel() - Which accelerator a node gets.
 * @wanted:	ACCEL_AUTO: KVM only where it is backed by hardware and of the guest's architecture
 * @arch:	Of the guest (appliance.arch); NULL: the host's own
 * @ret_accel:	ACCEL_KVM or ACCEL_TCG
 * @ret_reason:	May be NULL; why, one line, valid as long as @info
 * Return: 0, or -errno where KVM is forced and cannot be had */
int host_accel(const struct host_info *info, enum accel wanted, const char *arch,
               enum accel *ret_accel, const char **ret_reason, struct error *err);

/* host_qemu_find() - Full path of qemu-system-@arch in PATH.
 * @ret_path:	May be NULL; caller frees */
int host_qemu_find(const char *arch, char **ret_path, struct error *err);
/* host_qemu_package() - Debian package that holds qemu-system-@arch. */
const char *host_qemu_package(const char *arch);
/* host_qemu_hint() - Say in @err's hint which package to install. */
void host_qemu_hint(const char *arch, struct error *err);
/* host_qemu_version() - Run it and read its version: "7.2.22". Caller frees. */
int host_qemu_version(const char *path, char **ret_version, struct error *err);

/* host_node_memory() - What a node with so much guest memory takes at most, QEMU included. */
uint64_t host_node_memory(uint64_t guest_bytes);

/* host_admit_memory() - Refuse more than there is: -ENOMEM with the sum, what is free, and what to
 * do. Reads the memory afresh. @nodes: how many, for the message. */
int host_admit_memory(uint64_t need, size_t nodes, struct error *err);
int host_admit_memory_from(const struct host_sources *sources, uint64_t need, size_t nodes,
                           struct error *err);

/* host_disk_format() - Format of a disk image by its contents, never by its name: "raw", "qcow2",
 * "vmdk", "vdi", "vhdx", "vpc", "qed"; static. */
int host_disk_format(const char *path, const char **ret_format, struct error *err);
