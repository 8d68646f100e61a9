// SPDX-License-Identifier: GPL-2.0-or-later

#include "topology/impairment.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"

enum { ONLY_MAX = 4096 };

static const char *const keys[] = {
    "delay",   "jitter", "jitter_shape", "loss",  "loss_burst", "duplicate", "reorder",
    "corrupt", "rate",   "burst",        "queue", "only",       "seed",      NULL,
};

const char *const *impairment_keys(void)
{
    return keys;
}

/**
 * set_time() - Read a delay or jitter
 * @text:	Text
 * @ret_ns:	Value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_time(const char *text, uint64_t *ret_ns, struct error *err)
{
    uint64_t ns = 0;
    int r = units_parse_duration(text, &ns, err);

    if (r < 0)
        return r;
    if (ns > IMPAIRMENT_DELAY_MAX_NS)
        return error_input(err, "'%s' is out of range: 0 to 60s is allowed", text);
    *ret_ns = ns;
    return 0;
}

/**
 * set_rate() - Read a rate
 * @text:	Text
 * @ret_bits:	Value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_rate(const char *text, uint64_t *ret_bits, struct error *err)
{
    uint64_t bits = 0;
    int r = 0;

    /* A bare 0 takes the limit away again. */
    if (strcmp(text, "0") != 0)
        r = units_parse_rate(text, &bits, err);
    if (r < 0)
        return r;
    if (bits && (bits < 1000 || bits > 1000000000000))
        return error_input(err, "'%s' is out of range: 1kbit to 1Tbit is allowed (0: no limit)",
                           text);
    *ret_bits = bits;
    return 0;
}

/**
 * set_queue() - Read a queue's limit, in bytes or in time
 * @impairment:	Impairment
 * @text:	Text
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_queue(struct impairment *impairment, const char *text, struct error *err)
{
    _cleanup_free_ char *shown = text_escape(text, strnlen(text, 60));
    uint64_t ns = 0, bytes = 0;

    /* No unit is both a size and a duration. */
    if (units_parse_size(text, &bytes, NULL) == 0) {
        if (bytes > (uint64_t)1 << 30)
            return error_input(err, "'%s' is out of range: at most 1G is allowed", shown);
    } else if (units_parse_duration(text, &ns, NULL) == 0) {
        if (ns > IMPAIRMENT_DELAY_MAX_NS)
            return error_input(err, "'%s' is out of range: at most 60s is allowed", shown);
    } else {
        return error_input(err, "'%s' is neither a size nor a duration: write 64k or 50ms", shown);
    }
    impairment->queue_limit_bytes = bytes;
    impairment->queue_limit_ns = ns;
    return 0;
}

/**
 * set_burst() - Read the size of a rate's burst
 * @text:	Text
 * @ret_bytes:	Value
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_burst(const char *text, uint64_t *ret_bytes, struct error *err)
{
    uint64_t bytes = 0;
    int r = units_parse_size(text, &bytes, err);

    if (r < 0)
        return r;
    if (bytes > (uint64_t)1 << 30)
        return error_input(err, "'%s' is out of range: at most 1G is allowed", text);
    *ret_bytes = bytes;
    return 0;
}

/**
 * set_only() - Keep a filter
 * @impairment:	Impairment
 * @text:	pcap filter
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_only(struct impairment *impairment, const char *text, struct error *err)
{
    if (!text[0] || strlen(text) > ONLY_MAX)
        return error_input(err, "a filter has 1 to %d characters", ONLY_MAX);
    free(impairment->only);
    impairment->only = xstrdup(text);
    return 0;
}

/**
 * set_loss_burst() - Read the chances of losing frames in bursts
 * @impairment:	Impairment
 * @text:	"ENTER/LEAVE" or "ENTER/LEAVE/LOSS", 0 for none
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_loss_burst(struct impairment *impairment, const char *text, struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(text);
    uint32_t chances[3] = {0, 0, 1000000};
    size_t count = 0;
    char *rest = NULL;

    for (char *part = strtok_r(copy, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        int r = count < 3 ? units_parse_percent(part, &chances[count], err) : -EINVAL;

        if (r < 0 && count < 3)
            return r;
        count++;
    }
    if ((count < 2 || count > 3) && strcmp(text, "0") != 0)
        return error_input(err, "write ENTER/LEAVE or ENTER/LEAVE/LOSS, such as 0.5%%/20%%/90%%");
    if (chances[0] && !chances[1])
        return error_input(err, "a burst that is never left is loss: write loss=");
    impairment->burst_enter_ppm = chances[0];
    impairment->burst_leave_ppm = chances[0] ? chances[1] : 0;
    impairment->burst_loss_ppm = chances[0] ? chances[2] : 0;
    return 0;
}

/**
 * set_value() - Set one key
 * @impairment:	Impairment
 * @key:	Which
 * @value:	Text
 * @err:	Error to fill, without the key
 *
 * Return: 0, -EINVAL, or -ENOENT for an unknown key
 */
static int set_value(struct impairment *impairment, const char *key, const char *value,
                     struct error *err)
{
    int64_t number = 0;
    int r;

    if (strcmp(key, "delay") == 0)
        return set_time(value, &impairment->delay_ns, err);
    if (strcmp(key, "jitter") == 0)
        return set_time(value, &impairment->jitter_ns, err);
    if (strcmp(key, "jitter_shape") == 0) {
        if (strcmp(value, "uniform") != 0 && strcmp(value, "normal") != 0) {
            _cleanup_free_ char *shown = text_escape(value, strnlen(value, 60));

            return error_input(err, "'%s' is unknown: it may be uniform, normal", shown);
        }
        impairment->jitter_shape = value[0] == 'n' ? JITTER_NORMAL : JITTER_UNIFORM;
        return 0;
    }
    if (strcmp(key, "loss") == 0)
        return units_parse_percent(value, &impairment->loss_ppm, err);
    if (strcmp(key, "loss_burst") == 0)
        return set_loss_burst(impairment, value, err);
    if (strcmp(key, "duplicate") == 0)
        return units_parse_percent(value, &impairment->duplicate_ppm, err);
    if (strcmp(key, "reorder") == 0)
        return units_parse_percent(value, &impairment->reorder_ppm, err);
    if (strcmp(key, "corrupt") == 0)
        return units_parse_percent(value, &impairment->corrupt_ppm, err);
    if (strcmp(key, "rate") == 0)
        return set_rate(value, &impairment->rate_bits_per_s, err);
    if (strcmp(key, "burst") == 0)
        return set_burst(value, &impairment->burst_bytes, err);
    if (strcmp(key, "queue") == 0)
        return set_queue(impairment, value, err);
    if (strcmp(key, "only") == 0)
        return set_only(impairment, value, err);
    if (strcmp(key, "seed") != 0)
        return -ENOENT;
    r = units_parse_integer(value, 0, INT64_MAX, &number, err);
    if (r < 0)
        return r;
    impairment->seed = (uint64_t)number;
    impairment->has_seed = true;
    return 0;
}

int impairment_set(struct impairment *impairment, const char *key, const char *value,
                   struct error *err)
{
    int r = set_value(impairment, key, value, err);
    _cleanup_free_ char *shown = NULL;
    const char *nearest;

    if (r == 0)
        return 0;
    if (r != -ENOENT) {
        (void)error_prefix(err, "%s", key);
        return -EINVAL;
    }
    shown = text_escape(key, strnlen(key, 60));
    nearest = text_nearest(key, keys, ARRAY_SIZE(keys) - 1);
    if (nearest)
        return error_input(err, "unknown key '%s': did you mean '%s'?", shown, nearest);
    return error_input(err, "unknown key '%s'", shown);
}

/**
 * with_unit() - A number in the largest unit that leaves no rest
 * @value:	Number in the smallest unit
 * @step:	How many of one unit make the next
 * @units:	Their names, smallest first, NULL-terminated
 *
 * Return: owned text, NULL for 0
 */
static char *with_unit(uint64_t value, uint64_t step, const char *const *units)
{
    if (value == 0)
        return NULL;
    while (units[1] && value % step == 0) {
        value /= step;
        units++;
    }
    return xasprintf("%llu%s", (unsigned long long)value, *units);
}

static char *percent(uint32_t ppm)
{
    return ppm ? xasprintf("%.10g%%", (double)ppm / 10000) : NULL;
}

char *impairment_value(const struct impairment *impairment, const char *key)
{
    static const char *const times[] = {"ns", "us", "ms", "s", NULL};
    static const char *const rates[] = {"bit", "kbit", "Mbit", "Gbit", "Tbit", NULL};
    static const char *const sizes[] = {"", "k", "M", "G", NULL};

    if (strcmp(key, "delay") == 0)
        return with_unit(impairment->delay_ns, 1000, times);
    if (strcmp(key, "jitter") == 0)
        return with_unit(impairment->jitter_ns, 1000, times);
    if (strcmp(key, "jitter_shape") == 0)
        return impairment->jitter_shape == JITTER_NORMAL ? xstrdup("normal") : NULL;
    if (strcmp(key, "loss") == 0)
        return percent(impairment->loss_ppm);
    if (strcmp(key, "loss_burst") == 0)
        return impairment->burst_enter_ppm ? xasprintf("%.10g%%/%.10g%%/%.10g%%",
                                                       (double)impairment->burst_enter_ppm / 10000,
                                                       (double)impairment->burst_leave_ppm / 10000,
                                                       (double)impairment->burst_loss_ppm / 10000)
                                           : NULL;
    if (strcmp(key, "duplicate") == 0)
        return percent(impairment->duplicate_ppm);
    if (strcmp(key, "reorder") == 0)
        return percent(impairment->reorder_ppm);
    if (strcmp(key, "corrupt") == 0)
        return percent(impairment->corrupt_ppm);
    if (strcmp(key, "rate") == 0)
        return with_unit(impairment->rate_bits_per_s, 1000, rates);
    if (strcmp(key, "burst") == 0)
        return with_unit(impairment->burst_bytes, 1024, sizes);
    if (strcmp(key, "queue") == 0)
        return impairment->queue_limit_ns ? with_unit(impairment->queue_limit_ns, 1000, times)
                                          : with_unit(impairment->queue_limit_bytes, 1024, sizes);
    if (strcmp(key, "only") == 0)
        return impairment->only ? xstrdup(impairment->only) : NULL;
    if (strcmp(key, "seed") == 0)
        return impairment->has_seed ? xasprintf("%llu", (unsigned long long)impairment->seed)
                                    : NULL;
    return NULL;
}

int impairment_check(const struct impairment *impairment, struct error *err)
{
    if (impairment->burst_bytes && !impairment->rate_bits_per_s)
        return error_input(err, "burst: a burst belongs to a rate; give 'rate' too");
    return 0;
}

bool impairment_is_none(const struct impairment *impairment)
{
    return !impairment->delay_ns && !impairment->jitter_ns && !impairment->loss_ppm &&
           !impairment->burst_enter_ppm && !impairment->duplicate_ppm && !impairment->reorder_ppm &&
           !impairment->corrupt_ppm && !impairment->rate_bits_per_s;
}

struct impairment impairment_copy(const struct impairment *impairment)
{
    struct impairment copy = *impairment;

    copy.only = xstrdup(impairment->only);
    return copy;
}

void impairment_done(struct impairment *impairment)
{
    free(impairment->only);
    *impairment = (struct impairment){.only = NULL};
}
