// SPDX-License-Identifier: GPL-2.0-or-later

/* Reading a script (script.h). */

#include "console/script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"

#define TIMEOUT_DEFAULT 30000000000ull
#define STEPS_MAX       100000
#define LINE_LIMIT      4000

/* Where the reader is. */
struct reader {
    const char *name;
    unsigned line;
    uint64_t timeout_ns;
    const char *node;
    script_compile_fn *compile;
    struct script *script;
    struct error *err;
};

/**
 * fault() - Something is wrong with this line
 * @reader:	Reader
 * @what:	What
 * @word:	The word that it is about, escaped here
 *
 * Return: -EINVAL
 */
static int fault(const struct reader *reader, const char *what, const char *word)
{
    _cleanup_free_ char *shown = text_escape(word, strnlen(word, 100));

    return error_input(reader->err, "%s:%u: %s: '%s'", reader->name, reader->line, what, shown);
}

/**
 * add_step() - One more step
 * @reader:	Reader
 * @verb:	What is done
 * @text:	Owned from here on; may be NULL
 * @size:	Its size
 *
 * Return: the step
 */
static struct script_step *add_step(const struct reader *reader, enum script_verb verb, char *text,
                                    size_t size)
{
    struct script *script = reader->script;
    struct script_step *step;

    array_grow(script->steps, script->count, script->capacity);
    step = &script->steps[script->count++];
    *step = (struct script_step){.verb = verb,
                                 .line = reader->line,
                                 .text = text,
                                 .size = size,
                                 .timeout_ns = reader->timeout_ns};
    return step;
}

/**
 * unescape() - Text with escapes as in C
 * @reader:	Reader
 * @text:	As written
 * @ret_text:	As meant, caller frees
 * @ret_size:	Its size
 *
 * Return: 0 or -EINVAL
 */
static int unescape(const struct reader *reader, const char *text, char **ret_text,
                    size_t *ret_size)
{
    static const char letters[] = "rntea\\", meant[] = "\r\n\t\033\a\\";
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (const char *c = text; *c; c++) {
        const char *letter;
        char byte = *c;

        if (byte == '\\') {
            c++;
            letter = *c ? strchr(letters, *c) : NULL;
            if (letter) {
                byte = meant[letter - letters];
            } else if (*c == 'x' && isxdigit((unsigned char)c[1]) &&
                       isxdigit((unsigned char)c[2])) {
                byte = (char)strtoul((const char[]){c[1], c[2], 0}, NULL, 16);
                c += 2;
            } else {
                return fault(reader, "no such escape (\\r \\n \\t \\e \\a \\xNN \\\\)", c - 1);
            }
        }
        strbuf_append(&out, &byte, 1);
    }
    *ret_size = out.size;
    *ret_text = strbuf_steal(&out);
    return 0;
}

/**
 * split_within() - Take "within 5s" off the end of a pattern
 * @reader:	Reader
 * @text:	Pattern; cut
 * @timeout_ns:	Set if there is one
 *
 * Return: 0 or -EINVAL
 */
static int split_within(const struct reader *reader, char *text, uint64_t *timeout_ns)
{
    char *at = NULL;

    for (char *next = text; (next = strstr(next, " within ")); next++)
        at = next;
    /* A pattern may hold the word; only what ends in a duration is meant. */
    if (!at || !isdigit((unsigned char)at[8]) || strchr(at + 8, ' '))
        return 0;
    if (units_parse_duration(at + 8, timeout_ns, NULL) < 0 || *timeout_ns == 0)
        return fault(reader, "no duration (5s, 500ms)", at + 8);
    *at = 0;
    return 0;
}

/**
 * read_rule() - expect and refuse
 * @reader:	Reader
 * @verb:	Which
 * @text:	What follows it
 *
 * Return: 0 or -EINVAL
 */
static int read_rule(const struct reader *reader, enum script_verb verb, const char *text)
{
    _cleanup_free_ char *pattern = xstrdup(text);
    uint64_t timeout_ns = reader->timeout_ns;
    struct script_step *step;
    regex_t rule;
    int r = verb == SCRIPT_EXPECT ? split_within(reader, pattern, &timeout_ns) : 0;

    if (r < 0)
        return r;
    if (!*pattern)
        return fault(reader, "a pattern is wanted", pattern);
    r = reader->compile(pattern, reader->node, &rule, reader->err);
    if (r < 0)
        return error_prefix(reader->err, "%s:%u", reader->name, reader->line);
    step = add_step(reader, verb, steal_ptr(pattern), 0);
    step->rule = rule;
    step->timeout_ns = timeout_ns;
    return 0;
}

/**
 * read_key() - key ^C
 * @reader:	Reader
 * @text:	Key
 *
 * Return: 0 or -EINVAL
 */
static int read_key(const struct reader *reader, const char *text)
{
    int code = text[0] == '^' ? toupper((unsigned char)text[1]) : 0;
    char byte;

    if (code < '@' || code > '_' || text[2])
        return fault(reader, "no control key (^C)", text);
    byte = (char)(code - '@');
    (void)add_step(reader, SCRIPT_SEND, xmemdup(&byte, 1), 1);
    return 0;
}

/**
 * read_text() - send, type and run
 * @reader:	Reader
 * @verb:	First word
 * @text:	What follows it
 *
 * Return: 0 or -EINVAL
 */
static int read_text(const struct reader *reader, const char *verb, const char *text)
{
    char *typed = NULL;
    size_t size = 0;

    if (strcmp(verb, "type") == 0) {
        int r = unescape(reader, text, &typed, &size);

        if (r == 0)
            (void)add_step(reader, SCRIPT_SEND, typed, size);
        return r;
    }
    if (strcmp(verb, "send") == 0) {
        typed = xasprintf("%s\r", text);
        (void)add_step(reader, SCRIPT_SEND, typed, strlen(typed));
        return 0;
    }
    if (!*text)
        return fault(reader, "a command is wanted", verb);
    (void)add_step(reader, SCRIPT_RUN, xstrdup(text), strlen(text));
    return 0;
}

/**
 * read_line() - One line
 * @reader:	Reader
 * @line:	Its text, without blanks around
 *
 * Return: 0 or -EINVAL
 */
static int read_line(struct reader *reader, char *line)
{
    char *text = line + strcspn(line, " \t");
    uint64_t ns = 0;

    if (*text)
        *text++ = 0;
    text += strspn(text, " \t");
    if (strcmp(line, "send") == 0 || strcmp(line, "type") == 0 || strcmp(line, "run") == 0)
        return read_text(reader, line, text);
    if (strcmp(line, "key") == 0)
        return read_key(reader, text);
    if (strcmp(line, "expect") == 0)
        return read_rule(reader, SCRIPT_EXPECT, text);
    if (strcmp(line, "refuse") == 0)
        return read_rule(reader, SCRIPT_REFUSE, text);
    if (strcmp(line, "timeout") != 0 && strcmp(line, "wait") != 0)
        return fault(reader, "not a step (send, type, key, expect, refuse, run, wait, timeout)",
                     line);
    if (units_parse_duration(text, &ns, NULL) < 0 || ns == 0)
        return fault(reader, "no duration (5s, 500ms)", text);
    if (strcmp(line, "wait") == 0)
        add_step(reader, SCRIPT_WAIT, NULL, 0)->timeout_ns = ns;
    else
        reader->timeout_ns = ns;
    return 0;
}

int script_parse(const char *name, const char *data, size_t size, const char *node,
                 script_compile_fn *compile, struct script *ret_script, struct error *err)
{
    struct script script = {0};
    struct reader reader = {.name = name,
                            .timeout_ns = TIMEOUT_DEFAULT,
                            .node = node,
                            .compile = compile,
                            .script = &script,
                            .err = err};
    int r = 0;

    for (size_t at = 0; r == 0 && at < size;) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        _cleanup_free_ char *line = xstrndup(data + at, length);
        size_t text = strlen(line);
        char *start = line + strspn(line, " \t");

        reader.line++;
        at += length + 1;
        if (text < length || text > LINE_LIMIT || script.count >= STEPS_MAX) {
            r = fault(&reader, "too long, or not text", line);
            break;
        }
        while (text > 0 && strchr(" \t\r", line[text - 1]))
            line[--text] = 0;
        if (*start && *start != '#')
            r = read_line(&reader, start);
    }
    if (r < 0) {
        script_done(&script);
        return r;
    }
    *ret_script = script;
    return 0;
}

void script_done(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        struct script_step *step = &script->steps[i];

        if (step->verb == SCRIPT_EXPECT || step->verb == SCRIPT_REFUSE)
            regfree(&step->rule);
        free(step->text);
    }
    free(script->steps);
    *script = (struct script){0};
}
