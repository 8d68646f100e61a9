// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * WAIT: a prompt is wanted. If the unfinished line is none, Enter is pressed, once; if a person has
 * typed half a command there, ^U goes before it, so that it is not run for them.
 * COMMAND: the command was typed; its transcript (transcript.c) is kept.
 * PROBE: a prompt seems to be back, and something was typed to see whether it is one.
 * DONE: the outcome waits for a deferred source, so that the callback may do anything.
 *
 * No event says that a guest has nothing more to print, and silence is no proof: a command may
 * print anything, the node's own prompt too, and pause. Silence only says when to look: SURE_NS
 * after the prompt that the command was typed at, LIKELY_NS if it only looks like one, POSSIBLE_NS
 * if it has not even the node's name in it. The proof is an answer. Typed is the command that
 * prints the status, if the guest has one, else Enter, which every command line answers with its
 * prompt. A command that still runs leaves it to the terminal's echo, and what it printed and
 * prints goes on being its output, without that echo (fold()). What was typed then waits for the
 * command line and is answered there, right behind the prompt: the status is taken from that
 * answer (transcript_status()), empty lines are not the command's (transcript_drop_prompts()). What
 * follows the status before the next prompt, as a shell tells of its jobs, is not the command's
 * either (transcript_answer()). When the prompt does not come right behind the newline, a command
 * that prints it once more may have had the Enter, so it is pressed again, LATE_TRIES times, for
 * the guest may just be slow.
 *
 * What is taken for the end all the same: a program that prints the node's prompt and answers an
 * empty line with it, which is what a command line is; and, where Enter has to do, one that prints
 * that prompt more often than that, with pauses.
 *
 * A guest's messages may follow the prompt ("r1# %LINK-3-UPDOWN: …") and leave no prompt at the
 * end. So when a line began with one and there is silence for MESSAGE_NS, that is tried too.
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
#define MESSAGE_NS      (1000 * NS_PER_MS)
#define TIMEOUT_DEFAULT (30000 * NS_PER_MS)
#define PROBE_ROOM      65536u /* what comes after a probe is no answer if it is longer */
#define STATUS_TRIES    3      /* prompts without the status, until that is an error */
#define MESSAGE_TRIES   3
#define LATE_TRIES      4

enum exec_state { EXEC_WAIT, EXEC_COMMAND, EXEC_PROBE, EXEC_DONE };

struct exec_run {
    enum exec_state state;
    bool nudged;                    /* Enter was pressed */
    char *command, *status_command; /* owned */
    const regex_t *prompt, *error_rule, *pager;
    uint64_t timeout_ns;
    console_exec_fn *fn;
    void *data;
    sd_event_source *quiet, *deadline, *done;
    struct transcript transcript; /* of the command; stands still in PROBE */
    struct transcript probe;      /* of what was typed last in PROBE */
    struct strbuf since;          /* the same as it came */
    uint64_t quiet_ns;            /* when the timer of silence fires */
    uint64_t since_ns;            /* when that began */
    size_t unanswered;            /* probes that a command had instead */
    unsigned message_tries, late_tries;
    char *output; /* owned; the command's */
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
    transcript_done(&run->probe);
    strbuf_done(&run->since);
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
 * fold() - What came after a probe was no answer: all of it is the command's
 * @run:	Run; in PROBE, afterwards in COMMAND
 * @echo:	So is the newline that the probe ended with
 */
static void fold(struct exec_run *run, bool echo)
{
    const char *typed = run->probe.command;
    size_t size = strlen(typed), skip = 0;

    if (run->since.size > size && memcmp(run->since.data, typed, size) == 0)
        skip = size + strspn(run->since.data + size, "\r");
    if (skip && run->since.data[skip] == '\n')
        skip++;
    else
        skip = 0; /* no echo, or not all of it */
    if (echo)
        skip = 0;
    if (run->since.size > skip)
        transcript_feed(&run->transcript, run->since.data + skip, run->since.size - skip);
    strbuf_done(&run->since);
    transcript_done(&run->probe);
    run->unanswered++;
    run->state = EXEC_COMMAND;
}

/**
 * finish() - Keep the outcome and stop watching
 * @console:	Console
 * @status:	Status; below 0 the run's error is set
 */
static void finish(struct console *console, int status)
{
    struct exec_run *run = console->exec;

    if (run->state == EXEC_PROBE && status < 0)
        fold(run, false);
    if (run->state != EXEC_WAIT) {
        if (!run->status_command)
            transcript_drop_prompts(&run->transcript, run->unanswered);
        run->output = transcript_output(&run->transcript, &run->output_size);
    }
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
 * @transcript:	Where to keep it; what was there is freed
 * @prompt_text: The prompt it is typed at
 */
static void type_line(struct console *console, const char *command, struct transcript *transcript,
                      const char *prompt_text)
{
    struct exec_run *run = console->exec;
    _cleanup_free_ char *line = xasprintf("%s\r", command);
    struct transcript fresh;

    transcript_init(&fresh, command, run->prompt, prompt_text);
    transcript_done(transcript);
    *transcript = fresh;
    run->state = transcript == &run->probe ? EXEC_PROBE : EXEC_COMMAND;
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
 * ended() - The prompt has answered: the command is over
 * @console:	Console
 * @status:	Its status, if the guest tells one
 */
static void ended(struct console *console, int status)
{
    struct exec_run *run = console->exec;

    finish(console, status);
    if (!run->status_command)
        run->status = rule_status(run);
}

/**
 * probe() - See whether the prompt answers
 * @console:	Console
 */
static void probe(struct console *console)
{
    struct exec_run *run = console->exec;
    const char *line = lines_current(&run->transcript.lines);
    ptrdiff_t prompt = transcript_prompt(line, run->transcript.lines.continued, run->prompt,
                                         run->transcript.prompt_text);
    _cleanup_free_ char *text = xstrdup(prompt >= 0 ? line + prompt : run->transcript.prompt_text);

    type_line(console, run->status_command ? run->status_command : "", &run->probe, text);
}

static int on_quiet(sd_event_source *source, uint64_t us, void *data);

/**
 * wait_quiet() - Look again when the guest has been quiet for a time
 * @console:	Console
 * @ns:		How long, since its last byte
 */
static void wait_quiet(struct console *console, uint64_t ns)
{
    struct exec_run *run = console->exec;

    run->quiet_ns = console->last_ns + ns;
    timer_set(console, &run->quiet, run->quiet_ns, on_quiet, console);
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

        type_line(console, run->command, &run->transcript, text);
        return;
    }
    if (run->nudged)
        return;
    run->nudged = true;
    (void)console_write(console, console->half_typed ? "\025\r" : "\r", console->half_typed ? 2 : 1,
                        NULL);
}

/**
 * waits_on_pager() - Does a pager of the guest's own kind wait?
 * @run:	Run
 * @transcript:	Where
 *
 * Return: true if so
 */
static bool waits_on_pager(const struct exec_run *run, const struct transcript *transcript)
{
    const char *line = lines_current(&transcript->lines);

    return run->pager && *line && regexec(run->pager, line, 0, NULL, 0) == 0;
}

/**
 * look_for_end() - COMMAND: the guest is quiet
 * @console:	Console
 * @quiet:	How long
 */
static void look_for_end(struct console *console, uint64_t quiet)
{
    static const uint64_t enough[] = {[TRANSCRIPT_POSSIBLE] = POSSIBLE_NS,
                                      [TRANSCRIPT_LIKELY] = LIKELY_NS,
                                      [TRANSCRIPT_SURE] = SURE_NS};
    struct exec_run *run = console->exec;
    enum transcript_end end = transcript_look(&run->transcript);
    uint64_t least;
    int status;

    switch (end) {
    case TRANSCRIPT_GOES_ON:
        if (waits_on_pager(run, &run->transcript)) {
            (void)console_write(console, " ", 1, NULL);
        } else if (run->message_tries < MESSAGE_TRIES) {
            if (quiet < MESSAGE_NS) {
                wait_quiet(console, MESSAGE_NS);
            } else if (transcript_message(&run->transcript)) {
                run->message_tries++;
                probe(console);
            }
        }
        break;
    case TRANSCRIPT_PAGER:
        (void)console_write(console, " ", 1, NULL);
        break;
    case TRANSCRIPT_POSSIBLE:
    case TRANSCRIPT_LIKELY:
    case TRANSCRIPT_SURE:
        if (run->status_command && run->unanswered &&
            transcript_status(&run->transcript, run->status_command, &status)) {
            ended(console, status);
            break;
        }
        /* What an earlier probe asked for may still be on its way. */
        least = run->unanswered && end == TRANSCRIPT_SURE ? LIKELY_NS : enough[end];
        if (quiet < least)
            wait_quiet(console, least);
        else
            probe(console);
        break;
    }
}

/**
 * new_prompt() - Did the prompt come once more, and only then what was typed?
 * @run:	Run; in PROBE
 *
 * Then the command ended just when that was typed, and the prompt before was something it printed.
 *
 * Return: true if so
 */
static bool new_prompt(const struct exec_run *run)
{
    const struct strbuf *text = &run->probe.echo;
    const char *prompt = run->probe.prompt_text, *command = run->probe.command;
    size_t size = strlen(prompt);

    return size > 0 && text->size > size && strncmp(text->data, prompt, size) == 0 &&
           strncmp(text->data + size, command, strlen(command)) == 0;
}

/**
 * no_status() - PROBE: the prompt is back, but there is not only a status before it
 * @console:	Console
 * @text:	What there is
 * @size:	Its size
 */
static void no_status(struct console *console, const char *text, size_t size)
{
    struct exec_run *run = console->exec;
    _cleanup_free_ char *shown = text_escape(text, size > 80 ? 80 : size);
    int status;

    if (!new_prompt(run) && transcript_answer(&run->probe, text, &status)) {
        ended(console, status); /* what comes after the status is not the command's */
        return;
    }
    fold(run, false);
    if (transcript_status(&run->transcript, run->status_command, &status) ||
        transcript_last_number(&run->transcript, &status)) {
        /* The command had gone on, or a message of the guest's came in between. */
        ended(console, status);
        return;
    }
    if (run->unanswered < STATUS_TRIES) {
        look_for_end(console, LIKELY_NS);
        return;
    }
    (void)error_set(&run->err, EPROTO,
                    "console %s: '%s' printed \"%s\" where a status was expected", console->name,
                    run->status_command, shown);
    finish(console, -1);
}

/**
 * look_for_answer() - PROBE: the guest is quiet
 * @console:	Console
 * @quiet:	How long
 */
static void look_for_answer(struct console *console, uint64_t quiet)
{
    static const uint64_t enough[] = {[TRANSCRIPT_GOES_ON] = MESSAGE_NS,
                                      [TRANSCRIPT_POSSIBLE] = POSSIBLE_NS,
                                      [TRANSCRIPT_LIKELY] = LIKELY_NS,
                                      [TRANSCRIPT_SURE] = SURE_NS,
                                      [TRANSCRIPT_PAGER] = SURE_NS};
    struct exec_run *run = console->exec;
    bool late = run->late_tries < LATE_TRIES && console->last_ns > run->since_ns + LIKELY_NS;
    enum transcript_end end = transcript_look(&run->probe);
    _cleanup_free_ char *text = NULL;
    int status = 0;
    size_t size;

    if (end == TRANSCRIPT_GOES_ON && waits_on_pager(run, &run->probe))
        end = TRANSCRIPT_PAGER;
    if (end == TRANSCRIPT_GOES_ON && !run->status_command && quiet >= LIKELY_NS &&
        strcmp(lines_current(&run->probe.lines), run->probe.prompt_text) == 0) {
        ended(console, 0); /* a guest that does not echo even a newline */
        return;
    }
    if (quiet < enough[end]) {
        wait_quiet(console, quiet < LIKELY_NS ? LIKELY_NS : enough[end]);
        return;
    }
    /* No answer, or it is on its way; the guest's messages may have spoilt it. */
    if (end == TRANSCRIPT_GOES_ON && !transcript_message(&run->probe))
        return;
    if (end != TRANSCRIPT_SURE && end != TRANSCRIPT_LIKELY) {
        fold(run, false);
        look_for_end(console, quiet);
        return;
    }
    text = transcript_output(&run->probe, &size);
    if (run->status_command) {
        if (!new_prompt(run) && transcript_number(text, &status))
            ended(console, status);
        else if (quiet < LIKELY_NS)
            wait_quiet(console, LIKELY_NS);
        else
            no_status(console, text, size);
    } else if (strspn(text, " \n") < size) {
        fold(run, false);
        look_for_end(console, quiet);
    } else if (late) {
        run->late_tries++;
        fold(run, true);
        probe(console);
    } else {
        ended(console, 0);
    }
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
    if (quiet < SURE_NS)
        wait_quiet(console, SURE_NS);
    else if (run->state == EXEC_WAIT)
        look_for_prompt(console);
    else if (run->state == EXEC_COMMAND)
        look_for_end(console, quiet);
    else if (run->state == EXEC_PROBE)
        look_for_answer(console, quiet);
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
    if (run->state == EXEC_PROBE) {
        if (!run->since.size)
            run->since_ns = console->last_ns;
        strbuf_append(&run->since, data, size);
        if (run->since.size > PROBE_ROOM)
            fold(run, false);
        else
            transcript_feed(&run->probe, data, size);
    } else if (run->state == EXEC_COMMAND) {
        transcript_feed(&run->transcript, data, size);
    }
    if (run->state == EXEC_COMMAND) {
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
    /* Not each time: floods come in many pieces. */
    if (armed == SD_EVENT_OFF || run->quiet_ns > console->last_ns + SURE_NS)
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
