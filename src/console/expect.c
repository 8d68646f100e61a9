// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * Finished lines are matched as they end. The unfinished last line (a login prompt never ends) is
 * matched after output came, but at most once in LOOK_NS: matching it anew for each of the single
 * bytes that QEMU sends would let a guest that prints no newlines burn the engine's time.
 *
 * The callback comes from a deferred source and not from the middle of reading the guest, so that
 * it may do anything with the console. */

#include "console/console_priv.h"

#define LOOK_NS (5 * NS_PER_MS)

/**
 * on_hit() - Tell that the rule matched
 * @source:	Deferred source
 * @data:	Console
 *
 * Return: 0
 */
static int on_hit(sd_event_source *source, void *data)
{
    struct console *console = data;
    console_expect_fn *fn = console->expect_fn;
    void *fn_data = console->expect_data;

    (void)source;
    if (!console->expect_hit || !console->rule)
        return 0;
    (void)console_expect(console, NULL, NULL, NULL);
    fn(console, fn_data);
    return 0;
}

void expect_line(struct console *console, const char *line)
{
    if (!console->rule || console->expect_hit || regexec(console->rule, line, 0, NULL, 0) != 0)
        return;
    console->expect_hit = true;
    defer_set(console, &console->expect_done, on_hit, console);
}

/**
 * on_look() - Time to look at the unfinished line again
 * @source:	Timer
 * @us:		Time
 * @data:	Console
 *
 * Return: 0
 */
static int on_look(sd_event_source *source, uint64_t us, void *data)
{
    struct console *console = data;

    (void)source;
    (void)us;
    console->expect_looked_ns = clock_ns();
    expect_line(console, lines_current(&console->lines));
    return 0;
}

void expect_fed(struct console *console)
{
    int armed = 0;

    if (!console->rule || console->expect_hit)
        return;
    if (console->last_ns - console->expect_looked_ns >= LOOK_NS) {
        console->expect_looked_ns = console->last_ns;
        expect_line(console, lines_current(&console->lines));
        return;
    }
    if (console->expect_timer)
        (void)sd_event_source_get_enabled(console->expect_timer, &armed);
    if (armed == SD_EVENT_OFF)
        timer_set(console, &console->expect_timer, console->expect_looked_ns + LOOK_NS, on_look,
                  console);
}

int console_expect(struct console *console, const regex_t *rule, console_expect_fn *fn, void *data)
{
    if (rule && console->rule)
        return -EBUSY;
    console->rule = rule;
    console->expect_fn = fn;
    console->expect_data = data;
    console->expect_hit = false;
    console->expect_looked_ns = 0;
    (void)sd_event_source_set_enabled(console->expect_timer, SD_EVENT_OFF);
    (void)sd_event_source_set_enabled(console->expect_done, SD_EVENT_OFF);
    return 0;
}
