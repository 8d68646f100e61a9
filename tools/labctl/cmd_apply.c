// SPDX-License-Identifier: GPL-2.0-or-later

/* topology apply: change a running lab to what a file says. The plan is asked for first and shown,
 * then carried out; --dry-run stops in between. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/work.h"
#include "topology/read.h"

#define EXIT_INTERRUPTED 130

/**
 * print_plan() - What would be done, a line each
 * @plan:	The engine's answer
 * @file:	Where to
 */
static void print_plan(json_t *plan, FILE *file)
{
    json_t *change;
    size_t i;

    if (json_array_size(json_object_get(plan, "changes")) == 0)
        (void)fprintf(file, "Nothing to do: the lab is what the file says.\n");
    json_array_foreach (json_object_get(plan, "changes"), i, change) {
        const char *action = json_text(change, "action");
        const char *mark = strcmp(action, "add") == 0      ? "+"
                           : strcmp(action, "remove") == 0 ? "-"
                           : strcmp(action, "move") == 0   ? ">"
                                                           : "~";

        (void)fprintf(file, "%s %s %s: %s\n", mark, json_text(change, "kind"),
                      json_text(change, "name"), json_text(change, "text"));
    }
    json_array_foreach (json_object_get(plan, "restarts"), i, change)
        (void)fprintf(file, "%s%s", i ? ", " : "Restarts: ", json_string_value(change));
    if (json_array_size(json_object_get(plan, "restarts")) > 0)
        (void)fprintf(file, "\n");
}

/**
 * pick_by_file() - The running lab that the file names
 * @path:	File
 *
 * Return: its name, owned; NULL if there is none, or the file is not right (the engine will say
 * how)
 */
static char *pick_by_file(const char *path)
{
    _cleanup_topology_ struct topology *topology = NULL;
    struct diagnostics diagnostics = {0};
    _cleanup_free_ char *dir = NULL;
    char *name = NULL;

    if (topology_read(path, NULL, &topology, &diagnostics, NULL) == 0) {
        dir = lab_run_dir(topology->lab);
        name = file_exists(dir) ? xstrdup(topology->lab) : NULL;
    }
    diagnostics_done(&diagnostics);
    return name;
}

/**
 * ask() - One call of lab.apply, to its answer
 * @client:	Connection
 * @progress:	Shown meanwhile, or NULL
 * @path:	File
 * @invocation:	Invocation
 * @dry_run:	Only plan
 * @ret_result:	New reference
 * @err:	Error to fill
 *
 * Return: 0, -EINTR or -errno
 */
static int ask(struct rpc_client *client, struct progress *progress, const char *path,
               const struct invocation *invocation, bool dry_run, json_t **ret_result,
               struct error *err)
{
    int r = rpc_call_start(client, "lab.apply",
                           json_pack("{s:s, s:b, s:b}", "topology", path, "dry_run", dry_run,
                                     "restart", invocation_flag(invocation, "restart")),
                           err);

    return r < 0 ? r : work_wait(client, progress, 0, ret_result, err);
}

static int run_apply(struct invocation *invocation, struct error *err)
{
    bool dry_run = invocation_flag(invocation, "dry-run");
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *plan = NULL, *result = NULL;
    _cleanup_free_ char *lab = NULL, *title = NULL, *named = NULL;
    _cleanup_free_ char *path = realpath(invocation->words[0], NULL);
    struct progress *progress;
    int r;

    if (!path) {
        r = error_errno(err, errno, "%s", invocation->words[0]);
        err->kind = ERROR_KIND_INPUT;
        return r;
    }
    if (!invocation->lab)
        invocation->lab = named = pick_by_file(path);
    r = lab_open(invocation, &client, &lab, err);
    if (r < 0)
        return r;
    work_catch_signals();
    r = ask(client, NULL, path, invocation, true, &plan, err);
    if (r < 0)
        return r;
    if (!invocation->json)
        print_plan(plan, stdout);
    if (dry_run || json_array_size(json_object_get(plan, "changes")) == 0) {
        if (invocation->json)
            print_json(steal_ptr(plan));
        return 0;
    }
    (void)fflush(stdout);
    title = xasprintf("lab %s", lab);
    progress = progress_new(title, invocation->json ? PROGRESS_STDERR : PROGRESS_AUTO);
    r = ask(client, progress, path, invocation, false, &result, err);
    progress_free(progress);
    if (r == -EINTR) {
        (void)fprintf(stderr, "labctl: left; the lab goes on with it\n");
        return EXIT_INTERRUPTED;
    }
    if (r == 0 && invocation->json)
        print_json(steal_ptr(result));
    else if (r == 0)
        (void)printf("Lab %s is what %s says.\n", lab, invocation->words[0]);
    return r;
}

static const struct option_spec apply_options[] = {
    {"dry-run", 0, NULL, "only say what would be done"},
    {"restart", 0, NULL, "restart nodes that have to be for it"},
    {0},
};

const struct command cmd_topology_apply = {
    .group = "topology",
    .name = "apply",
    .arguments = "FILE",
    .summary = "Change a running lab to what a file says",
    .details =
        "Shows what is added (+), removed (-), moved (>) and changed (~), then does it. Nodes and\n"
        "links that are not named there are not touched.",
    .options = apply_options,
    .words_least = 1,
    .words_most = 1,
    .words = WORD_FILE,
    .run = run_apply,
};
