// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_topology labctl_base

/* What a topology file may say, and what becomes of it in the model. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "topology/impairment.h"
#include "topology/read.h"
#include "unit/topology_images.h"

static struct topology *parse(const char *text)
{
    struct diagnostics d = {.items = NULL};
    struct topology *topology = NULL;
    int r = topology_parse("/tmp/some-lab.yaml", text, strlen(text), &images, &topology, &d, NULL);

    for (size_t i = 0; i < d.count; i++)
        print_message("%u:%u: %s\n", d.items[i].at.line, d.items[i].at.column, d.items[i].text);
    assert_int_equal(r, 0);
    assert_int_equal(d.count, 0);
    return topology;
}

static void test_lab_mtu(void **state)
{
    struct topology *t = parse("mtu: 1450\n"
                               "defaults: {image: frr}\n"
                               "nodes: {r1: , r2: }\n"
                               "links:\n"
                               "  - [r1:eth0, r2:eth0]\n"
                               "  - {ends: [r1:eth1, r2:eth1], name: named}\n"
                               "  - {ends: [r1:eth2, r2:eth2], mtu: 9000}\n"
                               "lans:\n"
                               "  own: {ends: [r1:eth3], mtu: 1280}\n"
                               "  labs: [r2:eth3]\n");

    (void)state;
    assert_int_equal(t->links[0].mtu, 1450);
    assert_int_equal(t->links[1].mtu, 1450);
    assert_int_equal(t->links[2].mtu, 9000);
    assert_int_equal(t->lans[0].mtu, 1280);
    assert_int_equal(t->lans[1].mtu, 1450);
    topology_free(t);
}

static void test_everything(void **state)
{
    struct topology *t =
        parse("lab: all\n"
              "description: |\n  Two\n  lines\n"
              "defaults: {image: frr, memory: 256M, cpus: 2, accel: tcg, restart: always}\n"
              "capture: {keep: 60s}\n"
              "links:\n"
              "  - [r1:eth0, r2:eth0]\n"
              "  - {ends: [r1:eth1, v:eth1], name: access, delay: 10ms, jitter: 2ms, loss: 0.5%,\n"
              "     jitter_shape: normal, duplicate: 1%, reorder: 2%, corrupt: 3%, rate: 10Mbit,\n"
              "     burst: 16k, queue: 50ms, only: \"icmp\", seed: 7, mtu: 1400, state: down,\n"
              "     flap: {every: 30s, down: 2s}, a_to_b: {delay: 20ms, only: tcp},\n"
              "     b_to_a: {queue: 64k, loss: {random: 1%, burst: {enter: 2%, leave: 25%}}}}\n"
              "lans:\n"
              "  core: [r1:eth2, r2:eth2, v:Gi0/0]\n"
              "  side: {ends: [r2:eth1], mtu: 9000}\n"
              "uplinks:\n"
              "  net: {type: nat, ends: [r1:eth3], forward: [\"127.0.0.1:2201 -> r1:22\",\n"
              "        \"udp:[::1]:53 -> r1:53\"]}\n"
              "  br: {type: bridge, ends: [r2:eth3], interface: br0}\n"
              "  far: {type: vxlan, ends: [r2:eth4], remote: 192.0.2.1, vni: 42}\n"
              "nodes:\n"
              "  r1:\n"
              "  r2: {nics: 6, after: r1, memory: 1G, cpus: 1, accel: kvm, machine: pc,\n"
              "       cpu: \"max,+avx2\", console: {telnet: 5001}, restart: never,\n"
              "       ready_timeout: 90s, display: vnc, firmware: uefi, serials: 3}\n"
              "  v: {image: vendor, after: [r1, r2], console: {telnet: auto, vnc: 5907}}\n");
    const struct link *access = &t->links[1];

    (void)state;
    assert_string_equal(t->lab, "all");
    assert_string_equal(t->path, "/tmp/some-lab.yaml");
    assert_string_equal(t->description, "Two\nlines");
    assert_int_equal(t->capture_keep_ns, 60000000000);
    assert_int_equal(t->node_count, 3);
    assert_string_equal(t->nodes[0].name, "r1");
    assert_int_equal(t->nodes[0].at.line, 23);
    assert_string_equal(t->nodes[0].image, "frr");
    assert_int_equal(t->nodes[0].memory_bytes, 256 << 20);
    assert_int_equal(t->nodes[0].nics, 4);
    assert_int_equal(t->nodes[0].cpus, 2);
    assert_int_equal(t->nodes[0].accel, ACCEL_TCG);
    assert_int_equal(t->nodes[0].restart, RESTART_ALWAYS);
    assert_int_equal(t->nodes[1].memory_bytes, 1 << 30);
    assert_int_equal(t->nodes[1].nics, 6);
    assert_int_equal(t->nodes[1].accel, ACCEL_KVM);
    assert_string_equal(t->nodes[1].machine, "pc");
    assert_string_equal(t->nodes[1].cpu_model, "max,+avx2");
    assert_int_equal(t->nodes[1].telnet_port, 5001);
    assert_int_equal(t->nodes[1].restart, RESTART_NEVER);
    assert_int_equal(t->nodes[1].ready_timeout_ns, 90000000000);
    assert_int_equal(t->nodes[1].display, NODE_DISPLAY_VNC);
    assert_int_equal(t->nodes[1].firmware, NODE_FIRMWARE_UEFI);
    assert_int_equal(t->nodes[1].serials, 3);
    assert_int_equal(t->nodes[2].display, NODE_DISPLAY_IMAGE);
    assert_int_equal(t->nodes[2].serials, 0);
    assert_int_equal(t->nodes[1].after_count, 1);
    assert_int_equal(t->nodes[2].after_count, 2);
    assert_int_equal(t->nodes[2].after[1], 1);
    assert_int_equal(t->nodes[2].telnet_port, -1);
    assert_int_equal(t->nodes[2].vnc_port, 5907);
    assert_int_equal(t->link_count, 2);
    assert_string_equal(t->links[0].name, "r1:eth0--r2:eth0");
    assert_false(t->links[0].down);
    assert_string_equal(access->name, "access");
    assert_string_equal(access->ends[1].port, "Gi0/1");
    assert_int_equal(access->ends[1].nic, 1);
    assert_int_equal(access->ends[1].node, 2);
    assert_int_equal(access->mtu, 1400);
    assert_true(access->down);
    assert_int_equal(access->flap_every_ns, 30000000000);
    assert_int_equal(access->flap_down_ns, 2000000000);
    assert_int_equal(access->impairment[0].delay_ns, 20000000);
    assert_int_equal(access->impairment[1].delay_ns, 10000000);
    assert_int_equal(access->impairment[0].jitter_shape, JITTER_NORMAL);
    assert_int_equal(access->impairment[0].loss_ppm, 5000);
    assert_int_equal(access->impairment[1].loss_ppm, 10000);
    assert_int_equal(access->impairment[1].burst_enter_ppm, 20000);
    assert_int_equal(access->impairment[1].burst_leave_ppm, 250000);
    assert_int_equal(access->impairment[1].burst_loss_ppm, 1000000);
    assert_int_equal(access->impairment[0].burst_enter_ppm, 0);
    assert_int_equal(access->impairment[0].duplicate_ppm, 10000);
    assert_int_equal(access->impairment[0].reorder_ppm, 20000);
    assert_int_equal(access->impairment[0].corrupt_ppm, 30000);
    assert_int_equal(access->impairment[0].rate_bits_per_s, 10000000);
    assert_int_equal(access->impairment[0].burst_bytes, 16384);
    assert_int_equal(access->impairment[0].queue_limit_ns, 50000000);
    assert_int_equal(access->impairment[1].queue_limit_ns, 0);
    assert_int_equal(access->impairment[1].queue_limit_bytes, 65536);
    assert_true(access->impairment[1].has_seed);
    assert_int_equal(access->impairment[1].seed, 7);
    assert_string_equal(access->impairment[0].only, "tcp");
    assert_string_equal(access->impairment[1].only, "icmp");
    assert_int_equal(t->lan_count, 2);
    assert_int_equal(t->lans[0].end_count, 3);
    assert_string_equal(t->lans[0].ends[2].port, "Gi0/0");
    assert_int_equal(t->lans[1].mtu, 9000);
    assert_int_equal(t->uplink_count, 3);
    assert_int_equal(t->uplinks[0].forward_count, 2);
    assert_string_equal(t->uplinks[0].forwards[0].text, "127.0.0.1:2201 -> r1:22");
    assert_string_equal(t->uplinks[0].forwards[0].address, "127.0.0.1");
    assert_int_equal(t->uplinks[0].forwards[0].port, 2201);
    assert_int_equal(t->uplinks[0].forwards[0].end, 0);
    assert_int_equal(t->uplinks[0].forwards[0].guest_port, 22);
    assert_false(t->uplinks[0].forwards[0].udp);
    assert_string_equal(t->uplinks[1].interface, "br0");
    assert_int_equal(t->uplinks[2].type, UPLINK_VXLAN);
    assert_int_equal(t->uplinks[2].vni, 42);
    assert_int_equal(topology_find_node(t, "v"), 2);
    assert_int_equal(topology_find_node(t, "V"), -1);
    assert_int_equal(topology_find_link(t, "access"), 1);
    assert_int_equal(topology_find_link(t, "r2:eth0"), 0);
    assert_int_equal(topology_find_link(t, "v:Gi0/1"), 1);
    assert_int_equal(topology_find_link(t, "v:eth1"), 1);
    assert_int_equal(topology_find_link(t, "v:eth0"), -1);
    topology_free(t);
}

static void test_least(void **state)
{
    struct topology *t = parse("nodes: {r1: {image: frr}}");

    (void)state;
    assert_string_equal(t->lab, "some-lab");
    assert_string_equal(t->description, "");
    assert_int_equal(t->nodes[0].memory_bytes, 0);
    assert_int_equal(t->nodes[0].nics, 4);
    assert_int_equal(t->nodes[0].telnet_port, 0);
    assert_null(t->nodes[0].config);
    assert_int_equal(t->link_count + t->lan_count + t->uplink_count, 0);
    topology_free(t);
    t = parse("defaults:\nlinks:\nlans: ~\nuplinks:\nnodes:\n  r1: {image: frr, nics: 0}\n");
    assert_int_equal(t->nodes[0].nics, 0);
    topology_free(t);
    /* An anchor for what several nodes share. */
    t = parse("nodes:\n  r1: &router {image: frr, nics: 6}\n  r2: *router\n");
    assert_int_equal(t->nodes[1].nics, 6);
    topology_free(t);
}

static void test_names_of_sixty(void **state)
{
    char name[61] = "", text[512];
    struct topology *t;

    (void)state;
    memset(name, 'n', 60);
    (void)snprintf(text, sizeof(text),
                   "lab: %s\nnodes: {%s: {image: frr}, r: {image: frr}}\n"
                   "links: [[%s:eth0, r:eth0]]\n",
                   name, name, name);
    t = parse(text);
    assert_string_equal(t->nodes[0].name, name);
    assert_int_equal(topology_find_link(t, t->links[0].name), 0);
    topology_free(t);
}

static void test_without_images(void **state)
{
    const char *text = "nodes: {a: {image: x}, b: {image: y, nics: 9}}\nlinks: [[a:eth5, b:eth0]]";
    struct diagnostics d = {.items = NULL};
    struct topology *t = NULL;

    (void)state;
    assert_int_equal(topology_parse("x.yaml", text, strlen(text), NULL, &t, &d, NULL), 0);
    assert_int_equal(t->nodes[0].nics, 6);
    assert_int_equal(t->nodes[1].nics, 9);
    assert_int_equal(t->path[0], '/');
    topology_free(t);
    diagnostics_done(&d);
}

/* Files: configurations relative to the topology's folder, and what cannot be read at all. */
static void test_files(void **state)
{
    char dir[] = "/tmp/labctl-topology.XXXXXX";
    _cleanup_free_ char *path = NULL, *config = NULL;
    const char *text = "nodes:\n  r1: {image: frr, config: c/r1.conf}\n"
                       "  r2: {image: frr, config: c}\n"
                       "  r3: {image: frr, config: c/none}\n"
                       "  r4: {image: frr, config: c/big}\n"
                       "  r5: {image: frr, config: c/fifo}\n";
    struct diagnostics d = {.items = NULL};
    struct error err = ERROR_INIT;
    struct topology *t = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = xasprintf("%s/my.lab.yaml", dir);
    config = xasprintf("%s/c", dir);
    assert_int_equal(mkdir(config, 0755), 0);
    free(config);
    config = xasprintf("%s/c/big", dir);
    assert_int_equal(file_write_atomic(config, "x", 1, 0644, NULL), 0);
    assert_int_equal(truncate(config, (off_t)TOPOLOGY_CONFIG_MAX + 1), 0);
    free(config);
    config = xasprintf("%s/c/fifo", dir);
    assert_int_equal(mkfifo(config, 0600), 0);
    free(config);
    config = xasprintf("%s/c/r1.conf", dir);
    assert_int_equal(file_write_atomic(config, "x\n", 2, 0644, NULL), 0);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
    assert_int_equal(topology_read(path, &images, &t, &d, &err), -EINVAL);
    assert_int_equal(d.count, 4);
    assert_non_null(strstr(d.items[0].text, "'c': is a folder"));
    assert_non_null(strstr(d.items[1].text, "'c/none': No such file"));
    assert_non_null(strstr(d.items[2].text, "'c/big': 16777217 bytes"));
    assert_non_null(strstr(d.items[3].text, "'c/fifo': is not a regular file"));
    diagnostics_done(&d);

    assert_int_equal(file_write_atomic(path, text, strcspn(text, "2") - 3, 0644, NULL), 0);
    assert_int_equal(topology_read(path, &images, &t, &d, &err), 0);
    assert_string_equal(t->nodes[0].config, config);
    assert_string_equal(t->lab, "my.lab");
    topology_free(t);

    assert_int_equal(truncate(path, 10 << 20), 0);
    assert_int_equal(topology_read(path, &images, &t, &d, &err), -EFBIG);
    assert_non_null(strstr(error_message(&err), "10485760 bytes"));
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    error_done(&err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(topology_read(path, &images, &t, &d, &err), -ENOENT);
    assert_int_equal(err.kind, ERROR_KIND_INPUT);
    error_done(&err);
    assert_int_equal(topology_read("/dev/zero", &images, &t, &d, &err), -ENOTSUP);
    error_done(&err);
    assert_int_equal(topology_read(dir, &images, &t, &d, &err), -EISDIR);
    error_done(&err);
    assert_int_equal(d.count, 0);
    assert_int_equal(dir_remove_tree(dir, NULL), 0);
}

static void test_large(void **state)
{
    struct strbuf text = STRBUF_INIT;
    struct topology *t;

    (void)state;
    strbuf_puts(&text, "defaults: {image: frr}\nnodes:\n");
    for (int i = 0; i < 4096; i++)
        strbuf_printf(&text, "  n%d: {after: [%s%d]}\n", i, i ? "n" : "", i ? i - 1 : 0);
    /* The first waits for nobody. */
    text.data[strcspn(text.data, "[") + 1] = ' ';
    strbuf_puts(&text, "links:\n");
    for (int i = 0; i < 4096; i++)
        strbuf_printf(&text, "  - [n%d:eth0, n%d:eth1]\n", i, (i + 1) % 4096);
    t = parse(text.data);
    assert_int_equal(t->node_count, 4096);
    assert_int_equal(t->link_count, 4096);
    assert_int_equal(t->links[4095].ends[1].node, 0);
    topology_free(t);
    strbuf_done(&text);
}

static void test_impairment(void **state)
{
    static const char *const wrong[][2] = {
        {"delay", "-1"},
        {"delay", "61s"},
        {"delay", "300y"},
        {"delay", "5"},
        {"loss", "101%"},
        {"loss", "-1%"},
        {"loss", "0.5"},
        {"rate", "0bit"},
        {"rate", "100bit"},
        {"rate", "9Tbit"},
        {"queue", "-1"},
        {"queue", "2G"},
        {"queue", "90s"},
        {"burst", "many"},
        {"jitter_shape", "no"},
        {"seed", "-1"},
        {"only", ""},
        {"corrupt", "1000000"},
        {"duplicate", ""},
        {"reorder", "5 5%"},
        {"loss_burst", "1%"},
        {"loss_burst", "1%/0"},
        {"loss_burst", "1%/2%/3%/4%"},
    };
    static const char *const right[][3] = {
        {"delay", "1500us", NULL},
        {"jitter", "0.0015s", "1500us"},
        {"jitter_shape", "normal", NULL},
        {"loss", "0.0001%", NULL},
        {"loss_burst", "0.5%/20%", "0.5%/20%/100%"},
        {"duplicate", "100%", NULL},
        {"reorder", "3.25%", NULL},
        {"corrupt", "1%", NULL},
        {"rate", "1.5Mbit", "1500kbit"},
        {"burst", "4096", "4k"},
        {"queue", "1.5s", "1500ms"},
        {"only", "ip proto 89", NULL},
        {"seed", "9223372036854775807", NULL},
    };
    struct impairment impairment = {.delay_ns = 5}, copy;
    struct error err = ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct impairment before = impairment;

        assert_int_equal(impairment_set(&impairment, wrong[i][0], wrong[i][1], &err), -EINVAL);
        assert_memory_equal(err.message, wrong[i][0], strlen(wrong[i][0]));
        assert_memory_equal(&impairment, &before, sizeof(before));
    }
    assert_int_equal(impairment_set(&impairment, "dealy", "1ms", &err), -EINVAL);
    assert_string_equal(error_message(&err), "unknown key 'dealy': did you mean 'delay'?");
    assert_int_equal(impairment_set(&impairment, "\033[2J", "1ms", &err), -EINVAL);
    assert_string_equal(error_message(&err), "unknown key '\\x1b[2J'");
    assert_int_equal(impairment_set(&impairment, "queue", "0", NULL), 0);
    assert_int_equal(impairment_set(&impairment, "rate", "10Mbit", NULL), 0);
    assert_int_equal(impairment_set(&impairment, "rate", "0", NULL), 0);
    assert_int_equal(impairment.rate_bits_per_s, 0);
    assert_int_equal(impairment_set(&impairment, "burst", "8k", NULL), 0);
    assert_int_equal(impairment_check(&impairment, &err), -EINVAL);
    assert_int_equal(impairment_set(&impairment, "only", "arp", NULL), 0);
    copy = impairment_copy(&impairment);
    assert_string_equal(copy.only, "arp");
    assert_ptr_not_equal(copy.only, impairment.only);
    assert_false(impairment_is_none(&copy));
    copy.delay_ns = 0;
    copy.jitter_shape = JITTER_NORMAL;
    assert_true(impairment_is_none(&copy));
    impairment_done(&copy);
    impairment_done(&impairment);
    assert_int_equal(impairment.delay_ns, 0);
    /* What a value is told as gives the same value again. */
    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        _cleanup_free_ char *text = NULL;

        text = impairment_value(&impairment, right[i][0]);
        assert_null(text);
        assert_int_equal(impairment_set(&impairment, right[i][0], right[i][1], NULL), 0);
        text = impairment_value(&impairment, right[i][0]);
        assert_string_equal(text, right[i][2] ? right[i][2] : right[i][1]);
    }
    impairment_done(&impairment);
    for (const char *const *key = impairment_keys(); *key; key++)
        assert_true(impairment_set(&impairment, *key, "", NULL) == -EINVAL);
    error_done(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lab_mtu),        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_least),          cmocka_unit_test(test_names_of_sixty),
        cmocka_unit_test(test_without_images), cmocka_unit_test(test_files),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_impairment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
