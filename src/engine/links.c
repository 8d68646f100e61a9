// SPDX-License-Identifier: GPL-2.0-or-later

/* What is done to links while a lab runs: cut (both ways, one way, by a schedule), and back.
 * struct link_run says what is wanted, impairments included; links_plan() puts it into the fabric's
 * plan, and the fabric makes the difference. How impaired links get to the wire process and away
 * from it is in links_wire.c. */

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "engine/lab_priv.h"
#include "topology/impairment.h"

static const char *link_name(const struct lab *lab, size_t link)
{
    return lab->topology->links[link].name;
}

static bool is_impaired(const struct link_run *run)
{
    return !impairment_is_none(&run->impairment[0]) || !impairment_is_none(&run->impairment[1]);
}

void links_init(struct lab *lab)
{
    lab->links = xnew0(struct link_run, lab->topology->link_count);
    lab->wire_pidfd = -1;
    for (size_t i = 0; i < lab->topology->link_count; i++) {
        const struct link *spec = &lab->topology->links[i];

        lab->links[i].down = spec->down;
        for (int end = 0; end < 2; end++)
            lab->links[i].impairment[end] = impairment_copy(&spec->impairment[end]);
    }
}

void links_free(struct lab *lab)
{
    lab->leave_timer = sd_event_source_disable_unref(lab->leave_timer);
    links_forget_wire(lab);
    free(lab->wire_fault);
    for (size_t i = 0; lab->links && i < lab->topology->link_count; i++) {
        sd_event_source_disable_unref(lab->links[i].flap_timer);
        for (int end = 0; end < 2; end++)
            impairment_done(&lab->links[i].impairment[end]);
    }
    free(lab->links);
    lab->links = NULL;
}

bool link_is_cut(const struct lab *lab, size_t link)
{
    return lab->links[link].down || lab->links[link].flapped;
}

void links_plan(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->link_count; i++) {
        const struct link_run *run = &lab->links[i];
        struct fabric_link *planned = &lab->plan->links[i];

        for (int end = 0; end < 2; end++)
            planned->dark[end] = link_is_cut(lab, i) || run->dark[end];
        planned->wire = run->carried ? FABRIC_WIRE_ACTIVE : FABRIC_WIRE_NONE;
    }
}

int links_apply(struct lab *lab, struct error *err)
{
    int r = network_ensure(lab, err);

    if (r < 0)
        return r;
    links_plan(lab);
    r = fabric_apply(lab->fabric, lab->plan, err);
    if (r == 0)
        links_tell_dark(lab);
    return r;
}

/* ---- cutting ---- */

int link_cut(struct lab *lab, size_t link, int from, bool down, struct error *err)
{
    struct link_run *run = &lab->links[link], before = *run;
    int r;

    if (from >= 0)
        run->dark[from] = down;
    else
        run->down = down;
    if (from < 0 && !down)
        run->dark[0] = run->dark[1] = false;
    if (run->down == before.down && run->dark[0] == before.dark[0] &&
        run->dark[1] == before.dark[1])
        return 0;
    r = links_apply(lab, err);
    if (r < 0) {
        *run = before;
        links_plan(lab);
        return error_prefix(err, "link '%s'", link_name(lab, link));
    }
    carrier_update(lab);
    if (from >= 0)
        lab_event(lab, "link", NULL, "link '%s': frames from %s:%s %s", link_name(lab, link),
                  lab->topology->nodes[lab->topology->links[link].ends[from].node].name,
                  lab->topology->links[link].ends[from].port,
                  down ? "no longer arrive" : "arrive again");
    else
        lab_event(lab, "link", NULL, "link '%s' %s", link_name(lab, link), down ? "down" : "up");
    lab_changed(lab);
    return 0;
}

/**
 * on_flap() - A scheduled failure begins or ends
 * @source:	The link's timer
 * @usec:	When
 * @data:	Its lab
 *
 * Return: 0
 */
static int on_flap(sd_event_source *source, uint64_t usec, void *data)
{
    struct lab *lab = data;
    size_t link = 0;
    const struct link *spec;
    struct link_run *run;
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t next_ns;

    while (link < lab->topology->link_count && lab->links[link].flap_timer != source)
        link++;
    if (link == lab->topology->link_count || lab->state == LAB_STOPPING)
        return 0;
    spec = &lab->topology->links[link];
    run = &lab->links[link];
    run->flapped = !run->flapped;
    if (links_apply(lab, &err) < 0)
        log_error("link '%s': %s", spec->name, error_message(&err));
    carrier_update(lab);
    lab_event(lab, "link", NULL, "link '%s' %s, by its schedule", spec->name,
              run->flapped ? "down" : "up");
    next_ns = run->flapped ? spec->flap_down_ns : spec->flap_every_ns - spec->flap_down_ns;
    (void)sd_event_source_set_time(source, usec + next_ns / 1000);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    lab_changed(lab);
    return 0;
}

void links_flap(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->link_count; i++) {
        const struct link *spec = &lab->topology->links[i];
        struct link_run *run = &lab->links[i];

        if (spec->flap_every_ns == 0 || run->flap_timer)
            continue;
        if (sd_event_add_time_relative(lab->event, &run->flap_timer, CLOCK_MONOTONIC,
                                       (run->flapped ? spec->flap_down_ns : spec->flap_every_ns) /
                                           1000,
                                       1000, on_flap, lab) < 0)
            log_error("link '%s': its schedule could not be started", spec->name);
    }
}

void link_flap_anew(struct lab *lab, size_t link)
{
    lab->links[link].flap_timer = sd_event_source_disable_unref(lab->links[link].flap_timer);
    if (!lab->links[link].flapped)
        return;
    lab->links[link].flapped = false;
    if (links_apply(lab, NULL) < 0)
        log_error("link '%s' could not be mended", link_name(lab, link));
}

/* ---- going up, and being found again ---- */

void links_prepare(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->link_count; i++)
        lab->links[i].carried = is_impaired(&lab->links[i]);
    links_plan(lab);
}

int links_start(struct lab *lab, struct error *err)
{
    int r = links_hand_over(lab, err);

    if (r == 0)
        links_flap(lab);
    return r;
}

json_t *links_save(const struct lab *lab)
{
    json_t *links = json_array();

    for (size_t i = 0; i < lab->topology->link_count; i++) {
        const struct link_run *run = &lab->links[i];

        (void)json_array_append_new(
            links,
            json_pack("{s:s, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:[o, o]}", "name",
                      link_name(lab, i), "wire_id", (int)run->wire_id, "down", run->down, "dark_a",
                      run->dark[0], "dark_b", run->dark[1], "flapped", run->flapped, "carried",
                      run->carried, "leaving", run->leaving, "impairment",
                      impairment_json(&run->impairment[0]), impairment_json(&run->impairment[1])));
    }
    return links;
}

/**
 * restore() - A link as it was saved
 * @run:	Link
 * @saved:	What the state file says of it
 */
static void restore(struct link_run *run, json_t *saved)
{
    json_t *both = json_object_get(saved, "impairment");

    run->wire_id = (uint32_t)json_integer_value(json_object_get(saved, "wire_id"));
    run->down = json_is_true(json_object_get(saved, "down"));
    run->dark[0] = json_is_true(json_object_get(saved, "dark_a"));
    run->dark[1] = json_is_true(json_object_get(saved, "dark_b"));
    run->flapped = json_is_true(json_object_get(saved, "flapped"));
    run->carried = json_is_true(json_object_get(saved, "carried"));
    run->leaving = json_is_true(json_object_get(saved, "leaving"));
    for (size_t end = 0; end < 2; end++) {
        json_t *values = json_array_get(both, end), *value;
        const char *key;

        if (!json_is_object(values))
            continue;
        impairment_done(&run->impairment[end]);
        json_object_foreach (values, key, value)
            if (json_is_string(value))
                (void)impairment_set(&run->impairment[end], key, json_string_value(value), NULL);
    }
}

void links_restore(struct lab *lab, json_t *saved)
{
    for (size_t i = 0; i < lab->topology->link_count; i++) {
        json_t *item;
        size_t n;

        json_array_foreach (saved, n, item) {
            const char *name = json_string_value(json_object_get(item, "name"));

            if (name && strcmp(name, link_name(lab, i)) == 0)
                restore(&lab->links[i], item);
        }
        if (lab->links[i].wire_id > lab->last_wire_id)
            lab->last_wire_id = lab->links[i].wire_id;
    }
    links_plan(lab);
}

/* ---- telling ---- */

json_t *impairment_json(const struct impairment *impairment)
{
    json_t *object = json_object();

    for (const char *const *key = impairment_keys(); *key; key++) {
        _cleanup_free_ char *value = impairment_value(impairment, *key);

        if (value)
            (void)json_object_set_new(object, *key, json_string(value));
    }
    return object;
}

json_t *link_impairment_json(const struct lab *lab, size_t link)
{
    const struct link_run *run = &lab->links[link];
    json_t *a, *b, *both;

    if (!is_impaired(run))
        return json_null();
    a = impairment_json(&run->impairment[0]);
    b = impairment_json(&run->impairment[1]);
    if (json_equal(a, b)) {
        json_decref(b);
        return a;
    }
    both = json_pack("{s:o, s:o}", "a_to_b", a, "b_to_a", b);
    return both;
}
