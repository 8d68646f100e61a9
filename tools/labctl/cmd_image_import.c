// SPDX-License-Identifier: GPL-2.0-or-later

/* image import and image add. What was changed, dropped or guessed is told line by line. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/import.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/text.h"
#include "labctl/image_use.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

static const struct option_spec import_options[] = {
    {"version", 0, "VERSION", "of the appliance; without it the first that its file lists"},
    {"disk", 0, "FILE", "a file that it needs; can be given several times"},
    {"template", 0, "FILE", "EVE-NG's template or CML's node definition, if it is not found"},
    {"name", 0, "NAME", "what the image is called; without it like the file"},
    {"definition-only", 0, NULL, "also without its files, to be added later"},
    {"unverified", 0, NULL, "take files whose checksum is not right"},
    {"replace", 0, NULL, "an image of that name makes way"},
    {0},
};

static const struct option_spec add_options[] = {
    {"disk", 0, "FILE", "a disk, or a file that the image lacks; can be given several times"},
    {"unverified", 0, NULL, "take files whose checksum is not right"},
    {"replace", 0, NULL, "an image of that name makes way"},
    {0},
};

/**
 * collect_disks() - All values of --disk, and the words after the first
 * @invocation:	Invocation
 * @ret_disks:	New array, whose texts are the invocation's
 *
 * Return: how many
 */
static size_t collect_disks(const struct invocation *invocation, const char ***ret_disks)
{
    const char **disks = xnew0(const char *, invocation->given_count + invocation->word_count + 1);
    size_t count = 0;

    for (size_t i = 0; i < invocation->given_count; i++)
        if (invocation->given[i].spec->value &&
            strcmp(invocation->given[i].spec->name, "disk") == 0)
            disks[count++] = invocation->given[i].value;
    for (size_t i = 1; i < invocation->word_count; i++)
        disks[count++] = invocation->words[i];
    *ret_disks = disks;
    return count;
}

/**
 * print_report() - What came of it
 * @invocation:	Invocation
 * @verb:	"imported", "added"
 * @report:	Report, freed
 */
static void print_report(const struct invocation *invocation, const char *verb, json_t *report)
{
    const json_t *item;
    size_t i;

    if (invocation->json) {
        print_json(report);
        return;
    }
    json_array_foreach (json_object_get(report, "notes"), i, item)
        (void)printf("  %s\n", json_string_value(item));
    json_array_foreach (json_object_get(report, "missing"), i, item) {
        _cleanup_free_ char *shown =
            text_escape(json_string_value(item), strlen(json_string_value(item)));

        (void)printf("  missing: %s (labctl image add %s --disk FILE)\n", shown,
                     json_text(report, "name"));
    }
    (void)printf("Image %s is %s.\n", json_text(report, "name"), verb);
    json_decref(report);
}

static int run_import(struct invocation *invocation, struct error *err)
{
    _cleanup_free_ const char **disks = NULL;
    struct image_import request = {
        .source = invocation->words[0],
        .name = invocation_value(invocation, "name"),
        .version = invocation_value(invocation, "version"),
        .template = invocation_value(invocation, "template"),
        .definition_only = invocation_flag(invocation, "definition-only"),
        .unverified = invocation_flag(invocation, "unverified"),
        .replace = invocation_flag(invocation, "replace"),
    };
    json_t *report = NULL;
    int r;

    request.disk_count = collect_disks(invocation, &disks);
    request.disks = disks;
    if (request.replace) {
        _cleanup_free_ char *name =
            request.name ? xstrdup(request.name) : import_name(request.source);

        r = image_in_use(name, err);
        if (r < 0)
            return r;
    }
    r = image_import(&request, &report, err);
    if (r == 0)
        print_report(invocation, "imported", report);
    return r;
}

static int run_add(struct invocation *invocation, struct error *err)
{
    _cleanup_free_ const char **disks = NULL;
    _cleanup_free_ char *root = paths_images_root(err), *path = NULL;
    struct image_import request = {
        .name = invocation->words[0],
        .unverified = invocation_flag(invocation, "unverified"),
        .replace = invocation_flag(invocation, "replace"),
    };
    json_t *report = NULL;
    int r;

    if (!root)
        return -ENOENT;
    if (!text_is_name(request.name))
        return error_input(err, "'%s' cannot be the name of an image", request.name);
    request.disk_count = collect_disks(invocation, &disks);
    request.disks = disks;
    if (!request.disk_count)
        return error_input(err, "say which file: labctl image add %s --disk FILE", request.name);
    path = xasprintf("%s/%s/appliance.yaml", root, request.name);
    if (request.replace) {
        r = image_in_use(request.name, err);
        if (r < 0)
            return r;
    }
    if (!request.replace && file_exists(path))
        r = image_add_files(&request, &report, err);
    else
        r = image_import(&request, &report, err);
    if (r == 0)
        print_report(invocation, "added", report);
    return r;
}

const struct command cmd_image_add = {
    .group = "image",
    .name = "add",
    .arguments = "NAME --disk FILE…",
    .summary = "Add a disk as an image, or the files that an image lacks",
    .details =
        "What nothing is said of is guessed from the disk and told; it can be changed in the "
        "image's appliance.yaml.",
    .options = add_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_IMAGE,
    .run = run_add,
};

const struct command cmd_image_import = {
    .group = "image",
    .name = "import",
    .arguments = "FILE|FOLDER [DISK…]",
    .summary = "Add an image described for GNS3, EVE-NG or CML",
    .details = "Files that it needs are looked for among those given and beside the description, "
               "and held against their checksums.",
    .options = import_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_FILE,
    .run = run_import,
};
