// SPDX-License-Identifier: GPL-2.0-or-later

/* An engine that dies takes no capture with it: state.json names the workers by pid and start time,
 * and the next engine connects to them as the first one did. A worker that died meanwhile is
 * replaced, unless its file shows that it had come to its end. */

#include <string.h>

#include "base/alloc.h"
#include "engine/captures_priv.h"

/**
 * run_state() - What the next engine needs of a capture
 * @run:	Capture
 *
 * Return: object
 */
static json_t *run_state(const struct capture_run *run)
{
    json_t *state = captures_json(run);

    (void)json_object_set_new(state, "pid", json_integer(run->process.pid));
    (void)json_object_set_new(state, "start_time",
                              json_integer((json_int_t)run->process.start_time));
    (void)json_object_set_new(state, "since_ms", json_integer((json_int_t)run->since_ms));
    (void)json_object_set_new(state, "worker_ms", json_integer((json_int_t)run->worker_ms));
    (void)json_object_set_new(state, "keep_ns", json_integer((json_int_t)run->keep_ns));
    (void)json_object_set_new(state, "orders", json_integer((json_int_t)run->orders));
    (void)json_object_set_new(state, "before",
                              json_pack("[I, I, I]", (json_int_t)run->before[0],
                                        (json_int_t)run->before[1], (json_int_t)run->before[2]));
    if (run->params)
        (void)json_object_set(state, "params", run->params);
    return state;
}

json_t *captures_state(const struct lab *lab)
{
    json_t *list = json_array();

    if (lab->keeper && !lab->keeper->ended)
        (void)json_array_append_new(list, run_state(lab->keeper));
    for (size_t i = 0; i < lab->capture_count; i++)
        (void)json_array_append_new(list, run_state(lab->captures[i]));
    return list;
}

/**
 * saved_text() - A text of the state file
 * @saved:	Object
 * @key:	Member
 *
 * Return: copy, NULL if there is none
 */
static char *saved_text(json_t *saved, const char *key)
{
    return xstrdup(json_string_value(json_object_get(saved, key)));
}

/**
 * saved_number() - A number of the state file
 * @saved:	Object
 * @key:	Member
 *
 * Return: number, 0 if there is none
 */
static uint64_t saved_number(json_t *saved, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(saved, key));
}

/**
 * adopt_run() - Take one capture over
 * @lab:	Lab
 * @saved:	What the state file says of it
 */
static void adopt_run(struct lab *lab, json_t *saved)
{
    struct capture_run *run = capture_run_new(lab);
    const char *state = json_string_value(json_object_get(saved, "state"));
    json_t *files = json_object_get(saved, "files"), *where = json_object_get(saved, "where");
    json_t *params = json_object_get(saved, "params");
    _cleanup_error_ struct error err = ERROR_INIT;

    run->id = (unsigned)json_integer_value(json_object_get(saved, "id"));
    run->where = json_is_array(where) ? json_incref(where) : json_array();
    run->files = json_is_array(files) ? json_incref(files) : NULL;
    run->file = saved_text(saved, "file");
    run->filter = saved_text(saved, "filter");
    run->side = saved_text(saved, "side");
    run->error = saved_text(saved, "error");
    run->params = json_is_object(params) ? json_incref(params) : NULL;
    run->once = json_is_true(json_object_get(params, "once")) && !run->side;
    run->since_ms = saved_number(saved, "since_ms");
    run->worker_ms = saved_number(saved, "worker_ms");
    run->keep_ns = saved_number(saved, "keep_ns");
    run->orders = run->answered = saved_number(saved, "orders") + 1000;
    for (size_t i = 0; i < ARRAY_SIZE(run->before); i++)
        run->before[i] =
            (uint64_t)json_integer_value(json_array_get(json_object_get(saved, "before"), i));
    run->packets = saved_number(saved, "packets");
    run->bytes = saved_number(saved, "bytes");
    run->dropped = saved_number(saved, "dropped");
    run->process.pid = (pid_t)json_integer_value(json_object_get(saved, "pid"));
    run->process.start_time = saved_number(saved, "start_time");
    run->started = true;
    if (run->id == 0) {
        lab->keeper = run;
    } else {
        array_grow(lab->captures, lab->capture_count, lab->capture_capacity);
        lab->captures[lab->capture_count++] = run;
        if (run->id >= lab->next_capture)
            lab->next_capture = run->id + 1;
    }
    if (state && strcmp(state, "ended") == 0) {
        run->ended = true;
    } else if (capture_run_adopt(run, &err) < 0) {
        if (!run->error)
            run->error = xstrdup(error_message(&err));
        capture_run_ended(run);
    }
}

void captures_adopt(struct lab *lab, json_t *saved)
{
    json_t *item;
    size_t i;

    json_array_foreach (saved, i, item)
        adopt_run(lab, item);
}
