// SPDX-License-Identifier: GPL-2.0-or-later

/* image list and image show. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/sums.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "labctl/image_use.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

/**
 * disk_json() - A disk as a document
 * @disk:	Disk
 *
 * Return: object
 */
static json_t *disk_json(const struct appliance_disk *disk)
{
    json_t *object = json_pack(
        "{s:s?, s:s, s:s, s:s, s:s, s:i, s:b}", "file", disk->file, "bus",
        appliance_disk_bus_word(disk->bus), "mode", appliance_disk_mode_word(disk->mode), "kind",
        disk->kind == DISK_CDROM ? "cdrom" : "disk", "format", disk->format, "unit",
        (int)disk->unit, "missing", disk->file != NULL && !file_exists(disk->file));

    if (disk->size)
        (void)json_object_set_new(object, "size", json_integer((json_int_t)disk->size));
    return object;
}

/**
 * file_json() - A file that is not there
 * @file:	File
 *
 * Return: object
 */
static json_t *file_json(const struct appliance_file *file)
{
    return json_pack("{s:s, s:s?, s:I, s:s?}", "name", file->name, "md5", file->md5, "bytes",
                     (json_int_t)file->bytes, "url", file->url);
}

/**
 * image_json() - An image as a document
 * @appliance:	Its definition
 *
 * Return: object
 */
static json_t *image_json(const struct appliance *appliance)
{
    json_t *image, *ports = json_array(), *disks = json_array();
    json_t *missing = json_array();

    for (unsigned i = 0; i < appliance->nic_count; i++) {
        _cleanup_free_ char *port = appliance_port_name(appliance, i);

        (void)json_array_append_new(ports, json_string(port));
    }
    for (size_t i = 0; i < appliance->disk_count; i++)
        (void)json_array_append_new(disks, disk_json(&appliance->disks[i]));
    for (size_t i = 0; i < appliance->file_count; i++)
        if (appliance->files[i].missing)
            (void)json_array_append_new(missing, file_json(&appliance->files[i]));
    image = json_pack("{s:s, s:s?, s:s, s:s?, s:s?, s:i, s:I, s:I}", "name", appliance->name,
                      "description", appliance->description, "arch", appliance->arch, "machine",
                      appliance->machine, "folder", appliance->dir, "cpus", (int)appliance->cpus,
                      "memory_mb", (json_int_t)(appliance->memory_bytes >> 20), "memory_least_mb",
                      (json_int_t)(appliance->memory_least >> 20));
    (void)json_object_update_new(
        image,
        json_pack("{s:s?, s:i, s:o, s:i, s:o, s:s?, s:I, s:b}", "nic_model", appliance->nic_model,
                  "nic_max", (int)appliance->nic_max, "ports", ports, "serials",
                  (int)appliance->serials, "disks", disks, "ready", appliance->ready,
                  "ready_timeout_s", (json_int_t)(appliance->ready_timeout_ns / 1000000000), "exec",
                  appliance->exec_prompt != NULL));
    (void)json_object_update_new(
        image, json_pack("{s:s?, s:s?, s:s?, s:s, s:b, s:o}", "license", appliance->license, "user",
                         appliance->user, "password", appliance->password, "display",
                         appliance->display == DISPLAY_VNC ? "vnc" : "none", "uefi",
                         appliance->firmware == FIRMWARE_UEFI, "missing", missing));
    return image;
}

/**
 * recipe_filter() - A recipe is a folder that has a recipe.sh
 * @entry:	Entry of the recipes' folder
 *
 * Return: non-zero if its name may be one
 */
static int recipe_filter(const struct dirent *entry)
{
    return text_is_name(entry->d_name) && strcmp(entry->d_name, "lib") != 0;
}

/**
 * list_recipes() - Recipes of images that are not built
 * @images:	Images there are; those that are not get added
 */
static void list_recipes(json_t *images)
{
    _cleanup_free_ char *root = paths_data("recipes");
    struct dirent **entries = NULL;
    int count = root ? scandir(root, &entries, recipe_filter, alphasort) : 0;

    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *recipe = xasprintf("%s/%s/recipe.sh", root, entries[i]->d_name);
        bool built = false;
        json_t *image;
        size_t at;

        json_array_foreach (images, at, image)
            built |= strcmp(json_text(image, "name"), entries[i]->d_name) == 0;
        if (!built && file_exists(recipe))
            (void)json_array_append_new(
                images, json_pack("{s:s, s:s}", "name", entries[i]->d_name, "state", "not built"));
        free(entries[i]);
    }
    free(entries);
}

/**
 * add_usage() - Say how large an image is and who needs it
 * @image:	Its document
 * @name:	Its name
 * @dir:	Its folder
 * @uses:	All uses of images
 */
static void add_usage(json_t *image, const char *name, const char *dir, const json_t *uses)
{
    uint64_t bytes, allocated;

    image_disk_usage(dir, &bytes, &allocated);
    (void)json_object_set_new(image, "bytes", json_integer((json_int_t)bytes));
    (void)json_object_set_new(image, "disk_bytes", json_integer((json_int_t)allocated));
    (void)json_object_set_new(image, "used_by", image_uses_of(uses, name, dir));
}

/**
 * labs_of() - The labs that need an image, each once
 * @image:	Its document
 *
 * Return: new text, or NULL if none does
 */
static char *labs_of(const json_t *image)
{
    struct strbuf labs = STRBUF_INIT;
    const json_t *users = json_object_get(image, "used_by"), *use;
    const char *last = "";
    size_t i;

    json_array_foreach (users, i, use) {
        const char *lab = json_string_value(json_object_get(use, "lab"));

        if (strcmp(lab, last) != 0)
            strbuf_printf(&labs, "%s%s", labs.size ? ", " : "", lab);
        last = lab;
    }
    return labs.data;
}

/**
 * list_images() - Every image, with those that could be built
 * @library:	Library
 * @uses:	Who needs images
 *
 * Return: array
 */
static json_t *list_images(struct image_library *library, const json_t *uses)
{
    json_t *images = json_array();

    for (const char *const *name = image_library_names(library); *name; name++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct appliance *appliance = NULL;
        json_t *image;

        if (image_library_get(library, *name, &appliance, &err) == 0) {
            bool whole = appliance_missing(appliance) == 0;

            image = image_json(appliance);
            (void)json_object_set_new(image, "state", json_string(whole ? "ok" : "incomplete"));
            add_usage(image, *name, appliance->dir, uses);
        } else {
            _cleanup_free_ char *why =
                text_escape(error_message(&err), strlen(error_message(&err)));

            image = json_pack("{s:s, s:s, s:s}", "name", *name, "state", "broken", "error", why);
        }
        (void)json_array_append_new(images, image);
    }
    list_recipes(images);
    return images;
}

/**
 * add_size_and_labs() - Two cells of the list
 * @table:	Table
 * @image:	Document of the image
 */
static void add_size_and_labs(struct table *table, const json_t *image)
{
    const json_t *bytes = json_object_get(image, "disk_bytes");
    _cleanup_free_ char *labs = labs_of(image);

    if (bytes)
        table_addf(table, "%" JSON_INTEGER_FORMAT "M",
                   (json_integer_value(bytes) + (1 << 19)) >> 20);
    else
        table_add(table, NULL);
    table_add(table, labs);
}

static int run_list(struct invocation *invocation, struct error *err)
{
    struct image_library *library = NULL;
    struct table table = {.columns = 7};
    _cleanup_json_ json_t *uses = NULL;
    json_t *images, *image;
    size_t i;
    int r = image_library_open(&library, err);

    if (r < 0)
        return r;
    /* A lab that cannot be asked does not keep anybody from seeing the list. */
    (void)image_uses_read(false, &uses, NULL);
    images = list_images(library, uses);
    image_library_free(library);
    if (invocation->json) {
        print_json(json_pack("{s:o}", "images", images));
        return 0;
    }
    for (size_t head = 0; head < table.columns; head++)
        table_add(&table, (const char *const[]){"IMAGE", "STATE", "ARCH", "MEMORY", "SIZE",
                                                "USED BY", "DESCRIPTION"}[head]);
    json_array_foreach (images, i, image) {
        bool built = json_object_get(image, "arch") != NULL;
        const char *name = json_text(image, "name");

        table_add(&table, name);
        table_add(&table, json_text(image, "state"));
        table_add(&table, built ? json_text(image, "arch") : NULL);
        if (built)
            table_addf(&table, "%" JSON_INTEGER_FORMAT "M",
                       json_integer_value(json_object_get(image, "memory_mb")));
        else
            table_add(&table, NULL);
        add_size_and_labs(&table, image);
        if (built || json_object_get(image, "error"))
            table_add(&table, json_text(image, built ? "description" : "error"));
        else
            table_addf(&table, "build it: labctl image build %s", name);
    }
    table_print(&table, 1);
    json_decref(images);
    return 0;
}

/**
 * print_image() - An image for people
 * @appliance:	Its definition
 * @image:	Its document
 */
static void print_image(const struct appliance *appliance, const json_t *image)
{
    struct table table = {.columns = 2};
    _cleanup_free_ char *memory = units_format_size(appliance->memory_bytes);
    _cleanup_free_ char *least = units_format_size(appliance->memory_least);
    _cleanup_free_ char *timeout = units_format_duration(appliance->ready_timeout_ns);
    _cleanup_free_ char *first = appliance_port_name(appliance, 0);
    json_t *use;
    size_t i;

    table_add(&table, "IMAGE");
    table_add(&table, appliance->name);
    table_add(&table, "description");
    table_add(&table, appliance->description);
    table_add(&table, "machine");
    table_addf(&table, "%s %s, %u CPU%s (%s under TCG)", appliance->arch,
               appliance->machine ? appliance->machine : "", appliance->cpus,
               appliance->cpus == 1 ? "" : "s",
               appliance->cpu_model ? appliance->cpu_model : "default model");
    table_add(&table, "memory");
    table_addf(&table, "%s, at least %s", memory, least);
    table_add(&table, "interfaces");
    table_addf(&table, "%u of at most %u, %s, the first is %s", appliance->nic_count,
               appliance->nic_max, appliance->nic_model, first);
    table_add(&table, "consoles");
    table_addf(&table, "%u", appliance->serials);
    table_add(&table, "ready when");
    if (appliance->ready_probe)
        table_addf(&table, "'%s' succeeds on its console, within %s", appliance->ready_probe,
                   timeout);
    else if (appliance->ready_prompt)
        table_addf(&table, "its console has a prompt, within %s", timeout);
    else if (appliance->ready)
        table_addf(&table, "its console says /%s/, within %s", appliance->ready, timeout);
    else
        table_add(&table, "it runs");
    table_add(&table, "commands");
    table_add(&table, appliance->exec_prompt ? "labctl node exec works" : "no prompt rule");
    for (i = 0; i < appliance->disk_count; i++) {
        table_add(&table, "disk");
        table_addf(&table, "%s (%s, %s)",
                   appliance->disks[i].file ? appliance->disks[i].file : "empty",
                   appliance_disk_bus_word(appliance->disks[i].bus),
                   appliance_disk_mode_word(appliance->disks[i].mode));
    }
    for (i = 0; i < appliance->file_count; i++) {
        if (!appliance->files[i].missing)
            continue;
        table_add(&table, "missing");
        table_add(&table, appliance->files[i].name);
    }
    table_add(&table, "folder");
    table_addf(&table, "%s (%" JSON_INTEGER_FORMAT "M)", appliance->dir,
               json_integer_value(json_object_get(image, "disk_bytes")) >> 20);
    json_array_foreach (json_object_get(image, "used_by"), i, use) {
        table_add(&table, "used by");
        table_addf(&table, "%s of lab %s (%s), its disks take %" JSON_INTEGER_FORMAT "K",
                   json_text(use, "node"), json_text(use, "lab"), json_text(use, "state"),
                   json_integer_value(json_object_get(use, "disk_bytes")) >> 10);
    }
    table_print(&table, -1);
}

static int run_show(struct invocation *invocation, struct error *err)
{
    struct image_library *library = NULL;
    const struct appliance *appliance = NULL;
    _cleanup_json_ json_t *uses = NULL, *image = NULL;
    int r = image_library_open(&library, err);

    if (r == 0)
        r = image_library_get(library, invocation->words[0], &appliance, err);
    if (r == -ENOENT && err)
        err->kind = ERROR_KIND_FAILED; /* the command line is right, the image just is not there */
    if (r == 0) {
        (void)image_uses_read(false, &uses, NULL);
        image = image_json(appliance);
        add_usage(image, appliance->name, appliance->dir, uses);
    }
    if (r == 0 && invocation->json)
        print_json(json_incref(image));
    else if (r == 0)
        print_image(appliance, image);
    image_library_free(library);
    return r;
}

const struct command cmd_image_list = {
    .group = "image",
    .name = "list",
    .arguments = "",
    .summary = "Images there are, and those that can be built",
    .run = run_list,
};

const struct command cmd_image_show = {
    .group = "image",
    .name = "show",
    .arguments = "IMAGE",
    .summary = "What an image is",
    .words_least = 1,
    .words_most = 1,
    .words = WORD_IMAGE,
    .run = run_show,
};
