// SPDX-License-Identifier: GPL-2.0-or-later

/* A configuration that is typed on the node's first console, for systems that take it no other way.
 *
 * It begins when the appliance's ready rule has matched, at the first boot: the steps `before` (as
 * in a script for node exec), the lines of the configuration, the steps `after`. With a prompt each
 * line waits for it, as node exec does; without one lines follow each other at the given pace. A
 * line that the guest complains of (exec.error) is told as an event, and the next one follows, as
 * it would if a person had pasted them. Only then is the node ready.
 *
 * The file `typed` in the node's folder says how far it is: which step is under way, or "done". A
 * node that was stopped half way is typed to anew; what an engine that dies half way has begun, the
 * next one finishes if it can tell how far it was (typing_resume.c). console_exec() cannot be
 * called back from, so its callback may come when all is over: it finds out by node->typing. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "engine/typing_priv.h"

#define BLIND_PACE_NS (200ull * 1000000) /* between lines that wait for no prompt */
#define QUOTED        120                /* bytes of what the guest said of a line */

char *typing_marker_path(const struct node_run *node)
{
    return path_join(node->dir, "typed");
}

/**
 * marker_is() - Whether the node is that far
 * @node:	Node
 * @text:	How far
 *
 * Return: true if so
 */
static bool marker_is(const struct node_run *node, const char *text)
{
    _cleanup_free_ char *path = typing_marker_path(node), *data = NULL;

    return file_read(path, 64, &data, NULL, NULL) == 0 && strcmp(data, text) == 0;
}

bool typing_due(const struct node_run *node)
{
    return node->appliance->seed == SEED_CONSOLE && node->spec->config &&
           !marker_is(node, "done\n");
}

bool typing_broken_off(const struct node_run *node)
{
    _cleanup_free_ char *path = typing_marker_path(node);

    return typing_due(node) && file_exists(path);
}

int typing_forget_half(struct node_run *node, struct error *err)
{
    return typing_broken_off(node) ? typing_forget(node, err) : 0;
}

int typing_forget(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *path = typing_marker_path(node);

    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(err, errno, "node '%s': remove %s", node->spec->name, path);
    return 0;
}

void typing_stop(struct node_run *node)
{
    struct typing *typing = node->typing;

    if (!typing)
        return;
    node->typing = NULL;
    if (typing->expecting)
        (void)console_expect(node->consoles[0], NULL, NULL, NULL);
    sd_event_source_disable_unref(typing->timer);
    for (size_t i = 0; i < PHASES; i++)
        script_done(&typing->phases[i]);
    if (typing->fd >= 0)
        (void)close(typing->fd);
    free(typing);
}

void typing_end(struct node_run *node, const char *why)
{
    _cleanup_free_ char *path = typing_marker_path(node), *text = xstrdup(why);
    _cleanup_error_ struct error err = ERROR_INIT;

    typing_stop(node);
    if (!text && file_write_atomic(path, "done\n", 5, 0600, &err) < 0)
        text = xstrdup(error_message(&err));
    node_configured(node, text);
}

char *typing_what(const struct node_run *node)
{
    const struct typing *typing = node->typing;
    const struct script_step *step = &typing->phases[typing->phase].steps[typing->step - 1];
    /* Rules have no size of their own. */
    size_t size = step->size ? step->size : strlen(step->text);
    _cleanup_free_ char *shown = text_escape(step->text, size < QUOTED ? size : QUOTED);

    if (typing->phase == PHASE_LINES)
        return xasprintf("line %u: '%s'", step->line, shown);
    /* The first line is the timeout that parse_steps() puts in front. */
    return xasprintf("step %u %s: '%s'", step->line - 1,
                     typing->phase == PHASE_BEFORE ? "before" : "after", shown);
}

/**
 * on_timeout() - What a step waits for did not come
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_timeout(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;
    _cleanup_free_ char *place = typing_what(node), *tail = console_tail(node->consoles[0], 1);
    _cleanup_free_ char *why =
        xasprintf("%s: nothing like that came; its console says: %s", place, tail);

    (void)source;
    (void)usec;
    typing_end(node, why);
    return 0;
}

/**
 * on_pause_over() - Go on after a pause
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_pause_over(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    typing_go_on(data);
    return 0;
}

void typing_set_timer(struct node_run *node, uint64_t ns, sd_event_time_handler_t fn)
{
    struct typing *typing = node->typing;

    typing->timer = sd_event_source_disable_unref(typing->timer);
    if (sd_event_add_time_relative(node->lab->event, &typing->timer, CLOCK_MONOTONIC, ns / 1000,
                                   1000, fn, node) < 0)
        typing_end(node, "no timer could be made");
}

/**
 * on_expected() - What was awaited came
 * @console:	Its first console
 * @data:	Its node
 */
static void on_expected(struct console *console, void *data)
{
    struct node_run *node = data;

    (void)console;
    node->typing->expecting = false;
    node->typing->timer = sd_event_source_disable_unref(node->typing->timer);
    typing_go_on(node);
}

/**
 * on_executed() - A line was typed and the prompt is back
 * @console:	Its first console
 * @output:	What the guest said
 * @size:	How much
 * @status:	1: it complains; below 0: it failed
 * @err:	Why
 * @data:	Its node
 */
static void on_executed(struct console *console, const char *output, size_t size, int status,
                        struct error *err, void *data)
{
    struct node_run *node = data;
    struct typing *typing = node->typing;
    _cleanup_free_ char *place = NULL, *shown = NULL;

    (void)console;
    if (!typing || !typing->executing)
        return;
    typing->executing = false;
    if (status < 0) {
        typing_end(node, error_message(err));
        return;
    }
    if (status > 0) {
        place = typing_what(node);
        shown = text_escape(output, size < QUOTED ? size : QUOTED);
        typing->refused++;
        log_warning("%s: configuration, %s was refused: %s", node->spec->name, place, shown);
        lab_event(node->lab, "node", node->spec->name, "configuration, %s was refused: %s", place,
                  shown);
    }
    typing_go_on(node);
}

/**
 * execute() - Type a line and wait for the prompt
 * @node:	Node
 * @step:	Line
 */
static void execute(struct node_run *node, const struct script_step *step)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct console_exec exec = {
        .command = step->text,
        .prompt = &node->typing_rule,
        .error = node->has_error ? &node->error_rule : NULL,
        .timeout_ns = step->timeout_ns,
    };

    node->typing->executing = true;
    if (console_exec(node->consoles[0], &exec, on_executed, node, &err) < 0)
        typing_end(node, error_message(&err));
}

/**
 * type() - Type bytes, and wait for nothing but the pace
 * @node:	Node
 * @data:	Bytes
 * @size:	How many
 * @pace_ns:	How long to wait then
 */
static void type(struct node_run *node, const char *data, size_t size, uint64_t pace_ns)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (console_write(node->consoles[0], data, size, &err) < 0) {
        typing_end(node, error_message(&err));
        return;
    }
    if (console_unsent(node->consoles[0]) == 0)
        typing_note(node, true);
    typing_set_timer(node, pace_ns, on_pause_over);
}

bool typing_expect(struct node_run *node, const struct script_step *step)
{
    if (console_expect(node->consoles[0], &step->rule, on_expected, node) < 0) {
        typing_end(node, "something else waits for this console's output");
        return false;
    }
    node->typing->expecting = true;
    typing_set_timer(node, step->timeout_ns, on_timeout);
    return node->typing != NULL;
}

/**
 * send_step() - Type what a step says
 * @node:	Node
 * @step:	Step
 *
 * If the next step waits for an answer, it does so from before the typing: a guest may be quick.
 */
static void send_step(struct node_run *node, const struct script_step *step)
{
    struct typing *typing = node->typing;
    const struct script *script = &typing->phases[typing->phase];
    _cleanup_error_ struct error err = ERROR_INIT;

    if (typing->step == script->count || script->steps[typing->step].verb != SCRIPT_EXPECT) {
        type(node, step->text, step->size, node->appliance->seed_pace_ns);
        return;
    }
    if (!typing_expect(node, &script->steps[typing->step++]))
        return;
    if (console_write(node->consoles[0], step->text, step->size, &err) < 0)
        typing_end(node, error_message(&err));
    else if (console_unsent(node->consoles[0]) == 0)
        typing_note(node, true);
}

void typing_do_step(struct node_run *node, const struct script_step *step)
{
    uint64_t pace = node->appliance->seed_pace_ns;
    _cleanup_free_ char *line = NULL;

    typing_note(node, false);
    switch (step->verb) {
    case SCRIPT_WAIT:
        typing_set_timer(node, step->timeout_ns, on_pause_over);
        break;
    case SCRIPT_SEND:
        send_step(node, step);
        break;
    case SCRIPT_EXPECT:
        (void)typing_expect(node, step);
        break;
    case SCRIPT_RUN:
        if (node->has_typing) {
            execute(node, step);
            break;
        }
        line = xasprintf("%s\r", step->text);
        type(node, line, strlen(line), pace ? pace : BLIND_PACE_NS);
        break;
    case SCRIPT_REFUSE: /* no definition has it */
        typing_go_on(node);
        break;
    }
}

void typing_pause(struct node_run *node)
{
    uint64_t pace = node->appliance->seed_pace_ns;

    typing_set_timer(node, pace ? pace : BLIND_PACE_NS, on_pause_over);
}

/**
 * on_line_due() - The pace before a line is over
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_line_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;
    struct typing *typing = node->typing;

    (void)source;
    (void)usec;
    typing_do_step(node, &typing->phases[typing->phase].steps[typing->step - 1]);
    return 0;
}

void typing_go_on(struct node_run *node)
{
    struct typing *typing = node->typing;

    while (typing->phase < PHASES && typing->step == typing->phases[typing->phase].count) {
        typing->phase++;
        typing->step = 0;
    }
    if (typing->phase == PHASES) {
        if (typing->refused)
            lab_event(node->lab, "node", node->spec->name,
                      "%u lines of its configuration were refused", typing->refused);
        typing_end(node, NULL);
        return;
    }
    typing->step++;
    if (typing->phase == PHASE_LINES && node->has_typing && node->appliance->seed_pace_ns)
        typing_set_timer(node, node->appliance->seed_pace_ns, on_line_due);
    else
        typing_do_step(node, &typing->phases[typing->phase].steps[typing->step - 1]);
}

/**
 * parse_steps() - Read the steps before or after
 * @node:	Node
 * @list:	Steps
 * @name:	What they are called in errors
 * @script:	To fill
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int parse_steps(const struct node_run *node, const struct text_list *list, const char *name,
                       struct script *script, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    strbuf_printf(&text, "timeout %llus\n",
                  (unsigned long long)(node->appliance->seed_timeout_ns / 1000000000));
    for (size_t i = 0; i < list->count; i++)
        strbuf_printf(&text, "%s\n", list->items[i]);
    return script_parse(name, text.data, text.size, node->spec->name, appliance_pattern, script,
                        err);
}

/**
 * read_lines() - The configuration's lines, as steps; empty ones are left out
 * @node:	Node
 * @script:	To fill
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_lines(const struct node_run *node, struct script *script, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    char *rest, *line;
    unsigned number = 0;
    size_t size;
    int r = file_read(node->spec->config, TOPOLOGY_CONFIG_MAX, &data, &size, err);

    if (r < 0)
        return r;
    for (rest = data; (line = strsep(&rest, "\n"));) {
        size_t length = strlen(line);

        number++;
        while (length > 0 && strchr(" \t\r", line[length - 1]))
            line[--length] = 0;
        for (char *at = line; *at; at++)
            if (*at == '\t')
                *at = ' ';
        if (!length)
            continue;
        array_grow(script->steps, script->count, script->capacity);
        script->steps[script->count++] =
            (struct script_step){.verb = SCRIPT_RUN,
                                 .line = number,
                                 .text = xstrdup(line),
                                 .size = length,
                                 .timeout_ns = node->appliance->seed_timeout_ns};
    }
    return 0;
}

/**
 * hash_steps() - Tell one list of things to do from another
 * @typing:	Typing with its steps
 *
 * FNV-1a, over the texts and the phases that they are in.
 *
 * Return: hash
 */
static uint64_t hash_steps(const struct typing *typing)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t phase = 0; phase < PHASES; phase++) {
        const struct script *script = &typing->phases[phase];

        for (size_t i = 0; i < script->count; i++)
            /* With its end, so that "ab", "c" is not "a", "bc". */
            for (const char *at = script->steps[i].text; at; at = *at ? at + 1 : NULL)
                hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
        hash = (hash ^ 0xff) * 0x100000001b3u;
    }
    return hash;
}

int typing_new(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *path = typing_marker_path(node);
    struct typing *typing = xnew0(struct typing, 1);
    int r;

    typing_stop(node);
    node->typing = typing;
    typing->fd = -1;
    r = parse_steps(node, &node->appliance->seed_before, "before", &typing->phases[PHASE_BEFORE],
                    err);
    if (r == 0)
        r = read_lines(node, &typing->phases[PHASE_LINES], err);
    if (r == 0)
        r = parse_steps(node, &node->appliance->seed_after, "after", &typing->phases[PHASE_AFTER],
                        err);
    if (r < 0)
        return r;
    typing->steps_hash = hash_steps(typing);
    typing->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return typing->fd < 0 ? error_errno(err, errno, "%s", path) : 0;
}

void typing_start(struct node_run *node)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (typing_new(node, &err) < 0)
        typing_end(node, error_message(&err));
    else
        typing_go_on(node);
}
