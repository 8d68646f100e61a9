// SPDX-License-Identifier: GPL-2.0-or-later

/* help and version. All of it is made from the command table. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

#define SUMMARY_COLUMN 44

/**
 * help_line() - Two columns; a first one that is too long gets a line of its own
 * @left:	First column
 * @right:	Second
 * @width:	Of the first
 */
static void help_line(const char *left, const char *right, size_t width)
{
    size_t columns = text_columns(left);

    (void)printf("  %s%s", left, columns + 2 > width ? "\n  " : "");
    (void)printf("%*s%s\n", (int)(columns + 2 > width ? width : width - columns), "", right);
}

/**
 * help_command() - Usage, options and details of one command
 * @command:	Command
 */
static void help_command(const struct command *command)
{
    _cleanup_free_ char *title = command_title(command);

    (void)printf("%s\n\nUsage: labctl %s%s%s%s\n", command->summary, title,
                 command->arguments[0] ? " " : "", command->arguments,
                 command->options ? " [OPTION…]" : "");
    if (command->details)
        (void)printf("\n%s\n", command->details);
    (void)printf("\nOptions:\n");
    for (const struct option_spec *spec = command->options; spec && spec->name; spec++) {
        char letter[] = {'-', spec->letter, ',', ' ', 0};
        _cleanup_free_ char *left =
            xasprintf("%s--%s%s%s", spec->letter ? letter : "    ", spec->name,
                      spec->value ? " " : "", spec->value ? spec->value : "");

        help_line(left, spec->help, 26);
    }
    help_line("-l, --lab LAB", "which lab, where more than one runs", 26);
    help_line("    --json", "one JSON document instead of text", 26);
    help_line("-h, --help", "this text", 26);
}

/**
 * help_list() - One line per command
 * @group:	Only those of this group, NULL: all
 */
static void help_list(const char *group)
{
    const char *last = "";

    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        _cleanup_free_ char *title = command_title(command), *left = NULL;
        const char *now = command->group ? command->group : "";

        if (command->name[0] == '_' || (group && strcmp(now, group) != 0))
            continue;
        if (strcmp(now, last) != 0 && !group)
            (void)printf("\n");
        last = now;
        left = xasprintf("%s%s%s", title, command->arguments[0] ? " " : "", command->arguments);
        help_line(left, command->summary, SUMMARY_COLUMN);
    }
}

/**
 * group_exists() - Is this the first word of commands?
 * @group:	Word
 *
 * Return: true if so
 */
static bool group_exists(const char *group)
{
    for (size_t i = 0; i < command_count; i++)
        if (commands[i]->group && strcmp(commands[i]->group, group) == 0)
            return true;
    return false;
}

/**
 * help_json() - The command table as a document
 */
static void help_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < command_count; i++) {
        _cleanup_free_ char *title = command_title(commands[i]);
        json_t *options = json_array();

        for (const struct option_spec *spec = commands[i]->options; spec && spec->name; spec++)
            (void)json_array_append_new(options, json_string(spec->name));
        if (commands[i]->name[0] != '_')
            (void)json_array_append_new(list,
                                        json_pack("{s:s, s:s, s:s, s:O}", "command", title,
                                                  "arguments", commands[i]->arguments, "summary",
                                                  commands[i]->summary, "options", options));
        json_decref(options);
    }
    print_json(json_pack("{s:o}", "commands", list));
}

static int run_help(struct invocation *invocation, struct error *err)
{
    const char *group = invocation->word_count > 0 ? invocation->words[0] : NULL;
    const char *name = invocation->word_count > 1 ? invocation->words[1] : NULL;
    const struct command *command = command_find(group, name);

    if (invocation->json) {
        help_json();
        return 0;
    }
    if (command) {
        help_command(command);
        return 0;
    }
    if (group && (name || !group_exists(group))) {
        (void)error_input(err, "there is no command '%s%s%s'", group, name ? " " : "",
                          name ? name : "");
        error_hint(err, "labctl help");
        return -EINVAL;
    }
    if (group) {
        (void)printf("Usage: labctl %s COMMAND …\n\n", group);
        help_list(group);
    } else {
        (void)printf("labctl runs network labs: a topology file goes in, a running network of real "
                     "operating\nsystems comes out.\n\nUsage: labctl COMMAND …\n\n");
        help_list(NULL);
    }
    (void)printf("\nlabctl help COMMAND says more about one. With several labs running, -l LAB "
                 "picks one.\n--json prints documents. Exit status: 0 done, 1 failed, 2 the input "
                 "is wrong.\n");
    return 0;
}

static int run_version(struct invocation *invocation, struct error *err)
{
    (void)err;
    if (invocation->json)
        print_json(json_pack("{s:s}", "version", LABCTL_VERSION));
    else
        (void)printf("labctl %s\n", LABCTL_VERSION);
    return 0;
}

const struct command cmd_version = {
    .name = "version",
    .arguments = "",
    .summary = "Which labctl this is",
    .run = run_version,
};

const struct command cmd_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "What commands there are, and what one does",
    .words_most = 2,
    .run = run_help,
};
