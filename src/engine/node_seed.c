// SPDX-License-Identifier: GPL-2.0-or-later

/* What makes a node itself and no other: MAC addresses, UUID, configuration. All of it follows from
 * the names of lab and node, so it is the same whenever it is asked for. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/qemu_argv.h"

/**
 * hash_text() - FNV-1a, 64 bit
 * @text:	Text
 *
 * Return: hash
 */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

void qemu_mac(const char *lab, const char *node, unsigned nic, char ret_text[static 18])
{
    _cleanup_free_ char *key = xasprintf("%s/%s", lab, node);
    uint64_t hash = hash_text(key);

    hash ^= hash >> 32;
    /* Four bytes tell lab and node, the last one the NIC: neighbours in a capture are easy to tell
     * apart. */
    (void)snprintf(ret_text, 18, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(hash >> 24) & 0xff,
                   (unsigned)(hash >> 16) & 0xff, (unsigned)(hash >> 8) & 0xff,
                   (unsigned)hash & 0xff, nic & 0xff);
}

/**
 * make_uuid() - The UUID of a node
 * @lab:	Lab
 * @node:	Node
 *
 * Return: new text
 */
static char *make_uuid(const char *lab, const char *node)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", lab, node);
    _cleanup_free_ char *again = xasprintf("uuid:%s", key);
    uint64_t high = hash_text(key), low = hash_text(again);

    /* Version 8 (anything goes), variant 1. */
    return xasprintf("%08x-%04x-8%03x-%04x-%012" PRIx64, (unsigned)(high >> 32),
                     (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xfff,
                     0x8000 | ((unsigned)(low >> 48) & 0x3fff), low & 0xffffffffffff);
}

struct node_seed node_seed(const struct topology *topology, const char *lab, size_t index,
                           const struct appliance *appliance)
{
    const struct node *node = &topology->nodes[index];
    struct node_seed seed = {
        .uuid = make_uuid(lab, node->name),
        .macs = xmalloc0(node->nics + 1, sizeof(*seed.macs)),
    };

    for (unsigned i = 0; i < node->nics; i++)
        qemu_mac(lab, node->name, i, seed.macs[i]);
    seed.request = (struct seed_request){
        .appliance = appliance,
        .node = node->name,
        .lab = lab,
        .uuid = seed.uuid,
        .config = node->config,
        .files = node->files,
        .file_count = node->file_count,
        .macs = (const char(*)[18])seed.macs,
        .mac_count = node->nics,
    };
    return seed;
}

void node_seed_done(struct node_seed *seed)
{
    free(seed->uuid);
    free(seed->macs);
}
