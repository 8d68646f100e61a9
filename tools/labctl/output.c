// SPDX-License-Identifier: GPL-2.0-or-later

/* Everything that comes from a guest, a file or the engine passes text_escape() before a terminal
 * sees it; widths are counted in columns (wcwidth), not in bytes. */

#include "labctl/output.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

bool output_is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb") != 0);
}

bool output_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void output_size(unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *ret_columns = size.ws_col > 0 ? size.ws_col : 80;
    *ret_rows = size.ws_row > 0 ? size.ws_row : 24;
}

/**
 * colours_wanted() - Only on a terminal, and not against the wish of NO_COLOR
 *
 * Return: true if so
 */
static bool colours_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");

    return output_is_terminal() && (!no_color || !*no_color);
}

const char *colour_on(enum colour colour)
{
    static const char *const sequences[] = {
        [COLOUR_NONE] = "",           [COLOUR_RED] = "\033[31m", [COLOUR_GREEN] = "\033[32m",
        [COLOUR_YELLOW] = "\033[33m", [COLOUR_DIM] = "\033[2m",  [COLOUR_BOLD] = "\033[1m",
    };

    return colours_wanted() ? sequences[colour] : "";
}

const char *colour_off(void)
{
    return colours_wanted() ? "\033[0m" : "";
}

enum colour colour_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } table[] = {
        {"ready", COLOUR_GREEN},
        {"running", COLOUR_GREEN},
        {"up", COLOUR_GREEN},
        {"ok", COLOUR_GREEN},
        {"starting", COLOUR_YELLOW},
        {"booting", COLOUR_YELLOW},
        {"stopping", COLOUR_YELLOW},
        {"crashed", COLOUR_RED},
        {"down", COLOUR_RED},
        {"FAIL", COLOUR_RED},
        {"stopped", COLOUR_DIM},
        {"waiting", COLOUR_DIM},
        {"engine not running", COLOUR_RED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strcmp(table[i].state, state) == 0)
            return table[i].colour;
    return COLOUR_NONE;
}

/**
 * next_character() - Step over one character
 * @text:	Escaped text, not at its end
 * @ret_columns: Columns it takes
 *
 * Return: bytes
 */
static size_t next_character(const char *text, size_t *ret_columns)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t size = mbrtowc(&wide, text, strlen(text), &state);
    int columns;

    if (size == 0 || size == (size_t)-1 || size == (size_t)-2) {
        *ret_columns = 1; /* no such character in this locale */
        return 1;
    }
    columns = wcwidth(wide);
    *ret_columns = columns > 0 ? (size_t)columns : 0;
    return size;
}

size_t text_columns(const char *text)
{
    size_t sum = 0, columns;

    while (*text) {
        text += next_character(text, &columns);
        sum += columns;
    }
    return sum;
}

char *text_fit(const char *text, size_t columns, bool pad)
{
    _cleanup_free_ char *escaped = text_escape(text, strlen(text));
    const char *more = output_is_utf8() ? "…" : ">";
    size_t used = 0, end = 0, width;
    struct strbuf fitted = STRBUF_INIT;

    if (text_columns(escaped) <= columns) {
        strbuf_puts(&fitted, escaped);
        used = text_columns(escaped);
    } else if (columns > 0) {
        while (escaped[end]) {
            size_t size = next_character(escaped + end, &width);

            if (used + width > columns - 1)
                break;
            used += width;
            end += size;
        }
        strbuf_append(&fitted, escaped, end);
        strbuf_puts(&fitted, more);
        used++;
    }
    for (; pad && used < columns; used++)
        strbuf_puts(&fitted, " ");
    return strbuf_steal(&fitted);
}

void table_add(struct table *table, const char *text)
{
    array_grow(table->cells, table->cell_count, table->cell_capacity);
    table->cells[table->cell_count++] = text ? text_escape(text, strlen(text)) : xstrdup("-");
}

void table_addf(struct table *table, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    table_add(table, text);
}

/**
 * table_print_row() - One line
 * @table:	Table
 * @first:	Its first cell
 * @widths:	Of the columns
 * @state_column: Column coloured by state, or -1
 */
static void table_print_row(const struct table *table, size_t first, const size_t *widths,
                            int state_column)
{
    size_t last = table->columns - 1, left;
    unsigned columns, rows;

    while (last > 0 && widths[last] == 0) /* a last column that nobody filled */
        last--;
    output_size(&columns, &rows);
    left = output_is_terminal() ? columns : SIZE_MAX;
    for (size_t column = 0; column <= last; column++) {
        const char *cell = table->cells[first + column];
        size_t room = column == last && left < text_columns(cell) ? left : widths[column];
        _cleanup_free_ char *shown = NULL;
        enum colour colour = COLOUR_NONE;

        if (first == 0)
            colour = COLOUR_BOLD;
        else if ((int)column == state_column)
            colour = colour_of_state(cell);
        shown =
            text_fit(cell, column == last && room > text_columns(cell) ? text_columns(cell) : room,
                     column != last);
        (void)printf("%s%s%s%s", colour_on(colour), shown,
                     colour == COLOUR_NONE ? "" : colour_off(), column == last ? "\n" : "  ");
        left = left == SIZE_MAX ? left : left > room + 2 ? left - room - 2 : 0;
    }
}

void table_print(struct table *table, int state_column)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < table->cell_count; i++) {
        size_t columns = text_columns(table->cells[i]), column = i % table->columns;

        if (columns > widths[column])
            widths[column] = columns;
    }
    for (size_t i = 0; i + table->columns <= table->cell_count; i += table->columns)
        table_print_row(table, i, widths, state_column);
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = table->cell_capacity = 0;
}

void print_json(json_t *document)
{
    /* jansson leaves DEL and C1 as they are; a terminal must not get them. */
    size_t flags = JSON_INDENT(2) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
    char *text = json_dumps(document, flags);

    if (text && isatty(STDOUT_FILENO)) {
        for (char *del = text; (del = strchr(del, 0x7f));)
            *del = '?';
    }
    (void)printf("%s\n", text ? text : "null");
    free(text);
    json_decref(document);
}

void print_text(const char *text, size_t size)
{
    if (!isatty(STDOUT_FILENO)) {
        (void)fwrite(text, 1, size, stdout);
        return;
    }
    while (size > 0) {
        size_t part = 0;

        while (part < size && text[part] != '\n' && text[part] != '\t')
            part++;
        if (part > 0) {
            _cleanup_free_ char *escaped = text_escape(text, part);

            (void)fputs(escaped, stdout);
        }
        if (part < size)
            (void)putchar(text[part++]);
        text += part;
        size -= part;
    }
}

/**
 * print_error_lines() - Escaped lines on standard error
 * @head:	Before the first one
 * @text:	Lines
 */
static void print_error_lines(const char *head, const char *text)
{
    int indent = (int)strlen(head);
    bool first = true;

    while (*text) {
        size_t size = strcspn(text, "\n");
        _cleanup_free_ char *escaped = text_escape(text, size);

        (void)fprintf(stderr, "%*s%s\n", indent, first ? head : "", escaped);
        text += size + (text[size] ? 1 : 0);
        first = false;
    }
}

void print_error(const struct error *err)
{
    (void)fflush(stdout);
    print_error_lines("labctl: ", error_message(err));
    if (err->hint)
        print_error_lines("hint: ", err->hint);
}

const char *json_text(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

char *json_seconds(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_number(value))
        return xstrdup("-");
    return xasprintf("%.1f s", json_number_value(value));
}
