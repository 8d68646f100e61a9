// SPDX-License-Identifier: GPL-2.0-or-later

#include "console/frames.h"

#include <errno.h>

void console_frame_head(uint8_t *head, enum console_frame type, size_t size)
{
    head[0] = (uint8_t)type;
    head[1] = 0;
    head[2] = (uint8_t)(size & 0xff);
    head[3] = (uint8_t)(size >> 8);
}

ssize_t console_frame_parse(const void *data, size_t size, struct console_frame_view *ret_frame)
{
    const uint8_t *bytes = data;
    size_t length;

    if (size < CONSOLE_FRAME_HEAD)
        return 0;
    length = (size_t)bytes[2] | (size_t)bytes[3] << 8;
    if (bytes[1] != 0 || length > CONSOLE_FRAME_MAX || bytes[0] == 0)
        return -EPROTO;
    if (size < CONSOLE_FRAME_HEAD + length)
        return 0;
    *ret_frame = (struct console_frame_view){
        .type = bytes[0], .payload = bytes + CONSOLE_FRAME_HEAD, .size = length};
    return (ssize_t)(CONSOLE_FRAME_HEAD + length);
}
