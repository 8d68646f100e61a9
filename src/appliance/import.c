// SPDX-License-Identifier: GPL-2.0-or-later

/* Imports. An image is made in a folder of its own that no name leads to (store.c): definition and
 * files, each held against its checksum, its format and the definition's own reader. */

#include "appliance/import.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/appliance_priv.h"
#include "appliance/foreign.h"
#include "appliance/import_priv.h"
#include "appliance/probe.h"
#include "appliance/store.h"
#include "appliance/sums.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { SOURCE_MAX = 4 << 20 };

char *definition_text(const json_t *definition, const char *comment)
{
    struct strbuf text = STRBUF_INIT;
    json_t *value;
    const char *key;

    strbuf_printf(&text, "# %s\n", comment);
    json_object_foreach ((json_t *)definition, key, value) {
        /* JSON is YAML; one key a line is good to read and to edit. */
        char *line = json_dumps(value, JSON_ENCODE_ANY);

        strbuf_printf(&text, "%s: %s\n", key, line ? line : "");
        free(line);
    }
    return strbuf_steal(&text);
}

char *import_name(const char *source)
{
    _cleanup_free_ char *copy = xstrdup(source);
    struct strbuf name = STRBUF_INIT;
    char *base, *dot;

    while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = 0;
    base = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
    dot = strrchr(base, '.');
    /* The ending of a file; a folder has a version there. */
    if (dot && dot != base && strlen(dot) <= 6 && !isdigit((unsigned char)dot[1]))
        *dot = 0;
    for (const char *at = base; *at && name.size < 60; at++) {
        bool fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || (name.size && strchr("._", *at));

        if (fine)
            strbuf_append(&name, at, 1);
        else if (name.size && name.data[name.size - 1] != '-')
            strbuf_append(&name, "-", 1);
    }
    while (name.size && strchr("-._", name.data[name.size - 1]))
        name.data[--name.size] = 0;
    return strbuf_steal(&name);
}

/**
 * base_name() - The last part of a path
 * @path:	Path
 *
 * Return: part of it
 */
static const char *base_name(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

/* Endings that a file may have in addition to its name when it comes packed. */
static const char *const packed_endings[] = {"",     ".gz", ".bz2", ".xz",
                                             ".zip", ".7z", ".zst", ".lzma"};

/**
 * fits_name() - Whether a file is called like one that is wanted, maybe packed
 * @path:	File that was given
 * @wanted:	Name
 *
 * Return: true if so
 */
static bool fits_name(const char *path, const char *wanted)
{
    const char *base = base_name(path);
    size_t size = strlen(wanted);

    if (strncmp(base, wanted, size) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(packed_endings); i++)
        if (strcmp(base + size, packed_endings[i]) == 0)
            return true;
    return false;
}

/**
 * put_file() - Copy or unpack a file and see whether it is the one that is wanted
 * @path:	File that was given
 * @wanted:	Entry of 'files'
 * @dir:	Folder to put it in, under a name that nobody knows
 * @ret_temp:	Path of the copy; caller removes it
 * @ret_md5:	Its sum
 * @err:	Error to fill
 *
 * Return: 1 if its checksum is right, 0 if there is none to compare, -EBADMSG if it is wrong, or
 * -errno
 */
static int put_file(const char *path, const json_t *wanted, const char *dir, char **ret_temp,
                    char ret_md5[static 33], struct error *err)
{
    const char *name = json_string_value(json_object_get(wanted, "name"));
    const char *md5 = json_string_value(json_object_get(wanted, "md5"));
    json_int_t bytes = json_integer_value(json_object_get(wanted, "bytes"));
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _cleanup_free_ char *temp = xasprintf("%s/.copy-%d-%ld", dir, (int)getpid(), random());
    struct image_probe probe;
    int r;

    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    r = image_probe_fd(fd, &probe, err);
    if (r < 0)
        return error_prefix(err, "%s", path);
    /* The sum is of the file as it is used. One that is packed is copied as it is only if the sum
     * says so or if nothing but a sum could tell. */
    if (!probe.compression || (md5 && (uint64_t)bytes == probe.file_size)) {
        r = file_digest_copy(fd, temp, ret_md5, err);
        if (r == 0 && (!md5 || strcmp(ret_md5, md5) == 0) && !probe.compression) {
            *ret_temp = steal_ptr(temp);
            return md5 != NULL;
        }
        if (r < 0)
            return error_prefix(err, "%s", path);
        if (md5 && strcmp(ret_md5, md5) == 0) {
            *ret_temp = steal_ptr(temp);
            return 1;
        }
        if (!probe.compression) {
            *ret_temp = steal_ptr(temp);
            return error_set(err, EBADMSG, "%s: its MD5 sum is %s, and '%s' has %s", path, ret_md5,
                             name, md5);
        }
        (void)unlink(temp);
    }
    r = file_unpack(fd, name, bytes > 0 ? (unsigned long long)bytes : 0, temp, ret_md5, err);
    if (r < 0)
        return error_prefix(err, "%s", path);
    *ret_temp = steal_ptr(temp);
    if (md5 && strcmp(ret_md5, md5) != 0)
        return error_set(err, EBADMSG, "%s: unpacked, its MD5 sum is %s, and '%s' has %s", path,
                         ret_md5, name, md5);
    return md5 != NULL;
}

/**
 * accept_file() - Give a file its name in the image if it is the wanted one
 * @request:	What is asked for
 * @path:	File that was given
 * @wanted:	Entry of 'files'
 * @dir:	The image's folder
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno; -EBADMSG: it is another one
 */
static int accept_file(const struct image_import *request, const char *path, const json_t *wanted,
                       const char *dir, json_t *notes, struct error *err)
{
    const char *name = json_string_value(json_object_get(wanted, "name"));
    _cleanup_free_ char *temp = NULL, *final = path_join(dir, name);
    json_int_t bytes = json_integer_value(json_object_get(wanted, "bytes"));
    char md5[33];
    int r = put_file(path, wanted, dir, &temp, md5, err);
    struct image_probe probe;
    struct stat st;

    if (r == -EBADMSG && request->unverified) {
        error_done(err);
        (void)json_array_append_new(
            notes, json_sprintf("'%s' is taken without its checksum being right", name));
        r = 0;
    } else if (r >= 0 && bytes > 0 && !request->unverified && temp &&
               (stat(temp, &st) < 0 || st.st_size != bytes)) {
        r = error_set(err, EBADMSG, "%s: it has %lld bytes, and '%s' has %lld", path,
                      (long long)st.st_size, name, (long long)bytes);
    }
    /* Unpacked, it may turn out to be what would not have been taken as it is. */
    if (r >= 0)
        r = image_probe_file(temp, &probe, err) < 0 ? error_prefix(err, "%s", path) : 0;
    /* The sum first: a file without one is what a killed import leaves, not a sum without one. */
    if (r >= 0)
        r = image_sums_put(dir, name, md5, err);
    if (r >= 0 && rename(temp, final) < 0)
        r = error_errno(err, errno, "%s", final);
    if (r < 0 && temp)
        (void)unlink(temp);
    if (r == -EBADMSG)
        error_hint(err, "is it another version (--version)? --unverified takes it as it is");
    return r < 0 ? r : 0;
}

/**
 * is_folder() - Whether a source is a folder
 * @path:	Path
 *
 * Return: true if so
 */
static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/**
 * find_beside() - A file by its name beside the description, maybe packed
 * @request:	What is asked for
 * @name:	Name
 *
 * Return: new path, or NULL
 */
static char *find_beside(const struct image_import *request, const char *name)
{
    _cleanup_free_ char *dir = NULL;
    struct stat st;

    if (!request->source)
        return NULL;
    dir = is_folder(request->source) ? xstrdup(request->source) : path_dirname(request->source);
    for (size_t i = 0; i < ARRAY_SIZE(packed_endings); i++) {
        char *path = xasprintf("%s/%s%s", dir, name, packed_endings[i]);

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
        free(path);
    }
    return NULL;
}

/**
 * find_given() - A file by its name: among those that people gave, or beside the description
 * @request:	What is asked for
 * @used:	For each file given, whether it is used
 * @name:	Name
 *
 * Return: new path, or NULL
 */
static char *find_given(const struct image_import *request, bool *used, const char *name)
{
    for (size_t i = 0; i < request->disk_count; i++) {
        if (!used[i] && fits_name(request->disks[i], name)) {
            used[i] = true;
            return xstrdup(request->disks[i]);
        }
    }
    return find_beside(request, name);
}

/**
 * have_file() - Whether a file of that name is there: gns3_source.have
 * @data:	What is asked for
 * @name:	Name
 *
 * Return: true if so
 */
static bool have_file(void *data, const char *name)
{
    const struct image_import *request = data;
    _cleanup_free_ char *path = NULL;

    /* A name that leads elsewhere is refused later on. */
    if (!image_file_name_ok(name))
        return false;
    for (size_t i = 0; i < request->disk_count; i++)
        if (fits_name(request->disks[i], name))
            return true;
    path = find_beside(request, name);
    return path != NULL;
}

/**
 * try_rest() - Files whose names say nothing: their sums tell what they are
 * @request:	What is asked for
 * @used:	For each file given, whether it is used
 * @wanted:	Files still wanted; those found are taken out
 * @dir:	The image's folder
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int try_rest(const struct image_import *request, bool *used, json_t *wanted, const char *dir,
                    json_t *notes, struct error *err)
{
    for (size_t i = 0; i < request->disk_count; i++) {
        _cleanup_error_ struct error last = ERROR_INIT;
        int r = -EBADMSG;

        if (used[i])
            continue;
        if (!json_array_size(wanted)) {
            return error_input(err, "%s: the image needs no further file", request->disks[i]);
        }
        for (size_t j = 0; r == -EBADMSG && j < json_array_size(wanted); j++) {
            error_done(&last);
            r = accept_file(request, request->disks[i], json_array_get(wanted, j), dir, notes,
                            &last);
            if (r == 0) {
                (void)json_array_remove(wanted, j);
                break;
            }
        }
        if (r < 0) {
            error_move(err, &last);
            return r;
        }
    }
    return 0;
}

/**
 * take_files() - Get the files that an image needs
 * @request:	What is asked for
 * @files:	Entries of 'files' that are not there
 * @dir:	The image's folder
 * @notes:	Gets what people should know
 * @missing:	Array that takes the names of those that are not found
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int take_files(const struct image_import *request, const json_t *files, const char *dir,
                      json_t *notes, json_t *missing, struct error *err)
{
    _cleanup_free_ bool *used = xnew0(bool, request->disk_count + 1);
    json_t *rest = json_array();
    const json_t *file;
    size_t i;
    int r = 0;

    json_array_foreach (files, i, file) {
        const char *name = json_string_value(json_object_get(file, "name"));
        _cleanup_free_ char *path = find_given(request, used, name);

        if (!path)
            (void)json_array_append(rest, (json_t *)file);
        else
            r = accept_file(request, path, file, dir, notes, err);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = try_rest(request, used, rest, dir, notes, err);
    json_array_foreach (rest, i, file)
        (void)json_array_append(missing, json_object_get(file, "name"));
    json_decref(rest);
    return r;
}

/**
 * refuse_missing() - Say which files an import lacks
 * @missing:	Their names
 * @err:	Error to fill
 *
 * Return: 0 if none, else -ENOENT
 */
static int refuse_missing(const json_t *missing, struct error *err)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    const json_t *name;
    size_t i;

    if (!json_array_size(missing))
        return 0;
    json_array_foreach (missing, i, name)
        strbuf_printf(&names, "%s'%s'", i ? ", " : "", json_string_value(name));
    (void)error_set(err, ENOENT, "the image needs the file%s %s",
                    json_array_size(missing) == 1 ? "" : "s", names.data);
    if (err)
        err->kind = ERROR_KIND_INPUT;
    error_hint(err, "give it by --disk FILE, put it beside the appliance, or import with "
                    "--definition-only and add it later");
    return -ENOENT;
}

/**
 * write_definition() - Write appliance.yaml and read it as everybody will
 * @dir:	The image's folder
 * @definition:	Definition
 * @comment:	Where it comes from
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int write_definition(const char *dir, const json_t *definition, const char *comment,
                            struct error *err)
{
    _cleanup_free_ char *path = path_join(dir, "appliance.yaml");
    _cleanup_free_ char *text = definition_text(definition, comment);
    _cleanup_appliance_ struct appliance *appliance = NULL;
    int r = appliance_parse(path, text, strlen(text), &appliance, err);

    return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0644, err);
}

/**
 * is_yaml() - Whether a file's name says that it is YAML
 * @path:	Path
 *
 * Return: true if so
 */
static bool is_yaml(const char *path)
{
    const char *ending = strrchr(base_name(path), '.');

    return ending && (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0);
}

/**
 * read_yaml() - A definition from a file of CML or EVE-NG
 * @request:	What is asked for
 * @data:	The file's text
 * @size:	Its size
 * @name:	Of the image
 * @ret_definition: New object
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_yaml(const struct image_import *request, const char *data, size_t size,
                     const char *name, json_t **ret_definition, json_t *notes, struct error *err)
{
    json_t *root = NULL;
    int r = foreign_yaml(data, size, &root, err);

    if (r < 0)
        return r;
    if (cml_is_one(root))
        r = cml_definition(request, root, name, ret_definition, notes, err);
    else if (foreign_text(root, "type"))
        r = eve_definition(request, name, ret_definition, notes, err);
    else
        r = error_input(err, "neither a definition of CML's nor a template of EVE-NG's%s",
                        json_object_get(root, "nodes") ? ": it is a lab" : "");
    json_decref(root);
    return r;
}

/**
 * read_source() - A definition from what was given
 * @request:	What is asked for
 * @name:	Of the image
 * @ret_definition: New object
 * @ret_version: Version that was taken, if there are such; caller frees
 * @notes:	Gets what people should know
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_source(const struct image_import *request, const char *name,
                       json_t **ret_definition, char **ret_version, json_t *notes,
                       struct error *err)
{
    _cleanup_free_ char *data = NULL;
    struct gns3_source source = {
        .version = request->version, .have = have_file, .have_data = (void *)request};
    int r;

    if (!request->source)
        return guess_definition(request, name, ret_definition, notes, err);
    if (is_folder(request->source)) {
        _cleanup_free_ char *image = cml_find_image(request->source);
        struct image_import inner = *request;

        if (!image)
            return eve_definition(request, name, ret_definition, notes, err);
        inner.source = image;
        return read_source(&inner, name, ret_definition, ret_version, notes, err);
    }
    r = file_read(request->source, SOURCE_MAX, &data, &source.size, err);
    if (r < 0)
        return r;
    source.data = data;
    if (foreign_is_php(data, source.size))
        return eve_definition(request, name, ret_definition, notes, err);
    r = is_yaml(request->source)
            ? read_yaml(request, data, source.size, name, ret_definition, notes, err)
            : gns3_definition(&source, name, ret_definition, ret_version, notes, err);
    return r < 0 ? error_prefix(err, "%s", request->source) : 0;
}

int image_import(const struct image_import *request, json_t **ret_report, struct error *err)
{
    _cleanup_(image_making_done) struct image_making making = {.lock = -1};
    _cleanup_free_ char *name = request->name ? xstrdup(request->name)
                                              : import_name(request->source ? request->source : "");
    _cleanup_free_ char *comment = NULL, *shown = NULL, *version = NULL;
    json_t *definition = NULL, *notes = json_array(), *missing = json_array();
    const char *from = request->source ? base_name(request->source) : request->disks[0];
    int r;

    shown = text_escape(from, strlen(from));
    comment = xasprintf("Imported from %s", shown);
    if (!text_is_name(name))
        r = error_input(err, "'%s' cannot be the name of an image: give one by --name", name);
    else
        r = read_source(request, name, &definition, &version, notes, err);
    if (r == 0)
        r = image_making_begin(&making, err);
    if (r == 0)
        r = take_files(request, json_object_get(definition, "files"), making.dir, notes, missing,
                       err);
    if (r == 0 && !request->definition_only)
        r = refuse_missing(missing, err);
    if (r == 0)
        r = write_definition(making.dir, definition, comment, err);
    if (r == 0)
        r = image_making_publish(&making, name, request->replace, err);
    if (r == 0)
        *ret_report = json_pack("{s:s, s:s*, s:O, s:O}", "name", name, "version", version, "notes",
                                notes, "missing", missing);
    json_decref(definition);
    json_decref(notes);
    json_decref(missing);
    return r;
}

/**
 * sweep_temporary() - Remove copies that a killed process left in an image's folder
 * @dir:	The image's folder, locked by this process
 */
static void sweep_temporary(const char *dir)
{
    _cleanup_closedir_ DIR *folder = opendir(dir);
    struct dirent *item;

    while (folder && (item = readdir(folder)))
        if (strncmp(item->d_name, ".copy-", 6) == 0)
            (void)unlinkat(dirfd(folder), item->d_name, 0);
}

/**
 * lacking_files() - Files that an image lacks
 * @appliance:	Its definition
 *
 * Return: new array of entries of 'files'
 */
static json_t *lacking_files(const struct appliance *appliance)
{
    json_t *files = json_array();

    for (size_t i = 0; i < appliance->file_count; i++) {
        const struct appliance_file *file = &appliance->files[i];

        if (file->missing)
            (void)json_array_append_new(files,
                                        json_pack("{s:s, s:s*, s:I}", "name", file->name, "md5",
                                                  file->md5, "bytes", (json_int_t)file->bytes));
    }
    return files;
}

int image_add_files(const struct image_import *request, json_t **ret_report, struct error *err)
{
    _cleanup_free_ char *root = paths_images_root(err), *link = NULL, *dir = NULL, *path = NULL;
    _cleanup_appliance_ struct appliance *appliance = NULL, *again = NULL;
    json_t *files = NULL, *notes = json_array(), *missing = json_array();
    _cleanup_close_ int lock = -1;
    int r = root ? 0 : -ENOENT;

    link = root ? path_join(root, request->name) : NULL;
    dir = link ? realpath(link, NULL) : NULL;
    if (r == 0 && !dir)
        r = error_errno(err, errno, "%s", link);
    if (r == 0) {
        path = path_join(dir, "appliance.yaml");
        /* One at a time: whoever waited sees what the other one has added. */
        lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        while (lock >= 0 && flock(lock, LOCK_EX) < 0 && errno == EINTR) {
        }
        sweep_temporary(dir);
        r = appliance_read(path, &appliance, err);
    }
    if (r == 0)
        files = lacking_files(appliance);
    if (r == 0 && !json_array_size(files))
        r = error_input(err, "the image '%s' is there, and it lacks no file", request->name);
    if (r == 0)
        r = take_files(request, files, dir, notes, missing, err);
    if (r == 0)
        r = appliance_read(path, &again, err);
    if (r == 0)
        *ret_report =
            json_pack("{s:s, s:O, s:O}", "name", request->name, "notes", notes, "missing", missing);
    json_decref(files);
    json_decref(notes);
    json_decref(missing);
    return r;
}
