// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console_view labctl_console labctl_base

/* Hostile guest output through the terminal that the switcher shows. Whatever comes, in whatever
 * pieces, with changes of size in between: the cursor stays on the screen, wide characters have
 * their two cells, what is kept stays bounded, and nothing but characters is in a cell.
 *
 * 0xfe and two bytes in the input: a change of size; 0xfd: a look at everything; 0xff: a cursor
 * key. None of them can be in UTF-8, so little is lost to the terminal. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "console/view.h"
#include "console/view_history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MOST 10 /* of the history: looking takes time */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

static void look(struct view *view)
{
    int row, column, columns;
    char reply[4096];

    (void)view_cursor(view, &row, &column);
    CHECK(row >= 0 && row < view_rows(view) && column >= 0 && column < view_columns(view));
    CHECK(view_history(view) >= 0 && view_history(view) <= VIEW_HISTORY_MAX);
    CHECK(view_take_reply(view, reply, sizeof(reply)) <= sizeof(reply));
    (void)view_take_bell(view);
    row = -view_history(view) - 1;
    if (row < -LINES_MOST)
        row = -LINES_MOST;
    for (; row <= view_rows(view); row++) {
        char *text = view_row_text(view, row);

        for (const char *c = text; *c; c++)
            CHECK((unsigned char)*c >= 0x20);
        free(text);
        for (column = -1; column <= view_columns(view); column++) {
            struct view_cell cell;

            view_cell(view, row, column, &cell);
            CHECK(cell.width <= 2);
            CHECK(cell.foreground < 256 || cell.foreground & VIEW_COLOR_RGB);
            for (int i = 0; i < VIEW_CELL_TEXT; i++)
                CHECK(cell.text[i] == 0 || cell.text[i] >= 0x20);
        }
    }
    (void)view_find(view, 0, "a\303\251", 0, &columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view *view = view_new(24, 80);
    size_t from = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] < 0xfd)
            continue;
        view_feed(view, data + from, i - from);
        from = i + 1;
        if (data[i] == 0xfd) {
            look(view);
        } else if (data[i] == 0xff) {
            view_key(view, "ABCDHF"[i % 6]);
        } else if (size - i > 2) {
            view_resize(view, data[i + 1] % 64, data[i + 2]);
            from = i + 3;
            i += 2;
        }
    }
    if (from < size)
        view_feed(view, data + from, size - from);
    look(view);
    view_free(view);
    return 0;
}
