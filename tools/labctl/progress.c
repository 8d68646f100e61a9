// SPDX-License-Identifier: GPL-2.0-or-later

/* The engine sends every node's state, time and last console line, at most ten times a second. Here
 * they are kept by name. On a terminal they are a table that is drawn over itself: the cursor goes
 * up by the lines drawn last time, each line is cut to the width and cleared to its end, and the
 * table never has more lines than fit, because a line that has scrolled away cannot be reached
 * again. When there are too many nodes, those that are done are only counted, then those that wait.
 * Elsewhere a line is printed when a node's state changes. */

#include "labctl/progress.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/output.h"

#define REDRAW_LEAST_S 0.05

struct progress_node {
    char *name, *state, *line, *reason;
    double elapsed;    /* seconds, as told */
    double usual;      /* how long it usually takes until it is ready, 0: not known */
    double elapsed_at; /* when that was told */
};

struct progress {
    char *title;
    FILE *file;
    bool live;
    json_t *names; /* borrowed; NULL: all */
    struct progress_node *nodes;
    size_t count, capacity;
    char *text;
    unsigned drawn;                     /* lines on the terminal that are ours */
    unsigned drawn_columns, drawn_rows; /* size of the terminal then */
    double drawn_at;
};

/**
 * now_s() - Monotonic clock
 *
 * Return: seconds
 */
static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct progress *progress_new(const char *title, enum progress_mode mode)
{
    struct progress *progress = xnew0(struct progress, 1);

    progress->title = xstrdup(title);
    progress->file = mode == PROGRESS_STDERR ? stderr : stdout;
    progress->live = mode == PROGRESS_AUTO && output_is_terminal();
    return progress;
}

void progress_limit(struct progress *progress, json_t *names)
{
    progress->names = names;
}

/**
 * is_moving() - Is a node in such a state on its way to another?
 * @state:	State
 *
 * Return: true if so
 */
static bool is_moving(const char *state)
{
    return strcmp(state, "queued") == 0 || strcmp(state, "starting") == 0 ||
           strcmp(state, "booting") == 0 || strcmp(state, "stopping") == 0;
}

/**
 * set_text() - Replace an owned string
 * @text:	Where it is
 * @value:	New value, copied
 *
 * Return: true if it is another one now
 */
static bool set_text(char **text, const char *value)
{
    if (*text && strcmp(*text, value) == 0)
        return false;
    free(*text);
    *text = xstrdup(value);
    return true;
}

/**
 * node_find() - A node by name, made if it is new
 * @progress:	Progress
 * @name:	Name
 *
 * Return: node
 */
static struct progress_node *node_find(struct progress *progress, const char *name)
{
    for (size_t i = 0; i < progress->count; i++)
        if (strcmp(progress->nodes[i].name, name) == 0)
            return &progress->nodes[i];
    array_grow(progress->nodes, progress->count, progress->capacity);
    progress->nodes[progress->count] = (struct progress_node){
        .name = xstrdup(name), .state = xstrdup(""), .line = xstrdup(""), .reason = xstrdup("")};
    return &progress->nodes[progress->count++];
}

/**
 * wanted() - Is this node to be shown?
 * @progress:	Progress
 * @name:	Node
 *
 * Return: true if so
 */
static bool wanted(const struct progress *progress, const char *name)
{
    json_t *item;
    size_t i;

    if (!progress->names)
        return true;
    json_array_foreach (progress->names, i, item)
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    return false;
}

/**
 * print_change() - The plain line of a node whose state has changed
 * @progress:	Progress
 * @node:	Node
 */
static void print_change(const struct progress *progress, const struct progress_node *node)
{
    _cleanup_free_ char *state = text_escape(node->state, strlen(node->state));
    _cleanup_free_ char *name = text_escape(node->name, strlen(node->name));
    _cleanup_free_ char *reason = text_escape(node->reason, strlen(node->reason));

    (void)fprintf(progress->file, "%s: %s", name, state);
    if (strcmp(node->state, "ready") == 0 && node->elapsed > 0)
        (void)fprintf(progress->file, " after %.1f s", node->elapsed);
    (void)fprintf(progress->file, "%s%s\n", *reason ? ": " : "", reason);
    (void)fflush(progress->file);
}

void progress_notification(const char *method, json_t *params, void *data)
{
    struct progress *progress = data;
    json_t *item;
    size_t i;

    if (strcmp(method, "note") == 0)
        progress_say(progress, json_text(params, "text"));
    if (strcmp(method, "progress") != 0)
        return;
    json_array_foreach (json_object_get(params, "nodes"), i, item) {
        struct progress_node *node;
        bool first, changed;

        if (!wanted(progress, json_text(item, "name")))
            continue;
        node = node_find(progress, json_text(item, "name"));
        first = !*node->state;
        changed = set_text(&node->state, json_is_integer(json_object_get(item, "queued"))
                                             ? "queued"
                                             : json_text(item, "state"));
        (void)set_text(&node->line, json_text(item, "line"));
        (void)set_text(&node->reason, json_text(item, "reason"));
        node->elapsed = json_number_value(json_object_get(item, "elapsed_s"));
        node->elapsed_at = now_s();
        node->usual = json_number_value(json_object_get(item, "usual_s"));
        if (changed && !progress->live && !(first && strcmp(node->state, "stopped") == 0))
            print_change(progress, node);
    }
    (void)set_text(&progress->text, json_text(params, "text"));
    if (now_s() - progress->drawn_at >= REDRAW_LEAST_S)
        progress_tick(progress);
}

void progress_status(struct progress *progress, json_t *status, const char *text)
{
    json_t *nodes = json_array(), *item, *params;
    size_t i;

    json_array_foreach (json_object_get(status, "nodes"), i, item) {
        json_t *node = json_copy(item);

        (void)json_object_set(node, "elapsed_s", json_object_get(item, "ready_s"));
        (void)json_array_append_new(nodes, node);
    }
    params = json_pack("{s:o, s:s}", "nodes", nodes, "text", text);
    progress_notification("progress", params, progress);
    json_decref(params);
}

/**
 * put_line() - One line of the table
 * @out:	Filled
 * @progress:	Progress; its count of lines grows
 * @line:	Line, fits the terminal
 */
static void put_line(struct strbuf *out, struct progress *progress, const char *line)
{
    strbuf_printf(out, "\r%s\033[K\n", line);
    progress->drawn++;
}

/**
 * put_node() - A node's line
 * @out:	Filled
 * @progress:	Progress
 * @node:	Node
 * @name_width:	Columns for names
 * @columns:	Of the terminal
 */
static void put_node(struct strbuf *out, struct progress *progress,
                     const struct progress_node *node, size_t name_width, unsigned columns)
{
    double elapsed = node->elapsed + (is_moving(node->state) ? now_s() - node->elapsed_at : 0);
    const char *said = *node->reason ? node->reason : node->line;
    bool boots = strcmp(node->state, "booting") == 0 || strcmp(node->state, "starting") == 0;
    size_t used = name_width + 2 + 9 + 2 + 7 + 2 + 4 + 2;
    _cleanup_free_ char *name = text_fit(node->name, name_width, true);
    _cleanup_free_ char *state = text_fit(node->state, 9, true);
    _cleanup_free_ char *tail = text_fit(said, columns > used + 1 ? columns - used - 1 : 0, false);
    _cleanup_free_ char *time =
        node->elapsed > 0 ? xasprintf("%5.1f s", elapsed) : xstrdup("       ");
    /* Of what it usually takes; never 100, for that is when it is ready. */
    _cleanup_free_ char *share =
        boots && node->usual > 0 && elapsed > 0
            ? xasprintf("%3.0f%%", elapsed < node->usual ? 99 * elapsed / node->usual : 99.0)
            : xstrdup("    ");
    _cleanup_free_ char *line =
        xasprintf("%s  %s%s%s  %s  %s  %s%s%s", name, colour_on(colour_of_state(node->state)),
                  state, colour_off(), time, share, colour_on(COLOUR_DIM), tail, colour_off());

    if (columns > used)
        put_line(out, progress, line);
}

/**
 * rank() - Which nodes are shown first when not all can be
 * @node:	Node
 *
 * Return: 0 for what needs to be seen most
 */
static int rank(const struct progress_node *node)
{
    if (strcmp(node->state, "crashed") == 0)
        return 0;
    if (is_moving(node->state))
        return 1;
    if (strcmp(node->state, "ready") == 0 || strcmp(node->state, "running") == 0)
        return 3;
    return 2;
}

/**
 * put_counts() - "50 nodes: 12 ready, 30 booting, …"
 * @out:	Filled
 * @progress:	Progress
 * @columns:	Of the terminal
 */
static void put_counts(struct strbuf *out, struct progress *progress, unsigned columns)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    _cleanup_free_ char *fitted = NULL;
    const char *separator = ": ";

    strbuf_printf(&line, "%zu nodes", progress->count);
    for (size_t i = 0; i < progress->count; i++) {
        size_t same = 0;
        bool before = false;

        for (size_t j = 0; j < progress->count; j++) {
            bool equal = strcmp(progress->nodes[j].state, progress->nodes[i].state) == 0;

            same += equal;
            before |= equal && j < i;
        }
        if (before)
            continue;
        strbuf_printf(&line, "%s%zu %s", separator, same, progress->nodes[i].state);
        separator = ", ";
    }
    fitted = text_fit(line.data, columns - 1, false);
    put_line(out, progress, fitted);
}

void progress_tick(struct progress *progress)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *head = NULL, *head_fitted = NULL;
    unsigned columns, rows, lines;
    size_t name_width = 4;

    if (!progress->live || progress->count == 0)
        return;
    output_size(&columns, &rows);
    if (columns < 20)
        return;
    for (size_t i = 0; i < progress->count; i++)
        if (text_columns(progress->nodes[i].name) > name_width)
            name_width = text_columns(progress->nodes[i].name);
    if (name_width > columns / 3)
        name_width = columns / 3;
    /* On a resized terminal lines may have been wrapped: leave that picture and draw a new one. */
    if (progress->drawn > 0 && progress->drawn_columns == columns && progress->drawn_rows == rows)
        strbuf_printf(&out, "\033[%uA", progress->drawn);
    progress->drawn_columns = columns;
    progress->drawn_rows = rows;
    progress->drawn = 0;
    head = xasprintf("%s: %s", progress->title, progress->text ? progress->text : "");
    head_fitted = text_fit(head, columns - 1, false);
    put_line(&out, progress, head_fitted);
    lines = rows > 4 ? rows - 2 : 2; /* the cursor's own line, and one to spare */
    if (progress->count + 1 <= lines) {
        for (size_t i = 0; i < progress->count; i++)
            put_node(&out, progress, &progress->nodes[i], name_width, columns);
    } else {
        put_counts(&out, progress, columns);
        for (int order = 0; order < 4; order++)
            for (size_t i = 0; i < progress->count && progress->drawn < lines; i++)
                if (rank(&progress->nodes[i]) == order)
                    put_node(&out, progress, &progress->nodes[i], name_width, columns);
    }
    strbuf_puts(&out, "\033[J");
    (void)fwrite(out.data, 1, out.size, progress->file);
    (void)fflush(progress->file);
    progress->drawn_at = now_s();
}

void progress_say(struct progress *progress, const char *text)
{
    _cleanup_free_ char *escaped = text_escape(text, strlen(text));

    progress_tick(progress);
    (void)fprintf(progress->file, "%s\n", escaped);
    (void)fflush(progress->file);
    progress->drawn = 0; /* the picture above stays */
}

void progress_erase(struct progress *progress)
{
    unsigned columns, rows;

    output_size(&columns, &rows);
    if (progress->drawn > 0 && progress->drawn_columns == columns && progress->drawn_rows == rows)
        (void)fprintf(progress->file, "\033[%uA\033[J", progress->drawn);
    progress->drawn = 0;
    progress->live = false; /* nothing is drawn again at the end */
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    progress_tick(progress);
    for (size_t i = 0; i < progress->count; i++) {
        free(progress->nodes[i].name);
        free(progress->nodes[i].state);
        free(progress->nodes[i].line);
        free(progress->nodes[i].reason);
    }
    free(progress->nodes);
    free(progress->title);
    free(progress->text);
    free(progress);
}
