// SPDX-License-Identifier: GPL-2.0-or-later

/* How a capture's file begins and ends. In a ring of files each one is whole by itself: section,
 * interfaces, packets, and the statistics of its own stretch of time. The descriptors were all
 * opened by who started the capture, as the worker has no right to open anything; the oldest file
 * is emptied and written anew.
 *
 * A worker that was killed leaves a file that may end in the middle of a block. Another one goes on
 * with it (--resume): what is not whole is cut off, and interface blocks of its own follow. A new
 * section would do as well, but tshark 4.0 then shows the names of the first one's interfaces.
 *
 * A stream's reader that was cut off may come back to its pipe minutes later. What is in the buffer
 * then waits for it, with the notice at its end, while the rings receive nothing more: that costs a
 * few MiB and no time. SIGTERM, or the reader's leaving, ends the wait. */

#include "capture/worker_priv.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/ifwatch_priv.h"
#include "capture/pcapng_priv.h"
#include "capture/report_priv.h"

#define READER_PATIENCE_MS  2000
#define CUT_OFF_PATIENCE_MS (10 * 60 * 1000)

void worker_file_interfaces(const struct worker *worker, size_t first, struct strbuf *out)
{
    for (size_t i = first; i < worker->interface_count; i++) {
        const struct interface_block *interface = &worker->interfaces[i];

        pcapng_interface(out, &(struct pcapng_interface){
                                  .name = interface->label,
                                  .description = interface->link,
                                  .filter = worker->options->capture.filter,
                                  .bits_per_s = ifwatch_speed(interface->ifname),
                                  .snaplen = worker->snaplen,
                              });
    }
}

int worker_file_begin(struct worker *worker, int fd, struct error *err)
{
    const struct capture_options *capture = &worker->options->capture;
    _cleanup_strbuf_ struct strbuf headers = STRBUF_INIT;
    int r;

    r = output_init(&worker->output, fd, err);
    if (r < 0)
        return error_prefix(err, "the capture's output");
    if (!worker->continued)
        pcapng_section(&headers, capture->lab);
    worker_file_interfaces(worker, 0, &headers);
    output_append(&worker->output, headers.data, headers.size);
    r = output_flush(&worker->output);
    if (r < 0 && r != -EPIPE)
        return error_errno(err, -r, "write the capture");
    return 0;
}

/**
 * file_fd() - Descriptor of one file of a ring
 * @worker:	The worker
 * @number:	Which
 *
 * Return: descriptor
 */
static int file_fd(const struct worker *worker, unsigned number)
{
    return number ? CAPTURE_FD_FILES + (int)number - 1 : worker->options->output_fd;
}

int worker_file_resume(struct worker *worker)
{
    unsigned files = worker->options->capture.files;
    struct stat newest = {.st_size = 0}, status;
    size_t whole = 0;
    void *map;
    int fd;

    for (unsigned i = 0; i < (files ? files : 1); i++) {
        if (fstat(file_fd(worker, i), &status) < 0 || status.st_size == 0 ||
            (newest.st_size && (status.st_mtim.tv_sec < newest.st_mtim.tv_sec ||
                                (status.st_mtim.tv_sec == newest.st_mtim.tv_sec &&
                                 status.st_mtim.tv_nsec < newest.st_mtim.tv_nsec))))
            continue;
        newest = status;
        worker->file = i;
    }
    fd = file_fd(worker, worker->file);
    map = newest.st_size > 0 && S_ISREG(newest.st_mode)
              ? mmap(NULL, (size_t)newest.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
              : MAP_FAILED;
    if (map != MAP_FAILED) {
        whole = pcapng_whole_blocks(map, (size_t)newest.st_size);
        worker->continued = whole > 0;
        worker->interface_first = pcapng_interfaces(map, whole);
        (void)munmap(map, (size_t)newest.st_size);
    }
    if (ftruncate(fd, (off_t)whole) == 0)
        (void)lseek(fd, (off_t)whole, SEEK_SET);
    return fd;
}

/**
 * last_words() - What stands on the first statistics block of a file
 * @worker:	The worker
 * @last:	No file comes after this one
 *
 * Return: comment, caller frees; NULL if there is nothing to say
 */
static char *last_words(const struct worker *worker, bool last)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    if (worker->shared_os_dropped)
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
    uint64_t end_ns = worker_clock_ns(CLOCK_REALTIME);
    _cleanup_free_ char *words = NULL;

    worker_update_drops(worker);
    words = last_words(worker, last);
    for (uint32_t number = 0; number < worker->interface_count; number++) {
        const struct interface_block *interface = &worker->interfaces[number];
        uint64_t os = interface->os_dropped + (number ? 0 : worker->shared_os_dropped);

        pcapng_statistics(
            out, &(struct pcapng_statistics){.interface = worker->interface_first + number,
                                             .start_ns = worker->start_ns,
                                             .end_ns = end_ns,
                                             .received = interface->packets + interface->lost + os,
                                             .dropped = interface->lost + os,
                                             .os_dropped = os,
                                             .delivered = interface->packets,
                                             .comment = number ? NULL : words});
    }
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
    worker_ends_renumber(worker);
    worker->continued = false;
    worker->interface_first = 0;
    fd = file_fd(worker, worker->file);
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
