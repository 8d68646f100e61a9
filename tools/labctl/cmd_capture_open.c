// SPDX-License-Identifier: GPL-2.0-or-later

/* capture open: a stream straight into a Wireshark window. As with every stream, what the window
 * does not take in time is lost and said to be. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "labctl/capture_params.h"
#include "labctl/labctl.h"
#include "labctl/work.h"

static const struct option_spec open_options[] = {
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"snaplen", 's', "BYTES", "only the first bytes of each"},
    {"with", 0, "PROGRAM", "another one that understands 'PROGRAM -k -i -' (default: wireshark)"},
    {0},
};

static int run_open(struct invocation *invocation, struct error *err)
{
    const char *with = invocation_value(invocation, "with"), *program = with ? with : "wireshark";
    _cleanup_source_ struct capture_source *source = NULL;
    json_t *params = NULL;
    int r = capture_params(invocation, &params, err);

    if (r < 0)
        return r;
    work_catch_signals();
    r = capture_source_open(invocation, params, &source, err);
    if (r < 0)
        return r;
    r = capture_feed(source, (const char *const[]){program, "-k", "-i", "-", NULL}, STDERR_FILENO,
                     err);
    if (r == -ENOENT)
        error_hint(err, "install wireshark, or see packets here: labctl capture watch");
    if (r <= 0)
        return r;
    r = error_set(err, EIO, "%s failed", program);
    if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY"))
        error_hint(err,
                   "there is no screen here (DISPLAY is not set); from another machine: ssh HOST "
                   "labctl capture stream %s | wireshark -k -i -",
                   invocation->word_count ? invocation->words[0] : "lab");
    return r;
}

const struct command cmd_capture_open = {
    .group = "capture",
    .name = "open",
    .arguments = "[WHERE…]",
    .summary = "Packets as they pass, in a Wireshark window",
    .details = "Ends when the window is closed. WHERE is as for 'capture start'.",
    .options = open_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_open,
};
