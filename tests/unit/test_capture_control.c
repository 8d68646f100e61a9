// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* What a worker is told while it runs: notes, saves of what it keeps; several listeners; rings of
 * files; and a reader that does not read. On real taps in a namespace, where there can be one. */

#include "test_capture_orders.h"

/* note() - Have a comment put on the next packet. */
static void note(int connection, const char *text)
{
    struct timespec now;
    char *message;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    message = xasprintf("note %lld%09ld %s", (long long)now.tv_sec, now.tv_nsec, text);
    tell(connection, message, -1);
    free(message);
}

/* settle() - Wait until all that was sent before is understood. */
static void settle(int connection)
{
    tell(connection, "save 99 0", -1);
    hear(connection, "\"id\":99,\"failed\":true", NULL, 0);
}

/* finish() - End the worker. */
static void finish(struct lab_worker *worker)
{
    assert_int_equal(kill(worker->pid, SIGTERM), 0);
    hear(worker->report_fd, "\"ended\"", NULL, 0);
    assert_int_equal(lab_wait(worker), 0);
}

static void notes_stand_on_the_next_packet(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    char long_note[3000];
    int a, b, connection;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--interface=a --label=r1:eth0", 1);
    hear(connection, "started", NULL, 0);
    numbered(100, 0);
    lab_send(a, NULL, frame, 100);
    note(connection, "here it \033[31m fails");
    note(connection, "second");
    tell(connection, "nonsense", -1);
    tell(connection, "note ", -1);
    tell(connection, "note now that", -1);
    note(connection, "");
    settle(connection);
    lab_send(a, NULL, frame, 100);
    lab_send(a, NULL, frame, 100);
    (void)usleep(100000);
    memset(long_note, 'x', sizeof(long_note));
    long_note[sizeof(long_note) - 1] = 0;
    note(connection, long_note);
    settle(connection);
    finish(&worker);
    lab_read(&worker, &file);
    assert_true(file.whole);
    assert_int_equal(file.frame_count, 3);
    assert_string_equal(file.frames[0].comment, "");
    assert_string_equal(file.frames[1].comment, "second"); /* the last of its comments */
    assert_non_null(memmem(file.data, file.size, "here it \\x1b[31m fails", 21));
    assert_string_equal(file.frames[2].comment, "");
    /* What found no packet stands at the end, cut to its most. */
    assert_non_null(memmem(file.data, file.size, long_note, CAPTURE_NOTE_MAX));
    assert_null(memmem(file.data, file.size, long_note, CAPTURE_NOTE_MAX + 1));
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void later_listeners_hear_how_things_are(void **state)
{
    struct lab_worker worker;
    _cleanup_free_ char *path = NULL;
    int a, b, connection, other;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    connection = start(&worker, "--interface=a --label=r1:eth0", 1);
    hear(connection, "started", NULL, 0);
    numbered(100, 0);
    lab_send(a, NULL, frame, 100);
    hear(connection, "\"packets\":1,", NULL, 0);
    (void)close(connection); /* the engine dies */
    path = path_join(worker.folder, "sock");
    other = socket_connect(path, SOCK_SEQPACKET, NULL);
    assert_true(other >= 0);
    hear(other, "started", NULL, 0);
    hear(other, "\"packets\":1,", NULL, 0);
    for (int i = 0; i < 20; i++) { /* more than it has places for */
        worker.report_fd = socket_connect(path, SOCK_SEQPACKET, NULL);
        assert_true(worker.report_fd >= 0);
        hear(worker.report_fd, "started", NULL, 0);
    }
    finish(&worker);
    lab_clean(&worker);
    (void)close_range(3, ~0u, 0);
}

/* save() - Have what is kept written to a file, and read that. */
static void save(struct lab_worker *worker, const char *text, struct lab_file *file)
{
    int fd = open(worker->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    tell(worker->report_fd, text, fd);
    (void)close(fd);
    hear(worker->report_fd, "\"saved\"", NULL, 0);
    lab_read(worker, file);
    assert_true(file->whole);
}

static void what_is_kept_can_be_saved(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    char line[512];
    int a, b, full;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    (void)start(&worker,
                "--keep=60000000000 --interface=a --label=r1:eth0 --interface=b --label=r2:eth0",
                1);
    hear(worker.report_fd, "started", NULL, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        numbered(1000, i);
        lab_send(a, NULL, frame, 1000);
        (void)lab_sink(b);
    }
    save(&worker, "save 1 0", &file);
    assert_int_equal(file.interface_count, 2);
    assert_int_equal(file.frame_count, 6000);
    for (size_t i = 0; i < file.frame_count; i++)
        assert_int_equal(file.frames[i].captured, 1000);
    lab_file_done(&file);
    save(&worker, "save 2 0\nfilter ether[15] = 1\nonly b received", &file);
    assert_int_equal(file.interface_count, 1);
    assert_string_equal(file.names[0], "r2:eth0");
    assert_int_equal(file.frame_count, 256);
    for (size_t i = 0; i < file.frame_count; i++) {
        uint32_t expected = 256 + (uint32_t)i;

        assert_int_equal(file.frames[i].interface, 0);
        assert_int_equal(file.frames[i].flags, 1);
        assert_memory_equal(file.frames[i].data + 14, &expected, 4);
    }
    lab_file_done(&file);
    save(&worker, "save 3 0\nonly b sent", &file);
    assert_int_equal(file.frame_count, 0);
    lab_file_done(&file);
    (void)usleep(2100000);
    numbered(60, 1);
    lab_send(a, NULL, frame, 60);
    save(&worker, "save 4 2000000000", &file); /* the last two seconds */
    assert_int_equal(file.frame_count, 2);
    lab_file_done(&file);
    /* What cannot be is answered, and harms nothing. */
    tell(worker.report_fd, "save 5 0", -1);
    hear(worker.report_fd, "no file came along", NULL, 0);
    tell(worker.report_fd, "save 6 0\nfilter port banana", -1);
    hear(worker.report_fd, "port banana", NULL, 0);
    tell(worker.report_fd, "save 7 0\nonly z both", -1);
    hear(worker.report_fd, "'z' is not kept", NULL, 0);
    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    tell(worker.report_fd, "save 8 0", full);
    hear(worker.report_fd, "\"id\":8", line, sizeof(line));
    assert_non_null(strstr(line, "\"failed\":true"));
    (void)close(full);
    save(&worker, "save 9 0", &file);
    assert_int_equal(file.frame_count, 6002);
    lab_file_done(&file);
    finish(&worker);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void each_file_of_a_ring_is_whole(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    size_t total = 0;
    uint32_t last = 0;
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    (void)start(&worker, "--files=3 --file-bytes=100000 --interface=a --label=r1:eth0", 3);
    hear(worker.report_fd, "started", NULL, 0);
    for (uint32_t i = 0; i < 450; i++) { /* 95 fit into one: the last is the second again */
        numbered(1000, i);
        lab_send(a, NULL, frame, 1000);
        (void)lab_sink(b);
    }
    finish(&worker);
    for (size_t i = 0; i < 3; i++) {
        _cleanup_free_ char *name = xasprintf("%s.%zu", worker.path, i);
        struct lab_worker other = worker;

        if (i)
            (void)snprintf(other.path, sizeof(other.path), "%s", name);
        lab_read(&other, &file);
        assert_true(file.whole);
        assert_int_equal(file.interface_count, 1);
        assert_int_equal(file.statistics_count, 1);
        assert_true(file.frame_count > 10 && file.size < 110000);
        total += file.frame_count;
        if (i == 1)
            memcpy(&last, file.frames[file.frame_count - 1].data + 14, 4);
        lab_file_done(&file);
    }
    assert_int_equal(last, 449);
    assert_true(total > 200 && total < 450);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void limits_end_it_with_a_reason(void **state)
{
    struct lab_worker worker;
    struct lab_file file;
    char line[512];
    int a, b;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    (void)start(&worker, "--max-bytes=350 --interface=a --interface=b --direction=received", 1);
    hear(worker.report_fd, "started", NULL, 0);
    numbered(100, 0);
    lab_send(a, NULL, frame, 100);
    lab_send(a, NULL, frame, 100);
    hear(worker.report_fd, "\"ended\"", line, sizeof(line));
    assert_non_null(strstr(line, "the wanted number of bytes was captured"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_read(&worker, &file);
    assert_int_equal(file.frame_count, 4);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)start(&worker, "--duration=100000000 --interface=a --direction=received", 1);
    hear(worker.report_fd, "started", NULL, 0);
    lab_send(a, NULL, frame, 100); /* a sends this one */
    hear(worker.report_fd, "\"ended\"", line, sizeof(line));
    assert_non_null(strstr(line, "the wanted time is over"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_read(&worker, &file);
    assert_true(file.whole);
    assert_int_equal(file.frame_count, 0);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void reader_that_does_not_read_is_cut_off(void **state)
{
    uint8_t *data = xnew0(uint8_t, 32u << 20);
    struct lab_worker worker;
    struct lab_file file;
    size_t size = 0;
    ssize_t n;
    char line[512];
    int a, b, ends[2];

    (void)state;
    if (lab_missing)
        free(data);
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    lab_start_fd(&worker, "--interface=a --live --stall=300", ends[1]);
    (void)close(ends[1]);
    assert_true(lab_report(&worker, "started", NULL, 0));
    for (uint32_t i = 0; i < 12000; i++) {
        numbered(1500, i);
        lab_send(a, NULL, frame, 1500);
        (void)lab_sink(b);
        if (i % 100 == 99)
            (void)usleep(2000);
    }
    assert_true(lab_report(&worker, "cut-off", NULL, 0));
    lab_send(a, NULL, frame, 1500); /* comes too late */
    while ((n = read(ends[0], data + size, 65536)) > 0) {
        size += (size_t)n;
        assert_true(size + 65536 < 32u << 20);
    }
    assert_true(lab_report(&worker, "ended", line, sizeof(line)));
    assert_non_null(strstr(line, "the reader was cut off"));
    assert_non_null(strstr(line, "\"failed\":false"));
    assert_int_equal(lab_wait(&worker), 0);
    lab_parse(&file, data, size);
    assert_true(file.whole);
    assert_int_equal(file.statistics_count, 1);
    assert_true(file.dropped > 0);
    assert_non_null(memmem(data, size, "this reader was cut off", 23));
    lab_file_done(&file);
    (void)close(ends[0]);
    (void)close(a);
    (void)close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_stand_on_the_next_packet),
        cmocka_unit_test(later_listeners_hear_how_things_are),
        cmocka_unit_test(what_is_kept_can_be_saved),
        cmocka_unit_test(each_file_of_a_ring_is_whole),
        cmocka_unit_test(limits_end_it_with_a_reason),
        cmocka_unit_test(reader_that_does_not_read_is_cut_off),
    };

    return cmocka_run_group_tests(tests, lab_setup, NULL);
}
