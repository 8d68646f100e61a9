// SPDX-License-Identifier: GPL-2.0-or-later

/* How long images usually take to be ready on this machine, so that people who wait know how much
 * longer. labctl-boot-times.json, beside the folder of the labs' kept folders, holds the last few
 * times of each image and accelerator (not in it, so that wiped labs leave that empty). The usual
 * time is their median: a boot on a busy machine counts for no more than any other. Engines of
 * several labs share the file without a lock: it is read again before it is replaced as a whole,
 * and a time lost in between is no loss. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "engine/lab_priv.h"

#define TIMES_KEPT  9
#define FILE_MAX    (1u << 20)
#define IMAGES_MAX  1000
#define SECONDS_MAX (24 * 3600.0)

/**
 * times_path() - Where they are
 *
 * Return: path, caller frees; NULL if there is no place
 */
static char *times_path(void)
{
    _cleanup_free_ char *root = paths_state_root(NULL);

    _cleanup_free_ char *dir = root ? path_dirname(root) : NULL;

    return dir ? path_join(dir, "labctl-boot-times.json") : NULL;
}

void boot_times_load(struct lab *lab)
{
    _cleanup_free_ char *path = times_path(), *data = NULL;
    size_t size = 0;
    json_t *times = NULL;

    if (path && file_read(path, FILE_MAX, &data, &size, NULL) == 0)
        times = json_loadb(data, size, 0, NULL);
    if (!json_is_object(times) || json_object_size(times) > IMAGES_MAX) {
        json_decref(times);
        times = json_object();
    }
    json_decref(lab->boot_times);
    lab->boot_times = times;
}

/**
 * times_key() - What a node's times are kept under
 * @node:	Node
 *
 * Return: key, caller frees
 */
static char *times_key(const struct node_run *node)
{
    return xasprintf("%s/%s", node->appliance->name, node->accel == ACCEL_KVM ? "kvm" : "tcg");
}

void boot_times_add(struct lab *lab, const struct node_run *node, uint64_t ns)
{
    _cleanup_free_ char *key = times_key(node), *path = times_path(), *text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    json_t *list;

    boot_times_load(lab);
    list = json_object_get(lab->boot_times, key);
    if (!json_is_array(list)) {
        list = json_array();
        (void)json_object_set_new(lab->boot_times, key, list);
    }
    while (json_array_size(list) >= TIMES_KEPT)
        (void)json_array_remove(list, 0);
    (void)json_array_append_new(list, json_real((double)(ns / 1000000) / 1000.0));
    text = json_dumps(lab->boot_times, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (path && text && file_write_atomic(path, text, strlen(text), 0600, &err) < 0)
        log_debug("boot times: %s", error_message(&err));
}

/**
 * compare_seconds() - Order two times
 * @a:		One
 * @b:		Other
 *
 * Return: below, equal to or above 0
 */
static int compare_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

uint64_t boot_times_usual(const struct node_run *node)
{
    _cleanup_free_ char *key = times_key(node);
    json_t *list = json_object_get(node->lab->boot_times, key), *item;
    double seconds[TIMES_KEPT];
    size_t i, count = 0;

    json_array_foreach (list, i, item) {
        double value = json_number_value(item);

        /* The file may have been written by anybody who is this user. */
        if (value > 0 && value < SECONDS_MAX && count < TIMES_KEPT)
            seconds[count++] = value;
    }
    if (count == 0)
        return 0;
    qsort(seconds, count, sizeof(seconds[0]), compare_seconds);
    return (uint64_t)(seconds[count / 2] * 1e9);
}
