// SPDX-License-Identifier: GPL-2.0-or-later

/* capture start, stop and list. WHERE is an end ("r1:eth0"), a link, a LAN or a node, nothing or
 * "lab" the whole lab; several become one file with an interface each. */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "base/units.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/tables.h"

static const struct option_spec start_options[] = {
    {"write", 'w', "FILE|-",
     "where it goes (default: the lab's kept folder); - is standard output"},
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"packets", 'c', "N", "end after so many"},
    {"bytes", 0, "SIZE", "end after so much, such as 100M"},
    {"duration", 0, "TIME", "end after so long, such as 30s"},
    {"rotate", 0, "SIZExN", "N files of that size in turn, such as 100MBx5"},
    {0},
};

/**
 * rotate_param() - Understand "100MBx5", "100M x 5" and the like
 * @text:	As given
 * @ret_rotate:	What the engine is told
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int rotate_param(const char *text, json_t **ret_rotate, struct error *err)
{
    _cleanup_free_ char *plain = text_replace(text, " ", "");
    char *times = strrchr(plain, 'x');
    int64_t files;
    uint64_t bytes;

    if (!times || times == plain) {
        (void)error_input(err, "--rotate %s: not a size and a number of files", text);
        error_hint(err, "such as --rotate 100MBx5");
        return -EINVAL;
    }
    *times = 0;
    if (units_parse_integer(times + 1, 2, CAPTURE_RING_MAX, &files, err) < 0 ||
        units_parse_size(plain, &bytes, err) < 0)
        return error_prefix(err, "--rotate");
    if (bytes < CAPTURE_RING_BYTES_MIN || bytes > INT64_MAX)
        return error_input(err, "--rotate: a file has at least 64K");
    *ret_rotate = json_pack("{s:I, s:I}", "bytes", (json_int_t)bytes, "files", (json_int_t)files);
    return 0;
}

/**
 * limit_params() - Add what ends a capture or divides it
 * @invocation:	Invocation
 * @params:	Where to
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int limit_params(const struct invocation *invocation, json_t *params, struct error *err)
{
    const char *bytes_text = invocation_value(invocation, "bytes");
    const char *duration_text = invocation_value(invocation, "duration");
    const char *rotate_text = invocation_value(invocation, "rotate");
    long snaplen = 0, packets = 0;
    uint64_t bytes, duration;
    json_t *rotate = NULL;

    if (invocation_integer(invocation, "snaplen", 14, 262144, &snaplen, err) < 0 ||
        invocation_integer(invocation, "packets", 1, INT_MAX, &packets, err) < 0)
        return -EINVAL;
    if (snaplen > 0)
        (void)json_object_set_new(params, "snaplen", json_integer(snaplen));
    if (packets > 0)
        (void)json_object_set_new(params, "packets", json_integer(packets));
    if (bytes_text) {
        if (units_parse_size(bytes_text, &bytes, err) < 0)
            return error_prefix(err, "--bytes");
        if (bytes == 0 || bytes > INT64_MAX)
            return error_input(err, "--bytes: at least 1");
        (void)json_object_set_new(params, "bytes", json_integer((json_int_t)bytes));
    }
    if (duration_text) {
        if (capture_duration("duration", duration_text, &duration, err) < 0)
            return -EINVAL;
        (void)json_object_set_new(params, "duration_ms", json_integer((json_int_t)duration));
    }
    if (rotate_text) {
        if (rotate_param(rotate_text, &rotate, err) < 0)
            return -EINVAL;
        (void)json_object_set_new(params, "rotate", rotate);
    }
    return 0;
}

int capture_duration(const char *option, const char *text, uint64_t *ret_ms, struct error *err)
{
    uint64_t ns;

    if (units_parse_duration(text, &ns, err) < 0)
        return error_prefix(err, "--%s", option);
    if (ns < 1000000 || ns > UINT64_C(366) * 86400 * 1000000000)
        return error_input(err, "--%s: 1ms to a year", option);
    *ret_ms = ns / 1000000;
    return 0;
}

/**
 * text_param() - Add an option's text
 * @invocation:	Invocation
 * @name:	Option and parameter
 * @params:	Where to
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int text_param(const struct invocation *invocation, const char *name, json_t *params,
                      struct error *err)
{
    const char *text = invocation_value(invocation, name);

    if (text && json_object_set_new(params, name, json_string(text)) < 0)
        return error_input(err, "--%s: not UTF-8 text", name);
    return 0;
}

int capture_params(const struct invocation *invocation, json_t **ret_params, struct error *err)
{
    json_t *where = json_array(), *params;
    int r = 0;

    for (size_t i = 0; i < invocation->word_count && r == 0; i++)
        if (json_array_append_new(where, json_string(invocation->words[i])) < 0)
            r = error_input(err, "a name is not UTF-8 text");
    params = json_pack("{s:o}", "where", where);
    if (r == 0)
        r = text_param(invocation, "filter", params, err);
    if (r == 0)
        r = text_param(invocation, "side", params, err);
    if (r == 0)
        r = limit_params(invocation, params, err);
    if (r < 0)
        json_decref(params);
    else
        *ret_params = params;
    return r;
}

int capture_file_param(const char *file, json_t *params, struct error *err)
{
    _cleanup_free_ char *path = NULL;
    char here[PATH_MAX];

    if (!file)
        return 0;
    if (!getcwd(here, sizeof(here)))
        return error_errno(err, errno, "working folder");
    path = path_join(here, file);
    if (json_object_set_new(params, "file", json_string(path)) < 0)
        return error_input(err, "-w: the file's name is not UTF-8 text");
    return 0;
}

static int run_start(struct invocation *invocation, struct error *err)
{
    const char *file = invocation_value(invocation, "write");
    _cleanup_free_ char *shown = NULL;
    json_t *params = NULL, *result = NULL;
    int r;

    if (file && strcmp(file, "-") == 0) {
        if (invocation_value(invocation, "rotate"))
            return error_input(err, "--rotate: standard output is no ring of files");
        return capture_stream_run(invocation, err);
    }
    r = capture_params(invocation, &params, err);
    if (r == 0)
        r = capture_file_param(file, params, err);
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
    file = json_text(result, "file");
    if (json_is_array(json_object_get(result, "files")))
        file = json_string_value(json_array_get(json_object_get(result, "files"), 0));
    shown = text_escape(file, strlen(file));
    (void)printf("Capture %" JSON_INTEGER_FORMAT " writes to %s%s\n",
                 json_integer_value(json_object_get(result, "id")), shown,
                 json_is_array(json_object_get(result, "files")) ? " and those after it" : "");
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
    if (json_integer_value(json_object_get(result, "keep_ms")) > 0) {
        _cleanup_free_ char *keep = units_format_duration(
            (uint64_t)json_integer_value(json_object_get(result, "keep_ms")) * 1000000u);

        (void)printf("The last %s are kept: labctl capture save\n", keep);
    }
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
    .arguments = "[WHERE…]",
    .summary = "Capture packets to a pcapng file",
    .details =
        "WHERE is an end like r1:eth0, the name of a link or LAN, or a node (all its ends);\n"
        "'lab', or nothing, is the whole lab. Several go into one file, in order of time.",
    .options = start_options,
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
