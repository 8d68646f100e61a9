// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A console's record as an asciicast, version 2, for players such as asciinema's. */

#include <sys/types.h>

#include "base/error.h"
#include "console/times.h"

/* log_cast() - Print the record open at @fd from @from on. */
int log_cast(int fd, off_t from, const struct times *times, const char *title, struct error *err);
