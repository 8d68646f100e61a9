// SPDX-License-Identifier: GPL-2.0-or-later

/* What of the guest's output may reach the person's terminal. Live output goes through as it is:
 * the terminal's answers to the guest's questions are wanted. Replayed output is history: questions
 * in it were answered long ago, and answers now would be typed into the guest. So those, and
 * strings such as titles, are left out of a replay. All along, the modes that would outlive the
 * visit are noted, to be undone at its end. */

#include "console/client_priv.h"

#include <string.h>

/**
 * note_mode() - Remember modes that the guest switched on
 * @screen:	Screen
 */
static void note_mode(struct client_screen *screen)
{
    const struct vt *vt = &screen->vt;
    bool on = vt->final == 'h';

    if (vt->prefix != '?' || (!on && vt->final != 'l'))
        return;
    for (unsigned i = 0; i < vt->arg_count && i < VT_ARGS; i++)
        if (vt->args[i] == 1049 || vt->args[i] == 1047 || vt->args[i] == 47)
            screen->alternate = on;
}

/**
 * is_question() - Whether a finished sequence makes a terminal answer, or is a string
 * @vt:		Parser, just after the sequence
 * @token:	What it was
 *
 * Return: true if it must not be replayed
 */
static bool is_question(const struct vt *vt, enum vt_token token)
{
    if (token == VT_ENQ || token == VT_STRING)
        return true;
    if (token == VT_CSI)
        return strchr("cntxy", vt->final) || (vt->final == 'p' && vt->intermediate == '$');
    return token == VT_ESC && vt->final == 'Z';
}

void client_screen_feed(struct client_screen *screen, const uint8_t *data, size_t size, bool replay,
                        struct strbuf *out)
{
    for (size_t i = 0; i < size; i++) {
        enum vt_token token = vt_next(&screen->vt, data[i]);

        if (token == VT_CSI)
            note_mode(screen);
        if (!replay) {
            strbuf_append(out, data + i, 1);
            continue;
        }
        /* Held until it is known what the sequence is; a string is never held, and never shown. */
        if (screen->held.size < CLIENT_HELD_MAX)
            strbuf_append(&screen->held, data + i, 1);
        if (!vt_idle(&screen->vt))
            continue;
        if (!is_question(&screen->vt, token))
            strbuf_append(out, screen->held.data, screen->held.size);
        strbuf_consume(&screen->held, screen->held.size);
    }
}

void client_screen_restore(const struct client_screen *screen, struct strbuf *out)
{
    if (screen->alternate)
        strbuf_puts(out, "\033[?1049l");
    /* Bracketed paste, mouse, application keys, hidden cursor, no wrap, scroll region, colours,
     * line drawing. */
    strbuf_puts(out, "\033[?2004l\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?1l\033>"
                     "\033[?25h\033[?7h\0337\033[r\0338\033[0m\033(B\017");
}

void client_screen_done(struct client_screen *screen)
{
    strbuf_done(&screen->held);
}
