// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/process.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/**
 * read_stat() - State and start time from /proc/PID/stat
 * @pid:	Process
 * @ret_state:	State letter
 * @ret_start:	Start time in ticks
 *
 * The command name may hold anything, so fields count from the last closing parenthesis.
 *
 * Return: 0 or -ESRCH
 */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid), *data = NULL;
    const char *at;

    if (file_read(path, 4096, &data, NULL, NULL) < 0)
        return -ESRCH;
    at = strrchr(data, ')');
    if (!at || sscanf(at,
                      ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                      "%*d %*d %" SCNu64,
                      ret_state, ret_start) != 2)
        return -ESRCH;
    return 0;
}

int process_identify(pid_t pid, struct process_id *ret_id, struct error *err)
{
    uint64_t start;
    char state;

    if (read_stat(pid, &state, &start) < 0)
        return error_set(err, ESRCH, "process %d is gone", pid);
    *ret_id = (struct process_id){.pid = pid, .start_time = start};
    return 0;
}

int process_open(const struct process_id *id)
{
    _cleanup_close_ int fd = -1;
    uint64_t start;
    char state;

    if (id->pid <= 0)
        return -ESRCH;
    fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
    if (fd < 0)
        return -errno;
    /* Looked at after the pidfd is held: the pid cannot be given to another process meanwhile. */
    if (read_stat(id->pid, &state, &start) < 0 || start != id->start_time || state == 'Z' ||
        state == 'X')
        return -ESRCH;
    return steal_fd(&fd);
}

bool process_alive(const struct process_id *id)
{
    _cleanup_close_ int fd = process_open(id);

    return fd >= 0;
}

int pidfd_signal(int pidfd, int signal_number)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0)
        return -errno;
    return 0;
}

/**
 * ends_within() - Wait for a process's end
 * @pidfd:	Process
 * @ms:		How long at most
 *
 * Return: true if it has ended
 */
static bool ends_within(int pidfd, int ms)
{
    struct pollfd item = {.fd = pidfd, .events = POLLIN};

    return poll(&item, 1, ms) > 0;
}

int pidfd_end(int pidfd, int grace_ms)
{
    (void)pidfd_signal(pidfd, SIGTERM);
    if (ends_within(pidfd, grace_ms))
        return 0;
    (void)pidfd_signal(pidfd, SIGKILL);
    return ends_within(pidfd, grace_ms) ? 1 : -ETIMEDOUT;
}

char *process_boot_id(void)
{
    char *data = NULL;

    if (file_read("/proc/sys/kernel/random/boot_id", 64, &data, NULL, NULL) < 0)
        return NULL;
    data[strcspn(data, "\n")] = 0;
    return data;
}
