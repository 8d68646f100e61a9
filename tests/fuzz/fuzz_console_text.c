// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* Hostile guest output through everything that reads it: lines, transcripts, the guard before the
 * terminal. Whatever the pieces it comes in, the result is the same; nothing grows beyond its
 * bound; no escape is left where text is promised; a replay passes no question. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "console/guard.h"
#include "console/lines.h"
#include "console/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static regex_t prompt;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

static void collect(const char *line, size_t size, bool cut, void *out)
{
    CHECK(size <= LINES_MAX && line[size] == 0);
    for (size_t i = 0; i < size; i++)
        CHECK((unsigned char)line[i] >= 0x20 || line[i] == '\t');
    strbuf_append(out, line, size);
    strbuf_append(out, cut ? "+" : "|", 1);
}

static struct strbuf lines_of(const uint8_t *data, size_t size, size_t step)
{
    struct strbuf out = STRBUF_INIT;
    struct lines lines;

    lines_init(&lines);
    for (size_t at = 0; at < size; at += step) {
        lines_feed(&lines, data + at, step < size - at ? step : size - at, collect, &out);
        CHECK(lines.current.size <= LINES_MAX && lines.column <= LINES_MAX);
    }
    strbuf_puts(&out, lines_current(&lines));
    lines_done(&lines);
    return out;
}

static struct strbuf transcript_of(const char *command, const uint8_t *data, size_t size,
                                   size_t step, enum transcript_end *ret_end)
{
    struct strbuf out = STRBUF_INIT;
    struct transcript transcript;
    char *text;
    size_t length, after;
    int status = 0;

    transcript_init(&transcript, command, &prompt, "r1# ");
    for (size_t at = 0; at < size; at += step)
        transcript_feed(&transcript, data + at, step < size - at ? step : size - at);
    *ret_end = transcript_look(&transcript);
    text = transcript_output(&transcript, &length);
    CHECK(length == strlen(text) && length <= TRANSCRIPT_MAX + LINES_MAX);
    strbuf_append(&out, text, length);
    if (transcript_answer(&transcript, text, &status))
        CHECK(status >= 0 && status <= 255);
    free(text);
    /* What was typed while the command ran is taken off, and only that. */
    strbuf_append(&out, transcript_message(&transcript) ? "m" : "-", 1);
    if (transcript_status(&transcript, "echo $?", &status) ||
        transcript_last_number(&transcript, &status))
        CHECK(status >= 0 && status <= 255);
    transcript_drop_prompts(&transcript, 3);
    CHECK(transcript.output.size == strlen(transcript.output.size ? transcript.output.data : ""));
    text = transcript_output(&transcript, &after);
    CHECK(after == strlen(text) && after <= length);
    strbuf_append(&out, text, after);
    free(text);
    transcript_done(&transcript);
    return out;
}

static struct strbuf guarded(const uint8_t *data, size_t size, size_t step, size_t live)
{
    struct guard guard = {.alternate = false};
    struct strbuf out = STRBUF_INIT;

    for (size_t at = 0; at < size;) {
        size_t part = step < size - at ? step : size - at;

        if (at < live && at + part > live)
            part = live - at;
        guard_feed(&guard, data + at, part, at < live, &out);
        CHECK(guard.held.size <= 256);
        at += part;
    }
    guard_done(&guard);
    return out;
}

static void same(struct strbuf *a, struct strbuf *b)
{
    CHECK(a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0));
    strbuf_done(a);
    strbuf_done(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum transcript_end end_a, end_b;
    struct strbuf a, b;
    char command[32] = "";
    size_t live, step, length;

    if (!prompt.re_nsub && !prompt.re_pcre2_code)
        (void)regcomp(&prompt, "^r1(\\([a-z]+\\))?# $", REG_EXTENDED | REG_NOSUB);
    if (size < 3)
        return 0;
    step = data[0] % 17u + 1;
    live = data[1] * size / 255;
    length = data[2] % sizeof(command);
    data += 3;
    size -= 3;
    for (size_t i = 0; i < length && i < size; i++)
        command[i] = data[i] >= 0x20 && data[i] != 0x7f ? (char)data[i] : 'x';

    a = lines_of(data, size, size ? size : 1);
    b = lines_of(data, size, step);
    same(&a, &b);
    a = transcript_of(command, data, size, size ? size : 1, &end_a);
    b = transcript_of(command, data, size, step, &end_b);
    CHECK(end_a == end_b);
    same(&a, &b);
    a = guarded(data, size, size ? size : 1, live);
    b = guarded(data, size, step, live);
    same(&a, &b);
    /* Live output passes as it is; what passed a replay once passes again. */
    a = guarded(data, size, step, 0);
    CHECK(a.size == size && (size == 0 || memcmp(a.data, data, size) == 0));
    strbuf_done(&a);
    return 0;
}
