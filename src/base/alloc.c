// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * out_of_memory() - Say so and abort
 */
static __attribute__((noreturn, cold)) void out_of_memory(void)
{
    (void)fputs("labctl: out of memory\n", stderr);
    abort();
}

void *xmalloc0(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);

    if (!ptr)
        out_of_memory();
    return ptr;
}

void *xrealloc(void *ptr, size_t count, size_t size)
{
    size_t total;
    void *grown;

    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory();
    grown = realloc(ptr, total ? total : 1);
    if (!grown)
        out_of_memory();
    return grown;
}

void *xaligned(size_t alignment, size_t size)
{
    void *ptr = aligned_alloc(alignment, size);

    if (!ptr)
        out_of_memory();
    return ptr;
}

char *xstrdup(const char *text)
{
    return text ? xstrndup(text, SIZE_MAX) : NULL;
}

char *xstrndup(const char *text, size_t size)
{
    char *copy = strndup(text, size);

    if (!copy)
        out_of_memory();
    return copy;
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc0(size, 1);

    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *xvasprintf(const char *format, va_list args)
{
    char *text;

    if (vasprintf(&text, format, args) < 0)
        out_of_memory();
    return text;
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    return text;
}
