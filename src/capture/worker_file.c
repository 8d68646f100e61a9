// SPDX-License-Identifier: GPL-2.0-or-later

/* How a capture's file begins and ends. In a ring of files each one is whole by itself: section,
 * interfaces, packets, and the statistics of its own stretch of time. The descriptors were all
 * opened by who started the capture, as the worker has no right to open anything; the oldest file
 * is emptied and written anew.
 *
 * A stream's reader that was cut off may come back to its pipe minutes later. What is in the buffer
 * then waits for it, with the notice at its end, while the rings receive nothing more: that costs a
 * few MiB and no time. SIGTERM, or the reader's leaving, ends the wait. */

#include "capture/worker_priv.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/ifwatch_priv.h"
#include "capture/pcapng_priv.h"
#include "capture/report_priv.h"

#define READER_PATIENCE_MS  2000
#define CUT_OFF_PATIENCE_MS (10 * 60 * 1000)

int worker_file_begin(struct worker *worker, int fd, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;
    _cleanup_strbuf_ struct strbuf headers = STRBUF_INIT;
    int r;

    r = output_init(&worker->output, fd, err);
    if (r < 0)
        return error_prefix(err, "the capture's output");
    pcapng_section(&headers, capture->lab);
    for (size_t i = 0; i < capture->endpoint_count; i++)
        pcapng_interface(&headers, &(struct pcapng_interface){
                                       .name = capture->endpoints[i].label,
                                       .description = capture->endpoints[i].link,
                                       .filter = capture->filter,
                                       .bits_per_s = ifwatch_speed(capture->endpoints[i].ifname),
                                       .snaplen = worker->snaplen,
                                   });
    output_append(&worker->output, headers.data, headers.size);
    r = output_flush(&worker->output);
    if (r < 0 && r != -EPIPE)
        return error_errno(err, -r, "write the capture");
    return 0;
}

/**
 * last_words() - What stands on the first statistics block of a file
 * @worker:	The worker
 * @shared:	The drops of all interfaces are on the first one
 * @last:	No file comes after this one
 *
 * Return: comment, caller frees; NULL if there is nothing to say
 */
static char *last_words(const struct worker *worker, bool shared, bool last)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    if (shared && worker->drops > worker->drops_before[0])
        strbuf_puts(&text, "drops of all interfaces of this capture");
    if (worker->cut_off)
        strbuf_printf(&text,
                      "%slabctl: this reader was cut off, as it did not read: %" PRIu64
                      " packets are missing, and all that came later",
                      text.size ? "\n" : "", worker->lost);
    for (size_t i = 0; last && i < worker->note_count; i++)
        strbuf_printf(&text, "%s%s", text.size ? "\n" : "", worker->notes[i].text);
    return text.size ? strbuf_steal(&text) : NULL;
}

/**
 * append_statistics() - Make the statistics blocks
 * @worker:	The worker
 * @last:	No file comes after this one
 * @out:	Where
 */
static void append_statistics(struct worker *worker, bool last, struct strbuf *out)
{
    const struct capture_options *capture = &worker->options->capture;
    uint64_t end_ns = worker_clock_ns(CLOCK_REALTIME);
    bool shared = worker->ring_count < capture->endpoint_count;
    _cleanup_free_ char *words = NULL;

    worker_update_drops(worker);
    words = last_words(worker, shared, last);
    for (uint32_t number = 0; number < capture->endpoint_count; number++) {
        size_t place = 0;
        struct endpoint *endpoint;
        uint64_t os = 0, packets, lost;

        while (worker->numbers[place] != number)
            place++;
        endpoint = &worker->endpoints[place];
        packets = endpoint->packets - endpoint->packets_before;
        lost = endpoint->lost - endpoint->lost_before;
        if (!shared || number == 0)
            os = shared ? worker->drops - worker->drops_before[0]
                        : worker->ring_drops[place] - worker->drops_before[place];
        pcapng_statistics(out, &(struct pcapng_statistics){.interface = number,
                                                           .start_ns = worker->start_ns,
                                                           .end_ns = end_ns,
                                                           .received = packets + lost + os,
                                                           .dropped = lost + os,
                                                           .os_dropped = os,
                                                           .delivered = packets,
                                                           .comment = number ? NULL : words});
        endpoint->packets_before = endpoint->packets;
        endpoint->lost_before = endpoint->lost;
    }
    for (size_t i = 0; i < worker->ring_count; i++)
        worker->drops_before[i] = worker->ring_drops[i];
    worker->start_ns = end_ns;
}

void worker_file_rotate(struct worker *worker)
{
    const struct capture_options *capture = &worker->options->capture;
    _cleanup_strbuf_ struct strbuf statistics = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd;

    append_statistics(worker, false, &statistics);
    output_append(&worker->output, statistics.data, statistics.size);
    if (output_flush(&worker->output) < 0) {
        worker_output_failed(worker);
        return;
    }
    worker->file = (worker->file + 1) % capture->files;
    fd = worker->file ? CAPTURE_FD_FILES + (int)worker->file - 1 : worker->options->output_fd;
    output_done(&worker->output);
    if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0)
        (void)error_errno(&err, errno, "begin the next file");
    else
        (void)worker_file_begin(worker, fd, &err);
    if (err.code) {
        free(worker->why_owned);
        worker->why_owned = xstrdup(error_message(&err));
        worker_finish(worker, true, worker->why_owned);
        worker->output.error = -err.code;
    }
}

void worker_file_end(struct worker *worker)
{
    _cleanup_strbuf_ struct strbuf statistics = STRBUF_INIT;
    int r;

    append_statistics(worker, true, &statistics);
    if (!worker->keep && !worker->output.error) {
        output_append(&worker->output, statistics.data, statistics.size);
        worker_send_stats(worker);
        for (size_t i = 0; worker->cut_off && i < worker->ring_count; i++)
            ring_stop(worker->rings[i]);
        if (worker->cut_off)
            report_cut_off(worker->options->control);
        r = output_finish(&worker->output,
                          worker->cut_off ? CUT_OFF_PATIENCE_MS : READER_PATIENCE_MS,
                          worker->cut_off ? worker->signal_fd : -1);
        if (r == -ETIMEDOUT && !worker->cut_off) {
            worker->why = "the reader did not take all of it";
        } else if (r < 0 && r != -ETIMEDOUT && !worker->cut_off) {
            worker->why = NULL;
            worker_output_failed(worker);
        }
    }
    if (worker->output.error)
        output_rescue(&worker->output, statistics.data, statistics.size);
    worker_send_stats(worker);
    report_ended(worker->options->control, worker->failed, worker->why);
}
