// SPDX-License-Identifier: GPL-2.0-or-later

#include "netfabric/wire_proto_priv.h"

#include <stdint.h>
#include <string.h>

#define MILLION   1000000u
#define TIME_MAX  (120ull * 1000000000)
#define BYTES_MAX (1ull << 32)
#define RATE_MAX  (2ull * 1000000000000)

/**
 * check_values() - Values that arithmetic further on can rely on
 * @values:	Values
 *
 * Return: true if all are in range
 */
static bool check_values(const struct wire_values *values)
{
    const uint32_t chances[] = {values->loss_ppm,        values->burst_enter_ppm,
                                values->burst_leave_ppm, values->burst_loss_ppm,
                                values->duplicate_ppm,   values->reorder_ppm,
                                values->corrupt_ppm};

    for (size_t i = 0; i < sizeof(chances) / sizeof(*chances); i++)
        if (chances[i] > MILLION)
            return false;
    return values->delay_ns <= TIME_MAX && values->jitter_ns <= TIME_MAX &&
           values->queue_limit_ns <= TIME_MAX && values->burst_bytes <= BYTES_MAX &&
           values->queue_limit_bytes <= BYTES_MAX && values->rate_bits_per_s <= RATE_MAX &&
           values->jitter_normal <= 1 && values->has_seed <= 1 &&
           memchr(values->only, 0, sizeof(values->only)) != NULL;
}

int wire_request_check(const struct wire_request *request, size_t size, struct error *err)
{
    if (size != sizeof(*request) || request->magic != WIRE_MAGIC)
        return error_set(err, EPROTO, "not a message of the wire's protocol");
    if (request->version != WIRE_VERSION)
        return error_set(err, EPROTONOSUPPORT, "the wire's protocol has version %u, not %u",
                         request->version, WIRE_VERSION);
    if (request->op < WIRE_HELLO || request->op >= WIRE_OP_END)
        return error_set(err, EPROTO, "unknown request %u", request->op);
    if (request->op == WIRE_SET && (request->dark > 3 || !check_values(&request->values[0]) ||
                                    !check_values(&request->values[1])))
        return error_input(err, "values out of range");
    return 0;
}

int wire_values_put(struct wire_values *values, const struct impairment *impairment,
                    struct error *err)
{
    *values = (struct wire_values){
        .delay_ns = impairment->delay_ns,
        .jitter_ns = impairment->jitter_ns,
        .rate_bits_per_s = impairment->rate_bits_per_s,
        .burst_bytes = impairment->burst_bytes,
        .queue_limit_bytes = impairment->queue_limit_bytes,
        .queue_limit_ns = impairment->queue_limit_ns,
        .seed = impairment->seed,
        .jitter_normal = impairment->jitter_shape == JITTER_NORMAL,
        .has_seed = impairment->has_seed,
        .loss_ppm = impairment->loss_ppm,
        .burst_enter_ppm = impairment->burst_enter_ppm,
        .burst_leave_ppm = impairment->burst_leave_ppm,
        .burst_loss_ppm = impairment->burst_loss_ppm,
        .duplicate_ppm = impairment->duplicate_ppm,
        .reorder_ppm = impairment->reorder_ppm,
        .corrupt_ppm = impairment->corrupt_ppm,
    };
    if (!impairment->only)
        return 0;
    if (strlen(impairment->only) >= sizeof(values->only))
        return error_input(err, "only: a filter has at most %zu bytes", sizeof(values->only) - 1);
    memcpy(values->only, impairment->only, strlen(impairment->only));
    return 0;
}

struct impairment wire_values_get(const struct wire_values *values)
{
    return (struct impairment){
        .delay_ns = values->delay_ns,
        .jitter_ns = values->jitter_ns,
        .jitter_shape = values->jitter_normal ? JITTER_NORMAL : JITTER_UNIFORM,
        .rate_bits_per_s = values->rate_bits_per_s,
        .burst_bytes = values->burst_bytes,
        .queue_limit_bytes = values->queue_limit_bytes,
        .queue_limit_ns = values->queue_limit_ns,
        .seed = values->seed,
        .has_seed = values->has_seed != 0,
        .loss_ppm = values->loss_ppm,
        .burst_enter_ppm = values->burst_enter_ppm,
        .burst_leave_ppm = values->burst_leave_ppm,
        .burst_loss_ppm = values->burst_loss_ppm,
        .duplicate_ppm = values->duplicate_ppm,
        .reorder_ppm = values->reorder_ppm,
        .corrupt_ppm = values->corrupt_ppm,
        .only = values->only[0] ? (char *)(uintptr_t)values->only : NULL,
    };
}
