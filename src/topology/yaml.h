// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* YAML files as trees whose every value knows its place, and mappings read by tables of keys.
 * Two layers: yaml_tree_parse() turns bytes into a tree and is where hostile bytes end; the readers
 * below it turn values into fields of a structure and note every fault. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "topology/diagnostics.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node;

struct yaml_pair {
    const struct yaml_node *key; /* always a scalar */
    const struct yaml_node *value;
    const struct yaml_node *first; /* the earlier key of the same name, NULL if this is the first */
};

/* A value. It belongs to its tree and never changes; a value with an alias is one node with
 * several parents. */
struct yaml_node {
    enum yaml_kind kind;
    bool plain; /* a scalar written without quotes */
    struct location at;
    uint32_t values;                /* how many nodes this one stands for, aliases expanded */
    uint32_t height;                /* levels below and including this one */
    size_t count;                   /* items or pairs */
    const char *text;               /* scalar; holds no NUL */
    const struct yaml_node **items; /* list */
    struct yaml_pair *pairs;        /* map, in the order of the file */
};

struct yaml_tree;

/* yaml_tree_parse() - Build the tree of one YAML document.
 * @data:	Bytes of the file
 * @size:	How many
 * @ret_tree:	Set only on success
 * @diagnostics: Gets the one fault that ended parsing
 * Return: 0 or -EINVAL */
int yaml_tree_parse(const char *data, size_t size, struct yaml_tree **ret_tree,
                    struct diagnostics *diagnostics);
void yaml_tree_free(struct yaml_tree *tree);
/* yaml_tree_root() - The document's value. */
const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree);

static inline void cleanup_yaml_tree(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}
#define _cleanup_yaml_tree_ _cleanup_(cleanup_yaml_tree)

/* yaml_map_get() - The first value of that key, or NULL. */
const struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key);
/* yaml_is_null() - True for ~, null and a value left out. */
bool yaml_is_null(const struct yaml_node *node);
/* yaml_quote() - What a scalar says, escaped and cut, in quotes, for a message. Caller frees. */
char *yaml_quote(const struct yaml_node *node);
/* yaml_kind_name() - "a list", "a mapping", "a value", "nothing". */
const char *yaml_kind_name(const struct yaml_node *node);

/* Who reads: goes through all readers. */
struct yaml_reader {
    struct diagnostics *diagnostics;
    void *context; /* the caller's own */
};

/* One key of a mapping and how its value gets into a structure. */
struct yaml_key {
    const char *name;
    /* Reads @value into @target; faults go to the reader's diagnostics, @target is then left alone.
     * One of those below or the caller's own. */
    void (*read)(struct yaml_reader *reader, const struct yaml_key *key, void *target,
                 const struct yaml_node *value);
    size_t offset;                /* of the field within the target */
    uint64_t least, most;         /* bounds of numbers, sizes (bytes) and durations (ns) */
    const char *const *words;     /* yaml_read_word(): what is allowed, NULL-terminated */
    const struct yaml_keys *keys; /* yaml_read_keys(): the mapping below */
    const char *form;             /* what its value looks like, for who wrote another kind */
};

/* A kind of mapping: its keys, in the order of the documentation. */
struct yaml_keys {
    const char *name; /* also that of its definition in the JSON Schema */
    const struct yaml_key *keys;
    size_t count;
};

/* yaml_read_map() - Read a mapping by its table. Unknown keys, with the nearest known one, and keys
 * given twice are faults. */
void yaml_read_map(struct yaml_reader *reader, const struct yaml_keys *keys, void *target,
                   const struct yaml_node *map);
/* yaml_expect() - True if the value is of that kind; else a fault that says what @what must be.
 * @what:	Such as "'nodes'"
 * @form:	What to write instead, such as "{keep: 60s}", or NULL */
bool yaml_expect(struct yaml_reader *reader, const struct yaml_node *node, enum yaml_kind kind,
                 const char *what, const char *form);
/* yaml_text() - The text of a scalar that must say something, or NULL and a fault. Plain true,
 * false and null are no text (YAML 1.2); control characters are refused, but newlines and tabs in
 * @multiline text. */
const char *yaml_text(struct yaml_reader *reader, const struct yaml_node *node, const char *what,
                      bool multiline);

/* Ready-made readers for struct yaml_key. Fields: char * (freed before it is replaced), uint64_t,
 * unsigned, and an enum as unsigned. */
#define YAML_READER(function)                                                                      \
    void function(struct yaml_reader *reader, const struct yaml_key *key, void *target,            \
                  const struct yaml_node *value)
YAML_READER(yaml_read_text);      /* char *: one line */
YAML_READER(yaml_read_paragraph); /* char *: lines; newlines at the end are dropped */
YAML_READER(yaml_read_name);      /* char *: a name (base/text.h) */
YAML_READER(yaml_read_qemu_name); /* char *: a machine, or with properties a CPU model */
YAML_READER(yaml_read_size);      /* uint64_t: bytes within least..most */
YAML_READER(yaml_read_duration);  /* uint64_t: nanoseconds within least..most */
YAML_READER(yaml_read_unsigned);  /* unsigned within least..most */
YAML_READER(yaml_read_word);      /* unsigned: index into words */
YAML_READER(yaml_read_choice);    /* the same, counted from 1; 0 is for what is not there */
YAML_READER(yaml_read_keys);      /* a mapping of its own, into a structure at offset */
