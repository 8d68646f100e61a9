// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the definition's reader share. */

#include "appliance/appliance.h"
#include "topology/yaml.h"

/* Who reads a definition: yaml_reader.context. */
struct definition {
    const char *dir; /* the image's folder, without symbolic links */
    struct appliance *appliance;
};

extern const char *const definition_arch_words[], *const definition_bus_words[];
extern const char *const definition_mode_words[];
extern const struct yaml_keys definition_disk_map, definition_file_map, definition_port_map;
extern const struct yaml_keys definition_fw_cfg_map;
extern const struct yaml_keys definition_seed_map, definition_seed_file_map;

/* Readers of values (definition_values.c). */
YAML_READER(definition_read_word);  /* char *: one of the key's words */
YAML_READER(definition_read_flag);  /* bool */
YAML_READER(definition_read_file);  /* char *: absolute path of a file of the image */
YAML_READER(definition_read_disks); /* of the appliance, as the next four */
YAML_READER(definition_read_files);
YAML_READER(definition_read_ports);
YAML_READER(definition_read_fw_cfg);
YAML_READER(definition_read_list);        /* struct text_list: lines */
YAML_READER(definition_read_options);     /* struct text_list: what options.c lets pass */
YAML_READER(definition_read_steps);       /* struct text_list: steps of a script */
YAML_READER(definition_read_port_format); /* char * */
YAML_READER(definition_read_port_name);   /* char *: printable */
YAML_READER(definition_read_rule);        /* char *: a regular expression */
YAML_READER(definition_read_any_rule);    /* char *: a rule, or several as one */
YAML_READER(definition_read_rules);       /* struct text_list: one or several of them */
YAML_READER(definition_read_commands);    /* struct text_list: one or several lines to type */
YAML_READER(definition_read_md5);         /* char *: 32 hexadecimal digits */
YAML_READER(definition_read_file_name);   /* char *: a name without a folder */

/* definition_files() - Read 'files' before all else, since it says which ones may be missing. */
void definition_files(struct yaml_reader *reader, const struct yaml_node *root);
/* definition_finish_seed() - The same for how the configuration gets in. */
void definition_finish_seed(struct appliance *appliance, const struct yaml_node *root,
                            struct diagnostics *d);
/* definition_bus_units() - How many disks a bus has room for. */
unsigned definition_bus_units(const struct appliance *appliance, enum disk_bus bus);
/* definition_is_pc() - Whether an architecture is that of the PC; NULL is. */
bool definition_is_pc(const char *arch);
/* definition_finish() - Fill in what a definition leaves out and check it as a whole. */
void definition_finish(struct appliance *appliance, const struct yaml_node *root,
                       struct diagnostics *d);
