// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* The record of a console: what a new engine puts together of file and socket, holes, times. */

#include "unit/console_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "console/times.h"

#define COUNT 60000 /* lines that the guest prints */

static char dir[] = "/tmp/lt.XXXXXX", *log_file, *fifo;

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    log_file = path_join(dir, "console-0.log");
    fifo = path_join(dir, "in");
    return mkfifo(fifo, 0600);
}

static int remove_dir(void **state)
{
    (void)state;
    free(log_file);
    free(fifo);
    return dir_remove_tree(dir, NULL);
}

/* What the guest prints: line after line of its number. */
static size_t counted(char *line, unsigned number)
{
    return (size_t)snprintf(line, 32, "line %08u\r\n", number);
}

/* QEMU's way with a serial port: each byte is appended to the file. */
static void guest_process(void)
{
    int file = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned number = 0; number < COUNT; number++) {
        char line[32];
        size_t size = counted(line, number), part;

        for (size_t at = 0; at < size; at += part) {
            part = number % 3 ? 1 : size - at;
            if (write(file, line + at, part) != (ssize_t)part)
                _exit(1);
        }
        if (number % 100 == 0)
            (void)poll(NULL, 0, 1);
    }
    _exit(0);
}

static void assert_counts(const char *data, size_t size)
{
    char line[32], *all = xmalloc0(COUNT, 16);
    size_t whole = 0;

    for (unsigned number = 0; number < COUNT; number++) {
        size_t part = counted(line, number);

        memcpy(all + whole, line, part);
        whole += part;
    }
    for (size_t i = 0; i < size && i < whole; i++)
        if (data[i] != all[i])
            fail_msg("byte %zu of %zu is 0x%02x, not 0x%02x", i, size, data[i], all[i]);
    assert_int_equal(size, whole);
    free(all);
}

/* An engine, and a client that gets everything. */
static void new_engine(struct fixture *f, struct seen *seen)
{
    struct console_options options = {.name = "r1"};

    *f = (struct fixture){.guest = -1};
    assert_return_code(sd_event_new(&f->event), 0);
    assert_int_equal(console_new(f->event, &options, &f->console, NULL), 0);
    assert_int_equal(console_record(f->console, log_file, 0, true, NULL), 0);
    assert_int_equal(console_follow(f->console, open(fifo, O_RDWR), NULL), 0);
    seen_attach(f, seen, CONSOLE_SHARED, "all");
}

static void engines_come_and_go(void **state)
{
    _cleanup_free_ char *data = NULL;
    struct fixture f;
    struct seen seen;
    size_t size;
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        guest_process();
    for (unsigned engine = 0; engine < 12; engine++) {
        uint64_t wanted = 2000 + engine * 1777;

        new_engine(&f, &seen);
        while (console_received(f.console, NULL) < wanted) {
            assert_return_code(sd_event_run(f.event, 10000), 0);
            seen_read(&seen, SIZE_MAX);
        }
        run_for(&f, 10);
        seen_read(&seen, SIZE_MAX);
        /* As far as it has got, it has everything. */
        assert_true(seen.output.size > 0);
        assert_memory_equal(seen.output.data, "line 00000000\r\nline 00000001\r\n", 30);
        seen_done(&seen);
        fixture_done(&f);
    }
    new_engine(&f, &seen);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_return_code(sd_event_run(f.event, 10000), 0);
        seen_read(&seen, SIZE_MAX);
    }
    assert_int_equal(status, 0);
    console_close(f.console, NULL); /* reads the rest */
    for (unsigned i = 0; i < 1000 && strcmp(seen.state, "stopped") != 0; i++) {
        run_for(&f, 5);
        seen_read(&seen, SIZE_MAX);
    }
    assert_int_equal(file_read(log_file, 1 << 24, &data, &size, NULL), 0);
    assert_counts(data, size);
    assert_counts(seen.output.data, seen.output.size);
    seen_done(&seen);
    fixture_done(&f);
}

/* What is typed gets into the FIFO; what the guest says to it comes back at once. */
static void typing(void **state)
{
    struct fixture f;
    struct seen seen;
    char typed[64] = "";
    int file, keyboard = open(fifo, O_RDWR | O_NONBLOCK);

    (void)state;
    (void)unlink(log_file);
    file = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    new_engine(&f, &seen);
    run_idle(&f);
    for (unsigned i = 0; i < 20; i++) {
        seen_type(&seen, "marco");
        run_idle(&f);
        assert_int_equal(read(keyboard, typed, sizeof(typed)), 5);
        assert_memory_equal(typed, "marco", 5);
        assert_int_equal(write(file, "polo", 4), 4);
        (void)seen_output(&f, &seen);
        assert_int_equal(seen.output.size, 4 * (i + 1));
    }
    /* Somebody emptied the file: what comes next is seen all the same. */
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(write(file, "new", 3), 3);
    assert_non_null(strstr(seen_output(&f, &seen), "polonew"));
    /* Stopped, and another guest appends. */
    console_close(f.console, "stopped");
    assert_int_equal(console_record(f.console, log_file, 0, false, NULL), 0);
    assert_int_equal(console_follow(f.console, open(fifo, O_RDWR), NULL), 0);
    assert_int_equal(write(file, " start", 6), 6);
    assert_non_null(strstr(seen_output(&f, &seen), "polonew start"));
    close(file);
    close(keyboard);
    seen_done(&seen);
    fixture_done(&f);
}

static void count_match(struct console *console, void *data)
{
    (void)console;
    ++*(unsigned *)data;
}

/* A guest ended at its prompt, under an engine that is gone: the next one's prompt is a line of its
 * own though nothing came before it. */
static void new_guest_new_line(void **state)
{
    struct fixture f;
    struct seen seen;
    regex_t prompt;
    unsigned count = 0;
    int file;

    (void)state;
    (void)unlink(log_file);
    file = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_int_equal(regcomp(&prompt, "^r1:~# $", REG_EXTENDED | REG_NOSUB), 0);
    assert_int_equal(write(file, "r1:~# ", 6), 6);
    new_engine(&f, &seen);
    (void)seen_output(&f, &seen);
    console_close(f.console, "crashed");
    assert_int_equal(console_record(f.console, log_file, 0, false, NULL), 0);
    assert_int_equal(console_follow(f.console, open(fifo, O_RDWR), NULL), 0);
    assert_int_equal(console_expect(f.console, &prompt, count_match, &count), 0);
    assert_int_equal(write(file, "r1:~# ", 6), 6);
    assert_non_null(strstr(seen_output(&f, &seen), "r1:~# r1:~# "));
    assert_int_equal(count, 1);
    regfree(&prompt);
    close(file);
    seen_done(&seen);
    fixture_done(&f);
}

static void bounded(void **state)
{
    static char block[8192];
    struct console_attach how = {.mode = CONSOLE_READ_ONLY, .replay_bytes = SIZE_MAX, .who = "x"};
    struct fixture f;
    struct stat st;
    struct seen seen;
    uint64_t total = 0;
    int file;

    (void)state;
    (void)unlink(log_file);
    file = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    fixture_init(&f, 8192, 8192);
    close(f.guest);
    f.guest = -1;
    run_idle(&f);
    assert_int_equal(console_record(f.console, log_file, 65536, false, NULL), 0);
    assert_int_equal(console_follow(f.console, open(fifo, O_RDWR), NULL), 0);
    for (unsigned i = 0; i < 300; i++) {
        memset(block, 'a' + (int)(i % 26), sizeof(block));
        block[sizeof(block) - 1] = '\n';
        assert_int_equal(write(file, block, sizeof(block)), sizeof(block));
        total += sizeof(block);
        run_idle(&f);
    }
    run_for(&f, 5);
    assert_int_equal(console_received(f.console, NULL), total);
    assert_int_equal(fstat(file, &st), 0);
    assert_int_equal(st.st_size, total);
    if (st.st_blocks * 512 >= (blkcnt_t)total)
        print_message("this file system has no holes\n");
    else
        assert_in_range(st.st_blocks * 512, 65536, 65536 + 65536 / 8 + 3 * 8192);
    /* The replay of all begins after the hole, with a whole line, and has no seam to the ring. */
    seen_attach_as(&f, &seen, &how, false);
    (void)seen_output(&f, &seen);
    for (unsigned i = 0; i < 100 && !seen.replayed; i++) {
        run_for(&f, 5);
        (void)seen_output(&f, &seen);
    }
    assert_true(seen.replayed);
    assert_true(seen.output.size >= 65536 - 8192);
    assert_int_equal(seen.output.size % 8192, 0);
    for (size_t at = 0; at < seen.output.size; at += 8192) {
        size_t number = 300 - (seen.output.size - at) / 8192;

        assert_int_equal(seen.output.data[at], 'a' + (int)(number % 26));
        assert_int_equal(seen.output.data[at + 8190], 'a' + (int)(number % 26));
    }
    close(file);
    seen_done(&seen);
    fixture_done(&f);
}

static void times(void **state)
{
    static const uint64_t second = 1000000000ull;
    const struct times_entry entries[] = {{0, 5 * second},   {10, 6 * second}, {8, 7 * second},
                                          {20, 4 * second},  {30, 9 * second}, {UINT64_MAX, 1},
                                          {40, 10 * second}, {50, 11 * second}};
    uint8_t file[TIMES_HEAD + ARRAY_SIZE(entries) * TIMES_ENTRY + 7] = {0};
    struct times index;

    (void)state;
    times_head(file);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
        times_pack(&entries[i], file + TIMES_HEAD + i * TIMES_ENTRY);
    assert_int_equal(times_parse(file, 15, &index), -EINVAL);
    assert_int_equal(times_parse(file + 1, sizeof(file) - 1, &index), -EINVAL);
    assert_int_equal(times_parse(file, sizeof(file), &index), 0);
    assert_int_equal(index.count, 6);
    assert_int_equal(times_at(&index, 0), 5 * second);
    assert_int_equal(times_at(&index, 19), 6 * second);
    assert_int_equal(times_at(&index, 20), 6 * second); /* the clock was set back */
    assert_int_equal(times_at(&index, 1000), 11 * second);
    assert_int_equal(times_next(&index, 0), 10);
    assert_true(times_next(&index, 50) == UINT64_MAX);
    assert_int_equal(times_since(&index, 7 * second), 30);
    assert_true(times_since(&index, 12 * second) == UINT64_MAX);
    times_thin(&index, 15, 100);
    assert_int_equal(index.count, 5);
    assert_int_equal(times_at(&index, 15), 6 * second);
    times_thin(&index, 0, 2);
    assert_int_equal(index.count, 2);
    times_done(&index);
}

/* What comes at once is one entry, what comes later another; a torn index is mended. */
static void times_of_a_console(void **state)
{
    _cleanup_free_ char *path = times_path(log_file);
    struct times index = {0};
    struct fixture f;
    int fd;

    (void)state;
    (void)unlink(log_file);
    (void)unlink(path);
    fixture_init(&f, 0, 0);
    assert_int_equal(console_record(f.console, log_file, 0, false, NULL), 0);
    guest_puts(&f, "one ");
    run_for(&f, 30);
    guest_puts(&f, "two");
    assert_int_equal(times_load(log_file, &index, NULL), 0);
    assert_int_equal(index.count, 2);
    assert_int_equal(index.entries[1].offset, 4);
    assert_true(index.entries[1].ns - index.entries[0].ns >= TIMES_STEP_NS);
    times_done(&index);
    fixture_done(&f);
    fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "torn", 4), 4);
    close(fd);
    fixture_init(&f, 0, 0);
    assert_int_equal(console_record(f.console, log_file, 0, true, NULL), 0);
    assert_int_equal(times_load(log_file, &index, NULL), 0);
    assert_int_equal(index.count, 2);
    times_done(&index);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_come_and_go),
        cmocka_unit_test(typing),
        cmocka_unit_test(new_guest_new_line),
        cmocka_unit_test(bounded),
        cmocka_unit_test(times),
        cmocka_unit_test(times_of_a_console),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
