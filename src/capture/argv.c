// SPDX-License-Identifier: GPL-2.0-or-later

/* The worker's command line, which worker_main.c reads: options of the whole capture first, then
 * three words per endpoint. */

#include "capture/capture.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/paths.h"

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
    if (options->live)
        add(&argv, xstrdup("--live"));
    for (size_t i = 0; i < options->endpoint_count; i++) {
        const struct capture_endpoint *endpoint = &options->endpoints[i];

        add(&argv, xasprintf("--interface=%s", endpoint->ifname));
        if (endpoint->label)
            add(&argv, xasprintf("--label=%s", endpoint->label));
        if (endpoint->link)
            add(&argv, xasprintf("--link=%s", endpoint->link));
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
