// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Reads pcapng as a capture worker writes it, while it comes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct capture_reader;

struct capture_packet {
    size_t interface;    /* number in the file */
    const char *where;   /* its name, "r1:eth0" */
    const char *link;    /* what that is cabled to, "" if unknown */
    uint64_t time_ns;    /* since 1970 */
    bool sent, received; /* by the node; neither: unknown */
    const uint8_t *data; /* valid until the next call; NULL: no packet, a remark at the end */
    size_t size, original;
    const char *comment; /* remarks on it, a line each, or NULL */
};

struct capture_reader *capture_reader_new(void);
void capture_reader_free(struct capture_reader *reader);

/* capture_reader_feed() - More bytes have come. */
void capture_reader_feed(struct capture_reader *reader, const void *data, size_t size);

/* capture_reader_next() - Next packet or remark. Return: 1, 0 if more bytes are needed, -EPROTO if
 * this is no pcapng of ours */
int capture_reader_next(struct capture_reader *reader, struct capture_packet *ret_packet);

/* capture_blocks() - How many bytes at the start of @data are whole blocks. Return: bytes, -EPROTO
 * if this is no pcapng of ours */
ssize_t capture_blocks(const void *data, size_t size);
