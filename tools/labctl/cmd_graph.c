// SPDX-License-Identifier: GPL-2.0-or-later

/* topology graph. A file and a running lab are brought to the same document (nodes with image and
 * state, links with kind and ends), which is then written as text, for Graphviz or for Mermaid.
 * Names were checked by the reader; they are escaped for each format all the same. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/topology_file.h"

static const struct option_spec graph_options[] = {
    {"format", 'f', "dot|mermaid|text", "text is the default"},
    {0},
};

/**
 * add_ends() - A link, LAN or uplink as an object
 * @links:	Array
 * @kind:	"link", "lan", "uplink"
 * @name:	Its name
 * @topology:	For the nodes' names
 * @ends:	Endpoints
 * @count:	How many
 */
static void add_ends(json_t *links, const char *kind, const char *name,
                     const struct topology *topology, const struct endpoint *ends, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(
            array, json_sprintf("%s:%s", topology->nodes[ends[i].node].name, ends[i].port));
    (void)json_array_append_new(
        links, json_pack("{s:s, s:s, s:o}", "name", name, "kind", kind, "ends", array));
}

/**
 * graph_of_topology() - The document of a file
 * @topology:	Model
 *
 * Return: object
 */
static json_t *graph_of_topology(const struct topology *topology)
{
    json_t *nodes = json_array(), *links = json_array();

    for (size_t i = 0; i < topology->node_count; i++)
        (void)json_array_append_new(nodes, json_pack("{s:s, s:s}", "name", topology->nodes[i].name,
                                                     "image", topology->nodes[i].image));
    for (size_t i = 0; i < topology->link_count; i++)
        add_ends(links, "link", topology->links[i].name, topology, topology->links[i].ends, 2);
    for (size_t i = 0; i < topology->lan_count; i++)
        add_ends(links, "lan", topology->lans[i].name, topology, topology->lans[i].ends,
                 topology->lans[i].end_count);
    for (size_t i = 0; i < topology->uplink_count; i++)
        add_ends(links, "uplink", topology->uplinks[i].name, topology, topology->uplinks[i].ends,
                 topology->uplinks[i].end_count);
    return json_pack("{s:s, s:o, s:o}", "lab", topology->lab, "nodes", nodes, "links", links);
}

/**
 * graph_of_status() - The document of a running lab
 * @status:	Status document
 *
 * Return: object
 */
static json_t *graph_of_status(json_t *status)
{
    json_t *nodes = json_array(), *links = json_array(), *item;
    size_t i;

    json_array_foreach (json_object_get(status, "nodes"), i, item)
        (void)json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:s}", "name", json_text(item, "name"), "image",
                             json_text(item, "image"), "state", json_text(item, "state")));
    json_array_foreach (json_object_get(status, "links"), i, item)
        (void)json_array_append_new(
            links, json_pack("{s:s, s:s, s:O, s:s}", "name", json_text(item, "name"), "kind",
                             json_text(item, "kind"), "ends", json_object_get(item, "ends"),
                             "state", json_text(item, "state")));
    return json_pack("{s:s, s:o, s:o}", "lab", json_text(status, "lab"), "nodes", nodes, "links",
                     links);
}

/**
 * end_parts() - Split "r1:eth0"
 * @end:	Endpoint
 * @ret_node:	Its node, safe inside double quotes; caller frees
 * @ret_port:	Its port, likewise
 */
static void end_parts(json_t *end, char **ret_node, char **ret_port)
{
    const char *text = json_string_value(end) ? json_string_value(end) : "";
    size_t size = strcspn(text, ":");
    _cleanup_free_ char *node = text_escape(text, size);
    _cleanup_free_ char *port = text_escape(text + size, strlen(text + size));

    *ret_node = text_replace(node, "\"", "'");
    *ret_port = text_replace(*port ? port + 1 : port, "\"", "'");
}

/**
 * print_dot_link() - A link as an edge; a segment as a node of its own with an edge per end
 * @link:	Link
 * @index:	Its number, for names
 */
static void print_dot_link(json_t *link, size_t index)
{
    bool cable = strcmp(json_text(link, "kind"), "link") == 0;
    json_t *ends = json_object_get(link, "ends"), *end;
    size_t i;

    if (!cable)
        (void)printf("  \"segment %zu\" [label=\"%s\", shape=%s];\n", index,
                     json_text(link, "name"),
                     strcmp(json_text(link, "kind"), "lan") == 0 ? "box" : "ellipse");
    json_array_foreach (ends, i, end) {
        _cleanup_free_ char *node = NULL, *port = NULL, *node2 = NULL, *port2 = NULL;

        end_parts(end, &node, &port);
        if (!cable) {
            (void)printf("  \"%s\" -- \"segment %zu\" [taillabel=\"%s\"];\n", node, index, port);
        } else if (i == 0) {
            end_parts(json_array_get(ends, 1), &node2, &port2);
            (void)printf("  \"%s\" -- \"%s\" [taillabel=\"%s\", headlabel=\"%s\"];\n", node, node2,
                         port, port2);
        }
    }
}

/**
 * print_dot() - For Graphviz
 * @graph:	Document
 */
static void print_dot(json_t *graph)
{
    json_t *item;
    size_t i;

    (void)printf("graph \"%s\" {\n  node [shape=circle];\n", json_text(graph, "lab"));
    json_array_foreach (json_object_get(graph, "nodes"), i, item)
        (void)printf("  \"%s\" [tooltip=\"%s\"];\n", json_text(item, "name"),
                     json_text(item, "image"));
    json_array_foreach (json_object_get(graph, "links"), i, item)
        print_dot_link(item, i);
    (void)printf("}\n");
}

/**
 * mermaid_id() - A node's number as its identifier: names may be Mermaid's own words ("end")
 * @graph:	Document
 * @name:	Node
 *
 * Return: number
 */
static size_t mermaid_id(json_t *graph, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(graph, "nodes"), i, item)
        if (strcmp(json_text(item, "name"), name) == 0)
            return i;
    return 0;
}

/**
 * print_mermaid() - For Mermaid
 * @graph:	Document
 */
static void print_mermaid(json_t *graph)
{
    json_t *item, *end;
    size_t i, j;

    (void)printf("graph LR\n");
    json_array_foreach (json_object_get(graph, "nodes"), i, item)
        (void)printf("  n%zu((\"%s\"))\n", i, json_text(item, "name"));
    json_array_foreach (json_object_get(graph, "links"), i, item) {
        json_t *ends = json_object_get(item, "ends");
        bool cable = strcmp(json_text(item, "kind"), "link") == 0;

        if (!cable)
            (void)printf("  s%zu[\"%s\"]\n", i, json_text(item, "name"));
        json_array_foreach (ends, j, end) {
            _cleanup_free_ char *node = NULL, *port = NULL, *node2 = NULL, *port2 = NULL;

            end_parts(end, &node, &port);
            if (!cable) {
                (void)printf("  n%zu ---|\"%s\"| s%zu\n", mermaid_id(graph, node), port, i);
            } else if (j == 0) {
                end_parts(json_array_get(ends, 1), &node2, &port2);
                (void)printf("  n%zu ---|\"%s - %s\"| n%zu\n", mermaid_id(graph, node), port, port2,
                             mermaid_id(graph, node2));
            }
        }
    }
}

/**
 * print_graph_text() - Lines for people
 * @graph:	Document
 */
static void print_graph_text(json_t *graph)
{
    json_t *item, *end;
    size_t i, j;

    json_array_foreach (json_object_get(graph, "links"), i, item) {
        bool cable = strcmp(json_text(item, "kind"), "link") == 0;
        _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
        _cleanup_free_ char *shown = NULL;

        if (!cable)
            strbuf_printf(&line, "%s %s: ", json_text(item, "kind"), json_text(item, "name"));
        json_array_foreach (json_object_get(item, "ends"), j, end)
            strbuf_printf(&line, "%s%s",
                          j == 0  ? ""
                          : cable ? " -- "
                                  : ", ",
                          json_string_value(end));
        if (strcmp(json_text(item, "state"), "down") == 0)
            strbuf_puts(&line, " (down)");
        shown = text_escape(line.data ? line.data : "", line.size);
        (void)printf("%s\n", shown);
    }
    /* Nodes without a cable would not appear otherwise. */
    json_array_foreach (json_object_get(graph, "nodes"), i, item) {
        const char *name = json_text(item, "name");
        size_t size = strlen(name), k;
        bool cabled = false;
        json_t *link;

        json_array_foreach (json_object_get(graph, "links"), k, link)
            json_array_foreach (json_object_get(link, "ends"), j, end)
                cabled |= strncmp(json_string_value(end), name, size) == 0 &&
                          json_string_value(end)[size] == ':';
        if (!cabled)
            (void)printf("%s\n", name);
    }
}

static int run_graph(struct invocation *invocation, struct error *err)
{
    const char *format = invocation_value(invocation, "format");
    _cleanup_topology_ struct topology *topology = NULL;
    _cleanup_json_ json_t *graph = NULL;
    struct diagnostics diagnostics = {0};
    json_t *status = NULL;
    int r;

    if (format && strcmp(format, "dot") != 0 && strcmp(format, "mermaid") != 0 &&
        strcmp(format, "text") != 0)
        return error_input(err, "--format: '%s' is none of dot, mermaid, text", format);
    if (invocation->word_count > 0) {
        r = topology_file_read(invocation->words[0], true, &topology, &diagnostics, err);
        if (r == -EINVAL && diagnostics.count > 0)
            (void)error_input(err, "%s: %zu errors", invocation->words[0], diagnostics.count);
        diagnostics_done(&diagnostics);
        graph = r == 0 ? graph_of_topology(topology) : NULL;
    } else {
        r = lab_status(invocation, NULL, &status, err);
        graph = r == 0 ? graph_of_status(status) : NULL;
        json_decref(status);
    }
    if (r < 0)
        return r;
    if (invocation->json)
        print_json(steal_ptr(graph));
    else if (!format || strcmp(format, "text") == 0)
        print_graph_text(graph);
    else if (strcmp(format, "dot") == 0)
        print_dot(graph);
    else
        print_mermaid(graph);
    return 0;
}

const struct command cmd_topology_graph = {
    .group = "topology",
    .name = "graph",
    .arguments = "[FILE]",
    .summary = "Draw a topology: of a file, or of the running lab",
    .details = "For a picture:  labctl topology graph -f dot FILE | dot -Tsvg > lab.svg",
    .options = graph_options,
    .words_most = 1,
    .words = WORD_FILE,
    .run = run_graph,
};
