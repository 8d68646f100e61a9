// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* labctl: what its commands share. A command is a const struct command in a cmd_*.c file of its
 * own, named in the table of commands.c. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct invocation;

/* One option of a command. -l/--lab, --json and --help belong to every command and are not listed.
 */
struct option_spec {
    const char *name;  /* "timeout", given as --timeout; NULL ends a list */
    char letter;       /* 'w', or 0 */
    const char *value; /* what its value is called ("SECONDS"), NULL: takes none */
    const char *help;
};

/* What the words after a command are, for completion. */
enum word_kind { WORD_NONE, WORD_FILE, WORD_LAB, WORD_NODE, WORD_LINK, WORD_WHERE, WORD_IMAGE };

#define WORDS_ANY 1000u

struct command {
    const char *group; /* "topology", NULL for a command of one word */
    const char *name;
    const char *arguments;             /* "FILE…", for the usage line */
    const char *summary;               /* one line */
    const char *details;               /* more, for --help, or NULL */
    const struct option_spec *options; /* or NULL */
    unsigned words_least, words_most;
    enum word_kind words;
    /* run() - Return: exit status, or -errno with @err, whose kind is then the exit status */
    int (*run)(struct invocation *invocation, struct error *err);
};

extern const struct command *const commands[];
extern const size_t command_count;

struct given_option {
    const struct option_spec *spec;
    const char *value;
};

/* A command line that has been understood. */
struct invocation {
    const struct command *command;
    const char *lab; /* -l, or NULL */
    bool json;
    const char **words; /* after the command's own */
    size_t word_count;
    struct given_option *given;
    size_t given_count;
};

/* invocation_parse() - Understand a command line. Return: 0, or -EINVAL with @err; @invocation is
 * to be freed with invocation_done() in any case. --help and --version become commands. */
int invocation_parse(struct invocation *invocation, int argc, char **argv, struct error *err);
void invocation_done(struct invocation *invocation);
/* invocation_flag() - Was --NAME given? */
bool invocation_flag(const struct invocation *invocation, const char *name);
/* invocation_value() - Its value, NULL if it was not given. */
const char *invocation_value(const struct invocation *invocation, const char *name);
/* invocation_integer() - Its value as a number. @ret untouched if it was not given. Return: 0 or
 * -EINVAL */
int invocation_integer(const struct invocation *invocation, const char *name, long least, long most,
                       long *ret, struct error *err);

/* command_find() - The command of these words (@name may be NULL). */
const struct command *command_find(const char *group, const char *name);
/* command_title() - "topology up". Caller frees. */
char *command_title(const struct command *command);

/* The commands, one per cmd_*.c and name. */
extern const struct command cmd_doctor;
extern const struct command cmd_topology_validate, cmd_topology_up, cmd_topology_down;
extern const struct command cmd_topology_status, cmd_topology_list, cmd_topology_apply;
extern const struct command cmd_topology_wipe, cmd_topology_graph;
extern const struct command cmd_topology_save_config, cmd_topology_diff;
extern const struct command cmd_node_save_config, cmd_node_diff;
extern const struct command cmd_node_list, cmd_node_start, cmd_node_stop, cmd_node_restart;
extern const struct command cmd_node_wipe, cmd_node_log, cmd_node_exec;
extern const struct command cmd_link_list, cmd_link_up, cmd_link_down, cmd_link_set, cmd_link_clear;
extern const struct command cmd_console;
extern const struct command cmd_capture_start, cmd_capture_stop, cmd_capture_list;
extern const struct command cmd_capture_stream, cmd_capture_note, cmd_capture_save;
extern const struct command cmd_capture_open;
extern const struct command cmd_capture_watch, cmd_capture_talk, cmd_extcap;
extern const struct command cmd_image_list, cmd_image_show, cmd_image_build, cmd_image_add;
extern const struct command cmd_image_import, cmd_image_remove, cmd_image_verify;
extern const struct command cmd_version, cmd_help, cmd_completion, cmd_complete;

/* capture_stream_run() - capture stream, and capture start -w -. */
int capture_stream_run(struct invocation *invocation, struct error *err);
