// SPDX-License-Identifier: GPL-2.0-or-later

/* What the switcher looks like: nodes on the left, one to four panes with a title each on the
 * right, a line of help or messages at the bottom. Everything is drawn anew each time; curses sends
 * the terminal only what changed. */

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/text.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher_priv.h"

static const char *const help[] = {
    "Keys, after the prefix key:",
    "",
    "  n, p      next, previous node",
    "  j         jump: type a name",
    "  1 2 4     that many panes",
    "  o         the other pane",
    "  z         zoom: this pane alone",
    "  s         type to all panes at once, or not",
    "  [         scroll (arrows, PgUp, PgDn, g, G)",
    "  /         search backwards",
    "  b         send a break",
    "  S K R     start, stop, restart the node",
    "  T         type `stty rows ... cols ...`",
    "  q, d      leave",
    "  ?         this help",
    "  prefix    the prefix key itself",
    "",
    "+ said something   ! rang its bell",
};

void switcher_say(struct switcher *switcher, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    free(switcher->message);
    switcher->message = text_escape(text, strlen(text));
    switcher->dirty = true;
}

void switcher_layout(struct switcher *switcher)
{
    int left = switcher->zoomed ? 0 : LIST_COLUMNS;
    int width = switcher->columns - left, height = switcher->rows - 1;
    int across = !switcher->zoomed && switcher->pane_count > 2 ? 2 : 1;
    int down = !switcher->zoomed && switcher->pane_count > 1 ? 2 : 1;

    for (size_t i = 0; i < switcher->pane_count; i++) {
        struct pane *pane = &switcher->panes[i];
        int x = switcher->zoomed ? 0 : (int)i / 2, y = switcher->zoomed ? 0 : (int)i % 2;
        int head = switcher->zoomed ? 0 : 1; /* its title */
        int right = (x + 1) * width / across, bottom = (y + 1) * height / down;

        pane->column = left + x * width / across;
        pane->row = y * height / down + head;
        pane->columns = left + right - pane->column - (x + 1 < across ? 1 : 0);
        pane->rows = bottom - pane->row;
    }
    for (size_t i = switcher->pane_count; i-- > 0;) {
        struct pane *pane = &switcher->panes[i];

        if (!switcher->zoomed || i == switcher->focus)
            node_resize(&switcher->nodes[pane->node], pane->rows, pane->columns);
    }
    switcher->dirty = true;
}

/**
 * nearest_color() - A colour as near to it as this terminal has
 * @color:	As in struct view_cell
 *
 * Return: its number
 */
static int nearest_color(int32_t color)
{
    int red, green, blue;

    if (color < 0 || color < COLORS)
        return color;
    if (color & VIEW_COLOR_RGB) {
        red = color >> 16 & 0xff;
        green = color >> 8 & 0xff;
        blue = color & 0xff;
        if (COLORS >= 256)
            return 16 + (red * 5 + 127) / 255 * 36 + (green * 5 + 127) / 255 * 6 +
                   (blue * 5 + 127) / 255;
    } else if (color < 16) {
        return color % 8;
    } else if (color < 232) {
        red = (color - 16) / 36 * 51;
        green = (color - 16) / 6 % 6 * 51;
        blue = (color - 16) % 6 * 51;
    } else {
        red = green = blue = (color - 232) * 10 + 8;
    }
    return (red > 127 ? 1 : 0) | (green > 127 ? 2 : 0) | (blue > 127 ? 4 : 0);
}

/**
 * pair_of() - The pair of two colours
 * @foreground:	As in struct view_cell
 * @background:	The same
 *
 * Return: number of the pair
 */
static int pair_of(int32_t foreground, int32_t background)
{
    int pair;

    if (!has_colors() || (foreground < 0 && background < 0))
        return 0;
    pair = alloc_pair(nearest_color(foreground), nearest_color(background));
    return pair < 0 ? 0 : pair;
}

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
    if (wcwidth(ret_text[0]) != cell->width || is_format(cell->text[0]))
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
 */
static void draw_cell(const struct view_cell *cell, int row, int column)
{
    wchar_t text[VIEW_CELL_TEXT + 1];
    int pair = pair_of(cell->foreground, cell->background);
    attr_t attributes = A_NORMAL;
    cchar_t shown;

    attributes |= cell->attributes & VIEW_BOLD ? A_BOLD : 0;
    attributes |= cell->attributes & VIEW_UNDERLINE ? A_UNDERLINE : 0;
    attributes |= cell->attributes & VIEW_ITALIC ? A_ITALIC : 0;
    attributes |= cell->attributes & VIEW_BLINK ? A_BLINK : 0;
    attributes |= cell->attributes & VIEW_REVERSE ? A_REVERSE : 0;
    cell_text(cell, text);
    if (setcchar(&shown, text, attributes, 0, &pair) == OK)
        (void)mvadd_wch(row, column, &shown);
}

/**
 * draw_view() - A node's terminal
 * @node:	Node
 * @pane:	Where
 */
static void draw_view(const struct switcher_node *node, const struct pane *pane)
{
    for (int row = 0; row < pane->rows; row++) {
        for (int column = 0; column < pane->columns; column++) {
            struct view_cell cell;

            view_cell(node->view, row - node->scroll, column, &cell);
            if (cell.width > 0 && column + cell.width <= pane->columns)
                draw_cell(&cell, pane->row + row, pane->column + column);
        }
    }
}

/**
 * draw_text() - Text from outside, escaped and cut
 * @row:	Where
 * @column:	Where
 * @columns:	How much room there is
 * @text:	Text
 */
static void draw_text(int row, int column, int columns, const char *text)
{
    _cleanup_free_ char *fit = columns > 0 ? text_fit(text, (size_t)columns, true) : NULL;

    if (fit)
        (void)mvaddstr(row, column, fit);
}

/**
 * state_color() - In what colour a state is shown
 * @state:	State
 *
 * Return: attributes for curses
 */
static chtype state_color(const char *state)
{
    int pair;

    switch (colour_of_state(state)) {
    case COLOUR_RED:
        pair = pair_of(COLOR_RED, -1);
        break;
    case COLOUR_GREEN:
        pair = pair_of(COLOR_GREEN, -1);
        break;
    case COLOUR_YELLOW:
        pair = pair_of(COLOR_YELLOW, -1);
        break;
    default:
        return A_DIM;
    }
    return (chtype)COLOR_PAIR(pair);
}

/**
 * draw_list() - The nodes, on the left
 * @switcher:	Switcher
 */
static void draw_list(struct switcher *switcher)
{
    int rows = switcher->rows - 1, width = LIST_COLUMNS - 1;
    size_t chosen = switcher->panes[switcher->focus].node;
    size_t first = chosen >= (size_t)rows ? chosen - (size_t)rows + 1 : 0;

    for (int row = 0; row < rows; row++) {
        size_t index = first + (size_t)row;
        const struct switcher_node *node = &switcher->nodes[index];
        char carrier[24] = "";
        const char *state;

        (void)mvaddch(row, width, ACS_VLINE);
        if (index >= switcher->node_count)
            continue;
        state = node->gone ? "gone" : node->state;
        (void)attrset(index == chosen ? A_REVERSE : A_NORMAL);
        draw_text(row, 0, width, "");
        (void)mvaddch(row, 0, node->bell ? '!' : (chtype)(node->active ? '+' : ' '));
        draw_text(row, 1, width - 9, node->name);
        if (node->links > 0 && node->links < 100)
            (void)snprintf(carrier, sizeof(carrier), "%d/%d", node->links_up, node->links);
        (void)mvaddnstr(row, width - 8, carrier, 4);
        (void)attron(state_color(state));
        draw_text(row, width - 3, 3, "");
        (void)mvaddnstr(row, width - 4, *state ? state : "?", 4);
        (void)attrset(A_NORMAL);
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
    _cleanup_free_ char *title = NULL;

    title = xasprintf(" %s  %s%s%s", node->name, node->gone ? "gone" : node->state,
                      node->fd < 0 ? "  (not connected)" : "", switcher->sync ? "  SYNC" : "");
    (void)attrset(index == switcher->focus ? A_REVERSE : A_UNDERLINE);
    draw_text(pane->row - 1, pane->column, pane->columns, title);
    (void)attrset(A_NORMAL);
    if (pane->column > LIST_COLUMNS)
        (void)mvvline(pane->row - 1, pane->column - 1, ACS_VLINE, pane->rows + 1);
}

/**
 * draw_status() - The last line
 * @switcher:	Switcher
 */
static void draw_status(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    _cleanup_free_ char *line = NULL;
    char key = (char)(switcher->options->prefix + '@');
    const char *word = switcher->word.data ? switcher->word.data : "";

    switch (switcher->mode) {
    case MODE_JUMP:
        line = xasprintf("jump to: %s", word);
        break;
    case MODE_SEARCH:
        line = xasprintf("search: %s", word);
        break;
    case MODE_PREFIX:
        line = xasprintf("Ctrl-%c ...   ? for help", key);
        break;
    case MODE_SCROLL:
        line = xasprintf("%d of %d lines up   / search, q back", node->scroll,
                         view_history(node->view));
        break;
    default:
        line = switcher->message ? xstrdup(switcher->message)
                                 : xasprintf("%s   Ctrl-%c ? help   Ctrl-%c q leave",
                                             switcher->options->lab, key, key);
    }
    (void)attrset(A_BOLD);
    draw_text(switcher->rows - 1, 0, switcher->columns - 1, line);
    (void)attrset(A_NORMAL);
}

/**
 * draw_help() - The help, over everything
 * @switcher:	Switcher
 */
static void draw_help(const struct switcher *switcher)
{
    int count = (int)ARRAY_SIZE(help), width = 54;
    int top = switcher->rows - 1 > count ? (switcher->rows - 1 - count) / 2 : 0;
    int left = switcher->columns > width ? (switcher->columns - width) / 2 : 0;

    (void)attrset(A_REVERSE);
    for (int i = 0; i < count && top + i < switcher->rows - 1; i++) {
        _cleanup_free_ char *line = xasprintf("  %s", help[i]);

        draw_text(top + i, left, width < switcher->columns ? width : switcher->columns, line);
    }
    (void)attrset(A_NORMAL);
}

void switcher_draw(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    const struct pane *pane = &switcher->panes[switcher->focus];
    int row = 0, column = 0;

    switcher->dirty = false;
    (void)erase();
    if (switcher->rows < ROWS_LEAST || switcher->columns < COLUMNS_LEAST) {
        (void)mvaddnstr(0, 0, "terminal too small", switcher->columns - 1);
        (void)refresh();
        return;
    }
    if (!switcher->zoomed)
        draw_list(switcher);
    for (size_t i = 0; i < switcher->pane_count; i++) {
        if (switcher->zoomed && i != switcher->focus)
            continue;
        draw_view(&switcher->nodes[switcher->panes[i].node], &switcher->panes[i]);
        if (!switcher->zoomed)
            draw_title(switcher, i);
    }
    draw_status(switcher);
    if (switcher->mode == MODE_HELP)
        draw_help(switcher);
    node->active = false;
    if (node->bell)
        (void)beep();
    node->bell = false;
    (void)curs_set(view_cursor(node->view, &row, &column) && node->scroll == 0 &&
                   switcher->mode != MODE_HELP);
    if (row >= pane->rows)
        row = pane->rows - 1;
    if (column >= pane->columns)
        column = pane->columns - 1;
    (void)move(pane->row + row, pane->column + column);
    (void)refresh();
}
