// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of this folder share. */

#include "appliance/appliance.h"

/* port_format_check() - Is a text a format of port names? Return: 0 or -EINVAL */
int port_format_check(const char *format, struct error *err);
/* port_name_check() - Can a port be called that? Return: 0 or -EINVAL */
int port_name_check(const char *name, struct error *err);
/* image_file_name_ok() - A file name without a folder, printable, without a dot in front. */
bool image_file_name_ok(const char *name);

/* Options for QEMU that a file may bring (options.c). Return: 0 or -EINVAL */
int qemu_option_check(const char *option, struct error *err);
int qemu_smbios_check(const char *value, struct error *err);
int qemu_machine_property_check(const char *property, struct error *err);
/* seed_step_check() - Can this be a step of typing a configuration? Return: 0 or -EINVAL */
int seed_step_check(const char *step, struct error *err);
/* fw_cfg_name_ok() - "opt/…" */
bool fw_cfg_name_ok(const char *name);
/* qemu_value_size() - How long the first KEY=VALUE of a list with commas is; two commas are one of
 * the value's own. */
size_t qemu_value_size(const char *text);
