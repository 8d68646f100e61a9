// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A script of what to type on a console and what to expect of it, for node exec --script. A step a
 * line; empty lines and those that begin with # are passed over:
 *
 *	timeout 20s			# how long the steps from here on may take (at first 30s)
 *	send TEXT			# type TEXT and Enter
 *	type TEXT			# type TEXT alone; \r \n \t \e \xNN \\ as in C
 *	key ^C				# press a control key
 *	expect REGEX			# wait for a line, finished or not, that matches
 *	expect REGEX within 5s
 *	refuse REGEX			# from here on, a line that matches ends the script in
 *failure run COMMAND			# as node exec does: until the prompt; its status must be 0
 *	wait 500ms			# let time pass
 *
 * REGEX is a rule as appliances have them (PCRE2); %h is the node's name. Parsing is pure;
 * the runner is labctl's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/regex.h"
#include "base/error.h"

enum script_verb { SCRIPT_SEND, SCRIPT_EXPECT, SCRIPT_REFUSE, SCRIPT_RUN, SCRIPT_WAIT };

struct script_step {
    enum script_verb verb;
    unsigned line;       /* in the file, from 1 */
    char *text;          /* owned: bytes to type, the pattern as written, the command */
    size_t size;         /* of @text: it may hold zero bytes */
    regex_t rule;        /* EXPECT, REFUSE */
    uint64_t timeout_ns; /* how long it may take; WAIT: how long it takes */
};

struct script {
    struct script_step *steps; /* owned */
    size_t count, capacity;
};

/* script_compile_fn - Compile a rule; it refuses those that would cost too much. Return: 0 or
 * -EINVAL */
typedef int script_compile_fn(const char *rule, const char *node, regex_t *ret_regex,
                              struct error *err);
/* script_parse() - Read a whole script for a node. @name: of the file, for errors "NAME:LINE: …".
 * Return: 0, or -EINVAL */
int script_parse(const char *name, const char *data, size_t size, const char *node,
                 script_compile_fn *compile, struct script *ret_script, struct error *err);
void script_done(struct script *script);
