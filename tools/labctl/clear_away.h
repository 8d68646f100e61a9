// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/error.h"

/* clear_away() - End a lab that no engine can take over: its state is damaged, or its images are
 * gone. Only what can be proved to be the lab's own is touched: processes that its state names by
 * pid and start time, and those that answer on the sockets in its run folder.
 * Return: 0 when nothing is left; -EBUSY while an engine lives; other -errno */
int clear_away(const char *lab, struct error *err);
