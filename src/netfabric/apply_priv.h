// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the fabric process knows of its namespace, and how it changes it. */

#include "netfabric/kernel_priv.h"
#include "netfabric/table_priv.h"

struct fabric_state {
    struct batch batch;
    struct table have; /* what is there */
    bool redirect;     /* cables by redirect, else by two-port bridges */
    bool ingress;      /* taps have a place for filters */
    bool gate;         /* frames are padded, and measured against the MTU, as they come in */
    int gate_program;  /* that does it; only if gate */
    bool no_addresses; /* IPv6 must be told interface by interface (struct kernel_up) */
    struct batch host; /* netlink of the namespace that was left; only if has_host */
    bool has_host;
    int host_ns; /* that namespace; only if has_host */
    bool unsure; /* @have may be wrong in what is attached to what: set all of it anew */
    bool found;  /* what was here before this process is in @have */
};

/* state_init() - Open netlink in the namespace of the caller and see what the kernel can do. */
int state_init(struct fabric_state *state, struct error *err);
/* state_apply() - Bring the namespace to @plan, or leave it as it was. */
int state_apply(struct fabric_state *state, const struct fabric_plan *plan, struct error *err);
/* state_adopt() - Take over taps that are in this namespace and that somebody has open. Takes
 * ownership of @fds. */
int state_adopt(struct fabric_state *state, const int *fds, size_t count, struct error *err);
/* state_find() - Take over all else that is here; done by the first state_apply(). */
int state_find(struct fabric_state *state, struct error *err);
/* state_remove_all() - Remove every interface. */
void state_remove_all(struct fabric_state *state);
/* state_done() - Free it; taps close. */
void state_done(struct fabric_state *state);
