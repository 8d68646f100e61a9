// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Changing the text of a topology file without touching anything else in it: comments, order and
 * layout stay. */

#include <stddef.h>

#include "base/error.h"

/* topology_add_config() - Give a node a configuration file.
 * @config:	Path of letters, digits and ._-/ alone
 * @ret_text:	The new text, caller frees; untouched unless 1 is returned. May be NULL
 * Return: 1; 0 if the node has just this file already; -EINVAL with @err (whose message says why a
 * person has to do it) */
int topology_add_config(const char *text, size_t size, const char *node, const char *config,
                        char **ret_text, struct error *err);
