// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_capture labctl_base

/* The decoder: what it says of frames made by hand, that it never leaves its bounds, and that
 * tshark calls the same frames by the same names and addresses. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/strbuf.h"
#include "capture/decode.h"
#include "capture/pcapng_priv.h"
#include "capture/reader.h"

#define ETHER "ffffffffffff 020000000001 "
/* IPv4 10.0.0.1 > 10.0.0.2; the lengths are filled in. */
#define IPV4(protocol) ETHER "0800 45000000 00010000 40" protocol "0000 0a000001 0a000002 "
#define IPV6(protocol)                                                                             \
    ETHER "86dd 60000000 0000" protocol                                                            \
          "40 fe800000000000000000000000000001 fe800000000000000000000000000002 "
#define UDP(source, destination) source destination "00000000 "

struct sample {
    const char *name, *frame; /* in hexadecimal; blanks are nothing */
    const char *source, *destination, *protocol, *info;
    const char *tshark; /* its name for the protocol, NULL: the same */
};

static const struct sample samples[] = {
    {"ARP request", ETHER "0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
     "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "ARP", "who has 10.0.0.2? asks 10.0.0.1", NULL},
    {"ARP reply", ETHER "0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002",
     "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "ARP", "10.0.0.1 is at 02:00:00:00:00:01", NULL},
    {"ping", IPV4("01") "0800 0000 1234 0007 6162636465666768", "10.0.0.1", "10.0.0.2", "ICMP",
     "echo request id 4660 seq 7", NULL},
    {"ping in a VLAN",
     "ffffffffffff 020000000001 8100 000a 0800 45000000 00010000 40010000 0a000001 0a000002 "
     "0000 0000 0001 0002",
     "10.0.0.1", "10.0.0.2", "ICMP", "vlan 10 echo reply id 1 seq 2", NULL},
    {"TCP", IPV4("06") "8235 1451 00000064 000000c8 5012 0400 0000 0000", "10.0.0.1", "10.0.0.2",
     "TCP", "33333 > 5201 [SA] seq 100 ack 200 win 1024 len 0", NULL},
    {"BGP keepalive",
     IPV4("06") "8235 00b3 00000064 000000c8 5018 0400 0000 0000 "
                "ffffffffffffffffffffffffffffffff 0013 04",
     "10.0.0.1", "10.0.0.2", "BGP", "KEEPALIVE", NULL},
    {"BGP open",
     IPV4("06") "8236 00b3 00000064 000000c8 5018 0400 0000 0000 "
                "ffffffffffffffffffffffffffffffff 001d 01 04 fde9 00b4 0aff0001 00",
     "10.0.0.1", "10.0.0.2", "BGP", "OPEN as 65001 hold 180 id 10.255.0.1", NULL},
    {"OSPF hello",
     IPV4("59") "0201 0030 0aff0001 00000000 0000 0000 0000000000000000 "
                "ffffff00 000a 02 01 00000028 0a000001 0a000002 0aff0002",
     "10.0.0.1", "10.0.0.2", "OSPF",
     "hello router 10.255.0.1 area 0.0.0.0 dr 10.0.0.1 bdr 10.0.0.2", NULL},
    {"OSPFv3 hello",
     IPV6("59") "0301 0024 0aff0001 00000000 0000 00 00 00000005 01000013 000a 0028 "
                "0aff0001 0aff0002",
     "fe80::1", "fe80::2", "OSPFv3",
     "hello router 10.255.0.1 area 0.0.0.0 dr 10.255.0.1 bdr 10.255.0.2", "OSPF"},
    {"neighbour solicitation", IPV6("3a") "87000000 00000000 fe800000000000000000000000000002",
     "fe80::1", "fe80::2", "ICMPv6", "neighbour solicitation fe80::2", NULL},
    {"IS-IS hello",
     "0180c2000015 020000000001 002b fefe03 83 1b 01 00 10 01 00 00 02 001000010001 001e 0028 40 "
     "001000010001 02 0104034900018102cc8e",
     "02:00:00:00:00:01", "01:80:c2:00:00:15", "IS-IS", "L2 hello 0010.0001.0001", "ISIS HELLO"},
    {"LLDP",
     "0180c200000e 020000000001 88cc 0207 04 020000000001 0405 05 65746830 0602 0078 0a02 7231 "
     "0000",
     "02:00:00:00:00:01", "01:80:c2:00:00:0e", "LLDP",
     "chassis 02:00:00:00:00:01 port eth0 ttl 120 name r1", NULL},
    {"RSTP",
     "0180c2000000 020000000001 0027 424203 0000 02 02 3c 8000020000000001 00000000 "
     "8000020000000001 8001 0000 1400 0200 0f00 00",
     "02:00:00:00:00:01", "01:80:c2:00:00:00", "RSTP",
     "root 32768/02:00:00:00:00:01 cost 0 bridge 32768/02:00:00:00:00:01 port 0x8001 designated "
     "learning forwarding",
     "STP"},
    {"LACP",
     "0180c2000002 020000000001 8809 01 01 01 14 ffff020000000001 0011 00ff 0001 3d 000000 "
     "02 14 ffff020000000002 0011 00ff 0002 3d 000000 03 10 0000 "
     "000000000000000000000000 00 00",
     "02:00:00:00:00:01", "01:80:c2:00:00:02", "LACP",
     "actor 02:00:00:00:00:01 key 17 port 1 AGSCD partner 02:00:00:00:00:02 key 17 port 2 AGSCD",
     NULL},
    {"BFD",
     IPV4("11") UDP("c000", "0ec8") "20 c0 03 18 00000001 00000002 000f4240 000f4240 00000000",
     "10.0.0.1", "10.0.0.2", "BFD", "up mine 0x00000001 yours 0x00000002 x3 tx 1000000 us",
     "BFD Control"},
    {"VXLAN",
     IPV4("11") UDP("c000", "12b5") "08000000 00000a00 ffffffffffff 020000000009 0806 0001 0800 06 "
                                    "04 0001 020000000009 c0a80001 000000000000 c0a80002",
     "10.0.0.1", "10.0.0.2", "VXLAN",
     "vni 10: 02:00:00:00:00:09 > ff:ff:ff:ff:ff:ff ARP who has 192.168.0.2? asks 192.168.0.1", ""},
    {"MPLS",
     ETHER
     "8847 00010040 00011140 45000000 00010000 40010000 0a000001 0a000002 0800 0000 1234 0007",
     "10.0.0.1", "10.0.0.2", "MPLS", "label 16/17: echo request id 4660 seq 7", ""},
    {"DNS",
     IPV4("11")
         UDP("c000", "0035") "1234 0100 0001 0000 0000 0000 03777777 046c6162 73 00 0001 0001",
     "10.0.0.1", "10.0.0.2", "DNS", "question www.labs.", NULL},
    {"fragment", ETHER "0800 45000024 00010002 40110000 0a000001 0a000002 0000000000000000",
     "10.0.0.1", "10.0.0.2", "IPv4", "fragment of protocol 17 at 16", NULL},
    {"unknown", ETHER "88b5 00", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "0x88b5", "", NULL},
    {"short", "ffff", "-", "-", "short", "", ""},
    {"malformed IPv4", ETHER "0800 41", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "IPv4",
     "malformed", ""},
};

/* put16() - Write a number of two bytes. */
static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* from_hex() - Make a frame, with the lengths of IP and UDP filled in. Return: its size */
static size_t from_hex(const char *text, uint8_t *frame)
{
    size_t size = 0, ip = 14;
    int high = -1;

    for (; *text; text++) {
        int digit = *text >= 'a' ? *text - 'a' + 10 : *text - '0';

        if (*text == ' ')
            continue;
        if (high < 0) {
            high = digit;
        } else {
            frame[size++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    if (size > 18 && memcmp(frame + 12, "\x81\0", 2) == 0)
        ip += 4;
    if (size > ip && memcmp(frame + ip - 2, "\x88\x47", 2) == 0)
        ip += 8;
    if (size >= ip + 20 && frame[ip] == 0x45 && frame[ip + 3] == 0)
        put16(frame + ip + 2, size - ip);
    if (size >= ip + 28 && frame[ip] == 0x45 && frame[ip + 9] == 17 && frame[ip + 25] == 0)
        put16(frame + ip + 24, size - ip - 20);
    if (size >= 54 && frame[14] == 0x60)
        put16(frame + 18, size - 54);
    return size;
}

static void samples_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        uint8_t frame[512];
        size_t size = from_hex(samples[i].frame, frame);
        struct decode decode;

        decode_frame(frame, size, &decode);
        if (strcmp(decode.info, samples[i].info) != 0)
            print_message("%s: '%s'\n", samples[i].name, decode.info);
        assert_string_equal(decode.protocol, samples[i].protocol);
        assert_string_equal(decode.info, samples[i].info);
        assert_string_equal(decode.source, samples[i].source);
        assert_string_equal(decode.destination, samples[i].destination);
    }
}

static void every_shorter_frame_is_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        uint8_t frame[512];
        size_t size = from_hex(samples[i].frame, frame);

        for (size_t part = 0; part <= size; part++) {
            uint8_t *exact = xmemdup(frame, part); /* so that a byte too much is seen */
            struct decode decode;

            decode_frame(exact, part, &decode);
            assert_true(strlen(decode.info) < DECODE_INFO_MAX);
            free(exact);
        }
    }
}

static void text_is_made_harmless(void **state)
{
    uint8_t frame[512];
    size_t size = from_hex("0180c200000e 020000000001 88cc 0a05 1b5b33316d 0000", frame);
    struct decode decode;

    (void)state;
    decode_frame(frame, size, &decode);
    assert_string_equal(decode.info, "name .[31m");
}

/* make_file() - A pcapng of all samples. */
static void make_file(struct strbuf *file)
{
    pcapng_section(file, "decode");
    pcapng_interface(file, &(struct pcapng_interface){
                               .name = "r1:eth0", .description = "wan", .snaplen = 262144});
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        uint8_t frame[512], block[1024];
        size_t size = from_hex(samples[i].frame, frame);
        struct pcapng_packet packet = {
            .time_ns = 1000000000u + i,
            .captured = size,
            .original = size,
            .direction = PCAPNG_DIRECTION_OUTBOUND,
            .comment = samples[i].name,
            .notes = "one\0two",
            .notes_size = i == 3 ? 8 : 0,
        };

        pcapng_packet_put(block, &packet);
        memcpy(block + PCAPNG_PACKET_DATA, frame, size);
        strbuf_append(file, block, pcapng_packet_size(&packet));
    }
    pcapng_statistics(file, &(struct pcapng_statistics){.comment = "the end"});
}

static void reader_gives_back_what_was_written(void **state)
{
    _cleanup_strbuf_ struct strbuf file = STRBUF_INIT;
    struct capture_reader *reader = capture_reader_new();
    struct capture_packet packet;
    size_t count = 0, remarks = 0;
    int r = 0;

    (void)state;
    make_file(&file);
    assert_int_equal(capture_blocks(file.data, file.size), file.size);
    for (size_t at = 0; at < file.size; at += 7) {
        capture_reader_feed(reader, file.data + at, file.size - at < 7 ? file.size - at : 7);
        while ((r = capture_reader_next(reader, &packet)) > 0) {
            uint8_t frame[512];

            if (!packet.data) {
                assert_string_equal(packet.comment, "the end");
                remarks++;
                continue;
            }
            assert_string_equal(packet.where, "r1:eth0");
            assert_string_equal(packet.link, "wan");
            assert_int_equal(packet.time_ns, 1000000000u + count);
            assert_int_equal(packet.size, from_hex(samples[count].frame, frame));
            assert_memory_equal(packet.data, frame, packet.size);
            assert_true(packet.sent && !packet.received);
            if (count == 3)
                assert_string_equal(packet.comment, "ping in a VLAN\none\ntwo");
            else
                assert_string_equal(packet.comment, samples[count].name);
            count++;
        }
        assert_int_equal(r, 0);
    }
    assert_int_equal(count, ARRAY_SIZE(samples));
    assert_int_equal(remarks, 1);
    capture_reader_feed(reader, "this is no pcapng at all", 24);
    assert_int_equal(capture_reader_next(reader, &packet), -EPROTO);
    capture_reader_free(reader);
}

static void tshark_says_the_same(void **state)
{
    static const char *const fields[] = {"tshark", "-n",
                                         "-r",     NULL,
                                         "-o",     "tcp.desegment_tcp_streams:FALSE",
                                         "-T",     "fields",
                                         "-e",     "_ws.col.Source",
                                         "-e",     "_ws.col.Destination",
                                         "-e",     "_ws.col.Protocol",
                                         NULL};
    const char *argv[ARRAY_SIZE(fields)];
    char folder[] = "/tmp/decode-test-XXXXXX", *output = NULL, *save = NULL, *line;
    _cleanup_strbuf_ struct strbuf file = STRBUF_INIT;
    _cleanup_free_ char *path = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = path_join(folder, "samples.pcapng");
    make_file(&file);
    assert_int_equal(file_write_atomic(path, file.data, file.size, 0600, NULL), 0);
    memcpy(argv, fields, sizeof(argv));
    argv[3] = path;
    if (spawn_run(argv, &output, NULL) != 0) {
        free(output);
        (void)dir_remove_tree(folder, NULL);
        print_message("SKIP: tshark is not installed; its verdict is not asked\n");
        skip();
    }
    (void)dir_remove_tree(folder, NULL);
    line = strtok_r(output, "\n", &save);
    while (line && !strchr(line, '\t')) /* what it says about being root */
        line = strtok_r(NULL, "\n", &save);
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++, line = strtok_r(NULL, "\n", &save)) {
        const struct sample *sample = &samples[i];
        char *protocol = line ? strrchr(line, '\t') : NULL;
        const char *name = sample->tshark ? sample->tshark : sample->protocol;

        assert_non_null(protocol);
        if (!*name)
            continue; /* it speaks of what is within, or not at all */
        if (strcmp(protocol + 1, name) != 0)
            print_message("%s: tshark says '%s'\n", sample->name, line);
        assert_string_equal(protocol + 1, name);
        if (strchr(sample->source, '.'))
            assert_memory_equal(line, sample->source, strlen(sample->source));
    }
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_understood),
        cmocka_unit_test(every_shorter_frame_is_safe),
        cmocka_unit_test(text_is_made_harmless),
        cmocka_unit_test(reader_gives_back_what_was_written),
        cmocka_unit_test(tshark_says_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
