// SPDX-License-Identifier: GPL-2.0-or-later

/* Each node has a connection of its own while its configuration is fetched, a few at a time: guests
 * are slow, and the engine has places for 256 connections. */

#include "labctl/config_fetch.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "labctl/lab.h"
#include "labctl/output.h"
#include "topology/edit.h"

#define AT_A_TIME    16
#define TOPOLOGY_MAX ((size_t)4 << 20)

/**
 * is_added() - Whether the topology file names a node's file, though the lab does not know yet
 * @work:	Work
 * @item:	Item
 *
 * Return: true if so
 */
static bool is_added(const struct config_work *work, const struct config_item *item)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;

    return file_read(work->topology, TOPOLOGY_MAX, &text, &size, NULL) == 0 &&
           topology_add_config(text, size, item->node, item->shown, NULL, NULL) == 0;
}

/**
 * item_init() - Where a node's start configuration is
 * @work:	Work
 * @item:	Zeroed item
 * @node:	The node in the status document
 */
static void item_init(const struct config_work *work, struct config_item *item, json_t *node)
{
    const char *config = json_string_value(json_object_get(node, "config"));
    const char *state = json_text(node, "state");
    json_t *other;
    size_t i, below = strlen(work->dir);

    item->node = json_text(node, "name");
    item->named = config != NULL;
    if (config) {
        item->file = xstrdup(config);
    } else {
        _cleanup_free_ char *name = xasprintf("configs/%s/%s.conf", work->lab, item->node);

        item->file = path_join(work->dir, name);
    }
    item->shown = xstrdup(strncmp(item->file, work->dir, below) == 0 && item->file[below] == '/'
                              ? item->file + below + 1
                              : item->file);
    item->added = !config && is_added(work, item);
    json_array_foreach (json_object_get(work->status, "nodes"), i, other)
        if (config && other != node && strcmp(json_text(other, "config"), config) == 0)
            item->shared = true;
    if (!work->all)
        return;
    if (!json_is_true(json_object_get(node, "saves")))
        item->reason = "its image does not say how";
    else if (strcmp(state, "ready") != 0 && strcmp(state, "running") != 0)
        (void)error_set(&item->err, EAGAIN, "node '%s' is %s, so it cannot be asked", item->node,
                        state);
}

/**
 * pick_items() - One item for each node that is meant
 * @work:	Work with its status
 * @invocation:	Its words are nodes, unless work->all
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int pick_items(struct config_work *work, const struct invocation *invocation,
                      struct error *err)
{
    json_t *nodes = json_object_get(work->status, "nodes"), *node;
    size_t i, wanted = work->all ? json_array_size(nodes) : invocation->word_count;

    work->items = xnew0(struct config_item, wanted + 1);
    for (size_t w = 0; !work->all && w < wanted; w++) {
        bool twice = false, found = false;

        for (size_t before = 0; before < w; before++)
            twice |= strcmp(invocation->words[before], invocation->words[w]) == 0;
        json_array_foreach (nodes, i, node) {
            if (strcmp(json_text(node, "name"), invocation->words[w]) != 0)
                continue;
            found = true;
            if (!twice)
                item_init(work, &work->items[work->count++], node);
        }
        if (!found) {
            (void)error_input(err, "lab '%s' has no node '%s'", work->lab, invocation->words[w]);
            error_hint(err, "'labctl node list' shows them");
            return -EINVAL;
        }
    }
    if (work->all)
        json_array_foreach (nodes, i, node)
            item_init(work, &work->items[work->count++], node);
    return 0;
}

int config_work_begin(struct config_work *work, struct invocation *invocation, bool all,
                      struct error *err)
{
    const char *lab = NULL;
    int r;

    if (invocation->command->group && strcmp(invocation->command->group, "topology") == 0) {
        all = true;
        lab = invocation->word_count > 0 ? invocation->words[0] : NULL;
    } else if (all && invocation->word_count > 0) {
        return error_input(err, "--all and names of nodes exclude each other");
    } else if (!all && invocation->word_count == 0) {
        (void)error_input(err, "which nodes? None was named");
        error_hint(err, "name them, or say --all");
        return -EINVAL;
    }
    r = lab_pick(invocation, lab, &work->lab, err);
    if (r == 0)
        r = lab_status(invocation, work->lab, &work->status, err);
    if (r < 0)
        return r;
    work->all = all;
    work->topology = xstrdup(json_text(work->status, "topology"));
    work->dir = path_dirname(work->topology);
    return pick_items(work, invocation, err);
}

/**
 * start_item() - Ask for one node's configuration
 * @work:	Work
 * @item:	Item
 * @timeout:	Seconds, 0: the engine's default
 */
static void start_item(const struct config_work *work, struct config_item *item, long timeout)
{
    json_t *params = json_pack("{s:s}", "node", item->node);

    if (timeout > 0)
        (void)json_object_set_new(params, "timeout_s", json_integer(timeout));
    if (lab_connect(work->lab, &item->client, &item->err) < 0)
        json_decref(params);
    else
        (void)rpc_call_start(item->client, "node.config", params, &item->err);
}

/**
 * finish_item() - Wait for it
 * @item:	Item
 */
static void finish_item(struct config_item *item)
{
    json_t *result = NULL;

    if (item->err.code || item->reason)
        return;
    if (rpc_call_wait(item->client, -1, NULL, NULL, &result, &item->err) == 0)
        item->text = xstrdup(json_text(result, "config"));
    json_decref(result);
    rpc_client_free(item->client);
    item->client = NULL;
}

void config_work_fetch(struct config_work *work, long timeout, config_fetched_fn *fn, void *data)
{
    size_t started = 0;

    for (size_t i = 0; i < work->count; i++) {
        for (; started < work->count && started < i + AT_A_TIME; started++)
            if (!work->items[started].err.code && !work->items[started].reason)
                start_item(work, &work->items[started], timeout);
        finish_item(&work->items[i]);
        fn(work, &work->items[i], data);
    }
}

void config_work_done(struct config_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        struct config_item *item = &work->items[i];

        rpc_client_free(item->client);
        error_done(&item->err);
        free(item->text);
        free(item->file);
        free(item->shown);
    }
    free(work->items);
    json_decref(work->status);
    free(work->topology);
    free(work->dir);
    free(work->lab);
}
