// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Parts of the status document as tables on standard output. */

#include <jansson.h>

void print_nodes(json_t *nodes);
void print_links(json_t *links);
void print_captures(json_t *captures);
