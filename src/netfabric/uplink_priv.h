// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Interfaces that lead out of the lab's namespace. */

#include "netfabric/apply_priv.h"

/* uplink_host_open() - Keep a hand on the namespace that the caller is about to leave. Harmless
 * where it is not permitted: uplinks that need it are refused later. */
void uplink_host_open(struct fabric_state *state);
void uplink_host_close(struct fabric_state *state);

/* uplink_make() - Make an uplink's interface, or fetch it; it is not up yet. */
int uplink_make(struct fabric_state *state, const struct iface *uplink, struct error *err);
/* uplink_return() - Give a physical interface back to the host. */
void uplink_return(struct fabric_state *state, const struct iface *uplink);
/* uplink_kernel_name() - What the kernel calls it: a physical interface keeps its name. */
const char *uplink_kernel_name(const struct iface *iface);
/* uplink_is_borrowed() - Whether it is to be given back, not removed. */
bool uplink_is_borrowed(const struct iface *iface);
/* uplink_same() - Whether two uplinks lead to the same place. */
bool uplink_same(const struct iface *a, const struct iface *b);
