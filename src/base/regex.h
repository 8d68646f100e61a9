// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Regular expressions: regcomp(3)'s interface over PCRE2 (pcre2posix(3)), whose matching can be
 * limited; why that matters: appliance/pattern.c. Never <regex.h>, whose names are the same. The
 * header of PCRE2 cannot be included twice, this one can. */

#include <pcre2posix.h>
