// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Terminal output taken apart byte by byte (ECMA-48 as xterm reads it), with no memory but a few
 * counters, so that a sequence may be split anywhere and may be as long as it likes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vt_token {
    VT_NONE,      /* inside a sequence, or a control character without effect on text */
    VT_PRINT,     /* the byte is text (printable ASCII, or a part of a UTF-8 character) */
    VT_TAB,       /* horizontal tab */
    VT_CR,        /* carriage return */
    VT_LF,        /* line feed, vertical tab, form feed */
    VT_BACKSPACE, /* backspace */
    VT_ENQ,       /* enquiry: a terminal answers to it */
    VT_CSI,       /* a control sequence ended: see final, prefix, args */
    VT_ESC,       /* a short escape ended: see final, intermediate */
    VT_STRING,    /* an OSC, DCS, SOS, PM or APC string ended */
};

#define VT_ARGS 16

struct vt {
    uint8_t state;          /* private to vt.c */
    uint8_t final;          /* last byte of a CSI or short escape; the introducer of a string */
    uint8_t prefix;         /* '?', '>', '<', '=' of a CSI, or 0 */
    uint8_t intermediate;   /* last byte of 0x20-0x2f, or 0 */
    uint8_t arg_count;      /* at least 1 for a CSI */
    uint16_t args[VT_ARGS]; /* 0 where absent; saturated at 65535 */
    size_t string_size;     /* bytes of the string so far */
};

/* vt_init() - Start outside of any sequence. All zeroes will do too. */
void vt_init(struct vt *vt);
/* vt_next() - Take one byte. Return: what it was or completed */
enum vt_token vt_next(struct vt *vt, uint8_t byte);
/* vt_idle() - True outside of any sequence. */
bool vt_idle(const struct vt *vt);
