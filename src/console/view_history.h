// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Lines that have left a view's screen at its top, packed: a hundred bytes each where cells would
 * take three thousand. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "console/view.h"

#define VIEW_HISTORY_BYTES (4u << 20) /* of a view: what is over goes, oldest first */

struct view_line;

struct view_history {
    struct view_line **ring; /* VIEW_HISTORY_MAX of them */
    int first, count;
    size_t bytes;
};

void view_history_init(struct view_history *history);
void view_history_done(struct view_history *history);
/* view_history_push() - Keep a line; blanks at its end need not be among the cells. */
void view_history_push(struct view_history *history, const struct view_cell *cells, int count);
/* view_history_get() - Line @index, 0 is the oldest. @cells: @columns of them, filled up with
 * blanks. */
void view_history_get(const struct view_history *history, int index, struct view_cell *cells,
                      int columns);
/* view_history_pop() - The latest line, which is kept no more. Return: 0 if there is none */
int view_history_pop(struct view_history *history, struct view_cell *cells, int columns);

/* view_blank() - A cell that shows nothing. */
static inline struct view_cell view_blank(void)
{
    return (struct view_cell){
        .foreground = VIEW_COLOR_DEFAULT, .background = VIEW_COLOR_DEFAULT, .width = 1};
}
