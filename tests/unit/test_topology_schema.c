// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* The JSON Schemas in docs/ know the same keys as the readers, and the readers judge the files in
 * tests/cli/schema/ as tests/cli/schema_check.py finds that the schemas do. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"
#include "topology/read.h"
#include "topology/yaml.h"

/* Every key of every table has its property with a description, or a reference to one, and there
 * are no more. JSON is YAML, so the reader's own parser reads the schema. */
static void check_schema(const char *name, const struct yaml_keys *const *types, size_t count)
{
    _cleanup_free_ char *path = xasprintf("%s/docs/%s.schema.json", LABCTL_SOURCE_DIR, name);
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;
    const struct yaml_node *root, *defs;
    _cleanup_free_ char *data = NULL;
    size_t size = 0;

    assert_int_equal(file_read(path, 1 << 20, &data, &size, NULL), 0);
    assert_int_equal(yaml_tree_parse(data, size, &tree, &d), 0);
    root = yaml_tree_root(tree);
    defs = yaml_map_get(root, "$defs");
    assert_string_equal(types[0]->name, name);
    for (size_t t = 0; t < count; t++) {
        const struct yaml_node *type = t ? yaml_map_get(defs, types[t]->name) : root;
        const struct yaml_node *properties = yaml_map_get(type, "properties");

        assert_non_null(properties);
        assert_string_equal(yaml_map_get(type, "additionalProperties")->text, "false");
        if (properties->count != types[t]->count)
            fail_msg("%s: %zu keys in the schema, %zu in the reader", types[t]->name,
                     properties->count, types[t]->count);
        for (size_t k = 0; k < types[t]->count; k++) {
            const struct yaml_node *property = yaml_map_get(properties, types[t]->keys[k].name);

            if (!property)
                fail_msg("%s: '%s' is not in the schema", types[t]->name, types[t]->keys[k].name);
            assert_true(yaml_map_get(property, "description") || yaml_map_get(property, "$ref"));
        }
    }
}

static void test_topology_keys(void **state)
{
    const struct yaml_keys *const *types;
    size_t count = 0;

    (void)state;
    types = topology_map_types(&count);
    check_schema("topology", types, count);
}

static void test_appliance_keys(void **state)
{
    const struct yaml_keys *const *types;
    size_t count = 0;

    (void)state;
    types = appliance_map_types(&count);
    check_schema("appliance", types, count);
}

static int read_topology(const char *path, char **ret_said)
{
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct topology *topology = NULL;
    int r = topology_read(path, NULL, &topology, &d, &err);

    *ret_said = xstrdup(d.count ? d.items[0].text : error_message(&err));
    topology_free(topology);
    return r;
}

static int read_appliance(const char *path, char **ret_said)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance *appliance = NULL;
    int r = appliance_read(path, &appliance, &err);

    *ret_said = xstrdup(error_message(&err));
    appliance_free(appliance);
    return r;
}

/* Read all files of a folder and compare what becomes of them. */
static void judge(const char *folder, int (*read_one)(const char *, char **), int result,
                  size_t least)
{
    _cleanup_free_ char *pattern = xasprintf("%s/%s/*.yaml", LABCTL_SOURCE_DIR, folder);
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= least);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        _cleanup_free_ char *said = NULL;
        int r = read_one(found.gl_pathv[i], &said);

        if (r != result)
            fail_msg("%s: %s", found.gl_pathv[i], r < 0 ? said : "not refused");
    }
    globfree(&found);
}

static void test_topology_files(void **state)
{
    (void)state;
    judge("tests/cli/schema/topology/valid", read_topology, 0, 15);
    judge("tests/cli/schema/topology/invalid", read_topology, -EINVAL, 80);
    judge("tests/cli/schema/topology/meaning", read_topology, -EINVAL, 15);
    judge("topologies", read_topology, 0, 1);
}

static void test_appliance_files(void **state)
{
    (void)state;
    judge("tests/cli/schema/appliance/valid", read_appliance, 0, 5);
    judge("tests/cli/schema/appliance/invalid", read_appliance, -EINVAL, 20);
    judge("tests/cli/schema/appliance/meaning", read_appliance, -EINVAL, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topology_keys),
        cmocka_unit_test(test_appliance_keys),
        cmocka_unit_test(test_topology_files),
        cmocka_unit_test(test_appliance_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
