// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* Attaching, replay, hand-over, readiness: what clients of one console see. */

#include "console_fixture.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static void replay_then_live(void **state)
{
    struct fixture f;
    struct seen a, b;

    (void)state;
    fixture_init(&f, 0, 0);
    guest_puts(&f, "boot one\r\nboot two\r\nr1# ");
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    assert_string_equal(seen_output(&f, &a), "boot one\r\nboot two\r\nr1# ");
    assert_true(a.replayed);
    assert_int_equal(a.replay_size, a.output.size);
    assert_string_equal(a.state, "running");
    assert_string_equal(a.log.data, "SDR");
    guest_puts(&f, "show\r\n");
    assert_string_equal(seen_output(&f, &a), "boot one\r\nboot two\r\nr1# show\r\n");
    /* A bounded replay starts with a line. */
    seen_attach_as(&f, &b, &(struct console_attach){.replay_bytes = 12}, false);
    assert_string_equal(seen_output(&f, &b), "r1# show\r\n");
    assert_int_equal(console_clients(f.console), 2);
    assert_int_equal(console_received(f.console, NULL), 30);
    seen_done(&a);
    seen_done(&b);
    run_idle(&f);
    assert_int_equal(console_clients(f.console), 0);
    fixture_done(&f);
}

static void replay_boundaries(void **state)
{
    static const struct {
        const char *output;
        size_t most;
        const char *replay;
    } cases[] = {
        {"abc", 0, ""},
        {"one\r\ntwo\r\n", 7, "two\r\n"},
        {"one\r\ntwo\r\n", 5, "two\r\n"}, /* starts with \ntwo: the line after it */
        {"plain words only", 5, " only"},
        {"x\033[31mred\033[0m", 6, "\033[0m"},
        {"a\xc3\xa4\xc3\xa4", 3, "\xc3\xa4"},
        {"0123\n", 3, "23\n"}, /* nothing after the line's end */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        struct seen a;

        fixture_init(&f, 0, 0);
        guest_puts(&f, cases[i].output);
        seen_attach_as(&f, &a, &(struct console_attach){.replay_bytes = cases[i].most}, false);
        assert_string_equal(seen_output(&f, &a), cases[i].replay);
        assert_true(a.replayed);
        seen_done(&a);
        fixture_done(&f);
    }
}

/* Many attach while the guest prints in odd pieces: each must see the one stream, from its replay's
 * start to the end. */
static void no_seam(void **state)
{
    struct seen clients[40];
    size_t attached = 0, said = 0;
    struct strbuf all = STRBUF_INIT;
    struct fixture f;

    (void)state;
    fixture_init(&f, 20000, 1 << 20);
    srand(7);
    while (said < 400000) {
        char piece[3000];
        size_t size = 1 + (size_t)rand() % (rand() % 4 ? 40 : sizeof(piece));

        for (size_t i = 0; i < size; i++)
            piece[i] = (said + i) % 61 ? (char)('a' + (said + i) % 23) : '\n';
        guest_say(&f, piece, size);
        strbuf_append(&all, piece, size);
        said += size;
        if (said / 10000 > attached && attached < ARRAY_SIZE(clients))
            seen_attach(&f, &clients[attached++], CONSOLE_SHARED, "x");
        for (size_t i = 0; i < attached; i++)
            if (rand() % 8 == 0)
                seen_read(&clients[i], (size_t)rand() % 5000);
        (void)sd_event_run(f.event, 0);
    }
    run_for(&f, 50);
    for (size_t i = 0; i < attached; i++) {
        for (int n = 0; n < 20; n++)
            (void)seen_output(&f, &clients[i]);
        assert_true(clients[i].replayed);
        assert_string_equal(clients[i].notices.size ? clients[i].notices.data : "", "");
        assert_true(clients[i].output.size <= all.size);
        assert_memory_equal(clients[i].output.data, all.data + all.size - clients[i].output.size,
                            clients[i].output.size);
        assert_true(clients[i].output.size + 10000 * (i + 2) >= said);
        seen_done(&clients[i]);
    }
    strbuf_done(&all);
    fixture_done(&f);
}

static void shared_typing(void **state)
{
    struct fixture f;
    struct seen a, b, c;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    seen_attach(&f, &b, CONSOLE_SHARED, "bob");
    seen_attach(&f, &c, CONSOLE_READ_ONLY, "cat");
    seen_type(&a, "foo");
    assert_string_equal(guest_hears(&f), "foo");
    seen_type(&b, "bar");
    assert_string_equal(guest_hears(&f), "bar");
    seen_type(&c, "x");
    seen_type(&c, "y");
    seen_send(&c, CONSOLE_FRAME_TAKE, NULL, 0);
    assert_string_equal(guest_hears(&f), "");
    assert_string_equal(seen_notices(&f, &c), "read-only: what you type goes nowhere\n"
                                              "read-only: you cannot take the keyboard\n");
    (void)seen_output(&f, &a);
    assert_null(strchr(a.log.data, 'W'));
    seen_done(&a);
    seen_done(&b);
    seen_done(&c);
    fixture_done(&f);
}

static void hand_over(void **state)
{
    struct fixture f;
    struct seen a, b;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann (pts/3)");
    seen_attach(&f, &b, CONSOLE_EXCLUSIVE, "bob\033[31m");
    (void)seen_output(&f, &a);
    (void)seen_output(&f, &b);
    assert_string_equal(a.writer, "bob\\x1b[31m");
    assert_string_equal(b.writer, "you");
    seen_type(&a, "no");
    seen_type(&a, "no");
    seen_type(&b, "yes");
    assert_string_equal(guest_hears(&f), "yes");
    assert_string_equal(seen_notices(&f, &a),
                        "bob\\x1b[31m has the keyboard: what you type goes nowhere\n");
    /* Taken, so the one who had it is told and does not type any more. */
    seen_send(&a, CONSOLE_FRAME_TAKE, NULL, 0);
    run_idle(&f);
    (void)seen_output(&f, &a);
    (void)seen_output(&f, &b);
    assert_string_equal(a.writer, "you");
    assert_string_equal(b.writer, "ann (pts/3)");
    seen_type(&b, "no");
    seen_type(&a, "mine");
    assert_string_equal(guest_hears(&f), "mine");
    /* Given back. */
    seen_send(&a, CONSOLE_FRAME_GIVE, NULL, 0);
    run_idle(&f);
    seen_type(&b, "open");
    assert_string_equal(guest_hears(&f), "open");
    (void)seen_output(&f, &b);
    assert_string_equal(b.writer, "");
    /* The one who has it leaves. */
    seen_send(&b, CONSOLE_FRAME_TAKE, NULL, 0);
    run_idle(&f);
    seen_done(&b);
    run_idle(&f);
    (void)seen_output(&f, &a);
    assert_string_equal(a.writer, "");
    seen_type(&a, "again");
    assert_string_equal(guest_hears(&f), "again");
    seen_done(&a);
    fixture_done(&f);
}

static int count_break(struct console *console, void *data)
{
    int *count = data;

    (void)console;
    return ++*count == 1 ? 0 : -EIO;
}

static void breaks(void **state)
{
    struct fixture f;
    struct seen a;
    int count = 0;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    seen_send(&a, CONSOLE_FRAME_BREAK, NULL, 0);
    assert_string_equal(seen_notices(&f, &a), "no break: Operation not supported\n");
    console_set_break_handler(f.console, count_break, &count);
    seen_send(&a, CONSOLE_FRAME_BREAK, NULL, 0);
    (void)seen_notices(&f, &a);
    assert_int_equal(count, 1);
    seen_send(&a, CONSOLE_FRAME_BREAK, NULL, 0);
    assert_non_null(strstr(seen_notices(&f, &a), "no break: Input/output error\n"));
    seen_done(&a);
    fixture_done(&f);
}

static void stop_and_start(void **state)
{
    struct error err = ERROR_INIT;
    struct fixture f;
    struct seen a;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    (void)seen_output(&f, &a);
    /* The last words are in the socket still when the engine hears of the end. */
    guest_say(&f, "panic: no init", 14);
    console_close(f.console, "QEMU ended");
    assert_string_equal(seen_output(&f, &a), "panic: no init");
    assert_string_equal(a.state, "stopped");
    assert_string_equal(a.notices.data, "QEMU ended\n");
    assert_string_equal(a.log.data, "SRDSN");
    assert_string_equal(console_last_line(f.console), "panic: no init");
    seen_type(&a, "hello?");
    assert_non_null(strstr(seen_notices(&f, &a), "r1 is not running: what you type goes nowhere"));
    assert_int_equal(console_write(f.console, "x", 1, &err), -ENOTCONN);
    error_done(&err);
    console_close(f.console, "twice does no harm");
    close(f.guest);
    guest_connect(&f);
    guest_puts(&f, "second boot");
    assert_string_equal(seen_output(&f, &a), "panic: no initsecond boot");
    assert_string_equal(a.state, "running");
    assert_string_equal(console_last_line(f.console), "second boot");
    /* By itself. */
    close(f.guest);
    f.guest = -1;
    run_idle(&f);
    (void)seen_output(&f, &a);
    assert_string_equal(a.state, "stopped");
    seen_done(&a);
    fixture_done(&f);
}

static void raw_client(void **state)
{
    struct console_attach how = {.replay_bytes = SIZE_MAX};
    char bytes[64] = "";
    struct fixture f;
    struct seen a;

    (void)state;
    fixture_init(&f, 0, 0);
    guest_puts(&f, "before\n");
    seen_attach_as(&f, &a, &how, true);
    guest_puts(&f, "after");
    assert_int_equal(recv(a.fd, bytes, sizeof(bytes) - 1, 0), 12);
    assert_string_equal(bytes, "before\nafter");
    assert_int_equal(send(a.fd, "typed", 5, 0), 5);
    assert_string_equal(guest_hears(&f), "typed");
    /* Half-closed: it types no more, but goes on listening. */
    shutdown(a.fd, SHUT_WR);
    run_idle(&f);
    assert_int_equal(console_clients(f.console), 1);
    guest_puts(&f, "more");
    assert_int_equal(recv(a.fd, bytes, sizeof(bytes), 0), 4);
    seen_done(&a);
    run_idle(&f);
    assert_int_equal(console_clients(f.console), 0);
    fixture_done(&f);
}

static void broken_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x01\x00\x01\x10", 4},  /* 4097 bytes */
        {"\x00\x00\x00\x00", 4},  /* no type */
        {"\x01\x01\x01\x00x", 5}, /* reserved byte */
        {"GET / HTTP/1.1\r\n\r\n", 18},
    };
    struct fixture f;
    struct seen a;

    (void)state;
    fixture_init(&f, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        seen_attach(&f, &a, CONSOLE_SHARED, "ann");
        assert_int_equal(send(a.fd, cases[i].bytes, cases[i].size, 0), (ssize_t)cases[i].size);
        (void)seen_output(&f, &a);
        assert_int_equal(console_clients(f.console), 0);
        seen_done(&a);
    }
    /* Byte by byte, and a type of the future, are fine. */
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    for (const char *at = "\x63\x00\x02\x00??\x01\x00\x02\x00ok", *end = at + 12; at < end; at++) {
        assert_int_equal(send(a.fd, at, 1, 0), 1);
        run_idle(&f);
    }
    assert_string_equal(guest_hears(&f), "ok");
    seen_send(&a, CONSOLE_FRAME_RESIZE, "\x50\x00\x18\x00", 4);
    seen_send(&a, CONSOLE_FRAME_RESIZE, "\x50", 1);
    run_idle(&f);
    assert_int_equal(console_clients(f.console), 1);
    seen_done(&a);
    fixture_done(&f);
}

/* A guest that takes nothing: a long paste waits in the client's socket and arrives complete. */
static void paste_waits(void **state)
{
    struct strbuf sent = STRBUF_INIT, heard = STRBUF_INIT;
    struct error err = ERROR_INIT;
    size_t pasted = 0;
    struct fixture f;
    struct seen a;
    int rounds = 0;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    for (int i = 0; i < 60000; i++)
        strbuf_printf(&sent, "interface eth%d\r", i);
    while (heard.size < sent.size) {
        uint8_t frame[CONSOLE_FRAME_HEAD + 1000];
        size_t size = sent.size - pasted < 1000 ? sent.size - pasted : 1000;

        console_frame_head(frame, CONSOLE_FRAME_DATA, size);
        memcpy(frame + CONSOLE_FRAME_HEAD, sent.data + pasted, size);
        if (size && send(a.fd, frame, CONSOLE_FRAME_HEAD + size, MSG_NOSIGNAL) > 0) {
            pasted += size;
            continue;
        }
        run_idle(&f);
        if (rounds++ == 0)
            assert_true(pasted < sent.size); /* the paste is held up */
        strbuf_puts(&heard, guest_hears(&f));
    }
    assert_int_equal(heard.size, sent.size);
    assert_memory_equal(heard.data, sent.data, sent.size);
    strbuf_done(&sent);
    strbuf_done(&heard);
    /* The engine's own writing is refused in time. */
    while (console_write(f.console, "xxxxxxxxxxxxxxxx", 16, &err) == 0)
        ;
    assert_int_equal(err.code, ENOBUFS);
    error_done(&err);
    seen_done(&a);
    fixture_done(&f);
}

static void count_call(struct console *console, void *data)
{
    (void)console;
    ++*(int *)data;
}

static regex_t compiled(const char *rule)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, rule, REG_EXTENDED | REG_NOSUB), 0);
    return regex;
}

static void expectations(void **state)
{
    regex_t login = compiled("^r1 login: $"), line = compiled("^Ready\\.$");
    struct fixture f;
    int count = 0;

    (void)state;
    fixture_init(&f, 0, 0);
    guest_puts(&f, "Ready.\r\n");
    assert_int_equal(console_expect(f.console, &line, count_call, &count), 0);
    assert_int_equal(console_expect(f.console, &login, count_call, &count), -EBUSY);
    run_for(&f, 20);
    assert_int_equal(count, 0); /* from now on only */
    guest_puts(&f, "Not Ready.\r\n\033[32mRea");
    guest_puts(&f, "dy.\033[0m\r\nmore\r\n");
    assert_int_equal(count, 1);
    guest_puts(&f, "Ready.\r\n");
    assert_int_equal(count, 1);
    /* The unfinished line, in single bytes, with a correction in it. */
    assert_int_equal(console_expect(f.console, &login, count_call, &count), 0);
    for (const char *at = "r1 logout\b\b\bin: "; *at; at++)
        guest_say(&f, at, 1);
    run_for(&f, 30);
    assert_int_equal(count, 2);
    assert_int_equal(console_expect(f.console, &login, count_call, &count), 0);
    assert_int_equal(console_expect(f.console, NULL, NULL, NULL), 0);
    guest_puts(&f, "\r\nr1 login: ");
    run_for(&f, 20);
    assert_int_equal(count, 2);
    regfree(&login);
    regfree(&line);
    fixture_done(&f);
}

static void free_it(struct console *console, void *data)
{
    struct fixture *f = data;

    assert_ptr_equal(console, f->console);
    f->console = NULL;
    console_free(console);
}

static void freed_from_a_callback(void **state)
{
    regex_t rule = compiled("go");
    struct fixture f;
    struct seen a;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "ann");
    (void)console_expect(f.console, &rule, free_it, &f);
    guest_puts(&f, "go\n");
    assert_null(f.console);
    seen_read(&a, SIZE_MAX);
    assert_true(a.ended);
    assert_string_equal(a.output.data, "go\n");
    seen_done(&a);
    regfree(&rule);
    fixture_done(&f);
}

static void last_lines(void **state)
{
    _cleanup_free_ char *tail = NULL, *all = NULL;
    struct fixture f;

    (void)state;
    fixture_init(&f, 0, 0);
    console_preload(f.console, "old life\r\n", 10);
    assert_int_equal(console_received(f.console, NULL), 0);
    assert_string_equal(console_last_line(f.console), "old life");
    guest_puts(&f, "\033[1mone\033[0m\r\n\r\n10%\r20%\r\nevil \033]0;title\007\x9b\r\n   \r\n");
    assert_string_equal(console_last_line(f.console), "evil \\x9b");
    guest_puts(&f, "loading");
    assert_string_equal(console_last_line(f.console), "loading");
    tail = console_tail(f.console, 3);
    assert_string_equal(tail, "20%\nevil \\x9b\nloading");
    all = console_tail(f.console, 1000);
    assert_string_equal(all, "old life\none\n20%\nevil \\x9b\nloading");
    fixture_done(&f);
}

/* A program that types and leaves at once, without reading what it was told: it is typed. */
static void types_and_leaves(void **state)
{
    struct console_attach how = {.mode = CONSOLE_SHARED, .replay_bytes = 4096, .who = "socat"};
    struct fixture f;
    int pair[2];

    (void)state;
    fixture_init(&f, 0, 0);
    guest_puts(&f, "something to replay\r\n");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(send(pair[0], "reload\r", 7, 0), 7);
    (void)close(pair[0]);
    assert_int_equal(console_attach_raw(f.console, pair[1], &how, NULL), 0);
    run_idle(&f);
    assert_string_equal(guest_hears(&f), "reload\r");
    assert_int_equal(console_clients(f.console), 0);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_then_live), cmocka_unit_test(replay_boundaries),
        cmocka_unit_test(no_seam),          cmocka_unit_test(shared_typing),
        cmocka_unit_test(hand_over),        cmocka_unit_test(breaks),
        cmocka_unit_test(stop_and_start),   cmocka_unit_test(raw_client),
        cmocka_unit_test(broken_frames),    cmocka_unit_test(paste_waits),
        cmocka_unit_test(expectations),     cmocka_unit_test(freed_from_a_callback),
        cmocka_unit_test(last_lines),       cmocka_unit_test(types_and_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
