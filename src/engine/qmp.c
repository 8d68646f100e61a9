// SPDX-License-Identifier: GPL-2.0-or-later

/* The handshake is: QEMU's greeting, our qmp_capabilities, its empty return. Commands carry a
 * counting id and are answered in any order; answers are matched by it. A command that QEMU never
 * answers is failed when the connection closes, and QEMU's own death closes it. */

#include "engine/qmp.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#define QMP_LINE_MAX   (1u << 20)
#define QMP_OUTPUT_MAX (1u << 20)
#define QMP_PRIORITY   (SD_EVENT_PRIORITY_IMPORTANT - 10) /* before consoles */
#define CHUNK          65536                              /* of events, some hundred bytes each */

struct qmp_command {
    struct qmp_command *next;
    json_int_t id;
    qmp_reply_fn *fn;
    void *data;
};

enum qmp_state { QMP_GREETING, QMP_NEGOTIATING, QMP_READY, QMP_CLOSED };

struct qmp {
    sd_event_source *source;
    int fd;
    enum qmp_state state;
    const struct qmp_handler *handler;
    void *data;
    struct strbuf input, output;
    struct qmp_command *commands;
    json_int_t next_id;
    bool *freed; /* set when the client is freed while a callback runs */
};

/**
 * qmp_close() - End the connection and tell whoever waits
 * @qmp:	Client
 * @err:	Why
 */
static void qmp_close(struct qmp *qmp, struct error *err)
{
    struct qmp_command *commands = steal_ptr(qmp->commands);
    bool freed = false;

    if (qmp->state == QMP_CLOSED)
        return;
    qmp->state = QMP_CLOSED;
    qmp->source = sd_event_source_disable_unref(qmp->source);
    cleanup_close(&qmp->fd);
    qmp->fd = -1;
    qmp->freed = &freed;
    while (commands) {
        struct qmp_command *command = commands;

        commands = command->next;
        if (command->fn && !freed)
            command->fn(command->data, NULL, err);
        free(command);
    }
    if (!freed && qmp->handler->closed)
        qmp->handler->closed(qmp->data, err);
    if (!freed)
        qmp->freed = NULL;
}

/**
 * flush_output() - Write what the socket takes
 * @qmp:	Client
 *
 * Return: 0 or -errno
 */
static int flush_output(struct qmp *qmp)
{
    while (qmp->output.size > 0) {
        ssize_t n = send(qmp->fd, qmp->output.data, qmp->output.size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return -errno;
        strbuf_consume(&qmp->output, (size_t)n);
    }
    if (qmp->source)
        (void)sd_event_source_set_io_events(qmp->source,
                                            qmp->output.size ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return 0;
}

/**
 * send_command() - Queue one command
 * @qmp:	Client that is not closed
 * @name:	Command
 * @args:	Stolen, may be NULL
 * @fn:		Answer callback or NULL
 * @data:	For it
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int send_command(struct qmp *qmp, const char *name, json_t *args, qmp_reply_fn *fn,
                        void *data, struct error *err)
{
    json_t *object = json_pack("{s:s, s:I}", "execute", name, "id", qmp->next_id);
    struct qmp_command **end = &qmp->commands, *command;
    _cleanup_free_ char *text = NULL;

    if (args)
        (void)json_object_set_new(object, "arguments", args);
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text)
        return error_set(err, EINVAL, "QMP %s: arguments are no JSON", name);
    if (qmp->output.size + strlen(text) > QMP_OUTPUT_MAX)
        return error_set(err, ENOBUFS, "QMP %s: QEMU does not read its commands", name);
    strbuf_puts(&qmp->output, text);
    strbuf_puts(&qmp->output, "\n");
    command = xnew0(struct qmp_command, 1);
    command->id = qmp->next_id++;
    command->fn = fn;
    command->data = data;
    while (*end)
        end = &(*end)->next;
    *end = command;
    /* A failed write shows as a hang-up in the event loop, where closing is safe. */
    if (qmp->fd >= 0)
        (void)flush_output(qmp);
    return 0;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *args, qmp_reply_fn *fn, void *data,
                struct error *err)
{
    if (!qmp || qmp->state != QMP_READY) {
        json_decref(args);
        return error_set(err, ENOTCONN, "QMP %s: not connected", command);
    }
    return send_command(qmp, command, args, fn, data, err);
}

/**
 * on_capabilities() - The handshake is done, or refused
 * @data:	Client
 * @result:	Answer
 * @err:	Why not
 */
static void on_capabilities(void *data, json_t *result, struct error *err)
{
    struct qmp *qmp = data;

    if (qmp->state != QMP_NEGOTIATING)
        return;
    if (!result) {
        /* Without its handshake it is of no use; hanging up ends it where closing is safe. */
        (void)error_prefix(err, "QMP handshake");
        (void)shutdown(qmp->fd, SHUT_RDWR);
        return;
    }
    qmp->state = QMP_READY;
    if (qmp->handler->ready)
        qmp->handler->ready(qmp->data);
}

/**
 * take_answer() - Match an answer to its command
 * @qmp:	Client
 * @object:	What QEMU sent
 * @err:	Error to fill
 *
 * Return: 0 or -EPROTO
 */
static int take_answer(struct qmp *qmp, json_t *object, struct error *err)
{
    json_t *id = json_object_get(object, "id"), *failure = json_object_get(object, "error");
    struct qmp_command **at = &qmp->commands, *command;
    _cleanup_error_ struct error refused = ERROR_INIT;

    while (*at && (!json_is_integer(id) || (*at)->id != json_integer_value(id)))
        at = &(*at)->next;
    if (!*at)
        return error_set(err, EPROTO, "QMP: an answer that nobody asked for");
    command = *at;
    *at = command->next;
    if (failure) {
        const char *text = json_string_value(json_object_get(failure, "desc"));
        _cleanup_free_ char *shown =
            text_escape(text ? text : "?", strnlen(text ? text : "?", 500));

        (void)error_set(&refused, EREMOTEIO, "QEMU says: %s", shown);
    }
    if (command->fn)
        command->fn(command->data, failure ? NULL : json_object_get(object, "return"),
                    failure ? &refused : NULL);
    free(command);
    return 0;
}

/**
 * take_line() - Understand one line from QEMU
 * @qmp:	Client
 * @line:	Line without its newline
 * @size:	Its length
 * @err:	Error to fill
 *
 * Return: 0 or -EPROTO
 */
static int take_line(struct qmp *qmp, const char *line, size_t size, struct error *err)
{
    json_error_t why;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why);
    const char *event = json_string_value(json_object_get(object, "event"));
    int r = 0;

    if (!json_is_object(object)) {
        _cleanup_free_ char *shown = text_escape(line, size < 60 ? size : 60);

        r = error_set(err, EPROTO, "QMP: not a JSON object: %s", shown);
    } else if (qmp->state == QMP_GREETING) {
        if (!json_is_object(json_object_get(object, "QMP")))
            r = error_set(err, EPROTO, "QMP: no greeting");
        qmp->state = QMP_NEGOTIATING;
        if (r == 0)
            r = send_command(qmp, "qmp_capabilities", NULL, on_capabilities, qmp, err);
    } else if (event) {
        if (qmp->handler->event)
            qmp->handler->event(qmp->data, event, json_object_get(object, "data"));
    } else if (json_object_get(object, "return") || json_object_get(object, "error")) {
        r = take_answer(qmp, object, err);
    } else {
        r = error_set(err, EPROTO, "QMP: neither answer nor event");
    }
    json_decref(object);
    return r;
}

int qmp_feed(struct qmp *qmp, const char *bytes, size_t size, struct error *err)
{
    bool freed = false;
    char *newline;
    int r = 0;

    strbuf_append(&qmp->input, bytes, size);
    qmp->freed = &freed;
    while (r == 0 && qmp->state != QMP_CLOSED && qmp->input.size > 0 &&
           (newline = memchr(qmp->input.data, '\n', qmp->input.size))) {
        size_t line = (size_t)(newline - qmp->input.data);

        /* Every callback may lead to qmp_free(): what is left is looked at only if it did not. */
        r = take_line(qmp, qmp->input.data, line, err);
        if (freed)
            return 0;
        strbuf_consume(&qmp->input, line + 1);
    }
    qmp->freed = NULL;
    if (r == 0 && qmp->input.size > QMP_LINE_MAX)
        r = error_set(err, EPROTO, "QMP: a line of more than %u bytes", QMP_LINE_MAX);
    return r;
}

/**
 * take_input() - Read what QEMU has sent, and act on it
 * @qmp:	Client
 * @end:	Also act on the end of the connection, and on errors
 *
 * The client may be freed by a callback.
 */
static void take_input(struct qmp *qmp, bool end)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char chunk[CHUNK];
    ssize_t n = recv(qmp->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (n <= 0 && (!end || (n < 0 && (errno == EAGAIN || errno == EINTR))))
        return;
    if (n > 0 && qmp_feed(qmp, chunk, (size_t)n, &err) == 0)
        return;
    if (n == 0)
        (void)error_set(&err, EPIPE, "QMP: QEMU closed the connection");
    else if (n < 0)
        (void)error_errno(&err, errno, "QMP: read");
    qmp_close(qmp, &err);
}

/**
 * on_socket() - QEMU sent something, can take something, or hung up
 * @source:	Event source
 * @fd:		Socket
 * @revents:	What
 * @data:	Client
 *
 * Return: 0
 */
static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct qmp *qmp = data;

    (void)source;
    (void)fd;
    if (revents & EPOLLOUT)
        (void)flush_output(qmp);
    take_input(qmp, true);
    return 0;
}

void qmp_catch_up(struct qmp *qmp)
{
    if (qmp && qmp->state == QMP_READY && !qmp->freed)
        take_input(qmp, false); /* its end is seen by the event loop */
}

int qmp_new(sd_event *event, int fd, const struct qmp_handler *handler, void *data,
            struct qmp **ret_qmp, struct error *err)
{
    struct qmp *qmp = xnew0(struct qmp, 1);
    int r;

    qmp->fd = fd;
    qmp->handler = handler;
    qmp->data = data;
    qmp->next_id = 1;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    r = sd_event_add_io(event, &qmp->source, fd, EPOLLIN, on_socket, qmp);
    if (r < 0) {
        qmp_free(qmp);
        return error_errno(err, -r, "QMP: watch the connection");
    }
    /* QEMU says what happens to a guest (it runs, it has reset itself) before the guest says
     * anything of it. An engine that was held up finds both, and must take them in that order. */
    (void)sd_event_source_set_priority(qmp->source, QMP_PRIORITY);
    *ret_qmp = qmp;
    return 0;
}

void qmp_free(struct qmp *qmp)
{
    if (!qmp)
        return;
    if (qmp->freed)
        *qmp->freed = true;
    sd_event_source_disable_unref(qmp->source);
    cleanup_close(&qmp->fd);
    while (qmp->commands) {
        struct qmp_command *command = qmp->commands;

        qmp->commands = command->next;
        free(command);
    }
    strbuf_done(&qmp->input);
    strbuf_done(&qmp->output);
    free(qmp);
}
