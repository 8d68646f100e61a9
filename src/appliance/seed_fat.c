// SPDX-License-Identifier: GPL-2.0-or-later

/* A FAT16 file system of a few files, as IOSv, vEOS and the like want for their first
 * configuration.
 *
 * Debian has no library that makes one, only programs: mkfs.fat, mcopy of mtools, and one more for
 * a partition table. Tried for two small files, they take 30 to 80 ms in the engine's loop, where
 * this takes 2 with all sanitizers on; each file would have to lie on the disk first; mcopy reads
 * names by the locale of whoever started the engine (other letters than those of ASCII come out
 * wrong with LC_ALL=C) and has some that it does not copy ("nul"). What is needed of the format is
 * little, since the disk is made once, in one piece:
 *
 *	[partition table, gap]  boot sector  FAT  FAT  root folder  clusters
 *
 * Folders and files lie one after the other in the clusters, each in one run, so a file's chain in
 * the FAT just counts up. Every name has a long entry; its short one is made unique by a number. It
 * is always FAT16 and never FAT12: the size is at least 4 MiB, and the clusters are as small as the
 * format allows. Everything behind the last file is zero and is left out of the bytes made here. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/seed_priv.h"
#include "base/alloc.h"

enum {
    SECTOR = 512,
    ENTRY = 32,
    ROOT_ENTRIES = 512,
    ROOT_SECTORS = ROOT_ENTRIES * ENTRY / SECTOR,
    FATS = 2,
    FIRST_CLUSTER = 2,
    CLUSTERS_MAX = 65524, /* one more, and the guest takes it for FAT32 */
    GAP_SECTORS = 2048,   /* before a partition */
    LONG_CHARS = 13,      /* of a name, in one entry */
    SHORT_NAME = 11,
    DATE_1980 = 0x21, /* 1980-01-01 */
    MEDIA = 0xf8,
};

#define SIZE_DEFAULT ((uint64_t)16 << 20)
#define SIZE_MIN     ((uint64_t)4 << 20)
#define SIZE_MAX_FAT ((uint64_t)1 << 30)

enum attribute { ATTR_LABEL = 0x08, ATTR_FOLDER = 0x10, ATTR_FILE = 0x20, ATTR_LONG = 0x0f };

/* A file or folder. The first one is the root. */
struct item {
    const char *name; /* within @parent, not ended by a zero byte */
    size_t length;
    size_t parent;
    bool folder;
    const char *data;
    size_t size;     /* of a folder: of its entries */
    size_t clusters; /* how many it takes */
    unsigned first;  /* the first of them */
    char alias[SHORT_NAME];
};

struct fat {
    struct item *items;
    size_t count, capacity;
    const char *label;
    bool partition;
    uint32_t sectors, cluster_sectors, fat_sectors;
    unsigned next; /* first cluster that is not taken */
};

/**
 * put16() - Store a number, low byte first
 * @at:		Where
 * @value:	Number
 */
static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

/**
 * put32() - Store a number, low byte first
 * @at:		Where
 * @value:	Number
 */
static void put32(unsigned char *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

/**
 * same_name() - Whether two names are one to FAT, which does not tell case
 * @a:		Name
 * @b:		Name
 * @length:	Length of both
 *
 * Return: true if so
 */
static bool same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

/**
 * find() - A file or folder of that name
 * @fat:	File system
 * @parent:	Its folder
 * @name:	Name
 * @length:	Its length
 *
 * Return: index, 0: there is none
 */
static size_t find(const struct fat *fat, size_t parent, const char *name, size_t length)
{
    for (size_t i = 1; i < fat->count; i++)
        if (fat->items[i].parent == parent && fat->items[i].length == length &&
            same_name(fat->items[i].name, name, length))
            return i;
    return 0;
}

/**
 * alias_taken() - Whether another one in a folder has that short name
 * @fat:	File system
 * @item:	Whose name it is to be
 *
 * Return: true if so
 */
static bool alias_taken(const struct fat *fat, const struct item *item)
{
    for (size_t i = 1; i < fat->count; i++)
        if (&fat->items[i] != item && fat->items[i].parent == item->parent &&
            memcmp(fat->items[i].alias, item->alias, SHORT_NAME) == 0)
            return true;
    return false;
}

/**
 * short_part() - Letters of a name that may stand in a short one
 * @name:	Name
 * @length:	Its length
 * @to:		Where to put them
 * @most:	How many there may be
 *
 * Return: true if that is all of it
 */
static bool short_part(const char *name, size_t length, char *to, size_t most)
{
    size_t used = 0;
    bool whole = true;

    for (size_t i = 0; i < length; i++) {
        unsigned char letter = (unsigned char)name[i];
        bool fits = isalnum(letter) || strchr("_-", letter);

        if (used == most || name[i] == '.') {
            whole = false;
            continue;
        }
        to[used++] = fits ? (char)toupper(letter) : '_';
        whole &= fits;
    }
    return whole;
}

/**
 * make_alias() - Give a file its short name
 * @fat:	File system
 * @item:	File; those before it have theirs
 */
static void make_alias(const struct fat *fat, struct item *item)
{
    const char *dot = memrchr(item->name, '.', item->length);
    size_t base = dot ? (size_t)(dot - item->name) : item->length;
    bool whole;

    memset(item->alias, ' ', SHORT_NAME);
    whole = short_part(item->name, base, item->alias, 8);
    if (dot)
        whole &= short_part(dot + 1, item->length - base - 1, item->alias + 8, 3);
    for (unsigned n = 1; n < 100000 && (!whole || alias_taken(fat, item)); n++) {
        char number[8];
        size_t digits = (size_t)snprintf(number, sizeof(number), "~%u", n), used = 0;

        while (used < 8 - digits && item->alias[used] != ' ' && item->alias[used] != '~')
            used++;
        memcpy(item->alias + used, number, digits);
        whole = true;
    }
}

/**
 * add() - One more file or folder
 * @fat:	File system
 * @parent:	Its folder
 * @name:	Name
 * @length:	Its length
 *
 * Return: index
 */
static size_t add(struct fat *fat, size_t parent, const char *name, size_t length)
{
    struct item *item;

    array_grow(fat->items, fat->count, fat->capacity);
    item = &fat->items[fat->count++];
    *item = (struct item){.name = name, .length = length, .parent = parent};
    if (fat->count > 1)
        make_alias(fat, item);
    return fat->count - 1;
}

/**
 * add_path() - A member, and the folders that it is in
 * @fat:	File system
 * @member:	Member
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_path(struct fat *fat, const struct seed_member *member, struct error *err)
{
    const char *name = member->name;
    size_t parent = 0;

    for (;;) {
        size_t length = strcspn(name, "/"), there = find(fat, parent, name, length);
        bool folder = name[length] == '/';

        if (there && (!folder || !fat->items[there].folder))
            return error_input(err, "'%s' is there twice: a FAT disk does not tell case",
                               member->name);
        if (!there)
            there = add(fat, parent, name, length);
        fat->items[there].folder = folder;
        parent = there;
        if (!folder)
            break;
        name += length + 1;
    }
    fat->items[parent].data = member->data;
    fat->items[parent].size = member->size;
    return 0;
}

/**
 * entries_of() - How many entries of 32 bytes a name takes
 * @item:	File or folder
 *
 * Return: number
 */
static size_t entries_of(const struct item *item)
{
    return 1 + (item->length + LONG_CHARS - 1) / LONG_CHARS;
}

/**
 * measure() - Sizes of folders
 * @fat:	File system
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int measure(struct fat *fat, struct error *err)
{
    for (size_t i = 1; i < fat->count; i++) {
        fat->items[fat->items[i].parent].size += entries_of(&fat->items[i]) * ENTRY;
        if (fat->items[i].folder)
            fat->items[i].size += (size_t)2 * ENTRY; /* . and .. */
    }
    /* One entry is the label's, one marks the end. */
    if (fat->items[0].size > (size_t)(ROOT_ENTRIES - 2) * ENTRY)
        return error_input(err, "too many files for the root of a FAT disk");
    return 0;
}

/**
 * lay_out() - Find sizes for the file system, and places for what is in it
 * @fat:	File system
 * @size:	Of the disk, 0: as large as it takes
 * @ret_size:	What it got
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int lay_out(struct fat *fat, uint64_t size, uint64_t *ret_size, struct error *err)
{
    uint64_t room = 0, whole = size ? size : SIZE_DEFAULT, clusters;

    /* Clusters of 32 KiB at most, so this is more than each file can take. */
    for (size_t i = 1; i < fat->count; i++)
        room += fat->items[i].size + ((uint64_t)32 << 10);
    while (!size && whole < room + SIZE_MIN && whole < SIZE_MAX_FAT)
        whole *= 2;
    whole = whole < SIZE_MIN ? SIZE_MIN : whole / SECTOR * SECTOR;
    fat->sectors = (uint32_t)(whole / SECTOR) - (fat->partition ? GAP_SECTORS : 0);
    for (fat->cluster_sectors = 1; fat->sectors / fat->cluster_sectors > CLUSTERS_MAX;)
        fat->cluster_sectors *= 2;
    fat->fat_sectors = (fat->sectors / fat->cluster_sectors + FIRST_CLUSTER) * 2 / SECTOR + 1;
    clusters = (fat->sectors - 1 - FATS * fat->fat_sectors - ROOT_SECTORS) / fat->cluster_sectors;
    fat->next = FIRST_CLUSTER;
    for (size_t i = 1; i < fat->count; i++) {
        struct item *item = &fat->items[i];
        size_t bytes = (size_t)fat->cluster_sectors * SECTOR;

        item->clusters = (item->size + bytes - 1) / bytes;
        item->first = item->clusters ? fat->next : 0;
        if (item->clusters > clusters - (fat->next - FIRST_CLUSTER))
            return error_set(err, ENOSPC,
                             "the files do not fit on a FAT disk of %llu MiB; give it a 'size'",
                             (unsigned long long)(whole >> 20));
        fat->next += (unsigned)item->clusters;
    }
    *ret_size = whole;
    return 0;
}

/**
 * write_partition() - The partition table
 * @disk:	Its first sector
 * @fat:	File system
 */
static void write_partition(unsigned char *disk, const struct fat *fat)
{
    unsigned char *entry = disk + 446;

    /* Cylinders mean nothing here; readers go by the sector numbers. */
    memcpy(entry + 1, "\xfe\xff\xff", 3);
    entry[4] = 0x0e; /* FAT16, sectors counted */
    memcpy(entry + 5, "\xfe\xff\xff", 3);
    put32(entry + 8, GAP_SECTORS);
    put32(entry + 12, fat->sectors);
    put16(disk + SECTOR - 2, 0xaa55);
}

/**
 * label_of() - The label as FAT has it
 * @fat:	File system
 * @to:		11 bytes
 */
static void label_of(const struct fat *fat, void *to)
{
    size_t length = strlen(fat->label);

    memset(to, ' ', SHORT_NAME);
    memcpy(to, fat->label, length < SHORT_NAME ? length : SHORT_NAME);
}

/**
 * write_boot_sector() - What the file system's sizes are
 * @boot:	Its first sector
 * @fat:	File system
 */
static void write_boot_sector(unsigned char *boot, const struct fat *fat)
{
    memcpy(boot,
           "\xeb\x3c\x90"
           "LABCTL  ",
           11);
    put16(boot + 11, SECTOR);
    boot[13] = (unsigned char)fat->cluster_sectors;
    put16(boot + 14, 1); /* reserved: this one */
    boot[16] = FATS;
    put16(boot + 17, ROOT_ENTRIES);
    put16(boot + 19, fat->sectors < 65536 ? fat->sectors : 0);
    boot[21] = MEDIA;
    put16(boot + 22, fat->fat_sectors);
    put16(boot + 24, 63); /* sectors and heads of a geometry that nobody uses */
    put16(boot + 26, 255);
    put32(boot + 28, fat->partition ? GAP_SECTORS : 0);
    put32(boot + 32, fat->sectors < 65536 ? 0 : fat->sectors);
    boot[36] = 0x80;
    boot[38] = 0x29; /* number, label and type follow */
    put32(boot + 39, 0x6c616263);
    label_of(fat, boot + 43);
    memcpy(boot + 54, "FAT16   ", 8);
    memcpy(boot + 62, "\xf4\xeb\xfd", 3); /* hlt, for ever: it boots nothing */
    put16(boot + SECTOR - 2, 0xaa55);
}

/**
 * write_fat() - One copy of the chains
 * @table:	Where
 * @fat:	File system
 */
static void write_fat(unsigned char *table, const struct fat *fat)
{
    put16(table, 0xff00 | MEDIA);
    put16(table + 2, 0xffff);
    for (size_t i = 1; i < fat->count; i++)
        for (size_t c = 0; c < fat->items[i].clusters; c++) {
            unsigned at = fat->items[i].first + (unsigned)c;

            put16(table + (size_t)2 * at, c + 1 < fat->items[i].clusters ? at + 1 : 0xffff);
        }
}

/**
 * write_entry() - A short entry
 * @entry:	Where
 * @name:	11 bytes
 * @attributes:	What it is
 * @first:	Its first cluster
 * @size:	Its size, 0 for folders
 */
static void write_entry(unsigned char *entry, const char *name, unsigned attributes, unsigned first,
                        size_t size)
{
    memcpy(entry, name, SHORT_NAME);
    entry[11] = (unsigned char)attributes;
    put16(entry + 16, DATE_1980);
    put16(entry + 18, DATE_1980);
    put16(entry + 24, DATE_1980);
    put16(entry + 26, first);
    put32(entry + 28, (uint32_t)size);
}

/**
 * write_long() - The entries with the long name, which stand before the short one, last part first
 * @entry:	Where
 * @item:	Whose
 *
 * Return: where the short one goes
 */
static unsigned char *write_long(unsigned char *entry, const struct item *item)
{
    static const unsigned char places[LONG_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    size_t parts = entries_of(item) - 1;
    unsigned sum = 0;

    for (size_t i = 0; i < SHORT_NAME; i++)
        sum = (((sum & 1) << 7) + (sum >> 1) + (unsigned char)item->alias[i]) & 0xff;
    for (size_t part = parts; part > 0; part--, entry += ENTRY) {
        entry[0] = (unsigned char)(part | (part == parts ? 0x40 : 0));
        entry[11] = ATTR_LONG;
        entry[13] = (unsigned char)sum;
        for (size_t i = 0; i < LONG_CHARS; i++) {
            size_t at = (part - 1) * LONG_CHARS + i;
            unsigned letter = at < item->length    ? (unsigned char)item->name[at]
                              : at == item->length ? 0
                                                   : 0xffff;

            put16(entry + places[i], letter);
        }
    }
    return entry;
}

/**
 * write_folder() - The entries of a folder
 * @entry:	Where
 * @fat:	File system
 * @folder:	Which
 */
static void write_folder(unsigned char *entry, const struct fat *fat, size_t folder)
{
    if (folder == 0) {
        char label[SHORT_NAME];

        label_of(fat, label);
        write_entry(entry, label, ATTR_LABEL, 0, 0);
        entry += ENTRY;
    } else {
        write_entry(entry, ".          ", ATTR_FOLDER, fat->items[folder].first, 0);
        write_entry(entry + ENTRY, "..         ", ATTR_FOLDER,
                    fat->items[fat->items[folder].parent].first, 0);
        entry += (size_t)2 * ENTRY;
    }
    for (size_t i = 1; i < fat->count; i++) {
        const struct item *item = &fat->items[i];

        if (item->parent != folder)
            continue;
        entry = write_long(entry, item);
        write_entry(entry, item->alias, item->folder ? ATTR_FOLDER : ATTR_FILE, item->first,
                    item->folder ? 0 : item->size);
        entry += ENTRY;
    }
}

/**
 * write_all_of() - The whole disk, as far as there is something on it
 * @fat:	File system, laid out
 * @out:	Gets the bytes
 */
static void write_all_of(const struct fat *fat, struct strbuf *out)
{
    size_t start = fat->partition ? (size_t)GAP_SECTORS * SECTOR : 0;
    size_t table = start + SECTOR, root = table + (size_t)FATS * fat->fat_sectors * SECTOR;
    size_t clusters = root + (size_t)ROOT_SECTORS * SECTOR;
    size_t bytes = (size_t)fat->cluster_sectors * SECTOR;
    size_t whole = clusters + (fat->next - FIRST_CLUSTER) * bytes;
    _cleanup_free_ unsigned char *disk = xmalloc0(whole, 1);

    if (fat->partition)
        write_partition(disk, fat);
    write_boot_sector(disk + start, fat);
    for (size_t i = 0; i < FATS; i++)
        write_fat(disk + table + i * fat->fat_sectors * SECTOR, fat);
    write_folder(disk + root, fat, 0);
    for (size_t i = 1; i < fat->count; i++) {
        const struct item *item = &fat->items[i];
        unsigned char *at =
            item->clusters ? disk + clusters + (item->first - FIRST_CLUSTER) * bytes : NULL;

        if (item->folder)
            write_folder(at, fat, i);
        else if (at)
            memcpy(at, item->data, item->size);
    }
    strbuf_append(out, disk, whole);
}

int seed_make_fat(const struct seed_members *members, const char *label, uint64_t size,
                  bool partition, struct strbuf *out, uint64_t *ret_size, struct error *err)
{
    struct fat fat = {.label = label, .partition = partition};
    int r = 0;

    (void)add(&fat, 0, "", 0);
    fat.items[0].folder = true;
    for (size_t i = 0; r == 0 && i < members->count; i++)
        r = add_path(&fat, &members->items[i], err);
    if (r == 0)
        r = measure(&fat, err);
    if (r == 0)
        r = lay_out(&fat, size, ret_size, err);
    if (r == 0)
        write_all_of(&fat, out);
    free(fat.items);
    return r;
}
