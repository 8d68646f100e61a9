// SPDX-License-Identifier: GPL-2.0-or-later

/* A lab is there when its run folder holds an engine's socket or a state file. Its engine is alive
 * when the socket answers; when only the state file is left the engine died, and lab_connect()
 * starts another one that takes the lab over: guests and links live on without an engine. */

#include "labctl/lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/output.h"

#define READY_LINE_MAX 65536
#define STATE_MAX      (16u << 20)
#define GREET_TRIES    200
#define GREET_PAUSE_MS 10

char *lab_run_dir(const char *name)
{
    _cleanup_free_ char *root = paths_run_root();

    return path_join(root, name);
}

bool lab_is_stale(const char *name)
{
    _cleanup_free_ char *dir = lab_run_dir(name), *path = path_join(dir, "state.json");
    _cleanup_free_ char *boot_id = process_boot_id(), *data = NULL;
    _cleanup_json_ json_t *state = NULL;
    const char *saved;
    size_t size = 0;

    if (file_read(path, STATE_MAX, &data, &size, NULL) < 0)
        return false;
    state = json_loadb(data, size, 0, NULL);
    saved = json_string_value(json_object_get(state, "boot_id"));
    return boot_id && saved && strcmp(boot_id, saved) != 0;
}

char *lab_state_dir(const char *name, struct error *err)
{
    _cleanup_free_ char *root = paths_state_root(err);

    return root ? path_join(root, name) : NULL;
}

/**
 * run_root_check() - The folder of run folders must be ours: in /tmp a stranger could have made it
 * @root:	Path
 * @err:	Error to fill
 *
 * Return: 0; -ENOENT without @err if there is none; -EPERM with @err
 */
static int run_root_check(const char *root, struct error *err)
{
    struct stat st;

    if (lstat(root, &st) < 0)
        return errno == ENOENT ? -ENOENT : error_errno(err, errno, "%s", root);
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
        return 0;
    (void)error_set(err, EPERM, "%s belongs to user %u, not to you", root, st.st_uid);
    error_hint(err, "set XDG_RUNTIME_DIR to a folder of your own");
    return -EPERM;
}

/**
 * compare_entries() - By name, for qsort()
 * @a:	An entry
 * @b:	Another
 *
 * Return: as strcmp()
 */
static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct lab_entry *)a)->name, ((const struct lab_entry *)b)->name);
}

/**
 * is_remains() - Whether a folder is what a lab has left: something in it, and no engine about it
 * @path:	Folder
 */
static bool is_remains(const char *path)
{
    _cleanup_closedir_ DIR *dir = opendir(path);
    struct dirent *item;
    bool any = false;

    while (dir && !any && (item = readdir(dir)))
        any = item->d_name[0] != '.';
    /* An engine holds its folder before there is a socket. */
    return any && flock(dirfd(dir), LOCK_SH | LOCK_NB) == 0;
}

/**
 * entry_look() - Is there a lab in this folder?
 * @entry:	With name and folder; alive is filled
 *
 * Return: true if so
 */
static bool entry_look(struct lab_entry *entry)
{
    _cleanup_free_ char *socket = path_join(entry->dir, "engine.sock");
    _cleanup_free_ char *state = path_join(entry->dir, "state.json");
    int fd = socket_connect(socket, SOCK_STREAM, NULL);

    entry->alive = fd >= 0;
    if (fd >= 0)
        (void)close(fd);
    return entry->alive || file_exists(state) || is_remains(entry->dir);
}

int lab_list_read(struct lab_list *ret_list, struct error *err)
{
    _cleanup_free_ char *root = paths_run_root();
    _cleanup_closedir_ DIR *dir = NULL;
    struct dirent *item;
    int r = run_root_check(root, err);

    *ret_list = (struct lab_list){0};
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    dir = opendir(root);
    if (!dir)
        return error_errno(err, errno, "%s", root);
    while ((item = readdir(dir))) {
        struct lab_entry entry = {0};

        if (!text_is_name(item->d_name))
            continue;
        entry.name = xstrdup(item->d_name);
        entry.dir = path_join(root, item->d_name);
        if (entry_look(&entry)) {
            array_grow(ret_list->items, ret_list->count, ret_list->capacity);
            ret_list->items[ret_list->count++] = entry;
        } else {
            free(entry.name);
            free(entry.dir);
        }
    }
    if (ret_list->count > 1)
        qsort(ret_list->items, ret_list->count, sizeof(*ret_list->items), compare_entries);
    return 0;
}

void lab_list_done(struct lab_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].dir);
    }
    free(list->items);
    *list = (struct lab_list){0};
}

/**
 * lab_names() - "a, b, c"
 * @list:	Labs
 *
 * Return: new string
 */
static char *lab_names(const struct lab_list *list)
{
    struct strbuf names = STRBUF_INIT;

    for (size_t i = 0; i < list->count; i++)
        strbuf_printf(&names, "%s%s", i ? ", " : "", list->items[i].name);
    return strbuf_steal(&names);
}

/**
 * no_such_lab() - A lab was named that is not there
 * @name:	Its name
 * @list:	Those that are
 * @err:	Error to fill
 *
 * Return: -ENOENT
 */
static int no_such_lab(const char *name, const struct lab_list *list, struct error *err)
{
    _cleanup_free_ const char **names = xnew0(const char *, list->count + 1);
    _cleanup_free_ char *all = lab_names(list);
    const char *nearest;

    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i].name;
    nearest = text_nearest(name, names, list->count);
    (void)error_set(err, ENOENT, "lab '%s' is not running", name);
    if (nearest)
        error_hint(err, "did you mean '%s'?", nearest);
    else if (list->count > 0)
        error_hint(err, "running: %s", all);
    else
        error_hint(err, "start one: labctl topology up FILE");
    return -ENOENT;
}

int lab_pick(const struct invocation *invocation, const char *name, char **ret_name,
             struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    _cleanup_free_ char *all = NULL;
    int r;

    if (name && invocation->lab && strcmp(name, invocation->lab) != 0)
        return error_input(err, "two labs are named: '%s' and '%s'", name, invocation->lab);
    name = name ? name : invocation->lab;
    if (name && !text_is_name(name)) {
        _cleanup_free_ char *shown = text_escape(name, strnlen(name, 80));

        return error_input(err, "'%s' cannot be the name of a lab", shown);
    }
    r = lab_list_read(&list, err);
    if (r < 0)
        return r;
    for (size_t i = 0; name && i < list.count; i++) {
        if (strcmp(list.items[i].name, name) == 0) {
            *ret_name = xstrdup(name);
            return 0;
        }
    }
    if (name)
        return no_such_lab(name, &list, err);
    if (list.count == 1) {
        *ret_name = xstrdup(list.items[0].name);
        return 0;
    }
    if (list.count == 0) {
        (void)error_set(err, ENOENT, "no lab is running");
        error_hint(err, "start one: labctl topology up FILE");
        return -ENOENT;
    }
    all = lab_names(&list);
    (void)error_input(err, "%zu labs are running: %s", list.count, all);
    error_hint(err, "pick one with -l LAB");
    return -EINVAL;
}

/**
 * read_ready() - Read the line that the engine writes once it listens, or failed
 * @fd:		Pipe
 * @line:	Filled
 *
 * Return: 0 or -errno
 */
static int read_ready(int fd, struct strbuf *line)
{
    char chunk[4096];

    while (line->size < READY_LINE_MAX) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            return -EINTR;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        strbuf_append(line, chunk, (size_t)n);
    }
    return 0;
}

/**
 * engine_died() - The engine ended without a word on its ready pipe
 * @pid:	Engine
 * @log:	What it wrote to stderr
 * @err:	Error to fill
 *
 * Return: -EIO
 */
static int engine_died(pid_t pid, int log, struct error *err)
{
    char text[2048] = "";
    ssize_t size;
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        (void)error_set(err, EIO, "labctl-engine died at its start: %s",
                        strsignal(WTERMSIG(status)));
    else
        (void)error_set(err, EIO, "labctl-engine ended at its start with status %d",
                        WEXITSTATUS(status));
    size = pread(log, text, sizeof(text) - 1, 0);
    if (size > 0)
        error_hint(err, "it said: %s", text);
    return -EIO;
}

/**
 * ready_error() - What the ready line says
 * @text:	Line
 * @err:	Error to fill
 *
 * Return: 0 if the engine is ready, else -errno
 */
static int ready_error(const char *text, struct error *err)
{
    _cleanup_json_ json_t *root = json_loads(text, 0, NULL);
    json_t *error = json_object_get(root, "error");

    if (json_is_true(json_object_get(root, "ok")))
        return 0;
    (void)error_set(err, EIO, "%s",
                    error ? json_text(error, "message") : "labctl-engine did not say it is ready");
    if (*json_text(error, "hint"))
        error_hint(err, "%s", json_text(error, "hint"));
    if (err && strcmp(json_text(error, "kind"), "input") == 0)
        err->kind = ERROR_KIND_INPUT;
    return -EIO;
}

int engine_start(const char *lab, const char *topology, struct error *err)
{
    _cleanup_free_ char *program = paths_helper("labctl-engine");
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    _cleanup_close_ int reader = -1, writer = -1, log = -1;
    const char *argv[] = {program,      "--lab", lab,
                          "--ready-fd", "3",     topology ? "--topology" : "--adopt",
                          topology,     NULL};
    int pipe_fds[2], r;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    reader = pipe_fds[0];
    writer = pipe_fds[1];
    log = memfd_create("engine", MFD_CLOEXEC); /* what it says before it has a log of its own */
    if (log < 0)
        return error_errno(err, errno, "memfd");
    struct spawn_fd fds[] = {{.from = writer, .to = 3}, {.from = log, .to = 2}};
    struct spawn_options options = {
        .argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds), .new_session = true};
    r = spawn(&options, &pid, NULL, err);
    if (r < 0)
        return error_prefix(err, "start %s", program);
    (void)close(steal_fd(&writer));
    while ((r = read_ready(reader, &line)) == -EINTR)
        ;
    if (r < 0)
        return error_errno(err, -r, "labctl-engine: ready pipe");
    if (line.size == 0)
        return engine_died(pid, log, err);
    return ready_error(line.data, err);
}

/**
 * connect_once() - Connect to a lab's engine, or to a new one if there is none
 * @name:	Lab
 * @ret_client:	Connection
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int connect_once(const char *name, struct rpc_client **ret_client, struct error *err)
{
    _cleanup_free_ char *dir = lab_run_dir(name), *socket = path_join(dir, "engine.sock");
    _cleanup_free_ char *state = path_join(dir, "state.json");
    int r = rpc_connect(socket, ret_client, err);

    if ((r != -ECONNREFUSED && r != -ENOENT) || !file_exists(state))
        return r < 0 ? error_prefix(err, "lab '%s'", name) : r;
    error_done(err);
    if (lab_is_stale(name)) {
        r = error_set(err, ESTALE, "lab '%s' does not run: the host was restarted since", name);
        error_hint(err,
                   "its disks and consoles are kept: 'labctl topology up FILE' starts from them, "
                   "'labctl topology down %s' forgets that it ran",
                   name);
        return r;
    }
    r = engine_start(name, NULL, err);
    if (r == 0)
        r = rpc_connect(socket, ret_client, err);
    if (r < 0)
        (void)error_prefix(err, "lab '%s': its engine had died and cannot be replaced", name);
    if (r < 0 && err && !err->hint)
        error_hint(err, "clear it away: labctl topology down %s", name);
    return r;
}

/**
 * greet() - Hear that the engine is alive
 * @client:	Connection
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int greet(struct rpc_client *client, struct error *err)
{
    json_t *info = NULL;
    int r = rpc_invoke(client, "engine.info", NULL, &info, err);

    if (r == 0)
        json_decref(info);
    return r;
}

int lab_connect(const char *name, struct rpc_client **ret_client, struct error *err)
{
    /* An engine that was killed just now still takes connections while the kernel clears it away.
     * It no longer answers: so nothing is asked of it that cannot be asked twice before it has. The
     * kernel tells of its end only by what happens to connections, so those are tried again. */
    for (int tries = 0;; tries++) {
        struct rpc_client *client = NULL;
        int r = connect_once(name, &client, err);

        if (r == 0)
            r = greet(client, err);
        if (r == 0) {
            *ret_client = client;
            return 0;
        }
        rpc_client_free(client);
        if ((r != -ECONNRESET && r != -EPIPE) || tries == GREET_TRIES)
            return r;
        error_done(err);
        (void)poll(NULL, 0, GREET_PAUSE_MS);
    }
}

int lab_open(const struct invocation *invocation, struct rpc_client **ret_client, char **ret_name,
             struct error *err)
{
    _cleanup_free_ char *name = NULL;
    int r = lab_pick(invocation, NULL, &name, err);

    if (r == 0)
        r = lab_connect(name, ret_client, err);
    if (r == 0 && ret_name)
        *ret_name = steal_ptr(name);
    return r;
}

int lab_status(const struct invocation *invocation, const char *name, json_t **ret_status,
               struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_free_ char *picked = NULL;
    int r = lab_pick(invocation, name, &picked, err);

    if (r == 0)
        r = lab_connect(picked, &client, err);
    if (r == 0)
        r = rpc_invoke(client, "lab.status", NULL, ret_status, err);
    return r;
}

int lab_invoke(const struct invocation *invocation, const char *method, json_t *params,
               json_t **ret_result, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    json_t *result = NULL;
    int r = lab_open(invocation, &client, NULL, err);

    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = rpc_invoke(client, method, params, &result, err);
    if (r == 0 && ret_result)
        *ret_result = result;
    else
        json_decref(result);
    return r;
}

char *lab_argument(const char *name)
{
    _cleanup_lab_list_ struct lab_list list = {0};

    if (lab_list_read(&list, NULL) < 0 || list.count < 2)
        return xstrdup("");
    return xasprintf(" -l %s", name);
}
