// SPDX-License-Identifier: GPL-2.0-or-later

/* The way out when a lab's engine is dead and no other can be started. The run folder's lock is
 * taken first, so no engine can be working at the same time. Then, from the guests outwards: QEMUs
 * are told to quit through their QMP sockets, what serves a socket of its own making (fabric,
 * slirp4netns) is known by SO_PEERCRED, and everything that the state file names, if it can be
 * read, by pid and start time, and at last what names the folder in its command line. The fabric
 * ends its own helpers. At last the folder goes. */

#include "labctl/clear_away.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"
#include "labctl/lab.h"
#include "labctl/leftovers.h"

#define GRACE_MS  5000
#define STATE_MAX (16u << 20)

/**
 * wait_end() - Wait until a descriptor says that its process is gone
 * @fd:		Connection or pidfd
 *
 * Return: true if so
 */
static bool wait_end(int fd)
{
    char bytes[4096];

    for (;;) {
        struct pollfd item = {.fd = fd, .events = POLLIN};

        if (poll(&item, 1, GRACE_MS) <= 0)
            return false;
        /* A pidfd cannot be read; a connection is read until it ends. */
        if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
            return true;
    }
}

/**
 * end_process() - SIGTERM, then SIGKILL
 * @pidfd:	Process; closed
 */
static void end_process(int pidfd)
{
    if (pidfd < 0)
        return;
    (void)pidfd_end(pidfd, GRACE_MS);
    (void)close(pidfd);
}

/**
 * quit_qemu() - Tell a QEMU to end (QMP: quit)
 * @path:	Its QMP socket
 */
static void quit_qemu(const char *path)
{
    static const char words[] = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n";
    _cleanup_close_ int fd = socket_connect(path, SOCK_STREAM, NULL);

    if (fd >= 0 && write_all(fd, words, sizeof(words) - 1) == 0)
        (void)wait_end(fd);
}

/**
 * end_listener() - End the process that made the socket on which it listens
 * @path:	Socket
 * @type:	SOCK_…
 */
static void end_listener(const char *path, int type)
{
    _cleanup_close_ int fd = socket_connect(path, type, NULL);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    struct process_id id;

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid() || peer.pid <= 1 || process_identify(peer.pid, &id, NULL) < 0)
        return;
    end_process(process_open(&id));
}

/**
 * end_named() - End what an object of the state names
 * @object:	With "pid" and "start_time", or NULL
 */
static void end_named(json_t *object)
{
    struct process_id id = {
        .pid = (pid_t)json_integer_value(json_object_get(object, "pid")),
        .start_time = (uint64_t)json_integer_value(json_object_get(object, "start_time")),
    };

    if (id.pid > 1)
        end_process(process_open(&id));
}

/**
 * read_state() - What the engine wrote down last
 * @dir:	Run folder
 *
 * Return: new reference; NULL: it cannot be read
 */
static json_t *read_state(const char *dir)
{
    _cleanup_free_ char *path = path_join(dir, "state.json"), *data = NULL;
    size_t size = 0;

    return file_read(path, STATE_MAX, &data, &size, NULL) < 0 ? NULL
                                                              : json_loadb(data, size, 0, NULL);
}

/**
 * end_by_state() - End all that the state file names
 * @state:	What it says, or NULL
 */
static void end_by_state(json_t *state)
{
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(state, "nodes"), i, item)
        end_named(item);
    json_array_foreach (json_object_get(state, "uplinks"), i, item)
        end_named(item);
    json_array_foreach (json_object_get(state, "captures"), i, item)
        end_named(item);
    end_named(json_object_get(state, "fabric"));
    end_named(json_object_get(state, "wire"));
}

/**
 * remove_cgroup() - Remove the lab's cgroup, in which nothing runs any more
 * @state:	What the state file says, or NULL
 * @lab:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int remove_cgroup(json_t *state, const char *lab, struct error *err)
{
    const char *path = json_string_value(json_object_get(state, "cgroup"));
    _cleanup_free_ char *name = cgroup_lab_name(lab);
    int r = cgroup_is(path, name) ? cgroup_remove(path) : 0;

    return r < 0 ? error_errno(err, -r, "%s", path) : 0;
}

/**
 * end_by_sockets() - End all that answers in the run folder
 * @dir:	Run folder
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int end_by_sockets(const char *dir, struct error *err)
{
    _cleanup_closedir_ DIR *entries = opendir(dir);
    _cleanup_free_ char *fabric = path_join(dir, "fabric.sock");
    struct dirent *entry;

    if (!entries)
        return error_errno(err, errno, "%s", dir);
    while ((entry = readdir(entries))) {
        _cleanup_free_ char *path = path_join(dir, entry->d_name);
        const char *dot = strrchr(entry->d_name, '.');

        if (dot && strcmp(dot, ".qmp") == 0)
            quit_qemu(path);
        else if (dot && strcmp(dot, ".nat") == 0)
            end_listener(path, SOCK_STREAM);
    }
    end_listener(fabric, SOCK_SEQPACKET);
    return 0;
}

int clear_away(const char *lab, struct error *err)
{
    _cleanup_free_ char *dir = lab_run_dir(lab);
    _cleanup_close_ int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    json_t *state;
    int r;

    if (lock < 0)
        return error_errno(err, errno, "%s", dir);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, EBUSY, "an engine of lab '%s' lives", lab);
    r = end_by_sockets(dir, err);
    if (r < 0)
        return r;
    state = lab_is_stale(lab) ? NULL : read_state(dir);
    end_by_state(state);
    leftovers_end_processes(lab); /* what neither answered nor was written down */
    r = remove_cgroup(state, lab, err);
    json_decref(state);
    return r < 0 ? r : dir_remove_tree(dir, err);
}
