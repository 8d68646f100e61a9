// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Bringing images into the library: from other tools' descriptions, or a disk alone. */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"

struct image_import {
    const char *source;       /* file or folder to read; NULL: the disks alone */
    const char *name;         /* of the image; NULL: made from the source's */
    const char *template;     /* EVE-NG's template, CML's node definition; NULL: looked for */
    const char *version;      /* of the appliance; NULL: the first that it lists */
    const char *const *disks; /* files that people gave */
    size_t disk_count;
    bool definition_only; /* files may be missing */
    bool unverified;      /* checksums are not held against */
    bool replace;         /* an image of that name makes way */
};

/* image_import() - Import an image; seen by nobody until it is whole.
 * @ret_report:	New object: "name", "version" if there is one, "notes" (what was changed or dropped,
 *and why), "missing" (names of files) Return: 0 or -errno */
int image_import(const struct image_import *request, json_t **ret_report, struct error *err);

/* import_name() - A name for an image from that of a file or folder. Caller frees. */
char *import_name(const char *source);

/* image_add_files() - Add files that an image lacks.
 * @ret_report:	As above */
int image_add_files(const struct image_import *request, json_t **ret_report, struct error *err);

struct gns3_source {
    const char *data; /* the file's text */
    size_t size;
    const char *version; /* of the appliance; NULL: the one whose files are there, else the first */
    bool (*have)(void *data, const char *name); /* is a file of that name there? May be NULL */
    void *have_data;
};

/* gns3_definition() - A definition from a GNS3 appliance.
 * @name:	Of the image
 * @ret_definition: New object, a definition as appliance.yaml has it
 * @ret_version: The version that was taken; may be NULL; caller frees
 * @notes:	Array that takes what was changed or dropped, and why
 * Return: 0 or -EINVAL */
int gns3_definition(const struct gns3_source *source, const char *name, json_t **ret_definition,
                    char **ret_version, json_t *notes, struct error *err);

/* definition_text() - A definition as YAML: a key a line. Caller frees. */
char *definition_text(const json_t *definition, const char *comment);

/* file_digest_copy() - Copy a file as far as it has data, and hash it in passing.
 * @to:		File to make (not there yet), NULL: hash only
 * @ret_md5:	33 bytes
 * Return: 0 or -errno; nothing is left on failure */
int file_digest_copy(int from_fd, const char *to, char ret_md5[static 33], struct error *err);

/* file_unpack() - Unpack a compressed file or the fitting member of an archive.
 * @wanted:	Name that the member should have; else one of that size is taken, else the only one
 * @bytes:	Bytes that it should have, and no more come out; 0: not known
 * @to:		File to make (not there yet)
 * @ret_md5:	33 bytes
 * Return: 0, -EFBIG, or -errno; nothing is left on failure */
int file_unpack(int from_fd, const char *wanted, unsigned long long bytes, const char *to,
                char ret_md5[static 33], struct error *err);
