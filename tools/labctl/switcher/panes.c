// SPDX-License-Identifier: GPL-2.0-or-later

/* The panes: a node's terminal, or a part of it, cell by cell. Cells are all that a guest gets of
 * the person's terminal, and draw_cell() the only way there. */

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "labctl/switcher/switcher_priv.h"

/**
 * is_format() - Is it one of the characters that have no shape but change how others are shown, as
 * the direction of a text? Some terminals let them reach far beyond their cell.
 * @code:	Character
 *
 * Return: true if so
 */
static bool is_format(uint32_t code)
{
    return code == 0xad || code == 0x61c || code == 0x180e || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) || code >= 0xe0000;
}

/**
 * cell_text() - What a cell shows, as the terminal may get it: no control characters, and nothing
 * whose width we and the terminal could see differently
 * @cell:	Cell
 * @ret_text:	Filled
 */
static void cell_text(const struct view_cell *cell, wchar_t ret_text[VIEW_CELL_TEXT + 1])
{
    int count = 1;

    ret_text[0] = cell->text[0] ? (wchar_t)cell->text[0] : L' ';
    if (cell->width == 1 && wcwidth(ret_text[0]) == 2)
        ret_text[0] = L' '; /* half of a wide one that was overwritten */
    else if (wcwidth(ret_text[0]) != cell->width || is_format(cell->text[0]))
        ret_text[0] = L'?';
    for (int i = 1; i < VIEW_CELL_TEXT && cell->text[i]; i++) {
        /* curses takes five that combine, and only such */
        if (count < CCHARW_MAX && wcwidth((wchar_t)cell->text[i]) == 0 && !is_format(cell->text[i]))
            ret_text[count++] = (wchar_t)cell->text[i];
    }
    ret_text[count] = L'\0';
}

/**
 * draw_cell() - One cell of a view
 * @cell:	Cell
 * @row:	Where
 * @column:	Where
 * @marked:	Found or selected
 */
static void draw_cell(const struct view_cell *cell, int row, int column, bool marked)
{
    wchar_t text[VIEW_CELL_TEXT + 1];
    int pair = pair_of(cell->foreground, cell->background);
    attr_t attributes = A_NORMAL;
    cchar_t shown;

    attributes |= cell->attributes & VIEW_BOLD ? A_BOLD : 0;
    attributes |= cell->attributes & VIEW_UNDERLINE ? A_UNDERLINE : 0;
    attributes |= cell->attributes & VIEW_ITALIC ? A_ITALIC : 0;
    attributes |= cell->attributes & VIEW_BLINK ? A_BLINK : 0;
    attributes |= !(cell->attributes & VIEW_REVERSE) != !marked ? A_REVERSE : 0;
    cell_text(cell, text);
    if (setcchar(&shown, text, attributes, 0, &pair) == OK)
        (void)mvadd_wch(row, column, &shown);
}

int node_first_row(const struct switcher_node *node)
{
    int64_t top = node->top, oldest = view_scrolled(node->view) - view_history(node->view);

    if (!node->held)
        return node->pan_row;
    return (int)((top < oldest ? oldest : top) - view_scrolled(node->view));
}

/**
 * pan() - A pane that is smaller than the view shows the part with the cursor
 * @switcher:	Switcher
 * @node:	Node
 * @pane:	Its pane
 */
static void pan(const struct switcher *switcher, struct switcher_node *node,
                const struct pane *pane)
{
    int row, column, most_row = view_rows(node->view) - pane->rows;
    int most_column = view_columns(node->view) - pane->columns;
    bool shown = view_cursor(node->view, &row, &column);

    if (node->held) {
        column = switcher->copy.column;
        shown = true;
    }
    if (shown) {
        if (row < node->pan_row)
            node->pan_row = row;
        if (row >= node->pan_row + pane->rows)
            node->pan_row = row - pane->rows + 1;
        if (column < pane->columns)
            node->pan_column = 0;
        else if (column < node->pan_column)
            node->pan_column = column;
        else if (column >= node->pan_column + pane->columns)
            node->pan_column = column - pane->columns + 1;
    }
    if (node->pan_row > most_row)
        node->pan_row = most_row;
    if (node->pan_row < 0)
        node->pan_row = 0;
    if (node->pan_column > most_column)
        node->pan_column = most_column;
    if (node->pan_column < 0)
        node->pan_column = 0;
}

/**
 * draw_view() - A node's terminal
 * @switcher:	Switcher
 * @node:	Node
 * @pane:	Where
 * @focused:	The person is here
 */
static void draw_view(const struct switcher *switcher, struct switcher_node *node,
                      const struct pane *pane, bool focused)
{
    int first = node_first_row(node);

    for (int row = 0; row < pane->rows; row++) {
        int64_t line = view_scrolled(node->view) + first + row;

        for (int column = 0; column < pane->columns; column++) {
            struct view_cell cell;
            int from = column + node->pan_column;

            view_cell(node->view, first + row, from, &cell);
            if (cell.width > 0 && column + cell.width <= pane->columns)
                draw_cell(&cell, pane->row + row, pane->column + column,
                          focused && copy_marks(switcher, line, from));
        }
    }
}

/**
 * draw_title() - The line above a pane
 * @switcher:	Switcher
 * @index:	Which pane
 */
static void draw_title(const struct switcher *switcher, size_t index)
{
    const struct pane *pane = &switcher->panes[index];
    const struct switcher_node *node = &switcher->nodes[pane->node];
    _cleanup_strbuf_ struct strbuf title = STRBUF_INIT;

    strbuf_printf(&title, " %s  %s", node->name, node->gone ? "gone" : node->state);
    if (node->fd < 0)
        strbuf_puts(&title, "  (not connected)");
    if (node->display)
        strbuf_printf(&title, "  screen: %s", node->display);
    if (view_columns(node->view) > pane->columns || view_rows(node->view) > pane->rows)
        strbuf_printf(&title, "  part of %dx%d", view_columns(node->view), view_rows(node->view));
    if (node->log >= 0)
        strbuf_puts(&title, "  LOG");
    if (switcher->sync && node_typed_to(switcher, node))
        strbuf_puts(&title, "  SYNC");
    (void)attrset(index == switcher->focus ? A_REVERSE : A_UNDERLINE);
    draw_text(pane->row - 1, pane->column, pane->columns, title.data);
    (void)attrset(A_NORMAL);
    if (pane->column > switcher->list)
        (void)mvvline(pane->row - 1, pane->column - 1, ACS_VLINE, pane->rows + 1);
}

void panes_draw(struct switcher *switcher)
{
    for (size_t i = 0; i < switcher->pane_count; i++) {
        struct pane *pane = &switcher->panes[i];
        struct switcher_node *node = &switcher->nodes[pane->node];

        if (switcher->zoomed && i != switcher->focus)
            continue;
        pan(switcher, node, pane);
        draw_view(switcher, node, pane, i == switcher->focus);
        if (!switcher->zoomed)
            draw_title(switcher, i);
    }
}

void panes_cursor(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    const struct pane *pane = &switcher->panes[switcher->focus];
    int row = 0, column = 0;
    bool shown = view_cursor(node->view, &row, &column);

    if (node->held) {
        row = (int)(switcher->copy.line - view_scrolled(node->view));
        column = switcher->copy.column;
        shown = true;
    }
    row -= node_first_row(node);
    column -= node->pan_column;
    if (switcher->mode == MODE_HELP || switcher->mode == MODE_CABLES || row < 0 || column < 0 ||
        row >= pane->rows || column >= pane->columns)
        shown = false;
    (void)curs_set(shown);
    if (shown)
        (void)move(pane->row + row, pane->column + column);
}
