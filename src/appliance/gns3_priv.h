// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the GNS3 reader share. */

#include "appliance/import.h"

/* What is being made of an appliance. */
struct gns3 {
    json_t *definition; /* so far */
    json_t *notes;
    unsigned serials; /* as its options ask */
    bool no_defaults; /* -nodefaults */
    bool vga_set;
};

/* gns3_note() - Tell people about something. */
void gns3_note(struct gns3 *gns3, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* gns3_map() - The mapping of that key in the definition, made if it is not there. Borrowed. */
json_t *gns3_map(struct gns3 *gns3, const char *key);
/* gns3_number() - A number of an object, which some files have as text; @fallback if there is none.
 * Return: 0 or -EINVAL */
int gns3_number(const json_t *object, const char *key, json_int_t fallback, json_int_t *ret_number,
                struct error *err);
/* gns3_choose() - Which version of the appliance it is, and its properties.
 * @ret_version: Borrowed
 * @ret_properties: New object
 * Return: 0 or -EINVAL */
int gns3_choose(const json_t *root, const struct gns3_source *source, const json_t **ret_version,
                json_t **ret_properties, struct error *err);
/* gns3_machine() - The machine of an architecture. Return: 0 or -EINVAL for one that is not known
 */
int gns3_machine(struct gns3 *gns3, const char *arch, struct error *err);
/* gns3_default_card() - The display card that QEMU has where nothing is said of one. */
void gns3_default_card(struct gns3 *gns3);
/* gns3_nic_model() - QEMU's name of an adapter type. */
const char *gns3_nic_model(struct gns3 *gns3, const char *word);
/* gns3_one_line() - A text on one line, cut, without control characters. Caller frees. */
char *gns3_one_line(const char *text);
/* gns3_options() - Take an appliance's free text for QEMU apart. Return: 0 or -EINVAL */
int gns3_options(struct gns3 *gns3, const char *text, struct error *err);
/* gns3_string() - A string of an object, NULL if there is none or it is empty. Borrowed. */
const char *gns3_string(const json_t *object, const char *key);
/* gns3_words() - Description, licence, login, what its makers say about its use. */
void gns3_words(struct gns3 *gns3, const json_t *root, const json_t *version, const json_t *props);
/* gns3_suggest_ready() - A rule for the console of systems that are known. */
void gns3_suggest_ready(struct gns3 *gns3, const json_t *root);
