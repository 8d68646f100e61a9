// SPDX-License-Identifier: GPL-2.0-or-later

/* Two things can be left: a folder below the run folder whose lock nobody holds, so that no engine
 * lives, and processes. A process is a lab's if it is one of the programs that labs consist of,
 * runs as this user (or as one that root lets its guests run as), and names a folder of this user's
 * run folder in its command line: QEMU by its consoles, the fabric by its socket, slirp4netns by
 * its own. It is left over if no engine holds that folder. Wire and capture workers name none; they
 * end with the namespace's fabric, and their lab's state names them.
 *
 * Namespaces, taps, links and the ends of them on the host live exactly as long as processes hold
 * them, sockets lie in the folder, and the state in it names a lab's cgroup: so nothing else is to
 * be looked for. Labs of others, and of another LABCTL_RUN, are none of our business. */

#include "labctl/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/runas.h"
#include "base/text.h"
#include "labctl/clear_away.h"
#include "labctl/lab.h"
#include "labctl/output.h"

#define CMDLINE_MAX 65536
#define GRACE_MS    5000

/**
 * engine_lives() - Whether somebody holds a lab's folder
 * @dir:	Run folder of the lab
 */
static bool engine_lives(const char *dir)
{
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

/**
 * is_program() - Whether a command line is of a program that labs consist of
 * @line:	argv[0] and so on, each with its zero byte
 */
static bool is_program(const char *line)
{
    const char *slash = strrchr(line, '/'), *name = slash ? slash + 1 : line;

    return strncmp(name, "qemu-system-", 12) == 0 || strcmp(name, "labctl-fabric") == 0 ||
           strcmp(name, "labctl-engine") == 0 || strcmp(name, "slirp4netns") == 0 ||
           strcmp(name, "swtpm") == 0;
}

/**
 * lab_of() - Which lab a command line names
 * @line:	argv
 * @size:	Its length
 * @root:	Run folder of all labs, "/" at its end
 *
 * Return: name, caller frees; NULL: none
 */
static char *lab_of(const char *line, size_t size, const char *root)
{
    const char *at = memmem(line, size, root, strlen(root)), *end;
    char *name;

    if (!at)
        return NULL;
    at += strlen(root);
    end = memchr(at, '/', size - (size_t)(at - line));
    if (!end)
        return NULL;
    name = xstrndup(at, (size_t)(end - at));
    if (text_is_name(name))
        return name;
    free(name);
    return NULL;
}

/* Called for each process of a lab of this user's; @program is escaped. */
typedef void process_fn(const struct process_id *id, const char *lab, const char *program,
                        void *data);

/**
 * look_at() - See whether a process is a lab's
 * @pid:	Its number, as text
 * @root:	Run folder of all labs, "/" at its end
 * @fn:		Called then
 * @data:	For it
 */
static void look_at(const char *pid, const char *root, process_fn *fn, void *data)
{
    _cleanup_free_ char *dir = path_join("/proc", pid), *path = path_join(dir, "cmdline");
    _cleanup_free_ char *line = xmalloc0(CMDLINE_MAX, 1), *lab = NULL, *program = NULL;
    _cleanup_close_ int fd = -1;
    struct process_id id;
    struct stat st;
    ssize_t size;

    if (atol(pid) == getpid() || stat(dir, &st) < 0 || !runas_is_ours(st.st_uid) ||
        process_identify((pid_t)atol(pid), &id, NULL) < 0)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    size = fd < 0 ? -1 : read(fd, line, CMDLINE_MAX - 1);
    if (size <= 0 || !is_program(line) || !(lab = lab_of(line, (size_t)size, root)))
        return;
    program = text_escape(line, strlen(line));
    fn(&id, lab, program, data);
}

/**
 * each_process() - All processes of this user's labs
 * @fn:		Called for each
 * @data:	For it
 */
static void each_process(process_fn *fn, void *data)
{
    _cleanup_free_ char *run = paths_run_root(), *root = xasprintf("%s/", run);
    _cleanup_closedir_ DIR *proc = opendir("/proc");
    struct dirent *item;

    while (proc && (item = readdir(proc)))
        if (item->d_name[0] >= '1' && item->d_name[0] <= '9')
            look_at(item->d_name, root, fn, data);
}

/**
 * note_process() - process_fn: one that no engine cares for
 * @id:		Process
 * @lab:	Its lab
 * @program:	What it is
 * @data:	List
 */
static void note_process(const struct process_id *id, const char *lab, const char *program,
                         void *data)
{
    _cleanup_free_ char *dir = lab_run_dir(lab);

    if (engine_lives(dir) || file_exists(dir))
        return; /* somebody does, or it goes with its lab's folder */
    (void)json_array_append_new(
        data, json_pack("{s:s, s:s, s:i, s:I, s:o, s:o}", "kind", "process", "lab", lab, "pid",
                        (int)id->pid, "start_time", (json_int_t)id->start_time, "text",
                        json_sprintf("process %d: %s, of lab %s, whose run folder is gone",
                                     (int)id->pid, program, lab),
                        "clear", json_sprintf("kill %d", (int)id->pid)));
}

/**
 * note_lab() - A folder below the run folder
 * @name:	Its name
 * @list:	Added to, if no engine holds it
 */
static void note_lab(const char *name, json_t *list)
{
    _cleanup_free_ char *dir = lab_run_dir(name), *state = path_join(dir, "state.json");
    const char *what = lab_is_stale(name)   ? "from before a restart of the host"
                       : file_exists(state) ? "its engine has died; its guests may still run, and "
                                              "'labctl topology status' takes it over"
                                            : "the remains of a lab";
    struct stat st;

    if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || engine_lives(dir))
        return;
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:n, s:n, s:o, s:o}", "kind", "lab",
                                                "lab", name, "pid", "start_time", "text",
                                                json_sprintf("%s: %s", dir, what), "clear",
                                                json_sprintf("labctl topology down %s", name)));
}

int leftovers_find(json_t **ret_list, struct error *err)
{
    _cleanup_free_ char *root = paths_run_root();
    _cleanup_closedir_ DIR *dir = opendir(root);
    json_t *list = json_array();
    struct dirent *item;

    if (!dir && errno != ENOENT) {
        json_decref(list);
        return error_errno(err, errno, "%s", root);
    }
    while (dir && (item = readdir(dir)))
        if (text_is_name(item->d_name))
            note_lab(item->d_name, list);
    each_process(note_process, list);
    *ret_list = list;
    return 0;
}

/**
 * end_process() - SIGTERM, then SIGKILL
 * @id:		Process
 *
 * Return: 0, -ETIMEDOUT or another -errno
 */
static int end_process(const struct process_id *id)
{
    _cleanup_close_ int pidfd = process_open(id);
    int r;

    if (pidfd < 0)
        return pidfd == -ESRCH ? 0 : pidfd;
    r = pidfd_end(pidfd, GRACE_MS);
    return r < 0 ? r : 0;
}

int leftovers_clear(json_t *item, struct error *err)
{
    const char *lab = json_text(item, "lab");
    struct process_id id = {
        .pid = (pid_t)json_integer_value(json_object_get(item, "pid")),
        .start_time = (uint64_t)json_integer_value(json_object_get(item, "start_time")),
    };
    int r;

    if (strcmp(json_text(item, "kind"), "lab") == 0)
        return clear_away(lab, err);
    r = end_process(&id);
    return r < 0 ? error_errno(err, -r, "end process %d", (int)id.pid) : 0;
}

/**
 * end_if_of() - process_fn: end it if it is of one lab
 * @id:		Process
 * @lab:	Its lab
 * @program:	Unused
 * @data:	Name of the lab
 */
static void end_if_of(const struct process_id *id, const char *lab, const char *program, void *data)
{
    (void)program;
    if (strcmp(lab, data) == 0)
        (void)end_process(id);
}

void leftovers_end_processes(const char *lab)
{
    _cleanup_free_ char *name = xstrdup(lab);

    each_process(end_if_of, name);
}
