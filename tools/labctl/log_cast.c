// SPDX-License-Identifier: GPL-2.0-or-later

/* asciicast v2: a head and then one event a line, [seconds since the beginning, "o", text]. What
 * the index says came together is one event. JSON wants UTF-8: a character that two events share
 * goes into the later one, and what is none becomes U+FFFD. */

#include "labctl/log_cast.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define PIECE_SIZE 65536
/* A serial line does not know the terminal's size; this is what guests take it for. */
#define COLUMNS 80
#define ROWS    24

/**
 * character() - Size of the UTF-8 character at the start of some bytes
 * @data:	Bytes
 * @size:	How many, at least one
 *
 * Return: its size; 0: it is not complete; -1: this is none
 */
static int character(const unsigned char *data, size_t size)
{
    static const unsigned char least[] = {0, 0, 0, 0xa0, 0x90}, most[] = {0, 0, 0, 0x9f, 0x8f};
    unsigned char first = data[0];
    int count = first < 0x80 ? 1 : first < 0xc2 ? -1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (first > 0xf4)
        return -1;
    for (int i = 1; i < count; i++) {
        if ((size_t)i >= size)
            return 0;
        if ((data[i] & 0xc0) != 0x80)
            return -1;
        /* Overlong forms, surrogates, beyond U+10FFFF. */
        if (i == 1 &&
            ((first == 0xe0 && data[1] < least[3]) || (first == 0xf0 && data[1] < least[4]) ||
             (first == 0xed && data[1] > most[3]) || (first == 0xf4 && data[1] > most[4])))
            return -1;
    }
    return count;
}

/**
 * take_text() - Take what is whole off some bytes, as UTF-8
 * @bytes:	Bytes; what is not complete stays
 * @last:	Nothing follows
 *
 * Return: text, caller frees
 */
static char *take_text(struct strbuf *bytes, bool last)
{
    struct strbuf text = STRBUF_INIT;
    size_t at = 0;

    while (at < bytes->size) {
        int count = character((unsigned char *)bytes->data + at, bytes->size - at);

        if (count == 0 && !last)
            break;
        if (count <= 0)
            strbuf_puts(&text, "\xef\xbf\xbd");
        else if (bytes->data[at]) /* a zero byte is nothing to see */
            strbuf_append(&text, bytes->data + at, (size_t)count);
        at += count > 0 ? (size_t)count : 1;
    }
    strbuf_consume(bytes, at);
    return strbuf_steal(&text);
}

/**
 * print_event() - One event
 * @bytes:	What came; what is not complete stays
 * @seconds:	When
 * @last:	Nothing follows
 */
static void print_event(struct strbuf *bytes, double seconds, bool last)
{
    _cleanup_free_ char *text = take_text(bytes, last), *shown = NULL;
    json_t *value = *text ? json_string(text) : NULL;

    if (!value)
        return;
    shown = json_dumps(value, JSON_ENCODE_ANY);
    (void)printf("[%.6f, \"o\", %s]\n", seconds, shown);
    json_decref(value);
}

int log_cast(int fd, off_t from, const struct times *times, const char *title, struct error *err)
{
    uint64_t start = times_at(times, (uint64_t)from), at = (uint64_t)from;
    _cleanup_free_ char *chunk = xmalloc0(PIECE_SIZE, 1), *shown = NULL;
    _cleanup_strbuf_ struct strbuf bytes = STRBUF_INIT;
    json_t *name = json_string(title);
    double seconds = 0;

    if (start == 0 && times->count)
        start = times->entries[0].ns;
    shown = json_dumps(name, JSON_ENCODE_ANY);
    json_decref(name);
    (void)printf(
        "{\"version\": 2, \"width\": %d, \"height\": %d, \"timestamp\": %llu, \"title\": %s}\n",
        COLUMNS, ROWS, (unsigned long long)(start / 1000000000), shown);
    for (;;) {
        uint64_t next = times_next(times, at), when = times_at(times, at);
        size_t most = next - at < PIECE_SIZE ? (size_t)(next - at) : PIECE_SIZE;
        ssize_t n = pread(fd, chunk, most, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the console's file");
        if (n == 0 || ferror(stdout))
            break;
        if (when > start)
            seconds = (double)(when - start) / 1e9;
        strbuf_append(&bytes, chunk, (size_t)n);
        print_event(&bytes, seconds, false);
        at += (uint64_t)n;
    }
    print_event(&bytes, seconds, true);
    return 0;
}
