// SPDX-License-Identifier: GPL-2.0-or-later

/* Everything that labs need, each thing proved by doing it: a QEMU is started, a file is written,
 * taps and filters are made in a throw-away namespace. */

#include "engine/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/confine.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/runas.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/host.h"
#include "netfabric/fabric.h"

/**
 * add_item() - One line of the doctor
 * @items:	List
 * @name:	Thing
 * @needed:	No lab runs without it
 * @ok:		It works
 * @detail:	How that is known
 * @mend:	What to do if not, or NULL
 */
static void add_item(json_t *items, const char *name, bool needed, bool ok, const char *detail,
                     const char *mend)
{
    (void)json_array_append_new(items, json_pack("{s:s, s:b, s:b, s:s, s:s?}", "name", name,
                                                 "needed", needed, "ok", ok, "detail",
                                                 detail ? detail : "", "mend", ok ? NULL : mend));
}

/**
 * check_limits() - Whether nodes can be given limits, by making a cgroup
 * @items:	List
 */
static void check_limits(json_t *items)
{
    _cleanup_free_ char *name = xasprintf("labctl-doctor-%d", (int)getpid()), *path = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    bool ok = cgroup_make(name, &path, &err) == 0;

    if (ok)
        (void)cgroup_remove(path);
    add_item(items, "limits (cgroup v2)", false, ok, ok ? path : error_message(&err), err.hint);
}

/**
 * check_sharing() - Whether the kernel merges what guests have in common (QEMU offers it by itself)
 * @items:	List
 */
static void check_sharing(json_t *items)
{
    _cleanup_free_ char *run = NULL, *shared = NULL, *detail = NULL;
    bool on = file_read("/sys/kernel/mm/ksm/run", 64, &run, NULL, NULL) == 0 && run[0] == '1';

    if (on && file_read("/sys/kernel/mm/ksm/pages_sharing", 64, &shared, NULL, NULL) == 0)
        detail =
            xasprintf("on; %llu MiB are saved now",
                      strtoull(shared, NULL, 10) * (unsigned long long)sysconf(_SC_PAGESIZE) >> 20);
    else
        detail = xstrdup(run ? "off: guests that are alike share no memory" : "not in this kernel");
    add_item(items, "memory sharing (KSM)", false, on, detail,
             run ? "for many guests of one image: echo 1 | sudo tee /sys/kernel/mm/ksm/run"
                 : "none needed");
}

/**
 * check_host() - KVM, cores and memory
 * @items:	List
 */
static void check_host(json_t *items)
{
    struct host_info host;
    _cleanup_free_ char *cores = NULL, *meminfo = NULL, *size = NULL, *free_text = NULL;
    uint64_t available = 0;

    host_probe(&host);
    add_item(items, "KVM", false, host.kvm_opens && host.kvm_hardware, host.kvm_reason,
             host.kvm_opens ? "none needed: labs run by emulation (TCG); accel: kvm forces it"
                            : "load kvm_intel or kvm_amd, enable virtualisation in the firmware, "
                              "join the group kvm; until then labs run by emulation (TCG)");
    cores =
        xasprintf("%u, so %u nodes boot at a time", host.cores, host.cores > 2 ? host.cores : 2);
    add_item(items, "cores", true, true, cores, NULL);
    if (file_read("/proc/meminfo", 1u << 20, &meminfo, NULL, NULL) == 0)
        available = host_memory_available(meminfo);
    size = units_format_size(available);
    free_text = xasprintf("%s available", size);
    add_item(items, "memory", true, available > (512ull << 20), free_text,
             "a small lab needs 512M: end what else runs");
    check_sharing(items);
    check_limits(items);
}

/**
 * version_line() - The line in which a program says what it is
 * @output:	All that it printed; cut
 * @name:	Program
 *
 * Return: the first line that begins with the program's name or speaks of a version, else the first
 */
static char *version_line(char *output, const char *name)
{
    char *save = NULL, *first = NULL;

    for (char *line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncasecmp(line, name, strlen(name)) == 0 || strstr(line, "version"))
            return line;
        if (!first)
            first = line;
    }
    return first ? first : output;
}

/**
 * check_qemu() - One architecture's QEMU, by starting an empty machine that its monitor ends
 * @items:	List
 * @arch:	Architecture
 * @needed:	labctl's own images need it
 */
static void check_qemu(json_t *items, const char *arch, bool needed)
{
    _cleanup_free_ char *name = xasprintf("qemu-system-%s", arch), *output = NULL, *line = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *version_argv[] = {name, "--version", NULL};
    /* It has to come as far as to read its monitor and to obey. */
    const char *start_argv[] = {"sh",
                                "-c",
                                "echo quit | timeout 30 \"$@\"",
                                "sh",
                                name,
                                "-nodefaults",
                                "-S",
                                "-no-user-config",
                                "-display",
                                "none",
                                "-machine",
                                "none",
                                "-accel",
                                "tcg",
                                "-sandbox",
                                "on",
                                "-monitor",
                                "stdio",
                                NULL};
    _cleanup_free_ char *start_output = NULL;
    int status;

    if (host_qemu_find(arch, NULL, &err) < 0) {
        add_item(items, name, needed, false, error_message(&err), err.hint);
        return;
    }
    status = spawn_run(version_argv, &output, &err);
    if (status == 0)
        status = spawn_run(start_argv, &start_output, &err);
    if (status == 0) {
        char *version = version_line(output, "qemu");

        line = text_escape(version, strlen(version));
        add_item(items, name, needed, true, line, NULL);
        return;
    }
    if (status == 124)
        line = xstrdup("does not get as far as its monitor within 30 s");
    else if (start_output)
        line = text_escape(start_output, strnlen(start_output, 300));
    add_item(items, name, needed, false, line ? line : error_message(&err),
             "run it by hand to see more; reinstall its package");
}

/**
 * check_fabric() - All that the network needs
 * @items:	List
 */
static void check_fabric(json_t *items)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct fabric_probe *probes = NULL;
    size_t count = 0;

    if (fabric_probe(&probes, &count, &err) < 0) {
        add_item(items, "network", true, false, error_message(&err), err.hint);
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_item(items, probes[i].name, probes[i].needed, probes[i].works, probes[i].detail,
                 probes[i].mend);
    fabric_probe_free(probes, count);
}

/**
 * check_isolation() - What keeps a QEMU to its own files
 * @items:	List
 */
static void check_isolation(json_t *items)
{
    int abi = confine_abi();
    _cleanup_free_ char *text =
        abi ? xasprintf("Landlock version %d: a QEMU opens its own files only", abi)
            : xstrdup("no Landlock: a QEMU may open what its user may");

    add_item(items, "isolation", false, abi > 0, text,
             "a kernel from 5.13 on, with landlock among its security modules (lsm=landlock,…)");
}

/**
 * try_user() - Change to a user in a child
 * @runas:	That
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int try_user(const struct runas *runas, struct error *err)
{
    char dir[] = "/tmp/labctl-doctor-XXXXXX";
    struct confine confine;
    int r;

    if (!mkdtemp(dir))
        return error_errno(err, errno, "%s", dir);
    r = confine_init(&confine, err);
    confine.change_user = true;
    confine.uid = runas->uid;
    confine.gid = runas->gid;
    confine.jail.mount_dir = xstrdup(dir);
    if (r == 0)
        r = confine_allow(&confine, "/usr", CONFINE_READ, err);
    if (r == 0)
        r = confine_try(&confine, "/usr", err);
    confine_done(&confine);
    (void)rmdir(dir);
    return r;
}

/**
 * check_user() - As whom guests run
 * @items:	List
 */
static void check_user(json_t *items)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    struct runas runas;
    int r = runas_find("doctor", &runas, &err);

    if (r == 0 && runas.change)
        r = try_user(&runas, &err);
    if (r < 0)
        text = xasprintf("root: %s", error_message(&err));
    else if (runas.change)
        text = xasprintf("not root: user %u, say, in a file system of its own", runas.uid);
    else
        text = xstrdup(runas.asked ? "root, as " RUNAS_ENV " asks for" : "you");
    add_item(items, "guests run as", false, r == 0 && !runas.asked, text,
             err.hint ? err.hint
             : r < 0  ? "let labctl mount in a namespace of its own (CAP_SYS_ADMIN, and no rule of "
                        "AppArmor's or a container's against it)"
                      : "unset " RUNAS_ENV);
}

/**
 * check_program() - A program that is found in PATH and runs
 * @items:	List
 * @name:	Program
 * @package:	Debian package
 * @what:	What is missing without it
 */
static void check_program(json_t *items, const char *name, const char *package, const char *what)
{
    _cleanup_free_ char *output = NULL, *mend = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    int status = spawn_run((const char *[]){name, "--version", NULL}, &output, &err);

    mend = xasprintf("on Debian: sudo apt install %s (%s)", package, what);
    add_item(items, name, false, status >= 0 && status < 126,
             status >= 0 ? version_line(output, name) : error_message(&err), mend);
}

/**
 * check_folder() - A folder that must be made and written to
 * @items:	List
 * @name:	What it is for
 * @path:	Folder, ownership taken; NULL with @why
 * @why:	Why there is no path
 * @space:	Bytes that should be free there
 */
static void check_folder(json_t *items, const char *name, char *path, struct error *why,
                         uint64_t space)
{
    _cleanup_free_ char *dir = path, *probe = NULL, *detail = NULL, *free_text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct statvfs vfs;
    bool existed;

    if (!dir) {
        add_item(items, name, true, false, error_message(why), "set HOME");
        return;
    }
    existed = file_exists(dir);
    probe = path_join(dir, ".doctor");
    if (dir_make(dir, &err) < 0 || file_write_atomic(probe, "x", 1, 0600, &err) < 0) {
        add_item(items, name, true, false, error_message(&err), "make it writable for you");
        return;
    }
    (void)unlink(probe);
    if (statvfs(dir, &vfs) < 0)
        memset(&vfs, 0, sizeof(vfs));
    if (!existed)
        (void)rmdir(dir);
    free_text = units_format_size((uint64_t)vfs.f_bavail * vfs.f_frsize);
    detail = xasprintf("%s, %s free", dir, free_text);
    add_item(items, name, true, (uint64_t)vfs.f_bavail * vfs.f_frsize >= space, detail,
             "make room on that disk");
}

/**
 * check_socket_path() - Whether socket paths of usual labs fit
 * @items:	List
 */
static void check_socket_path(json_t *items)
{
    _cleanup_free_ char *root = paths_run_root();
    _cleanup_free_ char *path = xasprintf("%s/%.24s/%.24s.qmp", root, "a-lab-with-a-usual-name-",
                                          "a-node-with-a-usual-name");
    _cleanup_error_ struct error err = ERROR_INIT;
    bool ok = socket_path_check(path, &err) == 0;

    add_item(items, "socket paths", true, ok, ok ? root : error_message(&err),
             "set XDG_RUNTIME_DIR to a shorter folder");
}

/**
 * check_images() - Which images there are
 * @items:	List
 */
static void check_images(json_t *items)
{
    struct image_library *library = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    const char *const *at;

    if (image_library_open(&library, &err) < 0) {
        add_item(items, "images", false, false, error_message(&err), err.hint);
        return;
    }
    for (at = image_library_names(library); at && *at; at++)
        strbuf_printf(&names, "%s%s", names.size ? ", " : "", *at);
    add_item(items, "images", false, names.size > 0, names.size ? names.data : "none yet",
             "labctl image build frr");
    image_library_free(library);
}

json_t *doctor_run(void)
{
    json_t *items = json_array();
    struct error err = ERROR_INIT;

    check_host(items);
    check_fabric(items);
    check_isolation(items);
    check_user(items);
    check_qemu(items, "x86_64", true);
    check_qemu(items, "aarch64", false);
    check_qemu(items, "arm", false);
    check_qemu(items, "ppc64", false);
    check_program(items, "qemu-img", "qemu-utils", "disks in qcow2 format");
    check_program(items, "slirp4netns", "slirp4netns", "nat uplinks");
    check_program(items, "tshark", "tshark", "readable packets");
    check_folder(items, "run folder", paths_run_root(), NULL, 1u << 20);
    check_folder(items, "state folder", paths_state_root(&err), &err, 256u << 20);
    error_done(&err);
    check_folder(items, "images folder", paths_images_root(&err), &err, 512u << 20);
    error_done(&err);
    check_socket_path(items);
    check_images(items);
    return json_pack("{s:o}", "items", items);
}
