// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_appliance labctl_topology labctl_base

/* An image of any bytes is told for what it is, or refused; one that says that it is qcow2 and has
 * a backing file is never taken. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none[12];
    struct image_probe probe = {.driver = NULL};
    struct error err = ERROR_INIT;
    int fd = memfd_create("image", MFD_CLOEXEC);
    int r;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    r = image_probe_fd(fd, &probe, &err);
    (void)close(fd);
    if (r < 0 ? !err.message : !probe.driver)
        abort();
    if (r == 0 && strcmp(probe.driver, "qcow2") == 0 && size >= 20 &&
        memcmp(data + 8, none, 12) != 0)
        abort();
    error_done(&err);
    return 0;
}
