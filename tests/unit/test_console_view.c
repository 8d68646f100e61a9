// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console_view labctl_console labctl_base

/* The terminal without glass: what it shows, what it keeps, and that no input breaks it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "console/view.h"

static void feed(struct view *view, const char *text)
{
    view_feed(view, text, strlen(text));
}

static void assert_row(struct view *view, int row, const char *text)
{
    _cleanup_free_ char *shown = view_row_text(view, row);

    assert_string_equal(shown, text);
}

static void test_cells(void **state)
{
    struct view *view = view_new(5, 20);
    struct view_cell cell;
    int row, column;

    (void)state;
    feed(view, "\033[2;3H\033[1;31mred\033[0m \033[38;5;200mx\033[48;2;1;2;3my\033[0m");
    assert_row(view, 1, "  red xy");
    view_cell(view, 1, 2, &cell);
    assert_int_equal(cell.text[0], 'r');
    assert_int_equal(cell.foreground, 1);
    assert_int_equal(cell.background, VIEW_COLOR_DEFAULT);
    assert_int_equal(cell.attributes, VIEW_BOLD);
    view_cell(view, 1, 6, &cell);
    assert_int_equal(cell.foreground, 200);
    view_cell(view, 1, 7, &cell);
    assert_int_equal(cell.background, VIEW_COLOR_RGB | 0x010203);
    assert_true(view_cursor(view, &row, &column));
    assert_int_equal(row, 1);
    assert_int_equal(column, 8);
    feed(view, "\033[?25l");
    assert_false(view_cursor(view, &row, &column));
    view_free(view);
}

static void test_wide_and_combining(void **state)
{
    struct view *view = view_new(5, 20);
    struct view_cell cell;

    (void)state;
    feed(view, "\346\274\242e\314\201!");
    view_cell(view, 0, 0, &cell);
    assert_int_equal(cell.text[0], 0x6f22);
    assert_int_equal(cell.width, 2);
    view_cell(view, 0, 1, &cell);
    assert_int_equal(cell.width, 0);
    view_cell(view, 0, 2, &cell);
    assert_int_equal(cell.text[0], 'e');
    assert_int_equal(cell.text[1], 0x301);
    assert_row(view, 0, "\346\274\242e\314\201!");
    view_free(view);
}

static void test_alternate_screen(void **state)
{
    struct view *view = view_new(5, 20);

    (void)state;
    feed(view, "shell\033[?1049h\033[Heditor");
    assert_row(view, 0, "editor");
    feed(view, "\033[?1049l");
    assert_row(view, 0, "shell");
    view_free(view);
}

static void test_history(void **state)
{
    struct view *view = view_new(3, 20);
    char line[32];

    (void)state;
    for (int i = 0; i < VIEW_HISTORY_MAX * 2; i++) {
        (void)snprintf(line, sizeof(line), "line %d\r\n", i);
        feed(view, line);
    }
    assert_int_equal(view_history(view), VIEW_HISTORY_MAX);
    (void)snprintf(line, sizeof(line), "line %d", VIEW_HISTORY_MAX * 2 - 3);
    assert_row(view, -1, line);
    (void)snprintf(line, sizeof(line), "line %d", VIEW_HISTORY_MAX - 2);
    assert_row(view, -VIEW_HISTORY_MAX, line);
    assert_row(view, -VIEW_HISTORY_MAX - 1, "");
    view_free(view);
}

/* What looks how comes back from the history as it went, and onto the screen when that grows. */
static void test_history_looks(void **state)
{
    struct view *view = view_new(3, 20);
    struct view_cell cell;
    int columns = 0;

    (void)state;
    feed(view, "\033[1;31mred\033[0m \033[38;5;200mx\033[48;2;1;2;3my\033[0m\r\n"
               "\346\274\242e\314\201!\r\nthree\r\nfour\r\nfive");
    assert_int_equal(view_scrolled(view), 2);
    assert_row(view, -2, "red xy");
    assert_row(view, -1, "\346\274\242e\314\201!");
    for (int round = 0; round < 2; round++) {
        int row = round ? 0 : -2;

        view_cell(view, row, 0, &cell);
        assert_int_equal(cell.foreground, 1);
        assert_int_equal(cell.attributes, VIEW_BOLD);
        view_cell(view, row, 4, &cell);
        assert_int_equal(cell.foreground, 200);
        view_cell(view, row, 5, &cell);
        assert_int_equal(cell.background, VIEW_COLOR_RGB | 0x010203);
        view_cell(view, row + 1, 0, &cell);
        assert_int_equal(cell.width, 2);
        view_cell(view, row + 1, 1, &cell);
        assert_int_equal(cell.width, 0);
        view_cell(view, row + 1, 2, &cell);
        assert_int_equal(cell.text[1], 0x301);
        assert_int_equal(view_find(view, row, "XY", 0, &columns), 4);
        assert_int_equal(columns, 2);
        assert_int_equal(view_find(view, row + 1, "e\314\201", 0, &columns), 2);
        assert_int_equal(columns, 1);
        assert_int_equal(view_find(view, row, "red", 1, &columns), -1);
        view_resize(view, 5, 20);
    }
    assert_int_equal(view_scrolled(view), 0);
    assert_row(view, 4, "five");
    view_free(view);
}

static void test_keys(void **state)
{
    struct view *view = view_new(5, 20);
    char reply[64];

    (void)state;
    view_key(view, 'A');
    assert_int_equal(view_take_reply(view, reply, sizeof(reply)), 3);
    assert_memory_equal(reply, "\033[A", 3);
    feed(view, "\033[?1h");
    view_key(view, 'A');
    assert_int_equal(view_take_reply(view, reply, sizeof(reply)), 3);
    assert_memory_equal(reply, "\033OA", 3);
    view_free(view);
}

static void test_bell_and_replies(void **state)
{
    struct view *view = view_new(5, 20);
    char reply[64];

    (void)state;
    feed(view, "\a\033[6n");
    assert_true(view_take_bell(view));
    assert_false(view_take_bell(view));
    assert_int_equal(view_take_reply(view, reply, sizeof(reply)), strlen("\033[1;1R"));
    view_free(view);
}

/* Sequences in pieces, broken ones, huge numbers, changes of size in between. */
static void test_hostile(void **state)
{
    static const char *const pieces[] = {"\033[",
                                         "\033]",
                                         "\033P",
                                         "\033\\",
                                         "\007",
                                         ";",
                                         "999999999",
                                         "2147483648",
                                         "m",
                                         "H",
                                         "J",
                                         "K",
                                         "L",
                                         "M",
                                         "@",
                                         "P",
                                         "X",
                                         "r",
                                         "b",
                                         "S",
                                         "T",
                                         "\033M",
                                         "\033D",
                                         "\033c",
                                         "\033[?1049h",
                                         "\033[?1049l",
                                         "\033#8",
                                         "\033[?6h",
                                         "\033[?69h",
                                         "\033[2;3s",
                                         "\346\274\242",
                                         "\314\201",
                                         "\377",
                                         "\302",
                                         "\r\n",
                                         "text",
                                         "\t",
                                         "\033[?3h",
                                         "\0337",
                                         "\0338",
                                         "52;c;AAAA",
                                         "\033[5n",
                                         "\016"};
    struct view *view = view_new(24, 80);
    uint32_t random = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        feed(view, pieces[(random >> 8) % (sizeof(pieces) / sizeof(pieces[0]))]);
        if (random >> 24 == 0)
            view_resize(view, (int)(random >> 8 & 63), (int)(random >> 14 & 127));
        if (random >> 24 == 1) {
            char reply[64];
            struct view_cell cell;
            int row, column;

            (void)view_take_reply(view, reply, sizeof(reply));
            (void)view_cursor(view, &row, &column);
            assert_in_range(row, 0, view_rows(view) - 1);
            assert_in_range(column, 0, view_columns(view) - 1);
            view_cell(view, row, column, &cell);
            view_cell(view, row, view_columns(view) - 1, &cell);
        }
    }
    view_free(view);
}

/* More parameters than libvterm has room for, numbers that overflow, strings: nothing of them is
 * obeyed, and the terminal goes on. */
static void test_beyond_bounds(void **state)
{
    struct view *view = view_new(5, 20);
    char reply[64];

    (void)state;
    feed(view, "\033[");
    for (int i = 0; i < 5000; i++)
        feed(view, "99999999999;");
    feed(view, "mok\033[0000000000000000000000002;000003H2\033[99999999999999999999C3");
    feed(view, "\033]0;title\033\\\033P$qm\033\\\033[1;1H4\033[1\b;5H5");
    assert_row(view, 0, "4k  5");
    assert_row(view, 1, "  2                3");
    feed(view, "\033[6n");
    assert_int_equal(view_take_reply(view, reply, sizeof(reply)), 6);
    assert_memory_equal(reply, "\033[1;6R", 6);
    view_free(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_wide_and_combining),
        cmocka_unit_test(test_alternate_screen),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_looks),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bell_and_replies),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_beyond_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
