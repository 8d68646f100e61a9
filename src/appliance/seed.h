// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* How a node's configuration gets into its guest, apart from typing it: a disk, or files that the
 * firmware hands on. What is put there is worked out first (seed_plan(), pure), then written. */

#include "appliance/appliance.h"
#include "topology/model.h"

/* What there is to put in. */
struct seed_request {
    const struct appliance *appliance;
    const char *node, *lab, *uuid;
    const char *config;              /* the node's `config` file, or NULL */
    const struct config_file *files; /* those that the topology names */
    size_t file_count;
    const char (*macs)[18]; /* of its NICs, for templates */
    size_t mac_count;
};

/* One file of the configuration disk. */
struct seed_member {
    char *name;       /* owned; with folders, if need be */
    const char *path; /* what is in it; NULL: @data is */
    char *data;       /* owned */
    size_t size;
};

struct seed_members {
    struct seed_member *items;
    size_t count, capacity;
};

/* seed_plan() - What is to be put in, in its order. Reads no file. */
void seed_plan(const struct seed_request *request, struct seed_members *ret_members);
void seed_members_done(struct seed_members *members);
#define _cleanup_seed_members_ _cleanup_(seed_members_done)

/* seed_write() - Write what the node's folder must hold for it: seed.tar, seed.iso, seed.img, or
 * for fw_cfg a file for each member. */
int seed_write(const char *node_dir, const struct seed_request *request, struct error *err);

/* seed_disk_path() - The configuration disk of a node, NULL if its image has none. Caller frees. */
char *seed_disk_path(const char *node_dir, const struct appliance *appliance);
/* seed_fw_cfg_path() - The file of member @index. Caller frees. */
char *seed_fw_cfg_path(const char *node_dir, size_t index);

/* seed_expand() - A template's text: %h node, %l lab, %u UUID, %{macN} address of NIC N, %% a
 * percent sign; what else begins with % stays as it is. Caller frees. */
char *seed_expand(const struct seed_request *request, const char *text);
