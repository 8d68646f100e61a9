// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The keys of an impairment and their values as text: of a topology file and of `labctl link set`.
 */

#include "base/error.h"
#include "topology/model.h"

#define IMPAIRMENT_DELAY_MAX_NS (60ull * 1000000000)

/* impairment_keys() - NULL-terminated names of all keys: delay, jitter, jitter_shape, loss,
 * loss_burst, duplicate, reorder, corrupt, rate, burst, queue, only, seed. */
const char *const *impairment_keys(void);

/* impairment_set() - Set one key from text; the others stay.
 * @key:	One of impairment_keys()
 * @value:	"50ms", "0.5%", "10Mbit", …; loss sets random loss and leaves bursts alone;
 *		loss_burst is ENTER/LEAVE or ENTER/LEAVE/LOSS, such as 0.5%/20%/90%, and 0 for none
 * Return: 0 or -EINVAL with the key and value named in @err; the impairment is then as before */
int impairment_set(struct impairment *impairment, const char *key, const char *value,
                   struct error *err);

/* impairment_value() - The text that impairment_set() would take for a key. Caller frees; NULL: it
 * is as on a plain cable. */
char *impairment_value(const struct impairment *impairment, const char *key);

/* impairment_check() - Faults of keys that do not go together. Return: 0 or -EINVAL */
int impairment_check(const struct impairment *impairment, struct error *err);

/* impairment_is_none() - True if frames pass as over a plain cable. */
bool impairment_is_none(const struct impairment *impairment);
/* impairment_copy() - A copy that owns what it holds. */
struct impairment impairment_copy(const struct impairment *impairment);
/* impairment_done() - Free what it holds; it is a plain cable afterwards. */
void impairment_done(struct impairment *impairment);
