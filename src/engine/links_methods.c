// SPDX-License-Identifier: GPL-2.0-or-later

/* link.up, link.down, link.set, link.clear (docs/rpc.md). All that can be wrong with a call is
 * found before anything changes. */

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "engine/lab_priv.h"
#include "topology/impairment.h"

/**
 * find_link() - Link by name or end
 * @lab:	Lab
 * @params:	link
 * @err:	Error to fill
 *
 * Return: index or -errno
 */
static ptrdiff_t find_link(struct lab *lab, json_t *params, struct error *err)
{
    const char *name = NULL;
    ptrdiff_t link;
    int r = rpc_param_string(params, "link", true, &name, err);

    if (r < 0)
        return r;
    link = topology_find_link(lab->topology, name);
    if (link < 0) {
        _cleanup_free_ char *shown = text_escape(name, strnlen(name, 100));

        r = error_input(err, "lab '%s' has no link '%s'", lab->name, shown);
        error_hint(err, "'labctl link list' shows them; an end like r1:eth0 names a link too");
        return r;
    }
    return link;
}

/**
 * find_from() - Which end's frames are meant
 * @lab:	Lab
 * @link:	Link
 * @params:	from, may be missing
 * @ret_from:	0 or 1, -1: both
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int find_from(struct lab *lab, size_t link, json_t *params, int *ret_from, struct error *err)
{
    const struct link *spec = &lab->topology->links[link];
    _cleanup_free_ char *first = NULL, *second = NULL;
    char **labels[2] = {&first, &second};
    const char *from = NULL;
    int r = rpc_param_string(params, "from", false, &from, err);

    *ret_from = -1;
    if (r < 0 || !from)
        return r;
    for (int end = 0; end < 2; end++) {
        const char *node = lab->topology->nodes[spec->ends[end].node].name;
        _cleanup_free_ char *plain = xasprintf("%s:eth%u", node, spec->ends[end].nic);

        *labels[end] = xasprintf("%s:%s", node, spec->ends[end].port);
        if (strcmp(from, *labels[end]) == 0 || strcmp(from, plain) == 0 ||
            strcmp(from, node) == 0) {
            /* A node that is at both ends is named by the port. */
            if (*ret_from >= 0 && strcmp(from, node) == 0)
                return error_input(err, "both ends of link '%s' are at %s: name one of them",
                                   spec->name, node);
            *ret_from = end;
        }
    }
    r = 0;
    if (*ret_from < 0) {
        _cleanup_free_ char *shown = text_escape(from, strnlen(from, 100));

        r = error_input(err, "'%s' is no end of link '%s': it has %s and %s", shown, spec->name,
                        first, second);
    }
    return r;
}

/**
 * must_run() - Links are changed while the lab is up
 * @lab:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int must_run(const struct lab *lab, struct error *err)
{
    if (lab->state == LAB_STARTING || lab->state == LAB_RUNNING)
        return 0;
    return error_set(err, ENOTCONN, "lab '%s' is not up", lab->name);
}

/**
 * method_cut() - link.up and link.down
 * @call:	Call
 * @params:	link, from
 * @lab:	Lab
 * @down:	Which of them
 */
static void method_cut(struct rpc_call *call, json_t *params, struct lab *lab, bool down)
{
    struct error err = ERROR_INIT;
    ptrdiff_t link = find_link(lab, params, &err);
    int from = -1, r = link < 0 ? (int)link : must_run(lab, &err);

    if (r == 0)
        r = find_from(lab, (size_t)link, params, &from, &err);
    if (r == 0)
        r = link_cut(lab, (size_t)link, from, down, &err);
    if (r < 0)
        rpc_fail(call, &err);
    else
        rpc_reply(call, json_pack("{s:o}", "link", status_link(lab, (size_t)link)));
}

void links_method_up(struct rpc_call *call, json_t *params, void *data)
{
    method_cut(call, params, data, false);
}

void links_method_down(struct rpc_call *call, json_t *params, void *data)
{
    method_cut(call, params, data, true);
}

/**
 * set_values() - Read the values of link.set
 * @params:	values
 * @from:	Direction, -1: both
 * @impairment:	Changed
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int set_values(json_t *params, int from, struct impairment *impairment, struct error *err)
{
    json_t *values = json_object_get(params, "values"), *value;
    const char *key;

    if (!json_is_object(values) || json_object_size(values) == 0)
        return error_input(err, "values must be an object of at least one key");
    json_object_foreach (values, key, value) {
        if (!json_is_string(value))
            return error_input(err, "%s must be a text with its unit, such as \"50ms\"", key);
        for (int end = 0; end < 2; end++) {
            int r = from >= 0 && from != end
                        ? 0
                        : impairment_set(&impairment[end], key, json_string_value(value), err);

            if (r < 0)
                return r;
        }
    }
    for (int end = 0; end < 2; end++) {
        int r = impairment_check(&impairment[end], err);

        if (r == 0)
            r = wire_check(&impairment[end], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/**
 * method_impair() - link.set and link.clear
 * @call:	Call
 * @params:	link, from, values
 * @lab:	Lab
 * @clear:	Which of them
 */
static void method_impair(struct rpc_call *call, json_t *params, struct lab *lab, bool clear)
{
    struct impairment impairment[2] = {{.only = NULL}, {.only = NULL}};
    struct error err = ERROR_INIT;
    ptrdiff_t link = find_link(lab, params, &err);
    int from = -1, r = link < 0 ? (int)link : must_run(lab, &err);

    if (r == 0)
        r = find_from(lab, (size_t)link, params, &from, &err);
    for (int end = 0; r == 0 && end < 2; end++)
        if (!clear || (from >= 0 && from != end))
            impairment[end] = impairment_copy(&lab->links[link].impairment[end]);
    if (r == 0 && !clear)
        r = set_values(params, from, impairment, &err);
    if (r == 0)
        r = link_impair(lab, (size_t)link, impairment, &err);
    for (int end = 0; end < 2; end++)
        impairment_done(&impairment[end]);
    if (r < 0)
        rpc_fail(call, &err);
    else
        rpc_reply(call, json_pack("{s:o}", "link", status_link(lab, (size_t)link)));
}

void links_method_set(struct rpc_call *call, json_t *params, void *data)
{
    method_impair(call, params, data, false);
}

void links_method_clear(struct rpc_call *call, json_t *params, void *data)
{
    method_impair(call, params, data, true);
}
