// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the command line's maker share. */

#include "engine/qemu_argv.h"

#define SLOT_DISK       0x02
#define SLOT_DISKS      4 /* further virtio disks are functions of these slots */
#define SLOT_DISPLAY    0x06
#define SLOT_CONTROLLER 0x07
#define SLOT_NIC        0x08
#define SLOT_NIC_MULTI  0x1e /* its functions hold the NICs that find no slot */

struct argv {
    char **items;
    size_t count, capacity;
};

/* A machine as its devices see it. */
struct qemu_board {
    const char *pci; /* name of the bus that devices hang on; NULL: QEMU finds one */
    bool q35, pc;    /* pc: an x86 machine */
    bool arm_or_riscv;
    unsigned controllers, controllers_added; /* functions of SLOT_CONTROLLER */
};

/* argv_add() - Append one word. */
void argv_add(struct argv *argv, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* argv_blockdev() - A file as a block node. */
void argv_blockdev(struct argv *argv, const char *id, const char *path, const char *driver,
                   bool readonly);
/* argv_comma() - A value for QEMU's key=value,… syntax: commas doubled. Caller frees. */
char *argv_comma(const char *text);
/* argv_pci() - ",bus=…,addr=…" for a slot, empty where QEMU finds a place. Caller frees. */
char *argv_pci(const struct qemu_board *board, unsigned slot, unsigned function, bool many);
/* argv_controller() - The same for the next controller. */
char *argv_controller(struct qemu_board *board);

/* argv_disks() - All disks, their controllers and the configuration disk. */
void argv_disks(struct argv *argv, const struct qemu_request *request, struct qemu_board *board);
/* argv_disk_controllers() - How many functions of SLOT_CONTROLLER they take. */
unsigned argv_disk_controllers(const struct appliance *appliance, const struct qemu_board *board);
/* argv_boot_index() - ",bootindex=N" for disk or NIC @index, or nothing. Caller frees. */
char *argv_boot_index(const struct appliance *appliance, char kind, size_t index);
