// SPDX-License-Identifier: GPL-2.0-or-later

/* Cisco CML: a node definition says what a kind of node is (machine, interfaces, when it has
 * booted, how its configuration gets in), an image definition which disks a version of it has and
 * what it wants more or less of. Both are YAML. Either may be given: an image definition names its
 * node definition, which is looked for beside it and where CML has it; a node definition alone
 * takes the disks that are given. */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/foreign.h"
#include "appliance/gns3_priv.h"
#include "appliance/import_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { SOURCE_MAX = 1 << 20, DISKS_MAX = 4, DAY_SECONDS = 86400, GIGABYTES_MAX = 65536 };

bool cml_is_one(const json_t *root)
{
    return foreign_text(root, "node_definition_id") ||
           (foreign_map(root, "sim") && foreign_map(root, "device"));
}

/**
 * setting() - A setting of the machine: the image's own, else the node's
 * @image:	Image definition, or NULL
 * @native:	sim.linux_native of the node definition
 * @key:	Key
 *
 * Return: the mapping that has it
 */
static const json_t *setting(const json_t *image, const json_t *native, const char *key)
{
    const json_t *value = json_object_get(image, key);

    return value && !json_is_null(value) ? image : native;
}

/**
 * take_machine() - CPUs, memory, firmware
 * @cml:	What is being made
 * @native:	sim.linux_native
 * @image:	Image definition, or NULL
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_machine(struct gns3 *cml, const json_t *native, const json_t *image,
                        struct error *err)
{
    const char *driver = foreign_text(native, "libvirt_domain_driver");
    const char *machine = foreign_text(native, "machine_type");
    const char *cpu = foreign_text(native, "cpu_model"), *nic = foreign_text(native, "nic_driver");
    const json_t *video = foreign_map(native, "video");
    json_t *definition = cml->definition;
    int64_t ram, cpus;

    if (driver && strcmp(driver, "kvm") != 0 && strcmp(driver, "qemu") != 0)
        return error_input(err, "the node is not for QEMU: libvirt_domain_driver is '%.20s'",
                           driver);
    if (foreign_number(setting(image, native, "ram"), "ram", 512, 1, 1 << 24, &ram, err) < 0 ||
        foreign_number(setting(image, native, "cpus"), "cpus", 1, 1, 255, &cpus, err) < 0)
        return -EINVAL;
    (void)json_object_set_new(definition, "arch", json_string("x86_64"));
    (void)json_object_set_new(definition, "machine", json_string(machine ? machine : "pc"));
    (void)json_object_set_new(gns3_map(cml, "cpu"), "count", json_integer(cpus));
    (void)json_object_set_new(gns3_map(cml, "memory"), "default", json_sprintf("%dM", (int)ram));
    if (cpu && strcmp(cpu, "host-passthrough") != 0 && strcmp(cpu, "host-model") != 0)
        (void)json_object_set_new(gns3_map(cml, "cpu"), "kvm", json_string(cpu));
    (void)json_object_set_new(gns3_map(cml, "nics"), "model",
                              json_string(gns3_nic_model(cml, nic ? nic : "e1000")));
    if (foreign_flag(setting(image, native, "efi_boot"), "efi_boot"))
        (void)json_object_set_new(gns3_map(cml, "firmware"), "type", json_string("uefi"));
    if (foreign_flag(native, "enable_tpm"))
        (void)json_object_set_new(gns3_map(cml, "firmware"), "tpm", json_true());
    if (foreign_flag(native, "enable_rng"))
        (void)json_object_set_new(definition, "options",
                                  json_pack("[s]", "-device virtio-rng-pci"));
    if (video) {
        (void)json_object_set_new(gns3_map(cml, "display"), "type", json_string("vnc"));
        gns3_note(cml, "its video became a screen over VNC");
    }
    if (json_object_get(native, "cpu_limit") &&
        strcmp(foreign_text(native, "cpu_limit") ? foreign_text(native, "cpu_limit") : "100",
               "100") != 0)
        gns3_note(cml, "cpu_limit is dropped: a node may use the CPU that there is");
    return 0;
}

/**
 * take_ports() - NICs and serial ports
 * @cml:	What is being made
 * @interfaces:	device.interfaces, or NULL
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_ports(struct gns3 *cml, const json_t *interfaces, struct error *err)
{
    const json_t *physical = json_object_get(interfaces, "physical"), *item;
    json_t *nics = gns3_map(cml, "nics"), *ports = json_array();
    size_t i, most = json_array_size(physical);
    int64_t count, serials;
    int r =
        foreign_number(interfaces, "default_count", most ? (int64_t)most : 1, 0, 4096, &count, err);

    if (r == 0)
        r = foreign_number(interfaces, "serial_ports", 1, 0, 64, &serials, err);
    if (r == 0 && (int64_t)most > APPLIANCE_NICS_MAX) {
        gns3_note(cml, "it may have %zu interfaces; a machine has room for %d", most,
                  APPLIANCE_NICS_MAX);
        most = APPLIANCE_NICS_MAX;
    }
    if (r == 0 && count > APPLIANCE_NICS_MAX)
        r = error_input(err, "'default_count' is %d: a machine has room for %d", (int)count,
                        APPLIANCE_NICS_MAX);
    json_array_foreach (physical, i, item) {
        const char *name = json_string_value(item);

        if (r < 0 || i >= most)
            break;
        r = name ? port_name_check(name, err) : error_input(err, "a name is no text");
        if (r < 0)
            (void)error_prefix(err, "device.interfaces.physical");
        else
            (void)json_array_append_new(ports,
                                        json_pack("{s:i, s:s}", "nic", (int)i, "name", name));
    }
    if (r < 0) {
        json_decref(ports);
        return r;
    }
    (void)json_object_set_new(nics, "count", json_integer(count));
    if ((int64_t)most >= count && most > 0)
        (void)json_object_set_new(nics, "max", json_integer((json_int_t)most));
    if (json_array_size(ports))
        (void)json_object_set(nics, "ports", ports);
    json_decref(ports);
    if (serials > 4)
        gns3_note(cml, "of its %d serial ports 4 are there", (int)serials);
    (void)json_object_set_new(cml->definition, "serials",
                              json_integer(serials > 4   ? 4
                                           : serials < 1 ? 1
                                                         : serials));
    return 0;
}

/**
 * add_literal() - Put a text into a regular expression as it is
 * @rule:	So far
 * @text:	Text
 */
static void add_literal(struct strbuf *rule, const char *text)
{
    for (const char *at = text; *at; at++) {
        /* %h would stand for the node's name. */
        if (*at == '%') {
            strbuf_puts(rule, "[%]");
            continue;
        }
        if (strchr("\\^$.[]|()*+?{}", *at))
            strbuf_append(rule, "\\", 1);
        strbuf_append(rule, at, 1);
    }
}

/**
 * take_boot() - When it is ready
 * @cml:	What is being made
 * @boot:	boot, or NULL
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_boot(struct gns3 *cml, const json_t *boot, struct error *err)
{
    const json_t *lines = json_object_get(boot, "completed"), *line;
    _cleanup_strbuf_ struct strbuf rule = STRBUF_INIT;
    bool regex = foreign_flag(boot, "uses_regex");
    int64_t timeout;
    size_t i;

    if (foreign_number(boot, "timeout", 300, 0, DAY_SECONDS, &timeout, err) < 0)
        return -EINVAL;
    json_array_foreach (lines, i, line) {
        const char *text = json_string_value(line);

        if (!text || !*text)
            continue;
        if (rule.size)
            strbuf_puts(&rule, "|");
        if (regex)
            strbuf_printf(&rule, "(%s)", text);
        else
            add_literal(&rule, text);
    }
    if (!rule.size)
        return 0;
    (void)json_object_set_new(cml->definition, "ready",
                              json_pack("{s:s, s:o}", "console", rule.data, "timeout",
                                        json_sprintf("%ds", timeout < 60 ? 60 : (int)timeout)));
    return 0;
}

/**
 * seed_files() - The files of the configuration's medium
 * @cml:	What is being made
 * @provisioning: configuration.provisioning
 *
 * Return: new array of entries of seed.files
 */
static json_t *seed_files(struct gns3 *cml, const json_t *provisioning)
{
    json_t *files = json_array();
    const json_t *file;
    size_t i;

    json_array_foreach (json_object_get(provisioning, "files"), i, file) {
        const char *name = foreign_text(file, "name"), *content = foreign_text(file, "content");

        if (!name)
            continue;
        /* The first is the configuration; what others have in them stands in the definition. */
        if (!json_array_size(files)) {
            (void)json_array_append_new(files, json_pack("{s:s}", "name", name));
        } else if (content) {
            _cleanup_free_ char *text = text_replace(content, "%", "%%");

            (void)json_array_append_new(files, json_pack("{s:s, s:s}", "name", name, "text", text));
        } else {
            gns3_note(cml, "provisioning: '%.60s' is empty and left out", name);
        }
    }
    return files;
}

/**
 * take_provisioning() - How the configuration gets in
 * @cml:	What is being made
 * @provisioning: configuration.provisioning, or NULL
 */
static void take_provisioning(struct gns3 *cml, const json_t *provisioning)
{
    const char *media = foreign_text(provisioning, "media_type");
    const char *label = foreign_text(provisioning, "volume_name");
    json_t *files;

    if (!media)
        return;
    if (strcmp(media, "iso") != 0 && strcmp(media, "fat") != 0) {
        gns3_note(cml,
                  "provisioning by media_type %.20s is dropped: say by 'seed' in "
                  "appliance.yaml how its configuration gets in",
                  media);
        return;
    }
    files = seed_files(cml, provisioning);
    if (json_array_size(files))
        (void)json_object_set_new(
            cml->definition, "seed",
            json_pack("{s:s, s:s*, s:O}", "method", media, "label", label, "files", files));
    else
        gns3_note(cml, "provisioning names no files: a configuration does not get in");
    json_decref(files);
}

int cml_node(const json_t *node, const json_t *image, const char *name, json_t **ret_definition,
             json_t *notes, struct error *err)
{
    struct gns3 cml = {.definition = json_object(), .notes = notes};
    const json_t *native = foreign_map(foreign_map(node, "sim"), "linux_native");
    const char *words = foreign_text(image, "label");
    int r = native ? 0 : error_input(err, "a node definition has 'sim.linux_native'");

    if (!words)
        words = foreign_text(foreign_map(node, "ui"), "label");
    if (!words)
        words = foreign_text(foreign_map(node, "general"), "description");
    (void)json_object_set_new(cml.definition, "name", json_string(name));
    if (words) {
        _cleanup_free_ char *line = gns3_one_line(words);

        (void)json_object_set_new(cml.definition, "description", json_string(line));
    }
    if (r == 0)
        r = take_machine(&cml, native, image, err);
    if (r == 0)
        r = take_ports(&cml, foreign_map(foreign_map(node, "device"), "interfaces"), err);
    if (r == 0)
        r = take_boot(&cml, foreign_map(node, "boot"), err);
    if (r == 0)
        take_provisioning(&cml, foreign_map(foreign_map(node, "configuration"), "provisioning"));
    if (r == 0 && !json_object_get(json_object_get(cml.definition, "display"), "type"))
        gns3_default_card(&cml);
    if (r < 0)
        json_decref(cml.definition);
    else
        *ret_definition = cml.definition;
    return r;
}

/**
 * disk_names() - The files of its disks
 * @request:	What is asked for
 * @node:	Node definition
 * @image:	Image definition, or NULL
 * @err:	Error to fill
 *
 * Return: new array of names, or NULL
 */
static json_t *disk_names(const struct image_import *request, const json_t *node,
                          const json_t *image, struct error *err)
{
    static const char *const keys[DISKS_MAX] = {"disk_image", "disk_image_2", "disk_image_3",
                                                "disk_image_4"};
    json_t *names = json_array(), *name;
    size_t i;

    for (size_t key = 0; image && key < DISKS_MAX; key++)
        if (foreign_text(image, keys[key]))
            (void)json_array_append_new(names, json_string(foreign_text(image, keys[key])));
    for (size_t disk = 0; !image && disk < request->disk_count; disk++) {
        const char *path = request->disks[disk];

        (void)json_array_append_new(
            names, json_string(strrchr(path, '/') ? strrchr(path, '/') + 1 : path));
    }
    if (!json_array_size(names) && !image)
        (void)json_array_append_new(
            names,
            json_sprintf("%s.qcow2", foreign_text(node, "id") ? foreign_text(node, "id") : "disk"));
    json_array_foreach (names, i, name)
        if (!json_string_value(name) || !image_file_name_ok(json_string_value(name))) {
            (void)error_input(err, "a disk's name is no file name that is accepted: it must not "
                                   "lead out of the image's folder");
            json_decref(names);
            return NULL;
        }
    return names;
}

/**
 * add_disks() - Its disks
 * @request:	What is asked for
 * @node:	Node definition
 * @image:	Image definition, or NULL
 * @definition:	So far
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int add_disks(const struct image_import *request, const json_t *node, const json_t *image,
                     json_t *definition, struct error *err)
{
    static const char *const buses[] = {"virtio", "ide", "sata", "scsi", "nvme"};
    const json_t *native = foreign_map(foreign_map(node, "sim"), "linux_native");
    const char *driver = foreign_text(native, "disk_driver"), *bus = driver ? NULL : "virtio";
    json_t *names = disk_names(request, node, image, err), *disks = json_array(), *name;
    json_t *files = json_array();
    int64_t boot = 0, data = 0;
    size_t i;
    int r = names ? 0 : -EINVAL;

    for (i = 0; driver && i < ARRAY_SIZE(buses); i++)
        if (strcmp(buses[i], driver) == 0)
            bus = buses[i];
    if (r == 0 && !bus)
        r = error_input(err, "disk_driver '%.20s' is not known", driver);
    if (r == 0)
        r = foreign_number(setting(image, native, "boot_disk_size"), "boot_disk_size", 0, 0,
                           GIGABYTES_MAX, &boot, err);
    if (r == 0)
        r = foreign_number(setting(image, native, "data_volume"), "data_volume", 0, 0,
                           GIGABYTES_MAX, &data, err);
    json_array_foreach (names, i, name) {
        json_t *disk = json_pack("{s:O, s:s}", "file", name, "bus", bus ? bus : "virtio");

        if (i == 0 && boot)
            (void)json_object_set_new(disk, "size", json_sprintf("%dG", (int)boot));
        (void)json_array_append_new(disks, disk);
        (void)json_array_append_new(files, json_pack("{s:O}", "name", name));
    }
    if (data)
        (void)json_array_append_new(disks,
                                    json_pack("{s:o, s:s}", "size", json_sprintf("%dG", (int)data),
                                              "bus", bus ? bus : "virtio"));
    (void)json_object_set_new(definition, "disks", disks);
    (void)json_object_set_new(definition, "files", files);
    json_decref(names);
    return r;
}

/**
 * read_file() - A YAML file
 * @path:	Path
 * @ret_root:	New object
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_file(const char *path, json_t **ret_root, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    size_t size;
    int r = file_read(path, SOURCE_MAX, &data, &size, err);

    if (r < 0)
        return r;
    r = foreign_yaml(data, size, ret_root, err);
    return r < 0 ? error_prefix(err, "%s", path) : 0;
}

/**
 * find_node() - The node definition that an image definition names
 * @request:	What is asked for
 * @id:		Its id
 * @ret_node:	New object
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int find_node(const struct image_import *request, const char *id, json_t **ret_node,
                     struct error *err)
{
    /* From …/virl-base-images/ID to …/node-definitions. */
    static const char *const places[] = {"", "../", "../node-definitions/",
                                         "../../node-definitions/"};
    _cleanup_free_ char *dir = path_dirname(request->source);

    if (request->template)
        return read_file(request->template, ret_node, err);
    for (size_t i = 0; text_is_name(id) && i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s%s.yaml", dir, places[i], id);
        json_t *root = NULL;

        if (read_file(path, &root, NULL) < 0)
            continue;
        if (foreign_map(root, "sim")) {
            *ret_node = root;
            return 0;
        }
        json_decref(root);
    }
    (void)error_input(err, "the node definition '%.60s' is not beside the image definition", id);
    error_hint(err, "give it by --template FILE");
    return -EINVAL;
}

int cml_definition(const struct image_import *request, const json_t *root, const char *name,
                   json_t **ret_definition, json_t *notes, struct error *err)
{
    const char *id = foreign_text(root, "node_definition_id");
    json_t *found = NULL, *definition = NULL;
    int r = id ? find_node(request, id, &found, err) : 0;

    if (r == 0)
        r = cml_node(found ? found : root, id ? root : NULL, name, &definition, notes, err);
    if (r == 0)
        r = add_disks(request, found ? found : root, id ? root : NULL, definition, err);
    json_decref(found);
    if (r < 0)
        json_decref(definition);
    else
        *ret_definition = definition;
    return r;
}

char *cml_find_image(const char *folder)
{
    _cleanup_closedir_ DIR *dir = opendir(folder);
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        const char *ending = strrchr(item->d_name, '.');
        _cleanup_free_ char *path = path_join(folder, item->d_name);
        json_t *root = NULL;
        bool found;

        if (!ending || (strcmp(ending, ".yaml") != 0 && strcmp(ending, ".yml") != 0) ||
            read_file(path, &root, NULL) < 0)
            continue;
        found = foreign_text(root, "node_definition_id") != NULL;
        json_decref(root);
        if (found)
            return steal_ptr(path);
    }
    return NULL;
}
