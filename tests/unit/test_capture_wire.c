// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* What guests with offload send through taps, and how the worker shows it: checked by sums of the
 * test's own and by tshark. */

#include "unit/test_capture_lab.h"

#define BOTH "--interface=a --label=r1:eth0 --interface=b --label=r2:eth0"

static uint8_t frame[70000];
static int a, b;

/* send_packet() - Send from the first tap, as a super-frame if @segment is not 0. */
static void send_packet(const struct lab_packet *packet, uint16_t segment)
{
    struct virtio_net_hdr vnet;
    size_t size = lab_make(packet, frame, &vnet);

    if (segment)
        lab_gso(&vnet, packet, segment);
    lab_send(a, &vnet, frame, size);
    lab_sink(b);
}

/* tshark_agrees() - tshark finds as many frames for a display filter as expected. */
static void tshark_agrees(struct lab_worker *worker, const char *filter, size_t expected)
{
    _cleanup_free_ char *arguments =
        xasprintf("-o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE "
                  "-T fields -e frame.number -Y %s",
                  filter);
    _cleanup_free_ char *output = NULL;
    size_t lines = 0;

    output = lab_tshark(worker, arguments);
    if (!output)
        return;
    for (const char *c = output; *c; c++)
        lines += *c == '\n' && c > output && c[-1] >= '0' && c[-1] <= '9';
    assert_int_equal(lines, expected);
}

/* check_super() - Send a super-frame of 20,000 bytes and look at both ends. */
static void check_super(const struct lab_packet *packet, const char *transport)
{
    _cleanup_free_ char *good = xasprintf("%s.checksum.status==Good", transport);
    size_t at[2] = {0}, mtu = 1500 + 14 + 4 * packet->vlans;
    struct lab_worker worker;
    struct lab_file file;

    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH);
    send_packet(packet, 1440);
    lab_stop(&worker, &file);
    assert_int_equal(file.frame_count, 2 * 14);
    for (size_t i = 0; i < file.frame_count; i++) {
        const struct lab_frame *seen = &file.frames[i];
        const uint8_t *payload;
        size_t size;

        assert_string_equal(seen->comment, "");
        assert_true(seen->original <= mtu);
        assert_true(lab_right(seen->data, seen->captured, &payload, &size));
        for (size_t k = 0; k < size; k++)
            assert_int_equal(payload[k], (at[seen->interface] + k) % 251);
        at[seen->interface] += size;
    }
    assert_int_equal(at[0], packet->payload);
    assert_int_equal(at[1], packet->payload);
    tshark_agrees(&worker, good, 28);
    if (!packet->ipv6)
        tshark_agrees(&worker, "ip.checksum.status==Good", 28);
    tshark_agrees(&worker, "_ws.malformed", 0);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

static void tcp4_super_frame(void **state)
{
    (void)state;
    check_super(&(struct lab_packet){.port = 40001, .payload = 20000, .flags = 0x18, .id = 65530},
                "tcp");
}

static void tcp6_super_frame(void **state)
{
    (void)state;
    check_super(&(struct lab_packet){.ipv6 = true, .port = 40001, .payload = 20000, .flags = 0x11},
                "tcp");
}

static void tagged_super_frame(void **state)
{
    (void)state;
    check_super(&(struct lab_packet){.port = 40001, .payload = 20000, .vlans = 1, .flags = 0x10},
                "tcp");
}

static void twice_tagged_super_frame(void **state)
{
    (void)state;
    check_super(
        &(struct lab_packet){
            .ipv6 = true, .port = 40001, .payload = 20000, .vlans = 2, .flags = 0x10},
        "tcp");
}

static void udp_super_frame(void **state)
{
    struct virtio_net_hdr vnet;
    const struct lab_packet packet = {.udp = true, .payload = 4000};
    struct {
        struct virtio_net_hdr vnet;
        uint8_t frame[5000];
    } message;
    size_t size = lab_make(&packet, message.frame, &vnet);
    ssize_t n;

    (void)state;
    LAB_NEEDED();
    a = lab_tap("a");
    lab_gso(&vnet, &packet, 1440);
    message.vnet = vnet;
    n = write(a, &message, sizeof(message.vnet) + size);
    (void)close(a);
    if (n < 0) {
        print_message("SKIP: this kernel's taps take no UDP super-frames\n");
        skip();
    }
    check_super(&(struct lab_packet){.udp = true, .port = 40001, .payload = 20000, .id = 7}, "udp");
}

static void sums_are_completed_and_broken_stays_broken(void **state)
{
    struct virtio_net_hdr vnet;
    struct lab_worker worker;
    struct lab_file file;
    size_t size;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH);
    for (unsigned kind = 0; kind < 4; kind++) {
        const struct lab_packet packet = {.ipv6 = kind & 1, .udp = kind & 2, .payload = 333};

        send_packet(&packet, 0);
        size = lab_make(&packet, frame, &vnet); /* its sum is not complete, */
        lab_send(a, NULL, frame, size);         /* and it does not ask */
    }
    lab_stop(&worker, &file);
    assert_int_equal(file.frame_count, 16);
    for (size_t i = 0; i < file.frame_count; i++) {
        const struct lab_frame *seen = &file.frames[i];
        const uint8_t *payload;
        size_t payload_size, turn = 0;

        for (size_t k = 0; k < i; k++)
            turn += file.frames[k].interface == seen->interface;
        assert_int_equal(lab_right(seen->data, seen->captured, &payload, &payload_size),
                         turn % 2 == 0);
    }
    tshark_agrees(&worker, "tcp.checksum.status==Bad", 4);
    tshark_agrees(&worker, "tcp.checksum.status==Good", 4);
    tshark_agrees(&worker, "udp.checksum.status==Bad", 4);
    tshark_agrees(&worker, "udp.checksum.status==Good", 4);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

/* count_with() - How many frames a filter lets through, of a fixed set of frames. */
static size_t count_with(const char *filter)
{
    static const struct lab_packet packets[] = {
        {.udp = true, .port = 53, .payload = 100},
        {.udp = true, .port = 53, .payload = 100, .vlans = 1},
        {.udp = true, .port = 53, .payload = 100, .vlans = 2},
        {.port = 80, .payload = 10, .flags = 0x02},
        {.ipv6 = true, .port = 179, .payload = 100, .flags = 0x18},
    };
    const struct lab_packet super = {.port = 8080, .payload = 10 * 1400 + 50, .flags = 0x19};
    _cleanup_free_ char *arguments = xasprintf("--interface=a --filter=%s", filter);
    struct lab_worker worker;
    struct lab_file file;
    size_t count;

    lab_pair("a", "b", &a, &b);
    lab_start(&worker, arguments);
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
        send_packet(&packets[i], 0);
    send_packet(&super, 1400);
    memset(frame, 0, 60);
    memcpy(frame, "\x01\x80\xc2\0\0\x0e\x02\0\0\0\0\x02\x88\xcc", 14);
    lab_send(b, NULL, frame, 60); /* LLDP from the other side */
    lab_stop(&worker, &file);
    count = file.frame_count;
    for (size_t i = 0; i < count; i++)
        assert_true(file.frames[i].original <= 1454);
    lab_file_done(&file);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
    return count;
}

static void filters_see_the_wire(void **state)
{
    static const struct {
        const char *filter;
        size_t count;
    } cases[] = {
        {"port~53", 1},
        {"vlan~5", 2},
        {"vlan~5~and~udp~port~53", 1},
        {"vlan~5~and~vlan~6", 1},
        {"vlan~5~and~vlan~6~and~udp~port~53", 1},
        {"vlan~7", 0},
        {"tcp~port~8080", 11},
        {"tcp~port~8080~and~tcp[13]=0x10", 10}, /* the middle ones have neither FIN nor PSH */
        {"tcp~port~8080~and~tcp[tcpflags]&1!=0", 1},
        {"tcp~port~8080~and~less~200", 1}, /* the last one */
        {"tcp~port~8080~and~ip[2:2]=1440", 10},
        {"tcp~port~8080~and~tcp[4:4]=2800", 1},
        {"greater~1400", 10},
        {"ip6", 1},
        {"ether~proto~0x88cc", 1},
        {"outbound", 16},
        {"inbound", 1},
        {"not~inbound~and~(port~53~or~port~80)", 2},
        {"inbound~and~port~53", 0},
        {"outbound~and~vlan~5", 2},
        {"host~10.0.0.2", 13},
    };

    (void)state;
    LAB_NEEDED();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t count = count_with(cases[i].filter);

        if (count != cases[i].count)
            print_message("filter %s\n", cases[i].filter);
        assert_int_equal(count, cases[i].count);
    }
}

static void filter_too_long_for_the_kernel(void **state)
{
    _cleanup_free_ char *filter = xstrdup("udp~port~53");

    (void)state;
    LAB_NEEDED();
    for (int i = 0; i < 170; i++) { /* six or more instructions each */
        char *longer = xasprintf("%s~or~port~%d", filter, 20000 + 2 * i);

        free(filter);
        filter = longer;
    }
    assert_int_equal(count_with(filter), 1);
}

static void hostile_super_frames_do_no_harm(void **state)
{
    struct lab_worker worker;
    unsigned seed = 1;

    (void)state;
    LAB_NEEDED();
    lab_pair("a", "b", &a, &b);
    lab_start(&worker, BOTH);
    for (unsigned i = 0; i < 3000; i++) {
        struct {
            struct virtio_net_hdr vnet;
            uint8_t frame[4000];
        } message;
        const struct lab_packet packet = {.ipv6 = i & 1, .payload = 3000, .vlans = i % 3};
        size_t size = lab_make(&packet, message.frame, &message.vnet);

        lab_gso(&message.vnet, &packet, (uint16_t)(1 + (unsigned)rand_r(&seed) % 2000));
        for (int k = 0; k < 3; k++) {
            unsigned at = (unsigned)rand_r(&seed) % 100;

            ((uint8_t *)&message)[at] = (uint8_t)rand_r(&seed);
        }
        (void)!write(a, &message, sizeof(message.vnet) + size); /* the kernel refuses many */
        lab_sink(b);
        if (i % 50 == 49)
            (void)usleep(1000);
    }
    assert_int_equal(kill(worker.pid, 0), 0);
    assert_int_equal(kill(worker.pid, SIGTERM), 0);
    assert_int_equal(lab_wait(&worker), 0);
    lab_clean(&worker);
    (void)close(a);
    (void)close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp4_super_frame),
        cmocka_unit_test(tcp6_super_frame),
        cmocka_unit_test(tagged_super_frame),
        cmocka_unit_test(twice_tagged_super_frame),
        cmocka_unit_test(udp_super_frame),
        cmocka_unit_test(sums_are_completed_and_broken_stays_broken),
        cmocka_unit_test(filters_see_the_wire),
        cmocka_unit_test(filter_too_long_for_the_kernel),
        cmocka_unit_test(hostile_super_frames_do_no_harm),
    };

    return cmocka_run_group_tests(tests, lab_setup, NULL);
}
