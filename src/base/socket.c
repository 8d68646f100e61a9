// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/socket.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FDS_MAX 64

int socket_path_check(const char *path, struct error *err)
{
    const struct sockaddr_un *address = NULL;
    size_t most = sizeof(address->sun_path) - 1;

    if (strlen(path) <= most)
        return 0;
    (void)error_input(err, "socket path of %zu bytes is too long, %zu are possible: %s",
                      strlen(path), most, path);
    error_hint(err, "use a shorter lab name, or a shorter XDG_RUNTIME_DIR");
    return -EINVAL;
}

/**
 * make_address() - Socket address of a path
 * @path:	Path, already checked for its length
 *
 * Return: the address
 */
static struct sockaddr_un make_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    return address;
}

int socket_connect(const char *path, int type, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address;
    int r = socket_path_check(path, err);

    if (r < 0)
        return r;
    address = make_address(path);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_errno(err, errno, "%s: connect", path);
    return steal_fd(&fd);
}

int socket_listen(const char *path, int type, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address;
    int r = socket_path_check(path, err);

    if (r < 0)
        return r;
    r = socket_connect(path, type & ~SOCK_NONBLOCK, NULL);
    if (r >= 0) {
        (void)close(r);
        return error_set(err, EADDRINUSE, "%s: another process listens there", path);
    }
    if (r == -ECONNREFUSED && unlink(path) < 0 && errno != ENOENT)
        return error_errno(err, errno, "%s: remove stale socket", path);
    address = make_address(path);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, errno, "socket");
    /* fchmod() before bind() sets the mode that the file is born with. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 128) < 0)
        return error_errno(err, errno, "%s: listen", path);
    return steal_fd(&fd);
}

int socket_send_fds(int sock, const void *data, size_t size, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * SOCKET_FDS_MAX)];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd_count > SOCKET_FDS_MAX)
        return -E2BIG;
    if (fd_count > 0) {
        struct cmsghdr *header;

        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    for (;;) {
        ssize_t n = sendmsg(sock, &message, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        return (size_t)n == size ? 0 : -EIO;
    }
}

ssize_t socket_receive_fds(int sock, void *data, size_t size, int *fds, size_t *ret_fd_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * SOCKET_FDS_MAX)];
    } control = {0};
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    size_t room = ret_fd_count ? *ret_fd_count : 0, count = 0;
    ssize_t n;

    do
        n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
        size_t got;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        got = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < got; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (count < room)
                fds[count++] = fd;
            else
                (void)close(fd);
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (count > 0)
            (void)close(fds[--count]);
        n = -EMSGSIZE;
    }
    if (ret_fd_count)
        *ret_fd_count = count;
    return n;
}

int socket_peer_uid(int sock, uid_t *ret_uid)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return -errno;
    *ret_uid = cred.uid;
    return 0;
}

int socket_accept_own(int listen_fd)
{
    _cleanup_close_ int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid;

    if (fd < 0)
        return -errno;
    if (socket_peer_uid(fd, &uid) < 0 || uid != geteuid())
        return -EPERM;
    return steal_fd(&fd);
}

int socket_connect_own(const char *path, int type, unsigned timeout_s, struct error *err)
{
    const struct timeval limit = {.tv_sec = timeout_s};
    int fd = socket_connect(path, type, err);
    uid_t uid = 0;

    if (fd < 0)
        return fd;
    if (socket_peer_uid(fd, &uid) < 0 || uid != geteuid()) {
        (void)close(fd);
        return error_set(err, EPERM, "%s: a process of user %u listens there", path, uid);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}
