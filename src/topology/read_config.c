// SPDX-License-Identifier: GPL-2.0-or-later

/* The configuration files of a node: one, or several with the names that the guest knows them by.
 * They are only looked at here; what is in them is read when the node starts. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "topology/read_priv.h"

enum { FILES_MAX = 64, FILE_NAME_MAX = 128, PART_MAX = 64 };

bool config_file_name_ok(const char *name)
{
    if (strlen(name) > FILE_NAME_MAX)
        return false;
    for (;;) {
        size_t length = strcspn(name, "/");

        if (length == 0 || length > PART_MAX || strchr(".+-", name[0]))
            return false;
        for (size_t i = 0; i < length; i++)
            if (!isalnum((unsigned char)name[i]) && !strchr("._+-", name[i]))
                return false;
        if (!name[length])
            return true;
        name += length + 1;
    }
}

/**
 * config_path() - Find a configuration file and try to open it
 * @reader:	Reader
 * @value:	Path, relative to the topology file's folder
 *
 * Return: absolute path, caller frees; NULL and a fault if it is no good
 */
static char *config_path(struct yaml_reader *reader, const struct yaml_node *value)
{
    const struct topology_reader *topology = reader->context;
    const char *text = yaml_text(reader, value, "'config'", false);
    _cleanup_free_ char *path = NULL, *shown = NULL;
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (!text)
        return NULL;
    shown = yaml_quote(value);
    path = path_join(topology->dir, text);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int code = errno;
        _cleanup_free_ char *dir = text_escape(topology->dir, strlen(topology->dir));

        diagnostics_add(reader->diagnostics, value->at,
                        "configuration file %s: %s (looked for in %s)", shown, strerror(code),
                        text[0] == '/' ? "/" : dir);
    } else if (!S_ISREG(st.st_mode)) {
        diagnostics_add(reader->diagnostics, value->at, "configuration file %s: %s", shown,
                        S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
    } else if ((uint64_t)st.st_size > TOPOLOGY_CONFIG_MAX) {
        diagnostics_add(reader->diagnostics, value->at,
                        "configuration file %s: %lld bytes; at most %zu are accepted", shown,
                        (long long)st.st_size, TOPOLOGY_CONFIG_MAX);
    } else {
        return steal_ptr(path);
    }
    return NULL;
}

YAML_READER(topology_read_config)
{
    struct node *node = target;
    char *path;

    (void)key;
    if (value->kind != YAML_MAP) {
        path = config_path(reader, value);
        if (path) {
            free(node->config);
            node->config = path;
        }
        return;
    }
    if (value->count == 0 || value->count > FILES_MAX) {
        diagnostics_add(reader->diagnostics, value->at, "config: give 1 to %d files", FILES_MAX);
        return;
    }
    if (node->files)
        return; /* the key is there twice, which is a fault already */
    node->files = xnew0(struct config_file, value->count);
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_pair *pair = &value->pairs[i];
        _cleanup_free_ char *shown = yaml_quote(pair->key);

        if (pair->first)
            diagnostics_add(reader->diagnostics, pair->key->at,
                            "config: %s is given twice, first on line %u", shown,
                            pair->first->at.line);
        else if (!config_file_name_ok(pair->key->text))
            diagnostics_add(reader->diagnostics, pair->key->at,
                            "config: %s cannot be a file's name for a guest: letters, digits and "
                            "'._+-', with '/' between folders",
                            shown);
        else if ((path = config_path(reader, pair->value)))
            node->files[node->file_count++] =
                (struct config_file){.name = xstrdup(pair->key->text), .path = path};
    }
}
