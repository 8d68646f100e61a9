// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the importers share. */

#include "appliance/import.h"

/* import_name() - A name for an image from that of a file or folder. Caller frees. */
char *import_name(const char *source);
/* guess_definition() - A definition for disks alone, by what they are. Return: 0 or -errno */
int guess_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                     json_t *notes, struct error *err);
