// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * QEMU writes a serial port straight into its record, a regular file, and the engine reads it
 * there; what is typed goes to QEMU through a FIFO. (QEMU's chardev "pipe" opens two paths for
 * that; that one of them is a regular file is fine with it.) So there is one truth and no seam:
 * whatever the engine does, dies or comes back, each byte is in the file once, and its offset there
 * is its place in the stream. Nothing that the engine or a client does can hold up the guest.
 *
 * A socket with QEMU's logfile= does not do: each time the socket is full QEMU 7.2 logs the byte
 * and then logs it again when it is sent at last, and a socket holds no more than 277 single bytes.
 *
 * inotify tells when the file has grown. While the guest floods, the watch is taken off and the
 * file is read by a timer (guest_read()), so that the guest does not pay for our being told. */

#include <errno.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "console/console_priv.h"

#define PIECE_SIZE 16384

/**
 * on_grown() - The record was written to
 * @source:	inotify source
 * @event:	What happened
 * @data:	Console
 *
 * Return: 0
 */
static int on_grown(sd_event_source *source, const struct inotify_event *event, void *data)
{
    (void)source;
    (void)event;
    guest_read(data);
    return 0;
}

/**
 * on_look() - It may have grown before it was watched
 * @source:	Deferred source
 * @data:	Console
 *
 * Return: 0
 */
static int on_look(sd_event_source *source, void *data)
{
    struct console *console = data;

    (void)source;
    if (console->guest >= 0 && console->follows && !console->guest_paused)
        guest_read(console);
    return 0;
}

void follow_watch(struct console *console, bool watch)
{
    console->record_source = sd_event_source_disable_unref(console->record_source);
    if (!watch)
        return;
    if (sd_event_add_inotify_fd(console->event, &console->record_source, console->record.fd,
                                IN_MODIFY, on_grown, console) >= 0)
        (void)sd_event_source_set_priority(console->record_source, SD_EVENT_PRIORITY_IMPORTANT);
    defer_set(console, &console->record_look, on_look, console);
}

ssize_t follow_read(struct console *console, void *bytes, size_t size)
{
    ssize_t n = record_read(&console->record, console_recorded(console), bytes, size);

    if (n == 0 && record_size(&console->record) < console_recorded(console)) {
        /* Somebody emptied the file; QEMU goes on at its beginning. */
        console->record_shift = -console->ring.head;
        n = record_read(&console->record, 0, bytes, size);
    }
    if (n > 0)
        return n;
    errno = EAGAIN;
    return -1;
}

void follow_done(struct console *console)
{
    console->record_source = sd_event_source_disable_unref(console->record_source);
    console->record_look = sd_event_source_disable_unref(console->record_look);
}

/**
 * preload_record() - Take what the record holds beyond the stream as output from before
 * @console:	Console with a record
 * @end:	Offset in the record to go up to
 */
static void preload_record(struct console *console, uint64_t end)
{
    uint8_t bytes[PIECE_SIZE];

    while (console_recorded(console) < end) {
        uint64_t left = end - console_recorded(console);
        ssize_t n = record_read(&console->record, console_recorded(console), bytes,
                                left < sizeof(bytes) ? (size_t)left : sizeof(bytes));

        if (n <= 0)
            return;
        console_preload(console, bytes, (size_t)n);
    }
}

/**
 * same_file() - Whether the record that is open is the file at a path
 * @console:	Console with a record
 * @path:	Path
 *
 * Return: true if so
 */
static bool same_file(const struct console *console, const char *path)
{
    struct stat here, there;

    return stat(path, &there) == 0 && fstat(console->record.fd, &here) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int console_record(struct console *console, const char *path, uint64_t limit, bool old,
                   struct error *err)
{
    uint64_t size, begin, start;
    int r;

    /* The last guest may have ended in the middle of a line: this one's first is not its end. */
    if (!old)
        lines_reset(&console->lines);
    if (console->recorded && !same_file(console, path)) {
        record_done(&console->record);
        console->recorded = false;
    }
    if (!console->recorded) {
        r = record_open(&console->record, path, limit, err);
        if (r < 0)
            return r;
        console->recorded = true;
    }
    size = record_size(&console->record);
    if (console->ring.head != console->ring.base) {
        console->record_shift = size - console->ring.head;
        return 0;
    }
    begin = record_begin(&console->record);
    start = size > console->ring_bytes ? size - console->ring_bytes : 0;
    if (start < begin)
        start = begin;
    if (!old)
        start = size;
    ring_init(&console->ring, start);
    console->flushed_head = start;
    console->record_shift = 0;
    preload_record(console, size);
    return 0;
}
