// SPDX-License-Identifier: GPL-2.0-or-later

/* What is captured, and how that changes while it runs. A lab may be cabled anew, nodes come and
 * go: the engine then sends the whole list of endpoints as it is now ("ends", capture.h), and here
 * it is compared with the one before. Interfaces are known by their number in the kernel, so one
 * that was removed and made again by the same name is another one.
 *
 * Nothing is lost over a change. Before the lab is changed the engine tells what will come (with no
 * time yet); rings listen to those from then on. Afterwards it sends the list and the time at which
 * the change began. Frames are written in order of time, so the first one that passed later brings
 * the new list into force (worker_ends_switch()), whatever still waits in the rings. Those who left
 * are kept until the time of the order. When all of that must have come out of the rings, it is
 * over (worker_ends_tidy()).
 *
 * In the file an endpoint is an interface block, with its name and that of its link. One that
 * comes, or is on another link now, gets a new block in the middle of the file; numbers are never
 * reused within a file. */

#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "capture/report_priv.h"
#include "capture/worker_priv.h"

#define LIST_MAX (8u << 20)

void endpoints_add(struct endpoints *endpoints, const struct capture_endpoint *config)
{
    array_grow(endpoints->items, endpoints->count, endpoints->capacity);
    endpoints->items[endpoints->count++] = (struct endpoint){
        .ifname = xstrdup(config->ifname),
        .label = xstrdup(config->label ? config->label : config->ifname),
        .link = config->link && *config->link ? xstrdup(config->link) : NULL,
        .direction = config->direction,
        .number = NO_NUMBER,
    };
}

/**
 * endpoint_done() - Free what an endpoint holds
 * @endpoint:	Endpoint
 */
static void endpoint_done(struct endpoint *endpoint)
{
    free(endpoint->ifname);
    free(endpoint->label);
    free(endpoint->link);
}

void endpoints_done(struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        endpoint_done(&endpoints->items[i]);
    free(endpoints->items);
    *endpoints = (struct endpoints){.count = 0};
}

void interface_block_done(struct interface_block *interface)
{
    free(interface->ifname);
    free(interface->label);
    free(interface->link);
}

/**
 * compare_ifindexes() - Order endpoints for qsort()
 * @a:	struct endpoint
 * @b:	struct endpoint
 *
 * Return: below, at or above 0
 */
static int compare_ifindexes(const void *a, const void *b)
{
    uint32_t x = ((const struct endpoint *)a)->ifindex, y = ((const struct endpoint *)b)->ifindex;

    return x < y ? -1 : x > y;
}

void endpoints_sort(struct endpoints *endpoints)
{
    if (endpoints->count)
        qsort(endpoints->items, endpoints->count, sizeof(*endpoints->items), compare_ifindexes);
}

struct endpoint *endpoints_find(const struct endpoints *endpoints, uint32_t ifindex)
{
    size_t low = 0, high = endpoints->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (endpoints->items[middle].ifindex == ifindex)
            return &endpoints->items[middle];
        if (endpoints->items[middle].ifindex < ifindex)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void worker_ends_number(struct worker *worker, struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        struct endpoint *endpoint = &endpoints->items[i];

        if (endpoint->number != NO_NUMBER)
            continue;
        array_grow(worker->interfaces, worker->interface_count, worker->interface_capacity);
        endpoint->number = (uint32_t)worker->interface_count;
        worker->interfaces[worker->interface_count++] = (struct interface_block){
            .ifname = xstrdup(endpoint->ifname),
            .label = xstrdup(endpoint->label),
            .link = xstrdup(endpoint->link),
        };
    }
}

/**
 * renumber() - Give the endpoints of a block another number
 * @endpoints:	Endpoints
 * @from:	Number
 * @to:		New number
 *
 * Return: true if there is one
 */
static bool renumber(struct endpoints *endpoints, uint32_t from, uint32_t to)
{
    bool found = false;

    for (size_t i = 0; i < endpoints->count; i++) {
        if (endpoints->items[i].number != from)
            continue;
        endpoints->items[i].number = to;
        found = true;
    }
    return found;
}

void worker_ends_renumber(struct worker *worker)
{
    size_t kept = 0;

    /* Numbers only become smaller, so none is met twice. */
    for (size_t i = 0; i < worker->interface_count; i++) {
        struct interface_block *interface = &worker->interfaces[i];
        bool used = renumber(&worker->now, (uint32_t)i, (uint32_t)kept);

        used |= renumber(&worker->next, (uint32_t)i, (uint32_t)kept);
        if (!used) {
            interface_block_done(interface);
            continue;
        }
        interface->packets = interface->lost = interface->os_dropped = 0;
        worker->interfaces[kept++] = *interface;
    }
    worker->interface_count = kept;
    worker->shared_os_dropped = 0;
}

/**
 * parse_line() - Understand one line of a list
 * @line:	IFNAME TAB DIRECTION TAB LABEL TAB LINK; changed
 * @endpoints:	Where to
 *
 * An interface that is not there is left out: it went while the list was on its way.
 *
 * Return: false if it is no such line
 */
static bool parse_line(char *line, struct endpoints *endpoints)
{
    char *fields[4] = {line};
    struct capture_endpoint config;
    uint32_t ifindex;

    for (size_t i = 1; i < ARRAY_SIZE(fields); i++) {
        char *tab = strchr(fields[i - 1], '\t');

        if (!tab)
            return false;
        *tab = 0;
        fields[i] = tab + 1;
    }
    config = (struct capture_endpoint){.ifname = fields[0], .label = fields[2], .link = fields[3]};
    if (!*config.label || !capture_direction_parse(fields[1], &config.direction))
        return false;
    ifindex = if_nametoindex(config.ifname);
    for (size_t i = 0; ifindex && i < endpoints->count; i++)
        if (endpoints->items[i].ifindex == ifindex)
            return false;
    if (ifindex) {
        endpoints_add(endpoints, &config);
        endpoints->items[endpoints->count - 1].ifindex = ifindex;
    }
    return true;
}

/**
 * read_list() - Read the list that came with an order
 * @fd:		Regular file
 * @endpoints:	Filled, in the order of the list
 *
 * Return: false if it is none
 */
static bool read_list(int fd, struct endpoints *endpoints)
{
    _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", fd);
    _cleanup_free_ char *text = NULL;
    char *rest = NULL;
    size_t size;

    if (file_read(path, LIST_MAX, &text, &size, NULL) < 0)
        return false;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!parse_line(line, endpoints))
            return false;
    return true;
}

/**
 * same_text() - Are two texts the same?
 * @a:	Text or NULL
 * @b:	Text or NULL
 *
 * Return: true if so, or if there is neither
 */
static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/**
 * describe_next() - Interface blocks for what comes
 * @worker:	The worker
 */
static void describe_next(struct worker *worker)
{
    _cleanup_strbuf_ struct strbuf blocks = STRBUF_INIT;
    size_t had = worker->interface_count;

    for (size_t i = 0; i < worker->next.count; i++) {
        struct endpoint *endpoint = &worker->next.items[i];
        const struct endpoint *was = endpoints_find(&worker->now, endpoint->ifindex);

        if (was && same_text(was->label, endpoint->label) && same_text(was->link, endpoint->link))
            endpoint->number = was->number;
    }
    worker_ends_number(worker, &worker->next);
    worker_file_interfaces(worker, had, &blocks);
    if (!worker->keep && blocks.size)
        output_append(&worker->output, blocks.data, blocks.size);
}

/**
 * settle() - Wait until the change before this one is over
 * @worker:	The worker
 *
 * That one was ordered a few milliseconds ago, as changes of a lab take longer than this.
 */
static void settle(struct worker *worker)
{
    while (worker->tidy_due_ms && worker_now_ms() < worker->tidy_due_ms) {
        worker_take_ready(worker);
        (void)poll(NULL, 0, 1);
    }
    if (worker->tidy_due_ms)
        worker_ends_tidy(worker);
}

void worker_ends_order(struct worker *worker, const char *text, int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct endpoints list = {.count = 0};
    char *end;
    uint64_t id = strtoull(text, &end, 10), from_ns = strtoull(end, NULL, 10);

    if (fd < 0 || !read_list(fd, &list)) {
        endpoints_done(&list);
        log_warning("an order of the engine is not understood");
        return;
    }
    settle(worker);
    endpoints_done(&worker->next);
    worker->next = list;
    worker->next_ns = NOT_YET;
    if (from_ns) {
        describe_next(worker);
        worker->next_ns = from_ns;
        worker->order_ns = worker_clock_ns(CLOCK_REALTIME);
        worker->tidy_due_ms = worker_now_ms() + (int64_t)(worker->retire_ms + 2 * SLACK_MS);
    }
    endpoints_sort(&worker->next);
    if (worker_rings_follow(worker, &err) < 0)
        log_warning("%s", error_message(&err));
    report_ends(worker->options->control, id);
}

void worker_ends_switch(struct worker *worker)
{
    struct endpoints was = worker->now;

    worker_update_drops(worker); /* on those who had them */
    worker->now = worker->next;
    worker->next = (struct endpoints){.count = 0};
    worker->next_ns = 0;
    for (size_t i = 0; i < was.count; i++) {
        struct endpoint *stays = endpoints_find(&worker->now, was.items[i].ifindex);

        if (stays && stays->number == was.items[i].number)
            stays->gap = was.items[i].gap;
        if (stays) {
            endpoint_done(&was.items[i]);
            continue;
        }
        if (!was.items[i].until_ns)
            was.items[i].until_ns = worker->order_ns;
        array_grow(worker->now.items, worker->now.count, worker->now.capacity);
        worker->now.items[worker->now.count++] = was.items[i];
        endpoints_sort(&worker->now);
    }
    free(was.items);
    worker->gone_due_ms = 0;
}

void worker_ends_tidy(struct worker *worker)
{
    size_t kept = 0;

    worker->tidy_due_ms = 0;
    worker_take_ready(worker);
    if (worker->next_ns && worker->next_ns != NOT_YET)
        worker_ends_switch(worker);
    worker_update_drops(worker);
    for (size_t i = 0; i < worker->now.count; i++) {
        if (worker->now.items[i].until_ns)
            endpoint_done(&worker->now.items[i]);
        else
            worker->now.items[kept++] = worker->now.items[i];
    }
    worker->now.count = kept;
    worker_rings_tidy(worker);
    if (kept == 0)
        worker_finish_with_rest(worker, "what it captured is not in the lab any more");
    else
        worker_check_left(worker);
}
