// SPDX-License-Identifier: GPL-2.0-or-later

/* From argv to a command with its words and options. Options may stand anywhere, also before the
 * command; "--" ends them. Because the options that a command knows are only known with the
 * command, the line is read twice: first for the command's words (values of known options stepped
 * over), then in full. A word that is nearly right is answered with the right one. */

#include "labctl/labctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"

/* Every command has these. */
static const struct option_spec common_options[] = {
    {"lab", 'l', "LAB", NULL},
    {"json", 0, NULL, NULL},
    {"help", 'h', NULL, NULL},
    {"version", 0, NULL, NULL},
    {0},
};

/**
 * option_match() - Is this argument that option?
 * @spec:	Option
 * @argument:	"--name", "--name=value", "-x" or "-xvalue"
 * @ret_value:	The value inside the argument, NULL if none
 *
 * Return: true if so
 */
static bool option_match(const struct option_spec *spec, const char *argument,
                         const char **ret_value)
{
    size_t size = strlen(spec->name);

    *ret_value = NULL;
    if (argument[1] == '-') {
        if (strncmp(argument + 2, spec->name, size) != 0)
            return false;
        if (argument[2 + size] == '=')
            *ret_value = argument + 3 + size;
        return argument[2 + size] == 0 || argument[2 + size] == '=';
    }
    if (!spec->letter || argument[1] != spec->letter || (argument[2] && !spec->value))
        return false;
    if (argument[2])
        *ret_value = argument + 2;
    return true;
}

/**
 * option_find() - The option that an argument is
 * @command:	Command, NULL while not known: then any command's will do
 * @argument:	Argument that starts with '-'
 * @ret_value:	See option_match()
 *
 * Return: the option, NULL if there is none
 */
static const struct option_spec *option_find(const struct command *command, const char *argument,
                                             const char **ret_value)
{
    /* A command's own come first: image import has a --version with a value. */
    for (const struct option_spec *spec = command ? command->options : NULL; spec && spec->name;
         spec++)
        if (option_match(spec, argument, ret_value))
            return spec;
    for (const struct option_spec *spec = common_options; spec->name; spec++)
        if (option_match(spec, argument, ret_value))
            return spec;
    for (size_t i = 0; i < command_count; i++) {
        if (command && commands[i] != command)
            continue;
        for (const struct option_spec *spec = commands[i]->options; spec && spec->name; spec++)
            if (option_match(spec, argument, ret_value))
                return spec;
    }
    return NULL;
}

/**
 * hint_help() - Point to the help of what was meant
 * @err:	Error
 * @command:	Command, or NULL
 */
static void hint_help(struct error *err, const struct command *command)
{
    _cleanup_free_ char *title = command ? command_title(command) : NULL;

    error_hint(err, "labctl help%s%s", title ? " " : "", title ? title : "");
}

/**
 * unknown_option() - Say that an option is not known, and which is near
 * @command:	Command
 * @argument:	The option as given
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int unknown_option(const struct command *command, const char *argument, struct error *err)
{
    _cleanup_free_ char *name = command ? command_title(command) : NULL;
    _cleanup_free_ char *title = name ? xasprintf("%s: ", name) : xstrdup("");
    _cleanup_free_ char *word = xstrndup(argument, strcspn(argument, "="));
    const char *names[64], *nearest;
    size_t count = 0;

    for (const struct option_spec *spec = common_options; spec->name; spec++)
        names[count++] = spec->name;
    for (const struct option_spec *spec = command ? command->options : NULL;
         spec && spec->name && count < ARRAY_SIZE(names); spec++)
        names[count++] = spec->name;
    (void)error_input(err, "%sunknown option '%s'", title, word);
    nearest = text_nearest(word + strspn(word, "-"), names, count);
    if (nearest)
        error_hint(err, "did you mean --%s?", nearest);
    else
        hint_help(err, command);
    return -EINVAL;
}

/**
 * unknown_command() - Say that a command is not known, and which is near
 * @group:	First word
 * @name:	Second word, or NULL
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int unknown_command(const char *group, const char *name, struct error *err)
{
    const char *firsts[64], *seconds[64], *nearest;
    size_t first_count = 0, second_count = 0;

    for (size_t i = 0; i < command_count && i < ARRAY_SIZE(firsts); i++) {
        const char *first = commands[i]->group ? commands[i]->group : commands[i]->name;

        if (first[0] != '_')
            firsts[first_count++] = first;
        if (commands[i]->group && strcmp(commands[i]->group, group) == 0)
            seconds[second_count++] = commands[i]->name;
    }
    if (second_count == 0) {
        (void)error_input(err, "unknown command '%s'", group);
        nearest = text_nearest(group, firsts, first_count);
        if (nearest)
            error_hint(err, "did you mean 'labctl %s'?", nearest);
        else
            hint_help(err, NULL);
        return -EINVAL;
    }
    if (name)
        (void)error_input(err, "unknown command '%s %s'", group, name);
    else
        (void)error_input(err, "%s: which command?", group);
    nearest = name ? text_nearest(name, seconds, second_count) : NULL;
    if (nearest)
        error_hint(err, "did you mean 'labctl %s %s'?", group, nearest);
    else
        error_hint(err, "labctl help %s", group);
    return -EINVAL;
}

/**
 * find_command() - First reading: which command is this?
 * @argc:	Count
 * @argv:	Words
 * @ret_at:	Where its one or two words stand, 0 for none
 * @ret_help:	--help was asked for
 * @ret_version: --version was asked for
 *
 * Return: the command, NULL if none was found
 */
static const struct command *find_command(int argc, char **argv, int ret_at[2], bool *ret_help,
                                          bool *ret_version)
{
    int found = 0;

    ret_at[0] = ret_at[1] = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const struct command *command = NULL;
        const struct option_spec *spec;
        const char *value;

        if (argv[i][0] == '-' && argv[i][1]) {
            if (found == 1)
                command = command_find(argv[ret_at[0]], NULL);
            else if (found == 2)
                command = command_find(argv[ret_at[0]], argv[ret_at[1]]);
            spec = option_find(command, argv[i], &value);
            if (spec && strcmp(spec->name, "help") == 0)
                *ret_help = true;
            if (spec && strcmp(spec->name, "version") == 0 && !spec->value)
                *ret_version = true;
            if (spec && spec->value && !value)
                i++;
        } else if (found < 2) {
            ret_at[found++] = i;
        }
    }
    if (found == 0)
        return NULL;
    return command_find(argv[ret_at[0]], found > 1 ? argv[ret_at[1]] : NULL);
}

/**
 * take_option() - One option of the second reading
 * @invocation:	Filled
 * @argc:	Count
 * @argv:	Words
 * @at:		Where it stands; moved to its value if that is the next word
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_option(struct invocation *invocation, int argc, char **argv, int *at,
                       struct error *err)
{
    const char *value;
    const struct option_spec *spec = option_find(invocation->command, argv[*at], &value);

    if (!spec)
        return unknown_option(invocation->command, argv[*at], err);
    if (!spec->value && value)
        return error_input(err, "option --%s takes no value", spec->name);
    if (spec->value && !value) {
        if (*at + 1 >= argc)
            return error_input(err, "option --%s needs a value: %s", spec->name, spec->value);
        value = argv[++*at];
    }
    if (strcmp(spec->name, "lab") == 0)
        invocation->lab = value;
    else if (strcmp(spec->name, "json") == 0)
        invocation->json = true;
    else
        invocation->given[invocation->given_count++] =
            (struct given_option){.spec = spec, .value = value};
    return 0;
}

/**
 * check_words() - Are there as many words as the command takes?
 * @invocation:	Invocation
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_words(const struct invocation *invocation, struct error *err)
{
    const struct command *command = invocation->command;
    _cleanup_free_ char *title = command_title(command);

    if (invocation->word_count < command->words_least)
        (void)error_input(err, "%s: %s is missing", title, command->arguments);
    else if (invocation->word_count > command->words_most)
        (void)error_input(err, "%s: '%s' is too much", title,
                          invocation->words[command->words_most]);
    else
        return 0;
    error_hint(err, "usage: labctl %s %s", title, command->arguments);
    return -EINVAL;
}

int invocation_parse(struct invocation *invocation, int argc, char **argv, struct error *err)
{
    bool help = false, version = false, options_over = false;
    int at[2], r = 0;

    *invocation = (struct invocation){
        .words = xnew0(const char *, (size_t)argc + 1),
        .given = xnew0(struct given_option, (size_t)argc + 1),
    };
    if (argc > 1 && strcmp(argv[1], cmd_complete.name) == 0) {
        /* What follows is a command line being typed, not one to be understood. */
        invocation->command = &cmd_complete;
        for (int i = 2; i < argc; i++)
            invocation->words[invocation->word_count++] = argv[i];
        return 0;
    }
    invocation->command = find_command(argc, argv, at, &help, &version);
    if (!at[0] && !help && !version) {
        const char *value;

        if (argc > 1 && argv[1][0] == '-' && argv[1][1] && strcmp(argv[1], "--") != 0 &&
            !option_find(NULL, argv[1], &value))
            return unknown_option(NULL, argv[1], err);
        (void)error_input(err, "no command was given");
        error_hint(err, "labctl help");
        return -EINVAL;
    }
    if (version || help) {
        for (int i = 0; i < 2 && help && !version; i++)
            if (at[i] && (i == 0 || (invocation->command && invocation->command->group)))
                invocation->words[invocation->word_count++] = argv[at[i]];
        invocation->command = version ? &cmd_version : &cmd_help;
        return 0;
    }
    if (!invocation->command)
        return unknown_command(argv[at[0]], at[1] ? argv[at[1]] : NULL, err);
    for (int i = 1; r == 0 && i < argc; i++) {
        if (i == at[0] || (i == at[1] && invocation->command->group))
            continue;
        if (options_over || argv[i][0] != '-' || !argv[i][1])
            invocation->words[invocation->word_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_over = true;
        else
            r = take_option(invocation, argc, argv, &i, err);
    }
    return r < 0 ? r : check_words(invocation, err);
}

void invocation_done(struct invocation *invocation)
{
    free(invocation->words);
    free(invocation->given);
}

bool invocation_flag(const struct invocation *invocation, const char *name)
{
    for (size_t i = 0; i < invocation->given_count; i++)
        if (strcmp(invocation->given[i].spec->name, name) == 0)
            return true;
    return false;
}

const char *invocation_value(const struct invocation *invocation, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < invocation->given_count; i++)
        if (strcmp(invocation->given[i].spec->name, name) == 0)
            value = invocation->given[i].value;
    return value;
}

int invocation_integer(const struct invocation *invocation, const char *name, long least, long most,
                       long *ret, struct error *err)
{
    const char *text = invocation_value(invocation, name);
    int64_t value;

    if (!text)
        return 0;
    if (units_parse_integer(text, least, most, &value, err) < 0) {
        (void)error_prefix(err, "--%s", name);
        return -EINVAL;
    }
    *ret = (long)value;
    return 0;
}
