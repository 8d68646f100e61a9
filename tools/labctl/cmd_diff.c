// SPDX-License-Identifier: GPL-2.0-or-later

/* topology diff and node diff: what save-config would change, as diff(1) prints it. Exit status as
 * diff's: 0 the same, 1 different, 2 trouble. */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "labctl/config_fetch.h"
#include "labctl/output.h"

enum { SAME = 0, DIFFERENT = 1, TROUBLE = 2 };

struct comparing {
    bool json;
    json_t *results;
    int status; /* the worst so far */
};

/**
 * read_memfd() - All that is in a file without a name
 * @fd:		File
 *
 * Return: text, caller frees
 */
static char *read_memfd(int fd)
{
    struct strbuf text = STRBUF_INIT;
    char buffer[4096];
    ssize_t n;
    off_t at = 0;

    while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
        strbuf_append(&text, buffer, (size_t)n);
        at += n;
    }
    return strbuf_steal(&text);
}

/**
 * run_diff() - Let diff compare a file with a text
 * @item:	Item with a text
 * @ret_diff:	Unified diff, caller frees
 * @err:	Error to fill
 *
 * Return: SAME, DIFFERENT, or -errno
 */
static int run_diff(const struct config_item *item, char **ret_diff, struct error *err)
{
    _cleanup_free_ char *old_label = NULL, *new_label = xasprintf("b/%s", item->shown);
    _cleanup_close_ int in = memfd_create("running", MFD_CLOEXEC);
    _cleanup_close_ int out = memfd_create("diff", MFD_CLOEXEC);
    bool there = (item->named || item->added) && file_exists(item->file);
    pid_t pid;
    int status = 0, r;

    old_label = there ? xasprintf("a/%s", item->shown) : xstrdup("/dev/null");
    if (in < 0 || out < 0)
        return error_errno(err, errno, "memfd");
    r = write_all(in, item->text, strlen(item->text));
    if (r < 0 || lseek(in, 0, SEEK_SET) < 0)
        return error_errno(err, r < 0 ? -r : errno, "memfd");
    const char *argv[] = {"diff",    "-u",      "--label", old_label,
                          "--label", new_label, "--",      there ? item->file : "/dev/null",
                          "-",       NULL};
    struct spawn_fd fds[] = {{.from = in, .to = 0}, {.from = out, .to = 1}};

    r = spawn(&(struct spawn_options){.argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds)}, &pid,
              NULL, err);
    if (r < 0) {
        if (r == -ENOENT)
            error_hint(err, "on Debian: sudo apt install diffutils");
        return r;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > DIFFERENT)
        return error_set(err, EIO, "diff could not compare %s", item->shown);
    *ret_diff = read_memfd(out);
    return WEXITSTATUS(status);
}

/**
 * print_diff() - A unified diff, coloured on a terminal
 * @diff:	Diff
 */
static void print_diff(const char *diff)
{
    for (const char *at = diff; *at;) {
        const char *end = strchr(at, '\n');
        size_t size = end ? (size_t)(end - at) + 1 : strlen(at);
        enum colour colour = *at == '+'   ? COLOUR_GREEN
                             : *at == '-' ? COLOUR_RED
                             : *at == '@' ? COLOUR_DIM
                                          : COLOUR_NONE;

        (void)fputs(colour_on(colour), stdout);
        print_text(at, size);
        (void)fputs(colour == COLOUR_NONE ? "" : colour_off(), stdout);
        at += size;
    }
    (void)fflush(stdout);
}

/**
 * on_fetched() - One node has been asked
 * @work:	Work
 * @item:	Item
 * @data:	Comparing
 */
static void on_fetched(struct config_work *work, struct config_item *item, void *data)
{
    struct comparing *comparing = data;
    _cleanup_free_ char *diff = NULL;
    const char *state = "skipped";
    int status = SAME;

    (void)work;
    if (item->text)
        status = run_diff(item, &diff, &item->err);
    if (item->err.code) {
        status = TROUBLE;
        state = "failed";
        print_error(&item->err);
    } else if (item->text) {
        state = status == DIFFERENT ? "different" : "same";
    }
    if (status > comparing->status)
        comparing->status = status;
    (void)json_array_append_new(
        comparing->results,
        json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "node", item->node, "state", state, "file",
                  item->text ? item->file : NULL, "diff", status == DIFFERENT ? diff : NULL,
                  "error", item->err.code ? error_message(&item->err) : item->reason));
    if (!comparing->json && status == DIFFERENT)
        print_diff(diff);
}

static int run_diff_command(struct invocation *invocation, struct error *err)
{
    struct config_work work = {.lab = NULL};
    struct comparing comparing = {.json = invocation->json, .results = json_array()};
    long timeout = 0;
    int r = invocation_integer(invocation, "timeout", 1, 86400, &timeout, err);

    if (r == 0)
        r = config_work_begin(&work, invocation, invocation_flag(invocation, "all"), err);
    if (r == 0) {
        config_work_fetch(&work, timeout, on_fetched, &comparing);
        if (comparing.json)
            print_json(json_pack("{s:s, s:b, s:O}", "lab", work.lab, "different",
                                 comparing.status == DIFFERENT, "results", comparing.results));
    } else {
        print_error(err);
        comparing.status = TROUBLE;
    }
    json_decref(comparing.results);
    config_work_done(&work);
    return comparing.status;
}

#define DETAILS                                                                                    \
    "Asks the appliances over their consoles for what runs now, and compares with the files "      \
    "that\n"                                                                                       \
    "the nodes start from. Exits with 0 if all are the same, 1 if some differ, 2 if one could "    \
    "not\n"                                                                                        \
    "be asked."

static const struct option_spec options[] = {
    {"all", 0, NULL, "every node"}, /* of nodes only, see below */
    {"timeout", 0, "SECONDS", "how long each node may take (default 60)"},
    {0},
};

const struct command cmd_topology_diff = {
    .group = "topology",
    .name = "diff",
    .arguments = "[LAB]",
    .summary = "Compare running configurations with those that nodes start from",
    .details = DETAILS,
    .options = &options[1],
    .words_most = 1,
    .words = WORD_LAB,
    .run = run_diff_command,
};

const struct command cmd_node_diff = {
    .group = "node",
    .name = "diff",
    .arguments = "NODE…",
    .summary = "The same of some nodes",
    .details = DETAILS,
    .options = options,
    .words_most = WORDS_ANY,
    .words = WORD_NODE,
    .run = run_diff_command,
};
