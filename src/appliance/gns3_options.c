// SPDX-License-Identifier: GPL-2.0-or-later

/* The options that a GNS3 appliance gives to QEMU as free text: split as a shell would, then each
 * lifted into the definition, dropped with a reason, or the whole refused. What is in none of the
 * tables here is refused: an option could name any file or start any program. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/gns3_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"

enum { WORDS_MAX = 128, TEXT_MAX = 8192 };

struct words {
    char *items[WORDS_MAX];
    size_t count;
};

/**
 * words_done() - Free words
 * @words:	Words
 */
static void words_done(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
}

/**
 * split() - Split a text into words as a POSIX shell does, without any expansion
 * @text:	Text
 * @words:	Gets them
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int split(const char *text, struct words *words, struct error *err)
{
    const char *at = text;

    while (*(at += strspn(at, " \t\r\n"))) {
        struct strbuf word = STRBUF_INIT;
        char quote = 0;

        for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
            if (*at == '\\' && quote != '\'' && at[1] && (!quote || at[1] == '"' || at[1] == '\\'))
                strbuf_append(&word, ++at, 1);
            else if (*at == quote)
                quote = 0;
            else if (!quote && (*at == '"' || *at == '\''))
                quote = *at;
            else
                strbuf_append(&word, at, 1);
        }
        if (quote || words->count == WORDS_MAX) {
            strbuf_done(&word);
            return error_input(err, "options: %s", quote ? "a quote is not closed" : "too many");
        }
        words->items[words->count++] = strbuf_steal(&word);
    }
    return 0;
}

/**
 * key_value() - Find KEY=VALUE in a list with commas
 * @text:	KEY=VALUE,…
 * @key:	Key; "" stands for a first item without one
 *
 * Return: new value, in which a comma is one, or NULL
 */
static char *key_value(const char *text, const char *key)
{
    size_t size = strlen(key);
    bool first = true;

    for (const char *at = text, *next; at; at = next) {
        size_t item = qemu_value_size(at), name = strcspn(at, "=,");
        _cleanup_free_ char *value = NULL;

        next = at[item] ? at + item + 1 : NULL;
        if (size && name == size && at[name] == '=' && memcmp(at, key, size) == 0)
            value = xstrndup(at + name + 1, item - name - 1);
        if (!size && first && name == item)
            value = xstrndup(at, item);
        if (value)
            return text_replace(value, ",,", ",");
        first = false;
    }
    return NULL;
}

/**
 * check_known() - Check that a list has no keys but those that are known
 * @text:	KEY=VALUE,…
 * @keys:	NULL-terminated
 *
 * Return: true if so
 */
static bool check_known(const char *text, const char *const *keys)
{
    for (const char *at = text, *next; at; at = next) {
        size_t item = qemu_value_size(at), name = strcspn(at, "=,");
        bool known = at == text && name == item;

        for (size_t i = 0; keys[i]; i++)
            known |= strlen(keys[i]) == name && memcmp(at, keys[i], name) == 0;
        if (!known)
            return false;
        next = at[item] ? at + item + 1 : NULL;
    }
    return true;
}

/**
 * check_substitutes() - Check that no text is kept in which GNS3 would put what a node has not
 * @value:	Text
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_substitutes(const char *value, struct error *err)
{
    static const char *const words[] = {"%console-port%", "%guest-cid%"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        _cleanup_free_ char *doubled = xasprintf("%%%s%%", words[i]);

        if (strstr(value, doubled))
            return error_input(err, "options: a node has nothing that %s could stand for",
                               words[i]);
    }
    return 0;
}

/**
 * shown() - A word for a message
 * @word:	Word, or NULL
 *
 * Return: escaped and cut, caller frees
 */
static char *shown(const char *word)
{
    _cleanup_free_ char *plain = word ? text_replace(word, "%%", "%") : xstrdup("");

    return text_escape(plain, strnlen(plain, 80));
}

/**
 * take_smp() - -smp
 * @gns3:	What is being made
 * @value:	N or cpus=…,sockets=…,cores=…,threads=…,maxcpus=…
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_smp(struct gns3 *gns3, const char *value, struct error *err)
{
    static const char *const factors[] = {"sockets", "dies", "clusters", "cores", "threads"};
    _cleanup_free_ char *first = key_value(value, ""), *named = key_value(value, "cpus");
    _cleanup_free_ char *most = key_value(value, "maxcpus");
    int64_t count = 1, factor;
    bool factors_given = false;

    /* Where nothing else is said, QEMU starts as many as there may be. */
    for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
        _cleanup_free_ char *text = key_value(value, factors[i]);

        factors_given |= text != NULL;
    }
    if (!first && !named && !factors_given)
        first = steal_ptr(most);
    if (first || named) {
        if (units_parse_integer(first ? first : named, 1, 255, &count, err) < 0)
            return error_prefix(err, "options: -smp");
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
            _cleanup_free_ char *text = key_value(value, factors[i]);

            if (text && units_parse_integer(text, 1, 255, &factor, err) < 0)
                return error_prefix(err, "options: -smp");
            count *= text ? factor : 1;
        }
        if (count > 255)
            return error_input(err, "options: -smp: more than 255 CPUs");
    }
    (void)json_object_set_new(gns3_map(gns3, "cpu"), "count", json_integer(count));
    gns3_note(gns3, "-smp became cpu.count: %d (QEMU refuses two of it)", (int)count);
    return 0;
}

/**
 * take_cpu() - -cpu
 * @gns3:	What is being made
 * @value:	Model, with features
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_cpu(struct gns3 *gns3, const char *value, struct error *err)
{
    json_t *cpu = gns3_map(gns3, "cpu");
    size_t name = strcspn(value, ",");

    for (const char *at = value; *at; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || strchr("._+,=-", *at)))
            return error_input(err, "options: -cpu: a character that is not accepted");
    if (!name || *value == '-')
        return error_input(err, "options: -cpu: no model");
    (void)json_object_set_new(cpu, "kvm", json_string(value));
    if (strncmp(value, "host", name) == 0 && name == 4) {
        (void)json_object_set_new(cpu, "model", json_string("max"));
        gns3_note(gns3, "-cpu host became the host's CPU under KVM and 'max' under TCG");
    } else {
        (void)json_object_set_new(cpu, "model", json_string(value));
        gns3_note(gns3, "-cpu became cpu.model");
    }
    return 0;
}

/**
 * lasting_machine() - In place of a version of a machine that QEMU has given up, the machine
 * @gns3:	What is being made
 * @type:	Machine type
 *
 * Return: machine type
 */
static const char *lasting_machine(struct gns3 *gns3, const char *type)
{
    static const char *const gone[][2] = {
        {"pc-0.", "pc"},
        {"pc-1.", "pc"},
        {"pc-i440fx-1.", "pc"},
        {"pc-q35-1.", "q35"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
        if (strncmp(type, gone[i][0], strlen(gone[i][0])) != 0)
            continue;
        gns3_note(gns3, "-machine %s became %s: such old versions leave QEMU", type, gone[i][1]);
        return gone[i][1];
    }
    return type;
}

/**
 * take_machine() - -machine, -M
 * @gns3:	What is being made
 * @value:	TYPE,PROPERTY=VALUE,…
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_machine(struct gns3 *gns3, const char *value, struct error *err)
{
    _cleanup_free_ char *first = key_value(value, ""), *typed = key_value(value, "type");
    const char *type = typed ? typed : first;
    json_t *properties = json_array();
    int r = 0;

    if (type && (!text_is_name(type) || strlen(type) > 60))
        r = error_input(err, "options: -machine: the type has characters that are not accepted");
    else if (type)
        (void)json_object_set_new(gns3->definition, "machine",
                                  json_string(lasting_machine(gns3, type)));
    for (const char *at = value; r == 0 && at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        _cleanup_free_ char *item = xstrndup(at, strcspn(at, ","));

        if (!strchr(item, '=') && at == value)
            continue;
        if (strncmp(item, "type=", 5) == 0)
            continue;
        if (strncmp(item, "accel=", 6) == 0) {
            gns3_note(gns3, "-machine %s is dropped: labctl chooses KVM or TCG", item);
        } else if (strncmp(item, "usb=", 4) == 0 || strncmp(item, "dump-guest-core=", 16) == 0 ||
                   strncmp(item, "kernel_irqchip=", 15) == 0) {
            gns3_note(gns3, "-machine %s is dropped: it would change nothing here", item);
        } else {
            r = qemu_machine_property_check(item, err);
            if (r < 0)
                (void)error_prefix(err, "options: -machine");
            else
                (void)json_array_append_new(properties, json_string(item));
        }
    }
    if (r == 0 && json_array_size(properties))
        (void)json_object_set(gns3->definition, "machine_properties", properties);
    if (r == 0)
        gns3_note(gns3, "-machine became the definition's machine");
    json_decref(properties);
    return r;
}

/**
 * take_vga() - -vga
 * @gns3:	What is being made
 * @value:	Card
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_vga(struct gns3 *gns3, const char *value, struct error *err)
{
    static const char *const cards[] = {"std", "cirrus", "vmware", "virtio"};
    const char *card = NULL;

    gns3->vga_set = true;
    for (size_t i = 0; i < ARRAY_SIZE(cards); i++)
        if (strcmp(cards[i], value) == 0)
            card = cards[i];
    if (strcmp(value, "none") == 0) {
        gns3_note(gns3, "-vga none: no card");
        return 0;
    }
    if (strcmp(value, "qxl") == 0) {
        card = "std";
        gns3_note(gns3, "-vga qxl became std: QXL is of use with SPICE only");
    } else if (card) {
        gns3_note(gns3, "-vga became display.vga");
    }
    if (!card)
        return error_input(err, "options: -vga: a card that is not known");
    (void)json_object_set_new(gns3_map(gns3, "display"), "vga", json_string(card));
    return 0;
}

/**
 * take_serial() - -serial: counts as a port, whose other end is labctl's
 * @gns3:	What is being made
 * @value:	Where it should lead
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_serial(struct gns3 *gns3, const char *value, struct error *err)
{
    static const char *const harmless[] = {"stdio", "mon:stdio", "null",  "none",
                                           "vc",    "pty",       "mon:vc"};
    bool own = strncmp(value, "telnet:127.0.0.1:%", 18) == 0 ||
               strncmp(value, "telnet:localhost:%", 18) == 0 ||
               strncmp(value, "telnet::%", 9) == 0 ||
               strncmp(value, "mon:telnet:127.0.0.1:%", 22) == 0;

    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        own |= strcmp(harmless[i], value) == 0;
    if (!own)
        return error_input(err, "options: -serial names a file, a socket or a program of the host");
    gns3->serials++;
    gns3_note(gns3, "-serial is dropped: every serial port is a console of labctl's");
    return 0;
}

/**
 * take_fw_cfg() - -fw_cfg name=…,string=…
 * @gns3:	What is being made
 * @value:	Its value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_fw_cfg(struct gns3 *gns3, const char *value, struct error *err)
{
    _cleanup_free_ char *name = key_value(value, "name"), *text = key_value(value, "string");
    _cleanup_free_ char *first = key_value(value, "");
    static const char *const keys[] = {"name", "string", NULL};
    const char *item = name ? name : first;
    json_t *list;

    if (!item || !text || !check_known(value, keys) || !fw_cfg_name_ok(item))
        return error_input(err, "options: -fw_cfg is accepted as name=opt/…,string=… only");
    if (check_substitutes(text, err) < 0)
        return -EINVAL;
    list = json_object_get(gns3->definition, "fw_cfg");
    if (!list) {
        list = json_array();
        (void)json_object_set_new(gns3->definition, "fw_cfg", list);
    }
    (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", item, "text", text));
    gns3_note(gns3, "-fw_cfg became fw_cfg");
    return 0;
}

/**
 * take_boot() - -boot
 * @gns3:	What is being made
 * @value:	Letters, or order=…
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_boot(struct gns3 *gns3, const char *value, struct error *err)
{
    _cleanup_free_ char *first = key_value(value, ""), *named = key_value(value, "order");
    const char *order = named ? named : first;

    (void)err;
    if (order && *order && strspn(order, "cdn") == strlen(order) && strlen(order) <= 3) {
        (void)json_object_set_new(gns3_map(gns3, "boot"), "order", json_string(order));
        gns3_note(gns3, "-boot became boot.order");
    } else {
        gns3_note(gns3, "-boot is dropped: of it only an order of c, d and n is taken over");
    }
    return 0;
}

/**
 * add_to_list() - Add a text to a list of the definition
 * @gns3:	What is being made
 * @key:	List
 * @text:	Text
 */
static void add_to_list(struct gns3 *gns3, const char *key, const char *text)
{
    json_t *list = json_object_get(gns3->definition, key);

    if (!list) {
        list = json_array();
        (void)json_object_set_new(gns3->definition, key, list);
    }
    (void)json_array_append_new(list, json_string(text));
}

/**
 * take_smbios() - -smbios
 * @gns3:	What is being made
 * @value:	Its value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_smbios(struct gns3 *gns3, const char *value, struct error *err)
{
    if (qemu_smbios_check(value, err) < 0)
        return error_prefix(err, "options");
    if (check_substitutes(value, err) < 0)
        return -EINVAL;
    add_to_list(gns3, "smbios", value);
    gns3_note(gns3, "-smbios became smbios");
    return 0;
}

/**
 * take_memory() - -m
 * @gns3:	What is being made
 * @value:	MB, or with a unit, or size=…
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_memory(struct gns3 *gns3, const char *value, struct error *err)
{
    _cleanup_free_ char *first = key_value(value, ""), *named = key_value(value, "size");
    const char *size = named ? named : first ? first : "";
    bool bare = *size && strspn(size, "0123456789") == strlen(size);
    _cleanup_free_ char *text = xasprintf("%s%s", size, bare ? "M" : "");
    uint64_t bytes;

    if (units_parse_size(text, &bytes, err) < 0)
        return error_prefix(err, "options: -m");
    (void)json_object_set_new(gns3_map(gns3, "memory"), "default", json_string(text));
    gns3_note(gns3, "-m became memory.default");
    return 0;
}

/**
 * take_usb() - -usbdevice
 * @gns3:	What is being made
 * @value:	Device
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_usb(struct gns3 *gns3, const char *value, struct error *err)
{
    if (strcmp(value, "mouse") == 0 || strcmp(value, "keyboard") == 0) {
        gns3_note(gns3, "-usbdevice %s is dropped: a PC has one without USB", value);
        return 0;
    }
    if (strcmp(value, "tablet") != 0)
        return error_input(err, "options: -usbdevice is accepted for a tablet only");
    (void)json_object_set_new(gns3_map(gns3, "display"), "tablet", json_true());
    gns3_note(gns3, "-usbdevice tablet became display.tablet");
    return 0;
}

/**
 * take_monitor() - -monitor: only one that leads nowhere
 * @gns3:	What is being made
 * @value:	Where it should lead
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int take_monitor(struct gns3 *gns3, const char *value, struct error *err)
{
    if (strcmp(value, "none") != 0 && strcmp(value, "stdio") != 0 && strcmp(value, "null") != 0)
        return error_input(err, "options: -monitor is never accepted from a file");
    gns3_note(gns3, "-monitor is dropped: labctl has the monitor");
    return 0;
}

struct rule {
    const char *name;
    bool has_value;
    int (*take)(struct gns3 *gns3, const char *value, struct error *err); /* NULL: dropped */
    const char *why;
};

static const struct rule rules[] = {
    {"smp", true, take_smp, NULL},
    {"cpu", true, take_cpu, NULL},
    {"machine", true, take_machine, NULL},
    {"M", true, take_machine, NULL},
    {"m", true, take_memory, NULL},
    {"vga", true, take_vga, NULL},
    {"serial", true, take_serial, NULL},
    {"monitor", true, take_monitor, NULL},
    {"fw_cfg", true, take_fw_cfg, NULL},
    {"smbios", true, take_smbios, NULL},
    {"boot", true, take_boot, NULL},
    {"usbdevice", true, take_usb, NULL},
    {"nographic", false, NULL, "every node's serial ports are consoles anyway"},
    {"enable-kvm", false, NULL, "labctl chooses KVM or TCG"},
    {"accel", true, NULL, "labctl chooses KVM or TCG"},
    {"no-kvm", false, NULL, "removed from QEMU; labctl chooses KVM or TCG"},
    {"no-kvm-irqchip", false, NULL, "removed from QEMU"},
    {"no-kvm-pit-reinjection", false, NULL, "removed from QEMU"},
    {"hdachs", true, NULL, "removed from QEMU"},
    {"soundhw", true, NULL, "removed from QEMU; a lab needs no sound"},
    {"audiodev", true, NULL, "a lab needs no sound"},
    {"realtime", true, NULL, "removed from QEMU"},
    {"nodefconfig", false, NULL, "removed from QEMU"},
    {"no-user-config", false, NULL, "labctl gives it"},
    {"tdf", false, NULL, "removed from QEMU"},
    {"usb", false, NULL, "labctl adds a USB controller where a device needs one"},
    {"display", true, NULL, "console_type says whether there is a screen"},
    {"spice", true, NULL, "a screen is shown by VNC"},
    {"parallel", true, NULL, "there is no parallel port"},
    {"name", true, NULL, "a node has its name from the topology"},
    {"uuid", true, NULL, "a node has a UUID of its own"},
    {"no-reboot", false, NULL, "a guest may reboot"},
    {"no-shutdown", false, NULL, "a guest may shut down"},
    {"k", true, NULL, "the viewer has the keyboard's layout"},
    {"balloon", true, NULL, "memory is not ballooned"},
    {"mem-prealloc", false, NULL, "memory is taken as it is used"},
    {"S", false, NULL, "labctl starts every node paused"},
    {"icount", true, NULL, "a guest's clock is the host's, also under TCG"},
    {"msg", true, NULL, "QEMU's messages are labctl's to keep"},
    {"sdl", false, NULL, "console_type says whether there is a screen"},
    {"curses", false, NULL, "console_type says whether there is a screen"},
    {"full-screen", false, NULL, "the viewer has the window"},
    {"no-frame", false, NULL, "the viewer has the window"},
    {"no-quit", false, NULL, "the viewer has the window"},
    {"alt-grab", false, NULL, "the viewer has the window"},
    {"ctrl-grab", false, NULL, "the viewer has the window"},
    {"g", true, NULL, "the guest chooses its screen's size"},
    {"overcommit", true, NULL, "memory is taken as it is used"},
};

/**
 * take_device() - -device: sound and USB controllers are dropped, harmless ones stay
 * @gns3:	What is being made
 * @value:	Its value
 *
 * Return: true if it is one of them
 */
static bool take_device(struct gns3 *gns3, const char *value)
{
    static const char *const sound[] = {"AC97",           "ES1370",     "intel-hda",
                                        "ich9-intel-hda", "hda-duplex", "hda-output",
                                        "hda-micro",      "sb16",       "adlib"};
    static const char *const usb[] = {"usb-ehci",       "ich9-usb-ehci1", "piix3-usb-uhci",
                                      "piix4-usb-uhci", "nec-usb-xhci",   "qemu-xhci",
                                      "pci-ohci"};
    static const char *const places[] = {"bus", "id", NULL};
    _cleanup_free_ char *model = key_value(value, "");

    if (!model)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(sound); i++)
        if (strcmp(model, sound[i]) == 0) {
            gns3_note(gns3, "-device %s is dropped: a lab needs no sound", model);
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(usb); i++)
        if (strcmp(model, usb[i]) == 0) {
            gns3_note(
                gns3,
                "-device %s is dropped: labctl adds a USB controller where a device needs one",
                model);
            return true;
        }
    if (strcmp(model, "usb-tablet") == 0 && check_known(value, places)) {
        (void)json_object_set_new(gns3_map(gns3, "display"), "tablet", json_true());
        gns3_note(gns3, "-device usb-tablet became display.tablet");
        return true;
    }
    return false;
}

/**
 * take_kept() - Options that stay, or stand for something, or are refused
 * @gns3:	What is being made
 * @name:	Option without its hyphens
 * @value:	Next word, or NULL
 * @err:	Error to fill
 *
 * Return: 1 if the next word was used, 0 if not, or -EINVAL
 */
static int take_kept(struct gns3 *gns3, const char *name, const char *value, struct error *err)
{
    _cleanup_free_ char *alone = xasprintf("-%s", name);
    _cleanup_free_ char *both = xasprintf("-%s %s", name, value ? value : "");
    _cleanup_free_ char *word = shown(name), *word_value = shown(value);

    if (strcmp(name, "nodefaults") == 0) {
        gns3->no_defaults = true;
        gns3_note(gns3, "-nodefaults is dropped: labctl gives it; there is no display card then");
        return 0;
    }
    if (strcmp(name, "localtime") == 0) {
        (void)json_object_set_new(gns3->definition, "rtc", json_string("localtime"));
        gns3_note(gns3, "-localtime became rtc: localtime");
        return 0;
    }
    if (value && strcmp(name, "rtc") == 0 && strcmp(value, "base=utc") == 0) {
        gns3_note(gns3, "-rtc base=utc is dropped: that is how it is");
        return 1;
    }
    if (value && strcmp(name, "device") == 0 && take_device(gns3, value))
        return 1;
    if (value && strcmp(name, "watchdog") == 0 && strcmp(value, "i6300esb") == 0) {
        add_to_list(gns3, "options", "-device i6300esb");
        gns3_note(gns3, "-watchdog became -device");
        return 1;
    }
    if (value &&
        (strcmp(name, "net") == 0 || strcmp(name, "nic") == 0 || strcmp(name, "vnc") == 0) &&
        strcmp(value, "none") == 0) {
        gns3_note(gns3, "-%s none is dropped: labctl makes the NICs and the display", word);
        return 1;
    }
    if (qemu_option_check(alone, NULL) == 0) {
        add_to_list(gns3, "options", alone);
        return 0;
    }
    if (value && *value != '-' && qemu_option_check(both, NULL) == 0) {
        add_to_list(gns3, "options", both);
        return 1;
    }
    (void)error_input(err, "options: '-%s%s%s' is not accepted from a file", word,
                      value && *value != '-' ? " " : "", value && *value != '-' ? word_value : "");
    error_hint(err, "it may name files or programs of this host; take it out of the file if the "
                    "image runs without it");
    return -EINVAL;
}

/**
 * take_option() - One option
 * @gns3:	What is being made
 * @name:	Option without its hyphens
 * @value:	Next word, or NULL
 * @err:	Error to fill
 *
 * Return: 1 if the next word was used, 0 if not, or -EINVAL
 */
static int take_option(struct gns3 *gns3, const char *name, const char *value, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *rule = &rules[i];

        if (strcmp(rule->name, name) != 0)
            continue;
        if (rule->has_value && !value)
            return error_input(err, "options: -%s has no value", rule->name);
        if (!rule->take)
            gns3_note(gns3, "-%s is dropped: %s", rule->name, rule->why);
        else if (rule->take(gns3, value, err) < 0)
            return -EINVAL;
        return rule->has_value;
    }
    return take_kept(gns3, name, value, err);
}

int gns3_options(struct gns3 *gns3, const char *text, struct error *err)
{
    /* In a definition's texts a percent sign is two. */
    static const char *const placeholders[][2] = {
        {"%", "%%"}, {"%%vm-name%%", "%h"}, {"%%vm-id%%", "%u"}, {"%%project-id%%", "%l"}};
    _cleanup_(words_done) struct words words = {.count = 0};
    _cleanup_free_ char *own = NULL;
    int r;

    if (strlen(text) > TEXT_MAX)
        return error_input(err, "options: longer than %d characters", TEXT_MAX);
    own = xstrdup(text);
    for (size_t i = 0; i < ARRAY_SIZE(placeholders); i++) {
        char *replaced = text_replace(own, placeholders[i][0], placeholders[i][1]);

        free(own);
        own = replaced;
    }
    r = split(own, &words, err);
    for (size_t i = 0; r == 0 && i < words.count; i++) {
        const char *word = words.items[i], *value = i + 1 < words.count ? words.items[i + 1] : NULL;
        _cleanup_free_ char *escaped = shown(word);
        int used;

        if (word[0] != '-' || !word[1])
            return error_input(err, "options: '%s' is no option", escaped);
        used = take_option(gns3, word + (word[1] == '-' ? 2 : 1), value, err);
        if (used < 0)
            return used;
        i += (size_t)used;
    }
    return r;
}
