// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_topology labctl_base

/* What a topology file may not say: each fault with its place and its words. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "topology/read.h"
#include "unit/topology_images.h"

/* All faults as "LINE:COL: TEXT" lines. */
static char *faults(const char *text)
{
    struct diagnostics d = {.items = NULL};
    struct strbuf out = STRBUF_INIT;
    struct topology *topology = NULL;
    int r = topology_parse("/tmp/some-lab.yaml", text, strlen(text), &images, &topology, &d, NULL);

    assert_int_equal(r, -EINVAL);
    assert_null(topology);
    assert_true(d.count > 0);
    for (size_t i = 0; i < d.count; i++) {
        assert_null(strpbrk(d.items[i].text, "\n\r\033"));
        strbuf_printf(&out, "%u:%u: %s\n", d.items[i].at.line, d.items[i].at.column,
                      d.items[i].text);
    }
    diagnostics_done(&d);
    return strbuf_steal(&out);
}

struct fault_case {
    const char *text;
    const char *said; /* the whole of what is said */
};

static void check(const struct fault_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup_free_ char *said = faults(cases[i].text);

        if (strcmp(said, cases[i].said) != 0)
            fail_msg("of\n%s\nis said\n%sand not\n%s", cases[i].text, said, cases[i].said);
    }
}

#define TWO "nodes: {r1: {image: frr}, r2: {image: frr}}\n"

static void test_top(void **state)
{
    static const struct fault_case cases[] = {
        {"- a\n", "1:1: a topology file must be a mapping of keys to values, here is a list; write "
                  "'nodes:' and what follows\n"},
        {"lab: x\n", "1:1: the topology has no nodes: give at least one under 'nodes'\n"},
        {"nodes: {}\n", "1:8: 'nodes' is empty: a topology has at least one node\n"},
        {"nodes:\n", "1:7: 'nodes' must be a mapping of keys to values, here is nothing; write "
                     "each node on a line of its own, indented\n"},
        {"nodes: [r1]\n", "1:8: 'nodes' must be a mapping of keys to values, here is a list; write "
                          "'r1: {image: frr}' for each\n"},
        {TWO "capture: 60s\n", "2:10: 'capture' must be a mapping of keys to values, here is a "
                               "value; write {keep: 60s}\n"},
        {TWO "networks: {}\n", "2:1: unknown key 'networks': did you mean 'lans'?\n"},
        {TWO "lnks: []\n", "2:1: unknown key 'lnks': did you mean 'links'?\n"},
        {TWO "zzz: 1\n",
         "2:1: unknown key 'zzz': known here are lab, description, defaults, nodes, "
         "links, lans, uplinks, mtu, capture\n"},
        {TWO "lab: a b\n", "2:6: lab: 'a b' is not a name: 1 to 63 letters, digits, '.', '_' and "
                           "'-', the first one a letter or digit\n"},
        {TWO "lab:\n", "2:5: 'lab' must be a single value, here is nothing\n"},
        {TWO "lab: true\n", "2:6: 'lab': true is a truth value; put it in quotes if it is meant as "
                            "text\n"},
        {TWO "lab: ''\n", "2:6: 'lab' is empty\n"},
        {TWO "lab: \"a\\e[2J\"\n", "2:6: 'lab' holds a control character: 'a\\x1b[2J'\n"},
        {TWO "lab: a\nlab: b\n", "3:1: key 'lab' is given twice, first on line 2\n"},
        {TWO "capture: {keep: 2h}\n", "2:17: keep: '2h' is out of range: 0 to 3600s is allowed\n"},
        {TWO "capture: {}\nlinks: {}\n", "3:8: 'links' must be a list [..., ...], here is a "
                                         "mapping; write '- [r1:eth0, r2:eth0]' for each\n"},
        {TWO "<<: {lab: x}\n", "2:1: merge keys (<<) are not read; write the keys out, or use an "
                               "alias for the whole value\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_nodes(void **state)
{
    static const struct fault_case cases[] = {
        {"nodes: {r1: {}}\n",
         "1:9: node 'r1' has no image: give 'image' here or under 'defaults'\n"},
        {"nodes: {r1: {image: fr}}\n", "1:21: image 'fr' is not there: did you mean 'frr'?\n"},
        {"nodes: {r1: {image: host}}\n", "1:21: image 'host' is not there: build it\n"},
        {"nodes: {r1: {image: sonic}}\n",
         "1:21: image 'sonic' is not there: see 'labctl image list', or make it by 'labctl image "
         "build sonic'\n"},
        {"nodes: {r1: {image: broken}}\n",
         "1:21: image 'broken' cannot be used: line one; line two\n"},
        /* Of a default, once; and nothing of the ports of such nodes. */
        {"defaults: {image: fr}\nnodes: {r1: {}, r2: {}}\nlinks: [[r1:eth9, r2:Foo]]\n",
         "1:19: image 'fr' is not there: did you mean 'frr'?\n"},
        {"nodes: {r1: {image: frr, memory: 128M}}\n",
         "1:34: node 'r1': memory 128M is too little: image 'frr' needs at least 160M\n"},
        {"nodes: {r1: {image: frr, nics: 29}}\n",
         "1:32: node 'r1': 29 NICs are too many: image 'frr' can have at most 28\n"},
        {"nodes: {r1: {image: frr, memory: lots, cpus: 0, nics: -1}}\n",
         "1:34: memory: 'lots' is not a size: write 256M, 1G or a number of bytes\n"
         "1:46: cpus: '0' is out of range: 1 to 255 are allowed\n"
         "1:55: nics: '-1' is out of range: 0 to 256 are allowed\n"},
        {"nodes: {r1: {image: frr, accel: kmv, restart: sometimes}}\n",
         "1:33: accel: 'kmv' is unknown: did you mean 'kvm'?\n"
         "1:47: restart: 'sometimes' is unknown: it may be never, on-failure, always\n"},
        {"nodes: {r1: {image: frr, machine: 'q35,dumpdtb=x', cpu: 'a b'}}\n",
         "1:35: machine: 'q35,dumpdtb=x': only letters, digits and '._-' are allowed here, the '-' "
         "not in front\n"
         "1:57: cpu: 'a b': only letters, digits and '._+,=-' are allowed here, the '-' not in "
         "front\n"},
        {"nodes: {r_1: {image: frr}}\n",
         "1:9: 'r_1' is no host name, which a node's name must be: 1 to 63 letters, digits and "
         "inner hyphens\n"},
        {"nodes:\n  r1: {image: frr}\n  r1: {image: frr}\n",
         "3:3: node 'r1' is given twice, first on line 2\n"},
        {"nodes:\n  r1: {image: frr}\n  R1: {image: frr}\n",
         "3:3: nodes 'R1' and 'r1' (line 2) differ in case only; host names do not\n"},
        {"nodes: {r1: frr}\n", "1:13: node 'r1' must be a mapping of keys to values, here is a "
                               "value; write r1: {image: frr}\n"},
        {"nodes: {r1: {image: frr, memory: 256, ram: 1G}}\n",
         "1:34: memory: '256' is out of range: 1M to 16T is allowed (a number without a unit is "
         "bytes)\n"
         "1:39: unknown key 'ram': did you mean 'memory'?\n"},
        {"nodes: {r1: {image: frr, console: {vnc: 80}}}\n",
         "1:41: vnc: '80' is out of range: 5900 to 65535 are allowed (or write auto or off)\n"},
        {"nodes: {r1: {image: frr, console: {telnet: 0}}}\n",
         "1:44: telnet: '0' is out of range: 1 to 65535 are allowed (or write auto or off)\n"},
        {"nodes: {r1: {image: frr, console: {telnet: 23}}, r2: {image: frr, console: {telnet: "
         "23}}}\n",
         "1:50: telnet port 23 of node 'r2' is that of node 'r1' too\n"},
        {"nodes: {r1: {image: frr, display: spice, firmware: efi, serials: 5}}\n",
         "1:35: display: 'spice' is unknown: it may be none, vnc\n"
         "1:52: firmware: 'efi' is unknown: did you mean 'uefi'?\n"
         "1:66: serials: '5' is out of range: 1 to 4 are allowed\n"},
        {"defaults: {serials: 3}\nnodes: {r1: {image: vendor}, r2: {image: frr, firmware: uefi}}\n",
         "1:21: node 'r1': serials: not 3\n"},
        {"nodes: {r1: {image: vendor, firmware: uefi, display: vnc, serials: 2}}\n",
         "1:39: node 'r1': firmware: no UEFI\n"
         "1:54: node 'r1': display: no screen\n"
         "1:68: node 'r1': serials: not 2\n"},
        {"nodes: {r1: {image: frr, ready_timeout: 10}}\n",
         "1:41: ready_timeout: '10' has no unit: write 10ms, 1.5s, 100us or 2m\n"},
        {TWO "defaults: {config: x}\n", "2:12: unknown key 'config': known here are image, memory, "
                                        "cpus, cpu_share, memory_limit, nics, nic_model, accel, "
                                        "machine, cpu, display, firmware, serials, restart\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_after(void **state)
{
    static const struct fault_case cases[] = {
        {"defaults: {image: frr}\nnodes: {r1: {after: r2}, r2: {after: [r3]}, r3: {after: [r1]}}\n",
         "2:9: nodes wait for each other in a circle ('after'): r1 -> r2 -> r3 -> r1\n"},
        {"defaults: {image: frr}\nnodes: {r1: {after: r2}, r2: {after: [r3]}, r3: {after: [r2]}}\n",
         "2:26: nodes wait for each other in a circle ('after'): r2 -> r3 -> r2\n"},
        {"defaults: {image: frr}\nnodes: {r1: {after: r1}}\n",
         "2:21: node 'r1' cannot wait for itself\n"},
        {"defaults: {image: frr}\nnodes: {r1: {after: [R2, x]}, r2: {after: {}}}\n",
         "2:22: there is no node 'R2': did you mean 'r2'?\n"
         "2:26: there is no node 'x'\n"
         "2:43: 'after' must be a list [..., ...], here is a mapping; write after: r1, or after: "
         "[r1, r2]\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_links(void **state)
{
    static const struct fault_case cases[] = {
        {TWO "links: [[r1:eth0, r2:eth0], [r1:eth0, r2:eth1]]\n",
         "2:30: 'r1:eth0' has a cable already: line 2, column 10\n"},
        {TWO "links: [[r1:eth0, r1:eth0]]\n",
         "2:19: 'r1:eth0' has a cable already: line 2, column 10\n"},
        {TWO "lans: {l: [r1:eth0]}\nuplinks: {u: {type: nat, ends: [r1:eth0]}}\n",
         "3:33: 'r1:eth0' has a cable already: line 2, column 12\n"},
        {TWO "links: [[r1:eth0, r3:eth0]]\n", "2:19: there is no node 'r3': did you mean 'r1'?\n"},
        {TWO "links: [[r1:eth4, r2:eth28]]\n",
         "2:10: 'r1:eth4': node 'r1' has 4 NICs (eth0 to eth3); give it more with 'nics: 5'\n"
         "2:19: 'r2:eth28': node 'r2' has 4 NICs (eth0 to eth3), and image 'frr' can have at most "
         "28\n"},
        {"nodes: {v: {image: vendor}, w: {image: frr, nics: 1}, z: {image: frr, nics: 0}}\n"
         "links: [[v:Gi0/2, w:eth1], [v:Te1, z:eth0]]\n",
         "2:10: 'v:Gi0/2': node 'v' has 2 NICs (Gi0/0 to Gi0/1); give it more with 'nics: 3'\n"
         "2:19: 'w:eth1': node 'w' has one NIC (eth0); give it more with 'nics: 2'\n"
         "2:29: 'v:Te1': node 'v' has no port of that name; it has 2 NICs (Gi0/0 to Gi0/1)\n"
         "2:36: 'z:eth0': node 'z' has no NICs; give it more with 'nics: 1'\n"},
        {TWO "links: [[r1, r2:eth0], [':eth0', 'r2:'], [{}, []], [r1:eth0], 5, {name: x}]\n",
         "2:10: 'r1' is no end of a cable: write NODE:PORT, such as r1:eth0\n"
         "2:25: ':eth0' is no end of a cable: write NODE:PORT, such as r1:eth0\n"
         "2:34: 'r2:' is no end of a cable: write NODE:PORT, such as r1:eth0\n"
         "2:43: an end, such as r1:eth0, must be a single value, here is a mapping\n"
         "2:47: an end, such as r1:eth0, must be a single value, here is a list\n"
         "2:52: a link has two ends, here is 1\n"
         "2:63: a link must be a list [..., ...], here is a value; write '- [r1:eth0, r2:eth0]' "
         "for each\n"
         "2:66: the link has no ends: give 'ends: [r1:eth0, r2:eth0]'\n"},
        {TWO "links: [[r1: eth0, {r2: }], [r1:eth1, r2:eth1, r1:eth2], {endpoints: [r1:eth0, "
             "r2:eth0]}]\n",
         "2:10: an end has no space after its colon: write r1:eth0\n"
         "2:20: an end has no space after its colon: write r2:eth0\n"
         "2:29: a link has two ends, here are 3; more than two are a segment, under 'lans'\n"
         "2:58: the link has no ends: give 'ends: [r1:eth0, r2:eth0]'\n"
         "2:59: unknown key 'endpoints': did you mean 'ends'?\n"},
        {TWO "links:\n- {ends: [r1:eth0, r2:eth0], name: r1}\n- {ends: [r1:eth1, r2:eth1], name: "
             "a}\n- {ends: [r1:eth2, r2:eth2], name: a}\nlans: {a: [r1:eth3]}\n",
         "3:3: link 'r1' has the name of the node on line 1\n"
         "5:3: link 'a' has the name of the link on line 4\n"
         "6:8: LAN 'a' has the name of the link on line 5\n"},
        {"nodes: {r1: {image: frr}, v: {image: vendor}}\nlinks: [{ends: [r1:eth0, v:eth0], mtu: "
         "9000}]\nlans: {l: {ends: [v:eth1], mtu: 60}}\n",
         "2:40: mtu: 9000 is more than the NIC of 'v' (image 'vendor') can do: 1500\n"
         "3:33: mtu: '60' is out of range: 68 to 9500 are allowed\n"},
        {"mtu: 9000\n"
         "nodes: {r1: {image: frr}, v: {image: vendor}, r2: {image: frr}}\n"
         "links:\n"
         "- [r1:eth0, v:eth0]\n"
         "- [r1:eth1, r2:eth0]\n"
         "lans: {l: [r2:eth1, v:eth1]}\n",
         "4:3: the lab's mtu: 9000 is more than the NIC of 'v' (image 'vendor') can do: 1500; give "
         "an 'mtu' of its own here\n"
         "6:8: the lab's mtu: 9000 is more than the NIC of 'v' (image 'vendor') can do: 1500; give "
         "an 'mtu' of its own here\n"},
        {"mtu: 9000\n"
         "nodes: {r1: {image: frr}, v: {image: vendor}}\n"
         "links: [{ends: [r1:eth0, v:eth0], mtu: 1500}]\n"
         "lans: {l: [r9:eth1]}\n",
         "4:12: there is no node 'r9': did you mean 'r1'?\n"},
        {TWO "mtu: 9501\n", "2:6: mtu: '9501' is out of range: 68 to 9500 are allowed\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_impairments(void **state)
{
    static const struct fault_case cases[] = {
        {TWO "links: [{ends: [r1:eth0, r2:eth0], delay: -1, loss: 101%}]\n",
         "2:43: delay: '-1' is not a duration: write 10ms, 1.5s, 100us or 2m\n"
         "2:53: loss: '101%' is more than 100%\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], delay: 300h, rate: 5, queue: x, only: ''}]\n",
         "2:43: delay: '300h' is out of range: 0 to 60s is allowed\n"
         "2:55: rate: '5' has no unit: write 10Mbit, 64kbit or 1Gbit\n"
         "2:65: queue: 'x' is neither a size nor a duration: write 64k or 50ms\n"
         "2:74: 'only' is empty\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], burst: 3k}]\n",
         "2:9: burst: a burst belongs to a rate; give 'rate' too\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], a_to_b: {dely: 1ms}, b_to_a: 5}]\n",
         "2:45: unknown key 'dely': did you mean 'delay'?\n"
         "2:65: 'b_to_a' must be a mapping of keys to values, here is a value\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], loss: {}}]\n",
         "2:42: loss: the mapping is empty: give 'random' or 'burst'\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], loss: {burst: {enter: 1%}}}]\n",
         "2:50: burst: needs 'enter' and 'leave', the chances per frame that a burst begins and "
         "ends\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], loss: {burst: {enter: 1%, leave: 0}}}]\n",
         "2:69: leave: must be more than 0\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], flap: {every: 1s}, state: dwn}]\n",
         "2:42: flap: needs 'every' and 'down', how often the link fails and for how long\n"
         "2:62: state: 'dwn' is unknown: did you mean 'down'?\n"},
        {TWO "links: [{ends: [r1:eth0, r2:eth0], flap: {every: 1s, down: 2s}}]\n",
         "2:42: flap: 'down' must be less than 'every'\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_segments(void **state)
{
    static const struct fault_case cases[] = {
        {TWO "lans: {a/b: [r1:eth0], c: [], d: {}, e: 5}\n",
         "2:8: 'a/b' is no name for a LAN: 1 to 63 letters, digits, '.', '_' and '-', the first "
         "one "
         "a letter or digit\n"
         "2:27: LAN 'c' has no ends: give at least one, such as [r1:eth0]\n"
         "2:34: LAN 'd' has no ends: give at least one, such as 'ends: [r1:eth0]'\n"
         "2:41: LAN 'e' must be a list [..., ...], here is a value; write [r1:eth0, r2:eth0]\n"},
        {TWO "uplinks: {u: {ends: [r1:eth0]}, v: {type: nat}, w: {type: nat, ends: []}, x: []}\n",
         "2:11: uplink 'u' has no type: give 'type: nat', bridge, physical or vxlan\n"
         "2:33: uplink 'v' has no ends: give at least one, such as 'ends: [r1:eth0]'\n"
         "2:70: uplink 'w' has no ends: give at least one, such as [r1:eth0]\n"
         "2:78: uplink 'x' must be a mapping of keys to values, here is a list; write {type: nat, "
         "ends: [r1:eth0]}\n"},
        {TWO "uplinks:\n  n: {type: nat, ends: [r1:eth0], interface: eth0, vni: 5}\n"
             "  b: {type: bridge, ends: [r1:eth1], remote: '::1'}\n"
             "  v: {type: vxlan, ends: [r1:eth2], remote: here, vni: 16777216}\n",
         "3:46: 'interface' does not belong to an uplink of type nat\n"
         "3:57: 'vni' does not belong to an uplink of type nat\n"
         "4:3: uplink 'b' of type bridge needs 'interface'\n"
         "4:46: 'remote' does not belong to an uplink of type bridge\n"
         "5:45: remote: 'here' is no IPv4 or IPv6 address\n"
         "5:56: vni: '16777216' is out of range: 1 to 16777215 are allowed\n"},
        {TWO "uplinks: {p: {type: physical, ends: [r1:eth0], interface: a/b}}\n",
         "2:59: interface: 'a/b' is no name of an interface: 1 to 15 characters, no '/', ':' or "
         "space\n"},
        {TWO "uplinks: {n: {type: nat, ends: [r1:eth0], forward: [x, \"1.2.3.4:5 -> r2:1\", "
             "\"1.2.3.4:0 -> r1:1\", \"a:1 -> r1:1\", \"1.2.3.4:1 -> r9:1\"]}}\n",
         "2:53: forward: 'x' is not of the form 'ADDRESS:PORT -> NODE:PORT', such as "
         "'127.0.0.1:2201 -> r1:22' (udp: before it for UDP)\n"
         "2:56: forward: '1.2.3.4:5 -> r2:1': node 'r2' is no end of uplink 'n'\n"
         "2:77: forward: '1.2.3.4:0 -> r1:1' is not of the form 'ADDRESS:PORT -> NODE:PORT', such "
         "as '127.0.0.1:2201 -> r1:22' (udp: before it for UDP)\n"
         "2:98: forward: 'a:1 -> r1:1': before '->' stands an address of this host\n"
         "2:113: there is no node 'r9': did you mean 'r1'?\n"},
    };

    (void)state;
    check(cases, ARRAY_SIZE(cases));
}

static void test_no_name(void **state)
{
    struct diagnostics d = {.items = NULL};
    struct topology *topology = NULL;

    (void)state;
    assert_int_equal(
        topology_parse("/tmp/a b.yaml", TWO, strlen(TWO), &images, &topology, &d, NULL), -EINVAL);
    assert_int_equal(d.count, 1);
    assert_string_equal(
        d.items[0].text,
        "the lab has no name: the file's own ('a b') does not serve as one, so begin "
        "with a line 'lab: NAME'");
    diagnostics_done(&d);
}

/* A file full of slips is answered soon, and not at more length than anyone reads. */
static void test_many(void **state)
{
    struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *said = NULL;
    size_t lines = 0;

    (void)state;
    strbuf_puts(&text, "defaults: {image: frr}\nnodes:\n");
    for (int i = 0; i < 4000; i++)
        strbuf_printf(&text, "  nodenodenodenodenodenodenodenodenode%d: {}\n", i);
    strbuf_puts(&text, "links:\n");
    for (int i = 0; i < 20000; i++)
        strbuf_printf(&text, "- [modenodenodenodenodenodenodenodenode%d:eth0, x:eth%d]\n", i, i);
    said = faults(text.data);
    for (const char *at = said; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 200);
    strbuf_done(&text);
}

static void test_too_many_nodes(void **state)
{
    struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *said = NULL;

    (void)state;
    strbuf_puts(&text, "defaults: {image: frr}\nnodes:\n");
    for (int i = 0; i < 4097; i++)
        strbuf_printf(&text, "  n%d: {}\n", i);
    said = faults(text.data);
    assert_string_equal(said, "3:3: 4097 nodes are too many: a lab has at most 4096\n");
    strbuf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_impairments),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_no_name),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_too_many_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
