// SPDX-License-Identifier: GPL-2.0-or-later

/* What the kernel has counted, interface by interface. /proc/PID/net/dev of the fabric process is
 * the table of the lab's namespace: the fabric itself is not asked, so a status is told at any
 * time, and a thousand interfaces cost a millisecond. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netfabric/fabric.h"

#define TABLE_MOST (64u << 20)

static int compare_counts(const void *a, const void *b)
{
    const struct fabric_count *left = a, *right = b;

    return strcmp(left->ifname, right->ifname);
}

/**
 * parse_line() - One interface
 * @line:	"  t0.0: BYTES PACKETS ERRORS DROPPED …", eight numbers of what came in, eight of
 *what went out
 * @ret_count:	Filled
 *
 * Return: false if it is none
 */
static bool parse_line(const char *line, struct fabric_count *ret_count)
{
    struct fabric_count count = {.ifname = ""};
    uint64_t in[8], out[8];
    const char *colon;
    size_t length;

    line += strspn(line, " ");
    colon = strchr(line, ':');
    length = colon ? (size_t)(colon - line) : 0;
    if (length == 0 || length >= IFNAMSIZ)
        return false;
    memcpy(count.ifname, line, length);
    for (int i = 0; i < 16; i++) {
        char *end;

        (i < 8 ? in : out)[i % 8] = strtoull(i == 0 ? colon + 1 : line, &end, 10);
        if (end == (i == 0 ? colon + 1 : line))
            return false;
        line = end;
    }
    count.from_guest = in[1];
    count.to_guest = out[1];
    count.dropped = out[3];
    *ret_count = count;
    return true;
}

int fabric_counts_read(const struct fabric *fabric, struct fabric_counts *ret_counts,
                       struct error *err)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/net/dev", (int)fabric_process(fabric).pid);
    _cleanup_free_ char *text = NULL;
    struct fabric_counts counts = {0};
    size_t size = 0, capacity = 0;
    char *rest;
    int r = file_read(path, TABLE_MOST, &text, &size, err);

    if (r < 0)
        return r;
    rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        struct fabric_count count;

        if (!parse_line(line, &count))
            continue;
        array_grow(counts.items, counts.count, capacity);
        counts.items[counts.count++] = count;
    }
    if (counts.count > 1)
        qsort(counts.items, counts.count, sizeof(*counts.items), compare_counts);
    *ret_counts = counts;
    return 0;
}

const struct fabric_count *fabric_counts_find(const struct fabric_counts *counts,
                                              const char *ifname)
{
    struct fabric_count key = {.ifname = ""};

    if (counts->count == 0 || strlen(ifname) >= IFNAMSIZ)
        return NULL;
    memcpy(key.ifname, ifname, strlen(ifname));
    return bsearch(&key, counts->items, counts->count, sizeof(key), compare_counts);
}

void fabric_counts_done(struct fabric_counts *counts)
{
    free(counts->items);
    *counts = (struct fabric_counts){0};
}
