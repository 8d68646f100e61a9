// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* Fifty watchers and a stalled one on a guest that prints 10 MB: each live one gets every byte in
 * order, the stalled one is cut off, memory stays bounded, and the guest is not held up.
 *
 * Three processes, as in life: the guest, the engine, the watchers. */

#include "console_fixture.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define WATCHERS 50
#define FLOOD    (10u << 20)
#define PIECE    2048
#define LEAD     (64u << 10) /* of the guest before the last watcher, with sanitizers */

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

/* byte_at() - The byte that the guest prints at a place: no two pieces look the same. */
static uint8_t byte_at(uint64_t place)
{
    uint64_t block = place / 64;

    return place % 64 == 63 ? '\n' : (uint8_t)('0' + ((block >> place % 16) + place) % 64);
}

/* Where the stalled one wakes up: after it was cut off, and before its seconds of grace are over.
 */
#define WAKES (UNDER_ASAN ? FLOOD / 8 : FLOOD / 2)

static uint8_t expected[FLOOD];    /* all of it, made before anything starts */
static volatile uint64_t *slowest; /* the place of the last watcher; shared by the processes */

/* The guest: prints at 1 MB/s, five times what a serial port gives, and says how much longer than
 * that it took. With sanitizers, which slow all the others, it waits for them: they must not be cut
 * off because this machine starves them. */
static void guest_process(int fd, int report)
{
    uint64_t start = test_ns(), place = 0, blocked = 0;

    while (place < FLOOD) {
        uint64_t due = start + place * 1000, now = test_ns();

        if (due > now)
            (void)poll(NULL, 0, (int)((due - now) / 1000000));
        while (UNDER_ASAN && place > *slowest + LEAD)
            (void)poll(NULL, 0, 1);
        for (size_t done = 0; done < PIECE;) {
            ssize_t n =
                send(fd, expected + place + done, PIECE - done, MSG_DONTWAIT | MSG_NOSIGNAL);

            if (n > 0) {
                done += (size_t)n;
            } else {
                struct pollfd room = {.fd = fd, .events = POLLOUT};

                now = test_ns();
                (void)poll(&room, 1, 1000);
                blocked += test_ns() - now;
            }
        }
        place += PIECE;
    }
    (void)!write(report, &blocked, sizeof(blocked));
    _exit(0);
}

/* What a watcher saw is wrong: the guest must not wait for it. */
static void watchers_fail(int status)
{
    *slowest = FLOOD;
    _exit(status);
}

/* The watchers: read all they get, check each byte, report how many were right. */
static void watchers_process(int fds[WATCHERS], int report)
{
    static struct seen seen[WATCHERS];
    static uint64_t place[WATCHERS];
    struct pollfd polls[WATCHERS];
    size_t live = WATCHERS;

    for (size_t i = 0; i < WATCHERS; i++) {
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        seen[i].fd = fds[i];
    }
    while (live && poll(polls, WATCHERS, 60000) > 0) {
        uint64_t last = FLOOD;

        for (size_t i = 0; i < WATCHERS; i++) {
            if (!polls[i].revents)
                continue;
            seen_read(&seen[i], 65536);
            if (seen[i].output.size &&
                memcmp(seen[i].output.data, expected + place[i], seen[i].output.size) != 0)
                watchers_fail(3);
            place[i] += seen[i].output.size;
            seen[i].output.size = seen[i].log.size = 0;
            if (seen[i].notices.size)
                watchers_fail(4);
            if (seen[i].ended || place[i] == FLOOD) {
                polls[i].fd = -1;
                live--;
            }
        }
        for (size_t i = 0; i < WATCHERS; i++)
            last = place[i] < last ? place[i] : last;
        *slowest = last;
    }
    *slowest = FLOOD;
    (void)!write(report, place, sizeof(place));
    _exit(0);
}

static pid_t forked(int report[2])
{
    pid_t pid;

    assert_int_equal(pipe(report), 0);
    pid = fork();
    assert_true(pid >= 0);
    return pid;
}

static void flood(void **state)
{
    struct console_attach how = {.replay_bytes = SIZE_MAX, .who = "w"};
    int fds[WATCHERS], ends[WATCHERS], guest_report[2], watcher_report[2], status;
    uint64_t places[WATCHERS], blocked, start, most = 0;
    struct seen stalled;
    struct fixture f;
    pid_t guest, watchers;
    size_t before;

    (void)state;
    for (size_t i = 0; i < FLOOD; i++)
        expected[i] = byte_at(i);
    slowest =
        mmap(NULL, sizeof(*slowest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(slowest != MAP_FAILED);
    fixture_init(&f, 0, 0);
    seen_attach(&f, &stalled, CONSOLE_SHARED, "stalled");
    for (size_t i = 0; i < WATCHERS; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        ends[i] = pair[0];
        fds[i] = pair[1];
    }
    watchers = forked(watcher_report);
    if (watchers == 0) {
        for (size_t i = 0; i < WATCHERS; i++) {
            nonblocking(ends[i]);
            close(fds[i]);
        }
        watchers_process(ends, watcher_report[1]);
    }
    for (size_t i = 0; i < WATCHERS; i++) {
        close(ends[i]);
        assert_int_equal(console_attach(f.console, fds[i], &how, NULL), 0);
    }
    guest = forked(guest_report);
    if (guest == 0)
        guest_process(f.guest, guest_report[1]);
    before = mallinfo2().uordblks;
    start = test_ns();
    while (console_received(f.console, NULL) < FLOOD && test_ns() - start < 100000000000ull) {
        assert_return_code(sd_event_run(f.event, 100000), 0);
        if (!UNDER_ASAN && console_received(f.console, NULL) <= WAKES) {
            uint64_t now = mallinfo2().uordblks;

            most = now > before && now - before > most ? now - before : most;
        }
        /* Long cut off by then, it wakes up in time to be told. */
        if (console_received(f.console, NULL) > WAKES && !stalled.ended)
            seen_read(&stalled, SIZE_MAX);
    }
    run_for(&f, 300);
    print_message("%.2f s for 10 MB\n", (double)(test_ns() - start) / 1e9);
    assert_int_equal(read(guest_report[0], &blocked, sizeof(blocked)), sizeof(blocked));
    assert_int_equal(waitpid(watchers, &status, 0), watchers);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(read(watcher_report[0], places, sizeof(places)), sizeof(places));
    for (size_t i = 0; i < WATCHERS; i++)
        assert_int_equal(places[i], FLOOD);
    assert_int_equal(waitpid(guest, NULL, 0), guest);
    print_message("guest held up %.1f ms, memory at most %zu KiB more\n", (double)blocked / 1e6,
                  (size_t)most / 1024);
    /* The stalled one: an unbroken beginning, then the notice. */
    for (int i = 0; i < 20 && !stalled.ended; i++)
        (void)seen_output(&f, &stalled);
    assert_true(stalled.ended);
    assert_true(stalled.output.size < FLOOD / 2);
    assert_memory_equal(stalled.output.data, expected, stalled.output.size);
    assert_non_null(strstr(stalled.notices.data, "cut off: this client was"));
    if (!UNDER_ASAN) {
        assert_true(most < (1u << 20) + (64u << 10));
        assert_true(blocked < 1000000000); /* of 10 s; tests/bench/console measures it */
    }
    /* What is over is given back. */
    seen_done(&stalled);
    stalled = (struct seen){.fd = -1};
    run_for(&f, 20);
    guest_puts(&f, "x");
    assert_true(UNDER_ASAN || mallinfo2().uordblks < before + (160u << 10));
    close(guest_report[0]);
    close(guest_report[1]);
    close(watcher_report[0]);
    close(watcher_report[1]);
    (void)munmap((void *)slowest, sizeof(*slowest));
    seen_done(&stalled);
    fixture_done(&f);
}

/* A client that never reads at all is let go after a time of grace, also if nothing happens. */
static void stalled_is_let_go(void **state)
{
    static char text[1 << 20];
    struct fixture f;
    struct seen a;

    (void)state;
    fixture_init(&f, 8192, 65536);
    seen_attach(&f, &a, CONSOLE_EXCLUSIVE, "stalled");
    memset(text, 'x', sizeof(text));
    guest_say(&f, text, sizeof(text));
    run_for(&f, 100);
    assert_int_equal(console_clients(f.console), 1);
    for (int i = 0; i < 600 && console_clients(f.console) > 0; i++)
        run_for(&f, 100);
    assert_int_equal(console_clients(f.console), 0);
    seen_done(&a);
    fixture_done(&f);
}

/* Control frames do not pile up at a client that does not read, whatever the others do. */
static void changes_do_not_pile_up(void **state)
{
    struct seen a, b;
    struct fixture f;
    size_t before;
    int most = 4096;

    (void)state;
    fixture_init(&f, 0, 0);
    seen_attach(&f, &a, CONSOLE_SHARED, "stalled");
    seen_attach(&f, &b, CONSOLE_SHARED, "busy");
    assert_int_equal(setsockopt(b.fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most)), 0);
    before = mallinfo2().uordblks;
    for (int i = 0; i < 20000; i++) {
        seen_send(&b, i % 2 ? CONSOLE_FRAME_GIVE : CONSOLE_FRAME_TAKE, NULL, 0);
        (void)sd_event_run(f.event, 0);
        seen_read(&b, SIZE_MAX);
        b.log.size = 0;
        if (i % 100 == 0) {
            console_close(f.console, "again");
            close(f.guest);
            guest_connect(&f);
        }
    }
    assert_true(UNDER_ASAN || mallinfo2().uordblks < before + 32768);
    run_idle(&f);
    assert_int_equal(console_clients(f.console), 2);
    for (int i = 0; i < 10; i++)
        (void)seen_output(&f, &a);
    (void)seen_output(&f, &b);
    assert_string_equal(a.state, "running");
    assert_string_equal(a.writer, b.writer);
    seen_done(&a);
    seen_done(&b);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flood),
        cmocka_unit_test(stalled_is_let_go),
        cmocka_unit_test(changes_do_not_pile_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
