// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_topology labctl_base

/* What a cable's ends do to a frame that a guest sends: runts are padded to 60 bytes, what exceeds
 * the MTU does not arrive. Where the fabric may load no program (an ordinary user, or
 * LABCTL_FABRIC_NO_GATE) all frames arrive as they were sent: that is tested too, by the same
 * frames. Over a cable, a segment, and into the wire. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netfabric/fabric.h"

#define HEADER  ((size_t)10) /* of the tap */
#define MTU     1400u
#define FRAMES  4000u
#define WINDOW  200u
#define ROOM    65536u
#define TIMEOUT 30000 /* frames come at once; the test may have to wait for a processor */

enum way { CABLE, SEGMENT, INTO_WIRE, WAYS };
static const char *const way_names[] = {"cable", "segment", "way into the wire"};

/* Nodes 0 and 1 on a cable, 2 and 3 on a segment. */
struct lab {
    char dir[64];
    char *socket;
    struct node nodes[4];
    struct link link;
    struct endpoint ends[2];
    struct lan lan;
    struct topology topology;
    struct fabric_plan *plan;
    struct fabric *fabric;
    int taps[4], wires[2];
    bool able; /* this user, here, may load programs */
};

static void open_taps(struct lab *lab)
{
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], NULL), 0);
}

static int setup(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;

    *state = lab;
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-gate-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    lab->socket = path_join(lab->dir, "fabric.sock");
    for (size_t i = 0; i < 4; i++) {
        lab->nodes[i] = (struct node){.name = (char *)(uintptr_t)names[i], .nics = 1};
        lab->taps[i] = -1;
    }
    lab->wires[0] = lab->wires[1] = -1;
    lab->link = (struct link){
        .name = (char *)(uintptr_t) "l", .ends = {{.node = 0}, {.node = 1}}, .mtu = MTU};
    lab->ends[0] = (struct endpoint){.node = 2};
    lab->ends[1] = (struct endpoint){.node = 3};
    lab->lan = (struct lan){
        .name = (char *)(uintptr_t) "s", .ends = lab->ends, .end_count = 2, .mtu = MTU};
    lab->topology = (struct topology){.nodes = lab->nodes,
                                      .node_count = 4,
                                      .links = &lab->link,
                                      .link_count = 1,
                                      .lans = &lab->lan,
                                      .lan_count = 1};
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), 0);
    if (fabric_start(lab->socket, 2, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    if (fabric_apply(lab->fabric, lab->plan, &err) < 0)
        fail_msg("%s", error_message(&err));
    open_taps(lab);
    lab->able = fabric_has_gate(lab->fabric);
    return 0;
}

static int ungated_setup(void **state)
{
    (void)setenv("LABCTL_FABRIC_NO_GATE", "1", 1);
    return setup(state);
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    (void)unsetenv("LABCTL_FABRIC_NO_GATE");
    for (size_t i = 0; i < 4; i++)
        cleanup_close(&lab->taps[i]);
    for (size_t i = 0; i < 2; i++)
        cleanup_close(&lab->wires[i]);
    if (lab->fabric)
        assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
    fabric_plan_free(lab->plan);
    free(lab->socket);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return 0;
}

/* lead() - Have frames take that way. Return: descriptor that they are sent into; *ret_to: where
 * they come out */
static int lead(struct lab *lab, enum way way, int *ret_to)
{
    lab->plan->links[0].wire = way == INTO_WIRE ? FABRIC_WIRE_ACTIVE : FABRIC_WIRE_NONE;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        cleanup_close(&lab->wires[i]);
        lab->wires[i] = -1;
    }
    if (way == INTO_WIRE) {
        assert_int_equal(fabric_wire_taps(lab->fabric, lab->plan, 0, lab->wires, NULL), 0);
        assert_int_equal(ioctl(lab->wires[0], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6),
                         0);
    }
    *ret_to = way == CABLE ? lab->taps[1] : way == SEGMENT ? lab->taps[3] : lab->wires[0];
    assert_int_equal(ioctl(way == SEGMENT ? lab->taps[3] : lab->taps[1], TUNSETOFFLOAD,
                           TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6),
                     0);
    return lab->taps[way == SEGMENT ? 2 : 0];
}

/* ---- frames ---- */

/* start_frame() - Addresses and tags. Return: its size so far */
static size_t start_frame(uint8_t *frame, unsigned tags, uint16_t type)
{
    static const uint8_t head[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    size_t size = sizeof(head);

    memcpy(frame, head, sizeof(head));
    for (unsigned i = 0; i < tags; i++, size += 4) {
        frame[size] = tags == 2 && i == 0 ? 0x88 : 0x81;
        frame[size + 1] = tags == 2 && i == 0 ? 0xa8 : 0;
        frame[size + 2] = 0;
        frame[size + 3] = (uint8_t)(7 + i);
    }
    frame[size++] = (uint8_t)(type >> 8);
    frame[size++] = (uint8_t)type;
    return size;
}

/* plain() - A frame with so much payload, the last byte of it @mark. Return: size, header too */
static size_t plain(uint8_t *out, unsigned tags, size_t payload, uint8_t mark)
{
    uint8_t *frame = out + HEADER;
    size_t size = start_frame(frame, tags, 0x88b5);

    memset(out, 0, HEADER);
    memset(frame + size, 0x5a, payload);
    frame[size + payload - 1] = mark;
    return HEADER + size + payload;
}

/* super() - A super-frame of 4000 bytes that stands for parts of @part bytes: those behind the IP
 * header's begin. Return: size, header too */
static size_t super(uint8_t *out, unsigned tags, bool v6, size_t part, uint8_t mark)
{
    const size_t ip_size = v6 ? 40 : 20, tcp_size = 32 /* with a timestamp */, payload = 4000;
    uint8_t *frame = out + HEADER;
    size_t ip = start_frame(frame, tags, v6 ? 0x86dd : 0x800), tcp = ip + ip_size;
    size_t length = v6 ? tcp_size + payload : ip_size + tcp_size + payload;
    struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                    .gso_type =
                                        v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
                                    .hdr_len = (uint16_t)(tcp + tcp_size),
                                    .gso_size = (uint16_t)(part - ip_size - tcp_size),
                                    .csum_start = (uint16_t)tcp,
                                    .csum_offset = 16};

    memcpy(out, &header, HEADER);
    memset(frame + ip, 0, ip_size + tcp_size);
    frame[ip] = v6 ? 0x60 : 0x45;
    frame[ip + (v6 ? 4 : 2)] = (uint8_t)(length >> 8);
    frame[ip + (v6 ? 5 : 3)] = (uint8_t)length;
    frame[ip + (v6 ? 6 : 9)] = 6;
    frame[ip + (v6 ? 7 : 8)] = 64;
    frame[tcp + 12] = (uint8_t)(tcp_size / 4) << 4;
    frame[tcp + 13] = 0x10;
    memset(frame + tcp + tcp_size, 0x5a, payload);
    frame[tcp + tcp_size + payload - 1] = mark;
    return HEADER + tcp + tcp_size + payload;
}

/* receive() - The next of our frames. Return: its size without the tap's header */
static size_t receive(int tap, uint8_t *out)
{
    struct pollfd item = {.fd = tap, .events = POLLIN};

    for (;;) {
        ssize_t n;

        assert_int_equal(poll(&item, 1, TIMEOUT), 1);
        n = read(tap, out, ROOM);
        assert_true(n > (ssize_t)HEADER + 14);
        if (memcmp(out + HEADER, "\2\0\0\0\0\1\2\0\0\0\0\2", 12) == 0)
            return (size_t)n - HEADER;
    }
}

/* arrives() - Whether a frame comes out: if it does not, the next thing that does is the one which
 * is sent after it. */
static bool arrives(int from, int to, const uint8_t *frame, size_t size)
{
    static uint8_t after[ROOM], got[ROOM];
    const uint8_t mark = frame[size - 1];
    size_t after_size = plain(after, 0, 100, 0xee), n;
    bool did;

    assert_int_equal(write(from, frame, size), size);
    assert_int_equal(write(from, after, after_size), after_size);
    n = receive(to, got);
    did = got[HEADER + n - 1] != 0xee;
    if (!did)
        return false;
    assert_int_equal(n, size - HEADER);
    assert_int_equal(got[HEADER + n - 1], mark);
    assert_int_equal(receive(to, got), after_size - HEADER);
    return true;
}

/* ---- tests ---- */

static void test_runts(void **state)
{
    struct lab *lab = *state;
    static uint8_t frame[ROOM], got[ROOM];

    if (!lab->fabric)
        skip();
    for (enum way way = 0; way < WAYS; way++) {
        int to, from = lead(lab, way, &to);

        for (unsigned tags = 0; tags <= 2; tags++) {
            /* The kernel drops what ends less than two bytes behind a tag. */
            for (size_t whole = 14 + 4 * tags + (tags ? 2 : 1); whole <= 61;
                 whole += whole < 56 ? 9 : 1) {
                size_t size = plain(frame, tags, whole - 14 - 4 * tags, 0xaa), n, want;

                assert_int_equal(size - HEADER, whole);
                assert_int_equal(write(from, frame, size), size);
                n = receive(to, got);
                want = whole < 60 && fabric_has_gate(lab->fabric) ? 60 : whole;
                if (n != want)
                    fail_msg("%s, %u tags: a frame of %zu bytes comes with %zu, not %zu",
                             way_names[way], tags, whole, n, want);
                assert_memory_equal(got + HEADER, frame + HEADER, whole);
                for (size_t i = whole; i < n; i++)
                    assert_int_equal(got[HEADER + i], 0);
            }
        }
    }
}

/* A runt whose checksum is still to do: it is right afterwards, whoever does it. */
static void test_runt_without_checksum(void **state)
{
    struct lab *lab = *state;
    const struct virtio_net_hdr header = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
    uint8_t frame[HEADER + 44] = {0}, *got;
    uint32_t sum = 0;
    size_t n;

    if (!lab->fabric)
        skip();
    got = xmalloc0(ROOM, 1);
    memcpy(frame, &header, HEADER);
    assert_int_equal(start_frame(frame + HEADER, 0, 0x800), 14);
    memcpy(frame + HEADER + 14, (uint8_t[]){0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17}, 10);
    memcpy(frame + HEADER + 34, (uint8_t[]){0, 1, 0, 2, 0, 10, 0, 17 + 10 /* pseudo header */}, 8);
    frame[HEADER + 42] = 0x12;
    frame[HEADER + 43] = 0x34;
    assert_int_equal(ioctl(lab->taps[1], TUNSETOFFLOAD, 0), 0);
    assert_int_equal(write(lab->taps[0], frame, sizeof(frame)), sizeof(frame));
    n = receive(lab->taps[1], got);
    assert_int_equal(n, fabric_has_gate(lab->fabric) ? 60 : 44);
    assert_int_equal(got[0], 0); /* nothing is left to do */
    for (size_t i = 34; i < n; i += 2)
        sum += (uint32_t)got[HEADER + i] << 8 | got[HEADER + i + 1];
    sum += 17 + 10;
    sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
    free(got);
}

static void check_limit(struct lab *lab, enum way way, unsigned mtu)
{
    const bool all = !fabric_has_gate(lab->fabric) || mtu == 0;
    const size_t limit = mtu ? mtu : MTU;
    static uint8_t frame[ROOM];
    int to, from = lead(lab, way, &to);

    for (unsigned tags = 0; tags <= 2; tags++) {
        assert_true(arrives(from, to, frame, plain(frame, tags, limit, 0xaa)));
        assert_int_equal(arrives(from, to, frame, plain(frame, tags, limit + 1, 0xab)), all);
        if (!mtu) /* the longest that a cable takes */
            assert_true(arrives(from, to, frame, plain(frame, tags, 9500, 0xac)));
        for (unsigned v6 = 0; v6 <= 1; v6++) {
            assert_true(arrives(from, to, frame, super(frame, tags, v6, limit, 0xad)));
            if (arrives(from, to, frame, super(frame, tags, v6, limit + 1, 0xae)) != all)
                fail_msg("%s, MTU %u, %u tags, IPv%c: a super-frame of longer parts",
                         way_names[way], mtu, tags, v6 ? '6' : '4');
        }
    }
}

static void test_mtu(void **state)
{
    struct lab *lab = *state;

    if (!lab->fabric)
        skip();
    for (enum way way = 0; way < WAYS; way++)
        check_limit(lab, way, MTU);
    /* The other direction, and another limit. */
    lab->plan->links[0].mtu = lab->plan->segments[0].mtu = 1000;
    for (enum way way = 0; way < WAYS; way++)
        check_limit(lab, way, 1000);
    lab->plan->links[0].mtu = lab->plan->segments[0].mtu = 0;
    for (enum way way = 0; way < WAYS; way++)
        check_limit(lab, way, 0);
}

/* A child sends numbered frames, as many at a time as it has credits for. */
static pid_t start_sender(int tap, int credits, int giver)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        uint8_t frame[HEADER + 100];

        (void)close(giver); /* no more credits come when the parent has failed */
        for (uint32_t i = 0; i < FRAMES; i++) {
            char credit;

            (void)plain(frame, 0, 86, 0xaa);
            memcpy(frame + HEADER + 20, &i, sizeof(i));
            if (read(credits, &credit, 1) != 1 || write(tap, frame, sizeof(frame)) < 0)
                _exit(1);
        }
        _exit(0);
    }
    return pid;
}

/* replace_fabric() - The fabric is killed; one comes that may, or may not, load programs. */
static void replace_fabric(struct lab *lab, bool gate)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)setenv("LABCTL_FABRIC_NO_GATE", gate ? "0" : "1", 1);
    fabric_kill(lab->fabric);
    lab->fabric = NULL;
    if (fabric_start_in(lab->socket, 2, lab->taps, 4, &lab->fabric, &err) < 0 ||
        fabric_apply(lab->fabric, lab->plan, &err) < 0)
        fail_msg("%s", error_message(&err));
    assert_int_equal(fabric_has_gate(lab->fabric), gate && lab->able);
}

/* Frames pass while their limit changes, comes and goes, and the fabric is replaced: by one that
 * has no gate, and by one that has. */
static void test_no_frame_is_lost_by_a_new_limit(void **state)
{
    struct lab *lab = *state;
    uint32_t next = 0, changes = 0;
    int credits[2], status;
    uint8_t *got;
    pid_t sender;

    if (!lab->fabric)
        skip();
    got = xmalloc0(ROOM, 1);
    assert_int_equal(pipe2(credits, O_CLOEXEC), 0);
    sender = start_sender(lab->taps[0], credits[0], credits[1]);
    for (uint32_t i = 0; i < WINDOW; i++)
        assert_int_equal(write(credits[1], "", 1), 1);
    while (next < FRAMES) {
        uint32_t number;

        assert_int_equal(receive(lab->taps[1], got), 100);
        memcpy(&number, got + HEADER + 20, sizeof(number));
        assert_int_equal(number, next++);
        assert_int_equal(write(credits[1], "", 1), 1);
        if (next / 20 <= changes)
            continue;
        lab->plan->links[0].mtu = changes++ % 3 * 700;
        if (changes % 50 == 0)
            replace_fabric(lab, changes % 100 == 0);
        else
            assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    }
    assert_int_equal(waitpid(sender, &status, 0), sender);
    assert_int_equal(status, 0);
    (void)close(credits[0]);
    (void)close(credits[1]);
    free(got);
    for (size_t i = 0; i < 4; i++)
        cleanup_close(&lab->taps[i]);
    open_taps(lab);
    lab->plan->links[0].mtu = MTU;
    check_limit(lab, CABLE, MTU);
}

/* A plan that cannot be had leaves the limits as they were. */
static void test_a_failed_plan_leaves_the_limit(void **state)
{
    struct lab *lab = *state;
    struct fabric_segment *segment;

    if (!lab->fabric)
        skip();
    segment = &lab->plan->segments[0];
    lab->plan->links[0].mtu = 800;
    segment->uplink = FABRIC_UPLINK_BRIDGE;
    segment->interface = xstrdup("no-such-bridge");
    assert_true(fabric_apply(lab->fabric, lab->plan, NULL) < 0);
    segment->uplink = FABRIC_UPLINK_NONE;
    free(segment->interface);
    segment->interface = NULL;
    lab->plan->links[0].mtu = MTU;
    check_limit(lab, CABLE, MTU);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runts, ungated_setup, teardown),
        cmocka_unit_test_setup_teardown(test_runt_without_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mtu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mtu, ungated_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_frame_is_lost_by_a_new_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_plan_leaves_the_limit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
