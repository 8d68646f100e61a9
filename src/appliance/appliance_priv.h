// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of this folder share. */

#include "appliance/appliance.h"

/* port_format_check() - Is a text a format of port names? Return: 0 or -EINVAL */
int port_format_check(const char *format, struct error *err);
