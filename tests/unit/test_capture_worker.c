// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* labctl-capture on taps joined by redirects, in a namespace of the test's own. */

#include "unit/test_capture_lab.h"

#include <sys/resource.h>

#define BOTH "--lab=demo --interface=a --label=r1:eth0 --link=wan --interface=b --label=r2:eth0"

static uint8_t frame[70000];

/* numbered() - A frame of a size that begins with addresses and carries a number. */
static void numbered(size_t size, uint32_t number)
{
    memset(frame, 0, size < 60 ? 60 : size);
    memcpy(frame, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\xb5", 14);
    memcpy(frame + 14, &number, 4);
    for (size_t i = 18; i < size; i++)
        frame[i] = (uint8_t)(i * 7 + number);
}

static void every_frame_once_with_direction_in_order(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    uint32_t next[2][2] = {{0}}, sent[2] = {0};
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH);
    for (size_t size = 18; size <= 1514; size += 11)
        for (int back = 0; back < 2; back++) {
            numbered(size, sent[back]++);
            lab_send(back ? b : a, NULL, frame, size);
            lab_sink(a);
            lab_sink(b);
        }
    lab_stop(&worker, &file);
    assert_string_equal(file.names[0], "r1:eth0");
    assert_string_equal(file.names[1], "r2:eth0");
    assert_int_equal(file.frame_count, 4 * sent[0]);
    for (size_t i = 0; i < file.frame_count; i++) {
        const struct lab_frame *seen = &file.frames[i];
        bool outbound = seen->flags == 2;
        /* Sent by the first node: outbound at interface 0, inbound at interface 1. */
        int back = outbound ? (int)seen->interface : !seen->interface;
        uint32_t number = next[seen->interface][outbound]++;
        size_t size = 18 + 11 * (size_t)number;

        assert_true(seen->flags == 1 || seen->flags == 2);
        numbered(size, number);
        assert_int_equal(seen->original, size < 60 ? 60 : size);
        assert_int_equal(seen->captured, seen->original);
        assert_memory_equal(seen->data, frame, seen->captured);
        assert_true(back == 0 || back == 1);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(next[i / 2][i % 2], sent[0]);
    assert_int_equal(file.dropped, 0);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void readers_do_not_complain(void **state)
{
    /* As root of a user namespace tcpdump fails to give up its identity; as nobody it does not try.
     */
    static const char *const readers[][2] = {
        {"capinfos", "capinfos"},
        {"tshark", "tshark -n -r"},
        {"tcpdump", "unshare --user --map-user=65534 tcpdump -n -r"},
    };
    struct lab_worker worker;
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH " --filter=ether~proto~0x88b5");
    for (uint32_t i = 0; i < 20; i++) {
        numbered(100, i);
        lab_send(a, NULL, frame, 100);
    }
    assert_int_equal(kill(worker.pid, SIGTERM), 0);
    assert_int_equal(lab_wait(&worker), 0);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        _cleanup_free_ char *command = xasprintf("%s %s", readers[i][1], worker.path);
        _cleanup_free_ char *version = xasprintf("%s --version", readers[i][0]), *output = NULL;

        if (lab_run(version, NULL) != 0) {
            print_message("SKIP: %s is not installed\n", readers[i][0]);
            continue;
        }
        assert_int_equal(lab_run(command, &output), 0);
        assert_null(strstr(output, "cut short"));
        assert_null(strstr(output, "damaged"));
        assert_null(strstr(output, "Malformed"));
        if (i == 0) {
            assert_non_null(strstr(output, "lab demo"));
            assert_non_null(strstr(output, "Number of packets:   40"));
            assert_non_null(strstr(output, "Filter string = ether proto 0x88b5"));
            assert_non_null(strstr(output, "Description = wan"));
            assert_non_null(strstr(output, "nanoseconds"));
        }
    }
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void limit_ends_the_capture(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    char line[256];
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, "--interface=a --max-packets=7 --snaplen=40");
    for (uint32_t i = 0; i < 30; i++) {
        numbered(100, i);
        lab_send(a, NULL, frame, 100);
    }
    assert_true(lab_report(&worker, "ended", line, sizeof(line)));
    assert_non_null(strstr(line, "number of packets"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_read(&worker, &file);
    assert_true(file.whole);
    assert_int_equal(file.frame_count, 7);
    assert_int_equal(file.frames[6].captured, 40);
    assert_int_equal(file.frames[6].original, 100);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void vanished_interfaces_end_it_last(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    char line[256];
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH);
    /* Down is not gone. */
    assert_int_equal(lab_run("ip link set dev b down", NULL), 0);
    assert_int_equal(lab_run("ip link set dev b up", NULL), 0);
    numbered(100, 0);
    lab_send(b, NULL, frame, 100);
    (void)close(b);
    assert_true(lab_report(&worker, "gone", line, sizeof(line)));
    assert_non_null(strstr(line, "r2:eth0"));
    lab_send(a, NULL, frame, 100);
    (void)close(a);
    assert_true(lab_report(&worker, "ended", line, sizeof(line)));
    assert_non_null(strstr(line, "no interface is left"));
    assert_non_null(strstr(line, "\"failed\":false"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_read(&worker, &file);
    assert_true(file.whole);
    assert_int_equal(file.frame_count, 3); /* b out, a in; a out */
    lab_file_done(&file);
    lab_clean(&worker);
}

static void many_endpoints_share_a_ring(void **state)
{
    _cleanup_free_ char *arguments = xstrdup("--lab=many --filter=ether[14]~<~128");
    struct lab_worker worker;
    struct lab_file file;
    int taps[40];

    (void)state;
    LAB_NEEDED();
    for (unsigned i = 0; i < 40; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "m%u", i);
        taps[i] = lab_tap(name);
        if (i % 2 == 0) { /* every second one is captured */
            char *more = xasprintf("%s --interface=m%u --label=r%u:eth0", arguments, i, i);

            free(arguments);
            arguments = more;
        }
    }
    lab_start(&worker, arguments);
    for (uint32_t i = 0; i < 400; i++) {
        numbered(80, i % 40 + (i & 1 ? 0 : 128 * (i / 200)));
        lab_send(taps[i % 40], NULL, frame, 80);
    }
    lab_stop(&worker, &file);
    assert_int_equal(file.interface_count, 20);
    assert_int_equal(file.frame_count, 100); /* even taps, and the first half by the filter */
    for (size_t i = 0; i < file.frame_count; i++)
        assert_int_equal(file.frames[i].data[14], 2 * file.frames[i].interface);
    lab_file_done(&file);
    lab_clean(&worker);
    for (unsigned i = 0; i < 40; i++)
        (void)close(taps[i]);
}

static void reader_that_leaves_ends_it(void **state)
{
    char line[256];
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    for (int kind = 0; kind < 2; kind++) {
        struct lab_worker worker;
        int ends[2];

        if (kind == 0)
            assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        else
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        lab_start_fd(&worker, BOTH " --live", ends[1]);
        (void)close(ends[1]);
        assert_true(lab_report(&worker, "started", NULL, 0));
        (void)close(ends[0]); /* while nothing is sent */
        assert_true(lab_report(&worker, "ended", line, sizeof(line)));
        assert_non_null(strstr(line, "the reader left"));
        assert_int_equal(lab_wait(&worker), 0);
    }
    (void)close(a);
    (void)close(b);
}

static void slow_reader_loses_packets_that_are_counted(void **state)
{
    uint8_t *data = xnew0(uint8_t, 16u << 20);
    struct lab_worker worker;
    struct lab_file file;
    uint64_t gaps = 0;
    size_t size = 0;
    ssize_t n;
    bool noticed = false;
    int a, b, ends[2];

    (void)state;
    if (lab_missing)
        free(data);
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    lab_start_fd(&worker, "--interface=a --live", ends[1]);
    (void)close(ends[1]);
    assert_true(lab_report(&worker, "started", NULL, 0));
    for (uint32_t i = 0; i < 9000; i++) {
        numbered(1500, i);
        lab_send(a, NULL, frame, 1500);
        if (i % 100 == 99)
            (void)usleep(5000); /* slow enough for the ring: only the reader is behind */
    }
    assert_true(lab_report(&worker, "stats", NULL, 0));
    for (int i = 0; i < 400 && size < (6u << 20); i++) {
        struct pollfd poll_fd = {.fd = ends[0], .events = POLLIN};

        if (poll(&poll_fd, 1, 100) == 0)
            break;
        n = read(ends[0], data + size, 65536);
        assert_true(n >= 0);
        size += (size_t)n;
    }
    numbered(1500, 9000); /* room again: this one tells of the gap */
    lab_send(a, NULL, frame, 1500);
    (void)usleep(100000);
    assert_int_equal(kill(worker.pid, SIGTERM), 0);
    while ((n = read(ends[0], data + size, 65536)) > 0)
        size += (size_t)n;
    (void)close(ends[0]);
    assert_int_equal(lab_wait(&worker), 0);
    lab_parse(&file, data, size);
    assert_true(file.whole);
    for (size_t i = 0; i < file.frame_count; i++) {
        gaps += file.frames[i].dropped;
        noticed |= strstr(file.frames[i].comment, "too slow") != NULL;
    }
    assert_true(noticed);
    assert_true(gaps > 0);
    assert_int_equal(file.frame_count + file.dropped, 9001);
    assert_int_equal(file.dropped, gaps);
    lab_file_done(&file);
    (void)close(a);
    (void)close(b);
}

/* full() - Capture to a file that cannot grow and look at what is left of it. */
static void full(struct lab_worker *worker, int a, const char *reason)
{
    struct lab_file file;
    char line[256];

    for (uint32_t i = 0; i < 2000; i++) {
        numbered(1000, i);
        lab_send(a, NULL, frame, 1000);
    }
    assert_true(lab_report(worker, "ended", line, sizeof(line)));
    assert_non_null(strstr(line, reason));
    assert_non_null(strstr(line, "\"failed\":true"));
    assert_int_equal(lab_wait(worker), 1);
    lab_read(worker, &file);
    assert_true(file.whole);
    assert_true(file.frame_count > 100 && file.frame_count < 1000);
    assert_memory_equal(file.frames[0].data, "\x02\0\0\0\0\x02", 6);
    lab_file_done(&file);
}

static void full_disk_leaves_a_valid_file(void **state)
{
    const char *const folder = "/tmp/capture-full-test";
    struct lab_worker worker = {.path = "/tmp/capture-full-test/out.pcapng"};
    int a, b, fd;

    (void)state;
    LAB_NEEDED();
    (void)mkdir(folder, 0700);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=300k") < 0) {
        (void)rmdir(folder);
        print_message("SKIP: no tmpfs can be mounted in a user namespace here\n");
        skip();
    }
    lab_pair("a", "b", &a, &b);
    fd = open(worker.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    lab_start_fd(&worker, BOTH, fd);
    (void)close(fd);
    assert_true(lab_report(&worker, "started", NULL, 0));
    full(&worker, a, "No space left on device");
    assert_int_equal(umount(folder), 0);
    (void)rmdir(folder);
    (void)close(a);
    (void)close(b);
}

static void wrong_arguments_are_told(void **state)
{
    static const struct {
        const char *arguments, *why;
        int status;
    } cases[] = {
        {"--interface=lo --filter=port~banana", "port banana", 2},
        {"--interface=nosuch --label=r9:eth1", "r9:eth1", 1},
        {"--interface=lo --interface=lo", "twice", 2},
        {"--label=x --interface=lo", "--interface", 2},
        {"--interface=lo --snaplen=lots", "snaplen", 2},
        {"", "run by labctl", 2},
    };

    (void)state;
    LAB_NEEDED();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lab_worker worker;
        char line[512];
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

        lab_start_fd(&worker, cases[i].arguments, fd);
        (void)close(fd);
        assert_true(lab_report(&worker, "ended", line, sizeof(line)));
        assert_non_null(strstr(line, cases[i].why));
        assert_int_equal(lab_wait(&worker), cases[i].status);
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void drops_of_the_kernel_are_counted(void **state)
{
    const size_t sent = 1500;
    struct lab_worker worker;
    struct lab_file file;
    char line[256];
    siginfo_t info;
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, "--interface=a --buffer=524288");
    /* A worker that does not get to run: its ring holds a third of these. */
    assert_int_equal(kill(worker.pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)worker.pid, &info, WSTOPPED | WNOWAIT), 0);
    for (uint32_t i = 0; i < sent; i++) {
        numbered(1000, i);
        lab_send(a, NULL, frame, 1000);
        (void)lab_sink(b);
    }
    assert_int_equal(kill(worker.pid, SIGCONT), 0);
    /* Told while it runs … */
    do
        assert_true(lab_report(&worker, "stats", line, sizeof(line)));
    while (strstr(line, "\"dropped\":0}"));
    /* … and in the file. */
    lab_stop(&worker, &file);
    assert_true(file.frame_count > 100 && file.dropped > 100);
    assert_int_equal(file.frame_count + file.dropped, sent);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void live_is_soon_and_idle_is_free(void **state)
{
    struct lab_worker worker;
    uint8_t trash[65536];
    struct rusage usage;
    int64_t took[31];
    int a, b, ends[2], status;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    lab_start_fd(&worker, BOTH " --live", ends[1]);
    (void)close(ends[1]);
    assert_true(lab_report(&worker, "started", NULL, 0));
    assert_true(read(ends[0], trash, sizeof(trash)) > 0); /* the head */
    for (size_t i = 0; i < ARRAY_SIZE(took); i++) {
        struct pollfd poll_fd = {.fd = ends[0], .events = POLLIN};
        struct timespec before, after;

        numbered(100, (uint32_t)i);
        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        lab_send(a, NULL, frame, 100);
        assert_int_equal(poll(&poll_fd, 1, 2000), 1);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        took[i] =
            (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
        (void)usleep(60000);
        assert_true(read(ends[0], trash, sizeof(trash)) > 0);
    }
    qsort(took, ARRAY_SIZE(took), sizeof(took[0]), compare_times);
    print_message("frame to pipe: median %.1f ms, worst %.1f ms\n",
                  (double)took[ARRAY_SIZE(took) / 2] / 1000, (double)took[30] / 1000);
    /* tests/bench/capture measures; here: at once, and not when a block or buffer is full. */
    assert_true(took[ARRAY_SIZE(took) / 2] < 1000000);
    assert_int_equal(kill(worker.pid, SIGTERM), 0);
    assert_int_equal(wait4(worker.pid, &status, 0, &usage), worker.pid);
    print_message("processor time with 31 frames in 2 s: %ld ms\n",
                  (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
    (void)close(worker.report_fd);
    (void)close(ends[0]);
    (void)close(a);
    (void)close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_once_with_direction_in_order),
        cmocka_unit_test(readers_do_not_complain),
        cmocka_unit_test(limit_ends_the_capture),
        cmocka_unit_test(vanished_interfaces_end_it_last),
        cmocka_unit_test(many_endpoints_share_a_ring),
        cmocka_unit_test(reader_that_leaves_ends_it),
        cmocka_unit_test(slow_reader_loses_packets_that_are_counted),
        cmocka_unit_test(full_disk_leaves_a_valid_file),
        cmocka_unit_test(wrong_arguments_are_told),
        cmocka_unit_test(drops_of_the_kernel_are_counted),
        cmocka_unit_test(live_is_soon_and_idle_is_free),
    };

    return cmocka_run_group_tests(tests, lab_setup, NULL);
}
