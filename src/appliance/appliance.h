// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What an image is: the definition in IMAGES/NAME/appliance.yaml (docs/appliance.md). */

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "topology/read.h"

struct yaml_keys;

enum disk_bus { DISK_VIRTIO, DISK_IDE, DISK_SATA, DISK_SCSI, DISK_FLOPPY };
enum disk_mode { DISK_READONLY, DISK_COPY, DISK_OVERLAY };
enum seed_method { SEED_NONE, SEED_TAR };
enum stop_method { STOP_ACPI, STOP_QUIT, STOP_CONSOLE };

struct appliance_disk {
    char *file; /* absolute path of the base */
    enum disk_bus bus;
    enum disk_mode mode;
};

struct appliance {
    char *name;
    char *description;
    char *dir;  /* real folder (symlinks resolved) that the files are in */
    char *arch; /* qemu-system-ARCH */
    char *machine;
    char *cpu_model; /* under TCG */
    unsigned cpus;
    uint64_t memory_bytes, memory_least;
    char *kernel, *initrd, *append; /* absolute paths; NULL: boots from its disks */
    struct appliance_disk *disks;
    size_t disk_count;
    enum seed_method seed;
    enum disk_bus seed_bus;
    char *nic_model; /* QEMU device name */
    unsigned nic_count, nic_max;
    char *nic_name;   /* format with {0}: "eth{0}" */
    unsigned serials; /* 1 to 4 */
    char *ready;      /* ERE on a console line, NULL: running is ready */
    uint64_t ready_timeout_ns;
    char *exec_prompt, *exec_error, *exec_status; /* NULL: none */
    enum stop_method stop;
    char *stop_command; /* STOP_CONSOLE */
    uint64_t stop_timeout_ns;
};

/* appliance_read() - Read and check one definition (file at most 256 KiB).
 * @path:	appliance.yaml; files it names must exist below its folder
 * Return: 0 or -errno; every fault in the message with FILE:LINE:COL, joined by newlines when
 * several */
int appliance_read(const char *path, struct appliance **ret_appliance, struct error *err);
/* appliance_parse() - The same from memory; @path says where the definition would lie. */
int appliance_parse(const char *path, const char *data, size_t size,
                    struct appliance **ret_appliance, struct error *err);
void appliance_free(struct appliance *appliance);

static inline void cleanup_appliance(struct appliance **appliance)
{
    appliance_free(*appliance);
}
#define _cleanup_appliance_ _cleanup_(cleanup_appliance)

/* appliance_map_types() - All kinds of mappings in a definition with their keys; the JSON Schema is
 * tested against them. The first is that of the file itself. */
const struct yaml_keys *const *appliance_map_types(size_t *ret_count);
/* appliance_mtu_max() - Largest MTU that a NIC model can do. */
unsigned appliance_mtu_max(const struct appliance *appliance);

/* appliance_port_name() - Name of NIC @nic ("eth0"). Caller frees. */
char *appliance_port_name(const struct appliance *appliance, unsigned nic);
/* appliance_port_index() - NIC that a port name means (the appliance's own name or ethN), or -1. */
int appliance_port_index(const struct appliance *appliance, const char *port);
/* appliance_pattern() - A rule with %h replaced by the (escaped) node name, compiled
 * (REG_EXTENDED|REG_NOSUB). Caller regfree()s. */
int appliance_pattern(const char *rule, const char *node, regex_t *ret_regex, struct error *err);

/* The library: the images of this user, then the system's. Definitions are read once and kept. */
struct image_library;

int image_library_open(struct image_library **ret_library, struct error *err);
void image_library_free(struct image_library *library);

static inline void cleanup_image_library(struct image_library **library)
{
    image_library_free(*library);
}
#define _cleanup_image_library_ _cleanup_(cleanup_image_library)

/* image_library_get() - The appliance of that name, owned by the library. -ENOENT (hint: labctl
 * image build NAME, if a recipe of that name exists) or -errno. */
int image_library_get(struct image_library *library, const char *name,
                      const struct appliance **ret_appliance, struct error *err);
/* image_library_names() - Sorted, NULL-terminated, owned by the library. */
const char *const *image_library_names(struct image_library *library);
/* image_library_source() - What topology_read() wants, good while the library lives. */
struct image_source image_library_source(struct image_library *library);

/* seed_write() - Write the configuration disk of a node: a padded ustar with "hostname", "lab" and,
 * if @config is not NULL, "config".
 * @config:	Absolute path of the file to put in, or NULL */
int seed_write(const char *path, const char *node, const char *lab, const char *config,
               struct error *err);
