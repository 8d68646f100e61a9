// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_base

/* A real fabric process in real namespaces: this test holds the taps as QEMU would, sends frames
 * into one and reads what comes out of another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netfabric/fabric.h"

#define VNET_HEADER 10
#define FRAME_MAX   10000

/* Nodes 0 to 5 with a NIC each: 0-1 and 2-3 by cables, 4 and 5 (and 3's second NIC) on a segment.
 */
enum { NODES = 6 };

struct lab {
    char dir[64];
    char *socket;
    struct topology topology;
    struct node nodes[NODES];
    struct link links[2];
    struct endpoint lan_ends[2];
    struct lan lan;
    struct fabric_plan *plan;
    struct fabric *fabric;
    int taps[NODES];
};

static int lab_setup(void **state)
{
    static const char *const names[NODES] = {"a", "b", "c", "d", "e", "f"};
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;

    *state = lab;
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-fabric-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    lab->socket = path_join(lab->dir, "fabric.sock");
    for (size_t i = 0; i < NODES; i++) {
        lab->nodes[i] = (struct node){.name = (char *)(uintptr_t)names[i], .nics = 1};
        lab->taps[i] = -1;
    }
    for (size_t i = 0; i < 2; i++)
        lab->links[i] =
            (struct link){.name = (char *)(uintptr_t)(i ? "two" : "one"),
                          .ends = {{.node = 2 * i, .port = (char *)(uintptr_t) "eth0"},
                                   {.node = 2 * i + 1, .port = (char *)(uintptr_t) "eth0"}}};
    for (size_t i = 0; i < 2; i++)
        lab->lan_ends[i] = (struct endpoint){.node = 4 + i, .port = (char *)(uintptr_t) "eth0"};
    lab->lan =
        (struct lan){.name = (char *)(uintptr_t) "core", .ends = lab->lan_ends, .end_count = 2};
    lab->topology = (struct topology){.nodes = lab->nodes,
                                      .node_count = NODES,
                                      .links = lab->links,
                                      .link_count = 2,
                                      .lans = &lab->lan,
                                      .lan_count = 1};
    assert_int_equal(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), 0);
    if (fabric_start(lab->socket, -1, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    if (fabric_apply(lab->fabric, lab->plan, &err) < 0)
        fail_msg("%s", error_message(&err));
    for (size_t i = 0; i < NODES; i++)
        if (fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], &err) < 0)
            fail_msg("%s", error_message(&err));
    return 0;
}

static int lab_teardown(void **state)
{
    struct lab *lab = *state;
    int r = 0;

    for (size_t i = 0; i < NODES; i++)
        cleanup_close(&lab->taps[i]);
    if (lab->fabric) {
        struct process_id process = fabric_process(lab->fabric);

        r = fabric_stop(lab->fabric, NULL);
        assert_false(process_alive(&process));
        assert_false(file_exists(lab->socket));
    }
    fabric_plan_free(lab->plan);
    free(lab->socket);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return r;
}

#define needs_fabric(lab)                                                                          \
    do {                                                                                           \
        if (!(lab)->fabric)                                                                        \
            skip();                                                                                \
    } while (0)

/* A frame as a guest hands it to its tap. */
static void send_frame(int tap, const uint8_t *frame, size_t size)
{
    uint8_t buffer[VNET_HEADER + FRAME_MAX] = {0};

    memcpy(buffer + VNET_HEADER, frame, size);
    assert_int_equal(write(tap, buffer, VNET_HEADER + size), VNET_HEADER + size);
}

/* The next frame out of a tap. Return: its size, 0 if none came in time. */
static size_t receive_frame(int tap, uint8_t *frame, int timeout_ms)
{
    uint8_t buffer[VNET_HEADER + FRAME_MAX];
    struct pollfd item = {.fd = tap, .events = POLLIN};
    ssize_t n;

    if (poll(&item, 1, timeout_ms) <= 0)
        return 0;
    n = read(tap, buffer, sizeof(buffer));
    assert_true(n > VNET_HEADER);
    memcpy(frame, buffer + VNET_HEADER, (size_t)n - VNET_HEADER);
    return (size_t)n - VNET_HEADER;
}

static size_t make_frame(uint8_t *frame, const uint8_t destination[6], uint16_t type, size_t size)
{
    static const uint8_t source[6] = {0x02, 0, 0, 0, 0, 0x55};

    memcpy(frame, destination, 6);
    memcpy(frame + 6, source, 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    for (size_t i = 14; i < size; i++)
        frame[i] = (uint8_t)(i * 7 + size);
    return size;
}

static bool passes(int from, int to, const uint8_t *frame, size_t size, int timeout_ms)
{
    uint8_t got[FRAME_MAX];
    size_t n;

    send_frame(from, frame, size);
    n = receive_frame(to, got, timeout_ms);
    if (n == 0)
        return false;
    assert_int_equal(n, size);
    assert_memory_equal(got, frame, size);
    return true;
}

static void test_reserved_addresses(void **state)
{
    struct lab *lab = *state;
    uint8_t destination[6] = {0x01, 0x80, 0xc2, 0, 0, 0}, frame[64];

    needs_fabric(lab);
    for (uint8_t last = 0; last < 16; last++) {
        destination[5] = last;
        (void)make_frame(frame, destination, last == 1 ? 0x8808 : 0x0026, sizeof(frame));
        if (!passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), 2000))
            fail_msg("01:80:c2:00:00:%02x does not pass a link", last);
        if (!passes(lab->taps[1], lab->taps[0], frame, sizeof(frame), 2000))
            fail_msg("01:80:c2:00:00:%02x does not pass a link the other way", last);
        /* A segment is a switch: PAUSE ends there. */
        if (passes(lab->taps[4], lab->taps[5], frame, sizeof(frame), last == 1 ? 100 : 2000) !=
            (last != 1))
            fail_msg("01:80:c2:00:00:%02x over a segment", last);
    }
}

static void test_tags_types_and_sizes(void **state)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8848,
                                     0x88cc, 0x888e, 0x9000, 0xffff, 0x0004};
    static const size_t sizes[] = {60, 64, 1514, 1518, 4096, 9000, 9514};
    struct lab *lab = *state;
    uint8_t frame[FRAME_MAX];

    needs_fabric(lab);
    for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            (void)make_frame(frame, broadcast, types[t], sizes[s]);
            if (types[t] == 0x8100 || types[t] == 0x88a8) {
                /* Priority 5, VLAN 100, and for QinQ an inner tag. */
                memcpy(frame + 14, "\xa0\x64\x81\x00\x00\x0a\x08\x00", 8);
            }
            if (!passes(lab->taps[2], lab->taps[3], frame, sizes[s], 2000))
                fail_msg("type %04x, %zu bytes do not pass a link", types[t], sizes[s]);
            if (!passes(lab->taps[5], lab->taps[4], frame, sizes[s], 2000))
                fail_msg("type %04x, %zu bytes do not pass a segment", types[t], sizes[s]);
        }
    }
}

static void test_nothing_of_the_hosts_own(void **state)
{
    struct lab *lab = *state;
    uint8_t frame[FRAME_MAX];

    needs_fabric(lab);
    /* IPv6 would speak within the first seconds of an interface, on all of them. */
    for (size_t i = 0; i < NODES; i++)
        if (receive_frame(lab->taps[i], frame, i ? 0 : 2500) != 0)
            fail_msg("tap %zu got a frame of type %02x%02x that no guest sent", i, frame[12],
                     frame[13]);
}

static void test_cut_and_mended(void **state)
{
    static const uint8_t to[6] = {0x02, 0, 0, 0, 0, 9};
    struct lab *lab = *state;
    uint8_t frame[64];

    needs_fabric(lab);
    (void)make_frame(frame, to, 0x0800, sizeof(frame));
    assert_true(passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), 2000));
    lab->plan->links[0].dark[0] = lab->plan->links[0].dark[1] = true;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    assert_false(passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), 100));
    assert_false(passes(lab->taps[1], lab->taps[0], frame, sizeof(frame), 100));
    assert_true(passes(lab->taps[2], lab->taps[3], frame, sizeof(frame), 2000));
    lab->plan->links[0].dark[0] = lab->plan->links[0].dark[1] = false;
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    assert_true(passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), 2000));
}

static void test_links_outlive_the_process(void **state)
{
    static const uint8_t to[6] = {0x02, 0, 0, 0, 0, 9};
    struct lab *lab = *state;
    struct process_id process;
    uint8_t frame[64];
    int pidfd;
    struct pollfd item = {.events = POLLIN};

    needs_fabric(lab);
    process = fabric_process(lab->fabric);
    pidfd = process_open(&process);
    assert_true(pidfd >= 0);
    assert_int_equal(pidfd_signal(pidfd, SIGKILL), 0);
    item.fd = pidfd;
    assert_int_equal(poll(&item, 1, 5000), 1);
    (void)close(pidfd);
    (void)make_frame(frame, to, 0x0800, sizeof(frame));
    assert_true(passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), 2000));
    assert_true(passes(lab->taps[4], lab->taps[5], frame, sizeof(frame), 2000));
    assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), -EPIPE);
    (void)unlink(lab->socket);
}

/* A stream of numbered frames from one tap to another, which goes on while the fabric changes. */
struct stream {
    int from, to;
    uint32_t sent, received;
    volatile bool stop;
};

static void *stream_main(void *data)
{
    struct stream *stream = data;
    uint8_t buffer[VNET_HEADER + 64] = {0};

    memset(buffer + VNET_HEADER, 0xff, 6);
    buffer[VNET_HEADER + 6] = 2;
    buffer[VNET_HEADER + 12] = 0x88; /* a type for experiments, RFC 5342 */
    buffer[VNET_HEADER + 13] = 0xb5;
    while (!stream->stop || stream->received < stream->sent) {
        struct pollfd item = {.fd = stream->to, .events = POLLIN};
        uint32_t number;

        /* No more than fit into the tap's queue are ever on the way. */
        if (!stream->stop) {
            memcpy(buffer + VNET_HEADER + 20, &stream->sent, sizeof(stream->sent));
            if (write(stream->from, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer))
                stream->sent++;
        }
        if (poll(&item, 1, stream->stop ? 2000 : 1) <= 0) {
            if (stream->stop)
                return NULL; /* lost */
            continue;
        }
        if (read(stream->to, buffer, sizeof(buffer)) != (ssize_t)sizeof(buffer))
            continue;
        memcpy(&number, buffer + VNET_HEADER + 20, sizeof(number));
        if (number == stream->received)
            stream->received++;
    }
    return NULL;
}

static void test_killed_and_replaced(void **state)
{
    struct lab *lab = *state;
    struct stream streams[2];
    pthread_t threads[2];
    uint8_t frame[64];
    int again[1];

    needs_fabric(lab);
    streams[0] = (struct stream){.from = lab->taps[0], .to = lab->taps[1]};
    streams[1] = (struct stream){.from = lab->taps[4], .to = lab->taps[5]};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, stream_main, &streams[i]), 0);
    for (int round = 0; round < 5; round++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct process_id process = fabric_process(lab->fabric);

        assert_int_equal(kill(process.pid, SIGKILL), 0);
        fabric_kill(lab->fabric);
        lab->fabric = NULL;
        assert_false(process_alive(&process));
        /* 2 and 3 are nodes that do not run: nobody has their taps open. */
        cleanup_close(&lab->taps[2]);
        cleanup_close(&lab->taps[3]);
        lab->taps[2] = lab->taps[3] = -1;
        /* Node 5 keeps its tap to itself, as a QEMU that may not be looked into. */
        if (fabric_start_in(lab->socket, -1, lab->taps, 2, &lab->fabric, &err) < 0)
            fail_msg("%s", error_message(&err));
        for (int i = 0; i < 2; i++)
            if (fabric_apply(lab->fabric, lab->plan, &err) < 0)
                fail_msg("%s", error_message(&err));
        for (size_t i = 2; i < 4; i++)
            if (fabric_taps(lab->fabric, lab->plan, i, &lab->taps[i], &err) < 0)
                fail_msg("%s", error_message(&err));
        assert_int_equal(fabric_taps(lab->fabric, lab->plan, 5, again, NULL), -ENODEV);
        (void)make_frame(frame, (uint8_t[]){2, 0, 0, 0, 0, 9}, 0x0800, sizeof(frame));
        assert_true(passes(lab->taps[2], lab->taps[3], frame, sizeof(frame), 2000));
        lab->plan->links[1].dark[0] = lab->plan->links[1].dark[1] = true;
        assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
        assert_false(passes(lab->taps[2], lab->taps[3], frame, sizeof(frame), 100));
        lab->plan->links[1].dark[0] = lab->plan->links[1].dark[1] = false;
        assert_int_equal(fabric_apply(lab->fabric, lab->plan, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        streams[i].stop = true;
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(streams[i].sent > 100);
        if (streams[i].received != streams[i].sent)
            fail_msg("stream %d: %u sent, %u received", i, streams[i].sent, streams[i].received);
    }
    /* The guest on 5 has ended: its tap is there for the next one. */
    cleanup_close(&lab->taps[5]);
    lab->taps[5] = -1;
    assert_int_equal(fabric_taps(lab->fabric, lab->plan, 5, &lab->taps[5], NULL), 0);
    assert_true(passes(lab->taps[4], lab->taps[5], frame, sizeof(frame), 2000));
}

static void test_another_engine_takes_over(void **state)
{
    struct lab *lab = *state;
    struct fabric *second = NULL;
    struct process_id process;

    needs_fabric(lab);
    process = fabric_process(lab->fabric);
    assert_int_equal(fabric_connect(lab->socket, &second, NULL), 0);
    assert_int_equal(fabric_process(second).pid, process.pid);
    assert_int_equal(fabric_apply(second, lab->plan, NULL), 0);
    /* The first one was let go. */
    assert_true(fabric_apply(lab->fabric, lab->plan, NULL) < 0);
    fabric_close(lab->fabric);
    lab->fabric = second;
}

static void test_spawn_runs_inside(void **state)
{
    struct lab *lab = *state;
    const char *argv[] = {"/bin/sh", "-c", "cat /proc/net/dev; exit 7", NULL};
    _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), out = -1, pidfd = -1;
    struct pollfd item = {.events = POLLIN};
    char text[16384];
    int pipe_fds[2];
    ssize_t n, size = 0;
    pid_t pid;

    needs_fabric(lab);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    out = pipe_fds[0];
    assert_int_equal(
        fabric_spawn(lab->fabric, argv, (int[]){null_fd, pipe_fds[1], 2}, 3, &pid, &pidfd, NULL),
        0);
    (void)close(pipe_fds[1]);
    while ((n = read(out, text + size, sizeof(text) - 1 - (size_t)size)) > 0)
        size += n;
    text[size] = 0;
    assert_non_null(strstr(text, "t0.0:"));
    assert_non_null(strstr(text, "b0:"));
    assert_null(strstr(text, "docker"));
    item.fd = pidfd;
    assert_int_equal(poll(&item, 1, 5000), 1);
    /* What cannot be run is told at once. */
    argv[0] = "/nonexistent";
    _cleanup_error_ struct error err = ERROR_INIT;

    assert_int_equal(
        fabric_spawn(lab->fabric, argv, (int[]){null_fd, null_fd, 2}, 3, &pid, &item.fd, &err),
        -ENOENT);
}

/* A line of /proc/PID/status as a number. */
static unsigned long long status_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    return strtoull(at + strlen(name), NULL, 16);
}

/* What a process may do is no more than interfaces need, nor is it for what it starts. */
static void test_rights_are_few(void **state)
{
    const unsigned long long most =
        1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW | 1ULL << CAP_DAC_READ_SEARCH;
    struct lab *lab = *state;
    const char *argv[] = {"/bin/cat", "/proc/self/status", NULL};
    _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), out = -1, pidfd = -1;
    _cleanup_free_ char *path = NULL, *own = NULL;
    char text[16384];
    size_t size = 0;
    int pipe_fds[2];
    ssize_t n;
    pid_t pid;

    needs_fabric(lab);
    path = xasprintf("/proc/%d/status", (int)fabric_process(lab->fabric).pid);
    assert_int_equal(file_read(path, 65536, &own, &size, NULL), 0);
    assert_int_equal(status_of(own, "CapEff:\t") & ~most, 0);
    assert_int_equal(status_of(own, "CapPrm:\t") & ~most, 0);
    assert_int_equal(status_of(own, "CapBnd:\t") & ~most, 0);
    assert_int_equal(status_of(own, "NoNewPrivs:\t"), 1);
    assert_true(status_of(own, "CapEff:\t") & 1ULL << CAP_NET_ADMIN);

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    out = pipe_fds[0];
    assert_int_equal(
        fabric_spawn(lab->fabric, argv, (int[]){null_fd, pipe_fds[1], 2}, 3, &pid, &pidfd, NULL),
        0);
    (void)close(pipe_fds[1]);
    size = 0;
    while ((n = read(out, text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)n;
    text[size] = 0;
    assert_int_equal(status_of(text, "CapEff:\t") & ~most, 0);
    assert_true(status_of(text, "CapEff:\t") & 1ULL << CAP_NET_RAW); /* captures want it */
}

/* A guest that does not read: what its queue has no room for is counted. */
static void test_drops_are_counted(void **state)
{
    static const uint8_t to[6] = {0x02, 0, 0, 0, 0, 9};
    struct lab *lab = *state;
    struct fabric_counts counts;
    const struct fabric_count *a, *b;
    uint8_t frame[64];
    uint64_t waiting = 0;

    needs_fabric(lab);
    (void)make_frame(frame, to, 0x0800, sizeof(frame));
    for (int i = 0; i < 6000; i++)
        send_frame(lab->taps[0], frame, sizeof(frame));
    while (receive_frame(lab->taps[1], frame, 0) > 0)
        waiting++; /* the kernel counts as passed on what was read */
    assert_int_equal(fabric_counts_read(lab->fabric, &counts, NULL), 0);
    a = fabric_counts_find(&counts, "t0.0");
    b = fabric_counts_find(&counts, "t1.0");
    assert_non_null(a);
    assert_non_null(b);
    assert_null(fabric_counts_find(&counts, "t9.9"));
    assert_true(b->dropped >= 1000);
    assert_int_equal(a->dropped, 0);
    assert_int_equal(a->from_guest, 6000);
    assert_int_equal(b->to_guest, waiting);
    assert_int_equal(b->dropped + waiting, 6000);
    fabric_counts_done(&counts);
}

static void test_random_plans(void **state)
{
    static const uint8_t to[6] = {0x02, 0, 0, 0, 0, 9};
    struct lab *lab = *state;
    unsigned seed = 42;
    uint8_t frame[64];

    needs_fabric(lab);
    (void)make_frame(frame, to, 0x0800, sizeof(frame));
    for (int round = 0; round < 60; round++) {
        size_t segments = (size_t)rand_r(&seed) % 2, links = (size_t)rand_r(&seed) % 3;
        struct fabric_plan plan = *lab->plan;

        plan.segment_count = segments;
        plan.link_count = links;
        for (size_t i = 0; i < links; i++)
            plan.links[i].dark[0] = plan.links[i].dark[1] = rand_r(&seed) % 3 == 0;
        assert_int_equal(fabric_apply(lab->fabric, &plan, NULL), 0);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(passes(lab->taps[2 * i], lab->taps[2 * i + 1], frame, sizeof(frame),
                                    i < links && !plan.links[i].dark[0] ? 2000 : 5),
                             i < links && !plan.links[i].dark[0]);
        assert_int_equal(
            passes(lab->taps[4], lab->taps[5], frame, sizeof(frame), segments ? 2000 : 5),
            segments);
    }
    for (size_t i = 0; i < 2; i++)
        lab->plan->links[i].dark[0] = lab->plan->links[i].dark[1] = false;
}

/* The fallback where u32 or mirred is missing: two-port bridges. It is missing for a fabric that
 * takes over as well: one that suddenly has it would hang a place for filters to taps that are in
 * use, and the kernel stops an interface for that. */
static int bridged_setup(void **state)
{
    (void)setenv("LABCTL_FABRIC_NO_REDIRECT", "1", 1);
    return lab_setup(state);
}

static int bridged_teardown(void **state)
{
    (void)unsetenv("LABCTL_FABRIC_NO_REDIRECT");
    return lab_teardown(state);
}

static void test_reserved_addresses_by_bridge(void **state)
{
    struct lab *lab = *state;
    uint8_t destination[6] = {0x01, 0x80, 0xc2, 0, 0, 0}, frame[64];

    needs_fabric(lab);
    for (uint8_t last = 0; last < 16; last++) {
        destination[5] = last;
        (void)make_frame(frame, destination, last == 1 ? 0x8808 : 0x0026, sizeof(frame));
        /* No bridge passes PAUSE; everything else must. */
        if (passes(lab->taps[0], lab->taps[1], frame, sizeof(frame), last == 1 ? 100 : 2000) !=
            (last != 1))
            fail_msg("01:80:c2:00:00:%02x over a two-port bridge", last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reserved_addresses, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_tags_types_and_sizes, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_of_the_hosts_own, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_cut_and_mended, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_links_outlive_the_process, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_killed_and_replaced, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_another_engine_takes_over, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_spawn_runs_inside, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_rights_are_few, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_drops_are_counted, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_random_plans, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(test_reserved_addresses_by_bridge, bridged_setup,
                                        bridged_teardown),
        cmocka_unit_test_setup_teardown(test_killed_and_replaced, bridged_setup, bridged_teardown),
        cmocka_unit_test_setup_teardown(test_tags_types_and_sizes, bridged_setup, bridged_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_of_the_hosts_own, bridged_setup,
                                        bridged_teardown),
        cmocka_unit_test_setup_teardown(test_cut_and_mended, bridged_setup, bridged_teardown),
        cmocka_unit_test_setup_teardown(test_random_plans, bridged_setup, bridged_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
