// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_topology labctl_base

/* Offload with truth: what a guest leaves to its NIC is done by somebody before a guest sees it
 * that cannot do without. Senders are guests with virtio (super-frames, checksums still to do) and
 * without (e1000: whole frames); receivers have TSO and checksum offload, checksums only, or
 * nothing, as QEMU tells the tap what their guest's driver can do. Each pair over each kind of
 * link. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netfabric/fabric.h"
#include "netfabric/wire.h"

#define MS      1000000ull
#define HEADER  ((size_t)10) /* of the tap */
#define IP      14
#define TCP     34
#define HEAD    54 /* all headers of a frame */
#define PAYLOAD 4000
#define PART    1460

enum kind { LINK, SEGMENT, WIRE_WHOLE, WIRE_APART, KINDS };
static const char *const kind_names[] = {"link", "segment", "delayed link", "impaired link"};

enum sender { SUPER_FRAME, CHECKSUM_TO_DO, WHOLE, SENDERS };
static const char *const sender_names[] = {"a super-frame", "a frame without checksum",
                                           "a whole frame"};

static const unsigned receivers[] = {TUN_F_CSUM | TUN_F_TSO4, TUN_F_CSUM, 0};
static const char *const receiver_names[] = {"one with TSO", "one with checksum offload",
                                             "one with nothing"};

/* Nodes 0 and 1 on a cable, 2 and 3 on a segment. */
struct lab {
    char dir[64];
    struct node nodes[4];
    struct link link;
    struct endpoint ends[2];
    struct lan lan;
    struct topology topology;
    struct fabric_plan *plan;
    struct fabric *fabric;
    struct wire *wire;
    int taps[4];
};

static int setup(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *socket = NULL, *wire_socket = NULL;

    *state = lab;
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-offload-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    socket = path_join(lab->dir, "fabric.sock");
    wire_socket = path_join(lab->dir, "wire.sock");
    for (size_t i = 0; i < 4; i++)
        lab->nodes[i] = (struct node){.name = (char *)(uintptr_t)names[i], .nics = 1};
    lab->link = (struct link){.name = (char *)(uintptr_t) "l", .ends = {{.node = 0}, {.node = 1}}};
    lab->ends[0] = (struct endpoint){.node = 2};
    lab->ends[1] = (struct endpoint){.node = 3};
    lab->lan = (struct lan){.name = (char *)(uintptr_t) "s", .ends = lab->ends, .end_count = 2};
    lab->topology = (struct topology){.nodes = lab->nodes,
                                      .node_count = 4,
                                      .links = &lab->link,
                                      .link_count = 1,
                                      .lans = &lab->lan,
                                      .lan_count = 1};
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), 0);
    if (fabric_start(socket, -1, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    if (fabric_apply(lab->fabric, lab->plan, &err) < 0 ||
        wire_start(lab->fabric, wire_socket, 2, &lab->wire, &err) < 0)
        fail_msg("%s", error_message(&err));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], &err), 0);
    return 0;
}

static int bridged_setup(void **state)
{
    (void)setenv("LABCTL_FABRIC_NO_REDIRECT", "1", 1);
    return setup(state);
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    (void)unsetenv("LABCTL_FABRIC_NO_REDIRECT");
    if (lab->fabric) {
        assert_int_equal(wire_stop(lab->wire, NULL), 0);
        assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
        for (size_t i = 0; i < 4; i++)
            (void)close(lab->taps[i]);
    }
    fabric_plan_free(lab->plan);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return 0;
}

/* lead() - Have the cable lead where @kind says. */
static void lead(struct lab *lab, enum kind kind)
{
    const struct impairment some = {.delay_ns = MS,
                                    .queue_limit_bytes = kind == WIRE_APART ? 1u << 30 : 0};
    const struct impairment both[2] = {some, some};
    int fds[2];

    lab->plan->links[0].wire = kind >= WIRE_WHOLE ? FABRIC_WIRE_ACTIVE : FABRIC_WIRE_NONE;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    if (kind < WIRE_WHOLE)
        return;
    assert_int_equal(fabric_wire_taps(lab->fabric, lab->plan, 0, fds, NULL), 0);
    assert_int_equal(wire_set(lab->wire, 1, fds, both, NULL, NULL), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static uint32_t add_up(const uint8_t *data, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* pseudo_sum() - Of TCP's checksum, what comes from the addresses and the length. */
static uint32_t pseudo_sum(const uint8_t *frame, size_t size)
{
    return add_up(frame + IP + 12, 8, 6 + (uint32_t)(size - TCP));
}

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* make() - What a sender hands to its tap. Return: its size */
static size_t make(enum sender sender, uint8_t *out)
{
    static const uint8_t head[TCP] = {2, 0, 0, 0,    0, 1,  2, 0, 0, 0,  0, 2, 8, 0,  0x45, 0, 0,
                                      0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0,    0, 2};
    size_t payload = sender == SUPER_FRAME ? PAYLOAD : PART, size = HEAD + payload;
    struct virtio_net_hdr header = {0};
    uint8_t *frame = out + HEADER;

    if (sender != WHOLE)
        header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .hdr_len = HEAD,
                                         .csum_start = TCP,
                                         .csum_offset = 16};
    if (sender == SUPER_FRAME) {
        header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        header.gso_size = PART;
    }
    memcpy(out, &header, HEADER);
    memset(frame, 0, HEAD);
    memcpy(frame, head, sizeof(head));
    put_u16(frame + IP + 2, size - IP);
    put_u16(frame + IP + 10, (uint16_t)~fold(add_up(frame + IP, 20, 0)));
    frame[TCP + 1] = 80;
    frame[TCP + 12] = 5 << 4;
    frame[TCP + 13] = 0x10;
    for (size_t i = 0; i < payload; i++)
        frame[HEAD + i] = (uint8_t)(i * 7 + i / 256);
    if (sender == WHOLE)
        put_u16(frame + TCP + 16,
                (uint16_t)~fold(add_up(frame + TCP, size - TCP, pseudo_sum(frame, size))));
    else
        put_u16(frame + TCP + 16, fold(pseudo_sum(frame, size)));
    return HEADER + size;
}

/* check() - One frame as a receiver gets it. Return: bytes of payload, from @at on */
static size_t check(const uint8_t *in, size_t n, unsigned receiver, const uint8_t *sent, size_t at)
{
    const uint8_t *frame = in + HEADER;
    size_t size = n - HEADER;
    struct virtio_net_hdr header;

    memcpy(&header, in, HEADER);
    assert_true(size > HEAD);
    assert_int_equal(fold(add_up(frame + IP, 20, 0)), 0xffff);
    assert_int_equal((size_t)frame[IP + 2] << 8 | frame[IP + 3], size - IP);
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        assert_true(receiver & TUN_F_TSO4);
    else
        assert_true(size <= HEAD + PART);
    if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        assert_true(receiver & TUN_F_CSUM);
        assert_int_equal(header.csum_start, TCP);
    } else {
        assert_int_equal(fold(add_up(frame + TCP, size - TCP, pseudo_sum(frame, size))), 0xffff);
    }
    assert_int_equal((size_t)frame[TCP + 6] << 8 | frame[TCP + 7], at); /* sequence number */
    assert_memory_equal(frame + HEAD, sent + HEADER + HEAD + at, size - HEAD);
    return size - HEAD;
}

/* try() - One sender, one receiver, over what there is. */
static void try(const int taps[static 2], enum sender sender, unsigned receiver)
{
    static uint8_t sent[HEADER + HEAD + PAYLOAD], got[8192];
    size_t size = make(sender, sent), payload = size - HEADER - HEAD, done = 0;
    struct pollfd item = {.fd = taps[1], .events = POLLIN};

    assert_int_equal(ioctl(taps[1], TUNSETOFFLOAD, receiver), 0);
    assert_int_equal(write(taps[0], sent, size), size);
    while (done < payload) {
        ssize_t n;

        if (poll(&item, 1, 5000) != 1)
            fail_msg("%zu of %zu bytes arrived", done, payload);
        n = read(taps[1], got, sizeof(got));
        assert_true(n > (ssize_t)(HEADER + HEAD));
        done += check(got, (size_t)n, receiver, sent, done);
    }
    assert_int_equal(done, payload);
}

static void test_every_pair(void **state)
{
    struct lab *lab = *state;

    if (!lab->fabric)
        skip();
    for (int kind = 0; kind < KINDS; kind++) {
        lead(lab, (enum kind)kind);
        for (int sender = 0; sender < SENDERS; sender++)
            for (size_t r = 0; r < ARRAY_SIZE(receivers); r++) {
                print_message("%s: %s to %s\n", kind_names[kind], sender_names[sender],
                              receiver_names[r]);
                try(lab->taps + (kind == SEGMENT ? 2 : 0), (enum sender)sender, receivers[r]);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_pair, bridged_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
