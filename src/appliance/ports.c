// SPDX-License-Identifier: GPL-2.0-or-later

/* Names of ports. The index of the NIC is the key, the name a label that the appliance's vendor
 * prints: a format in which {0} stands for the index and {{ and }} for the braces themselves.
 * ethN means NIC N of every appliance, unless its own format gives that name to another one. */

#include <stdlib.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/appliance_priv.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"

enum { FORMAT_MAX = 64, ETH_MAX = 4096 };

/**
 * format_name() - Put a NIC's number into a format
 * @format:	Format
 * @nic:	Number
 * @ret_name:	New name
 * @err:	Error to fill
 *
 * Return: how many placeholders there were, or -EINVAL
 */
static int format_name(const char *format, unsigned nic, char **ret_name, struct error *err)
{
    _cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
    int used = 0;

    for (const char *at = format; *at;) {
        if ((at[0] == '{' || at[0] == '}') && at[1] == at[0]) {
            strbuf_append(&name, at, 1);
            at += 2;
        } else if (strncmp(at, "{0}", 3) == 0) {
            strbuf_printf(&name, "%u", nic);
            used++;
            at += 3;
        } else if (*at == '{' || *at == '}') {
            _cleanup_free_ char *shown = text_escape(at, strnlen(at, 20));

            return error_input(err, "'%s' is no placeholder: {0} stands for the NIC's number",
                               shown);
        } else {
            strbuf_append(&name, at, 1);
            at++;
        }
    }
    *ret_name = strbuf_steal(&name);
    return used;
}

int port_format_check(const char *format, struct error *err)
{
    _cleanup_free_ char *name = NULL, *shown = text_escape(format, strnlen(format, FORMAT_MAX));
    int r;

    for (const char *at = format; *at; at++)
        if (*at <= ' ' || *at > '~')
            return error_input(err, "'%s': only printable ASCII without spaces is allowed", shown);
    if (strlen(format) > FORMAT_MAX)
        return error_input(err, "'%s…' has more than %d characters", shown, FORMAT_MAX);
    r = format_name(format, 0, &name, err);
    if (r == 0)
        return error_input(err, "'%s' has no {0}, so all ports would have one name", shown);
    return r < 0 ? r : 0;
}

char *appliance_port_name(const struct appliance *appliance, unsigned nic)
{
    char *name = NULL;

    if (format_name(appliance->nic_name, nic, &name, NULL) < 0)
        return xasprintf("eth%u", nic);
    return name;
}

int appliance_port_index(const struct appliance *appliance, const char *port)
{
    int64_t number = 0;

    for (unsigned nic = 0; nic < appliance->nic_max; nic++) {
        _cleanup_free_ char *name = appliance_port_name(appliance, nic);

        if (strcmp(name, port) == 0)
            return (int)nic;
    }
    if (strncmp(port, "eth", 3) != 0 || (port[3] == '0' && port[4]) ||
        units_parse_integer(port + 3, 0, ETH_MAX - 1, &number, NULL) < 0)
        return -1;
    return (int)number;
}

unsigned appliance_mtu_max(const struct appliance *appliance)
{
    static const struct {
        const char *model;
        unsigned mtu;
    } large[] = {
        {"virtio-net-pci", 9500}, {"virtio-net-device", 9500}, {"e1000", 9500},
        {"e1000e", 9000},         {"vmxnet3", 9000},           {"spapr-vlan", 9000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(large); i++)
        if (strcmp(appliance->nic_model, large[i].model) == 0)
            return large[i].mtu;
    return 1500;
}
