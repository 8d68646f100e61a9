// SPDX-License-Identifier: GPL-2.0-or-later

/* How a node ends: because it is told to, each step harder than the one before (the guest is asked,
 * QEMU is asked, QEMU is killed), or by itself; and what is said of it then. The pidfd of QEMU
 * alone tells that it has ended, whatever QMP says. */

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/lab_priv.h"

#define QUIT_GRACE_NS (3ull * 1000000000) /* from QMP quit to SIGKILL */
#define STDERR_QUOTED 400                 /* bytes of QEMU's last words in a reason */

void node_forget_process(struct node_run *node)
{
    typing_stop(node);
    node->exit_source = sd_event_source_disable_unref(node->exit_source);
    readiness_disarm(node);
    node->slot_timer = sd_event_source_disable_unref(node->slot_timer);
    node->ready_timer = sd_event_source_disable_unref(node->ready_timer);
    node->stop_timer = sd_event_source_disable_unref(node->stop_timer);
    qmp_free(node->qmp);
    node->qmp = NULL;
    cleanup_close(&node->pidfd);
    node->pidfd = -1;
    node->process = (struct process_id){0};
    for (size_t i = 0; i < ARRAY_SIZE(node->serial_fds); i++) {
        cleanup_close(&node->serial_fds[i]);
        node->serial_fds[i] = -1;
    }
    node->launched = false;
    node->timed_out = false;
    node_faults_forget(node);
}

/**
 * quote_stderr() - QEMU's last words, as they stand in its log
 * @node:	Node
 *
 * Return: " (…)", or an empty string; caller frees
 */
static char *quote_stderr(const struct node_run *node)
{
    _cleanup_free_ char *path = path_join(node->dir, "qemu.log"), *data = NULL, *shown = NULL;
    size_t size = 0;
    char *from;

    if (file_read(path, 1 << 20, &data, &size, NULL) < 0)
        return xstrdup("");
    while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == ' '))
        data[--size] = 0;
    if (size == 0)
        return xstrdup("");
    from = size > STDERR_QUOTED ? data + size - STDERR_QUOTED : data;
    for (char *at = from; *at; at++)
        if (*at == '\n')
            *at = ' ';
    shown = text_escape(from, strlen(from));
    return xasprintf(": %s", shown);
}

/**
 * describe_exit() - Say how QEMU ended
 * @node:	Node; its pidfd is readable
 * @ret_clean:	True when it exited with status 0
 *
 * Return: text, caller frees
 */
static char *describe_exit(const struct node_run *node, bool *ret_clean)
{
    _cleanup_free_ char *words = quote_stderr(node);
    siginfo_t info = {0};

    *ret_clean = false;
    if (waitid(P_PIDFD, (id_t)node->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return xasprintf("QEMU (pid %d) ended%s", node->process.pid, words);
    if (info.si_code == CLD_EXITED) {
        *ret_clean = info.si_status == 0;
        return xasprintf("QEMU (pid %d) exited with status %d%s", node->process.pid, info.si_status,
                         words);
    }
    return xasprintf("QEMU (pid %d) was killed by signal %d (%s)%s", node->process.pid,
                     info.si_status, strsignal(info.si_status), words);
}

/**
 * on_exit_ready() - QEMU is gone
 * @source:	Its event source
 * @fd:		The pidfd
 * @revents:	EPOLLIN
 * @data:	Its node
 *
 * Return: 0
 */
static int on_exit_ready(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct node_run *node = data;
    _cleanup_free_ char *how = NULL;
    bool clean, asked = node->state == NODE_STOPPING, shutdown = node->guest_shutdown;

    (void)source;
    (void)fd;
    (void)revents;
    how = describe_exit(node, &clean);
    for (unsigned i = 0; i < node->console_count; i++)
        console_close(node->consoles[i], asked || shutdown ? "stopped" : "QEMU ended");
    node_end_tpm(node);
    node_forget_process(node);
    node->booted_ns = 0;
    if (asked && node->deaf) {
        _cleanup_free_ char *limit = units_format_duration(node->appliance->stop_timeout_ns);

        node_set_state(node, NODE_STOPPED, "it did not shut down within %s, so it was ended",
                       limit);
    } else if (asked) {
        node_set_state(node, NODE_STOPPED, NULL);
    } else if (shutdown || clean) {
        node_set_state(node, NODE_STOPPED, "the guest powered itself off");
    } else {
        node_set_state(node, NODE_CRASHED, "%s", how);
    }
    carrier_update(node->lab);
    if (node->wants_restart && node->lab->state != LAB_STOPPING)
        node_queue(node, false);
    else if (!asked)
        node_ended(node, node->state == NODE_CRASHED);
    return 0;
}

int node_await_end(struct node_run *node, struct error *err)
{
    int r = sd_event_add_io(node->lab->event, &node->exit_source, node->pidfd, EPOLLIN,
                            on_exit_ready, node);

    if (r < 0)
        return error_errno(err, -r, "watch QEMU");
    /* What QEMU said last is read before its end is acted upon. */
    (void)sd_event_source_set_priority(node->exit_source, SD_EVENT_PRIORITY_NORMAL + 10);
    return 0;
}

void node_abandon(struct node_run *node)
{
    if (node->pidfd >= 0) {
        siginfo_t info;

        (void)pidfd_signal(node->pidfd, SIGKILL);
        if (node->is_child)
            (void)waitid(P_PIDFD, (id_t)node->pidfd, &info, WEXITED);
    }
    for (unsigned i = 0; i < node->console_count; i++)
        console_close(node->consoles[i], "could not be started");
    node_forget_process(node);
}

void node_lost(struct node_run *node, const char *how)
{
    _cleanup_free_ char *words = quote_stderr(node);

    node_set_state(node, NODE_CRASHED, "%s%s", how, words);
}

/* ---- told to stop ---- */

/**
 * on_stop_timeout() - It has not stopped in time
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;

    (void)source;
    (void)usec;
    node->deaf |= node->stop_step == 1;
    node_stop_harder(node);
    return 0;
}

/**
 * ask_guest() - Ask the guest to shut down, the appliance's way
 * @node:	Node
 *
 * Return: true if there is such a way and it was taken
 */
static bool ask_guest(struct node_run *node)
{
    _cleanup_free_ char *line = NULL;

    switch (node->appliance->stop) {
    case STOP_ACPI:
        return qmp_execute(node->qmp, "system_powerdown", NULL, NULL, NULL, NULL) == 0;
    case STOP_CONSOLE:
        line = xasprintf("%s\r", node->appliance->stop_command);
        return console_write(node->consoles[node->console_count - 1], line, strlen(line), NULL) ==
               0;
    case STOP_QUIT:
        break;
    }
    return false;
}

void node_stop_harder(struct node_run *node)
{
    if (!node_has_process(node))
        return;
    switch (node->stop_step++) {
    case 0:
        if (node->launched && node->booted_ns && ask_guest(node)) {
            node_set_timer(node, &node->stop_timer, node->appliance->stop_timeout_ns,
                           on_stop_timeout);
            return;
        }
        node->stop_step++;
        /* fall through */
    case 1:
        if (node->launched && qmp_execute(node->qmp, "quit", NULL, NULL, NULL, NULL) == 0) {
            node_set_timer(node, &node->stop_timer, QUIT_GRACE_NS, on_stop_timeout);
            return;
        }
        node->stop_step++;
        /* fall through */
    default:
        (void)pidfd_signal(node->pidfd, SIGKILL);
        break;
    }
}

void node_stop(struct node_run *node, bool force)
{
    if (node->state == NODE_QUEUED) {
        node_set_state(node, NODE_STOPPED, NULL);
        return;
    }
    node_restart_cancel(node);
    if (!node_has_process(node)) {
        if (node->state == NODE_CRASHED)
            node_set_state(node, NODE_STOPPED, NULL);
        return;
    }
    if (node->state != NODE_STOPPING) {
        node->stop_step = node->hangs ? 2 : force || node->halted ? 1 : 0;
        typing_stop(node);
        node->deaf = false;
        readiness_disarm(node);
        node->ready_timer = sd_event_source_disable_unref(node->ready_timer);
        node_set_state(node, NODE_STOPPING, NULL);
    } else if (force && node->stop_step < 2) {
        node->stop_step = 1;
    } else {
        return;
    }
    node_stop_harder(node);
}
