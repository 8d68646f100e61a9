// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Reading a topology file against the images there are. */

#include "topology/read.h"

/* topology_file_read() - Read and check; faults are printed as FILE:LINE:COL: text on standard
 * error if @print. Return: 0; -EINVAL with @diagnostics; other -errno with @err */
int topology_file_read(const char *path, bool print, struct topology **ret_topology,
                       struct diagnostics *diagnostics, struct error *err);
