// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* A GNS3 appliance of any bytes ends in an error or in a definition that names no file outside its
 * folder. What the definition's reader then says of it is its own matter, but it must end. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *definition = NULL, *notes = json_array(), *file;
    struct appliance *appliance = NULL;
    struct error err = ERROR_INIT;
    size_t i;
    char *text;
    int r = gns3_definition(&(struct gns3_source){.data = (const char *)data, .size = size}, "x",
                            &definition, NULL, notes, &err);

    if ((r == 0) != (definition != NULL) || (r < 0 && !err.message))
        abort();
    error_done(&err);
    json_decref(notes);
    if (!definition)
        return 0;
    json_array_foreach (json_object_get(definition, "files"), i, file) {
        const char *name = json_string_value(json_object_get(file, "name"));

        if (strchr(name, '/') || name[0] == '.')
            abort();
    }
    text = definition_text(definition, "fuzz");
    (void)appliance_parse("/etc/appliance.yaml", text, strlen(text), &appliance, &err);
    appliance_free(appliance);
    error_done(&err);
    free(text);
    json_decref(definition);
    return 0;
}
