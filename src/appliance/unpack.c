// SPDX-License-Identifier: GPL-2.0-or-later

/* Copying and unpacking, each hashing what it writes in the same pass. An archive's member names
 * are compared and never used as paths; how much may come out is told beforehand, so an archive
 * that would fill the disk is given up at the first byte too many. Blocks of zeros become holes. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <nettle/md5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/import.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

/* More than this does not come out of an archive whose content nobody has told the size of. */
#define UNPACK_MOST (256ull << 30)

enum { BUFFER = 1 << 20, HOLE = 64 << 10, MEMBERS_MAX = 4096 };

/**
 * md5_text() - The end of a hash
 * @md5:	Hash
 * @ret_md5:	Text
 */
static void md5_text(struct md5_ctx *md5, char ret_md5[static 33])
{
    uint8_t digest[MD5_DIGEST_SIZE];

    md5_digest(md5, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        ret_md5[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_md5[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret_md5[32] = 0;
}

/**
 * write_sparse() - Write bytes, holes for blocks of zeros
 * @fd:		File
 * @data:	Bytes
 * @size:	How many
 * @at:		Where
 *
 * Return: 0 or -errno
 */
static int write_sparse(int fd, const unsigned char *data, size_t size, off_t at)
{
    for (size_t done = 0, part; done < size; done += part) {
        part = size - done < HOLE ? size - done : HOLE;
        if (data[done] == 0 && memcmp(data + done, data + done + 1, part - 1) == 0)
            continue;
        for (size_t written = 0; written < part;) {
            ssize_t n =
                pwrite(fd, data + done + written, part - written, at + (off_t)(done + written));

            if (n < 0 && errno != EINTR)
                return -errno;
            written += n > 0 ? (size_t)n : 0;
        }
    }
    return 0;
}

/**
 * digest_loop() - Read a file to its end, hash it, write it
 * @from_fd:	File to read
 * @to_fd:	File to write, or -1
 * @ret_md5:	Text of the hash
 *
 * Return: 0 or -errno
 */
static int digest_loop(int from_fd, int to_fd, char ret_md5[static 33])
{
    _cleanup_free_ unsigned char *buffer = xmalloc0(BUFFER, 1);
    struct md5_ctx md5;
    off_t at = 0;

    md5_init(&md5);
    for (;;) {
        ssize_t n = pread(from_fd, buffer, BUFFER, at);
        int r = 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        md5_update(&md5, (size_t)n, buffer);
        if (to_fd >= 0)
            r = write_sparse(to_fd, buffer, (size_t)n, at);
        if (r < 0)
            return r;
        at += n;
    }
    md5_text(&md5, ret_md5);
    return to_fd >= 0 && ftruncate(to_fd, at) < 0 ? -errno : 0;
}

int file_digest_copy(int from_fd, const char *to, char ret_md5[static 33], struct error *err)
{
    _cleanup_close_ int fd = -1;
    int r;

    if (to) {
        fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
            return error_errno(err, errno, "%s", to);
        /* Where the file system can share the blocks, only the hash is left to do. */
        if (ioctl(fd, FICLONE, from_fd) == 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    r = digest_loop(from_fd, fd, ret_md5);
    if (r < 0 && to)
        (void)unlink(to);
    return r < 0 ? error_errno(err, -r, "copy to %s", to ? to : "nowhere") : 0;
}

/**
 * open_archive() - Begin to read an archive
 * @fd:		File
 * @err:	Error to fill
 *
 * Return: archive, or NULL
 */
static struct archive *open_archive(int fd, struct error *err)
{
    struct archive *archive = archive_read_new();

    if (!archive)
        abort();
    (void)archive_read_support_filter_gzip(archive);
    (void)archive_read_support_filter_bzip2(archive);
    (void)archive_read_support_filter_xz(archive);
    (void)archive_read_support_filter_lzma(archive);
    (void)archive_read_support_filter_zstd(archive);
    (void)archive_read_support_format_zip(archive);
    (void)archive_read_support_format_7zip(archive);
    (void)archive_read_support_format_raw(archive);
    if (lseek(fd, 0, SEEK_SET) == 0 && archive_read_open_fd(archive, fd, BUFFER) == ARCHIVE_OK)
        return archive;
    (void)error_set(err, EINVAL, "unpack: %s", archive_error_string(archive));
    archive_read_free(archive);
    return NULL;
}

/**
 * leads_out() - Whether a member's name has ".." in it
 * @name:	Name
 *
 * Return: true if so
 */
static bool leads_out(const char *name)
{
    _cleanup_free_ char *parts = xasprintf("/%s/", name);

    return name[0] == '/' || strstr(parts, "/../");
}

/**
 * choose_member() - Find the member that is wanted: by its name, else by its size, else the only
 * one
 * @fd:		Archive
 * @wanted:	Name that it should have
 * @bytes:	Size that it should have, 0: not known
 * @ret_index:	Which one
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int choose_member(int fd, const char *wanted, unsigned long long bytes, size_t *ret_index,
                         struct error *err)
{
    struct archive *archive = open_archive(fd, err);
    struct archive_entry *entry;
    size_t count = 0, files = 0, only = 0, named = SIZE_MAX, sized = SIZE_MAX;
    int r = ARCHIVE_OK;
    bool bad = false;

    if (!archive)
        return -EINVAL;
    while (!bad && count < MEMBERS_MAX &&
           (r = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        const char *path = archive_entry_pathname(entry);
        const char *base = path ? strrchr(path, '/') : NULL;

        bad = path && leads_out(path);
        base = base ? base + 1 : path;
        if (archive_entry_filetype(entry) == AE_IFREG || archive_entry_filetype(entry) == 0) {
            only = count;
            files++;
            if (named == SIZE_MAX && base && strcmp(base, wanted) == 0)
                named = count;
            if (sized == SIZE_MAX && bytes && archive_entry_size_is_set(entry) &&
                (unsigned long long)archive_entry_size(entry) == bytes)
                sized = count;
        }
        count++;
    }
    if (bad)
        r = error_input(err, "the archive has a member whose path leads out of it ('..')");
    else if (r != ARCHIVE_EOF)
        r = error_set(err, EINVAL, "unpack: %s",
                      count == MEMBERS_MAX ? "too many members" : archive_error_string(archive));
    else if (named == SIZE_MAX && sized == SIZE_MAX && files != 1)
        r = error_input(err, "the archive has %zu files and none of them is '%s'", files, wanted);
    else
        r = 0;
    archive_read_free(archive);
    if (r == 0)
        *ret_index = named != SIZE_MAX ? named : sized != SIZE_MAX ? sized : only;
    return r;
}

/**
 * extract() - Write the data of the current member
 * @archive:	Archive
 * @fd:		File to write
 * @most:	Bytes that it may have
 * @ret_md5:	Text of the hash
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int extract(struct archive *archive, int fd, unsigned long long most,
                   char ret_md5[static 33], struct error *err)
{
    _cleanup_free_ unsigned char *buffer = xmalloc0(BUFFER, 1);
    struct md5_ctx md5;
    off_t at = 0;

    md5_init(&md5);
    for (;;) {
        la_ssize_t n = archive_read_data(archive, buffer, BUFFER);
        int r;

        if (n < 0)
            return error_set(err, EINVAL, "unpack: %s", archive_error_string(archive));
        if (n == 0)
            break;
        if ((unsigned long long)at + (unsigned long long)n > most)
            return error_set(err, EFBIG, "unpack: it holds more than the %llu bytes expected",
                             most);
        md5_update(&md5, (size_t)n, buffer);
        r = write_sparse(fd, buffer, (size_t)n, at);
        if (r < 0)
            return error_errno(err, -r, "unpack");
        at += n;
    }
    md5_text(&md5, ret_md5);
    return ftruncate(fd, at) < 0 ? error_errno(err, errno, "unpack") : 0;
}

int file_unpack(int from_fd, const char *wanted, unsigned long long bytes, const char *to,
                char ret_md5[static 33], struct error *err)
{
    unsigned long long most = bytes ? bytes : UNPACK_MOST;
    _cleanup_close_ int fd = -1;
    struct archive *archive;
    struct archive_entry *entry;
    size_t index = 0;
    int r = choose_member(from_fd, wanted, bytes, &index, err);

    if (r < 0)
        return r;
    archive = open_archive(from_fd, err);
    if (!archive)
        return -EINVAL;
    for (size_t i = 0; r == 0 && i <= index; i++)
        if (archive_read_next_header(archive, &entry) != ARCHIVE_OK)
            r = error_set(err, EINVAL, "unpack: %s", archive_error_string(archive));
    if (r == 0) {
        fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        r = fd < 0 ? error_errno(err, errno, "%s", to) : extract(archive, fd, most, ret_md5, err);
        if (r < 0 && fd >= 0)
            (void)unlink(to);
    }
    archive_read_free(archive);
    return r;
}
