// SPDX-License-Identifier: GPL-2.0-or-later

/* topology save-config and node save-config: running configurations into the files that nodes start
 * from. A file is replaced as a whole, and only if it would be another one afterwards. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "labctl/config_fetch.h"
#include "labctl/output.h"
#include "topology/edit.h"

#define TOPOLOGY_MAX ((size_t)4 << 20)

/* What saving has come to. */
struct saving {
    bool json, update;
    const char *into; /* folder to write to instead, or NULL */
    json_t *results;
    bool failed;
};

/**
 * write_config() - Replace a file, if it is not the same already
 * @path:	Where; a link is followed
 * @text:	What
 * @err:	Error to fill
 *
 * Return: 1 written, 0 it was the same, or -errno
 */
static int write_config(const char *path, const char *text, struct error *err)
{
    _cleanup_free_ char *real = realpath(path, NULL), *old = NULL, *dir = path_dirname(path);
    const char *target = real ? real : path;
    mode_t mask = umask(0), mode = 0666 & ~mask;
    struct stat st;
    size_t size = 0;
    int r;

    (void)umask(mask);
    if (real && file_read(real, 16u << 20, &old, &size, NULL) == 0 && size == strlen(text) &&
        memcmp(old, text, size) == 0)
        return 0;
    if (real && stat(real, &st) == 0)
        mode = st.st_mode & 07777;
    r = dir_make(dir, err);
    if (r == 0)
        r = file_write_atomic(target, text, strlen(text), mode, err);
    return r < 0 ? r : 1;
}

/**
 * add_to_topology() - See to it that the node starts from its file
 * @work:	Work
 * @item:	Item whose file the topology does not name
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_to_topology(const struct config_work *work, const struct config_item *item,
                           struct error *err)
{
    _cleanup_free_ char *real = realpath(work->topology, NULL), *old = NULL, *text = NULL;
    const char *path = real ? real : work->topology;
    size_t size = 0;
    struct stat st;
    int r = file_read(path, TOPOLOGY_MAX, &old, &size, err);

    if (r == 0)
        r = topology_add_config(old, size, item->node, item->shown, &text, err);
    if (r == 1 && stat(path, &st) < 0)
        r = error_errno(err, errno, "%s", path);
    if (r == 1)
        r = file_write_atomic(path, text, strlen(text), st.st_mode & 07777, err);
    return r < 0 ? error_prefix(err, "%s", work->topology) : 0;
}

/**
 * save_item() - Write one node's configuration
 * @work:	Work
 * @item:	Item with a text that is not empty
 * @saving:	How
 * @ret_state:	Word for it
 * @ret_add:	Whether it has to be added to the topology by hand
 *
 * Return: 0 or -errno, with the item's error
 */
static int save_item(const struct config_work *work, struct config_item *item,
                     const struct saving *saving, const char **ret_state, bool *ret_add)
{
    int r;

    if (saving->into) {
        _cleanup_free_ char *name = xasprintf("%s.conf", item->node);

        free(item->file);
        free(item->shown);
        item->file = path_join(saving->into, name);
        item->shown = xstrdup(item->file);
    }
    if (item->shared && !saving->into) {
        _cleanup_free_ char *old = NULL;
        size_t size = 0;

        if (file_read(item->file, 16u << 20, &old, &size, NULL) < 0 ||
            strcmp(old, item->text) != 0) {
            (void)error_set(&item->err, EEXIST, "node '%s': other nodes start from %s too",
                            item->node, item->shown);
            error_hint(&item->err,
                       "give each node a file of its own in the topology, or save into another "
                       "folder with --into");
            return -EEXIST;
        }
    }
    r = write_config(item->file, item->text, &item->err);
    if (r < 0)
        return error_prefix(&item->err, "node '%s'", item->node);
    *ret_state = r ? "saved" : "unchanged";
    *ret_add = !item->named && !item->added && !saving->into && !saving->update;
    if (item->named || item->added || saving->into || !saving->update)
        return 0;
    r = add_to_topology(work, item, &item->err);
    return r < 0 ? error_prefix(&item->err, "node '%s': saved in %s, but not added", item->node,
                                item->shown)
                 : 0;
}

/**
 * on_fetched() - One node has been asked
 * @work:	Work
 * @item:	Item
 * @data:	Saving
 */
static void on_fetched(struct config_work *work, struct config_item *item, void *data)
{
    struct saving *saving = data;
    const char *state = "failed";
    bool add = false;
    bool update = saving->update && !item->named && !item->added && !saving->into;

    if (item->reason)
        state = "skipped";
    else if (!item->err.code && !*item->text)
        state = "empty";
    else if (!item->err.code)
        (void)save_item(work, item, saving, &state, &add);
    if (item->err.code) {
        state = "failed";
        saving->failed = true;
        print_error(&item->err);
    }
    (void)json_array_append_new(
        saving->results,
        json_pack("{s:s, s:s, s:s?, s:b, s:s?}", "node", item->node, "state", state, "file",
                  item->text && *item->text ? item->file : NULL, "add_to_topology", add, "error",
                  item->err.code ? error_message(&item->err) : item->reason));
    if (saving->json || item->err.code)
        return;
    if (item->reason)
        (void)printf("%s: skipped, %s\n", item->node, item->reason);
    else if (!*item->text)
        (void)printf("%s: has no configuration\n", item->node);
    else
        (void)printf("%s: %s %s%s\n", item->node,
                     strcmp(state, "saved") == 0 ? "saved in" : "unchanged,", item->shown,
                     update ? ", which the topology names now" : "");
    if (add)
        (void)printf("%s: add to its entry in %s: config: %s (or say --update)\n", item->node,
                     work->topology, item->shown);
    (void)fflush(stdout);
}

static int run_save(struct invocation *invocation, struct error *err)
{
    struct config_work work = {.lab = NULL};
    struct saving saving = {.json = invocation->json,
                            .update = invocation_flag(invocation, "update"),
                            .into = invocation_value(invocation, "into"),
                            .results = json_array()};
    long timeout = 0;
    int r = invocation_integer(invocation, "timeout", 1, 86400, &timeout, err);

    if (r == 0 && saving.update && saving.into)
        r = error_input(err, "--update and --into exclude each other");
    if (r == 0)
        r = config_work_begin(&work, invocation, invocation_flag(invocation, "all"), err);
    if (r == 0) {
        config_work_fetch(&work, timeout, on_fetched, &saving);
        if (saving.json)
            print_json(json_pack("{s:s, s:O}", "lab", work.lab, "results", saving.results));
        r = saving.failed ? ERROR_KIND_FAILED : 0;
    }
    json_decref(saving.results);
    config_work_done(&work);
    return r;
}

#define DETAILS                                                                                    \
    "Asks the appliances over their consoles, as their definitions say, and replaces the files\n"  \
    "that the topology names with config:. What has not changed is not written. A node without\n"  \
    "such a file gets configs/LAB/NODE.conf beside the topology."

static const struct option_spec options[] = {
    {"all", 0, NULL, "every node"}, /* of nodes only, see below */
    {"update", 0, NULL, "add config: to the topology where it is missing"},
    {"into", 0, "FOLDER", "write FOLDER/NODE.conf instead"},
    {"timeout", 0, "SECONDS", "how long each node may take (default 60)"},
    {0},
};

const struct command cmd_topology_save_config = {
    .group = "topology",
    .name = "save-config",
    .arguments = "[LAB]",
    .summary = "Write the running configurations to where nodes start from",
    .details = DETAILS,
    .options = &options[1],
    .words_most = 1,
    .words = WORD_LAB,
    .run = run_save,
};

const struct command cmd_node_save_config = {
    .group = "node",
    .name = "save-config",
    .arguments = "NODE…",
    .summary = "The same of some nodes",
    .details = DETAILS,
    .options = options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_save,
};
