// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the topology reader share (theory of operation: read.c). */

#include "topology/read.h"
#include "topology/yaml.h"

enum { MTU_MIN = 68, MTU_MAX = 9500 };

/* What is known of a node beside the model while its file is being read. */
struct node_source {
    const struct yaml_node *yaml; /* its mapping, or null */
    struct image_facts facts;
    bool facts_known; /* else its image is missing, broken, or not asked about */
};

/* A NIC that has been named by something. */
struct nic_use {
    size_t node;
    unsigned nic;
    struct location at;
    const struct yaml_node *yaml;
};

struct topology_reader {
    struct yaml_reader yaml; /* .context is this structure */
    struct topology *topology;
    const struct image_source *images; /* or NULL */
    char *dir;                         /* absolute, of the file */
    /* Sections, kept until what they refer to is known; NULL: not given. */
    const struct yaml_node *defaults, *nodes, *links, *lans, *uplinks;
    unsigned mtu;                /* of links and segments that have none of their own; 0: none */
    struct node_source *sources; /* one per node */
    size_t *by_name;             /* nodes in the order of their names, case ignored */
    struct nic_use *uses;
    size_t use_count, use_capacity;
    unsigned suggestions; /* words that may still be compared for "did you mean" */
};

extern const struct yaml_keys topology_defaults_keys, topology_node_keys, topology_console_keys;
extern const struct yaml_keys topology_link_keys, topology_flap_keys, topology_direction_keys,
    topology_loss_keys, topology_loss_burst_keys;
extern const struct yaml_keys topology_lan_keys, topology_uplink_keys;

/* fault() - Note a fault of the file. */
#define fault(reader, at, ...) diagnostics_add((reader)->yaml.diagnostics, (at), __VA_ARGS__)

/* Readers of the sections, in the order in which they must run. */
void read_nodes(struct topology_reader *reader);
void read_links(struct topology_reader *reader);
void read_lans(struct topology_reader *reader);
void read_uplinks(struct topology_reader *reader);
/* check_topology() - What can be said only when everything has been read. */
void check_topology(struct topology_reader *reader);

/* read_find_node() - Index of a node by its exact name, or -1. */
ptrdiff_t read_find_node(const struct topology_reader *reader, const char *name);
/* read_unknown_node() - Note that there is no such node, with the nearest that there is. */
void read_unknown_node(struct topology_reader *reader, struct location at, const char *name);
/* read_endpoint() - Read "NODE:PORT" and note its use. Return: true on success */
bool read_endpoint(struct topology_reader *reader, const struct yaml_node *value,
                   struct endpoint *ret_end);
/* read_endpoints() - Read a list of at least one. */
void read_endpoints(struct topology_reader *reader, const struct yaml_node *list, const char *what,
                    struct endpoint **ret_ends, size_t *ret_count);
/* read_nearest() - text_nearest() within the reader's budget, so that a file full of slips costs no
 * more than a few. */
const char *read_nearest(struct topology_reader *reader, const char *word,
                         const char *const *candidates, size_t count);
/* read_settle_mtu() - Take the lab's MTU where @own is NULL (none is given), and note one that an
 * end's NIC model cannot do. */
void read_settle_mtu(struct topology_reader *reader, const struct yaml_node *own,
                     struct location at, unsigned *mtu, const struct endpoint *ends, size_t count);

YAML_READER(topology_read_config); /* struct node: its configuration files */
/* Reader of keys that several tables share. */
YAML_READER(read_keep); /* const struct yaml_node *: the value itself, for later */
