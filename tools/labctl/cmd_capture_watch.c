// SPDX-License-Identifier: GPL-2.0-or-later

/* capture watch: a line per packet. tshark knows more protocols than anybody, so it is asked where
 * it is installed; what it has to say beside the packets is kept in a file and shown if it failed.
 * Else, and with --plain, labctl's own short decoder. It is also the one that tells what was noted
 * on a packet, and waits for nothing: tshark shows packets twice a second. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/decode.h"
#include "capture/reader.h"
#include "labctl/capture_params.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/work.h"

static const struct option_spec watch_options[] = {
    {"filter", 'f', "BPF", "only packets that match, such as 'ospf' or 'tcp port 179'"},
    {"side", 0, "before|after", "of a link: frames as they are sent, or as they arrive"},
    {"packets", 'c', "N", "end after so many"},
    {"bytes", 0, "SIZE", "end after so much, such as 100M"},
    {"duration", 0, "TIME", "end after so long, such as 30s"},
    {"plain", 0, NULL, "by labctl's own decoder, also where there is a tshark"},
    {0},
};

/**
 * print_packet() - One line about a packet, and one for each remark on it
 * @packet:	Packet or remark
 */
static void print_packet(const struct capture_packet *packet)
{
    time_t second = (time_t)(packet->time_ns / 1000000000u);
    struct tm tm = {0};
    struct decode decode;
    char stamp[16];

    for (const char *line = packet->comment; line;) {
        const char *end = strchr(line, '\n');

        (void)printf("%s-- %.*s%s\n", colour_on(COLOUR_YELLOW),
                     end ? (int)(end - line) : (int)strlen(line), line, colour_off());
        line = end ? end + 1 : NULL;
    }
    if (!packet->data)
        return;
    (void)localtime_r(&second, &tm);
    (void)strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
    decode_frame(packet->data, packet->size, &decode);
    (void)printf("%s%s.%06u%s %s%s%s %s > %s %s%s%s %s%s(%zu)\n", colour_on(COLOUR_DIM), stamp,
                 (unsigned)(packet->time_ns % 1000000000u / 1000), colour_off(),
                 colour_on(COLOUR_BOLD), packet->where, colour_off(), decode.source,
                 decode.destination, colour_on(COLOUR_GREEN), decode.protocol, colour_off(),
                 decode.info, *decode.info ? " " : "", packet->original);
}

int capture_read(struct capture_source *source, capture_packet_fn *fn, void *data,
                 struct error *err)
{
    struct capture_reader *reader = capture_reader_new();
    struct capture_packet packet;
    int r = 0;

    while (r == 0 && work_interrupts() == 0) {
        const void *blocks;
        ssize_t n = capture_source_read(source, STDOUT_FILENO, &blocks, err);

        if (n == -ENODATA)
            break;
        if (n < 0) {
            capture_reader_free(reader);
            return (int)n;
        }
        if (n > 0)
            capture_reader_feed(reader, blocks, (size_t)n);
        while ((r = capture_reader_next(reader, &packet)) > 0)
            fn(&packet, data);
    }
    capture_reader_free(reader);
    return r < 0 ? error_set(err, -r, "the engine sent what is no pcapng") : 0;
}

/**
 * watch_packet() - Show a packet at once
 * @packet:	Packet
 * @data:	Unused
 */
static void watch_packet(const struct capture_packet *packet, void *data)
{
    (void)data;
    print_packet(packet);
    (void)fflush(stdout);
}

/**
 * by_tshark() - Have tshark show what comes
 * @source:	Packets
 * @err:	Error to fill
 *
 * Return: 0; -ENOENT if it is not installed; other -errno
 */
static int by_tshark(struct capture_source *source, struct error *err)
{
    static const char columns[] =
        "gui.column.format:\"Time\",\"%At\",\"Where\",\"%Cus:frame.interface_name:0:R\","
        "\"Source\",\"%s\",\"Destination\",\"%d\",\"Protocol\",\"%p\",\"Info\",\"%i\"";
    static const char *const argv[] = {"tshark", "-l", "-n", "-o", columns, "-i", "-", NULL};
    _cleanup_close_ int log_fd = memfd_create("tshark", MFD_CLOEXEC);
    char said[4096];
    ssize_t n;
    int r = capture_feed(source, argv, log_fd, err);

    if (r <= 0)
        return r;
    n = pread(log_fd, said, sizeof(said) - 1, 0);
    r = error_set(err, EIO, "tshark failed");
    error_hint(err, "try --plain; it said: %.*s", n > 0 ? (int)n : 0, said);
    return r;
}

static int run_watch(struct invocation *invocation, struct error *err)
{
    bool plain = invocation_flag(invocation, "plain") || invocation->json;
    _cleanup_source_ struct capture_source *source = NULL;
    json_t *params = NULL;
    int r = capture_params(invocation, &params, err);

    if (r < 0)
        return r;
    work_catch_signals();
    r = capture_source_open(invocation, params, &source, err);
    if (r < 0)
        return r;
    if (!plain) {
        r = by_tshark(source, err);
        if (r != -ENOENT)
            return r;
        error_done(err);
    }
    return capture_read(source, watch_packet, NULL, err);
}

const struct command cmd_capture_watch = {
    .group = "capture",
    .name = "watch",
    .arguments = "[WHERE…]",
    .summary = "Packets as they pass, a line each",
    .details =
        "By tshark where it is installed, else by a short decoder of labctl's own, which also\n"
        "shows notes and what happened in the lab. WHERE is as for 'capture start'.",
    .options = watch_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_watch,
};
