// SPDX-License-Identifier: GPL-2.0-or-later

/* The engine's end. Each call sends one message and blocks for its reply, at most CALL_TIMEOUT_S:
 * what the fabric does takes milliseconds, and an engine that went on without knowing the outcome
 * would be worse off. A reply that came too late would be taken for that of the next request, so
 * after a timeout the connection is shut down and later calls fail. fabric_stop() works even then:
 * it goes by the process, not by the connection. */

#include "netfabric/fabric.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "netfabric/proto_priv.h"

#define CALL_TIMEOUT_S  30
#define STOP_TIMEOUT_MS 10000

struct fabric {
    int fd;
    struct process_id process;
    bool is_child;      /* reaped by fabric_stop() */
    uint32_t abilities; /* PROTO_CAN_… */
};

/**
 * take_reply() - Read the reply to a request
 * @fabric:	Handle
 * @fds:	Filled with descriptors that come along; may be NULL
 * @ret_count:	In: room; out: how many; may be NULL
 * @ret_value:	May be NULL
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int take_reply(struct fabric *fabric, int *fds, size_t *ret_count, uint32_t *ret_value,
                      struct error *err)
{
    char message[8192];
    struct proto_reply reply = {.error = ERROR_INIT};
    ssize_t n = socket_receive_fds(fabric->fd, message, sizeof(message), fds, ret_count);
    int r;

    if (n == -EAGAIN) {
        (void)shutdown(fabric->fd, SHUT_RDWR);
        return error_set(err, ETIMEDOUT, "the fabric process does not answer");
    }
    if (n < 0)
        return error_errno(err, (int)-n, "the fabric process");
    if (n == 0)
        return error_set(err, EPIPE, "the fabric process is gone");
    r = proto_decode_reply(message, (size_t)n, &reply, err);
    if (r < 0)
        return r;
    if (reply.error.code) {
        r = -reply.error.code;
        error_move(err, &reply.error);
        return r;
    }
    if (ret_value)
        *ret_value = reply.value;
    return 0;
}

/**
 * call() - One request and its reply
 * @fabric:	Handle
 * @op:		What
 * @words:	Its words
 * @word_count:	How many
 * @fds:	Descriptors that go along
 * @fd_count:	How many
 * @ret_fds:	See take_reply()
 * @ret_count:	See take_reply()
 * @ret_value:	See take_reply()
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int call(struct fabric *fabric, enum proto_op op, const char *const *words,
                size_t word_count, const int *fds, size_t fd_count, int *ret_fds, size_t *ret_count,
                uint32_t *ret_value, struct error *err)
{
    _cleanup_strbuf_ struct strbuf request = STRBUF_INIT;
    int r;

    proto_encode_request(&request, op, words, word_count);
    if (request.size > PROTO_MESSAGE_MAX)
        return error_set(err, E2BIG, "the request to the fabric process is too long");
    r = socket_send_fds(fabric->fd, request.data, request.size, fds, fd_count);
    if (r < 0)
        return error_errno(err, -r, "the fabric process");
    return take_reply(fabric, ret_fds, ret_count, ret_value, err);
}

int fabric_connect(const char *socket_path, struct fabric **ret_fabric, struct error *err)
{
    struct fabric *fabric;
    uint32_t pid = 0;
    int fd = socket_connect_own(socket_path, SOCK_SEQPACKET, CALL_TIMEOUT_S, err), r;

    if (fd < 0)
        return fd;
    fabric = xnew0(struct fabric, 1);
    fabric->fd = fd;
    r = call(fabric, PROTO_HELLO, NULL, 0, NULL, 0, NULL, NULL, &pid, err);
    if (r == 0)
        r = process_identify((pid_t)pid, &fabric->process, err);
    /* One that an older engine has started knows no such request, and has none of them. */
    if (r == 0 &&
        call(fabric, PROTO_ABILITIES, NULL, 0, NULL, 0, NULL, NULL, &fabric->abilities, NULL) < 0)
        fabric->abilities = 0;
    if (r < 0) {
        fabric_close(fabric);
        return r;
    }
    *ret_fabric = fabric;
    return 0;
}

/**
 * read_outcome() - What the new process wrote before it served, or failed
 * @fd:		Ready pipe
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_outcome(int fd, struct error *err)
{
    struct proto_reply reply = {.error = ERROR_INIT};
    char message[8192];
    size_t size = 0;
    int r;

    while (size < sizeof(message)) {
        ssize_t n = read(fd, message + size, sizeof(message) - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    if (size == 0)
        return error_set(err, EPIPE, "the fabric process ended without a word");
    r = proto_decode_reply(message, size, &reply, err);
    if (r == 0 && reply.error.code) {
        r = -reply.error.code;
        error_move(err, &reply.error);
    }
    return r;
}

/**
 * start() - Start the process, with or without a tap whose namespaces it enters
 * @socket_path:	Where it listens
 * @tap_fd:	Tap or -1
 * @log_fd:	Its stderr or -1
 * @ret_fabric:	Result
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int start(const char *socket_path, int tap_fd, int log_fd, struct fabric **ret_fabric,
                 struct error *err)
{
    _cleanup_free_ char *program = paths_helper("labctl-fabric");
    _cleanup_close_ int ready_read = -1, ready_write = -1;
    const char *argv[] = {program, socket_path, "3", tap_fd >= 0 ? "4" : NULL, NULL};
    struct spawn_fd fds[3];
    size_t count = 0;
    int pipe_fds[2], r;
    pid_t pid;

    r = socket_path_check(socket_path, err);
    if (r < 0)
        return r;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    ready_read = pipe_fds[0];
    ready_write = pipe_fds[1];
    fds[count++] = (struct spawn_fd){ready_write, 3};
    if (tap_fd >= 0)
        fds[count++] = (struct spawn_fd){tap_fd, 4};
    if (log_fd >= 0)
        fds[count++] = (struct spawn_fd){log_fd, 2};
    r = spawn(
        &(struct spawn_options){.argv = argv, .fds = fds, .fd_count = count, .new_session = true},
        &pid, NULL, err);
    if (r < 0)
        return r;
    (void)close(steal_fd(&ready_write));
    r = read_outcome(ready_read, err);
    if (r == 0)
        r = fabric_connect(socket_path, ret_fabric, err);
    if (r < 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r;
    }
    (*ret_fabric)->is_child = true;
    return 0;
}

int fabric_start(const char *socket_path, int log_fd, struct fabric **ret_fabric, struct error *err)
{
    return start(socket_path, -1, log_fd, ret_fabric, err);
}

int fabric_start_in(const char *socket_path, int log_fd, const int *tap_fds, size_t tap_count,
                    struct fabric **ret_fabric, struct error *err)
{
    struct fabric *fabric = NULL;
    int r;

    if (tap_count == 0)
        return error_set(err, EINVAL, "no tap is left to find the lab's network by");
    r = start(socket_path, tap_fds[0], log_fd, &fabric, err);
    for (size_t i = 0; r == 0 && i < tap_count; i += PROTO_FDS_MAX) {
        size_t count = tap_count - i < PROTO_FDS_MAX ? tap_count - i : PROTO_FDS_MAX;

        r = call(fabric, PROTO_ADOPT, NULL, 0, tap_fds + i, count, NULL, NULL, NULL, err);
    }
    if (r == 0) {
        *ret_fabric = fabric;
        return 0;
    }
    if (fabric) {
        /* Killed, not stopped: it shall not take the guests' taps with it. */
        (void)kill(fabric->process.pid, SIGKILL);
        (void)waitpid(fabric->process.pid, NULL, 0);
        fabric_close(fabric);
    }
    return r;
}

void fabric_close(struct fabric *fabric)
{
    if (!fabric)
        return;
    cleanup_close(&fabric->fd);
    free(fabric);
}

struct process_id fabric_process(const struct fabric *fabric)
{
    return fabric->process;
}

int fabric_fd(const struct fabric *fabric)
{
    return fabric->fd;
}

bool fabric_has_gate(const struct fabric *fabric)
{
    return (fabric->abilities & PROTO_CAN_GATE) != 0;
}

int fabric_apply(struct fabric *fabric, const struct fabric_plan *plan, struct error *err)
{
    _cleanup_strbuf_ struct strbuf data = STRBUF_INIT;
    _cleanup_close_ int fd = memfd_create("labctl-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "memfd");
    proto_encode_plan(&data, plan, (fabric->abilities & PROTO_CAN_LIMIT) != 0);
    r = write_all(fd, data.data, data.size);
    if (r < 0)
        return error_errno(err, -r, "memfd");
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return call(fabric, PROTO_APPLY, NULL, 0, &fd, 1, NULL, NULL, NULL, err);
}

int fabric_taps(struct fabric *fabric, const struct fabric_plan *plan, size_t node, int *ret_fds,
                struct error *err)
{
    size_t first = plan->first_tap[node], total = plan->first_tap[node + 1] - first, done = 0;

    while (done < total) {
        size_t want = total - done < PROTO_FDS_MAX ? total - done : PROTO_FDS_MAX;
        size_t got = want;
        const char *names[PROTO_FDS_MAX];
        int r;

        for (size_t i = 0; i < want; i++)
            names[i] = plan->taps[first + done + i].ifname;
        r = call(fabric, PROTO_TAPS, names, want, NULL, 0, ret_fds + done, &got, NULL, err);
        if (r == 0 && got != want) {
            done += got;
            r = error_set(err, EPROTO, "the fabric process sent %zu of %zu taps", got, want);
        }
        if (r < 0) {
            while (done > 0)
                (void)close(ret_fds[--done]);
            return r;
        }
        done += want;
    }
    return 0;
}

int fabric_wire_taps(struct fabric *fabric, const struct fabric_plan *plan, size_t link,
                     int ret_fds[static 2], struct error *err)
{
    char names[2][IFNAMSIZ];
    size_t got = 2;
    int fds[2], r;

    fabric_wire_ifname(plan, link, 0, names[0]);
    fabric_wire_ifname(plan, link, 1, names[1]);
    r = call(fabric, PROTO_TAPS, (const char *[]){names[0], names[1]}, 2, NULL, 0, fds, &got, NULL,
             err);
    if (r < 0)
        return r;
    if (got != 2) {
        while (got > 0)
            (void)close(fds[--got]);
        return error_set(err, EPROTO, "the fabric process did not send the wire's taps");
    }
    memcpy(ret_fds, fds, sizeof(fds));
    return 0;
}

int fabric_spawn(struct fabric *fabric, const char *const *argv, const int *fds, size_t fd_count,
                 pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
    size_t words = 0, got = 1;
    uint32_t pid = 0;
    int pidfd = -1, r;

    while (argv[words])
        words++;
    r = call(fabric, PROTO_SPAWN, argv, words, fds, fd_count, &pidfd, &got, &pid, err);
    if (r < 0)
        return r;
    if (got != 1)
        return error_set(err, EPROTO, "the fabric process sent no pidfd");
    *ret_pid = (pid_t)pid;
    *ret_pidfd = pidfd;
    return 0;
}

void fabric_kill(struct fabric *fabric)
{
    _cleanup_close_ int pidfd = process_open(&fabric->process);
    struct pollfd item = {.fd = pidfd, .events = POLLIN};

    if (pidfd >= 0) {
        (void)pidfd_signal(pidfd, SIGKILL);
        (void)poll(&item, 1, STOP_TIMEOUT_MS);
    }
    if (fabric->is_child)
        (void)waitpid(fabric->process.pid, NULL, 0);
    fabric_close(fabric);
}

int fabric_stop(struct fabric *fabric, struct error *err)
{
    _cleanup_close_ int pidfd = process_open(&fabric->process);
    int r = 0;

    /* By signal, not by request: the connection may have been taken over or shut down. */
    if (pidfd >= 0 && pidfd_end(pidfd, STOP_TIMEOUT_MS) != 0)
        r = error_set(err, ETIMEDOUT, "the fabric process did not end and was killed");
    if (fabric->is_child)
        (void)waitpid(fabric->process.pid, NULL, 0);
    fabric_close(fabric);
    return r;
}
