// SPDX-License-Identifier: GPL-2.0-or-later

/* accel: auto means KVM only where it is backed by hardware. Some hosts have a /dev/kvm that
 * emulates: it opens and makes machines, but the CPU shows neither vmx nor svm, and Linux does not
 * boot on it. */

#include "engine/host.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "base/alloc.h"
#include "base/file.h"
#include "base/units.h"

/* Measured: a TCG QEMU with a small translation buffer takes 40 to 60 MiB besides its guest's
 * memory. */
#define QEMU_OWN_MEMORY (64ull << 20)
/* Left alone for the host itself. */
#define HOST_RESERVE (256ull << 20)

#define SLOTS_LEAST 2
/* Hundredths of a percent of time lost to waiting for memory from which on it counts as short. */
#define MEMORY_SHORT_SOME 2000
#define MEMORY_SHORT_FULL 500

bool host_cpu_virtualizes(const char *cpuinfo)
{
    const char *line = cpuinfo;

    while (line && *line) {
        size_t size = strcspn(line, "\n");

        if (strncmp(line, "flags", 5) == 0) {
            _cleanup_free_ char *flags = xasprintf("%.*s ", (int)size, line);

            return strstr(flags, " vmx ") || strstr(flags, " svm ");
        }
        line += size + (line[size] ? 1 : 0);
    }
    return false;
}

/**
 * probe_kvm() - Try /dev/kvm by making a machine
 * @info:	Filled
 */
static void probe_kvm(struct host_info *info)
{
    _cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), machine = -1;

    if (fd < 0) {
        (void)snprintf(info->kvm_problem, sizeof(info->kvm_problem), "/dev/kvm: %s",
                       strerror(errno));
        return;
    }
    machine = ioctl(fd, KVM_CREATE_VM, 0);
    if (machine < 0) {
        (void)snprintf(info->kvm_problem, sizeof(info->kvm_problem),
                       "/dev/kvm opens but makes no machine: %s", strerror(errno));
        return;
    }
    info->kvm_opens = true;
}

#ifdef __x86_64__
/**
 * clock_ns() - Now
 *
 * Return: nanoseconds
 */
static int64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/**
 * read_pair() - The counter and the clock at one moment
 * @ret_ns:	Clock
 * @ret_ticks:	Counter
 *
 * Whoever is interrupted between the two readings sees a long way from one look at the clock to the
 * next: the shortest of several ways is taken.
 */
static void read_pair(int64_t *ret_ns, uint64_t *ret_ticks)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 20; i++) {
        int64_t before = clock_ns();
        uint64_t ticks = __rdtsc();
        int64_t after = clock_ns();

        if (after - before >= least)
            continue;
        least = after - before;
        *ret_ns = before + least / 2;
        *ret_ticks = ticks;
    }
}
#endif

/**
 * probe_tsc() - Measure the time stamp counter: a QEMU without KVM hands the host's to its guests
 *
 * Return: kHz, 0 if it is not known
 */
static unsigned probe_tsc(void)
{
#ifdef __x86_64__
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t from = 0, to = 0;
    uint64_t first = 0, last = 0;

    read_pair(&from, &first);
    (void)nanosleep(&pause, NULL);
    read_pair(&to, &last);
    if (to > from && last > first && last - first < UINT64_MAX / 1000000) {
        uint64_t khz = (last - first) * 1000000 / (uint64_t)(to - from);

        return khz <= 100000000 ? (unsigned)khz : 0;
    }
#endif
    return 0;
}

void host_probe(struct host_info *ret_info)
{
    _cleanup_free_ char *cpuinfo = NULL;
    struct host_info info = {.cores = 1};
    struct utsname name;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        info.cores = (unsigned)CPU_COUNT(&set);
    if (uname(&name) == 0)
        (void)snprintf(info.arch, sizeof(info.arch), "%.15s", name.machine);
    probe_kvm(&info);
    info.tsc_khz = probe_tsc();
    if (file_read("/proc/cpuinfo", 16u << 20, &cpuinfo, NULL, NULL) == 0)
        info.kvm_hardware = host_cpu_virtualizes(cpuinfo);
    /* Other architectures do not tell by a flag; there a KVM that opens is taken to be real. */
    if (strcmp(info.arch, "x86_64") != 0)
        info.kvm_hardware = info.kvm_opens;
    if (!info.kvm_opens)
        (void)snprintf(info.kvm_reason, sizeof(info.kvm_reason), "no KVM: %.140s",
                       info.kvm_problem);
    else if (!info.kvm_hardware)
        (void)snprintf(info.kvm_reason, sizeof(info.kvm_reason),
                       "/dev/kvm is there, but the CPU shows neither vmx nor svm: it is emulated "
                       "and would be slower");
    else
        (void)snprintf(info.kvm_reason, sizeof(info.kvm_reason), "KVM with hardware support");
    *ret_info = info;
}

int host_accel(const struct host_info *host, enum accel wanted, const char *arch,
               enum accel *ret_accel, const char **ret_reason, struct error *err)
{
    bool native = !arch || strcmp(arch, host->arch) == 0 ||
                  (strcmp(arch, "i386") == 0 && strcmp(host->arch, "x86_64") == 0);
    const char *reason = host->kvm_reason;
    enum accel accel = ACCEL_TCG;

    if (wanted == ACCEL_TCG) {
        reason = "asked for";
    } else if (!native) {
        reason = "the guest's architecture is not the host's";
        if (wanted == ACCEL_KVM)
            return error_set(err, ENODEV, "accel: kvm: a guest for %s cannot use KVM on %s", arch,
                             host->arch);
    } else if (wanted == ACCEL_KVM) {
        if (!host->kvm_opens) {
            int r = error_set(err, ENODEV, "accel: kvm: %s", host->kvm_problem);

            error_hint(err, "write accel: auto, load the module kvm_intel or kvm_amd, or join the "
                            "group that owns /dev/kvm");
            return r;
        }
        accel = ACCEL_KVM;
        reason = "asked for";
    } else if (host->kvm_opens && host->kvm_hardware) {
        accel = ACCEL_KVM;
    }
    *ret_accel = accel;
    if (ret_reason)
        *ret_reason = reason;
    return 0;
}

void host_qemu_hint(const char *arch, struct error *err)
{
    static const struct {
        const char *arch, *package;
    } packages[] = {
        {"x86_64", "qemu-system-x86"},   {"i386", "qemu-system-x86"},
        {"aarch64", "qemu-system-arm"},  {"arm", "qemu-system-arm"},
        {"ppc64", "qemu-system-ppc"},    {"ppc", "qemu-system-ppc"},
        {"riscv64", "qemu-system-misc"}, {"riscv32", "qemu-system-misc"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(packages); i++) {
        if (strcmp(packages[i].arch, arch) == 0) {
            error_hint(err, "on Debian: sudo apt install %s", packages[i].package);
            return;
        }
    }
    error_hint(err, "install the QEMU that has qemu-system-%s", arch);
}

int host_qemu_find(const char *arch, char **ret_path, struct error *err)
{
    _cleanup_free_ char *dirs = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    char *saved = NULL;

    for (char *dir = strtok_r(dirs, ":", &saved); dir; dir = strtok_r(NULL, ":", &saved)) {
        _cleanup_free_ char *path = xasprintf("%s/qemu-system-%s", dir, arch);

        if (access(path, X_OK) == 0) {
            if (ret_path)
                *ret_path = steal_ptr(path);
            return 0;
        }
    }
    (void)error_set(err, ENOENT, "qemu-system-%s is not installed (not in PATH)", arch);
    host_qemu_hint(arch, err);
    return -ENOENT;
}

int host_uefi_find(const char *arch, const char **ret_code, const char **ret_vars,
                   struct error *err)
{
    static const struct {
        const char *arch, *code, *vars;
    } places[] = {
        {"x86_64", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
        {"x86_64", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
        {"x86_64", "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
        {"x86_64", "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
        {"aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
        {"aarch64", "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
         "/usr/share/edk2/aarch64/vars-template-pflash.raw"},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (strcmp(places[i].arch, arch) != 0 || access(places[i].code, R_OK) < 0 ||
            access(places[i].vars, R_OK) < 0)
            continue;
        if (ret_code)
            *ret_code = places[i].code;
        if (ret_vars)
            *ret_vars = places[i].vars;
        return 0;
    }
    (void)error_set(err, ENOENT, "there is no UEFI firmware for %s", arch);
    error_hint(err, "on Debian: sudo apt install %s",
               strcmp(arch, "aarch64") == 0 ? "qemu-efi-aarch64" : "ovmf");
    return -ENOENT;
}

/**
 * parse_hundredths() - "12.34" behind a key
 * @text:	Text or NULL
 * @key:	What stands before the number
 *
 * Return: 1234, 0 if it is not there, at most a million
 */
static unsigned parse_hundredths(const char *text, const char *key)
{
    const char *at = text ? strstr(text, key) : NULL;
    unsigned whole = 0, part = 0;

    /* sscanf() would take a sign. */
    if (!at || at[strlen(key)] < '0' || at[strlen(key)] > '9' ||
        sscanf(at + strlen(key), "%5u.%2u", &whole, &part) < 1)
        return 0;
    return whole < 10000 ? whole * 100 + part : 1000000;
}

void host_load_parse(const char *loadavg, const char *pressure, struct host_load *ret_load)
{
    *ret_load = (struct host_load){
        .load = parse_hundredths(loadavg, ""),
        .memory_some = parse_hundredths(pressure, "some avg10="),
        .memory_full = parse_hundredths(pressure, "full avg10="),
    };
}

void host_load_read(struct host_load *ret_load)
{
    _cleanup_free_ char *loadavg = NULL, *pressure = NULL;

    (void)file_read("/proc/loadavg", 4096, &loadavg, NULL, NULL);
    (void)file_read("/proc/pressure/memory", 4096, &pressure, NULL, NULL);
    host_load_parse(loadavg, pressure, ret_load);
}

unsigned host_boot_slots(unsigned cores, const struct host_load *load, unsigned booting,
                         const char **ret_why)
{
    unsigned most = cores > SLOTS_LEAST ? cores : SLOTS_LEAST;
    unsigned others = load->load / 100 > booting ? load->load / 100 - booting : 0;

    *ret_why = NULL;
    if (load->memory_some >= MEMORY_SHORT_SOME || load->memory_full >= MEMORY_SHORT_FULL) {
        *ret_why = "the host is short of memory";
        return 1;
    }
    if (others == 0 || most == SLOTS_LEAST)
        return most;
    *ret_why = "the host is busy";
    return others + SLOTS_LEAST < most ? most - others : SLOTS_LEAST;
}

uint64_t host_node_memory(uint64_t bytes)
{
    return bytes + QEMU_OWN_MEMORY;
}

uint64_t host_memory_available(const char *meminfo)
{
    const char *at = strstr(meminfo, "MemAvailable:");
    unsigned long long kib;

    return at && sscanf(at, "MemAvailable: %llu kB", &kib) == 1 ? kib << 10 : 0;
}

int host_admit_memory(uint64_t need, size_t nodes, struct error *err)
{
    _cleanup_free_ char *meminfo = NULL, *need_text = NULL, *have_text = NULL;
    uint64_t available;
    int r = file_read("/proc/meminfo", 1u << 20, &meminfo, NULL, err);

    if (r < 0)
        return r;
    available = host_memory_available(meminfo);
    if (!available || need + HOST_RESERVE <= available)
        return 0;
    need_text = units_format_size(need);
    have_text = units_format_size(available);
    r = error_set(
        err, ENOMEM,
        "%zu nodes need %s of memory, and %s are available (256M of them stay with the host)",
        nodes, need_text, have_text);
    error_hint(err, "give the nodes less with memory:, leave some out, or end what else runs; "
                    "nothing was started");
    return r;
}
