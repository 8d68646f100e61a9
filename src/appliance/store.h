// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* How images come into the library and out of it, whole or not at all. */

#include <stdbool.h>

#include "base/error.h"

/* An image in the making. */
struct image_making {
    char *root, *store, *dir; /* IMAGES, IMAGES/.store, the folder in it */
    int lock;                 /* the folder, locked while this process lives; -1: none */
};

/* image_making_begin() - Make the folder; what killed processes left is swept up first. */
int image_making_begin(struct image_making *making, struct error *err);
/* image_making_publish() - Give the image its name.
 * @replace:	One of that name makes way
 * Return: 0, -EEXIST, or -errno */
int image_making_publish(struct image_making *making, const char *name, bool replace,
                         struct error *err);
/* image_making_done() - Give up what was not published. */
void image_making_done(struct image_making *making);

/* image_remove() - Remove an image: its name first, so that nobody meets half of it. */
int image_remove(const char *name, struct error *err);
