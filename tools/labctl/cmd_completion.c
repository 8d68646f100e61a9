// SPDX-License-Identifier: GPL-2.0-or-later

/* completion prints a script for the shell. The scripts are all alike small: they hand the words
 * typed so far to "labctl __complete", which prints what may come next, one per line, so that no
 * list of commands or options exists twice. Nothing here may fail loudly or start an engine: it
 * runs while somebody types. */

#include <stdio.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"
#include "labctl/completion_scripts.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

#define STATUS_PATIENCE_MS 500

/**
 * offer() - Print a word if it begins like what is typed
 * @word:	Word
 * @typed:	What is typed of it
 */
static void offer(const char *word, const char *typed)
{
    if (strncmp(word, typed, strlen(typed)) == 0)
        (void)printf("%s\n", word);
}

/**
 * offer_commands() - First or second words
 * @group:	NULL: first words
 * @typed:	What is typed
 */
static void offer_commands(const char *group, const char *typed)
{
    const char *last = "";

    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        const char *word = command->name;

        if (command->name[0] == '_' || (group && !command->group))
            continue;
        if (group && strcmp(group, command->group) != 0)
            continue;
        if (!group && command->group)
            word = command->group;
        if (strcmp(word, last) != 0)
            offer(word, typed);
        last = word;
    }
}

/**
 * offer_labs() - Names of the labs that run
 * @typed:	What is typed
 */
static void offer_labs(const char *typed)
{
    _cleanup_lab_list_ struct lab_list list = {0};

    if (lab_list_read(&list, NULL) < 0)
        return;
    for (size_t i = 0; i < list.count; i++)
        offer(list.items[i].name, typed);
}

/**
 * complete_status() - The status of the lab that is meant, if its engine answers soon
 * @invocation:	With -l if it was typed
 *
 * Return: document, NULL if there is none
 */
static json_t *complete_status(const struct invocation *invocation)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_free_ char *name = NULL, *dir = NULL, *socket = NULL;
    json_t *status = NULL;

    if (lab_pick(invocation, NULL, &name, NULL) < 0)
        return NULL;
    dir = lab_run_dir(name);
    socket = path_join(dir, "engine.sock");
    if (rpc_connect(socket, &client, NULL) == 0 &&
        rpc_call_start(client, "lab.status", NULL, NULL) == 0)
        (void)rpc_call_wait(client, STATUS_PATIENCE_MS, NULL, NULL, &status, NULL);
    return status;
}

/**
 * offer_from_lab() - Names of nodes, links or ends of the lab that is meant
 * @invocation:	With -l if it was typed
 * @kind:	What is wanted
 * @typed:	What is typed
 */
static void offer_from_lab(const struct invocation *invocation, enum word_kind kind,
                           const char *typed)
{
    _cleanup_json_ json_t *status = complete_status(invocation);
    json_t *item, *end;
    size_t i, j;

    json_array_foreach (json_object_get(status, "nodes"), i, item)
        if (kind == WORD_NODE || kind == WORD_WHERE)
            offer(json_text(item, "name"), typed);
    json_array_foreach (json_object_get(status, "links"), i, item) {
        if (kind != WORD_LINK && kind != WORD_WHERE)
            continue;
        offer(json_text(item, "name"), typed);
        json_array_foreach (json_object_get(item, "ends"), j, end)
            offer(json_string_value(end), typed);
    }
}

/**
 * offer_images() - Names of images
 * @typed:	What is typed
 */
static void offer_images(const char *typed)
{
    struct image_library *library = NULL;

    if (image_library_open(&library, NULL) < 0)
        return;
    for (const char *const *name = image_library_names(library); *name; name++)
        offer(*name, typed);
    image_library_free(library);
}

/**
 * offer_options() - Options of a command
 * @command:	Command
 * @typed:	What is typed
 */
static void offer_options(const struct command *command, const char *typed)
{
    static const char *const common[] = {"--lab", "--json", "--help"};

    for (const struct option_spec *spec = command->options; spec && spec->name; spec++) {
        _cleanup_free_ char *word = xasprintf("--%s", spec->name);

        offer(word, typed);
    }
    for (size_t i = 0; i < ARRAY_SIZE(common); i++)
        offer(common[i], typed);
}

static int run_complete(struct invocation *invocation, struct error *err)
{
    size_t count = invocation->word_count;
    const char *typed = count > 0 ? invocation->words[count - 1] : "";
    const char *before = count > 1 ? invocation->words[count - 2] : "";
    const char *words[2] = {NULL, NULL};
    const struct command *command;
    size_t found = 0;
    bool wants_lab;

    (void)err;
    for (size_t i = 0; i + 1 < count; i++) {
        const char *word = invocation->words[i];

        if (strcmp(word, "-l") == 0 || strcmp(word, "--lab") == 0)
            invocation->lab = i + 2 < count ? invocation->words[++i] : NULL;
        else if (word[0] != '-' && found < 2)
            words[found++] = word;
    }
    command = command_find(words[0], words[1]);
    wants_lab = strcmp(before, "-l") == 0 || strcmp(before, "--lab") == 0;
    if (wants_lab || (command && command->words == WORD_LAB && typed[0] != '-'))
        offer_labs(typed);
    else if (found == 0)
        offer_commands(NULL, typed);
    else if (!command)
        offer_commands(words[0], typed);
    else if (typed[0] == '-')
        offer_options(command, typed);
    else if (command->words == WORD_IMAGE)
        offer_images(typed);
    else if (command->words != WORD_NONE && command->words != WORD_FILE)
        offer_from_lab(invocation, command->words, typed);
    return 0;
}

static int run_completion(struct invocation *invocation, struct error *err)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        if (strcmp(scripts[i].shell, invocation->words[0]) == 0) {
            (void)fputs(scripts[i].script, stdout);
            return 0;
        }
    }
    (void)error_input(err, "no completion for the shell '%s'", invocation->words[0]);
    error_hint(err, "there is one for bash, zsh and fish");
    return -EINVAL;
}

const struct command cmd_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .summary = "Print a script that completes labctl's words",
    .details = "For the running shell:  source <(labctl completion bash)",
    .words_least = 1,
    .words_most = 1,
    .run = run_completion,
};

const struct command cmd_complete = {
    .name = "__complete",
    .arguments = "WORD…",
    .summary = "What may come next, for the scripts",
    .words_most = WORDS_ANY,
    .run = run_complete,
};
