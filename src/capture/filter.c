// SPDX-License-Identifier: GPL-2.0-or-later

/* A filter speaks of frames on the wire, but the kernel runs it on what passes through the tap.
 * These differ in three ways, and each is mended:
 *
 * - The outer VLAN tag is not in the frame but beside it. The kernel's program lets every tagged
 *   frame through; filter_match() decides once the tag is back in its place.
 * - A super-frame is one frame there and many on the wire. Addresses, protocol and ports are the
 *   same in all of them, so the kernel's word on these holds. A filter that looks at lengths, at
 *   sequence numbers, flags or payload is run there on small frames only; large ones come through
 *   and filter_match() decides on each segment. Every segment is asked again in any case.
 * - "outbound" is what the tap sends, that is what the node receives. Both are exchanged, so that
 *   a filter says the same as the direction flag in the file. filter_match() has no packet type to
 *   look at and gets programs in which its value is a constant.
 *
 * Names of hosts are looked up in /etc/hosts only, never by DNS: the engine checks filters too, and
 * must not wait.
 *
 * One ring for many endpoints is bound to every interface of the namespace and chooses among them
 * by a search tree at the head of the program. */

#include "capture/filter_priv.h"

#include <linux/if_packet.h>
#include <nss.h>
#include <pcap/pcap.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "capture/capture.h"

/* Frames up to here are no super-frames at the usual MTU: Ethernet header and 1500 bytes. */
#define LARGE_FRAME 1514

struct filter {
    struct bpf_program kernel;   /* "outbound" exchanged */
    struct bpf_program sent;     /* for filter_match(), of frames that the node sent */
    struct bpf_program received; /* … and of those that came to it */
    bool looks_at_segments;      /* its verdict may differ among the segments of a super-frame */
};

/**
 * load_is_packet_type() - Does an instruction load the kernel's packet type?
 * @insn:	Instruction
 *
 * Return: true if so
 */
static bool load_is_packet_type(const struct bpf_insn *insn)
{
    return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
           insn->k == (uint32_t)SKF_AD_OFF + SKF_AD_PKTTYPE;
}

/**
 * load_varies() - May the segments of a super-frame differ in what an instruction loads?
 * @insn:	Instruction
 *
 * The fixed ones are those that libpcap uses for addresses, protocols and ports, as offsets in an
 * untagged frame: all before the IP header's length and identification, what lies between there
 * and the ports over IPv6, and, counted from the end of an IPv4 header, the ports.
 *
 * Return: true if they may
 */
static bool load_varies(const struct bpf_insn *insn)
{
    const uint32_t ip_length = 16, ip_fragment = 20, ipv6_ports_end = 58, ports_end = 18;
    uint32_t size;

    if (BPF_CLASS(insn->code) != BPF_LD && BPF_CLASS(insn->code) != BPF_LDX)
        return false;
    size = BPF_SIZE(insn->code) == BPF_W ? 4 : BPF_SIZE(insn->code) == BPF_H ? 2 : 1;
    switch (BPF_MODE(insn->code)) {
    case BPF_LEN:
        return true;
    case BPF_ABS:
        return (insn->k < ip_fragment && insn->k + size > ip_length) || insn->k >= ipv6_ports_end;
    case BPF_IND:
        return insn->k >= ports_end;
    default:
        return false;
    }
}

/**
 * program_copy() - Copy a program
 * @from:	Program
 *
 * Return: the copy, whose instructions are the caller's
 */
static struct bpf_program program_copy(const struct bpf_program *from)
{
    return (struct bpf_program){
        .bf_len = from->bf_len,
        .bf_insns = xmemdup(from->bf_insns, from->bf_len * sizeof(*from->bf_insns)),
    };
}

/**
 * exchange_directions() - Make "outbound" what the node sends
 * @program:	Not optimised, so that each load of the packet type is followed by its comparison
 *
 * Return: false if the program does not look as expected
 */
static bool exchange_directions(struct bpf_program *program)
{
    for (u_int i = 0; i < program->bf_len; i++) {
        struct bpf_insn *next = &program->bf_insns[i + 1];
        u_char jt;

        if (!load_is_packet_type(&program->bf_insns[i]))
            continue;
        if (i + 1 == program->bf_len || next->code != (BPF_JMP | BPF_JEQ | BPF_K) ||
            next->k != PACKET_OUTGOING)
            return false;
        jt = next->jt;
        next->jt = next->jf;
        next->jf = jt;
    }
    return true;
}

/**
 * fix_direction() - Replace the packet type by a constant
 * @program:	Program
 * @type:	Packet type
 */
static void fix_direction(struct bpf_program *program, bpf_u_int32 type)
{
    for (u_int i = 0; i < program->bf_len; i++)
        if (load_is_packet_type(&program->bf_insns[i]))
            program->bf_insns[i] = (struct bpf_insn){.code = BPF_LD | BPF_IMM, .k = type};
}

/**
 * check_ancillary() - Refuse what only the kernel could answer
 * @program:	Program
 * @ret_typed:	Set if it looks at the packet type
 *
 * Return: false if it asks for more than the packet type
 */
static bool check_ancillary(const struct bpf_program *program, bool *ret_typed)
{
    *ret_typed = false;
    for (u_int i = 0; i < program->bf_len; i++) {
        const struct bpf_insn *insn = &program->bf_insns[i];

        if (load_is_packet_type(insn))
            *ret_typed = true;
        else if (BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
                 insn->k >= (uint32_t)SKF_LL_OFF)
            return false;
    }
    return true;
}

/**
 * compile() - Let libpcap compile
 * @pcap:	Handle for Ethernet
 * @text:	Filter
 * @shown:	The same, escaped, for the error
 * @optimize:	Whether to optimise
 * @ret_program:	Program, to be freed by pcap_freecode()
 * @err:	What libpcap says
 *
 * Return: 0 or -EINVAL
 */
static int compile(pcap_t *pcap, const char *text, const char *shown, bool optimize,
                   struct bpf_program *ret_program, struct error *err)
{
    if (pcap_compile(pcap, ret_program, text, optimize, PCAP_NETMASK_UNKNOWN) != 0) {
        _cleanup_free_ char *said = text_escape(pcap_geterr(pcap), strlen(pcap_geterr(pcap)));

        (void)error_input(err, "filter '%s': %s", shown, said);
        if (strstr(said, "unknown host") || strstr(said, "unknown network"))
            error_hint(err, "name servers are not asked: write the address, such as 10.0.0.1");
        return -EINVAL;
    }
    return 0;
}

/**
 * compile_own() - Compile a filter into programs of our own
 * @pcap:	Handle for Ethernet
 * @text:	Filter
 * @shown:	The same, escaped, for the error
 * @filter:	Filled
 * @err:	What is wrong
 *
 * Return: 0 or -EINVAL
 */
static int compile_own(pcap_t *pcap, const char *text, const char *shown, struct filter *filter,
                       struct error *err)
{
    struct bpf_program program;
    bool typed, plain;
    int r;

    r = compile(pcap, text, shown, true, &program, err);
    if (r < 0)
        return r;
    plain = check_ancillary(&program, &typed);
    if (plain && typed) {
        pcap_freecode(&program);
        r = compile(pcap, text, shown, false, &program, err);
        if (r < 0)
            return r;
        plain = exchange_directions(&program);
    }
    if (!plain) {
        pcap_freecode(&program);
        return error_input(err, "filter '%s': it asks for what is not in the frame", shown);
    }
    filter->kernel = program_copy(&program);
    filter->sent = program_copy(&program);
    filter->received = program_copy(&program);
    pcap_freecode(&program);
    /* On a tap, what the node sent comes in. */
    fix_direction(&filter->sent, PACKET_HOST);
    fix_direction(&filter->received, PACKET_OUTGOING);
    for (u_int i = 0; i < filter->kernel.bf_len; i++)
        filter->looks_at_segments |= load_varies(&filter->kernel.bf_insns[i]) &&
                                     !load_is_packet_type(&filter->kernel.bf_insns[i]);
    return 0;
}

/**
 * look_up_in_files_only() - Names in filters must not make this process wait for a name server
 *
 * libpcap resolves "host www" by getaddrinfo(3) and getnetbyname(3). From here on this process
 * knows the hosts, networks and addresses of /etc alone. Protocols and ports come from files
 * anyway.
 */
static void look_up_in_files_only(void)
{
    static const char *const databases[] = {"hosts", "networks", "ethers"};

    for (size_t i = 0; i < ARRAY_SIZE(databases); i++)
        (void)__nss_configure_lookup(databases[i], "files");
}

int filter_compile(const char *text, struct filter **ret_filter, struct error *err)
{
    _cleanup_free_ char *shown = text_escape(text, strnlen(text, FILTER_TEXT_MAX));
    struct filter *filter;
    pcap_t *pcap;
    int r;

    if (strlen(text) > FILTER_TEXT_MAX)
        return error_input(err, "the filter has %zu characters, more than %d", strlen(text),
                           FILTER_TEXT_MAX);
    pcap = pcap_open_dead(DLT_EN10MB, (int)FILTER_WHOLE);
    if (!pcap)
        return error_errno(err, ENOMEM, "filter '%s'", shown);
    look_up_in_files_only();
    filter = xnew0(struct filter, 1);
    r = compile_own(pcap, text, shown, filter, err);
    pcap_close(pcap);
    if (r < 0)
        filter_free(filter);
    else
        *ret_filter = filter;
    return r;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    free(filter->kernel.bf_insns);
    free(filter->sent.bf_insns);
    free(filter->received.bf_insns);
    free(filter);
}

int capture_filter_check(const char *text, struct error *err)
{
    struct filter *filter = NULL;
    int r = filter_compile(text, &filter, err);

    filter_free(filter);
    return r;
}

bool filter_match(const struct filter *filter, const uint8_t *frame, size_t size, bool sent)
{
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32)size, .len = (bpf_u_int32)size};

    return pcap_offline_filter(sent ? &filter->sent : &filter->received, &header, frame) != 0;
}

struct program_builder {
    struct sock_filter *insns;
    size_t count, room;
};

/**
 * emit() - Add an instruction; beyond the room it is only counted
 * @program:	Where
 * @insn:	Instruction
 *
 * Return: its number
 */
static size_t emit(struct program_builder *program, struct sock_filter insn)
{
    if (program->count < program->room)
        program->insns[program->count] = insn;
    return program->count++;
}

/**
 * emit_search() - Add a search tree over interface numbers; the number is in A
 * @program:	Where
 * @ifindexes:	Sorted
 * @count:	How many, at least 1
 * @found:	Offset-less jumps to what follows the tree: their numbers are put here
 * @found_count:	Grows by @count
 */
static void emit_search(struct program_builder *program, const uint32_t *ifindexes, size_t count,
                        size_t *found, size_t *found_count)
{
    size_t half = count / 2, jump;

    if (count == 1) {
        emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ifindexes[0], 0, 1));
        found[(*found_count)++] = emit(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
        emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
        return;
    }
    /* Conditional jumps reach 255 instructions only; hence the unconditional one. */
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ifindexes[half], 0, 1));
    jump = emit(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
    emit_search(program, ifindexes, half, found, found_count);
    if (jump < program->room)
        program->insns[jump].k = (uint32_t)(program->count - jump - 1);
    emit_search(program, ifindexes + half, count - half, found, found_count);
}

int filter_kernel(const struct filter *filter, const uint32_t *ifindexes, size_t ifindex_count,
                  struct sock_filter *program, size_t room)
{
    struct program_builder builder = {.insns = program, .room = room};

    if (!filter && ifindex_count == 0)
        return 0;
    if (ifindex_count) {
        _cleanup_free_ size_t *found = xnew0(size_t, ifindex_count);
        size_t found_count = 0;

        emit(&builder, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                    (uint32_t)SKF_AD_OFF + SKF_AD_IFINDEX));
        emit_search(&builder, ifindexes, ifindex_count, found, &found_count);
        for (size_t i = 0; i < found_count; i++)
            if (found[i] < room)
                program[found[i]].k = (uint32_t)(builder.count - found[i] - 1);
    }
    if (filter) {
        emit(&builder,
             (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                          (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
        emit(&builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
        emit(&builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, FILTER_WHOLE));
    }
    if (filter && filter->looks_at_segments) {
        emit(&builder, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
        emit(&builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LARGE_FRAME, 0, 1));
        emit(&builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, FILTER_WHOLE));
    }
    for (u_int i = 0; filter && i < filter->kernel.bf_len; i++) {
        const struct bpf_insn *insn = &filter->kernel.bf_insns[i];

        emit(&builder, (struct sock_filter){insn->code, insn->jt, insn->jf, insn->k});
    }
    if (!filter)
        emit(&builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, FILTER_WHOLE));
    return builder.count > room ? -E2BIG : (int)builder.count;
}
