// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What capture start and capture stream ask for. */

#include <jansson.h>

#include "labctl/labctl.h"

/* capture_params() - where, filter, snaplen and packets. Return: 0 or -EINVAL */
int capture_params(const struct invocation *invocation, json_t **ret_params, struct error *err);
