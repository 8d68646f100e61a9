// SPDX-License-Identifier: GPL-2.0-or-later

/* YAML of other tools, whose keys are not ours to judge: read by the same reader that guards our
 * own files (topology/yaml.h), then handed on as JSON values, every scalar a text. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/foreign.h"
#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/yaml.h"

/**
 * to_json() - A value of a tree
 * @node:	Value; the reader has bounded its depth and size, aliases expanded
 *
 * Return: new value
 */
static json_t *to_json(const struct yaml_node *node)
{
    json_t *value;

    if (yaml_is_null(node))
        return json_null();
    if (node->kind == YAML_SCALAR)
        return json_string(node->text);
    if (node->kind == YAML_LIST) {
        value = json_array();
        for (size_t i = 0; i < node->count; i++)
            (void)json_array_append_new(value, to_json(node->items[i]));
        return value;
    }
    value = json_object();
    for (size_t i = 0; i < node->count; i++)
        if (!node->pairs[i].first)
            (void)json_object_set_new(value, node->pairs[i].key->text,
                                      to_json(node->pairs[i].value));
    return value;
}

int foreign_yaml(const char *data, size_t size, json_t **ret_root, struct error *err)
{
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;

    if (yaml_tree_parse(data, size, &tree, &d) < 0) {
        diagnostics_finish(&d);
        return error_input(err, "no YAML: line %u: %s", d.count ? d.items[0].at.line : 0,
                           d.count ? d.items[0].text : "?");
    }
    if (yaml_tree_root(tree)->kind != YAML_MAP)
        return error_input(err, "its YAML is no mapping");
    *ret_root = to_json(yaml_tree_root(tree));
    return 0;
}

const json_t *foreign_map(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    return json_is_object(value) ? value : NULL;
}

const char *foreign_text(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));

    return text && *text ? text : NULL;
}

int foreign_number(const json_t *map, const char *key, int64_t fallback, int64_t least,
                   int64_t most, int64_t *ret_number, struct error *err)
{
    const json_t *value = json_object_get(map, key);
    const char *text = json_string_value(value);

    *ret_number = fallback;
    if (!value || json_is_null(value))
        return 0;
    if (!text)
        return error_input(err, "'%s' is no number", key);
    if (units_parse_integer(text, least, most, ret_number, err) < 0)
        return error_prefix(err, "'%s'", key);
    return 0;
}

bool foreign_flag(const json_t *map, const char *key)
{
    const char *text = foreign_text(map, key);

    return text && (strcmp(text, "true") == 0 || strcmp(text, "True") == 0 ||
                    strcmp(text, "yes") == 0 || strcmp(text, "on") == 0 || strcmp(text, "1") == 0);
}
