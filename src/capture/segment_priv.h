// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* From what passes through a tap to what would be on a cable. */

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame as a packet socket with PACKET_VNET_HDR gives it. */
struct segment_input {
    const uint8_t *data;
    size_t size;     /* bytes at @data */
    size_t original; /* bytes the frame has; @size or more */
    struct virtio_net_hdr vnet;
    bool tagged; /* the kernel took a VLAN tag out: */
    uint16_t tci, tpid;
};

/* A frame as it is on the wire: head, body and padding in a row. */
struct segment_frame {
    const uint8_t *head, *body;
    size_t head_size, body_size;
    size_t padding;      /* zeros that fill it up to the least length */
    size_t missing;      /* bytes that the capture does not have, after the others */
    bool changed;        /* it differs from the input */
    const char *comment; /* what is wrong with it, or NULL */
};

struct segmenter;

struct segmenter *segmenter_new(void);
void segmenter_free(struct segmenter *segmenter);

/* segmenter_begin() - Take a frame; its bytes must stay until the last segmenter_next(). */
void segmenter_begin(struct segmenter *segmenter, const struct segment_input *input);

/* segmenter_next() - Next frame on the wire, at least one. Valid until the next call. Return: false
 * after the last */
bool segmenter_next(struct segmenter *segmenter, struct segment_frame *ret_frame);
