// SPDX-License-Identifier: GPL-2.0-or-later

/* Which version of a GNS3 appliance is meant, and its properties in one form for all versions of
 * the file.
 *
 * Up to version 7 there is one set of properties, "qemu", with what concerns ports beside it at the
 * top. Version 8 has sets with names, of which each version of the appliance picks one, laid over
 * the default set unless it says otherwise, and the ports' keys are within. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/gns3_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { VERSION_LEAST = 3, VERSION_MOST = 8 };

int gns3_number(const json_t *object, const char *key, json_int_t fallback, json_int_t *ret_number,
                struct error *err)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    char *end = NULL;

    *ret_number = fallback;
    if (!value || json_is_null(value))
        return 0;
    if (json_is_integer(value)) {
        *ret_number = json_integer_value(value);
        return 0;
    }
    /* 2048.0: whole, and in a range where every whole number is one. */
    if (json_is_real(value) && json_real_value(value) > -1e15 && json_real_value(value) < 1e15 &&
        (double)(json_int_t)json_real_value(value) >= json_real_value(value) &&
        (double)(json_int_t)json_real_value(value) <= json_real_value(value)) {
        *ret_number = (json_int_t)json_real_value(value);
        return 0;
    }
    if (text && isdigit((unsigned char)*text) && strlen(text) < 16) {
        *ret_number = strtoll(text, &end, 10);
        if (!*end)
            return 0;
    }
    return error_input(err, "'%s' is no number", key);
}

/**
 * other_kind() - What an appliance without a part for QEMU is for
 * @root:	File
 *
 * Return: word
 */
static const char *other_kind(const json_t *root)
{
    static const char *const kinds[][2] = {
        {"docker", "Docker"}, {"dynamips", "Dynamips"}, {"iou", "IOU"}, {"vpcs", "VPCS"}};
    const json_t *set;
    size_t at;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (json_object_get(root, kinds[i][0]))
            return kinds[i][1];
        json_array_foreach (json_object_get(root, "settings"), at, set) {
            const char *type = gns3_string(set, "template_type");

            if (type && strcmp(type, kinds[i][0]) == 0)
                return kinds[i][1];
        }
    }
    return "something else";
}

/**
 * check_kind() - Is there something for QEMU in it?
 * @root:	File
 * @registry:	The file's version
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_kind(const json_t *root, json_int_t registry, struct error *err)
{
    const json_t *set;
    bool found = false;
    size_t i;

    if (registry < 8) {
        found = json_is_object(json_object_get(root, "qemu"));
    } else {
        json_array_foreach (json_object_get(root, "settings"), i, set) {
            const char *type = gns3_string(set, "template_type");

            found |= !type || strcmp(type, "qemu") == 0;
        }
    }
    if (!found)
        return error_input(err, "the appliance has no part for QEMU (it is for %s)",
                           other_kind(root));
    return 0;
}

/**
 * can_be_had() - How many of a version's files are there
 * @version:	Version
 * @have:	Tells whether a file of that name is there
 * @data:	For it
 * @ret_files:	How many the version needs
 *
 * Return: number
 */
static size_t can_be_had(const json_t *version, bool (*have)(void *data, const char *name),
                         void *data, size_t *ret_files)
{
    const json_t *images = json_object_get(version, "images"), *image;
    const char *key;
    size_t found = 0;

    *ret_files = 0;
    json_object_foreach ((json_t *)images, key, image) {
        const char *name = json_string_value(image);

        if (!name || !*name)
            continue;
        *ret_files += 1;
        found += have(data, name);
    }
    return found;
}

/**
 * likely_version() - The version that somebody means who names none: the one whose files are there
 * @root:	File
 * @have:	See gns3_definition()
 * @data:	For it
 *
 * Return: borrowed: the first with all its files, else the first with any, else the first; NULL if
 * there is none
 */
static const json_t *likely_version(const json_t *root, bool (*have)(void *data, const char *name),
                                    void *data)
{
    const json_t *versions = json_object_get(root, "versions"), *version, *first = NULL;
    const json_t *some = NULL;
    size_t i, files;

    json_array_foreach (versions, i, version) {
        size_t found;

        if (!gns3_string(version, "name"))
            continue;
        first = first ? first : version;
        found = have ? can_be_had(version, have, data, &files) : 0;
        if (found && found == files)
            return version;
        if (found && !some)
            some = version;
    }
    return some ? some : first;
}

/**
 * find_version() - The version of the appliance that is asked for
 * @root:	File
 * @wanted:	Its name
 * @ret_version: Borrowed
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int find_version(const json_t *root, const char *wanted, const json_t **ret_version,
                        struct error *err)
{
    const json_t *versions = json_object_get(root, "versions"), *version;
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    size_t i;

    json_array_foreach (versions, i, version) {
        const char *name = gns3_string(version, "name");
        _cleanup_free_ char *safe = name ? text_escape(name, strnlen(name, 60)) : NULL;

        if (!name)
            continue;
        if (strcmp(name, wanted) == 0) {
            *ret_version = version;
            return 0;
        }
        if (i < 40)
            strbuf_printf(&names, "%s'%s'", names.size ? ", " : "", safe);
    }
    (void)error_input(err, "the appliance has no version '%s'", wanted);
    if (names.size)
        error_hint(err, "there are: %s", names.data);
    return -EINVAL;
}

/**
 * find_set() - A set of properties of a file of version 8
 * @root:	File
 * @name:	Its name; NULL: the default one
 *
 * Return: borrowed, or NULL
 */
static const json_t *find_set(const json_t *root, const char *name)
{
    const json_t *sets = json_object_get(root, "settings"), *set, *only = NULL;
    size_t i;

    json_array_foreach (sets, i, set) {
        const char *own = gns3_string(set, "name");

        if (name ? own && strcmp(own, name) == 0 : json_is_true(json_object_get(set, "default")))
            return set;
        only = set;
    }
    return !name && json_array_size(sets) == 1 ? only : NULL;
}

/**
 * properties() - The properties of a version in one form for all versions of the file
 * @root:	File
 * @version:	The appliance's version
 * @registry:	The file's version
 * @ret_properties: New object
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int properties(const json_t *root, const json_t *version, json_int_t registry,
                      json_t **ret_properties, struct error *err)
{
    static const char *const outside[] = {"first_port_name", "port_name_format",
                                          "port_segment_size", "linked_clone"};
    const char *name = gns3_string(version, "settings"), *type;
    const json_t *base, *set;
    json_t *merged;

    if (registry < 8) {
        merged = json_copy(json_object_get(root, "qemu"));
        for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
            if (json_object_get(root, outside[i]))
                (void)json_object_set(merged, outside[i], json_object_get(root, outside[i]));
        *ret_properties = merged;
        return 0;
    }
    base = find_set(root, NULL);
    set = name ? find_set(root, name) : base;
    if (!set)
        return error_input(err, "the version's set of settings%s is not in the file",
                           name ? "" : " (no set is the default)");
    type = gns3_string(set, "template_type");
    if (!type && base)
        type = gns3_string(base, "template_type");
    if (!type)
        type = gns3_string(root, "template_type");
    if (!type || strcmp(type, "qemu") != 0)
        return error_input(err, "this version of the appliance is not for QEMU: try another one "
                                "(--version)");
    merged = json_object();
    /* What is for another emulator is not to be inherited. */
    type = base ? gns3_string(base, "template_type") : NULL;
    if (base && base != set && (!type || strcmp(type, "qemu") == 0) &&
        !json_is_false(json_object_get(set, "inherit_default_properties")))
        (void)json_object_update(merged, json_object_get(base, "template_properties"));
    (void)json_object_update(merged, json_object_get(set, "template_properties"));
    *ret_properties = merged;
    return 0;
}

int gns3_choose(const json_t *root, const struct gns3_source *source, const json_t **ret_version,
                json_t **ret_properties, struct error *err)
{
    const json_t *chosen = NULL;
    json_int_t registry = 0;
    int r = json_is_object(root) ? gns3_number(root, "registry_version", 0, &registry, err)
                                 : error_input(err, "not a GNS3 appliance");

    if (r == 0 && (registry < VERSION_LEAST || registry > VERSION_MOST))
        r = error_input(err, "registry_version %" JSON_INTEGER_FORMAT ": %d to %d are read",
                        registry, VERSION_LEAST, VERSION_MOST);
    if (r == 0)
        r = check_kind(root, registry, err);
    if (r == 0 && source->version)
        r = find_version(root, source->version, &chosen, err);
    else if (r == 0)
        chosen = likely_version(root, source->have, source->have_data);
    if (r == 0 && !chosen)
        r = error_input(err, "the appliance lists no version, so it has no files to run");
    if (r == 0)
        r = properties(root, chosen, registry, ret_properties, err);
    if (r == 0)
        *ret_version = chosen;
    return r;
}
