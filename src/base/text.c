// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

/**
 * utf8_length() - Length of the well-formed UTF-8 sequence at the start of a buffer
 * @data:	Bytes
 * @size:	How many there are
 *
 * Follows table 3-7 of the Unicode standard; C1 controls (U+0080 to U+009F) count as ill-formed
 * here because terminals obey them.
 *
 * Return: 1 to 4, or 0 if ill-formed
 */
static size_t utf8_length(const unsigned char *data, size_t size)
{
    unsigned char lead = data[0];
    size_t length;
    uint32_t point;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    else
        return 0;
    if (length > size)
        return 0;
    point = (uint32_t)(lead & (0xff >> (length + 1)));
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        point = (point << 6) | (data[i] & 0x3f);
    }
    if ((length == 2 && point < 0xa0) || (length == 3 && point < 0x800) ||
        (length == 4 && point < 0x10000) || point > 0x10ffff ||
        (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return length;
}

char *text_escape(const char *data, size_t size)
{
    struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; i < size;) {
        const unsigned char *at = (const unsigned char *)data + i;
        size_t length = utf8_length(at, size - i);

        if (length == 0 || *at < 0x20 || *at == 0x7f) {
            strbuf_printf(&out, "\\x%02x", *at);
            i++;
        } else {
            strbuf_append(&out, at, length);
            i += length;
        }
    }
    return strbuf_steal(&out);
}

/**
 * edit_distance() - Levenshtein distance with adjacent transposition counted as one
 * @a:	First word
 * @b:	Second word
 *
 * Return: number of edits; words over 64 bytes count as far apart
 */
static size_t edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t rows[3][MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t size_a = strlen(a), size_b = strlen(b);

    if (size_a > MAX || size_b > MAX)
        return MAX;
    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= size_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= size_a; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= size_b; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[size_b];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t limit = strlen(word) / 3 > 1 ? strlen(word) / 3 : 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance;

        if (!candidates[i])
            continue;
        distance = edit_distance(word, candidates[i]);
        if (distance <= limit && distance < strlen(word)) {
            limit = distance ? distance - 1 : 0;
            nearest = candidates[i];
            if (!distance)
                break;
        }
    }
    return nearest;
}

/**
 * is_alnum() - ASCII letter or digit, whatever the locale
 * @c:	Character
 *
 * Return: true if so
 */
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

bool text_is_hostname(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > 63 || name[0] == '-' || name[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_alnum(name[i]) && name[i] != '-')
            return false;
    return true;
}

bool text_is_name(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > 63 || !is_alnum(name[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_alnum(name[i]) && !strchr("._-", name[i]))
            return false;
    return true;
}

char *text_replace(const char *text, const char *what, const char *with)
{
    struct strbuf out = STRBUF_INIT;
    const char *at;

    while ((at = strstr(text, what))) {
        strbuf_append(&out, text, (size_t)(at - text));
        strbuf_puts(&out, with);
        text = at + strlen(what);
    }
    strbuf_puts(&out, text);
    return strbuf_steal(&out);
}

/**
 * escape_length() - Length of the escape sequence at the start of a buffer (ECMA-48)
 * @data:	Bytes, the first one ESC
 * @size:	How many there are
 *
 * Return: its length; an unfinished one reaches to the end of the buffer
 */
static size_t escape_length(const char *data, size_t size)
{
    size_t i = 1;

    if (size < 2)
        return size;
    switch (data[1]) {
    case '[':
        for (i = 2; i < size; i++)
            if (data[i] >= 0x40 && data[i] <= 0x7e)
                return i + 1;
        return size;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        for (i = 2; i < size; i++) {
            if (data[i] == '\a')
                return i + 1;
            if (data[i] == '\033')
                return i + 1 < size && data[i + 1] == '\\' ? i + 2 : i;
        }
        return size;
    default:
        /* nF sequences: intermediate bytes, then a final one. */
        while (i < size && data[i] >= 0x20 && data[i] <= 0x2f)
            i++;
        return i < size ? i + 1 : size;
    }
}

size_t text_strip_terminal(char *data, size_t size)
{
    size_t out = 0;

    for (size_t i = 0; i < size;) {
        char c = data[i];

        if (c == '\033') {
            i += escape_length(data + i, size - i);
            continue;
        }
        if (c == '\b') {
            if (out > 0 && data[out - 1] != '\n')
                out--;
        } else if ((unsigned char)c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t') {
            data[out++] = c;
        }
        i++;
    }
    return out;
}
