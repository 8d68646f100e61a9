// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A growing byte buffer that is also always a C string. */

#include <stddef.h>

#include "base/cleanup.h"

struct strbuf {
    char *data; /* owned; NULL while empty, else ends with a zero byte after @size bytes */
    size_t size;
    size_t capacity;
};

#define STRBUF_INIT                                                                                \
    {                                                                                              \
        .data = NULL                                                                               \
    }

void strbuf_append(struct strbuf *buf, const void *data, size_t size);
void strbuf_puts(struct strbuf *buf, const char *text);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* strbuf_consume() - Drop @size bytes from the front. */
void strbuf_consume(struct strbuf *buf, size_t size);
/* strbuf_steal() - Take the string (never NULL, caller frees); the buffer is empty afterwards. */
char *strbuf_steal(struct strbuf *buf);
void strbuf_done(struct strbuf *buf);

#define _cleanup_strbuf_ _cleanup_(strbuf_done)
