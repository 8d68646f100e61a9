// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * libvterm has the screen; what scrolls off its top comes to pushed(), which packs it away
 * (view_history.h), and comes back from there by popped() when the screen grows. Memory is bounded
 * by that and by the largest size; libvterm itself keeps no string of a guest's whole. Answers to
 * queries gather in libvterm's own buffer, which is of fixed size; what is not taken is lost.
 *
 * A guest is hostile, and libvterm 0.1.4 is not made for that: it counts the parameters of a
 * control sequence without a bound (which lets a guest write over its state), its numbers overflow,
 * and it writes beyond the screen when a wide character is repeated (CSI Ps b) at the end of a row.
 * So no sequence reaches it before vt.c has seen all of it: control sequences are written anew with
 * few and small numbers (pass_control()), short escapes pass, strings (titles, clipboard, DCS) end
 * here, and repetition is done by repeat().
 * Nor does libvterm hold a cursor that scrolls off the top when the screen gets lower, or a scroll
 * region whose top is below the new last row: view_resize() resets the region, as xterm does. */

#include "console/view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <vterm.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "console/view_history.h"
#include "console/vt.h"

#define SEQUENCE_MAX  128
#define ARGUMENTS_MAX 15   /* libvterm has room for 16 */
#define NUMBER_MAX    9999 /* beyond every screen */

static_assert(VIEW_CELL_TEXT == VTERM_MAX_CHARS_PER_CELL, "a cell's text is copied whole");

struct view {
    VTerm *term;
    VTermScreen *screen;
    struct view_history history;
    int64_t scrolled;
    struct view_cell *scratch; /* VIEW_COLUMNS_MAX of them: a line of the history */
    int scratch_line;          /* which one that is; -1: none */
    int rows, columns;
    VTermPos cursor;
    bool visible, bell;
    struct vt vt;
    char body[SEQUENCE_MAX]; /* a sequence that is not complete, without its ESC */
    size_t body_size;        /* above SEQUENCE_MAX: it is longer */
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
    /* libvterm sets nothing behind the first zero. */
    for (int i = 0; i < VIEW_CELL_TEXT && from->chars[i] && ret_cell->width; i++)
        ret_cell->text[i] = from->chars[i];
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
    int used = 0;

    view->scratch_line = -1;
    for (int i = 0; i < count && i < VIEW_COLUMNS_MAX; i++) {
        convert(&cells[i], &view->scratch[i]);
        if (!is_blank(&view->scratch[i]))
            used = i + 1;
    }
    view_history_push(&view->history, view->scratch, used);
    view->scrolled++;
    return 1;
}

/**
 * unconvert() - A cell for libvterm
 * @view:	View
 * @from:	Cell
 * @ret_cell:	Filled
 */
static void unconvert(const struct view *view, const struct view_cell *from,
                      VTermScreenCell *ret_cell)
{
    VTermState *state = vterm_obtain_state(view->term);

    *ret_cell = (VTermScreenCell){.width = (char)(from->width ? from->width : 1)};
    (void)memcpy(ret_cell->chars, from->text, sizeof(ret_cell->chars));
    if (from->width == 0)
        ret_cell->chars[0] = UINT32_MAX;
    ret_cell->attrs.bold = (from->attributes & VIEW_BOLD) != 0;
    ret_cell->attrs.underline = (from->attributes & VIEW_UNDERLINE) != 0;
    ret_cell->attrs.italic = (from->attributes & VIEW_ITALIC) != 0;
    ret_cell->attrs.blink = (from->attributes & VIEW_BLINK) != 0;
    ret_cell->attrs.reverse = (from->attributes & VIEW_REVERSE) != 0;
    vterm_state_get_default_colors(state, &ret_cell->fg, &ret_cell->bg);
    if (from->foreground & VIEW_COLOR_RGB && from->foreground > 0)
        vterm_color_rgb(&ret_cell->fg, (uint8_t)(from->foreground >> 16),
                        (uint8_t)(from->foreground >> 8), (uint8_t)from->foreground);
    else if (from->foreground >= 0)
        vterm_color_indexed(&ret_cell->fg, (uint8_t)from->foreground);
    if (from->background & VIEW_COLOR_RGB && from->background > 0)
        vterm_color_rgb(&ret_cell->bg, (uint8_t)(from->background >> 16),
                        (uint8_t)(from->background >> 8), (uint8_t)from->background);
    else if (from->background >= 0)
        vterm_color_indexed(&ret_cell->bg, (uint8_t)from->background);
}

/**
 * popped() - The screen has grown and wants the latest line back; libvterm's callback
 * @count:	Cells
 * @cells:	Filled
 * @data:	View
 *
 * Return: 1, 0 if there is none
 */
static int popped(int count, VTermScreenCell *cells, void *data)
{
    struct view *view = data;
    int known = count < VIEW_COLUMNS_MAX ? count : VIEW_COLUMNS_MAX;
    struct view_cell blank = view_blank();

    view->scratch_line = -1;
    if (!view_history_pop(&view->history, view->scratch, known))
        return 0;
    for (int i = 0; i < count; i++)
        unconvert(view, i < known ? &view->scratch[i] : &blank, &cells[i]);
    view->scrolled--;
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

static const VTermScreenCallbacks callbacks = {.movecursor = moved,
                                               .settermprop = property,
                                               .bell = rang,
                                               .sb_pushline = pushed,
                                               .sb_popline = popped};

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
    view_history_init(&view->history);
    view->scratch = xnew0(struct view_cell, VIEW_COLUMNS_MAX);
    view->scratch_line = -1;
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
    view_history_done(&view->history);
    free(view->scratch);
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
 * pass_control() - Give libvterm a control sequence, if it is one that it can bear
 * @view:	View; vt.c says that the sequence in @body is complete
 */
static void pass_control(struct view *view)
{
    char text[SEQUENCE_MAX + 4] = "\033[";
    size_t size = 2;
    int number = -1, arguments = 1;

    if (view->vt.final == 'b' && !view->vt.prefix && !view->vt.intermediate) {
        repeat(view, view->vt.args[0]);
        return;
    }
    if (view->body_size > SEQUENCE_MAX)
        return;
    for (size_t i = 1; i < view->body_size; i++) {
        char byte = view->body[i];

        if (byte >= '0' && byte <= '9') {
            number = bounded((number < 0 ? 0 : number * 10) + byte - '0', 0, NUMBER_MAX);
            continue;
        }
        if (number >= 0)
            size += (size_t)snprintf(text + size, sizeof(text) - size, "%d", number);
        number = -1;
        arguments += byte == ';' || byte == ':';
        if (arguments > ARGUMENTS_MAX || byte < ' ' || byte > '~' || size + 8 > sizeof(text))
            return;
        text[size++] = byte;
    }
    (void)vterm_input_write(view->term, text, size);
}

/**
 * pass_escape() - Give libvterm a short escape
 * @view:	View; vt.c says that the sequence in @body is complete
 */
static void pass_escape(struct view *view)
{
    char text[3] = "\033";

    /* libvterm takes ESC & [ for the beginning of a control sequence, vt.c for an escape. */
    if (view->body_size < 1 || view->body_size > 2 || view->vt.final > '~' ||
        (view->body_size == 2 && strchr("P[]X^_", view->vt.final)))
        return;
    (void)memcpy(text + 1, view->body, view->body_size);
    (void)vterm_input_write(view->term, text, 1 + view->body_size);
}

/**
 * inside() - A byte that begins, continues or ends a sequence
 * @view:	View
 * @byte:	Byte
 * @token:	What vt.c makes of it
 */
static void inside(struct view *view, char byte, enum vt_token token)
{
    if (byte == '\033') {
        view->body_size = 0;
    } else if ((uint8_t)byte < ' ' || byte == 0x7f) {
        /* Takes effect at once in the middle of a sequence; in a string it is a part of it. */
        if (token == VT_CR || token == VT_LF || token == VT_BACKSPACE || token == VT_TAB)
            (void)vterm_input_write(view->term, &byte, 1);
    } else if (view->body_size < SEQUENCE_MAX) {
        view->body[view->body_size++] = byte;
    } else {
        view->body_size = SEQUENCE_MAX + 1;
    }
    if (token == VT_CSI)
        pass_control(view);
    else if (token == VT_ESC)
        pass_escape(view);
}

void view_feed(struct view *view, const void *data, size_t size)
{
    const char *bytes = data;
    size_t done = 0;

    for (size_t i = 0; i < size; i++) {
        bool idle = vt_idle(&view->vt);
        enum vt_token token = vt_next(&view->vt, (uint8_t)bytes[i]);

        if (idle && vt_idle(&view->vt))
            continue;
        (void)vterm_input_write(view->term, bytes + done, i - done);
        inside(view, bytes[i], token);
        done = i + 1;
    }
    (void)vterm_input_write(view->term, bytes + done, size - done);
    vterm_screen_flush_damage(view->screen);
}

void view_resize(struct view *view, int rows, int columns)
{
    static const char plain[] = "\033[?69l\033[r", home[] = "\033[?6l\033[H";
    VTermPos at = view->cursor;
    char back[32];

    rows = bounded(rows, 2, VIEW_ROWS_MAX);
    columns = bounded(columns, 4, VIEW_COLUMNS_MAX);
    if (rows == view->rows && columns == view->columns)
        return;
    (void)vterm_input_write(view->term, plain, sizeof(plain) - 1);
    (void)snprintf(back, sizeof(back), "\033[%d;%dH", at.row + 1, at.col + 1);
    (void)vterm_input_write(view->term, back, strlen(back));
    view->rows = rows;
    view->columns = columns;
    vterm_set_size(view->term, rows, columns);
    if (view->cursor.row < 0)
        (void)vterm_input_write(view->term, home, sizeof(home) - 1);
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
    return view->history.count;
}

int64_t view_scrolled(const struct view *view)
{
    return view->scrolled;
}

void view_cell(struct view *view, int row, int column, struct view_cell *ret_cell)
{
    VTermScreenCell cell;

    *ret_cell = view_blank();
    if (row < -view->history.count || row >= view->rows || column < 0)
        return;
    if (row < 0) {
        int line = view->history.count + row;

        if (column >= VIEW_COLUMNS_MAX)
            return;
        if (view->scratch_line != line)
            view_history_get(&view->history, line, view->scratch, VIEW_COLUMNS_MAX);
        view->scratch_line = line;
        *ret_cell = view->scratch[column];
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

/**
 * append_cell() - Add what a cell shows to a text
 * @text:	Text
 * @cell:	Cell that is no right half
 */
static void append_cell(struct strbuf *text, const struct view_cell *cell)
{
    append_utf8(text, cell->text[0] ? cell->text[0] : ' ');
    for (int i = 1; i < VIEW_CELL_TEXT && cell->text[i]; i++)
        append_utf8(text, cell->text[i]);
}

char *view_row_text(struct view *view, int row)
{
    return view_text(view, row, 0, view->columns - 1);
}

char *view_text(struct view *view, int row, int first, int last)
{
    struct strbuf text = STRBUF_INIT;
    size_t end = 0;

    for (int column = first; column <= last; column++) {
        struct view_cell cell;

        view_cell(view, row, column, &cell);
        if (cell.width == 0)
            continue;
        append_cell(&text, &cell);
        if (cell.text[0] > ' ')
            end = text.size;
    }
    if (text.size > end) {
        text.size = end;
        text.data[end] = '\0';
    }
    return strbuf_steal(&text);
}

int view_find(struct view *view, int row, const char *word, int from, int *ret_columns)
{
    size_t length = strlen(word);

    for (int column = from; length > 0 && column < view->columns; column++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        struct view_cell cell;
        int end = column;

        view_cell(view, row, column, &cell);
        if (cell.width == 0)
            continue;
        for (; end < view->columns && text.size < length; end++) {
            view_cell(view, row, end, &cell);
            if (cell.width > 0)
                append_cell(&text, &cell);
            if (strncasecmp(text.data, word, text.size < length ? text.size : length) != 0)
                break;
        }
        if (text.size >= length && strncasecmp(text.data, word, length) == 0) {
            *ret_columns = end - column;
            return column;
        }
    }
    return -1;
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

void view_key(struct view *view, char key)
{
    static const struct {
        char key;
        VTermKey code;
    } keys[] = {{'A', VTERM_KEY_UP},   {'B', VTERM_KEY_DOWN}, {'C', VTERM_KEY_RIGHT},
                {'D', VTERM_KEY_LEFT}, {'H', VTERM_KEY_HOME}, {'F', VTERM_KEY_END}};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].key == key)
            vterm_keyboard_key(view->term, keys[i].code, VTERM_MOD_NONE);
    }
}

bool view_take_bell(struct view *view)
{
    bool bell = view->bell;

    view->bell = false;
    return bell;
}
