// SPDX-License-Identifier: GPL-2.0-or-later

/* console NODE: ask the engine for the console and join the terminal to the connection. Without a
 * node: the only one there is, or the switcher; where there is no terminal, a list. */

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/units.h"
#include "console/client.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher.h"
#include "labctl/tables.h"

#define REPLAY_DEFAULT 16384

static const struct option_spec console_options[] = {
    {"read-only", 'r', NULL, "only watch"},
    {"exclusive", 'x', NULL, "nobody else may type meanwhile; who had the keyboard is told"},
    {"take", 0, NULL, "the same as --exclusive"},
    {"replay", 0, "SIZE|lines|all|none",
     "how much of what was before is shown (default 16K); lines: what fits the screen"},
    {"detach", 0, "KEY",
     "the key that leaves, as ^A: then d leaves, b sends a break, t and g take "
     "and give the keyboard (default: Ctrl-] alone)"},
    {"log", 0, "FILE", "also write what the guest says to a file"},
    {"prefix", 0, "KEY", "the switcher's prefix key, as C-a (default: $LABCTL_PREFIX, else C-b)"},
    {0},
};

/**
 * who_am_i() - How others see the person at this console: "anna (pts/3)"
 *
 * Return: new string
 */
static char *who_am_i(void)
{
    const struct passwd *entry = getpwuid(getuid());
    const char *tty = ttyname(STDIN_FILENO);
    _cleanup_free_ char *name = entry ? xstrdup(entry->pw_name) : xasprintf("uid %u", getuid());

    if (tty && strncmp(tty, "/dev/", 5) == 0)
        return xasprintf("%s (%s)", name, tty + 5);
    return steal_ptr(name);
}

/**
 * parse_replay() - How much of the past is wanted
 * @text:	Value of --replay, or NULL
 * @ret_bytes:	Bytes, -1: all
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int parse_replay(const char *text, int64_t *ret_bytes, struct error *err)
{
    struct winsize window = {.ws_row = 24, .ws_col = 80};
    uint64_t bytes = REPLAY_DEFAULT;

    if (text && strcmp(text, "lines") == 0) {
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
        bytes = (uint64_t)window.ws_row * window.ws_col;
    } else if (text && strcmp(text, "none") == 0) {
        bytes = 0;
    } else if (text && strcmp(text, "all") != 0 && units_parse_size(text, &bytes, err) < 0) {
        return error_prefix(err, "--replay (a size, or lines, all, none)");
    }
    *ret_bytes = (text && strcmp(text, "all") == 0) || bytes > INT64_MAX ? -1 : (int64_t)bytes;
    return 0;
}

/**
 * parse_key() - A control key as people write it: ^A, C-a, ctrl-a, ^]
 * @option:	Where it was given
 * @text:	Its value, or NULL
 * @ret_key:	Its code; untouched without a value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int parse_key(const char *option, const char *text, int *ret_key, struct error *err)
{
    const char *key = text;
    int code;

    if (!text)
        return 0;
    if (*key == '^')
        key += 1;
    else if (strncasecmp(key, "C-", 2) == 0)
        key += 2;
    else if (strncasecmp(key, "ctrl-", 5) == 0)
        key += 5;
    code = toupper((unsigned char)*key);
    if (key == text || !*key || key[1] || code < 'A' || code > '_') {
        (void)error_input(err, "%s: '%s' is no control key", option, text);
        error_hint(err, "write it as ^A or C-a");
        return -EINVAL;
    }
    *ret_key = code - '@';
    return 0;
}

/**
 * attach() - Join a node's console
 * @invocation:	Invocation
 * @lab:	Lab
 * @node:	"r1" or "r1:1"
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int attach(const struct invocation *invocation, const char *lab, const char *node,
                  struct error *err)
{
    const char *mode = "shared";
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *who = who_am_i(), *rest = NULL;
    int64_t bytes = 0;
    json_t *params;
    size_t size;
    int fd, key = CONSOLE_DETACH_DEFAULT,
            r = parse_replay(invocation_value(invocation, "replay"), &bytes, err);

    if (r == 0)
        r = parse_key("--detach", invocation_value(invocation, "detach"), &key, err);
    if (r < 0)
        return r;
    if (invocation_flag(invocation, "read-only"))
        mode = "read-only";
    else if (invocation_flag(invocation, "exclusive") || invocation_flag(invocation, "take"))
        mode = "exclusive";
    params = json_pack("{s:s, s:s, s:I}", "node", node, "mode", mode, "replay", (json_int_t)bytes);
    if (!params)
        return error_input(err, "the node's name is not UTF-8 text");
    (void)json_object_set_new(params, "who", json_string(who));
    r = lab_connect(lab, &client, err);
    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = rpc_invoke(client, "console.attach", params, &result, err);
    if (r < 0)
        return r;
    fd = rpc_client_steal(steal_ptr(client), &rest, &size);
    struct console_client options = {
        .node = node,
        .read_only = mode[0] == 'r',
        .detach_key = key,
        .log_path = invocation_value(invocation, "log"),
        .rest = rest,
        .rest_size = size,
    };
    r = console_client_run(fd, &options, err);
    if (r == -EPIPE && err && !err->code) {
        (void)error_set(err, EPIPE, "the engine of lab '%s' has gone", lab);
        error_hint(err,
                   "if the lab still runs, the next labctl command starts another: labctl -l "
                   "%s console %s",
                   lab, node);
    }
    return r;
}

/**
 * switch_nodes() - All consoles on one screen
 * @invocation:	Invocation
 * @lab:	Lab
 * @status:	Its status document
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int switch_nodes(const struct invocation *invocation, const char *lab, json_t *status,
                        struct error *err)
{
    _cleanup_free_ char *who = who_am_i();
    const char *given = invocation_value(invocation, "prefix"), *set = getenv("LABCTL_PREFIX");
    struct switcher_options options = {
        .lab = lab, .who = who, .prefix = SWITCHER_PREFIX_DEFAULT, .status = status};
    int r = parse_key(given ? "--prefix" : "LABCTL_PREFIX",
                      given         ? given
                      : set && *set ? set
                                    : NULL,
                      &options.prefix, err);

    return r < 0 ? r : switcher_run(&options, err);
}

static int run_console(struct invocation *invocation, struct error *err)
{
    _cleanup_free_ char *lab = NULL, *more = NULL;
    _cleanup_json_ json_t *status = NULL;
    json_t *nodes;
    int r;

    if (invocation_flag(invocation, "read-only") &&
        (invocation_flag(invocation, "exclusive") || invocation_flag(invocation, "take")))
        return error_input(err, "--read-only and --exclusive exclude each other");
    r = lab_pick(invocation, NULL, &lab, err);
    if (r < 0)
        return r;
    if (invocation->word_count > 0)
        return attach(invocation, lab, invocation->words[0], err);
    r = lab_status(invocation, NULL, &status, err);
    if (r < 0)
        return r;
    nodes = json_object_get(status, "nodes");
    if (json_array_size(nodes) == 1 && !invocation->json)
        return attach(invocation, lab, json_text(json_array_get(nodes, 0), "name"), err);
    if (invocation->json) {
        print_json(json_pack("{s:O}", "nodes", nodes));
        return 0;
    }
    if (isatty(STDIN_FILENO) && output_is_terminal() && json_array_size(nodes) > 0)
        return switch_nodes(invocation, lab, status, err);
    more = lab_argument(lab);
    print_nodes(nodes);
    (void)printf("\nAttach to one with: labctl%s console NODE   (leave it with Ctrl-])\n", more);
    return 0;
}

const struct command cmd_console = {
    .name = "console",
    .arguments = "[NODE]",
    .summary = "Sit down at a node's console",
    .details =
        "r1:1 is the second console of r1. Ctrl-] leaves it. Several people can be at one console. "
        "Without\nNODE: the switcher, with all consoles of the lab on one screen (Ctrl-B ? for "
        "help).",
    .options = console_options,
    .words_most = 1,
    .words = WORD_NODE,
    .run = run_console,
};
