// SPDX-License-Identifier: GPL-2.0-or-later

/* What goes onto a configuration disk, and onto which.
 *
 * A definition lists files: those without a text take the node's configuration, those with one are
 * templates. A file that the topology names itself (`config: {NAME: FILE}`) takes the place of the
 * definition's, or is put beside them. Members that nothing is known of are left out: a guest that
 * finds no configuration starts without. cloud-init's two kinds of disk are ISO images with their
 * own label and list.
 *
 * The disk is made anew at each start, so it is written without waiting for the platter: one that a
 * power cut spoils is never read. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/seed_priv.h"
#include "base/alloc.h"
#include "base/file.h"

/**
 * expand_word() - What stands for %{word}
 * @request:	Request
 * @word:	Word
 * @size:	Its length
 *
 * Return: text, or NULL if it stands for nothing
 */
static const char *expand_word(const struct seed_request *request, const char *word, size_t size)
{
    unsigned nic = 0;

    if (size < 4 || size > 6 || strncmp(word, "mac", 3) != 0)
        return NULL;
    for (size_t i = 3; i < size; i++) {
        if (!isdigit((unsigned char)word[i]))
            return NULL;
        nic = nic * 10 + (unsigned)(word[i] - '0');
    }
    return nic < request->mac_count ? request->macs[nic] : NULL;
}

char *seed_expand(const struct seed_request *request, const char *text)
{
    struct strbuf out = STRBUF_INIT;

    strbuf_puts(&out, "");
    while (*text) {
        size_t plain = strcspn(text, "%"), size = 2;
        const char *with = NULL;

        strbuf_append(&out, text, plain);
        text += plain;
        if (!*text)
            break;
        if (text[1] == 'h')
            with = request->node;
        else if (text[1] == 'l')
            with = request->lab;
        else if (text[1] == 'u')
            with = request->uuid;
        else if (text[1] == '%')
            with = "%";
        else if (text[1] == '{' && strchr(text, '}')) {
            size = strcspn(text, "}") + 1;
            with = expand_word(request, text + 2, size - 3);
        }
        if (!with) {
            with = "%";
            size = 1;
        }
        strbuf_puts(&out, with);
        text += size;
    }
    return strbuf_steal(&out);
}

/**
 * add() - One more member, unless there is one of that name
 * @members:	Members
 * @name:	Its name
 * @path:	File that it holds, or NULL
 * @text:	Text that it holds, owned from here on; or NULL
 */
static void add(struct seed_members *members, const char *name, const char *path, char *text)
{
    for (size_t i = 0; i < members->count; i++) {
        if (strcmp(members->items[i].name, name) == 0) {
            free(text);
            return;
        }
    }
    array_grow(members->items, members->count, members->capacity);
    members->items[members->count++] = (struct seed_member){
        .name = xstrdup(name), .path = path, .data = text, .size = text ? strlen(text) : 0};
}

/**
 * add_wanted() - A file that definition or method ask for
 * @request:	Request
 * @members:	Members
 * @name:	Its name
 * @text:	Template; NULL: the node's configuration goes there
 */
static void add_wanted(const struct seed_request *request, struct seed_members *members,
                       const char *name, const char *text)
{
    for (size_t i = 0; i < request->file_count; i++) {
        if (strcmp(request->files[i].name, name) == 0) {
            add(members, name, request->files[i].path, NULL);
            return;
        }
    }
    if (text)
        add(members, name, NULL, seed_expand(request, text));
    else if (request->config)
        add(members, name, request->config, NULL);
}

void seed_plan(const struct seed_request *request, struct seed_members *ret_members)
{
    static const struct {
        enum seed_method method;
        const char *name, *text; /* without a text: the node's configuration */
    } usual[] = {
        {SEED_TAR, "hostname", "%h\n"},
        {SEED_TAR, "lab", "%l\n"},
        {SEED_TAR, "config", NULL},
        {SEED_CLOUD_INIT, "meta-data", "instance-id: %u\nlocal-hostname: %h\n"},
        {SEED_CLOUD_INIT, "user-data", NULL},
        /* Without this file cloud-init takes the disk for another one's. */
        {SEED_CLOUD_INIT, "user-data", "#cloud-config\n{}\n"},
        {SEED_CONFIG_DRIVE, "openstack/latest/meta_data.json",
         "{\"uuid\": \"%u\", \"hostname\": \"%h\", \"name\": \"%h\"}\n"},
        {SEED_CONFIG_DRIVE, "openstack/latest/user_data", NULL},
    };
    const struct appliance *appliance = request->appliance;
    struct seed_members members = {0};

    for (size_t i = 0; i < appliance->seed_file_count; i++)
        add_wanted(request, &members, appliance->seed_files[i].name, appliance->seed_files[i].text);
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (usual[i].method == appliance->seed)
            add_wanted(request, &members, usual[i].name, usual[i].text);
    for (size_t i = 0; i < request->file_count; i++) {
        const char *name = request->files[i].name;

        /* One topology does for both ways that cloud-init is reached. */
        if (appliance->seed == SEED_CONFIG_DRIVE && strcmp(name, "user-data") == 0)
            name = "openstack/latest/user_data";
        add(&members, name, request->files[i].path, NULL);
    }
    *ret_members = members;
}

void seed_members_done(struct seed_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        free(members->items[i].name);
        free(members->items[i].data);
    }
    free(members->items);
    *members = (struct seed_members){0};
}

char *seed_disk_path(const char *node_dir, const struct appliance *appliance)
{
    switch (appliance->seed) {
    case SEED_TAR:
        return path_join(node_dir, "seed.tar");
    case SEED_ISO:
    case SEED_CLOUD_INIT:
    case SEED_CONFIG_DRIVE:
        return path_join(node_dir, "seed.iso");
    case SEED_FAT:
        return path_join(node_dir, "seed.img");
    case SEED_NONE:
    case SEED_FW_CFG:
    case SEED_CONSOLE:
        break;
    }
    return NULL;
}

char *seed_fw_cfg_path(const char *node_dir, size_t index)
{
    return xasprintf("%s/seed-%zu.fw_cfg", node_dir, index);
}

/**
 * put() - Replace a file as a whole
 * @path:	File
 * @data:	What it begins with
 * @size:	How much that is
 * @whole:	How long the file is
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int put(const char *path, const void *data, size_t size, uint64_t whole, struct error *err)
{
    _cleanup_free_ char *temp = xasprintf("%s.new", path);
    _cleanup_close_ int fd = -1;
    int r;

    (void)unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    r = write_all(fd, data, size);
    if (r == 0 && whole > size && ftruncate(fd, (off_t)whole) < 0)
        r = -errno;
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temp);
    return r < 0 ? error_errno(err, -r, "%s", path) : 0;
}

/**
 * write_medium() - Make the disk that the image wants
 * @node_dir:	The node's folder
 * @appliance:	Image
 * @members:	What goes onto it
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int write_medium(const char *node_dir, const struct appliance *appliance,
                        const struct seed_members *members, struct error *err)
{
    _cleanup_free_ char *path = seed_disk_path(node_dir, appliance);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    uint64_t whole = 0;
    int r = 0;

    if (appliance->seed == SEED_TAR)
        r = seed_make_tar(members, &out, err);
    else if (appliance->seed == SEED_FAT)
        r = seed_make_fat(members, appliance->seed_label, appliance->seed_size,
                          appliance->seed_partition, &out, &whole, err);
    else
        r = seed_make_iso(members, appliance->seed_label, &out, err);
    return r < 0 ? r : put(path, out.data, out.size, whole, err);
}

int seed_write(const char *node_dir, const struct seed_request *request, struct error *err)
{
    const struct appliance *appliance = request->appliance;
    _cleanup_seed_members_ struct seed_members members = {0};
    int r = 0;

    if (appliance->seed == SEED_NONE || appliance->seed == SEED_CONSOLE)
        return 0;
    seed_plan(request, &members);
    for (size_t i = 0; i < members.count; i++) {
        struct seed_member *member = &members.items[i];

        if (!member->path)
            continue;
        r = file_read(member->path, TOPOLOGY_CONFIG_MAX, &member->data, &member->size, err);
        if (r < 0) {
            (void)error_prefix(err, "node '%s': configuration", request->node);
            return r;
        }
    }
    if (appliance->seed != SEED_FW_CFG)
        r = write_medium(node_dir, appliance, &members, err);
    for (size_t i = 0; r == 0 && appliance->seed == SEED_FW_CFG && i < members.count; i++) {
        _cleanup_free_ char *path = seed_fw_cfg_path(node_dir, i);

        r = put(path, members.items[i].data, members.items[i].size, 0, err);
    }
    if (r < 0)
        (void)error_prefix(err, "node '%s': configuration disk", request->node);
    return r;
}
