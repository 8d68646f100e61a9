// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A frame in one line, for people at a terminal without tshark, and for tables of who talks to
 * whom. */

#include <stddef.h>
#include <stdint.h>

#define DECODE_INFO_MAX 200

/* All printable ASCII, whatever the frame holds. */
struct decode {
    char source[48], destination[48]; /* IP addresses, or hardware ones where there are none */
    char protocol[16];                /* "OSPF", "TCP", "0x88b5" */
    char info[DECODE_INFO_MAX];       /* what it says; may be empty */
};

/* decode_frame() - Understand an Ethernet frame.
 * @size:	Bytes of it that are there */
void decode_frame(const uint8_t *frame, size_t size, struct decode *ret_decode);
