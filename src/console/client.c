// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * One loop over four descriptors: keyboard, connection, screen, signals. Nothing in it blocks, and
 * each direction has a bounded buffer: when the screen does not take output, the connection is not
 * read (the broker then decides how long it waits for this client); keys are read up to TYPED_MAX
 * ahead, so that the detach key works even while the guest takes nothing.
 *
 * The loop ends for one of the reasons in enum leave. Whichever it is, the way out is the same:
 * what is left for the screen, the sequences that set the terminal right (guard.c), the terminal's
 * own settings (terminal.c). */

#include "console/client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "console/frames.h"
#include "console/guard.h"
#include "console/terminal_priv.h"

#define SCREEN_MAX    65536
#define TYPED_MAX     (1u << 20)
#define WRITE_PIECE   4096 /* PIPE_BUF: a pipe that polls writable takes it without blocking */
#define QUIET_MS      1000
#define ANSWER_MS     5000
#define LEAVE_WAIT_MS 500 /* for a terminal that does not take the last output */

enum leave { STAY, LEAVE_DETACHED, LEAVE_INPUT_END, LEAVE_ENGINE, LEAVE_SIGNAL, LEAVE_SCREEN };

struct client {
    const struct console_client *options;
    int fd;
    struct terminal terminal;
    struct guard guard;
    struct strbuf typed;    /* frames for the engine */
    struct strbuf received; /* frame that is not complete */
    struct strbuf screen;   /* output for the terminal */
    int log;
    bool live;     /* the replay is over */
    bool stopped;  /* the guest does not run */
    bool stated;   /* the first STATE came */
    bool prefixed; /* the prefix key was pressed */
    bool input_end, had_input;
    int64_t moved_ms; /* when something last went either way */
    bool answered;    /* output came since the last input */
    enum leave leave;
    int signal_number;
};

/**
 * now_ms() - CLOCK_MONOTONIC
 *
 * Return: milliseconds
 */
static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * detach_key() - The key that leaves, or begins to
 * @options:	Options
 *
 * Return: its code
 */
static int detach_key(const struct console_client *options)
{
    return options->detach_key ? options->detach_key : CONSOLE_DETACH_DEFAULT;
}

/**
 * notice() - A line for the person
 * @client:	Client
 * @text:	What to say; escaped here
 */
static void notice(struct client *client, const char *text)
{
    _cleanup_free_ char *shown = text_escape(text, strlen(text));
    const char *node = client->options->node;

    if (!client->terminal.tty_out)
        (void)fprintf(stderr, "%s: %s%s\n", node, shown, client->terminal.raw ? "\r" : "");
    else if (client->guard.alternate)
        /* A full-screen program: its last row, and the cursor back where it was. */
        strbuf_printf(&client->screen, "\0337\033[999;1H\033[0;7m[%s: %s]\033[0m\0338", node,
                      shown);
    else
        strbuf_printf(&client->screen, "\r\n\033[0;2m[%s: %s]\033[0m\r\n", node, shown);
}

/**
 * queue_frame() - A frame for the engine
 * @client:	Client
 * @type:	Type
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
 * queue_size() - Tell the engine how large the terminal is
 * @client:	Client
 */
static void queue_size(struct client *client)
{
    uint16_t columns, rows;
    uint8_t payload[4];

    if (!terminal_size(&client->terminal, &columns, &rows))
        return;
    payload[0] = (uint8_t)(columns & 0xff);
    payload[1] = (uint8_t)(columns >> 8);
    payload[2] = (uint8_t)(rows & 0xff);
    payload[3] = (uint8_t)(rows >> 8);
    queue_frame(client, CONSOLE_FRAME_RESIZE, payload, sizeof(payload));
}

/**
 * command_key() - The key after the prefix
 * @client:	Client
 * @key:	Key
 *
 * Return: true if the key itself is to be sent
 */
static bool command_key(struct client *client, uint8_t key)
{
    switch (key) {
    case 'd':
        client->leave = LEAVE_DETACHED;
        break;
    case 'b':
        queue_frame(client, CONSOLE_FRAME_BREAK, NULL, 0);
        break;
    case 't':
        queue_frame(client, CONSOLE_FRAME_TAKE, NULL, 0);
        break;
    case 'g':
        queue_frame(client, CONSOLE_FRAME_GIVE, NULL, 0);
        break;
    default:
        return key == client->options->detach_key;
    }
    return false;
}

/**
 * take_keys() - Keys were pressed
 * @client:	Client
 * @keys:	Bytes
 * @size:	How many, at most CONSOLE_FRAME_MAX
 */
static void take_keys(struct client *client, const uint8_t *keys, size_t size)
{
    int detach = detach_key(client->options);
    uint8_t sent[CONSOLE_FRAME_MAX];
    size_t count = 0;

    for (size_t i = 0; i < size && client->leave == STAY; i++) {
        bool special = client->terminal.tty_in && keys[i] == detach;

        if (client->prefixed) {
            client->prefixed = false;
            if (command_key(client, keys[i]))
                sent[count++] = keys[i];
        } else if (!special) {
            sent[count++] = keys[i];
        } else if (detach == CONSOLE_DETACH_DEFAULT) {
            client->leave = LEAVE_DETACHED;
        } else {
            client->prefixed = true;
        }
    }
    if (count && !client->options->read_only)
        queue_frame(client, CONSOLE_FRAME_DATA, sent, count);
}

/**
 * read_keys() - Read stdin once
 * @client:	Client
 */
static void read_keys(struct client *client)
{
    uint8_t keys[CONSOLE_FRAME_MAX];
    ssize_t size = read(STDIN_FILENO, keys, sizeof(keys));

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    client->moved_ms = now_ms();
    if (size > 0) {
        client->had_input = true;
        client->answered = false;
        take_keys(client, keys, (size_t)size);
        return;
    }
    client->input_end = true;
    if (client->terminal.tty_in)
        client->leave = LEAVE_INPUT_END; /* the terminal is gone */
}

/**
 * take_output() - The guest printed something
 * @client:	Client
 * @data:	Bytes
 * @size:	How many
 */
static void take_output(struct client *client, const void *data, size_t size)
{
    if (client->terminal.tty_out)
        guard_feed(&client->guard, data, size, !client->live, &client->screen);
    else
        strbuf_append(&client->screen, data, size);
    if (client->log >= 0 && write_all(client->log, data, size) < 0) {
        (void)close(client->log);
        client->log = -1;
        notice(client, "the log file cannot be written; it ends here");
    }
    if (client->live) {
        client->moved_ms = now_ms();
        client->answered = true;
    }
}

/**
 * take_frame() - The engine said something
 * @client:	Client
 * @frame:	Frame
 */
static void take_frame(struct client *client, const struct console_frame_view *frame)
{
    _cleanup_free_ char *text = NULL, *line = NULL;

    if (frame->type == CONSOLE_FRAME_DATA) {
        take_output(client, frame->payload, frame->size);
        return;
    }
    text = xstrndup((const char *)frame->payload, frame->size);
    switch (frame->type) {
    case CONSOLE_FRAME_NOTICE:
        notice(client, text);
        break;
    case CONSOLE_FRAME_STATE: {
        bool stopped = strcmp(text, "running") != 0;

        if (stopped != client->stopped || (stopped && !client->stated))
            notice(client, stopped ? "stopped; its next start is seen here" : "running again");
        client->stopped = stopped;
        client->stated = true;
        break;
    }
    case CONSOLE_FRAME_WRITER:
        if (!*text)
            line = xstrdup("everyone may type");
        else if (strcmp(text, "you") == 0)
            line = xstrdup("you have the keyboard");
        else
            line = xasprintf("%s has the keyboard", text);
        notice(client, line);
        break;
    case CONSOLE_FRAME_REPLAYED:
        client->live = true;
        client->moved_ms = now_ms();
        break;
    default:
        break; /* of a later version */
    }
}

/**
 * take_bytes() - Bytes came from the engine
 * @client:	Client
 * @data:	Bytes
 * @size:	How many
 */
static void take_bytes(struct client *client, const void *data, size_t size)
{
    struct strbuf *in = &client->received;
    struct console_frame_view frame;
    size_t done = 0;
    ssize_t used = 0;

    strbuf_append(in, data, size);
    while (in->size > done &&
           (used = console_frame_parse(in->data + done, in->size - done, &frame)) > 0) {
        take_frame(client, &frame);
        done += (size_t)used;
    }
    if (used < 0)
        client->leave = LEAVE_ENGINE;
    else
        strbuf_consume(in, done);
}

/**
 * read_engine() - Read the connection once
 * @client:	Client
 */
static void read_engine(struct client *client)
{
    uint8_t bytes[16384];
    ssize_t size = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (size > 0)
        take_bytes(client, bytes, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        client->leave = LEAVE_ENGINE;
}

/**
 * send_typed() - Send the engine what it takes
 * @client:	Client
 */
static void send_typed(struct client *client)
{
    ssize_t sent =
        send(client->fd, client->typed.data, client->typed.size, MSG_DONTWAIT | MSG_NOSIGNAL);

    /* An error shows when reading, after the engine's last words. */
    if (sent > 0)
        strbuf_consume(&client->typed, (size_t)sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        strbuf_done(&client->typed);
}

/**
 * write_screen() - Write what the terminal takes
 * @client:	Client
 */
static void write_screen(struct client *client)
{
    size_t size = client->screen.size;
    ssize_t written;

    if (size > WRITE_PIECE && !client->terminal.own_out)
        size = WRITE_PIECE;
    written = write(client->terminal.out, client->screen.data, size);
    if (written > 0)
        strbuf_consume(&client->screen, (size_t)written);
    else if (written < 0 && errno != EAGAIN && errno != EINTR)
        client->leave = LEAVE_SCREEN;
}

/**
 * stop_self() - SIGTSTP from outside: stop with the terminal put back, then go on
 * @client:	Client
 */
static void stop_self(struct client *client)
{
    terminal_cooked(&client->terminal);
    (void)raise(SIGSTOP);
    if (terminal_raw(&client->terminal, NULL) < 0)
        client->leave = LEAVE_INPUT_END;
    queue_size(client);
}

/**
 * take_signals() - Signals came
 * @client:	Client
 */
static void take_signals(struct client *client)
{
    int number;

    while (client->leave == STAY && (number = terminal_signal(&client->terminal)) > 0) {
        switch (number) {
        case SIGWINCH:
            queue_size(client);
            break;
        case SIGTSTP:
            stop_self(client);
            break;
        case SIGCONT:
        case SIGPIPE:
            break;
        default:
            client->signal_number = number;
            client->leave = LEAVE_SIGNAL;
        }
    }
}

/**
 * time_left() - How long the loop may wait
 * @client:	Client
 *
 * Return: milliseconds, -1 for ever; 0: it is over
 */
static int time_left(const struct client *client)
{
    int64_t left;

    if (!client->input_end || !client->had_input || client->options->read_only ||
        client->typed.size || !client->live)
        return -1;
    left = client->moved_ms + (client->answered ? QUIET_MS : ANSWER_MS) - now_ms();
    return left > 0 ? (int)left : 0;
}

/**
 * run_loop() - Until there is a reason to leave
 * @client:	Client
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int run_loop(struct client *client, struct error *err)
{
    enum { KEYS, ENGINE, SCREEN, SIGNALS, COUNT };

    while (client->leave == STAY) {
        int timeout = time_left(client);
        bool keys = !client->input_end && client->typed.size < TYPED_MAX &&
                    (!client->options->read_only || client->terminal.tty_in);
        struct pollfd fds[COUNT] = {
            [KEYS] = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN},
            [ENGINE] = {.fd = client->fd},
            [SCREEN] = {.fd = client->screen.size ? client->terminal.out : -1, .events = POLLOUT},
            [SIGNALS] = {.fd = client->terminal.signal_fd, .events = POLLIN},
        };

        if (client->screen.size < SCREEN_MAX)
            fds[ENGINE].events |= POLLIN;
        if (client->typed.size)
            fds[ENGINE].events |= POLLOUT;
        if (!fds[ENGINE].events)
            fds[ENGINE].fd = -1; /* a hang-up is read in its turn, after the output before it */
        if (timeout == 0) {
            client->leave = LEAVE_INPUT_END;
            break;
        }
        if (poll(fds, COUNT, timeout) < 0) {
            if (errno == EINTR)
                continue;
            return error_errno(err, errno, "poll");
        }
        if (fds[SIGNALS].revents)
            take_signals(client);
        if (fds[KEYS].revents)
            read_keys(client);
        if (fds[SCREEN].revents)
            write_screen(client);
        if (fds[ENGINE].revents & POLLOUT)
            send_typed(client);
        if ((fds[ENGINE].events & POLLIN) && (fds[ENGINE].revents & ~POLLOUT) &&
            client->leave == STAY)
            read_engine(client);
    }
    return 0;
}

/**
 * last_output() - On the way out: the rest of the output, then set the terminal right
 * @client:	Client
 */
static void last_output(struct client *client)
{
    bool all = client->leave == LEAVE_ENGINE || client->leave == LEAVE_INPUT_END;
    int limit = all && !client->terminal.tty_out ? -1 : LEAVE_WAIT_MS;

    if (client->leave == LEAVE_SCREEN)
        return;
    if (!client->terminal.tty_out)
        terminal_cooked(&client->terminal); /* a slow reader may take long: ^C works again */
    if (client->terminal.tty_out) {
        /* What was not shown yet is of no use to a person who leaves. */
        if (client->leave == LEAVE_DETACHED || client->leave == LEAVE_SIGNAL)
            client->screen.size = client->screen.size > SCREEN_MAX / 16 ? 0 : client->screen.size;
        guard_reset(&client->guard, &client->screen);
        if (client->leave == LEAVE_DETACHED)
            strbuf_printf(&client->screen, "\r\n[%s: left]", client->options->node);
        strbuf_puts(&client->screen, "\r\n");
    }
    while (client->screen.size && client->leave != LEAVE_SCREEN) {
        struct pollfd fds[] = {{.fd = client->terminal.out, .events = POLLOUT},
                               {.fd = client->terminal.signal_fd, .events = POLLIN}};
        int number;

        if (poll(fds, 2, limit) <= 0)
            break;
        if (fds[1].revents && (number = terminal_signal(&client->terminal)) > 0 &&
            number != SIGWINCH && number != SIGCONT && number != SIGPIPE)
            break;
        if (fds[0].revents)
            write_screen(client);
    }
}

/**
 * outcome() - What the reason to leave means to the caller
 * @client:	Client
 * @err:	Error
 *
 * Return: see console_client_run()
 */
static int outcome(const struct client *client, struct error *err)
{
    const char *node = client->options->node;

    switch (client->leave) {
    case LEAVE_ENGINE:
        return -EPIPE; /* the caller knows what to say */
    case LEAVE_SIGNAL:
        return error_set(err, EINTR, "console %s: ended by SIG%s", node,
                         sigabbrev_np(client->signal_number));
    default:
        return 0;
    }
}

/**
 * open_log() - Open the log file, if one is wanted
 * @client:	Client
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int open_log(struct client *client, struct error *err)
{
    const char *path = client->options->log_path;

    client->log = -1;
    if (!path)
        return 0;
    /* 0600: passwords are typed on consoles. */
    client->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (client->log < 0)
        return error_errno(err, errno, "console log %s", path);
    return 0;
}

/**
 * say_hello() - Tell how to leave
 * @client:	Client
 */
static void say_hello(struct client *client)
{
    int key = detach_key(client->options);
    const char *how = client->options->read_only ? "attached, read-only" : "attached";

    if (!client->terminal.tty_in || !client->terminal.tty_out)
        return;
    strbuf_printf(&client->screen, "\033[2m[%s: %s; ", client->options->node, how);
    if (key == CONSOLE_DETACH_DEFAULT)
        strbuf_puts(&client->screen, "Ctrl-] leaves]");
    else if (key > 0 && key < 0x20)
        strbuf_printf(&client->screen, "Ctrl-%c d leaves]", key + '@');
    else
        strbuf_printf(&client->screen, "key 0x%02x, then d, leaves]", (unsigned)key & 0xff);
    strbuf_puts(&client->screen, "\033[0m\r\n");
}

int console_client_run(int fd, const struct console_client *options, struct error *err)
{
    struct client client = {.options = options, .fd = fd, .moved_ms = now_ms()};
    int r = open_log(&client, err);

    if (r == 0) {
        r = terminal_init(&client.terminal, err);
        if (r == 0) {
            say_hello(&client);
            queue_size(&client);
            take_bytes(&client, options->rest, options->rest_size);
            r = run_loop(&client, err);
            last_output(&client);
            terminal_done(&client.terminal);
            if (r == 0)
                r = outcome(&client, err);
        }
    }
    if (client.log >= 0)
        (void)close(client.log);
    (void)close(client.fd);
    guard_done(&client.guard);
    strbuf_done(&client.typed);
    strbuf_done(&client.received);
    strbuf_done(&client.screen);
    return r;
}
