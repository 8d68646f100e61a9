// SPDX-License-Identifier: GPL-2.0-or-later

/* capture start, stop and list. WHERE is an end ("r1:eth0"), a link, a LAN or a node; several
 * become one file with an interface each. */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/tables.h"

static const struct option_spec start_options[] = {
    {"write", 'w', "FILE|-",
     "where it goes (default: the lab's kept folder); - is standard output"},
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"packets", 'c', "N", "end after so many"},
    {0},
};

int capture_params(const struct invocation *invocation, json_t **ret_params, struct error *err)
{
    const char *filter = invocation_value(invocation, "filter");
    long snaplen = 0, packets = 0;
    json_t *where, *params;

    if (invocation_integer(invocation, "snaplen", 14, 262144, &snaplen, err) < 0 ||
        invocation_integer(invocation, "packets", 1, INT_MAX, &packets, err) < 0)
        return -EINVAL;
    where = json_array();
    for (size_t i = 0; i < invocation->word_count; i++)
        (void)json_array_append_new(where, json_string(invocation->words[i]));
    params = json_pack("{s:o}", "where", where);
    if (filter && json_object_set_new(params, "filter", json_string(filter)) < 0) {
        json_decref(params);
        return error_input(err, "--filter: not UTF-8 text");
    }
    if (snaplen > 0)
        (void)json_object_set_new(params, "snaplen", json_integer(snaplen));
    if (packets > 0)
        (void)json_object_set_new(params, "packets", json_integer(packets));
    *ret_params = params;
    return 0;
}

/**
 * absolute_path() - A path as the engine, which has another working folder, needs it
 * @path:	Path as given
 * @ret_path:	Absolute; caller frees
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int absolute_path(const char *path, char **ret_path, struct error *err)
{
    char here[PATH_MAX];

    if (!getcwd(here, sizeof(here)))
        return error_errno(err, errno, "working folder");
    *ret_path = path_join(here, path);
    return 0;
}

static int run_start(struct invocation *invocation, struct error *err)
{
    const char *file = invocation_value(invocation, "write");
    _cleanup_free_ char *path = NULL, *shown = NULL;
    json_t *params = NULL, *result = NULL;
    int r;

    if (file && strcmp(file, "-") == 0)
        return capture_stream_run(invocation, err);
    r = capture_params(invocation, &params, err);
    if (r == 0 && file)
        r = absolute_path(file, &path, err);
    if (r == 0 && path && json_object_set_new(params, "file", json_string(path)) < 0)
        r = error_input(err, "-w: the file's name is not UTF-8 text");
    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = lab_invoke(invocation, "capture.start", params, &result, err);
    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(result);
        return 0;
    }
    shown = text_escape(json_text(result, "file"), strlen(json_text(result, "file")));
    (void)printf("Capture %" JSON_INTEGER_FORMAT " writes to %s\n",
                 json_integer_value(json_object_get(result, "id")), shown);
    json_decref(result);
    return 0;
}

/**
 * stop_params() - Which captures to stop
 * @invocation:	Invocation
 * @word:	A number, or where it captures; NULL: all
 *
 * Return: object, NULL if @word is not UTF-8
 */
static json_t *stop_params(const struct invocation *invocation, const char *word)
{
    (void)invocation;
    if (!word)
        return json_pack("{s:b}", "all", 1);
    if (*word && strspn(word, "0123456789") == strlen(word) && strlen(word) < 10)
        return json_pack("{s:I}", "id", (json_int_t)strtol(word, NULL, 10));
    return json_pack("{s:s}", "where", word);
}

static int run_stop(struct invocation *invocation, struct error *err)
{
    bool all = invocation_flag(invocation, "all");
    json_t *stopped;
    size_t i = 0;
    int r = 0;

    if (!all && invocation->word_count == 0) {
        (void)error_input(err, "which capture? None was named");
        error_hint(err, "give its number (labctl capture list) or what it listens to, or --all");
        return -EINVAL;
    }
    if (all && invocation->word_count > 0)
        return error_input(err, "--all and captures by name exclude each other");
    stopped = json_array();
    do {
        json_t *params = stop_params(invocation, all ? NULL : invocation->words[i]);
        _cleanup_json_ json_t *result = NULL;

        r = params ? lab_invoke(invocation, "capture.stop", params, &result, err)
                   : error_input(err, "the capture's name is not UTF-8 text");
        if (r == 0)
            (void)json_array_extend(stopped, json_object_get(result, "captures"));
    } while (r == 0 && ++i < invocation->word_count);
    if (r < 0) {
        json_decref(stopped);
        return r;
    }
    if (invocation->json)
        print_json(json_pack("{s:O}", "captures", stopped));
    else if (json_array_size(stopped) > 0)
        print_captures(stopped);
    else
        (void)printf("No capture was running.\n");
    json_decref(stopped);
    return 0;
}

static int run_list(struct invocation *invocation, struct error *err)
{
    json_t *result = NULL;
    int r = lab_invoke(invocation, "capture.list", NULL, &result, err);

    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(result);
        return 0;
    }
    if (json_array_size(json_object_get(result, "captures")) > 0)
        print_captures(json_object_get(result, "captures"));
    else
        (void)printf("No captures.\n");
    json_decref(result);
    return 0;
}

static const struct option_spec stop_options[] = {
    {"all", 0, NULL, "every capture of the lab"},
    {0},
};

const struct command cmd_capture_start = {
    .group = "capture",
    .name = "start",
    .arguments = "WHERE…",
    .summary = "Capture packets to a pcapng file",
    .details = "WHERE is an end like r1:eth0, the name of a link or LAN, or a node (all its ends).",
    .options = start_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_start,
};

const struct command cmd_capture_stop = {
    .group = "capture",
    .name = "stop",
    .arguments = "ID|WHERE…",
    .summary = "End captures",
    .options = stop_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_stop,
};

const struct command cmd_capture_list = {
    .group = "capture",
    .name = "list",
    .arguments = "",
    .summary = "The captures of a lab",
    .run = run_list,
};
