// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Descriptions of other tools that are YAML, as foreign_yaml() gives them, made into definitions.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* eve_template() - Take EVE-NG's template over.
 * @definition:	So far; has "arch" and "nics"
 * @notes:	Array that takes what was changed or dropped, and why
 * Return: 0 or -EINVAL */
int eve_template(const json_t *root, json_t *definition, json_t *notes, struct error *err);
/* eve_port_name() - What eth_format makes of port @port. Caller frees. */
char *eve_port_name(const char *format, unsigned port);

/* cml_is_one() - Is it a node definition or an image definition of CML's? */
bool cml_is_one(const json_t *root);
/* cml_node() - A definition from a node definition; disks are the caller's to add.
 * @image:	Image definition, or NULL
 * Return: 0 or -EINVAL */
int cml_node(const json_t *node, const json_t *image, const char *name, json_t **ret_definition,
             json_t *notes, struct error *err);
