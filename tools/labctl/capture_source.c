// SPDX-License-Identifier: GPL-2.0-or-later

/* The reading end of capture.stream. Only whole blocks are handed on (draft-ietf-opsawg-pcapng,
 * 3.1: type, total length, body, total length again), so that what was written is a whole file
 * whenever it ends: by ^C, by the reader going away, or by the lab.
 *
 * A worker that comes to its end writes statistics last. A stream that breaks off without them
 * has lost its worker: it was killed, by hand or because memory was short. Then another stream is
 * asked for, with what is left of the limits, and joined to the first: its section header is left
 * out and its interfaces are counted on, since tshark (4.0) takes the names of the first section's
 * interfaces for those of later ones. That a worker died young is no accident, and not repeated. */

#include "labctl/capture_source.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "capture/reader.h"
#include "labctl/lab.h"

#define AGE_LEAST_MS 2000 /* as the engine demands of a file's worker (captures.c) */
#define PATIENCE_MS  500
#define CHUNK        65536

#define PACKET_HEAD     28u
#define STATISTICS_HEAD 20u

enum { BLOCK_INTERFACE = 1, BLOCK_STATISTICS = 5, BLOCK_PACKET = 6, BLOCK_SECTION = 0x0a0d0d0a };

struct capture_source {
    char *lab;
    json_t *params; /* of the first call */
    int fd;
    int64_t first_ms, opened_ms; /* when the first stream began, and this one */
    struct strbuf buffer;        /* what has come, */
    size_t used;                 /* and how much of that was handed on */
    bool ended;                  /* the last block was statistics */
    uint32_t interfaces, shift;  /* in all streams, and in those before this one */
    uint64_t packets, bytes;     /* in all streams */
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
 * call() - Have the engine begin a stream
 * @source:	Source; its connection is set
 * @params:	Of the call, stolen
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int call(struct capture_source *source, json_t *params, struct error *err)
{
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *rest = NULL;
    size_t size;
    int r;

    r = lab_open(&(struct invocation){.lab = source->lab}, &client, NULL, err);
    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = rpc_invoke(client, "capture.stream", params, &result, err);
    if (r < 0)
        return r;
    source->fd = rpc_client_steal(steal_ptr(client), &rest, &size); /* there is no rest */
    source->opened_ms = now_ms();
    return 0;
}

int capture_source_open(const struct invocation *invocation, json_t *params,
                        struct capture_source **ret_source, struct error *err)
{
    _cleanup_source_ struct capture_source *source = xnew0(struct capture_source, 1);
    int r;

    source->fd = -1;
    source->params = params;
    r = lab_pick(invocation, NULL, &source->lab, err);
    if (r == 0)
        r = call(source, json_incref(params), err);
    if (r < 0)
        return r;
    source->first_ms = source->opened_ms;
    *ret_source = steal_ptr(source);
    return 0;
}

void capture_source_hang_up(struct capture_source *source)
{
    cleanup_close(&source->fd);
    source->fd = -1;
}

void capture_source_free(struct capture_source *source)
{
    if (!source)
        return;
    capture_source_hang_up(source);
    strbuf_done(&source->buffer);
    json_decref(source->params);
    free(source->lab);
    free(source);
}

/**
 * lessen() - Take what was used up off a limit
 * @params:	Of a call
 * @name:	Limit
 * @used:	How much was used
 *
 * Return: true unless nothing is left of it
 */
static bool lessen(json_t *params, const char *name, uint64_t used)
{
    json_int_t limit = json_integer_value(json_object_get(params, name));

    if (limit == 0)
        return true;
    (void)json_object_set_new(params, name, json_integer(limit - (json_int_t)used));
    return used < (uint64_t)limit;
}

/**
 * go_on() - The stream broke off: begin another one
 * @source:	Source without a connection
 * @err:	Error to fill
 *
 * Return: 0; -ENODATA if there is nothing left to do; else -errno
 */
static int go_on(struct capture_source *source, struct error *err)
{
    int64_t now = now_ms();
    json_t *params;
    int r;

    if (now - source->opened_ms < AGE_LEAST_MS) {
        _cleanup_free_ char *dir = lab_run_dir(source->lab);

        (void)error_set(err, EIO, "the stream broke off: its worker was killed as soon as it ran");
        error_hint(err, "%s/engine.log may say why", dir);
        return -EIO;
    }
    params = json_deep_copy(source->params);
    (void)json_object_set_new(params, "joins", json_true());
    if (!lessen(params, "packets", source->packets) || !lessen(params, "bytes", source->bytes) ||
        !lessen(params, "duration_ms", (uint64_t)(now - source->first_ms))) {
        json_decref(params);
        return -ENODATA;
    }
    capture_source_hang_up(source);
    source->shift = source->interfaces;
    source->used = source->buffer.size = 0;
    source->ended = false;
    r = call(source, params, err);
    if (r == -ENOENT || r == -ESHUTDOWN) { /* the lab has gone, and its captures with it */
        error_done(err);
        return -ENODATA;
    }
    if (r < 0)
        return error_prefix(err, "the stream broke off and cannot go on");
    (void)fprintf(stderr, "labctl: the stream broke off, as its worker was killed, and goes on\n");
    return 0;
}

/**
 * number() - Read a number of a block
 * @at:		Where
 *
 * Return: the number
 */
static uint32_t number(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/**
 * take_block() - Look at a block that came, and fit it in with the streams before
 * @source:	Source
 * @block:	Block, which is whole
 * @size:	Its length
 */
static void take_block(struct capture_source *source, char *block, size_t size)
{
    uint32_t type = number(block), interface;

    source->ended = type == BLOCK_STATISTICS;
    if (type == BLOCK_INTERFACE) {
        source->interfaces++;
    } else if ((type == BLOCK_PACKET && size >= PACKET_HEAD) ||
               (type == BLOCK_STATISTICS && size >= STATISTICS_HEAD)) {
        interface = number(block + 8) + source->shift;
        memcpy(block + 8, &interface, sizeof(interface));
    }
    if (type == BLOCK_PACKET && size >= PACKET_HEAD) {
        source->packets++;
        source->bytes += number(block + 24);
    }
}

/**
 * take_blocks() - Look at what has come
 * @source:	Source
 * @ret_data:	Whole blocks
 * @err:	Error to fill
 *
 * Return: how many bytes, or -EPROTO
 */
static ssize_t take_blocks(struct capture_source *source, const void **ret_data, struct error *err)
{
    ssize_t whole = capture_blocks(source->buffer.data, source->buffer.size);
    char *data = source->buffer.data;
    size_t skipped = 0, size;

    if (whole < 0)
        return error_set(err, EPROTO, "the engine sent what is no pcapng");
    for (size_t at = 0; at < (size_t)whole; at += size) {
        size = number(data + at + 4);
        if (source->shift && number(data + at) == BLOCK_SECTION)
            skipped = at + size; /* the first that comes */
        else
            take_block(source, data + at, size);
    }
    source->used = (size_t)whole;
    *ret_data = data + skipped;
    return whole - (ssize_t)skipped;
}

ssize_t capture_source_read(struct capture_source *source, int output, const void **ret_data,
                            struct error *err)
{
    /* A reader that leaves shows as an error on the pipe, also while no packet comes. */
    struct pollfd wait[] = {{.fd = source->fd, .events = POLLIN}, {.fd = output, .events = 0}};
    char chunk[CHUNK];
    ssize_t n;

    strbuf_consume(&source->buffer, source->used);
    source->used = 0;
    if (poll(wait, 2, PATIENCE_MS) <= 0)
        return 0;
    if (wait[1].revents & (POLLERR | POLLHUP))
        return -ENODATA;
    n = recv(source->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return source->ended && source->buffer.size == 0 ? -ENODATA : go_on(source, err);
    strbuf_append(&source->buffer, chunk, (size_t)n);
    return take_blocks(source, ret_data, err);
}
