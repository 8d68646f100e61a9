// SPDX-License-Identifier: GPL-2.0-or-later

/* Names of ports. The index of the NIC is the key, the name a label that the appliance's vendor
 * prints; two NICs may even have the same one. A name comes from a format whose placeholders are
 * counters: {0} and {port0} count ports within a segment, {1} and {segment0} segments, {portN} and
 * {segmentN} the same plus N, {adapter} NICs; {} is {0}, a second {} {1}; {{ and }} are the braces
 * themselves; behind a colon stands what Python's str.format() has for whole numbers, but for
 * grouping: a width, zeros to pad with (":02"), d, x, X, o or b for the base, alignment, sign; !s,
 * !r and !a make a text of the number. The first NIC may have a name of its own, and then does not
 * count. ethN means NIC N of every appliance, unless its own format gives that name to another one.
 */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/appliance_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"

enum { FORMAT_MAX = 64, ETH_MAX = 4096, WIDTH_MAX = 32 };

struct counters {
    unsigned nic, port, segment;
};

/**
 * placeholder_value() - What a placeholder stands for
 * @word:	Text between the braces, up to a colon
 * @size:	Its length
 * @at:		Counters
 * @ret_value:	Number
 *
 * Return: true if there is such a placeholder
 */
static bool placeholder_value(const char *word, size_t size, const struct counters *at,
                              unsigned *ret_value)
{
    char digit = size ? word[size - 1] : 0;
    unsigned add = (unsigned)(digit - '0');

    if (size == 1 && digit == '0')
        *ret_value = at->port;
    else if (size == 1 && digit == '1')
        *ret_value = at->segment;
    else if (size == 7 && memcmp(word, "adapter", 7) == 0)
        *ret_value = at->nic;
    else if (size == 5 && memcmp(word, "port", 4) == 0 && digit >= '0' && digit <= '8')
        *ret_value = at->port + add;
    else if (size == 8 && memcmp(word, "segment", 7) == 0 && digit >= '0' && digit <= '8')
        *ret_value = at->segment + add;
    else
        return false;
    return true;
}

/* How a value is written, as Python's format specification has it. */
struct look {
    char fill, align, sign; /* 0: as usual */
    char base;              /* d, x, X, o or b; s for a text */
    bool prefix;            /* 0x in front */
    int width;
};

/**
 * read_look() - Read [[FILL]ALIGN][SIGN][#][0][WIDTH][TYPE]
 * @text:	Text behind the colon
 * @size:	Its length
 * @number:	It is for a number, not for a text
 * @look:	Gets it
 *
 * Return: true if it is one
 */
static bool read_look(const char *text, size_t size, bool number, struct look *look)
{
    const char *end = text + size;

    *look = (struct look){.base = number ? 'd' : 's'};
    if (end - text > 1 && strchr("<>^=", text[1]))
        look->fill = *text++, look->align = *text++;
    else if (text < end && strchr("<>^=", *text))
        look->align = *text++;
    if (number && text < end && strchr("+- ", *text))
        look->sign = *text++;
    if (number && text < end && *text == '#')
        look->prefix = true, text++;
    if (text < end && *text == '0') {
        if (!look->fill)
            look->fill = '0';
        /* Of a text Python pads on the right then. */
        if (!look->align && number)
            look->align = '=';
        text++;
    }
    for (; text < end && *text >= '0' && *text <= '9' && look->width <= WIDTH_MAX; text++)
        look->width = look->width * 10 + *text - '0';
    if (text < end && strchr(number ? "dxXobn" : "s", *text))
        look->base = *text++;
    return text == end && look->width <= WIDTH_MAX && (number || look->align != '=');
}

/**
 * put_value() - Write a number
 * @name:	Name so far
 * @value:	Number
 * @look:	How
 */
static void put_value(struct strbuf *name, unsigned value, const struct look *look)
{
    const char *digits = look->base == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned radix = look->base == 'o'                        ? 8
                     : look->base == 'b'                      ? 2
                     : look->base == 'x' || look->base == 'X' ? 16
                                                              : 10;
    char text[40], front[4] = "", fill = look->fill ? look->fill : ' ';
    char align = look->align ? look->align : look->base == 's' ? '<' : '>';
    size_t at = sizeof(text), used = 0, padding, before;

    do {
        text[--at] = digits[value % radix];
        value /= radix;
    } while (value);
    if (look->sign == '+' || look->sign == ' ')
        front[used++] = look->sign;
    if (look->prefix && radix != 10) {
        front[used++] = '0';
        front[used++] = look->base;
    }
    padding = sizeof(text) - at + used;
    padding = (size_t)look->width > padding ? (size_t)look->width - padding : 0;
    before = align == '<' ? 0 : align == '^' ? padding / 2 : padding;
    if (align == '=')
        strbuf_append(name, front, used);
    for (size_t i = 0; i < before; i++)
        strbuf_append(name, &fill, 1);
    if (align != '=')
        strbuf_append(name, front, used);
    strbuf_append(name, text + at, sizeof(text) - at);
    for (size_t i = before; i < padding; i++)
        strbuf_append(name, &fill, 1);
}

/**
 * put_placeholder() - Write what a placeholder stands for
 * @name:	Name so far
 * @text:	Text between the braces
 * @size:	Its length
 * @at:		Counters
 *
 * Return: true if it is one
 */
static bool put_placeholder(struct strbuf *name, const char *text, size_t size,
                            const struct counters *at)
{
    const char *colon = memchr(text, ':', size), *spec = colon ? colon + 1 : text + size;
    size_t word = colon ? (size_t)(colon - text) : size;
    bool as_text = word > 2 && text[word - 2] == '!' && strchr("sra", text[word - 1]);
    struct look look;
    unsigned value = 0;

    if (!placeholder_value(text, as_text ? word - 2 : word, at, &value) ||
        !read_look(spec, (size_t)(text + size - spec), !as_text, &look))
        return false;
    put_value(name, value, &look);
    return true;
}

/**
 * format_name() - Put the counters into a format
 * @format:	Format
 * @at:		Counters
 * @ret_name:	New name
 * @err:	Error to fill
 *
 * Return: how many placeholders there were, or -EINVAL
 */
static int format_name(const char *format, const struct counters *at, char **ret_name,
                       struct error *err)
{
    _cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
    bool numbered = false;
    int used = 0;
    unsigned bare = 0;

    for (const char *c = format; *c;) {
        const char *end;

        /* Without a number the placeholders count themselves, and there are two; as in Python
         * that is for all of them or for none. */
        if (c[0] == '{' && c[1] && strchr("}:!", c[1]) && bare < 2 && !numbered &&
            (end = strchr(c, '}'))) {
            _cleanup_free_ char *named = xasprintf("%u%.*s", bare++, (int)(end - c - 1), c + 1);

            if (put_placeholder(&name, named, strlen(named), at)) {
                used++;
                c = end + 1;
                continue;
            }
        }
        if ((c[0] == '{' || c[0] == '}') && c[1] == c[0]) {
            strbuf_append(&name, c, 1);
            c += 2;
        } else if (*c != '{' && *c != '}') {
            strbuf_append(&name, c, 1);
            c++;
        } else if (*c == '{' && (end = strchr(c, '}')) && !(bare && strchr("01", c[1])) &&
                   put_placeholder(&name, c + 1, (size_t)(end - c - 1), at)) {
            numbered |= c[1] == '0' || c[1] == '1';
            used++;
            c = end + 1;
        } else {
            _cleanup_free_ char *shown = text_escape(c, strnlen(c, 20));

            return error_input(err,
                               "'%s' is no placeholder: {0} stands for the port's number, {1} "
                               "for the segment's",
                               shown);
        }
    }
    *ret_name = strbuf_steal(&name);
    return used;
}

int port_name_check(const char *name, struct error *err)
{
    _cleanup_free_ char *shown = text_escape(name, strnlen(name, FORMAT_MAX));
    size_t size = strlen(name);

    for (const char *at = name; *at; at++)
        if (*at < ' ' || *at > '~')
            return error_input(err, "'%s': only printable ASCII is allowed", shown);
    if (size == 0 || name[0] == ' ' || name[size - 1] == ' ')
        return error_input(err, "'%s': no space in front or at the end", shown);
    if (size > FORMAT_MAX)
        return error_input(err, "'%s…' has more than %d characters", shown, FORMAT_MAX);
    return 0;
}

int port_format_check(const char *format, struct error *err)
{
    _cleanup_free_ char *name = NULL, *shown = text_escape(format, strnlen(format, FORMAT_MAX));
    int r = port_name_check(format, err);

    if (r < 0)
        return r;
    r = format_name(format, &(struct counters){.nic = 0}, &name, err);
    if (r == 0)
        return error_input(err, "'%s' has no {0}, so all ports would have one name", shown);
    return r < 0 ? r : 0;
}

/**
 * port_override() - What a NIC has of its own
 * @appliance:	Appliance
 * @nic:	NIC
 *
 * Return: it, or NULL
 */
static const struct appliance_port *port_override(const struct appliance *appliance, unsigned nic)
{
    for (size_t i = 0; i < appliance->port_count; i++)
        if (appliance->ports[i].nic == nic)
            return &appliance->ports[i];
    return NULL;
}

const char *appliance_nic_model(const struct appliance *appliance, unsigned nic)
{
    const struct appliance_port *port = port_override(appliance, nic);

    return port && port->model ? port->model : appliance->nic_model;
}

char *appliance_port_name(const struct appliance *appliance, unsigned nic)
{
    const struct appliance_port *port = port_override(appliance, nic);
    /* A first port with a name of its own does not move the counters. */
    bool first_named =
        appliance->nic_first ||
        (appliance->port_count && port_override(appliance, 0) && port_override(appliance, 0)->name);
    unsigned before = first_named && nic > 0 ? nic - 1 : nic, size = appliance->nic_segment;
    struct counters at = {.nic = nic, .port = before, .segment = before};
    char *name = NULL;

    if (port && port->name)
        return xstrdup(port->name);
    if (nic == 0 && appliance->nic_first)
        return xstrdup(appliance->nic_first);
    if (size) {
        at.port = before % size;
        at.segment = before / size;
    }
    if (format_name(appliance->nic_name, &at, &name, NULL) < 0)
        return xasprintf("eth%u", nic);
    return name;
}

int appliance_port_index(const struct appliance *appliance, const char *port)
{
    int64_t number = 0;

    for (unsigned nic = 0; nic < appliance->nic_max; nic++) {
        _cleanup_free_ char *name = appliance_port_name(appliance, nic);

        if (strcmp(name, port) == 0)
            return (int)nic;
    }
    if (strncmp(port, "eth", 3) != 0 || (port[3] == '0' && port[4]) ||
        units_parse_integer(port + 3, 0, ETH_MAX - 1, &number, NULL) < 0)
        return -1;
    return (int)number;
}

bool image_file_name_ok(const char *name)
{
    size_t size = strlen(name);

    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '/')
            return false;
    /* The definition and the sums are the image's own. */
    return size > 0 && size < 240 && name[0] != '.' && strcmp(name, "appliance.yaml") != 0 &&
           strcmp(name, "MD5SUMS") != 0;
}

unsigned appliance_mtu_max(const struct appliance *appliance)
{
    return topology_nic_mtu(appliance->nic_model);
}
