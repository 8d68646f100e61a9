// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* PHP of any bytes ends in an error with a line, or in a mapping of texts that EVE-NG's template is
 * made of; what comes of that is read as everybody would read it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/foreign.h"
#include "appliance/import.h"
#include "appliance/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing but texts comes out. */
static void check_texts(const json_t *root)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root))
        abort();
    json_object_foreach ((json_t *)root, key, value)
        if (!json_is_string(value))
            abort();
}

static void check_definition(json_t *definition)
{
    char *text = definition_text(definition, "fuzz");
    struct appliance *appliance = NULL;
    struct error err = ERROR_INIT;

    if (!text)
        abort();
    (void)appliance_parse("/tmp/appliance.yaml", text, strlen(text), &appliance, &err);
    appliance_free(appliance);
    error_done(&err);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL, *notes = json_array(), *definition;
    struct error err = ERROR_INIT;

    if (foreign_php((const char *)data, size, &root, &err) == 0) {
        if (!foreign_is_php((const char *)data, size))
            abort();
        check_texts(root);
        definition = json_pack("{s:s, s:s, s:{}}", "name", "x", "arch", "x86_64", "nics");
        if (eve_template(root, definition, notes, &err) == 0)
            check_definition(definition);
        json_decref(definition);
    } else if (!strstr(error_message(&err), "line ")) {
        abort();
    }
    error_done(&err);
    json_decref(root);
    json_decref(notes);
    return 0;
}
