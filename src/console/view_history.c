// SPDX-License-Identifier: GPL-2.0-or-later

/* A line is kept as the lengths of stretches that look alike, and its text: a byte for a character
 * of ASCII, else a byte with MANY and what is special about it, and three of the character. */

#include "console/view_history.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define MANY 0x80 /* three bytes follow */
#define WIDE 0x01 /* it takes two columns */
#define WITH 0x02 /* it combines with the one before */

struct stretch {
    int32_t foreground, background;
    uint16_t cells;
    uint8_t attributes;
};

struct view_line {
    size_t size; /* of all of it */
    uint32_t text_size;
    uint16_t stretches;
    struct stretch stretch[]; /* text follows */
};

void view_history_init(struct view_history *history)
{
    *history = (struct view_history){.ring = xnew0(struct view_line *, VIEW_HISTORY_MAX)};
}

void view_history_done(struct view_history *history)
{
    for (int i = 0; i < VIEW_HISTORY_MAX; i++)
        free(history->ring[i]);
    free(history->ring);
}

/**
 * slot() - Where a line is kept
 * @history:	History
 * @index:	Its number, 0 is the oldest
 *
 * Return: place in the ring
 */
static struct view_line **slot(const struct view_history *history, int index)
{
    return &history->ring[(history->first + index) % VIEW_HISTORY_MAX];
}

/**
 * drop_oldest() - Forget the oldest line
 * @history:	History with a line
 */
static void drop_oldest(struct view_history *history)
{
    struct view_line **line = slot(history, 0);

    history->bytes -= (*line)->size;
    free(steal_ptr(*line));
    history->first = (history->first + 1) % VIEW_HISTORY_MAX;
    history->count--;
}

/**
 * alike() - Do two cells look alike but for their text?
 * @a:	Cell
 * @b:	Cell
 *
 * Return: true if so
 */
static bool alike(const struct view_cell *a, const struct view_cell *b)
{
    return a->foreground == b->foreground && a->background == b->background &&
           a->attributes == b->attributes;
}

/**
 * append_character() - Add a character to a line's text
 * @text:	Text
 * @code:	Character
 * @special:	WIDE, WITH or 0
 */
static void append_character(struct strbuf *text, uint32_t code, int special)
{
    uint8_t bytes[] = {(uint8_t)(MANY | special), (uint8_t)(code & 0xff),
                       (uint8_t)(code >> 8 & 0xff), (uint8_t)(code >> 16 & 0xff)};

    if (special || code >= MANY) {
        strbuf_append(text, bytes, sizeof(bytes));
    } else {
        bytes[0] = (uint8_t)code;
        strbuf_append(text, bytes, 1);
    }
}

/**
 * pack() - Make a line of cells
 * @cells:	Cells
 * @count:	How many, at most VIEW_COLUMNS_MAX
 *
 * Return: new line
 */
static struct view_line *pack(const struct view_cell *cells, int count)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct stretch stretches[VIEW_COLUMNS_MAX];
    struct view_line *line;
    uint16_t used = 0;
    size_t size;

    for (int i = 0; i < count; i++) {
        if (i == 0 || !alike(&cells[i], &cells[i - 1]))
            stretches[used++] = (struct stretch){.foreground = cells[i].foreground,
                                                 .background = cells[i].background,
                                                 .attributes = cells[i].attributes};
        stretches[used - 1].cells++;
        if (cells[i].width == 0)
            continue;
        append_character(&text, cells[i].text[0], cells[i].width == 2 ? WIDE : 0);
        for (int j = 1; j < VIEW_CELL_TEXT && cells[i].text[j]; j++)
            append_character(&text, cells[i].text[j], WITH);
    }
    size = sizeof(*line) + used * sizeof(stretches[0]) + text.size;
    line = xmalloc0(size, 1);
    line->size = size;
    line->stretches = used;
    line->text_size = (uint32_t)text.size;
    (void)memcpy(line->stretch, stretches, used * sizeof(stretches[0]));
    if (text.size)
        (void)memcpy(&line->stretch[used], text.data, text.size);
    return line;
}

/**
 * unpack_text() - Fill in characters and widths
 * @line:	Line
 * @cells:	Cells
 * @columns:	How many
 */
static void unpack_text(const struct view_line *line, struct view_cell *cells, int columns)
{
    const uint8_t *at = (const uint8_t *)&line->stretch[line->stretches];
    const uint8_t *end = at + line->text_size;
    int column = 0, combined = 0;

    while (at < end) {
        uint32_t code = *at;
        int special = 0;

        if (*at & MANY) {
            special = *at & (WIDE | WITH);
            code = at[1] | (uint32_t)at[2] << 8 | (uint32_t)at[3] << 16;
            at += 3;
        }
        at++;
        if (special & WITH) {
            int base = column - 1;

            if (base > 0 && cells[base].width == 0)
                base--;
            if (base >= 0 && ++combined < VIEW_CELL_TEXT)
                cells[base].text[combined] = code;
            continue;
        }
        if (column + (special & WIDE ? 2 : 1) > columns)
            return;
        combined = 0;
        cells[column].text[0] = code;
        if (special & WIDE) {
            cells[column++].width = 2;
            cells[column].width = 0;
        }
        column++;
    }
}

void view_history_get(const struct view_history *history, int index, struct view_cell *cells,
                      int columns)
{
    const struct view_line *line = *slot(history, index);
    int column = 0;

    for (int i = 0; i < line->stretches; i++) {
        const struct stretch *stretch = &line->stretch[i];

        for (int j = 0; j < stretch->cells && column < columns; j++)
            cells[column++] = (struct view_cell){.foreground = stretch->foreground,
                                                 .background = stretch->background,
                                                 .attributes = stretch->attributes,
                                                 .width = 1};
    }
    while (column < columns)
        cells[column++] = view_blank();
    unpack_text(line, cells, columns);
}

void view_history_push(struct view_history *history, const struct view_cell *cells, int count)
{
    struct view_line *line = pack(cells, count < VIEW_COLUMNS_MAX ? count : VIEW_COLUMNS_MAX);

    while (history->count == VIEW_HISTORY_MAX ||
           (history->count > 0 && history->bytes + line->size > VIEW_HISTORY_BYTES))
        drop_oldest(history);
    *slot(history, history->count++) = line;
    history->bytes += line->size;
}

int view_history_pop(struct view_history *history, struct view_cell *cells, int columns)
{
    struct view_line **line;

    if (history->count == 0)
        return 0;
    view_history_get(history, history->count - 1, cells, columns);
    line = slot(history, --history->count);
    history->bytes -= (*line)->size;
    free(steal_ptr(*line));
    return 1;
}
