// SPDX-License-Identifier: GPL-2.0-or-later

/* A frame that goes from tap to tap meets no hardware, so nothing lengthens it to what Ethernet
 * demands, and nothing finds it too long. A BPF classifier in front of the redirect does both, for
 * no time that could be measured (tests/bench/links tells how much).
 *
 * It is written here as the machine's instructions: so it needs neither a compiler for them nor
 * a loader, and it is short. In C it would be
 *
 *	if (len < 60, its first tag counted)
 *		lengthen it to 60 with zeros;
 *	else if (there is a limit, and what is behind header and at most two tags exceeds it)
 *		if (it is no super-frame, or the frames that it stands for exceed it as well)
 *			return DROP;
 *	return NEXT;                the redirect, or the bridge
 *
 * What it relies on, as seen with kernels 6.1 and 6.18:
 *
 * - The kernel has taken the first tag out of the frame (vlan_present) and `protocol` is what stood
 *   behind it; the network header is there too. A second tag is still in the frame.
 * - `len` counts from the destination address on, the tag that was taken out apart. When a frame
 *   is lengthened the checksum that is still to do stays so: zeros do not change it.
 * - `tc_classid` begins as the class that the filter was given. So one program serves all limits,
 *   and is loaded once, while the fabric still has the right to. A changed limit is a changed
 *   filter, which the kernel exchanges by one pointer: no frame is lost by it.
 * - A super-frame tells the payload of its parts, and its own headers how long they are. */

#include "netfabric/gate_priv.h"

#include <asm/byteorder.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TAG     4   /* bytes of a VLAN tag */
#define SCRATCH -16 /* where headers are copied, from the end of the stack */

/* Registers: 0 result, 1 to 5 arguments, 6 to 9 ours, 10 the end of the stack. */
enum { R0, R1, R2, R3, R4, R5, FRAME, LENGTH, LIMIT, SKIP, STACK };

/* One instruction per line; a jump names how many of those after it are left out. */
#define INSTRUCTION(code, to, from, offset, value)                                                 \
    {                                                                                              \
        code, to, from, offset, (int32_t)(value)                                                   \
    }
#define SET(to, value)     INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define COPY(to, from)     INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define ADD(to, value)     INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value)
#define ADD_REG(to, from)  INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0)
#define AND(to, value)     INSTRUCTION(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, value)
#define SHIFT_L(to, value) INSTRUCTION(BPF_ALU64 | BPF_LSH | BPF_K, to, 0, 0, value)
#define SHIFT_R(to, value) INSTRUCTION(BPF_ALU64 | BPF_RSH | BPF_K, to, 0, 0, value)
#define FIELD(to, name)                                                                            \
    INSTRUCTION(BPF_LDX | BPF_W | BPF_MEM, to, FRAME, offsetof(struct __sk_buff, name), 0)
#define BYTE(to, offset)               INSTRUCTION(BPF_LDX | BPF_B | BPF_MEM, to, STACK, offset, 0)
#define JUMP(op, reg, value, over)     INSTRUCTION(BPF_JMP | (op) | BPF_K, reg, 0, over, value)
#define JUMP_REG(op, reg, other, over) INSTRUCTION(BPF_JMP | (op) | BPF_X, reg, other, over, 0)
#define CALL(function)                 INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##function)
#define END                            INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define PASS                           SET(R0, TC_ACT_UNSPEC), END
#define DROP                           SET(R0, TC_ACT_SHOT), END

/* What is @count bytes long and stands R2 bytes behind the network header, to the stack. */
#define FETCH(to, count)                                                                           \
    COPY(R3, STACK), ADD(R3, to), COPY(R1, FRAME), SET(R4, count), SET(R5, BPF_HDR_START_NET),     \
        CALL(skb_load_bytes_relative)

static const struct bpf_insn program[] = {
    COPY(FRAME, R1),
    FIELD(LENGTH, len),
    /* The first tag counts, and is apart. */
    FIELD(R3, vlan_present),
    JUMP(BPF_JEQ, R3, 0, 1),
    ADD(LENGTH, TAG),
    /* Too short. */
    JUMP(BPF_JGE, LENGTH, ETH_ZLEN, 8),
    SET(R2, ETH_ZLEN),
    JUMP(BPF_JEQ, R3, 0, 1),
    ADD(R2, -TAG),
    COPY(R1, FRAME),
    SET(R3, 0),
    CALL(skb_change_tail),
    PASS,
    /* Without a limit nothing is too long. */
    FIELD(LIMIT, tc_classid),
    JUMP(BPF_JNE, LIMIT, 0, 2),
    PASS,
    /* What is behind header and tags. SKIP: bytes from the network header to the next. */
    SET(SKIP, 0),
    ADD(LENGTH, -ETH_HLEN),
    JUMP(BPF_JEQ, R3, 0, 6),
    ADD(LENGTH, -TAG),
    FIELD(R2, protocol),
    JUMP(BPF_JEQ, R2, __constant_htons(ETH_P_8021Q), 1),
    JUMP(BPF_JNE, R2, __constant_htons(ETH_P_8021AD), 2),
    SET(SKIP, TAG),
    ADD(LENGTH, -TAG),
    JUMP_REG(BPF_JGT, LENGTH, LIMIT, 2),
    PASS,
    /* Too long, if it is not to be cut. LENGTH: from here on, that of its parts. */
    FIELD(LENGTH, gso_size),
    JUMP(BPF_JNE, LENGTH, 0, 2),
    DROP,
    /* Its IP header. Nobody who is no IP cuts frames. */
    COPY(R2, SKIP),
    FETCH(SCRATCH, 10),
    JUMP(BPF_JEQ, R0, 0, 2),
    DROP,
    BYTE(R2, SCRATCH),
    COPY(R3, R2),
    SHIFT_R(R3, 4),
    JUMP(BPF_JEQ, R3, 6, 4),
    /* Version 4: its length, and what is in it. */
    AND(R2, 15),
    SHIFT_L(R2, 2),
    BYTE(R3, SCRATCH + 9),
    JUMP(BPF_JA, R0, 0, 2),
    /* Version 6. */
    SET(R2, 40),
    BYTE(R3, SCRATCH + 6),
    ADD_REG(LENGTH, R2),
    /* UDP's header has 8 bytes, TCP's tells. */
    JUMP(BPF_JNE, R3, IPPROTO_UDP, 2),
    ADD(LENGTH, 8),
    JUMP(BPF_JA, R0, 0, 13),
    ADD_REG(R2, SKIP),
    ADD(R2, 12),
    FETCH(SCRATCH, 1),
    JUMP(BPF_JNE, R0, 0, 4),
    BYTE(R2, SCRATCH),
    SHIFT_R(R2, 4),
    SHIFT_L(R2, 2),
    ADD_REG(LENGTH, R2),
    JUMP_REG(BPF_JGT, LENGTH, LIMIT, 2),
    PASS,
    DROP,
};

int gate_load(void)
{
    union bpf_attr attr;
    long fd;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attr.insns = (uintptr_t)program;
    attr.insn_cnt = ARRAY_SIZE(program);
    attr.license = (uintptr_t) "GPL";
    memcpy(attr.prog_name, "labctl_gate", sizeof("labctl_gate"));
    fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    return fd < 0 ? -errno : (int)fd;
}
