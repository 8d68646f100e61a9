// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* Limits of nodes: what can be seen of them without a cgroup, and a real one where it may be made.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/file.h"
#include "engine/limits.h"

static void test_own_path(void **state)
{
    _cleanup_free_ char *only = cgroup_own_path("0::/user.slice/a b.scope\n");
    _cleanup_free_ char *hybrid = cgroup_own_path("8:memory:/x\n0::/\n");

    (void)state;
    assert_string_equal(only, "/user.slice/a b.scope");
    assert_string_equal(hybrid, "/");
    assert_null(cgroup_own_path("8:memory:/x\n10::/y\n"));
    assert_null(cgroup_own_path(""));
    assert_null(cgroup_own_path(NULL));
}

/* What a state file says is believed only of a folder that can be the lab's cgroup. */
static void test_is(void **state)
{
    (void)state;
    assert_true(cgroup_is("/sys/fs/cgroup/labctl-0-ring", "labctl-0-ring"));
    assert_true(cgroup_is("/sys/fs/cgroup/user.slice/labctl-0-ring", "labctl-0-ring"));
    assert_false(cgroup_is("/sys/fs/cgroup/user.slice", "labctl-0-ring"));
    assert_false(cgroup_is("/sys/fs/cgroup/../../home/labctl-0-ring", "labctl-0-ring"));
    assert_false(cgroup_is("/home/labctl-0-ring", "labctl-0-ring"));
    assert_false(cgroup_is("labctl-0-ring", "labctl-0-ring"));
    assert_false(cgroup_is("", ""));
    assert_false(cgroup_is(NULL, "labctl-0-ring"));
}

static void test_nice(void **state)
{
    (void)state;
    assert_int_equal(limits_nice(100), 0);
    assert_int_equal(limits_nice(80), 1);
    assert_int_equal(limits_nice(125), -1);
    assert_int_equal(limits_nice(25), 6);
    assert_int_equal(limits_nice(1), 19);
    assert_int_equal(limits_nice(10000), -20);
}

static void has(const char *dir, const char *file, const char *expected)
{
    _cleanup_free_ char *path = path_join(dir, file), *data = NULL;

    assert_int_equal(file_read(path, 4096, &data, NULL, NULL), 0);
    assert_string_equal(data, expected);
}

/* A folder with files of these names takes what a cgroup would. */
static void test_write(void **state)
{
    static const char *const files[] = {"cpu.weight", "memory.max", "cgroup.procs"};
    char dir[] = "/tmp/labctl-limits.XXXXXX";
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(limits_write(dir, 50, 0, 7, &err), -ENOENT);
    assert_non_null(strstr(error_message(&err), "cpu.weight"));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *path = path_join(dir, files[i]);

        assert_int_equal(file_write_atomic(path, "", 0, 0600, NULL), 0);
    }
    assert_int_equal(limits_write(dir, 0, 1ull << 30, 4711, NULL), 0);
    has(dir, "cpu.weight", "");
    has(dir, "memory.max", "1073741824");
    has(dir, "cgroup.procs", "4711");
    assert_int_equal(limits_write(dir, 10000, 0, 4711, NULL), 0);
    has(dir, "cpu.weight", "10000");
    assert_int_equal(dir_remove_tree(dir, NULL), 0);
}

static void test_make(void **state)
{
    _cleanup_free_ char *name = xasprintf("labctl-test-%d", (int)getpid()), *path = NULL;
    _cleanup_free_ char *below = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t child;

    (void)state;
    if (cgroup_make(name, &path, &err) < 0) {
        assert_non_null(err.hint);
        (void)printf("SKIP: %s\n", error_message(&err));
        /* skip() jumps past what frees these. */
        error_done(&err);
        free(name);
        skip();
    }
    below = path_join(path, "node");
    assert_int_equal(mkdir(below, 0755), 0);
    child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    assert_int_equal(limits_write(below, 50, 64 << 20, child, &err), 0);
    has(below, "cpu.weight", "50\n");
    has(below, "memory.max", "67108864\n");
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    assert_true(cgroup_is(path, name));
    assert_int_equal(cgroup_remove(path), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(cgroup_remove(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_path), cmocka_unit_test(test_is),   cmocka_unit_test(test_nice),
        cmocka_unit_test(test_write),    cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
