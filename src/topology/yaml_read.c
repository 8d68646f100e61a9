// SPDX-License-Identifier: GPL-2.0-or-later

/* From a tree to fields: mappings are read by tables of keys, so that an unknown key is told with
 * its nearest neighbour everywhere, and the JSON Schemas can be tested against the same tables.
 *
 * YAML is untyped here: every scalar is text, and the reader of a key decides what it means. Only
 * what YAML 1.2 calls null and booleans is kept apart, because an editor that checks the JSON
 * Schema takes `name: true` for no string either. */

#include "topology/yaml.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

enum { SHOWN_TEXT_MAX = 60, QEMU_NAME_MAX = 255 };

const struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    return NULL;
}

/**
 * is_plain_word() - Is a scalar one of the words that mean something without quotes?
 * @node:	Scalar
 * @words:	NULL-terminated
 *
 * Return: true if so
 */
static bool is_plain_word(const struct yaml_node *node, const char *const *words)
{
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    for (; *words; words++)
        if (strcmp(node->text, *words) == 0)
            return true;
    return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

    return is_plain_word(node, words);
}

/**
 * is_boolean() - Is a value a truth value (YAML 1.2, core schema)?
 * @node:	Value
 *
 * Return: true if so
 */
static bool is_boolean(const struct yaml_node *node)
{
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};

    return is_plain_word(node, words);
}

char *yaml_quote(const struct yaml_node *node)
{
    size_t size = strlen(node->text), shown = size;
    _cleanup_free_ char *escaped = NULL;

    if (shown > SHOWN_TEXT_MAX)
        for (shown = SHOWN_TEXT_MAX; (node->text[shown] & 0xc0) == 0x80; shown--)
            ;
    escaped = text_escape(node->text, shown);
    return xasprintf("'%s%s'", escaped, shown < size ? "…" : "");
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    if (yaml_is_null(node))
        return "nothing";
    switch (node->kind) {
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a mapping";
    case YAML_SCALAR:
    default:
        return "a value";
    }
}

bool yaml_expect(struct yaml_reader *reader, const struct yaml_node *node, enum yaml_kind kind,
                 const char *what, const char *form)
{
    static const char *const wanted[] = {
        [YAML_SCALAR] = "a single value",
        [YAML_LIST] = "a list [..., ...]",
        [YAML_MAP] = "a mapping of keys to values",
    };

    if (node->kind == kind && (kind != YAML_SCALAR || !yaml_is_null(node)))
        return true;
    diagnostics_add(reader->diagnostics, node->at, "%s must be %s, here is %s%s%s", what,
                    wanted[kind], yaml_kind_name(node), form ? "; write " : "", form ? form : "");
    return false;
}

/**
 * other_word() - What other programs' word for a key is called here
 * @name:	Unknown key
 * @known:	Keys that may stand there
 * @count:	How many
 *
 * Return: the one of @known that means the same, or NULL
 */
static const char *other_word(const char *name, const char *const *known, size_t count)
{
    static const char *const words[][2] = {
        {"endpoints", "ends"},
        {"interfaces", "nics"},
        {"adapters", "nics"},
        {"ram", "memory"},
        {"mem", "memory"},
        {"vcpu", "cpus"},
        {"vcpus", "cpus"},
        {"smp", "cpus"},
        {"kind", "image"},
        {"networks", "lans"},
        {"segments", "lans"},
        {"bandwidth", "rate"},
        {"latency", "delay"},
        {"depends_on", "after"},
        {"startup-config", "config"},
        {"packet_loss", "loss"},
        {"configuration", "config"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        for (size_t k = 0; k < count && strcmp(words[i][0], name) == 0; k++)
            if (strcmp(words[i][1], known[k]) == 0)
                return known[k];
    return NULL;
}

/**
 * unknown_key() - Note a key that is in no table
 * @reader:	Reader
 * @keys:	The table
 * @name:	The key
 */
static void unknown_key(struct yaml_reader *reader, const struct yaml_keys *keys,
                        const struct yaml_node *name)
{
    _cleanup_free_ const char **known = xnew0(const char *, keys->count + 1);
    _cleanup_free_ char *shown = yaml_quote(name);
    const char *nearest;

    for (size_t i = 0; i < keys->count; i++)
        known[i] = keys->keys[i].name;
    nearest = other_word(name->text, known, keys->count);
    if (!nearest)
        nearest = text_nearest(name->text, known, keys->count);
    if (nearest) {
        diagnostics_add(reader->diagnostics, name->at, "unknown key %s: did you mean '%s'?", shown,
                        nearest);
    } else if (strcmp(name->text, "<<") == 0) {
        diagnostics_add(reader->diagnostics, name->at,
                        "merge keys (<<) are not read; write the keys out, or use an alias for the "
                        "whole value");
    } else {
        char *list = xstrdup(known[0]);

        for (size_t i = 1; i < keys->count; i++) {
            char *longer = xasprintf("%s, %s", list, known[i]);

            free(list);
            list = longer;
        }
        diagnostics_add(reader->diagnostics, name->at, "unknown key %s: known here are %s", shown,
                        list);
        free(list);
    }
}

void yaml_read_map(struct yaml_reader *reader, const struct yaml_keys *keys, void *target,
                   const struct yaml_node *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        const struct yaml_key *key = NULL;

        for (size_t k = 0; k < keys->count && !key; k++)
            if (strcmp(keys->keys[k].name, pair->key->text) == 0)
                key = &keys->keys[k];
        if (!key) {
            unknown_key(reader, keys, pair->key);
        } else if (pair->first) {
            diagnostics_add(reader->diagnostics, pair->key->at,
                            "key '%s' is given twice, first on line %u", key->name,
                            pair->first->at.line);
        } else {
            key->read(reader, key, target, pair->value);
        }
    }
}

const char *yaml_text(struct yaml_reader *reader, const struct yaml_node *node, const char *what,
                      bool multiline)
{
    _cleanup_free_ char *shown = NULL;

    if (!yaml_expect(reader, node, YAML_SCALAR, what, NULL))
        return NULL;
    if (is_boolean(node)) {
        diagnostics_add(reader->diagnostics, node->at,
                        "%s: %s is a truth value; put it in quotes if it is meant as text", what,
                        node->text);
        return NULL;
    }
    if (!node->text[0]) {
        diagnostics_add(reader->diagnostics, node->at, "%s is empty", what);
        return NULL;
    }
    for (const char *at = node->text; *at; at++) {
        unsigned char c = (unsigned char)*at;

        if ((c >= 0x20 && c != 0x7f) || (multiline && (c == '\n' || c == '\t')))
            continue;
        shown = yaml_quote(node);
        diagnostics_add(reader->diagnostics, node->at, "%s holds a control character: %s", what,
                        shown);
        return NULL;
    }
    return node->text;
}

/**
 * field() - Address of the field that a key sets
 * @target:	Structure
 * @key:	Key
 *
 * Return: the address
 */
static void *field(void *target, const struct yaml_key *key)
{
    return (char *)target + key->offset;
}

/**
 * set_string() - Replace an owned string field
 * @target:	Structure
 * @key:	Key
 * @text:	New value, taken over
 */
static void set_string(void *target, const struct yaml_key *key, char *text)
{
    char **string = field(target, key);

    free(*string);
    *string = text;
}

/**
 * key_text() - yaml_text() of a key's value
 * @reader:	Reader
 * @key:	Key
 * @value:	Its value
 * @multiline:	Whether newlines are fine
 *
 * Return: the text, or NULL after a fault
 */
static const char *key_text(struct yaml_reader *reader, const struct yaml_key *key,
                            const struct yaml_node *value, bool multiline)
{
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);

    return yaml_text(reader, value, what, multiline);
}

/**
 * key_fault() - Note what a units function says about a key's value
 * @reader:	Reader
 * @key:	Key
 * @value:	Its value
 * @err:	The fault
 */
static void key_fault(struct yaml_reader *reader, const struct yaml_key *key,
                      const struct yaml_node *value, const struct error *err)
{
    diagnostics_add(reader->diagnostics, value->at, "%s: %s", key->name, error_message(err));
}

YAML_READER(yaml_read_text)
{
    const char *text = key_text(reader, key, value, false);

    if (text)
        set_string(target, key, xstrdup(text));
}

YAML_READER(yaml_read_paragraph)
{
    const char *text = key_text(reader, key, value, true);
    size_t size;

    if (!text)
        return;
    for (size = strlen(text); size > 0 && strchr(" \t\n", text[size - 1]);)
        size--;
    set_string(target, key, xstrndup(text, size));
}

YAML_READER(yaml_read_name)
{
    const char *text = key_text(reader, key, value, false);

    if (!text)
        return;
    if (text_is_name(text)) {
        set_string(target, key, xstrdup(text));
    } else {
        _cleanup_free_ char *shown = yaml_quote(value);

        diagnostics_add(
            reader->diagnostics, value->at,
            "%s: %s is not a name: 1 to 63 letters, digits, '.', '_' and '-', the first "
            "one a letter or digit",
            key->name, shown);
    }
}

YAML_READER(yaml_read_qemu_name)
{
    /* A CPU model may have features ("max,+avx2"). A machine may not: its properties can name files
     * (dumpdtb=). */
    const char *extra = strcmp(key->name, "machine") == 0 ? "" : "+,=";
    const char *text = key_text(reader, key, value, false);

    if (!text)
        return;
    for (const char *at = text; *at; at++) {
        _cleanup_free_ char *shown = NULL;

        if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
            (*at >= '0' && *at <= '9') || strchr("._", *at) || (*at == '-' && at > text) ||
            strchr(extra, *at))
            continue;
        shown = yaml_quote(value);
        diagnostics_add(reader->diagnostics, value->at,
                        "%s: %s: only letters, digits and '._%s-' are allowed here, the '-' not in "
                        "front",
                        key->name, shown, extra);
        return;
    }
    if (strlen(text) > QEMU_NAME_MAX)
        diagnostics_add(reader->diagnostics, value->at, "%s: longer than %d characters", key->name,
                        QEMU_NAME_MAX);
    else
        set_string(target, key, xstrdup(text));
}

/* How an amount with a unit is read and shown. */
struct unit {
    int (*parse)(const char *text, uint64_t *ret_value, struct error *err);
    char *(*format)(uint64_t value);
};

/**
 * read_amount() - A number with a unit, within the key's bounds
 * @reader:	Reader
 * @target:	Struct that the key's field is in
 * @key:	Key
 * @value:	Its value
 * @unit:	Of it
 */
static void read_amount(struct yaml_reader *reader, void *target, const struct yaml_key *key,
                        const struct yaml_node *value, const struct unit *unit)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *text = key_text(reader, key, value, false);
    uint64_t amount = 0;

    if (!text)
        return;
    if (unit->parse(text, &amount, &err) < 0) {
        key_fault(reader, key, value, &err);
    } else if (amount < key->least || amount > key->most) {
        _cleanup_free_ char *least = key->least ? unit->format(key->least) : xstrdup("0");
        _cleanup_free_ char *most = unit->format(key->most);
        _cleanup_free_ char *shown = yaml_quote(value);
        bool bare = amount > 0 && text[strspn(text, "0123456789")] == '\0';

        diagnostics_add(reader->diagnostics, value->at,
                        "%s: %s is out of range: %s to %s is allowed%s", key->name, shown, least,
                        most, bare ? " (a number without a unit is bytes)" : "");
    } else {
        *(uint64_t *)field(target, key) = amount;
    }
}

YAML_READER(yaml_read_size)
{
    static const struct unit bytes = {units_parse_size, units_format_size};

    read_amount(reader, target, key, value, &bytes);
}

YAML_READER(yaml_read_duration)
{
    static const struct unit ns = {units_parse_duration, units_format_duration};

    read_amount(reader, target, key, value, &ns);
}

YAML_READER(yaml_read_unsigned)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *text = key_text(reader, key, value, false);
    int64_t number = 0;

    if (!text)
        return;
    if (units_parse_integer(text, (int64_t)key->least, (int64_t)key->most, &number, &err) < 0)
        key_fault(reader, key, value, &err);
    else
        *(unsigned *)field(target, key) = (unsigned)number;
}

YAML_READER(yaml_read_word)
{
    const char *text = key_text(reader, key, value, false);
    _cleanup_free_ char *shown = NULL, *list = NULL;
    unsigned count = 0;
    const char *nearest;

    if (!text)
        return;
    for (; key->words[count]; count++) {
        char *longer;

        if (strcmp(key->words[count], text) == 0) {
            *(unsigned *)field(target, key) = count;
            return;
        }
        longer = xasprintf("%s%s%s", list ? list : "", list ? ", " : "", key->words[count]);
        free(list);
        list = longer;
    }
    shown = yaml_quote(value);
    nearest = text_nearest(text, key->words, count);
    if (nearest)
        diagnostics_add(reader->diagnostics, value->at, "%s: %s is unknown: did you mean '%s'?",
                        key->name, shown, nearest);
    else
        diagnostics_add(reader->diagnostics, value->at, "%s: %s is unknown: it may be %s",
                        key->name, shown, list);
}

YAML_READER(yaml_read_choice)
{
    struct yaml_key word = *key;
    unsigned index = UINT_MAX;

    word.offset = 0;
    yaml_read_word(reader, &word, &index, value);
    if (index != UINT_MAX)
        *(unsigned *)field(target, key) = index + 1;
}

YAML_READER(yaml_read_keys)
{
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);

    if (yaml_expect(reader, value, YAML_MAP, what, key->form))
        yaml_read_map(reader, key->keys, field(target, key), value);
}
