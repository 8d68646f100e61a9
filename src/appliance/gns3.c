// SPDX-License-Identifier: GPL-2.0-or-later

/* GNS3 appliances: JSON of the versions 3 to 8 becomes a definition as appliance.yaml has it.
 *
 * gns3_versions.c brings all versions to one form, and that is read here. Unknown keys are passed
 * over, as newer files bring them; values that would have to be guessed at are refused. */

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/gns3_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

/* The places that an appliance's version has files for. */
static const struct slot {
    const char *key;
    const char *interface; /* of the property that names its bus, NULL: none */
    unsigned unit;
} slots[] = {
    {"hda_disk_image", "hda_disk_interface", 0},
    {"hdb_disk_image", "hdb_disk_interface", 1},
    {"hdc_disk_image", "hdc_disk_interface", 2},
    {"hdd_disk_image", "hdd_disk_interface", 3},
    {"cdrom_image", NULL, 2},
    {"bios_image", NULL, 0},
    {"kernel_image", NULL, 0},
    {"initrd", NULL, 0},
    {"initrd_image", NULL, 0},
};

void gns3_note(struct gns3 *gns3, const char *format, ...)
{
    _cleanup_free_ char *text = NULL, *safe = NULL;
    va_list args;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    safe = text_escape(text, strlen(text));
    (void)json_array_append_new(gns3->notes, json_string(safe));
}

json_t *gns3_map(struct gns3 *gns3, const char *key)
{
    json_t *map = json_object_get(gns3->definition, key);

    if (!map) {
        map = json_object();
        (void)json_object_set_new(gns3->definition, key, map);
    }
    return map;
}

const char *gns3_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && *text ? text : NULL;
}

int gns3_machine(struct gns3 *gns3, const char *arch, struct error *err)
{
    static const char *const archs[] = {"x86_64", "i386", "aarch64", "arm", "ppc64", "riscv64"};
    const char *known = NULL;
    bool pc;

    for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
        if (strcmp(archs[i], arch) == 0)
            known = archs[i];
    if (!known) {
        _cleanup_free_ char *shown = text_escape(arch, strnlen(arch, 40));

        return error_input(err,
                           "its architecture is '%s': labctl runs x86_64, i386, aarch64, arm, "
                           "ppc64 and riscv64",
                           shown);
    }
    (void)json_object_set_new(gns3->definition, "arch", json_string(known));
    pc = strcmp(known, "x86_64") == 0 || strcmp(known, "i386") == 0;
    /* What QEMU takes when nothing is said; others have no such machine. */
    (void)json_object_set_new(gns3->definition, "machine",
                              json_string(pc                            ? "pc"
                                          : strcmp(known, "ppc64") == 0 ? "pseries"
                                                                        : "virt"));
    if (pc) {
        const char *model = strcmp(known, "i386") == 0 ? "qemu32" : "qemu64";

        (void)json_object_set_new(gns3_map(gns3, "cpu"), "model", json_string(model));
        (void)json_object_set_new(gns3_map(gns3, "cpu"), "kvm", json_string(model));
    }
    return 0;
}

void gns3_default_card(struct gns3 *gns3)
{
    const char *arch = gns3_string(gns3->definition, "arch");

    /* GNS3 and EVE-NG leave QEMU's default card in, and some boot loaders want one. */
    if (!gns3->no_defaults && !gns3->vga_set &&
        (strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0))
        (void)json_object_set_new(gns3_map(gns3, "display"), "vga", json_string("std"));
}

/**
 * take_machine() - Architecture, CPUs, memory
 * @gns3:	What is being made
 * @props:	Properties
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_machine(struct gns3 *gns3, const json_t *props, struct error *err)
{
    const char *arch = gns3_string(props, "platform");
    json_int_t ram, cpus;

    if (!arch)
        arch = gns3_string(props, "arch");
    if (gns3_machine(gns3, arch ? arch : "x86_64", err) < 0 ||
        gns3_number(props, "ram", 256, &ram, err) < 0 ||
        gns3_number(props, "cpus", 1, &cpus, err) < 0)
        return -EINVAL;
    if (ram < 1 || ram > 1 << 24 || cpus < 1 || cpus > 255)
        return error_input(err, "its memory or CPUs are out of all range");
    (void)json_object_set_new(gns3_map(gns3, "cpu"), "count", json_integer(cpus));
    (void)json_object_set_new(gns3_map(gns3, "memory"), "default",
                              json_sprintf("%" JSON_INTEGER_FORMAT "M", ram));
    return 0;
}

/**
 * take_console() - Screen, KVM, how it stops
 * @gns3:	What is being made
 * @props:	Properties
 */
static void take_console(struct gns3 *gns3, const json_t *props)
{
    const char *console = gns3_string(props, "console_type"), *kvm = gns3_string(props, "kvm");
    const char *close = gns3_string(props, "on_close");

    if (console && (strncmp(console, "spice", 5) == 0 || strcmp(console, "vnc") == 0)) {
        (void)json_object_set_new(gns3_map(gns3, "display"), "type", json_string("vnc"));
        if (*console == 's')
            gns3_note(gns3, "console_type %s became a screen over VNC", console);
    } else if (console && strcmp(console, "telnet") != 0 && strcmp(console, "none") != 0) {
        gns3_note(gns3, "console_type %.20s is passed over; the serial port is a console", console);
    }
    if (kvm && strcmp(kvm, "disable") == 0)
        (void)json_object_set_new(gns3->definition, "accel", json_string("tcg"));
    else if (kvm && strcmp(kvm, "require") == 0)
        gns3_note(gns3, "its makers ask for KVM; without it it is slow and may not come up");
    if (close && strcmp(close, "power_off") == 0)
        (void)json_object_set_new(gns3_map(gns3, "stop"), "method", json_string("quit"));
    else if (close && strcmp(close, "shutdown_signal") == 0)
        (void)json_object_set_new(gns3_map(gns3, "stop"), "method", json_string("acpi"));
    else if (close)
        gns3_note(gns3, "on_close %.20s is passed over: a node is stopped by its power button",
                  close);
    if (json_number_value(json_object_get(props, "cpu_throttling")) > 0)
        gns3_note(gns3, "cpu_throttling is dropped: a node may use the CPU that there is");
    if (gns3_string(props, "process_priority") &&
        strcmp(gns3_string(props, "process_priority"), "normal") != 0)
        gns3_note(gns3, "process_priority is dropped: all nodes are of the same");
}

const char *gns3_nic_model(struct gns3 *gns3, const char *word)
{
    if (strcmp(word, "virtio") == 0)
        return "virtio-net-pci";
    if (strcmp(word, "e1000-82540em") == 0)
        return "e1000";
    if (strcmp(word, "igb") != 0)
        return word;
    gns3_note(gns3, "adapter_type igb became e1000e, since QEMU has had an igb only since 8.0");
    return "e1000e";
}

/**
 * take_custom_ports() - What single adapters have of their own
 * @gns3:	What is being made
 * @list:	custom_adapters, or NULL
 * @nics:	The definition's NICs
 * @count:	How many there are
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_custom_ports(struct gns3 *gns3, const json_t *list, json_t *nics, json_int_t count,
                             struct error *err)
{
    bool seen[APPLIANCE_NICS_MAX] = {false};
    json_t *ports = json_array();
    const json_t *item;
    size_t i;
    int r = 0;

    json_array_foreach (list, i, item) {
        const char *name = gns3_string(item, "port_name"),
                   *model = gns3_string(item, "adapter_type");
        json_int_t number;
        json_t *port;

        r = gns3_number(item, "adapter_number", -1, &number, err);
        if (r < 0)
            break;
        if (number < 0 || number >= count) {
            gns3_note(gns3, "custom_adapters: there is no adapter %" JSON_INTEGER_FORMAT, number);
            continue;
        }
        if (name && port_name_check(name, err) < 0) {
            r = error_prefix(err, "custom_adapters");
            break;
        }
        if (gns3_string(item, "mac_address"))
            gns3_note(gns3, "custom_adapters: MAC addresses are made by labctl");
        /* Of two for one adapter the first counts, even if it says nothing. */
        if (seen[number] || (!name && !model))
            model = NULL, name = NULL;
        seen[number] = true;
        if (!name && !model)
            continue;
        model = model ? gns3_nic_model(gns3, model) : NULL;
        port = json_pack("{s:I, s:s*, s:s*}", "nic", number, "name", name, "model", model);
        (void)json_array_append_new(ports, port);
    }
    if (r == 0 && json_array_size(ports))
        (void)json_object_set(nics, "ports", ports);
    json_decref(ports);
    return r;
}

/**
 * name_ports_alike() - A format without a counter gives one name to all: say so for each
 * @nics:	The definition's NICs
 * @format:	Format
 * @count:	How many there are
 */
static void name_ports_alike(json_t *nics, const char *format, json_int_t count)
{
    json_t *ports =
        json_object_get(nics, "ports") ? json_incref(json_object_get(nics, "ports")) : json_array();

    for (json_int_t nic = gns3_string(nics, "first") ? 1 : 0; nic < count; nic++) {
        json_t *port, *own = NULL;
        size_t i;

        json_array_foreach (ports, i, port)
            if (json_integer_value(json_object_get(port, "nic")) == nic)
                own = port;
        if (!own) {
            own = json_pack("{s:I}", "nic", nic);
            (void)json_array_append_new(ports, own);
        }
        if (!gns3_string(own, "name"))
            (void)json_object_set_new(own, "name", json_string(format));
    }
    (void)json_object_set_new(nics, "ports", ports);
}

/**
 * take_nics() - NICs and what their ports are called
 * @gns3:	What is being made
 * @props:	Properties
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_nics(struct gns3 *gns3, const json_t *props, struct error *err)
{
    const char *format = gns3_string(props, "port_name_format"), *first;
    const char *model = gns3_string(props, "adapter_type");
    json_t *nics = gns3_map(gns3, "nics");
    json_int_t count, segment;
    int r;

    if (gns3_number(props, "adapters", 1, &count, err) < 0 ||
        gns3_number(props, "port_segment_size", 0, &segment, err) < 0)
        return -EINVAL;
    if (count < 0 || count > APPLIANCE_NICS_MAX)
        return error_input(err, "%" JSON_INTEGER_FORMAT " adapters: a machine has room for %d",
                           count, APPLIANCE_NICS_MAX);
    if (segment < 0 || segment > 1024)
        return error_input(err, "'port_segment_size' is out of all range");
    if (!format)
        format = "Ethernet{0}";
    if (port_name_check(format, err) < 0)
        return error_prefix(err, "port_name_format");
    (void)json_object_set_new(nics, "model",
                              json_string(model ? gns3_nic_model(gns3, model) : "e1000"));
    (void)json_object_set_new(nics, "count", json_integer(count));
    first = gns3_string(props, "first_port_name");
    if (first && port_name_check(first, err) < 0)
        return error_prefix(err, "first_port_name");
    if (first)
        (void)json_object_set_new(nics, "first", json_string(first));
    if (segment)
        (void)json_object_set_new(nics, "segment", json_integer(segment));
    r = take_custom_ports(gns3, json_object_get(props, "custom_adapters"), nics, count, err);
    if (r < 0)
        return r;
    if (!strpbrk(format, "{}")) {
        name_ports_alike(nics, format, count);
        return 0;
    }
    if (port_format_check(format, err) < 0)
        return error_prefix(err, "port_name_format");
    (void)json_object_set_new(nics, "name", json_string(format));
    return 0;
}

/**
 * add_file() - Note a file that is needed, with what the appliance knows of it
 * @gns3:	What is being made
 * @root:	File
 * @version:	The appliance's version
 * @filename:	Its name
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int add_file(struct gns3 *gns3, const json_t *root, const json_t *version,
                    const char *filename, struct error *err)
{
    json_t *files = json_object_get(gns3->definition, "files"), *known;
    const char *wanted = gns3_string(version, "name"), *md5, *url, *kind;
    const json_t *images = json_object_get(root, "images"), *image, *found = NULL;
    _cleanup_free_ char *shown = text_escape(filename, strnlen(filename, 120)), *small = NULL;
    json_int_t bytes;
    size_t i;

    if (!image_file_name_ok(filename))
        return error_input(err,
                           "'%s' is no file name that is accepted: it must not lead out of the "
                           "image's folder",
                           shown);
    if (!files) {
        files = json_array();
        (void)json_object_set_new(gns3->definition, "files", files);
    }
    json_array_foreach (files, i, known)
        if (strcmp(json_string_value(json_object_get(known, "name")), filename) == 0)
            return 0;
    json_array_foreach (images, i, image) {
        const char *own = gns3_string(image, "filename"), *of = gns3_string(image, "version");

        if (own && strcmp(own, filename) == 0 &&
            (!found || (wanted && of && strcmp(of, wanted) == 0)))
            found = image;
    }
    if (gns3_number(found, "filesize", 0, &bytes, err) < 0)
        return -EINVAL;
    md5 = gns3_string(found, "md5sum");
    /* As version 8 may say it, of which MD5 is the only kind. */
    if (!md5)
        md5 = gns3_string(found, "checksum");
    kind = gns3_string(found, "checksum_type");
    if (md5 && kind && strcmp(kind, "md5") != 0 && !gns3_string(found, "md5sum")) {
        gns3_note(gns3, "the checksum of '%s' is of a kind that is not known here", filename);
        md5 = NULL;
    }
    if (md5) {
        small = xstrdup(md5);
        for (char *at = small; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        if (strlen(small) != 32 || strspn(small, "0123456789abcdef") != 32)
            return error_input(err, "the MD5 sum of '%s' is none", shown);
    }
    url = gns3_string(found, "direct_download_url");
    if (!url)
        url = gns3_string(found, "download_url");
    known = json_pack("{s:s, s:s*, s:s*}", "name", filename, "md5", small, "url", url);
    if (bytes > 0)
        (void)json_object_set_new(known, "bytes", json_integer(bytes));
    if (!md5)
        gns3_note(gns3, "the appliance gives no checksum of '%s'", filename);
    (void)json_array_append_new(files, known);
    return 0;
}

/**
 * disk_bus() - How a disk is attached
 * @gns3:	What is being made
 * @slot:	Its place
 * @props:	Properties
 * @ret_bus:	Word of a definition
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int disk_bus(struct gns3 *gns3, const struct slot *slot, const json_t *props,
                    const char **ret_bus, struct error *err)
{
    static const char *const buses[] = {"virtio", "ide", "sata", "scsi", "nvme", "floppy"};
    const char *arch = gns3_string(gns3->definition, "arch");
    bool pc = strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0;
    const char *given = slot->interface ? gns3_string(props, slot->interface) : "ide";

    if (!given || strcmp(given, "none") == 0)
        given = "ide";
    if (strcmp(given, "ide") == 0 && !pc) {
        gns3_note(gns3, "%s: such machines have no IDE, so it is on SCSI", slot->key);
        given = "scsi";
    }
    for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
        if (strcmp(buses[i], given) == 0) {
            *ret_bus = buses[i];
            return 0;
        }
    }
    return error_input(err, "%s: disks of the kind '%.20s' cannot be attached here",
                       slot->interface, given);
}

/**
 * take_slot() - One file of the version
 * @gns3:	What is being made
 * @slot:	Its place
 * @filename:	Its name
 * @props:	Properties
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_slot(struct gns3 *gns3, const struct slot *slot, const char *filename,
                     const json_t *props, struct error *err)
{
    const char *bus = NULL;
    json_t *disks, *disk;
    int r;

    if (strcmp(slot->key, "bios_image") == 0) {
        (void)json_object_set_new(gns3_map(gns3, "firmware"), "file", json_string(filename));
        return 0;
    }
    if (strcmp(slot->key, "kernel_image") == 0 || strncmp(slot->key, "initrd", 6) == 0) {
        (void)json_object_set_new(gns3_map(gns3, "boot"), slot->key[0] == 'k' ? "kernel" : "initrd",
                                  json_string(filename));
        return 0;
    }
    r = disk_bus(gns3, slot, props, &bus, err);
    if (r < 0)
        return r;
    disk = json_pack("{s:s, s:s}", "file", filename, "bus", bus);
    if (strcmp(bus, "ide") == 0 || strcmp(bus, "sata") == 0)
        (void)json_object_set_new(disk, "unit", json_integer((json_int_t)slot->unit));
    if (strcmp(slot->key, "cdrom_image") == 0)
        (void)json_object_set_new(disk, "kind", json_string("cdrom"));
    disks = json_object_get(gns3->definition, "disks");
    if (!disks) {
        disks = json_array();
        (void)json_object_set_new(gns3->definition, "disks", disks);
    }
    (void)json_array_append_new(disks, disk);
    return 0;
}

/**
 * take_files() - The files of the version
 * @gns3:	What is being made
 * @root:	File
 * @version:	The appliance's version
 * @props:	Properties
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_files(struct gns3 *gns3, const json_t *root, const json_t *version,
                      const json_t *props, struct error *err)
{
    const json_t *images = json_object_get(version, "images");
    const json_t *value;
    const char *key;

    if (json_object_get(images, "cdrom_image") && json_object_get(images, "hdc_disk_image"))
        return error_input(err, "cdrom_image and hdc_disk_image exclude each other");
    if (json_object_get(images, "bios_image") && json_is_true(json_object_get(props, "uefi")))
        return error_input(err, "bios_image and uefi exclude each other");
    for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
        const char *filename = gns3_string(images, slots[i].key);
        int r = filename ? add_file(gns3, root, version, filename, err) : 0;

        if (r == 0 && filename)
            r = take_slot(gns3, &slots[i], filename, props, err);
        if (r < 0)
            return r;
    }
    json_object_foreach ((json_t *)images, key, value) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
            known |= strcmp(slots[i].key, key) == 0;
        if (!known)
            return error_input(err, "the version has a file for a place that is not known here");
    }
    return 0;
}

/**
 * take_boot() - In what order it boots, and a kernel's command line
 * @gns3:	What is being made
 * @props:	Properties
 */
static void take_boot(struct gns3 *gns3, const json_t *props)
{
    const char *order = gns3_string(props, "boot_priority");
    const char *append = gns3_string(props, "kernel_command_line");
    json_t *boot = json_object_get(gns3->definition, "boot");
    char letters[4] = "";

    if (boot && gns3_string(boot, "kernel")) {
        if (append)
            (void)json_object_set_new(boot, "append", json_string(append));
        (void)json_object_del(boot, "order");
        return;
    }
    if (append)
        gns3_note(gns3, "kernel_command_line is dropped: the appliance has no kernel of its own");
    if (boot && gns3_string(boot, "order"))
        order = gns3_string(boot, "order");
    if (!order)
        order = "c";
    /* A BIOS goes on to the others when the first has nothing to boot. */
    for (const char *at = order; *at; at++)
        if (strchr("cdn", *at) && !strchr(letters, *at))
            letters[strlen(letters)] = *at;
    for (const char *at = "cd"; *at; at++)
        if (!strchr(letters, *at))
            letters[strlen(letters)] = *at;
    (void)json_object_set_new(gns3_map(gns3, "boot"), "order", json_string(letters));
}

/**
 * take_all() - Make the definition
 * @gns3:	What is being made
 * @root:	File
 * @version:	The appliance's version
 * @props:	Its properties
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_all(struct gns3 *gns3, const json_t *root, const json_t *version,
                    const json_t *props, struct error *err)
{
    const char *options = gns3_string(props, "options");
    int r = take_machine(gns3, props, err);

    if (r < 0)
        return r;
    gns3_words(gns3, root, version, props);
    if (json_is_true(json_object_get(props, "uefi")))
        (void)json_object_set_new(gns3_map(gns3, "firmware"), "type", json_string("uefi"));
    if (json_is_true(json_object_get(props, "tpm")))
        (void)json_object_set_new(gns3_map(gns3, "firmware"), "tpm", json_true());
    take_console(gns3, props);
    r = take_nics(gns3, props, err);
    if (r == 0 && options)
        r = gns3_options(gns3, options, err);
    if (r == 0)
        r = take_files(gns3, root, version, props, err);
    if (r < 0)
        return r;
    take_boot(gns3, props);
    gns3_default_card(gns3);
    if (gns3->serials > 4)
        return error_input(err, "options: %u serial ports; a machine has 4", gns3->serials);
    if (gns3->serials > 1)
        (void)json_object_set_new(gns3->definition, "serials",
                                  json_integer((json_int_t)gns3->serials));
    if (json_is_false(json_object_get(props, "linked_clone")))
        gns3_note(gns3, "linked_clone: every node has an overlay of its own all the same");
    gns3_suggest_ready(gns3, root);
    return 0;
}

int gns3_definition(const struct gns3_source *source, const char *name, json_t **ret_definition,
                    char **ret_version, json_t *notes, struct error *err)
{
    /* Some editors put a byte order mark in front. */
    size_t skip = source->size >= 3 && memcmp(source->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    json_error_t fault;
    json_t *root = json_loadb(source->data + skip, source->size - skip, 0, &fault), *props = NULL;
    struct gns3 gns3 = {.notes = notes};
    const json_t *chosen = NULL;
    int r;

    if (!root)
        return error_input(err, "no JSON: line %d, column %d: %s", fault.line, fault.column,
                           fault.text);
    gns3.definition = json_object();
    (void)json_object_set_new(gns3.definition, "name", json_string(name));
    r = gns3_choose(root, source, &chosen, &props, err);
    if (r == 0)
        r = take_all(&gns3, root, chosen, props, err);
    if (r == 0 && ret_version)
        *ret_version = xstrdup(gns3_string(chosen, "name"));
    json_decref(props);
    json_decref(root);
    if (r < 0) {
        json_decref(gns3.definition);
        return r;
    }
    *ret_definition = gns3.definition;
    return 0;
}
