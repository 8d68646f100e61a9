// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Allocation that never fails: out of memory prints a line and aborts (house rule). */

#include <stdarg.h>
#include <stddef.h>

/* xmalloc0() - Zeroed memory for @count items of @size bytes; overflow aborts. */
void *xmalloc0(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* xrealloc() - Resize to @count items of @size bytes; new bytes are not zeroed. */
void *xrealloc(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
/* xaligned() - @size bytes, not zeroed, at a multiple of @alignment, a power of two that divides
 * @size. */
void *xaligned(size_t alignment, size_t size) __attribute__((malloc, returns_nonnull));
/* xstrdup() - Copy a string; NULL gives NULL. */
char *xstrdup(const char *text);
/* xstrndup() - Copy at most @size bytes of a string and end it. */
char *xstrndup(const char *text, size_t size) __attribute__((returns_nonnull));
/* xmemdup() - Copy @size bytes. */
void *xmemdup(const void *data, size_t size) __attribute__((returns_nonnull));
/* xasprintf() - printf() into new memory. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *format, va_list args)
    __attribute__((format(printf, 1, 0), returns_nonnull));

#define xnew0(type, count) ((type *)xmalloc0((count), sizeof(type)))

/* array_grow() - Make room for one more item in a pointer + count + capacity array. */
#define array_grow(array, count, capacity)                                                         \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) ? (capacity)*2 : 8;                                            \
            (array) = xrealloc((array), (capacity), sizeof(*(array)));                             \
        }                                                                                          \
    } while (0)
