// SPDX-License-Identifier: GPL-2.0-or-later

/* The worker's command line, which worker_main.c reads: options of the whole capture first, then
 * up to four words per endpoint. */

#include "capture/capture.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/paths.h"

static const char *const directions[] = {
    [CAPTURE_BOTH] = "both",
    [CAPTURE_SENT] = "sent",
    [CAPTURE_RECEIVED] = "received",
};

bool capture_direction_parse(const char *text, enum capture_direction *ret_direction)
{
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
        if (strcmp(text, directions[i]) == 0) {
            *ret_direction = (enum capture_direction)i;
            return true;
        }
    }
    return false;
}

struct argv_builder {
    char **words;
    size_t count, capacity;
};

/**
 * add() - Add a word
 * @argv:	The list
 * @word:	Owned by the list from now on; NULL ends it
 */
static void add(struct argv_builder *argv, char *word)
{
    array_grow(argv->words, argv->count, argv->capacity);
    argv->words[argv->count++] = word;
}

char **capture_worker_argv(const struct capture_options *options)
{
    struct argv_builder argv = {.count = 0};

    add(&argv, paths_helper("labctl-capture"));
    if (options->lab)
        add(&argv, xasprintf("--lab=%s", options->lab));
    if (options->filter)
        add(&argv, xasprintf("--filter=%s", options->filter));
    if (options->snaplen)
        add(&argv, xasprintf("--snaplen=%" PRIu32, options->snaplen));
    if (options->max_packets)
        add(&argv, xasprintf("--max-packets=%" PRIu64, options->max_packets));
    if (options->max_bytes)
        add(&argv, xasprintf("--max-bytes=%" PRIu64, options->max_bytes));
    if (options->duration_ns)
        add(&argv, xasprintf("--duration=%" PRIu64, options->duration_ns));
    if (options->files)
        add(&argv, xasprintf("--files=%u", options->files));
    if (options->file_bytes)
        add(&argv, xasprintf("--file-bytes=%" PRIu64, options->file_bytes));
    if (options->resume)
        add(&argv, xstrdup("--resume"));
    if (options->keep_ns)
        add(&argv, xasprintf("--keep=%" PRIu64, options->keep_ns));
    if (options->control)
        add(&argv, xstrdup("--control"));
    if (options->live)
        add(&argv, xstrdup("--live"));
    for (size_t i = 0; i < options->endpoint_count; i++) {
        const struct capture_endpoint *endpoint = &options->endpoints[i];

        add(&argv, xasprintf("--interface=%s", endpoint->ifname));
        if (endpoint->label)
            add(&argv, xasprintf("--label=%s", endpoint->label));
        if (endpoint->link)
            add(&argv, xasprintf("--link=%s", endpoint->link));
        if (endpoint->direction != CAPTURE_BOTH)
            add(&argv, xasprintf("--direction=%s", directions[endpoint->direction]));
    }
    add(&argv, NULL);
    return argv.words;
}

void capture_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}
