// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the importers share. */

#include "appliance/import.h"
#include "appliance/templates.h"

/* guess_definition() - A definition for disks alone, by what they are. Return: 0 or -errno */
int guess_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                     json_t *notes, struct error *err);
/* eve_definition() - A definition for an image folder of EVE-NG, or for a template of it and disks.
 * Return: 0 or -errno */
int eve_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                   json_t *notes, struct error *err);
/* cml_definition() - A definition for CML's node definition, or image definition with that beside
 * it or given as a template. Return: 0 or -errno
 * @root:	As foreign_yaml() gives it */
int cml_definition(const struct image_import *request, const json_t *root, const char *name,
                   json_t **ret_definition, json_t *notes, struct error *err);
/* cml_find_image() - The image definition in a folder of CML's. Return: new path, or NULL */
char *cml_find_image(const char *folder);
