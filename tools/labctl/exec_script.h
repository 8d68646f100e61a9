// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Running a script (console/script.h) on a node's console. */

#include "base/error.h"
#include "console/script.h"

/* exec_script_run() - Do all steps; what the guest says is printed unless @quiet. @name: the
 * script's, for errors. Return: 0, -errno with @err if a step fails */
int exec_script_run(const char *lab, const char *node, const struct script *script,
                    const char *name, bool quiet, struct error *err);
