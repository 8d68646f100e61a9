// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * A door listens for as long as its lab is up, whether the guest runs or not: who comes while it is
 * stopped waits for its next start, like any client of a console. A client of the unix socket is
 * given to the broker as it is; a telnet client gets a session (telnet.c) that the door owns. */

#include "console/door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/text.h"
#include "console/console_priv.h"
#include "console/telnet_priv.h"

#define SESSIONS_MAX 64
#define REPLAY_BYTES 16384
/* Below what Linux gives out by itself (32768 on), above what services are known at. */
#define PORT_FIRST 20000u
#define PORT_COUNT 12000u

struct console_door {
    sd_event *event;
    struct console *console;
    int fd;
    char *path;    /* unix: owned */
    uint16_t port; /* telnet; 0: unix */
    sd_event_source *io;
    struct telnet_session *sessions[SESSIONS_MAX];
};

/**
 * on_session_end() - A telnet client has gone
 * @session:	Which
 * @data:	Door
 */
static void on_session_end(struct telnet_session *session, void *data)
{
    struct console_door *door = data;

    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (door->sessions[i] == session)
            door->sessions[i] = NULL;
    telnet_session_free(session);
}

/**
 * admit_telnet() - A telnet client came
 * @door:	Door
 * @fd:		Connection, ownership taken
 */
static void admit_telnet(struct console_door *door, int fd)
{
    struct sockaddr_in from = {0};
    socklen_t size = sizeof(from);
    _cleanup_free_ char *who = NULL;
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)getpeername(fd, (struct sockaddr *)&from, &size);
    who = xasprintf("telnet from port %u", ntohs(from.sin_port));
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (door->sessions[i])
            continue;
        (void)telnet_session_new(door->event, door->console, fd, door->console->name, who,
                                 on_session_end, door, &door->sessions[i], NULL);
        return;
    }
    (void)close(fd);
}

/**
 * on_knock() - Somebody connects
 * @source:	Its source
 * @fd:		Listening socket
 * @events:	Unused
 * @data:	Door
 *
 * Return: 0
 */
static int on_knock(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct console_attach how = {
        .mode = CONSOLE_SHARED, .replay_bytes = REPLAY_BYTES, .who = "a socket's client"};
    struct console_door *door = data;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid = 0;

    (void)source;
    (void)events;
    if (client < 0)
        return 0;
    /* The socket's mode keeps others out already; this holds whatever becomes of the mode. */
    if (!door->port && (socket_peer_uid(client, &uid) < 0 || (uid != geteuid() && uid != 0))) {
        log_warning("a console's socket: a connection of user %u was refused", uid);
        (void)close(client);
        return 0;
    }
    if (door->port)
        admit_telnet(door, client);
    else
        (void)console_attach_raw(door->console, client, &how, NULL);
    return 0;
}

/**
 * open_door() - Begin to listen to a socket
 * @event:	Loop
 * @console:	Console
 * @fd:		Listening socket, ownership taken
 * @ret_door:	New door
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int open_door(sd_event *event, struct console *console, int fd,
                     struct console_door **ret_door, struct error *err)
{
    struct console_door *door = xnew0(struct console_door, 1);
    int r;

    door->event = event;
    door->console = console;
    door->fd = fd;
    r = sd_event_add_io(event, &door->io, fd, EPOLLIN, on_knock, door);
    if (r < 0) {
        console_door_free(door);
        return error_errno(err, -r, "console %s: listen", console->name);
    }
    *ret_door = door;
    return 0;
}

int console_door_unix(sd_event *event, struct console *console, const char *path,
                      struct console_door **ret_door, struct error *err)
{
    int fd = socket_listen(path, SOCK_STREAM | SOCK_NONBLOCK, err), r;

    if (fd < 0)
        return error_prefix(err, "console %s", console->name);
    r = open_door(event, console, fd, ret_door, err);
    if (r == 0)
        (*ret_door)->path = xstrdup(path);
    return r;
}

int console_door_telnet(sd_event *event, struct console *console, uint16_t port,
                        struct console_door **ret_door, struct error *err)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, r;

    if (fd < 0)
        return error_errno(err, errno, "console %s: telnet", console->name);
    /* Connections of a lab that went down just now must not keep the port. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0) {
        r = error_errno(err, errno, "console %s: telnet port 127.0.0.1:%u", console->name, port);
        if (r == -EADDRINUSE)
            error_hint(err,
                       "another program listens there (ss -ltnp 'sport = :%u' shows which); "
                       "give another port, or auto",
                       port);
        else if (r == -EACCES)
            error_hint(err, "ports below 1024 are for root; give another port, or auto");
        (void)close(fd);
        return r;
    }
    r = open_door(event, console, fd, ret_door, err);
    if (r == 0)
        (*ret_door)->port = port;
    return r;
}

uint16_t console_door_port(const struct console_door *door)
{
    return door->port;
}

uint16_t console_door_port_for(const char *name, unsigned attempt)
{
    return (uint16_t)(PORT_FIRST + (text_hash(name) % PORT_COUNT + attempt) % PORT_COUNT);
}

void console_door_free(struct console_door *door)
{
    if (!door)
        return;
    sd_event_source_disable_unref(door->io);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        telnet_session_free(door->sessions[i]);
    cleanup_close(&door->fd);
    if (door->path)
        (void)unlink(door->path);
    free(door->path);
    free(door);
}
