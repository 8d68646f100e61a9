// SPDX-License-Identifier: GPL-2.0-or-later

/* The place for the new text follows from where the reader saw the node's key and value. YAML has
 * more ways to write a mapping than are understood here, so nothing is taken on trust: the new text
 * is read again, and unless it says what the old one said plus the new key, and nothing else, the
 * edit is refused. */

#include "topology/edit.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "topology/yaml.h"

#define SAFE                                                                                       \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"                               \
    "._-/"

/* The node's entry under 'nodes'. */
struct place {
    const struct yaml_node *key, *value;
};

/**
 * find_node() - Find a node's entry
 * @root:	Root of the file
 * @name:	Node
 * @ret_place:	Where it is
 *
 * Return: true if there is one
 */
static bool find_node(const struct yaml_node *root, const char *name, struct place *ret_place)
{
    const struct yaml_node *nodes = root->kind == YAML_MAP ? yaml_map_get(root, "nodes") : NULL;

    for (size_t i = 0; nodes && nodes->kind == YAML_MAP && i < nodes->count; i++) {
        if (strcmp(nodes->pairs[i].key->text, name) != 0)
            continue;
        *ret_place = (struct place){nodes->pairs[i].key, nodes->pairs[i].value};
        return true;
    }
    return false;
}

/**
 * offset_of() - Where a place is, in bytes
 * @text:	Text
 * @size:	Its size
 * @at:		Line and column, counted in characters from 1
 *
 * Return: offset, at most @size
 */
static size_t offset_of(const char *text, size_t size, struct location at)
{
    size_t offset = 0;

    for (uint32_t line = 1; line < at.line && offset < size; line++) {
        const char *end = memchr(text + offset, '\n', size - offset);

        offset = end ? (size_t)(end - text) + 1 : size;
    }
    for (uint32_t column = 1; column < at.column && offset < size; column++)
        do
            offset++;
        while (offset < size && ((unsigned char)text[offset] & 0xc0) == 0x80);
    return offset;
}

/**
 * same_tree() - Do two values say the same?
 * @a:		Before
 * @b:		After
 * @changed:	Value of @b's tree that has one key more, in front
 *
 * Return: true if so
 */
static bool same_tree(const struct yaml_node *a, const struct yaml_node *b,
                      const struct yaml_node *changed)
{
    size_t more = b == changed ? 1 : 0;

    if (more && yaml_is_null(a))
        return b->kind == YAML_MAP && b->count == 1;
    if (a->kind != b->kind || a->count + more != b->count)
        return false;
    if (a->kind == YAML_SCALAR)
        return a->plain == b->plain && strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == YAML_LIST
                ? !same_tree(a->items[i], b->items[i], changed)
                : !same_tree(a->pairs[i].key, b->pairs[i + more].key, changed) ||
                      !same_tree(a->pairs[i].value, b->pairs[i + more].value, changed))
            return false;
    }
    return true;
}

/**
 * verify() - Hold the new text against the old one
 * @before:	Root of the old one
 * @text:	New text
 * @size:	Its size
 * @node:	Node
 * @config:	What it must have now
 *
 * Return: true if this is the only difference
 */
static bool verify(const struct yaml_node *before, const char *text, size_t size, const char *node,
                   const char *config)
{
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;
    struct place place;

    return yaml_tree_parse(text, size, &tree, &d) == 0 &&
           find_node(yaml_tree_root(tree), node, &place) && place.value->kind == YAML_MAP &&
           place.value->count > 0 && strcmp(place.value->pairs[0].key->text, "config") == 0 &&
           place.value->pairs[0].value->kind == YAML_SCALAR &&
           strcmp(place.value->pairs[0].value->text, config) == 0 &&
           same_tree(before, yaml_tree_root(tree), place.value);
}

/**
 * insert() - Write the key where it belongs
 * @out:	Filled with the whole new text
 * @text:	Old text
 * @size:	Its size
 * @place:	The node's entry
 * @config:	Value of the key
 */
static void insert(struct strbuf *out, const char *text, size_t size, const struct place *place,
                   const char *config)
{
    const struct yaml_node *value = place->value;
    size_t at = offset_of(text, size, value->at);

    if (value->kind == YAML_MAP && at < size && text[at] == '{') {
        at++;
        strbuf_append(out, text, at);
        strbuf_printf(out, "config: %s%s", config, value->count > 0 ? ", " : "");
    } else if (value->kind == YAML_MAP) {
        strbuf_append(out, text, at);
        strbuf_printf(out, "config: %s\n%*s", config, (int)(value->at.column - 1), "");
    } else {
        /* Nothing at all, or ~: behind the key's colon. */
        at = offset_of(text, size, place->key->at) + strlen(place->key->text);
        while (at < size && text[at] != ':' && text[at] != '\n')
            at++;
        at += at < size;
        strbuf_append(out, text, at);
        strbuf_printf(out, " {config: %s}", config);
    }
    strbuf_append(out, text + at, size - at);
}

int topology_add_config(const char *text, size_t size, const char *node, const char *config,
                        char **ret_text, struct error *err)
{
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    const struct yaml_node *there;
    struct place place;

    if (!*config || config[strspn(config, SAFE)] || config[0] == '-')
        return error_input(err, "'%s' cannot be written into a topology as it is", config);
    if (yaml_tree_parse(text, size, &tree, &d) < 0)
        return error_input(err, "it is not valid YAML any more");
    if (!find_node(yaml_tree_root(tree), node, &place))
        return error_input(err, "it has no node '%s'", node);
    there = place.value->kind == YAML_MAP ? yaml_map_get(place.value, "config") : NULL;
    if (there && there->kind == YAML_SCALAR && strcmp(there->text, config) == 0)
        return 0;
    if (there)
        return error_input(err, "node '%s' has another 'config' there", node);
    insert(&out, text, size, &place, config);
    if (!verify(yaml_tree_root(tree), out.data, out.size, node, config))
        return error_input(err,
                           "the entry of node '%s' is written in a way that only a person can "
                           "add to",
                           node);
    if (ret_text)
        *ret_text = strbuf_steal(&out);
    return 1;
}
