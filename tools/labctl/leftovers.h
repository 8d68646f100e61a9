// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What labs that are no more have left on this machine. */

#include <jansson.h>

#include "base/error.h"

/* leftovers_find() - Look for them: folders in the run folder without a living engine, and
 * processes of this user's that belong to such a lab or to none.
 * @ret_list:	Array of {kind: "lab" or "process", lab, pid, start_time, text, clear} */
int leftovers_find(json_t **ret_list, struct error *err);

/* leftovers_clear() - Clear one of them away. */
int leftovers_clear(json_t *item, struct error *err);

/* leftovers_end_processes() - End every process of this user's that a lab has left, going by the
 * paths in its command line. */
void leftovers_end_processes(const char *lab);
