// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* The decoder on any bytes as a frame, and the reader on any bytes as a pcapng. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/decode.h"
#include "capture/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct capture_reader *reader = capture_reader_new();
    struct capture_packet packet;
    struct decode decode;

    decode_frame(data, size, &decode);
    for (const char *c = decode.info; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            abort();
    if (strlen(decode.protocol) == 0)
        abort();
    capture_reader_feed(reader, data, size / 2);
    while (capture_reader_next(reader, &packet) > 0)
        ;
    capture_reader_feed(reader, data + size / 2, size - size / 2);
    while (capture_reader_next(reader, &packet) > 0)
        if (packet.data)
            decode_frame(packet.data, packet.size, &decode);
    capture_reader_free(reader);
    return 0;
}
