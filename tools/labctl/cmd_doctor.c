// SPDX-License-Identifier: GPL-2.0-or-later

/* doctor: the engine's program proves, one by one, what labs need of this machine; here it is
 * shown. */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/leftovers.h"
#include "labctl/output.h"

#define DOCTOR_OUTPUT_MAX (1u << 20)

/**
 * doctor_ask() - Run labctl-engine --doctor
 * @ret_document: What it printed; owned by the caller
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int doctor_ask(json_t **ret_document, struct error *err)
{
    _cleanup_free_ char *program = paths_helper("labctl-engine");
    _cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
    _cleanup_close_ int reader = -1, writer = -1;
    const char *argv[] = {program, "--doctor", NULL};
    int pipe_fds[2], status = 0, r;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    reader = pipe_fds[0];
    writer = pipe_fds[1];
    struct spawn_fd fds[] = {{.from = writer, .to = 1}, {.from = STDERR_FILENO, .to = 2}};
    struct spawn_options options = {.argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds)};
    r = spawn(&options, &pid, NULL, err);
    if (r < 0)
        return error_prefix(err, "start %s", program);
    (void)close(steal_fd(&writer));
    (void)read_all(reader, DOCTOR_OUTPUT_MAX, &output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *ret_document = json_loadb(output.data ? output.data : "", output.size, 0, NULL);
    if (!*ret_document)
        return error_set(err, EIO,
                         "labctl-engine --doctor printed nothing that can be read "
                         "(status %d)",
                         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}

/**
 * print_item() - One line, and how to mend it
 * @item:	Item
 * @width:	Of the names
 */
static void print_item(json_t *item, size_t width)
{
    bool ok = json_is_true(json_object_get(item, "ok"));
    bool needed = !json_is_false(json_object_get(item, "needed"));
    const char *sign = output_is_utf8() ? (ok       ? "✓"
                                           : needed ? "✗"
                                                    : "–")
                                        : (ok       ? "ok  "
                                           : needed ? "FAIL"
                                                    : "--  ");
    const char *mend = json_text(item, "mend"), *detail = json_text(item, "detail");
    _cleanup_free_ char *name = text_fit(json_text(item, "name"), width, true);
    _cleanup_free_ char *detail_shown = text_escape(detail, strlen(detail));
    _cleanup_free_ char *mend_shown = text_escape(mend, strlen(mend));

    (void)printf("%s%s%s %s  %s\n",
                 colour_on(ok       ? COLOUR_GREEN
                           : needed ? COLOUR_RED
                                    : COLOUR_YELLOW),
                 sign, colour_off(), name, detail_shown);
    if (!ok && *mend)
        (void)printf("%*s  mend: %s\n", (int)(text_columns(sign) + 1 + width), "", mend_shown);
}

/**
 * run_leftovers() - doctor --leftovers
 * @invocation:	Invocation
 * @err:	Error to fill
 *
 * Return: exit status or -errno
 */
static int run_leftovers(const struct invocation *invocation, struct error *err)
{
    _cleanup_json_ json_t *list = NULL;
    bool clear = invocation_flag(invocation, "clear");
    json_t *item;
    size_t i, left = 0;
    int r = leftovers_find(&list, err);

    if (r < 0)
        return r;
    json_array_foreach (list, i, item) {
        _cleanup_error_ struct error fault = ERROR_INIT;
        bool gone = clear && leftovers_clear(item, &fault) == 0;

        (void)json_object_set_new(item, "cleared", json_boolean(gone));
        left += !gone;
        if (invocation->json)
            continue;
        (void)printf("%s%s\n", json_text(item, "text"), gone ? ": cleared away" : "");
        if (fault.code)
            print_error(&fault);
        else if (!gone)
            (void)printf("    clear it: %s\n", json_text(item, "clear"));
    }
    if (invocation->json)
        print_json(json_pack("{s:O}", "leftovers", list));
    else if (json_array_size(list) == 0)
        (void)printf("Labs have left nothing.\n");
    else if (left > 0 && !clear)
        (void)printf("\nAll of it: labctl doctor --leftovers --clear\n");
    return left > 0 ? ERROR_KIND_FAILED : 0;
}

static int run_doctor(struct invocation *invocation, struct error *err)
{
    _cleanup_json_ json_t *document = NULL;
    json_t *items, *item;
    size_t i, width = 0, bad = 0;
    int r;

    if (invocation_flag(invocation, "clear") && !invocation_flag(invocation, "leftovers"))
        return error_input(err, "--clear belongs to --leftovers");
    if (invocation_flag(invocation, "leftovers"))
        return run_leftovers(invocation, err);
    r = doctor_ask(&document, err);
    if (r < 0)
        return r;
    items = json_object_get(document, "items");
    json_array_foreach (items, i, item) {
        size_t columns = text_columns(json_text(item, "name"));

        width = columns > width ? columns : width;
        bad += !json_is_true(json_object_get(item, "ok")) &&
               !json_is_false(json_object_get(item, "needed"));
    }
    if (invocation->json) {
        print_json(steal_ptr(document));
        return bad > 0 ? ERROR_KIND_FAILED : 0;
    }
    json_array_foreach (items, i, item)
        print_item(item, width < 40 ? width : 40);
    if (bad == 0)
        (void)printf("\nLabs can run here.\n");
    else
        (void)printf("\n%zu thing%s that labs need %s missing.\n", bad, bad == 1 ? "" : "s",
                     bad == 1 ? "is" : "are");
    return bad > 0 ? ERROR_KIND_FAILED : 0;
}

static const struct option_spec doctor_options[] = {
    {"leftovers", 0, NULL, "look for what labs that are no more have left here"},
    {"clear", 0, NULL, "with --leftovers: clear it away"},
    {0},
};

const struct command cmd_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Try out what labs need of this machine",
    .details =
        "With --leftovers: processes and folders of labs whose engine is gone. Nothing else is "
        "looked at or touched.",
    .options = doctor_options,
    .run = run_doctor,
};
