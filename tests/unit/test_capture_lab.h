// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the capture tests share: a user and network namespace with taps joined by redirects, frames
 * made by hand, the worker run on them, and a reader of pcapng that knows what libpcap hides
 * (interface, direction, comments, statistics). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"

#define LAB_FRAMES_MOST 20000

struct lab_frame {
    uint32_t interface, captured, original, flags;
    uint64_t time_ns, dropped;
    const uint8_t *data; /* in the file's memory */
    char comment[200];
};

struct lab_file {
    uint8_t *data;
    size_t size;
    bool whole; /* the last block ends where the file ends */
    struct lab_frame *frames;
    size_t frame_count, interface_count, statistics_count;
    uint64_t dropped; /* sum of isb_ifdrop */
    char names[40][32];
};

struct lab_worker {
    pid_t pid;
    int report_fd;
    char folder[64], path[96];
};

/* Whether the namespace could be made; else why not. */
static const char *lab_missing;

/* lab_write() - Write a short text to a file of /proc; failure shows later. */
static inline void lab_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
        (void)close(fd);
    }
}

/* lab_run() - Run a command of words separated by spaces. Return: its exit status */
static inline int lab_run(const char *command, char **ret_output)
{
    _cleanup_free_ char *copy = xstrdup(command);
    const char *argv[80];
    char *save = NULL;
    size_t n = 0;

    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    argv[n] = NULL;
    return spawn_run(argv, ret_output, NULL);
}

/* lab_setup() - Enter a namespace of our own. */
static inline int lab_setup(void **state)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0) {
        lab_missing = "no user and network namespaces here";
        return 0;
    }
    lab_write("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "0 %u 1", uid);
    lab_write("/proc/self/uid_map", map);
    (void)snprintf(map, sizeof(map), "0 %u 1", gid);
    lab_write("/proc/self/gid_map", map);
    lab_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    if (access("/dev/net/tun", R_OK | W_OK) < 0)
        lab_missing = "/dev/net/tun cannot be opened";
    else if (lab_run("tc -V", NULL) != 0)
        lab_missing = "tc (iproute2) is not installed";
    return 0;
}

#define LAB_NEEDED()                                                                               \
    do {                                                                                           \
        if (lab_missing) {                                                                         \
            print_message("SKIP: %s\n", lab_missing);                                              \
            skip();                                                                                \
        }                                                                                          \
        /* Taps of a test that failed go away, and with them its worker. */                        \
        (void)close_range(3, ~0u, 0);                                                              \
    } while (0)

/* lab_tap() - Make a tap with vnet header and all offloads, and set it up. Return: its fd */
static inline int lab_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && sock >= 0);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
    assert_int_equal(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN),
                     0);
    request.ifr_flags = IFF_UP;
    assert_int_equal(ioctl(sock, SIOCSIFFLAGS, &request), 0);
    (void)close(sock);
    return fd;
}

/* lab_redirect() - What comes in by one tap leaves by another. */
static inline void lab_redirect(const char *from, const char *to)
{
    char command[256];

    (void)snprintf(command, sizeof(command), "tc qdisc add dev %s clsact", from);
    assert_int_equal(lab_run(command, NULL), 0);
    (void)snprintf(command, sizeof(command),
                   "tc filter add dev %s ingress protocol all u32 match u32 0 0 "
                   "action mirred egress redirect dev %s",
                   from, to);
    assert_int_equal(lab_run(command, NULL), 0);
}

/* lab_pair() - Two taps joined both ways. */
static inline void lab_pair(const char *a, const char *b, int *ret_a, int *ret_b)
{
    *ret_a = lab_tap(a);
    *ret_b = lab_tap(b);
    lab_redirect(a, b);
    lab_redirect(b, a);
}

/* lab_send() - What the guest at a tap sends. */
static inline void lab_send(int tap, const struct virtio_net_hdr *vnet, const void *frame,
                            size_t size)
{
    static const struct virtio_net_hdr none;
    uint8_t *message = xnew0(uint8_t, sizeof(none) + size);

    memcpy(message, vnet ? vnet : &none, sizeof(none));
    memcpy(message + sizeof(none), frame, size);
    assert_int_equal(write(tap, message, sizeof(none) + size), sizeof(none) + size);
    free(message);
}

/* lab_sink() - Take what a tap holds, as its guest would. Return: frames */
static inline size_t lab_sink(int tap)
{
    static uint8_t trash[70000];
    size_t n = 0;

    while (read(tap, trash, sizeof(trash)) > 0)
        n++;
    return n;
}

/* lab_report() - Wait for a report that contains a text. Return: false after half a minute or at
 * the worker's end */
static inline bool lab_report(struct lab_worker *worker, const char *text, char *ret_line,
                              size_t room)
{
    struct pollfd poll_fd = {.fd = worker->report_fd, .events = POLLIN};
    char line[2048];
    size_t n = 0;

    while (n < sizeof(line) - 1 && poll(&poll_fd, 1, 30000) == 1 &&
           read(worker->report_fd, line + n, 1) == 1) {
        if (line[n++] != '\n')
            continue;
        line[n - 1] = 0;
        if (strstr(line, text)) {
            if (ret_line)
                (void)snprintf(ret_line, room, "%s", line);
            return true;
        }
        n = 0;
    }
    return false;
}

/* lab_start_fd() - Run the worker with an output and wait until it captures.
 * @arguments:	Separated by spaces, a filter's spaces written as ~ */
static inline void lab_start_fd(struct lab_worker *worker, const char *arguments, int output_fd)
{
    _cleanup_free_ char *copy = xasprintf(LABCTL_BIN_DIR "/labctl-capture %s", arguments);
    const char *argv[256];
    char *save = NULL;
    int report[2];
    size_t n = 0;

    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        for (char *c = word; *c; c++)
            *c = *c == '~' ? ' ' : *c;
        argv[n++] = word;
    }
    argv[n] = NULL;
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    worker->report_fd = report[0];
    assert_int_equal(spawn(
                         &(struct spawn_options){
                             .argv = argv,
                             .fds = (struct spawn_fd[]){{report[1], 1}, {2, 2}, {output_fd, 3}},
                             .fd_count = 3},
                         &worker->pid, NULL, NULL),
                     0);
    (void)close(report[1]);
}

/* lab_start() - Run the worker with a file in a new folder. */
static inline void lab_start(struct lab_worker *worker, const char *arguments)
{
    int fd;

    (void)snprintf(worker->folder, sizeof(worker->folder), "/tmp/capture-test-XXXXXX");
    assert_non_null(mkdtemp(worker->folder));
    (void)snprintf(worker->path, sizeof(worker->path), "%s/out.pcapng", worker->folder);
    fd = open(worker->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    lab_start_fd(worker, arguments, fd);
    (void)close(fd);
    assert_true(lab_report(worker, "started", NULL, 0));
}

/* lab_wait() - Wait for the worker's end. Return: exit status */
static inline int lab_wait(struct lab_worker *worker)
{
    int status = 0;

    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    (void)close(worker->report_fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* lab_options() - Read the options of a block. */
static inline void lab_options(struct lab_file *file, uint32_t type, const uint8_t *at,
                               const uint8_t *end, struct lab_frame *frame)
{
    while (at + 4 <= end) {
        uint16_t head[2];

        memcpy(head, at, sizeof(head));
        at += 4;
        if (head[0] == 0 || at + head[1] > end)
            return;
        if (type == 1 && head[0] == 2)
            (void)snprintf(file->names[file->interface_count % 40], 32, "%.*s", head[1], at);
        if (type == 6 && head[0] == 2)
            memcpy(&frame->flags, at, 4);
        if (type == 6 && head[0] == 4)
            memcpy(&frame->dropped, at, 8);
        if (type == 6 && head[0] == 1)
            (void)snprintf(frame->comment, sizeof(frame->comment), "%.*s", head[1], at);
        if (type == 5 && head[0] == 5) {
            uint64_t dropped;

            memcpy(&dropped, at, 8);
            file->dropped += dropped;
        }
        at += (head[1] + 3u) & ~3u;
    }
}

/* lab_parse() - Read a pcapng from memory, which the result owns. */
static inline void lab_parse(struct lab_file *file, uint8_t *data, size_t size)
{
    size_t at = 0;

    *file = (struct lab_file){.data = data, .size = size};
    file->frames = xnew0(struct lab_frame, LAB_FRAMES_MOST);
    while (at + 12 <= size) {
        uint32_t head[7] = {0}, tail;

        memcpy(head, data + at, size - at < sizeof(head) ? size - at : sizeof(head));
        if (head[1] < 12 || head[1] % 4 || head[1] > size - at)
            break;
        memcpy(&tail, data + at + head[1] - 4, 4);
        assert_int_equal(tail, head[1]);
        if (head[0] == 1) {
            lab_options(file, 1, data + at + 16, data + at + head[1] - 4, NULL);
            file->interface_count++;
        } else if (head[0] == 5) {
            lab_options(file, 5, data + at + 20, data + at + head[1] - 4, NULL);
            file->statistics_count++;
        } else if (head[0] == 6) {
            struct lab_frame *frame = &file->frames[file->frame_count++];

            assert_true(file->frame_count < LAB_FRAMES_MOST);
            *frame = (struct lab_frame){.interface = head[2],
                                        .time_ns = (uint64_t)head[3] << 32 | head[4],
                                        .captured = head[5],
                                        .original = head[6],
                                        .data = data + at + 28};
            lab_options(file, 6, data + at + 28 + ((head[5] + 3u) & ~3u), data + at + head[1] - 4,
                        frame);
        }
        at += head[1];
    }
    file->whole = at == size;
    for (size_t i = 1; i < file->frame_count; i++)
        assert_true(file->frames[i].time_ns >= file->frames[i - 1].time_ns);
}

/* lab_read() - Read the worker's file. */
static inline void lab_read(struct lab_worker *worker, struct lab_file *file)
{
    char *data;
    size_t size;

    assert_int_equal(file_read(worker->path, 1u << 30, &data, &size, NULL), 0);
    lab_parse(file, (uint8_t *)data, size);
}

static inline void lab_file_done(struct lab_file *file)
{
    free(file->data);
    free(file->frames);
}

/* lab_stop() - End the worker with SIGTERM and read its file, which must be whole. */
static inline void lab_stop(struct lab_worker *worker, struct lab_file *file)
{
    assert_int_equal(kill(worker->pid, SIGTERM), 0);
    assert_int_equal(lab_wait(worker), 0);
    lab_read(worker, file);
    assert_true(file->whole);
    assert_int_equal(file->statistics_count, file->interface_count);
}

/* lab_clean() - Remove the worker's folder. */
static inline void lab_clean(struct lab_worker *worker)
{
    (void)dir_remove_tree(worker->folder, NULL);
}

/* lab_tshark() - Field values of the packets that match, a line each. Caller frees; NULL: skip */
static inline char *lab_tshark(struct lab_worker *worker, const char *arguments)
{
    _cleanup_free_ char *command = xasprintf("tshark -n -r %s %s", worker->path, arguments);
    char *output = NULL;

    if (lab_run("tshark -v", NULL) != 0) {
        print_message("SKIP: tshark is not installed; its verdict is not asked\n");
        return NULL;
    }
    assert_int_equal(lab_run(command, &output), 0);
    return output;
}

/* lab_sum() - Internet checksum over bytes, in host order, not complemented. */
static inline uint32_t lab_sum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

struct lab_packet {
    bool ipv6, udp;
    unsigned vlans;    /* tags in the frame, ids 5, 6, … */
    size_t payload;    /* bytes, each its offset modulo 251 */
    uint8_t flags;     /* TCP */
    uint16_t port;     /* destination */
    uint16_t id;       /* IPv4 */
    uint32_t sequence; /* TCP */
};

/* lab_make() - Make a frame whose checksum field holds the pseudo-header's sum. Return: its size;
 * @ret_vnet says how to complete it, without gso */
static inline size_t lab_make(const struct lab_packet *packet, uint8_t *frame,
                              struct virtio_net_hdr *ret_vnet)
{
    size_t transport_header = packet->udp ? 8 : 20, transport, network, at = 12;
    size_t size = transport_header + packet->payload;
    uint8_t pseudo[40] = {0};
    uint32_t sum;

    memcpy(frame, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
    for (unsigned i = 0; i < packet->vlans; i++) {
        const uint8_t tag[4] = {0x81, 0, 0, (uint8_t)(5 + i)};

        memcpy(frame + at, tag, sizeof(tag));
        at += 4;
    }
    memcpy(frame + at, packet->ipv6 ? "\x86\xdd" : "\x08\0", 2);
    network = at + 2;
    transport = network + (packet->ipv6 ? 40 : 20);
    memset(frame + network, 0, transport - network + transport_header);
    if (packet->ipv6) {
        const uint8_t head[8] = {
            0x60, 0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size, packet->udp ? 17 : 6, 64};

        memcpy(frame + network, head, 8);
        frame[network + 8] = frame[network + 24] = 0xfd;
        frame[network + 23] = 1;
        frame[network + 39] = 2;
        memcpy(pseudo, frame + network + 8, 32);
    } else {
        size_t total = size + 20;
        const uint8_t head[20] = {0x45,
                                  0,
                                  (uint8_t)(total >> 8),
                                  (uint8_t)total,
                                  (uint8_t)(packet->id >> 8),
                                  (uint8_t)packet->id,
                                  0x40,
                                  0,
                                  64,
                                  packet->udp ? 17 : 6,
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

        memcpy(frame + network, head, 20);
        sum = ~lab_sum(0, head, 20);
        frame[network + 10] = (uint8_t)(sum >> 8);
        frame[network + 11] = (uint8_t)sum;
        memcpy(pseudo, frame + network + 12, 8);
    }
    pseudo[33] = packet->udp ? 17 : 6;
    pseudo[34] = (uint8_t)(size >> 8);
    pseudo[35] = (uint8_t)size;
    sum = lab_sum(0, pseudo, sizeof(pseudo));
    frame[transport] = 0x9c; /* a port for which tshark has no guess */
    frame[transport + 1] = 0x40;
    frame[transport + 2] = (uint8_t)(packet->port >> 8);
    frame[transport + 3] = (uint8_t)packet->port;
    if (packet->udp) {
        frame[transport + 4] = (uint8_t)(size >> 8);
        frame[transport + 5] = (uint8_t)size;
    } else {
        uint32_t sequence = htonl(packet->sequence);

        memcpy(frame + transport + 4, &sequence, 4);
        frame[transport + 12] = 0x50;
        frame[transport + 13] = packet->flags;
        frame[transport + 14] = 0x20;
    }
    frame[transport + (packet->udp ? 6 : 16)] = (uint8_t)(sum >> 8);
    frame[transport + (packet->udp ? 7 : 17)] = (uint8_t)sum;
    for (size_t i = 0; i < packet->payload; i++)
        frame[transport + transport_header + i] = (uint8_t)(i % 251);
    *ret_vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                        .csum_start = (uint16_t)transport,
                                        .csum_offset = packet->udp ? 6 : 16};
    return transport + size;
}

/* lab_gso() - Make a super-frame of it. */
static inline void lab_gso(struct virtio_net_hdr *vnet, const struct lab_packet *packet,
                           uint16_t segment)
{
    vnet->gso_type = packet->udp ? 5 : packet->ipv6 ? 4 : 1;
    vnet->gso_size = segment;
    vnet->hdr_len = (uint16_t)(vnet->csum_start + (packet->udp ? 8 : 20));
}

/* lab_right() - Are lengths and checksums of a wire frame right? Tells its payload. */
static inline bool lab_right(const uint8_t *frame, size_t size, const uint8_t **ret_payload,
                             size_t *ret_size)
{
    uint8_t pseudo[40] = {0};
    size_t at = 12, network, transport, length, header;
    uint8_t protocol;

    while (frame[at] == 0x81 || (frame[at] == 0x88 && frame[at + 1] == 0xa8))
        at += 4;
    network = at + 2;
    if (frame[at] == 0x86) {
        length = (size_t)(frame[network + 4] << 8 | frame[network + 5]);
        transport = network + 40;
        protocol = frame[network + 6];
        memcpy(pseudo, frame + network + 8, 32);
    } else {
        if (lab_sum(0, frame + network, 20) != 0xffff)
            return false;
        length = (size_t)(frame[network + 2] << 8 | frame[network + 3]) - 20;
        transport = network + 20;
        protocol = frame[network + 9];
        memcpy(pseudo, frame + network + 12, 8);
    }
    if (transport + length > size || (transport + length < size && size > 60))
        return false;
    pseudo[33] = protocol;
    pseudo[34] = (uint8_t)(length >> 8);
    pseudo[35] = (uint8_t)length;
    header = protocol == 17 ? 8 : (size_t)(frame[transport + 12] >> 4) * 4;
    if (protocol == 17 && (size_t)(frame[transport + 4] << 8 | frame[transport + 5]) != length)
        return false;
    *ret_payload = frame + transport + header;
    *ret_size = length - header;
    return lab_sum(lab_sum(0, pseudo, sizeof(pseudo)), frame + transport, length) == 0xffff;
}
