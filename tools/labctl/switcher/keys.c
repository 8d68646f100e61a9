// SPDX-License-Identifier: GPL-2.0-or-later

/* Keys go to the guest as they come, byte by byte, but for the prefix key and what follows it.
 * Where the switcher itself reads (jump, scroll, search, help), arrows and page keys are told from
 * ESC by what comes with it in one read. */

#include <string.h>

#include "base/alloc.h"
#include "labctl/switcher/switcher_priv.h"

#define KEY_ESCAPE '\033'
#define WORD_MAX   64

/* What an escape sequence of a key stands for where the switcher reads. */
static const struct {
    const char *sequence;
    char key;
} sequences[] = {{"\033[A", 'k'},  {"\033[B", 'j'},  {"\033OA", 'k'}, {"\033OB", 'j'},
                 {"\033[5~", 'b'}, {"\033[6~", 'f'}, {"\033[H", 'g'}, {"\033[F", 'G'},
                 {"\033OH", 'g'},  {"\033OF", 'G'},  {"\033[C", 0},   {"\033[D", 0}};

/**
 * show_node() - The node of the focused pane
 * @switcher:	Switcher
 * @index:	Which
 */
static void show_node(struct switcher *switcher, size_t index)
{
    switcher_focused(switcher)->scroll = 0;
    switcher->panes[switcher->focus].node = index;
    free(steal_ptr(switcher->message));
    switcher_layout(switcher);
}

/**
 * set_panes() - Split, or no more
 * @switcher:	Switcher
 * @count:	How many panes
 */
static void set_panes(struct switcher *switcher, size_t count)
{
    size_t node = switcher->panes[switcher->focus].node;

    if (count > 1 && (switcher->rows < 2 * ROWS_LEAST || switcher->columns < 2 * COLUMNS_LEAST)) {
        switcher_say(switcher, "the terminal is too small to be split");
        return;
    }
    for (size_t i = 0; i < count; i++)
        switcher->panes[i].node = (node + i) % switcher->node_count;
    switcher->pane_count = count;
    switcher->focus = 0;
    switcher->zoomed = false;
    switcher_layout(switcher);
}

/**
 * act_on_node() - Ask for something to be done with the focused node
 * @switcher:	Switcher
 * @method:	What
 */
static void act_on_node(struct switcher *switcher, const char *method)
{
    switcher_act(switcher, method, json_pack("{s:[s]}", "nodes", switcher_focused(switcher)->name));
}

/**
 * set_mode() - Read keys for something else
 * @switcher:	Switcher
 * @mode:	What
 */
static void set_mode(struct switcher *switcher, enum switcher_mode mode)
{
    switcher->mode = mode;
    strbuf_done(&switcher->word);
    switcher->dirty = true;
}

/**
 * scroll_to() - Scroll the focused node
 * @switcher:	Switcher
 * @lines:	How far up
 */
static void scroll_to(struct switcher *switcher, int lines)
{
    struct switcher_node *node = switcher_focused(switcher);
    int most = view_history(node->view);

    node->scroll = lines < 0 ? 0 : lines > most ? most : lines;
    switcher->dirty = true;
}

/**
 * search() - Scroll up to the next line that has the word
 * @switcher:	Switcher
 * @word:	Word
 */
static void search(struct switcher *switcher, const char *word)
{
    struct switcher_node *node = switcher_focused(switcher);
    int most = view_history(node->view);

    for (int up = node->scroll + 1; *word && up <= most; up++) {
        _cleanup_free_ char *text = view_row_text(node->view, -up);

        if (strcasestr(text, word)) {
            scroll_to(switcher, up);
            return;
        }
    }
    switcher_say(switcher, "'%s' is nowhere above", word);
    if (node->scroll == 0)
        set_mode(switcher, MODE_TYPE);
}

/**
 * type() - Keys for the guest, or for all that are shown
 * @switcher:	Switcher
 * @keys:	Bytes
 * @size:	How many
 */
static void type(struct switcher *switcher, const char *keys, size_t size)
{
    switcher_focused(switcher)->scroll = 0;
    if (!switcher->sync) {
        node_type(switcher_focused(switcher), keys, size);
        return;
    }
    for (size_t i = 0; i < switcher->node_count; i++) {
        if (node_shown(switcher, &switcher->nodes[i]))
            node_type(&switcher->nodes[i], keys, size);
    }
}

/**
 * command() - The key after the prefix
 * @switcher:	Switcher
 * @key:	Key
 */
static void command(struct switcher *switcher, char key)
{
    size_t count = switcher->node_count, node = switcher->panes[switcher->focus].node;
    _cleanup_free_ char *line = NULL;

    set_mode(switcher, MODE_TYPE);
    free(steal_ptr(switcher->message));
    if (key == switcher->options->prefix) {
        type(switcher, &key, 1);
        return;
    }
    switch (key) {
    case 'n':
        show_node(switcher, (node + 1) % count);
        break;
    case 'p':
        show_node(switcher, (node + count - 1) % count);
        break;
    case 'j':
        set_mode(switcher, MODE_JUMP);
        break;
    case '1':
    case '2':
    case '4':
        set_panes(switcher, (size_t)(key - '0'));
        break;
    case 'o':
        switcher->focus = (switcher->focus + 1) % switcher->pane_count;
        switcher_layout(switcher);
        break;
    case 'z':
        switcher->zoomed = !switcher->zoomed;
        switcher_layout(switcher);
        break;
    case 's':
        switcher->sync = !switcher->sync;
        switcher_say(switcher,
                     switcher->sync ? "typing goes to all panes" : "typing goes to one pane");
        break;
    case '[':
        set_mode(switcher, MODE_SCROLL);
        break;
    case '/':
        set_mode(switcher, MODE_SEARCH);
        break;
    case 'b':
        node_break(switcher_focused(switcher));
        switcher_say(switcher, "break sent");
        break;
    case 'S':
        act_on_node(switcher, "node.start");
        break;
    case 'K':
        act_on_node(switcher, "node.stop");
        break;
    case 'R':
        act_on_node(switcher, "node.restart");
        break;
    case 'T':
        line = xasprintf("stty rows %d cols %d\r", view_rows(switcher_focused(switcher)->view),
                         view_columns(switcher_focused(switcher)->view));
        node_type(switcher_focused(switcher), line, strlen(line));
        break;
    case '?':
        set_mode(switcher, MODE_HELP);
        break;
    case 'q':
    case 'd':
        switcher->leave = true;
        break;
    default:
        break;
    }
}

/**
 * edit_word() - A key while a word is typed
 * @switcher:	Switcher
 * @key:	Key
 *
 * Return: true if it was one of the word's
 */
static bool edit_word(struct switcher *switcher, char key)
{
    struct strbuf *word = &switcher->word;

    switcher->dirty = true;
    if (key == '\b' || key == 0x7f) {
        /* A character of UTF-8 goes as a whole. */
        while (word->size > 0 && ((uint8_t)word->data[--word->size] & 0xc0) == 0x80)
            ;
        if (word->data)
            word->data[word->size] = '\0';
        return true;
    }
    if ((uint8_t)key < ' ' || word->size >= WORD_MAX)
        return false;
    strbuf_append(word, &key, 1);
    return true;
}

/**
 * jump() - Show the first node whose name begins so, else one that has it within
 * @switcher:	Switcher
 */
static void jump(struct switcher *switcher)
{
    const char *word = switcher->word.data ? switcher->word.data : "";

    for (int within = 0; *word && within < 2; within++) {
        for (size_t i = 0; i < switcher->node_count; i++) {
            const char *found = strcasestr(switcher->nodes[i].name, word);

            if (found && (within || found == switcher->nodes[i].name)) {
                show_node(switcher, i);
                return;
            }
        }
    }
}

/**
 * scroll_key() - A key while scrolling
 * @switcher:	Switcher
 * @key:	Key
 */
static void scroll_key(struct switcher *switcher, char key)
{
    int up = switcher_focused(switcher)->scroll, page = switcher->panes[switcher->focus].rows - 1;

    switch (key) {
    case 'k':
        scroll_to(switcher, up + 1);
        break;
    case 'j':
        scroll_to(switcher, up - 1);
        break;
    case 'b':
        scroll_to(switcher, up + page);
        break;
    case 'f':
        scroll_to(switcher, up - page);
        break;
    case 'g':
        scroll_to(switcher, VIEW_HISTORY_MAX);
        break;
    case 'G':
        scroll_to(switcher, 0);
        break;
    case '/':
        set_mode(switcher, MODE_SEARCH);
        break;
    case 'q':
    case '\r':
    case KEY_ESCAPE:
        scroll_to(switcher, 0);
        set_mode(switcher, MODE_TYPE);
        break;
    default:
        break;
    }
}

/**
 * own_key() - A key that the switcher reads itself
 * @switcher:	Switcher
 * @key:	Key
 */
static void own_key(struct switcher *switcher, char key)
{
    _cleanup_free_ char *word = NULL;

    switch (switcher->mode) {
    case MODE_PREFIX:
        command(switcher, key);
        break;
    case MODE_JUMP:
        if (edit_word(switcher, key))
            jump(switcher);
        else
            set_mode(switcher, MODE_TYPE);
        break;
    case MODE_SEARCH:
        if (edit_word(switcher, key))
            break;
        word = strbuf_steal(&switcher->word);
        set_mode(switcher, key == '\r' ? MODE_SCROLL : MODE_TYPE);
        if (key == '\r')
            search(switcher, word);
        break;
    case MODE_SCROLL:
        scroll_key(switcher, key);
        break;
    default:
        set_mode(switcher, MODE_TYPE); /* any key ends the help */
    }
}

/**
 * own_sequence() - An escape sequence that the switcher reads itself
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
        if (switcher->mode == MODE_SCROLL && sequences[i].key)
            scroll_key(switcher, sequences[i].key);
        else if (switcher->mode == MODE_PREFIX)
            set_mode(switcher, MODE_TYPE);
        return length;
    }
    return 0;
}

void switcher_keys(struct switcher *switcher, const char *keys, size_t size)
{
    size_t from = 0;

    while (from < size && !switcher->leave) {
        const char *prefix = memchr(keys + from, switcher->options->prefix, size - from);
        size_t end = prefix ? (size_t)(prefix - keys) : size, used;

        if (switcher->mode != MODE_TYPE) {
            used = own_sequence(switcher, keys + from, size - from);
            if (used == 0)
                own_key(switcher, keys[from]);
            from += used ? used : 1;
        } else if (end > from) {
            type(switcher, keys + from, end - from);
            from = end;
        } else {
            set_mode(switcher, MODE_PREFIX);
            from++;
        }
    }
}
