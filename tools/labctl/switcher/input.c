// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Keys go to the guest as they come, but for the prefix key and what follows it. Where the switcher
 * itself reads (prompt, copy mode, cables, help), cursor keys are told from ESC by what comes with
 * them.
 *
 * A terminal marks what is pasted (bracketed paste). It gathers until it is complete and is then
 * typed as the guest takes it; a prefix key in it is none, and a guest never sees the marks. What
 * could be the beginning of a mark or of a cursor key waits for its rest, HOLD_MS at most; ESC
 * alone does not wait. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "labctl/switcher/switcher_priv.h"

#define ESCAPE    '\033'
#define WORD_MAX  200
#define HOLD_MS   50
#define PASTE_MAX (16u << 20)

static const char paste_begin[] = "\033[200~", paste_end[] = "\033[201~";

/* What an escape sequence of a key stands for where the switcher reads. */
static const struct {
    const char *sequence;
    char key;
} sequences[] = {{"\033[A", 'k'},  {"\033[B", 'j'},  {"\033OA", 'k'},  {"\033OB", 'j'},
                 {"\033[5~", 'b'}, {"\033[6~", 'f'}, {"\033[H", '0'},  {"\033[F", '$'},
                 {"\033OH", '0'},  {"\033OF", '$'},  {"\033[1~", '0'}, {"\033[4~", '$'},
                 {"\033[C", 'l'},  {"\033[D", 'h'},  {"\033OC", 'l'},  {"\033OD", 'h'}};

void switcher_mode_set(struct switcher *switcher, enum switcher_mode mode)
{
    switcher->mode = mode;
    switcher->dirty = true;
}

void switcher_ask(struct switcher *switcher, const struct switcher_prompt *prompt)
{
    strbuf_done(&switcher->word);
    switcher->prompt = prompt;
    switcher_mode_set(switcher, MODE_PROMPT);
}

/**
 * type_to() - Keys for a node
 * @switcher:	Switcher
 * @node:	Node
 * @keys:	Bytes
 * @size:	How many
 */
static void type_to(struct switcher *switcher, struct switcher_node *node, const char *keys,
                    size_t size)
{
    node->held = false;
    if (node->paste.under_way) {
        if (memchr(keys, 'c' & 0x1f, size)) {
            paste_stop(node);
            switcher_say(switcher, "%s: the paste ends here", node->name);
        } else {
            switcher_say(switcher, "%s: wait, or end the paste with Ctrl-C", node->name);
        }
    } else if (!node_keys(node, keys, size)) {
        switcher_say(switcher, "%s: takes nothing now; what you typed is lost", node->name);
    }
}

void switcher_type(struct switcher *switcher, const char *keys, size_t size)
{
    for (size_t i = 0; i < switcher->node_count; i++) {
        if (node_typed_to(switcher, &switcher->nodes[i]))
            type_to(switcher, &switcher->nodes[i], keys, size);
    }
}

void switcher_paste(struct switcher *switcher, const char *text, size_t size)
{
    for (size_t i = 0; i < switcher->node_count && size > 0; i++) {
        if (node_typed_to(switcher, &switcher->nodes[i])) {
            switcher->nodes[i].held = false;
            paste_start(&switcher->nodes[i], text, size);
        }
    }
}

/**
 * prompt_key() - A key at the prompt
 * @switcher:	Switcher
 * @key:	Key
 */
static void prompt_key(struct switcher *switcher, char key)
{
    const struct switcher_prompt *prompt = switcher->prompt;
    struct strbuf *word = &switcher->word;
    _cleanup_free_ char *text = NULL;

    switcher->dirty = true;
    if (key == '\r' || key == '\n') {
        text = strbuf_steal(word);
        switcher_mode_set(switcher, prompt->then);
        prompt->done(switcher, text);
        return;
    }
    if (key == '\b' || key == 0x7f) {
        /* A character of UTF-8 goes as a whole. */
        while (word->size > 0 && ((uint8_t)word->data[--word->size] & 0xc0) == 0x80)
            ;
        if (word->data)
            word->data[word->size] = '\0';
    } else if (key == ('u' & 0x1f)) {
        strbuf_done(word);
    } else if ((uint8_t)key < ' ') {
        switcher_mode_set(switcher, prompt->then);
        return;
    } else if (word->size < WORD_MAX) {
        strbuf_append(word, &key, 1);
    }
    if (prompt->changed)
        prompt->changed(switcher, word->data ? word->data : "");
}

/**
 * own_key() - A key that the switcher reads itself
 * @switcher:	Switcher
 * @key:	Key
 */
static void own_key(struct switcher *switcher, char key)
{
    switch (switcher->mode) {
    case MODE_PREFIX:
        command_run(switcher, key);
        break;
    case MODE_PROMPT:
        prompt_key(switcher, key);
        break;
    case MODE_COPY:
        copy_key(switcher, key);
        break;
    case MODE_CABLES:
        cables_key(switcher, key);
        break;
    default:
        switcher_mode_set(switcher, MODE_TYPE); /* any key ends the help */
    }
}

/**
 * own_sequence() - A cursor key that the switcher reads itself
 * @switcher:	Switcher
 * @keys:	What came
 * @size:	How much
 *
 * Return: bytes that it takes up, 0 if there is none
 */
static size_t own_sequence(struct switcher *switcher, const char *keys, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
        size_t length = strlen(sequences[i].sequence);

        if (size < length || memcmp(keys, sequences[i].sequence, length) != 0)
            continue;
        if (switcher->mode == MODE_PREFIX)
            command_run(switcher, sequences[i].key == 'k'   ? 'p'
                                  : sequences[i].key == 'j' ? 'n'
                                                            : 0);
        else if (switcher->mode != MODE_PROMPT)
            own_key(switcher, sequences[i].key);
        return length;
    }
    return 0;
}

/**
 * begins() - Could this be the beginning of a sequence that is not complete?
 * @keys:	Bytes
 * @size:	How many
 *
 * Return: true if so
 */
static bool begins(const char *keys, size_t size)
{
    if (size < 2)
        return false;
    if (size < sizeof(paste_begin) - 1 && memcmp(keys, paste_begin, size) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
        if (size < strlen(sequences[i].sequence) && memcmp(keys, sequences[i].sequence, size) == 0)
            return true;
    }
    return false;
}

/**
 * take_paste() - What the terminal marks as pasted
 * @switcher:	Switcher
 * @keys:	Bytes
 * @size:	How many
 * @over:	Nothing more comes soon
 *
 * Return: bytes that were taken
 */
static size_t take_paste(struct switcher *switcher, const char *keys, size_t size, bool over)
{
    const char *end = memmem(keys, size, paste_end, sizeof(paste_end) - 1);
    size_t part = end ? (size_t)(end - keys) : size;
    _cleanup_free_ char *text = NULL;
    struct strbuf *pasted = &switcher->pasted;

    /* The mark may come in two pieces. */
    for (size_t i = 1; !end && !over && i < sizeof(paste_end) - 1 && i <= size; i++) {
        if (memcmp(keys + size - i, paste_end, i) == 0)
            part = size - i;
    }
    if (pasted->size + part <= PASTE_MAX)
        strbuf_append(pasted, keys, part);
    else
        switcher_say(switcher, "only the first %u MiB are pasted", PASTE_MAX >> 20);
    if (!end)
        return part;
    switcher->pasting = false;
    size = pasted->size;
    text = strbuf_steal(pasted);
    if (switcher->mode == MODE_PROMPT) {
        for (const char *c = text; *c && *c != '\r' && *c != '\n'; c++)
            prompt_key(switcher, *c);
    } else {
        switcher_paste(switcher, text, size);
    }
    return part + sizeof(paste_end) - 1;
}

/**
 * take_some() - Take the first of the keys
 * @switcher:	Switcher
 * @keys:	Bytes
 * @size:	How many, at least one
 * @over:	Nothing more comes soon
 *
 * Return: bytes that were taken, 0: the rest is to be waited for
 */
static size_t take_some(struct switcher *switcher, const char *keys, size_t size, bool over)
{
    size_t used = 1;

    if (switcher->pasting)
        return take_paste(switcher, keys, size, over);
    if (*keys == ESCAPE) {
        if (size >= sizeof(paste_begin) - 1 &&
            memcmp(keys, paste_begin, sizeof(paste_begin) - 1) == 0) {
            switcher->pasting = true;
            return sizeof(paste_begin) - 1;
        }
        if (!over && begins(keys, size))
            return 0;
    }
    if (switcher->mode != MODE_TYPE) {
        used = *keys == ESCAPE ? own_sequence(switcher, keys, size) : 0;
        if (used == 0)
            own_key(switcher, *keys);
        return used ? used : 1;
    }
    if (*keys == switcher->options->prefix) {
        switcher_mode_set(switcher, MODE_PREFIX);
        return 1;
    }
    while (used < size && keys[used] != switcher->options->prefix && keys[used] != ESCAPE)
        used++;
    switcher_type(switcher, keys, used);
    return used;
}

/**
 * take_keys() - Take the keys that are there
 * @switcher:	Switcher
 * @over:	Nothing more comes soon
 */
static void take_keys(struct switcher *switcher, bool over)
{
    size_t size = switcher->typed.size, done = 0, used = 1;
    _cleanup_free_ char *keys = strbuf_steal(&switcher->typed);

    while (done < size && used > 0 && !switcher->leave) {
        used = take_some(switcher, keys + done, size - done, over);
        done += used;
    }
    switcher->typed_ms = 0;
    if (done < size && !switcher->leave) {
        strbuf_append(&switcher->typed, keys + done, size - done);
        switcher->typed_ms = switcher_now_ms() + HOLD_MS;
    }
}

void switcher_keys(struct switcher *switcher, const char *keys, size_t size)
{
    strbuf_append(&switcher->typed, keys, size);
    take_keys(switcher, false);
}

void switcher_keys_over(struct switcher *switcher)
{
    take_keys(switcher, true);
}
