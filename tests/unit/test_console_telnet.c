// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* Other programs' ways to a console: telnet's negotiation and its bytes, a socket with plain ones.
 */

#include "unit/console_fixture.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "console/door.h"

#define OFFERS "\xff\xfb\x01\xff\xfb\x03\xff\xfd\x03\xff\xfb\x00\xff\xfd\x00\xff\xfd\x1f"

struct telnet_fixture {
    struct fixture f;
    struct console_door *door;
    int fd;
    struct strbuf got;
};

static int dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
    nonblocking(fd);
    return fd;
}

static void open_port(struct telnet_fixture *t, const char *name)
{
    int r = -EADDRINUSE;

    for (unsigned i = 0; r == -EADDRINUSE && i < 100; i++)
        r = console_door_telnet(t->f.event, t->f.console, console_door_port_for(name, i), &t->door,
                                NULL);
    assert_return_code(r, -r);
}

static void start(struct telnet_fixture *t)
{
    *t = (struct telnet_fixture){.fd = -1};
    fixture_init(&t->f, 0, 0);
    open_port(t, "unit test");
    t->fd = dial(console_door_port(t->door));
}

static void stop(struct telnet_fixture *t)
{
    if (t->fd >= 0)
        close(t->fd);
    console_door_free(t->door);
    strbuf_done(&t->got);
    fixture_done(&t->f);
}

/* All that the client got, until @size bytes are there. */
static const struct strbuf *got(struct telnet_fixture *t, size_t size)
{
    for (unsigned i = 0; i < 400; i++) {
        char bytes[4096];
        ssize_t n;

        run_for(&t->f, 5);
        while ((n = recv(t->fd, bytes, sizeof(bytes), 0)) > 0)
            strbuf_append(&t->got, bytes, (size_t)n);
        if (t->got.size >= size)
            break;
    }
    return &t->got;
}

static void say(struct telnet_fixture *t, const char *bytes, size_t size)
{
    assert_int_equal(send(t->fd, bytes, size, MSG_NOSIGNAL), size);
    run_for(&t->f, 20);
}
#define SAY(t, text) say(t, text, sizeof(text) - 1)

static void offers_and_output(void **state)
{
    struct telnet_fixture t;
    const size_t head = sizeof(OFFERS) - 1;

    (void)state;
    start(&t);
    assert_int_equal(got(&t, head)->size, head);
    assert_memory_equal(t.got.data, OFFERS, head);
    /* A byte 255 of the guest is doubled; everything else goes as it is. */
    guest_say(&t.f, "a\xff\r\n\x00z", 6);
    assert_int_equal(got(&t, head + 7)->size, head + 7);
    assert_memory_equal(t.got.data + head, "a\xff\xff\r\n\x00z", 7);
    stop(&t);
}

static void typing(void **state)
{
    struct telnet_fixture t;

    (void)state;
    start(&t);
    /* Before binary is agreed on, Enter is CR NUL or CR LF. */
    SAY(&t, "one\r\0two\r\nthree\n");
    assert_string_equal(guest_hears(&t.f), "one\rtwo\rthree\n");
    SAY(&t, "\xff\xfb\x00\xff\xfd\x00");
    SAY(&t, "four\r\n\xff\xff");
    assert_string_equal(guest_hears(&t.f), "four\r\n\xff");
    /* Interrupt, and a size, in pieces. */
    SAY(&t, "\xff\xf4\xff");
    SAY(&t, "\xfa\x1f\x00\x50");
    SAY(&t, "\x00\x18\xff\xf0x");
    assert_string_equal(guest_hears(&t.f), "\003x");
    stop(&t);
}

static int breaks;

static int on_break(struct console *console, void *data)
{
    (void)console;
    (void)data;
    breaks++;
    return 0;
}

static void commands(void **state)
{
    struct telnet_fixture t;
    const size_t head = sizeof(OFFERS) - 1;

    (void)state;
    start(&t);
    console_set_break_handler(t.f.console, on_break, NULL);
    (void)got(&t, head);
    SAY(&t, "\xff\xf3");
    assert_int_equal(breaks, 1);
    SAY(&t, "\xff\xf6");
    assert_int_equal(got(&t, head + 9)->size, head + 9);
    assert_memory_equal(t.got.data + head, "\r\n[yes]\r\n", 9);
    /* What we do not do is refused once. */
    SAY(&t, "\xff\xfb\x18\xff\xfd\x06");
    assert_int_equal(got(&t, head + 15)->size, head + 15);
    assert_memory_equal(t.got.data + head + 9, "\xff\xfe\x18\xff\xfc\x06", 6);
    stop(&t);
}

/* Notices reach a telnet client, and its console outlives the guest. */
static void shared_with_others(void **state)
{
    struct telnet_fixture t;
    struct seen other;

    (void)state;
    start(&t);
    (void)got(&t, sizeof(OFFERS) - 1);
    seen_attach(&t.f, &other, CONSOLE_EXCLUSIVE, "ann");
    assert_non_null(strstr(got(&t, 40)->data + 18, "[r1: ann has the keyboard]"));
    SAY(&t, "mine");
    assert_string_equal(guest_hears(&t.f), "");
    seen_done(&other);
    run_for(&t.f, 10);
    SAY(&t, "ours");
    assert_string_equal(guest_hears(&t.f), "ours");
    close(t.f.guest);
    assert_non_null(strstr(got(&t, 160)->data + 18, "stopped"));
    t.f.guest = -1;
    stop(&t);
}

static void ports(void **state)
{
    struct telnet_fixture t;
    struct console_door *other = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(console_door_port_for("lab/r1:0", 0), console_door_port_for("lab/r1:0", 0));
    assert_int_not_equal(console_door_port_for("lab/r1:0", 0),
                         console_door_port_for("lab/r2:0", 0));
    for (unsigned i = 0; i < 13000; i++)
        assert_in_range(console_door_port_for("x", i), 20000, 31999);
    start(&t);
    assert_int_equal(
        console_door_telnet(t.f.event, t.f.console, console_door_port(t.door), &other, &err),
        -EADDRINUSE);
    assert_non_null(strstr(err.message, "telnet port 127.0.0.1:"));
    assert_non_null(err.hint);
    error_done(&err);
    stop(&t);
}

static void plain_socket(void **state)
{
    char path[] = "/tmp/lt.door.XXXXXX";
    struct console_door *door;
    struct fixture f;
    char bytes[100] = "";
    int fd;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(unlink(path), 0);
    fixture_init(&f, 0, 0);
    assert_int_equal(console_door_unix(f.event, f.console, path, &door, NULL), 0);
    guest_puts(&f, "before\r\n");
    fd = socket_connect(path, SOCK_STREAM, NULL);
    assert_return_code(fd, 0);
    nonblocking(fd);
    run_idle(&f);
    assert_int_equal(send(fd, "typed", 5, 0), 5);
    assert_string_equal(guest_hears(&f), "typed");
    guest_puts(&f, "after");
    run_for(&f, 10);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 13);
    assert_string_equal(bytes, "before\r\nafter");
    close(fd);
    console_door_free(door);
    assert_int_equal(access(path, F_OK), -1);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_and_output),
        cmocka_unit_test(typing),
        cmocka_unit_test(commands),
        cmocka_unit_test(shared_with_others),
        cmocka_unit_test(ports),
        cmocka_unit_test(plain_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
