// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What engine and labctl say on a connection after console.attach: frames of a 4-byte head and a
 * payload. byte 0: type; byte 1: zero; bytes 2-3: payload length, little endian, at most
 * CONSOLE_FRAME_MAX Engine to client: DATA (guest output), NOTICE (one line of text for the
 * person), STATE (text: "running", "stopped"), WRITER (text: who has the keyboard) Client to
 * engine: DATA (typed), BREAK, TAKE (ask for the keyboard), GIVE, RESIZE (u16 columns, u16 rows).
 */

#include <stddef.h>
#include <stdint.h>

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
