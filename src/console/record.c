// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * QEMU appends every byte of a serial port to a file (follow.c), and does so also while no engine
 * runs. So the file is the record of truth, and offsets in it name bytes for ever.
 *
 * It must not grow for ever. QEMU cannot be told to begin another file, and cutting its head off
 * would move the offsets under its hands; but a hole can be punched into the part that is too old:
 * its blocks go back to the disk, offsets stay, QEMU notices nothing (shown by
 * tests/unit/test_console_record.c). ls then shows the bytes ever written, du what is kept. On a
 * file system without holes nothing is given back.
 *
 * Beside it the engine writes the index of times (times.h): an entry when something comes
 * TIMES_STEP_NS or more after the entry before. What came while no engine ran has the time of the
 * moment at which the next one saw it. */

#include "console/record_priv.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "console/times.h"

#define BLOCK 4096u /* holes begin and end at multiples of it */

uint64_t record_size(const struct record *record)
{
    struct stat st;

    return fstat(record->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t record_begin(const struct record *record)
{
    off_t data = lseek(record->fd, 0, SEEK_DATA);

    /* ENXIO: nothing but a hole, or empty. */
    return data < 0 ? record_size(record) : (uint64_t)data;
}

ssize_t record_read(const struct record *record, uint64_t offset, void *data, size_t size)
{
    ssize_t n;

    do {
        n = pread(record->fd, data, size, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/**
 * write_times() - Write the index anew
 * @record:	Record
 * @times:	What is to be in it
 *
 * Return: 0 or -errno, and then there is no index any more
 */
static int write_times(struct record *record, const struct times *times)
{
    _cleanup_free_ char *temp = xasprintf("%s.new", record->times_path);
    size_t size = TIMES_HEAD + times->count * TIMES_ENTRY;
    _cleanup_free_ uint8_t *data = xmalloc0(size, 1);
    _cleanup_close_ int fd = -1;
    int r;

    cleanup_close(&record->times_fd);
    record->times_fd = -1;
    times_head(data);
    for (size_t i = 0; i < times->count; i++)
        times_pack(&times->entries[i], data + TIMES_HEAD + i * TIMES_ENTRY);
    (void)unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, data, size);
    if (r == 0 && rename(temp, record->times_path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(temp);
        return r;
    }
    record->times_fd = steal_fd(&fd);
    record->entries = times->count;
    return 0;
}

int record_open(struct record *record, const char *path, uint64_t limit, struct error *err)
{
    struct times times = {0};
    int r;

    *record = (struct record){.fd = -1, .times_fd = -1, .limit = limit};
    /* 0600: passwords are typed on consoles. */
    record->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (record->fd < 0)
        return error_errno(err, errno, "console record %s", path);
    record->path = xstrdup(path);
    record->times_path = times_path(path);
    record->trimmed = record_begin(record);
    /* Also gets rid of a torn end. Without an index there are no times, and all else goes on. */
    (void)times_load(path, &times, NULL);
    times_thin(&times, record->trimmed, TIMES_ENTRIES_MAX / 2);
    r = write_times(record, &times);
    times_done(&times);
    if (r < 0) {
        r = error_errno(err, -r, "console record %s", record->times_path);
        record_done(record);
        return r;
    }
    return 0;
}

void record_done(struct record *record)
{
    cleanup_close(&record->fd);
    cleanup_close(&record->times_fd);
    free(record->path);
    free(record->times_path);
    *record = (struct record){.fd = -1, .times_fd = -1};
}

void record_note(struct record *record, uint64_t offset, uint64_t now_ns)
{
    struct times_entry entry = {.offset = offset};
    uint8_t packed[TIMES_ENTRY];
    struct timespec now;

    if (record->times_fd < 0 || (record->noted_ns && now_ns - record->noted_ns < TIMES_STEP_NS))
        return;
    record->noted_ns = now_ns;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    entry.ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
    times_pack(&entry, packed);
    /* A full disk costs times, nothing else. A torn entry would make nonsense of all after it. */
    if (write(record->times_fd, packed, sizeof(packed)) == (ssize_t)sizeof(packed))
        record->entries++;
    else
        cleanup_close(&record->times_fd), record->times_fd = -1;
    if (record->entries >= TIMES_ENTRIES_MAX) {
        struct times times = {0};

        if (times_load(record->path, &times, NULL) == 0) {
            times_thin(&times, record->trimmed, TIMES_ENTRIES_MAX / 2);
            (void)write_times(record, &times);
            times_done(&times);
        }
    }
}

void record_trim(struct record *record, uint64_t offset)
{
    uint64_t end;

    if (record->no_holes || record->limit == 0 ||
        offset < record->trimmed + record->limit + record->limit / 8 + BLOCK)
        return;
    end = (offset - record->limit) / BLOCK * BLOCK;
    if (fallocate(record->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)end) == 0)
        record->trimmed = end;
    else if (errno != EINTR)
        record->no_holes = true;
}
