// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_netfabric labctl_base

/* Random operations on a running fabric: cables cut, dark one way, into the wire and out of it,
 * plugged elsewhere; other lengths; segments, ways out, nodes that come and go. After each the
 * kernel is asked what is there, and that must be what the plan says, no more and no less; in the
 * end nothing is left. How many: LABCTL_LINK_OPERATIONS (10000 take a minute or two), else 400. The
 * seed is fixed: LABCTL_LINK_SEED takes another.
 *
 * The kernel's view comes from this program, run by the fabric inside its namespace: a line for
 * each interface, with what it is attached to. What the plan means is told by expect() below, which
 * knows nothing of how the fabric goes about it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "netfabric/fabric.h"

#define NODES     10
#define NICS      4
#define LANS      3
#define TEXT_MOST 65536u

/* ---- the kernel's view, told by a child inside the namespace ---- */

static void fail_child(const char *what)
{
    perror(what);
    _exit(1);
}

/* An attribute among others, NULL: it is not there. */
static const struct rtattr *find_attr(const struct rtattr *attr, size_t left, unsigned short type)
{
    for (; RTA_OK(attr, left) && attr->rta_len <= left; attr = RTA_NEXT(attr, left))
        if ((attr->rta_type & NLA_TYPE_MASK) == type)
            return attr;
    return NULL;
}

static const struct rtattr *find_inside(const struct rtattr *outer, unsigned short type)
{
    return outer ? find_attr(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

/* Ask for a list; each item goes to @take. */
static void dump(int sock, unsigned short type, const void *head, size_t size,
                 void (*take)(const struct nlmsghdr *message, void *data), void *data)
{
    static char buffer[1 << 16];
    struct {
        struct nlmsghdr header;
        char rest[64];
    } request = {.header = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
                            .nlmsg_type = type,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};

    memcpy(NLMSG_DATA(&request.header), head, size);
    if (send(sock, &request, request.header.nlmsg_len, 0) < 0)
        fail_child("netlink");
    for (;;) {
        ssize_t n = recv(sock, buffer, sizeof(buffer), 0);
        size_t left = (size_t)n;

        if (n < 0)
            fail_child("netlink");
        for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
                return;
            take(h, data);
        }
    }
}

struct seen {
    int index, master, filters, to, gates;
    unsigned limit; /* of the gate */
    bool up, is_bridge;
    char name[IFNAMSIZ];
};

struct view {
    struct seen items[4 * NODES * NICS];
    size_t count;
};

static void take_link(const struct nlmsghdr *message, void *data)
{
    const struct ifinfomsg *info = NLMSG_DATA(message);
    const struct rtattr *first = IFLA_RTA(info), *name, *master, *kind;
    size_t left = IFLA_PAYLOAD(message);
    struct view *view = data;
    struct seen *seen = &view->items[view->count];

    name = find_attr(first, left, IFLA_IFNAME);
    master = find_attr(first, left, IFLA_MASTER);
    kind = find_inside(find_attr(first, left, IFLA_LINKINFO), IFLA_INFO_KIND);
    if (!name || strcmp(RTA_DATA(name), "lo") == 0 || view->count == ARRAY_SIZE(view->items))
        return;
    *seen = (struct seen){.index = info->ifi_index, .up = (info->ifi_flags & IFF_UP) != 0};
    (void)snprintf(seen->name, sizeof(seen->name), "%s", (const char *)RTA_DATA(name));
    if (master)
        memcpy(&seen->master, RTA_DATA(master), sizeof(int));
    seen->is_bridge = kind && strncmp(RTA_DATA(kind), "bridge", RTA_PAYLOAD(kind)) == 0;
    view->count++;
}

static void take_filter(const struct nlmsghdr *message, void *data)
{
    const struct tcmsg *tc = NLMSG_DATA(message);
    const struct rtattr *options = find_attr(TCA_RTA(tc), TCA_PAYLOAD(message), TCA_OPTIONS);
    const struct rtattr *action = find_inside(find_inside(options, TCA_U32_ACT), 1);
    const struct rtattr *mirred =
        find_inside(find_inside(action, TCA_ACT_OPTIONS), TCA_MIRRED_PARMS);
    const struct rtattr *kind = find_attr(TCA_RTA(tc), TCA_PAYLOAD(message), TCA_KIND);
    const struct rtattr *limit = find_inside(options, TCA_BPF_CLASSID);
    struct seen *seen = data;
    struct tc_mirred parameters;

    if (kind && strcmp(RTA_DATA(kind), "bpf") == 0) {
        /* The kernel tells of each kind, then of each filter of it: that one has options. */
        if (find_inside(options, TCA_BPF_ID))
            seen->gates++;
        if (limit)
            memcpy(&seen->limit, RTA_DATA(limit), sizeof(seen->limit));
        return;
    }
    if (!mirred)
        return;
    memcpy(&parameters, RTA_DATA(mirred), sizeof(parameters));
    seen->filters++;
    seen->to = (int)parameters.ifindex;
}

static const char *name_of(const struct view *view, int index)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->items[i].index == index)
            return view->items[i].name;
    return "?";
}

/* tell_all() - What the child does: for each byte that comes, all interfaces, then an empty line.
 */
static int tell_all(void)
{
    static struct view view;
    int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    char byte;

    if (sock < 0)
        fail_child("netlink");
    while (read(STDIN_FILENO, &byte, 1) == 1) {
        const struct ifinfomsg all = {.ifi_family = AF_UNSPEC};

        view.count = 0;
        dump(sock, RTM_GETLINK, &all, sizeof(all), take_link, &view);
        for (size_t i = 0; i < view.count; i++) {
            struct seen *seen = &view.items[i];
            const struct tcmsg tc = {.tcm_ifindex = seen->index,
                                     .tcm_parent = TC_H_MAKE(TC_H_INGRESS, TC_H_MIN_INGRESS)};

            if (!seen->is_bridge)
                dump(sock, RTM_GETTFILTER, &tc, sizeof(tc), take_filter, seen);
        }
        for (size_t i = 0; i < view.count; i++) {
            const struct seen *seen = &view.items[i];

            (void)printf("%s%s", seen->name, seen->up ? "" : " down");
            if (seen->is_bridge)
                (void)printf(" bridge");
            if (seen->master)
                (void)printf(" port of %s", name_of(&view, seen->master));
            for (int f = 0; f < seen->filters; f++)
                (void)printf(" to %s", name_of(&view, seen->to));
            for (int g = 0; g < seen->gates; g++)
                (void)printf(" gate %u", seen->limit);
            (void)printf("\n");
        }
        (void)printf("\n");
        (void)fflush(stdout);
    }
    return 0;
}

/* ---- what should be ---- */

struct lab {
    char dir[64];
    char *socket;
    struct fabric *fabric;
    struct fabric_plan *plan;
    pid_t teller;
    int ask, answer, teller_pidfd;
};

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* sorted() - Lines of a text in order; the text is freed. */
static char *sorted(char *text)
{
    struct strbuf out = STRBUF_INIT;
    char **lines = NULL, *rest = text;
    size_t count = 0, capacity = 0;

    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        if (!*line)
            continue;
        array_grow(lines, count, capacity);
        lines[count++] = line;
    }
    if (count > 1)
        qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        strbuf_printf(&out, "%s\n", lines[i]);
    free(lines);
    free(text);
    return out.size ? strbuf_steal(&out) : xstrdup("");
}

/* put_gate() - What a line about a guest's tap, or a way out, ends in */
static void put_gate(struct strbuf *text, bool gate, unsigned limit)
{
    if (gate)
        strbuf_printf(text, " gate %u", limit);
    strbuf_printf(text, "\n");
}

static char *expect(const struct fabric_plan *plan, bool gate)
{
    unsigned *limits = calloc(plan->tap_count + 1, sizeof(*limits));
    char(*attached)[64] = calloc(plan->tap_count + 1, sizeof(*attached));
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < plan->link_count; i++) {
        const struct fabric_link *link = &plan->links[i];

        for (unsigned end = 0; end < 2; end++) {
            const char *here = plan->taps[link->taps[end]].ifname;
            const char *there = plan->taps[link->taps[!end]].ifname;
            char wire[IFNAMSIZ];

            fabric_wire_ifname(plan, i, end, wire);
            limits[link->taps[end]] = link->mtu;
            if (!link->dark[end])
                (void)snprintf(attached[link->taps[end]], sizeof(*attached), " to %s",
                               link->wire == FABRIC_WIRE_ACTIVE ? wire : there);
            if (link->wire != FABRIC_WIRE_NONE)
                strbuf_printf(&text, "%s%s%s\n", wire, link->dark[!end] ? "" : " to ",
                              link->dark[!end] ? "" : here);
        }
    }
    for (size_t i = 0; i < plan->segment_count; i++) {
        const struct fabric_segment *segment = &plan->segments[i];

        strbuf_printf(&text, "%s bridge\n", segment->ifname);
        for (size_t t = 0; t < segment->tap_count; t++) {
            (void)snprintf(attached[segment->taps[t]], sizeof(*attached), " port of %s",
                           segment->ifname);
            limits[segment->taps[t]] = segment->mtu;
        }
        if (segment->uplink != FABRIC_UPLINK_NONE) {
            char uplink[IFNAMSIZ];

            fabric_uplink_ifname(plan, i, uplink);
            strbuf_printf(&text, "%s port of %s", uplink, segment->ifname);
            put_gate(&text, gate, 0);
        }
    }
    for (size_t i = 0; i < plan->tap_count; i++) {
        strbuf_printf(&text, "%s%s", plan->taps[i].ifname, attached[i]);
        put_gate(&text, gate, limits[i]);
    }
    free(attached);
    free(limits);
    return sorted(text.size ? strbuf_steal(&text) : xstrdup(""));
}

static char *ask(const struct lab *lab)
{
    struct strbuf text = STRBUF_INIT;

    assert_int_equal(write(lab->ask, "?", 1), 1);
    for (;;) {
        char part[4096];
        ssize_t n = read(lab->answer, part, sizeof(part));

        assert_true(n > 0 && text.size < TEXT_MOST);
        strbuf_append(&text, part, (size_t)n);
        if (text.data[text.size - 1] == '\n' &&
            (text.size == 1 || text.data[text.size - 2] == '\n'))
            return sorted(strbuf_steal(&text));
    }
}

/* ---- operations ---- */

/* The names that things have, so that a plan knows what stays. */
static char node_names[NODES][8], lan_names[LANS][8], link_names[NODES * NICS][8];

static unsigned pick(unsigned *seed, unsigned below)
{
    return (unsigned)rand_r(seed) % below;
}

static unsigned random_mtu(unsigned *seed)
{
    return pick(seed, 3) ? 68 + pick(seed, 9433) : 0;
}

/* plan_anew() - Other nodes, cables and segments; what has the same name keeps its interfaces. */
static void plan_anew(struct lab *lab, unsigned *seed)
{
    struct node nodes[NODES];
    struct link links[NODES * NICS] = {0};
    struct lan lans[LANS] = {0};
    struct uplink uplink = {.name = (char *)(uintptr_t) "inet", .type = UPLINK_NAT};
    struct endpoint ends[LANS + 1][NODES * NICS], free_ends[NODES * NICS];
    struct topology topology = {.nodes = nodes, .links = links, .lans = lans, .uplinks = &uplink};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct fabric_plan *plan = NULL;
    size_t free_count = 0, lan_of;

    for (unsigned n = 0; n < NODES; n++)
        if (pick(seed, 5) > 0)
            nodes[topology.node_count++] =
                (struct node){.name = node_names[n], .nics = 1 + pick(seed, NICS)};
    for (size_t n = 0; n < topology.node_count; n++)
        for (unsigned nic = 0; nic < nodes[n].nics; nic++)
            free_ends[free_count++] = (struct endpoint){.node = n, .nic = nic};
    for (size_t i = free_count; i > 1; i--) { /* shuffled */
        size_t other = pick(seed, (unsigned)i);
        struct endpoint end = free_ends[i - 1];

        free_ends[i - 1] = free_ends[other];
        free_ends[other] = end;
    }
    topology.lan_count = pick(seed, LANS + 1);
    topology.uplink_count = pick(seed, 2);
    for (unsigned i = 0; i < LANS; i++)
        lans[i] = (struct lan){.name = lan_names[i], .ends = ends[i], .mtu = random_mtu(seed)};
    uplink.ends = ends[LANS];
    while (free_count > 4) {
        if (pick(seed, 4) > 0) {
            struct link *link = &links[topology.link_count];

            link->name = link_names[topology.link_count++];
            link->ends[0] = free_ends[--free_count];
            link->ends[1] = free_ends[--free_count];
            link->mtu = random_mtu(seed);
        } else if (topology.lan_count > 0 && pick(seed, 2)) {
            lan_of = pick(seed, (unsigned)topology.lan_count);
            ends[lan_of][lans[lan_of].end_count++] = free_ends[--free_count];
        } else if (topology.uplink_count > 0) {
            ends[LANS][uplink.end_count++] = free_ends[--free_count];
        }
    }
    if (fabric_plan_make(&topology, lab->plan, &plan, &err) < 0)
        fail_msg("%s", error_message(&err));
    for (size_t i = 0; i < plan->link_count; i++)
        plan->links[i].wire = (enum fabric_wire)pick(seed, 3);
    fabric_plan_free(lab->plan);
    lab->plan = plan;
}

/* change_links() - A few cables are cut, healed, led into the wire or out of it, or take frames of
 * another length. */
static void change_links(struct lab *lab, unsigned *seed)
{
    for (unsigned n = 1 + pick(seed, 3); n > 0 && lab->plan->link_count > 0; n--) {
        struct fabric_link *link = &lab->plan->links[pick(seed, (unsigned)lab->plan->link_count)];

        switch (pick(seed, 5)) {
        case 0:
            link->dark[pick(seed, 2)] ^= true;
            break;
        case 1:
            link->dark[0] = link->dark[1] = !link->dark[0];
            break;
        case 2:
            link->mtu = random_mtu(seed);
            break;
        default:
            link->wire = (enum fabric_wire)pick(seed, 3);
        }
    }
}

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void test_random_operations(void **state)
{
    const unsigned operations = number_from("LABCTL_LINK_OPERATIONS", 400);
    const unsigned first_seed = number_from("LABCTL_LINK_SEED", 3);
    struct lab *lab = *state;
    unsigned seed = first_seed;
    struct timespec start, end;

    if (!lab->fabric)
        skip();
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned i = 0; i < operations; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *want = NULL, *have = NULL;

        if (i % 16 == 0)
            plan_anew(lab, &seed);
        else
            change_links(lab, &seed);
        if (fabric_apply(lab->fabric, lab->plan, &err) < 0)
            fail_msg("operation %u of seed %u: %s", i, first_seed, error_message(&err));
        want = expect(lab->plan, fabric_has_gate(lab->fabric));
        have = ask(lab);
        if (strcmp(want, have) != 0)
            fail_msg("after operation %u of seed %u the kernel has\n%s\nand should have\n%s", i,
                     first_seed, have, want);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    print_message("%u operations, each compared: %.1f s\n", operations,
                  (double)(end.tv_sec - start.tv_sec) +
                      (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    /* And down: an empty plan leaves an empty namespace. */
    {
        const struct topology nothing = {0};
        struct fabric_plan *empty = NULL;
        _cleanup_free_ char *have = NULL;

        assert_int_equal(fabric_plan_make(&nothing, lab->plan, &empty, NULL), 0);
        assert_int_equal(fabric_apply(lab->fabric, empty, NULL), 0);
        have = ask(lab);
        assert_string_equal(have, "");
        fabric_plan_free(empty);
    }
}

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *argv[] = {NULL, "--tell", NULL};
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int to[2], from[2];

    *state = lab;
    lab->ask = lab->answer = lab->teller_pidfd = -1;
    for (int i = 0; i < NODES; i++)
        (void)snprintf(node_names[i], sizeof(node_names[i]), "n%d", i);
    for (int i = 0; i < LANS; i++)
        (void)snprintf(lan_names[i], sizeof(lan_names[i]), "lan%d", i);
    for (int i = 0; i < NODES * NICS; i++)
        (void)snprintf(link_names[i], sizeof(link_names[i]), "l%d", i);
    (void)snprintf(lab->dir, sizeof(lab->dir), "/tmp/labctl-random-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    lab->socket = path_join(lab->dir, "fabric.sock");
    assert_true(length > 0);
    self[length] = 0;
    argv[0] = self;
    if (fabric_start(lab->socket, 2, &lab->fabric, &err) < 0) {
        print_message("SKIP: %s\n", error_message(&err));
        lab->fabric = NULL;
        return 0;
    }
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    assert_int_equal(fabric_spawn(lab->fabric, argv, (int[]){to[0], from[1], 2}, 3, &lab->teller,
                                  &lab->teller_pidfd, NULL),
                     0);
    (void)close(to[0]);
    (void)close(from[1]);
    lab->ask = to[1];
    lab->answer = from[0];
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    cleanup_close(&lab->ask);
    cleanup_close(&lab->answer);
    cleanup_close(&lab->teller_pidfd);
    if (lab->fabric)
        assert_int_equal(fabric_stop(lab->fabric, NULL), 0);
    fabric_plan_free(lab->plan);
    free(lab->socket);
    assert_int_equal(dir_remove_tree(lab->dir, NULL), 0);
    free(lab);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_operations, setup, teardown),
    };

    if (argc == 2 && strcmp(argv[1], "--tell") == 0)
        return tell_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
