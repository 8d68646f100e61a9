// SPDX-License-Identifier: GPL-2.0-or-later

/* What people read of a GNS3 appliance, and what its console shows when it is up: known of systems
 * by their product's name, never of single files. */

#include <ctype.h>
#include <string.h>

#include "appliance/gns3_priv.h"
#include "base/alloc.h"
#include "base/text.h"

enum { DESCRIPTION_MAX = 400 };

void gns3_suggest_ready(struct gns3 *gns3, const json_t *root)
{
    static const struct {
        const char *word; /* in the product's name, in small letters */
        const char *rule;
    } known[] = {
        {"routeros", "(MikroTik|RouterOS).* [Ll]ogin:"},
        {"mikrotik", "(MikroTik|RouterOS).* [Ll]ogin:"},
        {"junos", "login: *$"},
        {"vsrx", "login: *$"},
        {"vqfx", "login: *$"},
        {"vmx", "login: *$"},
        {"catalyst 8000v", "CVAC-4-CONFIG_DONE|Press RETURN to get started"},
        {"c8000v", "CVAC-4-CONFIG_DONE|Press RETURN to get started"},
        {"csr1000v", "Press RETURN to get started"},
        {"csr 1000v", "Press RETURN to get started"},
        {"iosv", "Press RETURN to get started|^Router>"},
        {"ios xrv", "Press RETURN to get started"},
        {"nx-os", "\\(yes/skip/no\\)\\[no\\]:|login: *$"},
        {"nxos", "\\(yes/skip/no\\)\\[no\\]:|login: *$"},
        {"veos", "login: *$"},
        {"asav", "^(ciscoasa|asav[0-9]*)> *$"},
        {"sr os", "[Ll]ogin: *$"},
        {"vsr", "[Ll]ogin: *$"},
        {"exos", "login: *$"},
        {"arubaos", "login: *$"},
        {"palo alto", "login: *$"},
        {"forti", "login: *$"},
        {"pa-vm", "login: *$"},
        {"vyos", "login: *$"},
        {"cumulus", "login: *$"},
        {"sonic", "login: *$"},
        {"openwrt", "Please press Enter to activate this console"},
        {"alpine", "login: *$"},
        {"ubuntu", "login: *$"},
        {"debian", "login: *$"},
        {"centos", "login: *$"},
        {"almalinux", "login: *$"},
        {"rocky linux", "login: *$"},
        {"fedora", "login: *$"},
        {"opensuse", "login: *$"},
        {"freebsd", "login: *$"},
        {"openbsd", "login: *$"},
    };
    _cleanup_free_ char *name =
        xasprintf("%s %s", gns3_string(root, "name") ? gns3_string(root, "name") : "",
                  gns3_string(root, "product_name") ? gns3_string(root, "product_name") : "");

    if (json_object_get(json_object_get(gns3->definition, "display"), "type"))
        return;
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (!strstr(name, known[i].word))
            continue;
        (void)json_object_set_new(
            gns3->definition, "ready",
            json_pack("{s:s, s:s}", "console", known[i].rule, "timeout", "20m"));
        gns3_note(gns3, "suggested: it is ready when its console says /%s/", known[i].rule);
        return;
    }
}

char *gns3_one_line(const char *text)
{
    _cleanup_free_ char *copy = xstrndup(text, strnlen(text, DESCRIPTION_MAX));

    for (char *at = copy; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    /* Cut within a character, its bytes would be no UTF-8: those are made visible. */
    return text_escape(copy, strlen(copy));
}

/**
 * nearest() - A text that may stand with the version, with its settings, or at the top
 * @key:	Key
 * @version:	The appliance's version
 * @props:	Its properties
 * @root:	File
 *
 * Return: borrowed, or NULL
 */
static const char *nearest(const char *key, const json_t *version, const json_t *props,
                           const json_t *root)
{
    const char *text = gns3_string(version, key);

    if (!text)
        text = gns3_string(props, key);
    return text ? text : gns3_string(root, key);
}

void gns3_words(struct gns3 *gns3, const json_t *root, const json_t *version, const json_t *props)
{
    const char *name = gns3_string(root, "name"), *availability = gns3_string(root, "availability");
    const char *user = nearest("default_username", version, props, root);
    const char *password = nearest("default_password", version, props, root);
    const char *usage = nearest("usage", version, props, root);
    const char *install = nearest("installation_instructions", version, props, root);
    const char *status = gns3_string(root, "status"), *number = gns3_string(version, "name");
    _cleanup_free_ char *whole = xasprintf("%s %s", name ? name : "", number ? number : "");
    _cleanup_free_ char *line = gns3_one_line(whole), *note = NULL;
    const char *url = gns3_string(root, "product_url");

    (void)json_object_set_new(gns3->definition, "description", json_string(line));
    if (availability) {
        _cleanup_free_ char *text =
            xasprintf("%s%s%s", availability, url ? ": " : "", url ? url : "");

        note = gns3_one_line(text);
        (void)json_object_set_new(gns3->definition, "license", json_string(note));
    }
    if (user) {
        _cleanup_free_ char *safe = gns3_one_line(user);

        (void)json_object_set_new(gns3_map(gns3, "login"), "user", json_string(safe));
    }
    if (password) {
        _cleanup_free_ char *safe = gns3_one_line(password);

        (void)json_object_set_new(gns3_map(gns3, "login"), "password", json_string(safe));
    }
    if (usage) {
        _cleanup_free_ char *said = gns3_one_line(usage);

        gns3_note(gns3, "its makers say: %s", said);
    }
    if (install) {
        _cleanup_free_ char *said = gns3_one_line(install);

        gns3_note(gns3, "to install it: %s", said);
    }
    if (status && strcmp(status, "stable") != 0)
        gns3_note(gns3, "its makers call the appliance %.20s", status);
}
