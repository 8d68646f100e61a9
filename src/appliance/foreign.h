// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Reading the YAML of other tools, and what is as simple. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* foreign_yaml() - A document whose root is a mapping.
 * @ret_root:	New object; scalars are texts
 * Return: 0 or -EINVAL */
int foreign_yaml(const char *data, size_t size, json_t **ret_root, struct error *err);
/* foreign_is_php() - Whether a file begins as PHP does. */
bool foreign_is_php(const char *data, size_t size);
/* foreign_php() - Assignments to the keys of $p, as foreign_yaml() gives a mapping; nothing else is
 * taken. Return: 0 or -EINVAL */
int foreign_php(const char *data, size_t size, json_t **ret_root, struct error *err);
/* foreign_map() - A mapping within a mapping, NULL if there is none. Borrowed. */
const json_t *foreign_map(const json_t *map, const char *key);
/* foreign_text() - A text of a mapping, NULL if there is none or it is empty. Borrowed. */
const char *foreign_text(const json_t *map, const char *key);
/* foreign_number() - A number of a mapping, @fallback if there is none. Return: 0 or -EINVAL */
int foreign_number(const json_t *map, const char *key, int64_t fallback, int64_t least,
                   int64_t most, int64_t *ret_number, struct error *err);
/* foreign_flag() - Whether a value says yes. */
bool foreign_flag(const json_t *map, const char *key);
