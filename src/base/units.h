// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Values with units as people write them. All return 0 or -EINVAL with a message in @err that names
 * the value and what would be right; @ret is untouched on failure. */

#include <stdint.h>

#include "base/error.h"

/* "256M", "1G", "64k", "1048576": binary multiples (K, M, G, T, optional iB or B). Bytes. */
int units_parse_size(const char *text, uint64_t *ret_bytes, struct error *err);
/* "50ms", "1.5s", "10us", "100ns", "2m", "1h". A bare 0 is allowed, other bare numbers are not.
 * Nanoseconds. */
int units_parse_duration(const char *text, uint64_t *ret_ns, struct error *err);
/* "10Mbit", "1.5Gbit", "64kbit", "9600bit" (decimal multiples). Bits per second, at least 1. */
int units_parse_rate(const char *text, uint64_t *ret_bits_per_s, struct error *err);
/* "0.5%", "100%", "0": parts per million, 0 to 1,000,000. A bare number but 0 needs its %. */
int units_parse_percent(const char *text, uint32_t *ret_ppm, struct error *err);
/* "17": decimal within @least..@most. */
int units_parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_value,
                        struct error *err);

/* For people: "256M", "1.5G". Caller frees. */
char *units_format_size(uint64_t bytes);
/* "50ms", "1.5s". Caller frees. */
char *units_format_duration(uint64_t ns);
