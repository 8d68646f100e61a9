// SPDX-License-Identifier: GPL-2.0-or-later

/* image build and image remove. Building is done by the recipes' own script, which says what it
 * does on standard error. Removing is refused while a lab needs the image. */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/store.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "base/text.h"
#include "labctl/image_use.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

static const struct option_spec build_options[] = {
    {"force", 0, NULL, "also if it is up to date"},
    {"arch", 0, "ARCH", "amd64 (default), arm64, ppc64el: makes NAME-ARCH"},
    {0},
};

/**
 * build_one() - Build one image
 * @invocation:	Invocation
 * @script:	images/lib/build-image
 * @name:	Image
 * @err:	Error to fill
 *
 * Return: 0, the script's exit status, or -errno
 */
static int build_one(const struct invocation *invocation, const char *script, const char *name,
                     struct error *err)
{
    const char *argv[8] = {script, name}, *arch = invocation_value(invocation, "arch");
    struct spawn_fd fds[] = {{.from = STDIN_FILENO, .to = 0},
                             {.from = invocation->json ? STDERR_FILENO : STDOUT_FILENO, .to = 1},
                             {.from = STDERR_FILENO, .to = 2}};
    struct spawn_options options = {.argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds)};
    int status, r, count = 2;
    pid_t pid;

    if (invocation_flag(invocation, "force"))
        argv[count++] = "--force";
    if (arch) {
        argv[count++] = "--arch";
        argv[count++] = arch;
    }
    (void)fflush(stdout);
    r = spawn(&options, &pid, NULL, err);
    if (r < 0)
        return error_prefix(err, "start %s", script);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_errno(err, errno, "wait for %s", script);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_build(struct invocation *invocation, struct error *err)
{
    _cleanup_free_ char *recipes = paths_data("recipes");
    _cleanup_free_ char *script = recipes ? path_join(recipes, "lib/build-image") : NULL;
    json_t *built;
    int r = 0;

    if (!script || access(script, X_OK) < 0) {
        (void)error_set(err, ENOENT, "the recipes are not installed%s%s", script ? ": " : "",
                        script ? script : "");
        error_hint(err, "they belong in share/labctl/recipes beside labctl's bin folder");
        return -ENOENT;
    }
    for (size_t i = 0; i < invocation->word_count; i++)
        if (!text_is_name(invocation->words[i]))
            return error_input(err, "'%s' cannot be the name of an image", invocation->words[i]);
    built = json_array();
    for (size_t i = 0; r == 0 && i < invocation->word_count; i++) {
        r = build_one(invocation, script, invocation->words[i], err);
        if (r == 0)
            (void)json_array_append_new(built, json_string(invocation->words[i]));
    }
    if (r == 0 && invocation->json)
        print_json(json_pack("{s:O}", "built", built));
    json_decref(built);
    return r <= ERROR_KIND_INPUT ? r : ERROR_KIND_FAILED;
}

/**
 * remove_one() - Remove one image
 * @name:	Image
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int remove_one(const char *name, struct error *err)
{
    int r;

    if (!text_is_name(name))
        return error_input(err, "'%s' cannot be the name of an image", name);
    r = image_in_use(name, err);
    return r < 0 ? r : image_remove(name, err);
}

static int run_remove(struct invocation *invocation, struct error *err)
{
    json_t *removed = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < invocation->word_count; i++) {
        r = remove_one(invocation->words[i], err);
        if (r == 0)
            (void)json_array_append_new(removed, json_string(invocation->words[i]));
        if (r == 0 && !invocation->json)
            (void)printf("Image %s is removed.\n", invocation->words[i]);
    }
    if (r == 0 && invocation->json)
        print_json(json_pack("{s:O}", "removed", removed));
    json_decref(removed);
    return r;
}

const struct command cmd_image_build = {
    .group = "image",
    .name = "build",
    .arguments = "IMAGE…",
    .summary = "Build images from Debian packages",
    .details = "One that is up to date is not built again. labctl image list says which recipes "
               "there are.",
    .options = build_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_IMAGE,
    .run = run_build,
};

const struct command cmd_image_remove = {
    .group = "image",
    .name = "remove",
    .arguments = "IMAGE…",
    .summary = "Remove images",
    .details = "Refused while a lab has nodes of the image, or keeps disks on top of it.",
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_IMAGE,
    .run = run_remove,
};
