// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"

void strbuf_append(struct strbuf *buf, const void *data, size_t size)
{
    if (buf->size + size + 1 > buf->capacity) {
        size_t capacity = buf->capacity ? buf->capacity : 64;

        while (capacity < buf->size + size + 1)
            capacity *= 2;
        buf->data = xrealloc(buf->data, capacity, 1);
        buf->capacity = capacity;
    }
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = 0;
}

void strbuf_puts(struct strbuf *buf, const char *text)
{
    strbuf_append(buf, text, strlen(text));
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    strbuf_puts(buf, text);
}

void strbuf_consume(struct strbuf *buf, size_t size)
{
    assert(size <= buf->size);
    if (!size)
        return;
    memmove(buf->data, buf->data + size, buf->size - size + 1);
    buf->size -= size;
}

char *strbuf_steal(struct strbuf *buf)
{
    char *data = buf->data ? buf->data : xstrdup("");

    *buf = (struct strbuf)STRBUF_INIT;
    return data;
}

void strbuf_done(struct strbuf *buf)
{
    free(buf->data);
    *buf = (struct strbuf)STRBUF_INIT;
}
