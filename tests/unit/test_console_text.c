// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_base

/* The pure parts: lines, transcripts of commands, what is let through to a terminal. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/regex.h"
#include "console/guard.h"
#include "console/lines.h"
#include "console/transcript.h"

static void join(const char *line, size_t size, bool cut, void *data)
{
    assert_int_equal(strlen(line), size);
    strbuf_append(data, line, size);
    strbuf_puts(data, cut ? "+" : "|");
}

/* Finished lines end with |, pieces with +, then the unfinished one. In pieces of @step bytes. */
static char *lines_of(const char *text, size_t size, size_t step)
{
    struct strbuf out = STRBUF_INIT;
    struct lines lines;

    lines_init(&lines);
    for (size_t at = 0; at < size; at += step)
        lines_feed(&lines, text + at, step < size - at ? step : size - at, join, &out);
    strbuf_puts(&out, lines_current(&lines));
    lines_done(&lines);
    return strbuf_steal(&out);
}

static void lines_as_a_terminal_shows_them(void **state)
{
    static const struct {
        const char *text, *lines;
    } cases[] = {
        {"one\r\ntwo\n\rthree", "one|two|three"},
        {"10%\r20%\r100%\r\n", "100%|"},
        {"abc\rX\n", "Xbc|"},
        {"r1# \r\033[Kr1# show", "r1# show"},
        {"junk\033[2K\rr1# ", "r1# "},
        {"--More--\r        \rnext\r\n", "next    |"},
        {"--More--\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\bnext\r\n", "next|"},
        {"abx\b \bc", "abc"},
        {"\xc3\xa4\xc3\xb6\b\b", ""},
        {"\b\b\bx", "x"},
        {"\033[1;31mred\033[m\033]0;title\007!\033]2;x\033\\?", "red!?"},
        {"\033]0;never ended\nnext", "|next"},
        {"\033Pdcs\nwith lines\033\\after", "after"},
        {"\033(Bcharset\033)0", "charset"},
        {"\033[31\030not a sequence", "not a sequence"},
        {"a\033[5Gb", "a   b"},
        {"a\033[3Cb\033[2DX", "a  Xb"},
        {"GRUB\033[2;1Hmenu\033[24;1H\033[Jlogin: ", "GRUB|menu|login: "},
        {"\033[H\033[Jlogin: ", "login: "},
        {"tab\there", "tab\there"},
        {"bell\a nul\001!", "bell nul!"},
        {"\033[?2004hr1$ \033[?2004l\r\n", "r1$ |"},
        {"%                    \r \r\033[Jzsh% ", "zsh% "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t step = 1; step <= 5; step++) {
            char *got = lines_of(cases[i].text, strlen(cases[i].text), step);

            assert_string_equal(got, cases[i].lines);
            free(got);
        }
}

static void long_lines_are_cut(void **state)
{
    size_t size = 3 * LINES_MAX;
    char *text = malloc(size), *got, *plus;
    size_t letters = 0;

    (void)state;
    memset(text, 'x', size);
    got = lines_of(text, size, 777);
    for (plus = got; *plus; plus++)
        letters += *plus == 'x';
    assert_int_equal(letters, size);
    assert_non_null(strchr(got, '+'));
    free(got);
    free(text);
    /* Jumps to the right do not make it longer. */
    got = lines_of("\033[60000Gx\033[60000C\033[60000Cy", 27, 27);
    assert_true(strlen(got) <= LINES_MAX + 2);
    free(got);
}

struct talk {
    const char *name, *prompt, *prompt_text, *command;
    const char *printed; /* from the echo to the prompt */
    enum transcript_end end;
    const char *output;
};

#define SHELL  "^h1:.*# $"
#define ROUTER "^[A-Za-z0-9._-]+(\\([a-z0-9-]+\\))?# $"

static const struct talk talks[] = {
    {"plain", ROUTER, "r1# ", "show ip route", "show ip route\r\nO 10.0.0.0/8\r\nr1# ",
     TRANSCRIPT_SURE, "O 10.0.0.0/8\n"},
    {"nothing", ROUTER, "r1# ", "configure", "configure\r\nr1(config)# ", TRANSCRIPT_LIKELY, ""},
    {"still printing", ROUTER, "r1# ", "show x", "show x\r\nline\r\nhalf", TRANSCRIPT_GOES_ON,
     "line\nhalf"},
    {"a prompt of another name", ROUTER, "r1# ", "show x", "show x\r\nbogus# ", TRANSCRIPT_POSSIBLE,
     ""},
    {"old prompt is not the end", ROUTER, "r1# ", "show x", "", TRANSCRIPT_GOES_ON, ""},
    {"bash", "^bash-5\\.2# $", "bash-5.2# ", "echo hi",
     "echo hi\r\n\033[?2004l\rhi\r\n\033[?2004hbash-5.2# ", TRANSCRIPT_SURE, "hi\n"},
    {"no newline before the prompt", SHELL, "h1:~# ", "printf foo", "printf foo\r\nfooh1:~# ",
     TRANSCRIPT_LIKELY, "foo"},
    {"the same in another folder", SHELL, "h1:~# ", "cd /tmp; printf foo",
     "cd /tmp; printf foo\r\nfooh1:/tmp# ", TRANSCRIPT_LIKELY, "foo"},
    {"wrapped by readline", ROUTER, "r1# ", "abcdefghij klmnop",
     "abcdefg \rhij kl\rlmnop\r\nout\r\nr1# ", TRANSCRIPT_SURE, "out\n"},
    {"wrapped by busybox", SHELL, "h1:~# ", "echo aaaa bbbb cccc",
     "echo aaaa b\r\nbbb cccc\r\naaaa bbbb cccc\r\nh1:~# ", TRANSCRIPT_SURE, "aaaa bbbb cccc\n"},
    {"prompt redrawn", ROUTER, "r1# ", "show x", "\r\033[Kr1# show x\r\nout\r\nr1# ",
     TRANSCRIPT_SURE, "out\n"},
    {"corrected by the editor", ROUTER, "r1# ", "show x", "shx\bow x\r\nout\r\nr1# ",
     TRANSCRIPT_SURE, "out\n"},
    {"scrolled sideways", ROUTER, "r1# ", "show ip bgp neighbors 10.0.0.1 routes",
     "show ip bgp nei\r<p bgp neighbors\r<rs 10.0.0.1 routes\r\nout\r\nr1# ", TRANSCRIPT_SURE,
     "out\n"},
    {"no echo", ROUTER, "r1# ", "show x", "\r\nout\r\nr1# ", TRANSCRIPT_SURE, "\nout\n"},
    {"output like a prompt", ROUTER, "r1# ", "show run", "show run\r\nhostname# \r\nr1# ",
     TRANSCRIPT_SURE, "hostname# \n"},
    {"kernel message before the echo", SHELL, "h1:~# ", "uname",
     "\r\n[ 1.0] eth0: up\r\nuname\r\nLinux\r\nh1:~# ", TRANSCRIPT_SURE, "Linux\n"},
    {"progress", SHELL, "h1:~# ", "get", "get\r\n10%\r50%\r100%\r\nh1:~# ", TRANSCRIPT_SURE,
     "100%\n"},
    {"pager", ROUTER, "r1# ", "show run", "show run\r\nline\r\n --More-- ", TRANSCRIPT_PAGER,
     "line\n --More-- "},
    {"after the pager", ROUTER, "r1# ", "show run",
     "show run\r\nline\r\n --More-- \b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\b"
     "two\r\nr1# ",
     TRANSCRIPT_SURE, "line\ntwo\n"},
    {"empty command", ROUTER, "r1# ", "", "\r\nr1# ", TRANSCRIPT_SURE, ""},
    {"colours in prompt and output", SHELL, "h1:~# ", "ls",
     "ls\r\n\033[01;34mdir\033[0m\r\n\033[1mh1:~# \033[0m", TRANSCRIPT_SURE, "dir\n"},
    {"multi-byte", SHELL, "h1:~# ", "echo \xc3\xa4", "echo \xc3\xa4\r\n\xc3\xa4\r\nh1:~# ",
     TRANSCRIPT_SURE, "\xc3\xa4\n"},
};

static void transcripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(talks); i++)
        for (size_t step = 1; step < 12; step += 5) {
            const struct talk *talk = &talks[i];
            size_t size = strlen(talk->printed), got;
            struct transcript transcript;
            regex_t prompt;
            char *output;

            assert_int_equal(regcomp(&prompt, talk->prompt, REG_EXTENDED | REG_NOSUB), 0);
            transcript_init(&transcript, talk->command, &prompt, talk->prompt_text);
            for (size_t at = 0; at < size; at += step)
                transcript_feed(&transcript, talk->printed + at,
                                step < size - at ? step : size - at);
            output = transcript_output(&transcript, &got);
            if (strcmp(output, talk->output) != 0 || transcript_look(&transcript) != talk->end)
                print_message("in '%s'\n", talk->name);
            assert_string_equal(output, talk->output);
            assert_int_equal(got, strlen(talk->output));
            assert_int_equal(transcript_look(&transcript), talk->end);
            free(output);
            transcript_done(&transcript);
            regfree(&prompt);
        }
}

static void transcript_is_bounded(void **state)
{
    struct transcript transcript;
    char line[] = "0123456789012345678901234567890123456789\r\n";
    regex_t prompt;

    (void)state;
    assert_int_equal(regcomp(&prompt, ROUTER, REG_EXTENDED | REG_NOSUB), 0);
    transcript_init(&transcript, "show", &prompt, "r1# ");
    for (int i = 0; i < 100000; i++)
        transcript_feed(&transcript, line, sizeof(line) - 1);
    assert_true(transcript.overflow);
    assert_true(transcript.output.size <= TRANSCRIPT_MAX);
    assert_true(transcript.echo.size <= 8192);
    transcript_done(&transcript);
    regfree(&prompt);
}

static void commands_are_one_line(void **state)
{
    static const char *const bad[] = {"a\nb", "a\rb", "tab\t", "esc\033", "\003", "\177"};
    char longer[LINES_MAX];

    (void)state;
    assert_int_equal(transcript_check_command("show ip route | include \xc3\xa4", NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(transcript_check_command(bad[i], NULL), -EINVAL);
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(transcript_check_command(longer, NULL), -EINVAL);
}

static void guard_takes_questions_out_of_replays(void **state)
{
    static const struct {
        const char *text, *passed;
    } cases[] = {
        {"plain \xc3\xa4 \033[31mred\033[0m\r\n", NULL},
        {"\033[?1049h\033[2J\033[10;20Hx\033(0q\033(B\0337\0338\033=", NULL},
        {"a\033[6nb\033[cc\033[>cd\033[0ce\033[?6nf", "abcdef"},
        {"a\033Zb\005c\033[?2026$pd\033[>qe\033[18tf", "abcdef"},
        {"a\033]0;title\007b\033]52;c;aGFja2Vk\033\\c\033P$qm\033\\d", "abcd"},
        {"\033[8;24;80t", "\033[8;24;80t"},
        {"a\033[31\r\nmb", "a\r\n\033[31mb"}, /* takes effect inside the sequence */
        {"a\033[31\030b", "ab"},
        {"a\033\033[6nb", "ab"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t step = 1; step < 4; step++) {
            struct strbuf old = STRBUF_INIT, live = STRBUF_INIT;
            struct guard guard = {.alternate = false}, other = {.alternate = false};
            const char *text = cases[i].text;
            size_t size = strlen(text);

            for (size_t at = 0; at < size; at += step) {
                size_t part = step < size - at ? step : size - at;

                guard_feed(&guard, text + at, part, true, &old);
                guard_feed(&other, text + at, part, false, &live);
            }
            assert_string_equal(old.data, cases[i].passed ? cases[i].passed : text);
            assert_string_equal(live.data, text);
            guard_done(&guard);
            guard_done(&other);
            strbuf_done(&old);
            strbuf_done(&live);
        }
}

static void guard_at_the_seam(void **state)
{
    struct guard guard = {.alternate = false};
    struct strbuf out = STRBUF_INIT;

    (void)state;
    /* A question that began in the replay is an old one; one that comes live is not. */
    guard_feed(&guard, "a\033[", 3, true, &out);
    guard_feed(&guard, "6nb\033[6nc", 8, false, &out);
    assert_string_equal(out.data, "ab\033[6nc");
    strbuf_done(&out);
    guard_feed(&guard, "a\033[3", 4, true, &out);
    guard_feed(&guard, "1mb", 3, false, &out);
    assert_string_equal(out.data, "a\033[31mb");
    strbuf_done(&out);
    guard_done(&guard);
}

static void guard_resets_what_was_changed(void **state)
{
    static const char on[] = "\033[?1;1049h\033[?6h\033]0;tit";
    struct guard guard = {.alternate = false};
    struct strbuf out = STRBUF_INIT;

    (void)state;
    guard_reset(&guard, &out);
    assert_null(strstr(out.data, "1049"));
    assert_non_null(strstr(out.data, "\033[?2004l"));
    assert_int_not_equal(out.data[0], '\030');
    guard_feed(&guard, on, sizeof(on) - 1, false, &out);
    assert_true(guard.alternate && guard.origin);
    strbuf_done(&out);
    guard_reset(&guard, &out);
    assert_non_null(strstr(out.data, "\033[?1049l"));
    assert_int_equal(out.data[0], '\030');
    guard_feed(&guard, "\007\033c", 3, false, &out);
    assert_false(guard.alternate || guard.origin);
    strbuf_done(&out);
    guard_done(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_as_a_terminal_shows_them),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(transcripts),
        cmocka_unit_test(transcript_is_bounded),
        cmocka_unit_test(commands_are_one_line),
        cmocka_unit_test(guard_takes_questions_out_of_replays),
        cmocka_unit_test(guard_at_the_seam),
        cmocka_unit_test(guard_resets_what_was_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
