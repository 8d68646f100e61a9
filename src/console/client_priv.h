// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The client's filter between guest and terminal. */

#include <stdbool.h>

#include "base/strbuf.h"
#include "console/vt.h"

#define CLIENT_HELD_MAX 4096

struct client_screen {
    struct vt vt;
    struct strbuf held; /* a sequence of the replay that is not finished */
    bool alternate;     /* the guest is on the alternate screen */
};

/* client_screen_feed() - Append what of the output may be shown to @out. */
void client_screen_feed(struct client_screen *screen, const uint8_t *data, size_t size, bool replay,
                        struct strbuf *out);
/* client_screen_restore() - Append what undoes the guest's modes. */
void client_screen_restore(const struct client_screen *screen, struct strbuf *out);
void client_screen_done(struct client_screen *screen);
