// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Images for the tests of the topology reader, which needs no real ones. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "topology/read.h"

/* Images: frr (4 of at most 28 NICs, at least 160M), vendor (ports Gi0/N, 1500 bytes), broken. */
static int facts(void *data, const char *image, struct image_facts *ret_facts, struct error *err)
{
    (void)data;
    if (strcmp(image, "frr") == 0)
        *ret_facts = (struct image_facts){4, 28, 160 << 20, 9500};
    else if (strcmp(image, "vendor") == 0)
        *ret_facts = (struct image_facts){2, 8, 0, 1500};
    else if (strcmp(image, "broken") == 0)
        return error_input(err, "line one\nline two");
    else if (strcmp(image, "host") == 0)
        return error_set(err, ENOENT, "none"), error_hint(err, "build it"), -ENOENT;
    else
        return -ENOENT;
    return 0;
}

static int port(void *data, const char *image, const char *name)
{
    int n = -1;
    char end;

    (void)data;
    if (strcmp(image, "vendor") == 0 && sscanf(name, "Gi0/%d%c", &n, &end) == 1)
        return n;
    return sscanf(name, "eth%d%c", &n, &end) == 1 ? n : -1;
}

static char *port_name(void *data, const char *image, unsigned nic)
{
    (void)data;
    return strcmp(image, "vendor") == 0 ? xasprintf("Gi0/%u", nic) : NULL;
}

/* The vendor's machine has nothing of its own. */
static int fits(void *data, const struct node *node, const char *key, struct error *err)
{
    (void)data;
    if (strcmp(node->image, "vendor") != 0)
        return 0;
    if (strcmp(key, "serials") == 0)
        return error_input(err, "not %u", node->serials);
    return error_input(err, strcmp(key, "display") == 0 ? "no screen" : "no UEFI");
}

static const char *const *names(void *data)
{
    static const char *const list[] = {"frr", "host", "vendor", NULL};

    (void)data;
    return list;
}

static const struct image_source images = {
    .facts = facts, .port = port, .names = names, .fits = fits, .port_name = port_name};
