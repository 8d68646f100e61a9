// SPDX-License-Identifier: GPL-2.0-or-later

/* A node of the switcher: its console's connection and the view that its output goes to. All nodes
 * are joined all the time, which is what the activity marks are made of. A connection that ends
 * (the engine was killed, or cut off a client that was too slow) is made again, with a new view
 * that the replay fills. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "console/frames.h"
#include "labctl/lab.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher_priv.h"

#define REPLAY_BYTES 65536
#define QUEUE_MAX    (1u << 20) /* typed bytes that wait for the engine */
#define READ_PIECE   16384
#define READ_PIECES  4 /* of one node, before the others have their turn */

bool node_typed_to(const struct switcher *switcher, const struct switcher_node *node)
{
    if (!switcher->sync)
        return node == &switcher->nodes[switcher->panes[switcher->focus].node];
    return node->marked || node_shown(switcher, node);
}

char *node_machine(const struct switcher_node *node)
{
    return xstrndup(node->name, strcspn(node->name, ":"));
}

bool node_shown(const struct switcher *switcher, const struct switcher_node *node)
{
    size_t index = (size_t)(node - switcher->nodes);

    for (size_t i = 0; i < switcher->pane_count; i++) {
        if (switcher->panes[i].node == index && (!switcher->zoomed || i == switcher->focus))
            return true;
    }
    return false;
}

/**
 * queue_frame() - A frame for the engine
 * @node:	Node
 * @type:	Type
 * @data:	Payload
 * @size:	Its size
 *
 * Return: false if too much waits already, or there is no connection
 */
static bool queue_frame(struct switcher_node *node, enum console_frame type, const void *data,
                        size_t size)
{
    uint8_t head[CONSOLE_FRAME_HEAD];

    if (node->fd < 0 || node->out.size > QUEUE_MAX)
        return false;
    console_frame_head(head, type, size);
    strbuf_append(&node->out, head, sizeof(head));
    strbuf_append(&node->out, data, size);
    return true;
}

bool node_type(struct switcher_node *node, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        size_t piece = size < CONSOLE_FRAME_MAX ? size : CONSOLE_FRAME_MAX;

        if (!queue_frame(node, CONSOLE_FRAME_DATA, bytes, piece))
            return false;
        bytes += piece;
        size -= piece;
    }
    return true;
}

bool node_keys(struct switcher_node *node, const char *keys, size_t size)
{
    char sequence[16];
    size_t length;

    /* ESC [ A or ESC O A: which of them an arrow is, is the guest's wish, not the terminal's. */
    if (size == 3 && keys[0] == '\033' && (keys[1] == '[' || keys[1] == 'O') &&
        memchr("ABCDHF", keys[2], 6)) {
        view_key(node->view, keys[2]);
        length = view_take_reply(node->view, sequence, sizeof(sequence));
        return node_type(node, sequence, length);
    }
    return node_type(node, keys, size);
}

void node_break(struct switcher_node *node)
{
    (void)queue_frame(node, CONSOLE_FRAME_BREAK, NULL, 0);
}

/**
 * queue_size() - Tell the engine how large the view is
 * @node:	Node
 */
static void queue_size(struct switcher_node *node)
{
    int columns = view_columns(node->view), rows = view_rows(node->view);
    uint8_t payload[] = {(uint8_t)(columns & 0xff), (uint8_t)(columns >> 8), (uint8_t)(rows & 0xff),
                         (uint8_t)(rows >> 8)};

    (void)queue_frame(node, CONSOLE_FRAME_RESIZE, payload, sizeof(payload));
}

void node_fit(struct switcher_node *node, int rows, int columns)
{
    if (!node->told) {
        rows = rows < GUEST_ROWS ? GUEST_ROWS : rows;
        columns = columns < GUEST_COLUMNS ? GUEST_COLUMNS : columns;
    }
    if (view_rows(node->view) == rows && view_columns(node->view) == columns)
        return;
    view_resize(node->view, rows, columns);
    queue_size(node);
}

void node_leave(struct switcher_node *node)
{
    if (node->fd >= 0)
        (void)close(node->fd);
    node->fd = -1;
    node->live = false;
    strbuf_done(&node->in);
    strbuf_done(&node->out);
}

void node_done(struct switcher_node *node)
{
    node_leave(node);
    view_free(node->view);
    paste_stop(node);
    if (node->log >= 0)
        (void)close(node->log);
    free(node->display);
    free(node->name);
    free(node->state);
}

/**
 * take_output() - The guest printed something
 * @switcher:	Switcher
 * @node:	Node
 * @data:	Bytes
 * @size:	How many
 */
static void take_output(struct switcher *switcher, struct switcher_node *node, const void *data,
                        size_t size)
{
    bool shown = node_shown(switcher, node);
    char reply[512];
    size_t answer;

    view_feed(node->view, data, size);
    answer = view_take_reply(node->view, reply, sizeof(reply));
    if (!node->live) {
        (void)view_take_bell(node->view);
        return;
    }
    /* Only a node that is looked at is answered, as it is with a terminal. */
    if (answer > 0 && shown)
        (void)node_type(node, reply, answer);
    if (view_take_bell(node->view)) {
        node->bell = true;
        switcher->dirty = true;
    }
    /* What is not shown costs no drawing, but for its mark. */
    if (shown || !node->active)
        switcher->dirty = true;
    node->active = !shown;
    paste_heard(node, size);
    if (node->log >= 0 && write_all(node->log, data, size) < 0) {
        (void)close(node->log);
        node->log = -1;
        switcher_say(switcher, "%s: the log file cannot be written; it ends here", node->name);
    }
}

/**
 * take_frame() - The engine said something
 * @switcher:	Switcher
 * @node:	Node
 * @frame:	Frame
 */
static void take_frame(struct switcher *switcher, struct switcher_node *node,
                       const struct console_frame_view *frame)
{
    _cleanup_free_ char *text = NULL;

    switch (frame->type) {
    case CONSOLE_FRAME_DATA:
        take_output(switcher, node, frame->payload, frame->size);
        break;
    case CONSOLE_FRAME_REPLAYED:
        node->live = true;
        switcher->dirty = true;
        break;
    case CONSOLE_FRAME_NOTICE:
        text = xstrndup((const char *)frame->payload, frame->size);
        switcher_say(switcher, "%s: %s", node->name, text);
        break;
    case CONSOLE_FRAME_STATE:
        switcher->status_ms = 0; /* now */
        break;
    case CONSOLE_FRAME_WRITER:
        text = xstrndup((const char *)frame->payload, frame->size);
        if (*text && strcmp(text, "you") != 0)
            switcher_say(switcher, "%s: %s has the keyboard", node->name, text);
        break;
    default:
        break; /* of a later version */
    }
}

/**
 * take_bytes() - Bytes came from the engine
 * @switcher:	Switcher
 * @node:	Node
 * @data:	Bytes
 * @size:	How many
 *
 * Return: false if these are no frames
 */
static bool take_bytes(struct switcher *switcher, struct switcher_node *node, const void *data,
                       size_t size)
{
    struct console_frame_view frame;
    size_t done = 0;
    ssize_t used = 0;

    strbuf_append(&node->in, data, size);
    while (node->in.size > done &&
           (used = console_frame_parse(node->in.data + done, node->in.size - done, &frame)) > 0) {
        take_frame(switcher, node, &frame);
        done += (size_t)used;
    }
    if (used < 0)
        return false;
    strbuf_consume(&node->in, done);
    return true;
}

bool node_read(struct switcher *switcher, struct switcher_node *node)
{
    char bytes[READ_PIECE];

    for (int i = 0; i < READ_PIECES; i++) {
        ssize_t size = recv(node->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (size <= 0 || !take_bytes(switcher, node, bytes, (size_t)size))
            return false;
        if ((size_t)size < sizeof(bytes))
            break;
    }
    return true;
}

void node_write(struct switcher_node *node)
{
    ssize_t sent = send(node->fd, node->out.data, node->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);

    /* An error shows when reading. */
    if (sent > 0)
        strbuf_consume(&node->out, (size_t)sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        strbuf_done(&node->out);
}

int node_join(struct switcher *switcher, struct switcher_node *node, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *rest = NULL;
    int rows = view_rows(node->view), columns = view_columns(node->view);
    size_t size = 0;
    json_t *params;
    int r = lab_connect(switcher->options->lab, &client, err);

    if (r < 0)
        return r;
    params =
        json_pack("{s:s, s:s, s:i}", "node", node->name, "mode", "shared", "replay", REPLAY_BYTES);
    (void)json_object_set_new(params, "who", json_string(switcher->options->who));
    r = rpc_invoke(client, "console.attach", params, &result, err);
    if (r < 0)
        return r;
    view_free(node->view);
    node->view = view_new(rows, columns);
    node->held = false;
    node->fd = rpc_client_steal(steal_ptr(client), &rest, &size);
    queue_size(node);
    if (size > 0)
        (void)take_bytes(switcher, node, rest, size);
    switcher->dirty = true;
    return 0;
}

/**
 * node_find() - The node of a name, made if there is none
 * @switcher:	Switcher
 * @name:	Name
 *
 * Return: node
 */
static struct switcher_node *node_find(struct switcher *switcher, const char *name)
{
    struct switcher_node *node;

    for (size_t i = 0; i < switcher->node_count; i++) {
        if (strcmp(switcher->nodes[i].name, name) == 0)
            return &switcher->nodes[i];
    }
    switcher->nodes = xrealloc(switcher->nodes, switcher->node_count + 1, sizeof(*node));
    node = &switcher->nodes[switcher->node_count++];
    *node =
        (struct switcher_node){.name = xstrdup(name), .state = xstrdup(""), .fd = -1, .log = -1};
    node->view = view_new(GUEST_ROWS, GUEST_COLUMNS);
    return node;
}

/**
 * count_links() - How many cables a node has, and how many of them are up
 * @node:	Node
 * @links:	Of the status document
 */
static void count_links(struct switcher_node *node, json_t *links)
{
    size_t length = strcspn(node->name, ":"), i, j;
    json_t *link, *end;

    node->links = node->links_up = 0;
    json_array_foreach (links, i, link) {
        json_array_foreach (json_object_get(link, "ends"), j, end) {
            const char *text = json_is_string(end) ? json_string_value(end) : "";

            if (strncmp(text, node->name, length) != 0 || text[length] != ':')
                continue;
            node->links++;
            node->links_up += strcmp(json_text(link, "state"), "up") == 0;
        }
    }
}

/**
 * take_node() - Take over what the status document says of a console
 * @switcher:	Switcher
 * @name:	Of the console
 * @item:	Its node
 * @links:	Of the document
 */
static void take_node(struct switcher *switcher, const char *name, json_t *item, json_t *links)
{
    struct switcher_node *node = node_find(switcher, name);
    const char *state = json_text(item, "state");
    json_t *display = json_object_get(item, "display");

    if (*node->state && strcmp(node->state, state) != 0 && !strchr(name, ':') &&
        (strcmp(state, "ready") == 0 || strcmp(state, "crashed") == 0))
        switcher_say(switcher, strcmp(state, "ready") == 0 ? "%s is ready" : "%s has crashed",
                     node->name);
    free(node->state);
    node->state = xstrdup(state);
    free(steal_ptr(node->display));
    if (json_is_object(display))
        node->display = xstrdup(*json_text(display, "address") ? json_text(display, "address")
                                                               : json_text(display, "socket"));
    node->gone = false;
    count_links(node, links);
}

void switcher_take_status(struct switcher *switcher, json_t *status)
{
    json_t *item, *links = json_object_get(status, "links");
    size_t i;

    json_decref(switcher->document);
    switcher->document = json_incref(status);
    for (i = 0; i < switcher->node_count; i++)
        switcher->nodes[i].gone = true;
    json_array_foreach (json_object_get(status, "nodes"), i, item) {
        size_t consoles = json_array_size(json_object_get(item, "consoles"));

        take_node(switcher, json_text(item, "name"), item, links);
        for (size_t serial = 1; serial < consoles; serial++) {
            _cleanup_free_ char *name = xasprintf("%s:%zu", json_text(item, "name"), serial);

            take_node(switcher, name, item, links);
        }
    }
    switcher->dirty = true;
}
