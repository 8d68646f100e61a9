// SPDX-License-Identifier: GPL-2.0-or-later

/* capture stream: pcapng from the engine's connection to standard output, live. Only whole blocks
 * are passed on (draft-ietf-opsawg-pcapng, 3.1: type, total length, body, total length again), so
 * that what was written is a whole file whenever it ends: by ^C, by the reader going away, or by
 * the lab. */

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/work.h"

#define BLOCK_LEAST 12u
#define BLOCK_MOST  (16u << 20) /* as much as Wireshark takes */

static const struct option_spec stream_options[] = {
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"packets", 'c', "N", "end after so many"},
    {0},
};

/**
 * whole_blocks() - How many bytes at the start of a buffer are whole blocks
 * @data:	Buffer
 * @size:	Its size
 *
 * The worker writes in this machine's byte order.
 *
 * Return: bytes, -EPROTO if this is no pcapng
 */
static ssize_t whole_blocks(const char *data, size_t size)
{
    size_t whole = 0;

    while (size - whole >= BLOCK_LEAST) {
        uint32_t length;

        memcpy(&length, data + whole + 4, sizeof(length));
        if (length < BLOCK_LEAST || length > BLOCK_MOST || length % 4 != 0)
            return -EPROTO;
        if (length > size - whole)
            break;
        whole += length;
    }
    return (ssize_t)whole;
}

/**
 * pass_blocks() - Write the whole blocks of a buffer out, and keep the rest
 * @buffer:	Buffer
 * @err:	Error to fill
 *
 * Return: 0; -EPIPE without @err if nobody reads any more; other -errno
 */
static int pass_blocks(struct strbuf *buffer, struct error *err)
{
    ssize_t whole = whole_blocks(buffer->data, buffer->size);
    int r;

    if (whole < 0)
        return error_set(err, EPROTO, "the engine sent what is no pcapng");
    if (whole == 0)
        return 0;
    r = write_all(STDOUT_FILENO, buffer->data, (size_t)whole);
    if (r < 0)
        return r == -EPIPE ? r : error_errno(err, -r, "standard output");
    strbuf_consume(buffer, (size_t)whole);
    return 0;
}

/**
 * copy_stream() - Copy until one side ends or ^C
 * @fd:		Connection
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int copy_stream(int fd, struct error *err)
{
    _cleanup_strbuf_ struct strbuf buffer = STRBUF_INIT;
    char chunk[65536];
    int r = 0;

    while (r == 0 && work_interrupts() == 0) {
        /* A reader that leaves shows as an error on the pipe, also while no packet comes. */
        struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
        ssize_t n;

        if (poll(wait, 2, 500) <= 0)
            continue;
        if (wait[1].revents & (POLLERR | POLLHUP))
            return 0;
        if (!(wait[0].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return 0;
        strbuf_append(&buffer, chunk, (size_t)n);
        r = pass_blocks(&buffer, err);
    }
    return r == -EPIPE ? 0 : r;
}

int capture_stream_run(struct invocation *invocation, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *rest = NULL;
    _cleanup_close_ int fd = -1;
    json_t *params = NULL;
    size_t size;
    int r;

    if (isatty(STDOUT_FILENO)) {
        (void)error_input(err, "a capture is no text: standard output is a terminal");
        error_hint(err, "labctl capture stream %s | tcpdump -r -", invocation->words[0]);
        return -EINVAL;
    }
    r = capture_params(invocation, &params, err);
    if (r < 0)
        return r;
    r = lab_open(invocation, &client, NULL, err);
    if (r < 0) {
        json_decref(params);
        return r;
    }
    work_catch_signals();
    r = rpc_invoke(client, "capture.stream", params, &result, err);
    if (r < 0)
        return r;
    fd = rpc_client_steal(steal_ptr(client), &rest, &size); /* there is no rest */
    return copy_stream(fd, err);
}

const struct command cmd_capture_stream = {
    .group = "capture",
    .name = "stream",
    .arguments = "WHERE…",
    .summary = "Packets as they pass, pcapng on standard output",
    .details = "labctl capture stream r1:eth0 | tcpdump -r -\n"
               "labctl capture stream r1:eth0 | wireshark -k -i -",
    .options = stream_options,
    .words_least = 1,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = capture_stream_run,
};
