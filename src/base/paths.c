// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/paths.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/**
 * env_path() - An environment variable that holds an absolute path
 * @name:	Variable
 *
 * Return: its value, NULL if unset or not absolute (the XDG specification says to ignore those)
 */
static const char *env_path(const char *name)
{
    const char *value = secure_getenv(name);

    return value && value[0] == '/' ? value : NULL;
}

/**
 * home_path() - A folder below an XDG base folder
 * @env:	Variable of the base folder
 * @fallback:	The base folder's place below $HOME
 * @name:	What to append
 * @err:	Error to fill
 *
 * Return: new path, NULL on failure
 */
static char *home_path(const char *env, const char *fallback, const char *name, struct error *err)
{
    const char *base = env_path(env), *home = env_path("HOME");

    if (base)
        return path_join(base, name);
    if (!home) {
        (void)error_set(err, ENOENT, "neither %s nor HOME is set to an absolute path", env);
        return NULL;
    }
    return xasprintf("%s/%s/%s", home, fallback, name);
}

char *paths_run_root(void)
{
    const char *value = env_path("LABCTL_RUN");

    if (value)
        return xstrdup(value);
    if (geteuid() == 0)
        return xstrdup("/run/labctl");
    value = env_path("XDG_RUNTIME_DIR");
    if (value && access(value, W_OK) == 0)
        return path_join(value, "labctl");
    return xasprintf("/tmp/labctl-%u", geteuid());
}

char *paths_state_root(struct error *err)
{
    const char *value = env_path("LABCTL_STATE");

    if (value)
        return xstrdup(value);
    if (geteuid() == 0)
        return xstrdup("/var/lib/labctl/labs");
    return home_path("XDG_STATE_HOME", ".local/state", "labctl", err);
}

char *paths_images_root(struct error *err)
{
    const char *value = env_path("LABCTL_IMAGES");

    if (value)
        return xstrdup(value);
    if (geteuid() == 0)
        return xstrdup("/var/lib/labctl/images");
    return home_path("XDG_DATA_HOME", ".local/share", "labctl/images", err);
}

char *paths_images_system(void)
{
    return xstrdup("/usr/share/labctl/images");
}

/**
 * program_dir() - Folder of the running program
 *
 * Return: new path, NULL if /proc is not there
 */
static char *program_dir(void)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (size < 0)
        return NULL;
    self[size] = 0;
    return path_dirname(self);
}

char *paths_helper(const char *name)
{
    _cleanup_free_ char *dir = program_dir();
    char *path;

    if (!dir)
        return xstrdup(name);
    path = path_join(dir, name);
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return xasprintf("%s/../libexec/labctl/%s", dir, name);
}

char *paths_data(const char *name)
{
    _cleanup_free_ char *dir = program_dir();
    char *path;

    if (dir) {
        /* From bin/ and from libexec/labctl/ alike. */
        static const char *const up[] = {"..", "../.."};

        for (size_t i = 0; i < ARRAY_SIZE(up); i++) {
            path = xasprintf("%s/%s/share/labctl/%s", dir, up[i], name);
            if (access(path, R_OK) == 0)
                return path;
            free(path);
        }
    }
    path = path_join(LABCTL_SOURCE_DIR, strcmp(name, "recipes") == 0 ? "images" : name);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}
