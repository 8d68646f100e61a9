// SPDX-License-Identifier: GPL-2.0-or-later

/* links_bench scale LINKS | frames ROUNDS | wire - What tests/bench/links runs, in a namespace of
 * its own.
 *
 * scale: make LINKS links and remove them, once by the fabric. Prints two numbers, milliseconds.
 * frames: one process writes frames into a tap as fast as another reads them from the other tap;
 * then single frames go to and fro. Rivals: a labctl link, one that passes through the wire, a
 * redirect made by hand, a bridge made by hand. They are there all the time and take turns. Prints
 * "WHAT RIVAL VALUE" for every measurement. wire: a link with rate=10Mbit, then with delay=10ms.
 * Prints "WHAT VALUE".
 *
 * The taps made by hand, ha0 and ha1, ba0 and ba1, must be there for "frames". */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "netfabric/fabric.h"
#include "netfabric/wire.h"

#define VNET_HEADER 10
#define SECOND      1000000000ull
#define MS          1000000ull
#define FLOOD_NS    (SECOND / 5)
#define WINDOW      256
#define GRANT       32
#define PINGS       1000
#define NICS        4u

enum rival { LABCTL, WIRE, HAND, BRIDGE, RIVALS };
static const char *const rival_names[] = {"labctl", "wire", "hand", "bridge"};

struct frame {
    uint8_t vnet[VNET_HEADER];
    uint8_t to[6], from[6];
    uint8_t type[2];
    uint64_t sent_ns;
    uint8_t rest[9000];
} __attribute__((packed));

/* must() - End with a message if @r is negative: -errno, or -1 with errno set. */
static void must(int r, const struct error *err)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "%s\n", err ? error_message(err) : strerror(r == -1 ? errno : -r));
    exit(1);
}

static uint64_t clock_of(clockid_t clock)
{
    struct timespec time;

    must(clock_gettime(clock, &time), NULL);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static uint64_t now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

/* new_frame() - A frame from one of two ends to the other. */
static struct frame new_frame(int end)
{
    return (struct frame){.to = {2, 0, 0, 0, 0, (uint8_t)!end},
                          .from = {2, 0, 0, 0, 0, (uint8_t)end},
                          .type = {0x88, 0xb5}};
}

static void send_frame(int tap, struct frame *frame, size_t size)
{
    frame->sent_ns = now();
    if (write(tap, frame, VNET_HEADER + size) < 0 && errno != EAGAIN && errno != ENOBUFS)
        must(-1, NULL);
}

/* receive_frame() - The next of our frames. Return: its size, 0: none came until @end_ns. */
static size_t receive_frame(int tap, struct frame *frame, uint64_t end_ns)
{
    for (;;) {
        ssize_t n = read(tap, frame, sizeof(*frame));
        struct pollfd item = {.fd = tap, .events = POLLIN};
        uint64_t at;

        if (n > VNET_HEADER && frame->type[0] == 0x88 && frame->type[1] == 0xb5)
            return (size_t)n - VNET_HEADER;
        if (n >= 0)
            continue;
        at = now();
        if (at >= end_ns || poll(&item, 1, (int)((end_ns - at) / MS) + 1) == 0)
            return 0;
    }
}

static void drain(const int taps[static 2])
{
    struct frame frame;

    for (int i = 0; i < 2; i++)
        while (receive_frame(taps[i], &frame, now() + 20 * MS) > 0)
            ;
}

static pid_t start_child(void)
{
    pid_t pid = fork();

    must(pid, NULL);
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void end_child(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* start_sender() - A process that sends from the first tap for ever, each @gap_ns, 0: at once. */
static pid_t start_sender(const int taps[static 2], size_t size, uint64_t gap_ns)
{
    struct frame frame = new_frame(0);
    pid_t pid = start_child();
    uint64_t next = now();

    while (pid == 0) {
        send_frame(taps[0], &frame, size);
        next += gap_ns;
        while (gap_ns > 0 && now() < next) {
            struct timespec wake = {.tv_sec = (time_t)(next / SECOND),
                                    .tv_nsec = (long)(next % SECOND)};

            (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
        }
    }
    return pid;
}

/* The wire's processor time. */
static clockid_t wire_clock;

/* flood() - Frames per second that come out, and that sender and wire could pass if each had a
 * processor for itself. The sender may be WINDOW frames ahead, so that none is lost. */
static void flood(const char *rival, const int taps[static 2], size_t size)
{
    int credits = eventfd(WINDOW / GRANT, EFD_CLOEXEC | EFD_SEMAPHORE);
    struct frame frame = new_frame(0);
    uint64_t start = now(), end = start, credit = 1, used = 0, wired = 0;
    clockid_t processor = 0;
    size_t count = 0;
    pid_t pid;

    must(credits, NULL);
    pid = start_child();
    while (pid == 0) {
        must((int)read(credits, &credit, sizeof(credit)), NULL);
        for (int i = 0; i < GRANT; i++)
            if (write(taps[0], &frame, VNET_HEADER + size) < 0)
                _exit(1);
    }
    (void)clock_getcpuclockid(pid, &processor);
    while (end < start + FLOOD_NS) {
        if (receive_frame(taps[1], &frame, now() + 5 * SECOND) == 0)
            must(-ETIMEDOUT, NULL);
        if (++count == GRANT) { /* it runs */
            used = clock_of(processor);
            wired = clock_of(wire_clock);
            start = now();
        }
        if (count % GRANT == 0) {
            must((int)write(credits, &credit, sizeof(credit)), NULL);
            end = now();
        }
    }
    used = clock_of(processor) - used;
    wired = clock_of(wire_clock) - wired;
    end_child(pid);
    (void)close(credits);
    drain(taps);
    count -= GRANT;
    (void)printf("frames/%zu %s %.0f\n", size, rival,
                 (double)count * (double)SECOND / (double)(end - start));
    (void)printf("sender/%zu %s %.0f\n", size, rival,
                 (double)count * (double)SECOND / (double)used);
    if (wired > 0)
        (void)printf("wire/%zu %s %.0f\n", size, rival,
                     (double)count * (double)SECOND / (double)wired);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double median_us(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return (double)values[count / 2] / 1000;
}

/* ping() - Half the time from a frame to its answer by another process, median, microseconds. */
static double ping(const int taps[static 2])
{
    static uint64_t took[PINGS];
    struct frame frame = new_frame(1);
    pid_t pid = start_child();

    while (pid == 0) {
        struct frame in;

        if (receive_frame(taps[1], &in, now() + 60 * SECOND) > 0)
            send_frame(taps[1], &frame, 60);
    }
    frame = new_frame(0);
    for (size_t i = 0; i < PINGS; i++) {
        struct frame in;
        uint64_t start = now();

        send_frame(taps[0], &frame, 60);
        if (receive_frame(taps[0], &in, start + 5 * SECOND) == 0)
            must(-ETIMEDOUT, NULL);
        took[i] = (now() - start) / 2;
    }
    end_child(pid);
    return median_us(took, PINGS);
}

/* ---- what is measured on ---- */

struct lab {
    struct topology topology;
    struct fabric_plan *plan;
    struct fabric *fabric;
    struct wire *wire;
    char wire_socket[200];
};

static char *numbered(const char *letter, size_t number)
{
    char *name = NULL;

    must(asprintf(&name, "%s%zu", letter, number), NULL);
    return name;
}

/* make_topology() - So many links, between nodes of four NICs each. */
static struct topology make_topology(size_t links)
{
    size_t nodes = (2 * links + NICS - 1) / NICS;
    struct topology topology = {.nodes = calloc(nodes + 1, sizeof(struct node)),
                                .links = calloc(links + 1, sizeof(struct link)),
                                .node_count = nodes,
                                .link_count = links};

    for (size_t i = 0; i < nodes; i++)
        topology.nodes[i] = (struct node){.name = numbered("r", i), .nics = NICS};
    for (size_t i = 0; i < 2 * links; i++) {
        topology.links[i / 2].name = numbered("l", i / 2);
        topology.links[i / 2].ends[i % 2].node = i / NICS;
        topology.links[i / 2].ends[i % 2].nic = i % NICS;
    }
    return topology;
}

static const char *folder(void)
{
    const char *dir = getenv("BENCH_DIR");

    return dir ? dir : ".";
}

static void start_lab(struct lab *lab, size_t links)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char socket[200];

    (void)snprintf(socket, sizeof(socket), "%s/fabric.sock", folder());
    (void)snprintf(lab->wire_socket, sizeof(lab->wire_socket), "%s/wire.sock", folder());
    lab->topology = make_topology(links);
    must(fabric_plan_make(&lab->topology, NULL, &lab->plan, &err), &err);
    must(fabric_start(socket, 2, &lab->fabric, &err), &err);
}

/* through_wire() - Let a link pass through the wire, started if need be. */
static void through_wire(struct lab *lab, size_t link, const struct impairment *impairment)
{
    const struct impairment both[2] = {*impairment, *impairment};
    _cleanup_error_ struct error err = ERROR_INIT;
    int fds[2];

    lab->plan->links[link].wire = FABRIC_WIRE_ACTIVE;
    must(fabric_apply(lab->fabric, lab->plan, &err), &err);
    if (!lab->wire)
        must(wire_start(lab->fabric, lab->wire_socket, 2, &lab->wire, &err), &err);
    must(fabric_wire_taps(lab->fabric, lab->plan, link, fds, &err), &err);
    must(wire_set(lab->wire, (uint32_t)link, fds, both, NULL, &err), &err);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void stop_lab(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (lab->wire)
        must(wire_stop(lab->wire, &err), &err);
    must(fabric_stop(lab->fabric, &err), &err);
    fabric_plan_free(lab->plan);
}

static int open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    must(fd, NULL);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    must(ioctl(fd, TUNSETIFF, &request), NULL);
    return fd;
}

/* ---- the three ---- */

static void scale(size_t links)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct topology nothing = {0};
    struct fabric_plan *empty;
    struct lab lab = {0};
    uint64_t start, made, removed;

    start_lab(&lab, links);
    must(fabric_plan_make(&nothing, lab.plan, &empty, &err), &err);
    start = now();
    must(fabric_apply(lab.fabric, lab.plan, &err), &err);
    made = now();
    must(fabric_apply(lab.fabric, empty, &err), &err);
    removed = now();
    (void)printf("%llu %llu\n", (unsigned long long)((made - start) / MS),
                 (unsigned long long)((removed - made) / MS));
    fabric_plan_free(empty);
    stop_lab(&lab);
}

static void frames(int rounds)
{
    static const size_t sizes[] = {60, 1514};
    _cleanup_error_ struct error err = ERROR_INIT;
    int taps[RIVALS][2], fds[NICS];
    struct lab lab = {0};

    start_lab(&lab, 2);
    must(fabric_apply(lab.fabric, lab.plan, &err), &err);
    must(fabric_taps(lab.fabric, lab.plan, 0, fds, &err), &err);
    memcpy(taps[LABCTL], fds, sizeof(taps[0]));
    memcpy(taps[WIRE], fds + 2, sizeof(taps[0]));
    through_wire(&lab, 1, &(struct impairment){0});
    (void)clock_getcpuclockid(wire_process(lab.wire).pid, &wire_clock);
    for (int i = 0; i < 2; i++) {
        taps[HAND][i] = open_tap(i ? "ha1" : "ha0");
        taps[BRIDGE][i] = open_tap(i ? "ba1" : "ba0");
    }
    for (int rival = 0; rival < RIVALS; rival++)
        (void)ping(taps[rival]); /* warm, and bridges have learned */
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < RIVALS; i++) {
            int rival = (i + round) % RIVALS;

            for (int s = 0; s < 2; s++)
                flood(rival_names[rival], taps[rival], sizes[s]);
            (void)printf("ping %s %.2f\n", rival_names[rival], ping(taps[rival]));
            (void)fflush(stdout);
        }
    }
    stop_lab(&lab);
}

/* rate() - Bits per second out of a link that gets twice 10 Mbit/s, after the burst. Its queue is
 * long, so that it does not run dry when the sender has to wait for a processor. */
static double rate(const int taps[static 2])
{
    pid_t pid = start_sender(taps, 1514, SECOND / 1651);
    uint64_t begin = now() + SECOND, first = 0, last = 0;
    size_t bytes = 0;
    struct frame frame;

    while (last < begin + 3 * SECOND) {
        size_t size = receive_frame(taps[1], &frame, begin + 5 * SECOND);

        last = now();
        if (size == 0)
            must(-ETIMEDOUT, NULL);
        if (first > 0)
            bytes += size;
        else if (last >= begin)
            first = last;
    }
    end_child(pid);
    return (double)bytes * 8 * (double)SECOND / (double)(last - first);
}

/* delay() - How long frames are on their way, one each 3 ms, median, microseconds. */
static double delay(const int taps[static 2])
{
    static uint64_t took[1000];
    pid_t pid = start_sender(taps, 60, 3 * MS);
    struct frame frame;

    for (size_t i = 0; i < sizeof(took) / sizeof(took[0]); i++) {
        if (receive_frame(taps[1], &frame, now() + 5 * SECOND) == 0)
            must(-ETIMEDOUT, NULL);
        took[i] = now() - frame.sent_ns;
    }
    end_child(pid);
    return median_us(took, sizeof(took) / sizeof(took[0]));
}

static void wire(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct lab lab = {0};
    int taps[NICS];

    start_lab(&lab, 1);
    through_wire(&lab, 0,
                 &(struct impairment){.rate_bits_per_s = 10000000, .queue_limit_ns = SECOND});
    must(fabric_taps(lab.fabric, lab.plan, 0, taps, &err), &err);
    (void)printf("rate %.0f\n", rate(taps));
    through_wire(&lab, 0, &(struct impairment){.delay_ns = 10 * MS});
    drain(taps);
    (void)printf("delay %.1f\n", delay(taps));
    stop_lab(&lab);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "scale") == 0)
        scale(strtoul(argv[2], NULL, 10));
    else if (argc == 3 && strcmp(argv[1], "frames") == 0)
        frames(atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "wire") == 0)
        wire();
    else
        return 2;
    return 0;
}
