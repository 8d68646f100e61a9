// SPDX-License-Identifier: GPL-2.0-or-later

/* Numbers are read by hand rather than by strtod(): no locale, no hex, no infinities, no sign, and
 * every digit given is kept exactly (value = digits / 10^decimals, at most 18 digits). */

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1ull << 10},
    {"k", 1ull << 10},
    {"KiB", 1ull << 10},
    {"KB", 1ull << 10},
    {"kB", 1ull << 10},
    {"M", 1ull << 20},
    {"MiB", 1ull << 20},
    {"MB", 1ull << 20},
    {"G", 1ull << 30},
    {"GiB", 1ull << 30},
    {"GB", 1ull << 30},
    {"T", 1ull << 40},
    {"TiB", 1ull << 40},
    {"TB", 1ull << 40},
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"µs", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60ull * 1000000000},
    {"min", 60ull * 1000000000},
    {"h", 3600ull * 1000000000},
};

static const struct unit rate_units[] = {
    {"bit", 1},           {"kbit", 1000},          {"Kbit", 1000},
    {"Mbit", 1000000},    {"Gbit", 1000000000},    {"Tbit", 1000000000000},
    {"bps", 1},           {"kbps", 1000},          {"Mbps", 1000000},
    {"Gbps", 1000000000}, {"Tbps", 1000000000000},
};

static const struct unit percent_units[] = {{"%", 10000}};

/**
 * parse_scaled() - Read "12.5unit" and scale it
 * @text:	What was given
 * @units:	Units allowed
 * @count:	How many
 * @ret_value:	The value in the base unit; a fraction below it is dropped
 *
 * Return: 0, -EINVAL not of that form, -ERANGE too large, -EDOM a bare number that is not 0
 */
static int parse_scaled(const char *text, const struct unit *units, size_t count,
                        uint64_t *ret_value)
{
    unsigned __int128 digits = 0, divisor = 1;
    const char *at = text;
    int seen = 0, after_point = 0;

    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !after_point); at++) {
        if (*at == '.') {
            after_point = 1;
            continue;
        }
        if (++seen > 18)
            return -ERANGE;
        digits = digits * 10 + (unsigned)(*at - '0');
        if (after_point)
            divisor *= 10;
    }
    if (!seen || at[-1] == '.')
        return -EINVAL;
    while (*at == ' ')
        at++;
    for (size_t i = 0; i < count; i++) {
        unsigned __int128 value;

        if (strcmp(at, units[i].name) != 0)
            continue;
        value = digits * units[i].factor / divisor;
        if (value > INT64_MAX)
            return -ERANGE;
        *ret_value = (uint64_t)value;
        return 0;
    }
    if (*at)
        return -EINVAL;
    if (digits)
        return -EDOM;
    *ret_value = 0;
    return 0;
}

/**
 * units_error() - Word a parse_scaled() failure
 * @r:		What it returned
 * @text:	What was given
 * @what:	Kind of value: "a size"
 * @example:	How it should look
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int units_error(int r, const char *text, const char *what, const char *example,
                       struct error *err)
{
    _cleanup_free_ char *shown = text_escape(text, strnlen(text, 60));

    if (r == -ERANGE)
        return error_input(err, "'%s' is too large", shown);
    if (r == -EDOM)
        return error_input(err, "'%s' has no unit: write %s", shown, example);
    return error_input(err, "'%s' is not %s: write %s", shown, what, example);
}

int units_parse_size(const char *text, uint64_t *ret_bytes, struct error *err)
{
    int r = parse_scaled(text, size_units, ARRAY_SIZE(size_units), ret_bytes);

    return r < 0 ? units_error(r, text, "a size", "256M, 1G or a number of bytes", err) : 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns, struct error *err)
{
    int r = parse_scaled(text, duration_units, ARRAY_SIZE(duration_units), ret_ns);

    return r < 0 ? units_error(r, text, "a duration", "10ms, 1.5s, 100us or 2m", err) : 0;
}

int units_parse_rate(const char *text, uint64_t *ret_bits_per_s, struct error *err)
{
    uint64_t value = 0;
    int r = parse_scaled(text, rate_units, ARRAY_SIZE(rate_units), &value);

    if (r < 0)
        return units_error(r, text, "a rate", "10Mbit, 64kbit or 1Gbit", err);
    if (!value)
        return error_input(err, "'%s' is not a rate: it must be at least 1bit", text);
    *ret_bits_per_s = value;
    return 0;
}

int units_parse_percent(const char *text, uint32_t *ret_ppm, struct error *err)
{
    uint64_t value = 0;
    int r = parse_scaled(text, percent_units, ARRAY_SIZE(percent_units), &value);

    if (r < 0)
        return units_error(r, text, "a percentage", "0.5% or 10%", err);
    if (value > 1000000)
        return error_input(err, "'%s' is more than 100%%", text);
    if (value == 0 && strpbrk(text, "123456789"))
        return error_input(err, "'%s' is less than 0.0001%%, the least that is not 0", text);
    *ret_ppm = (uint32_t)value;
    return 0;
}

int units_parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_value,
                        struct error *err)
{
    _cleanup_free_ char *shown = text_escape(text, strnlen(text, 60));
    long long value;
    char *end = NULL;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || *text == ' ' || *text == '+' || (errno && errno != ERANGE))
        return error_input(err, "'%s' is not a whole number", shown);
    if (errno == ERANGE || value < least || value > most)
        return error_input(err, "'%s' is out of range: %lld to %lld are allowed", shown,
                           (long long)least, (long long)most);
    *ret_value = value;
    return 0;
}

/**
 * format_scaled() - Write a value with the largest unit that keeps it at 1 or more
 * @value:	Value in the base unit
 * @units:	Units, growing
 * @count:	How many
 *
 * Return: new string, at most one decimal
 */
static char *format_scaled(uint64_t value, const struct unit *units, size_t count)
{
    size_t i = 0;
    uint64_t tenths;

    while (i + 1 < count && value >= units[i + 1].factor)
        i++;
    tenths = value / units[i].factor * 10 + value % units[i].factor * 10 / units[i].factor;
    if (tenths % 10)
        return xasprintf("%llu.%llu%s", (unsigned long long)(tenths / 10),
                         (unsigned long long)(tenths % 10), units[i].name);
    return xasprintf("%llu%s", (unsigned long long)(tenths / 10), units[i].name);
}

char *units_format_size(uint64_t bytes)
{
    static const struct unit units[] = {
        {"", 1}, {"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30}, {"T", 1ull << 40}};

    return format_scaled(bytes, units, ARRAY_SIZE(units));
}

char *units_format_duration(uint64_t ns)
{
    static const struct unit units[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

    return format_scaled(ns, units, ARRAY_SIZE(units));
}
