// SPDX-License-Identifier: GPL-2.0-or-later

/* What the worker is told while it runs (capture.h, CAPTURE_FD_CONTROL): notes, and to write down
 * what it keeps.
 *
 * A note has the time at which it was made, and waits for the first packet that passed later and is
 * written: frames that passed before may still be in the rings. So many wait at most; then the
 * oldest go.
 *
 * A save is done by a child: fork(2) is a snapshot of all that is kept, the child can be as slow as
 * the disk is, and the capture goes on meanwhile. The child sends the answer itself. */

#include "capture/worker_priv.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/units.h"
#include "capture/ifwatch_priv.h"
#include "capture/pcapng_priv.h"
#include "capture/report_priv.h"

#define NOTES_MOST 64u

void worker_orders_notes(struct worker *worker, uint64_t time_ns)
{
    worker->note_text.size = 0;
    for (size_t i = 0; i < worker->note_count && worker->notes[i].time_ns <= time_ns; i++)
        strbuf_append(&worker->note_text, worker->notes[i].text, strlen(worker->notes[i].text) + 1);
}

/**
 * drop_notes() - Forget the oldest notes
 * @worker:	The worker
 * @count:	How many
 */
static void drop_notes(struct worker *worker, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(worker->notes[i].text);
    worker->note_count -= count;
    memmove(worker->notes, worker->notes + count, worker->note_count * sizeof(worker->notes[0]));
}

void worker_orders_noted(struct worker *worker, uint64_t time_ns)
{
    size_t count = 0;

    while (count < worker->note_count && worker->notes[count].time_ns <= time_ns)
        count++;
    drop_notes(worker, count);
}

/**
 * take_note() - Remember a comment
 * @worker:	The worker
 * @text:	Time, blank, comment
 */
static void take_note(struct worker *worker, const char *text)
{
    char *end;
    uint64_t time_ns = strtoull(text, &end, 10);
    size_t size;

    if (end == text || *end != ' ')
        return;
    text = end + 1;
    size = strnlen(text, CAPTURE_NOTE_MAX);

    while (size > 0 && size == CAPTURE_NOTE_MAX && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--; /* not within a character */
    if (size == 0)
        return;
    if (worker->note_count == NOTES_MOST)
        drop_notes(worker, 1);
    array_grow(worker->notes, worker->note_count, worker->note_capacity);
    worker->notes[worker->note_count++] = (struct note){
        .time_ns = time_ns,
        .text = text_escape(text, size),
    };
}

/* A save as it was asked for. */
struct save {
    uint64_t id, last_ns;
    struct filter *filter;
    int64_t *numbers; /* by interface number: its number in the file, or -1 */
    enum capture_direction *directions;
    bool chosen; /* some interfaces only */
};

/**
 * save_done() - Free what a save holds
 * @save:	Save
 */
static void save_done(struct save *save)
{
    filter_free(save->filter);
    free(save->numbers);
    free(save->directions);
}

/**
 * choose() - Understand "only IFNAME DIRECTION"
 * @worker:	The worker
 * @save:	Filled
 * @words:	The two words; changed
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int choose(const struct worker *worker, struct save *save, char *words, struct error *err)
{
    char *space = strchr(words, ' ');
    const struct endpoint *endpoint = NULL;
    enum capture_direction direction;

    if (!space || !capture_direction_parse(space + 1, &direction))
        return error_input(err, "save: a direction is missing");
    *space = 0;
    for (size_t i = 0; i < worker->now.count; i++)
        if (strcmp(worker->now.items[i].ifname, words) == 0)
            endpoint = &worker->now.items[i];
    if (!endpoint)
        return error_input(err, "save: interface '%s' is not kept", words);
    /* All blocks that it had: it may have been on other links. */
    for (size_t i = 0; i < worker->interface_count; i++) {
        if (strcmp(worker->interfaces[i].ifname, words) != 0 ||
            strcmp(worker->interfaces[i].label, endpoint->label) != 0)
            continue;
        save->directions[i] = direction;
        save->numbers[i] = 0;
    }
    save->chosen = true;
    return 0;
}

/**
 * number_blocks() - Which interface blocks a save has, and as which number
 * @worker:	The worker
 * @save:	Its numbers are set: -1 was not chosen
 * @since_ns:	Nothing from before this
 */
static void number_blocks(const struct worker *worker, struct save *save, uint64_t since_ns)
{
    int64_t next = 0;

    for (size_t i = 0; i < worker->interface_count; i++) {
        bool there = worker->interfaces[i].last_ns >= since_ns; /* has something to show */

        for (size_t j = 0; j < worker->now.count && !there; j++)
            there = worker->now.items[j].number == i;
        save->numbers[i] = there && (!save->chosen || save->numbers[i] >= 0) ? next++ : -1;
    }
}

/**
 * read_save() - Understand a save
 * @worker:	The worker
 * @text:	What follows the word; changed
 * @save:	Filled; to be freed in any case
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int read_save(const struct worker *worker, char *text, struct save *save, struct error *err)
{
    size_t count = worker->interface_count;
    char *rest = NULL, *line = strtok_r(text, "\n", &rest), *end;
    int r = 0;

    *save = (struct save){.numbers = xnew0(int64_t, count),
                          .directions = xnew0(enum capture_direction, count)};
    for (size_t i = 0; i < count; i++)
        save->numbers[i] = -1;
    save->id = line ? strtoull(line, &end, 10) : 0;
    save->last_ns = line && *end ? strtoull(end, NULL, 10) : 0;
    while (r == 0 && (line = strtok_r(NULL, "\n", &rest))) {
        if (strncmp(line, "filter ", 7) == 0 && !save->filter)
            r = filter_compile(line + 7, &save->filter, err);
        else if (strncmp(line, "only ", 5) == 0)
            r = choose(worker, save, line + 5, err);
        else
            r = error_input(err, "save: what is '%.20s'?", line);
    }
    return r;
}

/**
 * write_saved() - Write a save's file
 * @worker:	The worker
 * @save:	What is wanted
 * @since_ns:	Nothing from before this
 * @output:	Where
 * @ret_written:	What is in it
 */
static void write_saved(struct worker *worker, const struct save *save, uint64_t since_ns,
                        struct output *output, struct keep_written *ret_written)
{
    const struct capture_options *capture = &worker->options->capture;
    _cleanup_strbuf_ struct strbuf head = STRBUF_INIT, tail = STRBUF_INIT;
    struct keep_choice choice = {
        .since_ns = since_ns,
        .filter = save->filter,
        .numbers = save->numbers,
        .directions = save->directions,
        .interface_count = worker->interface_count,
    };
    bool first = true;

    pcapng_section(&head, capture->lab);
    for (size_t i = 0; i < worker->interface_count; i++) {
        struct pcapng_statistics statistics = {.interface = (uint32_t)save->numbers[i],
                                               .start_ns = since_ns,
                                               .end_ns = worker_clock_ns(CLOCK_REALTIME)};

        if (save->numbers[i] < 0)
            continue;
        pcapng_interface(&head, &(struct pcapng_interface){
                                    .name = worker->interfaces[i].label,
                                    .description = worker->interfaces[i].link,
                                    .bits_per_s = ifwatch_speed(worker->interfaces[i].ifname),
                                    .snaplen = worker->snaplen,
                                });
        if (first && worker->drops) {
            statistics.dropped = statistics.os_dropped = worker->drops;
            statistics.comment = "drops of all interfaces since the lab came up";
        }
        pcapng_statistics(&tail, &statistics);
        first = false;
    }
    output_append(output, head.data, head.size);
    keep_write(worker->keep, &choice, output, ret_written);
    if (!output->error)
        output_append(output, tail.data, tail.size);
    (void)output_finish(output, -1, -1);
}

/**
 * save_in_child() - Write what is kept and tell of it
 * @worker:	The worker; this is its copy
 * @save:	What is wanted
 * @fd:		Where to
 */
static void save_in_child(struct worker *worker, struct save *save, int fd)
{
    uint64_t now = worker_clock_ns(CLOCK_REALTIME), span = keep_span(worker->keep), since;
    struct report_save report = {.id = save->id};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct keep_written written = {.packets = 0};
    struct output output;

    if (save->last_ns && save->last_ns < span)
        span = save->last_ns;
    since = now > span ? now - span : 0;
    number_blocks(worker, save, since);
    if (output_init(&output, fd, &err) < 0) {
        report.failed = true;
        report.why = error_message(&err);
    } else {
        write_saved(worker, save, since, &output, &written);
        report.failed = output.error != 0;
        report.why = output.error ? strerror(-output.error) : NULL;
    }
    report.packets = written.packets;
    report.bytes = written.bytes;
    report.from_ns = written.from_ns;
    report_saved(worker->options->control, &report);
    _exit(0);
}

/**
 * save() - Write what is kept
 * @worker:	The worker
 * @text:	What is wanted; changed
 * @fd:		Where to, -1: none came
 */
static void save_kept(struct worker *worker, char *text, int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(save_done) struct save save;
    pid_t pid = -1;
    int r = read_save(worker, text, &save, &err);

    if (r == 0 && (!worker->keep || fd < 0))
        r = error_input(&err, "save: %s", worker->keep ? "no file came along" : "nothing is kept");
    if (r == 0) {
        /* What passed until now is in the rings at the latest when their blocks are handed over. */
        (void)poll(NULL, 0, (int)(worker->retire_ms + SLACK_MS + 1));
        worker_take_ready(worker);
        worker_update_drops(worker);
        pid = fork();
        if (pid == 0)
            save_in_child(worker, &save, fd);
        if (pid < 0)
            r = error_errno(&err, errno, "fork");
    }
    if (r < 0)
        report_saved(
            worker->options->control,
            &(struct report_save){.id = save.id, .failed = true, .why = error_message(&err)});
}

void worker_orders_read(struct worker *worker, size_t client)
{
    struct control *control = worker->options->control;
    char *text;
    int fd;

    while (client < control->client_count && control_receive(control, client, &text, &fd)) {
        if (strncmp(text, "note ", 5) == 0)
            take_note(worker, text + 5);
        else if (strncmp(text, "save ", 5) == 0)
            save_kept(worker, text + 5, fd);
        else if (strncmp(text, "ends ", 5) == 0)
            worker_ends_order(worker, text + 5, fd);
        else if (strncmp(text, "keep ", 5) == 0 && worker->keep)
            keep_set_span(worker->keep, strtoull(text + 5, NULL, 10));
        free(text);
        cleanup_close(&fd);
    }
}
