// SPDX-License-Identifier: GPL-2.0-or-later

/* One buffer between the packets and write(2).
 *
 * A file is written whole buffers at a time, blocking: a slow disk holds up this worker alone, its
 * ring overflows, and the kernel counts what is lost. When a write fails (disk full, quota, size
 * limit) the file is cut back to the last whole block, so that it reads without complaint.
 *
 * A stream is written without ever waiting. Its buffer is larger; once full, packets are dropped
 * until half of it is free again, so that a slow reader sees few long gaps rather than many short
 * ones. output_flush() may leave the middle of a block unwritten; the rest follows. */

#include "capture/output_priv.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "capture/pcapng_priv.h"

#define FILE_BUFFER   (1u << 19)
#define STREAM_BUFFER (4u << 20)
#define PIPE_WANTED   (1 << 20)

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

int output_init(struct output *output, int fd, struct error *err)
{
    struct stat status;
    int flags;

    if (fstat(fd, &status) < 0)
        return error_errno(err, errno, "descriptor %d", fd);
    *output = (struct output){.fd = fd, .moved_ms = now_ms()};
    output->stream = !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode);
    output->capacity = output->stream ? STREAM_BUFFER : FILE_BUFFER;
    if (output->stream) {
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
            return error_errno(err, errno, "descriptor %d", fd);
        if (S_ISFIFO(status.st_mode))
            (void)fcntl(fd, F_SETPIPE_SZ, PIPE_WANTED); /* fewer switches to and fro */
    } else {
        output->position = lseek(fd, 0, SEEK_CUR);
        output->seekable = output->position >= 0;
    }
    output->buffer = xmalloc0(output->capacity, 1);
    return 0;
}

size_t output_pending(const struct output *output)
{
    return output->end - output->start;
}

/**
 * make_room() - Move what is left to the buffer's front
 * @output:	The output
 */
static void make_room(struct output *output)
{
    if (output->start == 0)
        return;
    memmove(output->buffer, output->buffer + output->start, output_pending(output));
    output->end -= output->start;
    output->start = 0;
}

uint8_t *output_reserve(struct output *output, size_t size)
{
    if (output->error)
        return NULL;
    if (output->choked) {
        if (output_pending(output) > output->capacity / 2)
            return NULL;
        output->choked = false;
    }
    if (output->capacity - output->end < size) {
        if (output_flush(output) < 0)
            return NULL;
        if (output->capacity - output->end < size)
            make_room(output);
        if (output->capacity - output->end < size) {
            output->choked = output->stream;
            return NULL;
        }
    }
    return output->buffer + output->end;
}

void output_commit(struct output *output, size_t size)
{
    output->end += size;
}

void output_append(struct output *output, const void *data, size_t size)
{
    make_room(output);
    if (output->capacity - output->end < size) {
        output->capacity = output->end + size;
        output->buffer = xrealloc(output->buffer, output->capacity, 1);
    }
    memcpy(output->buffer + output->end, data, size);
    output->end += size;
}

/**
 * file_fail() - Cut a file back to its last whole block
 * @output:	The output
 * @written:	Bytes of the buffer that are in the file
 * @code:	Why it could not go on, -errno
 *
 * Return: @code
 */
static int file_fail(struct output *output, size_t written, int code)
{
    if (output->seekable) {
        output->position += (off_t)pcapng_whole_blocks(output->buffer + output->start, written);
        if (ftruncate(output->fd, output->position) == 0)
            (void)lseek(output->fd, output->position, SEEK_SET);
    }
    output->start = output->end = 0;
    output->error = code;
    return code;
}

/**
 * file_flush() - Write all of the buffer to a file
 * @output:	The output
 *
 * Return: 0 or -errno
 */
static int file_flush(struct output *output)
{
    size_t size = output_pending(output), written = 0;

    while (written < size) {
        ssize_t n = write(output->fd, output->buffer + output->start + written, size - written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return file_fail(output, written, n < 0 ? -errno : -EIO);
        written += (size_t)n;
    }
    output->position += (off_t)size;
    output->start = output->end = 0;
    return 0;
}

/**
 * stream_flush() - Write as much to a stream as it takes
 * @output:	The output
 *
 * Return: 0 or -errno
 */
static int stream_flush(struct output *output)
{
    while (output->start < output->end) {
        ssize_t n = write(output->fd, output->buffer + output->start, output_pending(output));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0) {
            output->error = -errno;
            return output->error;
        }
        output->start += (size_t)n;
        output->moved_ms = now_ms();
    }
    output->start = output->end = 0;
    return 0;
}

int output_flush(struct output *output)
{
    if (output->error)
        return output->error;
    return output->stream ? stream_flush(output) : file_flush(output);
}

int output_finish(struct output *output, int timeout_ms, int stop_fd)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct pollfd wait[] = {{.fd = output->fd, .events = POLLOUT},
                            {.fd = stop_fd, .events = POLLIN}};

    for (;;) {
        int64_t left = deadline - now_ms();
        int r = output_flush(output);

        if (r < 0 || output_pending(output) == 0)
            return r;
        if (left <= 0 || wait[1].revents)
            return -ETIMEDOUT;
        (void)poll(wait, 2, (int)left);
    }
}

void output_rescue(struct output *output, const void *data, size_t size)
{
    if (!output->error || !output->seekable)
        return;
    if (write(output->fd, data, size) == (ssize_t)size) {
        output->position += (off_t)size;
        return;
    }
    if (ftruncate(output->fd, output->position) == 0)
        (void)lseek(output->fd, output->position, SEEK_SET);
}

void output_done(struct output *output)
{
    free(output->buffer);
    output->buffer = NULL;
}
