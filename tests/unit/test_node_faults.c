// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* What QEMU's words for a guest that does not run are told as. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/lab_priv.h"

static void test_each_is_explained(void **state)
{
    static const char *const held[] = {"internal-error", "io-error", "guest-panicked", "watchdog",
                                       "shutdown",       "paused",   "debug"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        assert_non_null(node_halt_text(held[i]));
    assert_non_null(strstr(node_halt_text("internal-error"), "KVM"));
    assert_non_null(strstr(node_halt_text("internal-error"), "accel: tcg"));
    assert_non_null(strstr(node_halt_text("io-error"), "make room"));
}

static void test_what_is_no_fault(void **state)
{
    (void)state;
    assert_null(node_halt_text("running"));
    assert_null(node_halt_text("prelaunch"));
    assert_null(node_halt_text("inmigrate"));
    assert_null(node_halt_text("suspended"));
    assert_null(node_halt_text(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_explained),
        cmocka_unit_test(test_what_is_no_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
