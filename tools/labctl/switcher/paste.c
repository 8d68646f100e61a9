// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * A serial line has no flow control that a router's command line would use: who pastes faster than
 * it reads loses lines. So a paste waits for the guest, piece by piece:
 *
 *   within a line    at most PIECE_MAX bytes, then their echo (as many bytes as were typed, at
 *                    least)
 *   after a line     its echo, then the prompt: the cursor stands behind the character that ended
 *                    the prompt when the paste began ('#', '>', '$', …), and nothing has come for
 *                    SETTLE_MS. Prompts change, as from # to > in a here-document: what looks like
 *                    one, stands still for CHANGE_MS and is not empty becomes the prompt.
 *   no prompt        (`cat >file`, an editor): the echo, then QUIET_MS of silence
 *   no echo at all   after SILENT_MS it goes on; once that has happened SILENT_TIMES in a row, a
 *                    piece goes every BLIND_MS
 *
 * A guest that works on a line for long is waited for: WORK_MS without a prompt that was there, and
 * only then is it taken to have none. Whoever has had enough presses Ctrl-C. */

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "labctl/switcher/switcher_priv.h"

#define PIECE_MAX    64
#define SETTLE_MS    10
#define QUIET_MS     40
#define CHANGE_MS    400
#define SILENT_MS    1000
#define SILENT_TIMES 3
#define BLIND_MS     50
#define WORK_MS      15000

/**
 * prompt_at() - What the text before the guest's cursor ends with
 * @node:	Node
 *
 * Return: the last character but blanks, 0 if the line is empty; 'a' for letters and digits and
 * what is not ASCII: they end no prompt
 */
static char prompt_at(const struct switcher_node *node)
{
    struct view_cell cell;
    int row, column;

    (void)view_cursor(node->view, &row, &column);
    while (--column >= 0) {
        view_cell(node->view, row, column, &cell);
        if (cell.text[0] <= ' ')
            continue;
        return cell.text[0] < 0x7f && ispunct((int)cell.text[0]) ? (char)cell.text[0] : 'a';
    }
    return 0;
}

void paste_start(struct switcher_node *node, const char *text, size_t size)
{
    struct paste *paste = &node->paste;
    bool more = paste->under_way;
    char prompt = prompt_at(node);

    for (size_t i = 0; i < size; i++) {
        char byte = text[i] == '\n' ? '\r' : text[i];

        if (text[i] == '\n' && i > 0 && text[i - 1] == '\r')
            continue;
        paste->lines += byte == '\r';
        strbuf_append(&paste->text, &byte, 1);
    }
    if (more)
        return; /* behind what is under way */
    paste->under_way = true;
    paste->piece = paste->heard = 0;
    paste->line_over = false;
    paste->silent = 0;
    paste->prompt = prompt == 'a' ? 0 : prompt;
}

void paste_stop(struct switcher_node *node)
{
    strbuf_done(&node->paste.text);
    node->paste = (struct paste){0};
}

void paste_heard(struct switcher_node *node, size_t size)
{
    node->paste.heard += size;
    node->paste.heard_ms = switcher_now_ms();
}

/**
 * wait_left() - How long the guest is to be waited for yet
 * @node:	Node
 * @now:	Time
 *
 * Return: milliseconds, 0 or less if it is ready for more
 */
static int64_t wait_left(struct switcher_node *node, int64_t now)
{
    struct paste *paste = &node->paste;
    int64_t since = paste->heard > 0 ? paste->heard_ms : paste->sent_ms;
    char prompt;

    if (paste->piece == 0)
        return 0;
    if (paste->silent >= SILENT_TIMES && paste->heard == 0)
        return paste->sent_ms + BLIND_MS - now;
    if (paste->heard < paste->piece) {
        if (since + SILENT_MS <= now)
            paste->silent++;
        return since + SILENT_MS - now;
    }
    paste->silent = 0;
    if (!paste->line_over)
        return 0;
    if (!paste->prompt)
        return since + QUIET_MS - now;
    prompt = prompt_at(node);
    if (prompt == paste->prompt)
        return since + SETTLE_MS - now;
    if (prompt && prompt != 'a' && since + CHANGE_MS <= now)
        paste->prompt = prompt;
    else if (since + WORK_MS <= now)
        paste->prompt = 0;
    else
        return prompt && prompt != 'a' ? since + CHANGE_MS - now : since + WORK_MS - now;
    return 0;
}

/**
 * send_piece() - Type the next piece
 * @node:	Node
 */
static void send_piece(struct switcher_node *node)
{
    struct paste *paste = &node->paste;
    const char *at = paste->text.data + paste->done;
    size_t size = paste->text.size - paste->done;
    const char *end;

    if (size > PIECE_MAX)
        size = PIECE_MAX;
    end = memchr(at, '\r', size);
    if (end)
        size = (size_t)(end - at) + 1;
    else if (size == PIECE_MAX)
        while (size > 1 && ((uint8_t)at[size] & 0xc0) == 0x80)
            size--; /* a character of UTF-8 as a whole */
    if (!node_type(node, at, size))
        return; /* again later */
    paste->piece = size;
    paste->line_over = end != NULL;
    paste->lines_done += end != NULL;
    paste->done += size;
    paste->heard = 0;
    paste->sent_ms = switcher_now_ms();
}

int paste_turn(struct switcher *switcher, struct switcher_node *node)
{
    struct paste *paste = &node->paste;
    int64_t left;

    if (!paste->under_way)
        return -1;
    left = node->fd < 0 ? SILENT_MS : wait_left(node, switcher_now_ms());
    if (left > 0)
        return (int)left;
    if (paste->done >= paste->text.size) {
        switcher_say(switcher, "%s: %zu line%s pasted", node->name, paste->lines_done,
                     paste->lines_done == 1 ? "" : "s");
        paste_stop(node);
        return -1;
    }
    send_piece(node);
    switcher->dirty = true;
    return 1;
}
