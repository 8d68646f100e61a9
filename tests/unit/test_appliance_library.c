// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* The library of images, as it serves a topology, and the configuration disk. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"

static char dir[] = "/tmp/labctl-library.XXXXXX";

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = path_join(dir, name), *parent = path_dirname(path);

    assert_int_equal(dir_make(parent, NULL), 0);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

#define DEFINITION(name, more)                                                                     \
    "name: " name "\narch: x86_64\nmemory: {default: 64M, least: 32M}\n"                           \
    "disks: [{file: disk}]\n" more

static int setup(void **state)
{
    _cleanup_free_ char *link = NULL;

    (void)state;
    if (!mkdtemp(dir) || setenv("LABCTL_IMAGES", dir, 1) < 0)
        return -1;
    put(".store/good-0123/appliance.yaml",
        DEFINITION("good", "nics: {count: 2, max: 3, name: 'Gi0/{0}', model: e1000}\n"));
    put(".store/good-0123/disk", "");
    link = path_join(dir, "good");
    if (symlink(".store/good-0123", link) < 0)
        return -1;
    put("bad/appliance.yaml", "name: bad\n");
    put("other/appliance.yaml", DEFINITION("someone", ""));
    put("other/disk", "");
    put("vanished/appliance.yaml", DEFINITION("vanished", ""));
    put("no-definition/disk", "");
    put("loose-file", "");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return dir_remove_tree(dir, NULL);
}

static void test_get(void **state)
{
    _cleanup_image_library_ struct image_library *library = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct appliance *appliance = NULL, *again = NULL;
    _cleanup_free_ char *real = path_join(dir, ".store/good-0123");

    (void)state;
    assert_int_equal(image_library_open(&library, &err), 0);
    assert_int_equal(image_library_get(library, "good", &appliance, &err), 0);
    assert_string_equal(appliance->dir, real);
    assert_int_equal(image_library_get(library, "good", &again, &err), 0);
    assert_ptr_equal(appliance, again);
    assert_int_equal(image_library_get(library, "bad", &again, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), "bad/appliance.yaml:1:1: "));
    assert_non_null(err.hint);
    assert_int_equal(image_library_get(library, "other", &again, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), "its name is 'someone'"));
    assert_int_equal(image_library_get(library, "vanished", &again, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), "'disk': the file is gone from the image"));
    assert_string_equal(err.hint, "make it anew by 'labctl image build --force vanished'");
    assert_int_equal(image_library_get(library, "god", &again, &err), -ENOENT);
    assert_string_equal(err.hint, "did you mean 'good'?");
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    assert_int_equal(image_library_get(library, "no-definition", &again, &err), -ENOENT);
    assert_int_equal(image_library_get(library, "quite-unlike-all", &again, &err), -ENOENT);
    assert_string_equal(err.hint, "'labctl image list' shows those there are");
    assert_int_equal(image_library_get(library, "../good", &again, &err), -ENOENT);
    assert_int_equal(image_library_get(library, ".store", &again, &err), -ENOENT);
    assert_int_equal(image_library_get(library, "\033[2J", &again, &err), -ENOENT);
    assert_string_equal(error_message(&err), "there is no image '\\x1b[2J'");
    assert_ptr_equal(appliance, again);
}

static void test_recipe_hint(void **state)
{
    _cleanup_image_library_ struct image_library *library = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct appliance *appliance = NULL;

    (void)state;
    if (!file_exists(LABCTL_SOURCE_DIR "/images/frr/appliance.yaml")) {
        print_message("SKIP: there is no recipe frr\n");
        skip();
    }
    assert_int_equal(image_library_open(&library, &err), 0);
    assert_int_equal(image_library_get(library, "frr", &appliance, &err), -ENOENT);
    assert_string_equal(err.hint, "make it by 'labctl image build frr'");
}

static void test_names(void **state)
{
    _cleanup_image_library_ struct image_library *library = NULL;
    const char *const *names;

    (void)state;
    assert_int_equal(image_library_open(&library, NULL), 0);
    names = image_library_names(library);
    assert_string_equal(names[0], "bad");
    assert_string_equal(names[1], "good");
    assert_string_equal(names[2], "other");
    assert_string_equal(names[3], "vanished");
    assert_ptr_equal(names, image_library_names(library));
}

static void test_no_folder(void **state)
{
    _cleanup_image_library_ struct image_library *library = NULL;
    _cleanup_free_ char *none = path_join(dir, "nowhere");
    const struct appliance *appliance = NULL;

    (void)state;
    assert_int_equal(setenv("LABCTL_IMAGES", none, 1), 0);
    assert_int_equal(image_library_open(&library, NULL), 0);
    assert_int_equal(image_library_get(library, "good", &appliance, NULL), -ENOENT);
    assert_non_null(image_library_names(library));
    assert_int_equal(setenv("LABCTL_IMAGES", dir, 1), 0);
}

static void test_source(void **state)
{
    const char *text = "nodes: {a: {image: good}, b: {image: good, nics: 3}}\n"
                       "links: [[a:eth1, b:Gi0/2]]\n";
    const char *wrong = "nodes: {a: {image: good, nics: 4}, b: {image: bad}, c: {image: god}}\n"
                        "links: [{ends: [a:Gi0/3, a:Gi0/1], mtu: 9501}]\n";
    _cleanup_image_library_ struct image_library *library = NULL;
    struct diagnostics d = {.items = NULL};
    struct image_source source;
    struct topology *t = NULL;

    (void)state;
    assert_int_equal(image_library_open(&library, NULL), 0);
    source = image_library_source(library);
    assert_int_equal(topology_parse("x.yaml", text, strlen(text), &source, &t, &d, NULL), 0);
    assert_int_equal(t->nodes[0].nics, 2);
    assert_string_equal(t->links[0].name, "a:Gi0/1--b:Gi0/2");
    assert_int_equal(t->links[0].ends[1].nic, 2);
    topology_free(t);
    assert_int_equal(topology_parse("x.yaml", wrong, strlen(wrong), &source, &t, &d, NULL),
                     -EINVAL);
    assert_int_equal(d.count, 5);
    assert_string_equal(d.items[0].text,
                        "node 'a': 4 NICs are too many: image 'good' can have at most 3");
    assert_non_null(strstr(d.items[1].text, "image 'bad' cannot be used: "));
    assert_string_equal(d.items[2].text, "image 'god' is not there: did you mean 'good'?");
    assert_string_equal(d.items[3].text, "'a:Gi0/3': node 'a' has no port of that name; it has 3 "
                                         "NICs (Gi0/0 to Gi0/2)");
    diagnostics_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),    cmocka_unit_test(test_recipe_hint),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_source),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
