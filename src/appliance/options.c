// SPDX-License-Identifier: GPL-2.0-or-later

/* The options for QEMU that a file may bring: those that change the machine and nothing else. An
 * option that could name a file, a socket or a program of the host is not on these lists, and what
 * is not on them is refused; so also the values are held to letters that cannot begin a key of
 * their own. Commas separate keys, and every key must be known. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "base/alloc.h"
#include "base/text.h"

enum { OPTION_MAX = 512 };

/**
 * is_one_of() - Whether a word is in a list
 * @words:	NULL-terminated
 * @word:	Start of it
 * @size:	Its length
 *
 * Return: true if so
 */
static bool is_one_of(const char *const *words, const char *word, size_t size)
{
    for (; *words; words++)
        if (strlen(*words) == size && memcmp(*words, word, size) == 0)
            return true;
    return false;
}

/**
 * is_plain() - Whether a value has only harmless letters
 * @value:	Start of it
 * @size:	Its length
 * @extra:	What is allowed besides letters, digits and "._-"
 *
 * Return: true if so
 */
static bool is_plain(const char *value, size_t size, const char *extra)
{
    for (size_t i = 0; i < size; i++) {
        char c = value[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && (strchr("._-", c) || strchr(extra, c)))))
            return false;
    }
    return size > 0;
}

size_t qemu_value_size(const char *text)
{
    size_t size = strcspn(text, ",");

    while (text[size] && text[size + 1] == ',')
        size += 2 + strcspn(text + size + 2, ",");
    return size;
}

/**
 * check_keys() - Check KEY=VALUE,KEY=VALUE…
 * @what:	For the message
 * @text:	Text
 * @keys:	Keys allowed
 * @extra:	What values may have besides letters, digits and "._-"
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_keys(const char *what, const char *text, const char *const *keys,
                      const char *extra, struct error *err)
{
    _cleanup_free_ char *shown = text_escape(text, strnlen(text, OPTION_MAX));

    if (strlen(text) > OPTION_MAX)
        return error_input(err, "%s '%s…' is too long", what, shown);
    for (const char *at = text;; at++) {
        size_t size = qemu_value_size(at), key = strcspn(at, "=,");

        if (key == size || !is_one_of(keys, at, key)) {
            _cleanup_free_ char *word = text_escape(at, key);

            return error_input(err, "%s '%s': '%s' is not among the keys that are accepted", what,
                               shown, word);
        }
        if (!is_plain(at + key + 1, size - key - 1, extra))
            return error_input(err, "%s '%s': the value has characters that are not accepted", what,
                               shown);
        at += size;
        if (!*at)
            return 0;
    }
}

int qemu_machine_property_check(const char *property, struct error *err)
{
    static const char *const keys[] = {
        "acpi",
        "gic-version",
        "graphics",
        "highmem",
        "hpet",
        "its",
        "max-cpu-compat",
        "mem-merge",
        "pit",
        "secure",
        "smbios-entry-point-type",
        "smm",
        "usb",
        "virtualization",
        "vmport",
        "i8042",
        NULL,
    };

    if (strchr(property, ','))
        return error_input(err, "one property an item: no comma");
    return check_keys("machine property", property, keys, "", err);
}

int qemu_smbios_check(const char *value, struct error *err)
{
    static const char *const keys[] = {
        "type",    "vendor", "version", "date",     "release", "uefi",  "manufacturer",
        "product", "serial", "uuid",    "sku",      "family",  "asset", "location",
        "part",    "speed",  "value",   "sock_pfx", "loc_pfx", "bank",  NULL,
    };

    return check_keys("smbios", value, keys, " ()+,:;=@!#%&*?<>[]{}|~^/'\"$", err);
}

bool fw_cfg_name_ok(const char *name)
{
    return strncmp(name, "opt/", 4) == 0 && strlen(name) <= 55 &&
           is_plain(name, strlen(name), "/") && !strstr(name, "..");
}

/**
 * check_global() - Check the value of -global
 * @value:	DRIVER.PROPERTY=VALUE
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int check_global(const char *value, struct error *err)
{
    static const char *const globals[] = {
        "ICH9-LPC.disable_s3", "ICH9-LPC.disable_s4",          "ICH9-LPC.noreboot",
        "PIIX4_PM.disable_s3", "PIIX4_PM.disable_s4",          "kvm-pit.lost_tick_policy",
        "kvm-apic.vapic",      "mc146818rtc.lost_tick_policy", NULL,
    };
    size_t name = strcspn(value, "=");

    if (strchr(value, ',') || !value[name] || !is_one_of(globals, value, name) ||
        !is_plain(value + name + 1, strlen(value + name + 1), ""))
        return error_input(err, "-global is accepted for a few properties only, and not for this");
    return 0;
}

int qemu_option_check(const char *option, struct error *err)
{
    static const char *const alone[] = {"-no-hpet", "-no-acpi", "-no-fd-bootchk", "-win2k-hack",
                                        NULL};
    static const char *const devices[] = {"virtio-rng-pci", "virtio-balloon-pci",  "i6300esb",
                                          "usb-kbd",        "usb-mouse",           "usb-tablet",
                                          "pvpanic",        "virtio-keyboard-pci", NULL};
    static const char *const rtc_keys[] = {"base", "clock", "driftfix", NULL};
    size_t name = strcspn(option, " ");
    const char *value = option[name] ? option + name + 1 : NULL;
    _cleanup_free_ char *shown = text_escape(option, strnlen(option, 80));

    if (!value && is_one_of(alone, option, name))
        return 0;
    if (value && strncmp(option, "-rtc ", 5) == 0)
        return check_keys("-rtc", value, rtc_keys, ":", err);
    if (value && strncmp(option, "-global ", 8) == 0)
        return check_global(value, err);
    if (value && strncmp(option, "-device ", 8) == 0) {
        if (is_one_of(devices, value, strlen(value)))
            return 0;
        return error_input(err, "'%s': that device, or a property of it, is not accepted", shown);
    }
    return error_input(err, "'%s' is not among the QEMU options that are accepted", shown);
}
