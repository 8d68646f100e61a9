// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * A telnet client is put before the broker as one of its own clients: the session holds one end of
 * a socket pair whose other end is attached like any console (frames.h), and translates. So
 * whatever holds for clients holds for this one: its backlog, its place in who may type, notices.
 *
 * Offered at once: we echo (the guest does), go-aheads are suppressed, both ways are binary; so a
 * client sends key by key and touches nothing. Its window's size is asked for. A client that
 * refuses binary sends CR NUL or CR LF for its Enter key: CR is what the guest gets.
 *
 * Each direction is read only while little waits to be written, so nothing grows. Everything a
 * client sends is hostile: libtelnet takes it apart, and what it calls an error ends the session.
 */

#include "console/telnet_priv.h"

#include <fcntl.h>
#include <libtelnet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "console/frames.h"

#define READ_SIZE     4096
#define WAITING_LOW   8192  /* above it the other side is not read */
#define WAITING_MAX   65536 /* only hostile negotiation gets there */
#define REPLAY_BYTES  16384
#define KEY_INTERRUPT "\003"

struct telnet_session {
    char *name; /* of the console, owned */
    int fd;     /* client */
    int broker; /* our end of the pair */
    sd_event_source *fd_io, *broker_io;
    telnet_t *telnet;
    struct strbuf to_client, to_broker;
    struct strbuf frames; /* from the broker, not complete */
    bool peer_binary;     /* what the client sends is binary */
    bool after_cr;        /* its last byte was CR */
    bool stopped;         /* the guest does not run */
    bool stated;          /* the first STATE came */
    bool dead;
    telnet_session_fn *fn;
    void *data;
};

static const telnet_telopt_t options[] = {
    {TELNET_TELOPT_ECHO, TELNET_WILL, TELNET_DONT},
    {TELNET_TELOPT_SGA, TELNET_WILL, TELNET_DO},
    {TELNET_TELOPT_BINARY, TELNET_WILL, TELNET_DO},
    {TELNET_TELOPT_NAWS, TELNET_WONT, TELNET_DO},
    {-1, 0, 0},
};

/**
 * to_broker() - Queue a frame
 * @session:	Session
 * @type:	Type
 * @data:	Payload
 * @size:	Its size, at most CONSOLE_FRAME_MAX
 */
static void to_broker(struct telnet_session *session, enum console_frame type, const void *data,
                      size_t size)
{
    uint8_t head[CONSOLE_FRAME_HEAD];

    console_frame_head(head, type, size);
    strbuf_append(&session->to_broker, head, sizeof(head));
    strbuf_append(&session->to_broker, data, size);
}

/**
 * typed() - The client typed
 * @session:	Session
 * @data:	Bytes
 * @size:	How many, at most READ_SIZE
 */
static void typed(struct telnet_session *session, const char *data, size_t size)
{
    char keys[READ_SIZE];
    size_t count = 0;

    for (size_t i = 0; i < size && count < sizeof(keys); i++) {
        bool end = session->after_cr && (data[i] == 0 || data[i] == '\n') && !session->peer_binary;

        session->after_cr = data[i] == '\r';
        if (!end)
            keys[count++] = data[i];
    }
    if (count)
        to_broker(session, CONSOLE_FRAME_DATA, keys, count);
}

/**
 * on_command() - IAC and something
 * @session:	Session
 * @command:	What
 */
static void on_command(struct telnet_session *session, unsigned char command)
{
    if (command == TELNET_BREAK)
        to_broker(session, CONSOLE_FRAME_BREAK, NULL, 0);
    else if (command == TELNET_IP)
        to_broker(session, CONSOLE_FRAME_DATA, KEY_INTERRUPT, strlen(KEY_INTERRUPT));
    else if (command == TELNET_AYT)
        telnet_send(session->telnet, "\r\n[yes]\r\n", 9);
}

/**
 * on_window() - The client told the size of its window
 * @session:	Session
 * @data:	Subnegotiation
 * @size:	Its size
 */
static void on_window(struct telnet_session *session, const char *data, size_t size)
{
    if (size == 4)
        to_broker(session, CONSOLE_FRAME_RESIZE, (const char[]){data[1], data[0], data[3], data[2]},
                  4);
}

/**
 * on_telnet() - libtelnet took something apart or has something to send
 * @telnet:	Its state
 * @event:	What
 * @data:	Session
 */
static void on_telnet(telnet_t *telnet, telnet_event_t *event, void *data)
{
    struct telnet_session *session = data;

    (void)telnet;
    switch (event->type) {
    case TELNET_EV_DATA:
        typed(session, event->data.buffer, event->data.size);
        break;
    case TELNET_EV_SEND:
        strbuf_append(&session->to_client, event->data.buffer, event->data.size);
        break;
    case TELNET_EV_IAC:
        on_command(session, event->iac.cmd);
        break;
    case TELNET_EV_WILL:
        session->peer_binary |= event->neg.telopt == TELNET_TELOPT_BINARY;
        break;
    case TELNET_EV_WONT:
        if (event->neg.telopt == TELNET_TELOPT_BINARY)
            session->peer_binary = false;
        break;
    case TELNET_EV_SUBNEGOTIATION:
        if (event->sub.telopt == TELNET_TELOPT_NAWS)
            on_window(session, event->sub.buffer, event->sub.size);
        break;
    case TELNET_EV_ERROR:
        session->dead = true;
        break;
    default:
        break;
    }
}

/**
 * say() - A line for the person
 * @session:	Session
 * @text:	What; escaped where it comes from
 */
static void say(struct telnet_session *session, const char *text)
{
    _cleanup_free_ char *line = xasprintf("\r\n[%s: %s]\r\n", session->name, text);

    telnet_send(session->telnet, line, strlen(line));
}

/**
 * on_frame() - The broker said something
 * @session:	Session
 * @frame:	Frame
 */
static void on_frame(struct telnet_session *session, const struct console_frame_view *frame)
{
    _cleanup_free_ char *text = NULL, *line = NULL;
    bool stopped;

    if (frame->type == CONSOLE_FRAME_DATA) {
        telnet_send(session->telnet, (const char *)frame->payload, frame->size);
        return;
    }
    text = xstrndup((const char *)frame->payload, frame->size);
    switch (frame->type) {
    case CONSOLE_FRAME_NOTICE:
        say(session, text);
        break;
    case CONSOLE_FRAME_STATE:
        stopped = strcmp(text, "running") != 0;
        if (stopped != session->stopped || (stopped && !session->stated))
            say(session, stopped ? "stopped; its next start is seen here" : "running again");
        session->stopped = stopped;
        session->stated = true;
        break;
    case CONSOLE_FRAME_WRITER:
        line = !*text                     ? xstrdup("everyone may type")
               : strcmp(text, "you") == 0 ? xstrdup("you have the keyboard")
                                          : xasprintf("%s has the keyboard", text);
        say(session, line);
        break;
    default:
        break;
    }
}

/**
 * take_frames() - Take apart what came from the broker
 * @session:	Session
 */
static void take_frames(struct telnet_session *session)
{
    struct strbuf *in = &session->frames;
    struct console_frame_view frame;
    size_t done = 0;
    ssize_t used;

    while ((used = console_frame_parse(in->data + done, in->size - done, &frame)) > 0) {
        on_frame(session, &frame);
        done += (size_t)used;
    }
    strbuf_consume(in, done);
}

/**
 * write_some() - Write what a socket takes
 * @fd:		Socket
 * @buffer:	What waits for it
 *
 * Return: false if it is gone
 */
static bool write_some(int fd, struct strbuf *buffer)
{
    while (buffer->size) {
        ssize_t n = send(fd, buffer->data, buffer->size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        strbuf_consume(buffer, (size_t)n);
    }
    if (buffer->capacity > READ_SIZE)
        strbuf_done(buffer);
    return true;
}

/**
 * settle() - Write what can be written, and ask the loop for what is to be waited for
 * @session:	Session; may be freed
 */
static void settle(struct telnet_session *session)
{
    if (!write_some(session->fd, &session->to_client) ||
        !write_some(session->broker, &session->to_broker) || session->to_client.size > WAITING_MAX)
        session->dead = true;
    if (session->dead) {
        session->fn(session, session->data);
        return;
    }
    (void)sd_event_source_set_io_events(
        session->fd_io,
        (session->to_broker.size < WAITING_LOW && session->to_client.size < WAITING_LOW ? EPOLLIN
                                                                                        : 0u) |
            (session->to_client.size ? EPOLLOUT : 0u));
    (void)sd_event_source_set_io_events(session->broker_io,
                                        (session->to_client.size < WAITING_LOW ? EPOLLIN : 0u) |
                                            (session->to_broker.size ? EPOLLOUT : 0u));
}

/**
 * on_socket() - One of the two sockets has something
 * @source:	Its source
 * @fd:		Which one
 * @events:	epoll events
 * @data:	Session
 *
 * Return: 0
 */
static int on_socket(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct telnet_session *session = data;
    char bytes[READ_SIZE];
    ssize_t n;

    (void)source;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n > 0 && fd == session->fd) {
            telnet_recv(session->telnet, bytes, (size_t)n);
        } else if (n > 0) {
            strbuf_append(&session->frames, bytes, (size_t)n);
            take_frames(session);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            session->dead = true;
        }
    }
    settle(session);
    return 0;
}

int telnet_session_new(sd_event *event, struct console *console, int fd, const char *name,
                       const char *who, telnet_session_fn *fn, void *data,
                       struct telnet_session **ret_session, struct error *err)
{
    struct console_attach how = {.mode = CONSOLE_SHARED, .replay_bytes = REPLAY_BYTES, .who = who};
    struct telnet_session *session = xnew0(struct telnet_session, 1);
    int pair[2], r;

    *session = (struct telnet_session){
        .name = xstrdup(name), .fd = fd, .broker = -1, .fn = fn, .data = data};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        r = error_errno(err, errno, "console %s: telnet", name);
        telnet_session_free(session);
        return r;
    }
    session->broker = pair[0];
    session->telnet = telnet_init(options, on_telnet, 0, session);
    r = session->telnet ? 0 : -ENOMEM;
    if (r == 0)
        r = sd_event_add_io(event, &session->fd_io, fd, EPOLLIN, on_socket, session);
    if (r >= 0)
        r = sd_event_add_io(event, &session->broker_io, pair[0], EPOLLIN, on_socket, session);
    if (r < 0) {
        (void)close(pair[1]);
        r = error_errno(err, -r, "console %s: telnet", name);
        telnet_session_free(session);
        return r;
    }
    r = console_attach(console, pair[1], &how, err);
    if (r < 0) {
        telnet_session_free(session);
        return r;
    }
    telnet_negotiate(session->telnet, TELNET_WILL, TELNET_TELOPT_ECHO);
    telnet_negotiate(session->telnet, TELNET_WILL, TELNET_TELOPT_SGA);
    telnet_negotiate(session->telnet, TELNET_DO, TELNET_TELOPT_SGA);
    telnet_negotiate(session->telnet, TELNET_WILL, TELNET_TELOPT_BINARY);
    telnet_negotiate(session->telnet, TELNET_DO, TELNET_TELOPT_BINARY);
    telnet_negotiate(session->telnet, TELNET_DO, TELNET_TELOPT_NAWS);
    (void)sd_event_source_set_io_events(session->fd_io, EPOLLIN | EPOLLOUT);
    *ret_session = session;
    return 0;
}

void telnet_session_free(struct telnet_session *session)
{
    if (!session)
        return;
    sd_event_source_disable_unref(session->fd_io);
    sd_event_source_disable_unref(session->broker_io);
    if (session->telnet)
        telnet_free(session->telnet);
    cleanup_close(&session->fd);
    cleanup_close(&session->broker);
    strbuf_done(&session->to_client);
    strbuf_done(&session->to_broker);
    strbuf_done(&session->frames);
    free(session->name);
    free(session);
}
