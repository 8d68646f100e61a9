// SPDX-License-Identifier: GPL-2.0-or-later

/* Lines are short (below PIPE_BUF), so that each write is whole or not at all. Descriptors may be
 * shared with others and stay as they are; control.c does poll(2) first, so that a stuck engine
 * cannot hold up the capture. */

#include "capture/report_priv.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

#define REPORT_TEXT_MAX 1024

/**
 * append_string() - Append a JSON string
 * @out:	Where
 * @text:	Any bytes; what is not printable is escaped
 */
static void append_string(struct strbuf *out, const char *text)
{
    _cleanup_free_ char *printable = text_escape(text, strnlen(text, REPORT_TEXT_MAX));

    strbuf_puts(out, "\"");
    for (const char *c = printable; *c; c++) {
        if (*c == '"' || *c == '\\')
            strbuf_puts(out, "\\");
        strbuf_append(out, c, 1);
    }
    strbuf_puts(out, "\"");
}

/**
 * send_line() - Send one line to whoever listens
 * @control:	Where to
 * @line:	JSON object; the newline is added here
 */
static void send_line(const struct control *control, struct strbuf *line)
{
    strbuf_puts(line, "\n");
    control_send(control, line->data, line->size);
}

void report_started(const struct control *control)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "{\"event\":\"started\"}");
    send_line(control, &line);
}

void report_stats(const struct control *control, uint64_t packets, uint64_t bytes, uint64_t dropped)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line,
                  "{\"event\":\"stats\",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
                  ",\"dropped\":%" PRIu64 "}",
                  packets, bytes, dropped);
    send_line(control, &line);
}

void report_gone(const struct control *control, const char *label)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "{\"event\":\"gone\",\"where\":");
    append_string(&line, label);
    strbuf_puts(&line, "}");
    send_line(control, &line);
}

void report_ends(const struct control *control, uint64_t id)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line, "{\"event\":\"ends\",\"id\":%" PRIu64 "}", id);
    send_line(control, &line);
}

void report_cut_off(const struct control *control)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "{\"event\":\"cut-off\"}");
    send_line(control, &line);
}

void report_ended(const struct control *control, bool failed, const char *why)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line, "{\"event\":\"ended\",\"failed\":%s,\"why\":", failed ? "true" : "false");
    append_string(&line, why);
    strbuf_puts(&line, "}");
    send_line(control, &line);
}

void report_saved(const struct control *control, const struct report_save *save)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line,
                  "{\"event\":\"saved\",\"id\":%" PRIu64 ",\"failed\":%s,\"packets\":%" PRIu64
                  ",\"bytes\":%" PRIu64 ",\"from_ns\":%" PRIu64 ",\"why\":",
                  save->id, save->failed ? "true" : "false", save->packets, save->bytes,
                  save->from_ns);
    append_string(&line, save->why ? save->why : "");
    strbuf_puts(&line, "}");
    send_line(control, &line);
}
