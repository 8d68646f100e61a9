// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* A definition of any bytes ends in an appliance whose ports and rules can be used, or in an error.
 * Its folder is /etc, so that a file named below it may exist and one above must never be taken. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/seed.h"

/* What would be put onto the configuration disk: each name once. */
static void use_seed(const struct appliance *appliance)
{
    static const char macs[1][18] = {"02:00:00:00:00:00"};
    struct seed_request request = {.appliance = appliance,
                                   .node = "n",
                                   .lab = "l",
                                   .uuid = "u",
                                   .config = "/etc/hostname",
                                   .macs = macs,
                                   .mac_count = 1};
    struct seed_members members;

    seed_plan(&request, &members);
    for (size_t i = 0; i < members.count; i++)
        for (size_t j = 0; j < i; j++)
            if (!config_file_name_ok(members.items[i].name) ||
                strcmp(members.items[i].name, members.items[j].name) == 0)
                abort();
    seed_members_done(&members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_rule(const char *rule)
{
    struct error err = ERROR_INIT;
    regex_t regex;

    if (!rule)
        return;
    /* Read with another name, so it may fail, but only cleanly. */
    if (appliance_pattern(rule, "r-1", &regex, &err) == 0) {
        (void)regexec(&regex, "r-1 login: ", 0, NULL, 0);
        regfree(&regex);
    }
    error_done(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct appliance *appliance = NULL;
    struct error err = ERROR_INIT;
    int r = appliance_parse("/etc/appliance.yaml", (const char *)data, size, &appliance, &err);

    if ((r == 0) != (appliance != NULL) || (r < 0 && !err.message))
        abort();
    error_done(&err);
    if (!appliance)
        return 0;
    for (unsigned nic = 0; nic < appliance->nic_max; nic++) {
        char *name = appliance_port_name(appliance, nic);

        if (appliance_port_index(appliance, name) < 0)
            abort();
        free(name);
    }
    for (size_t i = 0; i < appliance->disk_count; i++)
        if (appliance->disks[i].file && strncmp(appliance->disks[i].file, "/etc/", 5) != 0)
            abort();
    use_seed(appliance);
    use_rule(appliance->seed_prompt);
    use_rule(appliance->ready);
    use_rule(appliance->exec_prompt);
    use_rule(appliance->exec_error);
    appliance_free(appliance);
    return 0;
}
