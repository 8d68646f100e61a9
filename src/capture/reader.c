// SPDX-License-Identifier: GPL-2.0-or-later

/* The other end of pcapng.c, for labctl's own commands: this machine's byte order, nanoseconds, one
 * section. Whatever comes, nothing is read beyond a block that lies in the buffer whole. */

#include "capture/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#define BLOCK_LEAST     12u
#define BLOCK_MOST      (16u << 20) /* as much as Wireshark takes */
#define INTERFACES_MOST 65536u
#define PACKET_HEAD     28u
#define INTERFACE_HEAD  16u
#define STATISTICS_HEAD 20u

enum { BLOCK_INTERFACE = 1, BLOCK_STATISTICS = 5, BLOCK_PACKET = 6 };
enum { OPTION_COMMENT = 1, OPTION_2 = 2, OPTION_3 = 3 };

struct interface {
    char *name, *link;
};

struct capture_reader {
    struct strbuf buffer;
    size_t used; /* of the buffer, by what was handed out */
    struct interface *interfaces;
    size_t count, capacity;
    struct strbuf comment;
};

struct capture_reader *capture_reader_new(void)
{
    return xnew0(struct capture_reader, 1);
}

void capture_reader_free(struct capture_reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < reader->count; i++) {
        free(reader->interfaces[i].name);
        free(reader->interfaces[i].link);
    }
    free(reader->interfaces);
    strbuf_done(&reader->buffer);
    strbuf_done(&reader->comment);
    free(reader);
}

void capture_reader_feed(struct capture_reader *reader, const void *data, size_t size)
{
    if (reader->used) {
        strbuf_consume(&reader->buffer, reader->used);
        reader->used = 0;
    }
    strbuf_append(&reader->buffer, data, size);
}

/**
 * block_size() - Length of the block at the start of some bytes
 * @data:	Bytes
 * @size:	How many
 *
 * Return: length, 0 if it is not there whole, -EPROTO if it is none
 */
static ssize_t block_size(const uint8_t *data, size_t size)
{
    uint32_t length, tail;

    if (size < BLOCK_LEAST)
        return 0;
    memcpy(&length, data + 4, sizeof(length));
    if (length < BLOCK_LEAST || length > BLOCK_MOST || length % 4 != 0)
        return -EPROTO;
    if (length > size)
        return 0;
    memcpy(&tail, data + length - sizeof(tail), sizeof(tail));
    return tail == length ? (ssize_t)length : -EPROTO;
}

ssize_t capture_blocks(const void *data, size_t size)
{
    size_t whole = 0;

    for (;;) {
        ssize_t length = block_size((const uint8_t *)data + whole, size - whole);

        if (length < 0)
            return length;
        if (length == 0)
            return (ssize_t)whole;
        whole += (size_t)length;
    }
}

/**
 * next_option() - Walk a block's options
 * @at:		Where to read; moved behind the option
 * @end:	End of the options
 * @ret_code:	Which option
 * @ret_size:	Bytes of it
 *
 * Return: its value, NULL if there is none left
 */
static const uint8_t *next_option(const uint8_t **at, const uint8_t *end, uint16_t *ret_code,
                                  uint16_t *ret_size)
{
    const uint8_t *value;
    uint16_t head[2];

    if (end - *at < (ptrdiff_t)sizeof(head))
        return NULL;
    memcpy(head, *at, sizeof(head));
    value = *at + sizeof(head);
    if (head[0] == 0 || head[1] > end - value)
        return NULL;
    *ret_code = head[0];
    *ret_size = head[1];
    *at = end - value < ((head[1] + 3) & ~3) ? end : value + ((head[1] + 3) & ~3);
    return value;
}

/**
 * add_interface() - Take an interface description
 * @reader:	Reader
 * @block:	Block
 * @size:	Its length
 */
static void add_interface(struct capture_reader *reader, const uint8_t *block, size_t size)
{
    const uint8_t *at = block + INTERFACE_HEAD, *end = block + size - 4, *value;
    struct interface interface = {NULL, NULL};
    uint16_t code, length;

    if (size < INTERFACE_HEAD + 4 || reader->count == INTERFACES_MOST)
        return;
    while ((value = next_option(&at, end, &code, &length))) {
        if (code == OPTION_2 && !interface.name)
            interface.name = text_escape((const char *)value, length);
        else if (code == OPTION_3 && !interface.link)
            interface.link = text_escape((const char *)value, length);
    }
    if (!interface.name)
        interface.name = xstrdup("?");
    if (!interface.link)
        interface.link = xstrdup("");
    array_grow(reader->interfaces, reader->count, reader->capacity);
    reader->interfaces[reader->count++] = interface;
}

/**
 * read_options() - Take comments and flags
 * @reader:	Reader; its @comment is filled
 * @at:		Begin of the options
 * @end:	Their end
 * @packet:	Its flags and comment are filled
 * @flags:	Whether option 2 is the packet's flags
 */
static void read_options(struct capture_reader *reader, const uint8_t *at, const uint8_t *end,
                         struct capture_packet *packet, bool flags)
{
    const uint8_t *value;
    uint16_t code, length;

    reader->comment.size = 0;
    while ((value = next_option(&at, end, &code, &length))) {
        if (flags && code == OPTION_2 && length >= 4) {
            packet->received = (value[0] & 3) == 1;
            packet->sent = (value[0] & 3) == 2;
        } else if (code == OPTION_COMMENT) {
            _cleanup_free_ char *text = text_escape((const char *)value, length);

            strbuf_printf(&reader->comment, "%s%s", reader->comment.size ? "\n" : "", text);
        }
    }
    packet->comment = reader->comment.size ? reader->comment.data : NULL;
}

/**
 * read_packet() - Take a packet
 * @reader:	Reader
 * @block:	Block
 * @size:	Its length
 * @packet:	Filled
 *
 * Return: true if it makes sense
 */
static bool read_packet(struct capture_reader *reader, const uint8_t *block, size_t size,
                        struct capture_packet *packet)
{
    uint32_t head[7];
    size_t padded;

    if (size < PACKET_HEAD + 4)
        return false;
    memcpy(head, block, sizeof(head));
    padded = ((size_t)head[5] + 3) & ~(size_t)3;
    if (head[2] >= reader->count || padded > size - PACKET_HEAD - 4)
        return false;
    *packet = (struct capture_packet){
        .interface = head[2],
        .where = reader->interfaces[head[2]].name,
        .link = reader->interfaces[head[2]].link,
        .time_ns = (uint64_t)head[3] << 32 | head[4],
        .data = block + PACKET_HEAD,
        .size = head[5],
        .original = head[6],
    };
    read_options(reader, block + PACKET_HEAD + padded, block + size - 4, packet, true);
    return true;
}

int capture_reader_next(struct capture_reader *reader, struct capture_packet *ret_packet)
{
    for (;;) {
        const uint8_t *block = (const uint8_t *)reader->buffer.data + reader->used;
        ssize_t size =
            reader->buffer.data ? block_size(block, reader->buffer.size - reader->used) : 0;
        uint32_t type;

        if (size <= 0)
            return (int)size;
        reader->used += (size_t)size;
        memcpy(&type, block, sizeof(type));
        if (type == BLOCK_INTERFACE) {
            add_interface(reader, block, (size_t)size);
        } else if (type == BLOCK_PACKET) {
            if (!read_packet(reader, block, (size_t)size, ret_packet))
                return -EPROTO;
            return 1;
        } else if (type == BLOCK_STATISTICS && (size_t)size >= STATISTICS_HEAD + 4) {
            *ret_packet = (struct capture_packet){.where = "", .link = ""};
            read_options(reader, block + STATISTICS_HEAD, block + size - 4, ret_packet, false);
            if (ret_packet->comment)
                return 1;
        }
    }
}
