// SPDX-License-Identifier: GPL-2.0-or-later

/* The library of images: folders of the user's own first, then the system's. A name is asked for at
 * most once; what came of it, good or bad, is kept, so that a lab of 400 nodes reads each
 * definition once and all its nodes run the same one even if it is rebuilt meanwhile. */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/text.h"

enum { ROOTS = 2 };

struct image_entry {
    char *name;
    struct appliance *appliance; /* NULL: @err says why */
    struct error err;
};

struct names {
    char **items; /* NULL-terminated once listed */
    size_t count, capacity;
    bool listed;
};

struct image_library {
    char *roots[ROOTS];
    struct image_entry **entries;
    size_t count, capacity;
    struct names names;  /* of the images there are */
    struct names likely; /* the same and those that could be built, for suggestions */
};

int image_library_open(struct image_library **ret_library, struct error *err)
{
    _cleanup_free_ char *root = paths_images_root(err);
    struct image_library *library;

    if (!root)
        return error_prefix(err, "find the images");
    library = xnew0(struct image_library, 1);
    library->roots[0] = steal_ptr(root);
    library->roots[1] = paths_images_system();
    *ret_library = library;
    return 0;
}

/**
 * names_done() - Free a list of names
 * @names:	List
 */
static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

void image_library_free(struct image_library *library)
{
    if (!library)
        return;
    for (size_t i = 0; i < library->count; i++) {
        struct image_entry *entry = library->entries[i];

        free(entry->name);
        appliance_free(entry->appliance);
        error_done(&entry->err);
        free(entry);
    }
    free(library->entries);
    names_done(&library->names);
    names_done(&library->likely);
    for (size_t i = 0; i < ROOTS; i++)
        free(library->roots[i]);
    free(library);
}

/**
 * names_add() - Add the images of a folder
 * @names:	List
 * @root:	Folder of folders with a definition each
 */
static void names_add(struct names *names, const char *root)
{
    _cleanup_closedir_ DIR *dir = opendir(root);
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        _cleanup_free_ char *path = NULL;

        if (!text_is_name(item->d_name))
            continue;
        path = xasprintf("%s/%s/appliance.yaml", root, item->d_name);
        if (!file_exists(path))
            continue;
        array_grow(names->items, names->count, names->capacity);
        names->items[names->count++] = xstrdup(item->d_name);
    }
}

/**
 * compare_strings() - strcmp() for qsort()
 * @a:	Address of a string
 * @b:	Address of another
 *
 * Return: as qsort() wants it
 */
static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/**
 * names_finish() - Sort a list, drop doubles and end it with NULL
 * @names:	List
 */
static void names_finish(struct names *names)
{
    size_t kept = 0;

    if (names->count)
        qsort(names->items, names->count, sizeof(char *), compare_strings);
    for (size_t i = 0; i < names->count; i++) {
        if (kept > 0 && strcmp(names->items[kept - 1], names->items[i]) == 0)
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
    array_grow(names->items, names->count, names->capacity);
    names->items[names->count] = NULL;
    names->listed = true;
}

const char *const *image_library_names(struct image_library *library)
{
    if (!library->names.listed) {
        for (size_t i = 0; i < ROOTS; i++)
            names_add(&library->names, library->roots[i]);
        names_finish(&library->names);
    }
    return (const char *const *)library->names.items;
}

/**
 * likely_names() - Names that someone may have meant: of images and of recipes
 * @library:	Library
 *
 * Return: list, owned by the library
 */
static const struct names *likely_names(struct image_library *library)
{
    if (!library->likely.listed) {
        _cleanup_free_ char *recipes = paths_data("recipes");

        for (size_t i = 0; i < ROOTS; i++)
            names_add(&library->likely, library->roots[i]);
        if (recipes)
            names_add(&library->likely, recipes);
        names_finish(&library->likely);
    }
    return &library->likely;
}

/**
 * not_found() - Say that there is no such image, and what can be done
 * @library:	Library
 * @name:	Name asked for
 * @err:	Error to fill
 *
 * Return: -ENOENT
 */
static int not_found(struct image_library *library, const char *name, struct error *err)
{
    _cleanup_free_ char *recipes = paths_data("recipes"), *recipe = NULL;
    _cleanup_free_ char *shown = text_escape(name, strnlen(name, 64));
    const struct names *likely = likely_names(library);
    const char *nearest = text_nearest(name, (const char *const *)likely->items, likely->count);
    int r = error_set(err, ENOENT, "there is no image '%s'", shown);

    if (err)
        err->kind = ERROR_KIND_INPUT;
    if (recipes && text_is_name(name))
        recipe = xasprintf("%s/%s/appliance.yaml", recipes, name);
    if (recipe && file_exists(recipe))
        error_hint(err, "make it by 'labctl image build %s'", name);
    else if (nearest)
        error_hint(err, "did you mean '%s'?", nearest);
    else
        error_hint(err, "'labctl image list' shows those there are");
    return r;
}

/**
 * load() - Read an image's definition
 * @library:	Library
 * @entry:	Where it goes
 */
static void load(struct image_library *library, struct image_entry *entry)
{
    _cleanup_free_ char *dir = NULL, *path = NULL;
    struct appliance *appliance = NULL;

    for (size_t i = 0; i < ROOTS && !dir && text_is_name(entry->name); i++) {
        _cleanup_free_ char *link = path_join(library->roots[i], entry->name);
        _cleanup_free_ char *definition = path_join(link, "appliance.yaml");

        /* The folder is a symbolic link that a rebuild swaps: follow it once, then stay there. */
        if (file_exists(definition))
            dir = realpath(link, NULL);
    }
    if (!dir) {
        (void)not_found(library, entry->name, &entry->err);
        return;
    }
    path = path_join(dir, "appliance.yaml");
    if (appliance_read(path, &appliance, &entry->err) < 0) {
        error_hint(&entry->err, "make it anew by 'labctl image build --force %s'", entry->name);
        /* -ENOENT is for images that are not there at all. */
        if (entry->err.code == ENOENT)
            entry->err.code = EIO;
        return;
    }
    if (strcmp(appliance->name, entry->name) != 0) {
        (void)error_input(&entry->err, "%s: it says that its name is '%s'", path, appliance->name);
        appliance_free(appliance);
        return;
    }
    entry->appliance = appliance;
}

int image_library_get(struct image_library *library, const char *name,
                      const struct appliance **ret_appliance, struct error *err)
{
    struct image_entry *entry = NULL;
    int r;

    for (size_t i = 0; i < library->count && !entry; i++)
        if (strcmp(library->entries[i]->name, name) == 0)
            entry = library->entries[i];
    if (!entry) {
        entry = xnew0(struct image_entry, 1);
        entry->name = xstrdup(name);
        load(library, entry);
        array_grow(library->entries, library->count, library->capacity);
        library->entries[library->count++] = entry;
    }
    if (entry->appliance) {
        *ret_appliance = entry->appliance;
        return 0;
    }
    r = error_set(err, entry->err.code, "%s", error_message(&entry->err));
    if (err)
        err->kind = entry->err.kind;
    if (entry->err.hint)
        error_hint(err, "%s", entry->err.hint);
    return r;
}

/**
 * source_facts() - image_source.facts
 * @data:	Library
 * @image:	Name
 * @ret_facts:	Facts
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int source_facts(void *data, const char *image, struct image_facts *ret_facts,
                        struct error *err)
{
    const struct appliance *appliance = NULL;
    int r = image_library_get(data, image, &appliance, err);

    if (r < 0)
        return r;
    *ret_facts = (struct image_facts){
        .nic_count = appliance->nic_count,
        .nic_max = appliance->nic_max,
        .memory_least = appliance->memory_least,
        .mtu_max = appliance_mtu_max(appliance),
    };
    return 0;
}

/**
 * source_port() - image_source.port
 * @data:	Library
 * @image:	Name of an image whose facts are known
 * @port:	Name of a port
 *
 * Return: its NIC, or -1
 */
static int source_port(void *data, const char *image, const char *port)
{
    const struct appliance *appliance = NULL;

    if (image_library_get(data, image, &appliance, NULL) < 0)
        return -1;
    return appliance_port_index(appliance, port);
}

/**
 * source_fits() - image_source.fits
 * @data:	Library
 * @node:	Node whose image's facts are known
 * @key:	What the node says itself
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int source_fits(void *data, const struct node *node, const char *key, struct error *err)
{
    const struct appliance *appliance = NULL;
    int r = image_library_get(data, node->image, &appliance, err);

    return r < 0 ? r : appliance_fits(appliance, node, key, err);
}

/**
 * source_port_name() - image_source.port_name
 * @data:	Library
 * @image:	Name of an image whose facts are known
 * @nic:	NIC
 *
 * Return: new name, or NULL
 */
static char *source_port_name(void *data, const char *image, unsigned nic)
{
    const struct appliance *appliance = NULL;

    if (image_library_get(data, image, &appliance, NULL) < 0)
        return NULL;
    return appliance_port_name(appliance, nic);
}

/**
 * source_names() - image_source.names
 * @data:	Library
 *
 * Return: names for suggestions
 */
static const char *const *source_names(void *data)
{
    return (const char *const *)likely_names(data)->items;
}

struct image_source image_library_source(struct image_library *library)
{
    return (struct image_source){
        .data = library,
        .facts = source_facts,
        .port = source_port,
        .names = source_names,
        .fits = source_fits,
        .port_name = source_port_name,
    };
}
