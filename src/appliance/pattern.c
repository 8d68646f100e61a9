// SPDX-License-Identifier: GPL-2.0-or-later

/* Rules for console lines: regular expressions in which %h is the node's name.
 *
 * An image may be a stranger's, and its guest's output too. The C library's engine takes
 * exponential time for an expression like " *+++++++++++" before it has seen a line, and has no
 * limits to set. PCRE2 compiles in linear time, and each match is given up after a number of steps
 * that no prompt needs; both it and the C library's are behind the interface of regcomp(3). */

#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { RULE_MAX = 1024 };

/* Steps from each character on where a match may begin; KiB. An expression that begins with limits
 * of its own can only lower them (pcre2pattern(3)). */
#define LIMITS "(*LIMIT_MATCH=10000)(*LIMIT_HEAP=1024)"

/**
 * escape_name() - A name as an expression that matches just it
 * @name:	Name
 *
 * Return: new string
 */
static char *escape_name(const char *name)
{
    struct strbuf out = STRBUF_INIT;

    for (; *name; name++) {
        if (strchr(".[]()*+?{}|^$\\", *name))
            strbuf_puts(&out, "\\");
        strbuf_append(&out, name, 1);
    }
    return strbuf_steal(&out);
}

int appliance_pattern(const char *rule, const char *node, regex_t *ret_regex, struct error *err)
{
    _cleanup_free_ char *name = escape_name(node), *expression = NULL, *shown = NULL;
    char reason[128];
    _cleanup_free_ char *replaced = NULL;
    int r;

    shown = text_escape(rule, strnlen(rule, 80));
    if (strlen(rule) > RULE_MAX)
        return error_input(err, "'%s': the expression has more than %d characters", shown,
                           RULE_MAX);
    replaced = text_replace(rule, "%h", name);
    expression = xasprintf(LIMITS "%s", replaced);
    r = regcomp(ret_regex, expression, REG_EXTENDED | REG_NOSUB);
    if (r == 0)
        return 0;
    (void)regerror(r, ret_regex, reason, sizeof(reason));
    return error_input(err, "'%s' is not a regular expression: %s", shown, reason);
}
