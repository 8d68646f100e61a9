// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A terminal without glass: a guest's output in, cells out. Only cells ever reach a person's
 * terminal, so nothing that a guest prints can: titles, clipboard and queries end here. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_CELL_TEXT   6     /* a character and what combines with it */
#define VIEW_HISTORY_MAX 10000 /* lines that are kept above the screen */
#define VIEW_ROWS_MAX    500
#define VIEW_COLUMNS_MAX 1000

#define VIEW_COLOR_DEFAULT (-1)
#define VIEW_COLOR_RGB     0x1000000 /* set: the rest is 0xRRGGBB, else an index below 256 */

enum view_attribute {
    VIEW_BOLD = 1,
    VIEW_UNDERLINE = 2,
    VIEW_ITALIC = 4,
    VIEW_BLINK = 8,
    VIEW_REVERSE = 16,
};

struct view_cell {
    uint32_t text[VIEW_CELL_TEXT]; /* zero ended if shorter; text[0] zero: blank */
    int32_t foreground, background;
    uint8_t width; /* columns; 0: the right half of a wide character */
    uint8_t attributes;
};

struct view;

/* view_new() - Sizes are brought into what a view can have. */
struct view *view_new(int rows, int columns);
void view_free(struct view *view);
void view_feed(struct view *view, const void *data, size_t size);
void view_resize(struct view *view, int rows, int columns);
int view_rows(const struct view *view);
int view_columns(const struct view *view);
/* view_history() - How many lines there are above the screen. */
int view_history(const struct view *view);
/* view_scrolled() - How many lines have ever left the screen at its top, less those that came back:
 * what is in row R now is line view_scrolled() + R for ever. */
int64_t view_scrolled(const struct view *view);
/* view_cell() - @row below zero is in the history, -1 the latest of it. What is outside is blank.
 */
void view_cell(struct view *view, int row, int column, struct view_cell *ret_cell);
/* view_row_text() - A row as UTF-8, without blanks at its end. Caller frees. */
char *view_row_text(struct view *view, int row);
/* view_text() - The same of some of its columns. */
char *view_text(struct view *view, int row, int first, int last);
/* view_find() - Where a row has @word (UTF-8; great and small letters of ASCII alike), from column
 * @from on. Return: column, -1 if it has not; @ret_columns: how many it takes */
int view_find(struct view *view, int row, const char *word, int from, int *ret_columns);
/* view_cursor() - Return: false if the guest hides it. */
bool view_cursor(const struct view *view, int *ret_row, int *ret_column);
/* view_take_reply() - What the guest's queries are answered with. Return: bytes */
size_t view_take_reply(struct view *view, void *buffer, size_t size);
/* view_key() - A cursor key is pressed: the bytes that the guest asked for are among its replies
 * then, since they depend on the mode it has set. @key: A B C D (up, down, right, left), H, F */
void view_key(struct view *view, char key);
/* view_take_bell() - Did it ring since this was last asked? */
bool view_take_bell(struct view *view);
