// SPDX-License-Identifier: GPL-2.0-or-later

/* topology wipe. While a lab runs its engine forgets the disks, and refuses if a node runs. Of a
 * lab that is down the kept folder is removed here, but for the captures. */

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

/**
 * wipe_kept() - Remove what a lab that is down has kept
 * @name:	Lab
 * @ret_captures: Set if captures were left there
 * @err:	Error to fill
 *
 * Return: 0; -ENOENT with @err if nothing is kept; other -errno
 */
static int wipe_kept(const char *name, bool *ret_captures, struct error *err)
{
    _cleanup_free_ char *root = lab_state_dir(name, err);
    _cleanup_closedir_ DIR *dir = NULL;
    struct dirent *item;

    if (!root)
        return -ENOENT;
    dir = opendir(root);
    if (!dir && errno == ENOENT) {
        (void)error_set(err, ENOENT, "nothing is kept of a lab '%s'", name);
        error_hint(err, "kept folders are in %.*s", (int)(strlen(root) - strlen(name)), root);
        return -ENOENT;
    }
    if (!dir)
        return error_errno(err, errno, "%s", root);
    while ((item = readdir(dir))) {
        _cleanup_free_ char *path = path_join(root, item->d_name);
        int r = 0;

        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        if (strcmp(item->d_name, "captures") == 0 && rmdir(path) < 0) {
            *ret_captures = true;
            continue;
        }
        if (item->d_type == DT_DIR && strcmp(item->d_name, "captures") != 0)
            r = dir_remove_tree(path, err);
        else if (unlink(path) < 0 && errno != ENOENT)
            r = error_errno(err, errno, "%s", path);
        if (r < 0)
            return r;
    }
    (void)rmdir(root);
    return 0;
}

static int run_wipe(struct invocation *invocation, struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    const char *given = invocation->word_count > 0 ? invocation->words[0] : invocation->lab;
    bool captures = false, running = !given;
    int r = lab_list_read(&list, err);

    if (r < 0)
        return r;
    for (size_t i = 0; given && i < list.count; i++)
        running |= strcmp(list.items[i].name, given) == 0;
    if (given && !text_is_name(given))
        return error_input(err, "'%s' cannot be the name of a lab", given);
    if (!given && list.count == 0) {
        (void)error_input(err, "which lab? None is running");
        error_hint(err, "labctl topology wipe LAB");
        return -EINVAL;
    }
    invocation->lab = given;
    if (running)
        r = lab_invoke(invocation, "lab.wipe", NULL, NULL, err);
    else
        r = wipe_kept(given, &captures, err);
    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(json_pack("{s:s?, s:b}", "lab", given, "wiped", 1));
    } else {
        (void)printf("Wiped%s%s: its nodes will start from their images.\n", given ? " " : "",
                     given ? given : "");
        if (captures) {
            _cleanup_free_ char *root = lab_state_dir(given, NULL);

            (void)printf("Its captures were left in %s/captures.\n", root);
        }
    }
    return 0;
}

const struct command cmd_topology_wipe = {
    .group = "topology",
    .name = "wipe",
    .arguments = "[LAB]",
    .summary = "Forget what a lab's nodes wrote to their disks",
    .words_most = 1,
    .words = WORD_LAB,
    .run = run_wipe,
};
