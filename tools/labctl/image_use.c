// SPDX-License-Identifier: GPL-2.0-or-later

/* Who needs an image: the nodes of labs that are up, told by their engines, and the disks that labs
 * which are down have kept, told by what their overlays were made on top of. */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/probe.h"
#include "appliance/sums.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "labctl/image_use.h"
#include "labctl/lab.h"
#include "labctl/output.h"

/**
 * allocated() - What a node's folder takes on the disk
 * @dir:	Folder
 *
 * Return: bytes
 */
static json_int_t allocated(const char *dir)
{
    uint64_t bytes, disk;

    image_disk_usage(dir, &bytes, &disk);
    return (json_int_t)disk;
}

/**
 * add_lab() - Add the nodes of a lab that is up
 * @uses:	Array
 * @lab:	Name
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_lab(json_t *uses, const char *lab, struct error *err)
{
    struct invocation asked = {.lab = lab};
    _cleanup_free_ char *kept = lab_state_dir(lab, NULL);
    _cleanup_json_ json_t *status = NULL;
    json_t *node;
    size_t i;
    int r = lab_status(&asked, NULL, &status, err);

    if (r < 0)
        return r;
    json_array_foreach (json_object_get(status, "nodes"), i, node) {
        _cleanup_free_ char *dir = kept ? path_join(kept, json_text(node, "name")) : NULL;

        (void)json_array_append_new(
            uses, json_pack("{s:s, s:s, s:s, s:s, s:I}", "image", json_text(node, "image"), "lab",
                            lab, "node", json_text(node, "name"), "state", json_text(node, "state"),
                            "disk_bytes", dir ? allocated(dir) : 0));
    }
    return 0;
}

/**
 * base_folder() - The folder of the image that a node's disks were made on top of
 * @dir:	The node's kept folder
 *
 * Return: new path, or NULL
 */
static char *base_folder(const char *dir)
{
    _cleanup_closedir_ DIR *folder = opendir(dir);
    struct dirent *item;

    while (folder && (item = readdir(folder))) {
        _cleanup_free_ char *path = NULL, *base = NULL;

        if (strncmp(item->d_name, "disk", 4) != 0)
            continue;
        path = path_join(dir, item->d_name);
        base = image_overlay_base(path);
        if (base)
            return path_dirname(base);
    }
    return NULL;
}

/**
 * add_kept() - Add the nodes of a lab that is down
 * @uses:	Array
 * @root:	Folder of all labs' kept folders
 * @lab:	Name
 */
static void add_kept(json_t *uses, const char *root, const char *lab)
{
    _cleanup_free_ char *kept = path_join(root, lab);
    _cleanup_closedir_ DIR *folder = opendir(kept);
    struct dirent *item;

    while (folder && (item = readdir(folder))) {
        _cleanup_free_ char *dir = NULL, *base = NULL;

        if (item->d_name[0] == '.')
            continue;
        dir = path_join(kept, item->d_name);
        base = base_folder(dir);
        if (base)
            (void)json_array_append_new(uses, json_pack("{s:s, s:s, s:s, s:s, s:I}", "folder", base,
                                                        "lab", lab, "node", item->d_name, "state",
                                                        "kept", "disk_bytes", allocated(dir)));
    }
}

int image_uses_read(bool strict, json_t **ret_uses, struct error *err)
{
    _cleanup_free_ char *root = paths_state_root(NULL);
    _cleanup_closedir_ DIR *folder = root ? opendir(root) : NULL;
    _cleanup_lab_list_ struct lab_list list = {0};
    json_t *uses = json_array();
    struct dirent *item;
    int r = lab_list_read(&list, err);

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        _cleanup_error_ struct error fault = ERROR_INIT;

        /* Who only wants to see does not start an engine for a lab whose own has died. */
        if (!strict && !list.items[i].alive) {
            add_kept(uses, root ? root : "", list.items[i].name);
            continue;
        }
        r = add_lab(uses, list.items[i].name, &fault);
        if (r < 0 && !strict)
            r = 0;
        else if (r < 0)
            error_move(err, &fault);
    }
    while (r == 0 && folder && (item = readdir(folder))) {
        bool up = false;

        for (size_t i = 0; i < list.count; i++)
            up |= strcmp(list.items[i].name, item->d_name) == 0;
        if (!up && item->d_name[0] != '.')
            add_kept(uses, root, item->d_name);
    }
    if (r < 0)
        json_decref(uses);
    else
        *ret_uses = uses;
    return r;
}

json_t *image_uses_of(const json_t *uses, const char *name, const char *folder)
{
    json_t *own = json_array(), *use;
    size_t i;

    json_array_foreach (uses, i, use) {
        const char *base = json_string_value(json_object_get(use, "folder"));

        if (base ? folder && strcmp(base, folder) == 0 : strcmp(json_text(use, "image"), name) == 0)
            (void)json_array_append_new(
                own, json_pack("{s:O, s:O, s:O, s:O}", "lab", json_object_get(use, "lab"), "node",
                               json_object_get(use, "node"), "state", json_object_get(use, "state"),
                               "disk_bytes", json_object_get(use, "disk_bytes")));
    }
    return own;
}

int image_in_use(const char *name, struct error *err)
{
    _cleanup_free_ char *root = paths_images_root(err), *link = NULL, *folder = NULL;
    _cleanup_json_ json_t *uses = NULL, *own = NULL;
    const char *lab, *node, *state;
    const json_t *first;
    int r = root ? image_uses_read(true, &uses, err) : -ENOENT;

    if (r < 0)
        return r;
    link = path_join(root, name);
    folder = realpath(link, NULL);
    own = image_uses_of(uses, name, folder);
    if (!json_array_size(own))
        return 0;
    first = json_array_get(own, 0);
    lab = json_text((json_t *)first, "lab");
    node = json_text((json_t *)first, "node");
    state = json_text((json_t *)first, "state");
    if (strcmp(state, "kept") == 0) {
        r = error_set(err, EBUSY,
                      "image '%s' is in use: node '%s' of lab '%s', which is down, keeps "
                      "a disk on top of it%s",
                      name, node, lab, json_array_size(own) > 1 ? ", and so do others" : "");
        error_hint(err, "forget what the lab has kept: labctl topology wipe %s", lab);
    } else {
        r = error_set(err, EBUSY, "image '%s' is in use by node '%s' of lab '%s'%s", name, node,
                      lab, json_array_size(own) > 1 ? ", and by others" : "");
        error_hint(err, "take it down first: labctl topology down %s", lab);
    }
    return r;
}
