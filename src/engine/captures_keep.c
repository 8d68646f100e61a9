// SPDX-License-Identifier: GPL-2.0-or-later

/* "capture: {keep: 60s}" of the topology: a worker without a file remembers the last stretch of
 * traffic of all the lab (capture/keep.c), and capture.save has it write that down. It begins when
 * the lab comes up and, like any worker, outlives the engine.
 *
 * It follows changes of the lab as other captures do (captures_follow.c), and of the time that the
 * topology wants. One that is killed is replaced, and what it had is gone. */

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/units.h"
#include "engine/captures_priv.h"

void captures_keep_start(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct capture_where where;
    struct capture_run *run;
    int r;

    if (!lab->topology->capture_keep_ns || !lab->fabric || lab->keeper)
        return;
    if (capture_where_resolve(lab, NULL, NULL, &where, &err) < 0) {
        log_warning("nothing is kept: %s", error_message(&err));
        return;
    }
    run = capture_run_new(lab);
    run->where = json_array();
    r = capture_run_spawn(run,
                          &(struct capture_options){
                              .endpoints = where.items,
                              .endpoint_count = where.count,
                              .keep_ns = lab->topology->capture_keep_ns,
                          },
                          NULL, 0, &err);
    run->keep_ns = lab->topology->capture_keep_ns;
    run->told = capture_where_text(&where);
    capture_where_done(&where);
    if (r < 0) {
        log_warning("nothing is kept: %s", error_message(&err));
        capture_run_free(run);
        return;
    }
    lab->keeper = run;
}

char *captures_keep_difference(const struct lab *lab, const struct topology *topology)
{
    if (lab->topology->capture_keep_ns == topology->capture_keep_ns)
        return NULL;
    return topology->capture_keep_ns ? units_format_duration(topology->capture_keep_ns)
                                     : xstrdup("nothing");
}

void capture_keep_follow(struct lab *lab)
{
    uint64_t wanted = lab->topology->capture_keep_ns;
    struct capture_run *keeper = lab->keeper;

    if (wanted && !keeper) {
        captures_keep_start(lab);
    } else if (!wanted && keeper) {
        captures_stop(keeper);
    } else if (keeper && wanted != keeper->keep_ns) {
        _cleanup_free_ char *message = xasprintf("keep %llu", (unsigned long long)wanted);

        if (capture_run_tell(keeper, message, -1, NULL) == 0)
            keeper->keep_ns = wanted;
    }
}

/**
 * save_take() - Take a save off the list
 * @run:	Keeper
 * @id:		Which
 *
 * Return: the save, or NULL
 */
static struct capture_save *save_take(struct capture_run *run, uint64_t id)
{
    for (struct capture_save **at = &run->saves; *at; at = &(*at)->next) {
        struct capture_save *save = *at;

        if (save->id == id) {
            *at = save->next;
            return save;
        }
    }
    return NULL;
}

/**
 * save_fail() - A save came to nothing
 * @save:	Save; freed
 * @why:	Reason
 */
static void save_fail(struct capture_save *save, const char *why)
{
    struct error err = ERROR_INIT;

    (void)error_set(&err, EIO, "save the capture to %s: %s", save->file, why);
    rpc_fail(save->call, &err);
    free(save->file);
    free(save);
}

void capture_keep_saved(struct capture_run *run, json_t *report)
{
    struct capture_save *save =
        save_take(run, (uint64_t)json_integer_value(json_object_get(report, "id")));
    const char *why = json_string_value(json_object_get(report, "why"));

    if (!save)
        return;
    if (json_is_true(json_object_get(report, "failed"))) {
        save_fail(save, why ? why : "unknown error");
        return;
    }
    rpc_reply(save->call,
              json_pack("{s:s, s:O, s:O, s:f}", "file", save->file, "packets",
                        json_object_get(report, "packets"), "bytes",
                        json_object_get(report, "bytes"), "from",
                        (double)json_integer_value(json_object_get(report, "from_ns")) / 1e9));
    free(save->file);
    free(save);
}

void capture_keep_ended(struct capture_run *run)
{
    while (run->saves)
        save_fail(save_take(run, run->saves->id), "the worker that keeps the traffic ended");
}

/**
 * save_text() - A save as the worker is told
 * @lab:	Lab
 * @params:	Of the call
 * @id:		What the save is called
 * @text:	Filled
 * @ret_first:	First name that was asked for, borrowed; untouched if there is none
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int save_text(struct lab *lab, json_t *params, uint64_t id, struct strbuf *text,
                     const char **ret_first, struct error *err)
{
    static const char *const directions[] = {
        [CAPTURE_BOTH] = "both", [CAPTURE_SENT] = "sent", [CAPTURE_RECEIVED] = "received"};
    struct capture_where where = {.count = 0};
    const char *filter = NULL, *side = NULL;
    json_int_t last_ms = 0;
    json_t *names = NULL;
    int r = rpc_param_strings(params, "where", false, &names, err);

    if (r == 0)
        r = rpc_param_string(params, "filter", false, &filter, err);
    if (r == 0)
        r = rpc_param_string(params, "side", false, &side, err);
    if (r == 0)
        r = rpc_param_integer(params, "last_ms", false, 1, 3600 * 1000, &last_ms, err);
    if (r == 0 && filter)
        r = capture_filter_check(filter, err);
    if (r == 0 && filter && strchr(filter, '\n'))
        r = error_input(err, "the filter must be one line");
    if (r == 0)
        r = capture_where_resolve(lab, names, side, &where, err);
    if (r < 0)
        return r;
    strbuf_printf(text, "save %llu %llu\n", (unsigned long long)id,
                  (unsigned long long)last_ms * 1000000u);
    if (filter)
        strbuf_printf(text, "filter %s\n", filter);
    for (size_t i = 0; json_array_size(names) > 0 && i < where.count; i++)
        strbuf_printf(text, "only %s %s\n", where.items[i].ifname,
                      directions[where.items[i].direction]);
    if (json_array_size(names) > 0)
        *ret_first = json_string_value(json_array_get(names, 0));
    capture_where_done(&where);
    if (text->size > CAPTURE_MESSAGE_MAX)
        return error_input(err, "too many places were named");
    return 0;
}

/**
 * save_start() - Send the worker to work
 * @lab:	Lab
 * @call:	Call that is answered when it is done
 * @params:	Of the call
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int save_start(struct lab *lab, struct rpc_call *call, json_t *params, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    const char *file = NULL, *first = NULL;
    struct capture_save *save;
    uint64_t id;
    int r;

    if (!lab->keeper) {
        (void)error_input(err, "this lab does not keep its traffic");
        error_hint(err, "a topology with 'capture: {keep: 60s}' does");
        return -EINVAL;
    }
    id = ++lab->keeper->next_save;
    r = rpc_param_string(params, "file", false, &file, err);
    if (r == 0)
        r = save_text(lab, params, id, &text, &first, err);
    if (r < 0)
        return r;
    path = file ? xstrdup(file) : capture_files_default(lab, first, err);
    if (!path)
        return -EIO;
    fd = capture_files_create(path, err);
    if (fd < 0)
        return fd;
    if (!file)
        lab->next_capture++; /* the name has its number */
    r = capture_run_tell(lab->keeper, text.data, fd, err);
    if (r < 0) {
        (void)unlink(path);
        return r;
    }
    save = xnew0(struct capture_save, 1);
    save->id = id;
    save->call = call;
    save->file = steal_ptr(path);
    save->next = lab->keeper->saves;
    lab->keeper->saves = save;
    return 0;
}

void captures_method_save(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;

    if (save_start(data, call, params, &err) < 0)
        rpc_fail(call, &err);
}
