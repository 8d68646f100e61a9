// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_topology labctl_base

/* Impairments: what becomes of 100,000 frames on a clock of the test's own, and a real wire process
 * between two real taps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/if_tun.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/socket.h"
#include "netfabric/wire.h"
#include "netfabric/wire_link_priv.h"
#include "netfabric/wire_shape_priv.h"

#define FRAMES      100000u
#define MS          1000000ull
#define VNET_HEADER 10
#define ETHERTYPE   0x88b5

/* ---- pure ---- */

static const uint8_t frame_bytes[100] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

static struct shape make_shape(const struct impairment *impairment, unsigned direction)
{
    struct shape shape = {0};

    assert_int_equal(shape_set(&shape, impairment, direction, NULL), 0);
    return shape;
}

/* Send FRAMES frames, @gap_ns apart. */
static struct shape_verdict *run(struct shape *shape, uint64_t gap_ns, size_t size)
{
    struct shape_verdict *verdicts = calloc(FRAMES, sizeof(*verdicts));

    assert_true(size <= sizeof(frame_bytes));
    for (size_t i = 0; i < FRAMES; i++)
        shape_decide(shape, 1000 * MS + i * gap_ns, frame_bytes, size, 0, &verdicts[i]);
    return verdicts;
}

/* A share that should be @p: within five standard deviations. */
static void assert_share(size_t count, double p)
{
    double share = (double)count / FRAMES, deviation = sqrt(p * (1 - p) / FRAMES);

    if (fabs(share - p) > 5 * deviation)
        fail_msg("%f is not %f ± %f", share, p, 5 * deviation);
}

static size_t count_lost(const struct shape_verdict *verdicts)
{
    size_t count = 0;

    for (size_t i = 0; i < FRAMES; i++)
        count += verdicts[i].fate == SHAPE_LOSE;
    return count;
}

static void test_chances(void **state)
{
    const struct impairment impairment = {.loss_ppm = 20000,
                                          .duplicate_ppm = 30000,
                                          .corrupt_ppm = 10000,
                                          .reorder_ppm = 50000,
                                          .delay_ns = MS};
    struct shape shape = make_shape(&impairment, 0);
    struct shape_verdict *verdicts = run(&shape, 1000, sizeof(frame_bytes));
    size_t twice = 0, corrupt = 0, reordered = 0, high_bits = 0;

    (void)state;
    assert_share(count_lost(verdicts), 0.02);
    for (size_t i = 0; i < FRAMES; i++) {
        twice += verdicts[i].copies == 2;
        corrupt += verdicts[i].corrupt_bit >= 0;
        assert_true(verdicts[i].corrupt_bit < (ptrdiff_t)sizeof(frame_bytes) * 8);
        high_bits += verdicts[i].corrupt_bit >= (ptrdiff_t)sizeof(frame_bytes) * 4;
        reordered += verdicts[i].reordered;
    }
    assert_share(twice, 0.03);
    assert_share(corrupt, 0.01);
    assert_share(high_bits, 0.005);
    assert_share(reordered + (size_t)(0.05 * (double)count_lost(verdicts)), 0.05);
    free(verdicts);
    shape_done(&shape);
}

static void test_no_loss_loses_none(void **state)
{
    const struct impairment impairment = {.delay_ns = 5 * MS};
    struct shape shape = make_shape(&impairment, 0);
    struct shape_verdict *verdicts = run(&shape, 2000, sizeof(frame_bytes));

    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        assert_int_equal(verdicts[i].fate, SHAPE_SEND);
        assert_int_equal(verdicts[i].due_ns, 1005 * MS + i * 2000);
        assert_int_equal(verdicts[i].copies, 1);
        assert_int_equal(verdicts[i].corrupt_bit, -1);
    }
    free(verdicts);
    shape_done(&shape);
}

static void test_bursts(void **state)
{
    /* In the bad state a fifth of the time: enter 1 %, leave 4 %. */
    const struct impairment impairment = {
        .burst_enter_ppm = 10000, .burst_leave_ppm = 40000, .burst_loss_ppm = 1000000};
    struct shape shape = make_shape(&impairment, 0);
    struct shape_verdict *verdicts = run(&shape, 1000, sizeof(frame_bytes));
    size_t lost = count_lost(verdicts), bursts = 0;
    double mean;

    (void)state;
    for (size_t i = 1; i < FRAMES; i++)
        bursts += verdicts[i].fate == SHAPE_LOSE && verdicts[i - 1].fate != SHAPE_LOSE;
    mean = (double)lost / (double)bursts;
    /* Bursts are geometric: 25 frames on average. About 800 of them: five deviations are 4.4. */
    assert_true(mean > 20 && mean < 30);
    assert_true((double)lost / FRAMES > 0.15 && (double)lost / FRAMES < 0.25);
    free(verdicts);
    shape_done(&shape);
}

static void test_jitter(void **state)
{
    struct impairment impairment = {.delay_ns = 50 * MS, .jitter_ns = 10 * MS};
    struct shape shape = make_shape(&impairment, 0);
    /* So far apart that nobody would overtake. */
    struct shape_verdict *verdicts = run(&shape, 200 * MS, sizeof(frame_bytes));
    double sum = 0, squares = 0;
    size_t low = 0;

    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        double delay = (double)(verdicts[i].due_ns - 1000 * MS - i * 200 * MS) / MS;

        assert_true(delay >= 39.99 && delay <= 60.01);
        low += delay < 45;
    }
    assert_share(low, 0.25);
    free(verdicts);
    impairment.jitter_shape = JITTER_NORMAL;
    assert_int_equal(shape_set(&shape, &impairment, 0, NULL), 0);
    shape.last_due_ns = 0;
    verdicts = run(&shape, 200 * MS, sizeof(frame_bytes));
    for (size_t i = 0; i < FRAMES; i++) {
        double delay = (double)(verdicts[i].due_ns - 1000 * MS - i * 200 * MS) / MS;

        sum += delay;
        squares += delay * delay;
    }
    assert_true(fabs(sum / FRAMES - 50) < 0.2);
    assert_true(fabs(sqrt(squares / FRAMES - (sum / FRAMES) * (sum / FRAMES)) - 10) < 0.2);
    free(verdicts);
    /* Close together they keep their order. */
    verdicts = run(&shape, 1000, sizeof(frame_bytes));
    for (size_t i = 1; i < FRAMES; i++)
        assert_true(verdicts[i].due_ns >= verdicts[i - 1].due_ns);
    free(verdicts);
    shape_done(&shape);
}

static void test_rate(void **state)
{
    /* 100 bytes each 40 µs are 20 Mbit/s; half of it passes. */
    const struct impairment impairment = {
        .rate_bits_per_s = 10000000, .burst_bytes = 10000, .queue_limit_bytes = 20000};
    struct shape shape = make_shape(&impairment, 0);
    struct shape_verdict *verdicts = run(&shape, 40000, sizeof(frame_bytes));
    size_t passed = 0, at_once = 0;
    uint64_t longest = 0, last = 0;

    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        uint64_t came = 1000 * MS + i * 40000;

        if (verdicts[i].fate == SHAPE_TAIL)
            continue;
        assert_int_equal(verdicts[i].fate, SHAPE_SEND);
        passed++;
        at_once += verdicts[i].due_ns == came;
        last = verdicts[i].due_ns;
        if (verdicts[i].due_ns - came > longest)
            longest = verdicts[i].due_ns - came;
    }
    /* Bits over time, the burst taken off. */
    assert_true(
        fabs(((double)passed * 100 - 10000) * 8 / ((double)(last - 1000 * MS) / 1e9) - 1e7) < 2e5);
    assert_in_range(at_once, 190, 210); /* the burst: 10000 bytes, and what came in meanwhile */
    assert_in_range(longest, 15 * MS, 16 * MS); /* 20000 bytes at 10 Mbit/s */
    free(verdicts);
    shape_done(&shape);
}

static void test_seed(void **state)
{
    const struct impairment impairment = {.loss_ppm = 100000, .seed = 42, .has_seed = true};
    struct impairment other = impairment;
    struct shape a = make_shape(&impairment, 0), b = make_shape(&impairment, 0);
    struct shape c = make_shape(&impairment, 1);
    struct shape_verdict *first, *second, *third;
    size_t same = 0;

    (void)state;
    first = run(&a, 1000, sizeof(frame_bytes));
    /* Neither timing nor another value changes who is lost. */
    other.delay_ns = 7 * MS;
    assert_int_equal(shape_set(&b, &other, 0, NULL), 0);
    second = run(&b, 77, 60);
    third = run(&c, 1000, sizeof(frame_bytes));
    for (size_t i = 0; i < FRAMES; i++) {
        assert_int_equal(first[i].fate, second[i].fate);
        same += first[i].fate == SHAPE_LOSE && third[i].fate == SHAPE_LOSE;
    }
    assert_share(same, 0.01); /* the other direction has other luck */
    free(first);
    free(second);
    free(third);
    shape_done(&a);
    shape_done(&b);
    shape_done(&c);
}

static void test_only(void **state)
{
    char filter[] = "ether proto 0x88b5", bad[] = "ether prot 7";
    struct impairment impairment = {.loss_ppm = 1000000, .delay_ns = MS, .only = filter};
    struct shape shape = make_shape(&impairment, 0);
    _cleanup_error_ struct error err = ERROR_INIT;
    uint8_t other[60] = {[12] = 8};
    struct shape_verdict verdict;

    (void)state;
    shape_decide(&shape, 5, frame_bytes, sizeof(frame_bytes), 0, &verdict);
    assert_int_equal(verdict.fate, SHAPE_LOSE);
    shape_decide(&shape, 5, other, sizeof(other), 0, &verdict);
    assert_int_equal(verdict.fate, SHAPE_SEND);
    assert_int_equal(verdict.due_ns, 5);
    impairment.only = bad;
    assert_int_equal(shape_set(&shape, &impairment, 0, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), bad));
    assert_string_equal(shape.impairment.only, filter);
    shape_done(&shape);
}

static void test_less_delay_does_not_reorder(void **state)
{
    struct impairment impairment = {.delay_ns = 100 * MS};
    struct shape shape = make_shape(&impairment, 0);
    struct shape_verdict first, second, third;

    (void)state;
    shape_decide(&shape, 1000 * MS, frame_bytes, 60, 0, &first);
    impairment.delay_ns = 0;
    assert_int_equal(shape_set(&shape, &impairment, 0, NULL), 0);
    shape_decide(&shape, 1001 * MS, frame_bytes, 60, 0, &second);
    shape_decide(&shape, 1200 * MS, frame_bytes, 60, 0, &third);
    assert_int_equal(first.due_ns, 1100 * MS);
    assert_int_equal(second.due_ns, 1100 * MS);
    assert_int_equal(third.due_ns, 1200 * MS);
    shape_done(&shape);
}

/* ---- a real one ---- */

struct lab {
    char dir[64];
    char *fabric_socket, *wire_socket;
    struct node nodes[2];
    struct link link;
    struct topology topology;
    struct fabric_plan *plan;
    struct fabric *fabric;
    struct wire *wire;
    int taps[2];
};

static void give_link(struct lab *lab, const struct impairment *impairment)
{
    const struct impairment both[2] = {*impairment, *impairment};
    _cleanup_error_ struct error err = ERROR_INIT;
    int fds[2];

    assert_int_equal(fabric_wire_taps(lab->fabric, lab->plan, 0, fds, &err), 0);
    if (wire_set(lab->wire, 0, fds, both, NULL, &err) < 0)
        fail_msg("%s", error_message(&err));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;

    *state = lab;
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-wire-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    lab->fabric_socket = path_join(lab->dir, "fabric.sock");
    lab->wire_socket = path_join(lab->dir, "wire.sock");
    lab->nodes[0] = (struct node){.name = (char *)(uintptr_t) "a", .nics = 1};
    lab->nodes[1] = (struct node){.name = (char *)(uintptr_t) "b", .nics = 1};
    lab->link =
        (struct link){.name = (char *)(uintptr_t) "wan", .ends = {{.node = 0}, {.node = 1}}};
    lab->topology = (struct topology){
        .nodes = lab->nodes, .node_count = 2, .links = &lab->link, .link_count = 1};
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), 0);
    lab->plan->links[0].wire = FABRIC_WIRE_ACTIVE;
    if (fabric_start(lab->fabric_socket, -1, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    if (fabric_apply(lab->fabric, lab->plan, &err) < 0 ||
        wire_start(lab->fabric, lab->wire_socket, 2, &lab->wire, &err) < 0)
        fail_msg("%s", error_message(&err));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], &err), 0);
    give_link(lab, &(struct impairment){.delay_ns = 0});
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    if (lab->fabric) {
        assert_int_equal(wire_stop(lab->wire, NULL), 0);
        assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
        (void)close(lab->taps[0]);
        (void)close(lab->taps[1]);
    }
    fabric_plan_free(lab->plan);
    free(lab->fabric_socket);
    free(lab->wire_socket);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return 0;
}

static void send_number(int tap, uint32_t number)
{
    uint8_t frame[VNET_HEADER + 100] = {0};

    memcpy(frame + VNET_HEADER, frame_bytes, 14);
    memcpy(frame + VNET_HEADER + 14, &number, 4);
    assert_int_equal(write(tap, frame, sizeof(frame)), sizeof(frame));
}

static int64_t receive_number(int tap, int timeout_ms, size_t *ret_size)
{
    struct pollfd item = {.fd = tap, .events = POLLIN};
    uint8_t frame[2048];

    while (poll(&item, 1, timeout_ms) == 1) {
        ssize_t n = read(tap, frame, sizeof(frame));
        uint32_t number;

        if (n < VNET_HEADER + 18 || frame[VNET_HEADER + 12] != 0x88)
            continue;
        memcpy(&number, frame + VNET_HEADER + 14, 4);
        if (ret_size)
            *ret_size = (size_t)n - VNET_HEADER;
        return number;
    }
    return -1;
}

#define needs_fabric(lab)                                                                          \
    do {                                                                                           \
        if (!(lab)->fabric)                                                                        \
            skip();                                                                                \
    } while (0)

static void test_delay_is_kept(void **state)
{
    struct lab *lab = *state;
    struct wire_stats stats[2];
    uint64_t worst = 0;

    needs_fabric(lab);
    give_link(lab, &(struct impairment){.delay_ns = 20 * MS});
    for (uint32_t i = 0; i < 10; i++) {
        uint64_t sent = wire_now(), took;

        send_number(lab->taps[i % 2], i);
        assert_int_equal(receive_number(lab->taps[(i + 1) % 2], 5000, NULL), i);
        took = wire_now() - sent;
        assert_true(took >= 20 * MS);
        worst = took > worst ? took : worst;
    }
    print_message("20 ms took at most %.3f ms\n", (double)worst / MS);
    assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
    assert_int_equal(stats[0].frames, 5);
    assert_int_equal(stats[1].sent_frames, 5);
    assert_int_equal(stats[0].queue_frames, 0);
}

/* A long delay holds many frames at once: all of them arrive, in order, with the delay once. */
static void test_delay_does_not_throttle(void **state)
{
    struct lab *lab = *state;
    struct wire_stats stats[2];
    uint64_t start;

    needs_fabric(lab);
    give_link(lab, &(struct impairment){.delay_ns = 300 * MS});
    start = wire_now();
    for (uint32_t i = 0; i < 400; i++)
        send_number(lab->taps[0], i);
    for (uint32_t i = 0; i < 400; i++)
        assert_int_equal(receive_number(lab->taps[1], 5000, NULL), i);
    assert_true(wire_now() - start >= 300 * MS);
    assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
    assert_int_equal(stats[0].frames, 400);
    assert_int_equal(stats[0].sent_frames, 400);
    assert_int_equal(stats[0].lost + stats[0].queue_dropped, 0);
}

/* Frames that a sender had all the time for fall due together when the wire or the receiver has to
 * wait for a processor: the receiver's tap has room for them. */
static void test_many_due_at_once(void **state)
{
    enum { MANY = 4000 };
    struct lab *lab = *state;
    struct process_id process;
    struct wire_stats stats[2] = {{0}};

    needs_fabric(lab);
    process = wire_process(lab->wire);
    give_link(lab, &(struct impairment){.delay_ns = 1000});
    assert_int_equal(kill(process.pid, SIGSTOP), 0);
    for (uint32_t i = 0; i < MANY; i++)
        send_number(lab->taps[0], i);
    assert_int_equal(kill(process.pid, SIGCONT), 0);
    while (stats[0].sent_frames < MANY) {
        assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
        assert_int_equal(stats[0].queue_dropped, 0);
    }
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(receive_number(lab->taps[1], 5000, NULL), i);
}

#define TSO_HEAD    54
#define TSO_PAYLOAD 4000
#define TSO_SIZE    (VNET_HEADER + TSO_HEAD + TSO_PAYLOAD)

/* A super-frame as a guest with TSO sends it: 4000 bytes, to be taken apart into three frames. */
static void make_super_frame(uint8_t frame[TSO_SIZE])
{
    static const uint8_t header[VNET_HEADER] = {1 /* checksum is to do */,
                                                1 /* TCP over IPv4 */,
                                                TSO_HEAD,
                                                0,
                                                0xb4,
                                                0x05 /* 1460 */,
                                                34,
                                                0,
                                                16,
                                                0};
    static const uint8_t head[34] = {2,
                                     0,
                                     0,
                                     0,
                                     0,
                                     1,
                                     2,
                                     0,
                                     0,
                                     0,
                                     0,
                                     2,
                                     8,
                                     0,
                                     0x45,
                                     0,
                                     (40 + TSO_PAYLOAD) >> 8,
                                     (40 + TSO_PAYLOAD) & 255,
                                     0,
                                     1,
                                     0x40,
                                     0,
                                     64,
                                     6,
                                     0,
                                     0,
                                     10,
                                     0,
                                     0,
                                     1,
                                     10,
                                     0,
                                     0,
                                     2};

    memset(frame, 0, TSO_SIZE);
    memcpy(frame, header, sizeof(header));
    memcpy(frame + VNET_HEADER, head, sizeof(head));
    frame[VNET_HEADER + 35] = 80;
    frame[VNET_HEADER + 46] = 5 << 4;
    frame[VNET_HEADER + 47] = 0x10;
    for (size_t i = 0; i < TSO_PAYLOAD; i++)
        frame[VNET_HEADER + TSO_HEAD + i] = (uint8_t)(i * 7);
}

/* take_part() - The next TCP frame from a tap. Return: bytes of its payload */
static size_t take_part(int tap, uint8_t *frame, size_t room)
{
    struct pollfd item = {.fd = tap, .events = POLLIN};

    for (;;) {
        ssize_t n;

        assert_int_equal(poll(&item, 1, 5000), 1);
        n = read(tap, frame, room);
        if (n > VNET_HEADER + TSO_HEAD && frame[VNET_HEADER + 12] == 8)
            return (size_t)n - VNET_HEADER - TSO_HEAD;
    }
}

/* With nothing but a delay a super-frame is carried whole, and counted as what it is on a cable;
 * where frames are decided about one by one, they are taken apart before. In the midst of changes
 * no byte is lost. */
static void test_super_frames(void **state)
{
    static uint8_t sent[TSO_SIZE], got[TSO_SIZE + 2000];
    struct lab *lab = *state;
    struct wire_stats stats[2];

    needs_fabric(lab);
    make_super_frame(sent);
    /* What the guest at the other end can take, as its QEMU would say. */
    assert_int_equal(ioctl(lab->taps[1], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4), 0);
    give_link(lab, &(struct impairment){.delay_ns = MS});
    assert_int_equal(write(lab->taps[0], sent, sizeof(sent)), sizeof(sent));
    assert_int_equal(take_part(lab->taps[1], got, sizeof(got)), TSO_PAYLOAD);
    assert_int_equal(got[1], 1);
    assert_memory_equal(got + VNET_HEADER + TSO_HEAD, sent + VNET_HEADER + TSO_HEAD, TSO_PAYLOAD);
    assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
    assert_int_equal(stats[0].frames, 3);
    assert_int_equal(stats[0].bytes, TSO_PAYLOAD + 3 * TSO_HEAD);
    assert_int_equal(stats[0].sent_bytes, stats[0].bytes);

    /* One that waits in the wire stays whole; those after it do not. */
    for (int round = 0; round < 20; round++) {
        const struct impairment one = {.delay_ns = MS, .jitter_ns = round % 2 ? 0 : 100000};
        const struct impairment both[2] = {one, one};
        size_t payload = 0, parts = 0;

        assert_int_equal(write(lab->taps[0], sent, sizeof(sent)), sizeof(sent));
        assert_int_equal(wire_set(lab->wire, 0, NULL, both, NULL, NULL), 0);
        assert_int_equal(write(lab->taps[0], sent, sizeof(sent)), sizeof(sent));
        while (payload < 2 * TSO_PAYLOAD) {
            size_t n = take_part(lab->taps[1], got, sizeof(got));
            size_t at = payload % TSO_PAYLOAD;

            assert_true(at + n <= TSO_PAYLOAD);
            assert_memory_equal(got + VNET_HEADER + TSO_HEAD, sent + VNET_HEADER + TSO_HEAD + at,
                                n);
            assert_true(n == TSO_PAYLOAD ? got[1] == 1 : got[0] == 0 && got[1] == 0);
            payload += n;
            parts++;
        }
        assert_int_equal(payload, 2 * TSO_PAYLOAD);
        assert_int_equal(parts, 4);
    }
    assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
    assert_int_equal(stats[0].frames, 3 + 20 * 6);
    assert_int_equal(stats[0].queue_frames, 0);
}

static void test_values_change_while_frames_wait(void **state)
{
    const struct impairment plain[2] = {0};
    struct lab *lab = *state;
    bool idle = false;

    needs_fabric(lab);
    give_link(lab, &(struct impairment){.delay_ns = 2000 * MS});
    for (uint32_t i = 0; i < 50; i++)
        send_number(lab->taps[0], i);
    assert_int_equal(wire_set(lab->wire, 0, NULL, plain, NULL, NULL), 0);
    assert_int_equal(wire_idle(lab->wire, 0, &idle, NULL), 0);
    assert_false(idle);
    for (uint32_t i = 50; i < 100; i++)
        send_number(lab->taps[0], i);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(receive_number(lab->taps[1], 5000, NULL), i);
    while (!idle)
        assert_int_equal(wire_idle(lab->wire, 0, &idle, NULL), 0);
    /* What waits when the link is taken off arrives at once. */
    give_link(lab, &(struct impairment){.delay_ns = 60000 * MS});
    send_number(lab->taps[1], 7);
    while (idle)
        assert_int_equal(wire_idle(lab->wire, 0, &idle, NULL), 0);
    assert_int_equal(wire_remove(lab->wire, 0, NULL), 0);
    assert_int_equal(receive_number(lab->taps[0], 5000, NULL), 7);
    assert_int_equal(wire_remove(lab->wire, 0, NULL), -ENOENT);
}

/* A delay that comes and goes under a steady stream: nobody overtakes. */
static void test_order_while_delay_changes(void **state)
{
    struct lab *lab = *state;
    uint32_t sent = 0, received = 0;

    needs_fabric(lab);
    for (int round = 0; round < 60; round++) {
        const struct impairment some = {.delay_ns =
                                            round % 2 ? 0 : 100000 + (uint64_t)round * 7000};
        const struct impairment both[2] = {some, some};

        for (int i = 0; i < 100; i++)
            send_number(lab->taps[0], sent++);
        assert_int_equal(wire_set(lab->wire, 0, NULL, both, NULL, NULL), 0);
        for (int i = 0; i < 100; i++)
            send_number(lab->taps[0], sent++);
        while (received < sent)
            assert_int_equal(receive_number(lab->taps[1], 5000, NULL), received++);
    }
}

/* A frame to each reserved address passes the wire as it would a cable, PAUSE included. */
/* Frames that are on their way when a cable goes dark do not arrive. The wire has to be told: its
 * packet socket leads past the filters that the fabric takes away. */
static void test_dark_cable(void **state)
{
    const struct impairment later = {.delay_ns = 50 * MS}, both[2] = {later, later};
    struct lab *lab = *state;
    struct wire_stats stats[2];

    needs_fabric(lab);
    for (int told = 0; told < 2; told++) {
        const bool dark[2] = {told != 0, false};

        give_link(lab, &later);
        for (uint32_t i = 0; i < 5; i++)
            send_number(lab->taps[0], i);
        do
            assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
        while (stats[0].frames < 5);
        lab->plan->links[0].dark[0] = true;
        assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
        assert_int_equal(wire_set(lab->wire, 0, NULL, both, dark, NULL), 0);
        send_number(lab->taps[0], 5);
        for (uint32_t i = 0; i < 5 && !told; i++)
            assert_int_equal(receive_number(lab->taps[1], 5000, NULL), i);
        do
            assert_int_equal(wire_stats(lab->wire, 0, stats, NULL), 0);
        while (stats[0].queue_frames > 0);
        assert_int_equal(receive_number(lab->taps[1], 20, NULL), -1);
        send_number(lab->taps[1], 7);
        assert_int_equal(receive_number(lab->taps[0], 5000, NULL), 7);
        lab->plan->links[0].dark[0] = false;
        assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
        assert_int_equal(wire_set(lab->wire, 0, NULL, both, NULL, NULL), 0);
        send_number(lab->taps[0], 6);
        assert_int_equal(receive_number(lab->taps[1], 5000, NULL), 6);
        assert_int_equal(wire_remove(lab->wire, 0, NULL), 0);
    }
}

static void test_reserved_addresses(void **state)
{
    struct lab *lab = *state;

    needs_fabric(lab);
    for (uint8_t last = 0; last < 32; last++) {
        const unsigned from = last & 1;
        uint8_t frame[VNET_HEADER + 64] = {0}, got[256];
        const uint8_t head[] = {0x01, 0x80, 0xc2, 0, 0, last / 2, 2, 0, 0, 0, 0, 5, 0x88, 0x08};
        struct pollfd item = {.fd = lab->taps[!from], .events = POLLIN};

        memcpy(frame + VNET_HEADER, head, sizeof(head));
        assert_int_equal(write(lab->taps[from], frame, sizeof(frame)), sizeof(frame));
        if (poll(&item, 1, 5000) != 1)
            fail_msg("01:80:c2:00:00:%02x does not pass the wire", last / 2);
        assert_int_equal(read(lab->taps[!from], got, sizeof(got)), sizeof(frame));
        assert_memory_equal(got + VNET_HEADER, frame + VNET_HEADER, sizeof(frame) - VNET_HEADER);
    }
}

/* Runts come out as long as a cable makes them. */
static void test_runts_are_padded(void **state)
{
    uint8_t runt[VNET_HEADER + 20] = {0};
    struct lab *lab = *state;
    size_t size = 0;

    needs_fabric(lab);
    memcpy(runt + VNET_HEADER, frame_bytes, 14);
    assert_int_equal(write(lab->taps[0], runt, sizeof(runt)), sizeof(runt));
    assert_int_equal(receive_number(lab->taps[1], 5000, &size), 0);
    assert_int_equal(size, 60);
}

/* One wire is killed with frames on their way, another takes the taps: what waited in them arrives.
 */
static void test_another_wire_takes_over(void **state)
{
    struct lab *lab = *state;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct process_id process;
    struct pollfd item = {.events = POLLIN};

    needs_fabric(lab);
    process = wire_process(lab->wire);
    item.fd = process_open(&process);
    assert_true(item.fd >= 0);
    assert_int_equal(kill(process.pid, SIGSTOP), 0);
    for (uint32_t i = 0; i < 300; i++)
        send_number(lab->taps[0], i);
    assert_int_equal(kill(process.pid, SIGKILL), 0);
    assert_int_equal(poll(&item, 1, 5000), 1);
    wire_close(lab->wire);
    if (wire_start(lab->fabric, lab->wire_socket, 2, &lab->wire, &err) < 0)
        fail_msg("%s", error_message(&err));
    (void)close(item.fd);
    give_link(lab, &(struct impairment){.delay_ns = MS});
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(receive_number(lab->taps[1], 5000, NULL), i);
}

static void test_bad_requests(void **state)
{
    char nonsense[] = "no such (filter";
    const struct impairment wrong[2] = {{.only = nonsense}, {.only = nonsense}};
    struct lab *lab = *state;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int other = -1;
    struct wire *again = NULL;
    char junk[100] = "junk";

    needs_fabric(lab);
    assert_int_equal(wire_set(lab->wire, 0, NULL, wrong, NULL, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), nonsense));
    assert_int_equal(wire_set(lab->wire, 99, NULL, (struct impairment[2]){{0}}, NULL, NULL),
                     -ENOENT);
    /* Garbage gets an answer, a client that leaves is forgotten, the next one is served. */
    other = socket_connect(lab->wire_socket, SOCK_SEQPACKET, NULL);
    assert_true(other >= 0);
    assert_int_equal(send(other, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
    assert_true(recv(other, junk, sizeof(junk), 0) > 0);
    assert_int_equal(wire_connect(lab->wire_socket, &again, NULL), 0);
    wire_close(lab->wire);
    lab->wire = again;
    send_number(lab->taps[0], 5);
    assert_int_equal(receive_number(lab->taps[1], 5000, NULL), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chances),
        cmocka_unit_test(test_no_loss_loses_none),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_less_delay_does_not_reorder),
        cmocka_unit_test_setup_teardown(test_delay_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delay_does_not_throttle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_due_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_super_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_change_while_frames_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_while_delay_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dark_cable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserved_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runts_are_padded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_wire_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
