// SPDX-License-Identifier: GPL-2.0-or-later

/* The reader of appliance.yaml.
 *
 * The file is read as a topology is: a tree with places, then tables of keys straight into struct
 * appliance, every fault noted, and at the end finish() fills in what was left out and checks the
 * whole. An image may come from a stranger, so a definition can name no file outside its own folder
 * (not by "..", not by an absolute path, not by a symbolic link), no QEMU option beyond a list of
 * words, and no regular expression that would take the engine's memory or time (pattern.c). */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/appliance.h"
#include "appliance/appliance_priv.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/yaml.h"

enum {
    DEFINITION_MAX = 256 << 10,
    DISKS_MAX = 16,
    SERIALS_MAX = 4,
    NICS_MAX = 256,
    NICS_DEFAULT_MAX = 28, /* PCI slots that a q35 or pc machine has left for NICs */
    CPUS_MAX = 255,
};

#define SECOND_NS  ((uint64_t)1000000000)
#define MEMORY_MIN ((uint64_t)1 << 20)
#define MEMORY_MAX ((uint64_t)16 << 40)

/* What each architecture is when a definition does not say more. */
static const struct {
    const char *machine, *cpu_model;
} arch_defaults[] = {
    {"q35", "qemu64"},      {"pc", "qemu32"},      {"virt", "cortex-a57"},
    {"virt", "cortex-a15"}, {"pseries", "power9"}, {"virt", "rv64"},
};

static const char *const arch_words[] = {"x86_64", "i386",    "aarch64", "arm",
                                         "ppc64",  "riscv64", NULL};
static_assert(ARRAY_SIZE(arch_words) == ARRAY_SIZE(arch_defaults) + 1, "defaults for each word");

static const char *const nic_words[] = {
    "virtio-net-pci",
    "virtio-net-device",
    "e1000",
    "e1000e",
    "vmxnet3",
    "rtl8139",
    "pcnet",
    "ne2k_pci",
    "tulip",
    "i82550",
    "i82551",
    "i82557a",
    "i82557b",
    "i82557c",
    "i82558a",
    "i82558b",
    "i82559a",
    "i82559b",
    "i82559c",
    "i82559er",
    "i82562",
    "i82801",
    "spapr-vlan",
    "usb-net",
    NULL,
};

static const char *const bus_words[] = {
    [DISK_VIRTIO] = "virtio", [DISK_IDE] = "ide",       [DISK_SATA] = "sata",
    [DISK_SCSI] = "scsi",     [DISK_FLOPPY] = "floppy", NULL};
static_assert(ARRAY_SIZE(bus_words) == DISK_FLOPPY + 2, "one word for each bus");

static const char *const mode_words[] = {
    [DISK_READONLY] = "readonly", [DISK_COPY] = "copy", [DISK_OVERLAY] = "overlay", NULL};
static_assert(ARRAY_SIZE(mode_words) == DISK_OVERLAY + 2, "one word for each mode");

static const char *const seed_words[] = {[SEED_NONE] = "none", [SEED_TAR] = "tar", NULL};
static_assert(ARRAY_SIZE(seed_words) == SEED_TAR + 2, "one word for each method");

static const char *const stop_words[] = {
    [STOP_ACPI] = "acpi", [STOP_QUIT] = "quit", [STOP_CONSOLE] = "console", NULL};
static_assert(ARRAY_SIZE(stop_words) == STOP_CONSOLE + 2, "one word for each method");

static YAML_READER(read_arch);
static YAML_READER(read_nic_model);
static YAML_READER(read_file);
static YAML_READER(read_disks);
static YAML_READER(read_port_format);
static YAML_READER(read_rule);

#define FIELD(name) .offset = offsetof(struct appliance, name)

static const struct yaml_key cpu_keys[] = {
    {.name = "count", .read = yaml_read_unsigned, FIELD(cpus), .least = 1, .most = CPUS_MAX},
    {.name = "model", .read = yaml_read_qemu_name, FIELD(cpu_model)},
};
static const struct yaml_keys cpu_map = {"cpu", cpu_keys, ARRAY_SIZE(cpu_keys)};

static const struct yaml_key memory_keys[] = {
    {.name = "default",
     .read = yaml_read_size,
     FIELD(memory_bytes),
     .least = MEMORY_MIN,
     .most = MEMORY_MAX},
    {.name = "least",
     .read = yaml_read_size,
     FIELD(memory_least),
     .least = MEMORY_MIN,
     .most = MEMORY_MAX},
};
static const struct yaml_keys memory_map = {"memory", memory_keys, ARRAY_SIZE(memory_keys)};

static const struct yaml_key boot_keys[] = {
    {.name = "kernel", .read = read_file, FIELD(kernel)},
    {.name = "initrd", .read = read_file, FIELD(initrd)},
    {.name = "append", .read = yaml_read_text, FIELD(append)},
};
static const struct yaml_keys boot_map = {"boot", boot_keys, ARRAY_SIZE(boot_keys)};

#define DISK(name) .offset = offsetof(struct appliance_disk, name)

static const struct yaml_key disk_keys[] = {
    {.name = "file", .read = read_file, DISK(file)},
    {.name = "bus", .read = yaml_read_word, DISK(bus), .words = bus_words},
    {.name = "mode", .read = yaml_read_word, DISK(mode), .words = mode_words},
};
static const struct yaml_keys disk_map = {"disk", disk_keys, ARRAY_SIZE(disk_keys)};

static const struct yaml_key seed_keys[] = {
    {.name = "method", .read = yaml_read_word, FIELD(seed), .words = seed_words},
    {.name = "bus", .read = yaml_read_word, FIELD(seed_bus), .words = bus_words},
};
static const struct yaml_keys seed_map = {"seed", seed_keys, ARRAY_SIZE(seed_keys)};

static const struct yaml_key nics_keys[] = {
    {.name = "model", .read = read_nic_model, FIELD(nic_model), .words = nic_words},
    {.name = "count", .read = yaml_read_unsigned, FIELD(nic_count), .most = NICS_MAX},
    {.name = "max", .read = yaml_read_unsigned, FIELD(nic_max), .most = NICS_MAX},
    {.name = "name", .read = read_port_format, FIELD(nic_name)},
};
static const struct yaml_keys nics_map = {"nics", nics_keys, ARRAY_SIZE(nics_keys)};

static const struct yaml_key ready_keys[] = {
    {.name = "console", .read = read_rule, FIELD(ready)},
    {.name = "timeout",
     .read = yaml_read_duration,
     FIELD(ready_timeout_ns),
     .least = SECOND_NS,
     .most = 24 * 3600 * SECOND_NS},
};
static const struct yaml_keys ready_map = {"ready", ready_keys, ARRAY_SIZE(ready_keys)};

static const struct yaml_key exec_keys[] = {
    {.name = "prompt", .read = read_rule, FIELD(exec_prompt)},
    {.name = "error", .read = read_rule, FIELD(exec_error)},
    {.name = "status", .read = yaml_read_text, FIELD(exec_status)},
};
static const struct yaml_keys exec_map = {"exec", exec_keys, ARRAY_SIZE(exec_keys)};

static const struct yaml_key stop_keys[] = {
    {.name = "method", .read = yaml_read_word, FIELD(stop), .words = stop_words},
    {.name = "console", .read = yaml_read_text, FIELD(stop_command)},
    {.name = "timeout",
     .read = yaml_read_duration,
     FIELD(stop_timeout_ns),
     .least = 0,
     .most = 3600 * SECOND_NS},
};
static const struct yaml_keys stop_map = {"stop", stop_keys, ARRAY_SIZE(stop_keys)};

static const struct yaml_key appliance_keys[] = {
    {.name = "name", .read = yaml_read_name, FIELD(name)},
    {.name = "description", .read = yaml_read_paragraph, FIELD(description)},
    {.name = "arch", .read = read_arch, FIELD(arch), .words = arch_words},
    {.name = "machine", .read = yaml_read_qemu_name, FIELD(machine)},
    {.name = "cpu", .read = yaml_read_keys, .keys = &cpu_map},
    {.name = "memory", .read = yaml_read_keys, .keys = &memory_map},
    {.name = "boot", .read = yaml_read_keys, .keys = &boot_map},
    {.name = "disks", .read = read_disks},
    {.name = "seed", .read = yaml_read_keys, .keys = &seed_map},
    {.name = "nics", .read = yaml_read_keys, .keys = &nics_map},
    {.name = "serials",
     .read = yaml_read_unsigned,
     FIELD(serials),
     .least = 1,
     .most = SERIALS_MAX},
    {.name = "ready", .read = yaml_read_keys, .keys = &ready_map},
    {.name = "exec", .read = yaml_read_keys, .keys = &exec_map},
    {.name = "stop", .read = yaml_read_keys, .keys = &stop_map},
};
static const struct yaml_keys appliance_map = {"appliance", appliance_keys,
                                               ARRAY_SIZE(appliance_keys)};

const struct yaml_keys *const *appliance_map_types(size_t *ret_count)
{
    static const struct yaml_keys *const types[] = {
        &appliance_map, &cpu_map,  &memory_map, &boot_map, &disk_map,
        &seed_map,      &nics_map, &ready_map,  &exec_map, &stop_map,
    };

    *ret_count = ARRAY_SIZE(types);
    return types;
}

/**
 * read_word_text() - Read one of a table's words as text
 * @reader:	Reader
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Value
 */
static void read_word_text(struct yaml_reader *reader, const struct yaml_key *key, void *target,
                           const struct yaml_node *value)
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
 * read_arch() - Read the architecture
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_arch)
{
    read_word_text(reader, key, target, value);
}

/**
 * read_nic_model() - Read the model of the NICs
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_nic_model)
{
    read_word_text(reader, key, target, value);
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
 * read_file() - Read the name of a file of the image
 * @reader:	Reader, whose context is the image's folder
 * @key:	Key
 * @target:	What holds a char * at the key's offset
 * @value:	Path within the folder
 */
static YAML_READER(read_file)
{
    char **file = (char **)((char *)target + key->offset);
    _cleanup_free_ char *what = xasprintf("'%s'", key->name), *shown = NULL, *found = NULL;
    const char *text = yaml_text(reader, value, what, false);
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!text)
        return;
    found = resolve_file(reader->context, text, &err);
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
 * read_disks() - Read the list of disks
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_disks)
{
    struct appliance *appliance = target;

    (void)key;
    if (!yaml_expect(reader, value, YAML_LIST, "'disks'"))
        return;
    if (value->count > DISKS_MAX) {
        diagnostics_add(reader->diagnostics, value->at, "%zu disks are too many: at most %d",
                        value->count, DISKS_MAX);
        return;
    }
    appliance->disks = xnew0(struct appliance_disk, value->count + 1);
    appliance->disk_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *item = value->items[i];

        if (!yaml_expect(reader, item, YAML_MAP, "a disk"))
            continue;
        /* A disk that nothing is said of must not be written to by several nodes. */
        appliance->disks[i].mode = DISK_OVERLAY;
        yaml_read_map(reader, &disk_map, &appliance->disks[i], item);
        if (!yaml_map_get(item, "file"))
            diagnostics_add(reader->diagnostics, item->at, "the disk has no 'file'");
    }
}

/**
 * read_port_format() - Read how ports are called
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_port_format)
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
 * read_rule() - Read a regular expression for console lines
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_rule)
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

/**
 * set_default() - Give a string field a value if it has none
 * @text:	Field
 * @value:	Value
 */
static void set_default(char **text, const char *value)
{
    if (!*text)
        *text = xstrdup(value);
}

/**
 * finish() - Fill in what a definition leaves out and check it as a whole
 * @appliance:	Appliance
 * @root:	The file's mapping
 * @d:		Gets the faults
 */
static void finish(struct appliance *appliance, const struct yaml_node *root, struct diagnostics *d)
{
    static const char *const required[] = {"name", "arch", "memory"};
    const struct yaml_node *memory = yaml_map_get(root, "memory"), *nics, *boot;

    for (size_t i = 0; i < ARRAY_SIZE(required); i++)
        if (!yaml_map_get(root, required[i]))
            diagnostics_add(d, root->at, "the definition has no '%s'", required[i]);
    if (memory && memory->kind == YAML_MAP && !yaml_map_get(memory, "default"))
        diagnostics_add(d, memory->at, "memory: needs 'default'");
    else if (memory && appliance->memory_bytes < appliance->memory_least)
        diagnostics_add(d, memory->at, "memory: 'default' is less than 'least'");
    for (size_t i = 0; appliance->arch && arch_words[i]; i++) {
        if (strcmp(arch_words[i], appliance->arch) == 0) {
            set_default(&appliance->machine, arch_defaults[i].machine);
            set_default(&appliance->cpu_model, arch_defaults[i].cpu_model);
        }
    }
    set_default(&appliance->description, "");
    set_default(&appliance->nic_model, "virtio-net-pci");
    set_default(&appliance->nic_name, "eth{0}");
    boot = yaml_map_get(root, "boot");
    if (boot && boot->kind == YAML_MAP && !yaml_map_get(boot, "kernel"))
        diagnostics_add(d, boot->at, "boot: needs 'kernel'; to boot from a disk, leave boot out");
    if (!boot && !appliance->disk_count)
        diagnostics_add(d, root->at, "the definition has neither 'boot' nor 'disks'");
    nics = yaml_map_get(root, "nics");
    if (!yaml_map_get(nics, "max") && appliance->nic_max < appliance->nic_count)
        appliance->nic_max = appliance->nic_count;
    if (nics && appliance->nic_count > appliance->nic_max)
        diagnostics_add(d, nics->at, "nics: 'count' is more than 'max'");
    if (appliance->stop_command && !yaml_map_get(yaml_map_get(root, "stop"), "method"))
        appliance->stop = STOP_CONSOLE;
    if ((appliance->stop == STOP_CONSOLE) != (appliance->stop_command != NULL))
        diagnostics_add(d, yaml_map_get(root, "stop")->at,
                        "stop: 'method: console' and 'console: COMMAND' belong together");
}

/**
 * faults_error() - All faults as one error
 * @path:	The file
 * @d:		Faults
 * @err:	Error to fill
 *
 * Return: -EINVAL
 */
static int faults_error(const char *path, const struct diagnostics *d, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < d->count; i++)
        strbuf_printf(&text, "%s%s:%u:%u: %s", i ? "\n" : "", path, d->items[i].at.line,
                      d->items[i].at.column, d->items[i].text);
    return error_input(err, "%s", text.data);
}

int appliance_parse(const char *path, const char *data, size_t size,
                    struct appliance **ret_appliance, struct error *err)
{
    _cleanup_appliance_ struct appliance *appliance = xnew0(struct appliance, 1);
    _cleanup_diagnostics_ struct diagnostics d = {.items = NULL};
    _cleanup_free_ char *dir = path_dirname(path);
    struct yaml_reader reader = {.diagnostics = &d};
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;

    appliance->dir = realpath(dir, NULL);
    if (!appliance->dir)
        return error_errno(err, errno, "%s", dir);
    appliance->cpus = 1;
    appliance->serials = 1;
    appliance->nic_count = 1;
    appliance->nic_max = NICS_DEFAULT_MAX;
    appliance->ready_timeout_ns = 120 * SECOND_NS;
    appliance->stop_timeout_ns = 10 * SECOND_NS;
    reader.context = appliance->dir;
    if (size > DEFINITION_MAX)
        return error_input(err, "%s: %zu bytes; at most %d are accepted", path, size,
                           DEFINITION_MAX);
    if (yaml_tree_parse(data, size, &tree, &d) == 0 &&
        yaml_expect(&reader, yaml_tree_root(tree), YAML_MAP, "an appliance's definition")) {
        yaml_read_map(&reader, &appliance_map, appliance, yaml_tree_root(tree));
        finish(appliance, yaml_tree_root(tree), &d);
    }
    diagnostics_finish(&d);
    if (d.count)
        return faults_error(path, &d, err);
    *ret_appliance = steal_ptr(appliance);
    return 0;
}

int appliance_read(const char *path, struct appliance **ret_appliance, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    size_t size = 0;
    int r = file_read(path, DEFINITION_MAX, &data, &size, err);

    if (r < 0)
        return r;
    return appliance_parse(path, data, size, ret_appliance, err);
}

void appliance_free(struct appliance *appliance)
{
    if (!appliance)
        return;
    free(appliance->name);
    free(appliance->description);
    free(appliance->dir);
    free(appliance->arch);
    free(appliance->machine);
    free(appliance->cpu_model);
    free(appliance->kernel);
    free(appliance->initrd);
    free(appliance->append);
    for (size_t i = 0; i < appliance->disk_count; i++)
        free(appliance->disks[i].file);
    free(appliance->disks);
    free(appliance->nic_model);
    free(appliance->nic_name);
    free(appliance->ready);
    free(appliance->exec_prompt);
    free(appliance->exec_error);
    free(appliance->exec_status);
    free(appliance->stop_command);
    free(appliance);
}
