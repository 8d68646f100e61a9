// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_engine labctl_base

/* Acceleration and admission, from texts as /proc has them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/host.h"

static void test_flags(void **state)
{
    (void)state;
    assert_true(host_cpu_virtualizes("processor : 0\nflags\t\t: fpu vmx sse\n"));
    assert_true(host_cpu_virtualizes("flags : svm"));
    assert_false(host_cpu_virtualizes("flags : fpu vmx_something\nvmx flags : vmx \n"));
    assert_false(host_cpu_virtualizes(""));
}

static void test_auto_needs_hardware(void **state)
{
    struct host_info host = {.cores = 2, .kvm_opens = true, .arch = "x86_64", .kvm_reason = "why"};
    const char *reason = NULL;
    enum accel accel = ACCEL_AUTO;

    (void)state;
    assert_int_equal(host_accel(&host, ACCEL_AUTO, "x86_64", &accel, &reason, NULL), 0);
    assert_int_equal(accel, ACCEL_TCG);
    assert_string_equal(reason, "why");
    /* Forced, it is taken as it is. */
    assert_int_equal(host_accel(&host, ACCEL_KVM, "x86_64", &accel, &reason, NULL), 0);
    assert_int_equal(accel, ACCEL_KVM);
    host.kvm_hardware = true;
    assert_int_equal(host_accel(&host, ACCEL_AUTO, "x86_64", &accel, &reason, NULL), 0);
    assert_int_equal(accel, ACCEL_KVM);
    assert_int_equal(host_accel(&host, ACCEL_AUTO, "aarch64", &accel, &reason, NULL), 0);
    assert_int_equal(accel, ACCEL_TCG);
}

static void test_kvm_that_is_not_there(void **state)
{
    struct host_info host = {.arch = "x86_64", .kvm_problem = "/dev/kvm: No such file"};
    _cleanup_error_ struct error err = ERROR_INIT;
    enum accel accel = ACCEL_AUTO;

    (void)state;
    assert_int_equal(host_accel(&host, ACCEL_KVM, "x86_64", &accel, NULL, &err), -ENODEV);
    assert_non_null(strstr(err.message, "/dev/kvm: No such file"));
    assert_non_null(err.hint);
    assert_int_equal(accel, ACCEL_AUTO);
}

static void test_memory(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(host_memory_available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), 2 << 20);
    assert_int_equal(host_memory_available("MemTotal: 9 kB\n"), 0);
    assert_int_equal(host_admit_memory(1 << 20, 1, NULL), 0);
    assert_int_equal(host_admit_memory(400ull << 40, 400, &err), -ENOMEM);
    assert_non_null(strstr(err.message, "400 nodes need 400T"));
    assert_non_null(err.hint);
}

static void test_qemu_missing(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(host_qemu_find("nosuch", NULL, &err), -ENOENT);
    error_done(&err);
    const char *old = getenv("PATH");
    char *saved = strdup(old ? old : "");

    (void)setenv("PATH", "/nonexistent", 1);
    assert_int_equal(host_qemu_find("x86_64", NULL, &err), -ENOENT);
    assert_non_null(strstr(err.hint, "qemu-system-x86"));
    (void)setenv("PATH", saved, 1);
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_auto_needs_hardware),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_kvm_that_is_not_there),
        cmocka_unit_test(test_qemu_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
