// SPDX-License-Identifier: GPL-2.0-or-later

/* What an appliance printed as its configuration, made into a file that is good to keep under
 * version control: the same configuration is the same bytes, whenever and however often it was
 * fetched. What changes by itself (greetings, times, counters) is named by the definition's rules;
 * what every console adds (carriage returns, spaces at line ends, empty lines around it) goes in
 * any case. The order of lines is the appliance's own. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

/* The definition's rules, compiled for one node. */
struct rules {
    regex_t from, to, *strip;
    bool has_from, has_to;
    size_t strip_count;
};

/**
 * rules_done() - Free them
 * @rules:	What has been compiled so far
 */
static void rules_done(struct rules *rules)
{
    if (rules->has_from)
        regfree(&rules->from);
    if (rules->has_to)
        regfree(&rules->to);
    for (size_t i = 0; i < rules->strip_count; i++)
        regfree(&rules->strip[i]);
    free(rules->strip);
}

/**
 * rules_compile() - Compile them
 * @rules:	Zeroed
 * @appliance:	Appliance
 * @node:	Node's name, for %h
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int rules_compile(struct rules *rules, const struct appliance *appliance, const char *node,
                         struct error *err)
{
    const struct text_list *strip = &appliance->save_strip;
    int r = 0;

    if (appliance->save_from) {
        r = appliance_pattern(appliance->save_from, node, &rules->from, err);
        rules->has_from = r == 0;
    }
    if (r == 0 && appliance->save_to) {
        r = appliance_pattern(appliance->save_to, node, &rules->to, err);
        rules->has_to = r == 0;
    }
    rules->strip = xnew0(regex_t, strip->count + 1);
    for (size_t i = 0; r == 0 && i < strip->count; i++) {
        r = appliance_pattern(strip->items[i], node, &rules->strip[i], err);
        rules->strip_count += r == 0;
    }
    return r;
}

/**
 * is_stripped() - Is a line left out?
 * @rules:	Rules
 * @line:	Line
 *
 * Return: true if so
 */
static bool is_stripped(const struct rules *rules, const char *line)
{
    for (size_t i = 0; i < rules->strip_count; i++)
        if (regexec(&rules->strip[i], line, 0, NULL, 0) == 0)
            return true;
    return false;
}

char *appliance_saved_config(const struct appliance *appliance, const char *node,
                             const char *output, size_t size, struct error *err)
{
    _cleanup_(rules_done) struct rules rules = {.has_from = false};
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *text = NULL;
    char *rest, *line;
    unsigned empty = 0; /* lines that are put out once something follows them */
    bool inside = !appliance->save_from;

    if (rules_compile(&rules, appliance, node, err) < 0)
        return NULL;
    text = xmalloc0(size + 1, 1);
    memcpy(text, output, size);
    text[text_strip_terminal(text, size)] = 0;
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        size_t length = strlen(line);

        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
            line[--length] = 0;
        if (!inside)
            inside = regexec(&rules.from, line, 0, NULL, 0) == 0;
        if (inside && rules.has_to && regexec(&rules.to, line, 0, NULL, 0) == 0)
            break;
        if (!inside || is_stripped(&rules, line))
            continue;
        if (!length) {
            empty += out.size > 0;
            continue;
        }
        for (; empty; empty--)
            strbuf_puts(&out, "\n");
        strbuf_printf(&out, "%s\n", line);
    }
    return out.size ? strbuf_steal(&out) : xstrdup("");
}
