// SPDX-License-Identifier: GPL-2.0-or-later

/* Templates of old versions of EVE-NG, which are PHP: one assignment after the other of a number or
 * a string to a key of the array $p. That is what is read, as data, and nothing else is: a file
 * that does anything more is refused with the line where it does. */

#include <errno.h>
#include <string.h>

#include "appliance/foreign.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct php {
    const char *at, *end;
    unsigned line;
};

/**
 * refuse() - Say where it is that a file is more than data
 * @php:	Where
 * @what:	What was expected there
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int refuse(const struct php *php, const char *what, struct error *err)
{
    size_t left = (size_t)(php->end - php->at);
    const char *newline = left ? memchr(php->at, '\n', left) : NULL;
    size_t size = newline ? (size_t)(newline - php->at) : left;
    _cleanup_free_ char *shown = text_escape(php->at, size < 40 ? size : 40);

    (void)error_input(err, "line %u: %s is expected, here is '%s'", php->line, what, shown);
    error_hint(err, "of PHP only assignments of texts and numbers are read: $p['ram'] = 512;");
    return -EINVAL;
}

/**
 * starts() - Whether a text is next
 * @php:	Where
 * @text:	Text
 *
 * Return: true if so
 */
static bool starts(const struct php *php, const char *text)
{
    size_t size = strlen(text);

    return (size_t)(php->end - php->at) >= size && memcmp(php->at, text, size) == 0;
}

/**
 * take() - Pass over a text if it is next
 * @php:	Where
 * @text:	Text, without newlines
 *
 * Return: true if it was
 */
static bool take(struct php *php, const char *text)
{
    bool is = starts(php, text);

    if (is)
        php->at += strlen(text);
    return is;
}

/**
 * skip_to() - Pass over what comes before a text, and over that
 * @php:	Where
 * @text:	Text; without one, all is passed over
 */
static void skip_to(struct php *php, const char *text)
{
    while (php->at < php->end && !take(php, text)) {
        php->line += *php->at == '\n';
        php->at++;
    }
}

/**
 * skip_line_comment() - Pass over the rest of a line
 * @php:	Where
 *
 * The end of PHP is one inside such a comment, too.
 */
static void skip_line_comment(struct php *php)
{
    while (php->at < php->end && *php->at != '\n' && !starts(php, "?>"))
        php->at++;
}

/**
 * skip_blank() - Pass over blanks and comments
 * @php:	Where
 */
static void skip_blank(struct php *php)
{
    for (; php->at < php->end; php->at++) {
        if (starts(php, "//") || *php->at == '#') {
            skip_line_comment(php);
            php->at--;
        } else if (take(php, "/*")) {
            skip_to(php, "*/");
            php->at--;
        } else if (!strchr(" \t\r\n", *php->at) || !*php->at) {
            return;
        } else {
            php->line += *php->at == '\n';
        }
    }
}

/**
 * read_string() - A string in quotes
 * @php:	At its first quote
 * @ret_text:	New text
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int read_string(struct php *php, char **ret_text, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char quote = *php->at++;

    strbuf_puts(&text, "");
    for (; php->at < php->end && *php->at != quote; php->at++) {
        char c = *php->at;

        if (quote == '"' && c == '$')
            return refuse(php, "a text without variables", err);
        if (!c)
            return refuse(php, "a text", err);
        if (c == '\\' && php->end - php->at > 1 &&
            (php->at[1] == quote || php->at[1] == '\\' || (quote == '"' && php->at[1] == '$')))
            c = *++php->at;
        else if (c == '\\' && quote == '"')
            return refuse(php, "a text without escapes", err);
        php->line += c == '\n';
        strbuf_append(&text, &c, 1);
    }
    if (php->at == php->end)
        return refuse(php, "the end of a text", err);
    php->at++;
    *ret_text = strbuf_steal(&text);
    return 0;
}

/**
 * read_value() - A string or a number
 * @php:	Where it is
 * @ret_text:	New text
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int read_value(struct php *php, char **ret_text, struct error *err)
{
    const char *from = php->at;

    if (php->at < php->end && (*php->at == '\'' || *php->at == '"'))
        return read_string(php, ret_text, err);
    if (php->at < php->end && *php->at == '-')
        php->at++;
    while (php->at < php->end && ((*php->at >= '0' && *php->at <= '9') || *php->at == '.'))
        php->at++;
    if (php->at == from)
        return refuse(php, "a text or a number", err);
    *ret_text = xasprintf("%.*s", (int)(php->at - from), from);
    return 0;
}

/**
 * read_assignment() - $p['KEY'] = VALUE;
 * @php:	At its beginning
 * @root:	Gets it
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int read_assignment(struct php *php, json_t *root, struct error *err)
{
    _cleanup_free_ char *key = NULL, *value = NULL;
    struct php begin = *php;

    if (!take(php, "$p"))
        return refuse(php, "$p['KEY'] = VALUE;", err);
    skip_blank(php);
    if (!take(php, "["))
        return refuse(&begin, "$p['KEY'] = VALUE;", err);
    skip_blank(php);
    if (php->at == php->end || (*php->at != '\'' && *php->at != '"'))
        return refuse(&begin, "$p['KEY'] = VALUE;", err);
    if (read_string(php, &key, err) < 0)
        return -EINVAL;
    skip_blank(php);
    if (!take(php, "]"))
        return refuse(php, "']'", err);
    skip_blank(php);
    if (starts(php, "==") || !take(php, "="))
        return refuse(php, "'='", err);
    skip_blank(php);
    if (read_value(php, &value, err) < 0)
        return -EINVAL;
    skip_blank(php);
    if (!take(php, ";"))
        return refuse(php, "';'", err);
    if (json_object_set_new(root, key, json_string(value)) < 0)
        return refuse(&begin, "a text in UTF-8", err);
    return 0;
}

bool foreign_is_php(const char *data, size_t size)
{
    struct php php = {.at = data, .end = data + size, .line = 1};

    (void)take(&php, BYTE_ORDER_MARK);
    skip_blank(&php);
    return starts(&php, "<?php");
}

int foreign_php(const char *data, size_t size, json_t **ret_root, struct error *err)
{
    struct php php = {.at = data, .end = data + size, .line = 1};
    json_t *root = json_object();
    int r = 0;

    (void)take(&php, BYTE_ORDER_MARK);
    skip_blank(&php);
    if (!take(&php, "<?php"))
        r = refuse(&php, "<?php", err);
    while (r == 0) {
        skip_blank(&php);
        if (php.at == php.end)
            break;
        if (take(&php, "?>")) {
            for (; php.at < php.end && *php.at && strchr(" \t\r\n", *php.at); php.at++)
                php.line += *php.at == '\n';
            if (php.at < php.end)
                r = refuse(&php, "nothing behind '?>'", err);
            break;
        }
        r = read_assignment(&php, root, err);
    }
    if (r < 0) {
        json_decref(root);
        return r;
    }
    *ret_root = root;
    return 0;
}
