// SPDX-License-Identifier: GPL-2.0-or-later

/* From bytes to a tree.
 *
 * libyaml finds the events; build_value() makes nodes of them, recursively but never deeper than
 * DEPTH_MAX. Children are gathered on one stack (struct builder) and moved to an array of the right
 * size when their parent ends. All memory of a tree comes from its blocks, so freeing is one loop
 * and a parse that stops midway leaks nothing.
 *
 * What a hostile file can try, and where it ends:
 *  - deep nesting: DEPTH_MAX, checked before going down;
 *  - many tiny values or anchors: VALUES_MAX, ANCHORS_MAX;
 *  - aliases that multiply ("billion laughs"): an alias shares its node, so the tree stays small,
 * but whoever walks it sees all of it; each node therefore knows how many values and levels it
 * stands for, and the same two limits hold for those. An anchor can be used only once its value is
 *    complete, so there are no circles;
 *  - bytes that are no text, NUL, second documents, unknown tags: refused with their place. */

#include "topology/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/text.h"

enum { DEPTH_MAX = 32, VALUES_MAX = 500000, ANCHORS_MAX = 500, BLOCK_SIZE = 1 << 16 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) char data[];
};

struct yaml_tree {
    struct block *blocks; /* the newest first */
    const struct yaml_node *root;
};

struct anchor {
    const char *name;
    const struct yaml_node *node;
};

struct builder {
    yaml_parser_t parser;
    struct yaml_tree *tree;
    struct diagnostics *diagnostics;
    const char *data;
    size_t size;
    const struct yaml_node **stack; /* finished values whose parent is still open */
    size_t stack_count, stack_capacity;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    size_t values; /* in the tree so far, aliases expanded */
};

/**
 * tree_alloc() - Zeroed memory that lives as long as the tree
 * @tree:	Tree
 * @size:	Bytes
 *
 * Return: the memory, aligned for anything
 */
static void *tree_alloc(struct yaml_tree *tree, size_t size)
{
    struct block *block = tree->blocks;
    void *data;

    size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = xmalloc0(1, sizeof(*block) + room);
        block->size = room;
        block->next = tree->blocks;
        tree->blocks = block;
    }
    data = block->data + block->used;
    block->used += size;
    return data;
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (!tree)
        return;
    while (tree->blocks) {
        struct block *block = tree->blocks;

        tree->blocks = block->next;
        free(block);
    }
    free(tree);
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree)
{
    return tree->root;
}

/**
 * place() - A libyaml mark as a location
 * @mark:	Mark, counted from 0
 *
 * Return: the location, counted from 1
 */
static struct location place(yaml_mark_t mark)
{
    return (struct location){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/**
 * place_of_offset() - Line and column of a byte
 * @data:	Bytes
 * @offset:	Which one
 *
 * Return: the location; columns count characters, as libyaml's do
 */
static struct location place_of_offset(const char *data, size_t offset)
{
    struct location at = {1, 1};

    for (size_t i = 0; i < offset; i++) {
        if (data[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if ((data[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/**
 * reader_fault() - Word a fault in the bytes themselves
 * @b:	Builder whose parser stopped
 *
 * Return: -EINVAL
 */
static int reader_fault(struct builder *b)
{
    size_t offset = b->parser.problem_offset < b->size ? b->parser.problem_offset : b->size;
    unsigned char byte = offset < b->size ? (unsigned char)b->data[offset] : 0;
    bool trailing = b->parser.problem && strstr(b->parser.problem, "trailing");
    struct location at;

    /* A sequence that breaks off is told where it begins, not at the innocent byte after it. */
    if (trailing && offset > 0)
        do
            byte = (unsigned char)b->data[--offset];
        while ((byte & 0xc0) == 0x80 && offset > 0);
    at = place_of_offset(b->data, offset);

    if (b->size >= 2 &&
        (memcmp(b->data, "\xff\xfe", 2) == 0 || memcmp(b->data, "\xfe\xff", 2) == 0))
        diagnostics_add(b->diagnostics, at, "the file is UTF-16; save it as UTF-8");
    else if (byte == 0)
        diagnostics_add(b->diagnostics, at, "NUL byte: this is not a text file");
    else if (byte < 0x20 || byte == 0x7f)
        diagnostics_add(b->diagnostics, at,
                        "control character 0x%02x: YAML files are text, without any", byte);
    else
        diagnostics_add(b->diagnostics, at,
                        "byte 0x%02x: not UTF-8 text (%s); save the file as UTF-8", byte,
                        b->parser.problem ? b->parser.problem : "invalid");
    return -EINVAL;
}

/**
 * advice() - What a person most likely did, where libyaml speaks of its own states
 * @b:		Builder whose parser stopped
 *
 * Return: text to append
 */
static const char *advice(const struct builder *b)
{
    static const char *const known[][2] = {
        {"mapping values are not allowed",
         "; is there a line above that lacks its ':', or the space after it, or is this line "
         "indented too far?"},
        {"did not find expected key", "; are these lines indented as those beside them are?"},
        {"did not find expected <document start>",
         "; are these lines indented as those beside them are?"},
        {"could not find expected ':'", "; a key ends with ':' and a space"},
        {"did not find expected '-' indicator", "; each item of this list begins with '- '"},
        {"block sequence entries are not allowed",
         "; an item that begins with '- ' stands on a line of its own"},
    };
    /* The index counts characters; it is the byte too as long as all before it is ASCII. */
    size_t offset = b->parser.problem_mark.index;
    char byte = offset < b->size ? b->data[offset] : '\0';

    if (byte == '\t')
        return "; lines are indented by spaces, never by tabs";
    if (byte && strchr("@`%", byte) && strstr(b->parser.problem, "cannot start any token"))
        return "; put the value in quotes";
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strstr(b->parser.problem, known[i][0]))
            return known[i][1];
    return "";
}

/**
 * parser_fault() - Word the fault that stopped libyaml
 * @b:	Builder whose parser stopped
 *
 * Return: -EINVAL
 */
static int parser_fault(struct builder *b)
{
    const yaml_parser_t *parser = &b->parser;
    const char *more;

    if (parser->error == YAML_READER_ERROR)
        return reader_fault(b);
    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    more = parser->problem ? advice(b) : "";
    if (parser->context && parser->context_mark.line != parser->problem_mark.line)
        diagnostics_add(b->diagnostics, place(parser->problem_mark),
                        "not valid YAML: %s (%s that begins on line %zu)%s", parser->problem,
                        parser->context, parser->context_mark.line + 1, more);
    else
        diagnostics_add(b->diagnostics, place(parser->problem_mark), "not valid YAML: %s%s%s%s%s",
                        parser->problem ? parser->problem : "unknown fault",
                        parser->context ? " (" : "", parser->context ? parser->context : "",
                        parser->context ? ")" : "", more);
    return -EINVAL;
}

/**
 * next_event() - Get the parser's next event
 * @b:		Builder
 * @ret_event:	Caller deletes
 *
 * Return: 0 or -EINVAL
 */
static int next_event(struct builder *b, yaml_event_t *ret_event)
{
    if (!yaml_parser_parse(&b->parser, ret_event))
        return parser_fault(b);
    return 0;
}

/**
 * check_tag() - Refuse tags that would change what a value means
 * @b:		Builder
 * @tag:	Tag, or NULL
 * @at:		Its place
 *
 * Return: 0 or -EINVAL
 */
static int check_tag(struct builder *b, const yaml_char_t *tag, struct location at)
{
    static const char *const known[] = {"str", "int", "float", "bool", "null", "map", "seq"};
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;
    _cleanup_free_ char *shown = NULL;

    if (!text || strcmp(text, "!") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strncmp(text, prefix, strlen(prefix)) == 0 &&
            strcmp(text + strlen(prefix), known[i]) == 0)
            return 0;
    shown = text_escape(text, strnlen(text, 60));
    diagnostics_add(b->diagnostics, at, "tag '%s' is not understood here; leave it out", shown);
    return -EINVAL;
}

/**
 * count_values() - Charge values to the document's limit
 * @b:		Builder
 * @values:	How many
 * @at:		Where they stand
 *
 * Return: 0 or -EINVAL
 */
static int count_values(struct builder *b, size_t values, struct location at)
{
    b->values += values;
    if (b->values <= VALUES_MAX)
        return 0;
    diagnostics_add(b->diagnostics, at, "the file holds more than %d values (aliases expanded)",
                    VALUES_MAX);
    return -EINVAL;
}

/**
 * node_new() - A node in the tree
 * @b:		Builder
 * @kind:	Its kind
 * @at:		Its place
 *
 * Return: the node
 */
static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct location at)
{
    struct yaml_node *node = tree_alloc(b->tree, sizeof(*node));

    node->kind = kind;
    node->at = at;
    node->values = 1;
    node->height = 1;
    node->text = "";
    return node;
}

/**
 * push() - Put a finished value on the stack
 * @b:		Builder
 * @node:	Value
 */
static void push(struct builder *b, const struct yaml_node *node)
{
    array_grow(b->stack, b->stack_count, b->stack_capacity);
    b->stack[b->stack_count++] = node;
}

/**
 * anchor_add() - Remember a finished value under its anchor
 * @b:		Builder
 * @name:	Anchor, or NULL
 * @node:	Value
 *
 * Return: 0 or -EINVAL
 */
static int anchor_add(struct builder *b, const char *name, const struct yaml_node *node)
{
    char *copy;

    if (!name)
        return 0;
    if (b->anchor_count == ANCHORS_MAX) {
        diagnostics_add(b->diagnostics, node->at, "more than %d anchors", ANCHORS_MAX);
        return -EINVAL;
    }
    copy = tree_alloc(b->tree, strlen(name) + 1);
    memcpy(copy, name, strlen(name));
    array_grow(b->anchors, b->anchor_count, b->anchor_capacity);
    b->anchors[b->anchor_count++] = (struct anchor){copy, node};
    return 0;
}

/**
 * build_alias() - Put the value of an alias on the stack
 * @b:		Builder
 * @event:	Alias event
 * @depth:	Levels above it
 *
 * Return: 0 or -EINVAL
 */
static int build_alias(struct builder *b, const yaml_event_t *event, unsigned depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct location at = place(event->start_mark);
    _cleanup_free_ char *shown = text_escape(name, strnlen(name, 60));

    /* The newest of that name counts. */
    for (size_t i = b->anchor_count; i-- > 0;) {
        const struct anchor *anchor = &b->anchors[i];

        if (strcmp(anchor->name, name) != 0)
            continue;
        if (depth + anchor->node->height > DEPTH_MAX) {
            diagnostics_add(b->diagnostics, at, "nested more than %d levels deep", DEPTH_MAX);
            return -EINVAL;
        }
        push(b, anchor->node);
        return count_values(b, anchor->node->values, at);
    }
    diagnostics_add(b->diagnostics, at,
                    "alias '*%s' has no anchor '&%s' whose value ends before it", shown, shown);
    return -EINVAL;
}

/**
 * build_scalar() - Put a scalar on the stack
 * @b:		Builder
 * @event:	Scalar event
 *
 * Return: 0 or -EINVAL
 */
static int build_scalar(struct builder *b, const yaml_event_t *event)
{
    struct yaml_node *node = node_new(b, YAML_SCALAR, place(event->start_mark));
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    char *text = tree_alloc(b->tree, size + 1);
    int r = check_tag(b, event->data.scalar.tag, node->at);

    if (r < 0)
        return r;
    if (memchr(value, 0, size)) {
        diagnostics_add(b->diagnostics, node->at, "the value holds a NUL byte");
        return -EINVAL;
    }
    memcpy(text, value, size);
    node->text = text;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    push(b, node);
    r = anchor_add(b, (const char *)event->data.scalar.anchor, node);
    return r < 0 ? r : count_values(b, 1, node->at);
}

/**
 * compare_keys() - Order pairs by key, then by place in the file
 * @a:	Address of a pair's address
 * @b:	Address of another's
 *
 * Return: as qsort() wants it
 */
static int compare_keys(const void *a, const void *b)
{
    const struct yaml_pair *left = *(struct yaml_pair *const *)a;
    const struct yaml_pair *right = *(struct yaml_pair *const *)b;
    int r = strcmp(left->key->text, right->key->text);

    if (r != 0)
        return r;
    return left < right ? -1 : left > right;
}

/**
 * find_doubles() - Mark the keys of a map that stand there already
 * @map:	Map
 */
static void find_doubles(struct yaml_node *map)
{
    _cleanup_free_ struct yaml_pair **sorted = xnew0(struct yaml_pair *, map->count + 1);

    for (size_t i = 0; i < map->count; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->count, sizeof(struct yaml_pair *), compare_keys);
    for (size_t i = 1; i < map->count; i++)
        if (strcmp(sorted[i - 1]->key->text, sorted[i]->key->text) == 0)
            sorted[i]->first = sorted[i - 1]->first ? sorted[i - 1]->first : sorted[i - 1]->key;
}

/**
 * close_collection() - Move the children from the stack into their list or map
 * @b:		Builder
 * @node:	List or map
 * @from:	Where on the stack the children begin
 *
 * Return: 0 or -EINVAL
 */
static int close_collection(struct builder *b, struct yaml_node *node, size_t from)
{
    size_t count = b->stack_count - from;
    const struct yaml_node **children = count ? b->stack + from : NULL;

    for (size_t i = 0; i < count; i++) {
        node->values += children[i]->values; /* bounded by count_values() */
        if (children[i]->height >= node->height)
            node->height = children[i]->height + 1;
    }
    b->stack_count = from;
    if (node->kind == YAML_LIST) {
        node->count = count;
        node->items = tree_alloc(b->tree, count * sizeof(*node->items));
        if (count)
            memcpy(node->items, children, count * sizeof(*node->items));
        return 0;
    }
    node->count = count / 2;
    node->pairs = tree_alloc(b->tree, node->count * sizeof(*node->pairs));
    for (size_t i = 0; i < node->count; i++) {
        node->pairs[i].key = children[2 * i];
        node->pairs[i].value = children[2 * i + 1];
        if (node->pairs[i].key->kind != YAML_SCALAR) {
            diagnostics_add(b->diagnostics, node->pairs[i].key->at,
                            "a key must be a plain word, not %s",
                            yaml_kind_name(node->pairs[i].key));
            return -EINVAL;
        }
    }
    find_doubles(node);
    return 0;
}

static int build_value(struct builder *b, const yaml_event_t *event, unsigned depth);

/**
 * build_collection() - Put a list or map on the stack, with all that is in it
 * @b:		Builder
 * @start:	The event that opens it
 * @depth:	Levels above it
 *
 * Return: 0 or -EINVAL
 */
static int build_collection(struct builder *b, const yaml_event_t *start, unsigned depth)
{
    bool list = start->type == YAML_SEQUENCE_START_EVENT;
    struct yaml_node *node = node_new(b, list ? YAML_LIST : YAML_MAP, place(start->start_mark));
    yaml_event_type_t end = list ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    size_t from = b->stack_count;
    int r = check_tag(b, list ? start->data.sequence_start.tag : start->data.mapping_start.tag,
                      node->at);

    if (r == 0)
        r = count_values(b, 1, node->at);
    if (r == 0 && depth + 1 >= DEPTH_MAX) {
        diagnostics_add(b->diagnostics, node->at, "nested more than %d levels deep", DEPTH_MAX);
        r = -EINVAL;
    }
    while (r == 0) {
        yaml_event_t event;
        yaml_event_type_t type;

        r = next_event(b, &event);
        if (r < 0)
            return r;
        type = event.type;
        if (type != end)
            r = build_value(b, &event, depth + 1);
        yaml_event_delete(&event);
        if (type == end)
            break;
    }
    if (r == 0)
        r = close_collection(b, node, from);
    if (r < 0)
        return r;
    push(b, node);
    return anchor_add(
        b,
        (const char *)(list ? start->data.sequence_start.anchor : start->data.mapping_start.anchor),
        node);
}

/**
 * build_value() - Put the value that an event begins on the stack
 * @b:		Builder
 * @event:	Event
 * @depth:	Levels above it
 *
 * Return: 0 or -EINVAL
 */
static int build_value(struct builder *b, const yaml_event_t *event, unsigned depth)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return build_alias(b, event, depth);
    case YAML_SCALAR_EVENT:
        return build_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return build_collection(b, event, depth);
    default:
        diagnostics_add(b->diagnostics, place(event->start_mark), "not valid YAML");
        return -EINVAL;
    }
}

/**
 * build_document() - Build the one document of a file
 * @b:	Builder
 *
 * Return: 0 with the value on the stack, or -EINVAL
 */
static int build_document(struct builder *b)
{
    bool ended = false;

    while (!ended) {
        yaml_event_t event;
        int r = next_event(b, &event);

        if (r < 0)
            return r;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (b->stack_count) {
                diagnostics_add(b->diagnostics, place(event.start_mark),
                                "a second document begins here; one file holds one");
                r = -EINVAL;
            }
            break;
        case YAML_STREAM_END_EVENT:
            ended = true;
            break;
        default:
            r = build_value(b, &event, 0);
            break;
        }
        yaml_event_delete(&event);
        if (r < 0)
            return r;
    }
    if (b->stack_count)
        return 0;
    diagnostics_add(b->diagnostics, (struct location){1, 1}, "the file is empty");
    return -EINVAL;
}

int yaml_tree_parse(const char *data, size_t size, struct yaml_tree **ret_tree,
                    struct diagnostics *diagnostics)
{
    _cleanup_yaml_tree_ struct yaml_tree *tree = xnew0(struct yaml_tree, 1);
    struct builder b = {.tree = tree, .diagnostics = diagnostics};
    int r;

    /* Editors of other systems begin a file with a byte order mark, which YAML allows. */
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        data += 3;
        size -= 3;
    }
    b.data = data;
    b.size = size;

    if (!yaml_parser_initialize(&b.parser))
        abort();
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)data, size);
    r = build_document(&b);
    if (r == 0) {
        tree->root = b.stack[0];
        *ret_tree = steal_ptr(tree);
    }
    yaml_parser_delete(&b.parser);
    free(b.stack);
    free(b.anchors);
    return r;
}
