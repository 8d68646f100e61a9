// SPDX-License-Identifier: GPL-2.0-or-later

/* Lines are short (below PIPE_BUF), so that each write is whole or not at all. The descriptor may
 * be shared with others and stays as it is; poll(2) first, so that a stuck engine cannot hold up
 * the capture. */

#include "capture/report_priv.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

#define REPORT_PATIENCE_MS 100
#define REPORT_TEXT_MAX    1024

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
 * send_line() - Write one line if the engine listens
 * @fd:		Where to
 * @line:	JSON object; the newline is added here
 */
static void send_line(int fd, struct strbuf *line)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    strbuf_puts(line, "\n");
    if (poll(&poll_fd, 1, REPORT_PATIENCE_MS) == 1 && !(poll_fd.revents & (POLLERR | POLLNVAL)))
        (void)write_all(fd, line->data, line->size);
}

void report_started(int fd)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "{\"event\":\"started\"}");
    send_line(fd, &line);
}

void report_stats(int fd, uint64_t packets, uint64_t bytes, uint64_t dropped)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line,
                  "{\"event\":\"stats\",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
                  ",\"dropped\":%" PRIu64 "}",
                  packets, bytes, dropped);
    send_line(fd, &line);
}

void report_gone(int fd, const char *label)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "{\"event\":\"gone\",\"where\":");
    append_string(&line, label);
    strbuf_puts(&line, "}");
    send_line(fd, &line);
}

void report_ended(int fd, bool failed, const char *why)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_printf(&line, "{\"event\":\"ended\",\"failed\":%s,\"why\":", failed ? "true" : "false");
    append_string(&line, why);
    strbuf_puts(&line, "}");
    send_line(fd, &line);
}
