// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_console labctl_appliance labctl_topology labctl_base

/* Files that people and disks hand us: a script of node exec ('s'), an index of times ('t'). */

#include <stdint.h>
#include <stdlib.h>

#include "appliance/appliance.h"
#include "console/script.h"
#include "console/times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void script(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    struct script script = {0};
    int r = script_parse("fuzz", (const char *)data, size, "r1", appliance_pattern, &script, &err);

    if ((r < 0) != (err.code != 0) || (r < 0 && err.kind != ERROR_KIND_INPUT))
        abort();
    for (size_t i = 0; i < script.count; i++)
        if (script.steps[i].line == 0 || script.steps[i].timeout_ns == 0)
            abort();
    script_done(&script);
    error_done(&err);
}

static void index_of_times(const uint8_t *data, size_t size)
{
    struct times times = {0};

    if (times_parse(data, size, &times) < 0)
        return;
    for (size_t i = 1; i < times.count; i++)
        if (times.entries[i].offset <= times.entries[i - 1].offset ||
            times.entries[i].ns < times.entries[i - 1].ns)
            abort();
    (void)times_since(&times, size);
    if (times_next(&times, size) <= size)
        abort();
    (void)times_at(&times, size);
    times_thin(&times, size, 3);
    if (times.count > 3)
        abort();
    times_done(&times);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 's')
        script(data + 1, size - 1);
    else if (size > 0 && data[0] == 't')
        index_of_times(data + 1, size - 1);
    return 0;
}
