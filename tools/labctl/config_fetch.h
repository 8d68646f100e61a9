// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Running configurations of several nodes, fetched at the same time; and where they belong. */

#include <jansson.h>
#include <stdbool.h>

#include "labctl/labctl.h"
#include "rpc/rpc.h"

/* One node and what came of it. */
struct config_item {
    const char *node;   /* borrowed from the status document */
    const char *reason; /* why nothing was fetched, though nothing failed; or NULL */
    char *text;         /* running configuration, NULL: none was fetched */
    char *file;         /* start configuration: absolute path; it may not be there yet */
    char *shown;        /* the same, relative to the topology's folder where it is below it */
    bool named;         /* by the topology that runs */
    bool added;         /* by the topology file since then */
    bool shared;        /* other nodes start from the same file */
    struct error err;   /* set: it failed */
    struct rpc_client *client;
};

struct config_work {
    char *lab;
    json_t *status;
    char *topology, *dir; /* file and its folder */
    struct config_item *items;
    size_t count;
    bool all; /* nobody named nodes: those that cannot be saved are passed over */
};

/* config_work_begin() - Find the nodes that are meant: the command's words, all without any.
 * Return: 0 or -errno */
int config_work_begin(struct config_work *work, struct invocation *invocation, bool all,
                      struct error *err);
/* config_work_fetch() - Fetch them all; @fn is told of each once it is done, in their order.
 * @timeout:	Seconds for each, 0: the engine's default */
typedef void config_fetched_fn(struct config_work *work, struct config_item *item, void *data);
void config_work_fetch(struct config_work *work, long timeout, config_fetched_fn *fn, void *data);
void config_work_done(struct config_work *work);
