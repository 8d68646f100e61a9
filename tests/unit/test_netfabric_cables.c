// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_base

/* Cables that change while frames are on them: dark one way, through the wire's taps and back;
 * names that stay when nodes come and go; ways out of the namespace. The fabric is real, the frames
 * too. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netfabric/fabric.h"

#define VNET_HEADER 10
#define FRAMES      6000u
#define WINDOW      200u

/* Two nodes, a cable between them. */
struct lab {
    char dir[64];
    char *socket;
    struct node nodes[2];
    struct link link;
    struct topology topology;
    struct fabric_plan *plan;
    struct fabric *fabric;
    int taps[2];
};

/* What a frame is: addresses, type, and a number to know it by. */
struct frame {
    uint8_t vnet[VNET_HEADER];
    uint8_t to[6], from[6];
    uint16_t type;
    uint8_t number[4];
    uint8_t rest[60];
};

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;

    *state = lab;
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-cables-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    lab->socket = path_join(lab->dir, "fabric.sock");
    lab->nodes[0] = (struct node){.name = (char *)(uintptr_t) "a", .nics = 1};
    lab->nodes[1] = (struct node){.name = (char *)(uintptr_t) "b", .nics = 1};
    lab->link =
        (struct link){.name = (char *)(uintptr_t) "cable", .ends = {{.node = 0}, {.node = 1}}};
    lab->topology = (struct topology){
        .nodes = lab->nodes, .node_count = 2, .links = &lab->link, .link_count = 1};
    lab->taps[0] = lab->taps[1] = -1;
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), 0);
    if (fabric_start(lab->socket, -1, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    if (fabric_apply(lab->fabric, lab->plan, &err) < 0)
        fail_msg("%s", error_message(&err));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], &err), 0);
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    for (size_t i = 0; i < 2; i++)
        cleanup_close(&lab->taps[i]);
    if (lab->fabric)
        assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
    fabric_plan_free(lab->plan);
    free(lab->socket);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return 0;
}

static void send_number(int tap, uint32_t number)
{
    struct frame frame = {.to = {2, 0, 0, 0, 0, 1}, .from = {2, 0, 0, 0, 0, 2}, .type = 0xb588};

    memcpy(frame.number, &number, sizeof(number));
    assert_int_equal(write(tap, &frame, sizeof(frame)), sizeof(frame));
}

/* The next of our frames from a tap; -1 if there is none within @timeout_ms. */
static int64_t receive_number(int tap, int timeout_ms)
{
    struct pollfd item = {.fd = tap, .events = POLLIN};
    struct frame frame;

    while (poll(&item, 1, timeout_ms) == 1) {
        uint32_t number;

        if (read(tap, &frame, sizeof(frame)) != sizeof(frame) || frame.type != 0xb588)
            continue;
        memcpy(&number, frame.number, sizeof(number));
        return number;
    }
    return -1;
}

static void test_dark_one_way(void **state)
{
    struct lab *lab = *state;

    if (!lab->fabric)
        skip();
    lab->plan->links[0].dark[0] = true;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    send_number(lab->taps[0], 1);
    send_number(lab->taps[1], 2);
    assert_int_equal(receive_number(lab->taps[0], 2000), 2);
    assert_int_equal(receive_number(lab->taps[1], 20), -1);
    lab->plan->links[0].dark[0] = false;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    send_number(lab->taps[0], 3);
    assert_int_equal(receive_number(lab->taps[1], 2000), 3);
}

/* A child sends numbered frames, as many at a time as it has credits for. */
static pid_t start_sender(int tap, int credits)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        for (uint32_t i = 0; i < FRAMES; i++) {
            struct frame frame = {.to = {2, 0, 0, 0, 0, 1}, .type = 0xb588};
            char credit;

            memcpy(frame.number, &i, sizeof(i));
            if (read(credits, &credit, 1) != 1 || write(tap, &frame, sizeof(frame)) < 0)
                _exit(1);
        }
        _exit(0);
    }
    return pid;
}

/* Pass on what waits in a tap of the wire, as the wire process would. */
static void forward(int from, int to)
{
    char data[2048];
    ssize_t n;

    while ((n = read(from, data, sizeof(data))) > 0)
        assert_int_equal(write(to, data, (size_t)n), n);
}

static void test_no_frame_is_lost_by_changing_over(void **state)
{
    static const enum fabric_wire round[] = {FABRIC_WIRE_READY, FABRIC_WIRE_ACTIVE,
                                             FABRIC_WIRE_READY};
    struct lab *lab = *state;
    _cleanup_free_ bool *seen = NULL;
    uint32_t count = 0, changes = 0, through_wire = 0;
    int credits[2], wires[2] = {-1, -1}, status;
    pid_t sender;

    if (!lab->fabric)
        skip();
    seen = calloc(FRAMES, sizeof(bool)); /* skip() leaves without cleaning up */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, credits), 0);
    sender = start_sender(lab->taps[0], credits[0]);
    for (uint32_t i = 0; i < WINDOW; i++)
        assert_int_equal(write(credits[1], "", 1), 1);
    while (count < FRAMES) {
        struct pollfd items[2] = {{.fd = lab->taps[1], .events = POLLIN},
                                  {.fd = wires[0], .events = POLLIN}};
        int64_t number;

        if (count / 200 > changes) {
            lab->plan->links[0].wire = round[changes++ % ARRAY_SIZE(round)];
            assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
            if (wires[0] < 0)
                assert_int_equal(fabric_wire_taps(lab->fabric, lab->plan, 0, wires, NULL), 0);
        }
        assert_true(poll(items, 2, 5000) > 0);
        through_wire += (items[1].revents & POLLIN) != 0;
        if (items[1].revents & POLLIN)
            forward(wires[0], wires[1]);
        while ((number = receive_number(lab->taps[1], 0)) >= 0) {
            assert_in_range(number, 0, FRAMES - 1);
            assert_false(seen[number]);
            seen[number] = true;
            count++;
            assert_int_equal(write(credits[1], "", 1), 1);
        }
    }
    assert_true(through_wire > 0);
    assert_int_equal(waitpid(sender, &status, 0), sender);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        (void)close(wires[i]);
        (void)close(credits[i]);
    }
    lab->plan->links[0].wire = FABRIC_WIRE_NONE;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    send_number(lab->taps[1], 7);
    assert_int_equal(receive_number(lab->taps[0], 2000), 7);
}

/* The wire's taps give what a cable would, unless told otherwise: a super-frame of a guest comes
 * segmented and with checksums. */
static void test_the_wire_sees_segments(void **state)
{
    struct lab *lab = *state;
    uint8_t frame[VNET_HEADER + 14 + 20 + 20 + 4000] = {1 /* checksum is needed */,
                                                        1 /* TCP over IPv4 */,
                                                        54,
                                                        0,
                                                        0xb4,
                                                        0x05 /* 1460 */,
                                                        34,
                                                        0,
                                                        16,
                                                        0};
    uint8_t *ip = frame + VNET_HEADER + 14, *tcp = ip + 20;
    uint8_t part[3000];
    int wires[2], parts = 0;
    size_t payload = 0;

    if (!lab->fabric)
        skip();
    memcpy(frame + VNET_HEADER, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, 14);
    memcpy(ip, (uint8_t[]){0x45,
                           0,
                           (40 + 4000) >> 8,
                           (40 + 4000) & 255,
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
                           2},
           20);
    tcp[1] = 80;
    tcp[12] = 5 << 4;
    tcp[13] = 0x10;
    lab->plan->links[0].wire = FABRIC_WIRE_ACTIVE;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    assert_int_equal(fabric_wire_taps(lab->fabric, lab->plan, 0, wires, NULL), 0);
    assert_int_equal(write(lab->taps[0], frame, sizeof(frame)), sizeof(frame));
    while (payload < 4000) {
        struct pollfd item = {.fd = wires[0], .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&item, 1, 2000), 1);
        n = read(wires[0], part, sizeof(part)) - VNET_HEADER;
        assert_in_range(n, 55, 14 + 1500);
        payload += (size_t)n - 54;
        assert_int_equal(part[0] & 1, 0); /* the TCP checksum is there */
        assert_true(part[VNET_HEADER + 50] != 0 || part[VNET_HEADER + 51] != 0);
        parts++;
    }
    assert_int_equal(payload, 4000);
    assert_int_equal(parts, 3);
    (void)close(wires[0]);
    (void)close(wires[1]);
}

static void test_names_stay(void **state)
{
    struct node nodes[3] = {{.name = (char *)(uintptr_t) "b", .nics = 1},
                            {.name = (char *)(uintptr_t) "new", .nics = 2},
                            {.name = (char *)(uintptr_t) "a", .nics = 3}};
    struct lan lans[2] = {{.name = (char *)(uintptr_t) "x"}, {.name = (char *)(uintptr_t) "y"}};
    struct topology topology = {.nodes = nodes, .node_count = 3, .lans = lans, .lan_count = 2};
    struct lab *lab = *state;
    struct fabric_plan *first, *second;

    assert_int_equal(fabric_plan_make(&topology, lab->plan, &first, NULL), 0);
    assert_string_equal(first->taps[0].ifname, "t1.0"); /* b */
    assert_string_equal(first->taps[1].ifname, "t2.0"); /* new */
    assert_string_equal(first->taps[2].ifname, "t2.1");
    assert_string_equal(first->taps[3].ifname, "t0.0"); /* a, with more NICs than before */
    assert_string_equal(first->taps[5].ifname, "t0.2");
    assert_string_equal(first->segments[1].ifname, "b1");
    topology.lans = lans + 1;
    topology.lan_count = 1;
    topology.nodes = nodes + 1;
    topology.node_count = 1;
    assert_int_equal(fabric_plan_make(&topology, first, &second, NULL), 0);
    assert_string_equal(second->segments[0].ifname, "b1");
    assert_string_equal(second->taps[1].ifname, "t2.1");
    fabric_plan_free(first);
    fabric_plan_free(second);
}

/* run() - A command line of the test's own, in this process's namespace. */
static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* In a child in a network namespace of its own, which stands for the machine. */
static int outside_world(struct lab *lab)
{
    struct endpoint end = {.node = 1};
    struct uplink uplinks[3] = {{.name = (char *)(uintptr_t) "up",
                                 .type = UPLINK_BRIDGE,
                                 .ends = &end,
                                 .end_count = 1,
                                 .interface = (char *)(uintptr_t) "hostbr"},
                                {.name = (char *)(uintptr_t) "far",
                                 .type = UPLINK_VXLAN,
                                 .remote = (char *)(uintptr_t) "192.0.2.2",
                                 .vni = 7},
                                {.name = (char *)(uintptr_t) "inet", .type = UPLINK_NAT}};
    struct fabric_plan *plan, *before;
    int tap = -1;

    run("ip link set lo up; ip link add hostbr type bridge; ip link set hostbr up");
    run("ip link add v0 type veth peer name v1; ip link set v0 master hostbr up; ip link set v1 "
        "up");
    lab->topology.link_count = 0;
    lab->topology.uplinks = uplinks;
    lab->topology.uplink_count = 3;
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &plan, NULL), 0);
    assert_int_equal(fabric_start(lab->socket, -1, &lab->fabric, NULL), 0);
    {
        _cleanup_error_ struct error err = ERROR_INIT;

        if (fabric_apply(lab->fabric, plan, &err) < 0)
            fail_msg("%s", error_message(&err));
    }
    assert_int_equal(fabric_taps(lab->fabric, plan, 1, &tap, NULL), 0);
    /* A port of the bridge outside is there, and what the guest sends goes through it. */
    run("test $(ip -o link show master hostbr | wc -l) = 2");
    send_number(tap, 1);
    send_number(tap, 2);
    run("bridge fdb show br hostbr | grep -q ^02:00:00:00:00:02");
    uplinks[0].interface = (char *)(uintptr_t) "nosuch";
    uplinks[0].name = (char *)(uintptr_t) "other";
    before = plan;
    assert_int_equal(fabric_plan_make(&lab->topology, before, &plan, NULL), 0);
    fabric_plan_free(before);
    {
        _cleanup_error_ struct error err = ERROR_INIT;

        assert_true(fabric_apply(lab->fabric, plan, &err) < 0);
        assert_non_null(strstr(error_message(&err), "nosuch"));
    }
    assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
    lab->fabric = NULL;
    (void)close(tap);
    fabric_plan_free(plan);
    /* All that is left of it is what was there before. */
    run("test $(ip -o link show master hostbr | wc -l) = 1");
    return 0;
}

static void test_ways_out(void **state)
{
    struct lab *lab = *state;
    int status;
    pid_t pid;

    if (!lab->fabric || geteuid() != 0) {
        print_message("SKIP: uplinks to the host's interfaces need root\n");
        skip();
    }
    assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
    lab->fabric = NULL;
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) < 0)
            _exit(77);
        _exit(outside_world(lab));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("SKIP: this root may not make network namespaces\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dark_one_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_frame_is_lost_by_changing_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_wire_sees_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ways_out, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
