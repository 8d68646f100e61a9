// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Which labs there are, which one is meant, and how to talk to its engine. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "labctl/labctl.h"
#include "rpc/rpc.h"

struct lab_entry {
    char *name;
    char *dir;  /* run folder */
    bool alive; /* its engine answers */
};

struct lab_list {
    struct lab_entry *items; /* by name */
    size_t count, capacity;
};

/* lab_list_read() - Every lab with a run folder that has something in it. */
int lab_list_read(struct lab_list *ret_list, struct error *err);
void lab_list_done(struct lab_list *list);
#define _cleanup_lab_list_ _cleanup_(lab_list_done)

/* lab_pick() - The lab that is meant: @name, else -l, else the only one there. Caller frees
 * @ret_name. Return: 0; -ENOENT with @err if there is none, -EINVAL if it is not clear which */
int lab_pick(const struct invocation *invocation, const char *name, char **ret_name,
             struct error *err);

/* lab_connect() - Talk to a lab's engine; if it died, a new one is started that adopts the lab. */
int lab_connect(const char *name, struct rpc_client **ret_client, struct error *err);

/* lab_open() - lab_pick() and lab_connect(). @ret_name may be NULL; else caller frees. */
int lab_open(const struct invocation *invocation, struct rpc_client **ret_client, char **ret_name,
             struct error *err);

/* lab_status() - The status document of the lab that is meant. */
int lab_status(const struct invocation *invocation, const char *name, json_t **ret_status,
               struct error *err);

/* lab_invoke() - lab_open(), one call, hang up. Steals @params. @ret_result may be NULL. */
int lab_invoke(const struct invocation *invocation, const char *method, json_t *params,
               json_t **ret_result, struct error *err);

/* engine_start() - Start an engine and wait until it listens. @topology: absolute path, NULL: adopt
 * what is there. */
int engine_start(const char *lab, const char *topology, struct error *err);

/* lab_argument() - " -l NAME" if more than one lab is there, else "": for advice. Caller frees. */
char *lab_argument(const char *name);

/* lab_run_dir() - Run folder of a lab. Caller frees. */
char *lab_run_dir(const char *name);
/* lab_is_stale() - Whether the host was restarted since a lab ran: nothing of it runs any more. */
bool lab_is_stale(const char *name);
/* lab_state_dir() - Kept folder of a lab, NULL with @err. Caller frees. */
char *lab_state_dir(const char *name, struct error *err);

static inline void cleanup_rpc_client(struct rpc_client **client)
{
    rpc_client_free(*client);
}
#define _cleanup_client_ _cleanup_(cleanup_rpc_client)
static inline void cleanup_json(json_t **value)
{
    json_decref(*value);
}
#define _cleanup_json_ _cleanup_(cleanup_json)
