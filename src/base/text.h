// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Text helpers: names, suggestions, and making hostile bytes harmless. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* text_escape() - Printable copy of @size bytes: control characters, DEL, C1 and invalid UTF-8
 * become \xNN, so nothing in it can drive a terminal. Valid UTF-8 stays. Caller frees. */
char *text_escape(const char *data, size_t size);

/* text_nearest() - The candidate with the least edit distance to @word, if near enough to be a
 * plausible slip (at most a third of its length, at least 1 edit allowed); else NULL.
 * @candidates:	@count strings; NULL entries are passed over */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* text_hash() - FNV-1a, 32 bits. Ports follow from it, so it stays as it is. */
uint32_t text_hash(const char *text);

/* text_is_hostname() - RFC 1123 label: 1 to 63 letters, digits and inner hyphens. */
bool text_is_hostname(const char *name);

/* text_is_name() - Name of a lab, link, segment or image: 1 to 63 of [A-Za-z0-9._-], first one a
 * letter or digit (so it can be a file name and an argument). */
bool text_is_name(const char *name);

/* text_replace() - Copy of @text with every @what replaced. Caller frees. */
char *text_replace(const char *text, const char *what, const char *with);

/* text_strip_terminal() - Remove escape sequences (CSI, OSC, DCS, two-byte), CR, BEL and other
 * control characters but newline and tab; backspace removes the byte before it. In place. Return:
 * new length */
size_t text_strip_terminal(char *data, size_t size);
