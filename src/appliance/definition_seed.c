// SPDX-License-Identifier: GPL-2.0-or-later

/* What a definition says of how a node's configuration gets in: the key 'seed'. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/appliance_priv.h"
#include "appliance/definition_priv.h"
#include "base/alloc.h"
#include "topology/model.h"

#define SECOND_NS ((uint64_t)1000000000)

enum { FILES_MAX = 64, ISO_LABEL_MAX = 32, FAT_LABEL_MAX = 11 };

static const char *const method_words[] = {
    [SEED_NONE] = "none",
    [SEED_TAR] = "tar",
    [SEED_ISO] = "iso",
    [SEED_FAT] = "fat",
    [SEED_CLOUD_INIT] = "cloud-init",
    [SEED_CONFIG_DRIVE] = "config-drive",
    [SEED_FW_CFG] = "fw_cfg",
    [SEED_CONSOLE] = "console",
    NULL,
};
static_assert(ARRAY_SIZE(method_words) == SEED_CONSOLE + 2, "one word for each method");

static YAML_READER(read_seed_files);
static YAML_READER(read_template);

#define FIELD(name) .offset = offsetof(struct appliance, name)

static const struct yaml_key file_keys[] = {
    {.name = "name", .read = yaml_read_text, .offset = offsetof(struct seed_file, name)},
    {.name = "text", .read = read_template, .offset = offsetof(struct seed_file, text)},
};
const struct yaml_keys definition_seed_file_map = {"seed_file", file_keys, ARRAY_SIZE(file_keys)};

static const struct yaml_key seed_keys[] = {
    {.name = "method", .read = yaml_read_word, FIELD(seed), .words = method_words},
    {.name = "bus", .read = yaml_read_word, FIELD(seed_bus), .words = definition_bus_words},
    {.name = "label", .read = yaml_read_text, FIELD(seed_label)},
    {.name = "files", .read = read_seed_files},
    {.name = "size",
     .read = yaml_read_size,
     FIELD(seed_size),
     .least = (uint64_t)4 << 20,
     .most = (uint64_t)1 << 30},
    {.name = "partition", .read = definition_read_flag, FIELD(seed_partition)},
    {.name = "before", .read = definition_read_steps, FIELD(seed_before)},
    {.name = "after", .read = definition_read_steps, FIELD(seed_after)},
    {.name = "prompt", .read = definition_read_rule, FIELD(seed_prompt)},
    {.name = "pace", .read = yaml_read_duration, FIELD(seed_pace_ns), .most = 60 * SECOND_NS},
    {.name = "timeout",
     .read = yaml_read_duration,
     FIELD(seed_timeout_ns),
     .least = SECOND_NS,
     .most = 3600 * SECOND_NS},
};
const struct yaml_keys definition_seed_map = {"seed", seed_keys, ARRAY_SIZE(seed_keys)};

/**
 * read_template() - Read the text of a file, newline at the end and all
 * @reader:	Reader
 * @key:	Key
 * @target:	File
 * @value:	Value
 */
static YAML_READER(read_template)
{
    struct seed_file *file = target;
    const char *text = yaml_text(reader, value, "'text'", true);

    (void)key;
    if (!text)
        return;
    free(file->text);
    file->text = xstrdup(text);
}

/**
 * read_seed_files() - Read the list of files
 * @reader:	Reader
 * @key:	Key
 * @target:	Appliance
 * @value:	Value
 */
static YAML_READER(read_seed_files)
{
    struct appliance *appliance = target;

    (void)key;
    if (!yaml_expect(reader, value, YAML_LIST, "'files'", NULL) || appliance->seed_files)
        return;
    if (value->count > FILES_MAX) {
        diagnostics_add(reader->diagnostics, value->at, "seed: at most %d files", FILES_MAX);
        return;
    }
    appliance->seed_files = xnew0(struct seed_file, value->count + 1);
    appliance->seed_file_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        struct seed_file *file = &appliance->seed_files[i];

        if (!yaml_expect(reader, value->items[i], YAML_MAP, "a file", NULL))
            continue;
        yaml_read_map(reader, &definition_seed_file_map, file, value->items[i]);
        if (!file->name || !config_file_name_ok(file->name))
            diagnostics_add(reader->diagnostics, value->items[i]->at,
                            "seed: a file needs a 'name' of letters, digits and '._+-', with '/' "
                            "between folders");
        for (size_t j = 0; j < i; j++)
            if (file->name && appliance->seed_files[j].name &&
                strcmp(file->name, appliance->seed_files[j].name) == 0)
                diagnostics_add(reader->diagnostics, value->items[i]->at,
                                "seed: the file is there twice");
    }
}

int seed_step_check(const char *step, struct error *err)
{
    static const char *const verbs[] = {"timeout", "send", "type", "key", "expect", "run", "wait"};
    size_t length = strcspn(step, " ");
    regex_t regex;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strlen(verbs[i]) != length || strncmp(step, verbs[i], length) != 0)
            continue;
        if (strcmp(verbs[i], "expect") != 0)
            return 0;
        if (!step[length])
            return error_input(err, "expect needs a rule");
        if (appliance_pattern(step + length + 1, "node", &regex, err) < 0)
            return -EINVAL;
        regfree(&regex);
        return 0;
    }
    return error_input(err, "a step begins with send, type, key, expect, run, wait or timeout");
}

bool appliance_takes_file(const struct appliance *appliance, const char *name)
{
    return appliance_has_seed_disk(appliance) ||
           (appliance->seed == SEED_FW_CFG && fw_cfg_name_ok(name));
}

bool appliance_has_seed_disk(const struct appliance *appliance)
{
    return appliance->seed != SEED_NONE && appliance->seed != SEED_FW_CFG &&
           appliance->seed != SEED_CONSOLE;
}

/**
 * set_default() - What a method has when the definition does not say
 * @appliance:	Appliance
 * @bus:	Whether it names a bus
 */
static void set_default(struct appliance *appliance, bool bus)
{
    static const char *const labels[] = {
        [SEED_ISO] = "config",        [SEED_FAT] = "CONFIG",
        [SEED_CLOUD_INIT] = "cidata", [SEED_CONFIG_DRIVE] = "config-2",
        [SEED_CONSOLE] = NULL,
    };

    if (!appliance->seed_label)
        appliance->seed_label = xstrdup(labels[appliance->seed]);
    /* What reads an ISO image expects it in a drive for them; Linux takes any disk. */
    if (appliance->seed == SEED_ISO && !bus)
        appliance->seed_bus = definition_is_pc(appliance->arch) ? DISK_IDE : DISK_SCSI;
    if (appliance->seed == SEED_CONSOLE && !appliance->seed_prompt)
        appliance->seed_prompt = xstrdup(appliance->exec_prompt);
}

/**
 * check_disk() - Whether the configuration disk can be made and put where it should go
 * @appliance:	Appliance
 * @seed:	Where it is written
 * @d:		Gets the faults
 */
static void check_disk(const struct appliance *appliance, const struct yaml_node *seed,
                       struct diagnostics *d)
{
    bool q35 = appliance->machine && strstr(appliance->machine, "q35"), fat;
    enum disk_bus bus = appliance->seed_bus;
    size_t most, count = 0;

    if (!appliance_has_seed_disk(appliance))
        return;
    fat = appliance->seed == SEED_FAT;
    most = fat ? FAT_LABEL_MAX : ISO_LABEL_MAX;
    if (appliance->seed_label && strlen(appliance->seed_label) > most)
        diagnostics_add(d, seed->at, "seed: a label of this kind has at most %zu characters", most);
    if (bus == DISK_FLOPPY && appliance->seed != SEED_TAR)
        diagnostics_add(d, seed->at, "seed: only a tar goes onto a floppy disk");
    if (!definition_is_pc(appliance->arch) && (bus == DISK_IDE || bus == DISK_FLOPPY))
        diagnostics_add(d, seed->at, "seed: %s machines have no %s bus", appliance->arch,
                        definition_bus_words[bus]);
    for (size_t i = 0; i < appliance->disk_count; i++) {
        enum disk_bus other = appliance->disks[i].bus;

        count += other == bus || (q35 && (bus == DISK_IDE || bus == DISK_SATA) &&
                                  (other == DISK_IDE || other == DISK_SATA));
    }
    if (count >= definition_bus_units(appliance, bus))
        diagnostics_add(d, seed->at, "seed: the bus '%s' has no room for the configuration disk",
                        definition_bus_words[bus]);
}

void definition_finish_seed(struct appliance *appliance, const struct yaml_node *root,
                            struct diagnostics *d)
{
    /* What only some methods know what to do with. */
    static const struct {
        const char *key;
        unsigned methods;
    } keys[] = {
        {"label",
         1u << SEED_ISO | 1u << SEED_FAT | 1u << SEED_CLOUD_INIT | 1u << SEED_CONFIG_DRIVE},
        {"size", 1u << SEED_FAT},
        {"partition", 1u << SEED_FAT},
        {"before", 1u << SEED_CONSOLE},
        {"after", 1u << SEED_CONSOLE},
        {"prompt", 1u << SEED_CONSOLE},
        {"pace", 1u << SEED_CONSOLE},
        {"timeout", 1u << SEED_CONSOLE},
    };
    const struct yaml_node *seed = yaml_map_get(root, "seed");

    if (!seed || seed->kind != YAML_MAP)
        return;
    set_default(appliance, yaml_map_get(seed, "bus"));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (yaml_map_get(seed, keys[i].key) && !(keys[i].methods & 1u << appliance->seed))
            diagnostics_add(d, seed->at, "seed: '%s' means nothing with method %s", keys[i].key,
                            method_words[appliance->seed]);
    if (appliance->seed_file_count &&
        (appliance->seed == SEED_NONE || appliance->seed == SEED_CONSOLE))
        diagnostics_add(d, seed->at, "seed: 'files' mean nothing with method %s",
                        method_words[appliance->seed]);
    if (appliance->seed == SEED_ISO || appliance->seed == SEED_FAT ||
        appliance->seed == SEED_FW_CFG) {
        if (!appliance->seed_file_count)
            diagnostics_add(d, seed->at, "seed: method %s needs 'files'",
                            method_words[appliance->seed]);
    }
    for (size_t i = 0; appliance->seed == SEED_FW_CFG && i < appliance->seed_file_count; i++)
        if (appliance->seed_files[i].name && !fw_cfg_name_ok(appliance->seed_files[i].name))
            diagnostics_add(d, seed->at, "seed: with method fw_cfg files are called opt/…");
    check_disk(appliance, seed, d);
}
