// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_topology labctl_base

/* The generic layer: bytes to trees, places, limits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "topology/yaml.h"

static struct yaml_tree *parse(const char *data, size_t size, struct diagnostics *d)
{
    struct yaml_tree *tree = NULL;
    int r;

    *d = (struct diagnostics){.items = NULL};
    r = yaml_tree_parse(data, size, &tree, d);
    assert_true(r == 0 || r == -22);
    assert_int_equal(r == 0, d->count == 0);
    assert_int_equal(r == 0, tree != NULL);
    return tree;
}

/* The bytes must be refused at that place with a text that has @part. */
static void refused(const char *data, size_t size, unsigned line, unsigned column, const char *part)
{
    struct diagnostics d;
    struct yaml_tree *tree = parse(data, size, &d);

    assert_null(tree);
    assert_int_equal(d.count, 1);
    if (!strstr(d.items[0].text, part))
        fail_msg("'%s' does not say '%s'", d.items[0].text, part);
    assert_null(strchr(d.items[0].text, '\n'));
    assert_int_equal(d.items[0].at.line, line);
    if (column)
        assert_int_equal(d.items[0].at.column, column);
    diagnostics_done(&d);
}

static void refused_text(const char *text, unsigned line, unsigned column, const char *part)
{
    refused(text, strlen(text), line, column, part);
}

static void test_tree(void **state)
{
    struct diagnostics d;
    const char *text = "\xef\xbb\xbf# BOM\na: [1, \"2\"]\nb:\n  c: ~\n  d: |\n    x\n    y\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);
    const struct yaml_node *root = yaml_tree_root(tree), *a = yaml_map_get(root, "a");
    const struct yaml_node *b = yaml_map_get(root, "b");

    (void)state;
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 2);
    assert_int_equal(a->count, 2);
    assert_string_equal(a->items[0]->text, "1");
    assert_true(a->items[0]->plain);
    assert_false(a->items[1]->plain);
    assert_int_equal(a->items[1]->at.line, 2);
    assert_int_equal(a->items[1]->at.column, 8);
    assert_true(yaml_is_null(yaml_map_get(b, "c")));
    assert_string_equal(yaml_map_get(b, "d")->text, "x\ny\n");
    assert_null(yaml_map_get(b, "e"));
    assert_null(yaml_map_get(a, "e"));
    assert_null(yaml_map_get(NULL, "e"));
    yaml_tree_free(tree);
}

static void test_columns_count_characters(void **state)
{
    struct diagnostics d;
    const char *text = "{ä€: 1, x: 2}\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);

    (void)state;
    assert_int_equal(yaml_map_get(yaml_tree_root(tree), "x")->at.column, 12);
    yaml_tree_free(tree);
    refused_text("a: ä\nb: \xc3(\n", 2, 4, "not UTF-8");
}

static void test_byte_order_mark(void **state)
{
    struct diagnostics d;
    const char *text = "\xef\xbb\xbf"
                       "a: 1\nb: 2\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);
    const struct yaml_node *root = yaml_tree_root(tree);

    (void)state;
    assert_string_equal(yaml_map_get(root, "a")->text, "1");
    assert_int_equal(yaml_map_get(root, "a")->at.column, 4);
    assert_string_equal(yaml_map_get(root, "b")->text, "2");
    yaml_tree_free(tree);
    refused_text("\xef\xbb\xbf", 1, 1, "empty");
}

static void test_bytes_refused(void **state)
{
    static const char nul[] = "lab: a\nx: \0b\n";
    char junk[4096];
    unsigned seed = 1;

    (void)state;
    refused_text("", 1, 1, "empty");
    refused_text("# nothing but a comment\n", 1, 1, "empty");
    refused_text("a: \xff\n", 1, 4, "0xff");
    refused_text("a: \x01\n", 1, 4, "control character 0x01");
    refused_text("a: \xc3", 1, 4, "incomplete UTF-8");
    refused_text("a: \x80\n", 1, 4, "byte 0x80: not UTF-8");
    refused_text("a: \xc3\xc3\n", 1, 4, "byte 0xc3: not UTF-8");
    refused_text("a: caf\xe9\nb: c\n", 1, 7, "byte 0xe9: not UTF-8");
    refused_text("\xef\xbb\xbf"
                 "a: b\nc: \x01\n",
                 2, 4, "control character 0x01");
    refused_text("\xff\xfe"
                 "a\0",
                 1, 1, "UTF-16");
    refused_text("a: b\n---\nc: d\n", 2, 1, "second document");
    refused_text("a:\n\tb: c\n", 2, 1, "tabs");
    refused_text("a: [1, 2\n", 2, 1, "not valid YAML");
    refused_text("a b\nc:\n", 2, 2, "is there a line above that lacks its ':'");
    refused_text("a:\n  b: c\n d: e\n", 3, 2, "indented as those beside them");
    refused_text("a: @b\n", 1, 4, "put the value in quotes");
    refused_text("a:\nb\nc: d\n", 3, 1, "a key ends with ':' and a space");
    refused_text("a: \"x\\0y\"\n", 1, 4, "NUL");
    refused_text("a: !!binary aGk=\n", 1, 4, "tag");
    refused_text("a: !mine x\n", 1, 4, "'!mine'");
    refused_text("? [a]\n: b\n", 1, 3, "key");
    refused(nul, sizeof(nul) - 1, 2, 4, "NUL byte");
    for (size_t i = 0; i < sizeof(junk); i++)
        junk[i] = (char)(rand_r(&seed) >> 8);
    refused(junk, sizeof(junk), 1, 0, "");
}

static void test_aliases(void **state)
{
    struct diagnostics d;
    const char *text = "a: &x {k: 1}\nb: *x\nc: &x 2\nd: *x\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);
    const struct yaml_node *root = yaml_tree_root(tree);

    (void)state;
    assert_ptr_equal(yaml_map_get(root, "a"), yaml_map_get(root, "b"));
    assert_string_equal(yaml_map_get(root, "d")->text, "2");
    yaml_tree_free(tree);
    refused_text("a: *x\n", 1, 4, "no anchor");
    refused_text("a: &x [*x]\n", 1, 8, "no anchor");
}

static void test_laughs(void **state)
{
    struct strbuf text = STRBUF_INIT;

    (void)state;
    strbuf_puts(&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (char c = 'b'; c < 'k'; c++) {
        strbuf_printf(&text, "%c: &%c [", c, c);
        for (int i = 0; i < 10; i++)
            strbuf_printf(&text, "*%c,", c - 1);
        strbuf_puts(&text, "]\n");
    }
    refused(text.data, text.size, 6, 0, "values");
    strbuf_done(&text);
}

static void test_depth(void **state)
{
    struct strbuf text = STRBUF_INIT;
    struct diagnostics d;
    struct yaml_tree *tree;

    (void)state;
    for (int i = 0; i < 100000; i++)
        strbuf_puts(&text, "[");
    refused(text.data, text.size, 1, 0, "deep");
    strbuf_done(&text);
    for (int i = 0; i < 5000; i++)
        strbuf_printf(&text, "%*sa:\n", i, "");
    refused(text.data, text.size, 32, 0, "deep");
    strbuf_done(&text);
    /* Depth by aliases counts too. */
    strbuf_puts(&text, "a: &a [[[[[[[[[[x]]]]]]]]]]\nb: &b [[[[[[[[[[*a]]]]]]]]]]\n"
                       "c: &c [[[[[[[[[[[*b]]]]]]]]]]]\n");
    refused(text.data, text.size, 3, 0, "deep");
    strbuf_done(&text);
    strbuf_puts(&text, "[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]");
    tree = parse(text.data, text.size, &d);
    assert_int_equal(yaml_tree_root(tree)->height, 21);
    yaml_tree_free(tree);
    strbuf_done(&text);
}

static void test_many(void **state)
{
    struct strbuf text = STRBUF_INIT;

    (void)state;
    strbuf_puts(&text, "[");
    for (int i = 0; i < 600000; i++)
        strbuf_puts(&text, "a,");
    strbuf_puts(&text, "]");
    refused(text.data, text.size, 1, 0, "more than 500000 values");
    strbuf_done(&text);
    strbuf_puts(&text, "[");
    for (int i = 0; i < 1000; i++)
        strbuf_printf(&text, "&a%d x,", i);
    strbuf_puts(&text, "]");
    refused(text.data, text.size, 1, 0, "anchors");
    strbuf_done(&text);
}

static void test_doubles(void **state)
{
    struct diagnostics d;
    const char *text = "a: 1\nb: 2\na: 3\na: 4\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);
    const struct yaml_node *root = yaml_tree_root(tree);

    (void)state;
    assert_null(root->pairs[0].first);
    assert_null(root->pairs[1].first);
    assert_int_equal(root->pairs[2].first->at.line, 1);
    assert_int_equal(root->pairs[3].first->at.line, 1);
    assert_string_equal(yaml_map_get(root, "a")->text, "1");
    yaml_tree_free(tree);
}

static void test_quote(void **state)
{
    struct diagnostics d;
    const char *text = "- \"a\\e[31m\"\n- ääääääääääääääääääääääääääääääääääääääääääää\n";
    struct yaml_tree *tree = parse(text, strlen(text), &d);
    const struct yaml_node *root = yaml_tree_root(tree);
    char *shown = yaml_quote(root->items[0]);

    (void)state;
    assert_string_equal(shown, "'a\\x1b[31m'");
    free(shown);
    shown = yaml_quote(root->items[1]);
    assert_string_equal(shown, "'ääääääääääääääääääääääääääääää…'");
    free(shown);
    yaml_tree_free(tree);
}

static void test_diagnostics(void **state)
{
    struct diagnostics d = {.items = NULL};

    (void)state;
    for (unsigned i = 5000; i > 0; i--)
        diagnostics_add(&d, (struct location){i, 1}, "fault");
    diagnostics_add(&d, (struct location){5000, 1}, "fault");
    diagnostics_finish(&d);
    assert_int_equal(d.count, 200);
    assert_int_equal(d.items[0].at.line, 1001); /* 4000 are kept at all */
    assert_string_equal(d.items[199].text, "4802 more faults after this one are not shown");
    diagnostics_done(&d);
    diagnostics_add(&d, (struct location){2, 1}, "b");
    diagnostics_add(&d, (struct location){1, 5}, "a");
    diagnostics_add(&d, (struct location){2, 1}, "b");
    diagnostics_finish(&d);
    assert_int_equal(d.count, 2);
    assert_string_equal(d.items[0].text, "a");
    diagnostics_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_columns_count_characters),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_bytes_refused),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_laughs),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_diagnostics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
