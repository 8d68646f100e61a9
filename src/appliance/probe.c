// SPDX-License-Identifier: GPL-2.0-or-later

/* An image comes from anywhere, and several formats can name a second file that QEMU would then
 * open and show to the guest: the backing file of a qcow2, the extents and the parent of a VMDK,
 * external data. So every file is looked at here before QEMU or qemu-img sees it, the driver is
 * always given to them, and what names another file is refused. Nothing but the file's own bytes is
 * read.
 *
 * QEMU takes the descriptor within a VMDK from byte 512 whatever the header says, so both places
 * are looked at; a VMDK whose header says capacity 0 is a descriptor in disguise. */

#include "appliance/probe.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum {
    HEAD_SIZE = 4096,
    ISO_MAGIC_AT = 0x8001,
    VMDK_DESCRIPTOR_AT = 512,
    VMDK_DESCRIPTOR_SIZE = 20 * 512,
    QCOW2_EXTERNAL_DATA = 4,
    VPC_DIFFERENCING = 4,
};

struct head {
    int fd;
    unsigned char data[HEAD_SIZE];
    size_t size;
};

/**
 * be32() - Big-endian number of a head
 * @head:	Head
 * @at:		Where
 *
 * Return: number; zero beyond the end
 */
static uint32_t be32(const struct head *head, size_t at)
{
    uint32_t value;

    memcpy(&value, head->data + at, sizeof(value));
    return be32toh(value);
}

/**
 * be64() - Big-endian number of a head
 * @head:	Head
 * @at:		Where
 *
 * Return: number; zero beyond the end
 */
static uint64_t be64(const struct head *head, size_t at)
{
    uint64_t value;

    memcpy(&value, head->data + at, sizeof(value));
    return be64toh(value);
}

/**
 * le64() - Little-endian number of a head
 * @head:	Head
 * @at:		Where
 *
 * Return: number; zero beyond the end
 */
static uint64_t le64(const struct head *head, size_t at)
{
    uint64_t value;

    memcpy(&value, head->data + at, sizeof(value));
    return le64toh(value);
}

/**
 * starts() - Whether a head begins so
 * @head:	Head
 * @magic:	Bytes
 * @size:	How many
 *
 * Return: true if so
 */
static bool starts(const struct head *head, const void *magic, size_t size)
{
    return head->size >= size && memcmp(head->data, magic, size) == 0;
}

/**
 * convert_hint() - Say how an image that is not taken becomes one that is
 * @err:	Error to add to
 *
 * Return: -EINVAL
 */
static int convert_hint(struct error *err)
{
    error_hint(err, "whoever trusts it can flatten it: qemu-img convert -O qcow2 OLD NEW.qcow2");
    return -EINVAL;
}

/**
 * probe_qcow2() - A file with QEMU's own magic
 * @head:	Head
 * @probe:	Gets what it is
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int probe_qcow2(const struct head *head, struct image_probe *probe, struct error *err)
{
    uint32_t version = be32(head, 4);

    if (version != 2 && version != 3) {
        (void)error_input(err, "qcow version %u is not accepted, only qcow2", version);
        return convert_hint(err);
    }
    if (be64(head, 8) || be32(head, 16)) {
        (void)error_input(err, "it names a backing file; an image must be whole");
        return convert_hint(err);
    }
    if (version == 3 && (be64(head, 72) & QCOW2_EXTERNAL_DATA)) {
        (void)error_input(err, "it keeps its data in another file; an image must be whole");
        return convert_hint(err);
    }
    if (be32(head, 32))
        return error_input(err, "it is encrypted");
    probe->driver = "qcow2";
    probe->virtual_size = be64(head, 24);
    return 0;
}

/**
 * has_parent() - Whether a VMDK's descriptor names another file
 * @fd:		File
 * @at:		Where the descriptor is
 *
 * Return: 1 if so, 0 if not, or -errno
 */
static int has_parent(int fd, uint64_t at)
{
    char text[VMDK_DESCRIPTOR_SIZE];
    ssize_t size;

    if (at > INT64_MAX - VMDK_DESCRIPTOR_SIZE)
        return -EINVAL;
    size = pread(fd, text, sizeof(text), (off_t)at);
    if (size < 0)
        return -errno;
    return memmem(text, (size_t)size, "parentFileName", 14) != NULL;
}

/**
 * probe_vmdk() - A sparse VMDK
 * @head:	Head
 * @probe:	Gets what it is
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int probe_vmdk(const struct head *head, struct image_probe *probe, struct error *err)
{
    uint64_t capacity = le64(head, 12), descriptor = le64(head, 28);
    int fixed = has_parent(head->fd, VMDK_DESCRIPTOR_AT), named = 0;

    if (descriptor && descriptor < UINT64_MAX >> 10)
        named = has_parent(head->fd, descriptor << 9);
    else if (descriptor)
        named = -EINVAL;
    if (fixed < 0 || named < 0)
        return error_input(err, "its VMDK descriptor cannot be read");
    if (!capacity || fixed || named) {
        (void)error_input(err, "the VMDK names another file; an image must be whole");
        return convert_hint(err);
    }
    if (capacity > INT64_MAX >> 9)
        return error_input(err, "its VMDK header is broken");
    probe->driver = "vmdk";
    probe->virtual_size = capacity << 9;
    return 0;
}

/**
 * probe_compression() - Whether it is packed
 * @head:	Head
 *
 * Return: static word, or NULL
 */
static const char *probe_compression(const struct head *head)
{
    static const struct {
        const char *magic;
        size_t size;
        const char *word;
    } packers[] = {
        {"\x1f\x8b\x08", 3, "gzip"},     {"BZh", 3, "bzip2"},
        {"\xfd\x37zXZ\0", 6, "xz"},      {"PK\x03\x04", 4, "zip"},
        {"7z\xbc\xaf\x27\x1c", 6, "7z"}, {"\x28\xb5\x2f\xfd", 4, "zstd"},
        {"\x5d\0\0\x80\0", 5, "lzma"},   {"\x5d\0\0\0\x04", 5, "lzma"},
        {"\x5d\0\0\0\x01", 5, "lzma"},   {"\x5d\0\0\x10\0", 5, "lzma"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(packers); i++)
        if (starts(head, packers[i].magic, packers[i].size))
            return packers[i].word;
    return NULL;
}

/**
 * probe_head() - Tell a format by the first bytes
 * @head:	Head
 * @probe:	Gets what it is; raw is there already
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int probe_head(const struct head *head, struct image_probe *probe, struct error *err)
{
    char iso[5] = "";

    if (starts(head, "QFI\xfb", 4))
        return probe_qcow2(head, probe, err);
    if (starts(head, "KDMV", 4))
        return probe_vmdk(head, probe, err);
    if (starts(head, "COWD", 4) || starts(head, "# Disk DescriptorFile", 21)) {
        (void)error_input(err, "a VMDK of several files is not accepted");
        return convert_hint(err);
    }
    if (starts(head, "Rar!\x1a\x07", 6))
        return error_input(err,
                           "RAR archives are not unpacked: unpack it, and give the file in it");
    if (starts(head, "QED", 4)) {
        (void)error_input(err, "QED is not accepted, since it can name a backing file");
        return convert_hint(err);
    }
    if (starts(head, "vhdxfile", 8)) {
        probe->driver = "vhdx";
        probe->virtual_size = 0;
    } else if (starts(head, "conectix", 8)) {
        if (be32(head, 60) == VPC_DIFFERENCING) {
            (void)error_input(err, "the VHD is only the difference from another file");
            return convert_hint(err);
        }
        probe->driver = "vpc";
        probe->virtual_size = be64(head, 48);
    } else if (head->size >= 376 && memcmp(head->data + 64, "\x7f\x10\xda\xbe", 4) == 0) {
        probe->driver = "vdi";
        probe->virtual_size = le64(head, 368);
    } else {
        probe->compression = probe_compression(head);
        probe->iso = pread(head->fd, iso, sizeof(iso), ISO_MAGIC_AT) == (ssize_t)sizeof(iso) &&
                     memcmp(iso, "CD001", sizeof(iso)) == 0;
    }
    return 0;
}

int image_probe_fd(int fd, struct image_probe *ret_probe, struct error *err)
{
    struct image_probe probe = {.driver = "raw"};
    struct head head = {.fd = fd};
    struct stat st;
    ssize_t size;
    int r;

    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "stat");
    if (!S_ISREG(st.st_mode))
        return error_input(err, "not a regular file");
    size = pread(fd, head.data, sizeof(head.data), 0);
    if (size < 0)
        return error_errno(err, errno, "read");
    head.size = (size_t)size;
    probe.file_size = probe.virtual_size = (uint64_t)st.st_size;
    r = probe_head(&head, &probe, err);
    if (r < 0)
        return r;
    *ret_probe = probe;
    return 0;
}

int image_probe_file(const char *path, struct image_probe *ret_probe, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    r = image_probe_fd(fd, ret_probe, err);
    if (r < 0)
        (void)error_prefix(err, "%s", path);
    return r;
}
