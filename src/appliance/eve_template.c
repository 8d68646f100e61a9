// SPDX-License-Identifier: GPL-2.0-or-later

/* EVE-NG's templates: what a kind of node wants. Its options for QEMU are free text as in GNS3's
 * appliances, and are taken apart by the same rules.
 *
 * Ports are called as eth_name lists them; from then on eth_format counts, beginning anew: {1} is
 * the port's number, from 1; two placeholders of which the last is {F-M} are a slot, which counts
 * up after M ports, and the port within it, from F; {F-M} alone is the port's number, from F.
 * Without a format ports are e0, e1, …. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/foreign.h"
#include "appliance/gns3_priv.h"
#include "appliance/import_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

/* One placeholder of a format. */
struct place {
    size_t at, size; /* in the format, with its braces */
    unsigned first, modulus;
};

enum { PLACES_MAX = 8, NUMBER_MAX = 9999 };

/**
 * read_place() - A placeholder at the beginning of a text
 * @text:	Text
 * @ret_place:	Placeholder; its place in the format is the caller's to fill
 *
 * Return: true if there is one
 */
static bool read_place(const char *text, struct place *ret_place)
{
    const char *end = text + 1;
    unsigned long first, modulus = 0;

    if (*text != '{' || *end < '0' || *end > '9')
        return false;
    first = strtoul(end, (char **)&end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        modulus = strtoul(end + 1, (char **)&end, 10);
    if (*end != '}' || first > NUMBER_MAX || modulus > NUMBER_MAX)
        return false;
    ret_place->first = (unsigned)first;
    ret_place->modulus = (unsigned)modulus;
    ret_place->size = (size_t)(end + 1 - text);
    return true;
}

char *eve_port_name(const char *format, unsigned port)
{
    struct place places[PLACES_MAX];
    size_t count = 0, done = 0;
    struct strbuf name = STRBUF_INIT;
    const struct place *last;

    for (size_t at = 0; format[at] && count < PLACES_MAX; at++) {
        if (!read_place(format + at, &places[count]))
            continue;
        places[count].at = at;
        at += places[count++].size - 1;
    }
    last = count ? &places[count - 1] : NULL;
    for (size_t i = 0; i < count; i++) {
        bool slots = count > 1 && last->modulus;
        unsigned number = places[i].first;

        if (&places[i] == last)
            number += slots ? port % last->modulus : port;
        else if (slots && i + 2 == count)
            number += port / last->modulus;
        strbuf_printf(&name, "%.*s%u", (int)(places[i].at - done), format + done, number);
        done = places[i].at + places[i].size;
    }
    strbuf_puts(&name, format + done);
    /* Nothing that counts: then the number is put behind. */
    if (!count)
        strbuf_printf(&name, "%u", port);
    return strbuf_steal(&name);
}

/**
 * take_ports() - What the ports are called
 * @definition:	So far
 * @root:	Template
 * @count:	Ports
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_ports(json_t *definition, const json_t *root, int64_t count, struct error *err)
{
    const json_t *names = json_object_get(root, "eth_name");
    const char *format = foreign_text(root, "eth_format");
    json_t *nics = json_object_get(definition, "nics"), *ports;
    size_t named = json_array_size(names);

    if (!format && (names || !json_object_get(root, "eth_format")))
        format = "e{0}";
    if (!format)
        return error_input(err, "'eth_format' is no text");
    ports = json_array();
    for (unsigned nic = 0; nic < count; nic++) {
        const char *own = nic < named ? json_string_value(json_array_get(names, nic)) : NULL;
        _cleanup_free_ char *name =
            own ? xstrdup(own) : eve_port_name(format, nic < named ? nic : nic - (unsigned)named);

        if (port_name_check(name, err) < 0) {
            json_decref(ports);
            return error_prefix(err, own ? "eth_name" : "eth_format");
        }
        (void)json_array_append_new(ports, json_pack("{s:i, s:s}", "nic", (int)nic, "name", name));
    }
    (void)json_object_set_new(nics, "ports", ports);
    return 0;
}

/**
 * take_nics() - NICs
 * @gns3:	What is being made
 * @root:	Template
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_nics(struct gns3 *gns3, const json_t *root, struct error *err)
{
    const char *model = foreign_text(root, "qemu_nic");
    json_t *nics = json_object_get(gns3->definition, "nics");
    int64_t count;

    if (foreign_number(root, "ethernet", 4, 0, 4096, &count, err) < 0)
        return -EINVAL;
    if (count > APPLIANCE_NICS_MAX)
        return error_input(err, "'ethernet' is %d: a machine has room for %d", (int)count,
                           APPLIANCE_NICS_MAX);
    (void)json_object_set_new(nics, "count", json_integer(count));
    if (model)
        (void)json_object_set_new(nics, "model", json_string(gns3_nic_model(gns3, model)));
    return take_ports(gns3->definition, root, count, err);
}

/**
 * take_machine() - Architecture, CPUs, memory
 * @gns3:	What is being made
 * @root:	Template
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_machine(struct gns3 *gns3, const json_t *root, struct error *err)
{
    const char *arch = foreign_text(root, "qemu_arch");
    json_t *definition = gns3->definition;
    int64_t cpus, ram;

    if (foreign_number(root, "cpu", 1, 1, 255, &cpus, err) < 0 ||
        foreign_number(root, "ram", 1024, 1, 1 << 24, &ram, err) < 0)
        return -EINVAL;
    if (arch && gns3_machine(gns3, arch, err) < 0)
        return -EINVAL;
    (void)json_object_set_new(gns3_map(gns3, "cpu"), "count", json_integer(cpus));
    (void)json_object_set_new(gns3_map(gns3, "memory"), "default", json_sprintf("%dM", (int)ram));
    if (!json_object_get(definition, "description")) {
        const char *words = foreign_text(root, "description");

        words = words ? words : foreign_text(root, "name");
        if (words) {
            _cleanup_free_ char *line = gns3_one_line(words);

            (void)json_object_set_new(definition, "description", json_string(line));
        }
    }
    return 0;
}

/**
 * take_rest() - Console, how it stops, and what is left out
 * @gns3:	What is being made
 * @root:	Template
 */
static void take_rest(struct gns3 *gns3, const json_t *root)
{
    const char *console = foreign_text(root, "console"), *shutdown = foreign_text(root, "shutdown");
    const char *const known[] = {"name", "product_name"};
    json_t *words = json_object();

    if (console && (strcmp(console, "vnc") == 0 || strncmp(console, "rdp", 3) == 0 ||
                    strncmp(console, "spice", 5) == 0)) {
        (void)json_object_set_new(gns3_map(gns3, "display"), "type", json_string("vnc"));
        if (strcmp(console, "vnc") != 0)
            gns3_note(gns3, "console %.20s became a screen over VNC", console);
    }
    if (shutdown && strcmp(shutdown, "0") == 0)
        (void)json_object_set_new(gns3_map(gns3, "stop"), "method", json_string("quit"));
    if (foreign_text(root, "qemu_version"))
        gns3_note(gns3, "qemu_version %.20s is passed over: the host's QEMU is used",
                  foreign_text(root, "qemu_version"));
    if (foreign_text(root, "config_script"))
        gns3_note(gns3, "config_script is dropped: say by 'seed' in appliance.yaml how its "
                        "configuration gets in");
    if (foreign_flag(root, "cpulimit"))
        gns3_note(gns3, "cpulimit is dropped: a node may use the CPU that there is");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (foreign_text(root, i ? "description" : "name"))
            (void)json_object_set_new(words, known[i],
                                      json_string(foreign_text(root, i ? "description" : "name")));
    gns3_suggest_ready(gns3, words);
    json_decref(words);
}

int eve_template(const json_t *root, json_t *definition, json_t *notes, struct error *err)
{
    struct gns3 gns3 = {.definition = definition, .notes = notes};
    const char *type = foreign_text(root, "type"), *options = foreign_text(root, "qemu_options");
    int r = 0;

    if (!type || strcmp(type, "qemu") != 0) {
        _cleanup_free_ char *shown = text_escape(type ? type : "", strnlen(type ? type : "", 40));

        return error_input(err, "the template is not for QEMU but '%s'", shown);
    }
    r = take_machine(&gns3, root, err);
    if (r == 0)
        r = take_nics(&gns3, root, err);
    if (r == 0 && options)
        r = gns3_options(&gns3, options, err);
    if (r < 0)
        return r;
    if (gns3.serials > 4)
        return error_input(err, "qemu_options: %u serial ports; a machine has 4", gns3.serials);
    if (gns3.serials > 1)
        (void)json_object_set_new(definition, "serials", json_integer((json_int_t)gns3.serials));
    gns3_default_card(&gns3);
    take_rest(&gns3, root);
    return 0;
}
