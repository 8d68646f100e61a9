// SPDX-License-Identifier: GPL-2.0-or-later

/* What the keys after the prefix do. The table at the end is the help as well. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "labctl/switcher/switcher_priv.h"

#define FILE_MAX (16u << 20)

/**
 * show_node() - The node of the focused pane
 * @switcher:	Switcher
 * @index:	Which
 */
static void show_node(struct switcher *switcher, size_t index)
{
    struct pane *pane = &switcher->panes[switcher->focus];

    if (pane->node != index)
        switcher->last = pane->node;
    switcher_focused(switcher)->held = false;
    pane->node = index;
    free(steal_ptr(switcher->message));
    switcher_layout(switcher);
}

/**
 * next_node() - Show the next node
 * @switcher:	Switcher
 */
static void next_node(struct switcher *switcher)
{
    show_node(switcher, (switcher->panes[switcher->focus].node + 1) % switcher->node_count);
}

/**
 * previous_node() - Show the previous node
 * @switcher:	Switcher
 */
static void previous_node(struct switcher *switcher)
{
    size_t count = switcher->node_count;

    show_node(switcher, (switcher->panes[switcher->focus].node + count - 1) % count);
}

/**
 * last_node() - Show the node that was shown before
 * @switcher:	Switcher
 */
static void last_node(struct switcher *switcher)
{
    if (switcher->last < switcher->node_count)
        show_node(switcher, switcher->last);
}

/**
 * jump() - Show the first node whose name begins so, else one that has it within
 * @switcher:	Switcher
 * @word:	Of the name
 */
static void jump(struct switcher *switcher, const char *word)
{
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
 * ask_jump() - Ask for a name to jump to
 * @switcher:	Switcher
 */
static void ask_jump(struct switcher *switcher)
{
    static const struct switcher_prompt prompt = {
        .label = "jump to", .then = MODE_TYPE, .done = jump, .changed = jump};

    switcher_ask(switcher, &prompt);
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
    switcher_focused(switcher)->held = false;
    for (size_t i = 0; i < count; i++)
        switcher->panes[i].node = (node + i) % switcher->node_count;
    switcher->pane_count = count;
    switcher->focus = 0;
    switcher->zoomed = false;
    switcher_layout(switcher);
}

/**
 * one_pane() - Split no more
 * @switcher:	Switcher
 */
static void one_pane(struct switcher *switcher)
{
    set_panes(switcher, 1);
}

/**
 * two_panes() - Split in two
 * @switcher:	Switcher
 */
static void two_panes(struct switcher *switcher)
{
    set_panes(switcher, 2);
}

/**
 * four_panes() - Split in four
 * @switcher:	Switcher
 */
static void four_panes(struct switcher *switcher)
{
    set_panes(switcher, 4);
}

/**
 * other_pane() - Go to the next pane
 * @switcher:	Switcher
 */
static void other_pane(struct switcher *switcher)
{
    switcher_focused(switcher)->held = false;
    switcher->focus = (switcher->focus + 1) % switcher->pane_count;
    switcher_layout(switcher);
}

/**
 * zoom() - One pane on the whole screen, or no more
 * @switcher:	Switcher
 */
static void zoom(struct switcher *switcher)
{
    switcher->zoomed = !switcher->zoomed;
    switcher_layout(switcher);
}

/**
 * toggle_sync() - Type to several nodes, or no more
 * @switcher:	Switcher
 */
static void toggle_sync(struct switcher *switcher)
{
    size_t count = 0;

    switcher->sync = !switcher->sync;
    for (size_t i = 0; i < switcher->node_count; i++)
        count += node_typed_to(switcher, &switcher->nodes[i]);
    if (switcher->sync)
        switcher_say(switcher, "typing goes to %zu nodes: the panes, and those marked =", count);
    else
        switcher_say(switcher, "typing goes to one node");
}

/**
 * toggle_mark() - Mark the node for that, or no more
 * @switcher:	Switcher
 */
static void toggle_mark(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);

    node->marked = !node->marked;
    switcher_say(switcher, node->marked ? "%s is marked" : "%s is not marked", node->name);
}

/**
 * mark_all() - Mark all nodes, or none
 * @switcher:	Switcher
 */
static void mark_all(struct switcher *switcher)
{
    bool all = true;

    for (size_t i = 0; i < switcher->node_count; i++)
        all = all && switcher->nodes[i].marked;
    for (size_t i = 0; i < switcher->node_count; i++)
        switcher->nodes[i].marked = !all;
    switcher_say(switcher, all ? "no node is marked" : "all nodes are marked");
}

/**
 * search_up() - Search upwards
 * @switcher:	Switcher
 * @word:	What for
 */
static void search_up(struct switcher *switcher, const char *word)
{
    free(switcher->copy.word);
    switcher->copy.word = xstrdup(word);
    if (*word)
        copy_search(switcher, word, false);
}

/**
 * search_down() - Search downwards
 * @switcher:	Switcher
 * @word:	What for
 */
static void search_down(struct switcher *switcher, const char *word)
{
    free(switcher->copy.word);
    switcher->copy.word = xstrdup(word);
    if (*word)
        copy_search(switcher, word, true);
}

const struct switcher_prompt prompt_search_up = {
    .label = "search up", .then = MODE_COPY, .done = search_up};
const struct switcher_prompt prompt_search_down = {
    .label = "search down", .then = MODE_COPY, .done = search_down};

/**
 * ask_search() - Copy mode, and ask what to search for
 * @switcher:	Switcher
 */
static void ask_search(struct switcher *switcher)
{
    copy_start(switcher);
    switcher_ask(switcher, &prompt_search_up);
}

/**
 * paste_copied() - Type what was copied in copy mode
 * @switcher:	Switcher
 */
static void paste_copied(struct switcher *switcher)
{
    if (switcher->copied.size > 0)
        switcher_paste(switcher, switcher->copied.data, switcher->copied.size);
    else
        switcher_say(switcher, "nothing has been copied yet");
}

/**
 * expand_home() - "~/x" as a shell reads it
 * @path:	Path
 *
 * Return: new string
 */
static char *expand_home(const char *path)
{
    const char *home = getenv("HOME");

    return home && strncmp(path, "~/", 2) == 0 ? xasprintf("%s%s", home, path + 1) : xstrdup(path);
}

/**
 * paste_file() - Type a file's lines as the guest takes them
 * @switcher:	Switcher
 * @name:	File
 */
static void paste_file(struct switcher *switcher, const char *name)
{
    _cleanup_free_ char *path = expand_home(name), *text = NULL;
    struct error err = ERROR_INIT;
    size_t size = 0;

    if (!*name)
        return;
    if (file_read(path, FILE_MAX, &text, &size, &err) < 0)
        switcher_say(switcher, "%s", err.message);
    else
        switcher_paste(switcher, text, size);
    error_done(&err);
}

/**
 * ask_paste_file() - Ask for a file whose lines are to be typed
 * @switcher:	Switcher
 */
static void ask_paste_file(struct switcher *switcher)
{
    static const struct switcher_prompt prompt = {
        .label = "type what is in file", .then = MODE_TYPE, .done = paste_file};

    switcher_ask(switcher, &prompt);
}

/**
 * log_to() - Write what the focused node says to a file too
 * @switcher:	Switcher
 * @name:	File
 */
static void log_to(struct switcher *switcher, const char *name)
{
    struct switcher_node *node = switcher_focused(switcher);
    _cleanup_free_ char *path = expand_home(name);

    if (!*name)
        return;
    node->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (node->log < 0)
        switcher_say(switcher, "%s: %m", path);
    else
        switcher_say(switcher, "what %s says goes to %s too", node->name, path);
}

/**
 * toggle_log() - Ask for a log file, or end the log
 * @switcher:	Switcher
 */
static void toggle_log(struct switcher *switcher)
{
    static const struct switcher_prompt prompt = {
        .label = "log to file", .then = MODE_TYPE, .done = log_to};
    struct switcher_node *node = switcher_focused(switcher);

    if (node->log < 0) {
        switcher_ask(switcher, &prompt);
        return;
    }
    (void)close(node->log);
    node->log = -1;
    switcher_say(switcher, "%s: the log ends here", node->name);
}

/**
 * send_break() - Send a break
 * @switcher:	Switcher
 */
static void send_break(struct switcher *switcher)
{
    node_break(switcher_focused(switcher));
    switcher_say(switcher, "break sent");
}

/**
 * act_on_node() - Ask for something to be done with the focused node
 * @switcher:	Switcher
 * @method:	What
 */
static void act_on_node(struct switcher *switcher, const char *method)
{
    _cleanup_free_ char *machine = node_machine(switcher_focused(switcher));

    switcher_act(switcher, method, json_pack("{s:[s], s:b}", "nodes", machine, "wait", 0));
}

/**
 * start_node() - Start the node
 * @switcher:	Switcher
 */
static void start_node(struct switcher *switcher)
{
    act_on_node(switcher, "node.start");
}

/**
 * stop_node() - Stop the node
 * @switcher:	Switcher
 */
static void stop_node(struct switcher *switcher)
{
    act_on_node(switcher, "node.stop");
}

/**
 * restart_node() - Restart the node
 * @switcher:	Switcher
 */
static void restart_node(struct switcher *switcher)
{
    act_on_node(switcher, "node.restart");
}

/**
 * tell_size() - Type what tells a unix guest the size of the pane, and make the view so large
 * @switcher:	Switcher
 */
static void tell_size(struct switcher *switcher)
{
    struct switcher_node *node = switcher_focused(switcher);
    _cleanup_free_ char *line = NULL;

    node->told = true;
    switcher_layout(switcher);
    line = xasprintf("stty rows %d cols %d\r", view_rows(node->view), view_columns(node->view));
    (void)node_type(node, line, strlen(line));
}

/**
 * help() - Show the help
 * @switcher:	Switcher
 */
static void help(struct switcher *switcher)
{
    switcher_mode_set(switcher, MODE_HELP);
}

/**
 * leave() - Leave the switcher
 * @switcher:	Switcher
 */
static void leave(struct switcher *switcher)
{
    switcher->leave = true;
}

const struct switcher_command switcher_commands[] = {
    {'n', "n", "next node (down)", next_node},
    {'p', "p", "previous node (up)", previous_node},
    {'l', "l", "the node before", last_node},
    {'j', "j", "jump to a name", ask_jump},
    {'1', "1", "one pane", one_pane},
    {'2', "2", "two panes", two_panes},
    {'4', "4", "four panes", four_panes},
    {'o', "o", "other pane", other_pane},
    {'z', "z", "zoom", zoom},
    {'s', "s", "type to several", toggle_sync},
    {'m', "m", "mark for that", toggle_mark},
    {'M', "M", "mark all, none", mark_all},
    {'[', "[", "copy mode, scroll", copy_start},
    {'/', "/", "search", ask_search},
    {']', "]", "type what was copied", paste_copied},
    {'<', "<", "type a file", ask_paste_file},
    {'L', "L", "log to a file, or end", toggle_log},
    {'b', "b", "send a break", send_break},
    {'c', "c", "cables, captures", cables_open},
    {'S', "S", "start the node", start_node},
    {'K', "K", "stop the node", stop_node},
    {'R', "R", "restart the node", restart_node},
    {'T', "T", "type stty rows, cols", tell_size},
    {'?', "?", "this help", help},
    {'q', "q", "leave (or d)", leave},
};
const size_t switcher_command_count = ARRAY_SIZE(switcher_commands);

void command_run(struct switcher *switcher, char key)
{
    switcher_mode_set(switcher, MODE_TYPE);
    free(steal_ptr(switcher->message));
    if (key == switcher->options->prefix) {
        switcher_type(switcher, &key, 1);
        return;
    }
    if (key == 'd')
        key = 'q';
    if (key == ' ')
        key = 'n';
    for (size_t i = 0; i < switcher_command_count; i++) {
        if (switcher_commands[i].key == key)
            switcher_commands[i].run(switcher);
    }
}
