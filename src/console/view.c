// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * libvterm has the screen; what scrolls off its top comes to pushed(), which keeps it in a ring of
 * VIEW_HISTORY_MAX lines, each as long as it has something in it. Memory is bounded by that and by
 * the largest size; libvterm itself keeps no string of a guest's whole. Answers to queries gather
 * in libvterm's own buffer, which is of fixed size; what is not taken is lost.
 *
 * libvterm 0.1.4 writes beyond the screen when a wide character is repeated (CSI Ps b) at the end
 * of a row. So that sequence never reaches it: follow() finds it, repeat() does it.
 * Nor does it hold a cursor that scrolls off the top when the screen gets lower; view_resize()
 * does. */

#include "console/view.h"

#include <assert.h>
#include <string.h>
#include <vterm.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

static_assert(VIEW_CELL_TEXT == VTERM_MAX_CHARS_PER_CELL, "a cell's text is copied whole");

struct line {
    struct view_cell *cells; /* owned */
    int count;
};

struct view {
    VTerm *term;
    VTermScreen *screen;
    struct line *history; /* ring */
    int first, lines;
    int rows, columns;
    VTermPos cursor;
    bool visible, bell;
    enum { TEXT, ESCAPED, CONTROL } sequence; /* where in a sequence the input stands */
    int number;                               /* its first parameter so far */
    bool counted;                             /* that one is over */
};

/**
 * color_of() - A colour of libvterm's
 * @color:	Colour
 *
 * Return: as in struct view_cell
 */
static int32_t color_of(const VTermColor *color)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(color) || VTERM_COLOR_IS_DEFAULT_BG(color))
        return VIEW_COLOR_DEFAULT;
    if (VTERM_COLOR_IS_INDEXED(color))
        return color->indexed.idx;
    return VIEW_COLOR_RGB | color->rgb.red << 16 | color->rgb.green << 8 | color->rgb.blue;
}

/**
 * convert() - A cell of libvterm's
 * @from:	Cell
 * @ret_cell:	Filled
 */
static void convert(const VTermScreenCell *from, struct view_cell *ret_cell)
{
    *ret_cell = (struct view_cell){
        .foreground = color_of(&from->fg),
        .background = color_of(&from->bg),
        .width = (uint8_t)from->width,
        .attributes = (uint8_t)((from->attrs.bold ? VIEW_BOLD : 0) |
                                (from->attrs.underline ? VIEW_UNDERLINE : 0) |
                                (from->attrs.italic ? VIEW_ITALIC : 0) |
                                (from->attrs.blink ? VIEW_BLINK : 0) |
                                (from->attrs.reverse ? VIEW_REVERSE : 0)),
    };
    if (from->chars[0] == UINT32_MAX)
        ret_cell->width = 0;
    else
        (void)memcpy(ret_cell->text, from->chars, sizeof(ret_cell->text));
}

/**
 * is_blank() - Does a cell show nothing?
 * @cell:	Cell
 *
 * Return: true if so
 */
static bool is_blank(const struct view_cell *cell)
{
    return cell->text[0] == 0 && cell->width == 1 && cell->background == VIEW_COLOR_DEFAULT &&
           !(cell->attributes & (VIEW_REVERSE | VIEW_UNDERLINE));
}

/**
 * pushed() - A line leaves the screen at its top; libvterm's callback
 * @count:	Cells
 * @cells:	Cells
 * @data:	View
 *
 * Return: 1
 */
static int pushed(int count, const VTermScreenCell *cells, void *data)
{
    struct view *view = data;
    struct line *line = &view->history[(view->first + view->lines) % VIEW_HISTORY_MAX];
    struct view_cell cell;

    if (view->lines == VIEW_HISTORY_MAX)
        view->first = (view->first + 1) % VIEW_HISTORY_MAX;
    else
        view->lines++;
    free(line->cells);
    for (; count > 0; count--) {
        convert(&cells[count - 1], &cell);
        if (!is_blank(&cell))
            break;
    }
    *line = (struct line){.cells = count ? xnew0(struct view_cell, (size_t)count) : NULL,
                          .count = count};
    for (int i = 0; i < count; i++)
        convert(&cells[i], &line->cells[i]);
    return 1;
}

/**
 * moved() - The cursor moved; libvterm's callback
 * @to:		Where to
 * @from:	Where it was
 * @visible:	Whether it is shown
 * @data:	View
 *
 * Return: 1
 */
static int moved(VTermPos to, VTermPos from, int visible, void *data)
{
    struct view *view = data;

    (void)from;
    (void)visible;
    view->cursor = to;
    return 1;
}

/**
 * property() - The guest set something; libvterm's callback
 * @property:	What
 * @value:	To what
 * @data:	View
 *
 * Return: 1
 */
static int property(VTermProp property, VTermValue *value, void *data)
{
    struct view *view = data;

    if (property == VTERM_PROP_CURSORVISIBLE)
        view->visible = value->boolean;
    return 1;
}

/**
 * rang() - The bell; libvterm's callback
 * @data:	View
 *
 * Return: 1
 */
static int rang(void *data)
{
    ((struct view *)data)->bell = true;
    return 1;
}

static const VTermScreenCallbacks callbacks = {
    .movecursor = moved, .settermprop = property, .bell = rang, .sb_pushline = pushed};

/**
 * bounded() - A number within limits
 * @number:	Number
 * @least:	Least
 * @most:	Most
 *
 * Return: the nearest that is allowed
 */
static int bounded(int number, int least, int most)
{
    if (number < least)
        return least;
    return number > most ? most : number;
}

struct view *view_new(int rows, int columns)
{
    struct view *view = xnew0(struct view, 1);

    view->rows = bounded(rows, 2, VIEW_ROWS_MAX);
    view->columns = bounded(columns, 4, VIEW_COLUMNS_MAX);
    view->visible = true;
    view->history = xnew0(struct line, VIEW_HISTORY_MAX);
    view->term = vterm_new(view->rows, view->columns);
    if (!view->term)
        abort(); /* out of memory */
    vterm_set_utf8(view->term, 1);
    view->screen = vterm_obtain_screen(view->term);
    vterm_screen_set_callbacks(view->screen, &callbacks, view);
    vterm_screen_enable_altscreen(view->screen, 1);
    vterm_screen_set_damage_merge(view->screen, VTERM_DAMAGE_SCROLL);
    vterm_screen_reset(view->screen, 1);
    return view;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    vterm_free(view->term);
    for (int i = 0; i < VIEW_HISTORY_MAX; i++)
        free(view->history[i].cells);
    free(view->history);
    free(view);
}

/**
 * repeat() - Print the character before the cursor once more, or more often
 * @view:	View
 * @times:	How often; not beyond the end of the row
 */
static void repeat(struct view *view, int times)
{
    _cleanup_free_ char *text = NULL;
    struct view_cell cell;
    VTermPos at = view->cursor;

    view_cell(view, at.row, at.col - 1, &cell);
    times = bounded(times, 1, view->columns - at.col);
    if (cell.width != 1 || cell.text[0] < ' ' || cell.text[0] > '~' || times < 1)
        return;
    text = xmalloc0((size_t)times, 1);
    (void)memset(text, (int)cell.text[0], (size_t)times);
    (void)vterm_input_write(view->term, text, (size_t)times);
}

/**
 * follow() - Follow the input, only as far as to know where a control sequence ends
 * @view:	View
 * @byte:	Next byte
 *
 * Return: true if it would end one that repeats
 */
static bool follow(struct view *view, uint8_t byte)
{
    if (byte == 0x1b) {
        view->sequence = ESCAPED;
    } else if (byte == 0x18 || byte == 0x1a) {
        view->sequence = TEXT;
    } else if (byte < ' ' || byte == 0x7f || view->sequence == TEXT) {
        return false;
    } else if (view->sequence == ESCAPED) {
        if (byte == '[') {
            view->sequence = CONTROL;
            view->number = 0;
            view->counted = false;
        } else if (byte >= '0' && byte <= '~') {
            view->sequence = TEXT;
        }
    } else if (byte >= '@' && byte <= '~') {
        view->sequence = TEXT;
        return byte == 'b';
    } else if (byte < '0' || byte > '9') {
        view->counted = true;
    } else if (!view->counted) {
        view->number = bounded(view->number * 10 + byte - '0', 0, VIEW_COLUMNS_MAX);
    }
    return false;
}

void view_feed(struct view *view, const void *data, size_t size)
{
    const char *bytes = data;
    size_t done = 0;

    for (size_t i = 0; i < size; i++) {
        if (!follow(view, (uint8_t)bytes[i]))
            continue;
        (void)vterm_input_write(view->term, bytes + done, i - done);
        (void)vterm_input_write(view->term, "\030", 1); /* cancels the sequence */
        repeat(view, view->number);
        done = i + 1;
    }
    (void)vterm_input_write(view->term, bytes + done, size - done);
    vterm_screen_flush_damage(view->screen);
}

void view_resize(struct view *view, int rows, int columns)
{
    static const char home[] = "\030\033[?6l\033[r\033[H";

    rows = bounded(rows, 2, VIEW_ROWS_MAX);
    columns = bounded(columns, 4, VIEW_COLUMNS_MAX);
    if (rows == view->rows && columns == view->columns)
        return;
    view->rows = rows;
    view->columns = columns;
    vterm_set_size(view->term, rows, columns);
    if (view->cursor.row < 0) {
        (void)vterm_input_write(view->term, home, sizeof(home) - 1);
        view->sequence = TEXT;
    }
    vterm_screen_flush_damage(view->screen);
}

int view_rows(const struct view *view)
{
    return view->rows;
}

int view_columns(const struct view *view)
{
    return view->columns;
}

int view_history(const struct view *view)
{
    return view->lines;
}

void view_cell(const struct view *view, int row, int column, struct view_cell *ret_cell)
{
    VTermScreenCell cell;

    *ret_cell = (struct view_cell){
        .foreground = VIEW_COLOR_DEFAULT, .background = VIEW_COLOR_DEFAULT, .width = 1};
    if (row < -view->lines || row >= view->rows || column < 0)
        return;
    if (row < 0) {
        const struct line *line =
            &view->history[(view->first + view->lines + row) % VIEW_HISTORY_MAX];

        if (column < line->count)
            *ret_cell = line->cells[column];
    } else if (column < view->columns &&
               vterm_screen_get_cell(view->screen, (VTermPos){.row = row, .col = column}, &cell)) {
        convert(&cell, ret_cell);
    }
}

/**
 * append_utf8() - Add a character to a text
 * @text:	Text
 * @code:	Character
 */
static void append_utf8(struct strbuf *text, uint32_t code)
{
    char bytes[4];
    size_t size = 0;

    if (code < 0x80) {
        bytes[size++] = (char)code;
    } else if (code < 0x800) {
        bytes[size++] = (char)(0xc0 | code >> 6);
        bytes[size++] = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        bytes[size++] = (char)(0xe0 | code >> 12);
        bytes[size++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[size++] = (char)(0x80 | (code & 0x3f));
    } else {
        bytes[size++] = (char)(0xf0 | (code >> 18 & 7));
        bytes[size++] = (char)(0x80 | (code >> 12 & 0x3f));
        bytes[size++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[size++] = (char)(0x80 | (code & 0x3f));
    }
    strbuf_append(text, bytes, size);
}

char *view_row_text(const struct view *view, int row)
{
    struct strbuf text = STRBUF_INIT;
    size_t end = 0;

    for (int column = 0; column < view->columns; column++) {
        struct view_cell cell;

        view_cell(view, row, column, &cell);
        if (cell.width == 0)
            continue;
        if (cell.text[0] == 0)
            append_utf8(&text, ' ');
        for (int i = 0; i < VIEW_CELL_TEXT && cell.text[i]; i++)
            append_utf8(&text, cell.text[i]);
        if (cell.text[0] > ' ')
            end = text.size;
    }
    if (text.size > end) {
        text.size = end;
        text.data[end] = '\0';
    }
    return strbuf_steal(&text);
}

bool view_cursor(const struct view *view, int *ret_row, int *ret_column)
{
    *ret_row = bounded(view->cursor.row, 0, view->rows - 1);
    *ret_column = bounded(view->cursor.col, 0, view->columns - 1);
    return view->visible;
}

size_t view_take_reply(struct view *view, void *buffer, size_t size)
{
    return vterm_output_read(view->term, buffer, size);
}

bool view_take_bell(struct view *view)
{
    bool bell = view->bell;

    view->bell = false;
    return bell;
}
