// SPDX-License-Identifier: GPL-2.0-or-later

/* Encoding is plain appending; the work is in reading what a hostile client may have written.
 * A struct reader never passes its end: once a read fails all later ones give zeros, and the caller
 * looks at @failed once at the end. A count is believed only as far as the bytes that are left
 * could hold that many items, so no message makes the fabric allocate more than a small multiple of
 * its size. */

#include "netfabric/proto_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define PROTO_MAGIC   0x4c46u
#define PROTO_VERSION 2u
#define PROTO_REPLY   0x8000u

#define ALTNAME_MAX 127u
#define ADDRESS_MAX 64u
#define MTU_LEAST   68u
#define MTU_MOST    65000u

struct header {
    uint16_t magic;
    uint16_t version;
    uint16_t op;
    uint16_t zero;
};

struct reader {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static void put_u32(struct strbuf *buf, uint32_t value)
{
    strbuf_append(buf, &value, sizeof(value));
}

/**
 * put_text() - Append a string: length, then bytes; NULL as the empty string
 * @buf:	Buffer
 * @text:	String
 */
static void put_text(struct strbuf *buf, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    put_u32(buf, (uint32_t)length);
    if (length > 0)
        strbuf_append(buf, text, length);
}

static void put_header(struct strbuf *buf, unsigned op)
{
    struct header header = {.magic = PROTO_MAGIC, .version = PROTO_VERSION, .op = (uint16_t)op};

    strbuf_append(buf, &header, sizeof(header));
}

/**
 * take() - Copy bytes out, zeros once the end was passed
 * @reader:	Where
 * @to:		Filled
 * @size:	How many
 */
static void take(struct reader *reader, void *to, size_t size)
{
    if (reader->failed || reader->left < size) {
        reader->failed = true;
        memset(to, 0, size);
        return;
    }
    memcpy(to, reader->at, size);
    reader->at += size;
    reader->left -= size;
}

static uint32_t take_u32(struct reader *reader)
{
    uint32_t value;

    take(reader, &value, sizeof(value));
    return value;
}

/**
 * take_count() - A count of items that follow
 * @reader:	Where
 * @item_size:	Fewest bytes that one of them takes
 *
 * Return: the count; 0 and failed if the rest cannot hold that many
 */
static uint32_t take_count(struct reader *reader, size_t item_size)
{
    uint32_t count = take_u32(reader);

    if (count > reader->left / item_size) {
        reader->failed = true;
        return 0;
    }
    return count;
}

/**
 * take_text() - A string
 * @reader:	Where
 * @most:	Most bytes
 *
 * Return: owned string, empty and failed if it is too long or holds a zero byte
 */
static char *take_text(struct reader *reader, size_t most)
{
    uint32_t length = take_count(reader, 1);
    char *text;

    if (length > most || memchr(reader->at, 0, length)) {
        reader->failed = true;
        length = 0;
    }
    text = xstrndup((const char *)reader->at, length);
    reader->at += length;
    reader->left -= length;
    return text;
}

/**
 * take_header() - Check what every message begins with
 * @reader:	Where
 * @ret_op:	Operation
 * @err:	Error
 *
 * Return: 0, -EPROTO, or -EPROTONOSUPPORT for another version
 */
static int take_header(struct reader *reader, unsigned *ret_op, struct error *err)
{
    struct header header;

    take(reader, &header, sizeof(header));
    if (reader->failed || header.magic != PROTO_MAGIC || header.zero != 0)
        return error_set(err, EPROTO, "not a message of the fabric's protocol");
    if (header.version != PROTO_VERSION) {
        (void)error_set(err, EPROTONOSUPPORT, "the fabric's protocol has version %u, not %u",
                        header.version, PROTO_VERSION);
        error_hint(err, "the lab was started by another version of labctl: take it down with that");
        return -EPROTONOSUPPORT;
    }
    *ret_op = header.op;
    return 0;
}

void proto_encode_request(struct strbuf *buf, enum proto_op op, const char *const *words,
                          size_t word_count)
{
    put_header(buf, op);
    put_u32(buf, (uint32_t)word_count);
    for (size_t i = 0; i < word_count; i++)
        put_text(buf, words[i]);
}

int proto_decode_request(const void *data, size_t size, struct proto_request *ret_request,
                         struct error *err)
{
    struct reader reader = {.at = data, .left = size};
    struct proto_request request = {0};
    unsigned op = 0;
    uint32_t count;
    int r = take_header(&reader, &op, err);

    if (r < 0)
        return r;
    if (op < PROTO_HELLO || op >= PROTO_OP_END)
        return error_set(err, EPROTO, "unknown request %u", op);
    request.op = (enum proto_op)op;
    count = take_count(&reader, sizeof(uint32_t));
    request.words = xnew0(char *, (size_t)count + 1);
    for (uint32_t i = 0; i < count && !reader.failed; i++)
        request.words[request.word_count++] = take_text(&reader, PROTO_MESSAGE_MAX);
    if (reader.failed || reader.left > 0) {
        proto_request_done(&request);
        return error_set(err, EPROTO, "request %u is malformed", op);
    }
    *ret_request = request;
    return 0;
}

void proto_request_done(struct proto_request *request)
{
    for (size_t i = 0; i < request->word_count; i++)
        free(request->words[i]);
    free(request->words);
    *request = (struct proto_request){0};
}

void proto_encode_reply(struct strbuf *buf, const struct error *error, uint32_t value)
{
    put_header(buf, PROTO_REPLY);
    put_u32(buf, (uint32_t)error->code);
    put_u32(buf, (uint32_t)error->kind);
    put_u32(buf, value);
    put_text(buf, error->message);
    put_text(buf, error->hint);
}

int proto_decode_reply(const void *data, size_t size, struct proto_reply *ret_reply,
                       struct error *err)
{
    struct reader reader = {.at = data, .left = size};
    _cleanup_free_ char *message = NULL, *hint = NULL;
    struct proto_reply reply = {0};
    uint32_t code, kind;
    unsigned op = 0;
    int r = take_header(&reader, &op, err);

    if (r < 0)
        return r;
    code = take_u32(&reader);
    kind = take_u32(&reader);
    reply.value = take_u32(&reader);
    message = take_text(&reader, PROTO_MESSAGE_MAX);
    hint = take_text(&reader, PROTO_MESSAGE_MAX);
    if (op != PROTO_REPLY || reader.failed || reader.left > 0 || code > 4095)
        return error_set(err, EPROTO, "the fabric's reply is malformed");
    if (code > 0) {
        (void)error_set(&reply.error, (int)code, "%s", message);
        if (*hint)
            error_hint(&reply.error, "%s", hint);
        reply.error.kind = kind == ERROR_KIND_INPUT ? ERROR_KIND_INPUT : ERROR_KIND_FAILED;
    }
    *ret_reply = reply;
    return 0;
}

void proto_encode_plan(struct strbuf *buf, const struct fabric_plan *plan, bool limits)
{
    put_header(buf, PROTO_APPLY);
    put_u32(buf, plan->mtu);
    put_u32(buf, (uint32_t)plan->tap_count);
    for (size_t i = 0; i < plan->tap_count; i++) {
        put_u32(buf, (uint32_t)plan->taps[i].node);
        put_u32(buf, plan->taps[i].nic);
        put_text(buf, plan->taps[i].ifname);
        put_text(buf, plan->taps[i].altname);
    }
    put_u32(buf, (uint32_t)plan->link_count);
    for (size_t i = 0; i < plan->link_count; i++) {
        put_u32(buf, (uint32_t)plan->links[i].taps[0]);
        put_u32(buf, (uint32_t)plan->links[i].taps[1]);
        put_u32(buf, plan->links[i].dark[0] | (uint32_t)plan->links[i].dark[1] << 1);
        put_u32(buf, plan->links[i].wire);
    }
    put_u32(buf, (uint32_t)plan->segment_count);
    for (size_t i = 0; i < plan->segment_count; i++) {
        put_text(buf, plan->segments[i].ifname);
        put_text(buf, plan->segments[i].altname);
        put_u32(buf, (uint32_t)plan->segments[i].tap_count);
        for (size_t t = 0; t < plan->segments[i].tap_count; t++)
            put_u32(buf, (uint32_t)plan->segments[i].taps[t]);
        put_u32(buf, plan->segments[i].mtu);
        put_u32(buf, plan->segments[i].uplink);
        put_text(buf, plan->segments[i].interface);
        put_text(buf, plan->segments[i].remote);
        put_u32(buf, plan->segments[i].vni);
    }
    for (size_t i = 0; limits && i < plan->link_count; i++)
        put_u32(buf, plan->links[i].mtu);
}

/**
 * take_names() - A generated name and the one for people
 * @reader:	Where
 * @kind:	Letter that the generated name begins with
 * @ifname:	Filled
 * @ret_altname: Owned by the caller, also on failure; NULL if empty
 *
 * What the kernel would refuse, or what could be mistaken for another kind, is refused here.
 */
static void take_names(struct reader *reader, char kind, char ifname[static IFNAMSIZ],
                       char **ret_altname)
{
    _cleanup_free_ char *name = take_text(reader, IFNAMSIZ - 1);

    if (name[0] != kind || name[1] == 0 || strspn(name + 1, "0123456789.") != strlen(name + 1))
        reader->failed = true;
    memcpy(ifname, name, strlen(name) + 1);
    *ret_altname = take_text(reader, ALTNAME_MAX);
    if (**ret_altname == 0) {
        free(*ret_altname);
        *ret_altname = NULL;
        return;
    }
    if (!strchr(*ret_altname, ':'))
        reader->failed = true;
    for (const char *c = *ret_altname; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '/')
            reader->failed = true;
}

/**
 * take_tap() - Index of a tap that nothing else is cabled to
 * @reader:	Where
 * @plan:	Plan with its taps
 * @used:	Who is taken
 *
 * Return: index, 0 and failed if it is out of range or taken
 */
static size_t take_tap(struct reader *reader, const struct fabric_plan *plan, bool *used)
{
    size_t tap = take_u32(reader);

    if (reader->failed || tap >= plan->tap_count || used[tap]) {
        reader->failed = true;
        return 0;
    }
    used[tap] = true;
    return tap;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/**
 * names_unique() - True if no two interfaces of a plan share a name of either sort
 * @plan:	Plan
 */
static bool names_unique(const struct fabric_plan *plan)
{
    size_t count = 0, most = 2 * (plan->tap_count + plan->segment_count);
    _cleanup_free_ const char **names = xmalloc0(most + 1, sizeof(*names));

    for (size_t i = 0; i < plan->tap_count; i++) {
        names[count++] = plan->taps[i].ifname;
        if (plan->taps[i].altname)
            names[count++] = plan->taps[i].altname;
    }
    for (size_t i = 0; i < plan->segment_count; i++) {
        names[count++] = plan->segments[i].ifname;
        if (plan->segments[i].altname)
            names[count++] = plan->segments[i].altname;
    }
    qsort(names, count, sizeof(*names), compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return false;
    return true;
}

/**
 * take_state() - What a cable lets pass
 * @reader:	Where
 * @link:	Filled
 */
static void take_state(struct reader *reader, struct fabric_link *link)
{
    uint32_t dark = take_u32(reader), wire = take_u32(reader);

    if (dark > 3 || wire > FABRIC_WIRE_ACTIVE) {
        reader->failed = true;
        return;
    }
    link->dark[0] = (dark & 1) != 0;
    link->dark[1] = (dark & 2) != 0;
    link->wire = (enum fabric_wire)wire;
}

/**
 * take_word() - A text without which something is meant: NULL if it is empty
 * @reader:	Where
 * @most:	Most bytes
 *
 * Return: owned text, or NULL
 */
static char *take_word(struct reader *reader, size_t most)
{
    char *text = take_text(reader, most);

    if (*text)
        return text;
    free(text);
    return NULL;
}

static bool is_mtu(unsigned mtu)
{
    return mtu >= MTU_LEAST && mtu <= MTU_MOST;
}

/**
 * take_outside() - MTU and uplink of a segment
 * @reader:	Where
 * @segment:	Filled
 */
static void take_outside(struct reader *reader, struct fabric_segment *segment)
{
    uint32_t uplink;
    bool names_interface, is_vxlan;

    segment->mtu = take_u32(reader);
    uplink = take_u32(reader);
    segment->interface = take_word(reader, IFNAMSIZ - 1);
    segment->remote = take_word(reader, ADDRESS_MAX);
    segment->vni = take_u32(reader);
    names_interface = uplink == FABRIC_UPLINK_BRIDGE || uplink == FABRIC_UPLINK_PHYSICAL;
    is_vxlan = uplink == FABRIC_UPLINK_VXLAN;
    if (uplink > FABRIC_UPLINK_VXLAN || names_interface != (segment->interface != NULL) ||
        is_vxlan != (segment->remote != NULL) || (segment->mtu != 0 && !is_mtu(segment->mtu)))
        reader->failed = true;
    else
        segment->uplink = (enum fabric_uplink)uplink;
}

/**
 * take_limits() - The MTU of each link, at a plan's end; an engine of before them ends without
 * @reader:	Where
 * @plan:	Plan with its links
 */
static void take_limits(struct reader *reader, struct fabric_plan *plan)
{
    for (size_t i = 0; reader->left > 0 && i < plan->link_count; i++) {
        plan->links[i].mtu = take_u32(reader);
        if (plan->links[i].mtu != 0 && !is_mtu(plan->links[i].mtu))
            reader->failed = true;
    }
}

/**
 * take_plan() - The body of a plan
 * @reader:	Where
 * @plan:	Empty plan; on failure it holds what was read
 */
static void take_plan(struct reader *reader, struct fabric_plan *plan)
{
    _cleanup_free_ bool *used = NULL;
    uint32_t count;

    plan->mtu = take_u32(reader);
    count = take_count(reader, 4 * sizeof(uint32_t));
    plan->taps = xnew0(struct fabric_tap, count);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct fabric_tap *tap = &plan->taps[plan->tap_count++];

        tap->node = take_u32(reader);
        tap->nic = take_u32(reader);
        take_names(reader, 't', tap->ifname, &tap->altname);
    }
    used = xnew0(bool, plan->tap_count);
    count = take_count(reader, 4 * sizeof(uint32_t));
    plan->links = xnew0(struct fabric_link, count);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct fabric_link *link = &plan->links[plan->link_count++];

        link->taps[0] = take_tap(reader, plan, used);
        link->taps[1] = take_tap(reader, plan, used);
        take_state(reader, link);
    }
    count = take_count(reader, 8 * sizeof(uint32_t));
    plan->segments = xnew0(struct fabric_segment, count);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct fabric_segment *segment = &plan->segments[plan->segment_count++];
        uint32_t ports;

        take_names(reader, 'b', segment->ifname, &segment->altname);
        ports = take_count(reader, sizeof(uint32_t));
        segment->taps = xnew0(size_t, ports);
        for (uint32_t t = 0; t < ports && !reader->failed; t++)
            segment->taps[segment->tap_count++] = take_tap(reader, plan, used);
        take_outside(reader, segment);
    }
    take_limits(reader, plan);
}

int proto_decode_plan(const void *data, size_t size, struct fabric_plan **ret_plan,
                      struct error *err)
{
    struct reader reader = {.at = data, .left = size};
    struct fabric_plan *plan;
    unsigned op = 0;
    int r = take_header(&reader, &op, err);

    if (r < 0)
        return r;
    plan = xnew0(struct fabric_plan, 1);
    take_plan(&reader, plan);
    if (op != PROTO_APPLY || reader.failed || reader.left > 0)
        r = error_set(err, EPROTO, "the plan is malformed");
    else if (plan->tap_count > PROTO_TAPS_MAX || plan->segment_count > PROTO_TAPS_MAX)
        r = error_input(err, "the plan has %zu taps and %zu segments, %u of each are possible",
                        plan->tap_count, plan->segment_count, PROTO_TAPS_MAX);
    else if (!is_mtu(plan->mtu))
        r = error_input(err, "MTU %u is not within %u to %u", plan->mtu, MTU_LEAST, MTU_MOST);
    else if (!names_unique(plan))
        r = error_input(err, "two interfaces of the plan have the same name");
    if (r < 0)
        fabric_plan_free(plan);
    else
        *ret_plan = plan;
    return r;
}
