// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What engine and labctl say on a connection after console.attach: frames of a 4-byte head and a
 * payload. byte 0: type, never zero; byte 1: zero; bytes 2-3: payload length, little endian, at
 * most CONSOLE_FRAME_MAX.
 * Engine to client: STATE, then WRITER if someone has the keyboard, then the replay as DATA, then
 * REPLAYED, then DATA (guest output), NOTICE (one line of text for the person), STATE ("running",
 * "stopped") and WRITER (who has the keyboard; "you"; empty: everyone may type) as they come.
 * Client to engine: DATA (typed), BREAK, TAKE (ask for the keyboard), GIVE, RESIZE (u16 columns,
 * u16 rows, little endian). Text is UTF-8 that holds no control characters. Either side passes over
 * types it does not know. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONSOLE_FRAME_HEAD 4
#define CONSOLE_FRAME_MAX  4096

enum console_frame {
    CONSOLE_FRAME_DATA = 1,
    CONSOLE_FRAME_NOTICE = 2,
    CONSOLE_FRAME_STATE = 3,
    CONSOLE_FRAME_WRITER = 4,
    CONSOLE_FRAME_BREAK = 5,
    CONSOLE_FRAME_TAKE = 6,
    CONSOLE_FRAME_GIVE = 7,
    CONSOLE_FRAME_RESIZE = 8,
    CONSOLE_FRAME_REPLAYED = 9, /* end of the replay; live output follows */
};

/* One received frame; the payload lies in the buffer that was parsed. */
struct console_frame_view {
    uint8_t type;
    const uint8_t *payload;
    size_t size;
};

/* console_frame_head() - Write the CONSOLE_FRAME_HEAD bytes before a payload of @size bytes. */
void console_frame_head(uint8_t *head, enum console_frame type, size_t size);
/* console_frame_parse() - The frame at the start of a buffer. Return: bytes it takes up, 0 if it is
 * not complete, -EPROTO if this is no frame */
ssize_t console_frame_parse(const void *data, size_t size, struct console_frame_view *ret_frame);
