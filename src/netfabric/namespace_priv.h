// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Going into a namespace of the lab's own, and keeping the host silent in it. */

#include "base/error.h"

/* namespace_enter_new() - Leave for a new network namespace (as an ordinary user: and a new user
 * namespace). The calling process must have one thread. */
int namespace_enter_new(struct error *err);
/* namespace_enter_of_tap() - Leave for the namespaces that a tap is in. */
int namespace_enter_of_tap(int tap_fd, struct error *err);
/* namespace_silence() - Switch off all that would make the host speak on the lab's links.
 * @ret_ipv6_speaks: set if IPv6 is there and its switch cannot be reached */
void namespace_silence(bool *ret_ipv6_speaks);
/* namespace_drop_rights() - Keep only the capabilities that interfaces need, for this process and
 * for every program it starts. After all else that is done here. */
int namespace_drop_rights(struct error *err);
/* namespace_hint() - Say why this kernel or this machine refuses. */
void namespace_hint(struct error *err);
