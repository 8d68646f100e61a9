// SPDX-License-Identifier: GPL-2.0-or-later

/* topology down. The lab's engine does it; if it has died, another one adopts the lab first. When
 * even that fails the person is told what is left: processes that have the run folder in their
 * command line, and the folder itself. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/clear_away.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/work.h"

#define EXIT_INTERRUPTED 130
#define CMDLINE_MAX      65536

static const struct option_spec down_options[] = {
    {"wipe", 0, NULL, "also forget the nodes' disks, console logs and captures"},
    {"force", 0, NULL, "do not ask the guests to shut down, just end them"},
    {"all", 0, NULL, "every lab that runs"},
    {0},
};

/**
 * process_mentions() - Does a process of ours have a text in its command line?
 * @pid:	Its folder's name in /proc
 * @text:	What to look for
 * @ret_program: Its program then, escaped; caller frees
 *
 * Return: true if so
 */
static bool process_mentions(const char *pid, const char *text, char **ret_program)
{
    _cleanup_free_ char *dir = path_join("/proc", pid), *path = path_join(dir, "cmdline");
    _cleanup_fclose_ FILE *file = NULL;
    _cleanup_free_ char *line = xmalloc0(CMDLINE_MAX, 1);
    struct stat st;
    size_t size;

    if (stat(dir, &st) < 0 || st.st_uid != geteuid())
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    size = fread(line, 1, CMDLINE_MAX - 1, file);
    if (!memmem(line, size, text, strlen(text)))
        return false;
    *ret_program = text_escape(line, strlen(line));
    return true;
}

/**
 * say_what_is_left() - After a down that failed
 * @name:	Lab
 */
static void say_what_is_left(const char *name)
{
    _cleanup_free_ char *dir = lab_run_dir(name), *mark = xasprintf("%s/", dir);
    _cleanup_closedir_ DIR *proc = opendir("/proc");
    struct dirent *item;

    if (file_exists(dir))
        (void)fprintf(stderr, "left: %s\n", dir);
    while (proc && (item = readdir(proc))) {
        _cleanup_free_ char *program = NULL;

        if (item->d_name[0] < '1' || item->d_name[0] > '9' || atol(item->d_name) == getpid())
            continue;
        if (process_mentions(item->d_name, mark, &program))
            (void)fprintf(stderr, "left: process %s, %s\n", item->d_name, program);
    }
}

/**
 * wipe_kept() - Forget what a lab that is down has kept
 * @name:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int wipe_kept(const char *name, struct error *err)
{
    _cleanup_free_ char *dir = lab_state_dir(name, err);

    return dir ? dir_remove_tree(dir, err) : -ENOENT;
}

/**
 * take_down() - Take one lab down
 * @invocation:	Invocation
 * @name:	Lab
 * @err:	Error to fill
 *
 * Return: exit status or -errno
 */
static int take_down(const struct invocation *invocation, const char *name, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_free_ char *title = xasprintf("lab %s", name);
    _cleanup_json_ json_t *result = NULL;
    struct progress *progress = NULL;
    int r = lab_connect(name, &client, err);

    if (r < 0 && r != -EACCES && r != -EPERM) {
        _cleanup_error_ struct error fault = ERROR_INIT;

        /* No engine can take it over: then it is ended from outside. */
        if (clear_away(name, &fault) == 0) {
            error_done(err);
            if (invocation_flag(invocation, "wipe"))
                return wipe_kept(name, err);
            if (!invocation->json)
                (void)printf("Lab %s is down (its engine could not be replaced, so it was cleared "
                             "away).\n",
                             name);
            return 0;
        }
    }
    if (r == 0)
        r = rpc_call_start(client, "lab.down",
                           json_pack("{s:b, s:b}", "wipe", invocation_flag(invocation, "wipe"),
                                     "force", invocation_flag(invocation, "force")),
                           err);
    if (r == 0) {
        progress = progress_new(title, invocation->json ? PROGRESS_STDERR : PROGRESS_AUTO);
        r = work_wait(client, progress, work_interrupts(), &result, err);
        if (r == 0)
            progress_erase(progress);
        progress_free(progress);
    }
    if (r == -EINTR) {
        (void)fprintf(stderr, "labctl: left; lab '%s' goes on coming down by itself\n", name);
        return EXIT_INTERRUPTED;
    }
    if (r == 0 && !work_wait_gone(client, name))
        r = error_set(err, EBUSY, "lab '%s': its engine said it is down, but something is left",
                      name);
    if (r < 0) {
        say_what_is_left(name);
        return r;
    }
    if (!invocation->json)
        (void)printf("Lab %s is down.\n", name);
    return 0;
}

/**
 * down_all() - Every lab, going on after one that fails
 * @invocation:	Invocation
 * @down:	Names of those that are down are added
 * @err:	Error to fill
 *
 * Return: exit status or -errno
 */
static int down_all(const struct invocation *invocation, json_t *down, struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    int r = lab_list_read(&list, err), status = 0;

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        _cleanup_error_ struct error fault = ERROR_INIT;
        int one = take_down(invocation, list.items[i].name, &fault);

        if (one == EXIT_INTERRUPTED)
            return one;
        if (one == 0)
            (void)json_array_append_new(down, json_string(list.items[i].name));
        else
            status = ERROR_KIND_FAILED;
        if (one < 0)
            print_error(&fault);
    }
    if (r == 0 && list.count == 0 && !invocation->json)
        (void)printf("No lab is running.\n");
    return r < 0 ? r : status;
}

static int run_down(struct invocation *invocation, struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    _cleanup_free_ char *name = NULL;
    const char *given = invocation->word_count > 0 ? invocation->words[0] : NULL;
    json_t *down = json_array();
    int r;

    work_catch_signals();
    r = lab_list_read(&list, err);
    if (r == 0 && invocation_flag(invocation, "all")) {
        r = given || invocation->lab ? error_input(err, "--all and a lab's name exclude each other")
                                     : down_all(invocation, down, err);
    } else if (r == 0 && list.count == 0 && !given && !invocation->lab) {
        if (!invocation->json)
            (void)printf("No lab is running.\n");
    } else if (r == 0) {
        r = lab_pick(invocation, given, &name, err);
        if (r == 0)
            r = take_down(invocation, name, err);
        if (r == 0)
            (void)json_array_append_new(down, json_string(name));
    }
    if (r >= 0 && invocation->json)
        print_json(json_pack("{s:O}", "down", down));
    json_decref(down);
    return r;
}

const struct command cmd_topology_down = {
    .group = "topology",
    .name = "down",
    .arguments = "[LAB]",
    .summary = "Take a lab down",
    .details = "What the nodes wrote to their disks is kept for the next up, unless --wipe.",
    .options = down_options,
    .words_most = 1,
    .words = WORD_LAB,
    .run = run_down,
};
