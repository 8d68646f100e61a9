// SPDX-License-Identifier: GPL-2.0-or-later

/* The NICs that QEMU has and that images and nodes may name. */

#include <string.h>

#include "topology/model.h"

enum { MTU_USUAL = 1500 };

const char *const topology_nic_models[] = {
    "virtio-net-pci", "virtio-net-device",
    "e1000",          "e1000e",
    "vmxnet3",        "rtl8139",
    "pcnet",          "ne2k_pci",
    "tulip",          "i82550",
    "i82551",         "i82557a",
    "i82557b",        "i82557c",
    "i82558a",        "i82558b",
    "i82559a",        "i82559b",
    "i82559c",        "i82559er",
    "i82562",         "i82801",
    "spapr-vlan",     "e1000-82544gc",
    "e1000-82545em",  NULL,
};

unsigned topology_nic_mtu(const char *model)
{
    static const struct {
        const char *model;
        unsigned mtu;
    } large[] = {
        {"virtio-net-pci", 9500}, {"virtio-net-device", 9500}, {"e1000", 9500},
        {"e1000-82544gc", 9500},  {"e1000-82545em", 9500},     {"e1000e", 9000},
        {"vmxnet3", 9000},        {"spapr-vlan", 9000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(large); i++)
        if (strcmp(model, large[i].model) == 0)
            return large[i].mtu;
    return MTU_USUAL;
}
