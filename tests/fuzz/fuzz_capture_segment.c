// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* Hostile frames with hostile vnet headers: every wire frame that comes out is read in full, adds
 * up, and there are no more of them than the payload has bytes. */

#include <stdlib.h>
#include <string.h>

#include "capture/segment_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct segmenter *segmenter;
    struct segment_input input = {.tpid = 0x8100, .tci = 5};
    struct segment_frame frame;
    volatile uint8_t sum = 0;
    size_t count = 0;
    uint8_t *copy;

    if (!segmenter)
        segmenter = segmenter_new();
    if (size < sizeof(input.vnet) + 1)
        return 0;
    memcpy(&input.vnet, data, sizeof(input.vnet));
    input.tagged = data[sizeof(input.vnet)] & 1;
    input.size = size - sizeof(input.vnet) - 1;
    input.original = input.size + (data[sizeof(input.vnet)] & 2 ? 100 : 0);
    /* Of exactly this size, so that a byte too far is noticed. */
    copy = malloc(input.size ? input.size : 1);
    if (!copy)
        abort();
    memcpy(copy, data + sizeof(input.vnet) + 1, input.size);
    input.data = copy;
    segmenter_begin(segmenter, &input);
    while (segmenter_next(segmenter, &frame)) {
        for (size_t i = 0; i < frame.head_size; i++)
            sum = (uint8_t)(sum + frame.head[i]);
        for (size_t i = 0; i < frame.body_size; i++)
            sum = (uint8_t)(sum + frame.body[i]);
        if (frame.head_size + frame.body_size + frame.padding + frame.missing < 60 ||
            (!frame.changed && frame.head_size))
            abort();
        count++;
    }
    if (count < 1 || count > input.size + 1)
        abort();
    free(copy);
    return 0;
}
