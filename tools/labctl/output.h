// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What labctl shows: text from outside made harmless, tables, colours, JSON. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_DIM, COLOUR_BOLD };

/* output_is_terminal() - Is standard output a terminal that can move its cursor? */
bool output_is_terminal(void);
/* output_is_utf8() - Does the locale say UTF-8? */
bool output_is_utf8(void);
/* output_size() - Columns and rows of the terminal; 80 by 24 if there is none. */
void output_size(unsigned *ret_columns, unsigned *ret_rows);
/* colour_on() - Escape sequence that starts a colour on standard output, "" where there is to be
 * none. */
const char *colour_on(enum colour colour);
/* colour_off() - The one that ends it. */
const char *colour_off(void);
/* colour_of_state() - How the state of a node, link or lab is shown. */
enum colour colour_of_state(const char *state);

/* text_fit() - @text escaped and cut to at most @columns columns; what was cut shows as "…". @pad:
 * filled up with spaces. Caller frees. */
char *text_fit(const char *text, size_t columns, bool pad);
/* text_columns() - How many columns escaped text takes. */
size_t text_columns(const char *text);

/* A table that is as wide as what is in it; the last column is cut at the terminal's edge. */
#define TABLE_COLUMNS_MAX 8

struct table {
    size_t columns;
    char **cells; /* row by row, the first row are the heads */
    size_t cell_count, cell_capacity;
};

/* table_add() - The next cell, escaped; NULL is shown as "-". */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* table_print() - To standard output, and free the cells. @state_column: coloured by state, or -1
 */
void table_print(struct table *table, int state_column);

/* print_json() - @document (stolen) to standard output. */
void print_json(json_t *document);
/* print_text() - Lines from outside, escaped one by one where standard output is a terminal;
 * newlines and tabs stay. */
void print_text(const char *text, size_t size);
/* print_error() - "labctl: message" and "hint: …" on standard error. */
void print_error(const struct error *err);
/* json_text() - String member, "" if it is none. */
const char *json_text(json_t *object, const char *key);
/* json_seconds() - "4.6 s" of a number member, "-" if it is none. Caller frees. */
char *json_seconds(json_t *object, const char *key);
