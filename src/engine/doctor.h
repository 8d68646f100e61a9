// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* labctl doctor: proves by doing it that this host can run labs. */

#include <jansson.h>

/* doctor_run() - {"ok":bool, "items":[{"name","needed":bool,"ok":bool,"detail","mend"}]}; "mend" is
 * null where nothing is to be done, "ok" true when every needed item is. Caller json_decref()s. */
json_t *doctor_run(void);
