// SPDX-License-Identifier: GPL-2.0-or-later

/* The table of commands, in the order help shows them. A command is added by writing its cmd_*.c
 * and naming it here and in labctl.h. */

#include "labctl/labctl.h"

#include <string.h>

#include "base/alloc.h"

const struct command *const commands[] = {
    &cmd_doctor,
    &cmd_topology_validate,
    &cmd_topology_up,
    &cmd_topology_down,
    &cmd_topology_status,
    &cmd_topology_list,
    &cmd_topology_apply,
    &cmd_topology_wipe,
    &cmd_topology_graph,
    &cmd_topology_save_config,
    &cmd_topology_diff,
    &cmd_node_list,
    &cmd_node_start,
    &cmd_node_stop,
    &cmd_node_restart,
    &cmd_node_wipe,
    &cmd_node_log,
    &cmd_node_exec,
    &cmd_node_save_config,
    &cmd_node_diff,
    &cmd_link_list,
    &cmd_link_up,
    &cmd_link_down,
    &cmd_link_set,
    &cmd_link_clear,
    &cmd_console,
    &cmd_capture_start,
    &cmd_capture_stop,
    &cmd_capture_list,
    &cmd_capture_stream,
    &cmd_capture_open,
    &cmd_capture_note,
    &cmd_capture_save,
    &cmd_capture_watch,
    &cmd_capture_talk,
    &cmd_extcap,
    &cmd_image_list,
    &cmd_image_show,
    &cmd_image_build,
    &cmd_image_add,
    &cmd_image_import,
    &cmd_image_verify,
    &cmd_image_remove,
    &cmd_version,
    &cmd_help,
    &cmd_completion,
    &cmd_complete,
};

const size_t command_count = ARRAY_SIZE(commands);

const struct command *command_find(const char *group, const char *name)
{
    for (size_t i = 0; group && i < command_count; i++) {
        const struct command *command = commands[i];
        const char *first = command->group ? command->group : command->name;

        if (strcmp(first, group) == 0 &&
            (!command->group || (name && strcmp(command->name, name) == 0)))
            return command;
    }
    return NULL;
}

char *command_title(const struct command *command)
{
    return command->group ? xasprintf("%s %s", command->group, command->name)
                          : xstrdup(command->name);
}
