// SPDX-License-Identifier: GPL-2.0-or-later

/* EVE-NG's image folders, TEMPLATE-VERSION: a file's name says how it is attached (hda.qcow2 is the
 * first IDE disk, virtiob.qcow2 the second virtio one). How much memory and which NICs it wants
 * stands in a template (eve_template.c), which is looked for beside the folder and where EVE-NG has
 * it; without one EVE-NG's defaults are taken, and that is told. */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/appliance_priv.h"
#include "appliance/foreign.h"
#include "appliance/import_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

/* What a file's name begins with, before the letter that counts. */
static const struct {
    const char *prefix, *bus, *scsi;
} kinds[] = {
    {"hd", "ide", NULL},           {"virtio", "virtio", NULL}, {"virtide", "virtio", NULL},
    {"scsi", "scsi", NULL},        {"sata", "sata", NULL},     {"megasas", "scsi", "megasas"},
    {"lsi", "scsi", "lsi53c895a"}, {"nvme", "nvme", NULL},
};

enum { TEMPLATE_MAX = 1 << 20 };

/**
 * is_template_name() - Whether a file's ending is that of a template
 * @ending:	Ending, or NULL
 *
 * Return: true if so
 */
static bool is_template_name(const char *ending)
{
    return ending && (strcmp(ending, ".yml") == 0 || strcmp(ending, ".yaml") == 0 ||
                      strcmp(ending, ".php") == 0);
}

/**
 * add_disk() - A file whose name is that of a disk
 * @definition:	So far
 * @name:	Its name
 * @err:	Error to fill
 *
 * Return: 1 if it is one, 0 if not, or -EINVAL
 */
static int add_disk(json_t *definition, const char *name, struct error *err)
{
    json_t *disks = json_object_get(definition, "disks"), *disk;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t size = strlen(kinds[i].prefix);
        const char *scsi = json_string_value(json_object_get(definition, "scsi"));
        unsigned unit = (unsigned)(name[size < strlen(name) ? size : 0] - 'a');

        if (strncmp(name, kinds[i].prefix, size) != 0 || unit > 15 || name[size + 1] != '.')
            continue;
        if (strcmp(kinds[i].bus, "scsi") == 0) {
            const char *wanted = kinds[i].scsi ? kinds[i].scsi : "virtio-scsi-pci";

            if (scsi && strcmp(scsi, wanted) != 0)
                return error_input(err, "'%s': disks on two kinds of SCSI controllers", name);
            (void)json_object_set_new(definition, "scsi", json_string(wanted));
        }
        disk = json_pack("{s:s, s:s}", "file", name, "bus", kinds[i].bus);
        if (strcmp(kinds[i].bus, "virtio") != 0)
            (void)json_object_set_new(disk, "unit", json_integer((json_int_t)unit));
        (void)json_array_append_new(disks, disk);
        return 1;
    }
    return 0;
}

/**
 * add_file() - One file of the folder
 * @definition:	So far
 * @name:	Its name
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int add_file(json_t *definition, const char *name, json_t *notes, struct error *err)
{
    int r = 1;

    if (strcmp(name, "cdrom.iso") == 0)
        (void)json_array_append_new(json_object_get(definition, "disks"),
                                    json_pack("{s:s, s:s, s:s, s:i}", "file", name, "bus", "ide",
                                              "kind", "cdrom", "unit", 2));
    else if (strcmp(name, "kernel.img") == 0)
        (void)json_object_set_new(definition, "boot", json_pack("{s:s}", "kernel", name));
    else
        r = add_disk(definition, name, err);
    if (r > 0)
        (void)json_array_append_new(json_object_get(definition, "files"),
                                    json_pack("{s:s}", "name", name));
    if (r == 0) {
        _cleanup_free_ char *shown = text_escape(name, strlen(name));

        (void)json_array_append_new(
            notes, json_sprintf("'%s' is left out: its name says no place of a disk", shown));
    }
    return r < 0 ? r : 0;
}

/**
 * is_file() - Files that are not hidden
 * @entry:	Entry
 *
 * Return: non-zero if so
 */
static int is_file(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');

    return image_file_name_ok(entry->d_name) && !is_template_name(ending);
}

/**
 * add_folder() - The files of the folder
 * @definition:	So far
 * @folder:	Folder
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_folder(json_t *definition, const char *folder, json_t *notes, struct error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_file, alphasort), r = 0;

    if (count < 0)
        return error_errno(err, errno, "%s", folder);
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = add_file(definition, entries[i]->d_name, notes, err);
        free(entries[i]);
    }
    free(entries);
    if (r == 0 && !json_array_size(json_object_get(definition, "files")))
        r = error_input(err, "%s: no file in it has a name such as hda.qcow2 or virtioa.qcow2",
                        folder);
    return r;
}

/**
 * add_given() - Files given along with a template
 * @definition:	So far
 * @request:	What is asked for
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int add_given(json_t *definition, const struct image_import *request, json_t *notes,
                     struct error *err)
{
    for (size_t i = 0; i < request->disk_count; i++) {
        const char *path = request->disks[i];
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

        if (!image_file_name_ok(name))
            return error_input(err, "%s: a file of that name cannot be taken", path);
        if (add_file(definition, name, notes, err) < 0)
            return -EINVAL;
    }
    if (!json_array_size(json_object_get(definition, "files"))) {
        (void)error_input(err, "a template of EVE-NG names no disks");
        error_hint(err, "import the image's folder with --template, or give disks by --disk, named "
                        "as in EVE-NG (virtioa.qcow2)");
        return -EINVAL;
    }
    return 0;
}

/**
 * find_template() - The template of an image folder: given, or where EVE-NG has it
 * @request:	What is asked for
 *
 * Return: new path, or NULL
 */
static char *find_template(const struct image_import *request)
{
    /* From …/addons/qemu/TEMPLATE-VERSION to …/html/templates. */
    static const char *const places[] = {
        "%s.yml",
        "%s.yaml",
        "../%s.yml",
        "../templates/%s.yml",
        "../../../html/templates/%s.yml",
        "../../../html/templates/intel/%s.yml",
        "../../../html/templates/amd/%s.yml",
        /* Old versions. */
        "%s.php",
        "../templates/%s.php",
        "../../../html/templates/%s.php",
    };
    _cleanup_free_ char *real = realpath(request->source, NULL), *name = NULL;

    if (request->template)
        return xstrdup(request->template);
    if (!real)
        return NULL;
    name = xstrdup(strrchr(real, '/') + 1);
    name[strcspn(name, "-")] = 0;
    if (!text_is_name(name))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *file = text_replace(places[i], "%s", name);
        _cleanup_free_ char *path = path_join(request->source, file);

        if (file_exists(path))
            return steal_ptr(path);
    }
    return NULL;
}

/**
 * no_template() - Say what is taken where no template was found
 * @definition:	So far
 * @notes:	Gets it
 */
static void no_template(json_t *definition, json_t *notes)
{
    (void)json_object_set_new(definition, "display", json_pack("{s:s}", "vga", "std"));
    (void)json_array_append_new(
        notes,
        json_string("EVE-NG keeps memory, CPUs and NICs in its templates, and none was found "
                    "(--template FILE): 2G, 1 and 4 of e1000 are taken, to be changed in the "
                    "image's appliance.yaml"));
}

/**
 * read_template() - Find a template and take it over
 * @definition:	So far
 * @path:	Template, or NULL
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_template(json_t *definition, const char *path, json_t *notes, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    json_t *root = NULL;
    size_t size;
    int r;

    if (!path) {
        no_template(definition, notes);
        return 0;
    }
    r = file_read(path, TEMPLATE_MAX, &data, &size, err);
    if (r < 0)
        return r;
    r = foreign_is_php(data, size) ? foreign_php(data, size, &root, err)
                                   : foreign_yaml(data, size, &root, err);
    if (r == 0)
        r = eve_template(root, definition, notes, err);
    json_decref(root);
    if (r < 0)
        return error_prefix(err, "%s", path);
    (void)json_array_append_new(notes, json_sprintf("its template is %s", path));
    return 0;
}

int eve_definition(const struct image_import *request, const char *name, json_t **ret_definition,
                   json_t *notes, struct error *err)
{
    json_t *definition =
        json_pack("{s:s, s:s, s:s, s:{s:i}, s:{s:s}, s:[], s:[], s:{s:s, s:i, s:s}}", "name", name,
                  "arch", "x86_64", "machine", "pc", "cpu", "count", 1, "memory", "default", "2G",
                  "disks", "files", "nics", "model", "e1000", "count", 4, "name", "e{0}");
    struct stat st;
    bool folder = stat(request->source, &st) == 0 && S_ISDIR(st.st_mode);
    _cleanup_free_ char *template = folder ? find_template(request) : xstrdup(request->source);
    int r = read_template(definition, template, notes, err);

    if (r == 0)
        r = folder ? add_folder(definition, request->source, notes, err)
                   : add_given(definition, request, notes, err);
    if (r < 0) {
        json_decref(definition);
        return r;
    }
    *ret_definition = definition;
    return 0;
}
