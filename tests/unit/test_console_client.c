// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base -lutil

/* The console client on a pseudo terminal, with this test as the engine and as the person: whatever
 * happens, the terminal is as it was. */

#include "console_fixture.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include "base/alloc.h"
#include "console/client.h"

/* How the child ends, by what console_client_run() returned. */
enum { ENDED_WELL = 0, ENDED_EPIPE = 10, ENDED_EINTR = 11, ENDED_OTHER = 12 };

struct person {
    int master, slave; /* the terminal; the slave is kept open to look at its settings */
    int engine;        /* the engine's end */
    int in, out;       /* pipes in place of the terminal, or -1 */
    pid_t pid;
    struct termios before;
    struct strbuf screen; /* what was shown */
    struct strbuf frames; /* what the engine got, not parsed yet */
    struct strbuf typed;  /* DATA that the engine got */
    struct strbuf others; /* letters of other frames: B T G r */
    uint8_t size[4];      /* last RESIZE */
};

static void child(int slave, const int in[2], const int out[2], int fd,
                  const struct console_client *options)
{
    struct error err = ERROR_INIT;
    sigset_t none;
    int r;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (login_tty(slave) < 0)
        _exit(99);
    if (in[0] >= 0) {
        (void)dup2(in[0], 0);
        close(in[1]);
    }
    if (out[1] >= 0) {
        (void)dup2(out[1], 1);
        close(out[0]);
    }
    r = console_client_run(fd, options, &err);
    if ((r < 0 && r != -EPIPE) != (err.code != 0))
        _exit(98);
    _exit(r == 0        ? ENDED_WELL
          : r == -EPIPE ? ENDED_EPIPE
          : r == -EINTR ? ENDED_EINTR
                        : ENDED_OTHER);
}

static void sit_down(struct person *person, const struct console_client *options, bool pipe_in,
                     bool pipe_out)
{
    struct winsize size = {.ws_row = 33, .ws_col = 99};
    int pair[2], in[2] = {-1, -1}, out[2] = {-1, -1};

    *person = (struct person){.master = -1};
    assert_int_equal(openpty(&person->master, &person->slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(person->slave, &person->before), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (pipe_in)
        assert_int_equal(pipe(in), 0);
    if (pipe_out)
        assert_int_equal(pipe(out), 0);
    person->pid = fork();
    if (person->pid == 0) {
        close(person->master);
        close(pair[0]);
        child(person->slave, in, out, pair[1], options);
    }
    assert_true(person->pid > 0);
    close(pair[1]);
    person->engine = pair[0];
    nonblocking(person->engine);
    nonblocking(person->master);
    person->in = in[1];
    person->out = out[0];
    if (pipe_in)
        close(in[0]);
    if (pipe_out) {
        close(out[1]);
        nonblocking(person->out);
    }
}

static void take_frames(struct person *person)
{
    struct console_frame_view frame;
    ssize_t used;

    while ((used = console_frame_parse(person->frames.data, person->frames.size, &frame)) > 0) {
        if (frame.type == CONSOLE_FRAME_DATA)
            strbuf_append(&person->typed, frame.payload, frame.size);
        else
            strbuf_append(&person->others, &"?????BTGr"[frame.type], 1);
        if (frame.type == CONSOLE_FRAME_RESIZE)
            memcpy(person->size, frame.payload, 4);
        strbuf_consume(&person->frames, (size_t)used);
    }
    assert_int_equal(used, 0);
}

/* Look at screen and engine for @ms, or until @text is on the screen, or typed. */
static bool look(struct person *person, const char *text, unsigned ms)
{
    uint64_t end = test_ns() + ms * 1000000ull;

    do {
        struct pollfd fds[] = {
            {.fd = person->out >= 0 ? person->out : person->master, .events = POLLIN},
            {.fd = person->engine, .events = POLLIN}};
        char bytes[4096];
        ssize_t n;

        if (poll(fds, 2, 10) > 0) {
            n = fds[0].revents ? read(fds[0].fd, bytes, sizeof(bytes)) : 0;
            if (n > 0)
                strbuf_append(&person->screen, bytes, (size_t)n);
            n = fds[1].revents ? recv(person->engine, bytes, sizeof(bytes), 0) : 0;
            if (n > 0)
                strbuf_append(&person->frames, bytes, (size_t)n);
            else if (fds[1].revents && fds[0].revents == 0)
                (void)poll(NULL, 0, 5);
            take_frames(person);
        }
        if (text && ((person->screen.size &&
                      memmem(person->screen.data, person->screen.size, text, strlen(text))) ||
                     (person->typed.size && strstr(person->typed.data, text))))
            return true;
    } while (test_ns() < end);
    return text == NULL;
}

static void engine_says(struct person *person, enum console_frame type, const char *text)
{
    uint8_t head[CONSOLE_FRAME_HEAD];

    console_frame_head(head, type, strlen(text));
    assert_int_equal(send(person->engine, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    assert_int_equal(send(person->engine, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void engine_hello(struct person *person)
{
    engine_says(person, CONSOLE_FRAME_STATE, "running");
    engine_says(person, CONSOLE_FRAME_DATA, "old\033[6n replay\r\n");
    engine_says(person, CONSOLE_FRAME_REPLAYED, "");
    engine_says(person, CONSOLE_FRAME_DATA, "live now\r\n");
    assert_true(look(person, "live now", 5000));
}

static void press(struct person *person, const char *keys)
{
    assert_int_equal(write(person->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static bool is_raw(const struct person *person)
{
    struct termios now;

    assert_int_equal(tcgetattr(person->slave, &now), 0);
    return !(now.c_lflag & (tcflag_t)(ICANON | ECHO | ISIG));
}

static void is_restored(const struct person *person)
{
    struct termios now;

    assert_int_equal(tcgetattr(person->slave, &now), 0);
    assert_int_equal(now.c_iflag, person->before.c_iflag);
    assert_int_equal(now.c_oflag, person->before.c_oflag);
    assert_int_equal(now.c_cflag, person->before.c_cflag);
    assert_int_equal(now.c_lflag, person->before.c_lflag);
    assert_memory_equal(now.c_cc, person->before.c_cc, sizeof(now.c_cc));
}

/* Wait for the child's end; the terminal must be as before. */
static void ends(struct person *person, int how)
{
    int status = -1;
    pid_t got = 0;

    for (int i = 0; i < 1000 && (got = waitpid(person->pid, &status, WNOHANG)) == 0; i++)
        (void)look(person, NULL, 10);
    if (got == 0) {
        (void)kill(person->pid, SIGKILL);
        (void)waitpid(person->pid, NULL, 0);
        fail_msg("the client does not end");
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), how);
    is_restored(person);
    (void)look(person, NULL, 20);
}

static void get_up(struct person *person)
{
    close(person->master);
    close(person->slave);
    if (person->engine >= 0)
        close(person->engine);
    if (person->in >= 0)
        close(person->in);
    if (person->out >= 0)
        close(person->out);
    strbuf_done(&person->screen);
    strbuf_done(&person->frames);
    strbuf_done(&person->typed);
    strbuf_done(&person->others);
}

static bool shown(const struct person *person, const char *text)
{
    return person->screen.size && strstr(person->screen.data, text);
}

static const struct console_client plain = {.node = "r1"};

static void attach_and_detach(void **state)
{
    struct winsize size = {.ws_row = 50, .ws_col = 300};
    struct person p;

    (void)state;
    sit_down(&p, &plain, false, false);
    engine_hello(&p);
    assert_true(is_raw(&p));
    assert_true(shown(&p, "[r1: attached; Ctrl-] leaves]"));
    assert_true(shown(&p, "old replay\r\n")); /* the question is gone */
    engine_says(&p, CONSOLE_FRAME_DATA, "\033[6n");
    assert_true(look(&p, "\033[6n", 2000)); /* live ones pass */
    assert_memory_equal(p.size, "\x63\x00\x21\x00", 4);
    press(&p, "show\r\003\032\034");
    assert_true(look(&p, "show\r\003\032\034", 2000));
    assert_int_equal(ioctl(p.master, TIOCSWINSZ, &size), 0);
    (void)look(&p, NULL, 100);
    assert_memory_equal(p.size, "\x2c\x01\x32\x00", 4);
    engine_says(&p, CONSOLE_FRAME_WRITER, "ann (pts/3)");
    assert_true(look(&p, "[r1: ann (pts/3) has the keyboard]", 2000));
    engine_says(&p, CONSOLE_FRAME_NOTICE, "evil \033]0;x\007");
    assert_true(look(&p, "evil \\x1b]0;x\\x07]", 2000));
    engine_says(&p, CONSOLE_FRAME_STATE, "stopped");
    assert_true(look(&p, "[r1: stopped", 2000));
    engine_says(&p, CONSOLE_FRAME_DATA, "\033[?1049h\033[?25lvi");
    assert_true(look(&p, "lvi", 2000));
    press(&p, "x\035y");
    ends(&p, ENDED_WELL);
    assert_true(shown(&p, "\033[?1049l"));
    assert_true(shown(&p, "\033[?25h"));
    assert_true(shown(&p, "[r1: left]"));
    assert_string_equal(p.typed.data, "show\r\003\032\034");
    get_up(&p);
}

static void engine_dies(void **state)
{
    struct person p;

    (void)state;
    sit_down(&p, &plain, false, false);
    engine_hello(&p);
    assert_true(is_raw(&p));
    engine_says(&p, CONSOLE_FRAME_DATA, "last words");
    close(p.engine);
    p.engine = -1;
    ends(&p, ENDED_EPIPE);
    assert_true(shown(&p, "last words"));
    get_up(&p);
    /* It talks nonsense. */
    sit_down(&p, &plain, false, false);
    engine_hello(&p);
    assert_int_equal(send(p.engine, "\xff\xff\xff\xff", 4, 0), 4);
    ends(&p, ENDED_EPIPE);
    get_up(&p);
}

static void signals(void **state)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    struct person p;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        sit_down(&p, &plain, false, false);
        engine_hello(&p);
        assert_true(is_raw(&p));
        assert_int_equal(kill(p.pid, numbers[i]), 0);
        ends(&p, ENDED_EINTR);
        get_up(&p);
    }
}

static void stopped_and_continued(void **state)
{
    struct person p;
    int status;

    (void)state;
    sit_down(&p, &plain, false, false);
    engine_hello(&p);
    assert_int_equal(kill(p.pid, SIGTSTP), 0);
    assert_int_equal(waitpid(p.pid, &status, WUNTRACED), p.pid);
    assert_true(WIFSTOPPED(status));
    is_restored(&p);
    assert_int_equal(kill(p.pid, SIGCONT), 0);
    for (int i = 0; i < 200 && !is_raw(&p); i++)
        (void)look(&p, NULL, 10);
    assert_true(is_raw(&p));
    press(&p, "\035");
    ends(&p, ENDED_WELL);
    get_up(&p);
}

/* The terminal takes no output (^S, a dead ssh): keys and signals still work. */
static void stalled_terminal(void **state)
{
    static char line[1001];
    struct person p;

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    for (int by_signal = 0; by_signal < 2; by_signal++) {
        uint8_t head[CONSOLE_FRAME_HEAD];
        int status, full = 0;

        sit_down(&p, &plain, false, false);
        engine_hello(&p);
        console_frame_head(head, CONSOLE_FRAME_DATA, 1000);
        /* Nobody reads the master from here on. Stop when no more is taken, at a frame's end. */
        while (full < 50) {
            struct pollfd room = {.fd = p.engine, .events = POLLOUT};

            full = poll(&room, 1, 10) > 0 ? 0 : full + 1;
            if (full == 0 && send(p.engine, head, 4, 0) == 4 &&
                send(p.engine, line, 1000, 0) < 1000)
                break;
        }
        if (by_signal)
            assert_int_equal(kill(p.pid, SIGTERM), 0);
        else
            press(&p, "\035");
        for (int i = 0; i < 500 && waitpid(p.pid, &status, WNOHANG) == 0; i++)
            (void)poll(NULL, 0, 10);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), by_signal ? ENDED_EINTR : ENDED_WELL);
        is_restored(&p);
        get_up(&p);
    }
}

static void prefix_key(void **state)
{
    struct console_client options = {.node = "r1", .detach_key = 1};
    struct person p;

    (void)state;
    sit_down(&p, &options, false, false);
    engine_hello(&p);
    assert_true(shown(&p, "Ctrl-A d leaves"));
    press(&p, "a\001b\001t\001g\001\001\001zb\035");
    assert_true(look(&p, "a\001b\035", 2000));
    assert_non_null(strstr(p.others.data, "BTG"));
    press(&p, "\001");
    (void)look(&p, NULL, 50);
    press(&p, "d");
    ends(&p, ENDED_WELL);
    get_up(&p);
}

static void read_only_and_log(void **state)
{
    char path[] = "/tmp/labctl-console-test-XXXXXX", bytes[128];
    struct console_client options = {.node = "r1",
                                     .read_only = true,
                                     .log_path = path,
                                     .rest = "\x03\x00\x07\x00running\x01\x00\x03\x00"
                                             "ear",
                                     .rest_size = 18};
    int fd = mkstemp(path);
    struct person p;
    ssize_t n;

    (void)state;
    assert_int_equal(write(fd, "kept\n", 5), 5);
    sit_down(&p, &options, false, false);
    engine_hello(&p);
    assert_true(shown(&p, "earold replay"));
    press(&p, "typed");
    (void)look(&p, NULL, 100);
    assert_int_equal(p.typed.size, 0);
    press(&p, "\035");
    ends(&p, ENDED_WELL);
    get_up(&p);
    n = pread(fd, bytes, sizeof(bytes) - 1, 0);
    assert_true(n > 0);
    bytes[n] = 0;
    assert_string_equal(bytes, "kept\nearold\033[6n replay\r\nlive now\r\n");
    close(fd);
    (void)unlink(path);
}

static void input_from_a_pipe(void **state)
{
    uint64_t start;
    struct person p;

    (void)state;
    sit_down(&p, &plain, true, true);
    assert_int_equal(write(p.in, "show\035 ip\n", 9), 9);
    close(p.in);
    p.in = -1;
    engine_hello(&p);
    assert_true(look(&p, "show\035 ip\n", 2000)); /* no key is special */
    start = test_ns();
    for (int i = 0; i < 3; i++) {
        (void)look(&p, NULL, 500);
        engine_says(&p, CONSOLE_FRAME_DATA, "answer\r\n");
    }
    ends(&p, ENDED_WELL);
    assert_true(test_ns() - start > 2400000000ull);
    assert_string_equal(p.screen.data,
                        "old\033[6n replay\r\nlive now\r\nanswer\r\nanswer\r\nanswer\r\n");
    get_up(&p);
    /* Nothing on stdin: a plain listener. */
    sit_down(&p, &plain, true, true);
    close(p.in);
    p.in = -1;
    engine_hello(&p);
    (void)look(&p, NULL, 1500);
    assert_int_equal(waitpid(p.pid, NULL, WNOHANG), 0);
    assert_int_equal(kill(p.pid, SIGTERM), 0);
    ends(&p, ENDED_EINTR);
    get_up(&p);
}

static void output_to_a_pipe_that_closes(void **state)
{
    struct person p;

    (void)state;
    sit_down(&p, &plain, false, true); /* labctl console r1 | head */
    engine_hello(&p);
    assert_true(is_raw(&p));
    assert_false(shown(&p, "attached"));
    close(p.out);
    p.out = -1;
    engine_says(&p, CONSOLE_FRAME_DATA, "nobody reads this");
    ends(&p, ENDED_WELL);
    get_up(&p);
}

static void terminal_goes_away(void **state)
{
    struct person p;
    int status = 0;

    (void)state;
    sit_down(&p, &plain, false, false);
    engine_hello(&p);
    close(p.slave);
    close(p.master);
    for (int i = 0; i < 500 && waitpid(p.pid, &status, WNOHANG) == 0; i++)
        (void)poll(NULL, 0, 10);
    assert_true(WIFEXITED(status));
    p.master = dup(2);
    p.slave = dup(2);
    get_up(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attach_and_detach),
        cmocka_unit_test(engine_dies),
        cmocka_unit_test(signals),
        cmocka_unit_test(stopped_and_continued),
        cmocka_unit_test(stalled_terminal),
        cmocka_unit_test(prefix_key),
        cmocka_unit_test(read_only_and_log),
        cmocka_unit_test(input_from_a_pipe),
        cmocka_unit_test(output_to_a_pipe_that_closes),
        cmocka_unit_test(terminal_goes_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
