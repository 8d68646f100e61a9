// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Where labctl keeps things (docs/architecture.md, "Files"). All results are the caller's to free.
 */

#include "base/error.h"

/* paths_run_root() - Folder that holds one run folder per lab: /run/labctl as root,
 * $XDG_RUNTIME_DIR/labctl, else /tmp/labctl-UID. Not created. $LABCTL_RUN overrides (tests). */
char *paths_run_root(void);
/* paths_state_root() - Folder with one kept folder per lab: /var/lib/labctl/labs as root, else
 * $XDG_STATE_HOME/labctl. $LABCTL_STATE overrides. */
char *paths_state_root(struct error *err);
/* paths_images_root() - First images folder, the one that is written to. $LABCTL_IMAGES overrides.
 */
char *paths_images_root(struct error *err);
/* paths_images_system() - The second, read-only one. */
char *paths_images_system(void);
/* paths_helper() - A program of labctl's own ("labctl-engine"): beside the running program, else in
 * ../libexec/labctl. */
char *paths_helper(const char *name);
/* paths_data() - Installed or source-tree data ("recipes", "topologies"): ../share/labctl/NAME
 * beside the program; for a build tree the source folder (recipes are images/ there). NULL if there
 * is none. */
char *paths_data(const char *name);
