// SPDX-License-Identifier: GPL-2.0-or-later

/* A raw terminal on one side, frames on the other, one poll loop between. Signals that would end
 * the process come in through a signalfd, so the terminal is restored in one place, at the end of
 * console_client_run().
 *
 * Where stdin is no terminal its bytes are passed on as they come. At its end the client stays
 * until the guest has been quiet for QUIET_MS, at most LINGER_MS: there is no event for "nothing
 * more comes", and `echo 'show version' | labctl console r1` should show the answer. */

#include "console/client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "console/client_priv.h"
#include "console/frames.h"

#define QUIET_MS  500
#define LINGER_MS 10000
#define TYPED_MAX (64u << 10) /* beyond it stdin waits until the engine has taken some */

struct client {
    const struct console_client *options;
    int fd, signal_fd, log_fd;
    bool in_tty, out_tty;
    bool replaying, left, input_ended, had_writer;
    int signal_number;
    int64_t ended_at_ms, last_output_ms; /* of stdin; of the guest's last word */
    struct client_screen screen;
    struct strbuf received, typed;
};

/**
 * now_ms() - Monotonic time
 *
 * Return: milliseconds
 */
static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * queue_frame() - Queue a frame for the engine
 * @client:	Client
 * @type:	Frame type
 * @data:	Payload
 * @size:	Its size
 */
static void queue_frame(struct client *client, enum console_frame type, const void *data,
                        size_t size)
{
    uint8_t head[CONSOLE_FRAME_HEAD];

    console_frame_head(head, type, size);
    strbuf_append(&client->typed, head, sizeof(head));
    strbuf_append(&client->typed, data, size);
}

/**
 * tell() - Show a line of the engine's or of our own
 * @client:	Client
 * @text:	Line
 */
static void tell(struct client *client, const char *text)
{
    _cleanup_free_ char *safe = text_escape(text, strlen(text)), *line = NULL;

    if (client->out_tty)
        line = xasprintf("\r\n\033[7m[%s: %s]\033[0m\r\n", client->options->node, safe);
    else
        line = xasprintf("[%s: %s]\n", client->options->node, safe);
    (void)write_all(client->out_tty ? STDOUT_FILENO : STDERR_FILENO, line, strlen(line));
}

/**
 * send_size() - Tell the guest's side how large the terminal is
 * @client:	Client
 */
static void send_size(struct client *client)
{
    struct winsize size;
    uint8_t payload[4];

    if (!client->out_tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return;
    payload[0] = (uint8_t)(size.ws_col & 0xff);
    payload[1] = (uint8_t)(size.ws_col >> 8);
    payload[2] = (uint8_t)(size.ws_row & 0xff);
    payload[3] = (uint8_t)(size.ws_row >> 8);
    queue_frame(client, CONSOLE_FRAME_RESIZE, payload, sizeof(payload));
}

/**
 * show_output() - Write what the guest said
 * @client:	Client
 * @data:	Bytes
 * @size:	How many
 *
 * Return: 0 or -errno
 */
static int show_output(struct client *client, const uint8_t *data, size_t size)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    int r = 0;

    client->last_output_ms = now_ms();
    if (client->out_tty) {
        client_screen_feed(&client->screen, data, size, client->replaying, &out);
        if (out.size)
            r = write_all(STDOUT_FILENO, out.data, out.size);
    } else {
        r = write_all(STDOUT_FILENO, data, size);
    }
    if (r == 0 && client->log_fd >= 0)
        r = write_all(client->log_fd, data, size);
    return r;
}

/**
 * take_frame() - Act on one frame of the engine's
 * @client:	Client
 * @frame:	Frame
 *
 * Return: 0 or -errno
 */
static int take_frame(struct client *client, const struct console_frame_view *frame)
{
    _cleanup_free_ char *text = NULL;

    switch (frame->type) {
    case CONSOLE_FRAME_DATA:
        return show_output(client, frame->payload, frame->size);
    case CONSOLE_FRAME_REPLAYED:
        client->replaying = false;
        break;
    case CONSOLE_FRAME_NOTICE:
        text = xstrndup((const char *)frame->payload, frame->size);
        tell(client, text);
        break;
    case CONSOLE_FRAME_STATE:
        /* That it runs is seen; only a guest that does not needs a word. */
        text = xstrndup((const char *)frame->payload, frame->size);
        if (client->replaying && strcmp(text, "running") != 0)
            tell(client, "not running; its next start will be seen here");
        break;
    case CONSOLE_FRAME_WRITER:
        text = xasprintf("%.*s has the keyboard", (int)frame->size, (const char *)frame->payload);
        if (frame->size == 3 && memcmp(frame->payload, "you", 3) == 0)
            tell(client, "you have the keyboard");
        else if (frame->size)
            tell(client, text);
        else if (client->had_writer)
            tell(client, "everyone may type");
        client->had_writer = frame->size > 0;
        break;
    default:
        break;
    }
    return 0;
}

/**
 * receive() - Take in what the engine sent
 * @client:	Client
 *
 * Return: 0, -EPIPE at its end, or -errno
 */
static int receive(struct client *client)
{
    struct console_frame_view frame;
    char chunk[16384];
    ssize_t used, n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    size_t at = 0;
    int r = 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -EPIPE;
    strbuf_append(&client->received, chunk, (size_t)n);
    while (r == 0 && (used = console_frame_parse(client->received.data + at,
                                                 client->received.size - at, &frame)) != 0) {
        if (used < 0)
            return (int)used;
        r = take_frame(client, &frame);
        at += (size_t)used;
    }
    strbuf_consume(&client->received, at);
    return r;
}

/**
 * read_typed() - Take in what the person typed
 * @client:	Client
 */
static void read_typed(struct client *client)
{
    char chunk[2048], *detach = NULL;
    ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        client->input_ended = true;
        client->ended_at_ms = now_ms();
        client->left = client->in_tty;
        return;
    }
    if (client->in_tty)
        detach = memchr(chunk, client->options->detach_key, (size_t)n);
    if (detach) {
        client->left = true;
        n = detach - chunk;
    }
    if (n > 0 && !client->options->read_only)
        queue_frame(client, CONSOLE_FRAME_DATA, chunk, (size_t)n);
}

/**
 * send_typed() - Send what the engine takes
 * @client:	Client
 *
 * Return: 0 or -errno
 */
static int send_typed(struct client *client)
{
    ssize_t n;

    if (!client->typed.size)
        return 0;
    n = send(client->fd, client->typed.data, client->typed.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
    strbuf_consume(&client->typed, (size_t)n);
    return 0;
}

/**
 * take_signal() - A signal came
 * @client:	Client
 */
static void take_signal(struct client *client)
{
    struct signalfd_siginfo info;

    if (read(client->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGWINCH) {
        send_size(client);
        return;
    }
    client->signal_number = (int)info.ssi_signo;
    client->left = true;
}

/**
 * time_left() - How long to wait for something to happen
 * @client:	Client
 *
 * Return: milliseconds, -1 for ever; 0 sets client->left
 */
static int time_left(struct client *client)
{
    int64_t now = now_ms(), quiet, linger;

    if (!client->input_ended || client->typed.size)
        return -1;
    quiet = (client->last_output_ms > client->ended_at_ms ? client->last_output_ms
                                                          : client->ended_at_ms) +
            QUIET_MS - now;
    linger = client->ended_at_ms + LINGER_MS - now;
    if (quiet > 0 && linger > 0)
        return (int)(quiet < linger ? quiet : linger);
    client->left = true;
    return 0;
}

/**
 * loop() - Until the person leaves or the engine does
 * @client:	Client
 *
 * Return: 0 or -errno
 */
static int loop(struct client *client)
{
    bool wants_input = client->in_tty || !client->options->read_only;
    int r = 0;

    while (r == 0 && !client->left) {
        struct pollfd items[3] = {{.fd = client->fd, .events = POLLIN},
                                  {.fd = client->signal_fd, .events = POLLIN},
                                  {.fd = -1, .events = POLLIN}};

        if (wants_input && !client->input_ended && client->typed.size < TYPED_MAX)
            items[2].fd = STDIN_FILENO;
        if (client->typed.size)
            items[0].events |= POLLOUT;
        if (poll(items, ARRAY_SIZE(items), time_left(client)) < 0 && errno != EINTR)
            return -errno;
        if (items[1].revents)
            take_signal(client);
        if (items[2].revents)
            read_typed(client);
        r = send_typed(client);
        if (r == 0 && (items[0].revents & (POLLIN | POLLHUP | POLLERR)))
            r = receive(client);
    }
    return r;
}

/**
 * set_raw() - Give every key to the guest
 * @saved:	Where the settings before go
 *
 * Return: 0 or -errno
 */
static int set_raw(struct termios *saved)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, saved) < 0)
        return -errno;
    raw = *saved;
    cfmakeraw(&raw);
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0 ? -errno : 0;
}

/**
 * leave() - Put terminal and signals back
 * @client:	Client
 * @saved:	Terminal settings, or NULL
 * @mask:	Signal mask
 */
static void leave(struct client *client, const struct termios *saved, const sigset_t *mask)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    if (client->out_tty) {
        client_screen_restore(&client->screen, &out);
        strbuf_puts(&out, "\r\n");
        (void)write_all(STDOUT_FILENO, out.data, out.size);
    }
    if (saved)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, saved);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
}

/**
 * client_done() - Free it
 * @client:	Client
 */
static void client_done(struct client *client)
{
    cleanup_close(&client->fd);
    cleanup_close(&client->signal_fd);
    cleanup_close(&client->log_fd);
    client_screen_done(&client->screen);
    strbuf_done(&client->received);
    strbuf_done(&client->typed);
}

int console_client_run(int fd, const struct console_client *options, struct error *err)
{
    _cleanup_(client_done) struct client client = {
        .options = options, .fd = fd, .signal_fd = -1, .log_fd = -1, .replaying = true};
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGWINCH};
    struct termios saved;
    sigset_t mask, before;
    bool raw = false;
    int r;

    client.in_tty = isatty(STDIN_FILENO);
    client.out_tty = isatty(STDOUT_FILENO);
    if (options->log_path) {
        client.log_fd =
            open(options->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
        if (client.log_fd < 0)
            return error_errno(err, errno, "%s", options->log_path);
    }
    (void)sigemptyset(&mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        (void)sigaddset(&mask, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &mask, &before);
    client.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
    if (client.in_tty) {
        tell(&client, "attached; Ctrl-] leaves");
        raw = set_raw(&saved) == 0;
    }
    send_size(&client);
    r = loop(&client);
    (void)send_typed(&client);
    leave(&client, raw ? &saved : NULL, &before);
    if (client.signal_number == SIGTERM || client.signal_number == SIGHUP)
        return error_set(err, EINTR, "console '%s': ended by a signal", options->node);
    if (r < 0 && r != -EPIPE)
        return error_errno(err, -r, "console '%s'", options->node);
    return r;
}
