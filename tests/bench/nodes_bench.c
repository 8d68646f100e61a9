// SPDX-License-Identifier: GPL-2.0-or-later

/* What a node costs before QEMU starts: its overlay and its configuration disk, for each kind of
 * disk, against `qemu-img create` for the overlay alone. Prints medians in milliseconds.
 *
 *	nodes_bench FOLDER [NODES] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "appliance/probe.h"
#include "appliance/seed.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"

enum { NODES = 200, BASE_MB = 1024 };

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void report(const char *what, double *times, size_t count)
{
    qsort(times, count, sizeof(*times), ascending);
    printf("%-28s median %7.2f ms, 95 %% under %7.2f ms\n", what, times[count / 2],
           times[count * 95 / 100]);
}

static void must(int r, struct error *err)
{
    if (r == 0)
        return;
    fprintf(stderr, "%s\n", err->message ? err->message : strerror(-r));
    exit(1);
}

/* One node: its folder, an overlay on @base, its configuration. */
static double make_node(const char *folder, const char *base, size_t index,
                        const struct seed_request *request)
{
    _cleanup_free_ char *dir = xasprintf("%s/n%zu", folder, index);
    _cleanup_free_ char *overlay = path_join(dir, "disk0.qcow2");
    _cleanup_error_ struct error err = ERROR_INIT;
    double start = now_ms();
    struct image_probe probe;

    must(dir_make_private(dir, &err), &err);
    must(image_probe_file(base, &probe, &err), &err);
    must(image_overlay(overlay, base, probe.driver, probe.virtual_size, &err), &err);
    must(seed_write(dir, request, &err), &err);
    start = now_ms() - start;
    must(dir_remove_tree(dir, &err), &err);
    return start;
}

int main(int argc, char **argv)
{
    static const char *const seeds[] = {
        "{method: tar}",
        "{method: iso, files: [{name: iosxe_config.txt}]}",
        "{method: fat, files: [{name: ios_config.txt}]}",
        "{method: cloud-init}",
        "{method: config-drive}",
    };
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    size_t nodes = argc > 2 ? (size_t)atoi(argv[2]) : NODES;
    _cleanup_free_ char *base = path_join(folder, "base.raw");
    _cleanup_free_ char *config = path_join(folder, "config"), *text = xmalloc0(16385, 1);
    _cleanup_free_ char *where = path_join(folder, "appliance.yaml");
    _cleanup_free_ double *times = xnew0(double, nodes + 1);
    _cleanup_error_ struct error err = ERROR_INIT;

    memset(text, '\n', 16384);
    must(file_write_atomic(base, "x", 1, 0600, &err), &err);
    if (truncate(base, (off_t)BASE_MB << 20) < 0)
        return 1;
    must(file_write_atomic(config, text, 16384, 0600, &err), &err);
    for (size_t s = 0; s < ARRAY_SIZE(seeds); s++) {
        _cleanup_free_ char *yaml = xasprintf("name: x\narch: x86_64\nmemory: {default: 64M}\n"
                                              "disks: [{size: 1M}]\nseed: %s\n",
                                              seeds[s]);
        _cleanup_appliance_ struct appliance *appliance = NULL;
        struct seed_request request = {.node = "r1",
                                       .lab = "l",
                                       .uuid = "00000000-0000-8000-8000-000000000000",
                                       .config = config};

        must(appliance_parse(where, yaml, strlen(yaml), &appliance, &err), &err);
        request.appliance = appliance;
        for (size_t i = 0; i < nodes; i++)
            times[i] = make_node(folder, base, i, &request);
        report(seeds[s], times, nodes);
    }
    for (size_t i = 0; i < nodes / 4; i++) {
        _cleanup_free_ char *overlay = xasprintf("%s/o%zu.qcow2", folder, i), *said = NULL;
        const char *create[] = {"qemu-img", "create", "-q", "-f",    "qcow2", "-F",
                                "raw",      "-b",     base, overlay, NULL};

        times[i] = now_ms();
        if (spawn_run(create, &said, &err) != 0)
            return 1;
        times[i] = now_ms() - times[i];
        (void)unlink(overlay);
    }
    report("qemu-img create, overlay", times, nodes / 4);
    return 0;
}
