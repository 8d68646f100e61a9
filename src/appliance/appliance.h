// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What an image is: the definition in IMAGES/NAME/appliance.yaml (docs/appliance.md). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/regex.h"
#include "base/error.h"
#include "topology/read.h"

struct yaml_keys;

enum disk_bus { DISK_VIRTIO, DISK_IDE, DISK_SATA, DISK_SCSI, DISK_NVME, DISK_FLOPPY };
enum disk_mode { DISK_READONLY, DISK_COPY, DISK_OVERLAY };
enum disk_kind { DISK_HARD, DISK_CDROM };
enum seed_method {
    SEED_NONE,
    SEED_TAR,
    SEED_ISO,
    SEED_FAT,
    SEED_CLOUD_INIT,
    SEED_CONFIG_DRIVE,
    SEED_FW_CFG,
    SEED_CONSOLE,
};
enum stop_method { STOP_ACPI, STOP_QUIT, STOP_CONSOLE };
enum firmware_type { FIRMWARE_BIOS, FIRMWARE_UEFI };
enum display_type { DISPLAY_NONE, DISPLAY_VNC };

/* What QEMU can give at most: PCI slots for NICs, see engine/qemu_argv.h. */
#define APPLIANCE_NICS_MAX  30
#define APPLIANCE_DISKS_MAX 16

/* A place on a bus that the definition leaves to its order. */
#define DISK_UNIT_NEXT 0xffffu

struct appliance_disk {
    char *file;         /* absolute path of the base; NULL: an empty disk of @size */
    const char *format; /* QEMU's driver for @file, as probed; "raw" while there is none */
    enum disk_bus bus;
    enum disk_mode mode;
    enum disk_kind kind;
    uint64_t size; /* bytes at least; 0: as large as @file */
    unsigned unit; /* its place among the disks of its bus */
};

/* A file that an image needs, and how to know it. It may be missing. */
struct appliance_file {
    char *name;     /* in the image's folder */
    char *md5;      /* 32 hexadecimal digits, or NULL */
    uint64_t bytes; /* 0: not known */
    char *url;      /* where people get it, or NULL */
    bool missing;
};

/* What one NIC has of its own. */
struct appliance_port {
    unsigned nic;
    char *name;  /* or NULL */
    char *model; /* or NULL */
};

struct text_list {
    char **items;
    size_t count;
};

/* A file of the configuration disk. */
struct seed_file {
    char *name;
    char *text; /* a template; NULL: the node's configuration */
};

struct fw_cfg_item {
    char *name; /* "opt/…" */
    char *text; /* %h, %l and %u stand for node, lab and the node's UUID */
};

struct appliance {
    char *name;
    char *description;
    char *license; /* a note on who may use it, or NULL */
    char *dir;     /* real folder (symlinks resolved) that the files are in */
    char *arch;    /* qemu-system-ARCH */
    char *machine;
    struct text_list machine_properties; /* "smbios-entry-point-type=32" */
    char *cpu_model;                     /* under TCG */
    char *cpu_kvm;                       /* under KVM with hardware; NULL: the host's */
    unsigned cpus;
    enum accel accel; /* of nodes that say nothing */
    uint64_t memory_bytes, memory_least;
    enum firmware_type firmware;
    char *firmware_file;            /* absolute path of a firmware of its own, or NULL */
    bool tpm;                       /* a TPM 2.0, by swtpm */
    char *kernel, *initrd, *append; /* absolute paths; NULL: boots from its disks */
    char *boot_order; /* letters: c disks, d CD-ROMs, n network; NULL: disks in their order */
    struct appliance_disk *disks;
    size_t disk_count;
    char *scsi_model; /* controller of the SCSI disks */
    struct appliance_file *files;
    size_t file_count;
    enum seed_method seed;
    enum disk_bus seed_bus;
    char *seed_label;
    uint64_t seed_size;  /* of a FAT disk; 0: as large as it takes */
    bool seed_partition; /* a FAT disk has a partition table */
    struct seed_file *seed_files;
    size_t seed_file_count;
    struct text_list seed_before,
        seed_after;    /* SEED_CONSOLE: steps of a script (console/script.h) */
    char *seed_prompt; /* ERE: where the next line is awaited; NULL: nowhere */
    uint64_t seed_pace_ns, seed_timeout_ns;
    char *nic_model; /* QEMU device name */
    unsigned nic_count, nic_max;
    char *nic_name;       /* format: "eth{0}"; ports.c tells what may be in it */
    char *nic_first;      /* name of NIC 0, which then does not count, or NULL */
    unsigned nic_segment; /* ports in a segment, 0: none */
    struct appliance_port *ports;
    size_t port_count;
    unsigned serials; /* 1 to 4 */
    enum display_type display;
    char *vga;   /* std, cirrus, vmware, virtio; NULL: none */
    bool tablet; /* a USB tablet, whose pointer is where the viewer's is */
    bool rtc_localtime;
    struct text_list smbios; /* "type=1,product=KVM" */
    struct fw_cfg_item *fw_cfg;
    size_t fw_cfg_count;
    struct text_list options; /* "-no-hpet", "-device virtio-rng-pci" */
    char *user, *password;    /* what people log in with, or NULL */
    char *ready;              /* ERE on a console line that shows that it is up, or NULL */
    bool ready_prompt;        /* so does the prompt of exec; Enter is pressed for it */
    char *ready_probe;        /* then a command must succeed; NULL: none */
    uint64_t ready_quiet_ns;  /* or nothing at all happens for so long; 0: no such rule */
    uint64_t ready_timeout_ns;
    char *exec_prompt, *exec_error, *exec_status, *exec_pager; /* NULL: none */
    /* How its configuration is fetched; save_commands empty: it cannot be. */
    struct text_list save_before;   /* commands typed first, whose output is not wanted */
    struct text_list save_commands; /* their output, one after the other, is the configuration */
    struct text_list save_strip;    /* rules: lines that are left out */
    char *save_from, *save_to;      /* rules: first line, line behind the last one; NULL: all */
    unsigned save_serial;           /* on which console */
    enum stop_method stop;
    char *stop_command; /* STOP_CONSOLE */
    uint64_t stop_timeout_ns;
    enum restart_policy restart; /* of nodes that say nothing themselves */
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

/* appliance_serials(), appliance_display(), appliance_firmware(), appliance_vga() - What a node
 * has: its own, else the appliance's. The card is NULL if there is none. */
unsigned appliance_serials(const struct appliance *appliance, const struct node *node);
enum display_type appliance_display(const struct appliance *appliance, const struct node *node);
enum firmware_type appliance_firmware(const struct appliance *appliance, const struct node *node);
const char *appliance_vga(const struct appliance *appliance, const struct node *node);
/* appliance_fits() - As image_source.fits. */
int appliance_fits(const struct appliance *appliance, const struct node *node, const char *key,
                   struct error *err);
/* appliance_nic_model() - QEMU device of NIC @nic. */
const char *appliance_nic_model(const struct appliance *appliance, unsigned nic);
/* appliance_has_seed_disk() - Whether nodes get a configuration disk. */
bool appliance_has_seed_disk(const struct appliance *appliance);
/* appliance_takes_file() - Whether a node can be given a configuration file of that name. */
bool appliance_takes_file(const struct appliance *appliance, const char *name);
/* appliance_missing() - Number of files that it needs and that are not there. */
size_t appliance_missing(const struct appliance *appliance);
/* appliance_disk_bus_word(), appliance_disk_mode_word() - As in a definition. */
const char *appliance_disk_bus_word(enum disk_bus bus);
const char *appliance_disk_mode_word(enum disk_mode mode);

/* appliance_port_name() - Name of NIC @nic ("eth0"). Caller frees. */
char *appliance_port_name(const struct appliance *appliance, unsigned nic);
/* appliance_port_index() - NIC that a port name means (the appliance's own name or ethN), or -1. */
int appliance_port_index(const struct appliance *appliance, const char *port);
/* appliance_pattern() - A rule with %h replaced by the (escaped) node name, compiled
 * (REG_NOSUB) with a limit to what a match may cost. Caller regfree()s. */
int appliance_pattern(const char *rule, const char *node, regex_t *ret_regex, struct error *err);

/* appliance_saved_config() - Make a file of what the save commands printed: control characters, the
 * lines that the definition strips, spaces at line ends, and empty lines at either end are gone,
 * the last line has a newline. Empty if nothing is left. Caller frees. NULL with @err: a rule does
 * not compile. */
char *appliance_saved_config(const struct appliance *appliance, const char *node,
                             const char *output, size_t size, struct error *err);

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
