// SPDX-License-Identifier: GPL-2.0-or-later

/* node.config: a node's running configuration, as its appliance prints it.
 *
 * The definition names commands (save: in docs/appliance.md). They are typed one after the other,
 * each as node.exec would, so people at the console see them and lose nothing that they type
 * meanwhile. Between two commands the console is free for a moment: what others run there comes
 * first then (-EBUSY is waited out for as long as the call may take). Nothing is kept in the node
 * but this call's own fetch, which ends with its last command, at latest by the time limit. */

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "engine/lab_priv.h"

#define TIMEOUT_DEFAULT_S 60
#define RETRY_US          100000
#define QUOTED            200 /* bytes of a failed command's output in its error */

/* One call under way. */
struct fetch {
    struct lab *lab;
    struct rpc_call *call;
    char *node;  /* by name: it may have gone when a command ends */
    size_t next; /* command, those of save.before first */
    uint64_t deadline_ns;
    struct strbuf output; /* of save.commands so far */
    sd_event_source *retry;
};

static void next_command(struct fetch *fetch);

/**
 * fetch_end() - Answer and forget
 * @fetch:	Fetch
 * @result:	Answer, stolen; NULL: @err says why there is none
 * @err:	Error
 */
static void fetch_end(struct fetch *fetch, json_t *result, struct error *err)
{
    if (result)
        rpc_reply(fetch->call, result);
    else
        rpc_fail(fetch->call, err);
    sd_event_source_disable_unref(fetch->retry);
    strbuf_done(&fetch->output);
    free(fetch->node);
    free(fetch);
}

/**
 * fetch_done() - All commands have run
 * @fetch:	Fetch
 * @node:	Its node
 */
static void fetch_done(struct fetch *fetch, const struct node_run *node)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *config = appliance_saved_config(
        node->appliance, fetch->node, fetch->output.size ? fetch->output.data : "",
        fetch->output.size, &err);
    json_t *text = config ? json_string(config) : NULL;

    if (config && !text) {
        (void)error_set(&err, EILSEQ, "node '%s': its configuration is not UTF-8 text",
                        fetch->node);
        error_hint(&err, "look for letters beyond ASCII in descriptions and banners");
    }
    fetch_end(fetch,
              text ? json_pack("{s:s, s:o, s:s?}", "node", fetch->node, "config", text, "file",
                               node->spec->config)
                   : NULL,
              &err);
}

/**
 * on_command_done() - One command has ended
 * @console:	Where
 * @output:	What it printed
 * @size:	How much
 * @status:	Its status, -1: @err says why there is none
 * @err:	Error
 * @data:	Its fetch
 */
static void on_command_done(struct console *console, const char *output, size_t size, int status,
                            struct error *err, void *data)
{
    struct fetch *fetch = data;
    struct error failure = ERROR_INIT;
    struct node_run *node = lab_find_node(fetch->lab, fetch->node, NULL, &failure);
    const struct text_list *before = node ? &node->appliance->save_before : NULL;

    (void)console;
    if (!node) {
        fetch_end(fetch, NULL, &failure);
        return;
    }
    if (status < 0) {
        error_move(&failure, err);
        error_prefix(&failure, "node '%s'", fetch->node);
        fetch_end(fetch, NULL, &failure);
        return;
    }
    if (status > 0) {
        _cleanup_free_ char *shown = text_escape(output, size > QUOTED ? QUOTED : size);
        const char *command =
            fetch->next < before->count
                ? before->items[fetch->next]
                : node->appliance->save_commands.items[fetch->next - before->count];

        (void)error_set(&failure, EIO, "node '%s': '%s' failed with status %d: %s", fetch->node,
                        command, status, shown);
        fetch_end(fetch, NULL, &failure);
        return;
    }
    if (fetch->next >= before->count) {
        strbuf_append(&fetch->output, output, size);
        if (size > 0 && output[size - 1] != '\n')
            strbuf_puts(&fetch->output, "\n");
    }
    fetch->next++;
    if (fetch->next < before->count + node->appliance->save_commands.count)
        next_command(fetch);
    else
        fetch_done(fetch, node);
}

/**
 * on_retry() - The console may be free now
 * @source:	Timer
 * @usec:	Unused
 * @data:	Fetch
 *
 * Return: 0
 */
static int on_retry(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    next_command(data);
    return 0;
}

/**
 * type_command() - Type the next command
 * @fetch:	Fetch
 * @node:	Its node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int type_command(struct fetch *fetch, const struct node_run *node, struct error *err)
{
    const struct appliance *appliance = node->appliance;
    const struct text_list *before = &appliance->save_before, *save = &appliance->save_commands;
    unsigned serial = appliance->save_serial;
    uint64_t now = now_ns();
    struct console_exec exec = {
        .command = fetch->next < before->count ? before->items[fetch->next]
                                               : save->items[fetch->next - before->count],
        .prompt = serial == 0 ? &node->prompt_rule : &node->shell_rule,
        .error = serial == 0 && node->has_error ? &node->error_rule : NULL,
        .pager = serial == 0 && node->has_pager ? &node->pager_rule : NULL,
        .status = serial == 0 ? appliance->exec_status : "echo $?",
        .timeout_ns = fetch->deadline_ns > now ? fetch->deadline_ns - now : 1,
    };

    if (node->state != NODE_READY && node->state != NODE_RUNNING)
        return error_set(err, EAGAIN, "it is %s, not ready", node_state_name(node->state));
    return console_exec(node->consoles[serial], &exec, on_command_done, fetch, err);
}

/**
 * next_command() - Type the next command, or try again soon
 * @fetch:	Fetch
 */
static void next_command(struct fetch *fetch)
{
    struct error err = ERROR_INIT;
    struct node_run *node = lab_find_node(fetch->lab, fetch->node, NULL, &err);
    int r = node ? type_command(fetch, node, &err) : -EINVAL;

    if (r == 0)
        return;
    if (r == -EBUSY && rpc_call_alive(fetch->call) && now_ns() < fetch->deadline_ns) {
        fetch->retry = sd_event_source_disable_unref(fetch->retry);
        if (sd_event_add_time_relative(fetch->lab->event, &fetch->retry, CLOCK_MONOTONIC, RETRY_US,
                                       1000, on_retry, fetch) >= 0) {
            error_done(&err);
            return;
        }
    }
    if (node)
        error_prefix(&err, "node '%s'", fetch->node);
    fetch_end(fetch, NULL, &err);
}

void config_method(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct node_run *node = NULL;
    const char *name = NULL;
    json_int_t timeout_s = TIMEOUT_DEFAULT_S;
    struct fetch *fetch;
    int r = rpc_param_string(params, "node", true, &name, &err);

    if (r == 0)
        r = rpc_param_integer(params, "timeout_s", false, 1, 86400, &timeout_s, &err);
    if (r == 0 && !(node = lab_find_node(lab, name, NULL, &err)))
        r = -EINVAL;
    if (r == 0 && node->appliance->save_commands.count == 0) {
        r = error_set(&err, ENOTSUP, "node '%s': image '%s' does not say how it is saved", name,
                      node->appliance->name);
        error_hint(&err, "add save: {commands: …} to its appliance.yaml");
    }
    if (r < 0) {
        rpc_fail(call, &err);
        return;
    }
    fetch = xnew0(struct fetch, 1);
    fetch->lab = lab;
    fetch->call = call;
    fetch->node = xstrdup(name);
    fetch->deadline_ns = now_ns() + (uint64_t)timeout_s * 1000000000;
    next_command(fetch);
}
