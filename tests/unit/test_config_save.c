// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* What becomes of a configuration that an appliance printed, and of the topology that is to name
 * the file. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "topology/edit.h"

static void saves(const struct appliance *appliance, const char *output, const char *expected)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text =
        appliance_saved_config(appliance, "r1", output, strlen(output), &err);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void test_plain(void **state)
{
    const struct appliance plain = {.name = NULL};

    (void)state;
    saves(&plain, "", "");
    saves(&plain, "\n \n", "");
    saves(&plain, "one", "one\n");
    saves(&plain, "\n\none  \r\n\n\ttwo\t\n\n\n", "one\n\n\ttwo\n");
    saves(&plain, "\033[1mbold\033[0m\a\n", "bold\n");
}

static void test_rules(void **state)
{
    char *strip[] = {(char *)"^Building", (char *)"^! at [0-9:]+$"};
    const struct appliance rules = {
        .save_from = (char *)"^(!|hostname %h)",
        .save_to = (char *)"^end$",
        .save_strip = {strip, 2},
    };

    (void)state;
    saves(&rules, "Building...\nx\n\n! at 10:00\nhostname r1\n\n! at 10:01\nBuilding\nend\nr1#\n",
          "hostname r1\n");
    saves(&rules, "hostname r2\n", "");
    saves(&rules, "hostname r1\n!\n end\n", "hostname r1\n!\n end\n");
}

static void test_zero_bytes(void **state)
{
    static const char output[] = "a\0b\n\0";
    const struct appliance plain = {.name = NULL};
    _cleanup_free_ char *text = appliance_saved_config(&plain, "r1", output, sizeof(output), NULL);

    (void)state;
    assert_string_equal(text, "ab\n");
}

/* @after NULL: refused. */
static void edits(const char *before, const char *after)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    int r = topology_add_config(before, strlen(before), "r1", "configs/x/r1.conf", &text, &err);

    if (!after) {
        assert_int_equal(r, -EINVAL);
        assert_int_equal(err.kind, ERROR_KIND_INPUT);
        return;
    }
    if (strcmp(before, after) == 0) {
        assert_int_equal(r, 0);
        assert_null(text);
        return;
    }
    assert_int_equal(r, 1);
    assert_string_equal(text, after);
}

#define C "config: configs/x/r1.conf"

static void test_edit(void **state)
{
    (void)state;
    edits("nodes: {r1: }\n", "nodes: {r1: {" C "} }\n");
    edits("nodes:\n  r1:\n  r2:\n", "nodes:\n  r1: {" C "}\n  r2:\n");
    edits("nodes:\n  r1:   # spine\n  r2:\n", "nodes:\n  r1: {" C "}   # spine\n  r2:\n");
    edits("nodes:\n  r1: {}\n", "nodes:\n  r1: {" C "}\n");
    edits("nodes:\n  r1: {nics: 2} # two\n", "nodes:\n  r1: {" C ", nics: 2} # two\n");
    edits("nodes:\n  r1:\n    # first\n    nics: 2\n    cpus: 1\n",
          "nodes:\n  r1:\n    # first\n    " C "\n    nics: 2\n    cpus: 1\n");
    edits("# \xc3\xa4\nnodes: {\"\xc3\xa4\": {}, r1: {nics: 1}}\n",
          "# \xc3\xa4\nnodes: {\"\xc3\xa4\": {}, r1: {" C ", nics: 1}}\n");
    edits("nodes:\n  r1: {" C "}\n", "nodes:\n  r1: {" C "}\n");
    edits("nodes:\n  r1: {config: other}\n", NULL);
    edits("nodes:\n  r2: {}\n", NULL);
    edits("nodes: []\n", NULL);
    edits("- 1\n", NULL);
    edits("nodes: {", NULL);
    /* An alias: r2 would change too. */
    edits("nodes:\n  r2: &x {nics: 1}\n  r1: *x\n", NULL);
    edits("nodes:\n  r1: &x {nics: 1}\n  r2: *x\n", NULL);
    edits("nodes:\n  r1: &x\n    nics: 1\n  r3: {}\n", NULL);
    edits("nodes:\n  ? r1\n  : {nics: 1}\n", "nodes:\n  ? r1\n  : {" C ", nics: 1}\n");
    edits("nodes:\r\n  r1:\r\n    nics: 1\r\n", "nodes:\r\n  r1:\r\n    " C "\n    nics: 1\r\n");
}

static void test_unsafe_path(void **state)
{
    static const char *const bad[] = {"", "a b", "x: y", "-x", "a\nb", "\xc3\xa4"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(topology_add_config("nodes:\n  r1:\n", 13, "r1", bad[i], NULL, NULL),
                         -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_rules),
        cmocka_unit_test(test_zero_bytes),  cmocka_unit_test(test_edit),
        cmocka_unit_test(test_unsafe_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
