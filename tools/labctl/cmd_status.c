// SPDX-License-Identifier: GPL-2.0-or-later

/* topology status, topology list and topology apply. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/tables.h"

#define STATUS_PATIENCE_MS 2000

/**
 * print_telnet() - Where telnet clients find consoles
 * @nodes:	Nodes of a status document
 */
static void print_telnet(json_t *nodes)
{
    json_t *node, *console;
    size_t i, j;

    json_array_foreach (nodes, i, node) {
        json_array_foreach (json_object_get(node, "consoles"), j, console) {
            json_int_t port = json_integer_value(json_object_get(console, "telnet"));
            json_int_t serial = json_integer_value(json_object_get(console, "serial"));

            if (port <= 0)
                continue;
            (void)printf("%s", json_text(node, "name"));
            if (serial > 0)
                (void)printf(":%" JSON_INTEGER_FORMAT, serial);
            (void)printf(": telnet 127.0.0.1 %" JSON_INTEGER_FORMAT "\n", port);
        }
    }
}

/**
 * print_displays() - Where viewers find the screens of graphical guests
 * @nodes:	Nodes of a status document
 */
static void print_displays(json_t *nodes)
{
    json_t *node;
    size_t i;

    json_array_foreach (nodes, i, node) {
        json_t *display = json_object_get(node, "display");
        const char *address = json_text(display, "address"), *name = json_text(node, "name");

        if (*address)
            (void)printf("%s: vnc %s, password %s\n", name, address,
                         json_text(display, "password"));
        else if (*json_text(display, "socket"))
            (void)printf("%s: vnc %s\n", name, json_text(display, "socket"));
    }
}

/**
 * print_users() - Say which guests run as root though they need not
 * @nodes:	Nodes of a status document
 */
static void print_users(json_t *nodes)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    const char *why = "";
    json_t *node;
    size_t i;

    json_array_foreach (nodes, i, node) {
        const char *fault = json_text(node, "user_fault");

        if (!*fault)
            continue;
        strbuf_printf(&names, "%s%s", names.size ? ", " : "", json_text(node, "name"));
        why = fault;
    }
    if (names.size) {
        _cleanup_free_ char *shown = text_escape(why, strlen(why));

        (void)printf("Run as root: %s: %s\n", names.data, shown);
    }
}

void print_nodes(json_t *nodes)
{
    struct table table = {.columns = 7};
    json_t *node;
    size_t i;

    for (size_t head = 0; head < table.columns; head++)
        table_add(&table, (const char *const[]){"NODE", "IMAGE", "STATE", "ACCEL", "READY",
                                                "MEMORY", "CONSOLE"}[head]);
    json_array_foreach (nodes, i, node) {
        bool up = strcmp(json_text(node, "state"), "ready") == 0;
        _cleanup_free_ char *ready = json_seconds(node, up ? "ready_s" : "");
        const char *reason = json_text(node, "reason");

        table_add(&table, json_text(node, "name"));
        table_add(&table, json_text(node, "image"));
        table_add(&table, json_is_true(json_object_get(node, "paused")) ? "paused"
                          : json_is_integer(json_object_get(node, "queued"))
                              ? "queued"
                              : json_text(node, "state"));
        table_add(&table, json_text(node, "accel"));
        table_add(&table, ready);
        table_addf(&table, "%" JSON_INTEGER_FORMAT "M",
                   json_integer_value(json_object_get(node, "memory_mb")));
        table_add(&table, *reason ? reason : json_text(node, "line"));
    }
    table_print(&table, 2);
    print_telnet(nodes);
    print_displays(nodes);
    print_users(nodes);
}

/**
 * impairment_text() - "delay=10ms loss=0.5%", each direction by itself where they differ
 * @impairment:	Object or null
 *
 * Return: new string
 */
static char *impairment_text(json_t *impairment)
{
    struct strbuf text = STRBUF_INIT;
    const char *key;
    json_t *value;

    json_object_foreach (impairment, key, value) {
        _cleanup_free_ char *shown =
            json_is_string(value) ? xstrdup(json_string_value(value)) : impairment_text(value);

        strbuf_printf(&text, "%s%s%s%s", text.size ? " " : "", key,
                      json_is_string(value) ? "=" : ": ", *shown ? shown : "none");
    }
    return strbuf_steal(&text);
}

/**
 * total_drops() - Frames that the ends of a link missed, or that the wire did
 * @link:	Link of a status document
 */
static json_int_t total_drops(json_t *link)
{
    json_int_t total = 0;
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(link, "drops"), key, value)
        total += json_integer_value(value);
    json_object_foreach (json_object_get(link, "wire"), key, value)
        total += json_integer_value(json_object_get(value, "overrun"));
    return total;
}

void print_links(json_t *links)
{
    struct table table = {.columns = 5};
    json_t *link, *end;
    size_t i, j;

    for (size_t head = 0; head < table.columns; head++)
        table_add(&table, (const char *const[]){"LINK", "KIND", "STATE", "ENDS", ""}[head]);
    json_array_foreach (links, i, link) {
        _cleanup_free_ char *impairment = impairment_text(json_object_get(link, "impairment"));
        _cleanup_strbuf_ struct strbuf ends = STRBUF_INIT;
        const char *reason = json_text(link, "reason");
        json_int_t drops = total_drops(link);
        _cleanup_free_ char *missed =
            drops ? xasprintf("%" JSON_INTEGER_FORMAT " frames dropped at a full queue", drops)
                  : xstrdup("");

        json_array_foreach (json_object_get(link, "ends"), j, end)
            strbuf_printf(&ends, "%s%s", j ? " " : "", json_string_value(end));
        table_add(&table, json_text(link, "name"));
        table_add(&table, json_text(link, "kind"));
        table_add(&table, json_text(link, "state"));
        table_add(&table, ends.size ? ends.data : "");
        table_addf(&table, "%s%s%s%s%s", impairment, *impairment && *reason ? ", " : "", reason,
                   (*impairment || *reason) && *missed ? ", " : "", missed);
    }
    table_print(&table, 2);
}

void print_captures(json_t *captures)
{
    struct table table = {.columns = 8};
    json_t *capture, *where;
    size_t i, j;

    for (size_t head = 0; head < table.columns; head++)
        table_add(&table, (const char *const[]){"ID", "STATE", "WHERE", "PACKETS", "PER_SECOND",
                                                "DROPPED", "FILTER", "FILE"}[head]);
    json_array_foreach (captures, i, capture) {
        _cleanup_strbuf_ struct strbuf places = STRBUF_INIT;
        const char *file = json_text(capture, "file"), *filter = json_text(capture, "filter");

        json_array_foreach (json_object_get(capture, "where"), j, where)
            strbuf_printf(&places, "%s%s", j ? " " : "", json_string_value(where));
        table_addf(&table, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(capture, "id")));
        table_add(&table, json_text(capture, "state"));
        table_add(&table, places.size ? places.data : "lab");
        table_addf(&table, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(capture, "packets")));
        table_addf(&table, "%.0f", json_number_value(json_object_get(capture, "packets_per_s")));
        table_addf(&table, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(capture, "dropped")));
        table_add(&table, *filter ? filter : NULL);
        table_add(&table, *file ? file : "(stream)");
    }
    table_print(&table, 1);
    json_array_foreach (captures, i, capture) {
        const char *error = json_text(capture, "error");
        _cleanup_free_ char *shown = text_escape(error, strlen(error));

        if (*error)
            (void)printf("Capture %" JSON_INTEGER_FORMAT " ended: %s\n",
                         json_integer_value(json_object_get(capture, "id")), shown);
    }
}

int print_part(const struct invocation *invocation, const char *key, void (*print)(json_t *part),
               struct error *err)
{
    json_t *status = NULL;
    int r = lab_status(invocation, NULL, &status, err);

    if (r < 0)
        return r;
    if (invocation->json)
        print_json(json_pack("{s:O}", key, json_object_get(status, key)));
    else
        print(json_object_get(status, key));
    json_decref(status);
    return 0;
}

/**
 * print_head() - The lab itself
 * @status:	Status document
 */
static void print_head(json_t *status)
{
    const char *texts[] = {json_text(status, "lab"),
                           json_text(status, "state"),
                           json_text(status, "description"),
                           json_text(status, "topology"),
                           json_text(json_object_get(status, "accel"), "kind"),
                           json_text(json_object_get(status, "accel"), "reason")};
    char *shown[ARRAY_SIZE(texts)];
    json_int_t memory =
        json_integer_value(json_object_get(json_object_get(status, "memory"), "total_mb"));

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        shown[i] = text_escape(texts[i], strlen(texts[i]));
    (void)printf("%s%s%s: %s%s%s%s%s\n", colour_on(COLOUR_BOLD), shown[0], colour_off(),
                 colour_on(colour_of_state(texts[1])), shown[1], colour_off(),
                 *shown[2] ? " - " : "", shown[2]);
    (void)printf("topology %s\naccel %s%s%s%s, memory %" JSON_INTEGER_FORMAT "M\n\n", shown[3],
                 shown[4], *shown[5] ? " (" : "", shown[5], *shown[5] ? ")" : "", memory);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(shown[i]);
}

static int run_status(struct invocation *invocation, struct error *err)
{
    json_t *status = NULL;
    int r = lab_status(invocation, invocation->word_count > 0 ? invocation->words[0] : NULL,
                       &status, err);

    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(status);
        return 0;
    }
    print_head(status);
    print_nodes(json_object_get(status, "nodes"));
    if (json_array_size(json_object_get(status, "links")) > 0) {
        (void)printf("\n");
        print_links(json_object_get(status, "links"));
    }
    if (json_array_size(json_object_get(status, "captures")) > 0) {
        (void)printf("\n");
        print_captures(json_object_get(status, "captures"));
    }
    json_decref(status);
    return 0;
}

/**
 * list_entry() - What is to be said of one lab
 * @entry:	Lab
 *
 * An engine that does not answer in time must not hold up the list.
 *
 * Return: object
 */
static json_t *list_entry(const struct lab_entry *entry)
{
    _cleanup_free_ char *socket = path_join(entry->dir, "engine.sock");
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *status = NULL;
    json_t *object = json_pack("{s:s, s:s}", "name", entry->name, "state", "engine not running");
    json_t *node;
    size_t i, ready = 0;

    if (!entry->alive)
        return object;
    if (rpc_connect(socket, &client, NULL) < 0 ||
        rpc_call_start(client, "lab.status", NULL, NULL) < 0 ||
        rpc_call_wait(client, STATUS_PATIENCE_MS, NULL, NULL, &status, NULL) < 0) {
        (void)json_object_set_new(object, "state", json_string("engine does not answer"));
        return object;
    }
    json_array_foreach (json_object_get(status, "nodes"), i, node)
        ready += strcmp(json_text(node, "state"), "ready") == 0 ||
                 strcmp(json_text(node, "state"), "running") == 0;
    (void)json_object_set(object, "state", json_object_get(status, "state"));
    (void)json_object_set(object, "topology", json_object_get(status, "topology"));
    (void)json_object_set(object, "uptime_s", json_object_get(status, "uptime_s"));
    (void)json_object_set_new(
        object, "nodes",
        json_integer((json_int_t)json_array_size(json_object_get(status, "nodes"))));
    (void)json_object_set_new(object, "ready", json_integer((json_int_t)ready));
    return object;
}

static int run_list(struct invocation *invocation, struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    struct table table = {.columns = 4};
    json_t *labs, *lab;
    size_t at;
    int r = lab_list_read(&list, err);

    if (r < 0)
        return r;
    labs = json_array();
    for (size_t i = 0; i < list.count; i++)
        (void)json_array_append_new(labs, list_entry(&list.items[i]));
    if (invocation->json) {
        print_json(json_pack("{s:o}", "labs", labs));
        return 0;
    }
    for (size_t head = 0; head < table.columns; head++)
        table_add(&table, (const char *const[]){"LAB", "STATE", "READY", "TOPOLOGY"}[head]);
    json_array_foreach (labs, at, lab) {
        table_add(&table, json_text(lab, "name"));
        table_add(&table, json_text(lab, "state"));
        if (json_object_get(lab, "nodes"))
            table_addf(&table, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
                       json_integer_value(json_object_get(lab, "ready")),
                       json_integer_value(json_object_get(lab, "nodes")));
        else
            table_add(&table, NULL);
        table_add(&table, json_text(lab, "topology"));
    }
    if (json_array_size(labs) > 0)
        table_print(&table, 1);
    else
        (void)printf("No lab is running.\n");
    for (size_t i = 0; json_array_size(labs) == 0 && i < table.cell_count; i++)
        free(table.cells[i]);
    if (json_array_size(labs) == 0)
        free(table.cells);
    json_decref(labs);
    return 0;
}

const struct command cmd_topology_status = {
    .group = "topology",
    .name = "status",
    .arguments = "[LAB]",
    .summary = "A lab's nodes, links and captures",
    .words_most = 1,
    .words = WORD_LAB,
    .run = run_status,
};

const struct command cmd_topology_list = {
    .group = "topology",
    .name = "list",
    .arguments = "",
    .summary = "Every lab that runs",
    .run = run_list,
};
