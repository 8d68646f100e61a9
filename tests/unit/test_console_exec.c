// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base -lutil

/* Commands typed on a console: against a real bash on a terminal of 80 columns, and against a guest
 * that this test plays. */

#include "console_fixture.h"

#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/alloc.h"

struct result {
    bool called;
    int status;
    char *output;
    size_t size;
    char *message;
};

static void on_result(struct console *console, const char *output, size_t size, int status,
                      struct error *err, void *data)
{
    struct result *result = data;

    (void)console;
    assert_false(result->called);
    result->called = true;
    result->status = status;
    result->output = xmemdup(output, size + 1);
    result->size = size;
    assert_int_equal(status < 0, err != NULL);
    result->message = err ? xstrdup(error_message(err)) : NULL;
}

static void result_done(struct result *result)
{
    free(result->output);
    free(result->message);
    *result = (struct result){.called = false};
}

/* A bash whose terminal is joined to the console's socket, as QEMU joins a serial port. */
struct shell {
    struct fixture f;
    pid_t pid;
    int pty;
    sd_event_source *from_pty, *to_pty;
    regex_t prompt;
};

static int pump(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct shell *shell = data;
    struct pollfd room = {.fd = shell->f.guest, .events = POLLOUT};
    char bytes[4096];
    ssize_t n;

    (void)events;
    /* A socket that polls writable has room for what is sent below; else the console's turn. */
    if (fd == shell->pty && poll(&room, 1, 0) <= 0)
        return 0;
    n = read(fd, bytes, sizeof(bytes));
    if (n <= 0) {
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
    }
    if (fd != shell->pty) {
        assert_int_equal(write(shell->pty, bytes, (size_t)n), n);
        return 0;
    }
    /* In bytes of one, as a serial port does, as long as that is quick enough. */
    for (ssize_t at = 0, part = n < 100 ? 1 : n; at < n; at += part)
        assert_int_equal(send(shell->f.guest, bytes + at, (size_t)part, MSG_NOSIGNAL), part);
    return 0;
}

static int shell_start(void **state)
{
    static const char *const argv[] = {"bash", "--norc", "--noprofile", "-i", NULL};
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct shell *shell = xnew0(struct shell, 1);

    fixture_init(&shell->f, 0, 0);
    shell->pid = forkpty(&shell->pty, NULL, NULL, &size);
    if (shell->pid == 0) {
        (void)setenv("PS1", "\\[\\e[1m\\]h1:\\w# \\[\\e[0m\\]", 1);
        (void)setenv("TERM", "xterm", 1);
        (void)setenv("HOME", "/", 1);
        (void)setenv("HISTFILE", "/dev/null", 1);
        (void)unsetenv("PROMPT_COMMAND");
        /* Who runs this in the background may have it ignored, and bash leaves that so. */
        (void)signal(SIGINT, SIG_DFL);
        if (chdir("/") == 0)
            (void)execvp(argv[0], (char **)argv);
        _exit(127);
    }
    assert_true(shell->pid > 0);
    assert_int_equal(regcomp(&shell->prompt, "^h1:[^ ]*# $", REG_EXTENDED | REG_NOSUB), 0);
    (void)sd_event_add_io(shell->f.event, &shell->from_pty, shell->pty, POLLIN, pump, shell);
    (void)sd_event_add_io(shell->f.event, &shell->to_pty, shell->f.guest, POLLIN, pump, shell);
    *state = shell;
    return 0;
}

static int shell_stop(void **state)
{
    struct shell *shell = *state;

    (void)kill(shell->pid, SIGKILL);
    (void)waitpid(shell->pid, NULL, 0);
    sd_event_source_disable_unref(shell->from_pty);
    sd_event_source_disable_unref(shell->to_pty);
    regfree(&shell->prompt);
    close(shell->pty);
    fixture_done(&shell->f);
    free(shell);
    return 0;
}

static void shell_run_as(struct shell *shell, const char *command, const char *status,
                         unsigned timeout_ms, struct result *result)
{
    struct console_exec exec = {.command = command,
                                .prompt = &shell->prompt,
                                .status = status,
                                .timeout_ns = timeout_ms * 1000000ull};
    struct error err = ERROR_INIT;

    *result = (struct result){.called = false};
    assert_int_equal(console_exec(shell->f.console, &exec, on_result, result, &err), 0);
    assert_int_equal(console_exec(shell->f.console, &exec, on_result, result, &err), -EBUSY);
    error_done(&err);
    for (unsigned i = 0; i < timeout_ms + 2000 && !result->called; i++)
        run_for(&shell->f, 1);
    assert_true(result->called);
}

static void shell_run(struct shell *shell, const char *command, unsigned timeout_ms,
                      struct result *result)
{
    shell_run_as(shell, command, "echo $?", timeout_ms, result);
}

static void expect_run_as(struct shell *shell, const char *command, const char *status_command,
                          int status, const char *output)
{
    struct result result;

    shell_run_as(shell, command, status_command, 20000, &result);
    if (result.status != status || strcmp(result.output, output) != 0)
        print_message("%s: status %d, %s: '%s'\n", command, result.status,
                      result.message ? result.message : "", result.output);
    assert_int_equal(result.status, status);
    assert_string_equal(result.output, output);
    result_done(&result);
}

static void expect_run(struct shell *shell, const char *command, int status, const char *output)
{
    expect_run_as(shell, command, "echo $?", status, output);
}

/* Commands that print the very prompt that they were typed at, and pause. */
static void not_the_prompt(void **state)
{
    static const char *const ways[] = {"echo $?", NULL};
    struct shell *shell = *state;

    for (size_t i = 0; i < 2; i++) {
        const char *way = ways[i];
        int three = way ? 3 : 0;

        expect_run_as(shell, "printf 'h1:/# '; sleep 0.4; echo two", way, 0, "h1:/# two\n");
        expect_run_as(shell, "printf 'h1:/# '; sleep 0.4; printf 'two'; (exit 3)", way, three,
                      "h1:/# two");
        expect_run_as(shell, "echo one; printf 'h1:/# '; sleep 0.4; echo; sleep 0.4; echo two", way,
                      0, "one\nh1:/# \ntwo\n");
        expect_run_as(shell, "echo plain", way, 0, "plain\n");
    }
    expect_run(shell, "printf 'h1:/# '; sleep 0.4; (exit 3)", 3, "h1:/# ");
    /* Those that end just when the prompt is put to the proof. */
    for (unsigned ms = 10; ms < 100; ms += 3) {
        char command[64];

        (void)snprintf(command, sizeof(command), "printf 'h1:/# '; sleep 0.%03u; (exit 3)", ms);
        expect_run(shell, command, 3, "h1:/# ");
    }
}

/* A job in the background whose end the shell tells when it is asked for the status. */
static void job_notices(void **state)
{
    struct shell *shell = *state;

    for (unsigned ms = 10; ms < 90; ms += 8) {
        char command[64];
        struct result result;

        (void)snprintf(command, sizeof(command), "sleep 0.%03u & (exit 3)", ms);
        shell_run(shell, command, 20000, &result);
        assert_int_equal(result.status, 3);
        assert_memory_equal(result.output, "[1] ", 4);
        assert_null(strstr(result.output, "h1:/#"));
        result_done(&result);
        shell_run(shell, "wait", 20000, &result);
        assert_int_equal(result.status, 0);
        assert_null(strstr(result.output, "h1:/#"));
        result_done(&result);
    }
}

static void bash_commands(void **state)
{
    struct shell *shell = *state;
    char command[2100], output[2000] = "";
    struct result result;

    expect_run(shell, "echo hello", 0, "hello\n");
    expect_run(shell, "true", 0, "");
    expect_run(shell, "(exit 42)", 42, "");
    expect_run(shell, "printf 'no newline'", 0, "no newline");
    expect_run(shell, "cd /tmp; printf 'elsewhere'", 0, "elsewhere");
    expect_run(shell, "cd /", 0, "");
    expect_run(shell, "echo 'h1:/# '", 0, "h1:/# \n");
    expect_run(shell, "printf 'h1:/# '; echo 'is not the end'", 0, "h1:/# is not the end\n");
    expect_run(shell, "printf '10%%\\r20%%\\n\\033[31mred\\033[0m\\n'", 0, "20%\nred\n");
    expect_run(shell, "echo a; sleep 0.3; echo b", 0, "a\nb\n");
    expect_run(shell, "seq 3", 0, "1\n2\n3\n");
    expect_run(shell, "", 0, "");
    /* Echoes that readline wraps, of every length around one and two rows. */
    for (size_t length = 60; length < 170; length += 3) {
        for (size_t i = 0; i < length; i++)
            output[i] = "abcdd ee"[i % 8];
        output[length] = 0;
        (void)snprintf(command, sizeof(command), "echo \"%s\"", output);
        output[length] = '\n';
        output[length + 1] = 0;
        expect_run(shell, command, 0, output);
    }
    /* A long line, and much output. */
    shell_run(shell, "head -c 100000 /dev/zero | tr '\\0' x", 20000, &result);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.size, 100000);
    result_done(&result);
    shell_run(shell, "seq 1 50000", 30000, &result);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.size, 288894);
    assert_memory_equal(result.output + result.size - 12, "49999\n50000\n", 12);
    result_done(&result);
}

static void bash_limits(void **state)
{
    struct shell *shell = *state;
    struct result result;

    shell_run(shell, "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", 30000, &result);
    assert_int_equal(result.status, -1);
    assert_non_null(strstr(result.message, "printed more than 1024 KiB"));
    result_done(&result);
    /* It was interrupted, so the console is of use again. */
    expect_run(shell, "echo still here", 0, "still here\n");
    shell_run(shell, "echo begun; sleep 100", 3000, &result);
    assert_int_equal(result.status, -1);
    assert_non_null(strstr(result.message, "did not end within 3s"));
    assert_non_null(strstr(result.message, "begun"));
    assert_string_equal(result.output, "begun\n");
    result_done(&result);
    expect_run(shell, "echo and here", 0, "and here\n");
}

static void typing_is_held_back(void **state)
{
    struct shell *shell = *state;
    struct seen a;
    struct result result = {.called = false};
    struct console_exec exec = {
        .command = "sleep 0.2; echo done", .prompt = &shell->prompt, .status = NULL};

    /* Half a command of a person's is not run, and what they type meanwhile comes after. */
    expect_run(shell, "echo first", 0, "first\n");
    seen_attach(&shell->f, &a, CONSOLE_SHARED, "ann");
    seen_type(&a, "echo half-typed; exit 7");
    run_for(&shell->f, 100);
    assert_int_equal(console_exec(shell->f.console, &exec, on_result, &result, NULL), 0);
    run_for(&shell->f, 50);
    seen_type(&a, "echo la");
    seen_type(&a, "ter\r");
    for (int i = 0; i < 20000 && !result.called; i++)
        run_for(&shell->f, 1);
    assert_true(result.called);
    assert_string_equal(result.output, "done\n");
    assert_int_equal(result.status, 0);
    result_done(&result);
    /* What bash prints comes when bash has had its turn. */
    for (int i = 0; i < 20000 && !(a.output.data && strstr(a.output.data, "\rlater\r\n")); i++) {
        run_for(&shell->f, 1);
        (void)seen_output(&shell->f, &a);
    }
    assert_non_null(strstr(a.output.data, "\rlater\r\n"));
    assert_null(strstr(a.output.data, "\rhalf-typed"));
    seen_done(&a);
    /* A client that typed and hung up meanwhile is heard too. */
    seen_attach(&shell->f, &a, CONSOLE_SHARED, "ann");
    (void)seen_output(&shell->f, &a);
    assert_int_equal(console_exec(shell->f.console, &exec, on_result, &result, NULL), 0);
    seen_type(&a, "echo from the grave\r");
    seen_done(&a);
    for (int i = 0; i < 20000 && !result.called; i++)
        run_for(&shell->f, 1);
    result_done(&result);
    run_for(&shell->f, 300);
    assert_int_equal(console_clients(shell->f.console), 0);
    assert_string_equal(console_last_line(shell->f.console), "h1:/# ");
    seen_attach(&shell->f, &a, CONSOLE_SHARED, "ann");
    assert_non_null(strstr(seen_output(&shell->f, &a), "\rfrom the grave\r\n"));
    seen_done(&a);
}

/* ---- a guest that the test plays ---- */

static regex_t router_prompt(void)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, "^r1(\\([a-z]+\\))?# $", REG_EXTENDED | REG_NOSUB), 0);
    return regex;
}

static void wait_heard(struct fixture *f, const char *text)
{
    struct strbuf heard = STRBUF_INIT;

    for (int i = 0; i < 100 && (!heard.size || strcmp(heard.data, text) != 0); i++) {
        run_for(f, 10);
        strbuf_puts(&heard, guest_hears(f));
    }
    assert_string_equal(heard.size ? heard.data : "", text);
    strbuf_done(&heard);
}

/* The router's prompt, which has to answer an empty line to be believed. */
static void prompts(struct fixture *f, const char *text, struct result *result)
{
    guest_puts(f, text);
    wait_heard(f, "\r");
    assert_false(result->called);
    guest_puts(f, "\r\nr1# ");
    for (int i = 0; i < 100 && !result->called; i++)
        run_for(f, 10);
    assert_true(result->called);
}

static void played_router(void **state)
{
    regex_t prompt = router_prompt(), error, pager;
    struct console_exec exec = {.command = "show ip ospf neighbor", .prompt = &prompt};
    struct result result = {.called = false};
    struct fixture f;

    (void)state;
    assert_int_equal(regcomp(&error, "^% ", REG_EXTENDED | REG_NOSUB), 0);
    exec.error = &error;
    fixture_init(&f, 0, 0);
    /* No prompt there: Enter is pressed once. */
    guest_puts(&f, "Hello, this is FRRouting (version 8.4.4).\r\n");
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "\r");
    guest_puts(&f, "\r\nr1# ");
    wait_heard(&f, "show ip ospf neighbor\r");
    guest_puts(&f, "show ip ospf neighbor\r\n");
    run_for(&f, 100);
    assert_false(result.called);
    prompts(&f, "\r\nNeighbor ID  Pri State\r\n10.0.0.2  1 Full/DR\r\n\r\nr1# ", &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.output, "\nNeighbor ID  Pri State\n10.0.0.2  1 Full/DR\n\n");
    result_done(&result);
    /* An error line. */
    exec.command = "shwo";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "shwo\r");
    prompts(&f, "shwo\r\n% Unknown command: shwo\r\nr1# ", &result);
    assert_int_equal(result.status, 1);
    assert_string_equal(result.output, "% Unknown command: shwo\n");
    result_done(&result);
    /* A pager. */
    exec.command = "show run";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show run\r");
    guest_puts(&f, "show run\r\nhostname r1\r\n--More-- ");
    wait_heard(&f, " ");
    prompts(&f, "\r         \r!\r\nr1# ", &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.output, "hostname r1\n!        \n");
    result_done(&result);
    /* One that has words of its own. */
    assert_int_equal(regcomp(&pager, "^Press any key", REG_EXTENDED | REG_NOSUB), 0);
    exec.pager = &pager;
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show run\r");
    guest_puts(&f, "show run\r\nhostname r1\r\nPress any key to go on");
    wait_heard(&f, " ");
    prompts(&f, "\r\033[K!\r\nr1# ", &result);
    assert_string_equal(result.output, "hostname r1\n!\n");
    result_done(&result);
    /* Something like a prompt, but another's: a pause is not the end yet. */
    exec.command = "copy a b";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "copy a b\r");
    guest_puts(&f, "copy a b\r\nimage# ");
    run_for(&f, 400);
    assert_false(result.called);
    prompts(&f, "done\r\nr1# ", &result);
    assert_string_equal(result.output, "image# done\n");
    result_done(&result);
    /* A message right behind the prompt: Enter brings another one. */
    exec.command = "end";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "end\r");
    prompts(&f, "end\r\nr1# *Mar  1 00:02: %SYS-5-CONFIG_I: Configured from console\r\n", &result);
    assert_string_equal(result.output,
                        "r1# *Mar  1 00:02: %SYS-5-CONFIG_I: Configured from console\n");
    result_done(&result);
    /* A command that prints the prompt again and again, and then ends. */
    exec.command = "tricky";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "tricky\r");
    guest_puts(&f, "tricky\r\nr1# ");
    for (int i = 0; i < 2; i++) {
        wait_heard(&f, "\r");
        guest_puts(&f, "\r\n");
        run_for(&f, 200);
        guest_puts(&f, "r1# ");
    }
    wait_heard(&f, "\r");
    guest_puts(&f, "\r\nreally over\r\n");
    prompts(&f, "r1# \r\nr1# \r\nr1# \r\nr1# ", &result);
    assert_string_equal(result.output, "r1# \nr1# \nr1# really over\n");
    result_done(&result);
    /* One that spoils the answer. */
    exec.command = "sh";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "sh\r");
    guest_puts(&f, "sh\r\nr1# ");
    wait_heard(&f, "\r");
    guest_puts(&f, "\r\nr1# %LINK-3-UPDOWN: up\r\n");
    wait_heard(&f, "\r");
    assert_false(result.called);
    guest_puts(&f, "\r\nr1# ");
    run_for(&f, 250);
    assert_true(result.called);
    result_done(&result);
    regfree(&pager);
    regfree(&prompt);
    regfree(&error);
    fixture_done(&f);
}

static void faults(void **state)
{
    regex_t prompt = router_prompt();
    struct console_exec exec = {.command = "show", .prompt = &prompt, .status = "echo $?"};
    struct result result = {.called = false};
    struct error err = ERROR_INIT;
    struct fixture f;

    (void)state;
    fixture_init(&f, 0, 0);
    exec.timeout_ns = 200000000;
    /* Never a prompt. */
    guest_puts(&f, "grub rescue> ");
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    run_for(&f, 300);
    assert_int_equal(result.status, -1);
    assert_string_equal(result.message, "console r1: no prompt within 200ms; last on the console: "
                                        "grub rescue> ");
    result_done(&result);
    assert_string_equal(guest_hears(&f), "\r");
    /* A status that is none. */
    exec.timeout_ns = 0;
    guest_puts(&f, "\r\nr1# ");
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show\r");
    guest_puts(&f, "show\r\nr1# ");
    for (int i = 0; i < 3; i++) {
        assert_false(result.called);
        wait_heard(&f, "echo $?\r");
        guest_puts(&f, "echo $?\r\n% Unknown\r\nr1# ");
        run_for(&f, 250);
    }
    assert_int_equal(result.status, -1);
    assert_non_null(strstr(result.message, "'echo $?' printed \"% Unknown"));
    result_done(&result);
    /* A status, and then something else before the prompt: a shell tells of its jobs there. */
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show\r");
    guest_puts(&f, "show\r\none\r\nr1# ");
    wait_heard(&f, "echo $?\r");
    guest_puts(&f, "echo $?\r\n3\r\n[1]+  Done        sleep 1; echo $?\r\nr1# ");
    for (int i = 0; i < 500 && !result.called; i++)
        run_for(&f, 10);
    assert_true(result.called);
    assert_int_equal(result.status, 3);
    assert_string_equal(result.output, "one\n");
    result_done(&result);
    /* But not where that was the command's, which had printed a prompt. */
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show\r");
    guest_puts(&f, "show\r\nr1# ");
    wait_heard(&f, "echo $?\r");
    guest_puts(&f, "echo $?\r\n1\r\n2\r\nr1# echo $?\r\n0\r\nr1# ");
    for (int i = 0; i < 500 && !result.called; i++)
        run_for(&f, 10);
    assert_true(result.called);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.output, "r1# 1\n2\n");
    result_done(&result);
    /* The guest ends in between. */
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    wait_heard(&f, "show\r");
    console_close(f.console, "QEMU ended");
    run_for(&f, 10);
    assert_int_equal(result.status, -1);
    assert_string_equal(result.message, "console r1: 'show': QEMU ended");
    result_done(&result);
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, &err), -ENOTCONN);
    error_done(&err);
    close(f.guest);
    guest_connect(&f);
    exec.command = "two\nlines";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, &err), -EINVAL);
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    error_done(&err);
    assert_false(result.called);
    /* The console goes away: called back at once. */
    exec.command = "show";
    assert_int_equal(console_exec(f.console, &exec, on_result, &result, NULL), 0);
    fixture_done(&f);
    assert_int_equal(result.status, -1);
    result_done(&result);
    regfree(&prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bash_commands, shell_start, shell_stop),
        cmocka_unit_test_setup_teardown(not_the_prompt, shell_start, shell_stop),
        cmocka_unit_test_setup_teardown(job_notices, shell_start, shell_stop),
        cmocka_unit_test_setup_teardown(bash_limits, shell_start, shell_stop),
        cmocka_unit_test_setup_teardown(typing_is_held_back, shell_start, shell_stop),
        cmocka_unit_test(played_router),
        cmocka_unit_test(faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
