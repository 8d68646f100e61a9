// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <jansson.h>

/* doctor_run() - Look at everything that labs need, each thing proved by doing it.
 * Return: {"items": [{"name", "needed": bool, "ok": bool, "detail", "mend": text or null}]} */
json_t *doctor_run(void);
