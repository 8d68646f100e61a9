// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Parts of the status document as tables on standard output. */

#include <jansson.h>

#include "labctl/labctl.h"

/* print_part() - Ask for the lab's status, and print one part of it: what list commands do.
 * @key:	"nodes", …: the part, and its key in --json's document
 * @print:	Prints it as a table
 * Return: 0 or -errno */
int print_part(const struct invocation *invocation, const char *key, void (*print)(json_t *part),
               struct error *err);

void print_nodes(json_t *nodes);
void print_links(json_t *links);
void print_captures(json_t *captures);
