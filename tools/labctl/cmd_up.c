// SPDX-License-Identifier: GPL-2.0-or-later

/* topology up. The file is checked here, so that faults are told with their places and nothing has
 * been started; then an engine is spawned in a session of its own and asked to bring the lab up.
 * The engine takes everything back when that fails. ^C asks it to take the lab down; a second ^C
 * leaves it to it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/topology_file.h"
#include "labctl/work.h"

#define EXIT_INTERRUPTED 130

static const struct option_spec up_options[] = {
    {"name", 'n', "LAB", "name of the lab, instead of the file's"},
    {"wait", 0, "ready|started", "return when all nodes are ready (default), or just started"},
    {"timeout", 0, "SECONDS", "how long nodes may take; by default what their images say"},
    {"paused", 0, NULL, "leave the guests stopped before their first instruction"},
    {"keep", 0, NULL, "if it fails, leave what is there to look at"},
    {0},
};

/**
 * lab_must_not_run() - Refuse a name that is taken
 * @name:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -EEXIST
 */
static int lab_must_not_run(const char *name, struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    int r = lab_list_read(&list, err);

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (strcmp(list.items[i].name, name) != 0)
            continue;
        if (!list.items[i].alive && lab_is_stale(name))
            return 0;
        if (list.items[i].alive) {
            (void)error_set(err, EEXIST, "lab '%s' is already running", name);
            error_hint(err,
                       "look at it: labctl topology status %s\ntake it down: labctl topology down "
                       "%s\nor start another one beside it with --name",
                       name, name);
        } else {
            (void)error_set(err, EEXIST, "lab '%s' is there, but its engine is not running", name);
            error_hint(err,
                       "'labctl topology status %s' starts another one, 'labctl topology down %s' "
                       "ends the lab",
                       name, name);
        }
        return -EEXIST;
    }
    return r;
}

/**
 * up_params() - Parameters of lab.up
 * @invocation:	Invocation
 * @ret_params:	Set
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int up_params(const struct invocation *invocation, json_t **ret_params, struct error *err)
{
    const char *wait = invocation_value(invocation, "wait");
    long timeout = 0;

    if (wait && strcmp(wait, "ready") != 0 && strcmp(wait, "started") != 0)
        return error_input(err, "--wait: '%s' is neither 'ready' nor 'started'", wait);
    if (invocation_integer(invocation, "timeout", 1, 86400, &timeout, err) < 0)
        return -EINVAL;
    *ret_params =
        json_pack("{s:b, s:s, s:b}", "paused", invocation_flag(invocation, "paused"), "wait",
                  wait ? wait : "ready", "keep", invocation_flag(invocation, "keep"));
    if (timeout > 0)
        (void)json_object_set_new(*ret_params, "timeout_s", json_integer(timeout));
    return 0;
}

/**
 * take_back() - After ^C: the lab goes down again
 * @client:	Engine
 * @name:	Lab
 * @progress:	Where it shows
 *
 * Return: exit status
 */
static int take_back(struct rpc_client *client, const char *name, struct progress *progress)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_json_ json_t *result = NULL;
    int r;

    progress_say(progress, "interrupted: taking the lab down (^C again to leave it alone)");
    /* Half booted guests have nothing to save, and the person wants out. */
    r = rpc_call_start(client, "lab.down", json_pack("{s:b}", "force", 1), &err);
    if (r == 0)
        r = work_wait(client, progress, work_interrupts(), &result, &err);
    if (r == -EINTR) {
        (void)fprintf(stderr,
                      "labctl: left; the lab may be on its way down still: labctl topology "
                      "down %s\n",
                      name);
    } else if (!work_wait_gone(client, name)) {
        if (r < 0)
            print_error(&err);
        (void)fprintf(stderr, "labctl: the lab may not be down: labctl topology down %s\n", name);
    } else {
        progress_erase(progress);
        (void)fprintf(stderr, "labctl: lab '%s' was taken down again\n", name);
    }
    return EXIT_INTERRUPTED;
}

/**
 * print_next() - The lab is up: what to do with it
 * @status:	Status document
 * @name:	Lab
 */
static void print_next(json_t *status, const char *name)
{
    json_t *nodes = json_object_get(status, "nodes"), *links = json_object_get(status, "links");
    _cleanup_free_ char *lab = lab_argument(name);
    _cleanup_free_ char *node = NULL, *end = NULL;
    const char *first = json_text(json_array_get(nodes, 0), "name");
    const char *port =
        json_string_value(json_array_get(json_object_get(json_array_get(links, 0), "ends"), 0));

    node = text_escape(first, strlen(first));
    (void)printf("\nLab %s is up: %zu node%s, %zu link%s.\n", name, json_array_size(nodes),
                 json_array_size(nodes) == 1 ? "" : "s", json_array_size(links),
                 json_array_size(links) == 1 ? "" : "s");
    if (*node)
        (void)printf("  labctl%s console %s\n", lab, node);
    if (port) {
        end = text_escape(port, strlen(port));
        (void)printf("  labctl%s capture stream %s | tcpdump -r -\n", lab, end);
    }
    (void)printf("  labctl%s topology status\n", lab);
    (void)printf("  labctl topology down%s%s\n", *lab ? " " : "", *lab ? name : "");
}

/**
 * bring_up() - Start the engine and have it bring the lab up
 * @invocation:	Invocation
 * @name:	Lab
 * @path:	Topology file, absolute
 * @params:	Of lab.up; stolen
 * @err:	Error to fill
 *
 * Return: exit status or -errno
 */
static int bring_up(const struct invocation *invocation, const char *name, const char *path,
                    json_t *params, struct error *err)
{
    _cleanup_free_ char *dir = lab_run_dir(name), *socket = path_join(dir, "engine.sock");
    _cleanup_free_ char *title = xasprintf("lab %s", name);
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *status = NULL;
    struct progress *progress;
    int r;

    work_catch_signals();
    if (lab_is_stale(name))
        (void)fprintf(stderr,
                      "labctl: the host was restarted since lab '%s' ran: it starts from its "
                      "disks\n",
                      name);
    r = engine_start(name, path, err);
    if (r == 0)
        r = rpc_connect(socket, &client, err);
    if (r < 0) {
        json_decref(params);
        return r;
    }
    progress = progress_new(title, invocation->json ? PROGRESS_STDERR : PROGRESS_AUTO);
    r = rpc_call_start(client, "lab.up", params, err);
    if (r == 0)
        r = work_wait(client, progress, 0, &status, err);
    if (r == -EINTR)
        r = take_back(client, name, progress);
    else if (r == 0)
        progress_status(progress, status, "up");
    progress_free(progress);
    if (r == 0 && invocation->json)
        print_json(steal_ptr(status));
    else if (r == 0)
        print_next(status, name);
    else if (r < 0 && !invocation_flag(invocation, "keep"))
        (void)work_wait_gone(client, name); /* so that the next up finds the place clear */
    return r;
}

static int run_up(struct invocation *invocation, struct error *err)
{
    _cleanup_topology_ struct topology *topology = NULL;
    struct diagnostics diagnostics = {0};
    const char *path = invocation->words[0], *name = invocation_value(invocation, "name");
    json_t *params = NULL;
    int r = up_params(invocation, &params, err);

    if (!name)
        name = invocation->lab;
    if (r == 0 && name && !text_is_name(name))
        r = error_input(err, "--name: a lab's name is 1 to 63 letters, digits, '.', '_' and '-'");
    if (r == 0) {
        r = topology_file_read(path, true, &topology, &diagnostics, err);
        if (r == -EINVAL && diagnostics.count > 0)
            (void)error_input(err, "%s: %zu error%s, nothing was started", path, diagnostics.count,
                              diagnostics.count == 1 ? "" : "s");
        diagnostics_done(&diagnostics);
    }
    if (r == 0 && topology)
        r = lab_must_not_run(name ? name : topology->lab, err);
    if (r < 0 || !topology) {
        json_decref(params);
        return r;
    }
    return bring_up(invocation, name ? name : topology->lab, topology->path, params, err);
}

const struct command cmd_topology_up = {
    .group = "topology",
    .name = "up",
    .arguments = "FILE",
    .summary = "Start a lab",
    .details = "Checks the file, starts its nodes and waits until they are ready. If one fails, "
               "everything "
               "that\nwas started is taken back, unless --keep. ^C takes the lab down again.",
    .options = up_options,
    .words_least = 1,
    .words_most = 1,
    .words = WORD_FILE,
    .run = run_up,
};
