// SPDX-License-Identifier: GPL-2.0-or-later

/* TPACKET_V3 on an AF_PACKET socket (packet(7), packet_mmap.rst): the kernel fills blocks of many
 * frames and hands each over when it is full or when retire_ms have passed since it was opened and
 * it holds anything. An idle ring wakes nobody.
 *
 * PACKET_VNET_HDR puts a struct virtio_net_hdr before each frame, which says whether it is a
 * super-frame and whether its checksum is still to be computed. Classic BPF runs on the frame
 * itself and does not see that header (tests/unit/test_capture_worker.c).
 *
 * Limit: the kernel has no word in that header for UDP fragmentation offload (UFO), which guests
 * older than Linux 4.14 may still use; it drops such frames for the ring, and counts them.
 *
 * The socket is made for protocol 0, which receives nothing; ring and filter are set up in peace,
 * and ring_start() binds it to all protocols. So there is no moment in which unfiltered frames
 * come in, and nothing to drain.
 *
 * Order: the kernel stamps a frame after it took a place for it, so on two processors neighbours
 * may be exchanged by microseconds. One block at a time is loaded into a queue sorted by time.
 * Frames of the next block that should have come before are the caller's matter (worker.c).
 *
 * Blocks are at least 256 KiB: a frame never crosses blocks and a super-frame has up to 64 KiB. */

#include "capture/ring_priv.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define BLOCK_SIZE (256u << 10)
/* The address lies behind the frame's header, rounded up as TPACKET_ALIGN() does. */
#define FRAME_HEADER ((sizeof(struct tpacket3_hdr) + 15) / 16 * 16)
#define FRAME_SIZE   2048u /* the kernel wants a divisor of the block, and ignores it in V3 */
/* How far back a frame may be sorted; beyond this the clock was set back. */
#define SORT_DISTANCE 256

struct ring_entry {
    uint64_t time_ns;
    const struct tpacket3_hdr *header;
};

struct ring {
    int fd;
    uint32_t ifindex;
    uint8_t *map;
    size_t block_count;
    size_t block; /* the one that is loaded, or the next one to come */
    bool loaded;
    struct ring_entry *queue; /* frames of the loaded block, by time */
    size_t front, count, capacity;
};

/**
 * block_at() - Head of a block
 * @ring:	The ring
 * @number:	Which block; wraps
 *
 * Return: the kernel's description of it
 */
static struct tpacket_block_desc *block_at(const struct ring *ring, size_t number)
{
    return (struct tpacket_block_desc *)(void *)(ring->map +
                                                 number % ring->block_count * BLOCK_SIZE);
}

/**
 * block_ready() - Did the kernel hand a block over?
 * @block:	The block
 *
 * Return: true if so; what the kernel wrote before is visible then
 */
static bool block_ready(const struct tpacket_block_desc *block)
{
    return __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/**
 * set_option() - setsockopt() on the packet level with an error
 * @fd:		Socket
 * @option:	Which
 * @value:	Its value
 * @size:	Bytes of it
 * @name:	Its name
 * @err:	What went wrong
 *
 * Return: 0 or -errno
 */
static int set_option(int fd, int option, const void *value, socklen_t size, const char *name,
                      struct error *err)
{
    if (setsockopt(fd, SOL_PACKET, option, value, size) < 0)
        return error_errno(err, errno, "packet socket: %s", name);
    return 0;
}

/**
 * attach() - Give the program to the kernel
 * @fd:		Socket
 * @program:	Instructions
 * @size:	How many
 *
 * Return: 0 or -errno: too long for the kernel, too large for its limits
 */
static int attach(int fd, const struct sock_filter *program, size_t size)
{
    struct sock_fprog fprog = {
        .len = (unsigned short)size,
        .filter = (struct sock_filter *)(uintptr_t)program,
    };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) < 0 ? -errno : 0;
}

/**
 * setup() - Set the socket's options and map the ring
 * @ring:	The ring; its socket is open
 * @options:	What is wanted
 * @err:	What went wrong
 *
 * Return: 0 or -errno
 */
static int setup(struct ring *ring, const struct ring_options *options, struct error *err)
{
    const int version = TPACKET_V3, on = 1;
    struct tpacket_req3 request = {
        .tp_block_size = BLOCK_SIZE,
        .tp_block_nr = (unsigned)ring->block_count,
        .tp_frame_size = FRAME_SIZE,
        .tp_frame_nr = (unsigned)(ring->block_count * (BLOCK_SIZE / FRAME_SIZE)),
        .tp_retire_blk_tov = options->retire_ms,
    };
    void *map;
    int r;

    r = set_option(ring->fd, PACKET_VERSION, &version, sizeof(version), "PACKET_VERSION", err);
    if (r == 0)
        r = set_option(ring->fd, PACKET_VNET_HDR, &on, sizeof(on), "PACKET_VNET_HDR", err);
    if (r == 0)
        r = set_option(ring->fd, PACKET_RX_RING, &request, sizeof(request), "PACKET_RX_RING", err);
    if (r < 0)
        return r;
    map =
        mmap(NULL, ring->block_count * BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (map == MAP_FAILED)
        return error_errno(err, errno, "packet socket: mmap of %zu bytes",
                           ring->block_count * BLOCK_SIZE);
    ring->map = map;
    return 0;
}

int ring_socket(struct error *err)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        fd = error_errno(err, errno, "packet socket");
        if (fd == -EPERM)
            error_hint(err, "a capture needs CAP_NET_RAW in the lab's namespace");
    }
    return fd;
}

int ring_open(const struct ring_options *options, struct ring **ret_ring, bool *ret_filtered,
              struct error *err)
{
    struct ring *ring = xnew0(struct ring, 1);
    int r;

    ring->ifindex = options->ifindex;
    ring->block_count = options->bytes / BLOCK_SIZE < 2 ? 2 : options->bytes / BLOCK_SIZE;
    ring->fd = options->fd >= 0 ? options->fd : ring_socket(err);
    r = ring->fd < 0 ? ring->fd : setup(ring, options, err);
    if (r < 0) {
        ring_free(ring);
        return r;
    }
    *ret_filtered = options->program_size == 0 ||
                    attach(ring->fd, options->program, options->program_size) == 0;
    *ret_ring = ring;
    return 0;
}

int ring_start(struct ring *ring, struct error *err)
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)ring->ifindex,
    };

    if (bind(ring->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_errno(err, errno, "packet socket: bind");
    return 0;
}

bool ring_filter(struct ring *ring, const struct sock_filter *program, size_t size)
{
    const int unused = 0; /* but the kernel wants it */

    if (size > 0 && attach(ring->fd, program, size) == 0)
        return true;
    (void)setsockopt(ring->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
    return size == 0;
}

uint32_t ring_ifindex(const struct ring *ring)
{
    return ring->ifindex;
}

void ring_stop(struct ring *ring)
{
    static const struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

    (void)attach(ring->fd, none, ARRAY_SIZE(none));
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    if (ring->map)
        (void)munmap(ring->map, ring->block_count * BLOCK_SIZE);
    if (ring->fd >= 0)
        (void)close(ring->fd);
    free(ring->queue);
    free(ring);
}

int ring_fd(const struct ring *ring)
{
    return ring->fd;
}

/**
 * queue_insert() - Put a frame into the queue at its place in time
 * @ring:	The ring
 * @header:	The kernel's description of the frame
 */
static void queue_insert(struct ring *ring, const struct tpacket3_hdr *header)
{
    uint64_t time_ns = (uint64_t)header->tp_sec * 1000000000u + header->tp_nsec;
    size_t at = ring->count, least = at > SORT_DISTANCE ? at - SORT_DISTANCE : 0;

    array_grow(ring->queue, ring->count, ring->capacity);
    while (at > least && ring->queue[at - 1].time_ns > time_ns) {
        ring->queue[at] = ring->queue[at - 1];
        at--;
    }
    ring->queue[at] = (struct ring_entry){.time_ns = time_ns, .header = header};
    ring->count++;
}

/**
 * release_block() - Give the loaded block back to the kernel
 * @ring:	The ring
 */
static void release_block(struct ring *ring)
{
    struct tpacket_block_desc *block = block_at(ring, ring->block);

    __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->block = (ring->block + 1) % ring->block_count;
    ring->loaded = false;
}

/**
 * load_block() - Put the frames of the next block into the queue
 * @ring:	The ring; its queue is empty
 *
 * Return: false if no block is ready
 */
static bool load_block(struct ring *ring)
{
    struct tpacket_block_desc *block = block_at(ring, ring->block);
    const uint8_t *at;

    if (!block_ready(block))
        return false;
    ring->front = ring->count = 0;
    ring->loaded = true;
    at = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
        const struct tpacket3_hdr *header = (const void *)at;

        queue_insert(ring, header);
        at += header->tp_next_offset;
    }
    return true;
}

bool ring_peek(struct ring *ring, uint64_t *ret_time_ns)
{
    while (ring->front == ring->count) {
        if (ring->loaded)
            release_block(ring);
        if (!load_block(ring))
            return false;
    }
    *ret_time_ns = ring->queue[ring->front].time_ns;
    return true;
}

void ring_front(const struct ring *ring, struct ring_frame *ret_frame)
{
    const struct ring_entry *entry = &ring->queue[ring->front];
    const struct tpacket3_hdr *header = entry->header;
    const uint8_t *base = (const uint8_t *)header;
    const struct sockaddr_ll *address = (const void *)(base + FRAME_HEADER);

    *ret_frame = (struct ring_frame){
        .time_ns = entry->time_ns,
        .ifindex = (uint32_t)address->sll_ifindex,
        .sent = address->sll_pkttype != PACKET_OUTGOING,
        .input = {.data = base + header->tp_mac,
                  .size = header->tp_snaplen,
                  .original = header->tp_len,
                  .tagged = header->tp_status & TP_STATUS_VLAN_VALID,
                  .tci = (uint16_t)header->hv1.tp_vlan_tci,
                  .tpid = header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid
                                                                        : ETH_P_8021Q},
    };
    memcpy(&ret_frame->input.vnet, base + header->tp_mac - sizeof(ret_frame->input.vnet),
           sizeof(ret_frame->input.vnet));
}

void ring_pop(struct ring *ring)
{
    if (++ring->front == ring->count)
        release_block(ring);
}

bool ring_pressed(const struct ring *ring)
{
    return block_ready(block_at(ring, ring->block + ring->block_count / 2));
}

bool ring_unfinished(const struct ring *ring)
{
    const struct tpacket_block_desc *block = block_at(ring, ring->block);

    return ring->front < ring->count || block_ready(block) ||
           __atomic_load_n(&block->hdr.bh1.num_pkts, __ATOMIC_ACQUIRE) > 0;
}

uint64_t ring_drops(struct ring *ring)
{
    struct tpacket_stats_v3 stats = {.tp_packets = 0};
    socklen_t size = sizeof(stats);

    /* Reading sets the kernel's counters back to zero. */
    return getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0 ? stats.tp_drops
                                                                                   : 0;
}

void ring_clear_error(struct ring *ring)
{
    int error;
    socklen_t size = sizeof(error);

    (void)getsockopt(ring->fd, SOL_SOCKET, SO_ERROR, &error, &size);
}
