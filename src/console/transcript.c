// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * A guest says nowhere where a command's output begins and ends; a person sees it, and this is the
 * person's way of seeing it put down.
 *
 * The end: the unfinished last line is a prompt. A line of output can look like one too, so the
 * caller asks only after the guest has been quiet for a while (exec.c), and is told how sure this
 * is: the very prompt that the command was typed at, or just something that the rule accepts (the
 * mode changed; a last line without a newline stands before the prompt). Before the first newline
 * nothing counts: until the echo's end comes back the old prompt is still what is there.
 *
 * The beginning: the echo, which the guest's line editor may have cut up. readline writes a blank
 * or a repeated character and a CR where a terminal of 80 columns would wrap, busybox writes CR LF,
 * others redraw the prompt first. So the command is looked for with white space ignored, in the
 * text as it came, CRs included; the lines that this spans are the echo. What is not found but
 * begins like the command (editors that scroll sideways) is one line of echo; anything else means
 * that the guest does not echo. */

#include "console/transcript.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define PROMPT_REACH  256  /* how far from the line's end a prompt may begin */
#define MESSAGE_REACH 64   /* likewise, for a line that begins with one */
#define MESSAGE_ROOM  4096 /* how much of the output's end is searched for such lines */
#define ECHO_SLACK    1024
#define NAME_LETTERS  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@"

int transcript_check_command(const char *command, struct error *err)
{
    size_t size = strlen(command);

    if (size > LINES_MAX - ECHO_SLACK)
        return error_input(err, "command of %zu bytes is too long for a console line (at most %d)",
                           size, LINES_MAX - ECHO_SLACK);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)command[i] < 0x20 || command[i] == 0x7f)
            return error_input(err,
                               "command contains a control character (0x%02x) at byte %zu; it "
                               "must be one line of text",
                               (unsigned char)command[i], i + 1);
    return 0;
}

void transcript_init(struct transcript *transcript, const char *command, const regex_t *prompt,
                     const char *prompt_text)
{
    *transcript = (struct transcript){
        .command = xstrdup(command), .prompt_text = xstrdup(prompt_text), .prompt = prompt};
    lines_init(&transcript->lines);
}

void transcript_done(struct transcript *transcript)
{
    lines_done(&transcript->lines);
    strbuf_done(&transcript->output);
    strbuf_done(&transcript->echo);
    free(transcript->command);
    free(transcript->prompt_text);
    *transcript = (struct transcript){.command = NULL};
}

/**
 * echo_room() - How much of the beginning is searched for the echo
 * @transcript:	Transcript
 *
 * Return: bytes
 */
static size_t echo_room(const struct transcript *transcript)
{
    return 4 * strlen(transcript->command) + ECHO_SLACK;
}

/**
 * keep_line() - A line ended
 * @line:	Its text
 * @size:	Bytes
 * @cut:	More of it follows
 * @data:	The transcript
 */
static void keep_line(const char *line, size_t size, bool cut, void *data)
{
    struct transcript *transcript = data;

    if (!cut) {
        transcript->ended++;
        if (transcript->echo.size < echo_room(transcript))
            strbuf_append(&transcript->echo, "\n", 1);
    }
    if (transcript->output.size + size + 1 > TRANSCRIPT_MAX) {
        transcript->overflow = true;
        return;
    }
    strbuf_append(&transcript->output, line, size);
    if (!cut)
        strbuf_append(&transcript->output, "\n", 1);
}

void transcript_feed(struct transcript *transcript, const void *data, size_t size)
{
    size_t room = echo_room(transcript);
    const uint8_t *at = data;

    for (size_t i = 0; i < size && !transcript->overflow; i++) {
        /* The echo is read off a second, identical state machine: its text keeps the CRs. Ends of
         * lines come from keep_line(), so that both agree on their number. */
        if (transcript->echo.size < room) {
            struct vt vt = transcript->lines.vt;
            enum vt_token token = vt_next(&vt, at[i]);

            if (token == VT_PRINT || token == VT_CR || token == VT_TAB)
                strbuf_append(&transcript->echo, &at[i], 1);
            else if (token == VT_BACKSPACE && transcript->echo.size &&
                     !strchr("\r\n", transcript->echo.data[transcript->echo.size - 1]))
                transcript->echo.data[--transcript->echo.size] = 0;
        } else if (size - i > 1) {
            lines_feed(&transcript->lines, at + i, size - i, keep_line, transcript);
            return;
        }
        lines_feed(&transcript->lines, at + i, 1, keep_line, transcript);
    }
}

ptrdiff_t transcript_prompt(const char *line, bool continued, const regex_t *prompt,
                            const char *known)
{
    size_t size = strlen(line), known_size = known ? strlen(known) : 0;

    if (!continued && known_size && strcmp(line, known) == 0)
        return 0;
    if (known_size >= 2 && size > known_size && strcmp(line + size - known_size, known) == 0)
        return (ptrdiff_t)(size - known_size);
    if (!continued && regexec(prompt, line, 0, NULL, 0) == 0)
        return 0;
    /* Output without a newline before a prompt that is not known yet: a rule that begins with ^ can
     * only be tried at each place in turn. An empty rest would match rules that match anything. */
    for (size_t at = size > PROMPT_REACH ? size - PROMPT_REACH : 1; at < size; at++)
        if (((unsigned char)line[at] & 0xc0) != 0x80 && regexec(prompt, line + at, 0, NULL, 0) == 0)
            return (ptrdiff_t)at;
    return -1;
}

/**
 * same_name() - Does a prompt have the name in it that the prompt typed at begins with?
 * @known:	Prompt typed at, or NULL
 * @prompt:	Prompt
 *
 * r1(config)# and r1# have; what a command prints before it pauses mostly has not.
 *
 * Return: true if so, or if there is no name
 */
static bool same_name(const char *known, const char *prompt)
{
    _cleanup_free_ char *name = NULL;
    size_t size;

    if (!known)
        return true;
    known += strcspn(known, NAME_LETTERS);
    size = strspn(known, NAME_LETTERS);
    name = xstrndup(known, size);
    return strstr(prompt, name) != NULL;
}

enum transcript_end transcript_look(const struct transcript *transcript)
{
    const char *line = lines_current(&transcript->lines);
    bool continued = transcript->lines.continued;
    ptrdiff_t prompt;

    if (transcript->ended == 0 || !*line)
        return TRANSCRIPT_GOES_ON;
    if (!continued && transcript->prompt_text && strcmp(line, transcript->prompt_text) == 0)
        return TRANSCRIPT_SURE;
    prompt = transcript_prompt(line, continued, transcript->prompt, transcript->prompt_text);
    if (prompt >= 0)
        return same_name(transcript->prompt_text, line + prompt) ? TRANSCRIPT_LIKELY
                                                                 : TRANSCRIPT_POSSIBLE;
    if (strlen(line) < 80 && (strcasestr(line, "--more") || strcasestr(line, "-(more")))
        return TRANSCRIPT_PAGER;
    return TRANSCRIPT_GOES_ON;
}

/**
 * match_command() - Does the command stand here, white space and wrapping aside?
 * @text:	Echo text from some place on
 * @command:	Command
 *
 * Return: place after it, or NULL
 */
static const char *match_command(const char *text, const char *command)
{
    while (*command) {
        if (*command == ' ') {
            command++;
        } else if (*text && strchr(" \r\n", *text)) {
            text++;
        } else if (*text && text[1] == '\r' && text[2] == text[0]) {
            /* readline prints the first character of the next row, goes back, prints it again. */
            text += 2;
        } else if (*text == *command) {
            text++;
            command++;
        } else {
            return NULL;
        }
    }
    return text;
}

/**
 * echo_lines() - How many of the first lines are the echo
 * @transcript:	Transcript
 *
 * Return: number of lines
 */
static size_t echo_lines(const struct transcript *transcript)
{
    const char *text = transcript->echo.size ? transcript->echo.data : "";
    size_t reach = 64 + (transcript->prompt_text ? 2 * strlen(transcript->prompt_text) : 0);
    const char *command = transcript->command + strspn(transcript->command, " ");
    size_t same = 0;

    if (!*command)
        return 1;
    for (const char *at = text; *at && at <= text + reach; at++) {
        const char *end = match_command(at, command);
        size_t lines = 1;

        if (!end)
            continue;
        for (const char *c = text; c < end; c++)
            lines += *c == '\n';
        return lines;
    }
    while (command[same] && text[same] == command[same])
        same++;
    return same >= 8 || (same > 0 && same + 1 >= strlen(command)) ? 1 : 0;
}

char *transcript_output(const struct transcript *transcript, size_t *ret_size)
{
    const char *text = transcript->output.size ? transcript->output.data : "";
    const char *line = lines_current(&transcript->lines);
    struct strbuf out = STRBUF_INIT;
    ptrdiff_t prompt = transcript_prompt(line, transcript->lines.continued, transcript->prompt,
                                         transcript->prompt_text);

    for (size_t skip = echo_lines(transcript); skip > 0 && *text; skip--) {
        const char *end = strchr(text, '\n');

        text = end ? end + 1 : text + strlen(text);
    }
    strbuf_puts(&out, text);
    strbuf_append(&out, line, prompt >= 0 ? (size_t)prompt : strlen(line));
    *ret_size = out.size;
    return strbuf_steal(&out);
}

bool transcript_message(const struct transcript *transcript)
{
    const char *text = transcript->output.size ? transcript->output.data : "";
    const char *line = lines_current(&transcript->lines);
    _cleanup_free_ char *all = NULL;
    char *rest, *at;
    size_t size;

    if (transcript->ended == 0)
        return false;
    for (size_t skip = echo_lines(transcript); skip > 0 && *text; skip--)
        text = strchrnul(text, '\n') + (*strchrnul(text, '\n') ? 1 : 0);
    size = strlen(text);
    all = xasprintf("%s%s", size > MESSAGE_ROOM ? text + size - MESSAGE_ROOM : text, line);
    rest = all;
    while ((at = strsep(&rest, "\n"))) {
        size_t most = strlen(at) < MESSAGE_REACH ? strlen(at) : MESSAGE_REACH;

        for (size_t cut = 2; cut < most; cut++) {
            char kept = at[cut];
            bool is_prompt;

            at[cut] = 0;
            is_prompt = same_name(transcript->prompt_text, at) &&
                        regexec(transcript->prompt, at, 0, NULL, 0) == 0;
            at[cut] = kept;
            if (is_prompt && at[cut + strspn(at + cut, " ")])
                return true;
        }
    }
    return false;
}

bool transcript_number(const char *text, int *ret_status)
{
    const char *start = text + strspn(text, " \n");
    char *end;
    long value;

    errno = 0;
    value = strtol(start, &end, 10);
    if (end == start || end[strspn(end, " \n")] || errno || value < 0 || value > 255)
        return false;
    *ret_status = (int)value;
    return true;
}

/**
 * last_line() - Where the last of some lines begins
 * @text:	Lines, each with its newline
 * @end:	Where they end
 *
 * Return: place, or @end if there is none
 */
static size_t last_line(const char *text, size_t end)
{
    size_t at = end;

    if (at == 0 || text[at - 1] != '\n')
        return end;
    at--;
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

bool transcript_status(struct transcript *transcript, const char *command, int *ret_status)
{
    struct strbuf *output = &transcript->output;
    size_t size = strlen(command), end = output->size;
    bool found = false;

    for (;;) {
        size_t number = last_line(output->data, end), echo = last_line(output->data, number);
        _cleanup_free_ char *typed = NULL, *text = NULL;
        size_t length = number - echo;
        ptrdiff_t prompt;
        int status;

        if (number == end || echo == number || length < size + 2)
            break;
        text = xstrndup(output->data + number, end - number);
        typed = xstrndup(output->data + echo, length - 1);
        if (!transcript_number(text, &status) || strcmp(typed + length - 1 - size, command) != 0)
            break;
        typed[length - 1 - size] = 0;
        prompt = transcript_prompt(typed, false, transcript->prompt, transcript->prompt_text);
        if (prompt < 0)
            break;
        found = true;
        *ret_status = status;
        end = echo + (size_t)prompt;
        if (prompt > 0)
            break; /* the command's last line had no newline */
    }
    if (found) {
        output->size = end;
        output->data[end] = 0;
    }
    return found;
}

bool transcript_answer(const struct transcript *transcript, const char *text, int *ret_status)
{
    _cleanup_free_ char *copy = xstrdup(text);
    size_t size = strlen(transcript->command);
    char *rest = copy, *line = strsep(&rest, "\n");
    int status;

    if (!transcript_number(line, &status))
        return false;
    while ((line = strsep(&rest, "\n"))) {
        size_t length = strlen(line);

        if (length <= size || strcmp(line + length - size, transcript->command) != 0)
            continue;
        line[length - size] = 0;
        if (transcript_prompt(line, false, transcript->prompt, transcript->prompt_text) >= 0)
            return false;
    }
    *ret_status = status;
    return true;
}

bool transcript_last_number(struct transcript *transcript, int *ret_status)
{
    struct strbuf *output = &transcript->output;
    size_t at = last_line(output->data, output->size);

    if (at == output->size || !transcript_number(output->data + at, ret_status))
        return false;
    output->size = at;
    output->data[at] = 0;
    return true;
}

void transcript_drop_prompts(struct transcript *transcript, size_t most)
{
    const char *line = lines_current(&transcript->lines);
    struct strbuf *output = &transcript->output;
    ptrdiff_t prompt = transcript_prompt(line, transcript->lines.continued, transcript->prompt,
                                         transcript->prompt_text);
    size_t size;

    if (prompt < 0)
        return;
    line += prompt;
    size = strlen(line);
    for (bool whole = true; most > 0 && whole; most--) {
        size_t at = last_line(output->data, output->size), length = output->size - at;

        if (length < size + 1 || memcmp(output->data + output->size - size - 1, line, size) != 0)
            return;
        /* Before it may stand what the command printed without a newline. */
        whole = length == size + 1;
        output->size -= size + 1;
        output->data[output->size] = 0;
    }
}
