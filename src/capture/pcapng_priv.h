// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The blocks of a pcapng file, in the byte order of this machine. */

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Where the frame's bytes lie in an enhanced packet block. */
#define PCAPNG_PACKET_DATA 28
/* … and the number of its interface. */
#define PCAPNG_PACKET_INTERFACE 8

/* Lowest two bits of epb_flags. */
enum pcapng_direction {
    PCAPNG_DIRECTION_UNKNOWN = 0,
    PCAPNG_DIRECTION_INBOUND = 1,
    PCAPNG_DIRECTION_OUTBOUND = 2,
};

struct pcapng_interface {
    const char *name;
    const char *description; /* or NULL */
    const char *filter;      /* or NULL */
    uint64_t bits_per_s;     /* 0: unknown */
    uint32_t snaplen;
};

struct pcapng_packet {
    uint32_t interface; /* 0 is the first one */
    uint64_t time_ns;   /* since 1970, UTC */
    size_t captured;    /* bytes that are in the file */
    size_t original;    /* bytes that were on the wire */
    enum pcapng_direction direction;
    uint64_t dropped;    /* packets lost between the one before and this one */
    const char *comment; /* or NULL; UTF-8 */
    const char *notes;   /* further comments, each with a zero byte after it */
    size_t notes_size;
};

struct pcapng_statistics {
    uint32_t interface;
    uint64_t start_ns, end_ns;
    uint64_t received;   /* packets that came, delivered or dropped */
    uint64_t dropped;    /* by the kernel and here */
    uint64_t os_dropped; /* by the kernel alone */
    uint64_t delivered;  /* packets in the file */
    const char *comment; /* or NULL */
};

/* pcapng_section() - Section header: machine, kernel, program, and the lab's name as a comment. */
void pcapng_section(struct strbuf *out, const char *lab);

/* pcapng_interface() - Interface description, link type Ethernet, time in nanoseconds. */
void pcapng_interface(struct strbuf *out, const struct pcapng_interface *interface);

/* pcapng_statistics() - Interface statistics. */
void pcapng_statistics(struct strbuf *out, const struct pcapng_statistics *statistics);

/* pcapng_packet_size() - Bytes of the whole block. */
size_t pcapng_packet_size(const struct pcapng_packet *packet);

/* pcapng_packet_put() - Write all of the block but the frame's own bytes, which the caller puts at
 * @at + PCAPNG_PACKET_DATA before or after.
 * @at:	Room for pcapng_packet_size() bytes */
void pcapng_packet_put(uint8_t *at, const struct pcapng_packet *packet);

/* pcapng_packet_get() - Read a block that pcapng_packet_put() wrote: all but its comments.
 * Return: bytes of the block */
size_t pcapng_packet_get(const uint8_t *at, struct pcapng_packet *ret_packet);

/* pcapng_interfaces() - How many interfaces whole blocks describe, in their last section. */
uint32_t pcapng_interfaces(const uint8_t *data, size_t size);

/* pcapng_whole_blocks() - How much of @size bytes at @data, which begin at a block's start, are
 * whole blocks. */
size_t pcapng_whole_blocks(const uint8_t *data, size_t size);
