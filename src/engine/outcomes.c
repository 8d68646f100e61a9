// SPDX-License-Identifier: GPL-2.0-or-later

/* What became of each node that a call named: it has to hear of all of them, also when one failed.
 */

#include "engine/lab_priv.h"

void waiter_outcome(struct waiter *waiter, const struct node_run *node, const struct error *err)
{
    waiter->nodes[node->index] = false;
    (void)json_array_append_new(
        waiter->outcomes,
        json_pack("{s:s, s:b, s:s, s:s?, s:s?, s:s?}", "node", node->spec->name, "ok", !err->code,
                  "state", node_state_name(node->state), "reason", node->reason, "error",
                  err->code ? error_message(err) : NULL, "hint", err->hint));
}

void waiter_time_over(const struct lab *lab, struct waiter *waiter)
{
    for (size_t i = 0; i < lab->topology->node_count; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct node_run *node = lab->nodes[i];

        if (!waiter->nodes[i])
            continue;
        (void)error_set(&err, ETIMEDOUT, "node '%s' is still %s; its console says: %s",
                        node->spec->name, node_state_name(node->state),
                        *console_last_line(node->consoles[0]) ? console_last_line(node->consoles[0])
                                                              : "nothing");
        error_hint(&err, "give it longer with --timeout; it goes on");
        waiter_outcome(waiter, node, &err);
    }
}
