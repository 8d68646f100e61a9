// SPDX-License-Identifier: GPL-2.0-or-later

/* Rules for console lines: POSIX extended regular expressions in which %h is the node's name.
 *
 * An image may be a stranger's, and the C library's engine can be made to take gigabytes by
 * repetitions of repetitions (it copies what is repeated: a+ becomes aa*, so 30 of them in a row a
 * billion) and exponential time by back-references. None of that is needed to recognise a prompt:
 * check_cost() counts the copies that an expression asks for, before it is compiled. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { RULE_MAX = 1024, COPIES_MAX = 4000, NESTING_MAX = 32 };

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

/* How many atoms the expression has once all repetitions are written out. */
struct cost {
    unsigned long sum;  /* of the open group, without the last atom */
    unsigned long last; /* the atom that a repetition would multiply */
    unsigned long outer[NESTING_MAX];
    unsigned depth;
};

/**
 * add_atom() - Count a new atom
 * @cost:	Count
 * @atoms:	What it counts for; 0 for what cannot be repeated
 */
static void add_atom(struct cost *cost, unsigned long atoms)
{
    cost->sum += cost->last;
    cost->last = atoms;
}

/**
 * add_group() - Count a parenthesis
 * @cost:	Count
 * @c:		'(' or ')'
 *
 * Return: false if groups are nested too deep
 */
static bool add_group(struct cost *cost, char c)
{
    unsigned long inner;

    if (c == '(') {
        if (cost->depth == NESTING_MAX)
            return false;
        add_atom(cost, 0);
        cost->outer[cost->depth++] = cost->sum;
        cost->sum = 0;
    } else if (cost->depth) {
        inner = cost->sum + cost->last;
        cost->sum = cost->outer[--cost->depth];
        cost->last = inner ? inner : 1;
    }
    return true;
}

/**
 * interval_copies() - How many copies {n}, {n,} or {n,m} makes
 * @at:		Its '{'
 *
 * Return: at least 1, at most a little over COPIES_MAX
 */
static unsigned long interval_copies(const char *at)
{
    unsigned long most = 1;

    for (at++; *at && strchr("0123456789,", *at);) {
        char *end = NULL;
        unsigned long number = *at == ',' ? 0 : strtoul(at, &end, 10);

        if (number >= most)
            most = number + (number <= COPIES_MAX); /* {n,} is n of them and one with a star */
        at = end ? end : at + 1;
    }
    return most > COPIES_MAX ? COPIES_MAX + 1 : most;
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
    struct cost cost = {.sum = 0};

    if (strlen(rule) > RULE_MAX)
        return error_input(err, "the expression has more than %d characters", RULE_MAX);
    for (const char *at = rule; *at; at++) {
        if (*at == '\\') {
            if (at[1] >= '1' && at[1] <= '9')
                return error_input(err, "back-references (\\%c) are not allowed", at[1]);
            add_atom(&cost, 1);
            if (!*++at)
                break;
        } else if (*at == '[') {
            add_atom(&cost, 1);
            at = skip_bracket(at);
            if (!*at)
                break;
        } else if (*at == '(' || *at == ')') {
            if (!add_group(&cost, *at))
                return error_input(err, "groups are nested more than %d deep", NESTING_MAX);
        } else if (*at == '+') {
            cost.last *= 2;
        } else if (*at == '{') {
            cost.last *= interval_copies(at);
        } else if (*at != '*' && *at != '?') {
            add_atom(&cost, 1);
        }
        if (cost.last + cost.sum > COPIES_MAX)
            return error_input(err, "its repetitions (+, {…}) make more than %d copies",
                               COPIES_MAX);
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
