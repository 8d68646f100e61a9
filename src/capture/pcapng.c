// SPDX-License-Identifier: GPL-2.0-or-later

/* A section header, an interface description per endpoint, packets, and statistics at the end
 * (draft-ietf-opsawg-pcapng). Every block begins and ends with its length, and everything in it is
 * padded to 32 bits; that is also what lets output.c cut a file at the last whole block.
 *
 * The rare blocks are composed in a struct strbuf. Packets are written in place into the output's
 * buffer, so that a frame's bytes are copied once, from the ring to what write(2) gets. */

#include "capture/pcapng_priv.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
};
#define BLOCK_SECTION    0x0a0d0d0au
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINKTYPE_ETHER   1
#define FILTER_IS_TEXT   0

enum {
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    SECTION_HARDWARE = 2,
    SECTION_OS = 3,
    SECTION_PROGRAM = 4,
    INTERFACE_NAME = 2,
    INTERFACE_DESCRIPTION = 3,
    INTERFACE_SPEED = 8,
    INTERFACE_TSRESOL = 9,
    INTERFACE_FILTER = 11,
    PACKET_FLAGS = 2,
    PACKET_DROPCOUNT = 4,
    STATISTICS_START = 2,
    STATISTICS_END = 3,
    STATISTICS_RECEIVED = 4,
    STATISTICS_DROPPED = 5,
    STATISTICS_OS_DROPPED = 7,
    STATISTICS_DELIVERED = 8,
};

#define OPTION_HEADER 4u
#define OPTION_MAX    65535u
#define BLOCK_LEAST   12u

/**
 * padded() - Round up to 32 bits
 * @size:	Bytes
 *
 * Return: bytes with padding
 */
static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/**
 * append_u16() - Append two bytes
 * @out:	Where
 * @value:	What
 */
static void append_u16(struct strbuf *out, uint16_t value)
{
    strbuf_append(out, &value, sizeof(value));
}

/**
 * append_u32() - Append four bytes
 * @out:	Where
 * @value:	What
 */
static void append_u32(struct strbuf *out, uint32_t value)
{
    strbuf_append(out, &value, sizeof(value));
}

/**
 * append_option() - Append one option with its padding
 * @out:	Where
 * @code:	Which option
 * @data:	Its value
 * @size:	Bytes of it; cut at what the format can say
 */
static void append_option(struct strbuf *out, uint16_t code, const void *data, size_t size)
{
    static const uint8_t zeros[4];

    if (size > OPTION_MAX)
        size = OPTION_MAX;
    append_u16(out, code);
    append_u16(out, (uint16_t)size);
    strbuf_append(out, data, size);
    strbuf_append(out, zeros, padded(size) - size);
}

/**
 * append_text() - Append a text option
 * @out:	Where
 * @code:	Which option
 * @text:	Its value; NULL or empty appends nothing
 */
static void append_text(struct strbuf *out, uint16_t code, const char *text)
{
    if (text && *text)
        append_option(out, code, text, strlen(text));
}

/**
 * block_begin() - Append a block's type and room for its length
 * @out:	Where
 * @type:	Block type
 *
 * Return: where the block begins, for block_end()
 */
static size_t block_begin(struct strbuf *out, uint32_t type)
{
    size_t start = out->size;

    append_u32(out, type);
    append_u32(out, 0);
    return start;
}

/**
 * block_end() - End the options and fill in the block's length
 * @out:	Where
 * @start:	What block_begin() returned
 */
static void block_end(struct strbuf *out, size_t start)
{
    uint32_t size;

    append_u32(out, OPTION_END);
    size = (uint32_t)(out->size - start + sizeof(size));
    append_u32(out, size);
    memcpy(out->data + start + 4, &size, sizeof(size));
}

/**
 * cpu_model() - What /proc/cpuinfo calls this machine's processor
 *
 * Return: its name, or NULL; the caller frees it
 */
static char *cpu_model(void)
{
    static const char key[] = "model name\t: ";
    _cleanup_fclose_ FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, sizeof(key) - 1) != 0)
            continue;
        line[strcspn(line, "\n")] = 0;
        return xstrdup(line + sizeof(key) - 1);
    }
    return NULL;
}

void pcapng_section(struct strbuf *out, const char *lab)
{
    _cleanup_free_ char *comment = lab ? xasprintf("lab %s", lab) : NULL;
    _cleanup_free_ char *os = NULL, *cpu = cpu_model();
    struct utsname system = {.sysname = ""};
    uint64_t unknown_length = UINT64_MAX;
    size_t start = block_begin(out, BLOCK_SECTION);

    append_u32(out, BYTE_ORDER_MAGIC);
    append_u16(out, 1);
    append_u16(out, 0);
    strbuf_append(out, &unknown_length, sizeof(unknown_length));
    append_text(out, OPTION_COMMENT, comment);
    if (uname(&system) == 0) {
        _cleanup_free_ char *hardware =
            cpu ? xasprintf("%s (%s)", cpu, system.machine) : xstrdup(system.machine);

        os = xasprintf("%s %s", system.sysname, system.release);
        append_text(out, SECTION_HARDWARE, hardware);
        append_text(out, SECTION_OS, os);
    }
    append_text(out, SECTION_PROGRAM, "labctl " LABCTL_VERSION);
    block_end(out, start);
}

void pcapng_interface(struct strbuf *out, const struct pcapng_interface *interface)
{
    size_t start = block_begin(out, BLOCK_INTERFACE);
    const uint8_t nanoseconds = 9;

    append_u16(out, LINKTYPE_ETHER);
    append_u16(out, 0);
    append_u32(out, interface->snaplen);
    append_text(out, INTERFACE_NAME, interface->name);
    append_text(out, INTERFACE_DESCRIPTION, interface->description);
    if (interface->bits_per_s)
        append_option(out, INTERFACE_SPEED, &interface->bits_per_s, sizeof(interface->bits_per_s));
    append_option(out, INTERFACE_TSRESOL, &nanoseconds, 1);
    if (interface->filter && *interface->filter) {
        _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
        const uint8_t kind = FILTER_IS_TEXT;

        strbuf_append(&value, &kind, 1);
        strbuf_puts(&value, interface->filter);
        append_option(out, INTERFACE_FILTER, value.data, value.size);
    }
    block_end(out, start);
}

/**
 * append_time() - Append a time option: the high half of it comes first, whatever the byte order
 * @out:	Where
 * @code:	Which option
 * @ns:		Nanoseconds since 1970
 */
static void append_time(struct strbuf *out, uint16_t code, uint64_t ns)
{
    uint32_t halves[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

    append_option(out, code, halves, sizeof(halves));
}

void pcapng_statistics(struct strbuf *out, const struct pcapng_statistics *statistics)
{
    size_t start = block_begin(out, BLOCK_STATISTICS);

    append_u32(out, statistics->interface);
    append_u32(out, (uint32_t)(statistics->end_ns >> 32));
    append_u32(out, (uint32_t)statistics->end_ns);
    append_text(out, OPTION_COMMENT, statistics->comment);
    append_time(out, STATISTICS_START, statistics->start_ns);
    append_time(out, STATISTICS_END, statistics->end_ns);
    append_option(out, STATISTICS_RECEIVED, &statistics->received, 8);
    append_option(out, STATISTICS_DROPPED, &statistics->dropped, 8);
    append_option(out, STATISTICS_OS_DROPPED, &statistics->os_dropped, 8);
    append_option(out, STATISTICS_DELIVERED, &statistics->delivered, 8);
    block_end(out, start);
}

/**
 * comment_size() - Bytes of a packet's comment in the file
 * @packet:	The packet
 *
 * Return: bytes, without option header and padding
 */
static size_t comment_size(const struct pcapng_packet *packet)
{
    size_t size = packet->comment ? strlen(packet->comment) : 0;

    return size > OPTION_MAX ? OPTION_MAX : size;
}

size_t pcapng_packet_size(const struct pcapng_packet *packet)
{
    size_t comment = comment_size(packet);
    size_t size = PCAPNG_PACKET_DATA + padded(packet->captured);

    size += OPTION_HEADER + 4; /* flags */
    if (packet->dropped)
        size += OPTION_HEADER + 8;
    if (comment)
        size += OPTION_HEADER + padded(comment);
    for (size_t at = 0; at < packet->notes_size; at += strlen(packet->notes + at) + 1)
        size += OPTION_HEADER + padded(strlen(packet->notes + at));
    return size + OPTION_HEADER + 4; /* end of options, length again */
}

/**
 * put_u32() - Write four bytes
 * @at:		Where
 * @value:	What
 *
 * Return: behind them
 */
static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

/**
 * put_option() - Write an option with its padding
 * @at:		Where
 * @code:	Which option
 * @data:	Its value
 * @size:	Bytes of it
 *
 * Return: behind it
 */
static uint8_t *put_option(uint8_t *at, uint16_t code, const void *data, size_t size)
{
    uint16_t header[2] = {code, (uint16_t)size};

    memcpy(at, header, sizeof(header));
    memcpy(at + OPTION_HEADER, data, size);
    memset(at + OPTION_HEADER + size, 0, padded(size) - size);
    return at + OPTION_HEADER + padded(size);
}

void pcapng_packet_put(uint8_t *at, const struct pcapng_packet *packet)
{
    uint32_t size = (uint32_t)pcapng_packet_size(packet), flags = packet->direction;
    size_t comment = comment_size(packet);

    at = put_u32(at, BLOCK_PACKET);
    at = put_u32(at, size);
    at = put_u32(at, packet->interface);
    at = put_u32(at, (uint32_t)(packet->time_ns >> 32));
    at = put_u32(at, (uint32_t)packet->time_ns);
    at = put_u32(at, (uint32_t)packet->captured);
    at = put_u32(at, (uint32_t)packet->original);
    at += packet->captured;
    memset(at, 0, padded(packet->captured) - packet->captured);
    at += padded(packet->captured) - packet->captured;
    at = put_option(at, PACKET_FLAGS, &flags, sizeof(flags));
    if (packet->dropped)
        at = put_option(at, PACKET_DROPCOUNT, &packet->dropped, sizeof(packet->dropped));
    if (comment)
        at = put_option(at, OPTION_COMMENT, packet->comment, comment);
    for (size_t i = 0; i < packet->notes_size; i += strlen(packet->notes + i) + 1)
        at = put_option(at, OPTION_COMMENT, packet->notes + i, strlen(packet->notes + i));
    at = put_u32(at, OPTION_END);
    put_u32(at, size);
}

size_t pcapng_packet_get(const uint8_t *at, struct pcapng_packet *ret_packet)
{
    uint32_t head[7], flags;

    memcpy(head, at, sizeof(head));
    /* The flags are the first option there is. */
    memcpy(&flags, at + PCAPNG_PACKET_DATA + padded(head[5]) + OPTION_HEADER, sizeof(flags));
    *ret_packet = (struct pcapng_packet){
        .interface = head[2],
        .time_ns = (uint64_t)head[3] << 32 | head[4],
        .captured = head[5],
        .original = head[6],
        .direction = (enum pcapng_direction)(flags & 3),
    };
    return head[1];
}

uint32_t pcapng_interfaces(const uint8_t *data, size_t size)
{
    uint32_t count = 0;

    for (size_t at = 0; at < size;) {
        uint32_t head[2];

        memcpy(head, data + at, sizeof(head));
        if (head[0] == BLOCK_SECTION)
            count = 0;
        else if (head[0] == BLOCK_INTERFACE)
            count++;
        at += head[1];
    }
    return count;
}

size_t pcapng_whole_blocks(const uint8_t *data, size_t size)
{
    size_t whole = 0;

    while (size - whole >= BLOCK_LEAST) {
        uint32_t block;

        memcpy(&block, data + whole + 4, sizeof(block));
        if (block < BLOCK_LEAST || block > size - whole)
            break;
        whole += block;
    }
    return whole;
}
