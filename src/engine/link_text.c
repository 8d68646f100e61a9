// SPDX-License-Identifier: GPL-2.0-or-later

/* What is done to a link's frames, in words: for events, and so for the comments in captures. */

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "engine/lab_priv.h"
#include "topology/impairment.h"

/**
 * one_way() - What is done to the frames of one direction
 * @impairment:	Impairment
 *
 * Return: "delay 10ms, loss 1%", "plain"; caller frees
 */
static char *one_way(const struct impairment *impairment)
{
    const char *const *keys = impairment_keys();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    for (; *keys; keys++) {
        _cleanup_free_ char *value = impairment_value(impairment, *keys);

        if (value)
            strbuf_printf(&text, "%s%s %s", text.size ? ", " : "", *keys, value);
    }
    return text.size ? strbuf_steal(&text) : xstrdup("plain");
}

char *link_impairment_text(const struct lab *lab, size_t link)
{
    const struct endpoint *ends = lab->topology->links[link].ends;
    const struct impairment *impairment = lab->links[link].impairment;
    _cleanup_free_ char *there = one_way(&impairment[0]), *back = one_way(&impairment[1]);

    if (strcmp(there, back) == 0)
        return steal_ptr(there);
    return xasprintf("%s from %s:%s, %s from %s:%s", there, lab->topology->nodes[ends[0].node].name,
                     ends[0].port, back, lab->topology->nodes[ends[1].node].name, ends[1].port);
}
