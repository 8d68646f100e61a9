// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Live output passes unchanged: the person's terminal is the guest's terminal. A replay is not
 * live: if it holds "where is the cursor?", the terminal would answer again, and the answer would
 * be typed into whatever runs in the guest now. So sequences of old output are kept back until they
 * are complete, and those that ask something are dropped, like all strings: a title or clipboard of
 * yesterday is of no use. A sequence that begins in the replay and ends live is still old.
 *
 * At the end the terminal may be in any mode. Most are reset blindly, because that does no harm;
 * the alternate screen and origin mode only if the guest was seen to use them, because resetting
 * them moves the cursor. */

#include "console/guard.h"

#define HELD_MAX 256

void guard_done(struct guard *guard)
{
    strbuf_done(&guard->held);
}

/**
 * note_modes() - Remember modes that are not reset blindly
 * @guard:	Guard; a sequence ended
 * @token:	What it is
 */
static void note_modes(struct guard *guard, enum vt_token token)
{
    const struct vt *vt = &guard->vt;
    bool on = vt->final == 'h';

    if (token == VT_ESC && vt->final == 'c' && !vt->intermediate)
        guard->alternate = guard->origin = false;
    if (token != VT_CSI || vt->prefix != '?' || vt->intermediate || (!on && vt->final != 'l'))
        return;
    for (size_t i = 0; i < vt->arg_count; i++) {
        if (vt->args[i] == 47 || vt->args[i] == 1047 || vt->args[i] == 1049)
            guard->alternate = on;
        else if (vt->args[i] == 6)
            guard->origin = on;
    }
}

/**
 * is_query() - Would a terminal answer?
 * @vt:		The sequence that ended
 * @token:	What it is
 *
 * Return: true if so, or if it is a string
 */
static bool is_query(const struct vt *vt, enum vt_token token)
{
    if (token == VT_STRING || token == VT_ENQ)
        return true;
    if (token == VT_ESC)
        return vt->final == 'Z' && !vt->intermediate; /* DECID */
    if (token != VT_CSI)
        return false;
    switch (vt->final) {
    case 'c': /* DA */
    case 'n': /* DSR, cursor position */
    case 'x': /* DECREQTPARM */
        return true;
    case 'p': /* DECRQM */
    case 'w': /* DECRQPSR, DECEFR */
    case 'y': /* DECRQCRA with '*', answers to DECRQM */
        return vt->intermediate != 0;
    case 'q': /* XTVERSION */
        return vt->prefix == '>';
    case 'S': /* XTSMGRAPHICS */
    case 'u': /* keyboard protocol */
    case 'm': /* XTQMODKEYS */
        return vt->prefix == '?';
    case 't': /* window reports */
        return vt->args[0] >= 11;
    default:
        return false;
    }
}

/**
 * hold_byte() - A byte of a sequence of old output
 * @guard:	Guard
 * @byte:	Byte
 * @token:	What it completed
 * @out:	Where a complete, harmless sequence goes
 */
static void hold_byte(struct guard *guard, char byte, enum vt_token token, struct strbuf *out)
{
    bool control = token == VT_CR || token == VT_LF || token == VT_BACKSPACE || token == VT_TAB;

    if (control) {
        /* Takes effect at once, also inside a sequence. */
        strbuf_append(out, &byte, 1);
    } else if (guard->held.size < HELD_MAX) {
        strbuf_append(&guard->held, &byte, 1);
    } else {
        guard->dropping = true;
    }
    if (!vt_idle(&guard->vt))
        return;
    /* VT_NONE: it was cancelled. */
    if (!control && token != VT_NONE && !guard->dropping && !is_query(&guard->vt, token))
        strbuf_append(out, guard->held.data, guard->held.size);
    guard->held.size = 0;
    guard->dropping = false;
}

void guard_feed(struct guard *guard, const void *data, size_t size, bool old, struct strbuf *out)
{
    const char *bytes = data;
    size_t passed = 0;

    for (size_t i = 0; i < size; i++) {
        bool inside = guard->held.size > 0;
        enum vt_token token = vt_next(&guard->vt, (uint8_t)bytes[i]);

        note_modes(guard, token);
        if (inside || (old && !vt_idle(&guard->vt)) || (old && token == VT_ENQ)) {
            strbuf_append(out, bytes + passed, i - passed);
            passed = i + 1;
            if (inside || token != VT_ENQ)
                hold_byte(guard, bytes[i], token, out);
        }
    }
    strbuf_append(out, bytes + passed, size - passed);
}

void guard_reset(const struct guard *guard, struct strbuf *out)
{
    if (!vt_idle(&guard->vt))
        strbuf_puts(out, "\030\033\\"); /* cancel, end of string */
    if (guard->alternate)
        strbuf_puts(out, "\033[?1049l");
    if (guard->origin)
        strbuf_puts(out, "\033[?6l\033[999;1H");
    strbuf_puts(out, "\0337\033[r\0338"                          /* scroll region, cursor stays */
                     "\033[0m\033(B\017"                         /* colours, character set */
                     "\033[4l\033[?1l\033>"                      /* insert mode, key modes */
                     "\033[?5l\033[?7h\033[?25h"                 /* reverse, wrap, cursor */
                     "\033[?9l\033[?1000l\033[?1002l\033[?1003l" /* mouse */
                     "\033[?1005l\033[?1006l\033[?1015l\033[?1004l"
                     "\033[?2004l"); /* bracketed paste */
}
