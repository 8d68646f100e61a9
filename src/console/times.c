// SPDX-License-Identifier: GPL-2.0-or-later

/* The index of a console's record (times.h). It is a help and not the record: whatever is wrong
 * with it, at worst a time is missing or coarse. */

#include "console/times.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

#define FILE_MAX (64u << 20)

static const uint8_t magic[TIMES_HEAD] = "labctl times 1\n";

/**
 * put_u64() - Write 64 bits, little endian
 * @to:		Where
 * @value:	Value
 */
static void put_u64(uint8_t *to, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

/**
 * get_u64() - Read 64 bits, little endian
 * @from:	Where
 *
 * Return: value
 */
static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

void times_head(uint8_t head[TIMES_HEAD])
{
    memcpy(head, magic, sizeof(magic));
}

void times_pack(const struct times_entry *entry, uint8_t packed[TIMES_ENTRY])
{
    put_u64(packed, entry->offset);
    put_u64(packed + 8, entry->ns);
}

int times_parse(const void *data, size_t size, struct times *ret_times)
{
    const uint8_t *bytes = data;
    struct times times = {0};

    if (size < TIMES_HEAD || memcmp(bytes, magic, TIMES_HEAD) != 0)
        return -EINVAL;
    for (size_t at = TIMES_HEAD; size - at >= TIMES_ENTRY; at += TIMES_ENTRY) {
        struct times_entry entry = {.offset = get_u64(bytes + at), .ns = get_u64(bytes + at + 8)};
        const struct times_entry *last = times.count ? &times.entries[times.count - 1] : NULL;

        /* A clock that was set back gives entries of the same time until it has caught up. */
        if (last && entry.ns < last->ns)
            entry.ns = last->ns;
        if ((last && entry.offset <= last->offset) || entry.ns > INT64_MAX ||
            entry.offset > INT64_MAX)
            continue;
        array_grow(times.entries, times.count, times.capacity);
        times.entries[times.count++] = entry;
    }
    *ret_times = times;
    return 0;
}

char *times_path(const char *log_path)
{
    size_t size = strlen(log_path);

    if (size > 4 && strcmp(log_path + size - 4, ".log") == 0)
        size -= 4;
    return xasprintf("%.*s.times", (int)size, log_path);
}

int times_load(const char *log_path, struct times *ret_times, struct error *err)
{
    _cleanup_free_ char *path = times_path(log_path), *data = NULL;
    size_t size = 0;
    int r = file_read(path, FILE_MAX, &data, &size, err);

    if (r < 0)
        return r;
    if (times_parse(data, size, ret_times) < 0)
        return error_set(err, EINVAL, "%s: not an index of a console's record", path);
    return 0;
}

void times_done(struct times *times)
{
    free(times->entries);
    *times = (struct times){0};
}

/**
 * find() - How many entries begin at or before an offset
 * @times:	Index
 * @offset:	Offset
 *
 * Return: number
 */
static size_t find(const struct times *times, uint64_t offset)
{
    size_t low = 0, high = times->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (times->entries[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t times_at(const struct times *times, uint64_t offset)
{
    size_t index = find(times, offset);

    return index ? times->entries[index - 1].ns : 0;
}

uint64_t times_next(const struct times *times, uint64_t offset)
{
    size_t index = find(times, offset);

    return index < times->count ? times->entries[index].offset : UINT64_MAX;
}

uint64_t times_since(const struct times *times, uint64_t ns)
{
    for (size_t i = 0; i < times->count; i++)
        if (times->entries[i].ns >= ns)
            return times->entries[i].offset;
    return UINT64_MAX;
}

void times_thin(struct times *times, uint64_t begin, size_t most)
{
    size_t first = find(times, begin), kept = 0;

    /* The entry that the first kept byte belongs to stays. */
    if (first > 1) {
        memmove(times->entries, times->entries + first - 1,
                (times->count - (first - 1)) * sizeof(*times->entries));
        times->count -= first - 1;
    }
    while (times->count > most) {
        kept = 0;
        for (size_t i = 0; i < times->count; i += 2)
            times->entries[kept++] = times->entries[i];
        times->count = kept;
    }
}
