// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_topology labctl_base

/* Rooms for frames: many at a time, all of each, taken and given back in any order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "netfabric/wire_link_priv.h"

#define ROOMS 3000u /* more than are kept when nothing waits */

static struct wire_frame *rooms[ROOMS];

static uint8_t mark(size_t room)
{
    return (uint8_t)(room * 31 + 7);
}

static void take(size_t i)
{
    size_t size = 0;

    rooms[i] = wire_room(&size);
    assert_true(size >= 10 + 14 + 8 + 65535); /* header, addresses and type, two tags, payload */
    assert_true(rooms[i]->is_room);
    memset(rooms[i]->data, mark(i), size);
    rooms[i]->size = (uint32_t)size;
}

static void give_back(size_t i)
{
    assert_int_equal(rooms[i]->data[0], mark(i));
    assert_memory_equal(rooms[i]->data, rooms[i]->data + 1, rooms[i]->size - 1);
    wire_frame_free(rooms[i]);
    rooms[i] = NULL;
}

/* What is written into one room is not seen in another, however they come and go. */
static void test_rooms_are_apart(void **state)
{
    uint32_t luck = 1;

    (void)state;
    for (size_t i = 0; i < ROOMS; i++)
        take(i);
    for (size_t round = 0; round < ROOMS; round++) {
        size_t i = (luck = luck * 1664525u + 1013904223u) % ROOMS;

        if (rooms[i])
            give_back(i);
        else
            take(i);
    }
    for (size_t i = 0; i < ROOMS; i++)
        if (rooms[i])
            give_back(i);
}

/* The sanitizer's allocator counts for itself. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* A wave of frames takes memory while it lasts: what is kept afterwards is bounded. */
static void test_memory_is_given_back(void **state)
{
    size_t all;

    (void)state;
    for (size_t i = 0; i < ROOMS; i++)
        take(i);
    all = allocated();
    assert_true(all >= ROOMS * (size_t)65536);
    for (size_t i = 0; i < ROOMS; i++)
        give_back(i);
    assert_true(allocated() <= all / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms_are_apart),
        cmocka_unit_test(test_memory_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
