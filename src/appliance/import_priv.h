// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the importers share. */

#include "appliance/import.h"

/* guess_definition() - A definition for disks alone, by what they are. Return: 0 or -errno */
int guess_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                     json_t *notes, struct error *err);
/* eve_definition() - A definition for an image folder of EVE-NG. Return: 0 or -errno */
int eve_definition(const char *folder, const char *name, json_t **ret_definition, json_t *notes,
                   struct error *err);
