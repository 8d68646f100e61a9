// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* Filters from users: compiled, turned into a program for the kernel, and run on a few frames.
 * Run it in a namespace without a network (unshare -Urn), or host names in filters are looked up.
 */

#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/filter_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t ifindexes[] = {3, 4, 9};
    static struct sock_filter program[BPF_MAXINSNS];
    struct error err = ERROR_INIT;
    struct filter *filter;
    uint8_t frame[128];
    char *text = malloc(size + 1);

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    if (filter_compile(text, &filter, &err) == 0) {
        int length = filter_kernel(filter, ifindexes, 3, program, BPF_MAXINSNS);

        if (length == 0 || length > BPF_MAXINSNS)
            abort();
        for (size_t i = 0; i < sizeof(frame); i++)
            frame[i] = (uint8_t)i;
        for (size_t length_of = 0; length_of <= sizeof(frame); length_of += 32)
            (void)filter_match(filter, frame, length_of, length_of & 32);
        filter_free(filter);
    } else if (!err.message) {
        abort();
    }
    error_done(&err);
    free(text);
    return 0;
}
