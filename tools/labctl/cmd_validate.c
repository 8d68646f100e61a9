// SPDX-License-Identifier: GPL-2.0-or-later

/* topology validate, and the reading of topology files for the other commands. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/appliance.h"
#include "base/alloc.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "base/text.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/topology_file.h"

/**
 * print_diagnostics() - FILE:LINE:COL: text
 * @path:	File
 * @diagnostics: Faults
 */
static void print_diagnostics(const char *path, const struct diagnostics *diagnostics)
{
    _cleanup_free_ char *shown = text_escape(path, strlen(path));

    (void)fflush(stdout); /* what was said of files before comes first */
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *item = &diagnostics->items[i];
        _cleanup_free_ char *text = text_escape(item->text, strlen(item->text));

        if (item->at.line > 0)
            (void)fprintf(stderr, "%s:%u:%u: %s\n", shown, item->at.line, item->at.column, text);
        else
            (void)fprintf(stderr, "%s: %s\n", shown, text);
    }
}

/**
 * check_filter() - Have the wire look at the pcap filter of an impairment
 * @impairment:	Impairment
 * @diagnostics: Where its fault goes
 *
 * What is not there to look at it is no fault of the file: the engine will say so.
 */
static void check_filter(const struct impairment *impairment, struct diagnostics *diagnostics)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *program = paths_helper("labctl-wire");
    _cleanup_free_ char *said = NULL;
    const char *const argv[] = {program, "--check", impairment->only, NULL};

    if (impairment->only && spawn_run(argv, &said, &err) == 2) {
        said[strcspn(said, "\n")] = 0;
        diagnostics_add(diagnostics, impairment->only_at, "%s", said);
    }
}

/**
 * check_filters() - The filters of all links
 * @topology:	Topology
 * @diagnostics: Where faults go
 */
static void check_filters(const struct topology *topology, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < topology->link_count; i++)
        for (int end = 0; end < 2; end++)
            check_filter(&topology->links[i].impairment[end], diagnostics);
    diagnostics_finish(diagnostics);
}

int topology_file_read(const char *path, bool print, struct topology **ret_topology,
                       struct diagnostics *diagnostics, struct error *err)
{
    struct image_library *library = NULL;
    struct image_source images;
    int r = image_library_open(&library, err);

    if (r < 0)
        return r;
    images = image_library_source(library);
    r = topology_read(path, &images, ret_topology, diagnostics, err);
    image_library_free(library);
    if (r == 0) {
        check_filters(*ret_topology, diagnostics);
        if (diagnostics->count > 0) {
            topology_free(*ret_topology);
            *ret_topology = NULL;
            r = -EINVAL;
        }
    }
    if (r < 0 && print)
        print_diagnostics(path, diagnostics);
    return r;
}

/**
 * count_text() - "1 link", "2 links"
 * @count:	How many
 * @what:	Of what
 *
 * Return: new string
 */
static char *count_text(size_t count, const char *what)
{
    return xasprintf("%zu %s%s", count, what, count == 1 ? "" : "s");
}

/**
 * file_json() - What is to be said of one file
 * @path:	File
 * @topology:	If it is right, else NULL
 * @diagnostics: If it is not
 *
 * Return: object
 */
static json_t *file_json(const char *path, const struct topology *topology,
                         const struct diagnostics *diagnostics)
{
    _cleanup_free_ char *shown = text_escape(path, strlen(path));
    json_t *errors = json_array(), *file;

    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *item = &diagnostics->items[i];
        _cleanup_free_ char *text = text_escape(item->text, strlen(item->text));

        (void)json_array_append_new(errors,
                                    json_pack("{s:i, s:i, s:s}", "line", (int)item->at.line,
                                              "column", (int)item->at.column, "text", text));
    }
    file = json_pack("{s:s, s:b, s:o}", "file", shown, "ok", topology != NULL, "errors", errors);
    if (topology) {
        (void)json_object_set_new(file, "lab", json_string(topology->lab));
        (void)json_object_set_new(file, "nodes", json_integer((json_int_t)topology->node_count));
        (void)json_object_set_new(file, "links", json_integer((json_int_t)topology->link_count));
        (void)json_object_set_new(file, "lans", json_integer((json_int_t)topology->lan_count));
        (void)json_object_set_new(file, "uplinks",
                                  json_integer((json_int_t)topology->uplink_count));
    }
    return file;
}

/**
 * print_ok() - "FILE: ok (5 nodes, 4 links)"
 * @path:	File
 * @topology:	What is in it
 */
static void print_ok(const char *path, const struct topology *topology)
{
    _cleanup_free_ char *shown = text_escape(path, strlen(path));
    _cleanup_free_ char *nodes = count_text(topology->node_count, "node");
    _cleanup_free_ char *links = count_text(topology->link_count, "link");
    _cleanup_free_ char *lans = count_text(topology->lan_count, "LAN");
    _cleanup_free_ char *uplinks = count_text(topology->uplink_count, "uplink");

    (void)printf("%s: ok (%s, %s%s%s%s%s)\n", shown, nodes, links, topology->lan_count ? ", " : "",
                 topology->lan_count ? lans : "", topology->uplink_count ? ", " : "",
                 topology->uplink_count ? uplinks : "");
}

/**
 * validate_file() - One file
 * @path:	File
 * @files:	NULL, or where its document goes
 * @err:	Error to fill
 *
 * Return: 0 right; -EINVAL wrong, and said so; other -errno with @err
 */
static int validate_file(const char *path, json_t *files, struct error *err)
{
    _cleanup_topology_ struct topology *topology = NULL;
    struct diagnostics diagnostics = {0};
    int r = topology_file_read(path, !files, &topology, &diagnostics, err);

    if (r < 0 && diagnostics.count == 0)
        return r == -EINVAL ? -EIO : r;
    if (files)
        (void)json_array_append_new(files, file_json(path, topology, &diagnostics));
    else if (r == 0)
        print_ok(path, topology);
    diagnostics_done(&diagnostics);
    return r;
}

static int run_validate(struct invocation *invocation, struct error *err)
{
    json_t *files = invocation->json ? json_array() : NULL;
    bool wrong = false;

    for (size_t i = 0; i < invocation->word_count; i++) {
        _cleanup_error_ struct error fault = ERROR_INIT;
        int r = validate_file(invocation->words[i], files, &fault);

        if (r == 0)
            continue;
        wrong = true;
        if (r == -EINVAL)
            continue;
        if (files)
            (void)json_array_append_new(files,
                                        json_pack("{s:s, s:b, s:[{s:i, s:i, s:s}]}", "file",
                                                  invocation->words[i], "ok", 0, "errors", "line",
                                                  0, "column", 0, "text", error_message(&fault)));
        else
            print_error(&fault);
    }
    (void)err;
    if (files)
        print_json(json_pack("{s:b, s:o}", "ok", !wrong, "files", files));
    return wrong ? ERROR_KIND_INPUT : 0;
}

const struct command cmd_topology_validate = {
    .group = "topology",
    .name = "validate",
    .arguments = "FILE…",
    .summary = "Say every error of a topology file",
    .details = "Prints FILE:LINE:COL: text for each fault and exits with 2 if there is one.",
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_FILE,
    .run = run_validate,
};
