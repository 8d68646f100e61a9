// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * One line is modelled as a terminal would show it if it were endlessly wide: text, and a column
 * where the next byte goes. That is what makes "10%\r20%" read 20%, "\r\033[K" clear a pager's
 * line, and a prompt that is redrawn in place match a rule that begins with ^. Columns count bytes:
 * rules and commands are ASCII, and where they are not only the look suffers.
 *
 * A backspace at the end of the line removes the character, because consoles erase by "\b \b" and
 * the trailing blank that a terminal keeps would spoil the match of a prompt.
 *
 * A jump to another row (CUP) ends the line: what is printed there does not belong to it.
 *
 * Memory: at most LINES_MAX bytes. A longer line is handed out in pieces, and each cut leaves the
 * last KEEP bytes behind, so that a prompt right after long output is never torn. */

#include "console/lines.h"

#include <string.h>

#define KEEP 1024

void lines_init(struct lines *lines)
{
    *lines = (struct lines){.continued = false};
    vt_init(&lines->vt);
}

void lines_done(struct lines *lines)
{
    strbuf_done(&lines->current);
}

void lines_reset(struct lines *lines)
{
    lines_done(lines);
    lines_init(lines);
}

const char *lines_current(const struct lines *lines)
{
    return lines->current.size ? lines->current.data : "";
}

/**
 * truncate_line() - Cut the unfinished line
 * @lines:	Lines
 * @size:	New size, at most the present one
 */
static void truncate_line(struct lines *lines, size_t size)
{
    if (size >= lines->current.size)
        return;
    lines->current.size = size;
    lines->current.data[size] = 0;
}

/**
 * end_line() - Hand out the unfinished line and begin a new one
 * @lines:	Lines
 * @fn:	Receiver or NULL
 * @data:	Its data
 */
static void end_line(struct lines *lines, lines_fn *fn, void *data)
{
    if (fn)
        fn(lines_current(lines), lines->current.size, false, data);
    truncate_line(lines, 0);
    lines->column = 0;
    lines->continued = false;
}

/**
 * put() - A byte of text at the column
 * @lines:	Lines
 * @byte:	Byte, not zero
 * @fn:	Receiver of a piece, if the line grows too long
 * @data:	Its data
 */
static void put(struct lines *lines, char byte, lines_fn *fn, void *data)
{
    struct strbuf *line = &lines->current;

    if (lines->column >= LINES_MAX) {
        size_t piece = LINES_MAX - KEEP;

        while (line->size < LINES_MAX)
            strbuf_append(line, " ", 1);
        if (fn) {
            char kept = line->data[piece];

            line->data[piece] = 0; /* receivers may treat it as a string */
            fn(line->data, piece, true, data);
            line->data[piece] = kept;
        }
        strbuf_consume(line, piece);
        lines->column -= piece;
        lines->continued = true;
    }
    while (line->size < lines->column)
        strbuf_append(line, " ", 1);
    if (lines->column < line->size)
        line->data[lines->column] = byte;
    else
        strbuf_append(line, &byte, 1);
    lines->column++;
}

/**
 * backspace() - One column back; at the end of the line the character goes
 * @lines:	Lines
 */
static void backspace(struct lines *lines)
{
    const char *text = lines_current(lines);
    size_t at = lines->column;

    if (at == 0)
        return;
    at--;
    if (at < lines->current.size)
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
            at--;
    if (lines->column == lines->current.size)
        truncate_line(lines, at);
    lines->column = at;
}

/**
 * erase() - ED and EL as far as they concern this line
 * @lines:	Lines
 * @what:	0: to the end, 1: from the start, 2 and 3: all
 */
static void erase(struct lines *lines, unsigned what)
{
    if (what == 0) {
        truncate_line(lines, lines->column);
    } else if (what == 1) {
        size_t end = lines->column < lines->current.size ? lines->column : lines->current.size;

        if (end)
            memset(lines->current.data, ' ', end);
    } else {
        truncate_line(lines, 0);
        lines->column = 0;
    }
}

/**
 * control_sequence() - What a CSI does to the line
 * @lines:	Lines; the sequence is in its vt
 * @fn:	Receiver
 * @data:	Its data
 */
static void control_sequence(struct lines *lines, lines_fn *fn, void *data)
{
    const struct vt *vt = &lines->vt;
    size_t count = vt->args[0] ? vt->args[0] : 1;

    if (vt->prefix || vt->intermediate)
        return;
    switch (vt->final) {
    case 'K':
    case 'J':
        erase(lines, vt->args[0]);
        break;
    case 'G':
    case '`':
        lines->column = count - 1 < LINES_MAX ? count - 1 : LINES_MAX - 1;
        break;
    case 'C':
        if (lines->column + count < LINES_MAX)
            lines->column += count;
        break;
    case 'D':
        lines->column -= count < lines->column ? count : lines->column;
        break;
    case 'H':
    case 'f':
        if (lines->current.size)
            end_line(lines, fn, data);
        lines->column = 0;
        break;
    default:
        break;
    }
}

void lines_feed(struct lines *lines, const void *bytes, size_t size, lines_fn *fn, void *data)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++) {
        switch (vt_next(&lines->vt, at[i])) {
        case VT_PRINT:
            put(lines, (char)at[i], fn, data);
            break;
        case VT_TAB:
            put(lines, '\t', fn, data);
            break;
        case VT_CR:
            lines->column = 0;
            break;
        case VT_LF:
            end_line(lines, fn, data);
            break;
        case VT_BACKSPACE:
            backspace(lines);
            break;
        case VT_CSI:
            control_sequence(lines, fn, data);
            break;
        default:
            break;
        }
    }
}
