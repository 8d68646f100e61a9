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

static unsigned slots(unsigned cores, const char *loadavg, const char *pressure, unsigned booting,
                      bool *ret_limited)
{
    struct host_load load;
    const char *why = NULL;
    unsigned count;

    host_load_parse(loadavg, pressure, &load);
    count = host_boot_slots(cores, &load, booting, &why);
    *ret_limited = why != NULL;
    return count;
}

#define PRESSURE(some, full)                                                                       \
    "some avg10=" some " avg60=0.00 avg300=0.00 total=1\nfull avg10=" full                         \
    " avg60=0.00 avg300=0.00 total=0\n"

static void test_boot_slots(void **state)
{
    bool limited;

    (void)state;
    assert_int_equal(slots(8, NULL, NULL, 0, &limited), 8);
    assert_false(limited);
    assert_int_equal(slots(1, "9.99 9 9 1/2 3", NULL, 0, &limited), 2);
    assert_int_equal(slots(8, "0.90 0.10 0.10 1/200 300", PRESSURE("0.00", "0.00"), 0, &limited),
                     8);
    /* Others keep three cores busy; guests that boot are no others. */
    assert_int_equal(slots(8, "3.20 0.10 0.10 1/200 300", NULL, 0, &limited), 5);
    assert_true(limited);
    assert_int_equal(slots(8, "3.20 0.10 0.10 1/200 300", NULL, 3, &limited), 8);
    assert_false(limited);
    assert_int_equal(slots(8, "64.00 0.10 0.10 1/200 300", NULL, 1, &limited), 2);
    /* Short of memory: one alone. */
    assert_int_equal(slots(8, "0.00 0 0 1/2 3", PRESSURE("19.99", "4.99"), 0, &limited), 8);
    assert_int_equal(slots(8, "0.00 0 0 1/2 3", PRESSURE("20.00", "0.00"), 0, &limited), 1);
    assert_true(limited);
    assert_int_equal(slots(8, "0.00 0 0 1/2 3", PRESSURE("0.00", "5.50"), 0, &limited), 1);
    /* What cannot be understood counts as idle. */
    assert_int_equal(slots(8, "x", "some avg10=-1 full avg10=y", 0, &limited), 8);
    assert_int_equal(slots(4, "99999999999999999999.99", "", 0, &limited), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_slots),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_auto_needs_hardware),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_kvm_that_is_not_there),
        cmocka_unit_test(test_qemu_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
