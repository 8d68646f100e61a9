// SPDX-License-Identifier: GPL-2.0-or-later

/* Rules for console lines: POSIX extended regular expressions in which %h is the node's name.
 *
 * An image may be a stranger's, and the C library's engine can be made to take gigabytes by nested
 * counted repetitions, and exponential time by back-references. Neither is needed to recognise a
 * prompt, so both are bounded before the expression reaches it. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { RULE_MAX = 1024, REPEAT_MAX = 1000, NESTING_MAX = 32 };

/**
 * skip_bracket() - Find the end of a bracket expression
 * @at:		Its '['
 *
 * Return: its ']', or the end of the text if it has none
 */
static const char *skip_bracket(const char *at)
{
    at++;
    if (*at == '^')
        at++;
    if (*at == ']')
        at++;
    for (; *at && *at != ']'; at++) {
        /* [:alpha:], [.x.], [=x=] may hold a ']' of their own. */
        if (*at == '[' && at[1] && strchr(":.=", at[1])) {
            const char close[] = {at[1], ']', 0};
            const char *end = strstr(at + 2, close);

            if (end)
                at = end + 1;
        }
    }
    return at;
}

/**
 * check_cost() - Refuse expressions that could take the engine's memory or time
 * @rule:	Rule
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_cost(const char *rule, struct error *err)
{
    unsigned long repeats = 1, depth = 0;

    if (strlen(rule) > RULE_MAX)
        return error_input(err, "the expression has more than %d characters", RULE_MAX);
    for (const char *at = rule; *at; at++) {
        if (*at == '\\') {
            if (at[1] >= '1' && at[1] <= '9')
                return error_input(err, "back-references (\\%c) are not allowed", at[1]);
            if (!*++at)
                break;
        } else if (*at == '[') {
            at = skip_bracket(at);
            if (!*at)
                break;
        } else if (*at == '(') {
            if (++depth > NESTING_MAX)
                return error_input(err, "groups are nested more than %d deep", NESTING_MAX);
        } else if (*at == ')') {
            depth -= depth > 0;
        } else if (*at == '{') {
            unsigned long most = 1;

            /* Take the largest number in it; nested or not, the product is what it can cost. */
            for (const char *digit = at + 1; *digit && strchr("0123456789,", *digit);) {
                char *end = NULL;
                unsigned long number = strtoul(digit, &end, 10);

                if (number > most)
                    most = number;
                digit = end > digit ? end : digit + 1;
            }
            if (most > REPEAT_MAX || (repeats *= most) > REPEAT_MAX)
                return error_input(err, "the repetitions {…} multiply to more than %d", REPEAT_MAX);
        }
    }
    return 0;
}

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
    int r = check_cost(rule, err);

    shown = text_escape(rule, strnlen(rule, 80));
    if (r < 0)
        return error_prefix(err, "'%s'", shown);
    expression = text_replace(rule, "%h", name);
    r = regcomp(ret_regex, expression, REG_EXTENDED | REG_NOSUB);
    if (r == 0)
        return 0;
    (void)regerror(r, ret_regex, reason, sizeof(reason));
    return error_input(err, "'%s' is not a regular expression (POSIX, extended): %s", shown,
                       reason);
}
