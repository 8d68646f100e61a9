// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* What a worker captures changes while it runs: endpoints come, go, come back, and are on other
 * links. On real taps in a namespace, where there can be one. */

#include "test_capture_orders.h"

#include <sys/mman.h>

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* order() - Send a list and wait until it is heard.
 * @list:	"IFNAME LABEL LINK" separated by commas; both directions */
static void order(int connection, unsigned id, uint64_t from_ns, const char *list)
{
    _cleanup_free_ char *copy = xstrdup(list);
    _cleanup_free_ char *message = xasprintf("ends %u %llu", id, (unsigned long long)from_ns);
    _cleanup_free_ char *answer = xasprintf("\"ends\",\"id\":%u}", id);
    _cleanup_close_ int fd = memfd_create("ends", MFD_CLOEXEC);
    char *rest = NULL;

    for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        char name[32] = "", label[32] = "", link[32] = "";

        (void)sscanf(item, "%31s %31s %31s", name, label, link);
        (void)dprintf(fd, "%s\tboth\t%s\t%s\n", name, label, link);
    }
    tell(connection, message, fd);
    hear(connection, answer, NULL, 0);
}

/* send_some() - Numbered frames from one end of a cable to the other. */
static void send_some(int from, int to, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        numbered(100, i);
        lab_send(from, NULL, frame, 100);
        (void)lab_sink(to);
    }
}

/* expect() - The frames of an interface block: these numbers, each once, in their order. */
static void expect(const struct lab_file *file, uint32_t interface, const char *name,
                   uint32_t first, uint32_t count)
{
    uint32_t next = first;

    assert_true(interface < file->interface_count);
    assert_string_equal(file->names[interface], name);
    for (size_t i = 0; i < file->frame_count; i++) {
        uint32_t number;

        if (file->frames[i].interface != interface)
            continue;
        memcpy(&number, file->frames[i].data + 14, 4);
        assert_int_equal(number, next++);
    }
    assert_int_equal(next, first + count);
}

/* end() - End the worker and read what it wrote, which must be whole. */
static void end(struct lab_worker *worker, struct lab_file *file)
{
    assert_int_equal(kill(worker->pid, SIGTERM), 0);
    hear(worker->report_fd, "\"ended\"", NULL, 0);
    assert_int_equal(lab_wait(worker), 0);
    lab_read(worker, file);
    assert_true(file->whole);
    assert_int_equal(file->statistics_count, file->interface_count);
    assert_int_equal(file->dropped, 0);
}

static void endpoints_join_leave_and_are_cabled_anew(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    uint64_t begin;
    int a, b, connection;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--interface=a --label=r1:eth0 --link=wan", 1);
    hear(connection, "started", NULL, 0);
    send_some(a, b, 0, 50);
    /* What comes is heard, and not written before its time. */
    order(connection, 1, 0, "a r1:eth0 wan,b r2:eth0 lan,nobody r3:eth0 lan");
    send_some(a, b, 50, 50);
    begin = now_ns();
    send_some(a, b, 100, 50);
    /* The order comes late: its time is what counts. */
    order(connection, 2, begin, "a r1:eth0 wan,b r2:eth0 lan");
    send_some(a, b, 150, 50);
    order(connection, 3, now_ns(), "a r1:eth0 other");
    send_some(a, b, 200, 50);
    /* Twice the same changes nothing; and what is no order neither. */
    order(connection, 4, now_ns(), "a r1:eth0 other");
    tell(connection, "ends 5 7", -1);
    tell(connection, "ends", -1);
    send_some(a, b, 250, 50);
    end(&worker, &file);
    assert_int_equal(file.interface_count, 3);
    expect(&file, 0, "r1:eth0", 0, 200);
    expect(&file, 1, "r2:eth0", 100, 100);
    expect(&file, 2, "r1:eth0", 200, 100);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void interface_made_again_is_another_one(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    int a, b, connection;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--interface=b --label=r2:eth0 --link=wan", 1);
    hear(connection, "started", NULL, 0);
    for (uint32_t round = 0; round < 3; round++) {
        send_some(a, b, 100 * round, 100);
        (void)close(b);
        hear(connection, "\"gone\"", NULL, 0);
        /* None is left, which is no reason to end: the lab is being changed. */
        b = lab_tap("b");
        lab_redirect("b", "a");
        assert_int_equal(lab_run("tc filter del dev a ingress", NULL), 0);
        assert_int_equal(lab_run("tc qdisc del dev a clsact", NULL), 0);
        lab_redirect("a", "b");
        order(connection, round, now_ns(), "b r2:eth0 wan");
    }
    send_some(a, b, 300, 100);
    end(&worker, &file);
    assert_int_equal(file.interface_count, 4);
    for (uint32_t round = 0; round < 4; round++)
        expect(&file, round, "r2:eth0", 100 * round, 100);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void whole_lab_grows_under_load(void **state)
{
    _cleanup_strbuf_ struct strbuf arguments = STRBUF_INIT, list = STRBUF_INIT;
    struct lab_worker worker;
    struct lab_file file;
    int taps[24], connection;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &taps[0], &taps[1]);
    strbuf_puts(&arguments, "--filter=ether[12:2]==0x88b5 --interface=a --interface=b");
    strbuf_puts(&list, "a a cable,b b cable");
    for (int i = 2; i < 12; i++) {
        _cleanup_free_ char *name = xasprintf("e%d", i);

        taps[i] = lab_tap(name);
        strbuf_printf(&arguments, " --interface=%s", name);
        strbuf_printf(&list, ",%s %s -", name, name);
    }
    connection = start(&worker, arguments.data, 1);
    hear(connection, "started", NULL, 0);
    for (int i = 12; i < 24; i++) {
        _cleanup_free_ char *name = xasprintf("e%d", i);
        uint64_t begin = now_ns();

        send_some(taps[0], taps[1], (uint32_t)(i - 12) * 100, 50);
        taps[i] = lab_tap(name);
        strbuf_printf(&list, ",%s %s -", name, name);
        order(connection, (unsigned)i, begin, list.data);
        send_some(taps[0], taps[1], (uint32_t)(i - 12) * 100 + 50, 50);
        numbered(100, (uint32_t)i);
        lab_send(taps[i], NULL, frame, 100);
    }
    end(&worker, &file);
    /* The first two were described without a link, then with the cable's name, each of the others
     * once without a link and once with "-". */
    for (size_t at = 0, next[2] = {0}; at < file.frame_count; at++) {
        const struct lab_frame *seen = &file.frames[at];
        const char *name = file.names[seen->interface];
        uint32_t number;

        memcpy(&number, seen->data + 14, 4);
        if (*name == 'e')
            assert_int_equal(number, atoi(name + 1));
        else
            assert_int_equal(number, next[*name - 'a']++);
    }
    assert_int_equal(file.frame_count, 2 * 1200 + 12);
    lab_file_done(&file);
    lab_clean(&worker);
    for (int i = 0; i < 24; i++)
        (void)close(taps[i]);
}

static void nothing_left_is_the_end(void **state)
{
    struct lab_worker worker;
    char line[256];
    int a, b, connection;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--interface=a", 1);
    hear(connection, "started", NULL, 0);
    order(connection, 1, now_ns(), "");
    hear(connection, "\"ended\"", line, sizeof(line));
    assert_non_null(strstr(line, "not in the lab any more"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void files_of_a_ring_describe_who_is_there(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    int a, b, connection, tries = 2000;
    bool one;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--files=2 --file-bytes=20000 --interface=b --interface=a", 2);
    hear(connection, "started", NULL, 0);
    order(connection, 1, now_ns(), "a a x");
    /* Files that are begun when the change is long over have one interface. */
    do {
        send_some(a, b, 0, 50);
        lab_read(&worker, &file);
        one = file.interface_count == 1;
        lab_file_done(&file);
    } while (!one && tries-- > 0);
    end(&worker, &file);
    assert_int_equal(file.interface_count, 1);
    assert_string_equal(file.names[0], "a");
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_join_leave_and_are_cabled_anew),
        cmocka_unit_test(interface_made_again_is_another_one),
        cmocka_unit_test(whole_lab_grows_under_load),
        cmocka_unit_test(nothing_left_is_the_end),
        cmocka_unit_test(files_of_a_ring_describe_who_is_there),
    };

    return cmocka_run_group_tests(tests, lab_setup, NULL);
}
