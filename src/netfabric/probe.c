// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl doctor's network part: a throw-away child enters namespaces as the fabric would and tries
 * each thing. It tells the outcome as lines "name\twords" on a pipe, so that nothing of it can stay
 * in the caller. */

#include <stdio.h>
#include <string.h>
#include <poll.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "netfabric/apply_priv.h"
#include "netfabric/fabric.h"
#include "netfabric/namespace_priv.h"

#define PROBE_TEXT_MAX (64u << 10)
#define VNET_HEADER    10   /* before each frame of a guest's tap */
#define PROOF_MS       2000 /* frames take microseconds; a busy machine may take its time */

/**
 * tell() - One line about one thing
 * @fd:		Pipe
 * @name:	Thing
 * @works:	Outcome
 * @detail:	How it is known
 * @mend:	What to do if not, or NULL
 */
static void tell(int fd, const char *name, bool works, const char *detail, const char *mend)
{
    _cleanup_free_ char *line =
        xasprintf("%s\t%c\t%s\t%s\n", name, works ? '+' : '-', detail, !works && mend ? mend : "");

    (void)write_all(fd, line, strlen(line));
}

/**
 * tell_extra() - One line about something that labs can do without
 * @fd:		Pipe
 * @name:	Thing
 * @works:	Outcome
 * @detail:	How it is known
 * @mend:	What to do if not
 */
static void tell_extra(int fd, const char *name, bool works, const char *detail, const char *mend)
{
    _cleanup_free_ char *line =
        xasprintf("%s\t%s\t%s\t%s\n", name, works ? "+?" : "-?", detail, works ? "" : mend);

    (void)write_all(fd, line, strlen(line));
}

/**
 * try_packet_ring() - Whether captures can see offloads
 * @fd:		Pipe
 */
static void try_packet_ring(int fd)
{
    _cleanup_close_ int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int version = TPACKET_V3, on = 1;
    struct tpacket_req3 ring = {.tp_block_size = 1 << 16,
                                .tp_block_nr = 2,
                                .tp_frame_size = 2048,
                                .tp_frame_nr = 64,
                                .tp_retire_blk_tov = 10};
    bool works = sock >= 0 &&
                 setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) == 0 &&
                 setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0 &&
                 setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) == 0;

    tell(fd, "capture ring", works, works ? "AF_PACKET ring with offload headers" : strerror(errno),
         "a kernel with CONFIG_PACKET");
}

/**
 * arrives() - Whether a frame to a reserved address comes from one tap to another
 * @state:	State that has both
 * @from:	Name of the tap whose guest sends
 * @to:		Name of the tap whose guest receives
 * @last:	Last byte of 01:80:c2:00:00:XX
 *
 * Return: true if it came unchanged
 */
static bool arrives(const struct fabric_state *state, const char *from, const char *to,
                    uint8_t last)
{
    const struct iface *source = table_find(&state->have, from),
                       *sink = table_find(&state->have, to);
    uint8_t frame[VNET_HEADER + 60] = {0}, got[sizeof(frame) + 1];
    const uint8_t head[] = {0x01, 0x80, 0xc2, 0, 0, last, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5};
    struct pollfd item = {.fd = sink ? sink->fd : -1, .events = POLLIN};

    if (!source || !sink)
        return false;
    memcpy(frame + VNET_HEADER, head, sizeof(head));
    frame[VNET_HEADER + sizeof(head)] = last;
    if (write(source->fd, frame, sizeof(frame)) != (ssize_t)sizeof(frame))
        return false;
    while (poll(&item, 1, PROOF_MS) == 1)
        if (read(sink->fd, got, sizeof(got)) == (ssize_t)sizeof(frame) &&
            memcmp(got + VNET_HEADER, frame + VNET_HEADER, sizeof(frame) - VNET_HEADER) == 0)
            return true;
    return false;
}

/**
 * try_frames() - Send frames to every reserved address over a cable and over a segment
 * @fd:		Pipe
 * @state:	State to make them in
 */
static void try_frames(int fd, struct fabric_state *state)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct fabric_tap taps[4] = {
        {.ifname = "t0.0"}, {.ifname = "t1.0"}, {.ifname = "t2.0"}, {.ifname = "t3.0"}};
    size_t ports[2] = {2, 3};
    struct fabric_link cable = {.taps = {0, 1}};
    struct fabric_segment segment = {.ifname = "b0", .taps = ports, .tap_count = 2};
    struct fabric_plan small = {.taps = taps,
                                .tap_count = 4,
                                .links = &cable,
                                .link_count = 1,
                                .segments = &segment,
                                .segment_count = 1,
                                .mtu = 9500};
    bool cables = true, segments = true, made = state_apply(state, &small, &err) == 0;

    for (uint8_t last = 0; made && last < 16; last++) {
        bool pause = last == 1; /* ends at a bridge, as it should */

        /* One that does not come is enough, and has cost a second. */
        cables = cables && ((pause && !state->redirect) || arrives(state, "t0.0", "t1.0", last));
        segments = segments && (pause || arrives(state, "t2.0", "t3.0", last));
    }
    tell(fd, "redirect", made && cables,
         !made             ? error_message(&err)
         : !cables         ? "a cable was made, but frames do not arrive"
         : state->redirect ? "u32 and mirred: frames to every reserved address arrived"
                           : "u32 or mirred is missing: cables are two-port bridges, and PAUSE "
                             "frames do not pass",
         err.hint ? err.hint : "a kernel with CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED");
    tell(fd, "LAN segments", made && segments,
         !made      ? error_message(&err)
         : segments ? "a bridge passed frames to every reserved address but PAUSE"
                    : "a bridge was made, but frames do not arrive",
         err.hint ? err.hint : "load the module bridge");
}

/**
 * try_gate() - Whether cables pad what is too short, and keep back what is too long
 * @fd:		Pipe
 * @state:	State that may have gates
 */
static void try_gate(int fd, const struct fabric_state *state)
{
    tell_extra(
        fd, "padding and MTU", state->gate,
        state->gate
            ? "a BPF classifier at each tap pads frames to 60 bytes, and drops what exceeds "
              "a link's mtu"
            : "no BPF classifier may be loaded: unimpaired links do not pad the short frames "
              "of virtio guests, and pass what exceeds their mtu",
        "run labctl as root of the machine (with CAP_BPF, outside of a user namespace), where it "
        "matters");
}

/**
 * try_all() - What the child does
 * @fd:		Pipe
 */
static void try_all(int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int tun = -1;
    struct fabric_state state = {0};
    const char *what = geteuid() == 0 ? "network namespace" : "user namespaces";
    bool speaks = false;

    if (namespace_enter_new(&err) < 0) {
        tell(fd, what, false, error_message(&err), err.hint);
        return;
    }
    tell(fd, what, true, "a new one was made", NULL);
    namespace_silence(&speaks);
    tell(fd, "silent links", true,
         speaks ? "interface by interface" : "IPv6 of the host is off there", NULL);
    tun = kernel_tun_open(&err);
    tell(fd, "tun", tun >= 0, tun >= 0 ? "/dev/net/tun opens" : error_message(&err), err.hint);
    error_done(&err);
    if (state_init(&state, &err) < 0) {
        tell(fd, "netlink", false, error_message(&err), err.hint);
        return;
    }
    if (tun >= 0)
        try_frames(fd, &state);
    try_gate(fd, &state);
    try_packet_ring(fd);
    state_remove_all(&state);
    state_done(&state);
}

/**
 * parse_probes() - Lines of the child as items
 * @text:	Lines; changed
 * @ret_probes:	Result
 * @ret_count:	How many
 */
static void parse_probes(char *text, struct fabric_probe **ret_probes, size_t *ret_count)
{
    struct fabric_probe *probes = NULL;
    size_t count = 0, capacity = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *fields[4];
        size_t n = 0;

        for (char *at = line; at && n < ARRAY_SIZE(fields);)
            fields[n++] = strsep(&at, "\t");
        if (n < ARRAY_SIZE(fields))
            continue;
        array_grow(probes, count, capacity);
        probes[count++] = (struct fabric_probe){
            .name = xstrdup(fields[0]),
            .works = fields[1][0] == '+',
            .needed = fields[1][1] != '?',
            .detail = xstrdup(fields[2]),
            .mend = fields[3][0] ? xstrdup(fields[3]) : NULL,
        };
    }
    *ret_probes = probes;
    *ret_count = count;
}

int fabric_probe(struct fabric_probe **ret_probes, size_t *ret_count, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_close_ int read_fd = -1;
    int pipe_fds[2];
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    read_fd = pipe_fds[0];
    pid = fork();
    if (pid == 0) {
        try_all(pipe_fds[1]);
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    if (pid < 0)
        return error_errno(err, errno, "fork");
    (void)read_all(read_fd, PROBE_TEXT_MAX, &text);
    (void)waitpid(pid, NULL, 0);
    if (!text.size)
        return error_set(err, EIO, "the network probe ended without a word");
    parse_probes(text.data, ret_probes, ret_count);
    return 0;
}

void fabric_probe_free(struct fabric_probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)probes[i].name);
        free(probes[i].detail);
        free(probes[i].mend);
    }
    free(probes);
}
