// SPDX-License-Identifier: GPL-2.0-or-later

/* A script's console is attached like a person's, so that others see what it does and it sees what
 * they do. What the guest says is taken as lines; each line is looked at by one expect at most: by
 * the first that is reached after it, in order, and so is each part of an unfinished line. Thus
 * what is said between a step that types and the expect that follows is never missed, and an old
 * prompt is not taken for the answer. */

#include "labctl/exec_script.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "console/frames.h"
#include "console/lines.h"
#include "labctl/lab.h"
#include "labctl/output.h"

#define SETTLE_MS 50 /* output of a step that is over has come by then */

struct run {
    const char *lab, *node, *name;
    bool quiet;
    int fd;
    struct strbuf received; /* frame that is not complete */
    struct lines lines;
    char **said; /* finished lines that no expect has looked at yet; owned */
    size_t said_count, said_room;
    size_t used; /* bytes of the unfinished line that an expect has looked at */
    char *last;  /* the last line there was, for errors; owned */
    bool live, gone;
    const struct script *script;
    const struct script_step *refused; /* a refuse rule that matched */
    size_t refuse_count;               /* steps so far, whose refuse rules are in force */
};

/**
 * now_ns() - CLOCK_MONOTONIC
 *
 * Return: nanoseconds
 */
static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/**
 * on_line() - The guest ended a line
 * @line:	Text
 * @size:	Its size
 * @cut:	Unused
 * @data:	Run
 */
static void on_line(const char *line, size_t size, bool cut, void *data)
{
    struct run *run = data;
    size_t from = run->used < size ? run->used : size;

    (void)cut;
    run->used = 0;
    if (!run->live)
        return;
    if (!run->quiet) {
        print_text(line, size);
        (void)printf("\n");
    }
    free(run->last);
    run->last = xstrdup(line);
    for (size_t i = 0; i < run->refuse_count && !run->refused; i++)
        if (run->script->steps[i].verb == SCRIPT_REFUSE &&
            regexec(&run->script->steps[i].rule, line, 0, NULL, 0) == 0)
            run->refused = &run->script->steps[i];
    /* An array of pointers is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
    array_grow(run->said, run->said_count, run->said_room);
    run->said[run->said_count++] = xstrdup(line + from);
}

/**
 * forget() - Drop the first lines
 * @run:	Run
 * @count:	How many
 */
static void forget(struct run *run, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(run->said[i]);
    run->said_count -= count;
    if (run->said_count)
        memmove(run->said, run->said + count, run->said_count * sizeof(char *));
}

/**
 * take_frames() - Take apart what came
 * @run:	Run
 */
static void take_frames(struct run *run)
{
    struct console_frame_view frame;
    size_t done = 0;
    ssize_t n = 0;

    while (run->received.size > done &&
           (n = console_frame_parse(run->received.data + done, run->received.size - done, &frame)) >
               0) {
        if (frame.type == CONSOLE_FRAME_DATA)
            lines_feed(&run->lines, frame.payload, frame.size, on_line, run);
        else if (frame.type == CONSOLE_FRAME_REPLAYED)
            run->live = true;
        done += (size_t)n;
    }
    run->gone |= n < 0;
    strbuf_consume(&run->received, done);
}

/**
 * listen_for() - Take what comes within a time
 * @run:	Run
 * @ms:		At most so long
 *
 * Return: true if something came
 */
static bool listen_for(struct run *run, int ms)
{
    struct pollfd fd = {.fd = run->fd, .events = POLLIN};
    char bytes[16384];
    ssize_t n;

    if (run->gone || poll(&fd, 1, ms) <= 0)
        return false;
    n = recv(run->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n > 0) {
        strbuf_append(&run->received, bytes, (size_t)n);
        take_frames(run);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        run->gone = true;
    }
    return n > 0;
}

/**
 * type_bytes() - Type on the console
 * @run:	Run
 * @text:	Bytes
 * @size:	How many
 *
 * Return: 0 or -errno
 */
static int type_bytes(struct run *run, const char *text, size_t size)
{
    uint8_t frame[CONSOLE_FRAME_HEAD + CONSOLE_FRAME_MAX];
    int r = 0;

    for (size_t at = 0, part; r == 0 && at < size; at += part) {
        part = size - at < CONSOLE_FRAME_MAX ? size - at : CONSOLE_FRAME_MAX;
        console_frame_head(frame, CONSOLE_FRAME_DATA, part);
        memcpy(frame + CONSOLE_FRAME_HEAD, text + at, part);
        for (size_t sent = 0; r == 0 && sent < CONSOLE_FRAME_HEAD + part;) {
            ssize_t n = send(run->fd, frame + sent, CONSOLE_FRAME_HEAD + part - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
            struct pollfd room = {.fd = run->fd, .events = POLLOUT};

            if (n > 0)
                sent += (size_t)n;
            else if (errno != EAGAIN && errno != EINTR)
                r = -errno;
            else if (!listen_for(run, 0))
                (void)poll(&room, 1, 100);
        }
    }
    return r;
}

/**
 * found() - Whether something said matches, and pass over all up to it
 * @run:	Run
 * @rule:	Rule
 *
 * Return: true if so
 */
static bool found(struct run *run, const regex_t *rule)
{
    const char *line = lines_current(&run->lines);
    size_t size = strlen(line), from = run->used < size ? run->used : size;

    for (size_t i = 0; i < run->said_count; i++) {
        if (regexec(rule, run->said[i], 0, NULL, 0) != 0)
            continue;
        forget(run, i + 1);
        return true;
    }
    if (!run->live || !line[from] || regexec(rule, line + from, 0, NULL, 0) != 0)
        return false;
    forget(run, run->said_count);
    run->used = size;
    return true;
}

/**
 * expect() - Wait for a line
 * @run:	Run
 * @step:	Step
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int expect(struct run *run, const struct script_step *step, struct error *err)
{
    uint64_t end = now_ns() + step->timeout_ns, now;

    while (!found(run, &step->rule)) {
        const char *unfinished = lines_current(&run->lines);
        const char *last = *unfinished ? unfinished : run->last ? run->last : "";
        _cleanup_free_ char *shown = text_escape(last, strnlen(last, 200));
        _cleanup_free_ char *time = units_format_duration(step->timeout_ns);

        if (run->refused)
            return 0; /* told by the caller */
        if (run->gone)
            return error_set(err, EPIPE, "the engine of lab '%s' has gone", run->lab);
        now = now_ns();
        if (now >= end)
            return error_set(err, ETIMEDOUT, "expect %s: nothing matched within %s; last line: %s",
                             step->text, time, *shown ? shown : "(none)");
        (void)listen_for(run,
                         (int)((end - now) / 1000000 < 1000 ? (end - now) / 1000000 + 1 : 1000));
    }
    return 0;
}

/**
 * run_command() - A run step: what node exec does
 * @run:	Run
 * @step:	Step
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int run_command(struct run *run, const struct script_step *step, struct error *err)
{
    uint64_t seconds = (step->timeout_ns + 999999999) / 1000000000;
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    json_t *params = json_pack("{s:s, s:s, s:I}", "node", run->node, "command", step->text,
                               "timeout_s", (json_int_t)(seconds < 86400 ? seconds : 86400));
    int r;

    if (!params)
        return error_input(err, "the command is not UTF-8 text");
    r = lab_connect(run->lab, &client, err);
    if (r == 0)
        r = rpc_call_start(client, "node.exec", params, err);
    else
        json_decref(params);
    /* Its output is listened to meanwhile, or the console would cut us off. */
    while (r == 0) {
        r = rpc_call_wait(client, 10, NULL, NULL, &result, err);
        while (listen_for(run, 0))
            ;
        if (r != -ETIMEDOUT || (err && err->code))
            break;
        error_done(err);
        r = 0;
    }
    if (r < 0)
        return r;
    while (listen_for(run, SETTLE_MS))
        ;
    forget(run, run->said_count);
    run->used = strlen(lines_current(&run->lines));
    if (json_integer_value(json_object_get(result, "status")) != 0)
        return error_set(err, EIO, "run %s: status %" JSON_INTEGER_FORMAT, step->text,
                         json_integer_value(json_object_get(result, "status")));
    return 0;
}

/**
 * do_step() - One step
 * @run:	Run
 * @step:	Step
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int do_step(struct run *run, const struct script_step *step, struct error *err)
{
    uint64_t end = now_ns() + step->timeout_ns, now;
    int r;

    switch (step->verb) {
    case SCRIPT_SEND:
        r = type_bytes(run, step->text, step->size);
        return r < 0 ? error_errno(err, -r, "type on the console") : 0;
    case SCRIPT_EXPECT:
        return expect(run, step, err);
    case SCRIPT_RUN:
        return run_command(run, step, err);
    case SCRIPT_WAIT:
        while ((now = now_ns()) < end && !run->gone)
            (void)listen_for(run, (int)((end - now) / 1000000 + 1));
        return 0;
    case SCRIPT_REFUSE:
        break;
    }
    return 0;
}

/**
 * attach() - Join the console
 * @run:	Run
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int attach(struct run *run, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *rest = NULL;
    size_t size = 0;
    int r = lab_connect(run->lab, &client, err);

    if (r == 0)
        r = rpc_invoke(client, "console.attach",
                       json_pack("{s:s, s:s, s:i, s:s}", "node", run->node, "mode", "shared",
                                 "replay", 0, "who", "a script"),
                       &result, err);
    if (r < 0)
        return r;
    run->fd = rpc_client_steal(steal_ptr(client), &rest, &size);
    strbuf_append(&run->received, rest, size);
    take_frames(run);
    return 0;
}

int exec_script_run(const char *lab, const char *node, const struct script *script,
                    const char *name, bool quiet, struct error *err)
{
    struct run run = {
        .lab = lab, .node = node, .name = name, .quiet = quiet, .fd = -1, .script = script};
    int r;

    lines_init(&run.lines);
    r = attach(&run, err);
    for (size_t i = 0; r == 0 && i < script->count; i++) {
        run.refuse_count = i + 1;
        r = do_step(&run, &script->steps[i], err);
        if (r == 0 && run.refused)
            r = error_set(err, EIO, "refused by line %u: %s", run.refused->line,
                          run.last ? run.last : "");
        if (r < 0)
            (void)error_prefix(err, "node '%s': %s:%u", node, name, script->steps[i].line);
    }
    while (r == 0 && listen_for(&run, SETTLE_MS))
        ;
    if (!quiet && *lines_current(&run.lines) && run.live) {
        print_text(lines_current(&run.lines), strlen(lines_current(&run.lines)));
        (void)printf("\n");
    }
    cleanup_close(&run.fd);
    forget(&run, run.said_count);
    free(run.said);
    free(run.last);
    strbuf_done(&run.received);
    lines_done(&run.lines);
    return r;
}
