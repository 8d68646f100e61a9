// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

#include "unit/test_capture_lab.h"

#include "capture/segment_priv.h"

static uint8_t frame[70000], wire[70000];

/* flatten() - Put a wire frame in a row. Return: its size */
static size_t flatten(const struct segment_frame *piece)
{
    memcpy(wire, piece->head, piece->head_size);
    memcpy(wire + piece->head_size, piece->body, piece->body_size);
    memset(wire + piece->head_size + piece->body_size, 0, piece->padding);
    return piece->head_size + piece->body_size + piece->padding;
}

/* check_super() - Cut a super-frame and look at each segment. */
static void check_super(const struct lab_packet *packet, bool tagged, uint16_t mss)
{
    struct segmenter *segmenter = segmenter_new();
    struct segment_input input = {.data = frame, .tagged = tagged, .tci = 7, .tpid = 0x8100};
    size_t payload_at = 0, count = 0, tag = tagged ? 4 : 0;
    struct segment_frame piece;

    input.size = input.original = lab_make(packet, frame, &input.vnet);
    lab_gso(&input.vnet, packet, mss);
    input.vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    segmenter_begin(segmenter, &input);
    while (segmenter_next(segmenter, &piece)) {
        size_t size = flatten(&piece), payload_size, at = input.vnet.csum_start + tag;
        const uint8_t *payload;

        assert_null(piece.comment);
        assert_true(piece.changed);
        assert_true(lab_right(wire, size, &payload, &payload_size));
        assert_true(payload_size <= mss);
        for (size_t i = 0; i < payload_size; i++)
            assert_int_equal(payload[i], (payload_at + i) % 251);
        if (tagged)
            assert_memory_equal(wire + 12, "\x81\0\0\x07", 4);
        if (!packet->ipv6) {
            size_t id = (packet->id + count) & 0xffff;

            assert_int_equal(wire[at - 16] << 8 | wire[at - 15], id);
        }
        if (!packet->udp) {
            bool last = payload_at + payload_size == packet->payload;
            uint8_t flags = packet->flags;
            uint32_t sequence;

            memcpy(&sequence, wire + at + 4, 4);
            assert_int_equal(ntohl(sequence), packet->sequence + (uint32_t)payload_at);
            if (!last)
                flags &= (uint8_t)~0x09;
            if (count > 0)
                flags &= (uint8_t)~0x80;
            assert_int_equal(wire[at + 13], flags);
        }
        payload_at += payload_size;
        count++;
    }
    assert_int_equal(payload_at, packet->payload);
    assert_int_equal(count, (packet->payload + mss - 1) / mss);
    segmenter_free(segmenter);
}

static void super_frames_become_segments(void **state)
{
    static const size_t payloads[] = {1, 1448, 1449, 20000, 64000};

    (void)state;
    for (unsigned kind = 0; kind < 16; kind++)
        for (size_t i = 0; i < ARRAY_SIZE(payloads); i++)
            check_super(&(struct lab_packet){.ipv6 = kind & 1,
                                             .udp = kind & 2,
                                             .vlans = kind & 4 ? 2 : 0,
                                             .payload = payloads[i],
                                             .flags = 0x99,
                                             .id = 0xfffe,
                                             .sequence = 0xfffff000},
                        kind & 8, 1448);
}

/* one() - Pass a frame on and expect a single one. Return: its size, in @wire */
static size_t one(const struct segment_input *input, struct segment_frame *ret_piece)
{
    struct segmenter *segmenter = segmenter_new();
    struct segment_frame more;
    size_t size;

    segmenter_begin(segmenter, input);
    assert_true(segmenter_next(segmenter, ret_piece));
    size = flatten(ret_piece);
    assert_false(segmenter_next(segmenter, &more));
    segmenter_free(segmenter);
    return size;
}

static void checksums_are_completed_only_when_asked(void **state)
{
    struct segment_frame piece;
    const uint8_t *payload;
    size_t payload_size;

    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct segment_input input = {.data = frame, .tagged = kind & 4, .tci = 9, .tpid = 0x88a8};

        input.size = input.original =
            lab_make(&(struct lab_packet){.ipv6 = kind & 1, .udp = kind & 2, .payload = 301}, frame,
                     &input.vnet);
        assert_true(lab_right(wire, one(&input, &piece), &payload, &payload_size));
        assert_int_equal(payload_size, 301);
        input.vnet.flags = 0; /* now it is broken, and stays so */
        assert_false(lab_right(wire, one(&input, &piece), &payload, &payload_size));
        if (!input.tagged) {
            assert_false(piece.changed);
            assert_memory_equal(wire, frame, input.size);
        }
    }
}

static void zero_sum_of_udp_is_written_as_ones(void **state)
{
    struct segment_frame piece;
    struct segment_input input = {.data = frame};
    uint32_t sum;

    (void)state;
    input.size = input.original =
        lab_make(&(struct lab_packet){.udp = true, .payload = 200}, frame, &input.vnet);
    memset(frame + 42, 0, 2);
    sum = lab_sum(0, frame + 34, input.size - 34) ^ 0xffff;
    frame[42] = (uint8_t)(sum >> 8);
    frame[43] = (uint8_t)sum;
    (void)one(&input, &piece);
    assert_memory_equal(wire + 40, "\xff\xff", 2);
}

static void short_frames_are_padded(void **state)
{
    struct segment_frame piece;

    (void)state;
    memset(frame, 0x55, 100);
    for (size_t size = 0; size <= 64; size++)
        for (unsigned tagged = 0; tagged < 2; tagged++) {
            struct segment_input input = {
                .data = frame, .size = size, .original = size, .tagged = tagged, .tpid = 0x8100};
            size_t full = size + (tagged && size >= 12 ? 4 : 0);

            assert_int_equal(one(&input, &piece), full < 60 ? 60 : full);
            for (size_t i = full; i < 60; i++)
                assert_int_equal(wire[i], 0);
            assert_int_equal(piece.missing, 0);
        }
}

static void what_was_not_captured_is_missing(void **state)
{
    struct segment_input input = {.data = frame, .size = 80, .original = 9000};
    struct segment_frame piece;

    (void)state;
    input.vnet = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    assert_int_equal(one(&input, &piece), 80);
    assert_int_equal(piece.missing, 8920);
    input.vnet.gso_type = 1;
    assert_int_equal(one(&input, &piece), 80);
    assert_non_null(piece.comment);
}

static void what_does_not_add_up_passes_whole(void **state)
{
    const struct lab_packet packet = {.payload = 5000};
    struct segment_input input = {.data = frame};
    struct virtio_net_hdr good;
    struct segment_frame piece;
    size_t size = lab_make(&packet, frame, &good);

    (void)state;
    lab_gso(&good, &packet, 1000);
    input.size = input.original = size;
    for (unsigned fault = 0; fault < 9; fault++) {
        size = lab_make(&packet, frame, &input.vnet);
        input.size = input.original = size;
        input.vnet = good;
        switch (fault) {
        case 0:
            input.vnet.gso_size = 0;
            break;
        case 1:
            input.vnet.flags = 0;
            break;
        case 2:
            input.vnet.csum_start = 36;
            break;
        case 3:
            input.vnet.csum_offset = 6;
            break;
        case 4:
            input.vnet.gso_type = 3;
            break;
        case 5:
            frame[23] = 17;
            break;
        case 6:
            frame[46] = 0x10;
            break;
        case 7:
            frame[14] = 0x4f;
            break;
        default:
            input.size = input.original = 54;
        }
        assert_int_equal(one(&input, &piece), input.size < 60 ? 60 : input.size);
        assert_non_null(piece.comment);
    }
    input.vnet = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 65535, .csum_offset = 65535};
    (void)one(&input, &piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(super_frames_become_segments),
        cmocka_unit_test(checksums_are_completed_only_when_asked),
        cmocka_unit_test(zero_sum_of_udp_is_written_as_ones),
        cmocka_unit_test(short_frames_are_padded),
        cmocka_unit_test(what_was_not_captured_is_missing),
        cmocka_unit_test(what_does_not_add_up_passes_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
