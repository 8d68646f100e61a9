// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* One serial port of one node, shared. Runs in the engine's event loop, never blocks: the guest's
 * side is always drained; each client has a bounded backlog and is cut off (with a notice) when it
 * overruns it. QEMU itself writes the record (logfile); the broker keeps a ring of the last bytes
 * for replay. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/regex.h"
#include "base/error.h"

struct console;

struct console_options {
    const char *name;     /* "r1" or "r1:1", for notices */
    size_t ring_bytes;    /* replay ring, allocated as it fills; 0: 64 KiB */
    size_t backlog_bytes; /* how far beyond the ring a client may fall behind; 0: 512 KiB. One
                             backlog is shared by all clients, so this is memory per console. */
};

/* Callbacks run from the event loop, never inside a call below (but for console_free(), which ends
 * a running console_exec() with an error), and may call anything here, console_free() too. */

int console_new(sd_event *event, const struct console_options *options,
                struct console **ret_console, struct error *err);
void console_free(struct console *console); /* closes all clients */

/* console_open() - The guest's serial socket is connected. @fd: ownership taken, made non-blocking.
 */
int console_open(struct console *console, int fd, struct error *err);
/* console_close() - The guest is gone; clients stay attached, are told, and see the next start. */
void console_close(struct console *console, const char *why);

enum console_mode { CONSOLE_SHARED, CONSOLE_READ_ONLY, CONSOLE_EXCLUSIVE };
struct console_attach {
    enum console_mode mode;
    size_t replay_bytes; /* most bytes to replay; SIZE_MAX: all that is recorded */
    const char *who;     /* for notices: "ann (pts/3)" */
};
/* console_attach() - A client's connection now speaks console/frames.h. @fd: ownership taken. */
int console_attach(struct console *console, int fd, const struct console_attach *attach,
                   struct error *err);
/* console_attach_raw() - The same without frames: guest output out, typing in. For sockets that
 * other programs connect to. Half-closed, it goes on as a watcher. */
int console_attach_raw(struct console *console, int fd, const struct console_attach *attach,
                       struct error *err);
/* console_set_break_handler() - How a serial break gets to the guest (QEMU's socket cannot carry
 * one). @fn returns 0, or -errno which is told to the client that asked. */
typedef int console_break_fn(struct console *console, void *data);
void console_set_break_handler(struct console *console, console_break_fn *fn, void *data);
/* console_set_read_handler() - Something of the guest has been read: @fn is called before anything
 * is done with it. For what must be known first; it may call console_forget_line() and
 * console_expect(), and nothing else here that changes the console. */
typedef void console_read_fn(struct console *console, void *data);
void console_set_read_handler(struct console *console, console_read_fn *fn, void *data);
/* console_forget_line() - The guest has begun anew: what comes next is not the end of the line that
 * it was in. Return: where in the record that is, as far as is known */
uint64_t console_forget_line(struct console *console);
#define CONSOLE_RECORD_DEFAULT (16u << 20)

/* console_record() - The file at @path is what the guest says: QEMU appends to it. The console adds
 * the index of times (times.h) and lets go of what is older than the last @limit bytes (0: never).
 * To be called before QEMU is started, each time; with @old for a QEMU that was found running: then
 * the last part is preloaded. */
int console_record(struct console *console, const char *path, uint64_t limit, bool old,
                   struct error *err);
/* console_follow() - The guest is there: what it says is read from the record, what is typed goes
 * to the FIFO @fd (open for reading and writing, so that it never ends; ownership taken). */
int console_follow(struct console *console, int fd, struct error *err);
/* console_preload() - Output from before this engine, for replay and tail. Before console_open().
 */
void console_preload(struct console *console, const void *data, size_t size);
/* console_clients() - How many are attached. */
size_t console_clients(const struct console *console);

/* console_write() - Queue bytes for the guest (bounded: -ENOBUFS beyond 64 KiB; -ENOTCONN without
 * guest). */
int console_write(struct console *console, const void *data, size_t size, struct error *err);
/* console_unsent() - Bytes of what was written that wait because the guest does not read. */
size_t console_unsent(const struct console *console);
/* console_last_line() - The last non-empty line, escapes stripped and escaped for display; owned by
 * the console. */
const char *console_last_line(const struct console *console);
/* console_tail() - The last @lines lines, escaped, newline between. Caller frees. For errors that
 * quote the console. */
char *console_tail(const struct console *console, unsigned lines);
/* console_received() - Bytes the guest has sent so far; last_ns: CLOCK_MONOTONIC of the last one.
 */
uint64_t console_received(const struct console *console, uint64_t *ret_last_ns);

/* console_expect() - Call back once a console line (or the unfinished last one) matches an ERE (see
 * appliance_pattern()). Lines are stripped of escapes and CR. Looks at output from now on. One rule
 * at a time; NULL @rule cancels.
 * @rule: compiled regex, must live until called back or cancelled */
typedef void console_expect_fn(struct console *console, void *data);
int console_expect(struct console *console, const regex_t *rule, console_expect_fn *fn, void *data);

/* console_exec() - Type a command, collect what it prints up to the prompt, strip echo and prompt.
 * Works while people watch: their typing is held back meanwhile. One at a time (-EBUSY). If no
 * prompt is there, Enter is pressed once. The prompt that ends it has to answer: to @status, or to
 * Enter. A command that does not end in time, or prints more than 1 MiB, is interrupted with ^C.
 * -EINVAL: the command is not one line of text. */
struct console_exec {
    const char *command;   /* one line */
    const regex_t *prompt; /* matches the unfinished last line; must live until called back */
    const regex_t *error;  /* likewise, or NULL: an output line that matches means status 1 */
    const regex_t *pager;  /* likewise: matches the unfinished line of a pager that waits, beside
                            * those that say "more" */
    const char
        *status; /* command typed afterwards whose output is the status ("echo $?"), or NULL */
    uint64_t timeout_ns; /* over all; 0: 30 s */
};
/* @output: what the command printed (lines end with \n, no CR; the last one as the command left
 * it), valid during the call; @status: -1 with @err on timeout or a dead guest (and @output what
 * there was until then) */
typedef void console_exec_fn(struct console *console, const char *output, size_t size, int status,
                             struct error *err, void *data);
int console_exec(struct console *console, const struct console_exec *exec, console_exec_fn *fn,
                 void *data, struct error *err);
