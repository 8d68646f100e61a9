// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_base

/* What a client of the fabric may send: requests, plans, and (to the engine) replies. */

#include "netfabric/proto_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proto_request request = {0};
    struct proto_reply reply = {.error = ERROR_INIT};
    struct fabric_plan *plan = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (proto_decode_request(data, size, &request, &err) == 0)
        proto_request_done(&request);
    if (proto_decode_reply(data, size, &reply, &err) == 0)
        error_done(&reply.error);
    if (proto_decode_plan(data, size, &plan, &err) == 0) {
        struct strbuf again = STRBUF_INIT;

        proto_encode_plan(&again, plan, true);
        strbuf_done(&again);
        fabric_plan_free(plan);
    }
    return 0;
}
