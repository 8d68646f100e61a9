// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Captures: one worker process (labctl-capture) each, started by the fabric inside the lab's
 * namespace, so that a slow disk or reader holds up nobody else. This header is what the engine
 * needs: checking a filter and making the argv. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Which frames of an endpoint are wanted, as its node sees them. */
enum capture_direction { CAPTURE_BOTH, CAPTURE_SENT, CAPTURE_RECEIVED };

struct capture_endpoint {
    const char *ifname; /* "t3.0" */
    const char *label;  /* "r1:eth0", the interface's name in the file */
    const char *link;   /* link name for its description, or NULL */
    enum capture_direction direction;
};

struct capture_options {
    const char *lab;
    const struct capture_endpoint *endpoints;
    size_t endpoint_count;
    const char *filter;   /* pcap filter, NULL: all */
    uint32_t snaplen;     /* 0: 262144 */
    uint64_t max_packets; /* 0: no limit */
    uint64_t max_bytes;   /* of the packets as they were on the wire, 0: no limit */
    uint64_t duration_ns; /* 0: no limit */
    bool live;            /* flush every packet at once (a reader waits) instead of in blocks */
    bool control;         /* there is a CAPTURE_FD_CONTROL */
    unsigned files;       /* ring of files: how many descriptors from CAPTURE_FD_FILES on come after
                             CAPTURE_FD_OUTPUT; 0: one file */
    uint64_t file_bytes;  /* the next file is begun when one has so many */
    bool resume;          /* go on with what is in the files: another worker was killed */
    uint64_t keep_ns;     /* no output: keep so much of the past in memory for "save"; 0: off */
};

/* Descriptors of the worker: 0 /dev/null; 1 reports, one JSON object a line ({"event":"started"},
 * then {"event":"stats","packets":N,"bytes":N,"dropped":N} at most once a second when changed,
 * {"event":"gone","where":"r1:eth0"} when an interface was removed (the last one ends the capture,
 *at once or, with a control socket, if none comes in its place within seconds),
 * {"event":"cut-off"} when the reader did not read,
 * {"event":"ended","failed":false,"why":"…"}); 2 log; 3 the pcapng output. SIGTERM ends it cleanly.
 *
 * CAPTURE_FD_CONTROL: a listening SOCK_SEQPACKET unix socket. Whoever connects gets the reports
 * too, the present state first, and may send messages of at most CAPTURE_MESSAGE_MAX bytes:
 *
 *	note NS TEXT	TEXT becomes a comment on the first packet that passes after NS (since 1970)
 *	save ID LAST-NS	(keep_ns) write what is kept into the descriptor that comes along, then
 *report filter BPF	{"event":"saved","id":ID,"failed":…,"why":"…","packets":N,"bytes":N, only
 *IFNAME both|sent|received	"from_ns":N}. The further lines are optional.
 *
 *	ends ID FROM-NS	what is captured from FROM-NS on. The descriptor that comes along is a file
 *			of a line each: IFNAME TAB both|sent|received TAB LABEL TAB LINK. 0: these
 *will come; hear them, but write nothing yet. {"event":"ends","id":ID} when they are heard. keep NS
 *(keep_ns) keep so much from now on
 *
 * So an engine that died costs a capture nothing, and the next one finds it again. */
#define CAPTURE_FD_REPORT   1
#define CAPTURE_FD_OUTPUT   3
#define CAPTURE_FD_CONTROL  4
#define CAPTURE_FD_FILES    5
#define CAPTURE_FILES_MAX   50u
#define CAPTURE_MESSAGE_MAX (64u << 10)
#define CAPTURE_NOTE_MAX    1000u

/* capture_direction_parse() - "both", "sent" or "received". Return: false if it is none of them */
bool capture_direction_parse(const char *text, enum capture_direction *ret_direction);

/* capture_filter_check() - Compile a filter for Ethernet; the error quotes libpcap and the filter.
 */
int capture_filter_check(const char *filter, struct error *err);

/* capture_worker_argv() - NULL-terminated argv, argv[0] from paths_helper("labctl-capture"). Free
 * with capture_argv_free(). */
char **capture_worker_argv(const struct capture_options *options);
void capture_argv_free(char **argv);
