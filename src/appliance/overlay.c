// SPDX-License-Identifier: GPL-2.0-or-later

/* A fresh qcow2 (version 3, clusters of 64 KiB), written here because starting qemu-img for each of
 * a lab's nodes takes longer than all else that a node needs. An empty one is four things:
 *
 *     cluster 0: header, with the backing file's format and name
 *     cluster 1: refcount table, whose one entry points to
 *     cluster 2: a block of 16-bit refcounts
 *     cluster 3: the L1 table, all zero: as many clusters as the size wants
 *
 * Everything not written is a hole. */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/probe.h"
#include "base/alloc.h"
#include "base/file.h"

enum {
    CLUSTER_BITS = 16,
    CLUSTER = 1 << CLUSTER_BITS,
    HEADER_SIZE = 104,
    EXTENSION_BACKING_FORMAT = (int)0xe2792aca,
    NAME_MAX_SIZE = 1023,
    L1_COVERS_BITS =
        CLUSTER_BITS + CLUSTER_BITS - 3, /* one L1 entry: a cluster of 8-byte entries */
    FORMAT_MAX = 16,
};

#define SIZE_MOST ((uint64_t)1 << 47)

struct qcow2_header {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_size, cluster_bits;
    uint64_t size;
    uint32_t crypt_method, l1_size;
    uint64_t l1_offset, refcount_offset;
    uint32_t refcount_clusters, snapshots;
    uint64_t snapshots_offset, incompatible, compatible, autoclear;
    uint32_t refcount_order, header_size;
} __attribute__((packed));

/**
 * write_header() - Cluster 0
 * @fd:		File
 * @base:	Backing file, or NULL
 * @driver:	Its format
 * @size:	Bytes that the guest sees
 * @l1:		Entries of the L1 table
 *
 * Return: 0 or -errno
 */
static int write_header(int fd, const char *base, const char *driver, uint64_t size, uint64_t l1)
{
    struct qcow2_header header = {
        .magic = htobe32(0x514649fb),
        .version = htobe32(3),
        .cluster_bits = htobe32(CLUSTER_BITS),
        .size = htobe64(size),
        .l1_size = htobe32((uint32_t)l1),
        .l1_offset = htobe64(3 * CLUSTER),
        .refcount_offset = htobe64(CLUSTER),
        .refcount_clusters = htobe32(1),
        .refcount_order = htobe32(4),
        .header_size = htobe32(HEADER_SIZE),
    };
    unsigned char data[HEADER_SIZE + 8 + FORMAT_MAX + 8 + NAME_MAX_SIZE] = {0};
    size_t used = HEADER_SIZE;

    if (base) {
        uint32_t extension[2] = {htobe32((uint32_t)EXTENSION_BACKING_FORMAT),
                                 htobe32((uint32_t)strlen(driver))};

        memcpy(data + used, extension, sizeof(extension));
        memcpy(data + used + 8, driver, strlen(driver));
        /* Padded to 8 bytes; an extension of type and length zero, already there, ends the list. */
        used += 8 + (strlen(driver) + 7) / 8 * 8 + 8;
        memcpy(data + used, base, strlen(base));
        header.backing_offset = htobe64(used);
        header.backing_size = htobe32((uint32_t)strlen(base));
        used += strlen(base);
    } else {
        used += 8;
    }
    memcpy(data, &header, sizeof(header));
    return write_all(fd, data, used);
}

/**
 * write_tables() - The clusters after the first
 * @fd:		File
 * @l1:		Entries of the L1 table
 *
 * Return: 0 or -errno
 */
static int write_tables(int fd, uint64_t l1)
{
    uint64_t clusters = 3 + (l1 * 8 + CLUSTER - 1) / CLUSTER, block = htobe64(2 * CLUSTER);
    _cleanup_free_ uint16_t *counts = xnew0(uint16_t, clusters);

    for (uint64_t i = 0; i < clusters; i++)
        counts[i] = htobe16(1);
    if (pwrite(fd, &block, sizeof(block), CLUSTER) != (ssize_t)sizeof(block) ||
        pwrite(fd, counts, clusters * 2, 2 * CLUSTER) != (ssize_t)(clusters * 2) ||
        ftruncate(fd, (off_t)(clusters * CLUSTER)) < 0)
        return errno ? -errno : -EIO;
    return 0;
}

int image_overlay(const char *path, const char *base, const char *driver, uint64_t size,
                  struct error *err)
{
    _cleanup_close_ int fd = -1;
    uint64_t l1;
    int r;

    size = (size + 511) / 512 * 512;
    l1 = (size + ((uint64_t)1 << L1_COVERS_BITS) - 1) >> L1_COVERS_BITS;
    if (size > SIZE_MOST)
        return error_set(err, EFBIG, "%s: %llu bytes are too many", path, (unsigned long long)size);
    if (base && (strlen(base) > NAME_MAX_SIZE || strlen(driver) > FORMAT_MAX))
        return error_set(err, ENAMETOOLONG, "%s: too long a path for a backing file", base);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    r = write_header(fd, base, driver, size, l1 ? l1 : 1);
    if (r == 0)
        r = write_tables(fd, l1 ? l1 : 1);
    if (r < 0) {
        (void)unlink(path);
        return error_errno(err, -r, "%s", path);
    }
    return 0;
}

char *image_overlay_base(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct qcow2_header header;
    char name[NAME_MAX_SIZE + 1] = "";
    uint64_t at;
    uint32_t size;

    /* What was added in version 3 is of no interest here, so an older and shorter header will do.
     */
    if (fd < 0 || pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        be32toh(header.magic) != 0x514649fb)
        return NULL;
    at = be64toh(header.backing_offset);
    size = be32toh(header.backing_size);
    if (!at || at > INT64_MAX - NAME_MAX_SIZE || !size || size > NAME_MAX_SIZE ||
        pread(fd, name, size, (off_t)at) != (ssize_t)size)
        return NULL;
    return xstrdup(name);
}
