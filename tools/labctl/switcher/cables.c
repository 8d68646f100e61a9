// SPDX-License-Identifier: GPL-2.0-or-later

/* The cables of the focused node, over everything: cut and heal one, start and stop a capture where
 * it is plugged in. What is shown is the last status document, asked for again after each change.
 */

#include <string.h>

#include "base/alloc.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher_priv.h"

#define ESCAPE '\033'

/* A line of the list: an end of the node, and what is plugged in there. */
struct cable {
    json_t *link; /* borrowed */
    const char *end;
};

/**
 * cable_at() - A cable of the focused node
 * @switcher:	Switcher
 * @index:	Which
 * @ret_cable:	Filled
 *
 * Return: false beyond the last one
 */
static bool cable_at(const struct switcher *switcher, size_t index, struct cable *ret_cable)
{
    const struct switcher_node *node = &switcher->nodes[switcher->panes[switcher->focus].node];
    _cleanup_free_ char *machine = node_machine(node);
    size_t length = strlen(machine), i, j;
    json_t *link, *end;

    json_array_foreach (json_object_get(switcher->document, "links"), i, link) {
        json_array_foreach (json_object_get(link, "ends"), j, end) {
            const char *text = json_is_string(end) ? json_string_value(end) : "";

            if (strncmp(text, machine, length) != 0 || text[length] != ':' || index-- > 0)
                continue;
            *ret_cable = (struct cable){.link = link, .end = text};
            return true;
        }
    }
    return false;
}

/**
 * capture_at() - A capture that runs at an end, and nowhere else
 * @switcher:	Switcher
 * @end:	End
 *
 * Return: borrowed object of the status document, or NULL
 */
static json_t *capture_at(const struct switcher *switcher, const char *end)
{
    json_t *capture;
    size_t i;

    json_array_foreach (json_object_get(switcher->document, "captures"), i, capture) {
        json_t *where = json_object_get(capture, "where");
        const char *first = json_string_value(json_array_get(where, 0));

        if (json_array_size(where) == 1 && first && strcmp(first, end) == 0 &&
            strcmp(json_text(capture, "state"), "running") == 0)
            return capture;
    }
    return NULL;
}

char *cables_line(const struct switcher *switcher, size_t index)
{
    struct cable cable;
    json_t *impairment, *capture;

    if (!cable_at(switcher, index, &cable))
        return NULL;
    impairment = json_object_get(cable.link, "impairment");
    capture = capture_at(switcher, cable.end);
    return xasprintf("%-5s %-16s %s%s%s", json_text(cable.link, "state"), cable.end,
                     json_text(cable.link, "name"),
                     impairment && !json_is_null(impairment) ? "  impaired" : "",
                     capture ? "  captured" : "");
}

void cables_open(struct switcher *switcher)
{
    struct cable cable;

    switcher->cable = 0;
    if (cable_at(switcher, 0, &cable))
        switcher_mode_set(switcher, MODE_CABLES);
    else
        switcher_say(switcher, "%s has no cables", switcher_focused(switcher)->name);
}

/**
 * cut_or_heal() - Pull the cable, or plug it in
 * @switcher:	Switcher
 * @cable:	Cable
 */
static void cut_or_heal(struct switcher *switcher, const struct cable *cable)
{
    bool up = strcmp(json_text(cable->link, "state"), "up") == 0;

    switcher_act(switcher, up ? "link.down" : "link.up",
                 json_pack("{s:s}", "link", json_text(cable->link, "name")));
}

/**
 * capture() - Begin a capture at an end, or end it
 * @switcher:	Switcher
 * @cable:	Cable
 */
static void capture(struct switcher *switcher, const struct cable *cable)
{
    json_t *running = capture_at(switcher, cable->end);

    if (running)
        switcher_act(switcher, "capture.stop",
                     json_pack("{s:O}", "id", json_object_get(running, "id")));
    else
        switcher_act(switcher, "capture.start", json_pack("{s:[s]}", "where", cable->end));
}

void cables_key(struct switcher *switcher, char key)
{
    struct cable cable, next;
    bool there = cable_at(switcher, switcher->cable, &cable);

    switcher->dirty = true;
    if (!there) {
        switcher->cable = 0; /* the topology was changed meanwhile */
        return;
    }
    switch (key) {
    case 'k':
        switcher->cable -= switcher->cable > 0;
        break;
    case 'j':
        switcher->cable += cable_at(switcher, switcher->cable + 1, &next);
        break;
    case 'x':
    case '\r':
        cut_or_heal(switcher, &cable);
        break;
    case 'c':
        capture(switcher, &cable);
        break;
    case 'q':
    case ESCAPE:
        switcher_mode_set(switcher, MODE_TYPE);
        break;
    default:
        break;
    }
}
