// SPDX-License-Identifier: GPL-2.0-or-later

/* capture talk: who talks to whom, by protocol. A frame that crosses a link whose both ends are
 * watched would be there twice, so the engine is asked for each frame once (docs/rpc.md). */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/decode.h"
#include "capture/reader.h"
#include "labctl/capture_params.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/work.h"

#define PAIRS_MOST 100000u
#define TALK_MS    10000

/* Frames between two addresses, both ways. */
struct pair {
    char a[48], b[48], protocol[16];
    uint64_t packets[2], bytes[2]; /* from a to b, from b to a */
};

struct talk {
    struct pair *pairs; /* hashed: a power of two of places */
    size_t count, room;
    uint64_t packets, others; /* counted; beyond what there is room for */
};

/**
 * hash_pair() - Where a pair belongs
 * @pair:	Its texts
 *
 * Return: a number (FNV-1a)
 */
static size_t hash_pair(const struct pair *pair)
{
    const char *const texts[] = {pair->a, pair->b, pair->protocol};
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (const char *c = texts[i];; c++) {
            hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
            if (!*c)
                break;
        }
    return (size_t)hash;
}

/**
 * find_pair() - The place of a pair, which may be empty
 * @talk:	Table with a free place
 * @pair:	Its texts
 *
 * Return: the place
 */
static struct pair *find_pair(const struct talk *talk, const struct pair *pair)
{
    size_t at = hash_pair(pair) & (talk->room - 1);

    while (*talk->pairs[at].protocol &&
           (strcmp(talk->pairs[at].a, pair->a) != 0 || strcmp(talk->pairs[at].b, pair->b) != 0 ||
            strcmp(talk->pairs[at].protocol, pair->protocol) != 0))
        at = (at + 1) & (talk->room - 1);
    return &talk->pairs[at];
}

/**
 * grow() - Twice as many places
 * @talk:	Table
 */
static void grow(struct talk *talk)
{
    struct talk larger = {.room = talk->room ? 2 * talk->room : 256};

    larger.pairs = xnew0(struct pair, larger.room);
    for (size_t i = 0; i < talk->room; i++)
        if (*talk->pairs[i].protocol)
            *find_pair(&larger, &talk->pairs[i]) = talk->pairs[i];
    free(talk->pairs);
    talk->pairs = larger.pairs;
    talk->room = larger.room;
}

/**
 * count_packet() - Count one packet
 * @packet:	Packet
 * @data:	Table
 */
static void count_packet(const struct capture_packet *packet, void *data)
{
    struct talk *talk = data;
    struct pair key = {.a = ""}, *pair;
    struct decode decode;
    int back;

    if (!packet->data)
        return;
    decode_frame(packet->data, packet->size, &decode);
    back = strcmp(decode.source, decode.destination) > 0;
    (void)snprintf(key.a, sizeof(key.a), "%s", back ? decode.destination : decode.source);
    (void)snprintf(key.b, sizeof(key.b), "%s", back ? decode.source : decode.destination);
    (void)snprintf(key.protocol, sizeof(key.protocol), "%s", decode.protocol);
    talk->packets++;
    if (2 * talk->count >= talk->room && talk->count < PAIRS_MOST)
        grow(talk);
    pair = find_pair(talk, &key);
    if (!*pair->protocol) {
        if (talk->count >= PAIRS_MOST) {
            talk->others++;
            return;
        }
        *pair = key;
        talk->count++;
    }
    pair->packets[back]++;
    pair->bytes[back] += packet->original;
}

/**
 * compare_pairs() - Most bytes first
 * @a:		struct pair
 * @b:		struct pair
 *
 * Return: below, at or above 0
 */
static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    uint64_t p = x->bytes[0] + x->bytes[1], q = y->bytes[0] + y->bytes[1];

    return p != q ? (p < q) - (p > q) : strcmp(x->a, y->a);
}

/**
 * print_talk() - Show the table
 * @talk:	Table, its pairs in a row
 * @json:	As a JSON document
 */
static void print_talk(const struct talk *talk, bool json)
{
    struct table table = {.columns = 7};
    json_t *list = json_array();

    for (size_t i = 0; !json && i < table.columns; i++)
        table_add(&table, (const char *const[]){"A", "B", "PROTOCOL", "A TO B", "BYTES", "B TO A",
                                                "BYTES"}[i]);
    for (size_t i = 0; i < talk->count; i++) {
        const struct pair *pair = &talk->pairs[i];

        if (json) {
            (void)json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "a", pair->a, "b", pair->b,
                          "protocol", pair->protocol, "packets_ab", (json_int_t)pair->packets[0],
                          "bytes_ab", (json_int_t)pair->bytes[0], "packets_ba",
                          (json_int_t)pair->packets[1], "bytes_ba", (json_int_t)pair->bytes[1]));
            continue;
        }
        table_add(&table, pair->a);
        table_add(&table, pair->b);
        table_add(&table, pair->protocol);
        for (unsigned way = 0; way < 2; way++) {
            table_addf(&table, "%" PRIu64, pair->packets[way]);
            table_addf(&table, "%" PRIu64, pair->bytes[way]);
        }
    }
    if (json) {
        print_json(json_pack("{s:o, s:I, s:I}", "talk", list, "packets", (json_int_t)talk->packets,
                             "others", (json_int_t)talk->others));
        return;
    }
    json_decref(list);
    table_print(&table, -1);
    if (talk->others)
        (void)printf("%" PRIu64 " more packets were between others.\n", talk->others);
}

static int run_talk(struct invocation *invocation, struct error *err)
{
    const char *for_text = invocation_value(invocation, "for");
    struct talk talk = {.count = 0};
    uint64_t wait_ms = TALK_MS;
    _cleanup_source_ struct capture_source *source = NULL;
    json_t *params = NULL;
    size_t at = 0;
    int r = 0;

    if (for_text)
        r = capture_duration("for", for_text, &wait_ms, err);
    if (r == 0)
        r = capture_params(invocation, &params, err);
    if (r < 0)
        return r;
    (void)json_object_set_new(params, "once", json_true());
    (void)json_object_set_new(params, "duration_ms", json_integer((json_int_t)wait_ms));
    work_catch_signals();
    r = capture_source_open(invocation, params, &source, err);
    if (r < 0)
        return r;
    r = capture_read(source, count_packet, &talk, err);
    for (size_t i = 0; i < talk.room; i++)
        if (*talk.pairs[i].protocol)
            talk.pairs[at++] = talk.pairs[i];
    if (at > 0)
        qsort(talk.pairs, at, sizeof(talk.pairs[0]), compare_pairs);
    if (r == 0)
        print_talk(&talk, invocation->json);
    free(talk.pairs);
    return r;
}

static const struct option_spec talk_options[] = {
    {"for", 0, "TIME", "look on for so long (default 10s); ^C ends it earlier"},
    {"filter", 'f', "BPF", "only packets that match"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {0},
};

const struct command cmd_capture_talk = {
    .group = "capture",
    .name = "talk",
    .arguments = "[WHERE…]",
    .summary = "Who talks to whom, by protocol",
    .details =
        "Looks on for a while and prints a table, most bytes first. Each frame counts once,\n"
        "where it is sent. WHERE is as for 'capture start'.",
    .options = talk_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_talk,
};
