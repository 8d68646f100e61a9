// SPDX-License-Identifier: GPL-2.0-or-later

/* node exec: a command on the consoles of one or several nodes, all at the same time; or a script,
 * node after node. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "labctl/exec_script.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

#define SCRIPT_LIMIT (1u << 20)

/* One node's part of the work. */
struct part {
    const char *node;
    struct rpc_client *client;
    json_t *result; /* NULL: failed */
    struct error err;
};

/**
 * split_nodes() - "r1,r2" to its names
 * @word:	Word; cut up
 * @ret_parts:	Parts, caller frees
 *
 * Return: how many
 */
static size_t split_nodes(char *word, struct part **ret_parts)
{
    struct part *parts = NULL;
    size_t count = 0, room = 0;
    char *name;

    while ((name = strsep(&word, ","))) {
        array_grow(parts, count, room);
        parts[count++] = (struct part){.node = name};
    }
    *ret_parts = parts;
    return count;
}

/**
 * start_part() - Ask the engine to run the command on one node
 * @part:	Part
 * @lab:	Lab
 * @command:	Command
 * @timeout:	Seconds, 0: the engine's default
 */
static void start_part(struct part *part, const char *lab, const char *command, long timeout)
{
    json_t *params = json_pack("{s:s, s:s}", "node", part->node, "command", command);
    int r;

    if (!params) {
        (void)error_input(&part->err, "the command is not UTF-8 text");
        return;
    }
    if (timeout > 0)
        (void)json_object_set_new(params, "timeout_s", json_integer(timeout));
    r = lab_connect(lab, &part->client, &part->err);
    if (r < 0)
        json_decref(params);
    else
        (void)rpc_call_start(part->client, "node.exec", params, &part->err);
}

/**
 * show_part() - What came of it
 * @part:	Part, finished
 * @named:	With the node's name above
 */
static void show_part(const struct part *part, bool named)
{
    const char *output = part->result ? json_text(part->result, "output") : "";
    size_t size = strlen(output);

    if (named)
        (void)printf("%s%s:%s\n", colour_on(COLOUR_BOLD), part->node, colour_off());
    print_text(output, size);
    if (size > 0 && output[size - 1] != '\n')
        (void)printf("\n");
}

/**
 * run_command() - The same command on all of them
 * @invocation:	Invocation
 * @lab:	Lab
 * @parts:	Nodes
 * @count:	How many
 * @err:	Error to fill: the first one's
 *
 * Return: 0, 1 if the command failed somewhere, or -errno
 */
static int run_command(const struct invocation *invocation, const char *lab, struct part *parts,
                       size_t count, struct error *err)
{
    _cleanup_strbuf_ struct strbuf command = STRBUF_INIT;
    json_t *results = json_array();
    long timeout = 0;
    int status = 0, r = invocation_integer(invocation, "timeout", 1, 86400, &timeout, err);

    for (size_t i = 1; i < invocation->word_count; i++)
        strbuf_printf(&command, "%s%s", i > 1 ? " " : "", invocation->words[i]);
    for (size_t i = 0; r == 0 && i < count; i++)
        start_part(&parts[i], lab, command.data, timeout);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct part *part = &parts[i];

        if (!part->err.code)
            (void)rpc_call_wait(part->client, -1, NULL, NULL, &part->result, &part->err);
        if (part->result) {
            (void)json_object_set_new(part->result, "node", json_string(part->node));
            if (json_integer_value(json_object_get(part->result, "status")) != 0)
                status = ERROR_KIND_FAILED;
            (void)json_array_append(results, part->result);
        }
        if (!invocation->json && (part->result || count > 1))
            show_part(part, count > 1);
        if (part->err.code && count > 1 && !invocation->json)
            print_error(&part->err);
    }
    if (r == 0 && invocation->json && count > 1)
        print_json(json_pack("{s:O}", "results", results));
    else if (r == 0 && invocation->json && parts[0].result)
        print_json(json_incref(parts[0].result));
    json_decref(results);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!parts[i].err.code)
            continue;
        r = -parts[i].err.code;
        if (count > 1 && !invocation->json)
            return ERROR_KIND_FAILED; /* printed where it belongs */
        error_move(err, &parts[i].err);
    }
    return r < 0 ? r : status;
}

/**
 * run_script() - A script, on one node after the other
 * @invocation:	Invocation
 * @lab:	Lab
 * @parts:	Nodes
 * @count:	How many
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int run_script(const struct invocation *invocation, const char *lab,
                      const struct part *parts, size_t count, struct error *err)
{
    const char *path = invocation_value(invocation, "script");
    _cleanup_free_ char *data = NULL;
    json_t *results = json_array();
    size_t size = 0;
    int r = 0;

    if (invocation->word_count > 1)
        r = error_input(err, "--script and a command exclude each other");
    else if (invocation_value(invocation, "timeout"))
        r = error_input(err, "--timeout: write 'timeout 10s' into the script");
    if (r == 0)
        r = file_read(path, SCRIPT_LIMIT, &data, &size, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct script script = {0};

        r = script_parse(path, data, size, parts[i].node, appliance_pattern, &script, err);
        if (r < 0)
            break;
        if (count > 1 && !invocation->json)
            (void)printf("%s%s:%s\n", colour_on(COLOUR_BOLD), parts[i].node, colour_off());
        r = exec_script_run(lab, parts[i].node, &script, path, invocation->json, err);
        script_done(&script);
        if (r == 0)
            (void)json_array_append_new(
                results, json_pack("{s:s, s:i}", "node", parts[i].node, "status", 0));
    }
    if (r == 0 && invocation->json)
        print_json(json_pack("{s:O}", "results", results));
    json_decref(results);
    return r;
}

static int run_exec(struct invocation *invocation, struct error *err)
{
    _cleanup_free_ char *words = xstrdup(invocation->words[0]), *lab = NULL;
    _cleanup_free_ struct part *parts = NULL;
    size_t count = split_nodes(words, &parts);
    int r = 0;

    if (invocation->word_count < 2 && !invocation_value(invocation, "script"))
        r = error_input(err, "which command? None was given, and no --script");
    if (r == 0)
        r = lab_pick(invocation, NULL, &lab, err);
    if (r == 0 && invocation_value(invocation, "script"))
        r = run_script(invocation, lab, parts, count, err);
    else if (r == 0)
        r = run_command(invocation, lab, parts, count, err);
    for (size_t i = 0; i < count; i++) {
        rpc_client_free(parts[i].client);
        json_decref(parts[i].result);
        error_done(&parts[i].err);
    }
    return r;
}

static const struct option_spec exec_options[] = {
    {"timeout", 0, "SECONDS", "how long it may take (default 30)"},
    {"script", 0, "FILE", "type and expect what the file says, see labctl(1)"},
    {0},
};

const struct command cmd_node_exec = {
    .group = "node",
    .name = "exec",
    .arguments = "NODE[,NODE…] COMMAND…",
    .summary = "Run a command, or a script, on consoles of nodes",
    .details =
        "Prints what the command printed; exits with 0, or with 1 if it failed. r1:1 is the "
        "second\n"
        "console of r1. If the command has options of its own: labctl node exec h1 -- ping -c1 h2",
    .options = exec_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_exec,
};
