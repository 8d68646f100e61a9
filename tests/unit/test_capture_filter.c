// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

#include "unit/test_capture_lab.h"

#include "capture/capture.h"
#include "capture/filter_priv.h"

static void errors_quote_filter_and_libpcap(void **state)
{
    static const struct {
        const char *filter, *said;
    } cases[] = {
        {"port banana", "unknown port 'banana'"},
        {"tcp and", "syntax error"},
        {"vlan 5000", "greater than"},
        {"ifindex 3", "not in the frame"},
    };

    (void)state;
    assert_int_equal(capture_filter_check("tcp port 80", NULL), 0);
    assert_int_equal(capture_filter_check("", NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        assert_int_equal(capture_filter_check(cases[i].filter, &err), -EINVAL);
        assert_int_equal(err.kind, ERROR_KIND_INPUT);
        assert_non_null(strstr(error_message(&err), cases[i].filter));
        assert_non_null(strstr(error_message(&err), cases[i].said));
    }
}

static void hostile_filters_are_escaped_and_bounded(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char *text = xnew0(char, FILTER_TEXT_MAX + 2);

    (void)state;
    assert_int_equal(capture_filter_check("\x1b[2Jport\n\xff", &err), -EINVAL);
    assert_null(strchr(error_message(&err), '\x1b'));
    assert_null(strchr(error_message(&err), '\n'));
    error_done(&err);
    memset(text, '(', FILTER_TEXT_MAX + 1);
    assert_int_equal(capture_filter_check(text, &err), -EINVAL);
    assert_non_null(strstr(error_message(&err), "characters"));
    error_done(&err);
    text[FILTER_TEXT_MAX] = 0;
    assert_int_equal(capture_filter_check(text, &err), -EINVAL);
    free(text);
}

/* kernel_takes() - Does the kernel accept a program? */
static bool kernel_takes(struct sock_filter *program, int size)
{
    struct sock_fprog fprog = {.len = (unsigned short)size, .filter = program};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool taken = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) == 0;

    (void)close(fd);
    return taken;
}

static void kernel_accepts_what_is_made(void **state)
{
    static const char *const filters[] = {"tcp port 80", "vlan 5", "outbound and less 100", "ip6",
                                          "host 10.0.0.1 or net 10.1.0.0/16"};
    struct sock_filter *program = xnew0(struct sock_filter, BPF_MAXINSNS);
    uint32_t ifindexes[700];

    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(ifindexes); i++)
        ifindexes[i] = 3 + 2 * i;
    assert_int_equal(filter_kernel(NULL, NULL, 0, program, BPF_MAXINSNS), 0);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        struct filter *filter;

        assert_int_equal(filter_compile(filters[i], &filter, NULL), 0);
        for (size_t count = 0; count <= 500; count = count * 3 + 1) {
            int size = filter_kernel(filter, ifindexes, count, program, BPF_MAXINSNS);

            assert_true(size > 0);
            assert_true(kernel_takes(program, size));
        }
        assert_int_equal(filter_kernel(filter, ifindexes, 3, program, 5), -E2BIG);
        filter_free(filter);
    }
    assert_int_equal(filter_kernel(NULL, ifindexes, 700, program, 1000), -E2BIG);
    free(program);
}

static void direction_is_the_nodes(void **state)
{
    static const struct {
        const char *text;
        bool sent, received;
    } cases[] = {
        {"outbound", true, false},          {"inbound", false, true},
        {"not outbound", false, true},      {"outbound or inbound", true, true},
        {"ether proto 0x88cc", true, true},
    };
    uint8_t frame[60] = {0};

    (void)state;
    frame[12] = 0x88;
    frame[13] = 0xcc;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct filter *filter;

        assert_int_equal(filter_compile(cases[i].text, &filter, NULL), 0);
        assert_int_equal(filter_match(filter, frame, sizeof(frame), true), cases[i].sent);
        assert_int_equal(filter_match(filter, frame, sizeof(frame), false), cases[i].received);
        filter_free(filter);
    }
}

static void argv_says_everything(void **state)
{
    const struct capture_endpoint endpoints[] = {{"t3.0", "r1:eth0", "wan", CAPTURE_BOTH},
                                                 {"t4.1", "r2:Gi0/1", 0, CAPTURE_SENT}};
    static const char *const expected[] = {
        "--lab=demo",       "--filter=tcp port 80", "--snaplen=96",     "--max-packets=10",
        "--live",           "--interface=t3.0",     "--label=r1:eth0",  "--link=wan",
        "--interface=t4.1", "--label=r2:Gi0/1",     "--direction=sent",
    };
    char **argv = capture_worker_argv(&(struct capture_options){.lab = "demo",
                                                                .endpoints = endpoints,
                                                                .endpoint_count = 2,
                                                                .filter = "tcp port 80",
                                                                .snaplen = 96,
                                                                .max_packets = 10,
                                                                .live = true});

    (void)state;
    assert_non_null(strstr(argv[0], "/labctl-capture"));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_string_equal(argv[i + 1], expected[i]);
    assert_null(argv[ARRAY_SIZE(expected) + 1]);
    capture_argv_free(argv);
    capture_argv_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_quote_filter_and_libpcap),
        cmocka_unit_test(hostile_filters_are_escaped_and_bounded),
        cmocka_unit_test(kernel_accepts_what_is_made),
        cmocka_unit_test(direction_is_the_nodes),
        cmocka_unit_test(argv_says_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
