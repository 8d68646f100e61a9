// SPDX-License-Identifier: GPL-2.0-or-later

#include "topology/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* More are found than shown so that the first by place are shown, not the first by time of check;
 * a hostile file still cannot make the list large. */
enum { KEPT_MAX = 4000, SHOWN_MAX = 200 };

void diagnostics_add(struct diagnostics *diagnostics, struct location at, const char *format, ...)
{
    struct diagnostic *item;
    va_list args;

    if (diagnostics->count == KEPT_MAX) {
        diagnostics->dropped++;
        return;
    }
    array_grow(diagnostics->items, diagnostics->count, diagnostics->capacity);
    item = &diagnostics->items[diagnostics->count++];
    item->at = at;
    va_start(args, format);
    item->text = xvasprintf(format, args);
    va_end(args);
}

/**
 * compare_places() - Order two diagnostics by line, column and then text
 * @a:	One
 * @b:	The other
 *
 * Return: as qsort() wants it
 */
static int compare_places(const void *a, const void *b)
{
    const struct diagnostic *left = a, *right = b;

    if (left->at.line != right->at.line)
        return left->at.line < right->at.line ? -1 : 1;
    if (left->at.column != right->at.column)
        return left->at.column < right->at.column ? -1 : 1;
    return strcmp(left->text, right->text);
}

void diagnostics_finish(struct diagnostics *diagnostics)
{
    struct diagnostic *items = diagnostics->items;
    size_t kept = 0, more;

    if (!diagnostics->count)
        return;
    qsort(items, diagnostics->count, sizeof(*items), compare_places);
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (kept > 0 && compare_places(&items[kept - 1], &items[i]) == 0)
            free(items[i].text);
        else
            items[kept++] = items[i];
    }
    diagnostics->count = kept;
    if (kept <= SHOWN_MAX && !diagnostics->dropped)
        return;
    more = diagnostics->dropped;
    while (diagnostics->count > SHOWN_MAX - 1) {
        free(items[--diagnostics->count].text);
        more++;
    }
    diagnostics_add(diagnostics, items[diagnostics->count - 1].at,
                    "%zu more faults after this one are not shown", more);
    diagnostics->dropped = 0;
}

void diagnostics_done(struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++)
        free(diagnostics->items[i].text);
    free(diagnostics->items);
    *diagnostics = (struct diagnostics){.items = NULL};
}
