// SPDX-License-Identifier: GPL-2.0-or-later

/* Copy mode: the focused pane stands still, and a cursor walks through the screen and what is above
 * it. Lines have numbers that stay with them while more comes (view_scrolled()), so what is
 * selected stays selected. Keys are those of vi. */

#include <string.h>

#include "base/alloc.h"
#include "labctl/switcher/switcher_priv.h"

#define ESCAPE '\033'

/**
 * first_line() - The oldest line there is
 * @node:	Node
 *
 * Return: its number
 */
static int64_t first_line(const struct switcher_node *node)
{
    return view_scrolled(node->view) - view_history(node->view);
}

/**
 * last_line() - The screen's last line
 * @node:	Node
 *
 * Return: its number
 */
static int64_t last_line(const struct switcher_node *node)
{
    return view_scrolled(node->view) + view_rows(node->view) - 1;
}

/**
 * row_of() - Where a view has a line
 * @node:	Node
 * @line:	Number of the line
 *
 * Return: row, below zero in the history
 */
static int row_of(const struct switcher_node *node, int64_t line)
{
    return (int)(line - view_scrolled(node->view));
}

/**
 * go_to() - Move the cursor, and what is shown with it
 * @switcher:	Switcher
 * @line:	Where to
 * @column:	Where to
 */
static void go_to(struct switcher *switcher, int64_t line, int column)
{
    struct switcher_node *node = switcher_focused(switcher);
    int rows = switcher->panes[switcher->focus].rows;

    if (line < first_line(node))
        line = first_line(node);
    if (line > last_line(node))
        line = last_line(node);
    if (column >= view_columns(node->view))
        column = view_columns(node->view) - 1;
    if (column < 0)
        column = 0;
    switcher->copy.line = line;
    switcher->copy.column = column;
    if (node->top > line)
        node->top = line;
    if (node->top < line - rows + 1)
        node->top = line - rows + 1;
    switcher->dirty = true;
}

void copy_start(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    int row, column;

    (void)view_cursor(node->view, &row, &column);
    node->top = view_scrolled(node->view) + node_first_row(node);
    node->held = true;
    switcher->copy.selecting = false;
    switcher->copy.found_columns = 0;
    switcher_mode_set(switcher, MODE_COPY);
    go_to(switcher, view_scrolled(node->view) + row, column);
}

/**
 * copy_end() - Back to what is now
 * @switcher:	Switcher
 */
static void copy_end(struct switcher *switcher)
{
    switcher_focused(switcher)->held = false;
    switcher_mode_set(switcher, MODE_TYPE);
}

/**
 * last_find() - The last place of a line that has the word, before a column
 * @view:	View
 * @row:	Row
 * @word:	Word
 * @before:	Column
 * @ret_columns:	How many columns it takes
 *
 * Return: column, -1 if there is none
 */
static int last_find(struct view *view, int row, const char *word, int before, int *ret_columns)
{
    int found = -1, columns, at = -1;

    while ((at = view_find(view, row, word, at + 1, &columns)) >= 0 && at < before) {
        found = at;
        *ret_columns = columns;
    }
    return found;
}

void copy_search(struct switcher *switcher, const char *word, bool down)
{
    struct switcher_node *node = switcher_focused(switcher);
    struct copy *copy = &switcher->copy;
    int64_t line = copy->line;
    int from = copy->column, found, columns = 0;

    while (line >= first_line(node) && line <= last_line(node)) {
        found = down ? view_find(node->view, row_of(node, line), word, from + 1, &columns)
                     : last_find(node->view, row_of(node, line), word, from, &columns);
        if (found >= 0) {
            copy->found_line = line;
            copy->found_column = found;
            copy->found_columns = columns;
            go_to(switcher, line, found);
            return;
        }
        line += down ? 1 : -1;
        from = down ? -1 : VIEW_COLUMNS_MAX;
    }
    switcher_say(switcher, "'%s' is nowhere %s", word, down ? "below" : "above");
}

/**
 * selected() - Is a cell selected?
 * @copy:	Copy mode
 * @line:	Its line
 * @column:	Its column
 *
 * Return: true if so
 */
static bool selected(const struct copy *copy, int64_t line, int column)
{
    bool forward = copy->from_line < copy->line ||
                   (copy->from_line == copy->line && copy->from_column <= copy->column);
    int64_t first = forward ? copy->from_line : copy->line;
    int64_t last = forward ? copy->line : copy->from_line;
    int first_column = forward ? copy->from_column : copy->column;
    int last_column = forward ? copy->column : copy->from_column;

    if (!copy->selecting || line < first || line > last)
        return false;
    if (copy->whole_lines)
        return true;
    return (line > first || column >= first_column) && (line < last || column <= last_column);
}

bool copy_marks(const struct switcher *switcher, int64_t line, int column)
{
    const struct copy *copy = &switcher->copy;
    bool found = copy->found_columns > 0 && line == copy->found_line &&
                 column >= copy->found_column && column < copy->found_column + copy->found_columns;

    return switcher->mode != MODE_TYPE && (found || selected(copy, line, column));
}

/**
 * append_selected() - Add what is selected of a line
 * @switcher:	Switcher
 * @line:	Line
 */
static void append_selected(struct switcher *switcher, int64_t line)
{
    struct switcher_node *node = switcher_focused(switcher);
    int row = row_of(node, line), first = 0, last = view_columns(node->view) - 1;

    while (first <= last && !selected(&switcher->copy, line, first))
        first++;
    while (last >= first && !selected(&switcher->copy, line, last))
        last--;
    if (first <= last) {
        _cleanup_free_ char *text = view_text(node->view, row, first, last);

        strbuf_puts(&switcher->copied, text);
    }
}

/**
 * take_selection() - Keep what is selected
 * @switcher:	Switcher
 */
static void take_selection(struct switcher *switcher)
{
    struct copy *copy = &switcher->copy;
    int64_t first = copy->line < copy->from_line ? copy->line : copy->from_line;
    int64_t last = copy->line < copy->from_line ? copy->from_line : copy->line;

    if (!copy->selecting) {
        switcher_say(switcher, "nothing is selected: space begins, V takes lines");
        return;
    }
    strbuf_done(&switcher->copied);
    for (int64_t line = first; line <= last; line++) {
        append_selected(switcher, line);
        if (line < last || copy->whole_lines)
            strbuf_puts(&switcher->copied, "\n");
    }
    copy_end(switcher);
    switcher_say(switcher, "copied %zu bytes of %ld lines; ] after the prefix types them",
                 switcher->copied.size, (long)(last - first + 1));
}

/**
 * select_from() - Begin to select here, or no more
 * @copy:	Copy mode
 * @whole_lines:	Lines as a whole?
 */
static void select_from(struct copy *copy, bool whole_lines)
{
    copy->selecting = !copy->selecting || copy->whole_lines != whole_lines;
    copy->whole_lines = whole_lines;
    copy->from_line = copy->line;
    copy->from_column = copy->column;
}

/**
 * walk_key() - A key that moves the cursor
 * @switcher:	Switcher
 * @key:	Key
 *
 * Return: false if it does not
 */
static bool walk_key(struct switcher *switcher, char key)
{
    struct switcher_node *node = switcher_focused(switcher);
    int64_t line = switcher->copy.line;
    int column = switcher->copy.column, page = switcher->panes[switcher->focus].rows - 1;

    switch (key) {
    case 'k':
        line--;
        break;
    case 'j':
        line++;
        break;
    case 'h':
        column--;
        break;
    case 'l':
        column++;
        break;
    case 'b':
    case 'b' & 0x1f:
        node->top -= page;
        line -= page;
        break;
    case 'f':
    case 'f' & 0x1f:
        node->top += page;
        line += page;
        break;
    case 'g':
        line = first_line(node);
        break;
    case 'G':
        line = last_line(node);
        break;
    case '0':
        column = 0;
        break;
    case '$':
        column = VIEW_COLUMNS_MAX;
        break;
    default:
        return false;
    }
    go_to(switcher, line, column);
    /* Beyond the ends there is nothing to be shown. */
    if (node->top > last_line(node) - page)
        node->top = last_line(node) - page;
    if (node->top < first_line(node))
        node->top = first_line(node);
    return true;
}

void copy_key(struct switcher *switcher, char key)
{
    struct copy *copy = &switcher->copy;

    switcher->dirty = true;
    if (walk_key(switcher, key))
        return;
    switch (key) {
    case ' ':
    case 'v':
        select_from(copy, false);
        break;
    case 'V':
        select_from(copy, true);
        break;
    case 'y':
    case '\r':
        take_selection(switcher);
        break;
    case '/':
        switcher_ask(switcher, &prompt_search_up);
        break;
    case '?':
        switcher_ask(switcher, &prompt_search_down);
        break;
    case 'n':
    case 'N':
        if (copy->word)
            copy_search(switcher, copy->word, key == 'N');
        break;
    case 'q':
    case ESCAPE:
    case 'c' & 0x1f:
        copy_end(switcher);
        break;
    default:
        break;
    }
}
