// SPDX-License-Identifier: GPL-2.0-or-later

/* node list, start, stop, restart and wipe. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/tables.h"
#include "labctl/work.h"

#define EXIT_INTERRUPTED 130

static int run_list(struct invocation *invocation, struct error *err)
{
    return print_part(invocation, "nodes", print_nodes, err);
}

/**
 * words_array() - The command's words as a JSON array
 * @invocation:	Invocation
 *
 * Return: new array
 */
static json_t *words_array(const struct invocation *invocation)
{
    json_t *array = json_array();

    for (size_t i = 0; i < invocation->word_count; i++)
        (void)json_array_append_new(array, json_string(invocation->words[i]));
    return array;
}

/**
 * show_failures() - What went wrong, node by node
 * @result:	The engine's answer
 *
 * Return: exit status
 */
static int show_failures(json_t *result)
{
    json_t *item;
    size_t i;
    int status = 0;

    json_array_foreach (json_object_get(result, "results"), i, item) {
        _cleanup_error_ struct error err = ERROR_INIT;

        if (json_is_true(json_object_get(item, "ok")))
            continue;
        status = ERROR_KIND_FAILED;
        (void)error_set(&err, EIO, "%s", json_text(item, "error"));
        if (*json_text(item, "hint"))
            error_hint(&err, "%s", json_text(item, "hint"));
        print_error(&err);
    }
    return status;
}

/**
 * print_wiped() - Which nodes were wiped
 * @result:	The engine's answer
 */
static void print_wiped(json_t *result)
{
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(result, "results"), i, item)
        (void)printf("%s: wiped\n", json_text(item, "node"));
}

/**
 * wait_wanted() - Whether to wait until nodes are ready
 * @invocation:	Invocation
 * @ret_wait:	Whether
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int wait_wanted(const struct invocation *invocation, bool *ret_wait, struct error *err)
{
    const char *wait = invocation_value(invocation, "wait");

    if (wait && strcmp(wait, "ready") != 0 && strcmp(wait, "started") != 0)
        return error_input(err, "--wait %s: must be 'ready' or 'started'", wait);
    *ret_wait = wait ? strcmp(wait, "ready") == 0 : !invocation_flag(invocation, "no-wait");
    return 0;
}

/**
 * act() - A call about nodes, with progress
 * @invocation:	Invocation
 * @method:	Method
 * @err:	Error to fill
 *
 * Return: exit status or -errno
 */
static int act(struct invocation *invocation, const char *method, struct error *err)
{
    bool all = invocation_flag(invocation, "all");
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL, *names = words_array(invocation);
    _cleanup_free_ char *lab = NULL, *title = NULL;
    struct progress *progress;
    bool wait = true;
    long timeout = 0;
    int r = wait_wanted(invocation, &wait, err);

    if (r == 0)
        r = invocation_integer(invocation, "timeout", 1, 86400, &timeout, err);
    if (r < 0)
        return r;
    if (!all && json_array_size(names) == 0) {
        (void)error_input(err, "which nodes? None was named");
        error_hint(err, "name them, or say --all");
        return -EINVAL;
    }
    if (all && json_array_size(names) > 0)
        return error_input(err, "--all and names of nodes exclude each other");
    r = lab_open(invocation, &client, &lab, err);
    if (r < 0)
        return r;
    work_catch_signals();
    title = xasprintf("lab %s", lab);
    progress = progress_new(title, invocation->json ? PROGRESS_STDERR : PROGRESS_AUTO);
    if (!all)
        progress_limit(progress, names);
    r = rpc_call_start(client, method,
                       json_pack("{s:O, s:b, s:b, s:b, s:I}", "nodes", names, "all", all, "wait",
                                 wait, "force", invocation_flag(invocation, "force"), "timeout_s",
                                 (json_int_t)timeout),
                       err);
    if (r == 0)
        r = work_wait(client, progress, 0, &result, err);
    if (r == 0 && json_is_object(json_array_get(json_object_get(result, "nodes"), 0)))
        progress_status(progress, result, "done");
    progress_free(progress);
    if (r == -EINTR) {
        (void)fprintf(stderr, "labctl: left; the lab goes on with it\n");
        return EXIT_INTERRUPTED;
    }
    if (r < 0)
        return r;
    r = show_failures(result);
    if (invocation->json)
        print_json(steal_ptr(result));
    else if (strcmp(method, "node.wipe") == 0)
        print_wiped(result);
    return r;
}

static int run_start(struct invocation *invocation, struct error *err)
{
    return act(invocation, "node.start", err);
}

static int run_stop(struct invocation *invocation, struct error *err)
{
    return act(invocation, "node.stop", err);
}

static int run_restart(struct invocation *invocation, struct error *err)
{
    return act(invocation, "node.restart", err);
}

static int run_wipe(struct invocation *invocation, struct error *err)
{
    return act(invocation, "node.wipe", err);
}

static const struct option_spec start_options[] = {
    {"all", 0, NULL, "every node"},
    {"wait", 0, "WHAT", "until they are ready (default), or only started"},
    {"no-wait", 0, NULL, "the same as --wait started"},
    {"timeout", 0, "SECONDS", "how long to wait; they go on afterwards"},
    {0},
};

static const struct option_spec restart_options[] = {
    {"all", 0, NULL, "every node"},
    {"force", 0, NULL, "do not ask the guest to shut down, just end it"},
    {"wait", 0, "WHAT", "until they are ready (default), or only started"},
    {"no-wait", 0, NULL, "the same as --wait started"},
    {"timeout", 0, "SECONDS", "how long to wait; they go on afterwards"},
    {0},
};

static const struct option_spec stop_options[] = {
    {"all", 0, NULL, "every node"},
    {"force", 0, NULL, "do not ask the guest to shut down, just end it"},
    {"no-wait", 0, NULL, "do not wait until they have stopped"},
    {"timeout", 0, "SECONDS", "how long to wait; they go on afterwards"},
    {0},
};

static const struct option_spec wipe_options[] = {
    {"all", 0, NULL, "every node"},
    {0},
};

const struct command cmd_node_list = {
    .group = "node",
    .name = "list",
    .arguments = "",
    .summary = "The nodes of a lab",
    .run = run_list,
};

const struct command cmd_node_start = {
    .group = "node",
    .name = "start",
    .arguments = "NODE…",
    .summary = "Start nodes",
    .options = start_options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_start,
};

const struct command cmd_node_stop = {
    .group = "node",
    .name = "stop",
    .arguments = "NODE…",
    .summary = "Shut nodes down",
    .options = stop_options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_stop,
};

const struct command cmd_node_restart = {
    .group = "node",
    .name = "restart",
    .arguments = "NODE…",
    .summary = "Shut nodes down and start them again",
    .options = restart_options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_restart,
};

const struct command cmd_node_wipe = {
    .group = "node",
    .name = "wipe",
    .arguments = "NODE…",
    .summary = "Forget what stopped nodes wrote to their disks",
    .options = wipe_options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_wipe,
};
