// SPDX-License-Identifier: GPL-2.0-or-later

/* What the switcher looks like: nodes on the left, one to four panes with a title each on the right
 * (panes.c), a line of help or messages at the bottom. Everything is drawn anew each time; curses
 * sends the terminal only what changed. */

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/text.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher_priv.h"

#define MESSAGE_MS 8000
#define BEEP_MS    500 /* between two beeps, however a guest rings */

void switcher_say(struct switcher *switcher, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    free(switcher->message);
    switcher->message = text_escape(text, strlen(text));
    switcher->message_ms = switcher_now_ms() + MESSAGE_MS;
    switcher->dirty = true;
}

void switcher_layout(struct switcher *switcher)
{
    int left = switcher->zoomed ? 0 : switcher->list;
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
            node_fit(&switcher->nodes[pane->node], pane->rows, pane->columns);
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

int pair_of(int32_t foreground, int32_t background)
{
    int pair;

    if (!has_colors() || (foreground < 0 && background < 0))
        return 0;
    pair = alloc_pair(nearest_color(foreground), nearest_color(background));
    return pair < 0 ? 0 : pair;
}

void draw_text(int row, int column, int columns, const char *text)
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
 * short_state() - A state in five letters
 * @state:	State
 *
 * Return: word
 */
static const char *short_state(const char *state)
{
    static const char *const words[][2] = {
        {"stopped", "off"}, {"starting", "start"}, {"booting", "boot"}, {"ready", "ready"},
        {"running", "run"}, {"stopping", "stop"},  {"crashed", "crash"}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i][0], state) == 0)
            return words[i][1];
    }
    return "?";
}

/**
 * draw_entry() - A node in the list
 * @switcher:	Switcher
 * @row:	Where
 * @node:	Node
 * @chosen:	It is the one that is typed to
 */
static void draw_entry(const struct switcher *switcher, int row, const struct switcher_node *node,
                       bool chosen)
{
    int width = switcher->list - 1;
    const char *state = node->gone ? "gone" : node->state;
    char carrier[24] = "";

    (void)attrset(chosen ? A_REVERSE : A_NORMAL);
    draw_text(row, 0, width, "");
    (void)mvaddch(row, 0, node->bell ? '!' : (chtype)(node->active ? '+' : ' '));
    draw_text(row, 1, width - 11, node->name);
    if (node->marked)
        (void)mvaddch(row, width - 10, '=');
    if (node->links > 0 && node->links < 10)
        (void)snprintf(carrier, sizeof(carrier), "%d/%d", node->links_up, node->links);
    (void)mvaddnstr(row, width - 9, carrier, 3);
    (void)attron(state_color(state));
    (void)mvaddnstr(row, width - 5, node->gone ? state : short_state(state), 5);
    (void)attrset(A_NORMAL);
}

/**
 * draw_list() - The nodes, on the left
 * @switcher:	Switcher
 */
static void draw_list(struct switcher *switcher)
{
    int rows = switcher->rows - 1;
    size_t chosen = switcher->panes[switcher->focus].node;
    size_t first = chosen >= (size_t)rows ? chosen - (size_t)rows + 1 : 0;

    for (int row = 0; row < rows; row++) {
        size_t index = first + (size_t)row;

        (void)mvaddch(row, switcher->list - 1, ACS_VLINE);
        if (index < switcher->node_count)
            draw_entry(switcher, row, &switcher->nodes[index], index == chosen);
    }
}

/**
 * status_line() - What the last line says
 * @switcher:	Switcher
 *
 * Return: new string
 */
static char *status_line(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    const struct paste *paste = &node->paste;
    char key = (char)(switcher->options->prefix + '@');

    if (switcher->mode == MODE_PROMPT)
        return xasprintf("%s: %s", switcher->prompt->label,
                         switcher->word.data ? switcher->word.data : "");
    if (switcher->message && switcher->mode != MODE_PREFIX)
        return xstrdup(switcher->message);
    switch (switcher->mode) {
    case MODE_PREFIX:
        return xasprintf("Ctrl-%c ...   ? for help", key);
    case MODE_COPY:
        return xasprintf("%ld of %d lines up   space, V select  y take  / ? n search  q back",
                         (long)(view_scrolled(node->view) - node->top), view_history(node->view));
    case MODE_CABLES:
        return xstrdup("x cuts or heals the cable   c captures here, or no more   q back");
    default:
        break;
    }
    if (paste->under_way)
        return xasprintf("%s: line %zu of %zu   Ctrl-C ends the paste", node->name,
                         paste->lines_done, paste->lines);
    return xasprintf("%s   Ctrl-%c ? help   Ctrl-%c q leave", switcher->options->lab, key, key);
}

/**
 * draw_box() - A line over everything, in the middle
 * @switcher:	Switcher
 * @row:	Where
 * @text:	Text
 * @attributes:	How it looks
 */
static void draw_box(const struct switcher *switcher, int row, const char *text, int attributes)
{
    int width = switcher->columns < 76 ? switcher->columns : 76;

    if (row < 0 || row >= switcher->rows - 1)
        return;
    (void)attrset(attributes);
    draw_text(row, (switcher->columns - width) / 2, width, text);
    (void)attrset(A_NORMAL);
}

/**
 * draw_help() - The help: commands in two columns
 * @switcher:	Switcher
 */
static void draw_help(const struct switcher *switcher)
{
    size_t half = (switcher_command_count + 1) / 2;
    int top = (switcher->rows - 1 - (int)half - 6) / 2;

    if (top < 0)
        top = 0;
    draw_box(switcher, top++, " Keys, after the prefix key (twice: the key itself):", A_REVERSE);
    for (size_t i = 0; i < half; i++) {
        const struct switcher_command *left = &switcher_commands[i];
        const struct switcher_command *right =
            i + half < switcher_command_count ? &switcher_commands[i + half] : NULL;
        _cleanup_free_ char *line = xasprintf("   %-3s %-30s   %-3s %s", left->name, left->help,
                                              right ? right->name : "", right ? right->help : "");

        draw_box(switcher, top++, line, A_REVERSE);
    }
    draw_box(switcher, top++, "", A_REVERSE);
    draw_box(switcher, top++, " List: + said something  ! rang  = marked  1/2: cables up",
             A_REVERSE);
    draw_box(switcher, top++, " A paste waits for the guest, line by line; Ctrl-C ends it.",
             A_REVERSE);
}

/**
 * draw_cables() - The cables of the focused node
 * @switcher:	Switcher
 */
static void draw_cables(const struct switcher *switcher)
{
    int rows = switcher->rows - 4, top = 1;
    size_t first = switcher->cable >= (size_t)rows ? switcher->cable - (size_t)rows + 1 : 0;

    draw_box(switcher, top++, " Cables", A_REVERSE);
    for (size_t i = first; i < first + (size_t)rows; i++) {
        _cleanup_free_ char *cable = cables_line(switcher, i), *line = NULL;

        if (!cable)
            break;
        line = xasprintf(" %c %s", i == switcher->cable ? '>' : ' ', cable);
        draw_box(switcher, top++, line, i == switcher->cable ? A_REVERSE | A_BOLD : A_REVERSE);
    }
    draw_box(switcher, top, "", A_REVERSE);
}

/**
 * notice_focused() - The person sees the focused node: its marks go
 * @switcher:	Switcher
 */
static void notice_focused(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    int64_t now = switcher_now_ms();

    if (node->bell && now >= switcher->beep_ms) {
        (void)beep();
        switcher->beep_ms = now + BEEP_MS;
    }
    node->active = node->bell = false;
}

void switcher_draw(struct switcher *switcher)
{
    _cleanup_free_ char *line = NULL;

    switcher->dirty = false;
    (void)erase();
    if (switcher->rows < ROWS_LEAST || switcher->columns < COLUMNS_LEAST) {
        (void)mvaddnstr(0, 0, "terminal too small", switcher->columns - 1);
        (void)refresh();
        return;
    }
    notice_focused(switcher);
    if (!switcher->zoomed)
        draw_list(switcher);
    panes_draw(switcher);
    line = status_line(switcher);
    (void)attrset(A_BOLD);
    draw_text(switcher->rows - 1, 0, switcher->columns - 1, line);
    (void)attrset(A_NORMAL);
    if (switcher->mode == MODE_HELP)
        draw_help(switcher);
    if (switcher->mode == MODE_CABLES)
        draw_cables(switcher);
    panes_cursor(switcher);
    (void)refresh();
}
