// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Captures: one worker process (labctl-capture) each, started by the fabric inside the lab's
 * namespace, so that a slow disk or reader holds up nobody else. This header is what the engine
 * needs: checking a filter and making the argv. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct capture_endpoint {
    const char *ifname; /* "t3.0" */
    const char *label;  /* "r1:eth0", the interface's name in the file */
    const char *link;   /* link name for its description, or NULL */
};

struct capture_options {
    const char *lab;
    const struct capture_endpoint *endpoints;
    size_t endpoint_count;
    const char *filter;   /* pcap filter, NULL: all */
    uint32_t snaplen;     /* 0: 262144 */
    uint64_t max_packets; /* 0: no limit */
    bool live;            /* flush every packet at once (a reader waits) instead of in blocks */
};

/* Descriptors of the worker: 0 /dev/null; 1 reports, one JSON object a line ({"event":"started"},
 * then {"event":"stats","packets":N,"bytes":N,"dropped":N} at most once a second when changed,
 * {"event":"gone","where":"r1:eth0"} when an interface was removed (the last one ends the capture),
 * {"event":"ended","failed":false,"why":"…"}); 2 log; 3 the pcapng output. SIGTERM ends it cleanly.
 */
#define CAPTURE_FD_REPORT 1
#define CAPTURE_FD_OUTPUT 3

/* capture_filter_check() - Compile a filter for Ethernet; the error quotes libpcap and the filter.
 */
int capture_filter_check(const char *filter, struct error *err);

/* capture_worker_argv() - NULL-terminated argv, argv[0] from paths_helper("labctl-capture"). Free
 * with capture_argv_free(). */
char **capture_worker_argv(const struct capture_options *options);
void capture_argv_free(char **argv);
