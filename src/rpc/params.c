// SPDX-License-Identifier: GPL-2.0-or-later

/* Fetching parameters: each function names the key and what it should have been. */

#include "rpc/rpc.h"

/**
 * param_get() - Look a parameter up
 * @params:	Object
 * @key:	Its key; JSON null counts as absent
 * @required:	Absence is an error
 * @ret:	Value, NULL if absent
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int param_get(json_t *params, const char *key, bool required, json_t **ret,
                     struct error *err)
{
    json_t *value = json_object_get(params, key);

    if (json_is_null(value))
        value = NULL;
    if (!value && required)
        return error_input(err, "parameter '%s' is missing", key);
    *ret = value;
    return 0;
}

int rpc_param_string(json_t *params, const char *key, bool required, const char **ret,
                     struct error *err)
{
    json_t *value = NULL;
    int r = param_get(params, key, required, &value, err);

    if (r < 0 || !value)
        return r;
    if (!json_is_string(value))
        return error_input(err, "parameter '%s' must be a string", key);
    *ret = json_string_value(value);
    return 0;
}

int rpc_param_bool(json_t *params, const char *key, bool required, bool *ret, struct error *err)
{
    json_t *value = NULL;
    int r = param_get(params, key, required, &value, err);

    if (r < 0 || !value)
        return r;
    if (!json_is_boolean(value))
        return error_input(err, "parameter '%s' must be true or false", key);
    *ret = json_is_true(value);
    return 0;
}

int rpc_param_integer(json_t *params, const char *key, bool required, json_int_t least,
                      json_int_t most, json_int_t *ret, struct error *err)
{
    json_t *value = NULL;
    int r = param_get(params, key, required, &value, err);

    if (r < 0 || !value)
        return r;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return error_input(err,
                           "parameter '%s' must be a whole number from %" JSON_INTEGER_FORMAT
                           " to %" JSON_INTEGER_FORMAT,
                           key, least, most);
    *ret = json_integer_value(value);
    return 0;
}

int rpc_param_strings(json_t *params, const char *key, bool required, json_t **ret,
                      struct error *err)
{
    json_t *value = NULL, *item;
    size_t i;
    int r = param_get(params, key, required, &value, err);

    if (r < 0 || !value)
        return r;
    if (!json_is_array(value))
        return error_input(err, "parameter '%s' must be an array of strings", key);
    json_array_foreach (value, i, item)
        if (!json_is_string(item))
            return error_input(err, "parameter '%s' must be an array of strings, item %zu is none",
                               key, i);
    *ret = value;
    return 0;
}
