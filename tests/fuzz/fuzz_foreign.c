// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* YAML of any bytes, as EVE-NG's template and as CML's definition, ends in an error or in a
 * definition that names no file outside its folder and passes by the definition's reader with an
 * end. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/foreign.h"
#include "appliance/import.h"
#include "appliance/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out is read as everybody would read it. */
static void check(json_t *definition)
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

    if (size > 0 && size < 65536 && foreign_yaml((const char *)data, size, &root, &err) == 0) {
        definition = json_pack("{s:s, s:s, s:{}}", "name", "x", "arch", "x86_64", "nics");
        if (eve_template(root, definition, notes, &err) == 0)
            check(definition);
        json_decref(definition);
        error_done(&err);
        definition = NULL;
        if (cml_is_one(root) && cml_node(root, root, "x", &definition, notes, &err) == 0) {
            check(definition);
            json_decref(definition);
        }
    }
    error_done(&err);
    json_decref(root);
    json_decref(notes);
    return 0;
}
