// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

#include "unit/test_capture_lab.h"

#include "capture/output_priv.h"
#include "capture/pcapng_priv.h"

#include <sys/resource.h>

/* A packet block like those of the worker, its frame filled with a byte. Return: its size */
static size_t make_packet(uint8_t *at, size_t size, uint64_t dropped, const char *comment)
{
    const struct pcapng_packet packet = {.interface = 3,
                                         .time_ns = 0x1122334455667788,
                                         .captured = size,
                                         .original = size + 1,
                                         .direction = PCAPNG_DIRECTION_OUTBOUND,
                                         .dropped = dropped,
                                         .comment = comment};

    memset(at, 0xee, pcapng_packet_size(&packet));
    memset(at + PCAPNG_PACKET_DATA, 0x77, size);
    pcapng_packet_put(at, &packet);
    return pcapng_packet_size(&packet);
}

static void packets_of_every_padding(void **state)
{
    (void)state;
    for (size_t size = 0; size < 9; size++)
        for (int options = 0; options < 4; options++) {
            const char *comment = options & 1 ? "abcde" : NULL;
            struct lab_file file;
            uint8_t *data = xnew0(uint8_t, 200);
            size_t whole = make_packet(data, size, options & 2 ? 42 : 0, comment);

            assert_int_equal(whole % 4, 0);
            lab_parse(&file, data, whole);
            assert_true(file.whole);
            assert_int_equal(file.frame_count, 1);
            assert_int_equal(file.frames[0].interface, 3);
            assert_true(file.frames[0].time_ns == 0x1122334455667788);
            assert_int_equal(file.frames[0].captured, size);
            assert_int_equal(file.frames[0].original, size + 1);
            assert_int_equal(file.frames[0].flags, 2);
            assert_int_equal(file.frames[0].dropped, options & 2 ? 42 : 0);
            assert_string_equal(file.frames[0].comment, comment ? comment : "");
            for (size_t i = size; i < ((size + 3) & ~(size_t)3); i++)
                assert_int_equal(data[PCAPNG_PACKET_DATA + i], 0);
            lab_file_done(&file);
        }
}

static void overlong_texts_are_cut(void **state)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    char *text = xnew0(char, 70001);

    (void)state;
    memset(text, 'x', 70000);
    pcapng_section(&out, text);
    pcapng_interface(&out, &(struct pcapng_interface){.name = text, .filter = text});
    assert_int_equal(pcapng_whole_blocks((const uint8_t *)out.data, out.size), out.size);
    free(text);
}

static void whole_blocks_end_where_blocks_do(void **state)
{
    uint8_t data[400];
    size_t first = make_packet(data, 50, 0, NULL);
    size_t both = first + make_packet(data + first, 61, 0, NULL);

    (void)state;
    for (size_t size = 0; size <= both; size++)
        assert_int_equal(pcapng_whole_blocks(data, size), size < first  ? 0
                                                          : size < both ? first
                                                                        : both);
    memset(data + 4, 0, 4);
    assert_int_equal(pcapng_whole_blocks(data, both), 0);
}

static void file_that_cannot_grow_is_cut(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct output output;
    struct rlimit old, limit;
    struct stat status;
    char path[] = "/tmp/capture-output-XXXXXX";
    size_t block = 0;
    int fd = mkstemp(path), r = 0;

    (void)state;
    (void)unlink(path);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){.rlim_cur = 100001, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(output_init(&output, fd, &err), 0);
    for (int i = 0; i < 200 && r == 0; i++) {
        uint8_t *at = output_reserve(&output, 2000);

        assert_non_null(at);
        block = make_packet(at, 1000, 0, NULL);
        output_commit(&output, block);
        if (i % 7 == 6)
            r = output_flush(&output);
    }
    assert_int_equal(r, -EFBIG);
    assert_int_equal(output.error, -EFBIG);
    assert_null(output_reserve(&output, 10));
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 100001 / block * block);
    output_rescue(&output, path, 8); /* this fits */
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 100001 / block * block + 8);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    output_done(&output);
    (void)close(fd);
}

static void stream_chokes_and_recovers(void **state)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct output output;
    uint8_t trash[65536], *at;
    uint64_t committed = 0, took = 0;
    ssize_t n;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(output_init(&output, ends[1], &err), 0);
    while ((at = output_reserve(&output, 1500))) {
        memset(at, 1, 1500);
        output_commit(&output, 1500);
        committed += 1500;
    }
    assert_true(output.choked);
    assert_int_equal(output.error, 0);
    assert_null(output_reserve(&output, 4)); /* also for a small one */
    while (output_pending(&output) > output.capacity / 2) {
        while ((n = read(ends[0], trash, sizeof(trash))) > 0)
            took += (uint64_t)n;
        assert_int_equal(output_flush(&output), 0);
    }
    assert_non_null(output_reserve(&output, 4));
    output_append(&output, trash, 60000);
    committed += 60000;
    assert_int_equal(output_finish(&output, 20, -1), -ETIMEDOUT);
    do {
        assert_int_equal(output_flush(&output), 0);
        while ((n = read(ends[0], trash, sizeof(trash))) > 0)
            took += (uint64_t)n;
    } while (output_pending(&output));
    while ((n = read(ends[0], trash, sizeof(trash))) > 0)
        took += (uint64_t)n;
    assert_true(took == committed);
    (void)close(ends[0]);
    output_append(&output, trash, 1);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(output_flush(&output), -EPIPE);
    output_done(&output);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_every_padding),
        cmocka_unit_test(overlong_texts_are_cut),
        cmocka_unit_test(whole_blocks_end_where_blocks_do),
        cmocka_unit_test(file_that_cannot_grow_is_cut),
        cmocka_unit_test(stream_chokes_and_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
