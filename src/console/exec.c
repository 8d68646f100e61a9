// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * WAIT: a prompt is wanted. If the unfinished line is none, Enter is pressed, once; if a person has
 * typed half a command there, ^U goes before it, so that it is not run for them.
 * COMMAND: the command was typed; its transcript (transcript.c) is kept.
 * STATUS: the command that prints the status was typed; likewise.
 * DONE: the outcome waits for a deferred source, so that the callback may do anything.
 *
 * No event says that a guest has nothing more to print. That a prompt is really one, and not a line
 * of output on its way, is told by silence: SURE_NS after the prompt that the command was typed at,
 * LIKELY_NS if it only looks like one, POSSIBLE_NS if it has not even the node's name in it: a
 * command that prints such a thing and pauses is still at work, a new shell is not. The silence is
 * also when the rule is tried, so its cost does not depend on how the guest prints.
 *
 * Clients go on watching, but are not read until it is over (watchers_hold()). */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"
#include "console/console_priv.h"
#include "console/transcript.h"

#define SURE_NS         (30 * NS_PER_MS)
#define LIKELY_NS       (150 * NS_PER_MS)
#define POSSIBLE_NS     (2000 * NS_PER_MS)
#define TIMEOUT_DEFAULT (30000 * NS_PER_MS)

enum exec_state { EXEC_WAIT, EXEC_COMMAND, EXEC_STATUS, EXEC_DONE };

struct exec_run {
    enum exec_state state;
    bool nudged;                    /* Enter was pressed */
    char *command, *status_command; /* owned */
    const regex_t *prompt, *error_rule, *pager;
    uint64_t timeout_ns;
    console_exec_fn *fn;
    void *data;
    sd_event_source *quiet, *deadline, *done;
    struct transcript transcript; /* in COMMAND and STATUS */
    char *output;                 /* owned; the command's */
    size_t output_size;
    int status;
    struct error err;
};

/**
 * run_free() - Free a run
 * @run:	Run
 */
static void run_free(struct exec_run *run)
{
    sd_event_source_disable_unref(run->quiet);
    sd_event_source_disable_unref(run->deadline);
    sd_event_source_disable_unref(run->done);
    transcript_done(&run->transcript);
    error_done(&run->err);
    free(run->command);
    free(run->status_command);
    free(run->output);
    free(run);
}

/**
 * call_back() - Tell the outcome and forget the run
 * @console:	Console; may be gone afterwards
 */
static void call_back(struct console *console)
{
    struct exec_run *run = console->exec;

    console->exec = NULL;
    watchers_hold(console);
    run->fn(console, run->output ? run->output : "", run->output_size, run->status,
            run->status < 0 ? &run->err : NULL, run->data);
    run_free(run);
}

/**
 * on_done() - The outcome is known
 * @source:	Deferred source
 * @data:	Console
 *
 * Return: 0
 */
static int on_done(sd_event_source *source, void *data)
{
    (void)source;
    call_back(data);
    return 0;
}

/**
 * finish() - Keep the outcome and stop watching
 * @console:	Console
 * @status:	Status; below 0 the run's error is set
 */
static void finish(struct console *console, int status)
{
    struct exec_run *run = console->exec;

    if (run->state == EXEC_COMMAND)
        run->output = transcript_output(&run->transcript, &run->output_size);
    run->status = status;
    run->state = EXEC_DONE;
    run->quiet = sd_event_source_disable_unref(run->quiet);
    run->deadline = sd_event_source_disable_unref(run->deadline);
    defer_set(console, &run->done, on_done, console);
}

/**
 * type_line() - Type something and begin to keep what comes of it
 * @console:	Console
 * @command:	What to type
 * @state:	State to go to
 * @prompt_text: The prompt it is typed at
 */
static void type_line(struct console *console, const char *command, enum exec_state state,
                      const char *prompt_text)
{
    struct exec_run *run = console->exec;
    _cleanup_free_ char *line = xasprintf("%s\r", command);
    struct transcript fresh;

    transcript_init(&fresh, command, run->prompt, prompt_text);
    transcript_done(&run->transcript);
    run->transcript = fresh;
    run->state = state;
    if (console_write(console, line, strlen(line), &run->err) < 0)
        finish(console, -1);
}

/**
 * rule_status() - Status by the error rule
 * @run:	Run with its output
 *
 * Return: 1 if a line of the output matches, else 0
 */
static int rule_status(const struct exec_run *run)
{
    _cleanup_free_ char *text = xmemdup(run->output, run->output_size + 1);
    char *rest = text, *line;

    if (!run->error_rule)
        return 0;
    while ((line = strsep(&rest, "\n")))
        if (regexec(run->error_rule, line, 0, NULL, 0) == 0)
            return 1;
    return 0;
}

/**
 * read_status() - The number that the status command printed
 * @console:	Console
 */
static void read_status(struct console *console)
{
    struct exec_run *run = console->exec;
    size_t size;
    _cleanup_free_ char *text = transcript_output(&run->transcript, &size);
    char *start = text + strspn(text, " \n"), *end;
    long value;

    errno = 0;
    value = strtol(start, &end, 10);
    if (end == start || end[strspn(end, " \n")] || errno || value < 0 || value > 255) {
        _cleanup_free_ char *shown = text_escape(text, size > 80 ? 80 : size);

        (void)error_set(&run->err, EPROTO,
                        "console %s: '%s' printed \"%s\" where a status was expected",
                        console->name, run->status_command, shown);
        finish(console, -1);
        return;
    }
    finish(console, (int)value);
}

/**
 * ended() - The prompt is back
 * @console:	Console
 */
static void ended(struct console *console)
{
    struct exec_run *run = console->exec;
    const char *line = lines_current(&run->transcript.lines);
    _cleanup_free_ char *prompt_text = NULL;
    ptrdiff_t prompt;

    if (run->state == EXEC_STATUS) {
        read_status(console);
        return;
    }
    if (!run->status_command) {
        finish(console, 0);
        run->status = rule_status(run);
        return;
    }
    run->output = transcript_output(&run->transcript, &run->output_size);
    prompt = transcript_prompt(line, run->transcript.lines.continued, run->prompt,
                               run->transcript.prompt_text);
    prompt_text = xstrdup(line + (prompt > 0 ? prompt : 0));
    type_line(console, run->status_command, EXEC_STATUS, prompt_text);
}

static int on_quiet(sd_event_source *source, uint64_t us, void *data);

/**
 * wait_quiet() - Look again when the guest has been quiet for a time
 * @console:	Console
 * @ns:		How long, since its last byte
 */
static void wait_quiet(struct console *console, uint64_t ns)
{
    timer_set(console, &console->exec->quiet, console->last_ns + ns, on_quiet, console);
}

/**
 * look_for_prompt() - WAIT: the guest is quiet
 * @console:	Console
 */
static void look_for_prompt(struct console *console)
{
    struct exec_run *run = console->exec;
    const char *line = lines_current(&console->lines);
    ptrdiff_t prompt = -1;

    if (console->guest_queue.size) {
        /* What people typed before is still on its way. */
        timer_set(console, &run->quiet, clock_ns() + SURE_NS, on_quiet, console);
        return;
    }
    if (*line)
        prompt = transcript_prompt(line, console->lines.continued, run->prompt, NULL);
    if (prompt == 0 || (prompt > 0 && run->nudged)) {
        _cleanup_free_ char *text = xstrdup(line + prompt);

        type_line(console, run->command, EXEC_COMMAND, text);
        return;
    }
    if (run->nudged)
        return;
    run->nudged = true;
    (void)console_write(console, console->half_typed ? "\025\r" : "\r", console->half_typed ? 2 : 1,
                        NULL);
}

/**
 * on_quiet() - The guest may have been quiet for a while
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_quiet(sd_event_source *source, uint64_t us, void *data)
{
    struct console *console = data;
    struct exec_run *run = console->exec;
    uint64_t quiet = clock_ns() - console->last_ns;

    (void)source;
    (void)us;
    if (quiet < SURE_NS) {
        wait_quiet(console, SURE_NS);
        return 0;
    }
    if (run->state == EXEC_WAIT) {
        look_for_prompt(console);
        return 0;
    }
    switch (transcript_look(&run->transcript)) {
    case TRANSCRIPT_GOES_ON:
        if (run->pager && *lines_current(&run->transcript.lines) &&
            regexec(run->pager, lines_current(&run->transcript.lines), 0, NULL, 0) == 0)
            (void)console_write(console, " ", 1, NULL);
        break;
    case TRANSCRIPT_POSSIBLE:
        if (quiet < POSSIBLE_NS) {
            wait_quiet(console, POSSIBLE_NS);
            break;
        }
        ended(console);
        break;
    case TRANSCRIPT_LIKELY:
        if (quiet < LIKELY_NS) {
            wait_quiet(console, LIKELY_NS);
            break;
        }
        ended(console);
        break;
    case TRANSCRIPT_SURE:
        ended(console);
        break;
    case TRANSCRIPT_PAGER:
        (void)console_write(console, " ", 1, NULL);
        break;
    }
    return 0;
}

/**
 * on_deadline() - Time is up
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_deadline(sd_event_source *source, uint64_t us, void *data)
{
    struct console *console = data;
    struct exec_run *run = console->exec;
    _cleanup_free_ char *last = console_last_lines(console);
    _cleanup_free_ char *time = units_format_duration(run->timeout_ns);

    (void)source;
    (void)us;
    if (run->state == EXEC_WAIT) {
        (void)error_set(&run->err, ETIMEDOUT, "console %s: no prompt within %s; %s", console->name,
                        time, last);
        error_hint(&run->err, "look with labctl console %s what the node is doing", console->name);
    } else {
        (void)console_write(console, "\003", 1, NULL);
        (void)error_set(&run->err, ETIMEDOUT,
                        "console %s: '%s' did not end within %s and was interrupted with ^C; %s",
                        console->name, run->command, time, last);
        error_hint(&run->err, "give it more time, or a command that ends by itself");
    }
    finish(console, -1);
    return 0;
}

void exec_fed(struct console *console, const void *data, size_t size)
{
    struct exec_run *run = console->exec;
    int armed = 0;

    if (!run || run->state == EXEC_DONE)
        return;
    if (run->state != EXEC_WAIT) {
        transcript_feed(&run->transcript, data, size);
        if (run->transcript.overflow) {
            (void)console_write(console, "\003", 1, NULL);
            (void)error_set(&run->err, EFBIG,
                            "console %s: '%s' printed more than %u KiB and was interrupted with ^C",
                            console->name, run->command, TRANSCRIPT_MAX / 1024);
            error_hint(&run->err, "let it print into a file in the guest, or filter it there");
            finish(console, -1);
            return;
        }
    }
    if (run->quiet)
        (void)sd_event_source_get_enabled(run->quiet, &armed);
    if (armed == SD_EVENT_OFF)
        wait_quiet(console, SURE_NS);
}

void exec_abort(struct console *console, const char *why)
{
    struct exec_run *run = console->exec;

    if (!run || run->state == EXEC_DONE)
        return;
    (void)error_set(&run->err, EPIPE, "console %s: '%s': %s", console->name, run->command, why);
    finish(console, -1);
}

void exec_done(struct console *console)
{
    if (!console->exec)
        return;
    exec_abort(console, "the console was closed");
    call_back(console);
}

int console_exec(struct console *console, const struct console_exec *exec, console_exec_fn *fn,
                 void *data, struct error *err)
{
    uint64_t now = clock_ns();
    struct exec_run *run;
    int r;

    if (console->exec)
        return error_set(err, EBUSY, "console %s: another command is running there", console->name);
    if (console->guest < 0)
        return error_set(err, ENOTCONN, "console %s: the node is not running", console->name);
    r = transcript_check_command(exec->command, err);
    if (r < 0)
        return r;
    run = xnew0(struct exec_run, 1);
    *run = (struct exec_run){.state = EXEC_WAIT,
                             .command = xstrdup(exec->command),
                             .status_command = xstrdup(exec->status),
                             .prompt = exec->prompt,
                             .error_rule = exec->error,
                             .pager = exec->pager,
                             .timeout_ns = exec->timeout_ns ? exec->timeout_ns : TIMEOUT_DEFAULT,
                             .fn = fn,
                             .data = data};
    console->exec = run;
    watchers_hold(console);
    timer_set(console, &run->deadline, now + run->timeout_ns, on_deadline, console);
    wait_quiet(console, SURE_NS);
    return 0;
}
