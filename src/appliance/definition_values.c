// SPDX-License-Identifier: GPL-2.0-or-later

/* Readers of the definition's values that are more than a word or a number: files, which must lie
 * in the image's folder and may be missing only if 'files' lists them, lists, rules, formats. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/appliance_priv.h"
#include "appliance/definition_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { LIST_MAX = 64, PORT_NAME_MAX = 64, COMMAND_MAX = 1000 };

/**
 * definition_read_word() - Read one of a table's words as text
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_word)
{
    char **text = (char **)((char *)target + key->offset);
    struct yaml_key word = *key;
    unsigned index = UINT_MAX;

    word.offset = 0;
    yaml_read_word(reader, &word, &index, value);
    if (index == UINT_MAX)
        return;
    free(*text);
    *text = xstrdup(key->words[index]);
}

/**
 * definition_read_flag() - Read true or false
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a bool at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_flag)
{
    bool *flag = (bool *)((char *)target + key->offset);

    if (value->kind == YAML_SCALAR && value->plain && strcmp(value->text, "true") == 0)
        *flag = true;
    else if (value->kind == YAML_SCALAR && value->plain && strcmp(value->text, "false") == 0)
        *flag = false;
    else
        diagnostics_add(reader->diagnostics, value->at, "%s: must be true or false", key->name);
}

/**
 * resolve_file() - Find a file of the image
 * @dir:	The image's folder, without symbolic links
 * @name:	The file's path in it
 * @err:	Error to fill, without the name
 *
 * Return: new absolute path without symbolic links, or NULL
 */
static char *resolve_file(const char *dir, const char *name, struct error *err)
{
    _cleanup_free_ char *parts = xasprintf("/%s/", name), *path = path_join(dir, name);
    _cleanup_free_ char *found = NULL;
    _cleanup_close_ int fd = -1;
    size_t size = strlen(dir);
    struct stat st;

    if (name[0] == '/' || strstr(parts, "/../")) {
        (void)error_input(err,
                          "an image's files lie in its own folder: no '..' and no '/' in front");
        return NULL;
    }
    found = realpath(path, NULL);
    if (!found) {
        (void)error_set(err, errno, "%s",
                        errno == ENOENT ? "the file is gone from the image" : strerror(errno));
        return NULL;
    }
    if (strncmp(found, dir, size) != 0 || (size > 1 && found[size] != '/')) {
        (void)error_input(err, "the link leads out of the image's folder");
        return NULL;
    }
    fd = open(found, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)error_set(err, errno, "%s", strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)error_input(err, "not a regular file");
        return NULL;
    }
    return steal_ptr(found);
}

/**
 * awaited_file() - The entry of 'files' for a name
 * @appliance:	Appliance
 * @name:	Name
 *
 * Return: entry, or NULL
 */
static struct appliance_file *awaited_file(struct appliance *appliance, const char *name)
{
    for (size_t i = 0; i < appliance->file_count; i++)
        if (appliance->files[i].name && strcmp(appliance->files[i].name, name) == 0)
            return &appliance->files[i];
    return NULL;
}

/**
 * definition_read_file() - Read the name of a file of the image
 * @reader:	Reader of a definition
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Path within the folder
 */
YAML_READER(definition_read_file)
{
    const struct definition *definition = reader->context;
    char **file = (char **)((char *)target + key->offset);
    _cleanup_free_ char *what = xasprintf("'%s'", key->name), *shown = NULL, *found = NULL;
    const char *text = yaml_text(reader, value, what, false);
    _cleanup_error_ struct error err = ERROR_INIT;
    struct appliance_file *awaited;

    if (!text)
        return;
    found = resolve_file(definition->dir, text, &err);
    awaited = awaited_file(definition->appliance, text);
    if (!found && err.code == ENOENT && awaited) {
        awaited->missing = true;
        found = path_join(definition->dir, text);
    }
    if (!found) {
        shown = yaml_quote(value);
        diagnostics_add(reader->diagnostics, value->at, "%s: %s: %s", key->name, shown,
                        error_message(&err));
        return;
    }
    free(*file);
    *file = steal_ptr(found);
}

/**
 * begin_list() - Check a list of mappings
 * @reader:	Reader
 * @key:	Key
 * @value:	Value
 * @most:	How many there may be
 *
 * Return: true if it is one
 */
static bool begin_list(struct yaml_reader *reader, const struct yaml_key *key,
                       const struct yaml_node *value, size_t most)
{
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);

    if (!yaml_expect(reader, value, YAML_LIST, what, NULL))
        return false;
    if (value->count <= most)
        return true;
    diagnostics_add(reader->diagnostics, value->at, "%zu %s are too many: at most %zu",
                    value->count, key->name, most);
    return false;
}

/**
 * definition_read_disks() - Read the list of disks
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_disks)
{
    struct appliance *appliance = target;

    if (!begin_list(reader, key, value, APPLIANCE_DISKS_MAX))
        return;
    appliance->disks = xnew0(struct appliance_disk, value->count + 1);
    appliance->disk_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *item = value->items[i];
        struct appliance_disk *disk = &appliance->disks[i];

        disk->unit = DISK_UNIT_NEXT;
        disk->format = "raw";
        /* A disk that nothing is said of must not be written to by several nodes. */
        disk->mode = DISK_OVERLAY;
        if (!yaml_expect(reader, item, YAML_MAP, "a disk", NULL))
            continue;
        if (yaml_map_get(item, "kind"))
            disk->mode = DISK_READONLY;
        yaml_read_map(reader, &definition_disk_map, disk, item);
        if (!yaml_map_get(item, "file") && !yaml_map_get(item, "size"))
            diagnostics_add(reader->diagnostics, item->at,
                            "the disk has no 'file' (nor a 'size', which makes an empty one)");
    }
}

/**
 * definition_read_files() - Read nothing: definition_files() has
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_files)
{
    (void)reader;
    (void)key;
    (void)target;
    (void)value;
}

void definition_files(struct yaml_reader *reader, const struct yaml_node *root)
{
    static const struct yaml_key key = {.name = "files"};
    struct appliance *appliance = ((struct definition *)reader->context)->appliance;
    const struct yaml_node *value = yaml_map_get(root, "files");

    if (!value || !begin_list(reader, &key, value, LIST_MAX))
        return;
    appliance->files = xnew0(struct appliance_file, value->count + 1);
    appliance->file_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        if (!yaml_expect(reader, value->items[i], YAML_MAP, "a file", NULL))
            continue;
        yaml_read_map(reader, &definition_file_map, &appliance->files[i], value->items[i]);
        if (!yaml_map_get(value->items[i], "name"))
            diagnostics_add(reader->diagnostics, value->items[i]->at, "the file has no 'name'");
    }
}

/**
 * definition_read_ports() - Read what single NICs have of their own
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_ports)
{
    struct appliance *appliance = target;

    if (!begin_list(reader, key, value, APPLIANCE_NICS_MAX))
        return;
    appliance->ports = xnew0(struct appliance_port, value->count + 1);
    appliance->port_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        if (!yaml_expect(reader, value->items[i], YAML_MAP, "a port", NULL))
            continue;
        yaml_read_map(reader, &definition_port_map, &appliance->ports[i], value->items[i]);
        if (!yaml_map_get(value->items[i], "nic"))
            diagnostics_add(reader->diagnostics, value->items[i]->at, "the port has no 'nic'");
    }
}

/**
 * definition_read_fw_cfg() - Read the list of firmware variables
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_fw_cfg)
{
    struct appliance *appliance = target;

    if (!begin_list(reader, key, value, LIST_MAX))
        return;
    appliance->fw_cfg = xnew0(struct fw_cfg_item, value->count + 1);
    appliance->fw_cfg_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        struct fw_cfg_item *item = &appliance->fw_cfg[i];

        if (!yaml_expect(reader, value->items[i], YAML_MAP, "an item of 'fw_cfg'", NULL))
            continue;
        yaml_read_map(reader, &definition_fw_cfg_map, item, value->items[i]);
        if (!item->name || !fw_cfg_name_ok(item->name) || !item->text)
            diagnostics_add(reader->diagnostics, value->items[i]->at,
                            "fw_cfg: needs 'name: opt/…' (letters, digits and '._/-') and 'text'");
    }
}

/**
 * read_lines() - Read a list of lines
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 * @check:	What each must pass
 */
static void read_lines(struct yaml_reader *reader, const struct yaml_key *key, void *target,
                       const struct yaml_node *value,
                       int (*check)(const char *text, struct error *err))
{
    struct text_list *list = (struct text_list *)((char *)target + key->offset);
    _cleanup_free_ char *what = xasprintf("an item of '%s'", key->name);

    if (!begin_list(reader, key, value, LIST_MAX) || list->items)
        return;
    list->items = xnew0(char *, value->count + 1);
    for (size_t i = 0; i < value->count; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        const char *text = yaml_text(reader, value->items[i], what, false);

        if (!text)
            continue;
        if (check(text, &err) < 0)
            diagnostics_add(reader->diagnostics, value->items[i]->at, "%s: %s", key->name,
                            error_message(&err));
        else
            list->items[list->count++] = xstrdup(text);
    }
}

/**
 * definition_read_list() - Read properties: of the machine, or of SMBIOS tables
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_list)
{
    read_lines(reader, key, target, value,
               strcmp(key->name, "smbios") == 0 ? qemu_smbios_check : qemu_machine_property_check);
}

/**
 * definition_read_options() - Read further options for QEMU
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_options)
{
    read_lines(reader, key, target, value, qemu_option_check);
}

/**
 * definition_read_steps() - Read the steps of a script for the console
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_steps)
{
    read_lines(reader, key, target, value, seed_step_check);
}

/**
 * definition_read_port_name() - Read what a port is called
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_port_name)
{
    char **name = (char **)((char *)target + key->offset);
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *text = yaml_text(reader, value, what, false);

    if (!text)
        return;
    if (port_name_check(text, &err) < 0) {
        diagnostics_add(reader->diagnostics, value->at, "%s: %s", key->name, error_message(&err));
        return;
    }
    free(*name);
    *name = xstrdup(text);
}

/**
 * definition_read_md5() - Read a checksum
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_md5)
{
    char **md5 = (char **)((char *)target + key->offset);
    const char *text = yaml_text(reader, value, "'md5'", false);

    if (!text)
        return;
    if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32) {
        diagnostics_add(reader->diagnostics, value->at,
                        "md5: must be 32 hexadecimal digits, in small letters");
        return;
    }
    free(*md5);
    *md5 = xstrdup(text);
}

/**
 * definition_read_file_name() - Read a name without a folder
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_file_name)
{
    char **name = (char **)((char *)target + key->offset);
    const char *text = yaml_text(reader, value, "'name'", false);

    if (!text)
        return;
    if (!image_file_name_ok(text)) {
        diagnostics_add(reader->diagnostics, value->at,
                        "name: must be a file name, without a folder and without a '.' in front");
        return;
    }
    free(*name);
    *name = xstrdup(text);
}

/**
 * definition_read_port_format() - Read how ports are called
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_port_format)
{
    char **format = (char **)((char *)target + key->offset);
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *text = yaml_text(reader, value, "'name'", false);

    if (!text)
        return;
    if (port_format_check(text, &err) < 0) {
        diagnostics_add(reader->diagnostics, value->at, "name: %s", error_message(&err));
        return;
    }
    free(*format);
    *format = xstrdup(text);
}

/**
 * rule_check() - Is it a rule?
 * @text:	Rule
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int rule_check(const char *text, struct error *err)
{
    regex_t regex;
    int r = appliance_pattern(text, "node", &regex, err);

    if (r == 0)
        regfree(&regex);
    return r;
}

/**
 * command_check() - Can it be typed?
 * @text:	Line without control characters
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int command_check(const char *text, struct error *err)
{
    return strlen(text) > COMMAND_MAX
               ? error_input(err, "a command has at most %d characters", COMMAND_MAX)
               : 0;
}

/**
 * read_one_or_more() - Read a line, or a list of them
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 * @check:	What each must pass
 */
static void read_one_or_more(struct yaml_reader *reader, const struct yaml_key *key, void *target,
                             const struct yaml_node *value,
                             int (*check)(const char *text, struct error *err))
{
    struct yaml_node list = {.kind = YAML_LIST, .at = value->at, .count = 1, .items = &value};

    read_lines(reader, key, target, value->kind == YAML_SCALAR ? &list : value, check);
}

/**
 * definition_read_rules() - Read regular expressions for console lines
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_rules)
{
    read_one_or_more(reader, key, target, value, rule_check);
}

/**
 * definition_read_any_rule() - Read a rule, or several of which one has to match
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_any_rule)
{
    char **rule = (char **)((char *)target + key->offset);
    _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct text_list list = {.items = NULL};
    struct yaml_key lines = *key;

    if (value->kind == YAML_SCALAR) {
        definition_read_rule(reader, key, target, value);
        return;
    }
    lines.offset = 0;
    definition_read_rules(reader, &lines, &list, value);
    for (size_t i = 0; i < list.count; i++) {
        strbuf_printf(&all, "%s(%s)", i ? "|" : "", list.items[i]);
        free(list.items[i]);
    }
    free(list.items);
    if (!all.size)
        return;
    if (rule_check(all.data, &err) < 0) {
        diagnostics_add(reader->diagnostics, value->at, "%s: all together: %s", key->name,
                        error_message(&err));
        return;
    }
    free(*rule);
    *rule = strbuf_steal(&all);
}

/**
 * definition_read_commands() - Read commands for a console
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a struct text_list at the key's offset
 * @value:	Value
 */
YAML_READER(definition_read_commands)
{
    read_one_or_more(reader, key, target, value, command_check);
}

/**
 * definition_read_rule() - Read a regular expression for console lines
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
YAML_READER(definition_read_rule)
{
    char **rule = (char **)((char *)target + key->offset);
    _cleanup_free_ char *what = xasprintf("'%s'", key->name);
    const char *text = yaml_text(reader, value, what, false);
    _cleanup_error_ struct error err = ERROR_INIT;
    regex_t regex;

    if (!text)
        return;
    if (appliance_pattern(text, "node", &regex, &err) < 0) {
        diagnostics_add(reader->diagnostics, value->at, "%s: %s", key->name, error_message(&err));
        return;
    }
    regfree(&regex);
    free(*rule);
    *rule = xstrdup(text);
}
