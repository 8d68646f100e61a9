// SPDX-License-Identifier: GPL-2.0-or-later

/* The capture.* methods (docs/rpc.md), but capture.save, which is in captures_keep.c. */

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/captures_priv.h"

/**
 * stop_and_report() - Stop one capture on behalf of a call
 * @run:	Capture; nothing happens if it has ended or is being stopped for another call
 * @stop:	Call
 */
static void stop_and_report(struct capture_run *run, struct capture_stop *stop)
{
    if (run->ended || run->stopping)
        return;
    run->stopping = stop;
    stop->remaining++;
    captures_stop(run);
}

void captures_method_start(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    struct capture_run *run = NULL;

    if (captures_start(data, params, -1, &run, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    run->pending = call;
}

/**
 * find_run() - The capture that a stop means
 * @lab:	Lab
 * @params:	Of the call: id or where; neither: the only one that runs
 * @err:	Error to fill
 *
 * Return: capture or NULL
 */
static struct capture_run *find_run(struct lab *lab, json_t *params, struct error *err)
{
    json_t *id = json_object_get(params, "id"), *where = json_object_get(params, "where");
    struct capture_run *found = NULL;
    size_t running = 0;

    for (size_t i = 0; i < lab->capture_count; i++) {
        struct capture_run *run = lab->captures[i];
        const char *first = json_string_value(json_array_get(run->where, 0));
        bool match = !id && !where;

        if (run->ended)
            continue;
        running++;
        if (json_is_integer(id))
            match = json_integer_value(id) == (json_int_t)run->id;
        else if (json_is_array(where))
            match = json_equal(where, run->where);
        else if (json_is_string(where) && first)
            match = strcmp(first, json_string_value(where)) == 0;
        else if (json_is_string(where)) /* all of the lab */
            match = strcmp(json_string_value(where), "lab") == 0 ||
                    strcmp(json_string_value(where), "all") == 0;
        if (match && found) {
            (void)error_input(err, "several captures run there; name one by its id");
            error_hint(err, "'labctl capture list' shows them; --all stops them all");
            return NULL;
        }
        if (match)
            found = run;
    }
    if (!found)
        (void)error_input(err, running ? "no such capture runs" : "no capture runs");
    return found;
}

void captures_method_stop(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct capture_run *run;
    struct capture_stop *stop;
    bool all = false;

    if (rpc_param_bool(params, "all", false, &all, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    stop = xnew0(struct capture_stop, 1);
    stop->call = call;
    stop->captures = json_array();
    if (all) {
        for (size_t i = 0; i < lab->capture_count; i++)
            stop_and_report(lab->captures[i], stop);
    } else if ((run = find_run(lab, params, &err))) {
        stop_and_report(run, stop);
    }
    if (stop->remaining > 0)
        return;
    /* None runs (fine for --all), or the one named is being stopped by another call already. */
    json_decref(stop->captures);
    free(stop);
    if (!all && !err.code)
        (void)error_set(&err, EBUSY, "that capture is being stopped already");
    if (err.code)
        rpc_fail(call, &err);
    else
        rpc_reply(call, json_pack("{s:[]}", "captures"));
}

void captures_method_list(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    json_t *list = json_array();

    (void)params;
    for (size_t i = 0; i < lab->capture_count; i++)
        (void)json_array_append_new(list, captures_json(lab->captures[i]));
    rpc_reply(call,
              json_pack("{s:o, s:I}", "captures", list, "keep_ms",
                        (json_int_t)(lab->keeper ? lab->topology->capture_keep_ns / 1000000 : 0)));
}

/* A stream between its answer and its worker. */
struct pending_stream {
    struct lab *lab;
    json_t *params;
};

/**
 * on_stream_fd() - The client's connection is free for packets
 * @fd:		Connection, or -1 if the client left
 * @data:	Its pending stream
 */
static void on_stream_fd(int fd, void *data)
{
    struct pending_stream *pending = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct capture_run *run;

    if (fd >= 0 && captures_start(pending->lab, pending->params, fd, &run, &err) < 0)
        log_warning("capture stream: %s", error_message(&err));
    json_decref(pending->params);
    free(pending);
}

void captures_method_stream(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct pending_stream *pending;

    /* What can be refused is refused while there is still an answer to put it in. */
    if (captures_check(lab, params, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    pending = xnew0(struct pending_stream, 1);
    pending->lab = lab;
    pending->params = json_incref(params);
    rpc_upgrade(call, json_pack("{s:i}", "id", (int)lab->next_capture), on_stream_fd, pending);
}

void captures_method_note(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    const char *text = NULL;
    json_int_t running = 0;

    if (rpc_param_string(params, "text", true, &text, &err) == 0 &&
        (!*text || strlen(text) > CAPTURE_NOTE_MAX))
        (void)error_input(&err, "a note has 1 to %u bytes", CAPTURE_NOTE_MAX);
    for (size_t i = 0; i < lab->capture_count; i++)
        running += !lab->captures[i]->ended;
    if (!err.code && running == 0 && !lab->keeper) {
        (void)error_set(&err, ENOENT, "no capture runs that the note could be written into");
        error_hint(&err, "'labctl capture start' begins one");
    }
    if (err.code) {
        rpc_fail(call, &err);
        return;
    }
    captures_note(lab, text);
    rpc_reply(call, json_pack("{s:I}", "captures", running));
}
