// SPDX-License-Identifier: GPL-2.0-or-later

/* link list, up, down, set and clear. The values of link set go to the engine as they were written;
 * it knows their units. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/tables.h"

static int run_list(struct invocation *invocation, struct error *err)
{
    return print_part(invocation, "links", print_links, err);
}

/**
 * act() - A call about one link
 * @invocation:	Invocation; its first word is the link
 * @method:	Method
 * @values:	For link.set, stolen; or NULL
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int act(struct invocation *invocation, const char *method, json_t *values, struct error *err)
{
    json_t *params = json_pack("{s:s}", "link", invocation->words[0]), *result = NULL, *links;
    int r;

    if (!params) {
        json_decref(values);
        return error_input(err, "the link's name is not UTF-8 text");
    }
    if (values)
        (void)json_object_set_new(params, "values", values);
    if (invocation_value(invocation, "from"))
        (void)json_object_set_new(params, "from",
                                  json_string(invocation_value(invocation, "from")));
    r = lab_invoke(invocation, method, params, &result, err);
    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(result);
        return 0;
    }
    links = json_pack("[O]", json_object_get(result, "link"));
    if (links)
        print_links(links);
    json_decref(links);
    json_decref(result);
    return 0;
}

static int run_up(struct invocation *invocation, struct error *err)
{
    return act(invocation, "link.up", NULL, err);
}

static int run_down(struct invocation *invocation, struct error *err)
{
    return act(invocation, "link.down", NULL, err);
}

static int run_set(struct invocation *invocation, struct error *err)
{
    json_t *values = json_object();

    for (size_t i = 1; i < invocation->word_count; i++) {
        const char *word = invocation->words[i], *equals = strchr(word, '=');
        _cleanup_free_ char *key = equals ? xstrndup(word, (size_t)(equals - word)) : NULL;

        if (!equals || equals == word ||
            json_object_set_new(values, key, json_string(equals + 1)) < 0) {
            json_decref(values);
            (void)error_input(err, "link set: '%s' is not KEY=VALUE", word);
            error_hint(err, "for example: labctl link set %s delay=10ms loss=0.5%%",
                       invocation->words[0]);
            return -EINVAL;
        }
    }
    return act(invocation, "link.set", values, err);
}

static int run_clear(struct invocation *invocation, struct error *err)
{
    return act(invocation, "link.clear", NULL, err);
}

static const struct option_spec from_options[] = {
    {"from", 0, "END", "Only frames that this end sends (r1:eth0)"},
    {0},
};

const struct command cmd_link_list = {
    .group = "link",
    .name = "list",
    .arguments = "",
    .summary = "The links of a lab",
    .run = run_list,
};

const struct command cmd_link_up = {
    .group = "link",
    .name = "up",
    .arguments = "LINK",
    .options = from_options,
    .summary = "Plug a cable in again",
    .words_least = 1,
    .words_most = 1,
    .words = WORD_LINK,
    .run = run_up,
};

const struct command cmd_link_down = {
    .group = "link",
    .name = "down",
    .arguments = "LINK",
    .options = from_options,
    .summary = "Pull a cable: both ends lose their carrier (with --from: one goes deaf)",
    .words_least = 1,
    .words_most = 1,
    .words = WORD_LINK,
    .run = run_down,
};

const struct command cmd_link_set = {
    .group = "link",
    .name = "set",
    .arguments = "LINK KEY=VALUE…",
    .options = from_options,
    .summary = "Impair a link: delay, jitter, loss, rate, …",
    .words_least = 2,
    .words_most = WORDS_ANY,
    .words = WORD_LINK,
    .run = run_set,
};

const struct command cmd_link_clear = {
    .group = "link",
    .name = "clear",
    .arguments = "LINK",
    .options = from_options,
    .summary = "Make a link a plain cable again",
    .words_least = 1,
    .words_most = 1,
    .words = WORD_LINK,
    .run = run_clear,
};
