// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What apply_plan.c works out and apply.c carries out. */

#include "engine/lab_priv.h"

#define NONE SIZE_MAX

/* A topology that is to take the place of the lab's, and what that means for everything in both. */
struct application {
    struct lab *lab;
    struct topology *topology; /* the new one */
    char *text;                /* of its file */
    size_t text_size;
    size_t *node_was, *link_was, *uplink_was; /* index in the old one, NONE: new */
    bool *node_anew;                          /* new node: its QEMU is to be started anew */
    bool *node_goes;  /* old node: it is not there any more, or starts anew */
    json_t *changes;  /* array of {action, kind, name, text} */
    json_t *restarts; /* array of names */
};

/* application_new() - Read a topology file and hold it against the lab.
 * @ret_apply:	Owned by the caller
 * Return: 0 or -errno; -EINVAL also for what cannot change while the lab runs */
int application_new(struct lab *lab, const char *path, struct application **ret_apply,
                    struct error *err);
/* application_free() - Free it (a struct application), and its topology if nobody took that over.
 */
void application_free(void *data);
/* link_impaired_anew() - Whether the new file says otherwise what is done to a link's frames.
 * @before:	The link in the old topology, NULL: it is new */
bool link_impaired_anew(const struct link *before, const struct link *after);
