// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * base/text.h strips whole buffers; a console arrives in pieces, often of one byte, so the same
 * grammar is kept here as a state machine. Control characters inside a CSI take effect at once, as
 * on a real terminal, and CAN or SUB end any sequence.
 *
 * A terminal swallows everything after an OSC or DCS that never ends. A guest that dies in the
 * middle of one, or means harm, must not make readiness and exec deaf: an OSC ends at a line feed,
 * other strings after STRING_MAX bytes. */

#include "console/vt.h"

#include <string.h>

#define STRING_MAX 65536

enum vt_state {
    STATE_GROUND,
    STATE_ESC,        /* after ESC */
    STATE_SHORT,      /* ESC and intermediate bytes */
    STATE_CSI,        /* ESC [ … */
    STATE_STRING,     /* in an OSC, DCS, SOS, PM or APC string */
    STATE_STRING_ESC, /* ESC inside a string: ST if a backslash follows */
};

void vt_init(struct vt *vt)
{
    *vt = (struct vt){.state = STATE_GROUND};
}

bool vt_idle(const struct vt *vt)
{
    return vt->state == STATE_GROUND;
}

/**
 * control_token() - What a control character does to text
 * @byte:	Byte below 0x20, or 0x7f
 *
 * Return: its token
 */
static enum vt_token control_token(uint8_t byte)
{
    switch (byte) {
    case '\r':
        return VT_CR;
    case '\n':
    case '\v':
    case '\f':
        return VT_LF;
    case '\b':
        return VT_BACKSPACE;
    case '\t':
        return VT_TAB;
    case 0x05:
        return VT_ENQ;
    default:
        return VT_NONE;
    }
}

/**
 * next_escape() - A byte after ESC
 * @vt:	State
 * @byte:	Byte, not a control character
 *
 * Return: token
 */
static enum vt_token next_escape(struct vt *vt, uint8_t byte)
{
    if (byte >= 0x20 && byte <= 0x2f) {
        vt->intermediate = byte;
        vt->state = STATE_SHORT;
        return VT_NONE;
    }
    if (vt->state == STATE_ESC && byte == '[') {
        *vt = (struct vt){.state = STATE_CSI, .arg_count = 1};
        return VT_NONE;
    }
    if (vt->state == STATE_ESC && strchr("]PX^_", byte)) {
        vt->final = byte;
        vt->string_size = 0;
        vt->state = STATE_STRING;
        return VT_NONE;
    }
    vt->final = byte;
    vt->state = STATE_GROUND;
    return VT_ESC;
}

/**
 * next_csi() - A byte inside a control sequence
 * @vt:	State
 * @byte:	Byte, not a control character
 *
 * Return: token
 */
static enum vt_token next_csi(struct vt *vt, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        uint16_t *arg = &vt->args[vt->arg_count - 1];
        unsigned value = *arg * 10u + (byte - '0');

        *arg = value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
    } else if (byte == ';' || byte == ':') {
        if (vt->arg_count < VT_ARGS)
            vt->args[vt->arg_count++] = 0;
    } else if (byte >= 0x3c && byte <= 0x3f) {
        vt->prefix = byte;
    } else if (byte >= 0x20 && byte <= 0x2f) {
        vt->intermediate = byte;
    } else {
        /* A final byte; anything above 0x7e is broken output and ends the sequence too. */
        vt->final = byte;
        vt->state = STATE_GROUND;
        return byte <= 0x7e ? VT_CSI : VT_NONE;
    }
    return VT_NONE;
}

/**
 * next_string() - A byte inside an OSC, DCS, SOS, PM or APC string
 * @vt:	State
 * @byte:	Any byte
 *
 * Return: token
 */
static enum vt_token next_string(struct vt *vt, uint8_t byte)
{
    if (vt->state == STATE_STRING_ESC) {
        if (byte == '\\') {
            vt->state = STATE_GROUND;
            return VT_STRING;
        }
        /* Any other escape ends the string and begins anew. */
        vt->state = STATE_ESC;
        vt->intermediate = 0;
        return vt_next(vt, byte);
    }
    if (byte == 0x1b) {
        vt->state = STATE_STRING_ESC;
        return VT_NONE;
    }
    if (byte == '\n' && vt->final == ']') {
        vt->state = STATE_GROUND;
        return VT_LF;
    }
    if (byte == '\a' || byte == 0x18 || byte == 0x1a || ++vt->string_size >= STRING_MAX) {
        vt->state = STATE_GROUND;
        return VT_STRING;
    }
    return VT_NONE;
}

enum vt_token vt_next(struct vt *vt, uint8_t byte)
{
    if (vt->state == STATE_STRING || vt->state == STATE_STRING_ESC)
        return next_string(vt, byte);
    if (byte == 0x1b) {
        vt->state = STATE_ESC;
        vt->intermediate = 0;
        return VT_NONE;
    }
    if (byte == 0x18 || byte == 0x1a) {
        vt->state = STATE_GROUND;
        return VT_NONE;
    }
    if (byte < 0x20 || byte == 0x7f)
        return control_token(byte);
    switch ((enum vt_state)vt->state) {
    case STATE_ESC:
    case STATE_SHORT:
        return next_escape(vt, byte);
    case STATE_CSI:
        return next_csi(vt, byte);
    default:
        return VT_PRINT;
    }
}
